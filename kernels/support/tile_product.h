// The tiled product C = A B that convolutions, matrix products and logistic regression share. A matrix is anything with
// an element function at(row, column).
//
// A block of 16 x 16 threads makes a 64 x 64 tile of C, 4 x 4 elements per thread 16 apart, so that shared memory is
// read without bank conflicts. It walks along k in steps of 16: A's and B's slices are gathered into shared memory,
// then every thread multiplies a column of A by a row of B in registers. An element of C is one chain of fused
// multiply-adds in ascending k, whatever the sizes.
#pragma once

#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {  // TV_SHARED counts the shared arrays of a file, so each file has kernels of its own

constexpr int side = 64, depth = 16, threads = 16, per_thread = side / threads;
constexpr int slice_pitch = side + 1;  // neighbouring k of one row fall into different banks

/// A matrix as it lies: element (row, column) at data[row * pitch + column].
template <class T>
struct Plain {
  static constexpr bool down = false;  ///< whether neighbours in memory are rows rather than columns
  const T* data;
  Index pitch;
  __device__ T at(Index row, Index column) const { return data[row * pitch + column]; }
};

template <class T, class Matrix>
struct Transposed {
  static constexpr bool down = !Matrix::down;
  Matrix matrix;
  __device__ T at(Index row, Index column) const { return matrix.at(column, row); }
};

/// Tiles of a C of `rows` x `columns`, times `parts`.
inline dim3 tiles(Index rows, Index columns, Index parts = 1) {
  return dim3(static_cast<unsigned>(divide_up(rows, side)), static_cast<unsigned>(divide_up(columns, side)),
              static_cast<unsigned>(parts));
}

/// Calls body(row, column, value[i][j]) for the elements of C that belong to this thread.
template <class T, class Body>
__device__ void for_each_element(Index rows, Index columns, T (&value)[per_thread][per_thread], const Body& body) {
  const Index first_row = static_cast<Index>(blockIdx.x) * side + threadIdx.y;
  const Index first_column = static_cast<Index>(blockIdx.y) * side + threadIdx.x;
  TV_UNROLL
  for (int i = 0; i < per_thread; ++i) {
    TV_UNROLL
    for (int j = 0; j < per_thread; ++j) {
      const Index row = first_row + i * threads, column = first_column + j * threads;
      if (row < rows && column < columns) body(row, column, value[i][j]);
    }
  }
}

/// The 4 x 4 elements of A B that belong to this thread, over k in [k_begin, k_end), added to `sum`.
template <class T, class MatrixA, class MatrixB>
__device__ void multiply_tile(const MatrixA& a, const MatrixB& b, Index rows, Index columns, Index k_begin, Index k_end,
                              T (&sum)[per_thread][per_thread]) {
  TV_SHARED(T, slice_a, depth * slice_pitch);
  TV_SHARED(T, slice_b, depth * slice_pitch);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y), thread = ty * threads + tx;
  const Index first_row = static_cast<Index>(blockIdx.x) * side, first_column = static_cast<Index>(blockIdx.y) * side;
  for (Index k0 = k_begin; k0 < k_end; k0 += depth) {
    for (int i = thread; i < depth * side; i += threads * threads) {
      // Neighbouring threads read neighbours in memory. Behind the end of k stands -0 * 0 = -0, which changes no sum,
      // not even one of -0.
      const int k_a = MatrixA::down ? i / side : i % depth, row = MatrixA::down ? i % side : i / depth;
      slice_a[k_a * slice_pitch + row] =
          first_row + row < rows && k0 + k_a < k_end ? a.at(first_row + row, k0 + k_a) : T(-0.0);
      const int k_b = MatrixB::down ? i % depth : i / side, column = MatrixB::down ? i / depth : i % side;
      slice_b[k_b * slice_pitch + column] =
          first_column + column < columns && k0 + k_b < k_end ? b.at(k0 + k_b, first_column + column) : T(0);
    }
    __syncthreads();
    for (int k = 0; k < depth; ++k) {
      T left[per_thread], right[per_thread];
      TV_UNROLL
      for (int i = 0; i < per_thread; ++i) left[i] = slice_a[k * slice_pitch + ty + i * threads];
      TV_UNROLL
      for (int j = 0; j < per_thread; ++j) right[j] = slice_b[k * slice_pitch + tx + j * threads];
      TV_UNROLL
      for (int i = 0; i < per_thread; ++i) TV_UNROLL
      for (int j = 0; j < per_thread; ++j) sum[i][j] = fma(left[i], right[j], sum[i][j]);
    }
    __syncthreads();
  }
}

/// C = epilogue(A B + beta C); the chains start from beta C, and C is not read where beta is 0.
template <class T, class MatrixA, class MatrixB>
__global__ void __launch_bounds__(threads* threads, 1)
    product(MatrixA a, MatrixB b, Index rows, Index columns, Index k, T beta, Epilogue<T> e, T* c, Index pitch) {
  T sum[per_thread][per_thread] = {};
  if (beta != T(0))
    for_each_element(rows, columns, sum,
                     [=](Index row, Index column, T& value) { value = beta * c[row * pitch + column]; });
  multiply_tile<T>(a, b, rows, columns, 0, k, sum);
  for_each_element(rows, columns, sum,
                   [=](Index row, Index column, T& value) { c[row * pitch + column] = finish(value, e, row, column); });
}

/// Launches `product`; an empty C is no work.
template <class T, class MatrixA, class MatrixB>
void multiply(const MatrixA& a, const MatrixB& b, Index rows, Index columns, Index k, T beta, const Epilogue<T>& e,
              T* c, Index pitch, Stream stream) {
  if (rows == 0 || columns == 0) return;
  TV_LAUNCH((product<T, MatrixA, MatrixB>), tiles(rows, columns), dim3(threads, threads), stream, a, b, rows, columns,
            k, beta, e, c, pitch);
}

}  // namespace
}  // namespace tinyvision_kernels
