// Elementwise operations on the device, with the arguments of cpu/{elementwise,pad,dropout}.hpp; T is float, double or bfloat16.
#pragma once

#include "tinyvision/core/random.hpp"
#include "tinyvision/cuda/arguments.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void activation_forward(Index rows, Index channels, const T* x, Index xp, Activation act, T* y, Index yp) {
  kernels::activation_forward(rows, channels, as_kernel(x), xp, kernel_activation(act), as_kernel(y), yp, stream());
}

template <class T>
void activation_backward(Index rows, Index channels, const T* dy, Index dyp, const T* y, Index yp, Activation act,
                         T* dx, Index dxp, bool accumulate) {
  kernels::activation_backward(rows, channels, as_kernel(dy), dyp, as_kernel(y), yp, kernel_activation(act),
                               as_kernel(dx), dxp, accumulate, stream());
}

template <class T>
void add(Index rows, Index channels, const T* a, Index ap, const T* b, Index bp, Activation act, T* y, Index yp) {
  kernels::add(rows, channels, as_kernel(a), ap, as_kernel(b), bp, kernel_activation(act), as_kernel(y), yp, stream());
}

template <class T>
void scale(Index rows, Index channels, const T* x, Index xp, Accumulator<T> alpha, T* y, Index yp, bool accumulate) {
  kernels::scale(rows, channels, as_kernel(x), xp, alpha, as_kernel(y), yp, accumulate, stream());
}

template <class T>
void zero_pad(Index batch, Index h, Index w, Index channels, const T* x, Index xp, Index top, Index bottom, Index left,
              Index right, T* y, Index yp, bool accumulate) {
  kernels::zero_pad(batch, h, w, channels, as_kernel(x), xp, top, bottom, left, right, as_kernel(y), yp, accumulate,
                    stream());
}

template <class T>
void crop(Index batch, Index h, Index w, Index channels, const T* x, Index xp, Index top, Index left, Index out_h,
          Index out_w, T* y, Index yp, bool accumulate) {
  kernels::crop(batch, h, w, channels, as_kernel(x), xp, top, left, out_h, out_w, as_kernel(y), yp, accumulate,
                stream());
}

template <class T>
void dropout(Index rows, Index channels, const Random& random, Accumulator<T> keep, const T* x, Index xp, T* y,
             Index yp, bool accumulate) {
  check(keep > 0 && keep <= 1, "dropout", "keep probability must be in (0, 1], got ", keep);
  kernels::dropout(rows, channels, random.seed(), random.step(), recorded_step(), keep, as_kernel(x), xp, as_kernel(y),
                   yp, accumulate, stream());
}

}  // namespace cuda
TINYVISION_END
