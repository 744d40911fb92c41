// Zero padding and cropping as plain loops: the specification of cpu/pad.hpp. Each is the derivative of the other.
#pragma once

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace reference {

/// y [batch, top+h+bottom, left+w+right, channels] = x [batch, h, w, channels] surrounded by zeros; with `accumulate`
/// x is added to the inner part of y. Throws Error for negative amounts.
template <class T>
void zero_pad(Index batch, Index h, Index w, Index channels, const T* x, Index xp, Index top, Index bottom, Index left,
              Index right, T* y, Index yp, bool accumulate) {
  check(top >= 0 && bottom >= 0 && left >= 0 && right >= 0, "zero_pad", "negative amount: top ", top, ", bottom ",
        bottom, ", left ", left, ", right ", right);
  const Index out_h = top + h + bottom, out_w = left + w + right;
  for (Index n = 0; n < batch; ++n)
    for (Index i = 0; i < out_h; ++i)
      for (Index j = 0; j < out_w; ++j)
        for (Index c = 0; c < channels; ++c) {
          const Index ih = i - top, iw = j - left;
          const bool inside = ih >= 0 && ih < h && iw >= 0 && iw < w;
          const T value = inside ? x[((n * h + ih) * w + iw) * xp + c] : T(0);
          T& target = y[((n * out_h + i) * out_w + j) * yp + c];
          target = accumulate ? (inside ? target + value : target) : value;
        }
}

/// y [batch, out_h, out_w, channels] (+)= x [batch, h, w, channels] from row `top`, column `left` on. Throws Error when
/// the part does not lie inside x.
template <class T>
void crop(Index batch, Index h, Index w, Index channels, const T* x, Index xp, Index top, Index left, Index out_h,
          Index out_w, T* y, Index yp, bool accumulate) {
  check(top >= 0 && left >= 0 && out_h >= 0 && out_w >= 0 && top + out_h <= h && left + out_w <= w, "crop", "rows ",
        top, "+", out_h, ", columns ", left, "+", out_w, " of a ", h, "x", w, " map");
  for (Index n = 0; n < batch; ++n)
    for (Index i = 0; i < out_h; ++i)
      for (Index j = 0; j < out_w; ++j)
        for (Index c = 0; c < channels; ++c) {
          const T value = x[((n * h + top + i) * w + left + j) * xp + c];
          T& target = y[((n * out_h + i) * out_w + j) * yp + c];
          target = accumulate ? target + value : value;
        }
}

}  // namespace reference
TINYVISION_END
