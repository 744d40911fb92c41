// Row kernels of depthwise convolutions for each instruction set, behind a table of functions.
#pragma once

#include <algorithm>

#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/linalg/simd_vector.hpp"

TINYVISION_BEGIN
namespace simd {

/// One row of a depthwise convolution with one weight per tap and channel, [kernel_h][kernel_w][channels].
template <class T>
struct DepthwiseRow {
  const T* x = nullptr;  ///< input pixel 0 of the row of tap kh = 0; rows of absent taps are never touched
  Index x_row = 0, x_pitch = 0, in_w = 0, channels = 0;
  Index kernel_w = 0, stride_w = 1, pad_left = 0;
  Index tap_begin = 0, tap_end = 0, tap_step = 1;  ///< taps kh with a row inside the map
  const T* w = nullptr;
  T* y = nullptr;  ///< output pixel 0 (the weight gradient only reads it)
  Index y_pitch = 0, out_w = 0;
  bool add = false;
  bool stream = false;  ///< write full vectors past the caches
  Epilogue<T> epilogue;

  /// Output pixels [inner_begin, inner_end) have windows inside the row.
  Index inner_begin() const { return std::min(out_w, (pad_left + stride_w - 1) / stride_w); }
  Index inner_end() const {
    const Index room = in_w + pad_left - kernel_w;
    return std::clamp(room < 0 ? 0 : room / stride_w + 1, inner_begin(), out_w);
  }
};

/// One product of a depthwise sum: channel vectors at x and w.
template <class T>
struct DepthwiseTap {
  const T* x;
  const T* w;
};

template <class T>
struct DepthwiseKernels {
  void (*forward_row)(const DepthwiseRow<T>&, DepthwiseTap<T>* scratch);
  void (*gradient_row)(const DepthwiseRow<T>&, DepthwiseTap<T>* scratch);
  void (*weight_row)(const DepthwiseRow<T>&, T* dw);
};

}  // namespace simd
TINYVISION_END

#define TINYVISION_SIMD_BODY "tinyvision/cpu/depthwise_kernel.inl"
#include "tinyvision/linalg/simd_foreach.inl"

TINYVISION_BEGIN
namespace simd {

template <class T>
const DepthwiseKernels<T>& depthwise_kernels(InstructionSet set) {
#if TINYVISION_X86
  if (set == InstructionSet::avx512) return avx512::depthwise_kernels<T>();
  if (set == InstructionSet::avx2) return avx2::depthwise_kernels<T>();
#endif
  static_cast<void>(set);
  return portable::depthwise_kernels<T>();
}

}  // namespace simd
TINYVISION_END
