// kernels/logistic_regression.cu on the emulated device against its formula in long double, with bounds on what
// rounding may do, and against the solver of tinyvision/optim/logistic_regression.hpp.
#include "tinyvision/optim/logistic_regression.hpp"

#include <limits>

#include "kernels/device_map.hpp"

namespace logistic_regression_test {

using namespace tinyvision;
using namespace device_test;

template <class T>
constexpr double unit = std::is_same_v<T, float> ? 0x1p-24 : 0x1p-53;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

template <class T>
struct Data {
  Index rows, features, classes;
  Map<T> z;
  std::vector<std::int32_t> labels;
  std::vector<T> x;  ///< U, then b
  double lambda = 0.7;

  Data(Index rows_, Index features_, Index classes_, Index gap)
      : rows(rows_), features(features_), classes(classes_), z(rows_, features_, gap, 1) {
    const Random random(41, Stream::test);
    for (Index r = 0; r < rows; ++r) {
      for (Index c = features; c < z.pitch; ++c) z.values[static_cast<std::size_t>(r * z.pitch + c)] = T(nan);
      labels.push_back(static_cast<std::int32_t>(random.integer(static_cast<std::uint64_t>(r), classes)));
    }
    const double scale = 2 / std::sqrt(static_cast<double>(features));
    for (Index i = 0; i < (features + 1) * classes; ++i)
      x.push_back(static_cast<T>(scale * random.normal(1000000 + static_cast<std::uint64_t>(i))));
  }
  Index weights() const { return features * classes; }
};

/// Values and how far rounding may take the kernels from them.
struct Exact {
  long double objective = 0, objective_bound = 0;
  std::vector<long double> gradient, bound;
};

/// Scores of a row in long double, and the most that a chain of features + 1 roundings in T is off.
template <class T>
long double scores_of_row(const Data<T>& data, const T* x, Index row, std::vector<long double>& scores) {
  long double worst = 0;
  for (Index c = 0; c < data.classes; ++c) {
    long double sum = x[data.weights() + c], size = std::fabs(sum);
    for (Index j = 0; j < data.features; ++j) {
      const long double term =
          static_cast<long double>(data.z.values[static_cast<std::size_t>(row * data.z.pitch + j)]) *
          x[j * data.classes + c];
      sum += term, size += std::fabs(term);
    }
    scores[static_cast<std::size_t>(c)] = sum;
    worst = std::max(worst, static_cast<long double>(data.features + 1) * unit<T> * size);
  }
  return worst;
}

/// Adds r of a row to the sums over rows. Element c of r is off by `error[c]` at most; chains of `chain` rows are in T.
template <class T>
void add_row(const Data<T>& data, Index row, const std::vector<long double>& r, const std::vector<long double>& error,
             Index chain, Exact& exact) {
  const long double rounding = static_cast<long double>(std::min(chain, data.rows) + 1) * unit<T> +
                               static_cast<long double>(data.rows) * 0x1p-53L;
  for (Index j = 0; j <= data.features; ++j) {
    const long double z = j == data.features ? 1 : data.z.values[static_cast<std::size_t>(row * data.z.pitch + j)];
    for (Index c = 0; c < data.classes; ++c) {
      const auto at = static_cast<std::size_t>(j * data.classes + c), of = static_cast<std::size_t>(c);
      exact.gradient[at] += z * r[of];
      exact.bound[at] += std::fabs(z) * (error[of] + rounding * std::fabs(r[of]));
    }
  }
}

/// The penalty's part, and the rounding to T at the end.
template <class T>
void finish(const Data<T>& data, const T* x, Exact& exact) {
  for (std::size_t i = 0; i < exact.gradient.size(); ++i) {
    if (static_cast<Index>(i) < data.weights()) {
      exact.gradient[i] += static_cast<long double>(data.lambda) * x[i];
      exact.bound[i] += 2 * unit<T> * std::fabs(data.lambda * x[i]);
    }
    exact.bound[i] = 1.01L * (exact.bound[i] + unit<T> * std::fabs(exact.gradient[i]));
  }
}

/// A score is off by `off`, its distance from the largest by twice that and a rounding, and exp by 4 units: so much are
/// the terms of a row's sum off, relatively; p by twice that and two roundings.
template <class T>
Exact evaluate(const Data<T>& data, const T* x, Index chain = 512, double more = 0) {
  const auto k = static_cast<std::size_t>(data.classes);
  Exact exact;
  exact.gradient.resize(static_cast<std::size_t>(data.weights()) + k), exact.bound.resize(exact.gradient.size());
  std::vector<long double> s(k), r(k), error(k);
  for (Index row = 0; row < data.rows; ++row) {
    const auto label = static_cast<std::size_t>(data.labels[static_cast<std::size_t>(row)]);
    const long double off = scores_of_row(data, x, row, s);
    const long double largest = *std::max_element(s.begin(), s.end());
    const long double spread = largest - *std::min_element(s.begin(), s.end());
    const long double relative = 2 * off + unit<T> * spread + 4 * unit<T> + more;
    long double sum = 0, others = 0;
    for (std::size_t c = 0; c < k; ++c) {
      r[c] = std::exp(s[c] - largest);
      sum += r[c];
      if (c != label) others += r[c];
    }
    for (std::size_t c = 0; c < k; ++c) {
      r[c] = c == label ? -others / sum : r[c] / sum;
      error[c] = std::fabs(r[c]) * (2 * relative + 2 * unit<T>);
    }
    const long double loss = std::log(sum) + (largest - s[label]);
    exact.objective += loss;
    exact.objective_bound += relative + 2 * off + static_cast<long double>(data.rows + 8) * 0x1p-53L * (loss + 1);
    add_row(data, row, r, error, chain, exact);
  }
  long double squares = 0;
  for (Index i = 0; i < data.weights(); ++i) squares += static_cast<long double>(x[i]) * x[i];
  exact.objective += 0.5L * data.lambda * squares;
  exact.objective_bound += static_cast<long double>(data.weights() + 4) * 0x1p-53L * data.lambda * squares;
  exact.objective_bound *= 1.01L;
  finish(data, x, exact);
  return exact;
}

/// What one call on the device leaves, with the places behind its arrays.
template <class T>
struct Result {
  std::vector<double> objective{nan, 5};
  std::vector<T> gradient;
};
template <class T, class Call>
Result<T> on_device(const Data<T>& data, const Call& call) {
  Result<T> result;
  result.gradient.assign(static_cast<std::size_t>(data.weights() + data.classes) + 1, T(5));
  const Index rows = data.rows, features = data.features, classes = data.classes;
  std::vector<T> scores(static_cast<std::size_t>(device::logistic_regression_scores(rows, features, classes)) + 1,
                        T(5));
  std::vector<double> work(static_cast<std::size_t>(device::logistic_regression_workspace(rows, features, classes)) + 1,
                           nan);
  work.back() = 5;
  call(result, scores.data(), work.data());
  EXPECT_EQ(result.objective[1], 5);
  EXPECT_EQ(result.gradient.back(), T(5)) << "written behind the gradient";
  EXPECT_EQ(scores.back(), T(5)) << "the scores were overrun";
  EXPECT_EQ(work.back(), 5) << "the workspace was overrun";
  return result;
}
template <class T>
Result<T> evaluate_on_device(const Data<T>& data, const T* x) {
  return on_device(data, [&](Result<T>& result, T* scores, double* work) {
    device::logistic_regression<T>(data.rows, data.features, data.classes, data.z.values.data(), data.z.pitch,
                                   data.labels.data(), data.lambda, x, result.objective.data(), result.gradient.data(),
                                   scores, work, nullptr);
  });
}

template <class A, class B>
void expect_within(const A& found, const B& expected, const std::vector<long double>& bound) {
  for (std::size_t i = 0; i < bound.size(); ++i)
    EXPECT_LE(std::fabs(found[i] - static_cast<long double>(expected[i])), bound[i]) << "element " << i;
}

template <class T>
void check(Index rows, Index features, Index classes, Index gap, bool both_orders = true) {
  SCOPED_TRACE(::testing::Message() << rows << " rows, " << features << " features, " << classes << " classes, gap "
                                    << gap << ", " << sizeof(T) << " bytes");
  const Data<T> data(rows, features, classes, gap);
  const Exact exact = evaluate(data, data.x.data());
  const auto body = [&] {
    const Result<T> found = evaluate_on_device(data, data.x.data());
    EXPECT_LE(std::fabs(found.objective[0] - exact.objective), exact.objective_bound);
    expect_within(found.gradient, exact.gradient, exact.bound);
    std::vector<char> bytes;
    keep(bytes, found.objective), keep(bytes, found.gradient);
    return bytes;
  };
  both_orders ? in_both_orders(body) : static_cast<void>(body());
}

TEST(LogisticRegressionKernel, ObjectiveAndGradient) {
  for (const auto& [rows, features, classes, gap] : {std::array<Index, 4>{1, 1, 1, 0},
                                                     {1, 1, 2, 1},
                                                     {5, 3, 2, 2},
                                                     {9, 17, 31, 0},
                                                     {70, 65, 33, 3},
                                                     {33, 5, 130, 0}}) {
    check<float>(rows, features, classes, gap);
    check<double>(rows, features, classes, gap);
  }
}
TEST(LogisticRegressionKernel, ChainsPartsAndTiles) {
  check<float>(1100, 3, 4, 1);                // two parts; chains of 512 rows
  check<float>(8192 + 1030, 2, 3, 0, false);  // two tiles
}
TEST(LogisticRegressionKernel, TilesAreCutByShape) {
  EXPECT_EQ(device::logistic_regression_scores(1, 8, 10), 1024 * 10);
  EXPECT_EQ(device::logistic_regression_scores(1 << 20, 8, 10), 8192 * 10);
  EXPECT_EQ(device::logistic_regression_scores(1 << 20, 2048, 1000), 4096 * 1000);
  EXPECT_EQ(device::logistic_regression_scores(1 << 20, 8, 100000), 1024 * 100000);
  // One part of the gradient, 16 of the column sums, and little else: no multiple of the gradient of a large problem.
  EXPECT_LE(device::logistic_regression_workspace(1 << 20, 2048, 1000), 2048 * 1000 + 16 * 1000 + 4096 + 1024 + 1);
}

TEST(LogisticRegressionKernel, CertainRowsKeepTheirDigits) {
  // Scores of 0 and -60: 1 - p = e^-60 is no difference of floats.
  Data<float> data(2, 1, 2, 0);
  data.z.values = {1, 1}, data.labels = {0, 0}, data.lambda = 0;
  data.x = {0, -60, 0, 0};
  const Result<float> found = evaluate_on_device(data, data.x.data());
  EXPECT_NEAR(found.objective[0] / (2 * std::exp(-60.0)), 1, 1e-6);
  EXPECT_NEAR(found.gradient[0] / (-2 * std::exp(-60.0)), 1, 1e-6);
  data.labels = {1, 1};
  EXPECT_EQ(evaluate_on_device(data, data.x.data()).objective[0], 120);
  data.x = {3e38f, -1e38f, 0, 0}, data.labels = {0, 0};
  const Result<float> far = evaluate_on_device(data, data.x.data());
  EXPECT_EQ(far.objective[0], 0) << "exponents do not overflow";
  EXPECT_EQ(far.gradient, (std::vector<float>{0, 0, 0, 0, 5}));
}

TEST(LogisticRegressionKernel, NanIsNotLost) {
  for (const Index feature : {0, 6}) {
    Data<float> data(40, 7, 35, 0);
    data.z.values[static_cast<std::size_t>(31 * 7 + feature)] = static_cast<float>(nan);
    const Result<float> found = evaluate_on_device(data, data.x.data());
    EXPECT_TRUE(std::isnan(found.objective[0]));
    for (std::size_t i = 0; i + 1 < found.gradient.size(); ++i) EXPECT_TRUE(std::isnan(found.gradient[i])) << i;
  }
}

/// H v at given probabilities. With v = u - u[likeliest], each off by twice what scores are and a rounding, the mean by
/// as much and a rounding, and a difference and a product of at most twice the spread each rounded once.
template <class T>
void check_hessian(Index rows, Index features, Index classes, Index gap) {
  SCOPED_TRACE(::testing::Message() << rows << " rows, " << features << " features, " << classes << " classes, gap "
                                    << gap << ", " << sizeof(T) << " bytes");
  const Data<T> data(rows, features, classes, gap);
  const auto k = static_cast<std::size_t>(classes);
  const Random random(42, Stream::test);
  std::vector<T> p(static_cast<std::size_t>(rows) * k);
  std::vector<std::int32_t> likeliest;
  Exact exact;
  exact.gradient.resize(data.x.size()), exact.bound.resize(data.x.size());
  std::vector<long double> u(k), h(k), error(k);
  for (Index row = 0; row < rows; ++row) {
    T* const q = p.data() + static_cast<std::size_t>(row) * k;
    double sum = 0;
    for (std::size_t c = 0; c < k; ++c)
      q[c] = static_cast<T>(std::exp(3 * random.normal(static_cast<std::uint64_t>(row) * k + c))),
      sum += static_cast<double>(q[c]);
    for (std::size_t c = 0; c < k; ++c) q[c] = static_cast<T>(static_cast<double>(q[c]) / sum);
    const auto best = static_cast<std::size_t>(std::max_element(q, q + k) - q);
    likeliest.push_back(static_cast<std::int32_t>(best));
    const long double off = scores_of_row(data, data.x.data(), row, u), origin = u[best];
    long double mean = 0, spread = 0;
    for (std::size_t c = 0; c < k; ++c) {
      u[c] -= origin;
      mean += q[c] * u[c], spread = std::max(spread, std::fabs(u[c]));
    }
    for (std::size_t c = 0; c < k; ++c) {
      h[c] = q[c] * (u[c] - mean);
      error[c] = q[c] * (4 * off + 7 * unit<T> * spread);
    }
    add_row(data, row, h, error, 512, exact);
  }
  finish(data, data.x.data(), exact);
  in_both_orders([&] {
    const Result<T> found = on_device(data, [&](Result<T>& result, T* scores, double* work) {
      device::logistic_regression_hessian_product<T>(rows, features, classes, data.z.values.data(), data.z.pitch,
                                                     p.data(), likeliest.data(), data.lambda, data.x.data(),
                                                     result.gradient.data(), scores, work, nullptr);
    });
    expect_within(found.gradient, exact.gradient, exact.bound);
    return found.gradient;
  });
}
TEST(LogisticRegressionKernel, HessianProduct) {
  for (const auto& [rows, features, classes, gap] :
       {std::array<Index, 4>{1, 1, 2, 1}, {5, 3, 2, 2}, {70, 65, 33, 3}, {33, 5, 130, 0}, {600, 2, 3, 0}}) {
    check_hessian<float>(rows, features, classes, gap);
    check_hessian<double>(rows, features, classes, gap);
  }
}

/// A problem whose second class of four has no examples.
logistic::Problem small_problem(Index rows, Index features) {
  const Random random(43, Stream::test);
  const Tensor x = Tensor::empty({rows, features});
  std::vector<Index> labels;
  for (Index i = 0; i < rows; ++i) {
    labels.push_back(std::array<Index, 3>{0, 2, 3}[static_cast<std::size_t>(i % 3)]);
    for (Index j = 0; j < features; ++j)
      x.data<float>()[i * x.pitch() + j] =
          static_cast<float>(random.normal(static_cast<std::uint64_t>(i * features + j)) + (j == i % 3 ? 1 : 0));
  }
  return logistic::Problem(x, labels, 4);
}
Data<float> data_of(const logistic::Problem& problem) {
  Data<float> data(problem.n(), problem.rank(), problem.k(), problem.pitch() - problem.rank());
  for (Index i = 0; i < problem.n(); ++i)
    for (Index j = 0; j < problem.rank(); ++j)
      data.z.values[static_cast<std::size_t>(i * data.z.pitch + j)] = problem.rotated(i)[j];
  data.labels = problem.labels();
  return data;
}

TEST(LogisticRegressionKernel, IsWhatTheSolverEvaluates) {
  const logistic::Problem problem = small_problem(80, 9);
  const Data<float> data = data_of(problem);
  logistic::Solver solver(problem);
  ASSERT_EQ(solver.size(), static_cast<Index>(data.x.size()));
  std::vector<float> gradient(data.x.size());
  const double objective = solver.evaluate(data.lambda, data.x.data(), gradient.data());
  const Result<float> found = evaluate_on_device(data, data.x.data());
  const Exact exact = evaluate(data, data.x.data());
  // The solver adds classes in float, and rounds the sum over rows before lambda U is added to it.
  const Exact cpu = evaluate(data, data.x.data(), 1024, 16 * unit<float>);
  EXPECT_LE(std::fabs(found.objective[0] - objective), exact.objective_bound + cpu.objective_bound);
  std::vector<long double> bound;
  for (std::size_t i = 0; i < gradient.size(); ++i)
    bound.push_back(exact.bound[i] + cpu.bound[i] + 4 * unit<float> * std::fabs(data.lambda * data.x[i]));
  expect_within(found.gradient, gradient, bound);
}

TEST(LogisticRegressionKernel, LeadsLbfgsToTheOptimum) {
  const logistic::Problem problem = small_problem(90, 6);
  Data<float> data = data_of(problem);
  logistic::Solver solver(problem);
  solver.set_prior_curvature();
  std::vector<float> x(data.x.size(), 0.0f);
  LbfgsOptions options;
  options.objective_noise = 3e-7;
  const LbfgsResult result = minimise_lbfgs(
      x.data(), solver.size(), options,
      [&](const float* at, float* gradient) {
        const Result<float> found = evaluate_on_device(data, at);
        std::copy(found.gradient.begin(), found.gradient.end() - 1, gradient);
        return found.objective[0];
      },
      [&](const float* v, float* out) { solver.precondition(data.lambda, v, out); },
      [&](double f, const float* gradient) { return solver.relative_gap(data.lambda, f, gradient) <= 1e-6; },
      [] { return false; });
  EXPECT_EQ(result.stop, StopReason::converged);
  logistic::Point point;
  point.lambda = data.lambda;
  solver.to_point(x, point);
  logistic::ExactObjective(problem).evaluate(point);
  EXPECT_LE(point.relative_certificate(), 1e-5);
}

}  // namespace logistic_regression_test
