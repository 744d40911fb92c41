// Nesterov momentum and coupled weight decay against hand computation and a straightforward loop.
#include "tinyvision/optim/sgd.hpp"

#include <gtest/gtest.h>

#include "tinyvision/core/random.hpp"

namespace sgd_test {

using namespace tinyvision;

Variable parameter(std::vector<double> values) {
  const Index n = static_cast<Index>(values.size());
  return Variable(Tensor::from_vector<double>({n}, values), true);
}

void set_gradient(const Variable& v, double value) {
  v.clear_gradient();
  v.gradient_sink().tensor.fill(value);
}

TEST(Sgd, NesterovByHand) {
  const Variable w = parameter({1});
  const Sgd sgd({w}, {false}, 0.9, 0);
  set_gradient(w, 0.5);
  sgd.step(0.1);  // v = 0.5, w = 1 - 0.1 (0.5 + 0.45)
  EXPECT_NEAR(w.value().item(), 0.905, 1e-15);
  EXPECT_NEAR(sgd.entries()[0].velocity.item(), 0.5, 1e-15);
  set_gradient(w, -1);
  sgd.step(0.2);  // v = 0.45 - 1 = -0.55, w = 0.905 - 0.2 (-1 - 0.495)
  EXPECT_NEAR(w.value().item(), 1.204, 1e-15);
  EXPECT_NEAR(sgd.entries()[0].velocity.item(), -0.55, 1e-15);
}

TEST(Sgd, NoMomentumIsPlainDescent) {
  const Variable w = parameter({1, -2});
  const Sgd sgd({w}, {false}, 0, 0);
  for (int t = 0; t < 3; ++t) {
    set_gradient(w, 2);
    sgd.step(0.25);
  }
  EXPECT_EQ(w.value().to_vector<double>(), (std::vector<double>{-0.5, -3.5}));
}

TEST(Sgd, DecayIsCoupledAndKeepsToItsSet) {
  const Variable decayed = parameter({2, -4}), free = parameter({2, -4}), idle = parameter({3});
  const Sgd sgd({decayed, free, idle}, {true, false, true}, 0.9, 0.5);
  EXPECT_DOUBLE_EQ(sgd.penalty(), 0.25 * (4 + 16 + 9));
  set_gradient(decayed, 1);
  set_gradient(free, 1);
  sgd.add_weight_decay();
  EXPECT_EQ(decayed.gradient().to_vector<double>(), (std::vector<double>{2, -1}));
  EXPECT_EQ(free.gradient().to_vector<double>(), (std::vector<double>{1, 1}));
  EXPECT_FALSE(idle.gradient().defined());
  sgd.step(0.1);  // the decay goes through the momentum: factor 1 + m
  EXPECT_NEAR(decayed.value().data<double>()[0], 2 - 0.1 * 1.9 * 2, 1e-15);
  EXPECT_NEAR(decayed.value().data<double>()[1], -4 + 0.1 * 1.9, 1e-15);
  EXPECT_NEAR(free.value().data<double>()[0], 2 - 0.1 * 1.9, 1e-15);
  EXPECT_EQ(idle.value().item(), 3) << "a variable without a gradient stays";
  sgd.clear_gradients();
  EXPECT_FALSE(decayed.gradient().defined());
}

TEST(Sgd, EqualsALoopInF32AndMarksChanges) {
  const Index n = 70001;  // several pieces of parallel work, the last one short
  const Random random(5, Stream::test);
  std::vector<float> w(static_cast<std::size_t>(n)), v(w.size(), 0.0f), g(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(random.normal(i));
  const Variable variable(Tensor::from_vector<float>({n}, w), true);
  const Sgd sgd({variable}, {true}, 0.9, 1e-2);
  for (int t = 0; t < 4; ++t) {
    const GradientSink sink = variable.gradient_sink();
    const float lr = 0.05f / static_cast<float>(t + 1);
    for (std::size_t i = 0; i < w.size(); ++i) {
      sink.tensor.data<float>()[i] = static_cast<float>(random.normal(i + 100000 * static_cast<std::size_t>(t + 1)));
      g[i] = sink.tensor.data<float>()[i] + 1e-2f * w[i];
      v[i] = 0.9f * v[i] + g[i];
      w[i] -= lr * (g[i] + 0.9f * v[i]);
    }
    const std::uint64_t version = variable.version();
    sgd.add_weight_decay();
    sgd.step(lr);
    sgd.clear_gradients();
    EXPECT_NE(variable.version(), version) << "packed weights would be stale";
  }
  EXPECT_EQ(variable.value().to_vector<float>(), w);
}

TEST(Sgd, RefusesBadSettings) {
  const Variable w = parameter({1});
  EXPECT_THROW(Sgd({w}, {}, 0.9, 0), Error);
  EXPECT_THROW(Sgd({w}, {true}, 1, 0), Error);
  EXPECT_THROW(Sgd({w}, {true}, -0.1, 0), Error);
  EXPECT_THROW(Sgd({w}, {true}, 0.9, -1e-4), Error);
}

}  // namespace sgd_test
