// The objective of multinomial logistic regression in f64 and a certificate of its distance from the optimum.
//
//   F(W, b) = sum_i [log sum_c exp(z_ic) - z_i,y(i)] + lambda/2 |W|^2,   z_i = W^T x_i + b
// Its Fenchel dual (Yu, Huang and Lin, "Dual coordinate descent methods for logistic regression and maximum entropy
// models", Machine Learning 85, 2011; here with a free intercept): for distributions q_i over the classes whose sums
// over i equal the class counts,
//   F(W', b') >= D(q) = sum_i entropy(q_i) - |X^T (Q - Y)|^2 / (2 lambda)   for every W', b'.
// With p_i = softmax(z_i), all terms of the gap are positive, so nothing cancels:
//   F(W, b) - D(q) = sum_i KL(q_i || p_i) + |X^T (Q - Y) + lambda W|^2 / (2 lambda).
// q is p at the optimal b for this W, moved onto the class counts exactly: classes with too much mass are scaled down,
// and what a row loses goes to the classes with too little, in proportion to what they lack. Because sum_i (q_i - y_i)
// = 0, centring X changes nothing. The bound is exact up to f64 rounding of these sums (relative 1e-12 or so), which is
// not bounded itself.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "tinyvision/optim/lbfgs.hpp"
#include "tinyvision/optim/logistic_regression_problem.hpp"
#include "tinyvision/optim/logistic_regression_products.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/logistic_regression.hpp"
#endif

TINYVISION_BEGIN
namespace logistic {

/// A point and what is known about it. Intercepts are those of the centred features.
struct Point {
  std::vector<double> w;  ///< [d, k]
  std::vector<double> b;  ///< [k]
  double lambda = 0;
  double loss = 0;
  double objective = 0;
  double certificate = 0;          ///< F(W, b) - min F is at most this
  std::vector<double> gradient;    ///< dF/dW [d, k]
  std::vector<double> covariance;  ///< sum_i diag(p_i) - p_i p_i^T [k, k]

  double gradient_norm() const {
    return std::sqrt(vectors::dot(gradient.data(), gradient.data(), static_cast<Index>(gradient.size())));
  }
  /// The certificate relative to the lower bound of the optimum; infinite when that is not positive.
  double relative_certificate() const {
    const double bound = objective - certificate;
    return bound > 0 ? certificate / bound : std::numeric_limits<double>::infinity();
  }
};

class ExactObjective {
 public:
  /// `device`: where the products with the features run; the rest is the CPU's.
  explicit ExactObjective(const Problem& problem, [[maybe_unused]] Device device = Device::cpu())
      : problem_(problem),
        plan_(problem.n(), problem.d(), problem.k()),
        scores_(problem.n() * plan_.padded),
        residual_(problem.n() * plan_.padded) {
#if TINYVISION_WITH_CUDA
    if (device.kind == Device::Kind::cuda) {
      device_memory(device);
      products_ = std::make_unique<cuda::ExactProducts>(problem.n(), problem.d(), problem.k());
      std::fill_n(scores_.data(), problem.n() * plan_.padded, 0.0);  // the padding is never received
      constexpr Index block = 2048;
      const Scratch<double> rows(std::min(block, problem.n()) * problem.d());
      for (Index first = 0; first < problem.n(); first += block) {
        const Index count = std::min(block, problem.n() - first);
        problem.rows().centred_rows(first, count, rows.data(), problem.d());
        products_->set_rows(first, count, rows.data());
      }
    }
#endif
  }

  /// Moves `point.b` to its optimum for `point.w` and fills in the rest of the point.
  void evaluate(Point& point) {
    multiply(point.w);
    optimise_intercepts(point);
    const double divergence = match_class_counts();
    const Index size = problem_.d() * problem_.k();
    point.gradient.resize(static_cast<std::size_t>(size));
    multiply_transposed(point.gradient.data());
    vectors::combine(point.lambda, point.w.data(), 1, point.gradient.data(), size);
    point.objective = point.loss + 0.5 * point.lambda * vectors::dot(point.w.data(), point.w.data(), size);
    point.certificate =
        divergence + vectors::dot(point.gradient.data(), point.gradient.data(), size) / (2 * point.lambda);
  }

  /// Class probabilities of the last point in f32, rows of `padded` with zeros behind the classes, and the likeliest
  /// class.
  void probabilities(Index padded, float* out, std::int32_t* likeliest) const {
    parallel_ranges(problem_.n(), 256, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const double* r = residual_.data() + i * plan_.padded;
        const Index label = problem_.labels()[static_cast<std::size_t>(i)];
        float* p = out + i * padded;
        Index best = label;
        double most = 1 + r[label];
        for (Index c = 0; c < problem_.k(); ++c) {
          const double value = c == label ? 1 + r[c] : r[c];
          p[c] = static_cast<float>(value);
          if (value > most) most = value, best = c;
        }
        for (Index c = problem_.k(); c < padded; ++c) p[c] = 0;
        likeliest[i] = static_cast<std::int32_t>(best);
      }
    });
  }

 private:
  /// out [d, k] = X_c^T residual.
  void multiply_transposed(double* out) {
#if TINYVISION_WITH_CUDA
    if (products_) return products_->multiply_transposed(residual_.data(), plan_.padded, out);
#endif
    exact_transposed_product(problem_.rows(), plan_, residual_.data(), out);
  }

  /// scores = X_c W.
  void multiply(const std::vector<double>& w) {
#if TINYVISION_WITH_CUDA
    if (products_) return products_->multiply(w.data(), scores_.data(), plan_.padded);
#endif
    exact_scores(problem_.rows(), plan_, w.data(), scores_.data());
  }

  /// residual = softmax(scores + b) - onehot; returns the loss and leaves column sums in `column_sums_`.
  double update_residual(const std::vector<double>& b) {
    constexpr Index block = 128;
    std::vector<double> shift(static_cast<std::size_t>(plan_.padded), -1e30);
    std::copy(b.begin(), b.end(), shift.begin());
    const Index blocks = (plan_.n + block - 1) / block;
    std::vector<double> loss(static_cast<std::size_t>(blocks));
    std::vector<double> sums(static_cast<std::size_t>(blocks * plan_.padded), 0.0);
    parallel_for(blocks, [&](Index t) {
      const Index first = t * block, rows = std::min(block, plan_.n - first);
      double* r = residual_.data() + first * plan_.padded;
      std::copy_n(scores_.data() + first * plan_.padded, rows * plan_.padded, r);
      loss[static_cast<std::size_t>(t)] = simd::row_kernels<double>(plan_.set).softmax_residual(
          plan_.plain_layout(rows), r, shift.data(), problem_.labels().data() + first, sums.data() + t * plan_.padded);
    });
    column_sums_.assign(static_cast<std::size_t>(plan_.k), 0.0);
    double total = 0;
    for (Index t = 0; t < blocks; ++t) {
      total += loss[static_cast<std::size_t>(t)];
      for (Index c = 0; c < plan_.k; ++c)
        column_sums_[static_cast<std::size_t>(c)] += sums[static_cast<std::size_t>(t * plan_.padded + c)];
    }
    shift_ = b;
    return total;
  }

  /// sum_i diag(p_i) - p_i p_i^T from the residual.
  std::vector<double> covariance() {
    const Index k = plan_.k;
    std::vector<double> own(static_cast<std::size_t>(plan_.n)), c(static_cast<std::size_t>(k * k));
    const auto at = [&](Index i) -> double& {
      return residual_[i * plan_.padded + problem_.labels()[static_cast<std::size_t>(i)]];
    };
    for (Index i = 0; i < plan_.n; ++i) own[static_cast<std::size_t>(i)] = at(i), at(i) += 1;
    linalg::gemm(true, false, k, k, plan_.n, -1.0, residual_.data(), plan_.padded, residual_.data(), plan_.padded, 0.0,
                 c.data(), k);
    for (Index i = 0; i < plan_.n; ++i) at(i) = own[static_cast<std::size_t>(i)];
    for (Index j = 0; j < k; ++j) {
      // Rows sum to zero; the diagonal from the others keeps its digits when p is nearly one-hot.
      double others = 0;
      for (Index l = 0; l < k; ++l) others += l == j ? 0 : c[static_cast<std::size_t>(j * k + l)];
      c[static_cast<std::size_t>(j * k + j)] = -others;
    }
    return c;
  }

  /// Newton's method in b alone, damped by halving.
  void optimise_intercepts(Point& point) {
    const Index k = plan_.k;
    point.loss = update_residual(point.b);
    point.covariance = covariance();
    for (int iteration = 0; iteration < 30; ++iteration) {
      // The null direction (equal shifts of all b) gets curvature of its own, which the zero-sum gradient does not
      // feel.
      std::vector<double> matrix = point.covariance, step = column_sums_;
      double trace = 0;
      for (Index j = 0; j < k; ++j) trace += matrix[static_cast<std::size_t>(j * k + j)];
      for (double& m : matrix) m += trace / static_cast<double>(k * k);
      linalg::solve_symmetric(k, matrix.data(), step.data());
      double decrement = 0;
      for (std::size_t j = 0; j < step.size(); ++j) decrement += step[j] * column_sums_[j];
      if (!(decrement > 1e-13 * point.loss)) break;
      const double before = point.loss, allowed = before * (1 + 1e-14);  // rounding must not look like an increase
      double scale = 1;
      std::vector<double> b;
      for (int halvings = 0; halvings < 30; ++halvings, scale *= 0.5) {
        b = point.b;
        for (std::size_t j = 0; j < b.size(); ++j) b[j] -= scale * step[j];
        point.loss = update_residual(b);
        if (point.loss <= allowed) break;
      }
      if (!(point.loss <= allowed)) {
        point.loss = update_residual(point.b);
        break;
      }
      point.b = b;
      if (decrement > 1e-5 * point.loss) point.covariance = covariance();
    }
  }

  /// Turns the residual p - y into q - y; returns (an upper bound of) sum_i KL(q_i || p_i).
  double match_class_counts() {
    const Index k = plan_.k;
    std::vector<double> excess(static_cast<std::size_t>(k), 0.0), lack(static_cast<std::size_t>(k), 0.0);
    double total = 0, lacking = 0;
    for (std::size_t c = 0; c < excess.size(); ++c) {
      const double g = column_sums_[c];
      if (g > 0) excess[c] = g / (problem_.class_counts()[c] + g), total += g;
      if (g < 0) lack[c] = -g, lacking -= g;
    }
    if (!(total > 0 && lacking > 0)) return 0;
    for (double& l : lack) l /= lacking;
    constexpr Index block = 128;
    std::vector<double> parts(static_cast<std::size_t>((plan_.n + block - 1) / block));
    parallel_ranges(plan_.n, block, [&](Index begin, Index end) {
      double sum = 0;
      for (Index i = begin; i < end; ++i) {
        double* r = residual_.data() + i * plan_.padded;
        const Index label = problem_.labels()[static_cast<std::size_t>(i)];
        double moved = 0;
        for (Index c = 0; c < k; ++c) {
          const double e = excess[static_cast<std::size_t>(c)];
          if (e == 0) continue;
          const double p = c == label ? 1 + r[c] : r[c];
          // (p - m) log(1 - e) <= -m + m e for m = p e; the -m cancels against the classes that gain.
          sum += p * e * e;
          r[c] -= p * e;
          moved += p * e;
        }
        double log_sum = 0;
        for (Index c = 0; c < k; ++c) {
          const double m = moved * lack[static_cast<std::size_t>(c)];
          if (m == 0) continue;
          const double p = c == label ? 1 + r[c] : r[c];
          r[c] += m;
          if (m <= p) {
            sum += m * m / p;  // (p + m) log(1 + m / p) <= m + m^2 / p
          } else {
            if (log_sum == 0) log_sum = log_normaliser(i);
            const double log_p = scores_[i * plan_.padded + c] + shift_[static_cast<std::size_t>(c)] - log_sum;
            sum += (p + m) * (std::log(p + m) - log_p) - m;
          }
        }
      }
      parts[static_cast<std::size_t>(begin / block)] = sum;
    });
    double divergence = 0;
    for (const double p : parts) divergence += p;
    return divergence;
  }

  double log_normaliser(Index row) const {
    const double* z = scores_.data() + row * plan_.padded;
    double most = -std::numeric_limits<double>::infinity(), sum = 0;
    for (Index c = 0; c < plan_.k; ++c) most = std::max(most, z[c] + shift_[static_cast<std::size_t>(c)]);
    for (Index c = 0; c < plan_.k; ++c) sum += std::exp(z[c] + shift_[static_cast<std::size_t>(c)] - most);
    return most + std::log(sum);
  }

  const Problem& problem_;
  TilePlan<double> plan_;
  Scratch<double> scores_;    ///< X_c W, rows of `padded`
  Scratch<double> residual_;  ///< P - Y, later Q - Y
  std::vector<double> column_sums_, shift_;
#if TINYVISION_WITH_CUDA
  std::unique_ptr<cuda::ExactProducts> products_;  ///< on a device; null: the CPU multiplies
#endif
};

}  // namespace logistic
TINYVISION_END
