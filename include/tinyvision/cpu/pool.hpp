// Pooling, threaded and vectorised over channels; arguments and results are those of reference/pool.hpp. Backward
// passes gather: each input pixel adds the windows that contain it, in window order, so no two tasks write the same
// place.
#pragma once

#include <cstdint>
#include <limits>

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {
namespace detail {

/// The part [begin, end) of `extent` that a window starting at `start` covers.
struct Span {
  Index begin, end;
  Span(Index start, Index length, Index extent)
      : begin(std::max<Index>(start, 0)), end(std::max(begin, std::min(start + length, extent))) {}
  Index size() const { return end - begin; }
};

/// The window positions o in [begin, end) that cover coordinate `at`: o*stride - pad <= at < o*stride - pad + kernel.
struct Covering {
  Index begin, end;
  Covering(Index at, Index pad, Index kernel, Index stride, Index positions) {
    const Index last = at + pad, first = last - kernel + 1;
    begin = first <= 0 ? 0 : (first + stride - 1) / stride;
    end = std::min(positions, last / stride + 1);
  }
};

/// Channels handled at a time, in buffers that stay in the first-level cache.
inline constexpr Index pool_block = 256;

/// Calls `kernel(row, column, map pixel)`, marked TINYVISION_ALWAYS_INLINE, for each pixel of a [batch, h, w] map, in
/// parallel over map rows. `row` counts all images' rows.
template <class Kernel>
void for_each_pixel(Index batch, Index h, Index w, Index cost, const Kernel& kernel) {
  const Index grain = std::max<Index>(1, task_elements / std::max<Index>(1, w * cost));
  parallel_ranges(batch * h, grain, [&](Index begin, Index end) {
    vectorized([&]() TINYVISION_ALWAYS_INLINE {
      for (Index row = begin; row < end; ++row)
        for (Index column = 0; column < w; ++column) kernel(row / h, row % h, column, row * w + column);
    });
  });
}

}  // namespace detail

/// y = maximum of each window. `argmax` (nullable, [output pixels, C] packed) is the window offset a*kernel_w + b of
/// the first maximum in window order; NaN counts as largest. A window without a pixel gives -inf and argmax 0. Throws
/// Error for windows of more than 256 positions.
template <class T>
void max_pool_forward(const WindowGeometry& g, const T* x, T* y, std::uint8_t* argmax) {
  check(g.kernel_h * g.kernel_w <= 256, "max_pool", "window ", g.kernel_h, "x", g.kernel_w,
        " has more than 256 positions");
  using Lane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  const auto kernel = [=](Index n, Index i, Index j, Index pixel) TINYVISION_ALWAYS_INLINE {
    const Index top = i * g.stride_h - g.pad_top, left = j * g.stride_w - g.pad_left;
    const detail::Span rows(top, g.kernel_h, g.in_h), columns(left, g.kernel_w, g.in_w);
    for (Index c0 = 0; c0 < g.out_c; c0 += detail::pool_block) {
      const Index length = std::min(detail::pool_block, g.out_c - c0);
      alignas(64) T best[detail::pool_block];
      alignas(64) Lane where[detail::pool_block];
      bool first = true;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) best[c] = -std::numeric_limits<T>::infinity(), where[c] = 0;
      for (Index h = rows.begin; h < rows.end; ++h)
        for (Index w = columns.begin; w < columns.end; ++w) {
          const T* in = x + ((n * g.in_h + h) * g.in_w + w) * g.in_pitch + c0;
          const Lane offset = static_cast<Lane>((h - top) * g.kernel_w + (w - left));
          if (first) {
            for (Index c = 0; c < length; ++c) best[c] = in[c], where[c] = offset;
            first = false;
            continue;
          }
          TINYVISION_INDEPENDENT
          for (Index c = 0; c < length; ++c) {
            const T value = in[c], old = best[c];
            const bool better = !(value <= old) & (old == old);
            best[c] = better ? value : old;
            where[c] = better ? offset : where[c];
          }
        }
      T* out = y + pixel * g.out_pitch + c0;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) out[c] = best[c];
      if (!argmax) continue;
      std::uint8_t* arg = argmax + pixel * g.out_c + c0;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) arg[c] = static_cast<std::uint8_t>(where[c]);
    }
  };
  detail::for_each_pixel(g.batch, g.out_h, g.out_w, g.out_c * g.kernel_h * g.kernel_w, kernel);
}

namespace detail {

/// dx (+)= for each input pixel the sum over the windows (i, j) that contain it, in order, of
/// `term(window pixel, offset of the pixel in the window, number of the window's pixels inside the input, channel)`.
template <class T, class Term>
void pool_backward(const WindowGeometry& g, T* dx, bool accumulate, const Term& term) {
  const auto kernel = [=](Index n, Index h, Index w, Index pixel) TINYVISION_ALWAYS_INLINE {
    const Covering rows(h, g.pad_top, g.kernel_h, g.stride_h, g.out_h);
    const Covering columns(w, g.pad_left, g.kernel_w, g.stride_w, g.out_w);
    for (Index c0 = 0; c0 < g.in_c; c0 += pool_block) {
      const Index length = std::min(pool_block, g.in_c - c0);
      alignas(64) T sum[pool_block];
      T* out = dx + pixel * g.in_pitch + c0;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) sum[c] = T(0);
      if (accumulate) std::copy(out, out + length, sum);
      for (Index i = rows.begin; i < rows.end; ++i)
        for (Index j = columns.begin; j < columns.end; ++j) {
          const Index top = i * g.stride_h - g.pad_top, left = j * g.stride_w - g.pad_left;
          const Index offset = (h - top) * g.kernel_w + (w - left);
          const Index count = Span(top, g.kernel_h, g.in_h).size() * Span(left, g.kernel_w, g.in_w).size();
          term((n * g.out_h + i) * g.out_w + j, offset, count, c0, length, sum);
        }
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) out[c] = sum[c];
    }
  };
  for_each_pixel(g.batch, g.in_h, g.in_w, g.in_c * 2, kernel);
}

}  // namespace detail

/// dx (+)= dy at the position that `argmax` names. Adds to dx when `accumulate`, else overwrites it.
template <class T>
void max_pool_backward(const WindowGeometry& g, const T* dy, const std::uint8_t* argmax, T* dx, bool accumulate) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const Index channels = g.out_c, pitch = g.out_pitch;
  detail::pool_backward(g, dx, accumulate,
                        [=](Index window, Index offset, Index, Index c0, Index length, T* sum)
                            TINYVISION_ALWAYS_INLINE {
                              const T* gradient = dy + window * pitch + c0;
                              const std::uint8_t* arg = argmax + window * channels + c0;
                              const Bits wanted = static_cast<Bits>(offset);
                              TINYVISION_INDEPENDENT
                              for (Index c = 0; c < length; ++c) {
                                const Bits mask = Bits{0} - static_cast<Bits>(static_cast<Bits>(arg[c]) == wanted);
                                sum[c] += std::bit_cast<T>(static_cast<Bits>(std::bit_cast<Bits>(gradient[c]) & mask));
                              }
                            });
}

/// y = sum of the window's pixels inside the input / their number (sum in T, in window order); 0 when there are none.
template <class T>
void average_pool_forward(const WindowGeometry& g, const T* x, T* y) {
  const auto kernel = [=](Index n, Index i, Index j, Index pixel) TINYVISION_ALWAYS_INLINE {
    const detail::Span rows(i * g.stride_h - g.pad_top, g.kernel_h, g.in_h);
    const detail::Span columns(j * g.stride_w - g.pad_left, g.kernel_w, g.in_w);
    const T count = static_cast<T>(std::max<Index>(1, rows.size() * columns.size()));
    for (Index c0 = 0; c0 < g.out_c; c0 += detail::pool_block) {
      const Index length = std::min(detail::pool_block, g.out_c - c0);
      alignas(64) T sum[detail::pool_block];
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) sum[c] = T(0);
      for (Index h = rows.begin; h < rows.end; ++h)
        for (Index w = columns.begin; w < columns.end; ++w) {
          const T* in = x + ((n * g.in_h + h) * g.in_w + w) * g.in_pitch + c0;
          TINYVISION_INDEPENDENT
          for (Index c = 0; c < length; ++c) sum[c] += in[c];
        }
      T* out = y + pixel * g.out_pitch + c0;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) out[c] = sum[c] / count;
    }
  };
  detail::for_each_pixel(g.batch, g.out_h, g.out_w, g.out_c * g.kernel_h * g.kernel_w, kernel);
}

/// dx (+)= sum over the windows that contain the pixel of dy / (number of the window's pixels inside the input).
template <class T>
void average_pool_backward(const WindowGeometry& g, const T* dy, T* dx, bool accumulate) {
  const Index pitch = g.out_pitch;
  detail::pool_backward(g, dx, accumulate,
                        [=](Index window, Index, Index count, Index c0, Index length, T* sum) TINYVISION_ALWAYS_INLINE {
                          const T* gradient = dy + window * pitch + c0;
                          const T share = T(1) / static_cast<T>(count);
                          TINYVISION_INDEPENDENT
                          for (Index c = 0; c < length; ++c) sum[c] += gradient[c] * share;
                        });
}

/// y[n,c] = mean of x over the `pixels` of image n. x [batch*pixels, channels] with pitch xp, y packed. Sums in T.
template <class T>
void global_average_pool_forward(Index batch, Index pixels, Index channels, const T* x, Index xp, T* y) {
  check(pixels >= 1, "global_average_pool", "needs at least one pixel, got ", pixels);
  constexpr Index width = 256;
  const Index blocks = (channels + width - 1) / width;
  parallel_for(batch * blocks, [=](Index task) {
    const Index n = task / blocks, c0 = task % blocks * width, length = std::min(width, channels - c0);
    vectorized([=]() TINYVISION_ALWAYS_INLINE {
      alignas(64) T sum[width];
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) sum[c] = T(0);
      for (Index p = 0; p < pixels; ++p) {
        const T* in = x + (n * pixels + p) * xp + c0;
        TINYVISION_INDEPENDENT
        for (Index c = 0; c < length; ++c) sum[c] += in[c];
      }
      T* out = y + n * channels + c0;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < length; ++c) out[c] = sum[c] / static_cast<T>(pixels);
    });
  });
}

/// dx[n,p,c] (+)= dy[n,c] / pixels.
template <class T>
void global_average_pool_backward(Index batch, Index pixels, Index channels, const T* dy, T* dx, Index dxp,
                                  bool accumulate) {
  const T count = static_cast<T>(pixels);
  for_each_block(batch * pixels, channels, false, [=](Index r0, Index r1, Index, Index) TINYVISION_ALWAYS_INLINE {
    for (Index r = r0; r < r1; ++r) {
      const T* gradient = dy + r / pixels * channels;
      T* out = dx + r * dxp;
      if (accumulate) {
        TINYVISION_INDEPENDENT
        for (Index c = 0; c < channels; ++c) out[c] += gradient[c] / count;
      } else {
        TINYVISION_INDEPENDENT
        for (Index c = 0; c < channels; ++c) out[c] = gradient[c] / count;
      }
    }
  });
}

}  // namespace cpu
TINYVISION_END
