// Limited-memory BFGS with a preconditioner and a strong-Wolfe line search.
//
// Nocedal and Wright, "Numerical Optimization", 2nd ed.: two-loop recursion (Algorithm 7.4), line search
// (Algorithms 3.5 and 3.6) with the cubic of equation 3.59. Near the optimum, where differences of f drown in rounding,
// a step is also accepted by the approximate Wolfe conditions of Hager and Zhang (SIAM J. Optim. 16, 2005,
// eq. 4.1-4.3), which use slopes alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tinyvision/core/thread_pool.hpp"

TINYVISION_BEGIN

enum class StopReason {
  converged,
  iteration_limit,
  evaluation_limit,
  line_search_failed,
  stalled,
  not_finite,
  interrupted
};

constexpr const char* to_string(StopReason reason) {
  switch (reason) {
    case StopReason::converged: return "converged";
    case StopReason::iteration_limit: return "iteration limit";
    case StopReason::evaluation_limit: return "evaluation limit";
    case StopReason::line_search_failed: return "line search failed";
    case StopReason::stalled: return "stalled";
    case StopReason::not_finite: return "not finite";
    default: return "interrupted";
  }
}

/// Vectors as large as a classifier's weights. Sums are taken in f64 over blocks of fixed length, in block order.
namespace vectors {

inline constexpr Index block = 16384;

/// sum of a[i] * b[i], in f64.
template <class T>
double dot(const T* a, const T* b, Index count) {
  const auto part = [&](Index begin, Index end) {
    constexpr Index lanes = 8;
    double sum[lanes] = {};
    Index i = begin;
    for (; i + lanes <= end; i += lanes)
      for (Index j = 0; j < lanes; ++j) sum[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
    for (Index j = 0; i < end; ++i, ++j) sum[j] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
  };
  if (count <= block) return part(0, count);
  std::vector<double> parts(static_cast<std::size_t>((count + block - 1) / block));
  parallel_ranges(count, block,
                  [&](Index begin, Index end) { parts[static_cast<std::size_t>(begin / block)] = part(begin, end); });
  double total = 0;
  for (const double p : parts) total += p;
  return total;
}

/// y = a * x + b * y.
template <class T>
void combine(double a, const T* x, double b, T* y, Index count) {
  const T ta = static_cast<T>(a), tb = static_cast<T>(b);
  parallel_ranges(count, block, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y[i] = ta * x[i] + tb * y[i];
  });
}

}  // namespace vectors

struct LbfgsOptions {
  Index history = 10;  ///< pairs (s, y) kept
  Index max_iterations = 1000;
  Index max_evaluations = 2000;
  double sufficient_decrease = 1e-4;  ///< c1 of the Wolfe conditions
  double curvature = 0.9;             ///< c2
  /// Relative rounding error of the objective: below it the approximate Wolfe conditions decide.
  double objective_noise = 1e-14;
};

struct LbfgsResult {
  double objective = std::numeric_limits<double>::quiet_NaN();
  Index iterations = 0;
  Index evaluations = 0;
  StopReason stop = StopReason::iteration_limit;
};

namespace detail {

/// One point on the line x + step * direction.
struct LinePoint {
  double step = 0, value = 0, slope = 0;
};

/// Minimiser of the cubic through two points' values and slopes (Nocedal and Wright, 3.59), kept off the interval's
/// ends.
inline double cubic_step(const LinePoint& a, const LinePoint& b) {
  const double width = b.step - a.step;
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
  const double root = d1 * d1 - a.slope * b.slope;
  double t = std::numeric_limits<double>::quiet_NaN();
  if (root >= 0) {
    const double d2 = std::copysign(std::sqrt(root), width);
    t = b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  }
  const double low = std::min(a.step, b.step) + 0.1 * std::fabs(width);
  const double high = std::max(a.step, b.step) - 0.1 * std::fabs(width);
  return std::isfinite(t) ? std::clamp(t, low, high) : 0.5 * (a.step + b.step);
}

/// Algorithms 3.5 and 3.6. `probe(step)` evaluates and returns the point; the last probe is the accepted one on
/// success.
template <class Probe>
bool strong_wolfe(const LinePoint& start, double first_step, const LbfgsOptions& options, LinePoint& accepted,
                  const Probe& probe) {
  const double noise = options.objective_noise * std::fabs(start.value);
  const auto accept = [&](const LinePoint& p) {
    if (p.value <= start.value + options.sufficient_decrease * p.step * start.slope &&
        std::fabs(p.slope) <= -options.curvature * start.slope)
      return true;
    return p.value <= start.value + noise && p.slope >= options.curvature * start.slope &&
           p.slope <= (2 * options.sufficient_decrease - 1) * start.slope;
  };
  const auto too_high = [&](const LinePoint& p) {
    return !(p.value <= start.value + options.sufficient_decrease * p.step * start.slope + noise);
  };
  LinePoint previous = start, low, high;
  double step = first_step;
  bool bracketed = false;
  for (int i = 0; i < 12 && !bracketed; ++i) {
    const LinePoint p = probe(step);
    if (accept(p)) return accepted = p, true;
    if (!std::isfinite(p.value) || !std::isfinite(p.slope)) {
      step = 0.5 * (previous.step + step);
    } else if (too_high(p) || (i > 0 && p.value > previous.value + noise)) {
      low = previous, high = p, bracketed = true;
    } else if (p.slope >= 0) {
      low = p, high = previous, bracketed = true;
    } else {
      previous = p;
      step *= 2.5;
    }
  }
  for (int i = 0; i < 20 && bracketed; ++i) {
    const LinePoint p = probe(cubic_step(low, high));
    if (accept(p)) return accepted = p, true;
    if (too_high(p) || p.value > low.value + noise) {
      high = p;
    } else {
      if (p.slope * (high.step - low.step) >= 0) high = low;
      low = p;
    }
  }
  return false;
}

}  // namespace detail

/// Minimises f over `count` variables from `x`, which holds the best point on return.
///   evaluate(x, gradient) -> f as double
///   precondition(v, out)  -> out = M^-1 v, symmetric positive definite: the first matrix of the two-loop recursion,
///   scaled by
///                            s.y / y.M^-1 y of the last pair
///   converged(f, gradient) -> true to stop; asked after every iteration and at the start
///   interrupted()          -> true to stop with what has been reached
/// Vectors are in T, their scalar products in f64; results do not depend on the number of threads if those of the
/// callbacks do not.
template <class T, class Evaluate, class Precondition, class Converged, class Interrupted>
LbfgsResult minimise_lbfgs(T* x, Index count, const LbfgsOptions& options, const Evaluate& evaluate,
                           const Precondition& precondition, const Converged& converged,
                           const Interrupted& interrupted) {
  check(options.history >= 1, "lbfgs", "history must be at least 1, got ", options.history);
  const std::size_t size = static_cast<std::size_t>(count);
  struct Pair {
    std::vector<T> s, y;
    double inverse_sy = 0;
  };
  std::vector<Pair> pairs;  // oldest first
  std::vector<T> gradient(size), direction(size), trial(size), trial_gradient(size), work(size);
  std::vector<double> alpha(static_cast<std::size_t>(options.history));
  LbfgsResult result;
  double scale = 1;
  result.objective = evaluate(x, gradient.data());
  result.evaluations = 1;
  for (;;) {
    if (!std::isfinite(result.objective)) return result.stop = StopReason::not_finite, result;
    if (converged(result.objective, gradient.data())) return result.stop = StopReason::converged, result;
    if (interrupted()) return result.stop = StopReason::interrupted, result;
    if (result.iterations >= options.max_iterations) return result.stop = StopReason::iteration_limit, result;
    if (result.evaluations >= options.max_evaluations) return result.stop = StopReason::evaluation_limit, result;

    work = gradient;
    for (std::size_t i = pairs.size(); i-- > 0;) {
      alpha[i] = pairs[i].inverse_sy * vectors::dot(pairs[i].s.data(), work.data(), count);
      vectors::combine(-alpha[i], pairs[i].y.data(), 1, work.data(), count);
    }
    precondition(work.data(), direction.data());
    if (scale != 1) vectors::combine(0, direction.data(), scale, direction.data(), count);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const double beta = pairs[i].inverse_sy * vectors::dot(pairs[i].y.data(), direction.data(), count);
      vectors::combine(alpha[i] - beta, pairs[i].s.data(), 1, direction.data(), count);
    }
    vectors::combine(0, direction.data(), -1, direction.data(), count);

    detail::LinePoint start{0, result.objective, vectors::dot(gradient.data(), direction.data(), count)};
    bool found = false;
    detail::LinePoint accepted;
    if (start.slope < 0) {
      found = detail::strong_wolfe(start, 1, options, accepted, [&](double step) {
        std::copy(x, x + count, trial.begin());
        vectors::combine(step, direction.data(), 1, trial.data(), count);
        const double value = evaluate(trial.data(), trial_gradient.data());
        ++result.evaluations;
        return detail::LinePoint{step, value, vectors::dot(trial_gradient.data(), direction.data(), count)};
      });
    }
    if (!found) {
      if (pairs.empty()) return result.stop = StopReason::line_search_failed, result;
      pairs.clear();  // once more along the preconditioned gradient
      scale = 1;
      continue;
    }
    Pair pair;
    if (static_cast<Index>(pairs.size()) == options.history) {
      pair = std::move(pairs.front());
      pairs.erase(pairs.begin());
    }
    pair.s = trial, pair.y = trial_gradient;
    vectors::combine(-1, x, 1, pair.s.data(), count);
    vectors::combine(-1, gradient.data(), 1, pair.y.data(), count);
    const double sy = vectors::dot(pair.s.data(), pair.y.data(), count);
    std::copy(trial.begin(), trial.end(), x);
    std::swap(gradient, trial_gradient);
    result.objective = accepted.value;
    ++result.iterations;
    precondition(pair.y.data(), work.data());
    const double yy = vectors::dot(pair.y.data(), work.data(), count);
    if (sy > 0 && yy > 0 && std::isfinite(1 / sy)) {
      pair.inverse_sy = 1 / sy;
      scale = sy / yy;
      pairs.push_back(std::move(pair));
    }
  }
}

TINYVISION_END
