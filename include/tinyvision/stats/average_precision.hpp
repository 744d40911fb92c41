// The 11-point interpolated average precision of PASCAL VOC 2007, and its mean over classes.
//
// Truths are VOC's own: 1 the class is in the image, -1 it is not, 0 "difficult": such a cell counts neither way.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "tinyvision/core/error.hpp"
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

/// 11-point average precision of one class: with p(k) and r(k) the precision and recall among the k highest scores,
///   AP = 1/11 * sum over t in {0, 0.1, ..., 1} of max { p(k) : r(k) >= t }.
/// Examples of equal score rank in the order given. Difficult examples are left out of everything. NaN when the class
/// has no positive example. Throws Error when lengths differ or a score is NaN. f64; the result is exact but for the
/// rounding of 11 quotients and their sum.
/// M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman, "The PASCAL Visual Object Classes (VOC)
/// challenge", IJCV 88 (2010), section 4.2; G. Salton, M. McGill, "Introduction to modern information retrieval" (1983).
inline double eleven_point_average_precision(std::span<const double> scores, std::span<const std::int8_t> truth) {
  check(scores.size() == truth.size(), "average_precision", scores.size(), " scores but ", truth.size(), " truths");
  for (std::size_t i = 0; i < scores.size(); ++i)
    check(!std::isnan(scores[i]), "average_precision", "score of example ", i, " is not a number");
  const auto positives = std::count(truth.begin(), truth.end(), std::int8_t{1});
  if (positives == 0) return std::numeric_limits<double>::quiet_NaN();
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  detail::ElevenPoints points(positives);
  for (const std::size_t i : order) {
    if (truth[i] > 0) points.positive();
    if (truth[i] < 0) points.negative();
  }
  return points.value();
}

/// Average precision of each class, and its mean over the classes that have a positive example.
struct MeanAveragePrecision {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> of_class{};  ///< NaN where a class has no positive example
  Index classes = 0;               ///< classes with a positive example: the mean is over these
};

/// mAP of scores [n, classes] (f32 or f64) against `truth` [n, classes] row-major. Throws Error on NaN, on truths other
/// than -1, 0, 1, and when no class has a positive example.
inline MeanAveragePrecision mean_average_precision(const Tensor& scores, std::span<const std::int8_t> truth) {
  constexpr std::string_view where = "mean_average_precision";
  detail::check_truth(where, scores, truth);
  const std::vector<double> values = detail::exact_scores(where, scores);
  const auto n = static_cast<std::size_t>(scores.dim(0)), classes = static_cast<std::size_t>(scores.dim(1));
  MeanAveragePrecision mean;
  double sum = 0;
  std::vector<double> column(n);
  std::vector<std::int8_t> wanted(n);
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t i = 0; i < n; ++i) column[i] = values[i * classes + c], wanted[i] = truth[i * classes + c];
    mean.of_class.push_back(eleven_point_average_precision(column, wanted));
    if (std::isnan(mean.of_class.back())) continue;
    sum += mean.of_class.back();
    ++mean.classes;
  }
  check(mean.classes > 0, where, "no class has a positive example");
  mean.value = sum / static_cast<double>(mean.classes);
  return mean;
}

}  // namespace stats
TINYVISION_END
