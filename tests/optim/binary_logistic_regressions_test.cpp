// Several binary logistic regressions at once, held to the two-class softmax, to each other and to their certificates.
#include "tinyvision/optim/binary_logistic_regressions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tinyvision/core/random.hpp"

using namespace tinyvision;

namespace binary_logistic_regressions_test {

struct Data {
  Tensor x;
  std::vector<std::int8_t> targets;
  Index problems = 0;

  std::vector<std::int8_t> column(Index c) const {
    std::vector<std::int8_t> out;
    for (std::size_t i = static_cast<std::size_t>(c); i < targets.size(); i += static_cast<std::size_t>(problems))
      out.push_back(targets[i]);
    return out;
  }
};

/// `n` rows with a few classes each out of `problems`, `spread` apart; one presence in eight takes no part.
Data make(Index n, Index d, Index problems, double spread) {
  const Random centre(5, Stream::test, 0), noise(5, Stream::test, 1), shown(5, Stream::test, 2);
  Data data{Tensor::zeros({n, d}), {}, problems};
  for (Index i = 0; i < n; ++i) {
    float* row = data.x.data<float>() + i * d;
    for (Index j = 0; j < d; ++j)
      row[j] = static_cast<float>(noise.normal(static_cast<std::uint64_t>(i * d + j)) + 0.5);
    for (Index c = 0; c < problems; ++c) {
      const auto draw = shown.integer(static_cast<std::uint64_t>(i * problems + c), 8);
      const bool present = draw < 3 || c == i % problems;
      data.targets.push_back(draw == 7 ? std::int8_t{0} : static_cast<std::int8_t>(present ? 1 : -1));
      for (Index j = 0; present && j < d; ++j)
        row[j] += static_cast<float>(spread * centre.normal(static_cast<std::uint64_t>(c * d + j)));
    }
  }
  return data;
}

/// F in extended precision.
long double naive_objective(const Data& data, Index problem, const std::vector<double>& w, double b, double lambda) {
  const std::vector<std::int8_t> y = data.column(problem);
  const Index d = data.x.dim(1);
  long double sum = 0;
  for (Index i = 0; i < data.x.dim(0); ++i) {
    if (y[static_cast<std::size_t>(i)] == 0) continue;
    long double z = b;
    for (Index j = 0; j < d; ++j)
      z += static_cast<long double>(w[static_cast<std::size_t>(j)]) * data.x.data<float>()[i * d + j];
    z *= -y[static_cast<std::size_t>(i)];
    sum += std::max(z, 0.0L) + std::log1p(std::exp(-std::fabs(z)));
  }
  for (const double v : w) sum += 0.5L * lambda * v * v;
  return sum;
}

std::vector<double> column_of(const Tensor& weights, Index c) {
  std::vector<double> out;
  for (Index j = 0; j < weights.dim(0); ++j) out.push_back(weights.data<double>()[j * weights.dim(1) + c]);
  return out;
}

struct Restore {
  int threads = num_threads();
  InstructionSet set = instruction_set();
  ~Restore() {
    set_num_threads(threads);
    set_instruction_set(set);
  }
};

TEST(BinaryLogisticTest, EqualsTheSoftmaxOfTwoClassesAtTwiceThePenalty) {
  // More rows than features, fewer, and data that a plane separates.
  for (const auto& [n, d, spread] : {std::tuple<Index, Index, double>{150, 9, 0.6}, {40, 70, 0.5}, {120, 20, 3.0}}) {
    const Data data = make(n, d, 3, spread);
    LogisticRegressionOptions options;
    options.tolerance = 1e-8;
    BinaryLogisticRegressions ours(data.x, data.targets, 3, options);
    for (const double lambda : {1e3, 1.0, 1e-2, 1e-4}) {
      const std::vector<LogisticRegressionFit> fits = ours.fit(std::vector<double>(3, lambda));
      for (Index c = 0; c < 3; ++c) {
        SCOPED_TRACE(concat_text(n, " x ", d, " lambda ", lambda, " problem ", c));
        const LogisticRegressionFit& fit = fits[static_cast<std::size_t>(c)];
        EXPECT_TRUE(fit.converged) << fit.relative_certificate << " " << to_string(fit.stop);
        const std::vector<std::int8_t> y = data.column(c);
        std::vector<Index> labels;
        Tensor rows = Tensor::empty({n, d});
        for (Index i = 0; i < n; ++i) {
          if (y[static_cast<std::size_t>(i)] == 0) continue;
          rows.slice_batch(static_cast<Index>(labels.size()), 1).copy_from(data.x.slice_batch(i, 1));
          labels.push_back(y[static_cast<std::size_t>(i)] > 0 ? 1 : 0);
        }
        rows = rows.slice_batch(0, static_cast<Index>(labels.size()));
        LogisticRegression softmax(rows, labels, 2, options);
        const LogisticRegressionFit two = softmax.fit(2 * lambda);
        EXPECT_NEAR(fit.objective, two.objective, 2e-8 * two.objective);
        const std::vector<double> w = column_of(ours.weights(), c);
        const double b = ours.intercepts().data<double>()[c];
        EXPECT_NEAR(static_cast<double>(naive_objective(data, c, w, b, lambda)), fit.objective, 1e-11 * fit.objective);
        const Tensor v = softmax.weights();
        double difference = 0;
        for (Index j = 0; j < d; ++j) {
          const double other = v.data<double>()[2 * j + 1] - v.data<double>()[2 * j];
          difference += (other - w[static_cast<std::size_t>(j)]) * (other - w[static_cast<std::size_t>(j)]);
        }
        // Both lie within sqrt(2 certificate / lambda) of the optimum.
        EXPECT_LE(std::sqrt(difference),
                  std::sqrt(2 * fit.certificate / lambda) + std::sqrt(2 * two.certificate / lambda) + 1e-9);
      }
    }
  }
}

TEST(BinaryLogisticTest, CertificatesBoundTheDistanceAnywhere) {
  const Data both = make(80, 6, 2, 0.7);
  const Data data{both.x, both.column(0), 1};
  LogisticRegressionOptions options;
  options.tolerance = 1e-10;
  BinaryLogisticRegressions best(data.x, data.targets, 1, options);
  const Random random(3, Stream::test);
  for (const double lambda : {10.0, 1e-1, 1e-3}) {
    const LogisticRegressionFit fit = best.fit(std::vector<double>{lambda}).front();
    ASSERT_TRUE(fit.converged);
    for (const double size : {1e-6, 1e-2, 1.0, 30.0}) {
      logistic::BinaryPoint point;
      point.w = column_of(best.weights(), 0);
      for (std::size_t j = 0; j < point.w.size(); ++j) point.w[j] += size * random.normal(j);
      logistic::BinaryTargets targets{data.targets};
      std::vector<double> scores(80, 0.0), residual(80);
      for (std::size_t i = 0; i < 80; ++i) {
        for (std::size_t j = 0; j < 6; ++j)
          scores[i] += point.w[j] * static_cast<double>(data.x.data<float>()[i * 6 + j]);
        targets.positives += targets.y[i] > 0 ? 1 : 0;
        targets.negatives += targets.y[i] < 0 ? 1 : 0;
      }
      logistic::judge_scores(scores.data(), targets, point, residual.data(), 1);
      point.pull.assign(6, 0.0);
      double sum = 0, size_of_residuals = 0;
      for (std::size_t i = 0; i < 80; ++i) {
        sum += residual[i], size_of_residuals += std::fabs(residual[i]);
        for (std::size_t j = 0; j < 6; ++j)
          point.pull[j] += residual[i] * static_cast<double>(data.x.data<float>()[i * 6 + j]);
      }
      SCOPED_TRACE(concat_text("lambda ", lambda, " disturbed by ", size));
      EXPECT_NEAR(sum, 0, 1e-12 * size_of_residuals) << "q has the number of positives";
      EXPECT_GE(point.certificate(lambda), point.objective(lambda) - fit.objective - 1e-9 * fit.objective);
      EXPECT_NEAR(point.objective(lambda), static_cast<double>(naive_objective(data, 0, point.w, point.b, lambda)),
                  1e-11 * point.objective(lambda));
    }
  }
}

TEST(BinaryLogisticTest, WholePathsAreCertified) {
  const Data data = make(300, 40, 18, 1.2);  // more problems than one panel of a kernel has columns
  BinaryLogisticRegressions regressions(data.x, data.targets, 18);
  const std::vector<double> lambdas = paper_lambdas();
  std::vector<double> last(18, std::numeric_limits<double>::infinity());
  std::size_t reported = 0;
  EXPECT_TRUE(regressions.path(lambdas, [&](const std::vector<LogisticRegressionFit>& fits) {
    for (std::size_t c = 0; c < 18; ++c) {
      EXPECT_TRUE(fits[c].converged) << c << " " << fits[c].lambda << " " << to_string(fits[c].stop);
      EXPECT_EQ(fits[c].lambda, lambdas[reported]);
      EXPECT_LT(fits[c].objective, last[c]);
      last[c] = fits[c].objective;
    }
    ++reported;
  }));
  EXPECT_EQ(reported, 45u);
}

TEST(BinaryLogisticTest, BitsDependNeitherOnThreadsNorOnOtherProblems) {
  const Restore restore;
  const Data data = make(700, 50, 5, 0.5);
  const std::vector<double> lambdas{100, 1, 0.01};
  std::vector<double> w, b;
  std::vector<LogisticRegressionFit> fits;
  for (const int threads : {1, 2, 3, 5, 8}) {
    set_num_threads(threads);
    BinaryLogisticRegressions regressions(data.x, data.targets, 5);
    std::vector<LogisticRegressionFit> now;
    regressions.path(lambdas, [&](const std::vector<LogisticRegressionFit>& f) { now = f; });
    if (threads == 1) {
      fits = now, w = regressions.weights().to_vector<double>(), b = regressions.intercepts().to_vector<double>();
      continue;
    }
    EXPECT_EQ(w, regressions.weights().to_vector<double>()) << threads;
    EXPECT_EQ(b, regressions.intercepts().to_vector<double>()) << threads;
    for (std::size_t c = 0; c < 5; ++c) EXPECT_EQ(fits[c].certificate, now[c].certificate);
  }
  for (const Index c : {0, 3}) {
    BinaryLogisticRegressions alone(data.x, data.column(c), 1);
    alone.path(lambdas, [](const auto&) {});
    for (Index j = 0; j < 50; ++j)
      EXPECT_EQ(alone.weights().data<double>()[j], w[static_cast<std::size_t>(j * 5 + c)]) << c;
    EXPECT_EQ(alone.intercepts().data<double>()[0], b[static_cast<std::size_t>(c)]);
  }
}

TEST(BinaryLogisticTest, EveryInstructionSetReachesTheOptimum) {
  const Restore restore;
  const Data data = make(200, 15, 9, 0.8);
  std::vector<double> objectives;
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512}) {
    if (set > best_instruction_set()) continue;
    set_instruction_set(set);
    BinaryLogisticRegressions regressions(data.x, data.targets, 9);
    const auto fits = regressions.fit(std::vector<double>(9, 0.05));
    for (std::size_t c = 0; c < 9; ++c) {
      EXPECT_TRUE(fits[c].converged) << to_string(set);
      if (objectives.size() <= c) objectives.push_back(fits[c].objective);
      EXPECT_NEAR(fits[c].objective, objectives[c], 1e-6 * objectives[c]) << to_string(set);
    }
  }
}

TEST(BinaryLogisticTest, PenaltiesAndStartsMayDiffer) {
  const Data data = make(120, 10, 2, 0.6);
  LogisticRegressionOptions options;
  options.tolerance = 1e-9;
  BinaryLogisticRegressions warm(data.x, data.targets, 2, options), started(data.x, data.targets, 2, options);
  warm.path(log_spaced(3, -1, 9), [](const auto&) {});
  const auto a = warm.fit(std::vector<double>{0.05, 7.0});
  started.set_start(warm.weights(), warm.intercepts());
  const auto b = started.fit(std::vector<double>{0.05, 7.0});
  for (std::size_t c = 0; c < 2; ++c) {
    EXPECT_TRUE(a[c].converged);
    EXPECT_NEAR(a[c].objective, b[c].objective, 2e-9 * a[c].objective);
    EXPECT_LE(b[c].newton_steps, 1);
    EXPECT_EQ(a[c].c, 1 / a[c].lambda);
  }
  EXPECT_EQ(a[1].lambda, 7.0);
}

TEST(BinaryLogisticTest, UnfinishedFitsSaySo) {
  const Data data = make(200, 30, 3, 0.3);
  LogisticRegressionOptions options;
  options.max_newton_steps = 1;
  options.tolerance = 1e-12;
  BinaryLogisticRegressions limited(data.x, data.targets, 3, options);
  for (const LogisticRegressionFit& fit : limited.fit(std::vector<double>(3, 1e-3))) {
    EXPECT_FALSE(fit.converged);
    EXPECT_EQ(fit.stop, StopReason::iteration_limit);
    EXPECT_GT(fit.relative_certificate, 1e-12);
  }
  LogisticRegressionOptions stopping;
  int asked = 0;
  stopping.should_stop = [&] { return ++asked > 10; };
  BinaryLogisticRegressions stopped(data.x, data.targets, 3, stopping);
  std::size_t reported = 0;
  EXPECT_FALSE(stopped.path(paper_lambdas(), [&](const auto&) { ++reported; }));
  EXPECT_LT(reported, 45u);
}

TEST(BinaryLogisticTest, BadInputIsNamed) {
  const Data data = make(20, 4, 2, 0.5);
  const auto message = [](const Tensor& x, const std::vector<std::int8_t>& targets, Index problems) -> std::string {
    try {
      BinaryLogisticRegressions regressions(x, targets, problems);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message(data.x, data.targets, 2), "");
  std::vector<std::int8_t> targets = data.targets;
  targets[7] = 2;
  EXPECT_NE(message(data.x, targets, 2).find("target 2 of row 3, problem 1 is none of 1, 0, -1"), std::string::npos);
  for (std::size_t i = 1; i < targets.size(); i += 2) targets[i] = -1;
  EXPECT_NE(message(data.x, targets, 2).find("problem 1 has 0 positive and 20 negative rows"), std::string::npos);
  EXPECT_NE(message(data.x, data.targets, 3).find("40 targets"), std::string::npos);
  EXPECT_NE(message(data.x.to(DType::f64), data.targets, 2).find("f32"), std::string::npos);
  Tensor nan = data.x.clone();
  nan.data<float>()[4 * 4 + 1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(message(nan, data.targets, 2).find("feature 1 of row 4 is nan"), std::string::npos);
  BinaryLogisticRegressions regressions(data.x, data.targets, 2);
  EXPECT_THROW(regressions.fit(std::vector<double>{1.0, 0.0}), UsageError);
  EXPECT_THROW(regressions.fit(std::vector<double>{1.0}), Error);
}

}  // namespace binary_logistic_regressions_test
