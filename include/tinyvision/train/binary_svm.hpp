// A linear support vector machine of two classes, solved by liblinear (Fan, Chang, Hsieh, Wang and Lin, "LIBLINEAR: A
// library for large linear classification", JMLR 9, 2008), with a bound of its own on how far the solution is from the
// optimum:
//   squared hinge:  P(w) = 1/2 |w|^2 + C sum_i max(0, 1 - y_i w.x_i)^2
//   hinge:          P(w) = 1/2 |w|^2 + C sum_i max(0, 1 - y_i w.x_i)
// where x_i are the features and, behind them, the constant `intercept_scaling`: as in scikit-learn's LinearSVC, whose
// solver is the same library, the intercept is that constant times its weight, and the weight is penalised like the others.
//
// The squared hinge is solved in the primal (L2R_L2LOSS_SVC, a trust-region Newton method). It starts from the solution
// for the last C and converges superlinearly for every C, whereas coordinate descent in the dual, the other choice, is
// linear, slows down as C grows and begins anew for each C. While the bound below misses the tolerance, the library is called
// again from where it stopped, with a smaller tolerance of its own.
//
// The hinge has no gradient, so for it coordinate descent in the dual (L2R_L1LOSS_SVC_DUAL) is all that the library gives, and
// that ends after 1,000 passes over the examples, converged or not. train/hinge_duals.hpp goes on from there.
//
// The bound is computed here, in f64 from the features as given, and does not trust the library:
//   squared hinge: P is strongly convex with modulus 1, so P(w) - min P <= |dP/dw|^2 / 2.
//   hinge: P(w) - D(a) with D(a) = sum_i a_i - 1/2 |sum_i a_i y_i x_i|^2, for the dual variables 0 <= a_i <= C. The library
//   does not tell them. Example i therefore has one more feature, 2^-27, that no other example has; its weight is 2^-27 a_i
//   y_i, from which a_i is read without rounding. The square of 2^-27 is less than half a unit in the last place of the 1 that
//   it is added to, so the problem stays the one above.
//
// Repeatability. The primal solver draws nothing; problems may be solved side by side. The dual solver shuffles with the C
// library's rand(): each of its calls begins with srand(1), and they are made one at a time, so the bits repeat with one C
// library as long as nothing else in the process calls rand() meanwhile. liblinear's primal solver adds vectors by BLAS:
// another BLAS may change last bits, not the bound.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "tinyvision/train/hinge_duals.hpp"

TINYVISION_BEGIN

/// Why a solution is what it is. precision: no smaller tolerance of the library's brought it further; iteration_limit: the
/// hinge's rounds were used up (HingeDuals::most_rounds).
enum class SvmStop { converged, iteration_limit, precision };

constexpr const char* to_string(SvmStop stop) {
  switch (stop) {
    case SvmStop::converged: return "converged";
    case SvmStop::iteration_limit: return "iteration limit";
    default: return "precision";
  }
}

struct SvmSolution {
  std::vector<double> weights;  ///< of the d features, and that of the constant behind them
  double objective = 0;         ///< P, f64
  double certificate = 0;       ///< P - min P is at most this
  double relative_certificate = std::numeric_limits<double>::infinity();  ///< and this times min P
  Index solves = 0;                                                       ///< calls of the library
  Index rounds = 0;  ///< hinge: how often it was improved after the library had stopped
  SvmStop stop = SvmStop::precision;

  bool converged() const { return stop == SvmStop::converged; }
};

namespace detail {

/// Fills objective and certificate of `solution`. `duals` [examples], of the hinge alone.
inline void certify_svm(const SvmRows& rows, const SvmExamples& examples, double c, const std::vector<double>& duals,
                        SvmSolution& solution) {
  const bool hinge = rows.options().loss == SvmLoss::hinge;
  double loss = 0, dual_sum = 0;
  std::vector<double> sum(solution.weights.size());  // sum_i a_i y_i x_i
  for (std::size_t k = 0; k < examples.rows.size(); ++k) {
    const double y = examples.signs[k];
    const double slack = std::max(0.0, 1 - y * rows.product(solution.weights, examples.rows[k]));
    loss += hinge ? slack : slack * slack;
    const double dual = hinge ? std::clamp(duals[k], 0.0, c) : 2 * c * slack;
    dual_sum += dual;
    if (dual != 0) rows.add(dual * y, examples.rows[k], sum);
  }
  solution.objective = 0.5 * detail::squared_norm(solution.weights) + c * loss;
  if (hinge) {
    solution.certificate = std::max(0.0, solution.objective - (dual_sum - 0.5 * detail::squared_norm(sum)));
  } else {
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] -= solution.weights[j];  // now minus the gradient
    solution.certificate = 0.5 * detail::squared_norm(sum);
  }
  const double least = solution.objective - solution.certificate;
  solution.relative_certificate = least > 0 ? solution.certificate / least : std::numeric_limits<double>::infinity();
}

/// One call of the library. `start` (may be null) has the weights to begin with; the result has rows.columns() weights.
inline std::vector<double> call_liblinear(SvmRows& rows, const SvmExamples& examples, double c, double epsilon,
                                          const std::vector<double>* start) {
  std::vector<feature_node*> x;
  for (const Index i : examples.rows) x.push_back(rows.nodes(i));
  std::vector<double> y(examples.signs.begin(), examples.signs.end());
  const problem data{static_cast<int>(x.size()), static_cast<int>(rows.columns()), y.data(), x.data(), -1};
  parameter how{};
  how.solver_type = rows.has_duals() ? L2R_L1LOSS_SVC_DUAL : L2R_L2LOSS_SVC;
  how.eps = epsilon;
  how.C = c;
  std::vector<double> begin;
  if (start != nullptr) begin = *start, how.init_sol = begin.data();
  if (const char* fault = check_parameter(&data, &how)) fail("svm", "liblinear refuses its input: ", fault);
  struct Free {
    void operator()(model* m) const { free_and_destroy_model(&m); }
  };
  const std::unique_ptr<model, Free> fitted(::train(&data, &how));
  check(fitted != nullptr && fitted->nr_class == 2 && fitted->label[0] == 1, "svm", "liblinear gave no model");
  return {fitted->w, fitted->w + rows.columns()};
}

}  // namespace detail

/// Fits one SVM at C = `c` > 0, from `start` when it is not null (of the squared hinge; the dual solver cannot begin
/// anywhere). Throws UsageError when C is not positive or the examples have one sign alone. See the top of the file for what
/// the bound means and when results repeat. Several threads may call it with the same rows.
inline SvmSolution solve_svm(SvmRows& rows, const SvmExamples& examples, double c,
                             const std::vector<double>* start = nullptr) {
  constexpr auto where = "svm";
  if (!(c > 0) || !std::isfinite(c)) fail_usage(where, "C must be positive, got ", c);
  Index positive = 0;
  for (const std::int8_t sign : examples.signs) positive += sign > 0;
  if (positive == 0 || positive == static_cast<Index>(examples.signs.size()))
    fail_usage(where, "all ", examples.signs.size(), " examples are ", positive == 0 ? "negative" : "positive");
  const auto converges = [&](SvmSolution& s, const std::vector<double>& duals) {
    detail::certify_svm(rows, examples, c, duals, s);
    if (!(s.relative_certificate <= rows.options().tolerance)) return false;
    s.stop = SvmStop::converged;
    return true;
  };
  SvmSolution best;
  if (rows.has_duals()) {
    best.solves = 1;
    HingeDuals duals(rows, examples, c, [&] {
      static std::mutex one_at_a_time;  // it draws by rand()
      const std::lock_guard<std::mutex> lock(one_at_a_time);
      std::srand(1);
      return detail::call_liblinear(rows, examples, c, 1e-4, nullptr);
    }());
    for (;; ++best.rounds) {
      best.weights = duals.weights();
      if (converges(best, duals.values())) return best;
      if (best.rounds == HingeDuals::most_rounds) break;
      duals.improve();
    }
    best.stop = SvmStop::iteration_limit;
    return best;
  }
  for (double epsilon = 1e-3; epsilon > 1e-12; epsilon *= 1e-2) {
    SvmSolution now;
    now.weights = detail::call_liblinear(rows, examples, c, epsilon, best.solves > 0 ? &best.weights : start);
    now.solves = best.solves + 1;
    if (converges(now, {})) return now;
    if (best.solves == 0 || now.certificate < best.certificate) best = std::move(now);
    best.solves = std::max(best.solves, now.solves);
  }
  best.stop = SvmStop::precision;
  return best;
}

TINYVISION_END
