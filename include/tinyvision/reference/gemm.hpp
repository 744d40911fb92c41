// Matrix product as plain loops: the specification of linalg/gemm.hpp.
#pragma once

#include <cmath>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN
namespace reference {

/// c = alpha * op(a) * op(b) + beta * c, row-major; op(a) is m x k, op(b) k x n, c m x n; op transposes when its flag
/// is set. `ld*` is the distance in elements between stored rows. beta = 0 overwrites c without reading it. A sum is one
/// chain of multiply-adds in T, in the order of k, that starts from beta * c.
template <class T>
void gemm(bool trans_a, bool trans_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b, Index ldb,
          T beta, T* c, Index ldc) {
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      T& target = c[i * ldc + j];
      T sum = beta == T(0) ? T(0) : beta * target;
      for (Index p = 0; p < k; ++p)
        sum = std::fma(trans_a ? a[p * lda + i] : a[i * lda + p], alpha * (trans_b ? b[j * ldb + p] : b[p * ldb + j]),
                       sum);
      target = sum;
    }
}

}  // namespace reference
TINYVISION_END
