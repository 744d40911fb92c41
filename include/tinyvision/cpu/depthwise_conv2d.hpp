// Depthwise convolution on NHWC maps: every channel has its own kernels.
//
// With channel multiplier M > 1 (a rare stem) the input is expanded to one copy per output channel first, so that one
// kernel serves all.
#pragma once

#include "tinyvision/core/arena.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/cpu/depthwise_kernel.hpp"
#include "tinyvision/linalg/microkernel.hpp"
#include "tinyvision/linalg/thread_scratch.hpp"

TINYVISION_BEGIN
namespace cpu {
namespace detail {

inline void check_depthwise_geometry(const WindowGeometry& g) {
  check(g.in_c >= 1 && g.out_c >= g.in_c && g.out_c % g.in_c == 0, "depthwise_conv2d", "output channels ", g.out_c,
        " must be a multiple of input channels ", g.in_c);
  check(g.in_pitch >= g.in_c && g.out_pitch >= g.out_c && g.stride_h >= 1 && g.stride_w >= 1 && g.kernel_h >= 1 &&
            g.kernel_w >= 1,
        "depthwise_conv2d", "bad geometry: pitches ", g.in_pitch, ", ", g.out_pitch, " for channels ", g.in_c, " -> ",
        g.out_c, ", kernel ", g.kernel_h, "x", g.kernel_w, ", stride ", g.stride_h, "x", g.stride_w);
}

/// The same convolution on an input expanded to the output's channels.
inline WindowGeometry expanded_geometry(WindowGeometry g) {
  g.in_c = g.in_pitch = g.out_c;
  return g;
}

template <class T>
void expand_channels(const WindowGeometry& g, const T* x, T* expanded) {
  const Index multiplier = g.out_c / g.in_c;
  parallel_ranges(g.in_pixels(), 4096, [&](Index begin, Index end) {
    for (Index p = begin; p < end; ++p)
      for (Index c = 0; c < g.out_c; ++c) expanded[p * g.out_c + c] = x[p * g.in_pitch + c / multiplier];
  });
}

/// Row (n, oh) of the forward convolution; y is the output map or, for the weight gradient, the output gradient.
template <class T>
simd::DepthwiseRow<T> depthwise_row(const WindowGeometry& g, const T* x, const T* w, T* y, Index row) {
  const Index n = row / g.out_h;
  const Index y0 = row % g.out_h * g.stride_h - g.pad_top;
  simd::DepthwiseRow<T> r;
  r.x_pitch = g.in_pitch, r.x_row = g.in_w * g.in_pitch, r.in_w = g.in_w, r.channels = g.in_c;
  r.x = x + (n * g.in_h + y0) * r.x_row;
  r.kernel_w = g.kernel_w, r.stride_w = g.stride_w, r.pad_left = g.pad_left;
  r.tap_begin = std::clamp<Index>(-y0, 0, g.kernel_h);
  r.tap_end = std::clamp(g.in_h - y0, r.tap_begin, g.kernel_h);
  r.w = w;
  r.y_pitch = g.out_pitch, r.out_w = g.out_w;
  r.y = y + row * g.out_w * g.out_pitch;
  return r;
}

/// Whether y is written past the caches: it is big and its vectors start on cache lines.
template <class T>
bool stream_output(const T* y, Index pixels, Index pitch) {
  return simd::worth_streaming<T>(pixels * pitch) && simd::streamable(y, pitch);
}

/// Rows per task: some 64 tasks, so that threads share the work evenly and neighbouring rows are reused from the cache.
inline Index depthwise_grain(Index rows) { return std::max<Index>(1, rows / 64); }

}  // namespace detail

/// y(n,oh,ow,c*M+m) = activate(scale * sum_{kh,kw} x(n, oh*s_h - pad_top + kh, ow*s_w - pad_left + kw, c) *
/// w(kh,kw,c,m)
/// + shift + residual), M = out_c / in_c, weights [kernel_h][kernel_w][in_c][M]. Pitches, precision and repeatability
/// as `conv2d_forward`. Throws Error on inconsistent geometry.
template <class T>
void depthwise_conv2d_forward(const WindowGeometry& g, const T* x, const T* w, const Epilogue<T>& e, T* y) {
  detail::check_depthwise_geometry(g);
  if (g.in_c != g.out_c) {
    const Scratch<T> expanded(g.in_pixels() * g.out_c);
    detail::expand_channels(g, x, expanded.data());
    return depthwise_conv2d_forward<T>(detail::expanded_geometry(g), expanded.data(), w, e, y);
  }
  const auto& kernels = simd::depthwise_kernels<T>(instruction_set());
  const Index rows = g.batch * g.out_h;
  const bool stream = detail::stream_output(y, g.out_pixels(), g.out_pitch);
  parallel_ranges(rows, detail::depthwise_grain(rows), [&](Index begin, Index end) {
    auto* taps = simd::thread_scratch<simd::DepthwiseTap<T>, 0>(g.kernel_h * g.kernel_w);
    for (Index row = begin; row < end; ++row) {
      simd::DepthwiseRow<T> r = detail::depthwise_row(g, x, w, y, row);
      r.epilogue = e;
      r.stream = stream;
      if (e.residual != nullptr) r.epilogue.residual += row * g.out_w * e.residual_pitch;
      kernels.forward_row(r, taps);
    }
  });
}

/// dx(n,h,w,c) [+]= sum_{kh,kw,m} dy(n, (h+pad_top-kh)/s_h, (w+pad_left-kw)/s_w, c*M+m) * w(kh,kw,c,m) over taps that
/// divide. dy has pixel pitch out_pitch, dx in_pitch.
template <class T>
void depthwise_conv2d_backward_input(const WindowGeometry& g, const T* dy, const T* w, T* dx, bool accumulate) {
  detail::check_depthwise_geometry(g);
  if (g.in_c != g.out_c) {
    const Scratch<T> expanded(g.in_pixels() * g.out_c);
    depthwise_conv2d_backward_input<T>(detail::expanded_geometry(g), dy, w, expanded.data(), false);
    const Index multiplier = g.out_c / g.in_c;
    parallel_ranges(g.in_pixels(), 4096, [&](Index begin, Index end) {
      for (Index p = begin; p < end; ++p) {
        for (Index c = 0; c < g.in_c; ++c) {
          T sum = accumulate ? dx[p * g.in_pitch + c] : T(0);
          for (Index m = 0; m < multiplier; ++m) sum += expanded[p * g.out_c + c * multiplier + m];
          dx[p * g.in_pitch + c] = sum;
        }
      }
    });
    return;
  }
  const auto& kernels = simd::depthwise_kernels<T>(instruction_set());
  const Index rows = g.batch * g.in_h;
  const bool stream = !accumulate && detail::stream_output(dx, g.in_pixels(), g.in_pitch);
  if (g.stride_h == 1 && g.stride_w == 1) {  // a forward convolution of dy with flipped kernels
    const Index taps = g.kernel_h * g.kernel_w;
    const Scratch<T> flipped(taps * g.in_c);
    for (Index t = 0; t < taps; ++t) std::copy_n(w + t * g.in_c, g.in_c, flipped.data() + (taps - 1 - t) * g.in_c);
    WindowGeometry back = g;
    std::swap(back.in_h, back.out_h), std::swap(back.in_w, back.out_w), std::swap(back.in_pitch, back.out_pitch);
    back.pad_top = g.kernel_h - 1 - g.pad_top, back.pad_left = g.kernel_w - 1 - g.pad_left;
    if (back.pad_left >= 0) {
      parallel_ranges(rows, detail::depthwise_grain(rows), [&](Index begin, Index end) {
        auto* scratch = simd::thread_scratch<simd::DepthwiseTap<T>, 0>(taps);
        for (Index row = begin; row < end; ++row) {
          simd::DepthwiseRow<T> r = detail::depthwise_row(back, dy, flipped.data(), dx, row);
          r.add = accumulate;
          r.stream = stream;
          kernels.forward_row(r, scratch);
        }
      });
      return;
    }
  }
  parallel_ranges(rows, detail::depthwise_grain(rows), [&](Index begin, Index end) {
    auto* scratch = simd::thread_scratch<simd::DepthwiseTap<T>, 0>(g.kernel_h * g.kernel_w);
    for (Index row = begin; row < end; ++row) {
      const Index n = row / g.in_h,
                  reach = row % g.in_h + g.pad_top;  // tap kh comes from output row (reach - kh) / stride
      simd::DepthwiseRow<T> r;
      r.x_pitch = g.out_pitch, r.x_row = -g.out_w * g.out_pitch, r.in_w = g.out_w, r.channels = g.in_c;
      r.x = dy + (n * g.out_h + reach / g.stride_h) * g.out_w * g.out_pitch;
      r.kernel_w = g.kernel_w, r.stride_w = g.stride_w, r.pad_left = g.pad_left;
      r.tap_step = g.stride_h;
      const Index too_high =
          std::max<Index>(0, reach / g.stride_h - (g.out_h - 1));  // taps whose row lies below the map
      r.tap_begin = reach % g.stride_h + too_high * g.stride_h;
      r.tap_end = std::min(g.kernel_h, reach + 1);
      r.w = w;
      r.y_pitch = g.in_pitch, r.out_w = g.in_w;
      r.y = dx + row * g.in_w * g.in_pitch;
      r.add = accumulate;
      r.stream = stream;
      kernels.gradient_row(r, scratch);
    }
  });
}

/// dw(kh,kw,c,m) [+]= sum_{n,oh,ow} x(n, oh*s_h - pad_top + kh, ow*s_w - pad_left + kw, c) * dy(n,oh,ow,c*M+m). Sums
/// run in T over blocks of whole rows whose number depends on the shape alone; block sums are added in order in double.
template <class T>
void depthwise_conv2d_backward_weight(const WindowGeometry& g, const T* x, const T* dy, T* dw, bool accumulate) {
  detail::check_depthwise_geometry(g);
  if (g.in_c != g.out_c) {
    const Scratch<T> expanded(g.in_pixels() * g.out_c);
    detail::expand_channels(g, x, expanded.data());
    return depthwise_conv2d_backward_weight<T>(detail::expanded_geometry(g), expanded.data(), dy, dw, accumulate);
  }
  const auto& kernels = simd::depthwise_kernels<T>(instruction_set());
  const Index rows = g.batch * g.out_h;
  const Index weights = g.kernel_h * g.kernel_w * g.in_c;
  const Index block_rows = std::max<Index>(4, (rows + 127) / 128);
  const Index blocks = std::max<Index>(1, (rows + block_rows - 1) / block_rows);
  const Scratch<T> partial(blocks * weights);
  parallel_for(blocks, [&](Index block) {
    T* sums = partial.data() + block * weights;
    std::fill_n(sums, weights, T(0));
    for (Index row = block * block_rows; row < std::min(rows, (block + 1) * block_rows); ++row)
      // the kernel only reads the output gradient
      kernels.weight_row(detail::depthwise_row<T>(g, x, nullptr, const_cast<T*>(dy), row), sums);
  });
  parallel_ranges(weights, 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      double sum = 0;
      for (Index b = 0; b < blocks; ++b) sum += static_cast<double>(partial[b * weights + i]);
      dw[i] = static_cast<T>(accumulate ? static_cast<double>(dw[i]) + sum : sum);
    }
  });
}

}  // namespace cpu
TINYVISION_END
