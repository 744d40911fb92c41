// The rungs of docs/kernels/convolution.md: the forward convolution of conv2d_bf16.cu, slower and simpler. They are for
// reading and for measuring what each step gains; nothing of the framework calls them. All keep x, w and y in bf16, sum in
// f32 in ascending k = (a, b, c) and round once.
#pragma once

#include "support/numbers.h"

namespace tinyvision_kernels {
namespace ladder {

/// y = convolution of x with w [KH,KW,C,O]; every pitch and padding, no epilogue.
void naive(const Window& g, const bf16* x, const bf16* w, bf16* y, Stream stream);
void shared_tile(const Window& g, const bf16* x, const bf16* w, bf16* y, Stream stream);
void register_tile(const Window& g, const bf16* x, const bf16* w, bf16* y, Stream stream);

/// Element (pixel, k) of the matrix of windows; zero outside the map.
__device__ __forceinline__ float window_element(const Window& g, const bf16* x, Index pixel, Index k) {
  const Index c = k % g.in_c, tap = k / g.in_c;
  const Index h = pixel / g.out_w % g.out_h * g.stride_h - g.pad_top + tap / g.kernel_w;
  const Index v = pixel % g.out_w * g.stride_w - g.pad_left + tap % g.kernel_w;
  if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) return 0;
  return to_compute(x[((pixel / (g.out_w * g.out_h) * g.in_h + h) * g.in_w + v) * g.in_pitch + c]);
}

}  // namespace ladder
}  // namespace tinyvision_kernels
