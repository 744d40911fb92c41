// Losses against formulas written out for small cases.
#include "tinyvision/reference/loss.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace loss_test {

using namespace tinyvision;
using Values = std::vector<double>;

TEST(ReferenceLoss, SoftmaxOfKnownProbabilities) {
  const Values z{std::log(1.0), std::log(2.0), std::log(5.0), -99};  // probabilities 1/8, 2/8, 5/8
  const std::vector<std::int64_t> label{1};
  Values loss(1), p(3), dz(3);
  reference::softmax_cross_entropy_forward(1, 3, z.data(), 4, label.data(), 0.0, loss.data(), p.data());
  EXPECT_NEAR(loss[0], std::log(4.0), 1e-15);
  EXPECT_NEAR(p[0], 0.125, 1e-16);
  EXPECT_NEAR(p[1], 0.25, 1e-16);
  EXPECT_NEAR(p[2], 0.625, 1e-16);
  reference::softmax_cross_entropy_backward(1, 3, p.data(), label.data(), 0.0, Values{0.5}.data(), dz.data(), 3, false);
  EXPECT_NEAR(dz[0], 0.0625, 1e-16);
  EXPECT_NEAR(dz[1], -0.375, 1e-16);
  EXPECT_NEAR(dz[2], 0.3125, 1e-16);
}

TEST(ReferenceLoss, LabelSmoothingMixesInTheUniformDistribution) {
  const Values z{std::log(1.0), std::log(2.0), std::log(5.0)};
  const std::vector<std::int64_t> label{2};
  Values loss(1), p(3), dz(3, 1);
  const double s = 0.3;
  reference::softmax_cross_entropy_forward(1, 3, z.data(), 3, label.data(), s, loss.data(), p.data());
  const double by_hand = -(0.1 * std::log(0.125) + 0.1 * std::log(0.25) + 0.8 * std::log(0.625));
  EXPECT_NEAR(loss[0], by_hand, 1e-15);
  reference::softmax_cross_entropy_backward(1, 3, p.data(), label.data(), s, Values{2}.data(), dz.data(), 3, true);
  EXPECT_NEAR(dz[0], 1 + 2 * (0.125 - 0.1), 1e-15);
  EXPECT_NEAR(dz[1], 1 + 2 * (0.25 - 0.1), 1e-15);
  EXPECT_NEAR(dz[2], 1 + 2 * (0.625 - 0.8), 1e-15);
}

TEST(ReferenceLoss, ExtremeLogitsDoNotOverflow) {
  const Values z{1e4, -1e4, 1e4};
  const std::vector<std::int64_t> label{1};
  Values loss(1), p(3);
  reference::softmax_cross_entropy_forward(1, 3, z.data(), 3, label.data(), 0.0, loss.data(), p.data());
  EXPECT_NEAR(loss[0], 2e4 + std::log(2.0), 1e-10);
  EXPECT_EQ(p, (Values{0.5, 0, 0.5}));
}

TEST(ReferenceLoss, SigmoidOfKnownProbabilities) {
  const Values z{std::log(3.0), -std::log(3.0), 0}, t{1, 1, 0.25}, w{1, 2, 0};  // probabilities 3/4, 1/4, 1/2
  Values loss(1), dz(3);
  reference::sigmoid_cross_entropy_forward(1, 3, z.data(), 3, t.data(), static_cast<const double*>(nullptr),
                                           loss.data());
  EXPECT_NEAR(loss[0], -std::log(0.75) - std::log(0.25) - std::log(0.5), 1e-15);
  reference::sigmoid_cross_entropy_forward(1, 3, z.data(), 3, t.data(), w.data(), loss.data());
  EXPECT_NEAR(loss[0], -std::log(0.75) - 2 * std::log(0.25), 1e-15);
  reference::sigmoid_cross_entropy_backward(1, 3, z.data(), 3, t.data(), w.data(), Values{10}.data(), dz.data(), 3,
                                            false);
  EXPECT_NEAR(dz[0], -2.5, 1e-14);
  EXPECT_NEAR(dz[1], -15, 1e-14);
  EXPECT_EQ(dz[2], 0);
}

TEST(ReferenceLoss, RefusesLabelsOutOfRange) {
  const Values z{1, 2};
  Values loss(1);
  for (const std::int64_t bad : {std::int64_t{2}, std::int64_t{-1}})
    EXPECT_THROW(reference::softmax_cross_entropy_forward(1, 2, z.data(), 2, &bad, 0.0, loss.data(),
                                                          static_cast<double*>(nullptr)),
                 Error);
}

}  // namespace loss_test
