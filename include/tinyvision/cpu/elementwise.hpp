// Elementwise operations, threaded and vectorised. Signatures and results are those of reference/elementwise.hpp; only
// `bias_backward` adds in another order, which is fixed by the shape.
// Every array is [rows, channels] with its own pitch. Outputs may alias inputs of the same pitch.
#pragma once

#include "tinyvision/cpu/column_sums.hpp"
#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {

/// y = act(x).
template <class T>
void activation_forward(Index rows, Index channels, const T* x, Index xp, Activation act, T* y, Index yp) {
  with_activation(act, [&](auto constant) {
    constexpr Activation a = constant;
    for_each_block(rows, channels, xp == channels && yp == channels,
                   [=](Index r0, Index r1, Index c0, Index c1) TINYVISION_ALWAYS_INLINE {
                     for (Index r = r0; r < r1; ++r) {
                       const T* in = x + r * xp;
                       T* out = y + r * yp;
                       TINYVISION_INDEPENDENT
                       for (Index c = c0; c < c1; ++c) out[c] = activate(in[c], a);
                     }
                   });
  });
}

/// dx (+)= dy where the activation's output y says that it passed its input, else 0 (also for a dy that is not finite).
template <class T>
void activation_backward(Index rows, Index channels, const T* dy, Index dyp, const T* y, Index yp, Activation act,
                         T* dx, Index dxp, bool accumulate) {
  const bool packed = dyp == channels && dxp == channels && (act == Activation::none || yp == channels);
  with_activation(act, [&](auto constant) {
    with_flag(accumulate, [&](auto add) {
      constexpr Activation a = constant;
      for_each_block(rows, channels, packed, [=](Index r0, Index r1, Index c0, Index c1) TINYVISION_ALWAYS_INLINE {
        for (Index r = r0; r < r1; ++r) {
          const T *gradient = dy + r * dyp, *result = a == Activation::none ? gradient : y + r * yp;
          T* out = dx + r * dxp;
          TINYVISION_INDEPENDENT
          for (Index c = c0; c < c1; ++c) {
            const T value = masked_gradient<a>(gradient[c], result[c]);
            out[c] = add ? out[c] + value : value;
          }
        }
      });
    });
  });
}

/// y = act(a + b).
template <class T>
void add(Index rows, Index channels, const T* a, Index ap, const T* b, Index bp, Activation act, T* y, Index yp) {
  with_activation(act, [&](auto constant) {
    constexpr Activation kind = constant;
    for_each_block(rows, channels, ap == channels && bp == channels && yp == channels,
                   [=](Index r0, Index r1, Index c0, Index c1) TINYVISION_ALWAYS_INLINE {
                     for (Index r = r0; r < r1; ++r) {
                       const T *left = a + r * ap, *right = b + r * bp;
                       T* out = y + r * yp;
                       TINYVISION_INDEPENDENT
                       for (Index c = c0; c < c1; ++c) out[c] = activate(left[c] + right[c], kind);
                     }
                   });
  });
}

/// y = alpha * x, or y += alpha * x when `accumulate`.
template <class T>
void scale(Index rows, Index channels, const T* x, Index xp, T alpha, T* y, Index yp, bool accumulate) {
  with_flag(accumulate, [&](auto add) {
    for_each_block(rows, channels, xp == channels && yp == channels,
                   [=](Index r0, Index r1, Index c0, Index c1) TINYVISION_ALWAYS_INLINE {
                     for (Index r = r0; r < r1; ++r) {
                       const T* in = x + r * xp;
                       T* out = y + r * yp;
                       TINYVISION_INDEPENDENT
                       for (Index c = c0; c < c1; ++c) out[c] = add ? out[c] + alpha * in[c] : alpha * in[c];
                     }
                   });
  });
}

/// db[c] (+)= sum of dy over rows, accumulated in double.
template <class T>
void bias_backward(Index rows, Index channels, const T* dy, Index dyp, T* db, bool accumulate) {
  const std::vector<double> sums = column_sums<1>(rows, channels, dyp == channels, std::array{RowSource::of(dy, dyp)},
                                                  [=](Index row, Index fold, Index column, double)
                                                      TINYVISION_ALWAYS_INLINE -> std::array<double, 1> {
                                                        return {static_cast<double>(dy[row * dyp * fold + column])};
                                                      });
  for (Index c = 0; c < channels; ++c) {
    const T sum = static_cast<T>(sums[static_cast<std::size_t>(c)]);
    db[c] = accumulate ? db[c] + sum : sum;
  }
}

}  // namespace cpu
TINYVISION_END
