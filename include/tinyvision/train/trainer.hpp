// One training step, and everything that changes during training.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/nn/network.hpp"
#include "tinyvision/optim/ema.hpp"
#include "tinyvision/optim/schedule.hpp"
#include "tinyvision/optim/sgd.hpp"
#include "tinyvision/optim/update.hpp"
#include "tinyvision/train/classification_loss.hpp"
#include "tinyvision/train/decay_set.hpp"
#include "tinyvision/train/recorded_step.hpp"

TINYVISION_BEGIN

struct TrainerOptions {
  Schedule schedule;
  double momentum = 0.9;
  double weight_decay = 0;
  DecaySet decay_set = DecaySet::conv_fc;
  std::optional<double> bn_decay;  ///< the network's own when absent
  double ema_decay = 0;            ///< 0: no moving average of weights
  bool ema_ramp_up = false;        ///< TF-Slim's min(d, (1+t)/(10+t))
  double label_smoothing = 0;
  /// Batches are cut into this many equal parts whose gradients are summed before one update. Batch norm sees each part
  /// alone, so its statistics are those of batch / accumulate examples.
  Index accumulate = 1;
  std::uint64_t seed = 0;  ///< of dropout and drop path
  bool fused = true;
  /// On a device: write the work of a step down once and replay it for the steps that follow (train/recorded_step.hpp).
  bool recorded = true;

  /// What shapes the loss, on one line: the regularisers that are not the network's (NetworkOptions::text).
  std::string text() const {
    return concat_text("weight decay ", weight_decay, " on ", to_string(decay_set), ", label smoothing ",
                       label_smoothing, ", BN decay ", bn_decay ? concat_text(*bn_decay) : "own", ", EMA ", ema_decay,
                       ema_ramp_up ? " with ramp-up" : "");
  }
};

/// The weight of an auxiliary head's cross-entropy in the loss (Szegedy et al., 2015 and TF-Slim: 0.3 and 0.4).
inline constexpr double auxiliary_weight = 0.4;

/// What a step reports. `cross_entropy` is that of the logits plus 0.4 times that of an auxiliary head's, if there is one;
/// `loss` is the total, with the weight-decay penalty before the update. `correct` counts the logits' right answers. Where
/// images show several classes, `cross_entropy` is that of classification_loss and an answer is right when the highest
/// score is that of a class which is shown.
struct StepResult {
  double loss = 0;
  double cross_entropy = 0;
  double learning_rate = 0;
  Index correct = 0;
  Index examples = 0;
};

/// The loss of a step was NaN or infinite; `what()` names the first operation whose result was.
class NonFiniteError : public Error {
 public:
  NonFiniteError(const std::string& what, Index step) : Error(what), step_(step) {}
  /// How many steps were done before.
  Index step() const { return step_; }

 private:
  Index step_;
};

/// Trains a network: Nesterov SGD on the cross-entropy of its scores (classification_loss.hpp), with schedule, weight decay
/// and an optional moving average.
class Trainer {
 public:
  Trainer(std::shared_ptr<Network> network, const TrainerOptions& options)
      : network_(std::move(network)), options_(options) {
    check(options.accumulate >= 1, "trainer", "accumulate must be at least 1, got ", options.accumulate);
    std::vector<Variable> trained, averaged;
    std::vector<bool> decay_flags;
    for (const Parameter& p : network_->parameters()) {
      averaged.push_back(p.variable);
      if (!p.trainable()) {
        statistics_before_.push_back(Tensor::zeros(p.variable.shape(), p.variable.dtype(), p.variable.device()));
        continue;
      }
      trained.push_back(p.variable);
      decay_flags.push_back(decays(p, options.decay_set));
    }
    sgd_ = Sgd(trained, decay_flags, options.momentum, options.weight_decay);
    if (options.ema_decay > 0) ema_.emplace(std::move(averaged), options.ema_decay, options.ema_ramp_up);
  }

  /// One step: gradients, then the update. images [N,H,W,3] and labels, [N] or presence [N,K] (classification_loss.hpp), may
  /// be on the network's device or the CPU. Steps with presence are not recorded: their targets are the host's.
  /// Throws NonFiniteError when the loss is not finite; weights, moving statistics and momentum are then as before the
  /// step.
  StepResult step(const Tensor& images, const Tensor& labels) {
#if TINYVISION_WITH_CUDA
    if (options_.recorded && !is_presence(labels) && network_->recordable() &&
        network_->device().kind == Device::Kind::cuda) {
      if (recorded_.replays(*network_, images.shape())) return replay(images, labels);
      if (recorded_.may_record(*network_, images.shape())) {
        record(images, labels);
        return replay(images, labels);
      }
    }
#endif
    const StepResult result = forward_backward(images, labels);
    finish_step(true);
#if TINYVISION_WITH_CUDA
    recorded_.saw(*network_, images.shape());
#endif
    return result;
  }

  /// Forward and backward. Afterwards gradients are those of the total loss, weight decay included. `trace` and `kept`,
  /// when given, receive the operations' results and the (last part's) outputs.
  StepResult compute_gradients(const Tensor& images, const Tensor& labels, Trace* trace = nullptr,
                               Outputs* kept = nullptr) {
    const StepResult result = forward_backward(images, labels, trace, kept);
    sgd_.add_weight_decay();
    return result;
  }

  /// Applies the gradients that `compute_gradients` left, and clears them.
  void update() { finish_step(false); }

  const std::shared_ptr<Network>& network() const { return network_; }
  const TrainerOptions& options() const { return options_; }
  const Sgd& sgd() const { return sgd_; }
  const Ema* ema() const { return ema_ ? &*ema_ : nullptr; }
  Index steps_done() const { return steps_done_; }

  /// Name of the first parameter with a value that is not finite; empty when there is none.
  std::string non_finite_parameter() const {
    for (const Parameter& p : network_->parameters())
      if (!all_finite(p.variable.value())) return p.name;
    return "";
  }

  /// All tensors that a resumed run needs, by name: `weight/<variable>` (moving statistics included),
  /// `velocity/<variable>`, `ema/<variable>`. They share storage with the trainer: copying into them restores a state.
  std::vector<std::pair<std::string, Tensor>> state_tensors() const {
    std::vector<std::pair<std::string, Tensor>> tensors;
    std::size_t trained = 0, averaged = 0;
    for (const Parameter& p : network_->parameters()) {
      tensors.emplace_back("weight/" + p.name, p.variable.value());
      if (p.trainable()) tensors.emplace_back("velocity/" + p.name, sgd_.entries()[trained++].velocity);
      if (ema_) tensors.emplace_back("ema/" + p.name, ema_->shadows()[averaged++]);
    }
    return tensors;
  }
  /// To be called after values were copied into `state_tensors()`.
  void set_steps_done(Index steps) {
    steps_done_ = steps;
    for (const Parameter& p : network_->parameters()) p.variable.mark_changed();
  }

 private:
  /// Forward and backward; the gradients are those of the cross-entropy.
  StepResult forward_backward(const Tensor& images, const Tensor& labels, Trace* trace = nullptr,
                              Outputs* kept = nullptr) {
    const Index n = images.dim(0), parts = options_.accumulate;
    check(n > 0 && n % parts == 0, "trainer", "a batch of ", n, " cannot be cut into ", parts, " equal parts");
    StepResult result{sgd_.penalty(), 0, options_.schedule(steps_done_), 0, n};
    // The forward pass moves the statistics before the loss is known.
    for_each_statistic([](const Tensor& before, const Variable& now) { before.copy_from(now.value()); });
    for (Index part = 0; part < parts; ++part) {
      const Tensor x = images.slice_batch(part * (n / parts), n / parts).to(network_->device());
      const Tensor y = labels.slice_batch(part * (n / parts), n / parts);
      const Outputs outputs = network_->forward(Variable(x), context(trace, part));
      const Variable loss = loss_of(outputs, y);
      const double value = loss.value().item();
      if (!std::isfinite(value)) {
        sgd_.clear_gradients();
        fail_not_finite(value, x, part);
      }
      if (kept) *kept = outputs;
      result.cross_entropy += value / static_cast<double>(parts);
      result.correct += count_right(outputs.logits.value(), y);
      backward(loss, Tensor::full({1}, 1.0 / static_cast<double>(parts), loss.dtype(), loss.device()));
    }
    result.loss += result.cross_entropy;
    return result;
  }

#if TINYVISION_WITH_CUDA
  /// The whole step, with its update, as work of the device alone.
  void record(const Tensor& images, const Tensor& labels) {
    recorded_.record(*network_, images, labels, options_.accumulate, [&](const RecordedStep::Inputs& in) {
      for_each_statistic([](const Tensor& before, const Variable& now) { before.copy_from(now.value()); });
      in.meter->begin(sgd_.decayed());
      const Index parts = options_.accumulate, rows = in.images.dim(0) / parts;
      for (Index part = 0; part < parts; ++part) {
        const Tensor y = in.labels.slice_batch(part * rows, rows);
        // The step of random numbers is `part` here; that of the first part is added at each replay.
        const Outputs outputs =
            network_->forward(Variable(in.images.slice_batch(part * rows, rows)), context(nullptr, part, 0));
        const Variable loss = loss_of(outputs, y);
        in.meter->take(part, loss.value(), outputs.logits.value(), y);
        backward(loss, Tensor::full({1}, 1.0 / static_cast<double>(parts), loss.dtype(), loss.device()));
      }
      finite_ = in.meter->finite();
      update_.run(sgd_, ema(), settings(true));
      sgd_.clear_gradients();
    });
  }
  StepResult replay(const Tensor& images, const Tensor& labels) {
    update_.set(sgd_, ema(), settings(true));
    detail::check_labels(labels, network_->options().classes);
    const MeterReading reading = recorded_.replay(*network_, images, labels, steps_done_ * options_.accumulate);
    StepResult result{sgd_.penalty(reading.sum_of_squares), 0, options_.schedule(steps_done_), reading.correct,
                      images.dim(0)};
    const Index parts = options_.accumulate;
    for (Index part = 0; part < parts; ++part) {
      const double value = reading.losses[static_cast<std::size_t>(part)];
      if (!std::isfinite(value))
        fail_not_finite(value, images.slice_batch(part * (images.dim(0) / parts), images.dim(0) / parts), part);
      result.cross_entropy += value / static_cast<double>(parts);
    }
    result.loss += result.cross_entropy;
    ++steps_done_;
    return result;
  }
#endif

  Variable loss_of(const Outputs& outputs, const Tensor& labels) const {
    const Variable loss = classification_loss(outputs.logits, labels, options_.label_smoothing);
    if (!outputs.aux_logits.defined()) return loss;
    return add(loss,
               scale(classification_loss(outputs.aux_logits, labels, options_.label_smoothing), auxiliary_weight));
  }

  /// `with_decay`: the gradients do not contain the weight decay yet.
  void finish_step(bool with_decay) {
    finite_ = nullptr;
    update_.run(sgd_, ema(), settings(with_decay));
    sgd_.clear_gradients();
    ++steps_done_;
  }

  Update::Settings settings(bool with_decay) const {
    return {options_.schedule(steps_done_), steps_done_, with_decay, finite_};
  }

  Context context(Trace* trace, Index part) const { return context(trace, part, steps_done_ * options_.accumulate); }
  Context context(Trace* trace, Index part, Index first) const {
    Context c;
    c.training = true;
    c.fused = options_.fused;
    c.bn_decay = options_.bn_decay;
    c.seed = options_.seed;
    c.step = static_cast<std::uint64_t>(first + part);
    c.update = static_cast<std::uint64_t>(steps_done_);
    c.trace = trace;
    return c;
  }

  /// Calls `body(value before the step, moving statistic)` for each moving statistic.
  template <class Body>
  void for_each_statistic(Body&& body) const {
    std::size_t k = 0;
    for (const Parameter& p : network_->parameters())
      if (!p.trainable()) body(statistics_before_[k++], p.variable);
  }
  void restore_statistics() const {
    for_each_statistic([](const Tensor& before, const Variable& now) {
      now.value().copy_from(before);
      now.mark_changed();
    });
  }

  /// Puts the moving statistics back and throws, naming the operation. `x` are the images of `part`.
  [[noreturn]] void fail_not_finite(double loss, const Tensor& x, Index part) {
    restore_statistics();
    throw NonFiniteError(
        concat_text("[trainer] loss is ", loss, " at step ", steps_done_, ": ", blame(x.to(network_->device()), part)),
        steps_done_);
  }

  /// Replays the forward pass of a part, operation by operation, and names the first that is not finite.
  std::string blame(const Tensor& images, Index part) const {
    const NoGradient guard;
    if (const std::string name = non_finite_parameter(); !name.empty()) return "parameter " + name + " is not finite";
    Trace trace;
    Context replay = context(&trace, part);
    replay.fused = false;
    network_->forward(Variable(images), replay);
    restore_statistics();  // the replay moved them once more
    for (const Trace::Row& row : trace.rows())
      if (!all_finite(row.value))
        return concat_text("operation ", row.id, " (", row.name, ") is the first with a non-finite result");
    return "every operation is finite; the loss itself overflowed";
  }

  std::shared_ptr<Network> network_;
  TrainerOptions options_;
  Sgd sgd_;
  std::optional<Ema> ema_;
  Update update_;
#if TINYVISION_WITH_CUDA
  RecordedStep recorded_;
#endif
  const std::int32_t* finite_ = nullptr;   ///< of a recorded step, in device memory
  std::vector<Tensor> statistics_before_;  ///< moving statistics at the start of the step
  Index steps_done_ = 0;
};

TINYVISION_END
