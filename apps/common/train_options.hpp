// Options and results that tv_finetune and tv_pretrain share, and the job that both are made of: one network and one data
// set, read once, and any number of training runs on them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/common_options.hpp"
#include "common/data_options.hpp"
#include "common/network_options.hpp"
#include "common/progress.hpp"
#include "common/training_log.hpp"

namespace tv_app {

struct TrainChoice {
  NetworkChoice network;
  DataChoice data;
  LogChoice log;
  tinyvision::Index steps = 1000, batch = 64, accumulate = 1, checkpoint_every = 200, warmup = 0;
  double lr = 0.01, weight_decay = 0, momentum = 0.9, bn_decay = 0, ema = 0, decay_rate = 0.975;
  std::optional<double> label_smoothing;  ///< absent: that of --preset
  /// In epochs of the examples that are trained on; 0: `steps` and `warmup` count.
  double epochs = 0, warmup_epochs = 0;
  double decay_from = -1;  ///< epoch at which the exponential schedules begin; below 0: the end of the warm-up
  std::string schedule = "cosine", decay_set = "conv_fc", augment = "inception", logits_init = "zeros";
  bool ema_ramp_up = false, full_augmentation = false;
  std::vector<double> crops{0.875, 1};
  std::string train_on = "train";
  bool no_test = false, diverged_is_result = false;

  bool trains_on_validation() const { return train_on != "train"; }
};

void add_train_options(CLI::App& app, TrainChoice& t);

/// Steps in an epoch of so many examples, 1 at least: partial last batches are left out.
double steps_per_epoch(const TrainChoice& t, tinyvision::Index examples);
/// `t` with `steps` and `warmup` filled in where they are given in epochs.
TrainChoice in_steps(TrainChoice t, tinyvision::Index examples);

/// One training run of a job.
struct RunPlan {
  std::string label;   ///< of its progress line
  std::string folder;  ///< its checkpoint and log go there
  std::vector<Index> train, validation, test;
  Progress* progress =
      nullptr;  ///< the line of several runs, of whose steps `steps_before` were done before; or its own
  Index steps_before = 0;
  std::function<void(Index, const tinyvision::Trainer&)> on_trained{};  ///< TrainingRunOptions::on_trained
};

/// Metrics of one part, as results.json has them.
Json metrics_json(const tinyvision::SplitMetrics& m, const tinyvision::data::Dataset& dataset);

/// One network and one data set. Runs start from the same values, share decoded images and leave their checkpoints in
/// folders of their own, from which the same command goes on.
class TrainingJob {
 public:
  /// Reads the data and the weights. `several_runs`: the values that a run starts from are kept for the next one.
  TrainingJob(const std::string& app, const TrainChoice& t, const CommonOptions& common, const std::string& init,
              const Json& config, bool several_runs);

  Results results;
  LabelledData data;
  std::shared_ptr<tinyvision::Network> network;
  std::shared_ptr<tinyvision::data::ImageCache> cache;

  /// What must be equal for a run with `t` on `part` ("train" or "train+validation") to go on from a checkpoint.
  std::string fingerprint(const TrainChoice& t, const std::string& part) const;
  /// Trains and evaluates; writes curve.csv to the plan's folder. Throws Resumable when it was stopped, and
  /// NonFiniteError.
  tinyvision::FineTuneResult run(const TrainChoice& t, const RunPlan& plan);
  /// Of the network as it is, on the central `crop` of the examples. Not to be stopped half-way.
  tinyvision::SplitMetrics evaluate(const TrainChoice& t, const std::vector<Index>& examples, double crop);

  /// Saves the network that a run left as `folder`/`name`.safetensors.
  void save_weights(const std::string& folder, const std::string& name) const;
  /// Puts the outcome of the run that the program is about into --out: weights, curve, predictions, results; and says it on
  /// stdout.
  void record(const TrainChoice& t, const tinyvision::FineTuneResult& run);
  /// The run ended because a number was not finite, and that is its result.
  void record_divergence(const TrainChoice& t, const tinyvision::NonFiniteError& error);
  /// Writes results.json.
  void finish();

 private:
  void record_settings(const TrainChoice& t);
  void record_test(const tinyvision::FineTuneResult& run);

  std::string app_;
  CommonOptions common_;
  Json config_;
  std::string weights_digest_ = "random";
  std::vector<tinyvision::Tensor> start_;  ///< values of the parameters; empty for a single run
  tinyvision::TrainerOptions trainer_;     ///< of the last run, as its preprocessing
  std::string preprocessing_;
  std::set<Index> unreadable_;
};

/// A single run: trains, evaluates and writes weights.safetensors, curve.csv, predictions.csv, split.tsv, results.json and
/// the folder log to --out. `init` is "weights" or "random". Running the same command again continues an interrupted run.
void train_and_report(const std::string& app, const TrainChoice& t, const CommonOptions& common,
                      const std::string& init, const Json& config);

}  // namespace tv_app
