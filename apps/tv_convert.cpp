// tv_convert: rewrites weight files; --restore-bn gives folded batch norms back.
#include <numeric>

#include "common/network_options.hpp"
#include "common/progress.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/loader.hpp"
#include "tinyvision/train/restore_batch_norm.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::NetworkChoice network;
  std::string output, photos;
  double crop = 0.875;
  Index batch = 16;
};

void convert(const Options& options, const Json& config) {
  const auto network = tv_app::build_network(options.network, tv_app::classes_in_weights(options.network));
  const std::string digest = tv_app::load_network(*network, options.network.weights, false);
  checkpoint::Metadata metadata{
      {"network", network->name()}, {"source_sha256", digest}, {"converter", "tv_convert " TINYVISION_VERSION}};
  if (!options.photos.empty()) {
    const auto preprocessing = tv_app::preprocessing_of(options.network, *network, options.crop);
    const std::shared_ptr<const data::Dataset> photos =
        data::read_flat_folder(options.photos, data::parse_decoder(options.network.decoder));
    std::vector<Index> all(static_cast<std::size_t>(photos->size()));
    std::iota(all.begin(), all.end(), Index{0});
    data::Loader loader(photos, all, data::LoaderOptions::evaluation(preprocessing, options.batch));
    tv_app::Progress progress("photos", loader.examples(), options.quiet);
    Index done = 0;
    const Index layers = restore_batch_norm(*network, network->bn_epsilon(), [&] {
      if (tv_app::interrupted()) throw tv_app::Interrupted("nothing was written");
      if (done == loader.examples()) return Tensor();
      const data::Batch batch = loader.next();
      done += batch.size();
      progress.update(done);
      return batch.images;
    });
    metadata["batch_norm"] = concat_text("restored from the statistics of ", done, " photos, ", preprocessing.text());
    std::printf("restored %lld batch norms from %lld photos\n", static_cast<long long>(layers),
                static_cast<long long>(done));
  }
  checkpoint::save_safetensors(options.output, tv_app::named_values(*network), metadata);
  std::printf("%s  %s\n", sha256_file(options.output).c_str(), options.output.c_str());
  if (options.out.empty()) return;
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", digest}, {"output", sha256_file(options.output)}};
  results.write(options.out);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("tv_convert: reads a network's weights, optionally restores folded batch norms, and writes them in f32");
  tv_app::add_network_options(app, options.network, true);
  app.add_option("--output", options.output, "safetensors file to write")->required();
  app.add_option(
      "--restore-bn", options.photos,
      "folder of photos: measure each batch norm's statistics on them and restore gamma, beta and moving statistics");
  app.add_option("--crop", options.crop, "central fraction of the photos' sides")->capture_default_str();
  app.add_option("--batch", options.batch, "photos per batch")->capture_default_str()->check(CLI::PositiveNumber);
  tv_app::add_common_options(app, options, "folder for results.json");
  return tv_app::run_app(app, "tv_convert", options, argc, argv, [&](const Json& config) { convert(options, config); });
}
