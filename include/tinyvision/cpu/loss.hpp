// Cross-entropy losses, threaded over rows; formulas and arguments are those of reference/loss.hpp.
// Sums over classes are accumulated in double, class after class. Results do not depend on the number of threads.
#pragma once

#include <cmath>
#include <cstdint>

#include "tinyvision/core/error.hpp"
#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {
namespace detail {

inline void check_labels(Index rows, Index classes, const std::int64_t* labels) {
  for (Index r = 0; r < rows; ++r)
    check(labels[r] >= 0 && labels[r] < classes, "softmax_cross_entropy", "label ", labels[r], " of row ", r,
          " is outside [0, ", classes, ")");
}

/// Rows a task should have.
inline Index loss_grain(Index classes) { return std::max<Index>(1, 2048 / std::max<Index>(1, classes)); }

}  // namespace detail

/// losses[r] = - sum_k t_k log p_k with p = softmax(logits[r]) and t = (1-s) onehot(label) + s/K, s the label
/// smoothing. `probabilities` (nullable) gets p, [rows, classes] packed. Cannot overflow. Throws Error for a label
/// outside [0, classes).
template <class T>
void softmax_cross_entropy_forward(Index rows, Index classes, const T* logits, Index lp, const std::int64_t* labels,
                                   T label_smoothing, T* losses, T* probabilities) {
  detail::check_labels(rows, classes, labels);
  parallel_ranges(rows, detail::loss_grain(classes), [=](Index begin, Index end) {
    std::vector<T> exponentials(static_cast<std::size_t>(classes));
    for (Index r = begin; r < end; ++r) {
      const T* z = logits + r * lp;
      T* e = probabilities ? probabilities + r * classes : exponentials.data();
      T largest = z[0];
      for (Index k = 1; k < classes; ++k) largest = z[k] > largest ? z[k] : largest;
      double sum = 0, below = 0;
      for (Index k = 0; k < classes; ++k) {
        const T shifted = z[k] - largest;
        e[k] = std::exp(shifted);
        sum += static_cast<double>(e[k]);
        below += static_cast<double>(shifted);
      }
      const double log_sum = std::log(sum), s = static_cast<double>(label_smoothing);
      double loss = (1 - s) * (log_sum - static_cast<double>(z[labels[r]] - largest));
      if (s != 0) loss += s * (log_sum - below / static_cast<double>(classes));
      losses[r] = static_cast<T>(loss);
      if (!probabilities) continue;
      const T scale = static_cast<T>(1 / sum);
      for (Index k = 0; k < classes; ++k) e[k] *= scale;
    }
  });
}

/// dlogits (+)= upstream * (p - t) with upstream = *dloss / rows: the derivative of *dloss times the mean of the losses.
/// `dlogits` has pitch dlp.
template <class T>
void softmax_cross_entropy_backward(Index rows, Index classes, const T* probabilities, const std::int64_t* labels,
                                    T label_smoothing, const T* dloss, T* dlogits, Index dlp, bool accumulate) {
  const T upstream = static_cast<T>(static_cast<double>(*dloss) / static_cast<double>(rows));
  detail::check_labels(rows, classes, labels);
  const T low = label_smoothing / static_cast<T>(classes), high = low + (T(1) - label_smoothing);
  parallel_ranges(rows, std::max<Index>(1, task_elements / std::max<Index>(1, classes)), [=](Index begin, Index end) {
    vectorized([=]() TINYVISION_ALWAYS_INLINE {
      for (Index r = begin; r < end; ++r) {
        const T* p = probabilities + r * classes;
        T* out = dlogits + r * dlp;
        const Index label = labels[r];
        const T before = accumulate ? out[label] : T(0), at_label = upstream * (p[label] - high);
        if (accumulate) {
          TINYVISION_INDEPENDENT
          for (Index k = 0; k < classes; ++k) out[k] += upstream * (p[k] - low);
        } else {
          TINYVISION_INDEPENDENT
          for (Index k = 0; k < classes; ++k) out[k] = upstream * (p[k] - low);
        }
        out[label] = accumulate ? before + at_label : at_label;
      }
    });
  });
}

/// losses[r] = sum_k w_k (max(z,0) - z t + log(1 + exp(-|z|))). targets and weights (nullable: 1) are [rows, classes]
/// packed. Cannot overflow.
template <class T>
void sigmoid_cross_entropy_forward(Index rows, Index classes, const T* logits, Index lp, const T* targets,
                                   const T* weights, T* losses) {
  parallel_ranges(rows, detail::loss_grain(classes), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      double sum = 0;
      for (Index k = 0; k < classes; ++k) {
        const T z = logits[r * lp + k], t = targets[r * classes + k];
        const T loss = (z < T(0) ? T(0) : z) - z * t + std::log1p(std::exp(-std::abs(z)));
        sum += static_cast<double>(weights ? weights[r * classes + k] * loss : loss);
      }
      losses[r] = static_cast<T>(sum);
    }
  });
}

/// dlogits (+)= *dloss / rows * w * (s(z) - t) with the logistic function s.
template <class T>
void sigmoid_cross_entropy_backward(Index rows, Index classes, const T* logits, Index lp, const T* targets,
                                    const T* weights, const T* dloss, T* dlogits, Index dlp, bool accumulate) {
  const T upstream = static_cast<T>(static_cast<double>(*dloss) / static_cast<double>(rows));
  parallel_ranges(rows, detail::loss_grain(classes), [=](Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
      for (Index k = 0; k < classes; ++k) {
        const T z = logits[r * lp + k];
        const T small = std::exp(-std::abs(z));
        const T logistic = (z < T(0) ? small : T(1)) / (T(1) + small);
        const T weight = weights ? weights[r * classes + k] : T(1);
        const T value = upstream * weight * (logistic - targets[r * classes + k]);
        T& out = dlogits[r * dlp + k];
        out = accumulate ? out + value : value;
      }
  });
}

}  // namespace cpu
TINYVISION_END
