// What `backward` promises about gradients it is given, gradients it finds and graphs it has walked before.
#include <gtest/gtest.h>

#include "ops/op_case.hpp"
#include "tinyvision/ops/batch_norm.hpp"
#include "tinyvision/ops/elementwise.hpp"
#include "tinyvision/ops/loss.hpp"

namespace backward_test {

using namespace tinyvision;
using op_test::random_tensor;

Variable leaf(double value) { return Variable(Tensor::full({1}, value, DType::f64), true); }

/// Text of the Error that `body` throws, empty when it throws none.
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Backward, AVariableUsedThreeTimes) {
  const Variable x = leaf(2);
  const Variable a = scale(x, 3);
  backward(add(add(a, a), add(a, x)));
  EXPECT_EQ(x.gradient().item(), 10);
}

TEST(Backward, TheSeedStaysTheCallers) {
  // batch norm writes its gradient over the one it receives; add passes its own on to a leaf.
  const Variable x(random_tensor({4, 3}, DType::f64, 1), true);
  BatchNormState state;
  state.gamma = Variable(random_tensor({3}, DType::f64, 2), true);
  state.beta = Variable(random_tensor({3}, DType::f64, 3), true);
  state.moving_mean = Variable(Tensor::zeros({3}, DType::f64));
  state.moving_variance = Variable(Tensor::full({3}, 1, DType::f64));
  const Tensor seed = random_tensor({4, 3}, DType::f64, 4);
  const std::vector<double> before = seed.to_vector<double>();
  std::vector<double> first;
  for (int walk = 0; walk < 2; ++walk) {
    x.clear_gradient();
    backward(batch_norm(x, state, {.training = true}), seed);
    EXPECT_EQ(seed.to_vector<double>(), before);
    if (walk == 0) first = x.gradient().to_vector<double>();
  }
  EXPECT_EQ(x.gradient().to_vector<double>(), first);

  const Variable a(Tensor::zeros({4, 3}, DType::f64), true), b(Tensor::zeros({4, 3}, DType::f64), true);
  backward(add(a, b), seed);
  backward(add(a, b), seed);  // adds into gradients that must not be the seed itself
  EXPECT_EQ(seed.to_vector<double>(), before);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(a.gradient().data<double>()[i], 2 * before[i]);
    EXPECT_EQ(b.gradient().data<double>()[i], 2 * before[i]);
  }
}

TEST(Backward, ASeedOfAnotherShapeIsRefused) {
  const Variable x(Tensor::zeros({3}, DType::f64), true);
  const std::string message = error_of([&] { backward(scale(x, 2), Tensor::zeros({4}, DType::f64)); });
  EXPECT_NE(message.find("[3]"), std::string::npos) << message;
  EXPECT_NE(message.find("[4]"), std::string::npos) << message;
  EXPECT_NE(error_of([&] { backward(scale(x, 2), Tensor::zeros({3}, DType::f32)); }), "");
}

TEST(Backward, AGraphIsWalkedOnce) {
  const Variable x = leaf(3);
  const Variable y = scale(x, 2);
  backward(y);
  EXPECT_NE(error_of([&] { backward(y); }).find("[backward]"), std::string::npos) << "walked a second time";
  EXPECT_EQ(x.gradient().item(), 2);
}

TEST(Backward, APartThatWasWalkedBeforeIsNotPassedOverInSilence) {
  // Two losses over one shared result: the first walk frees what is below it, so the second would lose its gradient.
  const Variable x = leaf(3);
  const Variable shared = scale(x, 2), one = scale(shared, 5), two = scale(shared, 7);
  backward(one);
  EXPECT_EQ(x.gradient().item(), 10);
  EXPECT_NE(error_of([&] { backward(two); }).find("[backward]"), std::string::npos);
}

TEST(Backward, LeavesKeepWhatTheyHad) {
  const Variable x = leaf(1);
  backward(scale(x, 4));
  EXPECT_FALSE(x.gradient().same_storage(x.value()));
  backward(add(x, scale(x, 10)));
  EXPECT_EQ(x.gradient().item(), 15);
  EXPECT_EQ(x.value().item(), 1);
}

TEST(Backward, InputsWithoutGradientStayWithout) {
  const Variable x = leaf(1), constant(Tensor::full({1}, 5, DType::f64));
  backward(add(x, constant));
  EXPECT_EQ(x.gradient().item(), 1);
  EXPECT_FALSE(constant.gradient().defined());
}

TEST(Backward, DroppedGraphsLeaveNoGradient) {
  const Variable x = leaf(1);
  { const Variable unused = add(scale(x, 2), x); }
  EXPECT_FALSE(x.gradient().defined());
  const Variable a = scale(x, 2), side = scale(a, 100);  // computed, not part of the loss
  backward(scale(a, 3));
  EXPECT_EQ(x.gradient().item(), 6);
}

TEST(Backward, WideAndDeepGraphs) {
  const Variable x = leaf(1);
  std::vector<Variable> layer(50, x);
  for (int depth = 0; depth < 20; ++depth)  // every path doubles: 2^20 walks for a search that does not merge them
    for (Variable& v : layer) v = add(v, v);
  Variable sum = layer[0];
  for (std::size_t i = 1; i < layer.size(); ++i) sum = add(sum, layer[i]);
  backward(sum);
  EXPECT_EQ(x.gradient().item(), 50.0 * 1048576);
}

TEST(Backward, RecordingComesBackAfterAnError) {
  const Variable x = leaf(1);
  try {
    const NoGradient outer;
    const NoGradient inner;
    throw Error("stop");
  } catch (const Error&) {
  }
  EXPECT_TRUE(scale(x, 2).requires_gradient());
}

TEST(Backward, NothingIsKeptOfAnEvaluation) {
  const Variable x(Tensor::zeros({16}, DType::f64), true);
  const long handles = x.value().use_count();
  const NoGradient guard;
  const Variable y = relu(scale(x, 2));
  EXPECT_EQ(y.node(), nullptr);
  EXPECT_EQ(x.value().use_count(), handles) << "the result holds its input";
}

}  // namespace backward_test
