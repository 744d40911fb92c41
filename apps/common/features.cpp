// Penultimate features of a list of images.
#include "common/features.hpp"

#include <filesystem>

#include "common/environment.hpp"
#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/train/evaluation.hpp"

namespace tv_app {

FeatureTable compute_features(const tinyvision::Network& network, const std::string& weights_digest,
                              const LabelledData& labelled, const tinyvision::data::Preprocessing& preprocessing,
                              tinyvision::Index batch, bool skip_bad, const std::string& cache_folder, bool quiet) {
  using namespace tinyvision;
  const std::shared_ptr<const data::Dataset>& dataset = labelled.dataset;
  FeatureTable table;
  std::string content;
  try {
    content = labelled.contents->of_all();
  } catch (const data::ContentDigestStopped& stop) {
    throw Interrupted(stop.what());
  }
  Sha256 key;
  key.update("features 2\n" + content + "\n" + weights_digest + "\n" + network.name() + "\n" + preprocessing.text() +
             "\n" + dataset->decoder() + "\n" + arithmetic_mode() + "\n");
  for (Index i = 0; i < dataset->size(); ++i)
    key.update(dataset->path(i) + "\t" + std::to_string(dataset->label(i)) + "\n");
  table.key = key.hex();
  table.row.assign(static_cast<std::size_t>(dataset->size()), -1);
  const auto index_rows = [&](const std::vector<std::int64_t>& indices) {
    for (std::size_t i = 0; i < indices.size(); ++i)
      table.row[static_cast<std::size_t>(indices[i])] = static_cast<Index>(i);
  };
  const std::string path =
      cache_folder.empty()
          ? ""
          : (std::filesystem::path(cache_folder) / ("features-" + table.key.substr(0, 16) + ".safetensors")).string();
  if (!path.empty() && std::filesystem::exists(path)) {
    const auto file = checkpoint::load_safetensors(path);
    const auto found = file.metadata.find("key");
    if (found != file.metadata.end() && found->second == table.key) {
      table.features = file.tensor("features");
      table.labels = file.tensor("labels");
      index_rows(file.tensor("indices").to_vector<std::int64_t>());
      table.cached = true;
      return table;
    }
  }
  std::vector<Index> all(static_cast<std::size_t>(dataset->size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  auto options = data::LoaderOptions::evaluation(preprocessing, batch);
  options.skip_bad = skip_bad;
  data::Loader loader(dataset, all, loading_for(network.device(), options));
  Progress progress("features", loader.examples(), quiet);
  const Evaluation evaluation = evaluate(
      network, loader, [&](Index done, Index) { progress.update(done); }, interrupted);
  if (interrupted()) throw Interrupted("features were not finished; nothing was written");
  progress.finish();
  for (const data::BadExample& bad : loader.bad_examples()) std::fprintf(stderr, "skipped %s\n", bad.reason.c_str());
  table.features = evaluation.features;
  table.labels = evaluation.labels;
  index_rows(evaluation.indices);
  if (!path.empty()) {
    ensure_writable_folder(cache_folder);
    checkpoint::save_safetensors(
        path,
        {{"features", table.features},
         {"labels", table.labels},
         {"indices",
          Tensor::from_vector<std::int64_t>({static_cast<Index>(evaluation.indices.size())}, evaluation.indices)}},
        {{"key", table.key}});
  }
  return table;
}

}  // namespace tv_app
