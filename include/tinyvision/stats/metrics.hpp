// Accuracy of class scores: top-k, mean per class, confusion matrix, log-odds, calibration error.
//
// Scores are logits or probabilities, [n, classes]; labels are 0-based. Everything is counted in integers, so no result
// depends on the order or the number of the parts it was summed from. Equal scores rank by class index, lowest first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/tensor.hpp"

TINYVISION_BEGIN
namespace stats {

/// `correct` of `total` examples.
struct Accuracy {
  Index correct = 0;
  Index total = 0;

  /// correct / total; NaN when there are no examples.
  double value() const {
    return total == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : static_cast<double>(correct) / static_cast<double>(total);
  }
  Accuracy& operator+=(const Accuracy& other) {
    correct += other.correct;
    total += other.total;
    return *this;
  }
  friend bool operator==(const Accuracy&, const Accuracy&) = default;
};

namespace detail {

inline void check_labels(std::string_view where, std::span<const Index> labels, Index examples, Index classes) {
  check(static_cast<Index>(labels.size()) == examples, where, examples, " examples but ", labels.size(), " labels");
  for (std::size_t i = 0; i < labels.size(); ++i)
    check(labels[i] >= 0 && labels[i] < classes, where, "label ", labels[i], " of example ", i, " is outside [0, ",
          classes, ")");
}

/// Calls `body(row number, pointer to the row's first score, classes)` for each row of scores [n, classes].
template <class Body>
void for_each_score_row(std::string_view where, const Tensor& scores, Body&& body) {
  check(scores.defined() && scores.shape().rank() == 2, where, "scores must be [n, classes], got ", scores.text());
  check(scores.dim(1) > 0, where, "scores without classes: ", scores.text());
  visit_float(where, scores.dtype(), [&]<class T>(T) {
    const T* p = scores.data<T>();
    for (Index row = 0; row < scores.dim(0); ++row) {
      const T* values = p + row * scores.pitch();
      for (Index c = 0; c < scores.dim(1); ++c)
        check(!std::isnan(values[c]), where, "score of example ", row, ", class ", c, " is not a number");
      body(row, values, scores.dim(1));
    }
  });
}

}  // namespace detail

/// The class of highest score of each row of `scores` [n, classes] (f32 or f64). Throws Error on NaN.
inline std::vector<Index> predicted_classes(const Tensor& scores) {
  std::vector<Index> predicted;
  detail::for_each_score_row("predicted_classes", scores, [&](Index, const auto* values, Index classes) {
    Index best = 0;
    for (Index c = 1; c < classes; ++c)
      if (values[c] > values[best]) best = c;
    predicted.push_back(best);
  });
  return predicted;
}

/// For each example 1 if its label is among the k highest scores, else 0. The label's rank is the number of classes
/// with a higher score, plus those of equal score and lower index; it is a hit when rank < k. With k >= classes every
/// example is a hit. Throws Error on NaN, on labels outside [0, classes) and on k < 1.
inline std::vector<std::uint8_t> top_k_hits(const Tensor& scores, std::span<const Index> labels, Index k) {
  check(k >= 1, "top_k_hits", "k must be at least 1, got ", k);
  check(scores.defined() && scores.shape().rank() == 2, "top_k_hits", "scores must be [n, classes], got ",
        scores.text());
  detail::check_labels("top_k_hits", labels, scores.dim(0), scores.dim(1));
  std::vector<std::uint8_t> hits;
  hits.reserve(labels.size());
  detail::for_each_score_row("top_k_hits", scores, [&](Index row, const auto* values, Index classes) {
    const Index label = labels[static_cast<std::size_t>(row)];
    Index rank = 0;
    for (Index c = 0; c < classes; ++c)
      rank += values[c] > values[label] || (values[c] == values[label] && c < label) ? 1 : 0;
    hits.push_back(rank < k ? 1 : 0);
  });
  return hits;
}

/// Number of examples whose label is among the k highest scores; see `top_k_hits`.
inline Index top_k_correct(const Tensor& scores, std::span<const Index> labels, Index k) {
  Index correct = 0;
  for (const std::uint8_t hit : top_k_hits(scores, labels, k)) correct += hit;
  return correct;
}

/// `top_k_correct` of all examples.
inline Accuracy top_k_accuracy(const Tensor& scores, std::span<const Index> labels, Index k) {
  return {top_k_correct(scores, labels, k), static_cast<Index>(labels.size())};
}

/// `count(t, p)`: the number of examples of class t that were predicted as class p.
class ConfusionMatrix {
 public:
  ConfusionMatrix() = default;
  /// All counts zero.
  explicit ConfusionMatrix(Index classes) : classes_(classes) {
    check(classes > 0, "confusion_matrix", "needs at least one class, got ", classes);
    counts_.assign(static_cast<std::size_t>(classes * classes), 0);
  }
  ConfusionMatrix(std::span<const Index> predicted, std::span<const Index> labels, Index classes)
      : ConfusionMatrix(classes) {
    detail::check_labels("confusion_matrix", labels, static_cast<Index>(predicted.size()), classes);
    for (std::size_t i = 0; i < labels.size(); ++i) add(labels[i], predicted[i]);
  }
  /// From scores [n, classes].
  ConfusionMatrix(const Tensor& scores, std::span<const Index> labels)
      : ConfusionMatrix(predicted_classes(scores), labels, scores.dim(1)) {}

  Index classes() const { return classes_; }
  Index count(Index truth, Index predicted) const { return counts_[at(truth, predicted)]; }
  void add(Index truth, Index predicted, Index examples = 1) { counts_[at(truth, predicted)] += examples; }

  /// Accuracy among the examples of one class (its recall).
  Accuracy of_class(Index truth) const {
    Accuracy a;
    for (Index p = 0; p < classes_; ++p) a.total += count(truth, p);
    a.correct = count(truth, truth);
    return a;
  }
  /// Accuracy over all examples (top-1).
  Accuracy overall() const {
    Accuracy a;
    for (Index t = 0; t < classes_; ++t) a += of_class(t);
    return a;
  }

 private:
  std::size_t at(Index truth, Index predicted) const {
    check(truth >= 0 && truth < classes_ && predicted >= 0 && predicted < classes_, "confusion_matrix", "class pair (",
          truth, ", ", predicted, ") outside [0, ", classes_, ")");
    return static_cast<std::size_t>(truth * classes_ + predicted);
  }

  Index classes_ = 0;
  std::vector<Index> counts_;
};

/// The mean over classes of each class's accuracy.
struct MeanPerClass {
  double value = std::numeric_limits<double>::quiet_NaN();
  Index classes = 0;           ///< classes that have examples: the mean is over these
  Index without_examples = 0;  ///< classes left out, because their accuracy is 0/0
};

/// Mean per-class accuracy, 1/K * sum over classes c of correct_c / total_c, over the K classes that have examples.
/// Throws Error when no class has any. Sums in f64 in class order.
inline MeanPerClass mean_per_class_accuracy(const ConfusionMatrix& confusion) {
  MeanPerClass mean;
  double sum = 0;
  for (Index c = 0; c < confusion.classes(); ++c) {
    const Accuracy a = confusion.of_class(c);
    if (a.total == 0) {
      ++mean.without_examples;
    } else {
      sum += a.value();
      ++mean.classes;
    }
  }
  check(mean.classes > 0, "mean_per_class_accuracy", "no examples in any of ", confusion.classes(), " classes");
  mean.value = sum / static_cast<double>(mean.classes);
  return mean;
}

/// Mean per-class accuracy of scores [n, classes].
inline MeanPerClass mean_per_class_accuracy(const Tensor& scores, std::span<const Index> labels) {
  return mean_per_class_accuracy(ConfusionMatrix(scores, labels));
}

/// Log-odds of an accuracy: log((k + e) / (n - k + e)) for k = correct, n = total, and the continuity correction
/// e = `correction`. With e = 0 this is logit(k / n), which is -inf at k = 0 and +inf at k = n; e = 1/2 keeps it finite
/// and is its least biased estimate to first order (J. B. S. Haldane, "The estimation and significance of the logarithm
/// of a ratio of frequencies", Annals of Human Genetics 20, 1956; F. J. Anscombe, Biometrika 43, 1956). Throws Error
/// when there are no examples, on counts outside [0, total] and on a negative or NaN correction.
inline double log_odds(const Accuracy& a, double correction = 0) {
  check(a.total > 0 && a.correct >= 0 && a.correct <= a.total, "log_odds", a.correct, " correct of ", a.total);
  check(correction >= 0, "log_odds", "the correction must not be negative, got ", correction);
  return std::log(static_cast<double>(a.correct) + correction) -
         std::log(static_cast<double>(a.total - a.correct) + correction);
}

/// Examples whose confidence fell into one bin of a reliability diagram.
struct CalibrationBin {
  double low = 0, high = 0;  ///< (low, high]
  Accuracy accuracy{};
  double mean_confidence = std::numeric_limits<double>::quiet_NaN();  ///< NaN in an empty bin
};

struct Calibration {
  double expected_error = 0;  ///< sum over bins of n_b / n |accuracy_b - mean confidence_b|
  double largest_error = 0;   ///< the largest |accuracy_b - mean confidence_b| of a bin that is not empty
  std::vector<CalibrationBin> bins{};
};

/// Expected and maximum calibration error with M = `bins` bins of equal width. Bin m = 1..M holds the confidences c with
/// (m - 1) / M < c <= m / M, the edges being the nearest f64; c = 0 goes to the first bin. Empty bins count nothing.
/// Sums in f64 in the order of the examples. Throws Error without examples, when lengths differ, on confidences that are
/// NaN or outside [0, 1], and on M < 1. The estimate is biased upwards for few examples a bin.
/// C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks" (ICML 2017), equations 3, 5;
/// M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (AAAI
/// 2015).
inline Calibration calibration(std::span<const double> confidences, std::span<const std::uint8_t> hits,
                               Index bins = 15) {
  constexpr std::string_view where = "calibration";
  check(bins >= 1, where, "needs at least one bin, got ", bins);
  check(confidences.size() == hits.size(), where, confidences.size(), " confidences but ", hits.size(), " hits");
  check(!confidences.empty(), where, "no examples");
  Calibration result;
  const double m = static_cast<double>(bins);
  for (Index b = 0; b < bins; ++b)
    result.bins.push_back({static_cast<double>(b) / m, static_cast<double>(b + 1) / m, {}, 0});
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const double c = confidences[i];
    check(c >= 0 && c <= 1, where, "confidence of example ", i, " is ", c, ", outside [0, 1]");
    // The product's rounding may name a neighbour of the right bin; the stored edges decide.
    Index b = std::clamp<Index>(static_cast<Index>(std::ceil(c * m)) - 1, 0, bins - 1);
    while (b > 0 && c <= result.bins[static_cast<std::size_t>(b)].low) --b;
    while (b + 1 < bins && c > result.bins[static_cast<std::size_t>(b)].high) ++b;
    CalibrationBin& bin = result.bins[static_cast<std::size_t>(b)];
    bin.accuracy += {hits[i] != 0 ? 1 : 0, 1};
    bin.mean_confidence += c;
  }
  for (CalibrationBin& bin : result.bins) {
    bin.mean_confidence /= static_cast<double>(bin.accuracy.total);  // 0/0 in an empty bin
    if (bin.accuracy.total == 0) continue;
    const double error = std::fabs(bin.accuracy.value() - bin.mean_confidence);
    result.expected_error += error * static_cast<double>(bin.accuracy.total) / static_cast<double>(confidences.size());
    result.largest_error = std::max(result.largest_error, error);
  }
  return result;
}

/// Calibration of logits [n, classes] (f32 or f64): the confidence is the softmax probability, in f64, of the predicted
/// class (the highest logit, lowest index of equal ones), and a hit is a right prediction. Throws Error on NaN, on +inf
/// and where all logits of a row are -inf.
inline Calibration calibration_of_logits(const Tensor& logits, std::span<const Index> labels, Index bins = 15) {
  constexpr std::string_view where = "calibration_of_logits";
  check(logits.defined() && logits.shape().rank() == 2, where, "logits must be [n, classes], got ", logits.text());
  detail::check_labels(where, labels, logits.dim(0), logits.dim(1));
  std::vector<double> confidences;
  std::vector<std::uint8_t> hits;
  detail::for_each_score_row(where, logits, [&](Index row, const auto* values, Index classes) {
    Index best = 0;
    for (Index c = 1; c < classes; ++c)
      if (values[c] > values[best]) best = c;
    check(std::isfinite(values[best]), where, "the highest logit of example ", row, " is ", values[best]);
    double sum = 0;
    for (Index c = 0; c < classes; ++c)
      sum += std::exp(static_cast<double>(values[c]) - static_cast<double>(values[best]));
    confidences.push_back(1 / sum);
    hits.push_back(labels[static_cast<std::size_t>(row)] == best ? 1 : 0);
  });
  return calibration(confidences, hits, bins);
}

}  // namespace stats
TINYVISION_END
