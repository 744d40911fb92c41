// General matrix product on row-major matrices.
#pragma once

#include "tinyvision/linalg/tiled_product.hpp"

TINYVISION_BEGIN
namespace linalg {

/// C = alpha * op(A) * op(B) + beta * C, all row-major; op(A) is m x k (A^T when `trans_a`: A is stored k x m), op(B)
/// is k x n, C is m x n. `lda`, `ldb`, `ldc` are the distances between stored rows. With beta = 0, C is only written.
/// Accumulates in T with explicit FMA (portable: multiply, then add). Threaded; results depend on the shape and the
/// instruction set alone. Throws Error when a leading dimension is smaller than its row.
template <class T>
void gemm(bool trans_a, bool trans_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
          T beta, T* c, Index ldc) {
  check(m >= 0 && n >= 0 && k >= 0, "gemm", "negative size: m ", m, " n ", n, " k ", k);
  check(lda >= (trans_a ? m : k) && ldb >= (trans_b ? k : n) && ldc >= n, "gemm", "leading dimensions ", lda, ", ", ldb,
        ", ", ldc, " too small for m ", m, " n ", n, " k ", k);
  if (m == 0 || n == 0) return;
  if (k == 0 || (beta != T(0) && beta != T(1))) {
    parallel_ranges(m, std::max<Index>(1, 16384 / n), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        for (Index j = 0; j < n; ++j) c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
    });
    if (k == 0) return;
  }
  const bool add = beta != T(0);
  const Index b_row = trans_b ? 1 : ldb, b_column = trans_b ? ldb : 1;
  if (trans_a) {
    simd::multiply_transposed(simd::matrix_rows(a, lda, k, m), k, m, b, b_row, b_column, n, alpha, add, c, ldc);
    return;
  }
  simd::PackedPanels<T> packed(instruction_set(), k, n);
  packed.pack(b, b_row, b_column, 0, k, alpha);
  simd::GridTarget target;
  target.out_w = m;
  simd::multiply_rows(simd::matrix_rows(a, lda, m, k), m, packed, target, Epilogue<T>{}, add, c, ldc);
}

}  // namespace linalg
TINYVISION_END
