// Elementwise operations as plain loops: the specification of cpu/elementwise.hpp.
// Every array is [rows, channels] with its own pitch. Outputs may alias inputs of the same pitch.
#pragma once

#include "tinyvision/core/activation.hpp"

TINYVISION_BEGIN
namespace reference {

/// y = act(x).
template <class T>
void activation_forward(Index rows, Index channels, const T* x, Index xp, Activation act, T* y, Index yp) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) y[r * yp + c] = activate(x[r * xp + c], act);
}

/// dx (+)= dy where the activation's output y says that it passed its input, else 0 (also for a dy that is not finite).
template <class T>
void activation_backward(Index rows, Index channels, const T* dy, Index dyp, const T* y, Index yp, Activation act,
                         T* dx, Index dxp, bool accumulate) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) {
      const bool pass = act == Activation::none || activation_mask(y[r * yp + c], act) != T(0);
      const T value = pass ? dy[r * dyp + c] : T(0);
      T& target = dx[r * dxp + c];
      target = accumulate ? target + value : value;
    }
}

/// y = act(a + b).
template <class T>
void add(Index rows, Index channels, const T* a, Index ap, const T* b, Index bp, Activation act, T* y, Index yp) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) y[r * yp + c] = activate(a[r * ap + c] + b[r * bp + c], act);
}

/// y = alpha * x, or y += alpha * x when `accumulate`.
template <class T>
void scale(Index rows, Index channels, const T* x, Index xp, T alpha, T* y, Index yp, bool accumulate) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) {
      const T value = alpha * x[r * xp + c];
      T& target = y[r * yp + c];
      target = accumulate ? target + value : value;
    }
}

/// db[c] (+)= sum of dy over rows, accumulated in double.
template <class T>
void bias_backward(Index rows, Index channels, const T* dy, Index dyp, T* db, bool accumulate) {
  for (Index c = 0; c < channels; ++c) {
    double sum = 0;
    for (Index r = 0; r < rows; ++r) sum += static_cast<double>(dy[r * dyp + c]);
    db[c] = accumulate ? db[c] + static_cast<T>(sum) : static_cast<T>(sum);
  }
}

}  // namespace reference
TINYVISION_END
