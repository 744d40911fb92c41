// The affinities P of t-SNE: how likely one example is to pick another as its neighbour.
//
//   p_j|i = exp(-beta_i |x_i - x_j|^2) / sum over k != i of the same,   p_ij = (p_j|i + p_i|j) / 2n
//
// with beta_i such that the perplexity exp(-sum_j p_j|i log p_j|i) of every row is the given one. L. van der Maaten, G.
// Hinton, "Visualizing data using t-SNE", JMLR 9 (2008), section 3.1. Barnes-Hut t-SNE keeps the 3 * perplexity + 1
// nearest neighbours and sets the rest to 0 (L. van der Maaten, JMLR 15, 2014, section 4.1; one neighbour more than
// there, as in scikit-learn).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tinyvision/stats/neighbors.hpp"

TINYVISION_BEGIN
namespace stats {

/// A symmetric matrix whose sum is 1, by rows; columns rise within a row.
struct TsneAffinities {
  Index n = 0;
  std::vector<Index> row_begin{};  ///< [n + 1]
  std::vector<std::int32_t> column{};
  std::vector<double> value{};
  Index unreached = 0;  ///< rows whose perplexity no beta gives: too many equal distances
};

namespace detail {

/// Conditional probabilities of one row: `distances` (squared) -> `p`, both of `count` entries. Finds beta by bisection in
/// f64, until the entropy is within 1e-10 of log(perplexity); the bracket is doubled or halved until it holds the root.
/// Distances are taken relative to the smallest, so the largest exponential is 1. False when no beta does it: then `p`
/// is that of the last beta tried.
inline bool conditional_row(const double* distances, Index count, double perplexity, double* p) {
  const double wanted = std::log(perplexity), infinity = std::numeric_limits<double>::infinity();
  const double nearest = *std::min_element(distances, distances + count);
  double mean = 0;
  for (Index j = 0; j < count; ++j) mean += distances[j] - nearest;
  mean /= static_cast<double>(count);
  double beta = mean > 0 ? 1 / mean : 1, low = 0, high = infinity;
  for (int step = 0; step < 200; ++step) {
    double sum = 0, product = 0;
    for (Index j = 0; j < count; ++j) {
      const double d = distances[j] - nearest;
      p[j] = std::exp(-beta * d);
      sum += p[j];
      product += d * p[j];
    }
    for (Index j = 0; j < count; ++j) p[j] /= sum;
    const double entropy = std::log(sum) + beta * product / sum;
    if (std::fabs(entropy - wanted) <= 1e-10) return true;
    (entropy > wanted ? low : high) = beta;  // the entropy falls with beta
    const double next = high == infinity ? 2 * beta : (low + high) / 2;
    if (next == beta || !std::isfinite(next)) break;
    beta = next;
  }
  return false;
}

inline void check_perplexity(std::string_view where, Index n, double perplexity) {
  if (n < 3) fail_usage(where, "needs at least 3 rows, got ", n);
  if (!(perplexity >= 1 && perplexity < static_cast<double>(n - 1)))
    fail_usage(where, "the perplexity must be at least 1 and below ", n - 1, " for ", n, " rows, got ", perplexity);
}

}  // namespace detail

/// P from the squared distances of each row to some others: symmetrised, divided by its sum. Summed in f64 in the order of
/// rows and columns; the result does not depend on the number of threads.
inline TsneAffinities tsne_affinities(const Neighbors& near, double perplexity) {
  detail::check_perplexity("tsne_affinities", near.n, perplexity);
  if (static_cast<double>(near.k) < perplexity)
    fail_usage("tsne_affinities", "a perplexity of ", perplexity, " needs more than ", near.k, " neighbours");
  const Index n = near.n, k = near.k;
  std::vector<double> p(near.squared_distance.size());
  std::vector<std::uint8_t> reached(static_cast<std::size_t>(n));
  parallel_ranges(n, 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      reached[static_cast<std::size_t>(i)] =
          detail::conditional_row(near.squared_distance.data() + i * k, k, perplexity, p.data() + i * k) ? 1 : 0;
  });

  // Every entry goes to its own row and to its column's; then equal columns are added.
  TsneAffinities result;
  result.n = n;
  for (const std::uint8_t r : reached) result.unreached += r == 0 ? 1 : 0;
  std::vector<Index> begin(static_cast<std::size_t>(n) + 1, 0);
  for (Index e = 0; e < n * k; ++e) {
    ++begin[static_cast<std::size_t>(e / k) + 1];
    ++begin[static_cast<std::size_t>(near.index[static_cast<std::size_t>(e)]) + 1];
  }
  for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<std::pair<std::int32_t, double>> entries(static_cast<std::size_t>(2 * n * k));
  std::vector<Index> place(begin.begin(), begin.end() - 1);
  for (Index e = 0; e < n * k; ++e) {
    const auto j = near.index[static_cast<std::size_t>(e)];
    const auto i = static_cast<std::int32_t>(e / k);
    entries[static_cast<std::size_t>(place[static_cast<std::size_t>(i)]++)] = {j, p[static_cast<std::size_t>(e)]};
    entries[static_cast<std::size_t>(place[static_cast<std::size_t>(j)]++)] = {i, p[static_cast<std::size_t>(e)]};
  }
  const double scale = 1 / (2 * static_cast<double>(n));  // every row of p sums to 1
  result.row_begin.push_back(0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    std::sort(entries.begin() + begin[i], entries.begin() + begin[i + 1]);
    for (auto e = static_cast<std::size_t>(begin[i]); e < static_cast<std::size_t>(begin[i + 1]); ++e) {
      const bool repeated = e > static_cast<std::size_t>(begin[i]) && entries[e].first == entries[e - 1].first;
      if (repeated) {
        result.value.back() += entries[e].second * scale;
      } else {
        result.column.push_back(entries[e].first);
        result.value.push_back(entries[e].second * scale);
      }
    }
    result.row_begin.push_back(static_cast<Index>(result.column.size()));
  }
  return result;
}

/// P of x [n, d] (f32 or f64) from the `neighbors` nearest of each row; 0 stands for all others (exact P, n^2 entries).
/// Throws UsageError on NaN, infinities, n < 3, a perplexity outside [1, n - 1) or above the number of neighbours.
inline TsneAffinities tsne_affinities(const Tensor& x, double perplexity, Index neighbors = 0) {
  if (!x.defined() || x.shape().rank() != 2) fail_usage("tsne", "features must be [n, d], got ", x.text());
  detail::check_perplexity("tsne", x.dim(0), perplexity);
  return tsne_affinities(nearest_neighbors(x, neighbors == 0 ? x.dim(0) - 1 : std::min(neighbors, x.dim(0) - 1)),
                         perplexity);
}

}  // namespace stats
TINYVISION_END
