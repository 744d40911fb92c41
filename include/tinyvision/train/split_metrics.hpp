// How well scores fit the labels of one part of a data set, in its own metric and in the usual ones.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "tinyvision/data/presence.hpp"
#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN

/// Of images that can show several classes: the mean over classes of the 11-point average precision.
struct MultiLabelMetrics {
  stats::MeanAveragePrecision precision;
  Index examples = 0;
};

/// Accuracy of scores on labels as top-1, top-5 and mean per class; where images show several classes none of these, but
/// `multi_label`.
struct SplitMetrics {
  stats::Accuracy top1, top5;
  stats::MeanPerClass mean_per_class;
  std::optional<MultiLabelMetrics> multi_label = std::nullopt;

  Index examples() const { return multi_label ? multi_label->examples : top1.total; }
  /// In the metric of a data set; NaN where it was not measured.
  double value(data::Metric metric) const {
    if (metric == data::Metric::voc_ap11)
      return multi_label ? multi_label->precision.value : std::numeric_limits<double>::quiet_NaN();
    return metric == data::Metric::mean_per_class ? mean_per_class.value : top1.value();
  }
};

/// Of scores [n, classes] of examples of one class each; labels [n] i64.
inline SplitMetrics measure(const Tensor& scores, const Tensor& labels) {
  const std::vector<Index> truth = labels.to_vector<Index>();
  return {stats::top_k_accuracy(scores, truth, 1),
          stats::top_k_accuracy(scores, truth, std::min<Index>(5, scores.dim(1))),
          stats::mean_per_class_accuracy(scores, truth)};
}

/// Of scores [n, classes] of `examples` of a data set, whatever its metric.
inline SplitMetrics measure(const Tensor& scores, const std::vector<Index>& examples, const data::Dataset& dataset) {
  const std::vector<std::int8_t> presence = data::presence_rows(dataset, examples);
  if (!presence.empty()) {
    SplitMetrics result;
    result.multi_label = {stats::mean_average_precision(scores, presence), static_cast<Index>(examples.size())};
    return result;
  }
  std::vector<std::int64_t> labels;
  for (const Index i : examples) labels.push_back(dataset.label(i));
  return measure(scores, Tensor::from_vector<std::int64_t>({static_cast<Index>(labels.size())}, labels));
}

TINYVISION_END
