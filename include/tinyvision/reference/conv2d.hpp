// Convolution as plain loops: the specification of cpu/conv2d.hpp.
//
// Sums on the way of an activation or of its gradient are chains of fused multiply-adds in T in the order given, which
// is that of the fast kernels: both then have the same bits, and fall on the same side of every kink that follows.
#pragma once

#include <cmath>

#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/core/geometry.hpp"

TINYVISION_BEGIN
namespace reference {

/// Cross-correlation y[n,i,j,o] = act(v * scale[o] + shift[o] + residual[n,i,j,o]) with
///   v = sum_{a,b,c} x[n, i*stride_h - pad_top + a, j*stride_w - pad_left + b, c] * w[a,b,c,o],
/// x read as zero outside the input. x [N,H,W,C] with pitch in_pitch, w [KH,KW,C,O] packed, y [N,H',W',O] with pitch
/// out_pitch. Each sum is one chain in the order (a, b, c). Null scale, shift, residual mean 1, 0, 0.
template <class T>
void conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
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
              const T* in = x + ((n * g.in_h + h) * g.in_w + v) * g.in_pitch;
              const T* weights = w + (a * g.kernel_w + b) * g.in_c * g.out_c + o;
              for (Index c = 0; c < g.in_c; ++c) sum = std::fma(in[c], weights[c * g.out_c], sum);
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

/// dx[n,h,w,c] (+)= sum of dy[n,i,j,o] * w[a,b,c,o] over all (i,j,a,b,o) whose window position is (h,w), one chain in
/// the order (i, j, o). Adds to dx when `accumulate`, else overwrites it. dy has pitch out_pitch, dx pitch in_pitch.
template <class T>
void conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
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
            for (Index c = 0; c < g.in_c; ++c) {
              const T* weights = w + ((a * g.kernel_w + b) * g.in_c + c) * g.out_c;
              for (Index o = 0; o < g.out_c; ++o) in[c] = std::fma(out[o], weights[o], in[c]);
            }
          }
      }
}

/// dw[a,b,c,o] (+)= sum over all output pixels (n,i,j) of x[n, i*stride_h - pad_top + a, ..., c] * dy[n,i,j,o].
template <class T>
void conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, T* dw, bool accumulate) {
  for (Index a = 0; a < g.kernel_h; ++a)
    for (Index b = 0; b < g.kernel_w; ++b)
      for (Index c = 0; c < g.in_c; ++c)
        for (Index o = 0; o < g.out_c; ++o) {
          T sum = 0;
          for (Index n = 0; n < g.batch; ++n)
            for (Index i = 0; i < g.out_h; ++i)
              for (Index j = 0; j < g.out_w; ++j) {
                const Index h = i * g.stride_h - g.pad_top + a, v = j * g.stride_w - g.pad_left + b;
                if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) continue;
                sum += x[((n * g.in_h + h) * g.in_w + v) * g.in_pitch + c] *
                       dy[((n * g.out_h + i) * g.out_w + j) * g.out_pitch + o];
              }
          T& target = dw[((a * g.kernel_w + b) * g.in_c + c) * g.out_c + o];
          target = accumulate ? target + sum : sum;
        }
}

}  // namespace reference
TINYVISION_END
