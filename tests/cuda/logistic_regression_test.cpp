// Fits of logistic regression whose passes over the examples run on the device, against fits on the CPU.
#include "tinyvision/optim/logistic_regression.hpp"

#include <gtest/gtest.h>

#include "tinyvision/core/random.hpp"
#include "tinyvision/train/linear_probe.hpp"

namespace logistic_regression_test {

using namespace tinyvision;

struct Data {
  Tensor x;
  std::vector<Index> y;
};

/// n noisy examples of `k` classes; class 1 has none where `absent`.
Data make(Index n, Index d, Index k, bool absent) {
  const Random centre(1, Stream::test, 0), noise(1, Stream::test, 1);
  Data data{Tensor::empty({n, d}), {}};
  for (Index i = 0; i < n; ++i) {
    const Index label = absent && i % k == 1 ? 0 : i % k;
    data.y.push_back(label);
    for (Index j = 0; j < d; ++j)
      data.x.data<float>()[i * d + j] =
          static_cast<float>(0.5 * centre.normal(static_cast<std::uint64_t>(label * d + j)) +
                             noise.normal(static_cast<std::uint64_t>(i * d + j)));
  }
  return data;
}

void compare(Index n, Index d, Index k, bool absent) {
  SCOPED_TRACE(concat_text(n, " x ", d, ", ", k, " classes"));
  const Data data = make(n, d, k, absent);
  LogisticRegressionOptions options;
  options.tolerance = 1e-8;
  LogisticRegression here(data.x, data.y, k, options);
  options.device = Device::cuda();
  LogisticRegression there(data.x, data.y, k, options);
  for (const double lambda : {100.0, 1.0, 1e-3}) {
    const LogisticRegressionFit a = here.fit(lambda), b = there.fit(lambda);
    EXPECT_TRUE(b.converged) << lambda << ": " << to_string(b.stop) << " " << b.relative_certificate;
    EXPECT_NEAR(b.objective, a.objective, 1e-8 * a.objective) << lambda;
    const std::vector<double> wa = here.weights().to_vector<double>(), wb = there.weights().to_vector<double>();
    double distance = 0;
    for (std::size_t i = 0; i < wa.size(); ++i) distance += (wa[i] - wb[i]) * (wa[i] - wb[i]);
    // Strong convexity: each is within sqrt(2 certificate / lambda) of the one solution.
    EXPECT_LE(std::sqrt(distance),
              std::sqrt(2 * a.certificate / lambda) + std::sqrt(2 * b.certificate / lambda) + 1e-12)
        << lambda;
  }
}

TEST(DeviceLogisticRegression, AgreesWithTheCpu) {
  compare(300, 20, 5, false);
  compare(40, 70, 3, false);  // fewer examples than features
  compare(150, 13, 4, true);
}

#ifndef __SANITIZE_ADDRESS__  // takes minutes there, and the fits above run the same code
TEST(DeviceLogisticRegression, ALinearProbe) {
  const Data train = make(120, 16, 4, false), validation = make(60, 16, 4, false);
  LinearProbeOptions options;
  options.lambdas = log_spaced(2, -2, 5);
  const auto run = [&](Device device) {
    options.regression.device = device;
    return fit_linear_probe(train.x, train.y, validation.x, validation.y, 4, options);
  };
  const LinearProbeResult here = run(Device::cpu()), there = run(Device::cuda());
  EXPECT_TRUE(there.converged());
  EXPECT_EQ(there.chosen, here.chosen);
  EXPECT_NEAR(there.refit.objective, here.refit.objective, 2e-6 * here.refit.objective);
  EXPECT_EQ(there.path.size(), 5u);
}
#endif

}  // namespace logistic_regression_test
