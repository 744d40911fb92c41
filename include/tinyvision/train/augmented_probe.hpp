// The paper's logistic regression with data augmentation (Kornblith, Shlens and Le, CVPR 2019, appendix G.2): "in the same
// setting we use for fine-tuning. We trained for 40,000 steps with Nesterov momentum and a batch size of 256. Because the
// optimization problem is convex, we did not optimize over learning rate, but instead fixed the initial learning rate at 0.1
// and used a cosine decay schedule. We optimized over L2 regularization parameters for the final layer, applied to the mean
// of the per-example losses, selected from a range of 10 logarithmically spaced values between 1e-10 and 0.1."
//
// For each penalty lambda one classifier W [d, classes], b [classes] takes the steps of
//   minimise  mean_i loss(W^T f_i + b, label_i) + lambda/2 |W|^2
// where f_i are the features of an augmented image and loss is softmax cross-entropy or, where images show several classes,
// the sum of sigmoid cross-entropies (train/classification_loss.hpp). b is not penalised. All begin at zero: the problem is
// convex, so the start is no hyper-parameter.
//
// The network is frozen and stands in evaluation mode: batch norm uses its moving statistics and changes nothing, dropout is
// off. So f depends on the image alone, as in the regression without augmentation, and all classifiers of a search learn from
// the same images, decoded, augmented and sent through the network once a step. They differ in lambda alone and do not
// influence each other: one trained by itself has the same bits.
#pragma once

#include <cmath>
#include <deque>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tinyvision/data/presence.hpp"
#include "tinyvision/ops/linear.hpp"
#include "tinyvision/optim/log_spaced.hpp"
#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/train/classification_loss.hpp"
#include "tinyvision/train/linear_probe.hpp"
#include "tinyvision/train/training_run.hpp"

TINYVISION_BEGIN

/// The paper's 10 penalties on the mean of the losses, largest first.
inline std::vector<double> paper_augmented_lambdas() { return log_spaced(-1, -10, 10); }

struct AugmentedOptions {
  std::vector<double> lambdas = paper_augmented_lambdas();
  Schedule schedule{Schedule::Kind::cosine, 0.1, 40000};
  double momentum = 0.9;
};

/// Linear classifiers that are trained on the same batches of features by SGD with Nesterov momentum (optim/sgd.hpp).
/// Everything is computed in `dtype`, the mean over a batch in f64; repeatable, whatever the number of threads.
class SideBySideClassifiers {
 public:
  /// Of `features` numbers each. Throws UsageError when there is no penalty or one is negative or not finite.
  SideBySideClassifiers(Index features, Index classes, const AugmentedOptions& options, DType dtype = DType::f32,
                        Device device = Device::cpu())
      : options_(options), updates_(options.lambdas.size()) {
    if (options.lambdas.empty()) fail_usage("augmented_probe", "no penalties");
    for (const double lambda : options.lambdas) {
      if (!(lambda >= 0) || !std::isfinite(lambda))
        fail_usage("augmented_probe", "a penalty must not be negative, got ", lambda);
      const Variable w(Tensor::zeros({features, classes}, dtype, device), true);
      const Variable b(Tensor::zeros({classes}, dtype, device), true);
      sgds_.emplace_back(std::vector<Variable>{w, b}, std::vector<bool>{true, false}, options.momentum, lambda);
    }
  }

  Index count() const { return static_cast<Index>(sgds_.size()); }
  double lambda(Index i) const { return options_.lambdas.at(static_cast<std::size_t>(i)); }
  Index steps_done() const { return steps_done_; }
  double learning_rate() const { return options_.schedule(steps_done_); }

  /// One step of all on features [n, d] and labels [n] i64, or presence [n, classes] (classification_loss.hpp). Returns the
  /// mean loss of each before the step, without its penalty. Throws Error naming the penalty when a loss is not finite.
  std::vector<double> step(const Tensor& features, const Tensor& labels) {
    std::vector<double> losses;
    const Variable x(features);
    for (std::size_t i = 0; i < sgds_.size(); ++i) {
      const Sgd& sgd = sgds_[i];
      const Variable loss =
          classification_loss(linear(x, sgd.entries()[0].variable, sgd.entries()[1].variable), labels);
      losses.push_back(loss.value().item());
      if (!std::isfinite(losses.back()))
        fail("augmented_probe", "the loss at lambda ", options_.lambdas[i], " is ", losses.back(), " at step ",
             steps_done_);
      backward(loss);
      updates_[i].run(sgd, nullptr, {learning_rate(), steps_done_});
      sgd.clear_gradients();
    }
    ++steps_done_;
    return losses;
  }

  LinearClassifier classifier(Index i) const {
    const auto& entries = sgds_.at(static_cast<std::size_t>(i)).entries();
    return {entries[0].variable.value().to(Device::cpu()).to(DType::f32).clone(),
            entries[1].variable.value().to(Device::cpu()).to(DType::f32).clone()};
  }

  /// Weights and momentum by name; they share storage with the classifiers.
  std::vector<std::pair<std::string, Tensor>> state_tensors() const {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (std::size_t i = 0; i < sgds_.size(); ++i) {
      const auto& entries = sgds_[i].entries();
      const std::string number = std::to_string(i);
      for (const auto& [name, e] : {std::pair("weights/", &entries[0]), std::pair("intercept/", &entries[1])}) {
        tensors.emplace_back(name + number, e->variable.value());
        tensors.emplace_back("velocity/" + (name + number), e->velocity);
      }
    }
    return tensors;
  }
  /// To be called after values were copied into `state_tensors()`.
  void set_steps_done(Index steps) {
    steps_done_ = steps;
    for (const Sgd& sgd : sgds_)
      for (const SgdEntry& e : sgd.entries()) e.variable.mark_changed();
  }

 private:
  AugmentedOptions options_;
  std::vector<Sgd> sgds_;
  std::deque<Update> updates_;
  Index steps_done_ = 0;
};

struct AugmentedRunOptions {
  std::string folder;                                      ///< where checkpoints go; empty: none are written
  Index steps = 40000;                                     ///< in all, those before a resume included
  Index checkpoint_every = 1000;                           ///< steps between checkpoints
  std::string fingerprint;                                 ///< digest of all that must be equal for a resume
  std::string arithmetic{};                                ///< what the steps are computed with; a resume may change it
  stats::Difficult difficult = stats::Difficult::ignored;  ///< what presence 0 means in training
  std::function<bool()> should_stop;                       ///< asked after every step
  /// After each step: how many are done, and the mean loss of each classifier before it.
  std::function<void(Index done, const std::vector<double>& losses)> on_step;
};

struct AugmentedRunResult {
  std::vector<double> losses;              ///< [steps, classifiers], row by row, steps before a resume included
  bool finished = false;                   ///< false: stopped on request; a checkpoint was written
  Index resumed_from = 0;                  ///< step at which this call began
  std::vector<ArithmeticSpan> arithmetic;  ///< of all steps; more than one: a resume changed it
  std::string notice;                      ///< why the newest checkpoint was passed over; to be shown
};

namespace detail {

inline void save_augmented(const SideBySideClassifiers& all, const BatchFeed& feed, const AugmentedRunOptions& options,
                           const AugmentedRunResult& result) {
  checkpoint::StateFile file;
  for (const auto& [name, tensor] : all.state_tensors()) {
    const Tensor value = tensor.to(Device::cpu());
    check(all_finite(value), "augmented_probe", name, " is not finite after step ", all.steps_done() - 1,
          "; the checkpoint of an earlier step is kept");
    file.tensors.emplace_back(name, value);
  }
  file.tensors.emplace_back("losses", Tensor::from_vector<double>({all.steps_done(), all.count()}, result.losses));
  file.metadata["fingerprint"] = options.fingerprint;
  file.metadata["steps"] = std::to_string(all.steps_done());
  for (const ArithmeticSpan& span : result.arithmetic)
    file.metadata["arithmetic"] += concat_text(span.from_step, " ", span.arithmetic, "\n");
  const data::LoaderPosition position = feed.position();
  file.metadata["epoch"] = std::to_string(position.epoch);
  file.metadata["batch"] = std::to_string(position.batch);
  checkpoint::save_state(options.folder, file);
}

inline void load_augmented(SideBySideClassifiers& all, BatchFeed& feed, const AugmentedRunOptions& options,
                           AugmentedRunResult& result) {
  std::optional<checkpoint::StateFile> file = checkpoint::load_state(options.folder);
  if (!file) return;
  if (file->metadata.at("fingerprint") != options.fingerprint)
    fail_usage("resume", options.folder,
               ": the checkpoint belongs to another configuration, weights or split; give another --out or remove it");
  for (const auto& [name, target] : all.state_tensors()) target.copy_from(file->tensor(name));
  result.losses = file->tensor("losses").to_vector<double>();
  result.notice = file->notice;
  std::istringstream spans(file->metadata["arithmetic"]);
  ArithmeticSpan span;
  while (spans >> span.from_step && std::getline(spans >> std::ws, span.arithmetic)) result.arithmetic.push_back(span);
  all.set_steps_done(std::stoll(file->metadata.at("steps")));
  feed.seek({std::stoll(file->metadata.at("epoch")), std::stoll(file->metadata.at("batch"))});
}

/// What the classifiers of a batch are told: labels, or presence under the rule for difficult instances.
inline Tensor augmented_labels(const data::Dataset& dataset, const data::Batch& batch, stats::Difficult difficult) {
  const Tensor presence = data::presence_of(dataset, batch.indices);
  if (!presence.defined()) return batch.labels;
  if (difficult != stats::Difficult::ignored) {
    std::int64_t* const shown = presence.data<std::int64_t>();
    std::replace(shown, shown + presence.count(), std::int64_t{0},
                 std::int64_t{difficult == stats::Difficult::positive ? 1 : -1});
  }
  return presence;
}

}  // namespace detail

/// Trains the classifiers on the features that `network` gives of the loader's images until `options.steps` steps are done or
/// `should_stop` says so, resuming from `options.folder` when it holds a checkpoint, bit for bit. A stop writes a checkpoint;
/// so does the end. Throws Error when a loss or a weight is not finite, UsageError when the checkpoint belongs to another
/// configuration.
inline AugmentedRunResult train_augmented(SideBySideClassifiers& all, const Network& network, data::Loader& loader,
                                          const AugmentedRunOptions& options) {
  AugmentedRunResult result;
  BatchFeed feed(loader, network.device());
  const bool keeps = !options.folder.empty();
  if (keeps) detail::load_augmented(all, feed, options, result);
  result.resumed_from = all.steps_done();
  if (result.arithmetic.empty() || result.arithmetic.back().arithmetic != options.arithmetic)
    result.arithmetic.push_back({all.steps_done(), options.arithmetic});
  bool saved = true;
  while (all.steps_done() < options.steps) {
    const data::Batch batch = feed.next();
    Tensor features;
    {
      const NoGradient guard;
      const Tensor images = batch.images.to(network.options().dtype).to(network.device());
      features = network.forward(Variable(images), Context::scores_only()).feature.value();
    }
    const std::vector<double> losses =
        all.step(features, detail::augmented_labels(loader.dataset(), batch, options.difficult));
    result.losses.insert(result.losses.end(), losses.begin(), losses.end());
    saved = false;
    if (options.on_step) options.on_step(all.steps_done(), losses);
    const bool stop = options.should_stop && options.should_stop();
    if (keeps && (stop || all.steps_done() % options.checkpoint_every == 0))
      detail::save_augmented(all, feed, options, result), saved = true;
    if (stop && all.steps_done() < options.steps) return result;
  }
  if (keeps && !saved) detail::save_augmented(all, feed, options, result);
  result.finished = true;
  return result;
}

TINYVISION_END
