// Batch norm, activations, elementwise operations and dropout against values worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tinyvision/reference/batch_norm.hpp"
#include "tinyvision/reference/dropout.hpp"
#include "tinyvision/reference/elementwise.hpp"

namespace normalisation_test {

using namespace tinyvision;
using Values = std::vector<double>;

TEST(ReferenceBatchNorm, VarianceIsBiased) {
  const Values x{1, 10, -9, 3, 30, -9, 5, 20, -9, 7, 40, -9};  // pitch 3: channels 1 3 5 7 and 10 30 20 40
  Values mean(2), variance(2);
  reference::batch_norm_statistics(4, 2, x.data(), 3, mean.data(), variance.data());
  EXPECT_EQ(mean, (Values{4, 25}));
  EXPECT_EQ(variance, (Values{5, 125}));
  reference::batch_norm_statistics(1, 2, x.data(), 3, mean.data(), variance.data());
  EXPECT_EQ(mean, (Values{1, 10}));
  EXPECT_EQ(variance, (Values{0, 0}));
  EXPECT_THROW(reference::batch_norm_statistics(0, 2, x.data(), 3, mean.data(), variance.data()), Error);
}

TEST(ReferenceBatchNorm, ApplyAddsTheResidualBeforeTheActivation) {
  const Values x{1, 3, 5}, mean{3}, scale{2}, shift{1}, residual{4, -4, 4};
  Values y(3);
  reference::batch_norm_apply(3, 1, x.data(), 1, mean.data(), scale.data(), shift.data(),
                              static_cast<const double*>(nullptr), 0, Activation::none, y.data(), 1);
  EXPECT_EQ(y, (Values{-3, 1, 5}));
  reference::batch_norm_apply(3, 1, x.data(), 1, mean.data(), scale.data(), shift.data(), residual.data(), 1,
                              Activation::relu6, y.data(), 1);
  EXPECT_EQ(y, (Values{1, 0, 6}));
}

// The gradient of sum(dz * z) against central differences of the whole forward pass.
TEST(ReferenceBatchNorm, BackwardIsTheDerivativeOfForward) {
  const Index rows = 5, channels = 2;
  const double epsilon = 1e-3;
  Values x{0.3, 1.2, -0.7, 0.1, 1.9, -2.0, 0.4, 0.8, -1.1, 0.6};
  Values gamma{1.5, -0.5}, beta{0.2, 0.3};
  const Values dz{0.5, -1, 2, 0.25, -0.75, 1, 1, 1, -2, 3};
  Values residual{0.1, 0.2, 0.3, -0.4, 0.5, 0.6, -0.7, 0.8, 0.9, 1.0};
  Values mean(2), variance(2), scale(2), inv_std(2), z(10);
  const auto loss = [&] {
    reference::batch_norm_statistics(rows, channels, x.data(), 2, mean.data(), variance.data());
    for (std::size_t c = 0; c < 2; ++c)
      inv_std[c] = 1 / std::sqrt(variance[c] + epsilon), scale[c] = gamma[c] * inv_std[c];
    reference::batch_norm_apply(rows, channels, x.data(), 2, mean.data(), scale.data(), beta.data(), residual.data(), 2,
                                Activation::relu, z.data(), 2);
    double total = 0;
    for (std::size_t i = 0; i < z.size(); ++i) total += dz[i] * z[i];
    return total;
  };
  const auto slope = [&](double& value) {
    const double h = 1e-6, middle = value;
    value = middle + h;
    const double above = loss();
    value = middle - h;
    const double below = loss();
    value = middle;
    return (above - below) / (2 * h);
  };
  loss();
  Values dgamma(2), dbeta(2), dx(10, 1), dresidual(10, 1);
  reference::batch_norm_backward_reduce(rows, channels, dz.data(), 2, z.data(), 2, x.data(), 2, mean.data(),
                                        inv_std.data(), Activation::relu, dgamma.data(), dbeta.data());
  reference::batch_norm_backward_apply(rows, channels, dz.data(), 2, z.data(), 2, x.data(), 2, mean.data(),
                                       inv_std.data(), gamma.data(), Activation::relu, dgamma.data(), dbeta.data(),
                                       dx.data(), 2, true, dresidual.data(), 2, false);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(dx[i] - 1, slope(x[i]), 1e-8) << i;
    EXPECT_NEAR(dresidual[i], slope(residual[i]), 1e-8) << i;
  }
  for (std::size_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(dgamma[c], slope(gamma[c]), 1e-8);
    EXPECT_NEAR(dbeta[c], slope(beta[c]), 1e-8);
  }
}

TEST(ReferenceBatchNorm, FrozenStatisticsOnlyScale) {
  const Values dz{1, 2, 3}, z{0, 3, 6}, inv_std{2}, gamma{5};
  Values dx(3, 1), dresidual(3, 1);
  reference::batch_norm_backward_apply_frozen(3, 1, dz.data(), 1, z.data(), 1, inv_std.data(), gamma.data(),
                                              Activation::relu6, dx.data(), 1, false, dresidual.data(), 1, true);
  EXPECT_EQ(dx, (Values{0, 20, 0}));
  EXPECT_EQ(dresidual, (Values{1, 3, 1}));
  reference::batch_norm_backward_apply_frozen(3, 1, dz.data(), 1, static_cast<const double*>(nullptr), 0,
                                              inv_std.data(), static_cast<const double*>(nullptr), Activation::none,
                                              dx.data(), 1, true, static_cast<double*>(nullptr), 0, false);
  EXPECT_EQ(dx, (Values{2, 24, 6}));
}

TEST(ReferenceElementwise, ActivationsAndTheirKinks) {
  const Values x{-1, 0, 3, 6, 7}, dy{1, 1, 1, 1, 1};
  Values y(5), dx(5);
  reference::activation_forward(1, 5, x.data(), 5, Activation::relu, y.data(), 5);
  EXPECT_EQ(y, (Values{0, 0, 3, 6, 7}));
  reference::activation_backward(1, 5, dy.data(), 5, y.data(), 5, Activation::relu, dx.data(), 5, false);
  EXPECT_EQ(dx, (Values{0, 0, 1, 1, 1}));
  reference::activation_forward(1, 5, x.data(), 5, Activation::relu6, y.data(), 5);
  EXPECT_EQ(y, (Values{0, 0, 3, 6, 6}));
  reference::activation_backward(1, 5, dy.data(), 5, y.data(), 5, Activation::relu6, dx.data(), 5, true);
  EXPECT_EQ(dx, (Values{0, 0, 2, 1, 1}));
}

TEST(ReferenceElementwise, AddScaleBias) {
  const Values a{1, 2, -9, 3, 4, -9}, b{10, -20, 30, -40};
  Values y(4);
  reference::add(2, 2, a.data(), 3, b.data(), 2, Activation::relu, y.data(), 2);
  EXPECT_EQ(y, (Values{11, 0, 33, 0}));
  reference::scale(2, 2, a.data(), 3, 2.0, y.data(), 2, false);
  EXPECT_EQ(y, (Values{2, 4, 6, 8}));
  reference::scale(2, 2, a.data(), 3, -1.0, y.data(), 2, true);
  EXPECT_EQ(y, (Values{1, 2, 3, 4}));
  Values db{100, 200};
  reference::bias_backward(2, 2, a.data(), 3, db.data(), true);
  EXPECT_EQ(db, (Values{104, 206}));
  reference::bias_backward(2, 2, a.data(), 3, db.data(), false);
  EXPECT_EQ(db, (Values{4, 6}));
}

TEST(ReferenceDropout, KeepsWhereTheUniformIsBelowKeep) {
  const Random random(7, Stream::dropout, 3);
  const Values x{1, 2, -9, 3, 4, -9, 5, 6, -9};
  Values y(6, 1);
  reference::dropout(3, 2, random, 0.5, x.data(), 3, y.data(), 2, true);
  for (std::uint64_t i = 0; i < 6; ++i)
    EXPECT_EQ(y[i], 1 + (random.uniform(i) < 0.5 ? 2 * static_cast<double>(i + 1) : 0.0)) << i;
}

}  // namespace normalisation_test
