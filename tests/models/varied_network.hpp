// Networks whose batch norms all do something, their traces, and training steps in f64.
#pragma once

#include <gtest/gtest.h>

#include "ops/op_case.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/trainer.hpp"

TINYVISION_BEGIN
namespace model_test {

/// Gamma, beta and moving statistics away from 0 and 1. Without `weights` those are 0, which is quicker and leaves every
/// layer its own result all the same.
inline std::shared_ptr<Network> make_varied(const std::string& name, const NetworkOptions& options,
                                            bool weights = true) {
  const auto network = make_network(name, options);
  if (weights) initialise(network->parameters(), 17);
  const Random random(3, Stream::test);
  for (std::size_t t = 0; t < network->parameters().size(); ++t) {
    const Parameter& p = network->parameters()[t];
    if (p.is_weight()) continue;
    const bool scale_like = p.kind == ParameterKind::bn_gamma || p.kind == ParameterKind::bn_moving_variance;
    const Tensor values = Tensor::empty(p.variable.shape(), DType::f64);
    for (Index i = 0; i < values.count(); ++i) {
      const std::uint64_t index = (t << 20) | static_cast<std::uint64_t>(i);
      values.data<double>()[i] = scale_like ? random.uniform(index, 0.5, 1.5) : random.uniform(index, -0.1, 0.1);
    }
    p.variable.set_value(values.to(options.dtype));
  }
  return network;
}

inline Variable parameter(const Network& network, const std::string& name) {
  for (const Parameter& p : network.parameters())
    if (p.name == name) return p.variable;
  ADD_FAILURE() << "no variable " << name;
  return {};
}

/// One forward pass without recording, every operation by itself.
struct PlainPass {
  Trace trace;
  Outputs outputs;

  PlainPass(const Network& network, const Tensor& images, bool training = false) {
    const NoGradient guard;
    Context context;
    context.fused = false;
    context.training = training;
    context.trace = &trace;
    outputs = network.forward(Variable(images), context);
  }

  /// The value of the `number`-th row of this name.
  Variable row(const std::string& name, int number = 0) const {
    for (const Trace::Row& r : trace.rows())
      if (r.name == name && number-- == 0) return Variable(r.value);
    ADD_FAILURE() << "no row " << name;
    return {};
  }
};

/// Loss, gradients and, after the update, all variables of one training step.
struct Step {
  double loss = 0;
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::size_t peak = 0;  ///< bytes of the arena
};

inline Step training_step(const std::shared_ptr<Network>& network, const Tensor& images, bool fused,
                          std::uint64_t seed = 0, Index steps_done = 0) {
  TrainerOptions options;
  options.schedule.kind = Schedule::Kind::constant;
  options.schedule.base = 0.01;
  options.weight_decay = 1e-4;
  options.fused = fused;
  options.seed = seed;
  Trainer trainer(network, options);
  trainer.set_steps_done(steps_done);
  const Tensor labels = Tensor::empty({images.dim(0)}, DType::i64);
  for (Index i = 0; i < labels.count(); ++i) labels.data<std::int64_t>()[i] = i % network->options().classes;
  Step step;
  Arena::cpu().reset_peak();
  const std::size_t before = Arena::cpu().statistics().in_use;
  step.loss = trainer.compute_gradients(images, labels).loss;
  step.peak = Arena::cpu().statistics().peak - before;
  for (const Parameter& p : network->parameters())
    if (p.trainable()) step.tensors.emplace_back("gradient/" + p.name, p.variable.gradient().clone());
  trainer.update();
  for (const Parameter& p : network->parameters())
    step.tensors.emplace_back("weight/" + p.name, p.variable.value().clone());
  return step;
}

/// Every tensor within `tolerance` of its scale, at least 1e-3 of the largest of its kind.
inline void expect_equal_steps(const Step& a, const Step& b, double tolerance) {
  EXPECT_NEAR(a.loss, b.loss, tolerance * std::fabs(b.loss));
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  const auto largest = [](const Tensor& t) {
    double most = 0;
    for (const double x : t.to_vector<double>()) most = std::max(most, std::fabs(x));
    return most;
  };
  std::map<char, double> of_kind;
  for (const auto& [name, tensor] : b.tensors) of_kind[name[0]] = std::max(of_kind[name[0]], largest(tensor));
  for (std::size_t k = 0; k < a.tensors.size(); ++k) {
    const std::vector<double> x = a.tensors[k].second.to_vector<double>(), y = b.tensors[k].second.to_vector<double>();
    const double scale = std::max(largest(b.tensors[k].second), 1e-3 * of_kind[b.tensors[k].first[0]]);
    double difference = 0;
    for (std::size_t i = 0; i < x.size(); ++i) difference = std::max(difference, std::fabs(x[i] - y[i]));
    EXPECT_LE(difference, tolerance * scale) << b.tensors[k].first;
  }
}

}  // namespace model_test
TINYVISION_END
