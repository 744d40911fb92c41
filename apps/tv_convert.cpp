// tv_convert: looks into weight files, rewrites them as safetensors, compares them: docs/checkpoints.md.
#include <numeric>
#include <optional>

#include "common/network_options.hpp"
#include "common/progress.hpp"
#include "common/weight_tables.hpp"
#include "tinyvision/checkpoint/name_map.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/loader.hpp"
#include "tinyvision/train/restore_batch_norm.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::NetworkChoice network;
  std::string file, other, output, photos, map;
  bool no_averages = false;
  double crop = 0.875, tolerance = -1;
  Index batch = 16;

  checkpoint::ReadOptions reading() const { return {.prefer_averages = !no_averages}; }
};

void inspect(const Options& options, const Json& config) {
  const WeightFile file = load_weight_file(options.file, options.reading());
  std::vector<tv_app::TensorRow> rows;
  for (const auto& [name, tensor] : file.tensors) rows.push_back(tv_app::tensor_row(name, tensor));
  tv_app::print_tensor_rows(rows);
  for (const auto& [name, reason] : file.passed_over)
    std::printf("passed over: %s (%s)\n", name.c_str(), reason.c_str());
  for (const auto& [key, value] : file.metadata) std::printf("metadata: %s = %s\n", key.c_str(), value.c_str());
  std::printf("%s\nsha256 %s\n", tv_app::describe(file).c_str(), file.sha256.c_str());
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", file.sha256}};
  for (const tv_app::TensorRow& row : rows) results["tensors"].push_back(tv_app::json_of(row));
  results.write(options.out);
}

/// Measures the batch norms of `network` on the photos and restores them; returns what to note about it.
std::string restore(const Options& options, const Network& network) {
  const auto preprocessing = tv_app::preprocessing_of(options.network, network, options.crop);
  const std::shared_ptr<const data::Dataset> photos =
      data::read_flat_folder(options.photos, data::parse_decoder(options.network.decoder));
  std::vector<Index> all(static_cast<std::size_t>(photos->size()));
  std::iota(all.begin(), all.end(), Index{0});
  data::Loader loader(photos, all, data::LoaderOptions::evaluation(preprocessing, options.batch));
  tv_app::Progress progress("photos", loader.examples(), options.quiet);
  Index done = 0;
  const Index layers = restore_batch_norm(network, network.bn_epsilon(), [&] {
    if (tv_app::interrupted()) throw tv_app::Interrupted("nothing was written");
    if (done == loader.examples()) return Tensor();
    const data::Batch batch = loader.next();
    done += batch.size();
    progress.update(done);
    return batch.images;
  });
  std::printf("restored %lld batch norms from %lld photos\n", static_cast<long long>(layers),
              static_cast<long long>(done));
  return concat_text("restored from the statistics of ", done, " photos, ", preprocessing.text());
}

void convert(const Options& options, const Json& config) {
  WeightFile file = load_weight_file(options.network.weights, options.reading());
  checkpoint::Metadata metadata = file.metadata;
  metadata["source_sha256"] = file.sha256;
  metadata["source_format"] = file.format;
  metadata["converter"] = "tv_convert " TINYVISION_VERSION;
  if (!file.averaged.empty())
    metadata["moving_averages"] = concat_text(file.averaged.size(), " of ", file.tensors.size(), " tensors");
  if (options.network.network.empty()) {
    if (!options.photos.empty() || !options.map.empty())
      fail_usage("options", options.map.empty() ? "--restore-bn" : "--map", " needs --network");
    std::printf("%s\n", tv_app::describe(file).c_str());
  } else {
    std::optional<checkpoint::NameMap> map;
    if (!options.map.empty()) map = checkpoint::load_name_map(options.map, options.network.network);
    const auto network =
        tv_app::build_network(options.network, map ? map->classes : tv_app::classes_in_weights(options.network));
    if (map) file = checkpoint::apply_name_map(*map, file, tv_app::expected_tensors(*network));
    for (const std::string& what : map ? map->differs : std::vector<std::string>{})
      std::printf("differs: %s\n", what.c_str());
    tv_app::load_network(*network, file);
    metadata["network"] = network->name();
    if (!options.photos.empty()) metadata["batch_norm"] = restore(options, *network);
    file.tensors = tv_app::named_values(*network);
  }
  checkpoint::save_safetensors(options.output, file.tensors, metadata);
  const std::string digest = sha256_file(options.output);
  std::printf("%s  %s\n", digest.c_str(), options.output.c_str());
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", file.sha256}, {"output", digest}};
  results.write(options.out);
}

int verify(const Options& options, const Json& config) {
  const WeightFile a = load_weight_file(options.file, options.reading());
  const WeightFile b = load_weight_file(options.other, options.reading());
  const auto differences = tv_app::compare_weights(a, b, options.tolerance);
  for (const auto& [name, what] : differences) std::printf("%s: %s\n", name.c_str(), what.c_str());
  std::printf("%s\n%s\n", tv_app::describe(a).c_str(), tv_app::describe(b).c_str());
  std::printf("%s\n", differences.empty() ? "equal" : concat_text(differences.size(), " tensors differ").c_str());
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", a.sha256}, {"other", b.sha256}};
  results["differences"] = Json::object();
  for (const auto& [name, what] : differences) results["differences"][name] = what;
  results.write(options.out);
  return differences.empty() ? tv_app::exit_done : tv_app::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.network.network = "";
  CLI::App app("tv_convert: looks into weight files of every format that is read, rewrites and compares them");
  app.require_subcommand(1);
  CLI::App* look = app.add_subcommand("inspect", "name, shape, dtype, mean, norm and digest of every tensor");
  look->add_option("file,--file", options.file, "weight file")->required();
  CLI::App* rewrite = app.add_subcommand("convert", "writes what a weight file holds as safetensors");
  tv_app::add_network_options(*rewrite, options.network, true);
  rewrite->get_option("--network")
      ->description("load into this network first: names and shapes are checked, values f32");
  rewrite->add_option("--map", options.map, "name map (models/maps): the file's names are another program's");
  rewrite->add_option("--output", options.output, "safetensors file to write")->required();
  rewrite->add_option("--restore-bn", options.photos,
                      "folder of photos: batch norms that were folded are restored from their statistics on them");
  rewrite->add_option("--crop", options.crop, "central fraction of the photos' sides")->capture_default_str();
  rewrite->add_option("--batch", options.batch, "photos per batch")->capture_default_str()->check(CLI::PositiveNumber);
  CLI::App* compare =
      app.add_subcommand("verify", "compares two weight files tensor by tensor; exit code 1: they differ");
  compare->add_option("file,--file", options.file, "weight file")->required();
  compare->add_option("other,--other", options.other, "the file beside it")->required();
  compare->add_option("--tolerance", options.tolerance, "largest difference that counts as equal; -1: every bit counts")
      ->capture_default_str();
  for (CLI::App* command : {look, rewrite, compare}) {
    command->add_flag("--no-averages", options.no_averages, "TensorFlow: the variables, not their moving averages");
    tv_app::add_common_options(*command, options, "folder for results.json");
  }
  return tv_app::run_app(app, "tv_convert", options, argc, argv, [&](const Json& config) {
    if (look->parsed()) inspect(options, config);
    if (rewrite->parsed()) convert(options, config);
    return compare->parsed() ? verify(options, config) : static_cast<int>(tv_app::exit_done);
  });
}
