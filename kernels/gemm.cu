// Matrix product on row-major matrices in f32 and f64, without tensor cores.
//
//   C = alpha * op(A) * op(B) + beta * C
// op(A) is m x k (A is stored k x m where it is transposed), op(B) is k x n, C is m x n; stored rows begin `lda`, `ldb`
// and `ldc` elements apart. (tinyvision/reference/gemm.hpp is the specification.) A linear layer is three of them:
// y = x W, dx = dy W^T, dW = x^T dy.
//
// Threads: a block of 16 x 16 threads makes a 64 x 64 tile of C (support/tile_product.h). A transposed matrix is read
// along its rows as well, so that all four forms read whole lines of memory.
//
// Repeatability: an element of C is one chain of multiply-adds fma(a, alpha * b, sum) in T, in ascending k, that starts
// from beta * C: the bits of the reference, and of the CPU kernels except for a transposed A, which these sum in
// chunks. The sum over k is never split: a product of few elements and large k leaves most of a card idle.
#include <type_traits>

#include "support/tile_product.h"

namespace tinyvision_kernels {
namespace {

/// alpha * matrix, each element rounded.
template <class T, class Matrix>
struct Scaled {
  static constexpr bool down = Matrix::down;
  T alpha;
  Matrix matrix;
  __device__ T at(Index row, Index column) const { return alpha * matrix.at(row, column); }
};

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
          Index ldb, T beta, T* c, Index ldc, Stream stream) {
  const Epilogue<T> nothing{nullptr, nullptr, nullptr, 0, Activation::none};
  const auto with_b = [&](const auto& left, const auto& right) {
    const Scaled<T, std::decay_t<decltype(right)>> scaled{alpha, right};
    multiply<T>(left, scaled, m, n, k, beta, nothing, c, ldc, stream);
  };
  const auto with_a = [&](const auto& left) {
    const Plain<T> stored{b, ldb};
    transpose_b ? with_b(left, Transposed<T, Plain<T>>{stored}) : with_b(left, stored);
  };
  const Plain<T> stored{a, lda};
  transpose_a ? with_a(Transposed<T, Plain<T>>{stored}) : with_a(stored);
}

#define TV_INSTANTIATE(T) \
  template void gemm(bool, bool, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*, Index, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
