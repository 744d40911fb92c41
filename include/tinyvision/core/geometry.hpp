// Geometry of sliding-window operations: plain numbers that kernels of every backend share.
#pragma once

#include <algorithm>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN

/// One sliding-window operation on NHWC maps. `*_pitch` is the distance in elements between horizontally neighbouring
/// pixels (>= channels); rows and images follow without gaps: pixel (n, h, w) starts at ((n*H + h)*W + w)*pitch.
/// Window position (oh, ow) covers input rows oh*stride_h - pad_top + [0, kernel_h), columns likewise; positions outside
/// the input count as absent (zero for convolutions, -inf for max pools, not counted for average pools).
struct WindowGeometry {
  Index batch = 0;
  Index in_h = 0, in_w = 0, in_c = 0, in_pitch = 0;
  Index out_h = 0, out_w = 0, out_c = 0, out_pitch = 0;
  Index kernel_h = 0, kernel_w = 0;
  Index stride_h = 1, stride_w = 1;
  Index pad_top = 0, pad_left = 0;

  Index in_pixels() const { return batch * in_h * in_w; }
  Index out_pixels() const { return batch * out_h * out_w; }
  /// True for a convolution that is a plain matrix product over pixels.
  bool is_pointwise() const {
    return kernel_h == 1 && kernel_w == 1 && stride_h == 1 && stride_w == 1 && pad_top == 0 && pad_left == 0 &&
           in_h == out_h && in_w == out_w;
  }
};

TINYVISION_END
