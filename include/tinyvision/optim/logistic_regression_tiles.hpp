// The fused pass of multinomial logistic regression: row tiles of X go through X W, a function of the scores' rows and
// X^T times its result while they are in the second-level cache, so X is read from memory once per evaluation.
#pragma once

#include <cstring>
#include <vector>

#include "tinyvision/linalg/tiled_product.hpp"
#include "tinyvision/optim/logistic_regression_rows.hpp"

TINYVISION_BEGIN
namespace logistic {

/// How n x d rows are cut, and the padded width of k class scores. Depends on the sizes, the type and the instruction
/// set alone.
template <class T>
struct TilePlan {
  TilePlan(Index rows, Index columns, Index classes)
      : set(instruction_set()), n(rows), d(columns), k(classes), width(simd::row_kernels<T>(set).width) {
    segments = (k + width - 1) / width;
    panels = (segments + 1) / 2;
    padded = segments * width;
    constexpr Index unit = 84;  // a multiple of every kernel's tile height
    constexpr Index cache_bytes = 1024 * 1024, most_rows = 12 * unit;
    tile_rows =
        std::clamp(cache_bytes / std::max<Index>(1, d * static_cast<Index>(sizeof(T))) / unit * unit, unit, most_rows);
    const Index tiles = std::max<Index>(1, (n + tile_rows - 1) / tile_rows);
    const Index memory_limit = std::max<Index>(4, 256 * 1024 * 1024 / std::max<Index>(1, gradient_size() * 8));
    const Index wanted = std::clamp<Index>(std::min((tiles + 1) / 2, memory_limit), 1, 32);
    split_rows = (tiles + wanted - 1) / wanted * tile_rows;
    splits = std::max<Index>(1, (n + split_rows - 1) / split_rows);
    flush_rows = std::max(tile_rows, 1024 / tile_rows * tile_rows);
  }

  Index panel_columns() const { return 2 * width; }
  Index gradient_size() const { return panels * panel_columns() * d; }
  simd::ScoreRows tile_layout(Index rows) const {
    return {rows, segments, panel_columns(), tile_rows * panel_columns()};
  }
  simd::ScoreRows plain_layout(Index rows) const { return {rows, segments, padded, panel_columns()}; }

  InstructionSet set;
  Index n, d, k, width;
  Index segments, panels, padded;
  Index tile_rows;   ///< rows per tile
  Index split_rows;  ///< rows per task; each task has partial sums of its own
  Index splits;
  Index flush_rows;  ///< rows summed in T before they are added in f64
};

namespace detail {

enum TileScratch { pixels = 8, scores, partial, rows, residual, columns };

/// scores = X W + shift for one tile of rows, in panels.
template <class T>
void tile_scores(const TilePlan<T>& plan, const T* x, Index pitch, Index rows, const simd::PackedPanels<T>& weights,
                 const T* shift, T* scores) {
  const auto& kernels = simd::microkernels<T>(plan.set);
  Index* pixel = simd::thread_scratch<Index, TileScratch::pixels>(plan.tile_rows);
  for (Index i = 0; i < rows; ++i) pixel[i] = i;
  simd::PanelProduct<T> p;
  p.m = rows;
  p.lda = pitch;
  p.pixel = pixel;
  p.c_pitch = plan.panel_columns();
  const Index block = simd::detail::reduction_block<T>(plan.d);
  for (Index k0 = 0; k0 == 0 || k0 < plan.d; k0 += block) {
    p.k = std::min(block, plan.d - k0);
    p.a = x + k0;
    p.add = k0 > 0;
    const bool last = k0 + block >= plan.d;
    for (Index j = 0; j < plan.panels; ++j) {
      p.n = std::min(plan.panel_columns(), (plan.segments - 2 * j) * plan.width);
      p.b = weights.panel(j) + k0 * plan.panel_columns();
      p.c = scores + j * plan.tile_rows * plan.panel_columns();
      p.shift = last && shift != nullptr ? shift + j * plan.panel_columns() : nullptr;
      kernels.row_major(p);
    }
  }
}

/// gradient [+]= X^T R for one tile of rows; R and the gradient in panels.
template <class T>
void tile_gradient(const TilePlan<T>& plan, const T* x, Index pitch, Index rows, const T* residual, bool add,
                   T* gradient) {
  const auto& kernels = simd::microkernels<T>(plan.set);
  const Index block = 8 * kernels.tile_rows;  // columns of X repacked at a time
  Index* pixel = simd::thread_scratch<Index, TileScratch::pixels>(std::max(plan.tile_rows, block));
  for (Index i = 0; i < block; ++i) pixel[i] = i;
  simd::PanelProduct<T> p;
  p.k = rows;
  p.lda =
      (plan.tile_rows + 1) * kernels.column_pitch;  // one more than needed: tiles then start in different cache sets
  T* packed = simd::thread_scratch<T, TileScratch::columns>(8 * p.lda);
  p.a = packed;
  p.pixel = pixel;
  p.c_pitch = plan.panel_columns();
  p.add = add;
  for (Index first = 0; first < plan.d; first += block) {
    p.m = std::min(block, plan.d - first);
    kernels.pack_column_tiles(x + first, pitch, rows, p.m, packed, p.lda);
    for (Index j = 0; j < plan.panels; ++j) {
      p.n = std::min(plan.panel_columns(), (plan.segments - 2 * j) * plan.width);
      p.b = residual + j * plan.tile_rows * plan.panel_columns();
      p.c = gradient + (j * plan.d + first) * plan.panel_columns();
      kernels.column_major(p);
    }
  }
}

}  // namespace detail

/// Runs over all rows, split by split. For each tile:
///   load(first, rows, pitch)         -> pointer to rows [first, first + rows) of X, `pitch` elements apart
///   fill(split, first, rows, x, pitch, R)  writes R (layout `plan.tile_layout`): for instance scores, then softmax
/// and returns G = X^T R, [d, k] row-major in f64, added up over rows in T for at most `flush_rows`, then in f64.
template <class T, class Load, class Fill>
void transposed_product(const TilePlan<T>& plan, const Load& load, const Fill& fill, double* gradient) {
  const Index size = plan.gradient_size();
  const Scratch<double> partial(plan.splits * size);
  parallel_for(plan.splits, [&](Index split) {
    double* sums = partial.data() + split * size;
    std::memset(sums, 0, static_cast<std::size_t>(size) * sizeof(double));
    T* part = simd::thread_scratch<T, detail::TileScratch::partial>(size);
    T* residual =
        simd::thread_scratch<T, detail::TileScratch::residual>(plan.tile_rows * plan.panels * plan.panel_columns());
    std::memset(part, 0,
                static_cast<std::size_t>(size) * sizeof(T));  // an odd last segment leaves half a panel unwritten
    const Index end = std::min(plan.n, (split + 1) * plan.split_rows);
    Index pending = 0;
    for (Index first = split * plan.split_rows; first < end; first += plan.tile_rows) {
      const Index rows = std::min(plan.tile_rows, end - first);
      Index pitch = 0;
      const T* x = load(first, rows, pitch);
      fill(split, first, rows, x, pitch, residual);
      detail::tile_gradient(plan, x, pitch, rows, residual, pending > 0, part);
      pending += rows;
      if (pending + plan.tile_rows > plan.flush_rows || first + rows == end) {
        for (Index i = 0; i < size; ++i) sums[i] += static_cast<double>(part[i]);
        pending = 0;
      }
    }
  });
  const Index columns = plan.panel_columns();
  parallel_ranges(plan.d, std::max<Index>(1, 16384 / plan.k), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      for (Index c = 0; c < plan.k; ++c) {
        const double* from = partial.data() + (c / columns * plan.d + i) * columns + c % columns;
        double sum = 0;
        for (Index s = 0; s < plan.splits; ++s) sum += from[s * size];
        gradient[i * plan.k + c] = sum;
      }
    }
  });
}

}  // namespace logistic
TINYVISION_END
