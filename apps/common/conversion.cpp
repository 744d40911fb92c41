// A weight file as another.
#include "common/conversion.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <system_error>
#include <vector>

#include "common/interrupt.hpp"
#include "common/network_weights.hpp"
#include "common/progress.hpp"
#include "common/weight_tables.hpp"
#include "tinyvision/checkpoint/name_map_export.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/loader.hpp"
#include "tinyvision/exchange/onnx_export.hpp"
#include "tinyvision/train/restore_batch_norm.hpp"

namespace tv_app {

namespace {

/// Measures the batch norms of `network` on the photos and restores them; returns what to note about it.
std::string restore(const Conversion& c, const tinyvision::Network& network) {
  using namespace tinyvision;
  const auto preprocessing = preprocessing_of(c.network, network, c.crop);
  const std::shared_ptr<const data::Dataset> photos =
      data::read_flat_folder(c.photos, data::parse_decoder(c.network.decoder));
  std::vector<Index> all(static_cast<std::size_t>(photos->size()));
  std::iota(all.begin(), all.end(), Index{0});
  data::Loader loader(photos, all, data::LoaderOptions::evaluation(preprocessing, c.batch));
  Progress progress("photos", loader.examples(), c.quiet);
  Index done = 0;
  const Index layers = restore_batch_norm(network, network.bn_epsilon(), [&] {
    if (interrupted()) throw Interrupted("nothing was written");
    if (done == loader.examples()) return Tensor();
    const data::Batch images = loader.next();
    done += images.size();
    progress.update(done);
    return images.images;
  });
  std::printf("restored %lld batch norms from %lld photos\n", static_cast<long long>(layers),
              static_cast<long long>(done));
  return concat_text("restored from the statistics of ", done, " photos, ", preprocessing.text());
}

void refuse_without_network(const Conversion& c) {
  const char* asks = !c.map.empty()                ? "--map"
                     : !c.output_map.empty()       ? "--output-map"
                     : !c.photos.empty()           ? "--restore-bn"
                     : c.output.ends_with(".onnx") ? "an ONNX model"
                                                   : nullptr;
  if (asks != nullptr) tinyvision::fail_usage("options", asks, " needs --network");
}

}  // namespace

std::string find_name_map(const std::string& folder, const std::string& publisher, const std::string& network) {
  std::error_code code;  // a folder that is not there holds no map
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    if (!entry.path().filename().string().starts_with(publisher + "_")) continue;
    const auto served = tinyvision::checkpoint::networks_of_map(tinyvision::read_file(entry.path().string()));
    if (std::find(served.begin(), served.end(), network) != served.end()) return entry.path().string();
  }
  tinyvision::fail_usage("weights", folder, ": no name map of ", publisher, " for ", network);
}

Converted convert(const Conversion& c) {
  using namespace tinyvision;
  WeightFile file = read_weights(c.network.weights, {.prefer_averages = c.averages});
  checkpoint::Metadata metadata = file.metadata;
  metadata["source_sha256"] = file.sha256;
  metadata["source_format"] = file.format;
  metadata["converter"] = "tv_convert " TINYVISION_VERSION;
  if (!file.averaged.empty())
    metadata["moving_averages"] = concat_text(file.averaged.size(), " of ", file.tensors.size(), " tensors");
  if (c.network.network.empty()) {
    refuse_without_network(c);
    std::printf("%s\n", describe(file).c_str());
    checkpoint::save_safetensors(c.output, file.tensors, metadata);
    return {file.sha256, sha256_file(c.output)};
  }
  std::optional<checkpoint::NameMap> map;
  if (!c.map.empty()) map = checkpoint::load_name_map(c.map, c.network.network);
  const auto network = build_network(c.network, map ? map->classes : classes_in_weights(c.network));
  if (map) file = checkpoint::apply_name_map(*map, file, expected_tensors(*network));
  for (const std::string& what : map ? map->differs : std::vector<std::string>{})
    std::printf("differs: %s\n", what.c_str());
  load_network(*network, file, c.network.allow_missing);
  metadata["network"] = network->name();
  if (!c.photos.empty()) metadata["batch_norm"] = restore(c, *network);
  if (c.output.ends_with(".onnx")) {
    exchange::save_onnx(c.output, *network, network->image_size(), network->image_size(), metadata);
  } else if (!c.output_map.empty()) {
    const checkpoint::NameMap names = checkpoint::load_name_map(c.output_map, c.network.network);
    metadata["names"] = names.peer;
    checkpoint::save_safetensors(c.output, checkpoint::export_with_name_map(names, named_values(*network)), metadata);
  } else {
    checkpoint::save_safetensors(c.output, named_values(*network), metadata);
  }
  return {file.sha256, sha256_file(c.output)};
}

}  // namespace tv_app
