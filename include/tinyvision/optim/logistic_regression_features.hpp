// Rows of features for logistic regression, centred and rotated to their principal axes.
//
// With X_c = X - 1 mean^T and X_c^T X_c = V S^2 V^T, the rotated features Z = X_c V have orthogonal columns and W = V U
// gives |W| = |U|, so the problem in U is the same one, and the curvature bounds of every lambda are diagonal in
// feature space. The axes depend on the rows alone: regressions with other labels share them.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/linalg/eigen.hpp"
#include "tinyvision/linalg/gemm.hpp"
#include "tinyvision/optim/logistic_regression_tiles.hpp"

TINYVISION_BEGIN
namespace logistic {

/// Above this many axes, the eigendecomposition costs more than it saves: features are then only centred.
inline constexpr Index most_rotated = 2560;

class RotatedFeatures {
 public:
  /// `features` [n, d] f32 (kept, not copied). Throws UsageError on other shapes or types and on a value that is not
  /// finite (named by row and column).
  explicit RotatedFeatures(const Tensor& features) : features_(features) {
    check_form(features);
    check_values();
    centre();
    if (std::min(n(), d()) <= most_rotated) {
      n() >= d() ? rotate_from_features() : rotate_from_examples();
    } else {
      keep_axes();
    }
  }

  /// Throws UsageError unless `features` are [n, d] f32 with something in them.
  static void check_form(const Tensor& features) {
    constexpr auto where = "logistic_regression";
    if (!features.defined() || features.shape().rank() != 2 || features.dtype() != DType::f32)
      fail_usage(where, "features must be [n, d] f32, got ", features.text());
    if (features.dim(0) < 1 || features.dim(1) < 1) fail_usage(where, "no features: ", features.text());
  }

  Index n() const { return features_.dim(0); }
  Index d() const { return features_.dim(1); }
  const std::vector<double>& mean() const { return mean_; }

  /// Number of rotated features: d, or fewer when rows span fewer directions.
  Index rank() const { return static_cast<Index>(spectrum_.size()); }
  /// Column sums of squares of Z.
  const std::vector<double>& spectrum() const { return spectrum_; }
  const float* rotated(Index row) const { return rotated_.data<float>() + row * pitch_; }
  Index pitch() const { return pitch_; }

  /// U [rank, k] to W = V U [d, k], in f64.
  std::vector<double> to_features(const std::vector<double>& u, Index k) const {
    if (axes_.empty()) return u;
    std::vector<double> w(static_cast<std::size_t>(d() * k));
    linalg::gemm(false, false, d(), k, rank(), 1.0, axes_.data(), rank(), u.data(), k, 0.0, w.data(), k);
    return w;
  }
  /// W [d, k] to U = V^T W [rank, k], in f64.
  std::vector<double> to_axes(const std::vector<double>& w, Index k) const {
    if (axes_.empty()) return w;
    std::vector<double> u(static_cast<std::size_t>(rank() * k));
    linalg::gemm(true, false, rank(), k, d(), 1.0, axes_.data(), rank(), w.data(), k, 0.0, u.data(), k);
    return u;
  }

  /// Rows [first, first + rows) minus the mean in precision T, `pitch` elements apart.
  template <class T>
  void centred_rows(Index first, Index rows, T* out, Index pitch) const {
    for (Index r = 0; r < rows; ++r) {
      const float* x = features_.data<float>() + (first + r) * features_.pitch();
      T* to = out + r * pitch;
      for (Index j = 0; j < d(); ++j)
        to[j] = static_cast<T>(static_cast<double>(x[j]) - mean_[static_cast<std::size_t>(j)]);
    }
  }

 private:
  void check_values() const {
    for (Index i = 0; i < n(); ++i) {
      const float* x = features_.data<float>() + i * features_.pitch();
      for (Index j = 0; j < d(); ++j)
        if (!std::isfinite(x[j])) fail_usage("logistic_regression", "feature ", j, " of row ", i, " is ", x[j]);
    }
  }

  void centre() {
    // Blocks of rows by shape alone, added in order.
    constexpr Index block = 512;
    const Index blocks = (n() + block - 1) / block;
    std::vector<double> parts(static_cast<std::size_t>(blocks * d()), 0.0);
    parallel_for(blocks, [&](Index b) {
      double* sum = parts.data() + b * d();
      for (Index i = b * block; i < std::min(n(), (b + 1) * block); ++i) {
        const float* x = features_.data<float>() + i * features_.pitch();
        for (Index j = 0; j < d(); ++j) sum[j] += static_cast<double>(x[j]);
      }
    });
    mean_.assign(static_cast<std::size_t>(d()), 0.0);
    for (Index b = 0; b < blocks; ++b)
      for (Index j = 0; j < d(); ++j)
        mean_[static_cast<std::size_t>(j)] += parts[static_cast<std::size_t>(b * d() + j)];
    for (double& m : mean_) m /= static_cast<double>(n());
  }

  void allocate(Index rank) {
    pitch_ = simd::detail::gather_pitch<float>(rank);
    rotated_ = Tensor::empty({n(), pitch_});
    spectrum_.assign(static_cast<std::size_t>(rank), 0.0);
  }

  /// Calls `body(first, rows, centred rows)` for blocks of rows, in order.
  template <class T, class Body>
  void for_each_block(const Body& body) const {
    constexpr Index block = 2048;
    const Scratch<T> rows(std::min(block, n()) * d());
    for (Index first = 0; first < n(); first += block) {
      const Index count = std::min(block, n() - first);
      parallel_ranges(count, 64, [&](Index begin, Index end) {
        centred_rows(first + begin, end - begin, rows.data() + begin * d(), d());
      });
      body(first, count, rows.data());
    }
  }

  void measure_spectrum() {
    for (Index i = 0; i < n(); ++i) {
      const float* z = rotated(i);
      for (Index j = 0; j < rank(); ++j)
        spectrum_[static_cast<std::size_t>(j)] += static_cast<double>(z[j]) * static_cast<double>(z[j]);
    }
  }

  /// V from the d x d matrix X_c^T X_c. Any orthonormal V gives the right answer, so f32 will do.
  void rotate_from_features() {
    const std::size_t square = static_cast<std::size_t>(d() * d());
    std::vector<float> gram(square, 0.0f), values(static_cast<std::size_t>(d()));
    for_each_block<float>([&](Index, Index rows, const float* x) {
      linalg::gemm(true, false, d(), d(), rows, 1.0f, x, d(), x, d(), 1.0f, gram.data(), d());
    });
    linalg::symmetric_eigen(d(), gram.data(), values.data());
    axes_.assign(gram.begin(), gram.end());
    allocate(d());
    for_each_block<float>([&](Index first, Index rows, const float* x) {
      linalg::gemm(false, false, rows, d(), d(), 1.0f, x, d(), gram.data(), d(), 0.0f,
                   rotated_.data<float>() + first * pitch_, pitch_);
    });
    measure_spectrum();
  }

  /// V = X_c^T Q S^-1 from the n x n matrix X_c X_c^T = Q S^2 Q^T, for fewer rows than features; Z = Q S. In f64,
  /// because columns of V are orthonormal only to the precision of their eigenvalue.
  void rotate_from_examples() {
    std::vector<double> x(static_cast<std::size_t>(n() * d())), gram(static_cast<std::size_t>(n() * n()));
    std::vector<double> values(static_cast<std::size_t>(n()));
    centred_rows(0, n(), x.data(), d());
    linalg::gemm(false, true, n(), n(), d(), 1.0, x.data(), d(), x.data(), d(), 0.0, gram.data(), n());
    linalg::symmetric_eigen(n(), gram.data(), values.data());
    Index rank = 0;
    while (rank < n() && values[static_cast<std::size_t>(rank)] > 1e-12 * values[0]) ++rank;
    rank = std::max<Index>(rank, 1);
    allocate(rank);
    for (Index j = 0; j < rank; ++j) {
      const double s = std::sqrt(std::max(values[static_cast<std::size_t>(j)], std::numeric_limits<double>::min()));
      for (Index i = 0; i < n(); ++i) {
        double& q = gram[static_cast<std::size_t>(i * n() + j)];
        rotated_.data<float>()[i * pitch_ + j] = static_cast<float>(q * s);
        q /= s;
      }
    }
    axes_.resize(static_cast<std::size_t>(d() * rank));
    linalg::gemm(true, false, d(), rank, n(), 1.0, x.data(), d(), gram.data(), n(), 0.0, axes_.data(), rank);
    measure_spectrum();
  }

  void keep_axes() {
    allocate(d());
    parallel_ranges(n(), 64, [&](Index begin, Index end) {
      centred_rows(begin, end - begin, rotated_.data<float>() + begin * pitch_, pitch_);
    });
    measure_spectrum();
  }

  Tensor features_;
  std::vector<double> mean_, spectrum_;
  std::vector<double> axes_;  ///< V [d, rank]; empty: the identity
  Tensor rotated_;            ///< Z [n, pitch] f32
  Index pitch_ = 0;
};

}  // namespace logistic
TINYVISION_END
