// The data of a multinomial logistic regression, checked: rotated features, and labels as numbers of the classes that
// have examples.
#pragma once

#include <span>
#include <vector>

#include "tinyvision/optim/logistic_regression_features.hpp"

TINYVISION_BEGIN
namespace logistic {

class Problem {
 public:
  /// `features` [n, d] f32, one label in [0, classes) per row. Classes without examples are left out of the problem.
  /// Throws UsageError as RotatedFeatures does, and on a label out of range (named by row) or fewer than two classes with
  /// examples.
  Problem(const Tensor& features, std::span<const Index> labels, Index classes)
      : classes_(classes), rows_(with_labels(features, labels)) {}

  Index n() const { return rows_.n(); }
  Index d() const { return rows_.d(); }
  /// Classes that have examples.
  Index k() const { return static_cast<Index>(present_.size()); }
  /// Classes as the caller counts them, and which of them are present.
  Index classes() const { return classes_; }
  const std::vector<Index>& present() const { return present_; }
  /// Label of each row as an index into `present`.
  const std::vector<std::int32_t>& labels() const { return labels_; }
  const std::vector<double>& class_counts() const { return counts_; }

  /// The features; the names below are theirs.
  const RotatedFeatures& rows() const { return rows_; }
  const std::vector<double>& mean() const { return rows_.mean(); }
  Index rank() const { return rows_.rank(); }
  const std::vector<double>& spectrum() const { return rows_.spectrum(); }
  const float* rotated(Index row) const { return rows_.rotated(row); }
  Index pitch() const { return rows_.pitch(); }
  std::vector<double> to_features(const std::vector<double>& u) const { return rows_.to_features(u, k()); }
  std::vector<double> to_axes(const std::vector<double>& w) const { return rows_.to_axes(w, k()); }

 private:
  /// Checks and counts the labels before the axes are computed, which takes longer; returns `features`.
  const Tensor& with_labels(const Tensor& features, std::span<const Index> labels) {
    constexpr auto where = "logistic_regression";
    RotatedFeatures::check_form(features);
    const Index n = features.dim(0);
    if (static_cast<Index>(labels.size()) != n)
      fail_usage(where, n, " rows of features but ", labels.size(), " labels");
    if (classes_ < 2) fail_usage(where, "needs at least two classes, got ", classes_);
    std::vector<Index> counts(static_cast<std::size_t>(classes_), 0);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0 || labels[i] >= classes_)
        fail_usage(where, "label ", labels[i], " of row ", i, " is outside [0, ", classes_, ")");
      ++counts[static_cast<std::size_t>(labels[i])];
    }
    std::vector<std::int32_t> place(counts.size(), -1);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c] == 0) continue;
      place[c] = static_cast<std::int32_t>(present_.size());
      present_.push_back(static_cast<Index>(c));
      counts_.push_back(static_cast<double>(counts[c]));
    }
    if (present_.size() < 2) fail_usage(where, "all ", n, " rows have label ", present_[0], ": nothing to separate");
    for (const Index label : labels) labels_.push_back(place[static_cast<std::size_t>(label)]);
    return features;
  }

  Index classes_;
  std::vector<Index> present_;
  std::vector<std::int32_t> labels_;
  std::vector<double> counts_;
  RotatedFeatures rows_;  ///< last: made when the rest is known to be right
};

}  // namespace logistic
TINYVISION_END
