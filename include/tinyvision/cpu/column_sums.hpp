// Sums over the rows of a [rows, channels] array, per channel, in double: the reduction under batch norm and bias.
//
// The array is cut into chunks of rows and blocks of columns by its shape alone; each task adds its part row after row,
// and the parts are combined in chunk order, so the bits do not depend on the number of threads.
#pragma once

#include <array>
#include <vector>

#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {

/// Nothing to prepare for a task.
struct NoPivot {
  TINYVISION_ALWAYS_INLINE double operator()(Index, Index, Index) const { return 0; }
};

/// Columns that folded rows should have. Narrower than for plain passes: four rows are read at a time, and the hardware
/// follows them as one stream only while they are close together.
inline constexpr Index sum_columns = 64;

/// An array that a reduction reads, so that rows can be fetched ahead.
struct RowSource {
  const void* data;
  Index pitch, element_size;

  template <class T>
  static RowSource of(const T* data, Index pitch) {
    return {data, pitch, static_cast<Index>(sizeof(T))};
  }
  /// Asks the cache for `columns` elements of a row.
  TINYVISION_ALWAYS_INLINE void fetch(Index row, Index fold, Index first, Index columns) const {
    const char* begin = static_cast<const char*>(data) + (row * pitch * fold + first) * element_size;
    for (Index offset = 0; offset < columns * element_size; offset += 64) __builtin_prefetch(begin + offset);
  }
};

/// `K` sums per channel, still in parts. Part p covers `count` pixels (rows) that start at `first_pixel`; its sums s
/// are at `sums[s * stride + c]`.
template <Index K>
class ColumnParts {
 public:
  /// Adds `term(row, fold, column, pivot)`, an array of K doubles, over all rows. `column` counts the columns of the
  /// folded row (see RowFold), whose elements are at `row * pitch * fold + column`. `pivot` is the value of
  /// `pivots(row, fold, column)` for the first row of the part. Both are marked TINYVISION_ALWAYS_INLINE.
  /// `sources` are the arrays that `term` reads.
  template <std::size_t N, class Term, class Pivots = NoPivot>
  ColumnParts(Index rows, Index channels, bool packed, const std::array<RowSource, N>& sources, const Term& term,
              const Pivots& pivots = {})
      : rows_(rows), channels_(channels), fold_(RowFold::of(rows, channels, packed, sum_columns).factor) {
    folded_ = rows / fold_;
    wide_ = channels * fold_;
    constexpr Index part_elements = 16384, most_chunks = 64;
    const Index width = std::min(block_columns, wide_);
    const Index chunks = std::clamp<Index>(folded_ * width / part_elements, 1, most_chunks);
    chunk_rows_ = std::max<Index>(1, (folded_ + chunks - 1) / chunks);
    chunks_ = (folded_ + chunk_rows_ - 1) / chunk_rows_;
    sums_.resize(static_cast<std::size_t>(chunks_ * K * wide_));
    tail_.resize(static_cast<std::size_t>(K * channels));
    const Index blocks = (wide_ + block_columns - 1) / block_columns;
    parallel_for(chunks_ * blocks, [&](Index task) {
      const Index chunk = task / blocks, first = task % blocks * block_columns;
      const Index begin = chunk * chunk_rows_, end = std::min(folded_, begin + chunk_rows_);
      run(begin, end, fold_, first, std::min(wide_, first + block_columns), sources, term, pivots,
          sums_.data() + chunk * K * wide_, wide_);
    });
    if (folded_ * fold_ < rows_) {
      for (Index first = 0; first < channels; first += block_columns)
        run(folded_ * fold_, rows_, 1, first, std::min(channels, first + block_columns), sources, term, pivots,
            tail_.data(), channels);
    }
  }

  /// Calls `visit(first_pixel, count, sums, stride)` for each part, in order. The pixels of a part are not consecutive
  /// when rows are folded.
  template <class Visit>
  void visit(const Visit& visit) const {
    for (Index chunk = 0; chunk < chunks_; ++chunk) {
      const Index begin = chunk * chunk_rows_, end = std::min(folded_, begin + chunk_rows_);
      for (Index f = 0; f < fold_; ++f)
        visit(begin * fold_ + f, end - begin, sums_.data() + chunk * K * wide_ + f * channels_, wide_);
    }
    if (folded_ * fold_ < rows_) visit(folded_ * fold_, rows_ - folded_ * fold_, tail_.data(), channels_);
  }

 private:
  static constexpr Index block_columns = 256;

  template <std::size_t N, class Term, class Pivots>
  static void run(Index begin, Index end, Index fold, Index first, Index last, const std::array<RowSource, N>& sources,
                  const Term& term, const Pivots& pivots, double* out, Index stride) {
    vectorized<true>([&]() TINYVISION_ALWAYS_INLINE {
      alignas(64) double totals[K][block_columns];
      alignas(64) double pivot[block_columns];
      const Index columns = last - first;
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < columns; ++c) {
        pivot[c] = pivots(begin, fold, first + c);
        for (Index s = 0; s < K; ++s) totals[s][c] = 0;
      }
      Index row = begin;
      for (; row + 4 <= end; row += 4) {  // four rows for one visit to the totals
        for (Index ahead = row + 4; ahead < std::min(row + 8, end); ++ahead)
          for (const RowSource& source : sources) source.fetch(ahead, fold, first, columns);
        TINYVISION_INDEPENDENT
        for (Index c = 0; c < columns; ++c) {
          const std::array<double, K> a = term(row, fold, first + c, pivot[c]),
                                      b = term(row + 1, fold, first + c, pivot[c]),
                                      d = term(row + 2, fold, first + c, pivot[c]),
                                      e = term(row + 3, fold, first + c, pivot[c]);
          for (std::size_t s = 0; s < K; ++s) totals[s][c] += (a[s] + b[s]) + (d[s] + e[s]);
        }
      }
      for (; row < end; ++row) {
        TINYVISION_INDEPENDENT
        for (Index c = 0; c < columns; ++c) {
          const std::array<double, K> a = term(row, fold, first + c, pivot[c]);
          for (std::size_t s = 0; s < K; ++s) totals[s][c] += a[s];
        }
      }
      for (Index s = 0; s < K; ++s) std::copy(totals[s], totals[s] + columns, out + s * stride + first);
    });
  }

  Index rows_, channels_, fold_, folded_ = 0, wide_ = 0, chunk_rows_ = 1, chunks_ = 0;
  std::vector<double> sums_, tail_;
};

/// out[s * channels + c] = the sum of `term` s over the rows; see ColumnParts.
template <Index K, std::size_t N, class Term>
std::vector<double> column_sums(Index rows, Index channels, bool packed, const std::array<RowSource, N>& sources,
                                const Term& term) {
  std::vector<double> out(static_cast<std::size_t>(K * channels), 0.0);
  if (rows <= 0 || channels <= 0) return out;
  const ColumnParts<K> parts(rows, channels, packed, sources, term);
  parts.visit([&](Index, Index, const double* sums, Index stride) {
    for (Index s = 0; s < K; ++s)
      for (Index c = 0; c < channels; ++c) out[static_cast<std::size_t>(s * channels + c)] += sums[s * stride + c];
  });
  return out;
}

}  // namespace cpu
TINYVISION_END
