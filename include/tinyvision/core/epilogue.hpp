// What a convolution may do to its result before it is written.
#pragma once

#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/dtype.hpp"

TINYVISION_BEGIN

/// y = activate(conv * scale[c] + shift[c] + residual). Null pointers leave their term out. `scale` and `shift` have
/// one entry per output channel; `residual` has the shape of the output and pixels `residual_pitch` elements apart.
template <class T>
struct Epilogue {
  const Accumulator<T>* scale = nullptr;
  const Accumulator<T>* shift = nullptr;
  const T* residual = nullptr;
  Index residual_pitch = 0;
  Activation activation = Activation::none;
};

TINYVISION_END
