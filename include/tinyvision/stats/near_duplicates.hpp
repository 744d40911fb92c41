// Near duplicates: pairs of examples of two sets whose features point in almost the same direction.
//
// Kornblith, Shlens, Le (CVPR 2019), appendix H, looks for images that are in ImageNet's training set and in a test set
// with a network trained for it; here the features are the caller's.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "tinyvision/stats/feature_matrix.hpp"

TINYVISION_BEGIN
namespace stats {

/// Row `first` of one set and row `second` of the other (or the same).
struct NearDuplicate {
  Index first = 0, second = 0;
  double cosine = 0;
  friend bool operator==(const NearDuplicate&, const NearDuplicate&) = default;
};

/// Told from time to time how many of all pairs have been compared. May throw.
using PairProgress = std::function<void(Index done, Index all)>;

namespace detail {

/// Rows scaled to unit length (in f64, rounded to f32), and their lengths. Rows of zeros stay zero.
struct UnitRows {
  std::vector<double> values, length;
  std::vector<float> unit;

  UnitRows(std::string_view where, std::string_view name, const Tensor& features)
      : values(feature_rows<double>(where, name, features)) {
    const Index n = features.dim(0), d = features.dim(1);
    unit.resize(values.size());
    length.resize(static_cast<std::size_t>(n));
    parallel_ranges(n, 64, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const double* row = values.data() + i * d;
        double largest = 0;  // divided out first, so that squares neither overflow nor vanish
        for (Index k = 0; k < d; ++k) largest = std::max(largest, std::fabs(row[k]));
        const double norm = largest == 0 ? 0 : largest * std::sqrt(interleaved_sum(d, [&](Index k) {
                                                 return (row[k] / largest) * (row[k] / largest);
                                               }));
        length[static_cast<std::size_t>(i)] = norm;
        for (Index k = 0; k < d; ++k)
          unit[static_cast<std::size_t>(i * d + k)] = norm > 0 ? static_cast<float>(row[k] / norm) : 0;
      }
    });
  }
};

/// f64 cosine of two rows, in [-1, 1].
inline double cosine(const UnitRows& a, Index i, const UnitRows& b, Index j, Index d) {
  const double li = a.length[static_cast<std::size_t>(i)], lj = b.length[static_cast<std::size_t>(j)];
  const double *x = a.values.data() + i * d, *y = b.values.data() + j * d;
  return std::clamp(interleaved_sum(d, [&](Index k) { return (x[k] / li) * (y[k] / lj); }), -1.0, 1.0);
}

inline std::vector<NearDuplicate> near_pairs(std::string_view where, const UnitRows& a, const UnitRows& b, Index m,
                                             Index n, Index d, double threshold, bool same,
                                             const PairProgress& progress) {
  if (!(threshold > -1 && threshold <= 1)) fail_usage(where, "the threshold must be in (-1, 1], got ", threshold);
  // The product of two rounded unit rows is off by less than this (d roundings of the sum, two of each factor), so no
  // pair is lost; what passes is measured again in f64.
  const double slack = static_cast<double>(d + 8) * 0x1p-23;
  std::vector<std::vector<NearDuplicate>> found(static_cast<std::size_t>(m));
  for_each_product_row(
      a.unit.data(), m, b.unit.data(), n, d, 2048,
      [&](Index i, Index j0, Index columns, const float* products) {
        if (a.length[static_cast<std::size_t>(i)] == 0) return;
        for (Index j = same ? std::max<Index>(0, i + 1 - j0) : 0; j < columns; ++j) {
          if (static_cast<double>(products[j]) < threshold - slack || b.length[static_cast<std::size_t>(j0 + j)] == 0)
            continue;
          const double exact = cosine(a, i, b, j0 + j, d);
          if (exact >= threshold) found[static_cast<std::size_t>(i)].push_back({i, j0 + j, exact});
        }
      },
      progress);
  std::vector<NearDuplicate> pairs;
  for (const auto& of_row : found) pairs.insert(pairs.end(), of_row.begin(), of_row.end());
  return pairs;
}

}  // namespace detail

/// All pairs (i, j) with cosine(a_i, b_j) = a_i . b_j / (|a_i| |b_j|) >= `threshold`, for features a [m, d] and b [n, d]
/// (f32 or f64), sorted by i, then j. Rows of zeros have no direction and no duplicates. Candidates come from f32
/// products; the cosines are computed, and the threshold is applied, in f64, so the result depends neither on the
/// instruction set nor on the number of threads. A cosine of exactly 1 may come out as 1 - 1e-16: with a threshold of
/// 1 even equal rows may be missed. Either set may have no rows: no pairs. O(m n d) time; memory for both sets twice and
/// the pairs. Throws UsageError when the sets have different numbers of features, on NaN and infinite features (naming
/// row and column) and on thresholds outside (-1, 1].
inline std::vector<NearDuplicate> near_duplicates(const Tensor& a, const Tensor& b, double threshold,
                                                  const PairProgress& progress = {}) {
  constexpr std::string_view where = "near_duplicates";
  const detail::UnitRows first(where, "first set", a), second(where, "second set", b);
  if (a.dim(1) != b.dim(1)) fail_usage(where, "the first set has ", a.dim(1), " features, the second ", b.dim(1));
  return detail::near_pairs(where, first, second, a.dim(0), b.dim(0), a.dim(1), threshold, false, progress);
}

/// The same within one set: pairs i < j.
inline std::vector<NearDuplicate> near_duplicates_within(const Tensor& features, double threshold,
                                                         const PairProgress& progress = {}) {
  constexpr std::string_view where = "near_duplicates";
  const detail::UnitRows rows(where, "features", features);
  return detail::near_pairs(where, rows, rows, features.dim(0), features.dim(0), features.dim(1), threshold, true,
                            progress);
}

}  // namespace stats
TINYVISION_END
