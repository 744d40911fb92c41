// Penultimate features of a list of images, cached in a file whose name is the digest of everything they depend on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/data_options.hpp"
#include "common/network_weights.hpp"

namespace tv_app {

/// Features [n, size] f32 and labels [n] i64 of all examples of a data set; `row[i]` is the row of example i, -1 where it
/// was skipped as unreadable.
struct FeatureTable {
  tinyvision::Tensor features, labels;
  std::vector<tinyvision::Index> row;
  std::string key;  ///< digest of weights, preprocessing, the images' bytes and labels, decoder and arithmetic
  bool cached = false;

  /// Examples that were skipped.
  std::vector<tinyvision::Index> skipped() const {
    std::vector<tinyvision::Index> all;
    for (std::size_t i = 0; i < row.size(); ++i)
      if (row[i] < 0) all.push_back(static_cast<tinyvision::Index>(i));
    return all;
  }

  /// Rows of the given examples, in their order; skipped ones are left out.
  std::pair<tinyvision::Tensor, std::vector<tinyvision::Index>> select(
      const std::vector<tinyvision::Index>& examples) const {
    using namespace tinyvision;
    std::vector<Index> rows;
    for (const Index example : examples)
      if (row[static_cast<std::size_t>(example)] >= 0) rows.push_back(row[static_cast<std::size_t>(example)]);
    std::pair<Tensor, std::vector<Index>> out{Tensor::empty({static_cast<Index>(rows.size()), features.dim(1)}), {}};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out.first.slice_batch(static_cast<Index>(i), 1).copy_from(features.slice_batch(rows[i], 1));
      out.second.push_back(labels.data<std::int64_t>()[rows[i]]);
    }
    return out;
  }
};

/// Features of every example of `data`, read from `cache_folder` when they are there, else computed and stored. Reads the bytes
/// of examples outside the split too, since the key covers them.
FeatureTable compute_features(const tinyvision::Network& network, const std::string& weights_digest,
                              const LabelledData& data, const tinyvision::data::Preprocessing& preprocessing,
                              tinyvision::Index batch, bool skip_bad, const std::string& cache_folder, bool quiet);

}  // namespace tv_app
