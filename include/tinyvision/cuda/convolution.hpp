// Convolutions on the device, with the arguments of cpu/conv2d.hpp and cpu/depthwise_conv2d.hpp; T is float or double.
#pragma once

#include "tinyvision/cuda/arguments.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
  if (g.out_pixels() == 0 || g.out_c == 0) return;
  kernels::conv2d_forward(window_of(g), x, w, kernel_epilogue(e), y, stream());
}

template <class T>
void conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
  if (g.in_pixels() == 0 || g.in_c == 0) return;
  kernels::conv2d_backward_input(window_of(g), dy, w, dx, accumulate, stream());
}

template <class T>
void conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, T* dw, bool accumulate) {
  const kernels::Window window = window_of(g);
  const Workspace<T> workspace(kernels::conv2d_workspace(window));
  kernels::conv2d_backward_weight(window, x, dy, dw, accumulate, workspace.data(), stream());
}

template <class T>
void depthwise_conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
  if (g.out_pixels() == 0 || g.out_c == 0) return;
  kernels::depthwise_forward(window_of(g), x, w, kernel_epilogue(e), y, stream());
}

template <class T>
void depthwise_conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
  if (g.in_pixels() == 0 || g.in_c == 0) return;
  kernels::depthwise_backward_input(window_of(g), dy, w, dx, accumulate, stream());
}

template <class T>
void depthwise_conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, T* dw, bool accumulate) {
  const kernels::Window window = window_of(g);
  const Workspace<T> workspace(kernels::depthwise_workspace(window));
  kernels::depthwise_backward_weight(window, x, dy, dw, accumulate, workspace.data(), stream());
}

}  // namespace cuda
TINYVISION_END
