// A training run that survives anything: checkpoints, resume in the middle of an epoch, a curve, a clean stop.
#pragma once

#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tinyvision/checkpoint/state_file.hpp"
#include "tinyvision/data/presence.hpp"
#include "tinyvision/train/batch_feed.hpp"
#include "tinyvision/train/trainer.hpp"

TINYVISION_BEGIN

struct TrainingRunOptions {
  std::string folder;            ///< where checkpoints go; empty: none are written
  Index steps = 0;               ///< total number of steps, those before a resume included
  Index checkpoint_every = 500;  ///< steps between checkpoints
  std::string fingerprint;       ///< digest of all that must be equal for a resume: configuration, weights, split
  std::string arithmetic{};  ///< what the steps are computed with: device, kernels, precision. A resume may change it.
  std::function<bool()> should_stop;  ///< asked after every step
  /// Before each step: its number, from 0, and what it will train on, as the network is given it (on its device).
  std::function<void(Index step, const data::Batch& batch)> on_batch;
  /// After each step: how many are done, and what this one gave. When it returns, a checkpoint that is due is written.
  std::function<void(Index done, const StepResult&)> on_step;
  /// After `on_step`, with the trainer itself, to evaluate or keep its averages on the way (Ema::swap there and back). What it
  /// keeps of a step is kept before a checkpoint of that step is written.
  std::function<void(Index done, const Trainer&)> on_trained;
};

/// One row of the training curve per step.
struct CurveRow {
  double loss, cross_entropy, accuracy, learning_rate;
};

/// From which step on what arithmetic computed them.
struct ArithmeticSpan {
  Index from_step;
  std::string arithmetic;
};

struct TrainingRunResult {
  std::vector<CurveRow> curve;             ///< of all steps, those before a resume included
  bool finished = false;                   ///< false: stopped on request; a checkpoint was written
  Index resumed_from = 0;                  ///< step at which this call began
  std::vector<ArithmeticSpan> arithmetic;  ///< of all steps; more than one: a resume changed it
  std::string notice;  ///< why the newest checkpoint was passed over for the one before it; to be shown
};

/// The whole of what changes during a run, as one file: parameters, moving statistics, momentum, averages, the number of
/// steps, the loader's position, the curve and what arithmetic made it. Random numbers are functions of (seed, step), so
/// they need no state. A state saved on one device resumes on another.
class TrainingState {
 public:
  TrainingState(Trainer& trainer, BatchFeed& feed, std::string fingerprint)
      : trainer_(trainer), feed_(feed), fingerprint_(std::move(fingerprint)) {}

  void save(const std::string& folder, const TrainingRunResult& result) const {
    checkpoint::StateFile file;
    for (const auto& [name, tensor] : trainer_.state_tensors())
      file.tensors.emplace_back(name, tensor.to(Device::cpu()));
    const std::vector<CurveRow>& curve = result.curve;
    const Tensor rows = Tensor::empty({static_cast<Index>(curve.size()), 4}, DType::f64);
    for (std::size_t i = 0; i < curve.size(); ++i) {
      const double row[4] = {curve[i].loss, curve[i].cross_entropy, curve[i].accuracy, curve[i].learning_rate};
      std::copy_n(row, 4, rows.data<double>() + 4 * i);
    }
    file.tensors.emplace_back("curve", rows);
    file.metadata["fingerprint"] = fingerprint_;
    file.metadata["steps"] = std::to_string(trainer_.steps_done());
    for (const ArithmeticSpan& span : result.arithmetic)
      file.metadata["arithmetic"] += concat_text(span.from_step, " ", span.arithmetic, "\n");
    const auto position = feed_.position();
    file.metadata["epoch"] = std::to_string(position.epoch);
    file.metadata["batch"] = std::to_string(position.batch);
    checkpoint::save_state(folder, file);
  }

  /// Restores the newest intact checkpoint in `folder`; false when there is none. Throws UsageError when it belongs to
  /// another configuration.
  bool load(const std::string& folder, TrainingRunResult& result) const {
    std::optional<checkpoint::StateFile> file = checkpoint::load_state(folder);
    if (!file) return false;
    if (file->metadata.at("fingerprint") != fingerprint_)
      fail_usage("resume", folder,
                 ": the checkpoint belongs to another configuration, weights or split; give another --out or "
                 "remove it");
    for (const auto& [name, target] : trainer_.state_tensors()) target.copy_from(file->tensor(name));
    const Tensor rows = file->tensor("curve");
    result.notice = file->notice;
    std::istringstream spans(file->metadata["arithmetic"]);
    ArithmeticSpan span;
    while (spans >> span.from_step && std::getline(spans >> std::ws, span.arithmetic))
      result.arithmetic.push_back(span);
    result.curve.clear();
    for (Index i = 0; i < rows.dim(0); ++i) {
      const double* row = rows.data<double>() + 4 * i;
      result.curve.push_back({row[0], row[1], row[2], row[3]});
    }
    trainer_.set_steps_done(std::stoll(file->metadata.at("steps")));
    feed_.seek({std::stoll(file->metadata.at("epoch")), std::stoll(file->metadata.at("batch"))});
    return true;
  }

 private:
  Trainer& trainer_;
  BatchFeed& feed_;
  std::string fingerprint_;
};

/// Trains until `options.steps` steps are done or `should_stop` says so, resuming from `options.folder` when it holds a
/// checkpoint. A stop writes a checkpoint; so does the end. Throws NonFiniteError when a loss is not finite, or a
/// parameter when a checkpoint is due; the last checkpoint then stays as it is.
inline TrainingRunResult run_training(Trainer& trainer, data::Loader& loader, const TrainingRunOptions& options) {
  TrainingRunResult result;
  BatchFeed feed(loader, trainer.network()->device());
  const TrainingState state(trainer, feed, options.fingerprint);
  const bool keeps = !options.folder.empty();
  if (keeps) state.load(options.folder, result);
  result.resumed_from = trainer.steps_done();
  if (result.arithmetic.empty() || result.arithmetic.back().arithmetic != options.arithmetic)
    result.arithmetic.push_back({trainer.steps_done(), options.arithmetic});
  bool saved = true;
  const auto save = [&] {
    if (const std::string name = trainer.non_finite_parameter(); !name.empty())
      throw NonFiniteError(concat_text("[trainer] parameter ", name, " is not finite after step ",
                                       trainer.steps_done() - 1, "; the checkpoint of an earlier step is kept"),
                           trainer.steps_done());
    state.save(options.folder, result);
    saved = true;
  };
  while (trainer.steps_done() < options.steps) {
    const data::Batch batch = feed.next();
    if (options.on_batch) options.on_batch(trainer.steps_done(), batch);
    const Tensor presence = data::presence_of(loader.dataset(), batch.indices);
    const StepResult step = trainer.step(batch.images, presence.defined() ? presence : batch.labels);
    result.curve.push_back({step.loss, step.cross_entropy,
                            static_cast<double>(step.correct) / static_cast<double>(step.examples),
                            step.learning_rate});
    saved = false;
    if (options.on_step) options.on_step(trainer.steps_done(), step);
    if (options.on_trained) options.on_trained(trainer.steps_done(), trainer);
    const bool stop = options.should_stop && options.should_stop();
    if (keeps && (stop || trainer.steps_done() % options.checkpoint_every == 0)) save();
    if (stop && trainer.steps_done() < options.steps) return result;
  }
  if (keeps && !saved) save();
  result.finished = true;
  return result;
}

TINYVISION_END
