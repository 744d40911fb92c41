// The objective of one binary logistic regression in f64 and a certificate of its distance from the optimum.
//
//   F(w, b) = sum_i log(1 + exp(-y_i z_i)) + lambda/2 |w|^2,   z_i = w.x_i + b,   y_i = 1 or -1; rows with y_i = 0 take no part
// Its dual is that of logistic_regression_exact.hpp for two classes: with p_i = 1/(1 + exp(-z_i)), t_i = (y_i + 1)/2 and
// any q_i in [0, 1] whose sum is the number of positives,
//   F(w, b) - min F <= sum_i KL(q_i || p_i) + |X^T (q - t) + lambda w|^2 / (2 lambda).
// q is p at the optimal b for this w, moved onto the number of positives exactly, as there: of the class with too much mass
// every row loses the same share, and the other class gains it. Because sum_i (q_i - t_i) = 0, centring X changes nothing.
//
// The same optimum as a softmax of two classes: its loss depends on w = w_1 - w_0 and b = b_1 - b_0 alone, and of all
// (w_0, w_1) with this difference w_1 = -w_0 = w/2 has the least |w_0|^2 + |w_1|^2 = |w|^2/2. So multinomial regression with
// the penalty lambda'/2 (|w_0|^2 + |w_1|^2) = lambda'/4 |w|^2 has at lambda' = 2 lambda the objective F and the optimum
// w_1 - w_0 = w.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tinyvision/optim/lbfgs.hpp"

TINYVISION_BEGIN
namespace logistic {

/// A point of one problem and what is known about it; the intercept is that of the centred features. Nothing in it depends
/// on lambda, so a point can be judged at any lambda without another look at the features.
struct BinaryPoint {
  std::vector<double> w;  ///< [d]
  double b = 0;           ///< the optimal one for w, once evaluated
  double loss = 0;
  double divergence = 0;         ///< the certificate's first term
  double curvature = 0;          ///< sum of p (1 - p)
  std::vector<double> pull;      ///< gradient of the loss, X^T (q - t) [d]; empty: not evaluated
  std::vector<float> deviation;  ///< p (1 - p) [n]

  double objective(double lambda) const {
    return loss + 0.5 * lambda * vectors::dot(w.data(), w.data(), static_cast<Index>(w.size()));
  }
  /// dF/dw.
  std::vector<double> gradient(double lambda) const {
    std::vector<double> g = pull;
    vectors::combine(lambda, w.data(), 1, g.data(), static_cast<Index>(g.size()));
    return g;
  }
  /// F(w, b) - min F is at most this.
  double certificate(double lambda) const {
    const std::vector<double> g = gradient(lambda);
    return divergence + vectors::dot(g.data(), g.data(), static_cast<Index>(g.size())) / (2 * lambda);
  }
  /// The certificate relative to the lower bound of the optimum; infinite when that is not positive.
  double relative_certificate(double lambda) const {
    const double most = certificate(lambda), bound = objective(lambda) - most;
    return bound > 0 ? most / bound : std::numeric_limits<double>::infinity();
  }
};

/// Who takes part in one problem.
struct BinaryTargets {
  std::vector<std::int8_t> y;  ///< [n] of 1, -1, 0
  double positives = 0, negatives = 0;
};

namespace detail {

/// p = 1/(1 + exp(-z)) and 1 - p, both to full relative precision.
struct Sigmoid {
  double p, rest;

  static Sigmoid of(double z) {
    const double e = std::exp(-std::fabs(z)), more = 1 / (1 + e), less = e * more;
    return z >= 0 ? Sigmoid{more, less} : Sigmoid{less, more};
  }
};

/// log(1 + e^z).
inline double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::fabs(z))); }

/// Sums over the rows of one problem at one b.
struct InterceptSums {
  double excess = 0;     ///< sum of p - t: dF/db
  double size = 0;       ///< sum of |p - t|
  double curvature = 0;  ///< sum of p (1 - p)
};

inline InterceptSums intercept_sums(const double* scores, const BinaryTargets& targets, double b) {
  InterceptSums sums;
  for (std::size_t i = 0; i < targets.y.size(); ++i) {
    if (targets.y[i] == 0) continue;
    const Sigmoid s = Sigmoid::of(scores[i] + b);
    sums.excess += targets.y[i] > 0 ? -s.rest : s.p;
    sums.size += targets.y[i] > 0 ? s.rest : s.p;
    sums.curvature += s.p * s.rest;
  }
  return sums;
}

/// The b at which the excess vanishes: it grows with b from -positives to negatives. Newton's method, kept between the b's
/// that are known to be too low and too high, with steps of at most 16.
inline double optimal_intercept(const double* scores, const BinaryTargets& targets, double b) {
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  for (int iteration = 0; iteration < 200; ++iteration) {
    const InterceptSums sums = intercept_sums(scores, targets, b);
    if (!std::isfinite(sums.excess) || std::fabs(sums.excess) <= 1e-11 * sums.size) break;
    (sums.excess > 0 ? high : low) = b;
    double next = b - std::clamp(sums.excess / sums.curvature, -16.0, 16.0);
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (!std::isfinite(next) || next == b) break;
    b = next;
  }
  return b;
}

}  // namespace detail

/// Fills in a point whose w has the given scores X_c w [n]: the optimal b (from the one it has), the loss, the divergence and
/// the deviations; and residual = q - t [n], `stride` elements apart.
inline void judge_scores(const double* scores, const BinaryTargets& targets, BinaryPoint& point, double* residual,
                         Index stride) {
  point.b = detail::optimal_intercept(scores, targets, point.b);
  const detail::InterceptSums sums = detail::intercept_sums(scores, targets, point.b);
  const bool fewer = sums.excess > 0;  // positives have too much mass
  const double share =
      std::fabs(sums.excess) / ((fewer ? targets.positives : targets.negatives) + std::fabs(sums.excess));
  point.loss = point.divergence = 0;
  point.curvature = sums.curvature;
  point.deviation.resize(targets.y.size());
  for (std::size_t i = 0; i < targets.y.size(); ++i) {
    double& r = residual[static_cast<Index>(i) * stride];
    r = 0;
    point.deviation[i] = 0;
    if (targets.y[i] == 0) continue;
    const double z = scores[i] + point.b;
    const detail::Sigmoid s = detail::Sigmoid::of(z);
    point.loss += detail::softplus(targets.y[i] > 0 ? -z : z);
    point.deviation[i] = static_cast<float>(s.p * s.rest);
    const double from = fewer ? s.p : s.rest, to = fewer ? s.rest : s.p, moved = from * share;
    r = (targets.y[i] > 0 ? -s.rest : s.p) + (fewer ? -moved : moved);
    // (from - m) log(1 - share) <= -m + m share and (to + m) log(1 + m/to) <= m + m^2/to.
    point.divergence += moved * share;
    if (moved <= to)
      point.divergence += moved == 0 ? 0 : moved * moved / to;
    else
      point.divergence += (to + moved) * (std::log(to + moved) + detail::softplus(fewer ? z : -z)) - moved;
  }
}

}  // namespace logistic
TINYVISION_END
