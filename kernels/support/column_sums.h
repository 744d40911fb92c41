// Sums over the rows of a matrix, a column each, in double.
//
// A block has 32 x 8 threads: lane x is a column, so that 32 lanes read 32 neighbours, and rows y, y + 8, ... of the
// block's part of the rows belong to thread y; the eight are added in order. Parts are cut by the number of rows alone.
#pragma once

#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {  // TV_SHARED counts the shared arrays of a file, so each file has kernels of its own

constexpr int column_lanes = 32, column_stripes = 8;

/// Rows that a block adds up: at least 256, and at most 256 parts.
inline Index column_part_rows(Index rows) {
  const Index share = divide_up(rows, 256);
  return share > 256 ? share : 256;
}
inline Index column_part_count(Index rows) { return divide_up(rows, column_part_rows(rows)); }

/// partial[part][column] (+)= sum of x over the part's rows; 0 where a part has none.
template <class T>
__global__ void __launch_bounds__(column_lanes* column_stripes)
    column_sums_of_parts(Index rows, Index columns, Index rows_of_part, const T* x, Index pitch, bool add,
                         double* partial) {
  TV_SHARED(double, sums, column_lanes* column_stripes);
  const int lane = static_cast<int>(threadIdx.x), stripe = static_cast<int>(threadIdx.y);
  const Index column = static_cast<Index>(blockIdx.x) * column_lanes + lane;
  const Index begin = static_cast<Index>(blockIdx.y) * rows_of_part;
  const Index end = begin + rows_of_part < rows ? begin + rows_of_part : rows;
  double sum = 0;
  if (column < columns)
    for (Index r = begin + stripe; r < end; r += column_stripes)
      sum += static_cast<double>(to_compute(x[r * pitch + column]));
  sums[stripe * column_lanes + lane] = sum;
  __syncthreads();
  if (stripe != 0 || column >= columns) return;
  for (int other = 1; other < column_stripes; ++other) sum += sums[other * column_lanes + lane];
  double& to = partial[static_cast<Index>(blockIdx.y) * columns + column];
  to = add ? to + sum : sum;
}

/// Launches column_sums_of_parts over `parts` parts.
template <class T>
void sum_columns(Index rows, Index columns, Index rows_of_part, Index parts, const T* x, Index pitch, bool add,
                 double* partial, Stream stream) {
  if (parts == 0 || columns == 0) return;
  TV_LAUNCH(column_sums_of_parts<T>,
            dim3(static_cast<unsigned>(divide_up(columns, column_lanes)), static_cast<unsigned>(parts)),
            dim3(column_lanes, column_stripes), stream, rows, columns, rows_of_part, x, pitch, add, partial);
}

}  // namespace
}  // namespace tinyvision_kernels
