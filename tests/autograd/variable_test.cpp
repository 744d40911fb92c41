#include <gtest/gtest.h>

#include "tinyvision/autograd/grad_check.hpp"
#include "tinyvision/ops/elementwise.hpp"

namespace variable_test {

using namespace tinyvision;

Variable leaf(double value) { return Variable(Tensor::full({1}, value, DType::f64), true); }

TEST(Variable, DiamondAddsBothPaths) {
  const Variable x = leaf(3);
  const Variable a = scale(x, 2), b = scale(x, 5);
  backward(add(add(a, b), x));
  EXPECT_EQ(x.gradient().item(), 8);
}

TEST(Variable, BackwardAddsIntoLeaves) {
  const Variable x = leaf(3);
  backward(scale(x, 2));
  backward(scale(x, 2));
  EXPECT_EQ(x.gradient().item(), 4);
  x.clear_gradient();
  EXPECT_FALSE(x.gradient().defined());
}

TEST(Variable, SharedGradientsDoNotAlias) {
  // add hands its gradient on to both operands; a later contribution to one must not reach the other.
  const Variable x = leaf(1), y = leaf(1);
  const Variable sum = add(x, y);
  backward(add(sum, scale(x, 10)));
  EXPECT_EQ(x.gradient().item(), 11);
  EXPECT_EQ(y.gradient().item(), 1);
}

TEST(Variable, DeepChainsNeedNoStack) {
  const Variable x = leaf(1);
  Variable y = x;
  for (int i = 0; i < 100000; ++i) y = scale(y, 1);
  backward(y);
  EXPECT_EQ(x.gradient().item(), 1);
  y = x;
  for (int i = 0; i < 100000; ++i) y = scale(y, 1);
  y = Variable();  // destroyed without a backward pass
}

TEST(Variable, NothingIsRecordedInEvaluation) {
  const Variable x = leaf(1);
  {
    const NoGradient guard;
    EXPECT_FALSE(scale(x, 2).requires_gradient());
  }
  EXPECT_TRUE(scale(x, 2).requires_gradient());
  EXPECT_FALSE(scale(Variable(Tensor::zeros({1})), 2).requires_gradient());
  EXPECT_THROW(backward(Variable(Tensor::zeros({1}))), Error);
}

TEST(Variable, OnlyOneValueHasAnImplicitSeed) {
  const Variable x(Tensor::zeros({3}, DType::f64), true);
  EXPECT_THROW(backward(scale(x, 2)), Error);
  backward(scale(x, 2), Tensor::full({3}, 1, DType::f64));
  EXPECT_EQ(x.gradient().to_vector<double>(), (std::vector<double>{2, 2, 2}));
}

TEST(Variable, NodesAreFreedOnTheWay) {
  const Variable x = leaf(1);
  const Variable a = scale(x, 2), y = scale(a, 3);
  backward(y);
  EXPECT_EQ(a.node(), nullptr);
  EXPECT_FALSE(a.gradient().defined());
}

TEST(Variable, DerivedFormsFollowTheVersion) {
  const Variable w = leaf(2);
  int builds = 0;
  const auto doubled = [&] { return *w.derived<double>([&] { return ++builds, 2 * w.value().item(); }); };
  EXPECT_EQ(doubled(), 4);
  EXPECT_EQ(doubled(), 4);
  EXPECT_EQ(builds, 1);
  w.set_value(Tensor::full({1}, 5, DType::f64));
  EXPECT_EQ(doubled(), 10);
  EXPECT_EQ(builds, 2);
  EXPECT_THROW(w.set_value(Tensor::zeros({2}, DType::f64)), Error);
}

TEST(GradCheck, SeesAWrongDerivative) {
  const auto wrong = [](const std::vector<Variable>& v) {
    const Tensor y = v[0].value().clone();
    if (!needs_record(v[0])) return Variable(y);
    return Variable::result("wrong", y, {v[0]}, [x = v[0]](const Tensor& dy) {
      const GradientSink dx = x.gradient_sink();
      scale_into(dy, 1.001, dx.tensor, dx.accumulate);
    });
  };
  EXPECT_GT(grad_check(wrong, {leaf(1)}).largest_error, 5e-4);
}

}  // namespace variable_test
