// Convolutions on the device, with the arguments of cpu/conv2d.hpp and cpu/depthwise_conv2d.hpp: our own kernels, or the
// vendor's where those were chosen and know the type. T is float, double or bfloat16; with bfloat16 the weights of a full
// convolution are bfloat16 too, those of a depthwise one float, and so are the gradients of both.
#pragma once

#include "tinyvision/cuda/arguments.hpp"
#include "tinyvision/cuda/vendor.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
  if (g.out_pixels() == 0 || g.out_c == 0) return;
  if constexpr (vendor_convolves<T>) {
    if (use_vendor())
      return kernels::vendor::conv2d_forward(window_of(g), as_kernel(x), as_kernel(w), kernel_epilogue(e), as_kernel(y),
                                             vendor_scratch(), stream());
  }
  if constexpr (std::is_same_v<T, bfloat16>) {
    kernels::conv2d_bf16_forward(window_of(g), as_kernel(x), as_kernel(w), kernel_epilogue(e), as_kernel(y), stream());
  } else {
    kernels::conv2d_forward(window_of(g), x, w, kernel_epilogue(e), y, stream());
  }
}

template <class T>
void conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
  if (g.in_pixels() == 0 || g.in_c == 0) return;
  if constexpr (vendor_convolves<T>) {
    if (use_vendor())
      return kernels::vendor::conv2d_backward_input(window_of(g), as_kernel(dy), as_kernel(w), as_kernel(dx),
                                                    accumulate, vendor_scratch(), stream());
  }
  if constexpr (std::is_same_v<T, bfloat16>) {
    kernels::conv2d_bf16_backward_input(window_of(g), as_kernel(dy), as_kernel(w), as_kernel(dx), accumulate, stream());
  } else {
    kernels::conv2d_backward_input(window_of(g), dy, w, dx, accumulate, stream());
  }
}

/// Where there are no pixels, a gradient dw [count] is the sum of nothing; kernels need at least one.
template <class T>
bool has_no_pixels(const WindowGeometry& g, Index count, T* dw, bool accumulate) {
  if (g.out_pixels() > 0) return false;
  if (!accumulate) kernels::set_bytes(dw, 0, static_cast<std::size_t>(count) * sizeof(T), stream());
  return true;
}

template <class T>
void conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate) {
  if (has_no_pixels(g, g.kernel_h * g.kernel_w * g.in_c * g.out_c, dw, accumulate)) return;
  const kernels::Window window = window_of(g);
  if constexpr (vendor_convolves<T>) {
    if (use_vendor())
      return kernels::vendor::conv2d_backward_weight(window, as_kernel(x), as_kernel(dy), dw, accumulate,
                                                     vendor_scratch(), stream());
  }
  if constexpr (std::is_same_v<T, bfloat16>) {
    const Workspace<float> workspace(kernels::conv2d_bf16_workspace(window));
    kernels::conv2d_bf16_backward_weight(window, as_kernel(x), as_kernel(dy), dw, accumulate, workspace.data(),
                                         stream());
  } else {
    const Workspace<T> workspace(kernels::conv2d_workspace(window));
    kernels::conv2d_backward_weight(window, x, dy, dw, accumulate, workspace.data(), stream());
  }
}

template <class T>
void depthwise_conv2d_forward(const WindowGeometry& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& e,
                              T* y) {
  if (g.out_pixels() == 0 || g.out_c == 0) return;
  if constexpr (vendor_convolves<T>) {
    if (use_vendor())
      return kernels::vendor::depthwise_forward(window_of(g), as_kernel(x), w, kernel_epilogue(e), as_kernel(y),
                                                vendor_scratch(), stream());
  }
  kernels::depthwise_forward(window_of(g), as_kernel(x), w, kernel_epilogue(e), as_kernel(y), stream());
}

template <class T>
void depthwise_conv2d_backward_input(const WindowGeometry& g, const T* dy, const Accumulator<T>* w, T* dx,
                                     bool accumulate) {
  if (g.in_pixels() == 0 || g.in_c == 0) return;
  if constexpr (vendor_convolves<T>) {
    if (use_vendor())
      return kernels::vendor::depthwise_backward_input(window_of(g), as_kernel(dy), w, as_kernel(dx), accumulate,
                                                       vendor_scratch(), stream());
  }
  kernels::depthwise_backward_input(window_of(g), as_kernel(dy), w, as_kernel(dx), accumulate, stream());
}

template <class T>
void depthwise_conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, Accumulator<T>* dw,
                                      bool accumulate) {
  if (has_no_pixels(g, g.kernel_h * g.kernel_w * g.out_c, dw, accumulate)) return;
  const kernels::Window window = window_of(g);
  if constexpr (vendor_convolves<T>) {
    if (use_vendor())
      return kernels::vendor::depthwise_backward_weight(window, as_kernel(x), as_kernel(dy), dw, accumulate,
                                                        vendor_scratch(), stream());
  }
  const Workspace<Accumulator<T>> workspace(kernels::depthwise_workspace(window));
  kernels::depthwise_backward_weight(window, as_kernel(x), as_kernel(dy), dw, accumulate, workspace.data(), stream());
}

}  // namespace cuda
TINYVISION_END
