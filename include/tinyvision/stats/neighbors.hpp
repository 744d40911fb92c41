// The nearest neighbours of every row of a matrix, exactly, and how well an embedding keeps them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tinyvision/stats/feature_matrix.hpp"

TINYVISION_BEGIN
namespace stats {

/// For each of n rows its k nearest other rows, nearest first.
struct Neighbors {
  Index n = 0, k = 0;
  std::vector<std::int32_t> index{};       ///< [n, k]
  std::vector<double> squared_distance{};  ///< [n, k]
};

namespace detail {

/// Rows minus the column means, rounded to f32: distances stay, products lose fewer digits. Values that f32 cannot hold
/// are refused.
inline std::vector<float> centred_rows(std::string_view where, const std::vector<double>& rows, Index n, Index d) {
  std::vector<double> mean(static_cast<std::size_t>(d), 0);
  for (Index i = 0; i < n; ++i)
    for (Index k = 0; k < d; ++k) mean[static_cast<std::size_t>(k)] += rows[static_cast<std::size_t>(i * d + k)];
  for (double& m : mean) m /= static_cast<double>(n);
  std::vector<float> centred(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = rows[i] - mean[i % static_cast<std::size_t>(d)];
    if (!(std::fabs(value) < 1e15))
      fail_usage(where, "row ", static_cast<Index>(i) / d, ", column ", static_cast<Index>(i) % d, " is ", rows[i],
                 ": too far from the column's mean");
    centred[i] = static_cast<float>(value);
  }
  return centred;
}

}  // namespace detail

/// The k nearest rows (Euclidean) of each row of x [n, d] (f32 or f64), itself excluded; equal distances by index.
/// |a|^2 + |b|^2 - 2 a.b in f32 on blocks of rows finds the candidates, with a bound on its error such that no neighbour
/// is missed; their distances are then summed in f64 from the differences. So the result depends neither on the
/// instruction set nor on the number of threads. Throws UsageError on NaN, infinities, and unless 1 <= k < n.
inline Neighbors nearest_neighbors(const Tensor& x, Index k) {
  constexpr std::string_view where = "nearest_neighbors";
  const std::vector<double> rows = detail::feature_rows<double>(where, "features", x);
  const Index n = x.dim(0), d = x.dim(1);
  if (k < 1 || k >= n) fail_usage(where, "k must be in [1, ", n - 1, "] for ", n, " rows, got ", k);
  const std::vector<float> centred = detail::centred_rows(where, rows, n, d);
  std::vector<double> square(static_cast<std::size_t>(n));
  parallel_ranges(n, 256, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      square[static_cast<std::size_t>(i)] = detail::dot(centred.data() + i * d, centred.data() + i * d, d);
  });
  // Of 2 a.b: d roundings of its sum; of the rest: the factors' rounding to f32. The last term is for products so small
  // that they vanish in f32.
  const double product_error = static_cast<double>(d + 4) * 0x1p-23;

  Neighbors result{n, k, {}, {}};
  result.index.resize(static_cast<std::size_t>(n * k));
  result.squared_distance.resize(static_cast<std::size_t>(n * k));
  const auto of_row = [&](Index i, Index, Index, const float* products) {
    std::vector<double> high(static_cast<std::size_t>(n)), low(static_cast<std::size_t>(n));
    const double own = square[static_cast<std::size_t>(i)];
    for (Index j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const double sum = own + square[at], distance = sum - 2 * static_cast<double>(products[j]);
      // |a| |b| <= (|a|^2 + |b|^2) / 2
      const double error = (product_error / 2 + 0x1p-20) * sum + 1e-30;
      high[at] = distance + error;
      low[at] = distance - error;
    }
    high[static_cast<std::size_t>(i)] = low[static_cast<std::size_t>(i)] = std::numeric_limits<double>::infinity();
    std::nth_element(high.begin(), high.begin() + (k - 1), high.end());
    const double limit = high[static_cast<std::size_t>(k - 1)];
    std::vector<std::pair<double, std::int32_t>> near;
    for (Index j = 0; j < n; ++j)
      if (low[static_cast<std::size_t>(j)] <= limit)
        near.emplace_back(detail::squared_distance(rows.data() + i * d, rows.data() + j * d, d),
                          static_cast<std::int32_t>(j));
    std::partial_sort(near.begin(), near.begin() + k, near.end());
    for (Index j = 0; j < k; ++j) {
      result.squared_distance[static_cast<std::size_t>(i * k + j)] = near[static_cast<std::size_t>(j)].first;
      result.index[static_cast<std::size_t>(i * k + j)] = near[static_cast<std::size_t>(j)].second;
    }
  };
  detail::for_each_product_row(centred.data(), n, centred.data(), n, d, n, of_row);
  return result;
}

/// Trustworthiness of an embedding y [n, c] of x [n, d]: how far the k neighbours in y are from being neighbours in x,
///   T(k) = 1 - 2 / (n k (2 n - 3 k - 1)) * sum over i, over j among the k nearest of i in y, of max(0, r(i, j) - k),
/// where r(i, j) = 1, 2, ... is j's rank among the rows by distance from i in x. 1 is best. Equal distances rank by index.
/// Distances in f64; O(n^2 (d + log n)). Throws UsageError on NaN, unequal n, and unless 1 <= k < n / 2.
/// J. Venna, S. Kaski, "Neighborhood preservation in nonlinear projection methods: an experimental study" (ICANN 2001).
inline double trustworthiness(const Tensor& x, const Tensor& y, Index k = 5) {
  constexpr std::string_view where = "trustworthiness";
  const std::vector<double> rows = detail::feature_rows<double>(where, "features", x);
  const Index n = x.dim(0), d = x.dim(1);
  if (!y.defined() || y.shape().rank() != 2 || y.dim(0) != n)
    fail_usage(where, n, " rows of features but an embedding ", y.text());
  if (k < 1 || 2 * k >= n) fail_usage(where, "k must be at least 1 and below half of ", n, " rows, got ", k);
  const Neighbors near = nearest_neighbors(y, k);
  std::vector<Index> excess(static_cast<std::size_t>(n), 0);
  parallel_for(n, [&](Index i) {
    std::vector<std::pair<double, Index>> order;
    for (Index j = 0; j < n; ++j)
      if (j != i) order.emplace_back(detail::squared_distance(rows.data() + i * d, rows.data() + j * d, d), j);
    std::sort(order.begin(), order.end());
    std::vector<Index> rank(static_cast<std::size_t>(n));
    for (std::size_t r = 0; r < order.size(); ++r)
      rank[static_cast<std::size_t>(order[r].second)] = static_cast<Index>(r) + 1;
    for (Index j = 0; j < k; ++j)
      excess[static_cast<std::size_t>(i)] +=
          std::max<Index>(0, rank[static_cast<std::size_t>(near.index[static_cast<std::size_t>(i * k + j)])] - k);
  });
  Index sum = 0;
  for (const Index e : excess) sum += e;
  const double nn = static_cast<double>(n), kk = static_cast<double>(k);
  return 1 - 2 / (nn * kk * (2 * nn - 3 * kk - 1)) * static_cast<double>(sum);
}

}  // namespace stats
TINYVISION_END
