// Gives a network whose batch norms were folded into its convolutions its batch norms back.
//
// A folded batch norm computes s (y - m) + beta of the convolution's output y, with s = gamma / sqrt(v + epsilon) and
// placeholders for m and v. Evaluation is right, but training with batch statistics would replace m and v by the batch's
// and so change the function. Measuring the real statistics of y over photos,
//   moving_mean' = mean(y)   moving_variance' = var(y)   gamma' = s sqrt(var(y) + epsilon)   beta' = beta + s (mean(y) - m)
// leaves the evaluated function as it was (up to rounding) and makes batch statistics meaningful again. With s = 1 and
// m = 0 this is gamma' = sqrt(variance + epsilon), beta' = bias + mean.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

/// Running mean and variance of one layer's channels in f64 (Chan, Golub and LeVeque's pairwise update, 1979).
class MeasuredStatistics {
 public:
  void add(const Tensor& y) {
    const Index channels = y.shape().back(), rows = y.rows();
    const Tensor t = y.to(DType::f64).packed();
    const double* x = t.data<double>();
    if (mean_.empty()) mean_.assign(static_cast<std::size_t>(channels), 0), squares_ = mean_;
    for (Index c = 0; c < channels; ++c) {
      double sum = 0, squares = 0;
      for (Index r = 0; r < rows; ++r) sum += x[r * channels + c];
      const double mean = sum / static_cast<double>(rows);
      for (Index r = 0; r < rows; ++r) squares += (x[r * channels + c] - mean) * (x[r * channels + c] - mean);
      const std::size_t k = static_cast<std::size_t>(c);
      const double delta = mean - mean_[k], total = count_ + static_cast<double>(rows);
      mean_[k] += delta * static_cast<double>(rows) / total;
      squares_[k] += squares + delta * delta * count_ * static_cast<double>(rows) / total;
    }
    count_ += static_cast<double>(rows);
  }
  double mean(Index channel) const { return mean_[static_cast<std::size_t>(channel)]; }
  double variance(Index channel) const { return squares_[static_cast<std::size_t>(channel)] / count_; }
  bool empty() const { return mean_.empty(); }

 private:
  std::vector<double> mean_, squares_;
  double count_ = 0;
};

/// Restores every batch norm of `network` (f32 or f64) from the statistics of the batches that `next_batch` returns until
/// it returns an undefined tensor. Returns the number of batch norms restored. Throws Error without any batch, or when a
/// batch norm has no gamma to restore.
inline Index restore_batch_norm(const Network& network, double epsilon, const std::function<Tensor()>& next_batch) {
  const NoGradient guard;
  std::vector<std::pair<BatchNormState, MeasuredStatistics>> layers;
  bool first = true;
  std::size_t at = 0;
  Context context;
  context.fused = false;
  context.observe_norm_input = [&](const BatchNormState& state, const Tensor& y) {
    if (first) layers.emplace_back(state, MeasuredStatistics());
    layers[at++].second.add(y);
  };
  for (Tensor batch = next_batch(); batch.defined(); batch = next_batch()) {
    at = 0;
    network.forward(Variable(batch), context);
    first = false;
  }
  check(!layers.empty(), "restore_batch_norm", "no photos to measure statistics on");
  for (const auto& [state, statistics] : layers) {
    check(state.gamma.defined(), "restore_batch_norm", "a batch norm without gamma cannot be restored");
    visit_float("restore_batch_norm", state.beta.dtype(), [&, &state = state, &statistics = statistics]<class T>(T) {
      T* gamma = state.gamma.value().data<T>();
      T* beta = state.beta.value().data<T>();
      T* mean = state.moving_mean.value().data<T>();
      T* variance = state.moving_variance.value().data<T>();
      for (Index c = 0; c < state.beta.value().count(); ++c) {
        const double s = static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
        beta[c] =
            static_cast<T>(static_cast<double>(beta[c]) + s * (statistics.mean(c) - static_cast<double>(mean[c])));
        mean[c] = static_cast<T>(statistics.mean(c));
        variance[c] = static_cast<T>(statistics.variance(c));
        gamma[c] = static_cast<T>(s * std::sqrt(statistics.variance(c) + epsilon));
      }
    });
    for (const Variable* v : {&state.gamma, &state.beta, &state.moving_mean, &state.moving_variance}) v->mark_changed();
  }
  return static_cast<Index>(layers.size());
}

TINYVISION_END
