// Training steps of whole networks on the device against the same steps on the CPU.
#include <gtest/gtest.h>

#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/trainer.hpp"

namespace training_test {

using namespace tinyvision;

constexpr Index classes = 5, batch = 4;

struct Run {
  std::vector<double> losses;
  std::vector<std::pair<std::string, std::vector<double>>> gradients;  ///< of the last step
  std::vector<std::pair<std::string, std::vector<double>>> state;      ///< afterwards: weights, velocities, averages
};

std::shared_ptr<Network> make(const std::string& name, DType dtype) {
  NetworkOptions options;
  options.classes = classes;
  options.dtype = dtype;
  if (network_entry(name).slim_dropout_keep < 1) options.dropout_keep = 0.8;
  const auto network = make_network(name, options);
  initialise(network->parameters(), 11);
  for (const Parameter& p : network->parameters())
    if (p.kind == ParameterKind::bn_gamma) p.variable.set_value(Tensor::full(p.variable.shape(), 0.7, dtype));
  return network;
}

Run train(const std::string& name, DType dtype, Index size, int steps, Device device, bool presence) {
  // Batch norms over a handful of values make rounding grow from step to step; small maps and a large learning rate would
  // test that instead of the kernels.
  const auto network = make(name, dtype);
  network->to(device);
  TrainerOptions options;
  options.schedule.kind = Schedule::Kind::constant;
  options.schedule.base = 2e-5;
  options.weight_decay = 1e-4;
  options.ema_decay = 0.9;
  options.label_smoothing = 0.1;
  Trainer trainer(network, options);
  Run run;
  for (int step = 0; step < steps; ++step) {
    const Random random(4, Stream::test, static_cast<std::uint64_t>(step));
    const Tensor images = Tensor::empty({batch, size, size, 3}, DType::f64);
    for (Index i = 0; i < images.count(); ++i)
      images.data<double>()[i] = random.uniform(static_cast<std::uint64_t>(i), -1, 1);
    Tensor labels = Tensor::from_vector<std::int64_t>({batch}, {step % classes, 0, 4, 2});
    if (presence)
      labels = Tensor::from_vector<std::int64_t>(
          {batch, classes}, {1, -1, -1, 0, 1, -1, 1, -1, -1, -1, 1, 1, 1, 0, 0, -1, -1, -1, 1, -1});
    run.losses.push_back(trainer.compute_gradients(images.to(dtype).to(device), labels).loss);
    if (step + 1 == steps)
      for (const Parameter& p : network->parameters())
        if (p.trainable()) run.gradients.emplace_back(p.name, p.variable.gradient().to_vector<double>());
    trainer.update();
  }
  for (const auto& [tensor_name, tensor] : trainer.state_tensors()) {
    EXPECT_TRUE(tensor.device() == device) << tensor_name;
    run.state.emplace_back(tensor_name, tensor.to_vector<double>());
  }
  return run;
}

using Named = std::vector<std::pair<std::string, std::vector<double>>>;

double largest_of(const Named& tensors, const std::string& kind) {
  double largest = 0;
  for (const auto& [name, values] : tensors)
    if (name.rfind(kind, 0) == 0)
      for (const double v : values) largest = std::max(largest, std::fabs(v));
  return largest;
}

/// Expects max|a-b| <= tolerance max(max|b|, 1e-3 largest max|b| of that kind) for every tensor.
void expect_close(const Named& a, const Named& b, const std::string& kind, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  const double floor = 1e-3 * largest_of(b, kind);
  double worst = 0;
  std::string where;
  for (std::size_t t = 0; t < a.size(); ++t) {
    if (b[t].first.rfind(kind, 0) != 0) continue;
    double scale = floor, difference = 0;
    for (std::size_t i = 0; i < b[t].second.size(); ++i) {
      scale = std::max(scale, std::fabs(b[t].second[i]));
      difference = std::max(difference, std::fabs(a[t].second[i] - b[t].second[i]));
    }
    if (difference / scale > worst) worst = difference / scale, where = b[t].first;
  }
  EXPECT_LE(worst, tolerance) << kind << ": " << where;
}

void compare(const std::string& name, DType dtype, Index size, int steps, double tolerance, bool presence = false) {
  const Run there = train(name, dtype, size, steps, Device::cuda(), presence);
  const Run here = train(name, dtype, size, steps, Device::cpu(), presence);
  for (int step = 0; step < steps; ++step)
    EXPECT_NEAR(there.losses[static_cast<std::size_t>(step)], here.losses[static_cast<std::size_t>(step)],
                tolerance * here.losses[static_cast<std::size_t>(step)])
        << step;
  expect_close(there.gradients, here.gradients, "", tolerance);
  for (const char* kind : {"weight/", "velocity/", "ema/"}) expect_close(there.state, here.state, kind, tolerance);
}

TEST(DeviceTraining, AStepOfMobilenetV2InF32) { compare("mobilenet_v2", DType::f32, 32, 1, 1e-5); }
#ifndef __SANITIZE_ADDRESS__  // takes minutes there, and the step above runs the same code
TEST(DeviceTraining, AStepOnImagesThatShowSeveralClasses) { compare("mobilenet_v1", DType::f64, 32, 1, 1e-9, true); }
TEST(DeviceTraining, FiveStepsOfMobilenetV2InF64) { compare("mobilenet_v2", DType::f64, 48, 5, 1e-9); }
#endif

}  // namespace training_test
