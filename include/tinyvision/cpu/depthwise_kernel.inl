// Body of depthwise_kernel.hpp, compiled for each instruction set by simd_foreach.inl.
//
// Channels are the vector dimension and the innermost loop, so memory is read in order; a tile of neighbouring output
// pixels shares the loads of weights and of overlapping input pixels. Every sum runs over taps in the order (kh, kw),
// in tiles and single pixels alike.

TINYVISION_BEGIN
namespace simd {
namespace TINYVISION_SIMD_SET {

template <bool Full, class T>
TINYVISION_SIMD_INLINE typename Vec<T>::Reg load_lanes(const T* p, typename Vec<T>::Mask mask) {
  if constexpr (Full) {
    return Vec<T>::load(p);
  } else {
    return Vec<T>::load(p, mask);
  }
}

template <bool Full, class T>
TINYVISION_SIMD_INLINE void store_lanes(T* p, typename Vec<T>::Reg x, typename Vec<T>::Mask mask) {
  if constexpr (Full) {
    Vec<T>::store(p, x);
  } else {
    Vec<T>::store(p, x, mask);
  }
}

/// Finishes channels [c, c + width) of output pixel `ow`.
template <bool Full, class T>
TINYVISION_SIMD_INLINE void finish_pixel(const DepthwiseRow<T>& r, Index ow, Index c, typename Vec<T>::Reg x,
                                         typename Vec<T>::Mask mask) {
  using V = Vec<T>;
  T* y = r.y + ow * r.y_pitch + c;
  if (r.add) x = V::add(x, load_lanes<Full>(y, mask));
  const auto shift = r.epilogue.shift == nullptr ? V::zero() : load_lanes<Full>(r.epilogue.shift + c, mask);
  if (r.epilogue.scale != nullptr) {
    x = V::fma(x, load_lanes<Full>(r.epilogue.scale + c, mask), shift);
  } else if (r.epilogue.shift != nullptr) {
    x = V::add(x, shift);
  }
  if (r.epilogue.residual != nullptr)
    x = V::add(x, load_lanes<Full>(r.epilogue.residual + ow * r.epilogue.residual_pitch + c, mask));
  if (r.epilogue.activation != Activation::none) x = V::max(V::zero(), x);
  if (r.epilogue.activation == Activation::relu6) x = V::min(V::set1(T(6)), x);
  if constexpr (Full) {
    if (r.stream) return V::stream(y, x);
  }
  store_lanes<Full>(y, x, mask);
}

template <bool Full, class T, int KW, int Stride, int Tile>
TINYVISION_SIMD_INLINE void forward_lanes(const DepthwiseRow<T>& r, Index ow, Index c, typename Vec<T>::Mask mask) {
  using V = Vec<T>;
  typename V::Reg acc[Tile];
  TINYVISION_UNROLL
  for (int t = 0; t < Tile; ++t) acc[t] = V::zero();
  for (Index kh = r.tap_begin; kh < r.tap_end; ++kh) {
    const T* x = r.x + kh * r.x_row + (ow * Stride - r.pad_left) * r.x_pitch + c;
    const T* w = r.w + kh * KW * r.channels + c;
    typename V::Reg wv[KW];
    TINYVISION_UNROLL
    for (int kw = 0; kw < KW; ++kw) wv[kw] = load_lanes<Full>(w + kw * r.channels, mask);
    TINYVISION_UNROLL
    for (int j = 0; j < (Tile - 1) * Stride + KW; ++j) {
      const auto xv = load_lanes<Full>(x, mask);
      x += r.x_pitch;
      TINYVISION_UNROLL
      for (int t = 0; t < Tile; ++t)
        if (j >= t * Stride && j < t * Stride + KW) acc[t] = V::fma(xv, wv[(j - t * Stride) % KW], acc[t]);
    }
  }
  TINYVISION_UNROLL
  for (int t = 0; t < Tile; ++t) finish_pixel<Full>(r, ow + t, c, acc[t], mask);
}

/// `Tile` output pixels from `ow` on whose windows lie inside the row.
template <class T, int KW, int Stride, int Tile>
TINYVISION_SIMD_FUNCTION void forward_tile(const DepthwiseRow<T>& r, Index ow) {
  using V = Vec<T>;
  Index c = 0;
  for (; c + V::width <= r.channels; c += V::width) forward_lanes<true, T, KW, Stride, Tile>(r, ow, c, V::mask(0));
  if (c < r.channels) forward_lanes<false, T, KW, Stride, Tile>(r, ow, c, V::mask(r.channels - c));
}

template <bool Full, class T>
TINYVISION_SIMD_INLINE void taps_lanes(const DepthwiseRow<T>& r, Index ow, const DepthwiseTap<T>* taps, Index count,
                                       Index c, typename Vec<T>::Mask mask) {
  using V = Vec<T>;
  auto acc = V::zero();
  for (Index t = 0; t < count; ++t)
    acc = V::fma(load_lanes<Full>(taps[t].x + c, mask), load_lanes<Full>(taps[t].w + c, mask), acc);
  finish_pixel<Full>(r, ow, c, acc, mask);
}

/// Output pixel `ow` as the sum of x * w over a list of taps.
template <class T>
TINYVISION_SIMD_FUNCTION void sum_taps(const DepthwiseRow<T>& r, Index ow, const DepthwiseTap<T>* taps, Index count) {
  using V = Vec<T>;
  Index c = 0;
  for (; c + V::width <= r.channels; c += V::width) taps_lanes<true>(r, ow, taps, count, c, V::mask(0));
  if (c < r.channels) taps_lanes<false>(r, ow, taps, count, c, V::mask(r.channels - c));
}

template <class T>
TINYVISION_SIMD_FUNCTION void forward_pixel(const DepthwiseRow<T>& r, Index ow, DepthwiseTap<T>* taps) {
  const Index x0 = ow * r.stride_w - r.pad_left;
  Index count = 0;
  for (Index kh = r.tap_begin; kh < r.tap_end; ++kh)
    for (Index kw = std::max<Index>(0, -x0); kw < std::min(r.kernel_w, r.in_w - x0); ++kw)
      taps[count++] = {r.x + kh * r.x_row + (x0 + kw) * r.x_pitch, r.w + (kh * r.kernel_w + kw) * r.channels};
  sum_taps(r, ow, taps, count);
}

template <class T, int KW, int Stride>
TINYVISION_SIMD_FUNCTION Index forward_tiles(const DepthwiseRow<T>& r, Index ow, Index end) {
  constexpr int tile = 4;
  for (; ow + tile <= end; ow += tile) forward_tile<T, KW, Stride, tile>(r, ow);
  for (; ow < end; ++ow) forward_tile<T, KW, Stride, 1>(r, ow);
  return ow;
}

/// One row of outputs. `taps`: scratch for kernel_h * kernel_w entries.
template <class T>
TINYVISION_SIMD_FUNCTION void depthwise_forward_row(const DepthwiseRow<T>& r, DepthwiseTap<T>* taps) {
  const Index inner_begin = r.inner_begin(), inner_end = r.inner_end();
  Index ow = 0;
  for (; ow < inner_begin; ++ow) forward_pixel(r, ow, taps);
  const Index shape = r.kernel_w * 4 + r.stride_w;
  if (shape == 3 * 4 + 1) ow = forward_tiles<T, 3, 1>(r, ow, inner_end);
  if (shape == 3 * 4 + 2) ow = forward_tiles<T, 3, 2>(r, ow, inner_end);
  if (shape == 5 * 4 + 1) ow = forward_tiles<T, 5, 1>(r, ow, inner_end);
  if (shape == 5 * 4 + 2) ow = forward_tiles<T, 5, 2>(r, ow, inner_end);
  if (shape == 7 * 4 + 1) ow = forward_tiles<T, 7, 1>(r, ow, inner_end);
  if (shape == 7 * 4 + 2) ow = forward_tiles<T, 7, 2>(r, ow, inner_end);
  for (; ow < r.out_w; ++ow) forward_pixel(r, ow, taps);
  if (r.stream) Vec<T>::stream_fence();
}

/// One row of an input gradient with any stride: the taps kh = tap_begin, tap_begin + tap_step, ... < tap_end reach it.
/// Here x is the output gradient, whose row for tap kh starts at x + kh / tap_step * x_row, and y the input gradient.
template <class T>
TINYVISION_SIMD_FUNCTION void depthwise_gradient_row(const DepthwiseRow<T>& r, DepthwiseTap<T>* taps) {
  for (Index iw = 0; iw < r.out_w; ++iw) {
    Index count = 0;
    for (Index kh = r.tap_begin; kh < r.tap_end; kh += r.tap_step) {
      const T* row = r.x + kh / r.tap_step * r.x_row;
      for (Index kw = (iw + r.pad_left) % r.stride_w; kw < r.kernel_w; kw += r.stride_w) {
        const Index reach = iw + r.pad_left - kw;
        if (reach < 0) break;
        const Index ow = reach / r.stride_w;
        if (ow < r.in_w) taps[count++] = {row + ow * r.x_pitch, r.w + (kh * r.kernel_w + kw) * r.channels};
      }
    }
    std::reverse(taps, taps + count);  // in ascending order of the output position, as with stride 1
    sum_taps(r, iw, taps, count);
  }
  if (r.stream) Vec<T>::stream_fence();
}

template <bool Full, class T, int KW, int Stride, int Tile>
TINYVISION_SIMD_INLINE void weight_lanes(const T* x, Index x_pitch, const T* dy, Index dy_pitch, T* dw, Index channels,
                                         Index c, typename Vec<T>::Mask mask) {
  using V = Vec<T>;
  typename V::Reg acc[KW], g[Tile];
  TINYVISION_UNROLL
  for (int kw = 0; kw < KW; ++kw) acc[kw] = load_lanes<Full>(dw + kw * channels + c, mask);
  TINYVISION_UNROLL
  for (int t = 0; t < Tile; ++t) g[t] = load_lanes<Full>(dy + t * dy_pitch + c, mask);
  x += c;
  TINYVISION_UNROLL
  for (int j = 0; j < (Tile - 1) * Stride + KW; ++j) {
    const auto xv = load_lanes<Full>(x, mask);
    x += x_pitch;
    TINYVISION_UNROLL
    for (int t = 0; t < Tile; ++t)
      if (j >= t * Stride && j < t * Stride + KW)
        acc[(j - t * Stride) % KW] = V::fma(xv, g[t], acc[(j - t * Stride) % KW]);
  }
  TINYVISION_UNROLL
  for (int kw = 0; kw < KW; ++kw) store_lanes<Full>(dw + kw * channels + c, acc[kw], mask);
}

template <class T, int KW, int Stride, int Tile>
TINYVISION_SIMD_FUNCTION void weight_tile(const DepthwiseRow<T>& r, Index kh, Index ow, T* dw) {
  using V = Vec<T>;
  const T* x = r.x + kh * r.x_row + (ow * Stride - r.pad_left) * r.x_pitch;
  const T* dy = r.y + ow * r.y_pitch;
  T* to = dw + kh * KW * r.channels;
  Index c = 0;
  for (; c + V::width <= r.channels; c += V::width)
    weight_lanes<true, T, KW, Stride, Tile>(x, r.x_pitch, dy, r.y_pitch, to, r.channels, c, V::mask(0));
  if (c < r.channels)
    weight_lanes<false, T, KW, Stride, Tile>(x, r.x_pitch, dy, r.y_pitch, to, r.channels, c, V::mask(r.channels - c));
}

template <class T>
TINYVISION_SIMD_FUNCTION void weight_pixel(const DepthwiseRow<T>& r, Index ow, T* dw) {
  const Index x0 = ow * r.stride_w - r.pad_left;
  for (Index kh = r.tap_begin; kh < r.tap_end; ++kh) {
    for (Index kw = std::max<Index>(0, -x0); kw < std::min(r.kernel_w, r.in_w - x0); ++kw) {
      const T* x = r.x + kh * r.x_row + (x0 + kw) * r.x_pitch;
      T* to = dw + (kh * r.kernel_w + kw) * r.channels;
      const T* dy = r.y + ow * r.y_pitch;
      using V = Vec<T>;
      Index c = 0;
      for (; c + V::width <= r.channels; c += V::width)
        V::store(to + c, V::fma(V::load(x + c), V::load(dy + c), V::load(to + c)));
      if (c < r.channels) {
        const auto mask = V::mask(r.channels - c);
        V::store(to + c, V::fma(V::load(x + c, mask), V::load(dy + c, mask), V::load(to + c, mask)), mask);
      }
    }
  }
}

template <class T, int KW, int Stride>
TINYVISION_SIMD_FUNCTION Index weight_tiles(const DepthwiseRow<T>& r, Index ow, Index end, T* dw) {
  constexpr int tile = KW == 3 ? 8 : 4;
  for (; ow + tile <= end; ow += tile)
    for (Index kh = r.tap_begin; kh < r.tap_end; ++kh) weight_tile<T, KW, Stride, tile>(r, kh, ow, dw);
  for (; ow < end; ++ow) weight_pixel(r, ow, dw);
  return ow;
}

/// dw[kh][kw][c] += x * dy over one row of output gradients (r.y).
template <class T>
TINYVISION_SIMD_FUNCTION void depthwise_weight_row(const DepthwiseRow<T>& r, T* dw) {
  const Index inner_begin = r.inner_begin(), inner_end = r.inner_end();
  Index ow = 0;
  for (; ow < inner_begin; ++ow) weight_pixel(r, ow, dw);
  const Index shape = r.kernel_w * 4 + r.stride_w;
  if (shape == 3 * 4 + 1) ow = weight_tiles<T, 3, 1>(r, ow, inner_end, dw);
  if (shape == 3 * 4 + 2) ow = weight_tiles<T, 3, 2>(r, ow, inner_end, dw);
  if (shape == 5 * 4 + 1) ow = weight_tiles<T, 5, 1>(r, ow, inner_end, dw);
  if (shape == 5 * 4 + 2) ow = weight_tiles<T, 5, 2>(r, ow, inner_end, dw);
  if (shape == 7 * 4 + 1) ow = weight_tiles<T, 7, 1>(r, ow, inner_end, dw);
  if (shape == 7 * 4 + 2) ow = weight_tiles<T, 7, 2>(r, ow, inner_end, dw);
  for (; ow < r.out_w; ++ow) weight_pixel(r, ow, dw);
}

template <class T>
const DepthwiseKernels<T>& depthwise_kernels() {
  static constexpr DepthwiseKernels<T> table{&depthwise_forward_row<T>, &depthwise_gradient_row<T>,
                                             &depthwise_weight_row<T>};
  return table;
}

}  // namespace TINYVISION_SIMD_SET
}  // namespace simd
TINYVISION_END
