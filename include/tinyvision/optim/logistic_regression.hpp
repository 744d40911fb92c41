// Multinomial logistic regression with an L2 penalty, along a path of penalties:
//   minimise F(W, b) = sum_i -log softmax(W^T x_i + b)[y_i] + lambda/2 |W|^2
// (sum over examples, not mean; b is not penalised; C = 1/lambda elsewhere). W is unique; b is unique up to a constant,
// fixed by mean(b) = 0 over the classes that have examples. A class without examples gets W = 0 and b = -1e30, the
// limit of its optimum.
//
// Each fit starts from the previous one (extrapolated in log lambda) and has two phases:
//   1. L-BFGS on rotated features in f32 (sums over examples in f64), started from the matrix
//      (C/n x S^2 + lambda I)^-1, where C = sum_i diag(p_i) - p_i p_i^T is that of the last fit. It has the form of
//      Boehning's bound (Ann. Inst. Statist. Math. 44, 1992), whose C/n is (I - 1 1^T/k)/2, but follows the curvature
//      as it fades. One eigendecomposition of the features serves every lambda.
//   2. The objective and a duality-gap certificate in f64 on the features as given (logistic_regression_exact.hpp).
//   While it
//      misses the tolerance: Newton steps, solved by conjugate gradients with the same preconditioner and f32 Hessian
//      products.
// A fit that ends without reaching the tolerance says so (`converged`, `stop`). Results depend on the data, the options
// the device and the instruction set, not on the number of threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/optim/log_spaced.hpp"
#include "tinyvision/optim/logistic_regression_exact.hpp"
#include "tinyvision/optim/logistic_regression_solver.hpp"

TINYVISION_BEGIN

struct LogisticRegressionOptions {
  /// Wanted bound on (F - min F) / min F.
  double tolerance = 1e-6;
  Index history = 10;           ///< L-BFGS pairs
  Index max_iterations = 300;   ///< of L-BFGS, per fit
  Index max_newton_steps = 30;  ///< per fit
  Index max_products = 300;     ///< Hessian products per Newton step
  /// L-BFGS hands over to the f64 phase at this relative bound.
  double handover = 1e-3;
  Device device;  ///< where the passes over all examples run
  /// Asked between evaluations; true ends the fit where it is.
  std::function<bool()> should_stop;
};

/// What is known about one fit.
struct LogisticRegressionFit {
  double lambda = 0;
  double c = 0;              ///< 1 / lambda
  double objective = 0;      ///< F, f64
  double loss = 0;           ///< its first term
  double gradient_norm = 0;  ///< |dF/dW|, f64; dF/db is zero to rounding
  Index iterations = 0;      ///< L-BFGS iterations + Newton steps
  Index newton_steps = 0;
  Index evaluations = 0;            ///< of objective and gradient in f32
  Index exact_evaluations = 0;      ///< in f64
  Index hessian_products = 0;       ///< in f32; one costs about as much as an evaluation
  double certificate = 0;           ///< F - min F is at most this
  double relative_certificate = 0;  ///< and this times min F
  bool converged = false;           ///< relative_certificate <= tolerance
  StopReason stop = StopReason::converged;
};

/// The paper's penalties, largest first: the order in which warm starts are close.
inline std::vector<double> paper_lambdas() { return log_spaced(5, -6, 45); }

class LogisticRegression {
 public:
  static constexpr double absent_intercept = -1e30;

  /// `features` [n, d] f32 (kept, not copied), labels in [0, classes). Throws UsageError as logistic::Problem says.
  LogisticRegression(const Tensor& features, std::span<const Index> labels, Index classes,
                     LogisticRegressionOptions options = {})
      : options_(std::move(options)), problem_(std::make_unique<logistic::Problem>(features, labels, classes)) {
    if (!(options_.tolerance > 0))
      fail_usage("logistic_regression", "tolerance must be positive, got ", options_.tolerance);
    solver_ = std::make_unique<logistic::Solver>(*problem_, options_.device);
    exact_ = std::make_unique<logistic::ExactObjective>(*problem_, options_.device);
    point_.w.assign(static_cast<std::size_t>(problem_->d() * problem_->k()), 0.0);
    point_.b.resize(static_cast<std::size_t>(problem_->k()));
    for (std::size_t c = 0; c < point_.b.size(); ++c)
      point_.b[c] = std::log(problem_->class_counts()[c] / static_cast<double>(problem_->n()));
    solver_->set_prior_curvature();
  }

  const logistic::Problem& problem() const { return *problem_; }
  /// Classes without examples.
  Index absent_classes() const { return problem_->classes() - problem_->k(); }

  /// Starts the next fit from W [d, classes] and b [classes] (of the features as given).
  void set_start(const Tensor& weights, const Tensor& intercept) {
    const Index d = problem_->d(), k = problem_->k();
    check(weights.shape() == Shape({d, problem_->classes()}) && intercept.shape() == Shape({problem_->classes()}),
          "logistic_regression", "start of shape ", weights.shape(), " and ", intercept.shape(), " for ", d,
          " features and ", problem_->classes(), " classes");
    const std::vector<double> w = weights.to_vector<double>(), b = intercept.to_vector<double>();
    for (Index c = 0; c < k; ++c) {
      const Index from = problem_->present()[static_cast<std::size_t>(c)];
      double shift = b[static_cast<std::size_t>(from)];
      shift = shift <= absent_intercept ? 0 : shift;
      for (Index j = 0; j < d; ++j) {
        const double value = w[static_cast<std::size_t>(j * problem_->classes() + from)];
        point_.w[static_cast<std::size_t>(j * k + c)] = value;
        shift += value * problem_->mean()[static_cast<std::size_t>(j)];
      }
      point_.b[static_cast<std::size_t>(c)] = shift;
    }
    previous_lambda_ = 0;
  }

  /// Fits at `lambda`, starting from the last fit. Throws UsageError unless lambda is positive and finite.
  LogisticRegressionFit fit(double lambda) {
    if (!(lambda > 0) || !std::isfinite(lambda))
      fail_usage("logistic_regression", "lambda must be positive, got ", lambda);
    LogisticRegressionFit fit;
    fit.lambda = lambda;
    fit.c = 1 / lambda;
    const logistic::Start start = solver_->choose_start(point_, previous_, previous_lambda_, lambda, fit.evaluations);
    if (point_.lambda > 0) previous_ = {point_.w, point_.b}, previous_lambda_ = point_.lambda;
    point_.lambda = lambda;
    descend(start, fit);
    refine(fit);
    fit.objective = point_.objective;
    fit.loss = point_.loss;
    fit.gradient_norm = point_.gradient_norm();
    fit.certificate = point_.certificate;
    fit.relative_certificate = point_.relative_certificate();
    fit.converged = fit.relative_certificate <= options_.tolerance;
    if (fit.converged) fit.stop = StopReason::converged;
    return fit;
  }

  /// Fits at each of `lambdas` in the order given and calls `report(fit)` after each, when `weights()` and
  /// `intercept()` are that fit's. Stops early when a fit was interrupted.
  template <class Report>
  std::vector<LogisticRegressionFit> path(std::span<const double> lambdas, const Report& report) {
    std::vector<LogisticRegressionFit> fits;
    for (const double lambda : lambdas) {
      fits.push_back(fit(lambda));
      if (fits.back().stop == StopReason::interrupted) break;
      report(fits.back());
    }
    return fits;
  }
  std::vector<LogisticRegressionFit> path(std::span<const double> lambdas) {
    return path(lambdas, [](const LogisticRegressionFit&) {});
  }

  /// W [d, classes] in f64 of the last fit.
  Tensor weights() const {
    const Index d = problem_->d(), k = problem_->k(), classes = problem_->classes();
    const Tensor out = Tensor::zeros({d, classes}, DType::f64);
    for (Index j = 0; j < d; ++j)
      for (Index c = 0; c < k; ++c)
        out.data<double>()[j * classes + problem_->present()[static_cast<std::size_t>(c)]] =
            point_.w[static_cast<std::size_t>(j * k + c)];
    return out;
  }
  /// b [classes] in f64 of the last fit, for features as given (not centred).
  Tensor intercept() const {
    const Index d = problem_->d(), k = problem_->k();
    const Tensor out = Tensor::full({problem_->classes()}, absent_intercept, DType::f64);
    std::vector<double> b = point_.b;
    for (Index j = 0; j < d; ++j)
      for (Index c = 0; c < k; ++c)
        b[static_cast<std::size_t>(c)] -=
            problem_->mean()[static_cast<std::size_t>(j)] * point_.w[static_cast<std::size_t>(j * k + c)];
    double mean = 0;
    for (const double v : b) mean += v / static_cast<double>(k);
    for (std::size_t c = 0; c < b.size(); ++c) out.data<double>()[problem_->present()[c]] = b[c] - mean;
    return out;
  }

 private:
  bool interrupted() const { return options_.should_stop && options_.should_stop(); }

  /// Phase 1.
  void descend(const logistic::Start& start, LogisticRegressionFit& fit) {
    LbfgsOptions options;
    options.history = options_.history;
    options.max_iterations = options_.max_iterations;
    options.max_evaluations = 2 * options_.max_iterations;
    std::vector<float> x = start.x;
    const LbfgsResult result =
        solver_->minimise(x, fit.lambda, options_.handover, options, [this] { return interrupted(); });
    fit.iterations += result.iterations;
    fit.evaluations += result.evaluations;
    fit.stop = result.stop;
    solver_->to_point(x, point_);
  }

  /// Phase 2.
  void refine(LogisticRegressionFit& fit) {
    const auto evaluate = [&](logistic::Point& p) {
      exact_->evaluate(p);
      ++fit.exact_evaluations;
    };
    evaluate(point_);
    solver_->set_curvature(point_.covariance);
    while (point_.relative_certificate() > options_.tolerance) {
      if (!std::isfinite(point_.objective)) return void(fit.stop = StopReason::not_finite);
      if (fit.stop == StopReason::interrupted || interrupted()) return void(fit.stop = StopReason::interrupted);
      if (fit.newton_steps >= options_.max_newton_steps) return void(fit.stop = StopReason::iteration_limit);
      solver_->set_probabilities(*exact_);
      const double target = 0.1 * options_.tolerance * point_.objective;
      const logistic::Step step =
          solver_->newton_step(point_, target, options_.max_products, [this] { return interrupted(); });
      fit.hessian_products += step.products;
      ++fit.newton_steps;
      ++fit.iterations;
      bool better = false;
      logistic::Point trial;
      for (double scale = 1; scale > 1e-3 && !better; scale *= 0.5) {
        trial.lambda = fit.lambda;
        trial.w = point_.w, trial.b = point_.b;
        vectors::combine(scale, step.w.data(), 1, trial.w.data(), static_cast<Index>(trial.w.size()));
        vectors::combine(scale, step.b.data(), 1, trial.b.data(), static_cast<Index>(trial.b.size()));
        evaluate(trial);
        better = trial.objective < point_.objective || trial.certificate < point_.certificate;
      }
      if (!better) return void(fit.stop = StopReason::stalled);
      point_ = std::move(trial);
      solver_->set_curvature(point_.covariance);
    }
  }

  LogisticRegressionOptions options_;
  std::unique_ptr<logistic::Problem> problem_;
  std::unique_ptr<logistic::Solver> solver_;
  std::unique_ptr<logistic::ExactObjective> exact_;
  logistic::Point point_;
  logistic::Start::Earlier previous_;
  double previous_lambda_ = 0;
};

TINYVISION_END
