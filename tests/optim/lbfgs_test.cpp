#include "tinyvision/optim/lbfgs.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

using namespace tinyvision;

namespace lbfgs_test {

/// Runs without preconditioner until the gradient's largest entry is at most `tolerance`.
template <class T, class F>
LbfgsResult run(std::vector<T>& x, const F& f, double tolerance, LbfgsOptions options = {}) {
  const Index n = static_cast<Index>(x.size());
  return minimise_lbfgs(
      x.data(), n, options, f, [&](const T* v, T* out) { std::copy(v, v + n, out); },
      [&](double, const T* g) {
        double most = 0;
        for (Index i = 0; i < n; ++i) most = std::max(most, std::fabs(static_cast<double>(g[i])));
        return most <= tolerance;
      },
      [] { return false; });
}

/// sum of 100 (x[2i+1] - x[2i]^2)^2 + (1 - x[2i])^2 (Rosenbrock 1960): minimum 0 at all ones.
template <class T>
double rosenbrock(const T* x, T* g, Index n) {
  double f = 0;
  for (Index i = 0; i < n; i += 2) {
    const double a = static_cast<double>(x[i]), b = static_cast<double>(x[i + 1]), u = b - a * a, v = 1 - a;
    f += 100 * u * u + v * v;
    g[i] = static_cast<T>(-400 * a * u - 2 * v);
    g[i + 1] = static_cast<T>(200 * u);
  }
  return f;
}

TEST(LbfgsTest, MinimisesRosenbrock) {
  for (const Index history : {1, 5, 20}) {
    std::vector<double> x{-1.2, 1, -1.2, 1, 0.3, -2};
    LbfgsOptions options;
    options.history = history;
    const LbfgsResult r = run(
        x, [](const double* p, double* g) { return rosenbrock(p, g, 6); }, 1e-9, options);
    EXPECT_EQ(r.stop, StopReason::converged);
    EXPECT_LT(r.objective, 1e-16);
    for (const double v : x) EXPECT_NEAR(v, 1, 1e-8);
    EXPECT_LT(r.evaluations, 400);
  }
}

TEST(LbfgsTest, QuadraticWithItsInverseAsPreconditionerTakesOneStep) {
  const std::vector<double> h{1e-3, 1, 1e3, 1e6};
  std::vector<double> x{1, -2, 3, -4};
  const LbfgsResult r = minimise_lbfgs(
      x.data(), 4, LbfgsOptions{},
      [&](const double* p, double* g) {
        double f = 0;
        for (std::size_t i = 0; i < 4; ++i) g[i] = h[i] * p[i], f += 0.5 * h[i] * p[i] * p[i];
        return f;
      },
      [&](const double* v, double* out) {
        for (std::size_t i = 0; i < 4; ++i) out[i] = v[i] / h[i];
      },
      [](double f, const double*) { return f < 1e-20; }, [] { return false; });
  EXPECT_EQ(r.stop, StopReason::converged);
  EXPECT_EQ(r.iterations, 1);
}

TEST(LbfgsTest, ConvergesSuperlinearlyWithFullHistory) {
  // Condition number 3^11: gradient descent would need about a million steps; SciPy's L-BFGS-B takes 133.
  const Index n = 12;
  std::vector<double> x(static_cast<std::size_t>(n), 1.0);
  LbfgsOptions options;
  options.history = 20;
  const LbfgsResult r = run(
      x,
      [&](const double* p, double* g) {
        double f = 0;
        for (Index i = 0; i < n; ++i) {
          const double h = std::pow(3.0, static_cast<double>(i));
          g[i] = h * p[i];
          f += 0.5 * h * p[i] * p[i];
        }
        return f;
      },
      1e-8, options);
  EXPECT_EQ(r.stop, StopReason::converged);
  EXPECT_LE(r.iterations, 160);
}

TEST(LbfgsTest, WorksInSinglePrecisionWithNoisyValues) {
  std::vector<float> x{-1.2f, 1.0f, 0.5f, 0.5f};
  LbfgsOptions options;
  options.objective_noise = 1e-6;
  const LbfgsResult r = run(
      x,
      [](const float* p, float* g) {
        return static_cast<double>(static_cast<float>(rosenbrock(p, g, 4) + 10));  // values rounded to f32
      },
      1e-3, options);
  EXPECT_EQ(r.stop, StopReason::converged);
  for (const float v : x) EXPECT_NEAR(v, 1, 1e-3);
}

TEST(LbfgsTest, SaysWhyItStopped) {
  const auto f = [](const double* p, double* g) { return rosenbrock(p, g, 2); };
  LbfgsOptions options;
  options.max_iterations = 3;
  std::vector<double> x{-1.2, 1};
  LbfgsResult r = run(x, f, 1e-12, options);
  EXPECT_EQ(r.stop, StopReason::iteration_limit);
  EXPECT_EQ(r.iterations, 3);
  options.max_iterations = 1000;
  options.max_evaluations = 5;
  x = {-1.2, 1};
  EXPECT_EQ(run(x, f, 1e-12, options).stop, StopReason::evaluation_limit);
  x = {std::nan(""), 1};
  EXPECT_EQ(run(x, f, 1e-12).stop, StopReason::not_finite);
  x = {-1.2, 1};
  const LbfgsResult stopped = minimise_lbfgs(
      x.data(), 2, LbfgsOptions{}, f, [](const double* v, double* out) { std::copy(v, v + 2, out); },
      [](double, const double*) { return false; }, [] { return true; });
  EXPECT_EQ(stopped.stop, StopReason::interrupted);
  // A gradient that points the wrong way cannot be descended.
  x = {1, 1};
  const LbfgsResult wrong = run(
      x,
      [](const double* p, double* g) {
        g[0] = -2 * p[0], g[1] = -2 * p[1];
        return p[0] * p[0] + p[1] * p[1];
      },
      1e-12);
  EXPECT_EQ(wrong.stop, StopReason::line_search_failed);
}

TEST(LbfgsTest, DotDoesNotDependOnThreads) {
  std::vector<float> a(50021), b(50021);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = std::sin(static_cast<float>(i));
    b[i] = 1.0f / static_cast<float>(i + 1);
  }
  const int before = num_threads();
  set_num_threads(1);
  const double one = vectors::dot(a.data(), b.data(), 50021);
  for (const int threads : {2, 3, 5, 8}) {
    set_num_threads(threads);
    EXPECT_EQ(one, vectors::dot(a.data(), b.data(), 50021));
  }
  set_num_threads(before);
  double plain = 0;
  for (std::size_t i = 0; i < a.size(); ++i) plain += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  EXPECT_NEAR(one, plain, 1e-12);
}

}  // namespace lbfgs_test
