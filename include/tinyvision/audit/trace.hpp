// Audit trail of a training run: every activation, gradient, weight, statistic and average of every step, in files.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/train/trainer.hpp"

TINYVISION_BEGIN
namespace audit {

using checkpoint::NamedTensors;

/// What one traced step leaves behind.
struct StepTrace {
  double loss = 0;
  NamedTensors tensors;
};

/// Rows of the network's specification as `activation/<id>:<name>`, then `logits`, `feature`, `loss`.
inline void add_activations(NamedTensors& out, const Trace& trace, const Tensor& logits, const Tensor& feature,
                            double loss) {
  for (const Trace::Row& row : trace.rows())
    out.emplace_back(concat_text("activation/", row.id, ":", row.name), row.value);
  out.emplace_back("logits", logits);
  out.emplace_back("feature", feature);
  out.emplace_back("loss", Tensor::full({}, loss, logits.dtype()));
}

/// One training step of `trainer`, traced: activations; `gradient/<variable>` of the total loss, weight decay included;
/// after the update `weight/<variable>` (moving statistics included) and `ema/<variable>`.
inline StepTrace trace_step(Trainer& trainer, const Tensor& images, const Tensor& labels) {
  StepTrace out;
  Trace trace;
  Outputs outputs;
  out.loss = trainer.compute_gradients(images, labels, &trace, &outputs).loss;
  add_activations(out.tensors, trace, outputs.logits.value(), outputs.feature.value(), out.loss);
  const ParameterList& parameters = trainer.network()->parameters();
  for (const Parameter& p : parameters)
    if (p.trainable()) out.tensors.emplace_back("gradient/" + p.name, p.variable.gradient());
  trainer.update();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    out.tensors.emplace_back("weight/" + parameters[i].name, parameters[i].variable.value());
    if (trainer.ema()) out.tensors.emplace_back("ema/" + parameters[i].name, trainer.ema()->shadows()[i]);
  }
  return out;
}

/// One evaluation pass with the moving statistics: activations and the loss; nothing is updated.
inline StepTrace trace_evaluation(const Trainer& trainer, const Tensor& images, const Tensor& labels) {
  const NoGradient guard;
  StepTrace out;
  Trace trace;
  Context context;
  context.fused = trainer.options().fused;
  context.trace = &trace;
  const Network& network = *trainer.network();
  const Outputs outputs = network.forward(Variable(images.to(network.device())), context);
  out.loss = softmax_cross_entropy(outputs.logits, labels, trainer.options().label_smoothing).value().item() +
             trainer.sgd().penalty();
  add_activations(out.tensors, trace, outputs.logits.value(), outputs.feature.value(), out.loss);
  return out;
}

struct TraceOptions {
  Index steps = 1;
  bool training = true;
  Index batch_size = 0;  ///< examples of a step, taken in turn, over and over; 0: all at each step
  Index dump_every = 1;  ///< steps between those that are written as a whole; the last one is
};

/// Writes traced steps to `folder`/step_000.safetensors ... and the losses of all steps at 17 digits to `folder`/trace.csv.
/// Returns the losses. Throws UsageError when the examples are no whole number of batches, Error when the folder cannot be
/// written.
inline std::vector<double> write_trace(Trainer& trainer, const Tensor& images, const Tensor& labels,
                                       const TraceOptions& options, const std::string& folder) {
  ensure_writable_folder(folder);
  const Index n = images.dim(0), size = options.batch_size > 0 ? options.batch_size : n;
  if (n % size != 0) fail_usage("trace", n, " examples are no whole number of batches of ", size);
  std::vector<double> losses;
  std::string csv = "step,loss\n";
  for (Index step = 0; step < options.steps; ++step) {
    const Tensor x = images.slice_batch(step * size % n, size), y = labels.slice_batch(step * size % n, size);
    char name[64], line[64];
    if ((step + 1) % options.dump_every == 0 || step + 1 == options.steps) {
      const StepTrace trace = options.training ? trace_step(trainer, x, y) : trace_evaluation(trainer, x, y);
      std::snprintf(name, sizeof name, "step_%03lld.safetensors", static_cast<long long>(step));
      checkpoint::save_safetensors((std::filesystem::path(folder) / name).string(), trace.tensors, {});
      losses.push_back(trace.loss);
    } else if (options.training) {
      losses.push_back(trainer.compute_gradients(x, y).loss);
      trainer.update();
    } else {
      losses.push_back(trace_evaluation(trainer, x, y).loss);
    }
    std::snprintf(line, sizeof line, "%lld,%.17g\n", static_cast<long long>(step), losses.back());
    csv += line;
  }
  write_file_atomically((std::filesystem::path(folder) / "trace.csv").string(), csv);
  return losses;
}

}  // namespace audit
TINYVISION_END
