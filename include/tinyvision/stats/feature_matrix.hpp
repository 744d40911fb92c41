// Features of examples as a checked matrix, and products of all pairs of rows, a block at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/linalg/gemm.hpp"

TINYVISION_BEGIN
namespace stats {
namespace detail {

/// `features` [n, d] (f32 or f64) as f32 or f64 in one piece. Throws UsageError on another shape or type and on values
/// that are not finite, naming row and column.
template <class T>
std::vector<T> feature_rows(std::string_view where, std::string_view name, const Tensor& features) {
  if (!features.defined() || features.shape().rank() != 2 || features.dim(1) < 1)
    fail_usage(where, name, " must be [examples, features], got ", features.text());
  if (features.dtype() != DType::f32 && features.dtype() != DType::f64)
    fail_usage(where, name, " must be f32 or f64, got ", features.text());
  std::vector<T> rows = features.to_vector<T>();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!std::isfinite(rows[i]))
      fail_usage(where, name, ": row ", static_cast<Index>(i) / features.dim(1), ", column ",
                 static_cast<Index>(i) % features.dim(1), " is ", rows[i]);
  return rows;
}

/// Sum of body(k) for k in [0, count) in f64, in eight interleaved parts that are added pairwise: quick, and the same
/// bits with every instruction set.
template <class Body>
double interleaved_sum(Index count, Body&& body) {
  double part[8] = {};
  Index k = 0;
  for (; k + 8 <= count; k += 8)
    for (Index j = 0; j < 8; ++j) part[j] += body(k + j);
  for (Index j = 0; k < count; ++k, ++j) part[j] += body(k);
  return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

template <class T>
double dot(const T* a, const T* b, Index d) {
  return interleaved_sum(d, [&](Index k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); });
}

template <class T>
double squared_distance(const T* a, const T* b, Index d) {
  return interleaved_sum(d, [&](Index k) {
    const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
    return difference * difference;
  });
}

/// Calls body(i, j0, columns, products) for each row i of `a` [m, d] and each block of rows [j0, j0 + columns) of `b`
/// [n, d], in parallel over i, where products[j] = a_i . b_(j0 + j) in T. Blocks have `columns` rows of b, and so many
/// of a that the products fill about 32 MB. Block by block of b, the rows of a in rising order. After each block `progress`
/// is told from the calling thread how many of the m n pairs are done.
template <class T, class Body>
void for_each_product_row(const T* a, Index m, const T* b, Index n, Index d, Index columns, Body&& body,
                          const std::function<void(Index, Index)>& progress = {}) {
  columns = std::clamp<Index>(columns, 1, std::max<Index>(1, n));
  const Index rows = std::clamp<Index>((Index{32} << 20) / (columns * static_cast<Index>(sizeof(T))), 16, 4096);
  std::vector<T> products(static_cast<std::size_t>(std::min(rows, m) * columns));
  for (Index j0 = 0; j0 < n; j0 += columns) {
    const Index width = std::min(columns, n - j0);
    for (Index i0 = 0; i0 < m; i0 += rows) {
      const Index height = std::min(rows, m - i0);
      linalg::gemm(false, true, height, width, d, T(1), a + i0 * d, d, b + j0 * d, d, T(0), products.data(), columns);
      parallel_ranges(height, 8, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) body(i0 + i, j0, width, products.data() + i * columns);
      });
      if (progress) progress(j0 * m + (i0 + height) * width, m * n);
    }
  }
}

}  // namespace detail
}  // namespace stats
TINYVISION_END
