// tv_features: the penultimate feature of every image of a data set, as a safetensors file.
#include "common/app.hpp"
#include "common/features.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::NetworkChoice network;
  tv_app::DataChoice data;
  double crop = 1;
  Index batch = 32;
};

void run(const Options& options, const Json& config) {
  if (options.out.empty()) fail_usage("options", "--out is required");
  tv_app::Results results("tv_features", config);
  const auto network = tv_app::build_network(options.network, tv_app::classes_in_weights(options.network));
  const std::string weights_digest = tv_app::load_network(*network, options.network);
  network->to(compute_device());
  const auto preprocessing = tv_app::preprocessing_of(options.network, *network, options.crop);
  auto data = tv_app::read_data(options.data, options.network.decoder, options.out, options.quiet);
  const auto table = tv_app::compute_features(*network, weights_digest, data, preprocessing, options.batch,
                                              options.data.skip_bad, options.out, options.quiet);
  tv_app::leave_out(data, table.skipped());
  results["digests"] = {
      {"weights", weights_digest}, {"preprocessing", sha256_hex(preprocessing.text())}, {"features", table.key}};
  tv_app::record_data(results, data);
  results["network"] = network->options().text();
  results["features"] = {
      {"examples", table.features.dim(0)}, {"size", table.features.dim(1)}, {"from_cache", table.cached}};
  results.lap("features");
  results.write(options.out);
  std::printf("%s %lld x %lld features%s\n", table.key.substr(0, 16).c_str(),
              static_cast<long long>(table.features.dim(0)), static_cast<long long>(table.features.dim(1)),
              table.cached ? ", from the cache" : "");
  tv_app::report_coverage(data);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.data.multi_label = true;  // features need no labels; those in the file are the first classes shown
  CLI::App app(
      "tv_features: penultimate features of every image of a data set, cached by a digest of all they depend on");
  tv_app::add_network_options(app, options.network, true);
  tv_app::add_data_options(app, options.data);
  app.add_option("--crop", options.crop, "central fraction of each side; 1 = the whole image, as in the paper's probes")
      ->capture_default_str();
  app.add_option("--batch", options.batch, "images per batch")->capture_default_str()->check(CLI::PositiveNumber);
  tv_app::add_common_options(app, options, "folder for features, split.tsv and results.json");
  return tv_app::run_app(app, "tv_features", options, argc, argv, [&](const Json& config) { run(options, config); });
}
