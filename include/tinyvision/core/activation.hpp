// The activations a convolution or batch norm may apply to its output while it is still in registers.
#pragma once

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN

/// none: y = x.  relu: y = max(x, 0).  relu6: y = min(max(x, 0), 6). NaN stays NaN.
enum class Activation { none, relu, relu6 };

/// `activation` applied to one value.
template <class T>
constexpr T activate(T x, Activation activation) {
  if (activation == Activation::none) return x;
  const T positive = x < T(0) ? T(0) : x;
  return activation == Activation::relu6 && positive > T(6) ? T(6) : positive;
}

/// Derivative of `activation` expressed with its *output* y: relu passes where y > 0, relu6 where 0 < y < 6.
/// At the kinks the derivative is 0, as TensorFlow and PyTorch define it.
template <class T>
constexpr T activation_mask(T y, Activation activation) {
  if (activation == Activation::none) return T(1);
  if (activation == Activation::relu) return y > T(0) ? T(1) : T(0);
  return y > T(0) && y < T(6) ? T(1) : T(0);
}

constexpr const char* to_string(Activation activation) {
  switch (activation) {
    case Activation::relu: return "relu";
    case Activation::relu6: return "relu6";
    default: return "none";
  }
}

TINYVISION_END
