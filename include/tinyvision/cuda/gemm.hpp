// The matrix product on the device, with the arguments of linalg/gemm.hpp, T float or double: our own kernel, or the
// vendor's where that was chosen. And sums of columns, T float, double or bfloat16.
#pragma once

#include "tinyvision/cuda/memory.hpp"
#include "tinyvision/cuda/vendor.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
          Index ldb, T beta, T* c, Index ldc) {
  if constexpr (vendor_multiplies<T>) {
    if (use_vendor())
      return kernels::vendor::gemm<T, T>(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc,
                                         vendor_scratch(), stream());
  }
  kernels::gemm(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, stream());
}

/// As cpu::bias_backward.
template <class T>
void bias_backward(Index rows, Index channels, const T* dy, Index dyp, Accumulator<T>* db, bool accumulate) {
  const Workspace<double> workspace(kernels::bias_backward_workspace(rows, channels));
  kernels::bias_backward(rows, channels, as_kernel(dy), dyp, db, accumulate, workspace.data(), stream());
}

}  // namespace cuda
TINYVISION_END
