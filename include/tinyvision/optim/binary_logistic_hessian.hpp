// Products with the Hessians of several binary logistic regressions on the same features, in one pass over the rows.
#pragma once

#include <vector>

#include "tinyvision/optim/logistic_regression_features.hpp"

TINYVISION_BEGIN
namespace logistic {

/// X^T D X of some problems at once, D = diag(p (1 - p)), on rotated features with a column of ones: f32, sums over rows
/// added up in f64.
class BinaryHessian {
 public:
  /// `deviations`: p (1 - p) [n] of each problem.
  BinaryHessian(const RotatedFeatures& features, const std::vector<const float*>& deviations)
      : features_(features),
        plan_(features.n(), features.rank(), static_cast<Index>(deviations.size())),
        deviations_(plan_.n * plan_.padded),
        packed_(plan_.set, plan_.d, plan_.k) {
    parallel_ranges(plan_.n, 256, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        float* row = deviations_.data() + i * plan_.padded;
        std::fill_n(row, plan_.padded, 0.0f);
        for (Index c = 0; c < plan_.k; ++c) row[c] = deviations[static_cast<std::size_t>(c)][i];
      }
    });
  }

  /// products[c] = H_c directions[c]; vectors are (u [rank], b).
  void multiply(const std::vector<const float*>& directions, const std::vector<float*>& products) {
    const Index rank = plan_.d, k = plan_.k, columns = plan_.panel_columns();
    std::vector<float> v(static_cast<std::size_t>(rank * k));
    std::vector<float> shift(static_cast<std::size_t>(plan_.panels * columns), 0.0f);
    for (Index c = 0; c < k; ++c) {
      const float* from = directions[static_cast<std::size_t>(c)];
      for (Index j = 0; j < rank; ++j) v[static_cast<std::size_t>(j * k + c)] = from[j];
      shift[static_cast<std::size_t>(c)] = from[rank];
    }
    packed_.pack(v.data(), k, 1, 0, rank);
    std::vector<double> sums(static_cast<std::size_t>(plan_.splits * plan_.padded), 0.0);
    std::vector<double> out(static_cast<std::size_t>(rank * k));
    transposed_product<float>(
        plan_,
        [&](Index first, Index, Index& pitch) {
          pitch = features_.pitch();
          return features_.rotated(first);
        },
        [&](Index split, Index first, Index count, const float* z, Index pitch, float* scores) {
          detail::tile_scores(plan_, z, pitch, count, packed_, shift.data(), scores);
          weigh(first, count, scores, sums.data() + split * plan_.padded);
        },
        out.data());
    for (Index c = 0; c < k; ++c) {
      float* to = products[static_cast<std::size_t>(c)];
      for (Index j = 0; j < rank; ++j) to[j] = static_cast<float>(out[static_cast<std::size_t>(j * k + c)]);
      double sum = 0;
      for (Index s = 0; s < plan_.splits; ++s) sum += sums[static_cast<std::size_t>(s * plan_.padded + c)];
      to[rank] = static_cast<float>(sum);
    }
  }

 private:
  /// scores *= D for one tile of rows in panels, and their column sums.
  void weigh(Index first, Index rows, float* scores, double* sums) const {
    const simd::ScoreRows layout = plan_.tile_layout(rows);
    for (Index s = 0; s < plan_.segments; ++s) {
      for (Index r = 0; r < rows; ++r) {
        float* u = scores + r * layout.row_stride + s / 2 * layout.pair_stride + s % 2 * plan_.width;
        const float* d = deviations_.data() + (first + r) * plan_.padded + s * plan_.width;
        for (Index j = 0; j < plan_.width; ++j) {
          u[j] *= d[j];
          sums[s * plan_.width + j] += static_cast<double>(u[j]);
        }
      }
    }
  }

  const RotatedFeatures& features_;
  TilePlan<float> plan_;
  Scratch<float> deviations_;  ///< [n, padded], zeros behind the problems
  simd::PackedPanels<float> packed_;
};

}  // namespace logistic
TINYVISION_END
