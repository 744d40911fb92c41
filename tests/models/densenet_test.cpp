// DenseNet: what goes wrong silently, both spellings of a training step, and the memory that the fused one needs.
#include "tinyvision/models/densenet.hpp"

#include "models/varied_network.hpp"

namespace densenet_test {

using namespace tinyvision;
using model_test::make_varied;
using model_test::parameter;
using model_test::PlainPass;
using op_test::expect_close;
using op_test::random_tensor;

NetworkOptions small(DType dtype = DType::f64) {
  NetworkOptions options;
  options.classes = 6;
  options.dtype = dtype;
  return options;
}

// Keras' 1.001e-5, not 1e-5: where the variance is 0 the result tells them apart.
TEST(Densenet, BatchNormEpsilon) {
  const auto network = make_varied("densenet121", small());
  EXPECT_EQ(network->bn_epsilon(), 1.001e-5);
  for (const char* name : {"conv1/bn", "conv2_block1_0_bn", "conv3_block2_1_bn", "pool4_bn", "bn"}) {
    const std::string at = name;
    parameter(*network, at + "/moving_variance")
        .set_value(Tensor::zeros(parameter(*network, at + "/moving_variance").shape(), DType::f64));
  }
  const PlainPass pass(*network, random_tensor({1, 65, 65, 3}, DType::f64, 1));
  for (const auto& [before, name] :
       std::vector<std::pair<std::string, std::string>>{{"conv1/conv", "conv1/bn"},
                                                        {"pool1", "conv2_block1_0_bn"},
                                                        {"conv3_block2_1_conv", "conv3_block2_1_bn"},
                                                        {"conv4_block24_concat", "pool4_bn"},
                                                        {"conv5_block16_concat", "bn"}}) {
    const std::vector<double> x = pass.row(before).value().to_vector<double>();
    const std::vector<double> y = pass.row(name).value().to_vector<double>();
    const auto channel = [&](const char* which) {
      return parameter(*network, name + "/" + which).value().to_vector<double>()[3];
    };
    const std::size_t channels = static_cast<std::size_t>(pass.row(name).shape().back());
    for (std::size_t i = 3; i < x.size(); i += channels) {
      const double expected =
          (x[i] - channel("moving_mean")) / std::sqrt(1.001e-5) * channel("gamma") + channel("beta");
      EXPECT_NEAR(y[i], expected, 1e-9 * std::max(1.0, std::fabs(expected))) << name;
    }
  }
}

// The concatenation has the old channels first.
TEST(Densenet, NewChannelsComeLast) {
  const PlainPass pass(*make_varied("densenet121", small()), random_tensor({1, 65, 79, 3}, DType::f64, 1));
  expect_close(pass.row("conv2_block1_concat").value(),
               concat({pass.row("pool1"), pass.row("conv2_block1_2_conv")}).value(), 0, "first");
  expect_close(pass.row("conv4_block7_concat").value(),
               concat({pass.row("conv4_block6_concat"), pass.row("conv4_block7_2_conv")}).value(), 0, "later");
}

// The stem pads by 3 and 1 on every side, where SAME would put the odd pixel at the bottom and right; transitions take
// whole windows alone.
TEST(Densenet, StemPadsSymmetricallyAndTransitionsRoundDown) {
  const auto network = make_varied("densenet121", small());
  const Tensor images = random_tensor({1, 66, 78, 3}, DType::f64, 2);
  const PlainPass pass(*network, images);
  expect_close(
      pass.row("conv1/conv").value(),
      conv2d(Variable(images), parameter(*network, "conv1/conv/kernel"), {2, Padding::amounts(3, 3, 3, 3)}).value(),
      1e-14, "conv1");
  EXPECT_EQ(pass.row("conv1/relu").shape(), (Shape{1, 33, 39, 64}));
  expect_close(pass.row("pool1").value(), max_pool(pass.row("conv1/relu"), {3, 2, Padding::symmetric(1)}).value(), 0,
               "pool1");
  EXPECT_EQ(pass.row("pool1").shape(), (Shape{1, 17, 20, 64}));
  EXPECT_EQ(pass.row("pool2_pool").shape(), (Shape{1, 8, 10, 128}));
  const Tensor before = pass.row("pool2_conv").value(), after = pass.row("pool2_pool").value();
  const auto at = [&](Index i, Index j) { return before.data<double>()[(i * 20 + j) * 128 + 5]; };
  EXPECT_NEAR(after.data<double>()[(7 * 10 + 9) * 128 + 5], (at(14, 18) + at(14, 19) + at(15, 18) + at(15, 19)) / 4,
              1e-12);
}

TEST(Densenet, BothSpellingsOfATrainingStep) {
  const Tensor images = random_tensor({4, 65, 79, 3}, DType::f64, 5);
  const auto fused = model_test::training_step(make_varied("densenet121", small()), images, true);
  const auto plain = model_test::training_step(make_varied("densenet121", small()), images, false);
  model_test::expect_equal_steps(fused, plain, 1e-9);
}

// A layer keeps its own results, not a copy of everything before it.
TEST(Densenet, ATrainingStepNeedsHalfTheMemory) {
  const Tensor images = random_tensor({2, 96, 96, 3}, DType::f32, 5);
  const auto fused = model_test::training_step(make_varied("densenet121", small(DType::f32)), images, true);
  const auto plain = model_test::training_step(make_varied("densenet121", small(DType::f32)), images, false);
  EXPECT_LT(fused.peak, plain.peak / 2);
}

TEST(Densenet, OptionsAndNames) {
  NetworkOptions options = small();
  options.bn_scale = false;
  const auto plain = make_network("densenet169", options);
  for (const Parameter& p : plain->parameters()) EXPECT_NE(p.kind, ParameterKind::bn_gamma) << p.name;
  EXPECT_THROW(Densenet(161, options), UsageError);
  EXPECT_EQ(make_network("densenet201")->logits_parameters(),
            (std::vector<std::string>{"fc1000/kernel", "fc1000/bias"}));
}

}  // namespace densenet_test
