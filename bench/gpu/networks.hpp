// Whole networks for gpu-check: the same steps as on the CPU, and images per second.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gpu/device_time.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/trainer.hpp"

namespace gpu_check {

/// One network ready for one kind of step on random images of `size` px, on `device`.
struct Job {
  std::shared_ptr<Network> network;
  std::unique_ptr<Trainer> trainer;
  Tensor images, labels;

  Job(const std::string& name, bool training, Index batch, Index size, Device device, double learning_rate = 1e-3) {
    NetworkOptions options;
    options.classes = 1000;
    network = make_network(name, options);
    initialise(network->parameters(), 1);
    network->to(device);
    const Random random(2, Stream::test);
    const Tensor host = Tensor::empty({batch, size, size, 3});
    parallel_ranges(host.count(), 65536, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        host.data<float>()[i] = static_cast<float>(random.uniform(static_cast<std::uint64_t>(i), -1, 1));
    });
    images = host.to(device);
    labels = Tensor::empty({batch}, DType::i64);
    for (Index i = 0; i < batch; ++i) labels.data<std::int64_t>()[i] = i % 1000;
    if (!training) return;
    TrainerOptions how;
    how.schedule.kind = Schedule::Kind::constant;
    how.schedule.base = learning_rate;
    how.weight_decay = 4e-5;
    trainer = std::make_unique<Trainer>(network, how);
  }
  double step() {
    if (trainer) return trainer->step(images, labels).loss;
    const NoGradient guard;
    network->forward(Variable(images), Context::scores_only());
    return 0;
  }
};

struct Parity {
  double loss = 0, weights = 0;  ///< largest relative differences
};

/// `steps` training steps from the same state, on the device and on the CPU.
inline Parity compare_with_cpu(const std::string& name, int steps, Index size, Index batch) {
  // The learning rate is small because steps of a random network diverge by themselves: small differences grow.
  Job here(name, true, batch, size, Device::cpu(), 2e-5), there(name, true, batch, size, Device::cuda(), 2e-5);
  Parity parity;
  for (int i = 0; i < steps; ++i) {
    const double expected = here.step(), got = there.step();
    parity.loss = std::max(parity.loss, std::fabs(got - expected) / std::fabs(expected));
  }
  const auto state = [](const Job& job) {
    std::vector<std::vector<double>> values;
    for (const auto& [tensor_name, tensor] : job.trainer->state_tensors())
      if (tensor_name.rfind("weight/", 0) == 0) values.push_back(tensor.to_vector<double>());
    return values;
  };
  const auto a = state(there), b = state(here);
  double all = 0;
  for (const auto& tensor : b)
    for (const double v : tensor) all = std::max(all, std::fabs(v));
  for (std::size_t t = 0; t < b.size(); ++t) {
    double largest = 1e-3 * all, worst = 0;
    for (std::size_t i = 0; i < b[t].size(); ++i) {
      largest = std::max(largest, std::fabs(b[t][i]));
      worst = std::max(worst, std::fabs(a[t][i] - b[t][i]));
    }
    parity.weights = std::max(parity.weights, worst / largest);
  }
  return parity;
}

/// Seconds of one step by the host's clock, the device's work complete: what a user waits for.
inline double seconds_of_step(Job& job) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  cuda::kernels::wait_for(cuda::stream());
  const auto begin = now();
  job.step();
  cuda::kernels::wait_for(cuda::stream());
  return std::chrono::duration<double>(now() - begin).count();
}

}  // namespace gpu_check
