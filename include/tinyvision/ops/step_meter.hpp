// What a training step on a device reports, kept on the device until the host asks once: the step then needs no waiting in
// its middle, and can be recorded.
#pragma once

#include "tinyvision/ops/reduce.hpp"

#if TINYVISION_WITH_CUDA
TINYVISION_BEGIN

struct MeterReading {
  double sum_of_squares = 0;   ///< of the tensors given to `begin`
  std::vector<double> losses;  ///< of the parts
  Index correct = 0;           ///< over all parts
};

class StepMeter {
 public:
  /// For a step of `parts` parts whose losses are of `dtype`.
  StepMeter(Index parts, DType dtype)
      : parts_(parts), losses_(Tensor::zeros({parts}, dtype, Device::cuda())), sum_(1), correct_(1), finite_(1) {}

  void begin(const std::vector<Tensor>& squared) const {
    cuda::kernels::set_bytes(sum_.data(), 0, sizeof(double), cuda::stream());
    for (const Tensor& t : squared)
      visit_float("step_meter", t.dtype(), [&]<class T>(T) {
        const cuda::Workspace<double> workspace(cuda::kernels::sum_workspace(t.count()));
        cuda::kernels::sum_of_squares(t.count(), t.data<T>(), sum_.data(), true, workspace.data(), cuda::stream());
      });
  }
  /// Part `part`: its loss [1], and how many rows of `scores` [N,K] have their first largest element where `labels` [N]
  /// say. All on the device.
  void take(Index part, const Tensor& loss, const Tensor& scores, const Tensor& labels) const {
    losses_.slice_batch(part, 1).copy_from(loss);
    const cuda::Workspace<std::int64_t> found(scores.rows());
    visit_float("step_meter", scores.dtype(), [&]<class T>(T) {
      cuda::kernels::argmax(scores.rows(), scores.shape().back(), scores.data<T>(), scores.pitch(), found.data(),
                            cuda::stream());
    });
    cuda::kernels::count_equal(scores.rows(), found.data(), labels.data<std::int64_t>(), correct_.data(), part > 0,
                               cuda::stream());
  }
  /// Whether all losses are finite, in device memory.
  const std::int32_t* finite() const {
    visit_float("step_meter", losses_.dtype(), [&]<class T>(T) {
      cuda::kernels::all_finite(parts_, losses_.data<T>(), finite_.data(), false, cuda::stream());
    });
    return finite_.data();
  }
  /// Waits for the device.
  MeterReading read() const {
    return {cuda::read_value(sum_.data()), losses_.to_vector<double>(),
            static_cast<Index>(cuda::read_value(correct_.data()))};
  }

 private:
  Index parts_;
  Tensor losses_;
  cuda::Workspace<double> sum_;
  cuda::Workspace<std::int64_t> correct_;
  cuda::Workspace<std::int32_t> finite_;
};

TINYVISION_END
#endif
