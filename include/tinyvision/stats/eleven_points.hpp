// The 11-point measure of a ranking that is walked once, for tests that compute it thousands of times; and the checks of scores and
// truths by example and class. average_precision.hpp has the definition.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tinyvision/core/tensor.hpp"

TINYVISION_BEGIN
namespace stats {

namespace detail {

/// Precisions of a ranking that is walked from the highest score down, kept as the largest one at each of 11 recalls.
/// Recall t/10 is reached by the k-th positive when 10 k >= t P: in integers, so 7 of 10 is 0.7 on every machine.
class ElevenPoints {
 public:
  explicit ElevenPoints(Index positives) : positives_(positives) { best_.fill(0); }
  void negative() { ++seen_; }
  void positive() {
    ++seen_;
    ++hits_;
    double& best = best_[static_cast<std::size_t>(10 * hits_ / positives_)];
    best = std::max(best, static_cast<double>(hits_) / static_cast<double>(seen_));
  }
  /// 1/11 sum over t = 0, 0.1, ..., 1 of the largest precision at a recall of at least t.
  double value() const {
    double largest = 0, sum = 0;
    for (std::size_t t = best_.size(); t-- > 0;) {
      largest = std::max(largest, best_[t]);
      sum += largest;
    }
    return sum / 11;
  }

 private:
  Index positives_, seen_ = 0, hits_ = 0;
  std::array<double, 11> best_{};
};

inline void check_truth(std::string_view where, const Tensor& scores, std::span<const std::int8_t> truth) {
  check(scores.defined() && scores.shape().rank() == 2, where, "scores must be [n, classes], got ", scores.text());
  check(static_cast<Index>(truth.size()) == scores.count(), where, "scores ", scores.shape(), " but ", truth.size(),
        " truths");
  check(scores.dim(0) > 0 && scores.dim(1) > 0, where, "no examples or no classes: ", scores.shape());
  for (std::size_t i = 0; i < truth.size(); ++i)
    check(truth[i] >= -1 && truth[i] <= 1, where, "truth of example ", static_cast<Index>(i) / scores.dim(1),
          ", class ", static_cast<Index>(i) % scores.dim(1), " is ", int{truth[i]}, "; it must be -1, 0 or 1");
}

/// Scores [n, classes] as f64, row-major. Throws Error on NaN.
inline std::vector<double> exact_scores(std::string_view where, const Tensor& scores) {
  const std::vector<double> values = scores.packed().to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i)
    check(!std::isnan(values[i]), where, "score of example ", static_cast<Index>(i) / scores.dim(1), ", class ",
          static_cast<Index>(i) % scores.dim(1), " is not a number");
  return values;
}

}  // namespace detail
}  // namespace stats
TINYVISION_END
