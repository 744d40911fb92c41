// The loss of class scores, by what is known of the examples: one class each, or which of all classes they show.
//
// One class:        softmax cross-entropy against (1-s) onehot + s/K.
// Several (VOC):    for each class the sigmoid cross-entropy against "shown or not", summed over the classes of an example
//                   and averaged over the examples of the batch. A class of which an image shows nothing but instances
//                   marked difficult counts nothing there, as in the data set's own measure. Smoothing moves a target t to
//                   t (1-s) + s/2, the binary form of the above.
#pragma once

#include <vector>

#include "tinyvision/ops/loss.hpp"

TINYVISION_BEGIN

/// Whether `labels` is presence [N,K] (1 present, -1 absent, 0 difficult) and not labels [N].
inline bool is_presence(const Tensor& labels) { return labels.shape().rank() == 2; }

/// logits [N,K]; labels [N] i64 in [0,K), or presence [N,K] i64 of 1, -1 and 0 -> [1]. Throws Error on other shapes and
/// values.
inline Variable classification_loss(const Variable& logits, const Tensor& labels, double label_smoothing = 0) {
  if (!is_presence(labels)) return softmax_cross_entropy(logits, labels, label_smoothing);
  check(labels.shape() == logits.shape() && labels.dtype() == DType::i64, "classification_loss", "logits are ",
        logits.value().text(), ", presence ", labels.text());
  check(label_smoothing >= 0 && label_smoothing < 1, "classification_loss", "label smoothing must be in [0, 1), got ",
        label_smoothing);
  std::vector<double> targets, weights;
  for (const Index shown : labels.to_vector<Index>()) {
    check(shown >= -1 && shown <= 1, "classification_loss", "presence must be 1, -1 or 0, got ", shown);
    targets.push_back((shown > 0 ? 1.0 : 0.0) * (1 - label_smoothing) + label_smoothing / 2);
    weights.push_back(shown == 0 ? 0 : 1);
  }
  const auto beside_logits = [&](const std::vector<double>& values) {
    return Tensor::from_vector<double>(logits.shape(), values).to(logits.dtype()).to(logits.device());
  };
  return sigmoid_cross_entropy(logits, beside_logits(targets), beside_logits(weights));
}

/// How many examples have their highest score, the first of equals, at their label; with presence: at a class they show.
inline Index count_right(const Tensor& scores, const Tensor& labels) {
  if (!is_presence(labels)) return count_correct(scores, labels);
  const std::vector<double> rows = scores.to_vector<double>();
  const std::vector<Index> shown = labels.to_vector<Index>();
  const auto classes = scores.dim(1);
  Index right = 0;
  for (auto row = rows.begin(), present = rows.begin(); row != rows.end(); row += classes) {
    const auto best = std::max_element(row, row + classes);
    right += shown[static_cast<std::size_t>(best - present)] > 0 ? 1 : 0;
  }
  return right;
}

TINYVISION_END
