// The first principal components of a matrix.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/linalg/eigen.hpp"
#include "tinyvision/stats/feature_matrix.hpp"

TINYVISION_BEGIN
namespace stats {

struct PrincipalComponents {
  Tensor axes{};                  ///< [k, d] f64, unit rows
  Tensor scores{};                ///< [n, k] f64: centred rows times axes
  std::vector<double> variances;  ///< of the scores, 1/n; largest first
};

namespace detail {

/// Makes the columns of q [d, b] orthonormal (modified Gram-Schmidt, twice); columns that depend on earlier ones become 0.
inline void orthonormalise(std::vector<double>& q, Index d, Index b) {
  const auto at = [&](Index row, Index column) -> double& { return q[static_cast<std::size_t>(row * b + column)]; };
  for (Index c = 0; c < b; ++c) {
    double before = 0;
    for (Index r = 0; r < d; ++r) before += at(r, c) * at(r, c);
    for (int pass = 0; pass < 2; ++pass)
      for (Index e = 0; e < c; ++e) {
        double product = 0;
        for (Index r = 0; r < d; ++r) product += at(r, c) * at(r, e);
        for (Index r = 0; r < d; ++r) at(r, c) -= product * at(r, e);
      }
    double after = 0;
    for (Index r = 0; r < d; ++r) after += at(r, c) * at(r, c);
    const double scale = after > 1e-24 * before ? 1 / std::sqrt(after) : 0;
    for (Index r = 0; r < d; ++r) at(r, c) *= scale;
  }
}

}  // namespace detail

/// The `k` directions of largest variance of x [n, d] (f32 or f64), in f64: orthogonal iteration on X^T X with k + 8
/// columns from seeded normal deviates, a Rayleigh-Ritz step after each product, until the variances change by less than
/// 1e-12 of the first one (200 rounds at most): axes are then good to about 1e-6 where variances differ clearly. Each axis
/// points so that its entry of largest size (the first of equal ones) is positive. The result does not depend on the
/// number of threads. Throws UsageError on NaN, infinities, n < 2, and unless 1 <= k <= min(n, d).
/// G. H. Golub, C. F. Van Loan, "Matrix computations", section 8.2 (orthogonal iteration with Ritz acceleration).
inline PrincipalComponents principal_components(const Tensor& x, Index k, std::uint64_t seed = 0) {
  constexpr std::string_view where = "principal_components";
  std::vector<double> rows = detail::feature_rows<double>(where, "features", x);
  const Index n = x.dim(0), d = x.dim(1);
  if (n < 2 || k < 1 || k > std::min(n, d))
    fail_usage(where, "needs at least two rows and 1 <= k <= ", std::min(n, d), ", got ", n, " rows, k ", k);
  std::vector<double> mean(static_cast<std::size_t>(d), 0);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < d; ++j) mean[static_cast<std::size_t>(j)] += rows[static_cast<std::size_t>(i * d + j)];
  for (double& m : mean) m /= static_cast<double>(n);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < d; ++j) rows[static_cast<std::size_t>(i * d + j)] -= mean[static_cast<std::size_t>(j)];

  const Index b = std::min(k + 8, std::min(n, d));
  const auto elements = [](Index count) { return static_cast<std::size_t>(count); };
  std::vector<double> q(elements(d * b)), z(elements(n * b)), gram(elements(b * b)), values(elements(b)),
      turned(elements(d * b));
  const Random random(seed, Stream::embedding, 1);
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = random.normal(i);
  std::vector<double> scores(z.size()), last;
  constexpr int rounds = 200;
  for (int round = 1;; ++round) {
    detail::orthonormalise(q, d, b);
    linalg::gemm(false, false, n, b, d, 1.0, rows.data(), d, q.data(), b, 0.0, z.data(), b);
    linalg::gemm(true, false, b, b, n, 1 / static_cast<double>(n), z.data(), b, z.data(), b, 0.0, gram.data(), b);
    linalg::symmetric_eigen(b, gram.data(), values.data());
    linalg::gemm(false, false, d, b, b, 1.0, q.data(), b, gram.data(), b, 0.0, turned.data(), b);
    q.swap(turned);
    double change = last.empty() ? values[0] : 0;
    for (std::size_t c = 0; c < last.size() && c < elements(k); ++c)
      change = std::max(change, std::fabs(values[c] - last[c]));
    if (change <= 1e-12 * values[0] || round == rounds) break;
    last = values;
    linalg::gemm(false, false, n, b, b, 1.0, z.data(), b, gram.data(), b, 0.0, scores.data(), b);  // X q
    linalg::gemm(true, false, d, b, n, 1.0, rows.data(), d, scores.data(), b, 0.0, q.data(), b);
  }

  PrincipalComponents result;
  result.axes = Tensor::empty({k, d}, DType::f64);
  result.scores = Tensor::empty({n, k}, DType::f64);
  double* axes = result.axes.data<double>();
  for (Index c = 0; c < k; ++c) {
    Index largest = 0;
    for (Index r = 1; r < d; ++r)
      if (std::fabs(q[elements(r * b + c)]) > std::fabs(q[elements(largest * b + c)])) largest = r;
    const double sign = q[elements(largest * b + c)] < 0 ? -1 : 1;
    for (Index r = 0; r < d; ++r) axes[c * d + r] = sign * q[elements(r * b + c)];
    result.variances.push_back(std::max(0.0, values[elements(c)]));
  }
  linalg::gemm(false, true, n, k, d, 1.0, rows.data(), d, axes, d, 0.0, result.scores.data<double>(), k);
  return result;
}

}  // namespace stats
TINYVISION_END
