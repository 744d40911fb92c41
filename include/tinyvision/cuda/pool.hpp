// Pooling on the device, with the arguments of cpu/pool.hpp; T is float, double or bfloat16.
#pragma once

#include "tinyvision/cuda/arguments.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void max_pool_forward(const WindowGeometry& g, const T* x, T* y, std::uint8_t* argmax) {
  check(g.kernel_h * g.kernel_w <= 256, "max_pool", "window ", g.kernel_h, "x", g.kernel_w,
        " has more than 256 positions");
  kernels::max_pool_forward(window_of(g), as_kernel(x), as_kernel(y), argmax, stream());
}

template <class T>
void max_pool_backward(const WindowGeometry& g, const T* dy, const std::uint8_t* argmax, T* dx, bool accumulate) {
  kernels::max_pool_backward(window_of(g), as_kernel(dy), argmax, as_kernel(dx), accumulate, stream());
}

template <class T>
void average_pool_forward(const WindowGeometry& g, const T* x, T* y) {
  kernels::average_pool_forward(window_of(g), as_kernel(x), as_kernel(y), stream());
}

template <class T>
void average_pool_backward(const WindowGeometry& g, const T* dy, T* dx, bool accumulate) {
  kernels::average_pool_backward(window_of(g), as_kernel(dy), as_kernel(dx), accumulate, stream());
}

template <class T>
void global_average_pool_forward(Index batch, Index pixels, Index channels, const T* x, Index xp, T* y) {
  kernels::global_average_pool_forward(batch, pixels, channels, as_kernel(x), xp, as_kernel(y), stream());
}

template <class T>
void global_average_pool_backward(Index batch, Index pixels, Index channels, const T* dy, T* dx, Index dxp,
                                  bool accumulate) {
  kernels::global_average_pool_backward(batch, pixels, channels, as_kernel(dy), as_kernel(dx), dxp, accumulate,
                                        stream());
}

}  // namespace cuda
TINYVISION_END
