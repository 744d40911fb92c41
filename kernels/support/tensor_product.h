// A tile of a product C = A B in bf16 on the tensor cores, with sums in f32. What A and B are is the business of two loaders.
//
// A block walks along k in slices of 32. Slices of A and B go to a ring of three stages in shared memory, so that two are
// on their way while the third is multiplied; one barrier per slice. The warps share out the tile, warp_rows x warp_columns
// each, in fragments of 16 x 8 (support/mma.h says which lane holds what).
//
// A slice is kept as it lies in memory, in units of 8 neighbouring elements (16 bytes), of which 8 are read at a time by
// ldmatrix. Units are exchanged within a row of the slice (xor), so that any such 8 lie in different groups of 4 banks:
//   AlongDepth: row = row of A or column of B, 32 k = 4 units; unit q of row r stands at 4 r + (q ^ (r / 2 & 3))
//   AlongSide:  row = k, side / 8 units; unit q of row k stands at side / 8 * k + (q ^ (k & 7))
#pragma once

#include "support/mma.h"
#include "support/numbers.h"

namespace tinyvision_kernels {

/// Rows and columns of C that a block makes, and how many warps share them out in either direction.
template <int Rows, int Columns, int RowWarps, int ColumnWarps>
struct Tile {
  static constexpr int rows = Rows, columns = Columns, row_warps = RowWarps, column_warps = ColumnWarps;
  static constexpr int threads = 32 * RowWarps * ColumnWarps, depth = 32, stages = 3;
  static constexpr int warp_rows = Rows / RowWarps, warp_columns = Columns / ColumnWarps;
  static constexpr int row_fragments = warp_rows / 16, column_fragments = warp_columns / 8;
  // In words of 4 bytes:
  static constexpr int words_of_a = Rows * depth / 2, words_of_stage = (Rows + Columns) * depth / 2;
  static constexpr int ring_words = stages * words_of_stage;
  static constexpr int result_pitch = Columns + 8;  ///< of the f32 tile on its way out: lanes of a quad column apart
  static_assert(warp_rows * result_pitch <= ring_words && column_fragments % 2 == 0);
};

template <class Tile>
using Sums = float[Tile::row_fragments][Tile::column_fragments][4];

/// A slice whose neighbours in memory are neighbours in k.
struct AlongDepth {
  static constexpr bool along_depth = true;
  /// Word where the unit of k = 8 unit, ... of row `at` begins.
  static __device__ __forceinline__ int word(int at, int unit) { return (at * 4 + (unit ^ (at / 2 & 3))) * 4; }
};
/// A slice whose neighbours in memory are neighbours in a row of B or a column of A.
template <int Side>
struct AlongSide {
  static constexpr bool along_depth = false;
  static __device__ __forceinline__ int word(int k, int unit) { return (k * (Side / 8) + (unit ^ (k & 7))) * 4; }
};

/// Fragment of A: 16 rows from `row` on, 16 k from `k` on, of the slice at `base`.
template <class Layout, class Words>
__device__ __forceinline__ void load_a(Words ring, int base, int row, int k, std::uint32_t (&to)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (Layout::along_depth) {
    load_matrices<false>(ring, base + Layout::word(row + lane % 16, k / 8 + lane / 16), to);
  } else {
    load_matrices<true>(ring, base + Layout::word(k + lane % 8 + lane / 16 * 8, row / 8 + lane / 8 % 2), to);
  }
}
/// Two fragments of B: 16 k from `k` on, 8 columns from `column` on (registers 0 and 1) and 8 more (2 and 3).
template <class Layout, class Words>
__device__ __forceinline__ void load_b(Words ring, int base, int k, int column, std::uint32_t (&to)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (Layout::along_depth) {
    load_matrices<false>(ring, base + Layout::word(column + lane % 8 + lane / 16 * 8, k / 8 + lane / 8 % 2), to);
  } else {
    load_matrices<true>(ring, base + Layout::word(k + lane % 16, column / 8 + lane / 16), to);
  }
}

/// Adds the product of one slice to the warp's sums.
template <class Tile, class LayoutA, class LayoutB, class Words>
__device__ __forceinline__ void multiply_slice(Words ring, int base, Sums<Tile>& sum) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / Tile::column_warps * Tile::warp_rows, column = warp % Tile::column_warps * Tile::warp_columns;
  TV_UNROLL
  for (int k = 0; k < Tile::depth; k += 16) {
    std::uint32_t a[2][4], b[Tile::column_fragments][2];
    TV_UNROLL
    for (int j = 0; j < Tile::column_fragments; j += 2) {
      std::uint32_t two[4];
      load_b<LayoutB>(ring, base + Tile::words_of_a, k, column + 8 * j, two);
      b[j][0] = two[0], b[j][1] = two[1], b[j + 1][0] = two[2], b[j + 1][1] = two[3];
    }
    load_a<LayoutA>(ring, base, row, k, a[0]);
    TV_UNROLL
    for (int i = 0; i < Tile::row_fragments; ++i) {
      if (i + 1 < Tile::row_fragments) load_a<LayoutA>(ring, base, row + 16 * (i + 1), k, a[(i + 1) % 2]);
      TV_UNROLL
      for (int j = 0; j < Tile::column_fragments; ++j) multiply_add(sum[i][j], a[i % 2], b[j]);
    }
  }
}

/// sum = the product over `slices` slices. A loader's `load(ring, base)` begins to bring its next slice to the words from
/// `base` on, with zeros beyond the ends of its matrix, and its Layout says how it lies there. All threads must call.
template <class Tile, class LoadA, class LoadB, class Words>
__device__ __forceinline__ void multiply(Words ring, LoadA& a, LoadB& b, int slices, Sums<Tile>& sum) {
  const auto load = [&](int stage) {
    b.load(ring, stage * Tile::words_of_stage + Tile::words_of_a);
    a.load(ring, stage * Tile::words_of_stage);
  };
  TV_UNROLL
  for (int s = 0; s < Tile::stages - 1; ++s) {
    if (s < slices) load(s);
    commit_copies();
  }
  int stage = 0, next = Tile::stages - 1;
  for (int s = 0; s < slices; ++s) {
    wait_copies<Tile::stages - 2>();
    __syncthreads();  // slice s is there for all threads, and all have done with the stage that is filled next
    if (s + Tile::stages - 1 < slices) load(next);
    commit_copies();  // an empty group keeps the count right
    multiply_slice<Tile, typename LoadA::Layout, typename LoadB::Layout>(ring, stage * Tile::words_of_stage, sum);
    stage = stage + 1 == Tile::stages ? 0 : stage + 1;
    next = next + 1 == Tile::stages ? 0 : next + 1;
  }
}

/// Hands the tile out in rows of 8 elements: `out(row, column, values)` with places within the tile. The sums go through
/// the ring in f32, the rows of one line of warps at a time, because the lanes hold only two neighbours each. The column
/// of a thread is always that of result_column().
template <class Tile>
__device__ __forceinline__ int result_column() {
  return static_cast<int>(threadIdx.x) % (Tile::columns / 8) * 8;
}
template <class Tile, class Words, class Out>
__device__ __forceinline__ void hand_out(Words ring, const Sums<Tile>& sum, const Out& out) {
  static_assert(Tile::threads % (Tile::columns / 8) == 0);
  constexpr int rows_at_once = Tile::threads / (Tile::columns / 8);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  TV_UNROLL
  for (int line = 0; line < Tile::row_warps; ++line) {
    __syncthreads();
    if (warp / Tile::column_warps == line) {
      TV_UNROLL
      for (int i = 0; i < Tile::row_fragments; ++i) {
        TV_UNROLL
        for (int j = 0; j < Tile::column_fragments; ++j) {
          const int row = 16 * i + lane / 4;
          const int column = warp % Tile::column_warps * Tile::warp_columns + 8 * j + lane % 4 * 2;
          store_shared(ring, row * Tile::result_pitch + column, Pack<float, 2>{{sum[i][j][0], sum[i][j][1]}});
          store_shared(ring, (row + 8) * Tile::result_pitch + column, Pack<float, 2>{{sum[i][j][2], sum[i][j][3]}});
        }
      }
    }
    __syncthreads();
    TV_UNROLL
    for (int r = 0; r < Tile::warp_rows; r += rows_at_once) {
      const int row = r + thread / (Tile::columns / 8), word = row * Tile::result_pitch + result_column<Tile>();
      const auto low = load_shared<Pack<float, 4>>(ring, word), high = load_shared<Pack<float, 4>>(ring, word + 4);
      out(line * Tile::warp_rows + row, result_column<Tile>(),
          Pack<float, 8>{{low.v[0], low.v[1], low.v[2], low.v[3], high.v[0], high.v[1], high.v[2], high.v[3]}});
    }
  }
}

}  // namespace tinyvision_kernels
