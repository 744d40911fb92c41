// What multinomial logistic regression does to rows of class scores, for each instruction set.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tinyvision/linalg/simd_vector.hpp"

TINYVISION_BEGIN
namespace simd {

/// Rows of class scores, `segments` vectors wide. Vector i of a row is at (i / 2) * pair_stride + (i % 2) * width: both
/// the panels that matrix kernels write and plain rows (pair_stride = 2 * width) have this form.
struct ScoreRows {
  Index rows = 0, segments = 0, row_stride = 0, pair_stride = 0;
};

template <class T>
struct RowKernels {
  Index width;
  /// Adds `shift` (may be null) to each row of scores z, replaces it by softmax(z) - onehot(label), adds the columns of
  /// that to `column_sums` (may be null) and returns the sum of -log softmax(z)[label]. 1 - p of the label is summed
  /// from the other classes, so it keeps its relative precision however small it is. Columns beyond the classes need a
  /// shift or score of about -1e30. Sums over rows are f64.
  double (*softmax_residual)(const ScoreRows&, T* scores, const T* shift, const std::int32_t* labels,
                             double* column_sums);
  /// Replaces each row u by (diag p - p p^T) u, computed as p * (v - p.v) with v = u - u[likeliest], which keeps its
  /// relative precision when p is nearly one-hot. `probabilities` are plain rows of segments * width.
  void (*hessian_rows)(const ScoreRows&, T* scores, const T* probabilities, const std::int32_t* likeliest,
                       double* column_sums);
};

}  // namespace simd
TINYVISION_END

#define TINYVISION_SIMD_BODY "tinyvision/optim/logistic_regression_rows.inl"
#include "tinyvision/linalg/simd_foreach.inl"

TINYVISION_BEGIN
namespace simd {

template <class T>
const RowKernels<T>& row_kernels(InstructionSet set) {
#if TINYVISION_X86
  if (set == InstructionSet::avx512) return avx512::row_kernels<T>();
  if (set == InstructionSet::avx2) return avx2::row_kernels<T>();
#endif
  static_cast<void>(set);
  return portable::row_kernels<T>();
}

}  // namespace simd
TINYVISION_END
