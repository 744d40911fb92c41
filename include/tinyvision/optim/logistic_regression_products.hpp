// Products with centred features in f64 on the CPU: scores X_c W, and X_c^T R. Features are converted tile by tile.
//
// Rows of scores and of R are `plan.padded` long. Which tile a row lies in depends on the shape alone, and so do the sums.
#pragma once

#include "tinyvision/optim/logistic_regression_features.hpp"

TINYVISION_BEGIN
namespace logistic {

namespace detail {

/// Rows of one tile in f64, in scratch of the calling thread, `pitch` apart.
inline const double* exact_tile(const RotatedFeatures& features, const TilePlan<double>& plan, Index first, Index rows,
                                Index& pitch) {
  pitch = simd::detail::gather_pitch<double>(features.d());
  double* x = simd::thread_scratch<double, TileScratch::rows>(plan.tile_rows * pitch);
  features.centred_rows(first, rows, x, pitch);
  return x;
}

}  // namespace detail

/// scores [n, padded] = X_c W, W [d, k] row-major; `plan` is that of n x d features and k columns.
inline void exact_scores(const RotatedFeatures& features, const TilePlan<double>& plan, const double* w,
                         double* scores) {
  simd::PackedPanels<double> weights(plan.set, plan.d, plan.k);
  weights.pack(w, plan.k, 1, 0, plan.d);
  parallel_ranges(plan.n, plan.tile_rows, [&](Index begin, Index end) {
    Index pitch = 0;
    const double* x = detail::exact_tile(features, plan, begin, end - begin, pitch);
    double* tile =
        simd::thread_scratch<double, detail::TileScratch::scores>(plan.tile_rows * plan.panels * plan.panel_columns());
    detail::tile_scores<double>(plan, x, pitch, end - begin, weights, nullptr, tile);
    const simd::ScoreRows layout = plan.tile_layout(end - begin);
    for (Index r = 0; r < end - begin; ++r)
      for (Index s = 0; s < plan.segments; ++s)
        std::copy_n(tile + r * layout.row_stride + s / 2 * layout.pair_stride + s % 2 * plan.width, plan.width,
                    scores + (begin + r) * plan.padded + s * plan.width);
  });
}

/// out [d, k] = X_c^T R, R [n, padded].
inline void exact_transposed_product(const RotatedFeatures& features, const TilePlan<double>& plan,
                                     const double* residual, double* out) {
  const auto pack = simd::microkernels<double>(plan.set).pack_panel;
  transposed_product<double>(
      plan,
      [&](Index first, Index rows, Index& pitch) { return detail::exact_tile(features, plan, first, rows, pitch); },
      [&](Index, Index first, Index rows, const double*, Index, double* panels) {
        for (Index j = 0; j < plan.panels; ++j)
          pack(residual + first * plan.padded + j * plan.panel_columns(), plan.padded, 1, rows,
               std::min(plan.panel_columns(), plan.padded - j * plan.panel_columns()), 1.0,
               panels + j * plan.tile_rows * plan.panel_columns());
      },
      out);
}

}  // namespace logistic
TINYVISION_END
