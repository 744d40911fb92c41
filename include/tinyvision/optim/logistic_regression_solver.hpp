// The f32 side of multinomial logistic regression: fused evaluations and Hessian products on rotated features, the
// preconditioner, and the two solvers that use them.
//
// A variable is one vector: U [rank, k], then b [k].
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "tinyvision/optim/lbfgs.hpp"
#include "tinyvision/optim/logistic_regression_exact.hpp"

TINYVISION_BEGIN
namespace logistic {

/// Where a fit starts.
struct Start {
  /// An earlier solution in feature space.
  struct Earlier {
    std::vector<double> w, b;
  };
  std::vector<float> x;
};

/// A Newton step in feature space.
struct Step {
  std::vector<double> w, b;
  Index products = 0;
};

class Solver {
 public:
  /// `device`: where evaluations and Hessian products run.
  explicit Solver(const Problem& problem, [[maybe_unused]] Device device = Device::cpu())
      : problem_(problem),
        plan_(problem.n(), problem.rank(), problem.k()),
        probabilities_(problem.n() * plan_.padded),
        likeliest_(static_cast<std::size_t>(problem.n())),
        weights_(plan_.set, problem.rank(), problem.k()) {
#if TINYVISION_WITH_CUDA
    if (device.kind == Device::Kind::cuda) {
      device_memory(device);
      rows_ = std::make_unique<cuda::LogisticRows>(problem.n(), rank(), k(), problem.rotated(0), problem.pitch(),
                                                   problem.labels());
    }
#endif
  }

  Index rank() const { return problem_.rank(); }
  Index k() const { return problem_.k(); }
  Index size() const { return (rank() + 1) * k(); }

  /// Curvature at W = 0 and b = log of the class frequencies.
  void set_prior_curvature() {
    const std::size_t k = static_cast<std::size_t>(this->k());
    const std::vector<double>& count = problem_.class_counts();
    std::vector<double> c(k * k);
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j)
        c[i * k + j] = (i == j ? count[i] : 0) - count[i] * count[j] / static_cast<double>(problem_.n());
    set_curvature(c);
  }

  /// `covariance` = sum_i diag(p_i) - p_i p_i^T [k, k]; its eigenvectors and eigenvalues make the preconditioner.
  void set_curvature(std::vector<double> covariance) {
    curvature_.resize(static_cast<std::size_t>(k()));
    linalg::symmetric_eigen(k(), covariance.data(), curvature_.data());
    for (double& c : curvature_) c = c > 1e-13 * curvature_[0] ? c : 0;
    mixing64_ = covariance;
    mixing_.assign(covariance.begin(), covariance.end());
  }

  /// out = M^-1 v with M = C/n x S^2 + lambda I for U and C for b (its pseudo-inverse).
  void precondition(double lambda, const float* v, float* out) const {
    const Index r = rank(), k = this->k();
    std::vector<float> mixed(static_cast<std::size_t>(r * k));
    linalg::gemm(false, false, r, k, k, 1.0f, v, k, mixing_.data(), k, 0.0f, mixed.data(), k);
    parallel_ranges(r, std::max<Index>(1, 16384 / k), [&](Index begin, Index end) {
      for (Index j = begin; j < end; ++j) {
        const double s = problem_.spectrum()[static_cast<std::size_t>(j)] / static_cast<double>(problem_.n());
        for (Index c = 0; c < k; ++c)
          mixed[static_cast<std::size_t>(j * k + c)] /=
              static_cast<float>(s * curvature_[static_cast<std::size_t>(c)] + lambda);
      }
    });
    linalg::gemm(false, true, r, k, k, 1.0f, mixed.data(), k, mixing_.data(), k, 0.0f, out, k);
    std::vector<double> b(static_cast<std::size_t>(k), 0.0);
    for (Index c = 0; c < k; ++c) {
      if (curvature_[static_cast<std::size_t>(c)] == 0) continue;
      double sum = 0;
      for (Index j = 0; j < k; ++j)
        sum += static_cast<double>(v[r * k + j]) * mixing64_[static_cast<std::size_t>(j * k + c)];
      sum /= curvature_[static_cast<std::size_t>(c)];
      for (Index j = 0; j < k; ++j)
        b[static_cast<std::size_t>(j)] += sum * mixing64_[static_cast<std::size_t>(j * k + c)];
    }
    for (Index j = 0; j < k; ++j) out[r * k + j] = static_cast<float>(b[static_cast<std::size_t>(j)]);
  }

  /// F and its gradient.
  double evaluate(double lambda, const float* x, float* gradient) {
#if TINYVISION_WITH_CUDA
    if (rows_) return rows_->evaluate(lambda, x, gradient);
#endif
    const auto kernel = simd::row_kernels<float>(plan_.set).softmax_residual;
    const double loss =
        pass(x, -1e30f, gradient, [&](const simd::ScoreRows& layout, Index first, float* scores, double* sums) {
          return kernel(layout, scores, nullptr, problem_.labels().data() + first, sums);
        });
    const Index size = rank() * k();
    vectors::combine(lambda, x, 1, gradient, size);
    return loss + 0.5 * lambda * vectors::dot(x, x, size);
  }

  /// out = H v at the probabilities of `set_probabilities`.
  void hessian_product(double lambda, const float* v, float* out) {
#if TINYVISION_WITH_CUDA
    if (rows_) return rows_->hessian_product(lambda, v, out);
#endif
    const auto kernel = simd::row_kernels<float>(plan_.set).hessian_rows;
    pass(v, 0.0f, out, [&](const simd::ScoreRows& layout, Index first, float* scores, double* sums) {
      kernel(layout, scores, probabilities_.data() + first * plan_.padded, likeliest_.data() + first, sums);
      return 0.0;
    });
    vectors::combine(lambda, v, 1, out, rank() * k());
  }

  void set_probabilities(const ExactObjective& exact) {
    exact.probabilities(plan_.padded, probabilities_.data(), likeliest_.data());
#if TINYVISION_WITH_CUDA
    if (rows_) rows_->set_probabilities(probabilities_.data(), plan_.padded, likeliest_.data());
#endif
  }

  /// The relative bound on F - min F that an f32 gradient suggests.
  double relative_gap(double lambda, double objective, const float* gradient) const {
    double gap = vectors::dot(gradient, gradient, rank() * k()) / (2 * lambda);
    for (Index c = 0; c < k(); ++c) {
      const double g = static_cast<double>(gradient[rank() * k() + c]);
      gap += g * g / (2 * problem_.class_counts()[static_cast<std::size_t>(c)]);
    }
    return gap / std::fabs(objective);
  }

  /// L-BFGS from x until the suggested relative bound is at most `handover`.
  template <class Interrupted>
  LbfgsResult minimise(std::vector<float>& x, double lambda, double handover, LbfgsOptions options,
                       const Interrupted& interrupted) {
    options.objective_noise = 3e-7;
    return minimise_lbfgs(
        x.data(), size(), options, [&](const float* at, float* gradient) { return evaluate(lambda, at, gradient); },
        [&](const float* v, float* out) { precondition(lambda, v, out); },
        [&](double f, const float* gradient) { return relative_gap(lambda, f, gradient) <= handover; }, interrupted);
  }

  /// The last solution, or the line through the last two continued in log lambda, whichever has the lower F.
  Start choose_start(const Point& last, const Start::Earlier& earlier, double earlier_lambda, double lambda,
                     Index& evaluations) {
    Start start{from_features(last.w, last.b)};
    if (!(earlier_lambda > 0) || !(last.lambda > 0) || earlier_lambda == last.lambda) return start;
    const double t = std::log(last.lambda / lambda) / std::log(earlier_lambda / last.lambda);
    if (!(t > 0)) return start;
    Start continued{from_features(earlier.w, earlier.b)};
    vectors::combine(1 + std::min(t, 2.0), start.x.data(), -std::min(t, 2.0), continued.x.data(), size());
    std::vector<float> gradient(static_cast<std::size_t>(size()));
    const double f = evaluate(lambda, start.x.data(), gradient.data());
    const double f_continued = evaluate(lambda, continued.x.data(), gradient.data());
    evaluations += 2;
    return f_continued < f ? continued : start;
  }

  void to_point(const std::vector<float>& x, Point& point) const {
    point.w = problem_.to_features(std::vector<double>(x.begin(), x.end() - static_cast<std::ptrdiff_t>(k())));
    point.b.assign(x.end() - static_cast<std::ptrdiff_t>(k()), x.end());
  }

  /// Solves H p = -gradient by preconditioned conjugate gradients until the bound that p leaves is about `target`.
  template <class Interrupted>
  Step newton_step(const Point& point, double target, Index max_products, const Interrupted& interrupted) {
    const std::size_t n = static_cast<std::size_t>(size());
    const std::vector<double> rotated = problem_.to_axes(point.gradient);
    std::vector<float> residual(n, 0.0f), x(n, 0.0f), z(n), direction(n), product(n);
    for (std::size_t i = 0; i < rotated.size(); ++i) residual[i] = static_cast<float>(-rotated[i]);
    const Index weights = rank() * k();
    const double first = vectors::dot(residual.data(), residual.data(), weights);
    Step step;
    double rz = 0;
    while (step.products < max_products && !interrupted()) {
      precondition(point.lambda, residual.data(), z.data());
      const double next = vectors::dot(residual.data(), z.data(), size());
      vectors::combine(1, z.data(), step.products == 0 ? 0 : next / rz, direction.data(), size());
      rz = next;
      hessian_product(point.lambda, direction.data(), product.data());
      ++step.products;
      const double curvature = vectors::dot(direction.data(), product.data(), size());
      if (!(curvature > 0) || !(rz > 0)) break;
      vectors::combine(rz / curvature, direction.data(), 1, x.data(), size());
      vectors::combine(-rz / curvature, product.data(), 1, residual.data(), size());
      const double now = vectors::dot(residual.data(), residual.data(), weights);
      if (now <= 2 * point.lambda * target || now <= 1e-10 * first) break;
    }
    step.w = problem_.to_features(std::vector<double>(x.begin(), x.end() - static_cast<std::ptrdiff_t>(k())));
    step.b.assign(x.end() - static_cast<std::ptrdiff_t>(k()), x.end());
    return step;
  }

 private:
  std::vector<float> from_features(const std::vector<double>& w, const std::vector<double>& b) const {
    const std::vector<double> u = problem_.to_axes(w);
    std::vector<float> x(u.begin(), u.end());
    x.insert(x.end(), b.begin(), b.end());
    return x;
  }

  /// out = (Z^T R, column sums of R), R = rows(Z U + b); returns the sum of what `rows` returns.
  template <class Rows>
  double pass(const float* x, float padding, float* out, const Rows& rows) {
    const Index r = rank(), k = this->k();
    weights_.pack(x, k, 1, 0, r);
    std::vector<float> shift(static_cast<std::size_t>(plan_.panels * plan_.panel_columns()), padding);
    std::copy(x + r * k, x + size(), shift.begin());
    std::vector<double> totals(static_cast<std::size_t>(plan_.splits), 0.0);
    std::vector<double> sums(static_cast<std::size_t>(plan_.splits * plan_.padded), 0.0);
    std::vector<double> gradient(static_cast<std::size_t>(r * k));
    transposed_product<float>(
        plan_,
        [&](Index first, Index, Index& pitch) {
          pitch = problem_.pitch();
          return problem_.rotated(first);
        },
        [&](Index split, Index first, Index count, const float* z, Index pitch, float* scores) {
          detail::tile_scores(plan_, z, pitch, count, weights_, shift.data(), scores);
          totals[static_cast<std::size_t>(split)] +=
              rows(plan_.tile_layout(count), first, scores, sums.data() + split * plan_.padded);
        },
        gradient.data());
    for (std::size_t i = 0; i < gradient.size(); ++i) out[i] = static_cast<float>(gradient[i]);
    double total = 0;
    for (Index c = 0; c < k; ++c) {
      double sum = 0;
      for (Index s = 0; s < plan_.splits; ++s) sum += sums[static_cast<std::size_t>(s * plan_.padded + c)];
      out[r * k + c] = static_cast<float>(sum);
    }
    for (const double t : totals) total += t;
    return total;
  }

  const Problem& problem_;
  TilePlan<float> plan_;
  Scratch<float> probabilities_;
  std::vector<std::int32_t> likeliest_;
  simd::PackedPanels<float> weights_;
  std::vector<double> curvature_, mixing64_;  ///< eigenvalues and eigenvectors of C
  std::vector<float> mixing_;
#if TINYVISION_WITH_CUDA
  std::unique_ptr<cuda::LogisticRows> rows_;  ///< on a device; null: the CPU evaluates
#endif
};

}  // namespace logistic
TINYVISION_END
