// tv_predict: the five most probable classes of each photo, and totals when labels are given.
#include <map>
#include <sstream>

#include "common/app.hpp"
#include "common/network_weights.hpp"
#include "common/predictions.hpp"
#include "common/progress.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/stats/top_k.hpp"
#include "tinyvision/train/evaluation.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::NetworkChoice network;
  std::string photos, labels, json;
  double crop = 0.875;
  Index batch = 16;
  bool skip_bad = false;
};

/// labels.tsv: a header, then lines "photo <tab> wnid <tab> 0-based class index"; returns photo -> class index, and puts the
/// wnids in the place of their classes' `names`. Throws UsageError for an index that has no name.
std::map<std::string, Index> read_labels(const std::string& path, std::vector<std::string>& names) {
  std::map<std::string, Index> labels;
  const auto classes = static_cast<Index>(names.size());
  std::istringstream in(read_file(path));
  std::string line;
  std::getline(in, line);
  for (Index number = 2; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    std::istringstream fields(line);
    std::string photo, wnid, index;
    std::getline(fields, photo, '\t');
    std::getline(fields, wnid, '\t');
    std::getline(fields, index, '\t');
    if (index.empty() || index.size() > 6 || index.find_first_not_of("0123456789") != std::string::npos)
      fail_usage("labels", path, ":", number, ": class index '", index, "' is not a number");
    labels[photo] = std::stoll(index);
    if (labels[photo] >= classes)
      fail_usage("labels", path, ":", number, ": class index ", index, " is outside [0, ", classes, ")");
    names[static_cast<std::size_t>(labels[photo])] = wnid;
  }
  return labels;
}

void predict(const Options& options, const Json& config) {
  const Index classes = tv_app::classes_in_weights(options.network);
  const auto network = tv_app::build_network(options.network, classes);
  const std::string weights_digest = tv_app::load_network(*network, options.network);
  network->to(compute_device());
  const auto preprocessing = tv_app::preprocessing_of(options.network, *network, options.crop);
  const Index background = network->has_background_class() ? 1 : 0;
  std::vector<std::string> names;
  for (Index c = 0; c < classes - background; ++c) names.push_back(concat_text("class ", c));
  std::map<std::string, Index> labels;
  if (!options.labels.empty()) labels = read_labels(options.labels, names);
  const std::shared_ptr<const data::Dataset> photos =
      data::read_flat_folder(options.photos, data::parse_decoder(options.network.decoder));
  std::vector<Index> all(static_cast<std::size_t>(photos->size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  auto loader_options = data::LoaderOptions::evaluation(preprocessing, options.batch);
  loader_options.skip_bad = options.skip_bad;
  data::Loader loader(photos, all, loading_for(network->device(), loader_options));
  tv_app::Results results("tv_predict", config);
  tv_app::Progress progress("photos", loader.examples(), options.quiet);
  const Evaluation scores = evaluate(
      *network, loader, [&](Index done, Index) { progress.update(done); }, tv_app::interrupted);
  if (tv_app::interrupted()) throw tv_app::Interrupted{"Nothing was written."};
  for (const data::BadExample& bad : loader.bad_examples()) std::fprintf(stderr, "skipped %s\n", bad.reason.c_str());

  const bool to_stdout = options.json == "-";
  Index top1 = 0, top5 = 0;
  Json list = Json::array();
  std::vector<tv_app::Prediction> rows;
  for (Index i = 0; i < scores.logits.rows(); ++i) {
    const std::string name = photos->path(scores.indices[static_cast<std::size_t>(i)]);
    const std::vector<stats::Prediction> best = stats::top_k(scores.logits, i, 5);
    Json photo{{"path", name}, {"top5", Json::array()}};
    if (!to_stdout) std::printf("%s\n", name.c_str());
    const auto label = labels.find(name);
    if (!labels.empty() && label == labels.end()) fail_usage("labels", options.labels, ": no row for ", name);
    for (std::size_t k = 0; k < best.size(); ++k) {
      const Index index = best[k].index - background;  // -1: the background class
      photo["top5"].push_back({{"class", index}, {"probability", best[k].probability}});
      if (!to_stdout) std::printf("  %5lld  %.4f\n", static_cast<long long>(index), best[k].probability);
      if (label == labels.end() || index != label->second) continue;
      top1 += k == 0;
      ++top5;
    }
    if (label != labels.end()) {
      photo["label"] = label->second;
      rows.push_back({name, label->second, best.front().index - background, best.front().probability});
    }
    list.push_back(photo);
  }
  if (!labels.empty() && !to_stdout)
    std::printf("top-1 %lld, top-5 %lld of %lld\n", static_cast<long long>(top1), static_cast<long long>(top5),
                static_cast<long long>(scores.logits.rows()));
  Json totals;
  if (!labels.empty()) totals = {{"top1", top1}, {"top5", top5}};
  totals["count"] = scores.logits.rows();
  totals["photos"] = list;
  if (to_stdout) std::printf("%s\n", totals.dump(2).c_str());
  if (!options.json.empty() && !to_stdout) write_file_atomically(options.json, totals.dump(2) + "\n");
  if (options.out.empty()) return;
  results["digests"] = {{"weights", weights_digest}, {"preprocessing", sha256_hex(preprocessing.text())}};
  results["environment"]["decoder"] = photos->decoder();
  results["classes"] = names;
  results["background_class"] = background == 1;
  if (!labels.empty()) {
    tv_app::write_predictions(options.out, rows);
    const double n = static_cast<double>(scores.logits.rows());
    results["metrics"]["test"] = {{"top1", static_cast<double>(top1) / n},
                                  {"top5", static_cast<double>(top5) / n},
                                  {"count", scores.logits.rows()}};
  }
  results["skipped"] = loader.bad_examples().size();
  results.lap("predict");
  results.write(options.out);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "tv_predict: the five most probable ImageNet classes (0-based; -1 = background) of each photo in a folder");
  tv_app::add_network_options(app, options.network, true);
  app.add_option("photos,--photos", options.photos, "folder of photos")->required();
  app.add_option("--labels", options.labels, "labels.tsv: file, wnid, 0-based class index; gives totals");
  app.add_option("--json", options.json, "write predictions as JSON to FILE, or - for standard output");
  app.add_option("--crop", options.crop, "central fraction of each side: 0.875, or 1 for the whole image")
      ->capture_default_str();
  app.add_option("--batch", options.batch, "photos per batch")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_flag("--skip-bad", options.skip_bad, "name, count and skip unreadable photos instead of failing");
  tv_app::add_common_options(app, options, "folder for results.json and, with --labels, predictions.csv");
  return tv_app::run_app(app, "tv_predict", options, argc, argv, [&](const Json& config) { predict(options, config); });
}
