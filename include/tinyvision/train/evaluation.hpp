// Scores and features of a network over a list of images, without gradients.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tinyvision/nn/network.hpp"
#include "tinyvision/train/batch_feed.hpp"

TINYVISION_BEGIN

/// Rows in the order of the loader.
struct Evaluation {
  Tensor logits;               ///< [n, classes]
  Tensor features;             ///< [n, feature size]
  Tensor labels;               ///< [n] i64
  std::vector<Index> indices;  ///< of the examples in their data set
};

/// Appends the rows of `batch` at row `at` of `all`.
inline void copy_rows(const Tensor& all, Index at, const Tensor& batch) {
  all.slice_batch(at, batch.dim(0)).copy_from(batch);
}

/// Runs every batch of `loader` (see LoaderOptions::evaluation) through `network` with its moving statistics. `progress(done, total)` is called after
/// each batch; `should_stop` ends early with the rows done so far. Images that the loader skips are left out.
inline Evaluation evaluate(const Network& network, data::Loader& loader,
                           const std::function<void(Index, Index)>& progress = {},
                           const std::function<bool()>& should_stop = {}) {
  const NoGradient guard;
  const Index total = loader.examples();
  Evaluation out;
  out.logits = Tensor::empty({total, network.options().classes}, network.options().dtype);
  out.features = Tensor::empty({total, network.feature_size()}, network.options().dtype);
  out.labels = Tensor::empty({total}, DType::i64);
  Index done = 0;
  BatchFeed feed(loader, network.device());
  if (feed.position() != data::LoaderPosition{}) feed.seek({});
  while (const std::optional<data::Batch> batch = feed.next_of_epoch(0)) {
    const Outputs outputs = network.forward(Variable(batch->images.to(network.options().dtype).to(network.device())),
                                            Context::scores_only());
    copy_rows(out.logits, done, outputs.logits.value());
    copy_rows(out.features, done, outputs.feature.value());
    copy_rows(out.labels, done, batch->labels);
    out.indices.insert(out.indices.end(), batch->indices.begin(), batch->indices.end());
    done += batch->size();
    if (progress) progress(done, total);
    if (should_stop && should_stop()) break;
  }
  out.logits = out.logits.slice_batch(0, done);
  out.features = out.features.slice_batch(0, done);
  out.labels = out.labels.slice_batch(0, done);
  return out;
}

TINYVISION_END
