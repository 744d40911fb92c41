#include "tinyvision/train/linear_probe.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tinyvision/core/random.hpp"

using namespace tinyvision;

namespace linear_probe_test {

struct Part {
  Tensor x;
  std::vector<Index> y;
};

/// `n` noisy examples of k classes; the same centres for every `part`.
Part make(Index n, Index d, Index k, std::uint64_t part, double noise_size = 1.0) {
  const Random centre(11, Stream::test, 0), noise(11, Stream::test, 1 + part);
  Part out{Tensor::empty({n, d}), {}};
  for (Index i = 0; i < n; ++i) {
    out.y.push_back(i % k);
    for (Index j = 0; j < d; ++j)
      out.x.data<float>()[i * d + j] =
          static_cast<float>(centre.normal(static_cast<std::uint64_t>(i % k * d + j)) +
                             noise_size * noise.normal(static_cast<std::uint64_t>(i * d + j)));
  }
  return out;
}

TEST(LinearProbeTest, ChoosesOnValidationAndRefitsOnBoth) {
  const Part train = make(60, 20, 5, 1), validation = make(100, 20, 5, 2), test = make(400, 20, 5, 3);
  LinearProbeOptions options;
  std::size_t seen = 0;
  options.progress = [&](const ProbePoint&) { ++seen; };
  const LinearProbeResult r = fit_linear_probe(train.x, train.y, validation.x, validation.y, 5, options);
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(r.converged());
  ASSERT_EQ(r.path.size(), 45u);
  EXPECT_EQ(seen, 45u);
  for (std::size_t i = 1; i < r.path.size(); ++i) EXPECT_LT(r.path[i].fit.lambda, r.path[i - 1].fit.lambda);
  for (std::size_t i = 0; i < r.path.size(); ++i) {
    EXPECT_LE(r.path[i].top1, r.path[r.chosen].top1);
    if (i < r.chosen) {
      EXPECT_LT(r.path[i].top1, r.path[r.chosen].top1) << "a tie goes to the larger lambda";
    }
  }
  EXPECT_EQ(r.refit.lambda, r.lambda());
  // The chosen point's accuracy is that of its classifier.
  EXPECT_EQ(stats::top_k_accuracy(r.train_classifier.logits(validation.x), validation.y, 1).value(),
            r.path[r.chosen].top1);
  // The refit is the regression on both parts.
  std::vector<Index> labels = train.y;
  labels.insert(labels.end(), validation.y.begin(), validation.y.end());
  LogisticRegression both(detail::stack_rows(train.x, validation.x), labels, 5);
  EXPECT_NEAR(both.fit(r.lambda()).objective, r.refit.objective, 2e-6 * r.refit.objective);
  const double accuracy = stats::top_k_accuracy(r.classifier.logits(test.x), test.y, 1).value();
  EXPECT_GT(accuracy, 0.9);
  EXPECT_GE(accuracy + 0.02, stats::top_k_accuracy(r.train_classifier.logits(test.x), test.y, 1).value());
}

TEST(LinearProbeTest, TheMetricDecides) {
  std::vector<ProbePoint> path(4);
  const double lambdas[] = {100, 10, 1, 0.1}, top1[] = {0.5, 0.8, 0.8, 0.7}, mean[] = {0.6, 0.4, 0.5, 0.6};
  for (std::size_t i = 0; i < 4; ++i)
    path[i].fit.lambda = lambdas[i], path[i].top1 = top1[i], path[i].mean_per_class = mean[i];
  EXPECT_EQ(choose_point(path, ProbeMetric::top1), 1u);
  EXPECT_EQ(choose_point(path, ProbeMetric::mean_per_class), 0u);
  std::swap(path[0], path[3]);  // the order of the path does not matter for ties
  EXPECT_EQ(choose_point(path, ProbeMetric::mean_per_class), 3u);
}

TEST(LinearProbeTest, MeanPerClassIsReported) {
  const Part train = make(60, 8, 3, 1), validation = make(31, 8, 3, 2);
  LinearProbeOptions options;
  options.lambdas = {0.1, 10};
  options.metric = ProbeMetric::mean_per_class;
  const LinearProbeResult r = fit_linear_probe(train.x, train.y, validation.x, validation.y, 3, options);
  ASSERT_EQ(r.path.size(), 2u);
  EXPECT_EQ(r.path[0].fit.lambda, 10);
  EXPECT_EQ(stats::mean_per_class_accuracy(r.train_classifier.logits(validation.x), validation.y).value,
            r.path[r.chosen].mean_per_class);
}

TEST(LinearProbeTest, ProbabilitiesAreTheSoftmaxOfTheLogits) {
  LinearClassifier c{Tensor::from_vector<float>({2, 3}, {1, 0, -1, 0, 2, 0}),
                     Tensor::from_vector<float>({3}, {0.5f, 0, -1e30f})};
  const Tensor x = Tensor::from_vector<float>({2, 2}, {1, 2, 100, -50});
  const std::vector<double> z = c.logits(x).to_vector<double>(), p = c.probabilities(x).to_vector<double>();
  EXPECT_EQ(z[0], 1.5);
  EXPECT_EQ(z[1], 4);
  EXPECT_NEAR(p[0], std::exp(1.5) / (std::exp(1.5) + std::exp(4.0)), 1e-6);
  EXPECT_NEAR(p[0] + p[1], 1, 1e-6);
  EXPECT_EQ(p[2], 0);
  EXPECT_EQ(p[3], 1);
  EXPECT_THROW(c.logits(Tensor::zeros({2, 3})), Error);
}

TEST(LinearProbeTest, AClassAbsentFromTrainingIsLearntInTheRefit) {
  Part train = make(40, 6, 4, 1, 0.2);
  const Part validation = make(40, 6, 4, 2, 0.2);
  for (Index& y : train.y) y = y == 3 ? 0 : y;
  LinearProbeOptions options;
  options.lambdas = {1, 0.01};
  const LinearProbeResult r = fit_linear_probe(train.x, train.y, validation.x, validation.y, 4, options);
  EXPECT_EQ(r.absent_classes, 1);
  EXPECT_TRUE(r.converged());
  EXPECT_LE(r.train_classifier.intercept.data<float>()[3], -1e29f);
  EXPECT_GT(r.classifier.intercept.data<float>()[3], -1e3f);
}

TEST(LinearProbeTest, CanBeStopped) {
  const Part train = make(60, 10, 3, 1), validation = make(30, 10, 3, 2);
  LinearProbeOptions options;
  std::size_t points = 0;
  options.progress = [&](const ProbePoint&) { ++points; };
  options.regression.should_stop = [&] { return points == 4; };
  const LinearProbeResult r = fit_linear_probe(train.x, train.y, validation.x, validation.y, 3, options);
  EXPECT_FALSE(r.complete);
  EXPECT_FALSE(r.converged());
  EXPECT_EQ(r.path.size(), 4u);
}

TEST(LinearProbeTest, BadInputIsNamed) {
  const Part train = make(30, 5, 3, 1), validation = make(9, 5, 3, 2);
  const auto message = [&](const Tensor& x, const std::vector<Index>& y, const Tensor& vx, const std::vector<Index>& vy,
                           std::vector<double> lambdas = {1}) -> std::string {
    LinearProbeOptions options;
    options.lambdas = std::move(lambdas);
    try {
      fit_linear_probe(x, y, vx, vy, 3, options);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message(train.x, train.y, validation.x, validation.y), "");
  EXPECT_NE(message(train.x, train.y, Tensor::zeros({0, 5}), {}).find("no validation examples"), std::string::npos);
  EXPECT_NE(
      message(train.x, train.y, Tensor::zeros({9, 4}), validation.y).find("training has 5 features, validation 4"),
      std::string::npos);
  std::vector<Index> labels = validation.y;
  labels[4] = 3;
  EXPECT_NE(message(train.x, train.y, validation.x, labels).find("validation label 3 of row 4"), std::string::npos);
  const Tensor nan = validation.x.clone();
  nan.data<float>()[2 * 5 + 1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(message(train.x, train.y, nan, validation.y).find("validation feature 1 of row 2 is nan"),
            std::string::npos);
  EXPECT_NE(message(train.x, train.y, validation.x, validation.y, {}).find("no lambdas"), std::string::npos);
  EXPECT_NE(message(train.x, train.y, validation.x, validation.y, {1, -2}).find("-2"), std::string::npos);
}

}  // namespace linear_probe_test
