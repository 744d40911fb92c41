// A training loop of one's own: a small classifier of noisy patterns, trained step by step with nothing hidden.
//
// Every random number is a function of (seed, purpose, step, index), so the program prints the same figures on every
// run and with any number of threads.
#include <cstdio>

#include "tinyvision/core/random.hpp"
#include "tinyvision/ops/conv2d.hpp"
#include "tinyvision/ops/elementwise.hpp"
#include "tinyvision/ops/linear.hpp"
#include "tinyvision/ops/loss.hpp"
#include "tinyvision/ops/pool.hpp"
#include "tinyvision/optim/ema.hpp"
#include "tinyvision/optim/schedule.hpp"
#include "tinyvision/optim/sgd.hpp"

using namespace tinyvision;

struct Batch {
  Tensor images;  // [N,8,8,1]
  Tensor labels;  // [N]
};

/// Stripes along the rows (class 0) or along the columns (class 1), with noise.
Batch make_batch(std::uint64_t step, Index count) {
  const Random random(/*seed=*/7, Stream::test, step);
  Batch batch{Tensor::empty({count, 8, 8, 1}), Tensor::empty({count}, DType::i64)};
  for (Index n = 0; n < count; ++n) {
    batch.labels.data<std::int64_t>()[n] = n % 2;
    for (Index i = 0; i < 64; ++i) {
      const Index position = n % 2 == 0 ? i / 8 : i % 8;
      const double noise = random.normal(static_cast<std::uint64_t>(64 * n + i));
      batch.images.data<float>()[64 * n + i] = static_cast<float>((position % 2 == 0 ? 1.0 : -1.0) + 2 * noise);
    }
  }
  return batch;
}

Variable parameter(const Shape& shape, std::uint64_t number, double deviation) {
  const Random random(/*seed=*/1, Stream::initialiser, number);
  const Tensor value = Tensor::empty(shape);
  for (Index i = 0; i < value.count(); ++i)
    value.data<float>()[i] = static_cast<float>(deviation * random.truncated_normal(static_cast<std::uint64_t>(i)));
  return Variable(value, /*requires_gradient=*/true);
}

int main() {
  const Variable filters = parameter({3, 3, 1, 8}, 0, 0.3), weights = parameter({8, 2}, 1, 0.3),
                 bias = parameter({2}, 2, 0);
  const auto forward = [&](const Tensor& images) {
    const Variable maps = relu(conv2d(Variable(images), filters));
    return linear(global_average_pool(maps), weights, bias);
  };

  const Index steps = 120;
  const Schedule schedule{.kind = Schedule::Kind::cosine, .base = 0.2, .steps = steps, .warmup_steps = 10};
  const Sgd sgd({filters, weights, bias}, {true, true, false}, /*momentum=*/0.9, /*weight_decay=*/1e-4);
  const Ema ema({filters, weights, bias}, 0.95, /*ramp_up=*/true);

  for (Index step = 0; step < steps; ++step) {
    const Batch batch = make_batch(static_cast<std::uint64_t>(step), 32);
    const Variable loss = softmax_cross_entropy(forward(batch.images), batch.labels);
    backward(loss);
    sgd.add_weight_decay();
    sgd.step(schedule(step));
    sgd.clear_gradients();
    ema.update(step);
    if (step % 20 == 0 || step == steps - 1)
      std::printf("step %3d  loss %.4f\n", static_cast<int>(step), loss.value().item());
  }

  ema.swap();  // evaluate the averaged weights, on examples never trained on
  const NoGradient guard;
  const Batch test = make_batch(1'000'000, 500);
  const Tensor logits = forward(test.images).value();
  Index correct = 0;
  for (Index n = 0; n < 500; ++n) {
    const float* row = logits.data<float>() + n * logits.pitch();
    correct += (row[1] > row[0] ? 1 : 0) == test.labels.data<std::int64_t>()[n];
  }
  std::printf("test: %d of 500 correct\n", static_cast<int>(correct));
  return correct >= 475 ? 0 : 1;
}
