// The few dense factorisations that come from Eigen, behind plain functions on row-major arrays.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace linalg {

/// Eigendecomposition A = V diag(values) V^T of a symmetric n x n matrix (its lower triangle is read). On return `a`
/// holds V, row-major, eigenvector j in column j, and `values[j]` its eigenvalue, largest first. Precision T
/// throughout; one thread, so the result does not depend on the number of threads. Throws Error when the iteration does
/// not converge (it does for every finite matrix).
template <class T>
void symmetric_eigen(Index n, T* a, T* values) {
  if (n == 0) return;
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix> map(a, n, n);
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>> solver(map);
  check(solver.info() == Eigen::Success, "symmetric_eigen", "no convergence for a ", n, " x ", n, " matrix");
  map = solver.eigenvectors().rowwise().reverse();
  Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>(values, n) = solver.eigenvalues().reverse();
}

/// Solves A x = b for a symmetric positive semidefinite n x n matrix (pivoted L D L^T; pivots at rounding level count
/// as zero); `b` is overwritten by x.
template <class T>
void solve_symmetric(Index n, const T* a, T* b) {
  if (n == 0) return;
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>> x(b, n);
  x = Eigen::Map<const Matrix>(a, n, n).ldlt().solve(x).eval();
}

#if defined(TINYVISION_COMPILED) && TINYVISION_COMPILED
extern template void symmetric_eigen<float>(Index, float*, float*);
extern template void symmetric_eigen<double>(Index, double*, double*);
extern template void solve_symmetric<double>(Index, const double*, double*);
#endif

}  // namespace linalg
TINYVISION_END
