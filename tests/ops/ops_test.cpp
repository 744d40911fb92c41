#include <gtest/gtest.h>

#include "ops/op_case.hpp"
#include "tinyvision/ops/batch_norm.hpp"
#include "tinyvision/ops/biased_conv2d.hpp"
#include "tinyvision/ops/dropout.hpp"
#include "tinyvision/ops/elementwise.hpp"
#include "tinyvision/ops/linear.hpp"
#include "tinyvision/ops/loss.hpp"
#include "tinyvision/ops/pool.hpp"

namespace ops_test {

using namespace tinyvision;
using op_test::check_op;
using op_test::random_tensor;
using Inputs = std::vector<Variable>;

/// Expects an Error whose text has all of `parts`.
template <class Body>
void expect_error(Body&& body, const std::vector<std::string>& parts) {
  try {
    body();
    ADD_FAILURE() << "no error; expected " << parts.front();
  } catch (const Error& error) {
    for (const std::string& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

BatchNormState norm_state(const Inputs& v, std::size_t gamma, std::size_t beta, bool scale = true) {
  BatchNormState state;
  const Index channels = v[beta].shape()[0];
  if (scale) state.gamma = v[gamma];
  state.beta = v[beta];
  state.moving_mean = Variable(random_tensor({channels}, v[beta].dtype(), 21).to(v[beta].device()));
  const Tensor variance = random_tensor({channels}, DType::f64, 22);
  for (Index c = 0; c < channels; ++c) variance.data<double>()[c] = 0.5 + std::fabs(variance.data<double>()[c]);
  state.moving_variance = Variable(variance.to(v[beta].dtype()).clone().to(v[beta].device()));
  return state;
}

TEST(Ops, Convolution) {
  struct Row {
    Shape x, w;
    ConvOptions options;
  };
  for (const Row& r :
       {Row{{2, 7, 9, 5}, {3, 3, 5, 7}, {1, Padding::same()}}, Row{{1, 8, 8, 3}, {3, 3, 3, 11}, {2, Padding::same()}},
        Row{{2, 9, 6, 4}, {5, 5, 4, 6}, {3, Padding::same()}},
        Row{{2, 10, 11, 3}, {7, 7, 3, 17}, {2, Padding::symmetric(3)}},
        Row{{2, 6, 6, 8}, {1, 1, 8, 33}, {1, Padding::same()}}, Row{{2, 7, 7, 8}, {1, 1, 8, 5}, {2, Padding::same()}},
        Row{{3, 1, 1, 6}, {1, 1, 6, 4}, {1, Padding::valid()}}, Row{{1, 8, 8, 2}, {2, 2, 2, 3}, {3, Padding::valid()}},
        Row{{1, 5, 6, 3}, {3, 3, 3, 4}, {2, Padding::amounts(0, 2, 1, 0)}},
        Row{{2, 6, 9, 4}, {1, 7, 4, 6}, {1, Padding::same()}}, Row{{2, 9, 6, 4}, {7, 1, 4, 6}, {1, Padding::same()}},
        Row{{2, 4, 4, 5}, {1, 3, 5, 3}, {1, Padding::same()}}, Row{{2, 5, 8, 5}, {3, 1, 5, 3}, {2, Padding::same()}},
        Row{{1, 2, 2, 3}, {7, 1, 3, 4}, {1, Padding::same()}}, Row{{2, 8, 7, 3}, {3, 5, 3, 4}, {2, Padding::valid()}}})
    check_op({concat_text("conv2d ", r.x, " ", r.w, " stride ", r.options.stride),
              {r.x, r.w, {r.w[3]}},
              [r](const Inputs& v) { return conv2d(v[0], v[1], r.options, v[2]); }});
}

TEST(Ops, DepthwiseConvolution) {
  for (const Index multiplier : {1, 2, 3})
    for (const Index stride : {1, 2})
      for (const Index kernel : {3, 5})
        check_op({concat_text("depthwise x", multiplier, " stride ", stride, " kernel ", kernel),
                  {{2, 7, 9, 5}, {kernel, kernel, 5, multiplier}},
                  [=](const Inputs& v) {
                    return depthwise_conv2d(v[0], v[1], {stride, Padding::same()});
                  }});
  // The first layer of BN-Inception.
  check_op({"depthwise 7x7, 8 filters per channel", {{2, 12, 11, 3}, {7, 7, 3, 8}}, [](const Inputs& v) {
              return depthwise_conv2d(v[0], v[1], {2, Padding::same()});
            }});
}

TEST(Ops, BiasedConvolution) {
  for (const bool residual : {true, false})
    for (const double factor : {1.0, 0.17})
      for (const Activation act : {Activation::none, Activation::relu}) {
        const BiasedConvOptions options{{1, Padding::same()}, factor, act};
        const std::vector<Shape> shapes{{2, 5, 6, 7}, {1, 1, 7, 9}, {9}, {2, 5, 6, 9}};
        const op_test::OpCase composite{
            concat_text("biased_conv2d residual ", residual, " scale ", factor, " ", to_string(act)), shapes,
            [=](const Inputs& v) { return biased_conv2d(v[0], v[1], v[2], options, residual ? v[3] : Variable()); }};
        const op_test::OpCase plain{"plain", shapes, [=](const Inputs& v) {
                                      Variable y = scale(conv2d(v[0], v[1], options.conv, v[2]), factor);
                                      if (residual) y = add(v[3], y);
                                      return act == Activation::none ? y : activation(y, act);
                                    }};
        check_op(composite);
        const auto x = op_test::run_op(composite, DType::f64), y = op_test::run_op(plain, DType::f64);
        for (std::size_t i = 0; i < x.size(); ++i) op_test::expect_close(x[i], y[i], 1e-12, concat_text("part ", i));
      }
  // The residual has another reader, before and after; and is the convolution's input at once.
  check_op({"shared residual", {{2, 4, 3, 6}, {1, 1, 6, 6}, {6}}, [](const Inputs& v) {
              const BiasedConvOptions options{{}, 0.2, Activation::relu};
              const Variable y = biased_conv2d(v[0], v[1], v[2], options, v[0]);
              return add(biased_conv2d(relu(y), v[1], v[2], options, y), add(y, v[0]));
            }});
  check_op({"biased_conv2d 3x3 stride 2", {{2, 7, 8, 5}, {3, 3, 5, 4}, {4}}, [](const Inputs& v) {
              return biased_conv2d(v[0], v[1], v[2], {{2, Padding::same()}, 1, Activation::relu6});
            }});
}

// Every kind of last layer of a branch, each written into its slice and joined: values and gradients are those of a plain
// concatenation.
TEST(Ops, BranchesInSlicesHaveTheirGradients) {
  for (const bool training : {true, false}) {
    const auto module = [=](const Inputs& v, bool in_slices) {
      const Tensor joined = Tensor::empty({2, 4, 6, 4 + 3 + 5 + 5 + 3}, v[0].dtype(), v[0].device());
      const auto slice = [&](Index begin, Index channels) {
        return in_slices ? joined.slice_channels(begin, channels) : Tensor();
      };
      const BatchNormOptions norm{1e-3, 0.9, training, Activation::relu};
      const std::vector<Variable> parts{
          conv2d_batch_norm(ConvKind::full, v[0], v[1], norm_state(v, 3, 3), {}, norm, Variable(), slice(0, 4)),
          batch_norm(conv2d(v[0], v[2]), norm_state(v, 4, 4, false), norm, slice(4, 3)),
          max_pool(v[0], {3, 1, Padding::same()}, slice(7, 5)),
          average_pool(v[0], {3, 1, Padding::same()}, slice(12, 5)),
          biased_conv2d(v[0], v[2], v[4], {.activation = Activation::relu}, Variable(), slice(17, 3))};
      return concat(parts, in_slices ? joined : Tensor());
    };
    // A size at which no value lies so near the kink of the ReLU that the differences would step over it.
    const std::vector<Shape> shapes{{2, 4, 6, 5}, {3, 1, 5, 4}, {1, 1, 5, 3}, {4}, {3}};
    const op_test::OpCase sliced{concat_text("slices, training ", training), shapes,
                                 [=](const Inputs& v) { return module(v, true); }};
    const op_test::OpCase copied{"copies", shapes, [=](const Inputs& v) { return module(v, false); }};
    check_op(sliced);
    const auto x = op_test::run_op(sliced, DType::f64), y = op_test::run_op(copied, DType::f64);
    for (std::size_t i = 0; i < x.size(); ++i) op_test::expect_close(x[i], y[i], 1e-13, concat_text("part ", i));
    const NoGradient guard;  // folded
    const Inputs v = op_test::make_inputs(sliced, DType::f64);
    op_test::expect_close(module(v, true).value(), module(v, false).value(), 1e-13, "without recording");
  }
}

TEST(Ops, BatchNorm) {
  for (const bool training : {true, false})
    for (const bool scale : {true, false})
      for (const Activation act : {Activation::none, Activation::relu, Activation::relu6})
        check_op({concat_text("batch_norm training ", training, " scale ", scale, " ", to_string(act)),
                  {{3, 4, 5, 7}, {7}, {7}},
                  [=](const Inputs& v) {
                    return batch_norm(v[0], norm_state(v, 1, 2, scale), {1e-3, 0.9, training, act});
                  }});
}

TEST(Ops, ConvolutionBatchNormEqualsItsPlainSpelling) {
  for (const ConvKind kind : {ConvKind::full, ConvKind::depthwise})
    for (const bool training : {true, false})
      for (const bool residual : {true, false})
        for (const Activation act : {Activation::none, Activation::relu, Activation::relu6}) {
          const Shape w = kind == ConvKind::full ? Shape{3, 3, 6, 6} : Shape{3, 3, 6, 1};
          const ConvOptions conv{1, Padding::same()};
          const auto composite = [=](const Inputs& v) {
            return conv2d_batch_norm(kind, v[0], v[1], norm_state(v, 2, 3), conv, {1e-3, 0.9, training, act},
                                     residual ? v[4] : Variable());
          };
          const auto plain = [=](const Inputs& v) {
            Variable y = batch_norm(convolution(kind, v[0], v[1], Variable(), conv), norm_state(v, 2, 3),
                                    {1e-3, 0.9, training, Activation::none});
            if (residual) y = add(y, v[4]);
            return act == Activation::none ? y : activation(y, act);
          };
          const std::vector<Shape> shapes{{2, 5, 6, 6}, w, {6}, {6}, {2, 5, 6, 6}};
          op_test::OpCase a{"composite", shapes, composite}, b{"plain", shapes, plain};
          check_op(a);
          const auto x = op_test::run_op(a, DType::f64), y = op_test::run_op(b, DType::f64);
          for (std::size_t i = 0; i < x.size(); ++i) op_test::expect_close(x[i], y[i], 1e-12, concat_text("part ", i));
          const NoGradient guard;  // folded into the epilogue
          const Inputs v = op_test::make_inputs(a, DType::f64);
          op_test::expect_close(composite(v).value(), plain(v).value(), 1e-12, "without recording");
        }
}

TEST(Ops, BatchNormMovesItsStatistics) {
  const Variable x(Tensor::from_vector<double>({4, 1}, {1, 2, 3, 6}));
  BatchNormState s{Variable(), Variable(Tensor::zeros({1}, DType::f64)), Variable(Tensor::full({1}, 10, DType::f64)),
                   Variable(Tensor::full({1}, 2, DType::f64))};
  batch_norm(x, s, {.epsilon = 0, .decay = 0.75, .training = true});
  EXPECT_DOUBLE_EQ(s.moving_mean.value().item(), 0.75 * 10 + 0.25 * 3);
  EXPECT_DOUBLE_EQ(s.moving_variance.value().item(), 0.75 * 2 + 0.25 * 3.5 * 4 / 3);  // biased 3.5, N/(N-1) = 4/3
}

TEST(Ops, Elementwise) {
  check_op({"relu", {{2, 3, 5, 7}}, [](const Inputs& v) { return relu(v[0]); }});
  check_op({"relu6", {{2, 3, 5, 7}}, [](const Inputs& v) { return relu6(scale(v[0], 4)); }});
  check_op({"add", {{2, 3, 5, 7}, {2, 3, 5, 7}}, [](const Inputs& v) { return add(v[0], v[1]); }});
  check_op({"add twice the same", {{2, 3, 5, 7}}, [](const Inputs& v) { return add(v[0], v[0]); }});
  check_op({"scale", {{2, 3, 5, 7}}, [](const Inputs& v) { return scale(v[0], -1.5); }});
  check_op({"reshape", {{2, 3, 5, 7}}, [](const Inputs& v) { return reshape(v[0], {6, 35}); }});
  check_op({"zero_pad", {{2, 3, 5, 7}}, [](const Inputs& v) { return zero_pad(v[0], 1, 2, 0, 3); }});
  check_op({"crop", {{2, 6, 5, 7}}, [](const Inputs& v) { return crop(v[0], 1, 2, 4, 3); }});
}

TEST(Ops, ConcatSharesGradientsSafely) {
  check_op({"concat", {{2, 3, 5, 7}, {2, 3, 5, 4}}, [](const Inputs& v) { return concat({v[0], v[1]}); }});
  check_op({"the same part twice", {{2, 3, 5, 7}}, [](const Inputs& v) { return concat({v[0], v[0]}); }});
  check_op({"parts with other consumers", {{2, 3, 5, 4}, {2, 3, 5, 4}}, [](const Inputs& v) {
              const Variable joined = concat({relu(v[0]), v[1]});
              return add(concat({v[1], v[0]}), add(joined, concat({add(v[0], v[1]), v[0]})));
            }});
}

TEST(Ops, BranchesWriteIntoTheirSlice) {
  const Variable a(random_tensor({1, 3, 3, 4}, DType::f32, 1)), b(random_tensor({1, 3, 3, 2}, DType::f32, 2));
  const Tensor whole = Tensor::full({1, 3, 3, 6}, -7);
  const Variable left = relu(a);
  const Variable right = activation(b, Activation::relu, whole.slice_channels(4, 2));
  EXPECT_EQ(whole.data<float>()[0], -7);  // the other slice is untouched
  const Variable joined = concat({left, right}, whole);
  op_test::expect_close(joined.value(), concat({relu(a), relu(b)}).value(), 0, "in place");
}

TEST(Ops, ReluDerivativeIsZeroAtTheKinks) {
  const Variable x(Tensor::from_vector<double>({4}, {0, 6, 3, -1}), true);
  backward(relu6(x), Tensor::full({4}, 1, DType::f64));
  EXPECT_EQ(x.gradient().to_vector<double>(), (std::vector<double>{0, 0, 1, 0}));
}

TEST(Ops, Pools) {
  for (const Index stride : {1, 2, 3})
    for (const Index kernel : {1, 2, 3}) {
      const PoolOptions options{kernel, stride, Padding::same()};
      check_op({concat_text("max_pool ", kernel, "/", stride), {{2, 6, 7, 5}}, [=](const Inputs& v) {
                  return max_pool(v[0], options);
                }});
      check_op({concat_text("average_pool ", kernel, "/", stride), {{2, 6, 7, 5}}, [=](const Inputs& v) {
                  return average_pool(v[0], options);
                }});
    }
  check_op({"global_average_pool", {{3, 4, 5, 6}}, [](const Inputs& v) { return global_average_pool(v[0]); }});
}

TEST(Ops, AveragePoolDividesByValidPixels) {
  const Variable x(Tensor::full({1, 3, 3, 1}, 1, DType::f64));
  for (const double v : average_pool(x, {3, 1, Padding::same()}).value().to_vector<double>()) EXPECT_EQ(v, 1);
}

TEST(Ops, FirstMaximumTakesTheGradient) {
  const Variable x(Tensor::full({1, 2, 2, 1}, 5, DType::f64), true);
  backward(max_pool(x, {2, 2, Padding::same()}), Tensor::full({1, 1, 1, 1}, 1, DType::f64));
  EXPECT_EQ(x.gradient().to_vector<double>(), (std::vector<double>{1, 0, 0, 0}));
}

TEST(Ops, LinearAndDropout) {
  check_op({"linear", {{5, 7}, {7, 11}, {11}}, [](const Inputs& v) { return linear(v[0], v[1], v[2]); }});
  check_op({"dropout", {{5, 33}}, [](const Inputs& v) { return dropout(v[0], 0.7, Random(3, Stream::dropout, 4)); }});
  const Variable x(Tensor::full({100, 100}, 1, DType::f64));
  double sum = 0;
  for (const double v : dropout(x, 0.8, Random(1, Stream::dropout)).value().to_vector<double>()) {
    EXPECT_TRUE(v == 0 || v == 1 / 0.8);
    sum += v;
  }
  EXPECT_NEAR(sum / 10000, 1, 0.02);  // four standard deviations
}

TEST(Ops, Losses) {
  const Tensor labels = Tensor::from_vector<std::int64_t>({4}, {0, 2, 4, 2});
  for (const double s : {0.0, 0.1})
    check_op({concat_text("softmax_cross_entropy ", s), {{4, 5}}, [=](const Inputs& v) {
                return softmax_cross_entropy(v[0], labels, s);
              }});
  check_op(
      {"sigmoid_cross_entropy", {{4, 5}}, [](const Inputs& v) {
         const Tensor targets = Tensor::zeros({4, 5}, v[0].dtype()), weights = Tensor::full({4, 5}, 1, v[0].dtype());
         targets.slice_channels(1, 1).fill(1);
         weights.slice_channels(3, 1).fill(0);
         return sigmoid_cross_entropy(v[0], targets.to(v[0].device()), weights.to(v[0].device()));
       }});
  check_op({"l2_penalty", {{4, 5}, {3}}, [](const Inputs& v) { return l2_penalty({v[0], v[1]}, 0.3); }});
  // -log(1/2) with two equal logits; smoothing does not change it.
  const Variable even(Tensor::zeros({1, 2}, DType::f64));
  EXPECT_DOUBLE_EQ(softmax_cross_entropy(even, Tensor::zeros({1}, DType::i64), 0.2).value().item(), std::log(2.0));
}

TEST(Ops, ErrorsNameTheShapes) {
  const Variable x(Tensor::zeros({8, 6, 6, 64})), w(Tensor::zeros({3, 3, 128, 32})), small(Tensor::zeros({1, 2, 2, 3}));
  expect_error([&] { conv2d(x, w); }, {"[conv2d] channels differ", "[8,6,6,64]", "[3,3,128,32]"});
  expect_error(
      [&] {
        conv2d(small, Variable(Tensor::zeros({5, 5, 3, 4})), {1, Padding::valid()});
      },
      {"[conv2d]", "does not fit"});
  expect_error(
      [&] {
        biased_conv2d(small, Variable(Tensor::zeros({1, 1, 3, 4})), Variable(Tensor::zeros({3})), {});
      },
      {"[biased_conv2d] bias must be [4]", "[3]"});
  expect_error(
      [&] {
        biased_conv2d(small, Variable(Tensor::zeros({1, 1, 3, 4})), Variable(Tensor::zeros({4})), {}, small);
      },
      {"[biased_conv2d] residual is [1,2,2,3]", "[1,2,2,4]"});
  expect_error([&] { depthwise_conv2d(x, w); }, {"[depthwise_conv2d] channels differ"});
  expect_error([&] { add(x, small); }, {"[add] operands differ", "[8,6,6,64]", "[1,2,2,3]"});
  expect_error([&] { concat({x, small}); }, {"[concat] parts differ"});
  expect_error(
      [&] {
        linear(Variable(Tensor::zeros({2, 3})), Variable(Tensor::zeros({4, 5})));
      },
      {"[linear]", "[2,3]", "[4,5]"});
  expect_error([&] { crop(small, 1, 1, 3, 3); }, {"[crop]", "outside"});
  expect_error([&] { reshape(small, {5}); }, {"[reshape]"});
  expect_error([&] { dropout(small, 0, Random(1, Stream::dropout)); }, {"[dropout]", "keep probability"});
  expect_error(
      [&] {
        softmax_cross_entropy(Variable(Tensor::zeros({1, 3})), Tensor::full({1}, 3, DType::i64));
      },
      {"[softmax_cross_entropy] label 3"});
  expect_error([&] { conv2d(small, Variable(Tensor::zeros({1, 1, 3, 4}, DType::f64))); }, {"[conv2d] operands differ"});
}

}  // namespace ops_test
