// Networks with activations in bf16 on the device: each operation against itself in f64 on the same rounded operands, and
// whole training steps against f32.
#include <gtest/gtest.h>

#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/trainer.hpp"

namespace bf16_test {

using namespace tinyvision;

/// Largest relative error that rounding a result to bf16 once may make.
constexpr double rounding = 1.0 / 256;

Tensor random_tensor(const Shape& shape, std::uint64_t number) {
  const Random random(3, Stream::test, number);
  const Tensor t = Tensor::empty(shape, DType::f32);
  for (Index i = 0; i < t.count(); ++i)
    t.data<float>()[i] = static_cast<float>(random.uniform(static_cast<std::uint64_t>(i), -1, 1));
  return t.to(DType::bf16).to(DType::f32);  // so that f64, f32 and bf16 begin with the same numbers
}

/// `got` against `expected`, element by element, as a fraction of the largest expected.
void expect_close(const Tensor& got, const Tensor& expected, double tolerance, const std::string& what) {
  const auto a = got.to(Device::cpu()).to_vector<double>(), b = expected.to_vector<double>();
  ASSERT_EQ(a.size(), b.size()) << what;
  double largest = 1e-30, worst = 0;
  for (const double v : b) largest = std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::fabs(a[i] - b[i]));
  EXPECT_LE(worst / largest, tolerance) << what;
}

/// Runs `op` of inputs and parameters in f64 on the CPU and with bf16 inputs on the device, with one upstream gradient, and
/// compares results and all gradients. Parameters are f32 on the device. The largest error of a result is that of a few
/// roundings; sums over them in gradients are more exact still.
using Variables = std::vector<Variable>;
void compare(const std::string& name, const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters,
             const std::function<Variable(const Variables&, const Variables&)>& op, double tolerance = 3 * rounding) {
  const auto leaves = [](const std::vector<Tensor>& values, DType dtype, Device device) {
    Variables made;
    for (const Tensor& v : values) made.emplace_back(v.to(device).to(dtype), true);
    return made;
  };
  const Variables x = leaves(inputs, DType::f64, Device::cpu()), w = leaves(parameters, DType::f64, Device::cpu());
  const Variables dx = leaves(inputs, DType::bf16, Device::cuda()), dw = leaves(parameters, DType::f32, Device::cuda());
  const Variable expected = op(x, w), got = op(dx, dw);
  EXPECT_EQ(got.dtype(), DType::bf16) << name;
  expect_close(got.value(), expected.value(), tolerance, name);
  const Tensor upstream = random_tensor(expected.shape(), 99);
  backward(expected, upstream.to(DType::f64));
  backward(got, upstream.to(Device::cuda()).to(DType::bf16));
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(dx[i].gradient().dtype(), DType::bf16);
    expect_close(dx[i].gradient(), x[i].gradient(), tolerance, name + ": gradient of input " + std::to_string(i));
  }
  for (std::size_t i = 0; i < w.size(); ++i) {
    EXPECT_EQ(dw[i].gradient().dtype(), DType::f32);
    expect_close(dw[i].gradient(), w[i].gradient(), tolerance, name + ": gradient of parameter " + std::to_string(i));
  }
}

TEST(Bf16, Operations) {
  const Tensor map = random_tensor({2, 7, 6, 16}, 1), other = random_tensor({2, 7, 6, 16}, 2);
  compare("conv2d", {map}, {random_tensor({3, 3, 16, 24}, 3)},
          [](const Variables& x, const Variables& w) { return conv2d(x[0], w[0], {.stride = 2}); });
  compare("conv2d with bias", {map}, {random_tensor({1, 1, 16, 5}, 4), random_tensor({5}, 5)},
          [](const Variables& x, const Variables& w) { return conv2d(x[0], w[0], {}, w[1]); });
  compare("depthwise_conv2d", {map}, {random_tensor({3, 3, 16, 1}, 6)},
          [](const Variables& x, const Variables& w) { return depthwise_conv2d(x[0], w[0]); });
  compare("relu6", {map}, {}, [](const Variables& x, const Variables&) { return relu6(x[0]); });
  compare("add", {map, other}, {}, [](const Variables& x, const Variables&) { return add(x[0], x[1]); });
  compare("scale", {map}, {}, [](const Variables& x, const Variables&) { return scale(x[0], 0.37); });
  compare("concat", {map, other}, {}, [](const Variables& x, const Variables&) { return concat({x[0], x[1]}); });
  compare("zero_pad", {map}, {}, [](const Variables& x, const Variables&) { return zero_pad(x[0], 1, 2, 0, 3); });
  compare("crop", {map}, {}, [](const Variables& x, const Variables&) { return crop(x[0], 1, 2, 3, 3); });
  compare("max_pool", {map}, {},
          [](const Variables& x, const Variables&) { return max_pool(x[0], {.kernel = 3, .stride = 2}); });
  compare("average_pool", {map}, {},
          [](const Variables& x, const Variables&) { return average_pool(x[0], {.kernel = 3, .stride = 1}); });
  compare("global_average_pool", {map}, {},
          [](const Variables& x, const Variables&) { return global_average_pool(x[0]); });
  compare("dropout", {map}, {},
          [](const Variables& x, const Variables&) { return dropout(x[0], 0.7, Random(1, Stream::dropout, 2)); });
}

TEST(Bf16, ConvolutionBatchNormAndResidual) {
  const Tensor map = random_tensor({3, 6, 6, 16}, 1), residual = random_tensor({3, 6, 6, 24}, 2);
  const std::vector<Tensor> parameters{random_tensor({1, 1, 16, 24}, 3), random_tensor({24}, 4),
                                       random_tensor({24}, 5)};
  for (const bool training : {true, false}) {
    const auto op = [&](const Variables& x, const Variables& w) {
      const DType dtype = w[1].dtype();
      const Device device = w[1].device();
      const BatchNormState state{w[1], w[2], Variable(Tensor::full({24}, 0.1, dtype, device)),
                                 Variable(Tensor::full({24}, 2.0, dtype, device))};
      BatchNormOptions options;
      options.training = training;
      // No activation: where a rounded value lies on the other side of a kink, single elements may differ by anything.
      return conv2d_batch_norm(ConvKind::full, x[0], w[0], state, {}, options, x[1]);
    };
    compare(training ? "training" : "evaluation", {map, residual}, parameters, op, 8 * rounding);
  }
}

std::shared_ptr<Network> small_network() {
  NetworkOptions options;
  options.classes = 4;
  options.width = 0.25;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 5);
  network->to(Device::cuda());
  return network;
}

/// Chooses the precision for its lifetime.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision choice) { precision() = choice; }
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;
  ~PrecisionScope() { precision() = Precision::f32; }
};

TEST(Bf16, EvaluationIsNearF32) {
  const NoGradient guard;
  const auto network = small_network();
  const Variable images(random_tensor({2, 32, 32, 3}, 7).to(Device::cuda()));
  const auto run = [&](Precision choice) {
    const PrecisionScope scope(choice);
    return network->forward(images, Context{});
  };
  const Outputs expected = run(Precision::f32), got = run(Precision::bf16);
  EXPECT_EQ(got.end_points.back().second.dtype(), DType::bf16);
  EXPECT_EQ(got.feature.dtype(), DType::f32);
  expect_close(got.feature.value(), expected.feature.value().to(Device::cpu()), 8 * rounding, "feature");
  expect_close(got.logits.value(), expected.logits.value().to(Device::cpu()), 8 * rounding, "logits");
}

/// Losses of a few steps of MobileNet v1 at a quarter of its width on one batch, and the weights afterwards.
std::pair<std::vector<double>, std::vector<std::vector<float>>> train(int steps) {
  const PrecisionScope scope(Precision::bf16);
  const auto network = small_network();
  TrainerOptions how;
  how.schedule.kind = Schedule::Kind::constant;
  how.schedule.base = 0.01;
  how.ema_decay = 0.9;
  Trainer trainer(network, how);
  const Tensor images = random_tensor({8, 32, 32, 3}, 7);
  const Tensor labels = Tensor::from_vector<std::int64_t>({8}, {0, 1, 2, 3, 0, 1, 2, 3});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) losses.push_back(trainer.step(images, labels).loss);
  std::vector<std::vector<float>> weights;
  for (const auto& [name, tensor] : trainer.state_tensors()) {
    EXPECT_EQ(tensor.dtype(), DType::f32) << name;
    weights.push_back(tensor.to_vector<float>());
  }
  return {losses, weights};
}

TEST(Bf16, ATrainingStepRepeats) {
  const auto first = train(1);
  EXPECT_TRUE(std::isfinite(first.first[0]));
  EXPECT_EQ(train(1), first);
}

/// A residual block and a logits layer, trained for some steps: the losses. (Batch norms of whole networks on images that
/// are small enough for this device see a handful of values, and their training is noisy in f32 already.)
std::vector<double> train_block(DType activations, DType parameters, Device device) {
  const auto parameter = [&](const Shape& shape, std::uint64_t number, double factor) {
    const Variable v(random_tensor(shape, number).to(device).to(parameters), true);
    v.set_value(scale(Variable(v.value()), factor).value());
    return v;
  };
  const auto norm = [&] {
    const auto full = [&](double value) { return Tensor::full({16}, value, parameters, device); };
    return BatchNormState{Variable(full(1), true), Variable(full(0), true), Variable(full(0)), Variable(full(1))};
  };
  const Variable w1 = parameter({3, 3, 16, 16}, 1, 0.2), w2 = parameter({1, 1, 16, 16}, 2, 0.5),
                 w3 = parameter({16, 4}, 3, 0.3);
  const BatchNormState norm1 = norm(), norm2 = norm();
  const Sgd sgd({w1, norm1.gamma, norm1.beta, w2, norm2.gamma, norm2.beta, w3}, std::vector<bool>(7, false), 0.9, 0);
  const Variable x(random_tensor({8, 8, 8, 16}, 4).to(device).to(activations));
  const Tensor labels = Tensor::from_vector<std::int64_t>({8}, {0, 1, 2, 3, 0, 1, 2, 3});
  Update update;
  std::vector<double> losses;
  for (int step = 0; step < 8; ++step) {
    BatchNormOptions options;
    options.training = true;
    options.activation = Activation::relu6;
    Variable y = conv2d_batch_norm(ConvKind::full, x, w1, norm1, {}, options);
    y = conv2d_batch_norm(ConvKind::full, y, w2, norm2, {}, options, x);
    const Variable loss = softmax_cross_entropy(linear(cast(global_average_pool(y), parameters), w3), labels);
    losses.push_back(loss.value().item());
    backward(loss);
    update.run(sgd, nullptr, {0.1, step, false});
    sgd.clear_gradients();
  }
  return losses;
}

TEST(Bf16, LearnsAsF64Does) {
  const auto expected = train_block(DType::f64, DType::f64, Device::cpu());
  const auto got = train_block(DType::bf16, DType::f32, Device::cuda());
  EXPECT_LT(expected.back(), 0.95 * expected[0]);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 4 * rounding * expected[i]) << i;
}

TEST(Bf16, TheOptimiserRenewsTheCopyOfTheWeights) {
  const Variable w(random_tensor({1, 1, 8, 8}, 1).to(Device::cuda()), true),
      x(random_tensor({1, 2, 2, 8}, 2).to(Device::cuda()).to(DType::bf16));
  const auto bytes = [](const Tensor& t) { return t.to(DType::f32).to_vector<float>(); };
  const Sgd sgd({w}, {false}, 0.9, 0);
  Update update;
  Tensor copy;
  for (int step = 0; step < 3; ++step) {
    const Variable y = conv2d(x, w);
    if (step == 0) copy = w.derived_now<Bf16Copy>()->value;
    ASSERT_TRUE(w.derived_now<Bf16Copy>() != nullptr);
    EXPECT_TRUE(w.derived_now<Bf16Copy>()->value.same_storage(copy)) << "made anew at step " << step;
    EXPECT_EQ(bytes(copy), bytes(w.value().to(DType::bf16))) << step;
    backward(y, random_tensor(y.shape(), 3).to(Device::cuda()).to(DType::bf16));
    update.run(sgd, nullptr, {0.1, step, false});
    sgd.clear_gradients();
  }
  w.set_value(random_tensor({1, 1, 8, 8}, 4).to(Device::cuda()));
  EXPECT_TRUE(w.derived_now<Bf16Copy>() == nullptr);
}

TEST(Bf16, TheCpuRefusesIt) {
  const Variable x(Tensor::zeros({1, 2, 2, 4}, DType::bf16));
  try {
    relu(x);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[relu] bf16 is computed on a CUDA device, not on cpu");
  }
}

}  // namespace bf16_test
