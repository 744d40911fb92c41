// Average precision of a ranking, by the rule of PASCAL VOC 2007 and over all points.
//
// VOC 2007: examples are ranked by score; with tp positives and fp negatives among the first k, recall is tp / P and precision
// tp / (tp + fp). The measure is the mean over t = 0, 0.1, ..., 1 of the highest precision at any recall of at least t
// (Everingham et al., development kit of VOC 2007, section 3.4.1, VOCevalcls.m). Recall is compared with k/10 in whole numbers,
// 10 tp >= k P: sums of 0.1 would miss a point (0.1 + 0.1 + 0.1 > 0.3 in floating point).
//
// An image in which every instance of the class is marked difficult has the label 0. The devkit leaves it out of that class's
// ranking; other programs count it as negative or as positive, which moves the measure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/stats/eleven_points.hpp"

TINYVISION_BEGIN
namespace stats {

/// What a label of 0 means.
enum class Difficult { ignored, negative, positive };

/// The rule of that name. Throws UsageError for other names.
inline Difficult parse_difficult(std::string_view name) {
  if (name == "ignored") return Difficult::ignored;
  if (name == "negative") return Difficult::negative;
  if (name == "positive") return Difficult::positive;
  fail_usage("average_precision", "difficult examples are ignored, negative or positive, not '", name, "'");
}

/// The points of a ranking: after each example that takes part, positives and negatives so far.
struct RankingPoint {
  Index true_positives = 0, false_positives = 0;
};

/// Ranks examples from the highest score down; equal scores stay in the order given, as MATLAB's stable sort keeps them.
/// `labels`: 1 present, -1 absent, 0 difficult. Throws Error on NaN, on other labels and on unequal lengths.
inline std::vector<RankingPoint> ranking_points(std::span<const double> scores, std::span<const std::int8_t> labels,
                                                Difficult difficult = Difficult::ignored) {
  check(scores.size() == labels.size(), "average_precision", scores.size(), " scores, ", labels.size(), " labels");
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = 0; i < scores.size(); ++i) {
    check(scores[i] == scores[i], "average_precision", "score ", i, " is NaN");
    check(labels[i] >= -1 && labels[i] <= 1, "average_precision", "label ", int{labels[i]}, " of example ", i,
          " is none of 1, 0, -1");
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<RankingPoint> points;
  RankingPoint now;
  for (const std::size_t i : order) {
    const bool unknown = labels[i] == 0;
    if (unknown && difficult == Difficult::ignored) continue;
    const bool positive = labels[i] > 0 || (unknown && difficult == Difficult::positive);
    ++(positive ? now.true_positives : now.false_positives);
    points.push_back(now);
  }
  return points;
}

/// An average precision, and of how many positives; without any it is not defined (value NaN).
struct AveragePrecision {
  double value = 0;
  Index positives = 0;
};

namespace detail {

inline double precision_of(const RankingPoint& p) {
  return static_cast<double>(p.true_positives) / static_cast<double>(p.true_positives + p.false_positives);
}

}  // namespace detail

/// The 11-point measure of VOC 2007, in [0, 1].
inline AveragePrecision average_precision_11_points(std::span<const double> scores, std::span<const std::int8_t> labels,
                                                    Difficult difficult = Difficult::ignored) {
  const std::vector<RankingPoint> points = ranking_points(scores, labels, difficult);
  const Index positives = points.empty() ? 0 : points.back().true_positives;
  if (positives == 0) return {std::numeric_limits<double>::quiet_NaN(), 0};
  double sum = 0;
  for (Index k = 0; k <= 10; ++k) {
    double best = 0;
    for (const RankingPoint& p : points)
      if (10 * p.true_positives >= k * positives) best = std::max(best, detail::precision_of(p));
    sum += best;
  }
  return {sum / 11, positives};
}

/// The area under the steps: sum over examples of (recall_k - recall_{k-1}) precision_k, examples of equal score together, as
/// in scikit-learn's average_precision_score.
inline AveragePrecision average_precision_all_points(std::span<const double> scores,
                                                     std::span<const std::int8_t> labels,
                                                     Difficult difficult = Difficult::ignored) {
  std::vector<double> kept_scores;
  std::vector<std::int8_t> kept_labels;
  for (std::size_t i = 0; i < scores.size() && i < labels.size(); ++i) {
    if (labels[i] == 0 && difficult == Difficult::ignored) continue;
    kept_scores.push_back(scores[i]);
    kept_labels.push_back(labels[i] != 0 ? labels[i] : difficult == Difficult::positive ? 1 : -1);
  }
  check(scores.size() == labels.size(), "average_precision", scores.size(), " scores, ", labels.size(), " labels");
  const std::vector<RankingPoint> points = ranking_points(kept_scores, kept_labels);
  std::stable_sort(kept_scores.begin(), kept_scores.end(), std::greater<>());
  const Index positives = points.empty() ? 0 : points.back().true_positives;
  if (positives == 0) return {std::numeric_limits<double>::quiet_NaN(), 0};
  double sum = 0;
  Index before = 0;
  for (std::size_t k = 0; k < points.size(); ++k) {
    if (k + 1 < points.size() && kept_scores[k + 1] == kept_scores[k]) continue;
    sum += static_cast<double>(points[k].true_positives - before) / static_cast<double>(positives) *
           detail::precision_of(points[k]);
    before = points[k].true_positives;
  }
  return {sum, positives};
}

/// The mean over classes, and the classes that have no positive example and are left out of it.
struct MeanAveragePrecision {
  double value = 0;
  std::vector<double> of_class;  ///< NaN where there is no positive example
  std::vector<Index> without_positives;
};

/// Mean of the 11-point measure. `scores` and `labels` are [examples][classes], row by row. Throws Error on unequal sizes,
/// on NaN, and when no class has a positive example.
inline MeanAveragePrecision mean_average_precision(std::span<const double> scores, std::span<const std::int8_t> labels,
                                                   Index classes, Difficult difficult = Difficult::ignored) {
  check(classes > 0 && scores.size() == labels.size() && scores.size() % static_cast<std::size_t>(classes) == 0,
        "average_precision", scores.size(), " scores and ", labels.size(), " labels of ", classes, " classes");
  MeanAveragePrecision result;
  double sum = 0;
  for (Index c = 0; c < classes; ++c) {
    std::vector<double> column;
    std::vector<std::int8_t> truth;
    for (std::size_t i = static_cast<std::size_t>(c); i < scores.size(); i += static_cast<std::size_t>(classes)) {
      column.push_back(scores[i]);
      truth.push_back(labels[i]);
    }
    const AveragePrecision ap = average_precision_11_points(column, truth, difficult);
    result.of_class.push_back(ap.value);
    if (ap.positives == 0)
      result.without_positives.push_back(c);
    else
      sum += ap.value;
  }
  const auto counted = static_cast<double>(classes) - static_cast<double>(result.without_positives.size());
  check(counted > 0, "average_precision", "no class has a positive example");
  result.value = sum / counted;
  return result;
}

/// Of scores [examples, classes]; `truth` row by row.
inline MeanAveragePrecision mean_average_precision(const Tensor& scores, std::span<const std::int8_t> truth,
                                                   Difficult difficult = Difficult::ignored) {
  constexpr std::string_view where = "mean_average_precision";
  detail::check_truth(where, scores, truth);
  return mean_average_precision(detail::exact_scores(where, scores), truth, scores.dim(1), difficult);
}

}  // namespace stats
TINYVISION_END
