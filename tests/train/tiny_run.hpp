// A training run of a few steps on random images, for tests of states and resumes.
#pragma once

#include <filesystem>

#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/training_run.hpp"

namespace tiny_run {

using namespace tinyvision;

inline std::shared_ptr<const data::Dataset> dataset() {
  std::vector<data::Image> images;
  for (std::uint64_t i = 0; i < 10; ++i) {
    const Random random(8, Stream::test, i);
    data::Image image(32, 32);
    for (std::size_t k = 0; k < image.pixels.size(); ++k)
      image.pixels[k] = static_cast<std::uint8_t>(random.uniform(k, 0, 256));
    images.push_back(image);
  }
  return std::make_shared<data::MemoryDataset>("random", "random", images,
                                               std::vector<std::int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0},
                                               std::vector<std::string>{"a", "b", "c"});
}

struct Outcome {
  TrainingRunResult result;
  std::vector<std::pair<std::string, std::vector<float>>> state;
};

/// MobileNet v1 at a quarter of its width on `device`, `steps` steps in all, those of a checkpoint in `folder` included.
inline Outcome run(const std::string& folder, Index steps, Device device = Device::cpu(),
                   const std::string& fingerprint = "same", const std::function<bool()>& should_stop = nullptr) {
  NetworkOptions options;
  options.classes = 3;
  options.width = 0.25;
  options.dropout_keep = 0.8;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 1);
  network->to(device);
  TrainerOptions how;
  how.schedule.kind = Schedule::Kind::constant;
  how.schedule.base = 1e-4;
  how.ema_decay = 0.9;
  Trainer trainer(network, how);
  data::LoaderOptions load;
  load.batch_size = 4;
  load.threads = 1;
  load.preprocessing.image_size = 32;
  load.augmentation.mode = data::Augmentation::flip;
  const auto images = dataset();
  data::Loader loader(images, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, load);
  TrainingRunOptions run;
  run.folder = folder;
  run.steps = steps;
  run.checkpoint_every = 1;
  run.fingerprint = fingerprint;
  run.arithmetic = "f32 on " + device.text();
  run.should_stop = should_stop;
  Outcome outcome{run_training(trainer, loader, run), {}};
  for (const auto& [name, tensor] : trainer.state_tensors())
    outcome.state.emplace_back(name, tensor.to_vector<float>());
  return outcome;
}

/// An empty folder of this name.
inline std::string folder(const std::string& name) {
  const auto path = std::filesystem::path(::testing::TempDir()) / ("tinyvision_run_" + name);
  std::filesystem::remove_all(path);
  return path.string();
}

}  // namespace tiny_run
