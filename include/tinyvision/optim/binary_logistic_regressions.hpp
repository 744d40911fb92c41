// Several binary logistic regressions with an L2 penalty on the same features, each along its own path of penalties:
//   minimise F(w, b) = sum_i log(1 + exp(-y_i (w.x_i + b))) + lambda/2 |w|^2     for each problem
// (sum over the examples that take part, not mean; b is not penalised). One-vs-rest classification is made of such problems.
//
// The problems are independent, and what is computed for one does not depend on the others; but they look at the features
// together: the axes are computed once, and every pass over the rows serves all problems that are not done. A fit starts
// from the previous one or the line through the last two continued in log lambda, whichever has the lower F, and takes
// Newton steps: their systems are solved in f32 on rotated features (binary_logistic_descent.hpp), and each point is judged in
// f64 on the features as given, with the certificate of binary_logistic_point.hpp. Everything runs on the CPU. Results depend
// on the data, the options and the instruction set, not on the number of threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tinyvision/optim/binary_logistic_descent.hpp"
#include "tinyvision/optim/binary_logistic_hessian.hpp"
#include "tinyvision/optim/binary_logistic_point.hpp"
#include "tinyvision/optim/logistic_regression.hpp"
#include "tinyvision/optim/logistic_regression_products.hpp"

TINYVISION_BEGIN
class BinaryLogisticRegressions {
 public:
  /// `features` [n, d] f32 (kept, not copied); `targets` [n, problems] row by row: 1 positive, -1 negative, 0 takes no part.
  /// Of `options`, tolerance, max_newton_steps, max_products and should_stop are used. Throws UsageError on other shapes or
  /// types, a value that is not finite, other targets (named by row and problem), and a problem without positives or
  /// without negatives.
  BinaryLogisticRegressions(const Tensor& features, std::span<const std::int8_t> targets, Index problems,
                            LogisticRegressionOptions options = {})
      : options_(std::move(options)), problems_(with_targets(features, targets, problems)), features_(features) {
    for (Problem& p : problems_) {
      p.point.w.assign(static_cast<std::size_t>(features_.d()), 0.0);
      p.point.b = std::log(p.targets.positives / p.targets.negatives);
    }
  }

  Index problems() const { return static_cast<Index>(problems_.size()); }

  /// Starts the next fits from w [d, problems] and b [problems], of the features as given.
  void set_start(const Tensor& weights, const Tensor& intercepts) {
    check(weights.shape() == Shape({features_.d(), problems()}) && intercepts.shape() == Shape({problems()}),
          "binary_logistic_regressions", "start of shape ", weights.shape(), " and ", intercepts.shape(), " for ",
          features_.d(), " features and ", problems(), " problems");
    const std::vector<double> w = weights.to_vector<double>(), b = intercepts.to_vector<double>();
    for (std::size_t c = 0; c < problems_.size(); ++c) {
      logistic::BinaryPoint point;
      point.b = b[c];
      for (std::size_t j = 0; j < static_cast<std::size_t>(features_.d()); ++j) {
        point.w.push_back(w[j * problems_.size() + c]);
        point.b += point.w.back() * features_.mean()[j];
      }
      problems_[c].point = std::move(point);
      problems_[c].lambda = problems_[c].earlier_lambda = 0;
    }
  }

  /// Fits problem c at lambdas[c], starting from its last fit. A fit that ends without reaching the tolerance says so.
  /// Throws UsageError unless there is a positive, finite lambda for each problem.
  std::vector<LogisticRegressionFit> fit(std::span<const double> lambdas) {
    check(lambdas.size() == problems_.size(), "binary_logistic_regressions", lambdas.size(), " penalties for ",
          problems_.size(), " problems");
    for (const double lambda : lambdas)
      if (!(lambda > 0) || !std::isfinite(lambda))
        fail_usage("logistic_regression", "lambda must be positive, got ", lambda);
    for (std::size_t c = 0; c < problems_.size(); ++c) {
      problems_[c].fit = {};
      problems_[c].fit.lambda = lambdas[c];
      problems_[c].fit.c = 1 / lambdas[c];
      problems_[c].done = false;
    }
    start();
    for (std::vector<Problem*> open = unfinished(); !open.empty(); open = unfinished()) {
      solve(open);
      search(open);
    }
    std::vector<LogisticRegressionFit> fits;
    for (Problem& p : problems_) {
      p.lambda = p.fit.lambda;
      fits.push_back(summary(p));
    }
    return fits;
  }

  /// All problems at each of `lambdas` in the order given; `report(fits)` after each, when `weights()` and `intercepts()` are
  /// those fits'. Returns false when it was interrupted.
  template <class Report>
  bool path(std::span<const double> lambdas, const Report& report) {
    for (const double lambda : lambdas) {
      const std::vector<LogisticRegressionFit> fits = fit(std::vector<double>(problems_.size(), lambda));
      for (const LogisticRegressionFit& f : fits)
        if (f.stop == StopReason::interrupted) return false;
      report(fits);
    }
    return true;
  }

  /// w [d, problems] in f64 of the last fits.
  Tensor weights() const {
    const Index d = features_.d(), k = problems();
    const Tensor out = Tensor::empty({d, k}, DType::f64);
    for (Index j = 0; j < d; ++j)
      for (Index c = 0; c < k; ++c)
        out.data<double>()[j * k + c] = problems_[static_cast<std::size_t>(c)].point.w[static_cast<std::size_t>(j)];
    return out;
  }
  /// b [problems] in f64 of the last fits, for features as given (not centred).
  Tensor intercepts() const {
    const Tensor out = Tensor::empty({problems()}, DType::f64);
    for (std::size_t c = 0; c < problems_.size(); ++c) {
      double b = problems_[c].point.b;
      for (std::size_t j = 0; j < features_.mean().size(); ++j) b -= features_.mean()[j] * problems_[c].point.w[j];
      out.data<double>()[c] = b;
    }
    return out;
  }

 private:
  struct Problem {
    logistic::BinaryTargets targets;
    logistic::BinaryPoint point;
    double lambda = 0;  ///< of the last fit; 0: none
    std::vector<double> earlier_w;
    double earlier_b = 0, earlier_lambda = 0;
    LogisticRegressionFit fit;
    bool done = false;
    logistic::NewtonDescent descent;
    std::vector<double> step;  ///< of w
    double step_b = 0;
  };

  /// A Newton system is solved until the square of its residual is this share of the gradient's, or small enough for the
  /// tolerance.
  static constexpr double forcing = 1e-3;

  std::vector<Problem> with_targets(const Tensor& features, std::span<const std::int8_t> targets,
                                    Index problems) const {
    constexpr auto where = "logistic_regression";
    logistic::RotatedFeatures::check_form(features);
    if (!(options_.tolerance > 0)) fail_usage(where, "tolerance must be positive, got ", options_.tolerance);
    if (problems < 1) fail_usage(where, "no problems");
    const Index n = features.dim(0);
    if (static_cast<Index>(targets.size()) != n * problems)
      fail_usage(where, n, " rows of features and ", problems, " problems but ", targets.size(), " targets");
    std::vector<Problem> all(static_cast<std::size_t>(problems));
    for (Index i = 0; i < n; ++i) {
      for (Index c = 0; c < problems; ++c) {
        const std::int8_t y = targets[static_cast<std::size_t>(i * problems + c)];
        if (y < -1 || y > 1)
          fail_usage(where, "target ", int{y}, " of row ", i, ", problem ", c, " is none of 1, 0, -1");
        logistic::BinaryTargets& t = all[static_cast<std::size_t>(c)].targets;
        t.y.push_back(y);
        t.positives += y > 0 ? 1 : 0;
        t.negatives += y < 0 ? 1 : 0;
      }
    }
    for (Index c = 0; c < problems; ++c) {
      const logistic::BinaryTargets& t = all[static_cast<std::size_t>(c)].targets;
      if (t.positives == 0 || t.negatives == 0)
        fail_usage(where, "problem ", c, " has ", t.positives, " positive and ", t.negatives,
                   " negative rows: nothing to separate");
    }
    return all;
  }

  bool interrupted() const { return options_.should_stop && options_.should_stop(); }

  /// Judges points of problems in f64: one pass over the features for all of them.
  void judge(const std::vector<Problem*>& of, const std::vector<logistic::BinaryPoint*>& points) {
    const auto k = static_cast<Index>(points.size());
    if (k == 0) return;
    const logistic::TilePlan<double> plan(features_.n(), features_.d(), k);
    std::vector<double> w(static_cast<std::size_t>(plan.d * k)), pull(w.size());
    for (Index c = 0; c < k; ++c)
      for (Index j = 0; j < plan.d; ++j)
        w[static_cast<std::size_t>(j * k + c)] = points[static_cast<std::size_t>(c)]->w[static_cast<std::size_t>(j)];
    const Scratch<double> scores(plan.n * plan.padded);
    logistic::exact_scores(features_, plan, w.data(), scores.data());
    parallel_for(plan.padded, [&](Index c) {
      if (c >= k) {
        for (Index i = 0; i < plan.n; ++i) scores[i * plan.padded + c] = 0;
        return;
      }
      std::vector<double> column(static_cast<std::size_t>(plan.n));
      for (Index i = 0; i < plan.n; ++i) column[static_cast<std::size_t>(i)] = scores[i * plan.padded + c];
      const std::size_t at = static_cast<std::size_t>(c);
      logistic::judge_scores(column.data(), of[at]->targets, *points[at], scores.data() + c, plan.padded);
    });
    logistic::exact_transposed_product(features_, plan, scores.data(), pull.data());
    for (Index c = 0; c < k; ++c) {
      std::vector<double>& to = points[static_cast<std::size_t>(c)]->pull;
      to.resize(static_cast<std::size_t>(plan.d));
      for (Index j = 0; j < plan.d; ++j) to[static_cast<std::size_t>(j)] = pull[static_cast<std::size_t>(j * k + c)];
      ++of[static_cast<std::size_t>(c)]->fit.exact_evaluations;
    }
  }

  /// The points that the fits begin with.
  void start() {
    std::vector<Problem*> of;
    std::vector<logistic::BinaryPoint> points;
    points.reserve(problems_.size());
    for (Problem& p : problems_) {
      const bool judged = !p.point.pull.empty();
      double t = 0;
      if (judged && p.earlier_lambda > 0 && p.earlier_lambda != p.lambda)
        t = std::clamp(std::log(p.lambda / p.fit.lambda) / std::log(p.earlier_lambda / p.lambda), 0.0, 2.0);
      if (judged && t == 0) continue;
      of.push_back(&p);
      points.push_back(p.point);
      if (t == 0) continue;
      vectors::combine(-t, p.earlier_w.data(), 1 + t, points.back().w.data(), features_.d());
      points.back().b += t * (p.point.b - p.earlier_b);
    }
    std::vector<logistic::BinaryPoint*> all;
    for (logistic::BinaryPoint& point : points) all.push_back(&point);
    judge(of, all);
    for (Problem& p : problems_) {
      if (!(p.lambda > 0)) continue;
      p.earlier_w = p.point.w;
      p.earlier_b = p.point.b;
      p.earlier_lambda = p.lambda;
    }
    for (std::size_t i = 0; i < of.size(); ++i) {
      const double lambda = of[i]->fit.lambda;
      if (of[i]->point.pull.empty() || points[i].objective(lambda) < of[i]->point.objective(lambda))
        of[i]->point = std::move(points[i]);
    }
  }

  /// The problems that need another step; marks the others as done, with the reason.
  std::vector<Problem*> unfinished() {
    const bool stop = interrupted();
    std::vector<Problem*> open;
    for (Problem& p : problems_) {
      if (p.done) continue;
      p.done = true;
      if (p.point.relative_certificate(p.fit.lambda) <= options_.tolerance)
        p.fit.stop = StopReason::converged;
      else if (!std::isfinite(p.point.loss))
        p.fit.stop = StopReason::not_finite;
      else if (stop)
        p.fit.stop = StopReason::interrupted;
      else if (p.fit.newton_steps >= options_.max_newton_steps)
        p.fit.stop = StopReason::iteration_limit;
      else
        p.done = false, open.push_back(&p);
    }
    return open;
  }

  /// Newton steps of some problems by conjugate gradients, into `step` and `step_b`.
  void solve(const std::vector<Problem*>& open) {
    const Index d = features_.d(), rank = features_.rank(), k = static_cast<Index>(open.size());
    std::vector<double> gradients(static_cast<std::size_t>(d * k));
    for (Index c = 0; c < k; ++c) {
      const Problem& p = *open[static_cast<std::size_t>(c)];
      const std::vector<double> g = p.point.gradient(p.fit.lambda);
      for (Index j = 0; j < d; ++j) gradients[static_cast<std::size_t>(j * k + c)] = g[static_cast<std::size_t>(j)];
    }
    const std::vector<double> rotated = features_.to_axes(gradients, k);
    for (Index c = 0; c < k; ++c) {
      Problem& p = *open[static_cast<std::size_t>(c)];
      std::vector<float> gradient;
      for (Index j = 0; j < rank; ++j)
        gradient.push_back(static_cast<float>(rotated[static_cast<std::size_t>(j * k + c)]));
      p.descent.begin(features_.spectrum(), features_.n(), gradient, p.fit.lambda, p.point.curvature,
                      0.2 * p.fit.lambda * options_.tolerance * p.point.objective(p.fit.lambda), forcing);
    }
    descend(open);
    std::vector<double> steps(static_cast<std::size_t>(rank * k));
    for (Index c = 0; c < k; ++c)
      for (Index j = 0; j < rank; ++j)
        steps[static_cast<std::size_t>(j * k + c)] =
            static_cast<double>(open[static_cast<std::size_t>(c)]->descent.step()[static_cast<std::size_t>(j)]);
    const std::vector<double> w = features_.to_features(steps, k);
    for (Index c = 0; c < k; ++c) {
      Problem& p = *open[static_cast<std::size_t>(c)];
      p.step.resize(static_cast<std::size_t>(d));
      for (Index j = 0; j < d; ++j) p.step[static_cast<std::size_t>(j)] = w[static_cast<std::size_t>(j * k + c)];
      p.step_b = p.descent.step_of_intercept();
      p.fit.hessian_products += p.descent.products();
      ++p.fit.newton_steps;
      ++p.fit.iterations;
    }
  }

  /// Runs the descents of some problems side by side: one pass over the rows for all that are not done.
  void descend(const std::vector<Problem*>& open) {
    std::unique_ptr<logistic::BinaryHessian> hessian;
    std::vector<Problem*> before;
    while (!interrupted()) {
      std::vector<Problem*> now;
      for (Problem* p : open)
        if (!p->descent.done() && p->descent.products() < options_.max_products) now.push_back(p);
      if (now.empty()) return;
      std::vector<const float*> deviations, directions;
      std::vector<float*> products;
      for (Problem* p : now) {
        deviations.push_back(p->point.deviation.data());
        directions.push_back(p->descent.direction());
        products.push_back(p->descent.product());
      }
      if (now != before) hessian = std::make_unique<logistic::BinaryHessian>(features_, deviations);
      hessian->multiply(directions, products);
      parallel_for(static_cast<Index>(now.size()),
                   [&](Index c) { now[static_cast<std::size_t>(c)]->descent.advance(); });
      before = std::move(now);
    }
  }

  /// Takes the steps, each halved until its point is better.
  void search(std::vector<Problem*> open) {
    for (double scale = 1; scale > 1e-3 && !open.empty(); scale *= 0.5) {
      std::vector<logistic::BinaryPoint> points(open.size());
      std::vector<logistic::BinaryPoint*> all;
      for (std::size_t i = 0; i < open.size(); ++i) {
        points[i].w = open[i]->point.w;
        points[i].b = open[i]->point.b + scale * open[i]->step_b;
        vectors::combine(scale, open[i]->step.data(), 1, points[i].w.data(), features_.d());
        all.push_back(&points[i]);
      }
      judge(open, all);
      std::vector<Problem*> worse;
      for (std::size_t i = 0; i < open.size(); ++i) {
        const double lambda = open[i]->fit.lambda;
        const logistic::BinaryPoint& last = open[i]->point;
        if (points[i].objective(lambda) < last.objective(lambda) ||
            points[i].certificate(lambda) < last.certificate(lambda))
          open[i]->point = std::move(points[i]);
        else
          worse.push_back(open[i]);
      }
      open = std::move(worse);
    }
    for (Problem* p : open) {
      p->done = true;
      p->fit.stop = interrupted() ? StopReason::interrupted : StopReason::stalled;
    }
  }

  LogisticRegressionFit summary(const Problem& p) const {
    LogisticRegressionFit fit = p.fit;
    const std::vector<double> gradient = p.point.gradient(fit.lambda);
    fit.objective = p.point.objective(fit.lambda);
    fit.loss = p.point.loss;
    fit.gradient_norm = std::sqrt(vectors::dot(gradient.data(), gradient.data(), static_cast<Index>(gradient.size())));
    fit.certificate = p.point.certificate(fit.lambda);
    fit.relative_certificate = p.point.relative_certificate(fit.lambda);
    fit.converged = fit.relative_certificate <= options_.tolerance;
    return fit;
  }

  LogisticRegressionOptions options_;
  std::vector<Problem> problems_;
  logistic::RotatedFeatures features_;  ///< after the targets: made when these are known to be right
};

TINYVISION_END
