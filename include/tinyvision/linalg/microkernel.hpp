// Register-tiled matrix micro-kernels for each instruction set, behind a table of functions.
//
// f32 tiles are 14x32 (AVX-512), 6x16 (AVX2) and 4x8 (portable), f64 tiles half as wide: the largest that leave
// registers for the operands. B comes as packed panels [k][columns]; A is read in place (rows of an NHWC map are rows
// of a matrix) or gathered window by window, so no im2col matrix ever exists.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/config.hpp"
#include "tinyvision/linalg/simd_vector.hpp"

TINYVISION_BEGIN
namespace simd {

/// C = activate(([C +] A * B) * scale + shift + residual) for one panel of B, i.e. at most `panel_columns` columns.
/// Row i of A belongs to row pixel[i] of C and of the residual; null terms are left out. With a packed A: C = [C +] A * B.
template <class T>
struct PanelProduct {
  Index m = 0, n = 0, k = 0;
  const T* a = nullptr;
  Index lda = 0;
  const T* b = nullptr;
  T* c = nullptr;
  Index c_pitch = 0;
  const Index* pixel = nullptr;
  bool add = false;
  bool fetch_next = false;  ///< prefetch the rows after a tile: hardware does not see through its many short streams
  bool stream = false;      ///< write full tiles past the caches; needs streamable(c, c_pitch)
  const T* scale = nullptr;
  const T* shift = nullptr;
  const T* residual = nullptr;
  Index residual_pitch = 0;
  Activation activation = Activation::none;
};

/// Windows of an NHWC map as rows of a matrix with taps_h * taps_w * channels columns. Row (image, gy, gx) of the grid
/// starts at input pixel (gy * step_h + offset_h, gx * step_w + offset_w); pixels outside the map are zero.
template <class T>
struct WindowRows {
  const T* x = nullptr;
  Index in_h = 0, in_w = 0, in_pitch = 0, channels = 0;
  Index grid_h = 0, grid_w = 0;
  Index step_h = 1, step_w = 1, offset_h = 0, offset_w = 0;
  Index taps_h = 1, taps_w = 1;
};

/// True when every full vector of every row starts on a cache line, so that stores may go past the caches.
template <class T>
bool streamable(const T* c, Index pitch) {
  return reinterpret_cast<std::uintptr_t>(c) % 64 == 0 && pitch * static_cast<Index>(sizeof(T)) % 64 == 0;
}

/// Whether to write a result of `count` elements past the caches: it is too big to be read from them again, and a plain
/// store would first read each line it overwrites.
template <class T>
bool worth_streaming(Index count) {
  return count * static_cast<Index>(sizeof(T)) >= Index{8} << 20;
}

template <class T>
struct Microkernels {
  Index panel_columns;
  Index tile_rows;
  Index column_pitch;
  /// A(i, k) = a[i * lda + k].
  void (*row_major)(const PanelProduct<T>&);
  /// A as `pack_column_tiles` writes it; lda is its `stride`.
  void (*column_major)(const PanelProduct<T>&);
  /// Columns [k0, k1) of rows [first, first + rows) to out[row][k - k0], rows `pitch` apart.
  void (*gather_rows)(const WindowRows<T>&, Index first, Index rows, Index k0, Index k1, T* out, Index pitch);
  /// A(i, k) = a[k * lda + i] for i < columns, k < depth, to out[i / tile_rows * stride + k * column_pitch + i %
  /// tile_rows].
  void (*pack_column_tiles)(const T* a, Index lda, Index depth, Index columns, T* out, Index stride);
  /// out[k][j] = alpha * b[k * row + j * column] for k < depth, zero for n <= j < panel_columns. One of `row` and
  /// `column` must be 1.
  void (*pack_panel)(const T* b, Index row, Index column, Index depth, Index n, T alpha, T* out);
};

}  // namespace simd
TINYVISION_END

#define TINYVISION_SIMD_BODY "tinyvision/linalg/microkernel.inl"
#include "tinyvision/linalg/simd_foreach.inl"

TINYVISION_BEGIN
namespace simd {

template <class T>
const Microkernels<T>& microkernels(InstructionSet set) {
#if TINYVISION_X86
  if (set == InstructionSet::avx512) return avx512::microkernels<T>();
  if (set == InstructionSet::avx2) return avx2::microkernels<T>();
#endif
  static_cast<void>(set);
  return portable::microkernels<T>();
}

}  // namespace simd
TINYVISION_END
