// t-SNE: an embedding of high-dimensional rows in 1, 2 or 3 dimensions that keeps neighbours together.
//
// It minimises C = KL(P || Q) = sum over i != j of p_ij log(p_ij / q_ij) over the points y, with
//   q_ij = k_ij / Z,   k_ij = 1 / (1 + |y_i - y_j|^2),   Z = sum over k != l of k_kl,
//   dC/dy_i = 4 sum over j of (p_ij - q_ij) k_ij (y_i - y_j)
//           = 4 (sum over j of p_ij k_ij (y_i - y_j)  -  1/Z sum over j of k_ij^2 (y_i - y_j)).
// L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", JMLR 9 (2008), equations 4, 5 and appendix A; the second
// sum and Z through a Barnes-Hut tree: L. van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15
// (2014). One degree of freedom in any number of dimensions (scikit-learn has two in three).
//
// The optimiser is the papers' gradient descent with momentum and gains, with the settings that scikit-learn 1.9 has for
// the same words: P times 12 and momentum 0.5 for 250 iterations, then momentum 0.8; step size max(n / 12 / 4, 50); gains
// + 0.2 or * 0.8, at least 0.01; start from two principal components, scaled to a standard deviation of 1e-4 (D. Kobak,
// P. Berens, "The art of using t-SNE for single-cell transcriptomics", Nature Communications 10, 2019).
//
// Everything is f64, every sum has an order of its own, and work is cut by n alone: the same seed gives the same bits with
// any number of threads. Between instruction sets the start differs in its last bits, and chaos does the rest.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "tinyvision/stats/principal_components.hpp"
#include "tinyvision/stats/tsne_affinities.hpp"
#include "tinyvision/stats/tsne_tree.hpp"

TINYVISION_BEGIN
namespace stats {

enum class TsneStart { principal_components, random };

struct TsneOptions {
  Index components = 2;
  double perplexity = 30;
  double theta = 0.5;  ///< Barnes-Hut's accuracy; 0: exact sums and exact P, O(n^2) an iteration
  Index iterations = 1000;
  Index exaggeration_iterations = 250;  ///< the first of them
  double exaggeration = 12;
  double learning_rate = 0;  ///< 0: max(n / exaggeration / 4, 50)
  TsneStart start = TsneStart::principal_components;
  std::uint64_t seed = 0;
  /// Every 50 iterations a phase ends early when its gradient (times gains) is at most this long, ...
  double smallest_gradient = 1e-7;
  /// ... or when C has not fallen for more than this many iterations.
  Index patience = 300;
  /// Called every 50 iterations with the iteration and C. May throw.
  std::function<void(Index, double)> progress{};
};

struct Tsne {
  Tensor embedding{};        ///< [n, components] f64, mean not subtracted
  double kl_divergence = 0;  ///< C of the P that was used, Q by the tree unless theta = 0
  Index iterations = 0;
  Index unreached_perplexity = 0;  ///< rows with too many equal distances for the perplexity
};

namespace detail {

/// C and its gradient for one P, in D dimensions.
template <int D>
class TsneObjective {
 public:
  TsneObjective(const TsneAffinities& p, double theta) : p_(p), theta_(theta) {
    const auto n = static_cast<std::size_t>(p.n);
    attraction_.resize(n * D), repulsion_.resize(n * D), partial_.resize(n), logarithms_.resize(n);
    for (const double v : p.value) {
      total_ += v;
      if (v > 0) entropy_ -= v * std::log(v);
    }
  }

  /// Writes dC/dy of y [n, D] with P times `exaggeration` to `gradient`; returns C (of P itself) when asked, else NaN.
  double operator()(const double* y, double exaggeration, double* gradient, bool with_value) {
    const Index n = p_.n;
    const double z = repel(y);
    parallel_ranges(n, grain, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) attract(y, i, with_value);
    });
    for (std::size_t e = 0; e < attraction_.size(); ++e)
      gradient[e] = 4 * (exaggeration * attraction_[e] - repulsion_[e] / z);
    if (!with_value) return std::numeric_limits<double>::quiet_NaN();
    // sum p (log p - log k + log Z), -log k = log(1 + |y_i - y_j|^2)
    double sum = 0;
    for (const double l : logarithms_) sum += l;
    return sum - entropy_ + total_ * std::log(z);
  }

 private:
  static constexpr Index grain = 64;

  /// Fills repulsion_ with sum over j of k^2 (y_i - y_j); returns Z.
  double repel(const double* y) {
    const Index n = p_.n;
    if (theta_ > 0) tree_.build(y, n);
    std::fill(repulsion_.begin(), repulsion_.end(), 0.0);
    parallel_ranges(n, grain, [&](Index begin, Index end) {
      for (Index place = begin; place < end; ++place) {
        const Index i = theta_ > 0 ? tree_.point(place) : place;
        double* force = repulsion_.data() + i * D;
        partial_[static_cast<std::size_t>(i)] =
            theta_ > 0 ? tree_.repulsion(place, theta_, force) : repel_exactly(y, i, force);
      }
    });
    double z = 0;
    for (const double part : partial_) z += part;
    return z;
  }

  double repel_exactly(const double* y, Index i, double* force) const {
    double sum = 0;
    for (Index j = 0; j < p_.n; ++j) {
      if (j == i) continue;
      double apart[D];
      const double k = 1 / (1 + square(y, i, j, apart));
      sum += k;
      for (int a = 0; a < D; ++a) force[a] += k * k * apart[a];
    }
    return sum;
  }

  void attract(const double* y, Index i, bool with_value) {
    double force[D] = {}, logarithms = 0;
    const auto end = static_cast<std::size_t>(p_.row_begin[static_cast<std::size_t>(i) + 1]);
    for (auto e = static_cast<std::size_t>(p_.row_begin[static_cast<std::size_t>(i)]); e < end; ++e) {
      double apart[D];
      const double s = square(y, i, p_.column[e], apart), weight = p_.value[e] / (1 + s);
      for (int a = 0; a < D; ++a) force[a] += weight * apart[a];
      if (with_value) logarithms += p_.value[e] * std::log1p(s);
    }
    for (int a = 0; a < D; ++a) attraction_[static_cast<std::size_t>(i * D + a)] = force[a];
    logarithms_[static_cast<std::size_t>(i)] = logarithms;
  }

  static double square(const double* y, Index i, Index j, double* apart) {
    double sum = 0;
    for (int a = 0; a < D; ++a) {
      apart[a] = y[i * D + a] - y[j * D + a];
      sum += apart[a] * apart[a];
    }
    return sum;
  }

  const TsneAffinities& p_;
  double theta_;
  double total_ = 0, entropy_ = 0;
  SpaceTree<D> tree_;
  std::vector<double> attraction_, repulsion_, partial_, logarithms_;
};

inline void check_options(std::string_view where, const TsneOptions& o) {
  if (o.components < 1 || o.components > 3) fail_usage(where, "components must be 1, 2 or 3, got ", o.components);
  if (!(o.theta >= 0 && o.theta <= 1)) fail_usage(where, "theta must be in [0, 1], got ", o.theta);
  if (o.iterations < 1 || o.exaggeration_iterations < 0 || o.patience < 1)
    fail_usage(where, "needs iterations >= 1, exaggeration_iterations >= 0, patience >= 1, got ", o.iterations, ", ",
               o.exaggeration_iterations, ", ", o.patience);
  if (!(o.exaggeration >= 1 && std::isfinite(o.exaggeration)))
    fail_usage(where, "the exaggeration must be at least 1, got ", o.exaggeration);
  if (!(o.learning_rate >= 0 && std::isfinite(o.learning_rate)))
    fail_usage(where, "the learning rate must be positive, or 0 for the rule, got ", o.learning_rate);
}

/// Descends from `y` [n, D] in place.
template <int D>
void descend(TsneObjective<D>& objective, const TsneOptions& o, Index n, double* y, Tsne& result) {
  const auto count = static_cast<std::size_t>(n * D);
  const double rate =
      o.learning_rate > 0 ? o.learning_rate : std::max(static_cast<double>(n) / o.exaggeration / 4, 50.0);
  std::vector<double> gradient(count), update, gain;
  double best = 0;
  Index best_iteration = 0;
  for (Index iteration = 0; iteration < o.iterations; ++iteration) {
    const bool exaggerated = iteration < o.exaggeration_iterations;
    if (iteration == 0 || iteration == o.exaggeration_iterations) {  // a phase begins
      update.assign(count, 0);
      gain.assign(count, 1);
      best = std::numeric_limits<double>::infinity();
      best_iteration = iteration;
    }
    const bool look = (iteration + 1) % 50 == 0 || iteration + 1 == o.iterations;
    const double value = objective(y, exaggerated ? o.exaggeration : 1, gradient.data(), look);
    double squares = 0;
    const double momentum = exaggerated ? 0.5 : 0.8;
    for (std::size_t e = 0; e < count; ++e) {
      gain[e] = std::max(update[e] * gradient[e] < 0 ? gain[e] + 0.2 : gain[e] * 0.8, 0.01);
      const double step = gain[e] * gradient[e];
      squares += step * step;
      update[e] = momentum * update[e] - rate * step;
      y[e] += update[e];
    }
    result.iterations = iteration + 1;
    if (!look) continue;
    if (!std::isfinite(squares))
      fail("tsne", "diverged at iteration ", iteration + 1, ": the learning rate ", rate, " is too large");
    if (o.progress) o.progress(iteration + 1, value);
    if (value < best) best = value, best_iteration = iteration;
    const bool stuck = iteration - best_iteration > o.patience || std::sqrt(squares) <= o.smallest_gradient;
    if (!stuck) continue;
    if (!exaggerated) break;
    iteration = std::min(o.exaggeration_iterations, o.iterations) - 1;  // on to the second phase
  }
  result.kl_divergence = objective(y, 1, gradient.data(), true);
}

template <int D>
Tsne run_tsne(const TsneAffinities& p, Tensor start, const TsneOptions& options) {
  Tsne result;
  result.unreached_perplexity = p.unreached;
  result.embedding = std::move(start);
  TsneObjective<D> objective(p, options.theta);
  descend<D>(objective, options, p.n, result.embedding.data<double>(), result);
  return result;
}

}  // namespace detail

/// Where t-SNE of x [n, d] starts, [n, components] f64: principal components divided by the first one's standard deviation
/// and times 1e-4 (components above min(n, d) are 0), or seeded normal deviates times 1e-4; also these when all rows of x are equal.
inline Tensor tsne_start(const Tensor& x, const TsneOptions& options) {
  const Index n = x.dim(0), c = options.components;
  Tensor start = Tensor::zeros({n, c}, DType::f64);
  double* y = start.data<double>();
  if (options.start == TsneStart::principal_components) {
    const Index k = std::min(c, std::min(n, x.dim(1)));
    const PrincipalComponents pca = principal_components(x, k, options.seed);
    const double* scores = pca.scores.data<double>();
    const double deviation = std::sqrt(pca.variances[0]);
    if (deviation > 0) {
      for (Index i = 0; i < n; ++i)
        for (Index a = 0; a < k; ++a) y[i * c + a] = scores[i * k + a] / deviation * 1e-4;
      return start;
    }
  }
  const Random random(options.seed, Stream::embedding, 0);
  for (Index e = 0; e < n * c; ++e) y[e] = 1e-4 * random.normal(static_cast<std::uint64_t>(e));
  return start;
}

/// C = KL(P || Q) of an embedding [n, 1, 2 or 3] f64, Q exact; O(n^2).
inline double tsne_divergence(const TsneAffinities& p, const Tensor& embedding) {
  check(embedding.defined() && embedding.shape().rank() == 2 && embedding.dtype() == DType::f64 &&
            embedding.dim(0) == p.n && embedding.dim(1) >= 1 && embedding.dim(1) <= 3,
        "tsne_divergence", p.n, " rows of P but an embedding ", embedding.text());
  const Tensor y = embedding.packed();
  std::vector<double> gradient(static_cast<std::size_t>(y.count()));
  const auto value = [&]<int D>(std::integral_constant<int, D>) {
    return detail::TsneObjective<D>(p, 0)(y.data<double>(), 1, gradient.data(), true);
  };
  if (y.dim(1) == 1) return value(std::integral_constant<int, 1>{});
  return y.dim(1) == 2 ? value(std::integral_constant<int, 2>{}) : value(std::integral_constant<int, 3>{});
}

/// t-SNE of x [n, d] (f32 or f64). Rows that are equal are drawn to one point; equal distances are harmless. With theta =
/// 0 time and memory are O(n^2); otherwise an iteration is O(n log n), and the neighbours, found once, O(n^2 d).
/// Throws UsageError on NaN and infinities (naming row and column), n < 3, a perplexity outside [1, n - 1) and options
/// outside their ranges; Error when the descent diverges.
inline Tsne tsne(const Tensor& x, const TsneOptions& options = {}) {
  constexpr std::string_view where = "tsne";
  detail::check_options(where, options);
  const auto neighbors = static_cast<Index>(std::min(3 * options.perplexity + 1, 1e9));
  const TsneAffinities p = tsne_affinities(x, options.perplexity, options.theta > 0 ? neighbors : 0);
  Tensor start = tsne_start(x, options);
  if (options.components == 1) return detail::run_tsne<1>(p, std::move(start), options);
  if (options.components == 2) return detail::run_tsne<2>(p, std::move(start), options);
  return detail::run_tsne<3>(p, std::move(start), options);
}

}  // namespace stats
TINYVISION_END
