// A training step on a device, written down once (a CUDA graph) and replayed: one launch by the host instead of hundreds.
//
// Everything that differs from step to step lies in device memory at fixed places: images, labels, the step of random
// numbers, the optimiser's settings. What the step reports is read once, at its end. The bits are those of a step that is
// not recorded.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "tinyvision/nn/network.hpp"
#include "tinyvision/ops/step_meter.hpp"

#if TINYVISION_WITH_CUDA
TINYVISION_BEGIN

class RecordedStep {
 public:
  struct Inputs {
    Tensor images, labels, step;  ///< on the device
    std::shared_ptr<StepMeter> meter;
  };

  /// True when the recorded step is that of such images, and nobody but its replays has changed a parameter since.
  bool replays(const Network& network, const Shape& images) const {
    return recording_ != nullptr && of_ == state_of(network, images);
  }
  /// True after a plain step on such images: what lives longer than a step, such as copies of weights in bf16, is there.
  bool may_record(const Network& network, const Shape& images) const { return seen_ == state_of(network, images); }
  void saw(const Network& network, const Shape& images) {
    recording_ = nullptr;  // and with it its memory
    of_.reset();
    seen_ = state_of(network, images);
  }

  /// Writes `step` down; it is to use the inputs it is given, which have the shapes of `images` and `labels`.
  void record(const Network& network, const Tensor& images, const Tensor& labels, Index parts,
              const std::function<void(const Inputs&)>& step) {
    const Device device = network.device();
    const DType dtype = network.options().dtype;
    inputs_ = {Tensor::empty(images.shape(), dtype, device), Tensor::empty(labels.shape(), DType::i64, device),
               Tensor::zeros({1}, DType::i64, device), std::make_shared<StepMeter>(parts, dtype)};
    recording_ = device_memory(device).record(inputs_.step.raw(), [&] { step(inputs_); });
    of_ = state_of(network, images.shape());
  }

  /// Runs the recorded step. `first_step` is that of the random numbers of its first part.
  MeterReading replay(const Network& network, const Tensor& images, const Tensor& labels, Index first_step) {
    inputs_.images.copy_from(images);
    inputs_.labels.copy_from(labels);
    inputs_.step.copy_from(Tensor::from_vector<std::int64_t>({1}, {first_step}));
    recording_->replay();
    for (const Parameter& p : network.parameters())
      p.variable.derived_now<Bf16Copy>() ? p.variable.mark_changed_with_derived() : p.variable.mark_changed();
    of_ = state_of(network, images.shape());
    return inputs_.meter->read();
  }

 private:
  /// Everything that the recorded work depends on.
  struct State {
    Shape images;
    Precision precision;
    Kernels kernels;
    std::vector<std::uint64_t> versions;  ///< of the parameters
    bool operator==(const State&) const = default;
  };
  static std::optional<State> state_of(const Network& network, const Shape& images) {
    State state{images, precision(), kernels(), {}};
    for (const Parameter& p : network.parameters()) state.versions.push_back(p.variable.version());
    return state;
  }

  std::optional<State> seen_, of_;
  Inputs inputs_;
  std::shared_ptr<const DeviceRecording> recording_;
};

TINYVISION_END
#endif
