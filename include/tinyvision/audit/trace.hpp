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

/// Writes `steps` traced steps to `folder`/step_000.safetensors ... and the losses at 17 digits to `folder`/trace.csv.
/// Returns the losses. Throws Error when the folder cannot be written.
inline std::vector<double> write_trace(Trainer& trainer, const Tensor& images, const Tensor& labels, Index steps,
                                       bool training, const std::string& folder) {
  ensure_writable_folder(folder);
  std::vector<double> losses;
  std::string csv = "step,loss\n";
  for (Index step = 0; step < steps; ++step) {
    const StepTrace trace = training ? trace_step(trainer, images, labels) : trace_evaluation(trainer, images, labels);
    char name[64], line[64];
    std::snprintf(name, sizeof name, "step_%03lld.safetensors", static_cast<long long>(step));
    std::snprintf(line, sizeof line, "%lld,%.17g\n", static_cast<long long>(step), trace.loss);
    checkpoint::save_safetensors((std::filesystem::path(folder) / name).string(), trace.tensors, {});
    csv += line;
    losses.push_back(trace.loss);
  }
  write_file_atomically((std::filesystem::path(folder) / "trace.csv").string(), csv);
  return losses;
}

}  // namespace audit
TINYVISION_END
