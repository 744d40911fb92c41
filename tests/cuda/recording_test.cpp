// Recorded work gives the bits of work that is done at once.
#include <gtest/gtest.h>

#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/trainer.hpp"

namespace recording_test {

using namespace tinyvision;

struct Result {
  std::vector<double> losses;
  std::vector<Index> correct;
  std::vector<std::vector<float>> state;
  friend bool operator==(const Result&, const Result&) = default;
};

Tensor images_of(int step, Index batch) {
  const Random random(2, Stream::test, static_cast<std::uint64_t>(step));
  const Tensor images = Tensor::empty({batch, 16, 16, 3});
  for (Index i = 0; i < images.count(); ++i)
    images.data<float>()[i] = static_cast<float>(random.uniform(static_cast<std::uint64_t>(i), -1, 1));
  return images;
}

std::shared_ptr<Network> network_on_device() {
  NetworkOptions options;
  options.classes = 3;
  options.width = 0.0625;  // as small as it gets: the emulated device is slow
  options.dropout_keep = 0.5;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 1);
  network->to(Device::cuda());
  return network;
}

TrainerOptions options_of(bool recorded) {
  TrainerOptions options;
  options.schedule = {Schedule::Kind::cosine, 1e-5, 6, 0, 0.94, 1};
  options.weight_decay = 1e-3;
  options.ema_decay = 0.99;
  options.ema_ramp_up = true;
  options.label_smoothing = 0.1;
  options.accumulate = 2;
  options.recorded = recorded;
  return options;
}

Result train(bool recorded, const std::function<void(Trainer&, int)>& between = nullptr) {
  Trainer trainer(network_on_device(), options_of(recorded));
  Result run;
  for (int step = 0; step < 5; ++step) {
    const StepResult result =
        trainer.step(images_of(step, 4), Tensor::from_vector<std::int64_t>({4}, {0, step % 3, 2, 1}));
    run.losses.push_back(result.loss);
    run.correct.push_back(result.correct);
    if (between) between(trainer, step);
  }
  for (const auto& [name, tensor] : trainer.state_tensors()) run.state.push_back(tensor.to_vector<float>());
  return run;
}

TEST(Recording, AStepHasTheBitsOfOneThatIsNotRecorded) {
  const Result plain = train(false);
  EXPECT_EQ(train(true), plain);
  // A changed parameter ends the recording: the next step is a plain one, and the one after it is recorded anew.
  const auto swap = [](Trainer& trainer, int step) {
    if (step == 2) trainer.ema()->swap();
  };
  EXPECT_EQ(train(true, swap), train(false, swap));
}

TEST(Recording, Bf16Too) {
  precision() = Precision::bf16;
  const Result plain = train(false), recorded = train(true);
  precision() = Precision::f32;
  EXPECT_EQ(recorded, plain);
}

TEST(Recording, AReplayTakesNoMemory) {
  const auto network = network_on_device();
  Trainer trainer(network, options_of(true));
  const Tensor labels = Tensor::from_vector<std::int64_t>({4}, {0, 1, 2, 1});
  for (int step = 0; step < 3; ++step) trainer.step(images_of(step, 4), labels);
  const std::size_t in_use = cuda::arena()->statistics().in_use;
  trainer.step(images_of(3, 4), labels);
  EXPECT_EQ(cuda::arena()->statistics().in_use, in_use);
}

TEST(Recording, ALossThatIsNotFiniteChangesNothing) {
  Trainer trainer(network_on_device(), options_of(true));
  const Tensor labels = Tensor::from_vector<std::int64_t>({4}, {0, 1, 2, 1});
  for (int step = 0; step < 3; ++step) trainer.step(images_of(step, 4), labels);
  const auto state = [&] {
    std::vector<std::vector<float>> values;
    for (const auto& [name, tensor] : trainer.state_tensors()) values.push_back(tensor.to_vector<float>());
    return values;
  };
  const auto before = state();
  const Tensor bad = images_of(3, 4);
  bad.data<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  try {
    trainer.step(bad, labels);
    FAIL();
  } catch (const NonFiniteError& error) {
    EXPECT_STREQ(error.what(),
                 "[trainer] loss is nan at step 3: operation 0 (input) is the first with a non-finite result");
  }
  EXPECT_EQ(state(), before);
  EXPECT_EQ(trainer.steps_done(), 3);
  EXPECT_NO_THROW(trainer.step(images_of(3, 4), labels));
  EXPECT_THROW(trainer.step(images_of(4, 4), Tensor::from_vector<std::int64_t>({4}, {0, 1, 3, 1})), Error);
}

TEST(Recording, TheHostMayNotLookInBetween) {
  DeviceMemory& memory = device_memory(Device::cuda());
  const Tensor x = Tensor::full({4}, 1.0, DType::f32, Device::cuda());
  EXPECT_THROW(memory.record(nullptr, [&] { static_cast<void>(x.to_vector<float>()); }), std::runtime_error);
  Tensor y;
  const auto doubled = memory.record(nullptr, [&] { y = add(Variable(x), Variable(x)).value(); });
  doubled->replay();
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{2, 2, 2, 2}));
  x.copy_from(Tensor::full({4}, 3.0));
  doubled->replay();
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{6, 6, 6, 6}));
}

}  // namespace recording_test
