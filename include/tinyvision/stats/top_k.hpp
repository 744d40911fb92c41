// The most probable classes of one row of scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tinyvision/core/tensor.hpp"

TINYVISION_BEGIN
namespace stats {

struct Prediction {
  Index index = 0;
  double probability = 0;
};

/// The `k` classes with the largest softmax probabilities in row `row` of logits [n, classes], most probable first; the
/// lower class first in a tie. Probabilities are computed in f64.
inline std::vector<Prediction> top_k(const Tensor& logits, Index row, Index k) {
  const Index classes = logits.shape().back();
  check(row >= 0 && row < logits.rows() && k >= 1, "top_k", "row ", row, ", k ", k, " of ", logits.shape());
  const std::vector<double> scores = logits.slice_batch(row, 1).to_vector<double>();
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double s : scores) sum += std::exp(s - largest);
  std::vector<Index> order(static_cast<std::size_t>(classes));
  std::iota(order.begin(), order.end(), Index{0});
  const auto kept = std::min<std::ptrdiff_t>(k, classes);
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](Index a, Index b) {
    const double x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  std::vector<Prediction> best;
  for (std::ptrdiff_t i = 0; i < kept; ++i) {
    const Index index = order[static_cast<std::size_t>(i)];
    best.push_back({index, std::exp(scores[static_cast<std::size_t>(index)] - largest) / sum});
  }
  return best;
}

}  // namespace stats
TINYVISION_END
