// The operands of a convolution written as a product C = A B, brought to shared memory slice by slice: what conv2d_bf16.cu
// multiplies with support/tensor_product.h.
//
// A thread brings the same units of 8 neighbouring elements (16 bytes) of every slice: it divides once for its rows and once
// for its first k, and then counts on. With `in_units` a unit is one asynchronous copy; else it is gathered element by
// element. What neighbouring taps read again goes through the L1 cache.
#pragma once

#include "support/tensor_product.h"

namespace tinyvision_kernels {

inline constexpr int unit = 8;
using Unit = Pack<bf16, unit>;

/// Window in 32 bits; checked() sees to it that no index overflows. Only the first element of an image is 64 bits away.
struct Shape {
  int batch, in_h, in_w, in_c, in_pitch, out_h, out_w, out_c, out_pitch, kernel_h, kernel_w, stride_h, stride_w,
      pad_top, pad_left;
  __host__ __device__ int output_pixels() const { return batch * out_h * out_w; }
  __host__ __device__ int weight_rows() const { return kernel_h * kernel_w * in_c; }
};

/// A number in a mixed radix, counted on without divisions.
struct Digits {
  int low, middle, high;
};
struct Radix {
  int low, middle;
  __device__ Digits of(int v) const { return {v % low, v / low % middle, v / low / middle}; }
  __device__ __forceinline__ void advance(Digits& d, const Digits& by) const {
    d.low += by.low, d.middle += by.middle, d.high += by.high;
    if (d.low >= low) d.low -= low, ++d.middle;
    if (d.middle >= middle) d.middle -= middle, ++d.high;
  }
};

/// A of the forward product and of dx: rows are (image, u, v) on a grid, k is (tap a, tap b, channel), and the element is
/// that of the map at row u stride_h + first_h + a, column v stride_w + first_w + b, zero outside.
struct Pixels {
  const bf16* data;
  int height, width, pitch, channels, grid_h, grid_w, rows, stride_h, stride_w, first_h, first_w, taps_h, taps_w;
  __device__ Radix radix() const { return {channels, taps_w}; }
  __device__ int depth_of_sum() const { return taps_h * taps_w * channels; }
};

template <class Tile, bool in_units>
class LoadPixels {
 public:
  using Layout = AlongDepth;

  __device__ LoadPixels(const Pixels& pixels, int first_row) : p_(pixels) {
    const int thread = static_cast<int>(threadIdx.x);
    k_ = p_.radix().of(thread % 4 * unit), step_ = p_.radix().of(Tile::depth);
    const Radix grid{p_.grid_w, p_.grid_h};
    TV_UNROLL
    for (int i = 0; i < per_thread; ++i) {
      const int row = first_row + thread / 4 + i * apart;
      const Digits at = grid.of(row);
      const bool exists = row < p_.rows;
      h_[i] = exists ? at.middle * p_.stride_h + p_.first_h : nowhere;
      w_[i] = at.low * p_.stride_w + p_.first_w;
      image_[i] = p_.data + (exists ? static_cast<Index>(at.high) * p_.height * p_.width * p_.pitch : 0);
    }
  }

  template <class Words>
  __device__ __forceinline__ void load(Words ring, int base) {
    const int thread = static_cast<int>(threadIdx.x);
    TV_UNROLL
    for (int i = 0; i < per_thread; ++i) {
      const int word = base + Layout::word(thread / 4 + i * apart, thread % 4);
      if constexpr (in_units) {
        const bool valid = is_inside(i, k_);
        copy_async<true>(ring, word, valid ? place(i, k_) : p_.data, valid);
      } else {
        Unit u;
        Digits k = k_;
        TV_UNROLL
        for (int e = 0; e < unit; ++e) {
          u.v[e] = is_inside(i, k) ? *place(i, k) : bf16{0};
          p_.radix().advance(k, {1, 0, 0});
        }
        store_shared(ring, word, u);
      }
    }
    p_.radix().advance(k_, step_);
  }

  __device__ const Digits& k() const { return k_; }

 private:
  static constexpr int per_thread = Tile::rows * Tile::depth / unit / Tile::threads, apart = Tile::threads / 4;
  static constexpr int nowhere = -(1 << 30);

  __device__ __forceinline__ bool is_inside(int i, const Digits& k) const {
    return k.high < p_.taps_h && static_cast<unsigned>(h_[i] + k.high) < static_cast<unsigned>(p_.height) &&
           static_cast<unsigned>(w_[i] + k.middle) < static_cast<unsigned>(p_.width);
  }
  __device__ __forceinline__ const bf16* place(int i, const Digits& k) const {
    return image_[i] + (((h_[i] + k.high) * p_.width + w_[i] + k.middle) * p_.pitch + k.low);
  }

  const Pixels& p_;
  const bf16* image_[per_thread];
  int h_[per_thread], w_[per_thread];
  Digits k_, step_;
};

/// B of the forward product and of dw: rows of a matrix as they lie, element (k, column) at data[k * pitch + column].
template <class Tile, bool in_units>
class LoadRows {
 public:
  using Layout = AlongSide<Tile::columns>;

  __device__ LoadRows(const bf16* data, int pitch, int columns, int first_column, int k_begin, int k_end)
      : data_(data), columns_(columns), pitch_(pitch), k_end_(k_end) {
    const int thread = static_cast<int>(threadIdx.x);
    column_ = first_column + thread % across * unit, k_ = k_begin + thread / across;
  }

  template <class Words>
  __device__ __forceinline__ void load(Words ring, int base) {
    const int thread = static_cast<int>(threadIdx.x);
    TV_UNROLL
    for (int i = 0; i < per_thread; ++i) {
      const int word = base + Layout::word(thread / across + i * apart, thread % across);
      const bf16* from = data_ + (static_cast<Index>(k_) * pitch_ + column_);
      if constexpr (in_units) {
        const bool valid = k_ < k_end_ && column_ < columns_;
        copy_async<false>(ring, word, valid ? from : data_, valid);
      } else {
        Unit u;
        TV_UNROLL
        for (int e = 0; e < unit; ++e) u.v[e] = k_ < k_end_ && column_ + e < columns_ ? from[e] : bf16{0};
        store_shared(ring, word, u);
      }
      k_ += apart;
    }
  }

 private:
  static constexpr int across = Tile::columns / unit, apart = Tile::threads / across, per_thread = Tile::depth / apart;
  const bf16* data_;
  int columns_, pitch_, k_end_, column_, k_;
};

/// The taps by which dx of one remainder is reached, along one axis: a = last - stride * a', a' in [0, count).
struct Taps {
  int count, last, first_output;
  __device__ Taps(int remainder, int pad, int kernel, int stride) {
    const int smallest = ((remainder + pad) % stride + stride) % stride;
    count = smallest < kernel ? (kernel - 1 - smallest) / stride + 1 : 0;
    last = smallest + (count - 1) * stride;
    first_output = (remainder + pad - last) / stride;
  }
};

/// B of dx: k = (a', b', o) down, input channels across; neighbours in memory are neighbours in k.
struct FlippedWeights {
  const bf16* w;
  int in_c, out_c, kernel_w, stride_h, stride_w, taps_h, taps_w, last_h, last_w;
  __device__ Radix radix() const { return {out_c, taps_w}; }
};
/// Its k are those of A, and `k` is A's: B is loaded first (support/tensor_product.h), and A counts on for both.
template <class Tile, bool in_units>
class LoadFlipped {
 public:
  using Layout = AlongDepth;

  __device__ LoadFlipped(const FlippedWeights& weights, int first_column, const Digits& k)
      : p_(weights), k_(k), first_column_(first_column) {}

  template <class Words>
  __device__ __forceinline__ void load(Words ring, int base) {
    const int thread = static_cast<int>(threadIdx.x);
    TV_UNROLL
    for (int i = 0; i < per_thread; ++i) {
      const int at = thread / 4 + i * apart, word = base + Layout::word(at, thread % 4);
      const int column = first_column_ + at;
      if constexpr (in_units) {
        const bool valid = k_.high < p_.taps_h && column < p_.in_c;
        copy_async<false>(ring, word, valid ? place(k_, column) : p_.w, valid);
      } else {
        Unit u;
        Digits k = k_;
        TV_UNROLL
        for (int e = 0; e < unit; ++e) {
          u.v[e] = k.high < p_.taps_h && column < p_.in_c ? *place(k, column) : bf16{0};
          p_.radix().advance(k, {1, 0, 0});
        }
        store_shared(ring, word, u);
      }
    }
  }

 private:
  static constexpr int per_thread = Tile::columns * Tile::depth / unit / Tile::threads, apart = Tile::threads / 4;
  __device__ __forceinline__ const bf16* place(const Digits& k, int column) const {
    const int a = p_.last_h - p_.stride_h * k.high, b = p_.last_w - p_.stride_w * k.middle;
    return p_.w + (((a * p_.kernel_w + b) * p_.in_c + column) * p_.out_c + k.low);
  }
  const FlippedWeights& p_;
  const Digits& k_;
  int first_column_;
};

/// A of dw: rows are (a, b, c), neighbours in memory; k is an output pixel.
template <class Tile, bool in_units>
class LoadWindows {
 public:
  using Layout = AlongSide<Tile::rows>;

  __device__ LoadWindows(const Shape& s, const bf16* x, int first_row, int k_begin, int k_end)
      : s_(s), x_(x), k_end_(k_end) {
    const int thread = static_cast<int>(threadIdx.x);
    row_ = rows().of(first_row + thread % across * unit);
    k_ = k_begin + thread / across;
    pixel_ = pixels().of(k_), step_ = pixels().of(apart);
  }

  template <class Words>
  __device__ __forceinline__ void load(Words ring, int base) {
    const int thread = static_cast<int>(threadIdx.x);
    TV_UNROLL
    for (int i = 0; i < per_thread; ++i) {
      const int word = base + Layout::word(thread / across + i * apart, thread % across);
      if constexpr (in_units) {
        const bool valid = is_inside(row_);
        copy_async<true>(ring, word, valid ? place(row_) : x_, valid);
      } else {
        Unit u;
        Digits row = row_;
        TV_UNROLL
        for (int e = 0; e < unit; ++e) {
          u.v[e] = is_inside(row) ? *place(row) : bf16{0};
          rows().advance(row, {1, 0, 0});
        }
        store_shared(ring, word, u);
      }
      k_ += apart;
      pixels().advance(pixel_, step_);
    }
  }

 private:
  static constexpr int across = Tile::rows / unit, apart = Tile::threads / across, per_thread = Tile::depth / apart;
  __device__ Radix rows() const { return {s_.in_c, s_.kernel_w}; }
  __device__ Radix pixels() const { return {s_.out_w, s_.out_h}; }
  __device__ __forceinline__ int line(const Digits& row) const {
    return pixel_.middle * s_.stride_h - s_.pad_top + row.high;
  }
  __device__ __forceinline__ int column(const Digits& row) const {
    return pixel_.low * s_.stride_w - s_.pad_left + row.middle;
  }
  __device__ __forceinline__ bool is_inside(const Digits& row) const {
    return k_ < k_end_ && row.high < s_.kernel_h && static_cast<unsigned>(line(row)) < static_cast<unsigned>(s_.in_h) &&
           static_cast<unsigned>(column(row)) < static_cast<unsigned>(s_.in_w);
  }
  __device__ __forceinline__ const bf16* place(const Digits& row) const {
    return x_ + static_cast<Index>(pixel_.high) * (s_.in_h * s_.in_w * s_.in_pitch) +
           ((line(row) * s_.in_w + column(row)) * s_.in_pitch + row.low);
  }
  const Shape& s_;
  const bf16* x_;
  Digits row_, pixel_, step_;
  int k_end_, k_;
};

}  // namespace tinyvision_kernels
