// Pooling as plain loops: the specification of cpu/pool.hpp. Maps are NHWC with the geometry's pitches; in_c == out_c.
// Only pixels inside the input take part in a window: padding never wins a maximum and is never counted in an average.
#pragma once

#include <cstdint>
#include <limits>

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/geometry.hpp"

TINYVISION_BEGIN
namespace reference {

/// y = maximum of each window. `argmax` (nullable, [output pixels, C] packed) is the window offset a*kernel_w + b of
/// the first maximum in window order. A NaN counts as larger than any number, so the first NaN wins. A window without a
/// single pixel gives -inf and argmax 0. Throws Error for windows of more than 256 positions.
template <class T>
void max_pool_forward(const WindowGeometry& g, const T* x, T* y, std::uint8_t* argmax) {
  check(g.kernel_h * g.kernel_w <= 256, "max_pool", "window ", g.kernel_h, "x", g.kernel_w,
        " has more than 256 positions");
  for (Index n = 0; n < g.batch; ++n)
    for (Index i = 0; i < g.out_h; ++i)
      for (Index j = 0; j < g.out_w; ++j) {
        const Index pixel = (n * g.out_h + i) * g.out_w + j;
        for (Index c = 0; c < g.out_c; ++c) {
          T best = -std::numeric_limits<T>::infinity();
          Index where = -1;
          for (Index a = 0; a < g.kernel_h; ++a)
            for (Index b = 0; b < g.kernel_w; ++b) {
              const Index h = i * g.stride_h - g.pad_top + a, w = j * g.stride_w - g.pad_left + b;
              if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;
              const T value = x[((n * g.in_h + h) * g.in_w + w) * g.in_pitch + c];
              const bool better = value > best || (value != value && best == best);
              if (where < 0 || better) best = value, where = a * g.kernel_w + b;
            }
          y[pixel * g.out_pitch + c] = best;
          if (argmax) argmax[pixel * g.out_c + c] = static_cast<std::uint8_t>(where < 0 ? 0 : where);
        }
      }
}

/// dx (+)= dy at the position that `argmax` names. Adds to dx when `accumulate`, else overwrites it.
template <class T>
void max_pool_backward(const WindowGeometry& g, const T* dy, const std::uint8_t* argmax, T* dx, bool accumulate) {
  if (!accumulate)
    for (Index p = 0; p < g.in_pixels(); ++p)
      for (Index c = 0; c < g.in_c; ++c) dx[p * g.in_pitch + c] = T(0);
  for (Index n = 0; n < g.batch; ++n)
    for (Index i = 0; i < g.out_h; ++i)
      for (Index j = 0; j < g.out_w; ++j)
        for (Index c = 0; c < g.out_c; ++c) {
          const Index pixel = (n * g.out_h + i) * g.out_w + j;
          const Index offset = argmax[pixel * g.out_c + c];
          const Index h = i * g.stride_h - g.pad_top + offset / g.kernel_w;
          const Index w = j * g.stride_w - g.pad_left + offset % g.kernel_w;
          if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;
          dx[((n * g.in_h + h) * g.in_w + w) * g.in_pitch + c] += dy[pixel * g.out_pitch + c];
        }
}

/// y = sum of the window's pixels inside the input / their number (sum in T, in window order); 0 when there are none.
template <class T>
void average_pool_forward(const WindowGeometry& g, const T* x, T* y) {
  for (Index n = 0; n < g.batch; ++n)
    for (Index i = 0; i < g.out_h; ++i)
      for (Index j = 0; j < g.out_w; ++j)
        for (Index c = 0; c < g.out_c; ++c) {
          T sum = 0;
          Index count = 0;
          for (Index a = 0; a < g.kernel_h; ++a)
            for (Index b = 0; b < g.kernel_w; ++b) {
              const Index h = i * g.stride_h - g.pad_top + a, w = j * g.stride_w - g.pad_left + b;
              if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;
              sum += x[((n * g.in_h + h) * g.in_w + w) * g.in_pitch + c];
              ++count;
            }
          y[((n * g.out_h + i) * g.out_w + j) * g.out_pitch + c] = count > 0 ? sum / static_cast<T>(count) : T(0);
        }
}

/// dx (+)= sum over the windows that contain the pixel of dy / (number of the window's pixels inside the input).
template <class T>
void average_pool_backward(const WindowGeometry& g, const T* dy, T* dx, bool accumulate) {
  if (!accumulate)
    for (Index p = 0; p < g.in_pixels(); ++p)
      for (Index c = 0; c < g.in_c; ++c) dx[p * g.in_pitch + c] = T(0);
  const auto inside = [&](Index h, Index w) { return h >= 0 && h < g.in_h && w >= 0 && w < g.in_w; };
  for (Index n = 0; n < g.batch; ++n)
    for (Index i = 0; i < g.out_h; ++i)
      for (Index j = 0; j < g.out_w; ++j) {
        const Index top = i * g.stride_h - g.pad_top, left = j * g.stride_w - g.pad_left;
        Index count = 0;
        for (Index a = 0; a < g.kernel_h; ++a)
          for (Index b = 0; b < g.kernel_w; ++b) count += inside(top + a, left + b) ? 1 : 0;
        for (Index a = 0; a < g.kernel_h; ++a)
          for (Index b = 0; b < g.kernel_w; ++b) {
            if (!inside(top + a, left + b)) continue;
            for (Index c = 0; c < g.in_c; ++c)
              dx[((n * g.in_h + top + a) * g.in_w + left + b) * g.in_pitch + c] +=
                  dy[((n * g.out_h + i) * g.out_w + j) * g.out_pitch + c] / static_cast<T>(count);
          }
      }
}

/// y[n,c] = mean of x over the `pixels` of image n. x [batch*pixels, channels] with pitch xp, y packed. Sums in T.
template <class T>
void global_average_pool_forward(Index batch, Index pixels, Index channels, const T* x, Index xp, T* y) {
  check(pixels >= 1, "global_average_pool", "needs at least one pixel, got ", pixels);
  for (Index n = 0; n < batch; ++n)
    for (Index c = 0; c < channels; ++c) {
      T sum = 0;
      for (Index p = 0; p < pixels; ++p) sum += x[(n * pixels + p) * xp + c];
      y[n * channels + c] = sum / static_cast<T>(pixels);
    }
}

/// dx[n,p,c] (+)= dy[n,c] / pixels.
template <class T>
void global_average_pool_backward(Index batch, Index pixels, Index channels, const T* dy, T* dx, Index dxp,
                                  bool accumulate) {
  for (Index n = 0; n < batch; ++n)
    for (Index p = 0; p < pixels; ++p)
      for (Index c = 0; c < channels; ++c) {
        const T value = dy[n * channels + c] / static_cast<T>(pixels);
        T& target = dx[(n * pixels + p) * dxp + c];
        target = accumulate ? target + value : value;
      }
}

}  // namespace reference
TINYVISION_END
