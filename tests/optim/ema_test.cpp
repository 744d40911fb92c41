// Moving averages of weights against their formula.
#include "tinyvision/optim/ema.hpp"

#include <gtest/gtest.h>

namespace ema_test {

using namespace tinyvision;

Variable value_of(double v) { return Variable(Tensor::full({1}, v, DType::f64)); }

TEST(Ema, ConstantDecay) {
  const Variable w = value_of(1);
  const Ema ema({w}, 0.75, false);
  EXPECT_EQ(ema.shadows()[0].item(), 1) << "the average starts at the initial value";
  double expected = 1;
  for (Index t = 0; t < 5; ++t) {
    w.value().fill(static_cast<double>(t * t));
    ema.update(t);
    expected = 0.75 * expected + 0.25 * static_cast<double>(t * t);
    EXPECT_DOUBLE_EQ(ema.shadows()[0].item(), expected) << t;
  }
}

TEST(Ema, RampUpOfTfSlim) {
  const Ema ema({value_of(0)}, 0.9999, true);
  EXPECT_DOUBLE_EQ(ema.decay_at(0), 0.1);
  EXPECT_DOUBLE_EQ(ema.decay_at(8), 0.5);
  EXPECT_DOUBLE_EQ(ema.decay_at(90), 0.91);
  EXPECT_DOUBLE_EQ(ema.decay_at(1000000), 0.9999);
  const Variable w = value_of(0);
  const Ema ramped({w}, 0.9999, true);
  w.value().fill(1);
  ramped.update(0);
  EXPECT_DOUBLE_EQ(ramped.shadows()[0].item(), 0.9);
}

TEST(Ema, SwapTwiceRestores) {
  const Variable w = value_of(2);
  const Ema ema({w}, 0.5, false);
  w.value().fill(6);
  ema.update(0);
  const std::uint64_t version = w.version();
  ema.swap();
  EXPECT_EQ(w.value().item(), 4);
  EXPECT_EQ(ema.shadows()[0].item(), 6);
  EXPECT_NE(w.version(), version) << "packed weights would be stale";
  ema.swap();
  EXPECT_EQ(w.value().item(), 6);
  EXPECT_EQ(ema.shadows()[0].item(), 4);
}

TEST(Ema, ShadowsAreCopies) {
  const Variable w(Tensor::full({40000}, 1, DType::f32));  // more than one piece of parallel work
  const Ema ema({w}, 0.5, false);
  w.value().fill(3);
  EXPECT_EQ(ema.shadows()[0].to_vector<float>(), std::vector<float>(40000, 1.0f));
  ema.update(0);
  EXPECT_EQ(ema.shadows()[0].to_vector<float>(), std::vector<float>(40000, 2.0f));
  EXPECT_THROW(Ema({w}, 1, false), Error);
  EXPECT_THROW(Ema({w}, -0.5, false), Error);
}

}  // namespace ema_test
