// Convolution on NHWC maps as an implicit matrix product.
//
// Forward: output pixels are the rows, windows of the input the left operand, HWIO weights (already [K][Cout]) the
// right. Input gradient: the same product over the output gradient, with flipped, transposed weights, once for each
// residue of the input position modulo the stride, so that no multiplication by an inserted zero is ever made. Weight
// gradient: transposed windows times the output gradient, summed over pixels in chunks of fixed length.
#pragma once

#include <utility>

#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/linalg/tiled_product.hpp"

TINYVISION_BEGIN
namespace cpu {

/// Convolution weights in the order the forward kernel reads them, for the instruction set that was current when
/// packed.
template <class T>
class PackedConvWeights {
 public:
  PackedConvWeights() = default;
  explicit PackedConvWeights(simd::PackedPanels<T> panels) : panels_(std::move(panels)) {}
  InstructionSet instruction_set() const { return panels_.instruction_set(); }
  const simd::PackedPanels<T>& panels() const { return panels_; }

 private:
  simd::PackedPanels<T> panels_;
};

namespace detail {

inline void check_conv_geometry(const WindowGeometry& g) {
  check(g.in_pitch >= g.in_c && g.out_pitch >= g.out_c && g.stride_h >= 1 && g.stride_w >= 1 && g.kernel_h >= 1 &&
            g.kernel_w >= 1,
        "conv2d", "bad geometry: channels ", g.in_c, " -> ", g.out_c, ", pitches ", g.in_pitch, ", ", g.out_pitch,
        ", kernel ", g.kernel_h, "x", g.kernel_w, ", stride ", g.stride_h, "x", g.stride_w);
}

/// The windows a convolution sees at each output pixel.
template <class T>
simd::WindowRows<T> input_windows(const WindowGeometry& g, const T* x) {
  simd::WindowRows<T> w;
  w.x = x;
  w.in_h = g.in_h, w.in_w = g.in_w, w.in_pitch = g.in_pitch, w.channels = g.in_c;
  w.grid_h = g.out_h, w.grid_w = g.out_w;
  w.step_h = g.stride_h, w.step_w = g.stride_w;
  w.offset_h = -g.pad_top, w.offset_w = -g.pad_left;
  w.taps_h = g.kernel_h, w.taps_w = g.kernel_w;
  return w;
}

/// One dimension of the input gradient at positions i = residue + stride * grid: kernel taps first, first + stride, ...
/// reach them from output positions grid + offset + [0, taps), in descending order of the tap.
struct ResidueClass {
  Index grid, first, taps, offset;
  ResidueClass(Index size, Index kernel, Index stride, Index pad, Index residue)
      : grid((size - residue + stride - 1) / stride),
        first((residue + pad) % stride),
        taps(first < kernel ? (kernel - 1 - first) / stride + 1 : 0),
        offset((residue + pad - first) / stride - (taps - 1)) {}
};

}  // namespace detail

/// Packs HWIO weights [kernel_h][kernel_w][in_c][out_c] for `conv2d_forward`.
template <class T>
PackedConvWeights<T> pack_conv2d_weights(const WindowGeometry& g, const T* w) {
  const Index depth = g.kernel_h * g.kernel_w * g.in_c;
  simd::PackedPanels<T> panels(instruction_set(), depth, g.out_c);
  panels.pack(w, g.out_c, 1, 0, depth);
  return PackedConvWeights<T>(std::move(panels));
}

/// y(n,oh,ow,o) = activate(scale[o] * sum_{kh,kw,i} x(n, oh*s_h - pad_top + kh, ow*s_w - pad_left + kw, i) *
/// w(kh,kw,i,o)
/// + shift[o] + residual(n,oh,ow,o)). x has pixel pitch in_pitch, y out_pitch; gaps between pixels are left alone.
/// Accumulates in T in fixed order; results depend on the shape and the instruction set alone. Throws Error on
/// inconsistent geometry.
template <class T>
void conv2d_forward(const WindowGeometry& g, const T* x, const PackedConvWeights<T>& w, const Epilogue<T>& e, T* y) {
  detail::check_conv_geometry(g);
  check(w.panels().depth() == g.kernel_h * g.kernel_w * g.in_c && w.panels().columns() == g.out_c, "conv2d",
        "weights packed as ", w.panels().depth(), " x ", w.panels().columns(), " do not fit kernel ", g.kernel_h, "x",
        g.kernel_w, " channels ", g.in_c, " -> ", g.out_c);
  simd::GridTarget target;
  target.out_h = g.out_h, target.out_w = g.out_w;
  simd::multiply_rows(detail::input_windows(g, x), g.out_pixels(), w.panels(), target, e, false, y, g.out_pitch);
}

/// As above, with HWIO weights that are packed for this call.
template <class T>
void conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
  conv2d_forward(g, x, pack_conv2d_weights(g, w), e, y);
}

/// dx(n,h,w,i) [+]= sum_{kh,kw,o} dy(n, (h+pad_top-kh)/s_h, (w+pad_left-kw)/s_w, o) * w(kh,kw,i,o) over taps that
/// divide. dy has pixel pitch out_pitch, dx in_pitch. Precision and repeatability as `conv2d_forward`.
template <class T>
void conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
  detail::check_conv_geometry(g);
  for (Index residue_h = 0; residue_h < std::min(g.stride_h, g.in_h); ++residue_h) {
    const detail::ResidueClass rows(g.in_h, g.kernel_h, g.stride_h, g.pad_top, residue_h);
    for (Index residue_w = 0; residue_w < std::min(g.stride_w, g.in_w); ++residue_w) {
      const detail::ResidueClass columns(g.in_w, g.kernel_w, g.stride_w, g.pad_left, residue_w);
      const Index taps = rows.taps * columns.taps;
      if (taps == 0 && accumulate) continue;
      simd::PackedPanels<T> packed(instruction_set(), taps * g.out_c, g.in_c);
      for (Index tap = 0; tap < taps; ++tap) {
        const Index kh = rows.first + g.stride_h * (rows.taps - 1 - tap / columns.taps);
        const Index kw = columns.first + g.stride_w * (columns.taps - 1 - tap % columns.taps);
        packed.pack(w + (kh * g.kernel_w + kw) * g.in_c * g.out_c, 1, g.out_c, tap * g.out_c, g.out_c);
      }
      simd::WindowRows<T> windows;
      windows.x = dy;
      windows.in_h = g.out_h, windows.in_w = g.out_w, windows.in_pitch = g.out_pitch, windows.channels = g.out_c;
      windows.grid_h = rows.grid, windows.grid_w = columns.grid;
      windows.offset_h = rows.offset, windows.offset_w = columns.offset;
      windows.taps_h = rows.taps, windows.taps_w = columns.taps;
      simd::GridTarget target;
      target.out_h = g.in_h, target.out_w = g.in_w;
      target.step_h = g.stride_h, target.step_w = g.stride_w;
      target.origin_h = residue_h, target.origin_w = residue_w;
      simd::multiply_rows(windows, g.batch * rows.grid * columns.grid, packed, target, Epilogue<T>{}, accumulate, dx,
                          g.in_pitch);
    }
  }
}

/// dw(kh,kw,i,o) [+]= sum_{n,oh,ow} x(n, oh*s_h - pad_top + kh, ow*s_w - pad_left + kw, i) * dy(n,oh,ow,o), HWIO
/// without gaps. Sums over pixels run in T within chunks of 256 (f32) or 128 (f64) pixels, whose sums are added in
/// order.
template <class T>
void conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, T* dw, bool accumulate) {
  detail::check_conv_geometry(g);
  simd::multiply_transposed(detail::input_windows(g, x), g.out_pixels(), g.kernel_h * g.kernel_w * g.in_c, dy,
                            g.out_pitch, Index{1}, g.out_c, T(1), accumulate, dw, g.out_c);
}

}  // namespace cpu
TINYVISION_END
