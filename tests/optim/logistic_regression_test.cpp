#include "tinyvision/optim/logistic_regression.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include "tinyvision/core/random.hpp"

#ifndef TINYVISION_SOURCE_DIR
#define TINYVISION_SOURCE_DIR "."
#endif

using namespace tinyvision;

namespace logistic_regression_test {

struct Restore {
  InstructionSet set = instruction_set();
  int threads = num_threads();
  ~Restore() {
    set_instruction_set(set);
    set_num_threads(threads);
  }
};

struct Data {
  Tensor x;
  std::vector<Index> y;
  Index k = 0;

  Index n() const { return x.dim(0); }
  Index d() const { return x.dim(1); }
};

/// ReLU features around class centres.
Data make(Index n, Index d, Index k, double spread, std::uint64_t seed = 1) {
  const Random random(seed, Stream::test);
  Data data{Tensor::empty({n, d}), {}, k};
  for (Index i = 0; i < n; ++i) data.y.push_back(i < k ? i : random.integer(static_cast<std::uint64_t>(i), k));
  const Random centre(seed, Stream::test, 1), noise(seed, Stream::test, 2);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < d; ++j)
      data.x.data<float>()[i * d + j] = static_cast<float>(std::max(
          0.0, 0.5 + spread * centre.normal(static_cast<std::uint64_t>(data.y[static_cast<std::size_t>(i)] * d + j)) +
                   noise.normal(static_cast<std::uint64_t>(i * d + j))));
  return data;
}

/// F in long double, straight from the definition.
long double naive_objective(const Data& data, const std::vector<double>& w, const std::vector<double>& b,
                            double lambda) {
  long double f = 0;
  for (Index i = 0; i < data.n(); ++i) {
    std::vector<long double> z(b.begin(), b.end());
    for (Index c = 0; c < data.k; ++c)
      for (Index j = 0; j < data.d(); ++j)
        z[static_cast<std::size_t>(c)] += static_cast<long double>(data.x.data<float>()[i * data.x.pitch() + j]) *
                                          w[static_cast<std::size_t>(j * data.k + c)];
    const long double own = z[static_cast<std::size_t>(data.y[static_cast<std::size_t>(i)])];
    long double others = 0;
    for (Index c = 0; c < data.k; ++c)
      if (c != data.y[static_cast<std::size_t>(i)]) others += std::exp(z[static_cast<std::size_t>(c)] - own);
    f += std::log1p(others);
  }
  for (const double v : w) f += 0.5L * static_cast<long double>(lambda) * v * v;
  return f;
}

struct Golden {
  Data data;
  struct Optimum {
    double lambda = 0, objective = 0;
    std::vector<double> w, b;
  };
  std::vector<Optimum> optima;
};

Golden load(const std::string& name) {
  std::ifstream in(std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/logreg/" + name + ".txt");
  EXPECT_TRUE(in.good()) << name;
  Golden g;
  Index n = 0, d = 0, count = 0;
  in >> n >> d >> g.data.k >> count;
  g.data.x = Tensor::empty({n, d});
  for (Index i = 0; i < n * d; ++i) in >> g.data.x.data<float>()[i];
  g.data.y.resize(static_cast<std::size_t>(n));
  for (Index& y : g.data.y) in >> y;
  g.optima.resize(static_cast<std::size_t>(count));
  for (Golden::Optimum& o : g.optima) {
    in >> o.lambda >> o.objective;
    o.w.resize(static_cast<std::size_t>(d * g.data.k));
    o.b.resize(static_cast<std::size_t>(g.data.k));
    for (double& v : o.w) in >> v;
    for (double& v : o.b) in >> v;
  }
  EXPECT_TRUE(in.good()) << name;
  return g;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

TEST(LogisticRegressionTest, MatchesIndependentOptima) {
  for (const char* name : {"overlapping", "separable", "binary", "wide"}) {
    const Golden g = load(name);
    LogisticRegressionOptions options;
    options.tolerance = 1e-8;
    LogisticRegression regression(g.data.x, g.data.y, g.data.k, options);
    for (const Golden::Optimum& o : g.optima) {
      SCOPED_TRACE(concat_text(name, " lambda ", o.lambda));
      const LogisticRegressionFit fit = regression.fit(o.lambda);
      EXPECT_TRUE(fit.converged) << to_string(fit.stop) << " " << fit.relative_certificate;
      EXPECT_EQ(fit.c, 1 / o.lambda);
      EXPECT_NEAR(fit.objective, o.objective, 2e-8 * o.objective);
      const std::vector<double> w = regression.weights().to_vector<double>();
      const std::vector<double> b = regression.intercept().to_vector<double>();
      EXPECT_NEAR(static_cast<double>(naive_objective(g.data, w, b, o.lambda)), fit.objective, 1e-11 * fit.objective);
      // F - min F <= certificate, and |W - W*|^2 <= 2 certificate / lambda (strong convexity).
      EXPECT_LE(fit.objective - o.objective, fit.certificate + 1e-12 * o.objective);
      EXPECT_GE(fit.objective - o.objective, -1e-12 * o.objective);
      EXPECT_LE(distance(w, o.w), std::sqrt(2 * fit.certificate / o.lambda) + 1e-9);
      for (std::size_t c = 0; c < b.size(); ++c) EXPECT_NEAR(b[c], o.b[c], 2e-3 * (1 + std::fabs(o.b[c])));
      double mean = 0;
      for (const double v : b) mean += v;
      EXPECT_NEAR(mean, 0, 1e-9 * (1 + std::fabs(b[0])));
    }
  }
}

TEST(LogisticRegressionTest, CertificateBoundsTheDistanceAnywhere) {
  const Golden g = load("overlapping");
  const logistic::Problem problem(g.data.x, g.data.y, g.data.k);
  logistic::ExactObjective exact(problem);
  const Random random(3, Stream::test);
  for (const Golden::Optimum& o : g.optima) {
    for (const double size : {0.0, 1e-6, 1e-3, 0.1, 10.0}) {
      SCOPED_TRACE(concat_text("lambda ", o.lambda, " disturbed by ", size));
      logistic::Point p;
      p.lambda = o.lambda;
      p.w = o.w;
      p.b = o.b;
      for (std::size_t i = 0; i < p.w.size(); ++i) p.w[i] += size * random.normal(i);
      exact.evaluate(p);
      EXPECT_GE(p.certificate, (p.objective - o.objective) - 1e-12 * std::fabs(o.objective));
      if (size == 0) {
        EXPECT_LE(p.certificate, 1e-8 * o.objective);
      }
    }
  }
}

TEST(LogisticRegressionTest, CertificateHoldsForLooseFits) {
  const Golden g = load("separable");
  for (const double tolerance : {0.5, 1e-1, 1e-2, 1e-3}) {
    LogisticRegressionOptions options;
    options.tolerance = tolerance;
    options.handover = 1;
    LogisticRegression regression(g.data.x, g.data.y, g.data.k, options);
    for (const Golden::Optimum& o : g.optima) {
      const LogisticRegressionFit fit = regression.fit(o.lambda);
      EXPECT_TRUE(fit.converged);
      EXPECT_LE(fit.objective - o.objective, fit.certificate + 1e-12 * o.objective);
      EXPECT_LE(fit.objective - o.objective, tolerance * o.objective);
    }
  }
}

TEST(LogisticRegressionTest, GradientsMatchFiniteDifferences) {
  const Data data = make(37, 5, 3, 0.5);
  const logistic::Problem problem(data.x, data.y, data.k);
  const double lambda = 0.3;
  const Random random(5, Stream::test);
  // f64: the exact objective, whose intercepts are always optimal: dF/dW by the envelope theorem.
  logistic::ExactObjective exact(problem);
  logistic::Point p;
  p.lambda = lambda;
  for (std::size_t i = 0; i < 15; ++i) p.w.push_back(random.normal(i));
  p.b = {0.1, -0.2, 0.3};
  exact.evaluate(p);
  for (std::size_t i = 0; i < 15; ++i) {
    const double h = 1e-5;
    logistic::Point above = p, below = p;
    above.w[i] += h, below.w[i] -= h;
    exact.evaluate(above);
    exact.evaluate(below);
    EXPECT_NEAR(p.gradient[i], (above.objective - below.objective) / (2 * h), 1e-6);
  }
  // f32: evaluation against differences of the f64 definition on the rotated features; Hessian product against
  // differences of the gradient.
  logistic::Solver solver(problem);
  Data rotated{Tensor::empty({37, problem.rank()}), data.y, 3};
  for (Index i = 0; i < 37; ++i)
    std::copy_n(problem.rotated(i), problem.rank(), rotated.x.data<float>() + i * problem.rank());
  const std::size_t weights = static_cast<std::size_t>(problem.rank() * 3), size = weights + 3;
  std::vector<float> x(size), g(size), v(size), hv(size), up(size), down(size), g_up(size), g_down(size);
  for (std::size_t i = 0; i < size; ++i)
    x[i] = static_cast<float>(0.5 * random.normal(100 + i)), v[i] = static_cast<float>(random.normal(200 + i));
  const double f = solver.evaluate(lambda, x.data(), g.data());
  const auto value = [&](const std::vector<double>& at) {
    return static_cast<double>(naive_objective(rotated, {at.begin(), at.begin() + static_cast<std::ptrdiff_t>(weights)},
                                               {at.begin() + static_cast<std::ptrdiff_t>(weights), at.end()}, lambda));
  };
  std::vector<double> at(x.begin(), x.end());
  EXPECT_NEAR(f, value(at), 1e-6 * f);
  for (std::size_t i = 0; i < size; ++i) {
    std::vector<double> a = at, b = at;
    a[i] += 1e-5, b[i] -= 1e-5;
    EXPECT_NEAR(static_cast<double>(g[i]), (value(a) - value(b)) / 2e-5,
                2e-5 * (1 + std::fabs(static_cast<double>(g[i]))))
        << i;
  }
  logistic::Point q;
  q.lambda = lambda;
  q.w = problem.to_features({at.begin(), at.begin() + static_cast<std::ptrdiff_t>(weights)});
  q.b.assign(at.begin() + static_cast<std::ptrdiff_t>(weights), at.end());
  exact.evaluate(q);  // moves b to its optimum
  for (std::size_t c = 0; c < 3; ++c) x[weights + c] = static_cast<float>(q.b[c]);
  solver.set_probabilities(exact);
  solver.hessian_product(lambda, v.data(), hv.data());
  for (std::size_t i = 0; i < size; ++i) up[i] = x[i] + 1e-2f * v[i], down[i] = x[i] - 1e-2f * v[i];
  solver.evaluate(lambda, up.data(), g_up.data());
  solver.evaluate(lambda, down.data(), g_down.data());
  for (std::size_t i = 0; i < size; ++i) EXPECT_NEAR(hv[i], (g_up[i] - g_down[i]) / 2e-2f, 2e-2) << i;
}

TEST(LogisticRegressionTest, WholePathIsCertified) {
  for (const auto& [n, d, k, spread] :
       {std::tuple<Index, Index, Index, double>{400, 30, 10, 0.6}, {300, 33, 17, 2.0}, {25, 60, 5, 0.5}}) {
    const Data data = make(n, d, k, spread);
    LogisticRegression regression(data.x, data.y, data.k);
    const std::vector<double> lambdas = paper_lambdas();
    ASSERT_EQ(lambdas.size(), 45u);
    EXPECT_EQ(lambdas.front(), 1e5);
    EXPECT_EQ(lambdas.back(), 1e-6);
    std::size_t reported = 0;
    const auto fits = regression.path(lambdas, [&](const LogisticRegressionFit&) { ++reported; });
    ASSERT_EQ(fits.size(), 45u);
    EXPECT_EQ(reported, 45u);
    for (std::size_t i = 0; i < fits.size(); ++i) {
      EXPECT_TRUE(fits[i].converged) << n << " " << fits[i].lambda << " " << to_string(fits[i].stop);
      EXPECT_LE(fits[i].relative_certificate, 1e-6);
      EXPECT_EQ(fits[i].stop, StopReason::converged);
      if (i > 0) {
        EXPECT_LT(fits[i].objective, fits[i - 1].objective);
      }
    }
  }
}

TEST(LogisticRegressionTest, BitsDoNotDependOnThreads) {
  const Restore restore;
  const Data data = make(1500, 70, 21, 0.5);
  const std::vector<double> lambdas{100, 1, 0.01};
  std::vector<double> w, b;
  std::vector<LogisticRegressionFit> fits;
  for (const int threads : {1, 2, 3, 5, 8}) {
    set_num_threads(threads);
    LogisticRegression regression(data.x, data.y, data.k);
    const auto now = regression.path(lambdas);
    const auto now_w = regression.weights().to_vector<double>(), now_b = regression.intercept().to_vector<double>();
    if (threads == 1) {
      fits = now, w = now_w, b = now_b;
      continue;
    }
    EXPECT_EQ(w, now_w) << threads;
    EXPECT_EQ(b, now_b) << threads;
    for (std::size_t i = 0; i < fits.size(); ++i) {
      EXPECT_EQ(fits[i].objective, now[i].objective);
      EXPECT_EQ(fits[i].certificate, now[i].certificate);
      EXPECT_EQ(fits[i].evaluations, now[i].evaluations);
    }
  }
}

TEST(LogisticRegressionTest, EveryInstructionSetReachesTheOptimum) {
  const Restore restore;
  const Golden g = load("overlapping");
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512}) {
    if (set > best_instruction_set()) continue;
    set_instruction_set(set);
    LogisticRegression regression(g.data.x, g.data.y, g.data.k);
    for (const Golden::Optimum& o : g.optima) {
      const LogisticRegressionFit fit = regression.fit(o.lambda);
      EXPECT_TRUE(fit.converged) << to_string(set);
      EXPECT_NEAR(fit.objective, o.objective, 1e-6 * o.objective) << to_string(set);
    }
  }
}

TEST(LogisticRegressionTest, TheStartDoesNotMatter) {
  const Data data = make(200, 12, 6, 0.5);
  LogisticRegressionOptions options;
  options.tolerance = 1e-9;
  LogisticRegression warm(data.x, data.y, data.k, options), cold(data.x, data.y, data.k, options);
  warm.path(log_spaced(3, -1, 12));
  const LogisticRegressionFit a = warm.fit(0.05), b = cold.fit(0.05);
  EXPECT_NEAR(a.objective, b.objective, 1e-8 * b.objective);
  LogisticRegression started(data.x, data.y, data.k, options);
  started.set_start(warm.weights(), warm.intercept());
  const LogisticRegressionFit c = started.fit(0.05);
  EXPECT_NEAR(a.objective, c.objective, 1e-8 * c.objective);
  EXPECT_LE(c.iterations, 2);
}

TEST(LogisticRegressionTest, ConstantAndZeroFeaturesGetNoWeight) {
  Data data = make(120, 6, 3, 0.7);
  for (Index i = 0; i < 120; ++i) {
    data.x.data<float>()[i * 6 + 2] = 3.5f;
    data.x.data<float>()[i * 6 + 4] = 0.0f;
  }
  LogisticRegression regression(data.x, data.y, data.k);
  for (const double lambda : {10.0, 1e-3}) {
    EXPECT_TRUE(regression.fit(lambda).converged);
    const Tensor w = regression.weights();
    for (Index c = 0; c < 3; ++c) {
      EXPECT_NEAR(w.data<double>()[2 * 3 + c], 0, 1e-4);
      EXPECT_NEAR(w.data<double>()[4 * 3 + c], 0, 1e-4);
    }
  }
}

TEST(LogisticRegressionTest, AllFeaturesConstantLeavesThePrior) {
  Data data = make(60, 4, 3, 0.5);
  data.x.fill(2);
  LogisticRegression regression(data.x, data.y, data.k);
  EXPECT_TRUE(regression.fit(1.0).converged);
  double f = 0;
  std::vector<double> count(3, 0);
  for (const Index y : data.y) count[static_cast<std::size_t>(y)] += 1;
  for (const double c : count) f -= c * std::log(c / 60);
  EXPECT_NEAR(regression.fit(1.0).objective, f, 1e-6 * f);
}

TEST(LogisticRegressionTest, AClassWithoutExamplesIsNeverPredicted) {
  const Data full = make(90, 5, 3, 0.5);
  Data gap = full;
  for (Index& y : gap.y) y = y == 0 ? 0 : y + 1;  // class 1 of 4 is absent
  gap.k = 4;
  LogisticRegression with(full.x, full.y, 3), without(gap.x, gap.y, 4);
  EXPECT_EQ(without.absent_classes(), 1);
  const LogisticRegressionFit a = with.fit(0.1), b = without.fit(0.1);
  EXPECT_TRUE(b.converged);
  EXPECT_EQ(a.objective, b.objective);
  const Tensor w = without.weights(), v = with.weights();
  EXPECT_EQ(without.intercept().data<double>()[1], LogisticRegression::absent_intercept);
  EXPECT_EQ(without.intercept().data<double>()[2], with.intercept().data<double>()[1]);
  for (Index j = 0; j < 5; ++j) {
    EXPECT_EQ(w.data<double>()[j * 4 + 1], 0);
    EXPECT_EQ(w.data<double>()[j * 4 + 3], v.data<double>()[j * 3 + 2]);
  }
}

TEST(LogisticRegressionTest, PitchedFeaturesAreReadInPlace) {
  const Data data = make(50, 7, 3, 0.5);
  const Tensor wide = Tensor::full({50, 11}, std::numeric_limits<double>::quiet_NaN());
  const Tensor slice = wide.slice_channels(2, 7);
  slice.copy_from(data.x);
  LogisticRegression a(data.x, data.y, 3), b(slice, data.y, 3);
  EXPECT_EQ(a.fit(0.1).objective, b.fit(0.1).objective);
}

TEST(LogisticRegressionTest, UnconvergedFitsSaySo) {
  const Data data = make(300, 40, 8, 0.3);
  LogisticRegressionOptions options;
  options.max_iterations = 1;
  options.max_newton_steps = 0;
  LogisticRegression regression(data.x, data.y, data.k, options);
  const LogisticRegressionFit fit = regression.fit(1e-3);
  EXPECT_FALSE(fit.converged);
  EXPECT_EQ(fit.stop, StopReason::iteration_limit);
  EXPECT_GT(fit.relative_certificate, 1e-6);
  int asked = 0;
  LogisticRegressionOptions stopping;
  stopping.should_stop = [&] { return ++asked > 3; };
  LogisticRegression stopped(data.x, data.y, data.k, stopping);
  const auto fits = stopped.path(paper_lambdas());
  EXPECT_LT(fits.size(), 45u);
  EXPECT_EQ(fits.back().stop, StopReason::interrupted);
}

std::string message(const Tensor& x, const std::vector<Index>& y, Index k) {
  try {
    LogisticRegression regression(x, y, k);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(LogisticRegressionTest, BadInputIsNamed) {
  const Data data = make(20, 4, 3, 0.5);
  Data bad = data;
  bad.x = data.x.clone();
  bad.x.data<float>()[7 * 4 + 2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(message(bad.x, bad.y, 3).find("feature 2 of row 7 is nan"), std::string::npos);
  bad.x.data<float>()[7 * 4 + 2] = std::numeric_limits<float>::infinity();
  EXPECT_NE(message(bad.x, bad.y, 3).find("feature 2 of row 7 is inf"), std::string::npos);
  bad = data;
  bad.y[5] = 3;
  EXPECT_NE(message(bad.x, bad.y, 3).find("label 3 of row 5 is outside [0, 3)"), std::string::npos);
  bad.y[5] = -1;
  EXPECT_NE(message(bad.x, bad.y, 3).find("label -1 of row 5"), std::string::npos);
  EXPECT_NE(message(data.x, std::vector<Index>(19, 0), 3).find("19 labels"), std::string::npos);
  EXPECT_NE(message(data.x, std::vector<Index>(20, 1), 3).find("all 20 rows have label 1"), std::string::npos);
  EXPECT_NE(message(data.x.to(DType::f64), data.y, 3).find("f32"), std::string::npos);
  EXPECT_NE(message(Tensor::empty({0, 4}), {}, 3).find("no features"), std::string::npos);
  EXPECT_NE(message(data.x, data.y, 1).find("two classes"), std::string::npos);
  LogisticRegression regression(data.x, data.y, 3);
  EXPECT_THROW(regression.fit(0), UsageError);
  EXPECT_THROW(regression.fit(-1), UsageError);
  EXPECT_THROW(regression.fit(std::nan("")), UsageError);
}

}  // namespace logistic_regression_test
