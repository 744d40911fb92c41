// One training step and everything around it: learning, repeatability, accumulation, decay, averages, resuming, and what
// happens when a loss is not finite.
#include "tinyvision/train/trainer.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "ops/op_case.hpp"
#include "tinyvision/models/registry.hpp"

namespace trainer_test {

using namespace tinyvision;
using op_test::expect_close;
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

std::shared_ptr<Network> tiny_network(DType dtype = DType::f32, std::uint64_t seed = 7, double dropout_keep = 1) {
  NetworkOptions options;
  options.classes = 3;
  options.dropout_keep = dropout_keep;
  options.width = 0.25;
  options.dtype = dtype;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), seed);
  return network;
}

/// Images whose class decides their mean colour, with noise.
struct Batch {
  Tensor images, labels;
};
Batch make_batch(Index n, std::uint64_t number, DType dtype = DType::f32, Index size = 32) {
  const Random random(2, Stream::test, number);
  const Tensor images = Tensor::empty({n, size, size, 3}, DType::f64), labels = Tensor::empty({n}, DType::i64);
  for (Index i = 0; i < n; ++i) labels.data<std::int64_t>()[i] = i % 3;
  const Index per_image = size * size * 3;
  for (Index i = 0; i < images.count(); ++i) {
    const bool own_channel = i % 3 == labels.data<std::int64_t>()[i / per_image];
    images.data<double>()[i] = (own_channel ? 0.5 : -0.3) + random.uniform(static_cast<std::uint64_t>(i), -0.5, 0.5);
  }
  return {images.to(dtype), labels};
}

TrainerOptions constant_rate(double lr) {
  TrainerOptions options;
  options.schedule.kind = Schedule::Kind::constant;
  options.schedule.base = lr;
  return options;
}

NamedTensors copy_of(const NamedTensors& tensors) {
  NamedTensors copies;
  for (const auto& [name, tensor] : tensors) copies.emplace_back(name, tensor.clone());
  return copies;
}

void expect_same_bytes(const NamedTensors& a, const NamedTensors& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].first, b[i].first) << what;
    ASSERT_EQ(std::memcmp(a[i].second.raw(), b[i].second.raw(), a[i].second.bytes()), 0) << what << " " << a[i].first;
  }
}

std::vector<Tensor> gradients_of(const Network& network) {
  std::vector<Tensor> gradients;
  for (const Parameter& p : network.parameters())
    if (p.trainable()) gradients.push_back(p.variable.gradient().clone());
  return gradients;
}

TEST(Trainer, LearnsASeparableProblem) {
  TrainerOptions options;
  options.schedule = {.kind = Schedule::Kind::cosine, .base = 0.02, .steps = 60};
  options.bn_decay = 0.8;
  Trainer trainer(tiny_network(), options);
  const StepResult first = trainer.step(make_batch(24, 0).images, make_batch(24, 0).labels);
  EXPECT_NEAR(first.cross_entropy, std::log(3.0), 0.6);
  EXPECT_EQ(first.examples, 24);
  EXPECT_EQ(first.learning_rate, 0.02);
  StepResult last;
  for (std::uint64_t t = 1; t < 60; ++t) last = trainer.step(make_batch(24, t).images, make_batch(24, t).labels);
  EXPECT_LT(last.cross_entropy, 0.1 * first.cross_entropy);
  EXPECT_EQ(last.correct, 24);
  EXPECT_EQ(trainer.steps_done(), 60);
  // Moving statistics have followed: evaluation classifies photos that it has not seen.
  const NoGradient guard;
  const Batch unseen = make_batch(12, 99);
  const Tensor logits = trainer.network()->forward(Variable(unseen.images), Context{}).logits.value();
  for (Index i = 0; i < 12; ++i) {
    const float* row = logits.data<float>() + 3 * i;
    EXPECT_EQ(std::max_element(row, row + 3) - row, unseen.labels.data<std::int64_t>()[i]) << i;
  }
}

TEST(Trainer, ThreadsDoNotChangeABit) {
  const int before = num_threads();
  for (const bool fused : {true, false}) {
    NamedTensors expected;
    for (const int threads : {1, 2, 3, 5, 8}) {
      set_num_threads(threads);
      TrainerOptions options = constant_rate(0.05);
      options.weight_decay = 1e-3;
      options.decay_set = DecaySet::all;
      options.ema_decay = 0.9;
      options.label_smoothing = 0.1;
      options.fused = fused;
      Trainer trainer(tiny_network(DType::f32, 7, 0.8), options);
      for (std::uint64_t t = 0; t < 3; ++t) trainer.step(make_batch(5, t).images, make_batch(5, t).labels);
      if (threads == 1) {
        expected = copy_of(trainer.state_tensors());
      } else {
        expect_same_bytes(trainer.state_tensors(), expected, concat_text(threads, " threads, fused ", fused));
      }
    }
  }
  set_num_threads(before);
}

TEST(Trainer, AccumulationSumsTheParts) {
  const Batch batch = make_batch(6, 0, DType::f64);
  TrainerOptions options = constant_rate(0.1);
  options.weight_decay = 0.01;
  options.accumulate = 2;
  Trainer whole(tiny_network(DType::f64), options);
  const StepResult result = whole.compute_gradients(batch.images, batch.labels);
  const std::vector<Tensor> summed = gradients_of(*whole.network());

  options.accumulate = 1;
  Trainer parts(tiny_network(DType::f64), options);
  std::vector<Tensor> expected;
  double cross_entropy = 0, penalty = 0;
  for (const Index begin : {0, 3}) {
    const StepResult part =
        parts.compute_gradients(batch.images.slice_batch(begin, 3), batch.labels.slice_batch(begin, 3));
    cross_entropy += part.cross_entropy / 2;
    penalty = part.loss - part.cross_entropy;
    const std::vector<Tensor> gradients = gradients_of(*parts.network());
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (begin == 0) expected.push_back(Tensor::zeros(gradients[i].shape(), DType::f64));
      scale_into(gradients[i], 0.5, expected[i], true);  // halves of the decay make one decay
    }
    parts.sgd().clear_gradients();
  }
  for (std::size_t i = 0; i < summed.size(); ++i)
    expect_close(summed[i], expected[i], 1e-12, concat_text("gradient ", i));
  EXPECT_NEAR(result.cross_entropy, cross_entropy, 1e-13);
  EXPECT_NEAR(result.loss, cross_entropy + penalty, 1e-12);
  // Batch norm saw each part by itself: the moving statistics moved twice, in the same order.
  for (std::size_t i = 0; i < whole.network()->parameters().size(); ++i)
    if (const Parameter& p = whole.network()->parameters()[i]; !p.trainable())
      expect_close(p.variable.value(), parts.network()->parameters()[i].variable.value(), 1e-13, p.name);

  options.accumulate = 4;
  EXPECT_THROW(Trainer(tiny_network(), options).step(make_batch(6, 0).images, batch.labels), Error);
  options.accumulate = 0;
  EXPECT_THROW(Trainer(tiny_network(), options), Error);
}

TEST(Trainer, DecayIsPartOfLossAndGradient) {
  const Batch batch = make_batch(3, 0, DType::f64);
  Trainer without(tiny_network(DType::f64), constant_rate(0.1));
  const StepResult plain = without.compute_gradients(batch.images, batch.labels);
  EXPECT_EQ(plain.loss, plain.cross_entropy);
  for (const DecaySet set : {DecaySet::conv_fc, DecaySet::slim, DecaySet::all}) {
    TrainerOptions options = constant_rate(0.1);
    options.weight_decay = 0.5;
    options.decay_set = set;
    Trainer with(tiny_network(DType::f64), options);
    const StepResult decayed = with.compute_gradients(batch.images, batch.labels);
    double squares = 0;
    std::size_t k = 0;
    const ParameterList& list = with.network()->parameters();
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!list[i].trainable()) continue;
      const bool in_set = set == DecaySet::all || (set == DecaySet::conv_fc && list[i].is_weight()) ||
                          (set == DecaySet::slim && list[i].kind == ParameterKind::conv_weight);
      EXPECT_EQ(with.sgd().entries()[k++].decays, in_set) << list[i].name;
      const Tensor expected = without.network()->parameters()[i].variable.gradient().clone();
      const Tensor& w = list[i].variable.value();
      if (in_set) {
        for (const double v : w.to_vector<double>()) squares += v * v;
        scale_into(w, 0.5, expected, true);
      }
      expect_close(list[i].variable.gradient(), expected, 1e-13, list[i].name);
    }
    EXPECT_NEAR(decayed.loss - decayed.cross_entropy, 0.25 * squares, 1e-12 * squares) << to_string(set);
    EXPECT_EQ(decayed.cross_entropy, plain.cross_entropy);
  }
  EXPECT_EQ(parse_decay_set("slim"), DecaySet::slim);
  EXPECT_THROW(parse_decay_set("weights"), UsageError);
}

TEST(Trainer, AverageFollowsWeightsAndStatistics) {
  TrainerOptions options = constant_rate(0.05);
  options.ema_decay = 0.6;
  Trainer trainer(tiny_network(DType::f64), options);
  const ParameterList& list = trainer.network()->parameters();
  std::vector<Tensor> expected;
  for (const Parameter& p : list) expected.push_back(p.variable.value().clone());
  for (std::uint64_t t = 0; t < 3; ++t) {
    trainer.step(make_batch(3, t, DType::f64).images, make_batch(3, t).labels);
    for (std::size_t i = 0; i < list.size(); ++i) {
      scale_into(expected[i].clone(), 0.6, expected[i], false);
      scale_into(list[i].variable.value(), 0.4, expected[i], true);
    }
  }
  ASSERT_EQ(trainer.ema()->shadows().size(), list.size());
  for (std::size_t i = 0; i < list.size(); ++i)
    expect_close(trainer.ema()->shadows()[i], expected[i], 1e-13, list[i].name);
  EXPECT_EQ(Trainer(tiny_network(), constant_rate(0.1)).ema(), nullptr);
}

// The loss of an auxiliary head counts 0.4, and its gradients are those of 0.4 of its cross-entropy.
TEST(Trainer, AddsTheAuxiliaryLoss) {
  NetworkOptions how = NetworkOptions::paper(3);
  how.dtype = DType::f64;
  how.auxiliary_head = true;
  how.image_size = 107;
  const auto make = [&] {
    const auto network = make_network("inception_v3", how);
    initialise(network->parameters(), 7);
    return network;
  };
  const Batch batch = make_batch(2, 0, DType::f64, 107);
  const auto network = make();
  Context context;
  context.training = true;
  const Outputs outputs = network->forward(Variable(batch.images), context);
  const Variable main = softmax_cross_entropy(outputs.logits, batch.labels, 0.1);
  const Variable auxiliary = softmax_cross_entropy(outputs.aux_logits, batch.labels, 0.1);
  const double expected = main.value().item() + 0.4 * auxiliary.value().item();
  backward(auxiliary);  // reaches the auxiliary logits through nothing else

  TrainerOptions options = constant_rate(0.05);
  options.label_smoothing = 0.1;
  Trainer trainer(make(), options);
  EXPECT_NEAR(trainer.compute_gradients(batch.images, batch.labels).cross_entropy, expected, 1e-12);
  int compared = 0;
  for (std::size_t i = 0; i < network->parameters().size(); ++i) {
    const Parameter& p = network->parameters()[i];
    if (p.group != ParameterGroup::aux || !p.trainable()) continue;
    const Tensor whole = p.variable.gradient().clone();
    scale_into(p.variable.gradient(), 0.4, whole, false);
    expect_close(trainer.network()->parameters()[i].variable.gradient(), whole, 1e-12, p.name);
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

TEST(Trainer, ResumesBitForBit) {
  TrainerOptions options;
  options.schedule = {.kind = Schedule::Kind::cosine, .base = 0.1, .steps = 6, .warmup_steps = 2};
  options.ema_decay = 0.9;
  options.seed = 5;
  const auto run = [](Trainer& trainer, std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t t = begin; t < end; ++t) trainer.step(make_batch(6, t).images, make_batch(6, t).labels);
  };
  Trainer whole(tiny_network(DType::f32, 7, 0.7), options);
  run(whole, 0, 3);
  const NamedTensors saved = copy_of(whole.state_tensors());
  run(whole, 3, 6);

  Trainer resumed(tiny_network(DType::f32, 1234, 0.7), options);  // other weights, to be replaced
  const NamedTensors target = resumed.state_tensors();
  ASSERT_EQ(target.size(), saved.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    ASSERT_EQ(target[i].first, saved[i].first);
    target[i].second.copy_from(saved[i].second);
  }
  resumed.set_steps_done(3);
  run(resumed, 3, 6);
  expect_same_bytes(resumed.state_tensors(), whole.state_tensors(), "after the resume");
}

/// Runs a step that must fail; returns the message. Nothing of the trainer's state may have changed.
std::string failing_step(Trainer& trainer, const Batch& batch) {
  const NamedTensors before = copy_of(trainer.state_tensors());
  const Index steps = trainer.steps_done();
  std::string message;
  try {
    trainer.step(batch.images, batch.labels);
    ADD_FAILURE() << "no error";
  } catch (const NonFiniteError& error) {
    message = error.what();
  }
  expect_same_bytes(trainer.state_tensors(), before, "after the failed step");
  EXPECT_EQ(trainer.steps_done(), steps);
  for (const SgdEntry& entry : trainer.sgd().entries()) EXPECT_FALSE(entry.variable.gradient().defined());
  return message;
}

TEST(Trainer, NanInAnImageIsNamedAndChangesNothing) {
  for (const bool fused : {true, false})
    for (const Index parts : {1, 2}) {
      TrainerOptions options = constant_rate(0.05);
      options.ema_decay = 0.9;
      options.fused = fused;
      options.accumulate = parts;
      Trainer trainer(tiny_network(), options);
      trainer.step(make_batch(6, 0).images, make_batch(6, 0).labels);
      Batch bad = make_batch(6, 1);
      bad.images.data<float>()[5 * 32 * 32 * 3 + 7] = std::numeric_limits<float>::quiet_NaN();
      const std::string message = failing_step(trainer, bad);
      EXPECT_NE(message.find("step 1"), std::string::npos) << message;
      EXPECT_NE(message.find("operation 0 (input)"), std::string::npos) << message;
      EXPECT_TRUE(std::isfinite(trainer.step(make_batch(6, 1).images, make_batch(6, 1).labels).loss)) << "goes on";
    }
}

TEST(Trainer, TheFirstNonFiniteOperationIsNamed) {
  Trainer trainer(tiny_network(), constant_rate(0.05));
  for (const Parameter& p : trainer.network()->parameters())
    if (p.name == "MobilenetV1/Conv2d_3_pointwise/weights") p.variable.value().fill(3e38);  // overflows in f32
  const std::string message = failing_step(trainer, make_batch(3, 0));
  EXPECT_NE(message.find("operation 7 (MobilenetV1/Conv2d_3_pointwise)"), std::string::npos) << message;
}

TEST(Trainer, ANonFiniteParameterIsNamed) {
  Trainer trainer(tiny_network(), constant_rate(0.05));
  for (const Parameter& p : trainer.network()->parameters())
    if (p.name == "MobilenetV1/Conv2d_5_depthwise/BatchNorm/beta")
      p.variable.value().data<float>()[3] = -std::numeric_limits<float>::infinity();
  for (const Parameter& p : trainer.network()->parameters())
    if (p.name == "MobilenetV1/Logits/Conv2d_1c_1x1/biases")
      p.variable.value().data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  const std::string message = failing_step(trainer, make_batch(3, 0));
  EXPECT_NE(message.find("parameter MobilenetV1/Conv2d_5_depthwise/BatchNorm/beta"), std::string::npos) << message;
}

TEST(Trainer, RefusesLabelsThatDoNotFit) {
  Trainer trainer(tiny_network(), constant_rate(0.05));
  Batch batch = make_batch(3, 0);
  batch.labels.data<std::int64_t>()[1] = 3;
  EXPECT_THROW(trainer.step(batch.images, batch.labels), Error);
  EXPECT_THROW(trainer.step(make_batch(3, 0).images, make_batch(2, 0).labels), Error);
  EXPECT_THROW(trainer.step(make_batch(3, 0).images.slice_batch(0, 0), batch.labels.slice_batch(0, 0)), Error);
}

}  // namespace trainer_test
