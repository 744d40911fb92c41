// Transposition of a packed matrix.
//
//   y[c,r] (+)= x[r,c]          x [rows, columns], y [columns, rows]
// Weights [KH,KW,C,O] seen as [KH*KW*C, O] become [O,KH,KW,C], which is how other libraries want them, and the gradients
// come back the same way.
//
// Threads. A block of 256 moves a tile of 32 x 32 through shared memory, so that both arrays are accessed row by row; the
// tile's rows are 33 long, which puts the elements of a column into different banks.
//
// Repeatability. Every element is moved, or added once, by itself.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

constexpr int side = 32, lines = 8;  // a block has `lines` rows of `side` threads

template <class To, class From>
__global__ void __launch_bounds__(side* lines)
    transpose_tiles(Index rows, Index columns, Index column_tiles, const From* x, To* y, bool accumulate) {
  TV_SHARED(float, tile, side*(side + 1));
  const Index row = static_cast<Index>(blockIdx.x) / column_tiles * side;
  const Index column = static_cast<Index>(blockIdx.x) % column_tiles * side;
  const int lane = static_cast<int>(threadIdx.x) % side, line = static_cast<int>(threadIdx.x) / side;
  for (int i = line; i < side; i += lines)
    if (row + i < rows && column + lane < columns)
      tile[i * (side + 1) + lane] = to_compute(x[(row + i) * columns + column + lane]);
  __syncthreads();
  for (int i = line; i < side; i += lines)
    if (column + i < columns && row + lane < rows) {
      To* const to = y + (column + i) * rows + row + lane;
      const float value = tile[lane * (side + 1) + i];
      *to = from_compute<To>(accumulate ? to_compute(*to) + value : value);
    }
}

}  // namespace

template <class To, class From>
void transpose(Index rows, Index columns, const From* x, To* y, bool accumulate, Stream stream) {
  if (rows == 0 || columns == 0) return;
  const Index column_tiles = divide_up(columns, side);
  TV_LAUNCH((transpose_tiles<To, From>), dim3(static_cast<unsigned>(divide_up(rows, side) * column_tiles)),
            dim3(side * lines), stream, rows, columns, column_tiles, x, y, accumulate);
}

template void transpose(Index, Index, const float*, float*, bool, Stream);
template void transpose(Index, Index, const float*, bf16*, bool, Stream);
template void transpose(Index, Index, const bf16*, float*, bool, Stream);
template void transpose(Index, Index, const bf16*, bf16*, bool, Stream);

}  // namespace tinyvision_kernels
