// Cross-entropy losses as plain loops: the specification of cpu/loss.hpp. `logits` is [rows, classes] with pitch lp.
#pragma once

#include <cmath>
#include <cstdint>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace reference {

/// Throws Error unless every label is in [0, classes).
inline void check_labels(Index rows, Index classes, const std::int64_t* labels) {
  for (Index r = 0; r < rows; ++r)
    check(labels[r] >= 0 && labels[r] < classes, "softmax_cross_entropy", "label ", labels[r], " of row ", r,
          " is outside [0, ", classes, ")");
}

/// losses[r] = - sum_k t_k log p_k with p = softmax(logits[r]) and t = (1-s) onehot(label) + s/K, s the label smoothing
/// (Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7). With m = max logit,
/// L = log sum exp(logit - m): -log p_k = L - (logit_k - m), which cannot overflow. `probabilities` (nullable) gets p,
/// [rows, classes] packed. Throws Error for a label outside [0, classes).
template <class T>
void softmax_cross_entropy_forward(Index rows, Index classes, const T* logits, Index lp, const std::int64_t* labels,
                                   T label_smoothing, T* losses, T* probabilities) {
  check_labels(rows, classes, labels);
  for (Index r = 0; r < rows; ++r) {
    const T* z = logits + r * lp;
    T largest = z[0];
    for (Index k = 1; k < classes; ++k) largest = z[k] > largest ? z[k] : largest;
    double sum = 0;
    for (Index k = 0; k < classes; ++k) sum += static_cast<double>(std::exp(z[k] - largest));
    const double log_sum = std::log(sum), s = static_cast<double>(label_smoothing);
    double smooth = 0;
    for (Index k = 0; k < classes; ++k) smooth += log_sum - static_cast<double>(z[k] - largest);
    const double at_label = log_sum - static_cast<double>(z[labels[r]] - largest);
    losses[r] = static_cast<T>((1 - s) * at_label + s / static_cast<double>(classes) * smooth);
    if (!probabilities) continue;
    const T scale = static_cast<T>(1 / sum);
    for (Index k = 0; k < classes; ++k) probabilities[r * classes + k] = std::exp(z[k] - largest) * scale;
  }
}

/// dlogits (+)= upstream * (p - t) with upstream = *dloss / rows: the derivative of *dloss times the mean of the losses.
/// `dlogits` has pitch dlp.
template <class T>
void softmax_cross_entropy_backward(Index rows, Index classes, const T* probabilities, const std::int64_t* labels,
                                    T label_smoothing, const T* dloss, T* dlogits, Index dlp, bool accumulate) {
  const T upstream = static_cast<T>(static_cast<double>(*dloss) / static_cast<double>(rows));
  check_labels(rows, classes, labels);
  for (Index r = 0; r < rows; ++r)
    for (Index k = 0; k < classes; ++k) {
      T target = label_smoothing / static_cast<T>(classes);
      if (k == labels[r]) target += T(1) - label_smoothing;
      const T value = upstream * (probabilities[r * classes + k] - target);
      T& out = dlogits[r * dlp + k];
      out = accumulate ? out + value : value;
    }
}

/// losses[r] = sum_k w_k (max(z,0) - z t + log(1 + exp(-|z|))), which is -t log s(z) - (1-t) log(1 - s(z)) with the
/// logistic function s, written so that it cannot overflow. targets and weights (nullable: 1) are [rows, classes]
/// packed.
template <class T>
void sigmoid_cross_entropy_forward(Index rows, Index classes, const T* logits, Index lp, const T* targets,
                                   const T* weights, T* losses) {
  for (Index r = 0; r < rows; ++r) {
    T sum = 0;
    for (Index k = 0; k < classes; ++k) {
      const T z = logits[r * lp + k], t = targets[r * classes + k];
      const T loss = (z < T(0) ? T(0) : z) - z * t + std::log1p(std::exp(-std::abs(z)));
      sum += weights ? weights[r * classes + k] * loss : loss;
    }
    losses[r] = sum;
  }
}

/// dlogits (+)= *dloss / rows * w * (s(z) - t).
template <class T>
void sigmoid_cross_entropy_backward(Index rows, Index classes, const T* logits, Index lp, const T* targets,
                                    const T* weights, const T* dloss, T* dlogits, Index dlp, bool accumulate) {
  const T upstream = static_cast<T>(static_cast<double>(*dloss) / static_cast<double>(rows));
  for (Index r = 0; r < rows; ++r)
    for (Index k = 0; k < classes; ++k) {
      const T z = logits[r * lp + k];
      const T small = std::exp(-std::abs(z));
      const T logistic = (z < T(0) ? small : T(1)) / (T(1) + small);
      const T weight = weights ? weights[r * classes + k] : T(1);
      const T value = upstream * weight * (logistic - targets[r * classes + k]);
      T& out = dlogits[r * dlp + k];
      out = accumulate ? out + value : value;
    }
}

/// *mean = sum of losses / rows, summed in double.
template <class T>
void mean_loss(Index rows, const T* losses, T* mean) {
  double sum = 0;
  for (Index r = 0; r < rows; ++r) sum += static_cast<double>(losses[r]);
  *mean = static_cast<T>(sum / static_cast<double>(rows));
}

}  // namespace reference
TINYVISION_END
