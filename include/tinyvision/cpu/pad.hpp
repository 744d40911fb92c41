// Zero padding and cropping, threaded; arguments and results are those of reference/pad.hpp.
#pragma once

#include <algorithm>

#include "tinyvision/core/error.hpp"
#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {
namespace detail {

/// Copies or adds `pixels` pixels of `channels` elements.
template <class T>
TINYVISION_ALWAYS_INLINE inline void copy_pixels(Index pixels, Index channels, const T* x, Index xp, T* y, Index yp,
                                                 bool accumulate) {
  if (xp == channels && yp == channels) channels *= pixels, pixels = pixels > 0 ? 1 : 0;
  for (Index p = 0; p < pixels; ++p) {
    const T* in = x + p * xp;
    T* out = y + p * yp;
    if (accumulate) {
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < channels; ++c) out[c] += in[c];
    } else {
      std::copy(in, in + channels, out);
    }
  }
}

/// Sets `pixels` pixels to zero, gaps between them left alone.
template <class T>
TINYVISION_ALWAYS_INLINE inline void clear_pixels(Index pixels, Index channels, T* y, Index yp) {
  if (yp == channels) channels *= pixels, pixels = pixels > 0 ? 1 : 0;
  for (Index p = 0; p < pixels; ++p) std::fill(y + p * yp, y + p * yp + channels, T(0));
}

}  // namespace detail

/// y [batch, top+h+bottom, left+w+right, channels] = x [batch, h, w, channels] surrounded by zeros; with `accumulate`
/// x is added to the inner part of y. Throws Error for negative amounts.
template <class T>
void zero_pad(Index batch, Index h, Index w, Index channels, const T* x, Index xp, Index top, Index bottom, Index left,
              Index right, T* y, Index yp, bool accumulate) {
  check(top >= 0 && bottom >= 0 && left >= 0 && right >= 0, "zero_pad", "negative amount: top ", top, ", bottom ",
        bottom, ", left ", left, ", right ", right);
  const Index out_h = top + h + bottom, out_w = left + w + right;
  const Index grain = std::max<Index>(1, task_elements / std::max<Index>(1, out_w * channels));
  parallel_ranges(batch * out_h, grain, [=](Index begin, Index end) {
    vectorized([=]() TINYVISION_ALWAYS_INLINE {
      for (Index row = begin; row < end; ++row) {
        const Index n = row / out_h, i = row % out_h - top;
        T* out = y + row * out_w * yp;
        const bool inside = i >= 0 && i < h;
        if (!accumulate) {
          detail::clear_pixels(inside ? left : out_w, channels, out, yp);
          if (inside) detail::clear_pixels(right, channels, out + (left + w) * yp, yp);
        }
        if (inside) detail::copy_pixels(w, channels, x + (n * h + i) * w * xp, xp, out + left * yp, yp, accumulate);
      }
    });
  });
}

/// y [batch, out_h, out_w, channels] (+)= x [batch, h, w, channels] from row `top`, column `left` on. Throws Error when
/// the part does not lie inside x.
template <class T>
void crop(Index batch, Index h, Index w, Index channels, const T* x, Index xp, Index top, Index left, Index out_h,
          Index out_w, T* y, Index yp, bool accumulate) {
  check(top >= 0 && left >= 0 && out_h >= 0 && out_w >= 0 && top + out_h <= h && left + out_w <= w, "crop", "rows ",
        top, "+", out_h, ", columns ", left, "+", out_w, " of a ", h, "x", w, " map");
  const Index grain = std::max<Index>(1, task_elements / std::max<Index>(1, out_w * channels));
  parallel_ranges(batch * out_h, grain, [=](Index begin, Index end) {
    vectorized([=]() TINYVISION_ALWAYS_INLINE {
      for (Index row = begin; row < end; ++row) {
        const Index n = row / out_h, i = row % out_h + top;
        detail::copy_pixels(out_w, channels, x + ((n * h + i) * w + left) * xp, xp, y + row * out_w * yp, yp,
                            accumulate);
      }
    });
  });
}

}  // namespace cpu
TINYVISION_END
