// Depthwise convolution as plain loops: the specification of cpu/depthwise_conv2d.hpp. Rounding as in reference/conv2d.hpp.
#pragma once

#include <cmath>

#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/core/error.hpp"
#include "tinyvision/core/geometry.hpp"

TINYVISION_BEGIN
namespace reference {

/// Output channels per input channel. Throws Error when out_c is not a multiple of in_c.
inline Index depth_multiplier(const WindowGeometry& g) {
  check(g.in_c > 0 && g.out_c % g.in_c == 0, "depthwise_conv2d", "output channels ", g.out_c,
        " are not a multiple of input channels ", g.in_c);
  return g.out_c / g.in_c;
}

/// y[n,i,j,c*M+m] = act(v * scale + shift + residual) (see reference/conv2d.hpp) with
///   v = sum_{a,b} x[n, i*stride_h - pad_top + a, j*stride_w - pad_left + b, c] * w[a,b,c,m],   M = out_c / in_c,
/// x read as zero outside the input; w [KH,KW,C,M] packed. One chain in the order (a, b).
template <class T>
void depthwise_conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
  const Index multiplier = depth_multiplier(g);
  for (Index n = 0; n < g.batch; ++n)
    for (Index i = 0; i < g.out_h; ++i)
      for (Index j = 0; j < g.out_w; ++j) {
        const Index pixel = (n * g.out_h + i) * g.out_w + j;
        for (Index o = 0; o < g.out_c; ++o) {
          T sum = 0;
          for (Index a = 0; a < g.kernel_h; ++a)
            for (Index b = 0; b < g.kernel_w; ++b) {
              const Index h = i * g.stride_h - g.pad_top + a, v = j * g.stride_w - g.pad_left + b;
              if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) continue;
              sum = std::fma(x[((n * g.in_h + h) * g.in_w + v) * g.in_pitch + o / multiplier],
                             w[(a * g.kernel_w + b) * g.out_c + o], sum);
            }
          if (e.scale) {
            sum = std::fma(sum, e.scale[o], e.shift ? e.shift[o] : T(0));
          } else if (e.shift) {
            sum += e.shift[o];
          }
          if (e.residual) sum += e.residual[pixel * e.residual_pitch + o];
          y[pixel * g.out_pitch + o] = activate(sum, e.activation);
        }
      }
}

/// dx[n,h,w,c] (+)= sum of dy[n,i,j,c*M+m] * w[a,b,c,m] over all (i,j,a,b,m) whose window position is (h,w), one chain
/// in the order (i, j, m).
template <class T>
void depthwise_conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
  const Index multiplier = depth_multiplier(g);
  if (!accumulate)
    for (Index p = 0; p < g.in_pixels(); ++p)
      for (Index c = 0; c < g.in_c; ++c) dx[p * g.in_pitch + c] = T(0);
  for (Index n = 0; n < g.batch; ++n)
    for (Index i = 0; i < g.out_h; ++i)
      for (Index j = 0; j < g.out_w; ++j) {
        const T* out = dy + ((n * g.out_h + i) * g.out_w + j) * g.out_pitch;
        for (Index a = 0; a < g.kernel_h; ++a)
          for (Index b = 0; b < g.kernel_w; ++b) {
            const Index h = i * g.stride_h - g.pad_top + a, v = j * g.stride_w - g.pad_left + b;
            if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) continue;
            T* in = dx + ((n * g.in_h + h) * g.in_w + v) * g.in_pitch;
            for (Index o = 0; o < g.out_c; ++o)
              in[o / multiplier] = std::fma(out[o], w[(a * g.kernel_w + b) * g.out_c + o], in[o / multiplier]);
          }
      }
}

/// dw[a,b,c,m] (+)= sum over all output pixels of x[n, i*stride_h - pad_top + a, ..., c] * dy[n,i,j,c*M+m].
template <class T>
void depthwise_conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, T* dw, bool accumulate) {
  const Index multiplier = depth_multiplier(g);
  for (Index a = 0; a < g.kernel_h; ++a)
    for (Index b = 0; b < g.kernel_w; ++b)
      for (Index o = 0; o < g.out_c; ++o) {
        T sum = 0;
        for (Index n = 0; n < g.batch; ++n)
          for (Index i = 0; i < g.out_h; ++i)
            for (Index j = 0; j < g.out_w; ++j) {
              const Index h = i * g.stride_h - g.pad_top + a, v = j * g.stride_w - g.pad_left + b;
              if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) continue;
              sum += x[((n * g.in_h + h) * g.in_w + v) * g.in_pitch + o / multiplier] *
                     dy[((n * g.out_h + i) * g.out_w + j) * g.out_pitch + o];
            }
        T& target = dw[(a * g.kernel_w + b) * g.out_c + o];
        target = accumulate ? target + sum : sum;
      }
}

}  // namespace reference
TINYVISION_END
