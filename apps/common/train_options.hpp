// Options and results that tv_finetune and tv_pretrain share.
#pragma once

#include <string>
#include <vector>

#include "common/common_options.hpp"
#include "common/data_options.hpp"
#include "common/network_options.hpp"
#include "common/training_log.hpp"

namespace tv_app {

struct TrainChoice {
  NetworkChoice network;
  DataChoice data;
  LogChoice log;
  tinyvision::Index steps = 1000, batch = 64, accumulate = 1, checkpoint_every = 200, warmup = 0;
  double lr = 0.01, weight_decay = 0, momentum = 0.9, bn_decay = 0, ema = 0, label_smoothing = 0, decay_rate = 0.975;
  std::string schedule = "cosine", decay_set = "conv_fc", augment = "inception", logits_init = "zeros";
  bool ema_ramp_up = false, full_augmentation = false;
  std::vector<double> crops{0.875, 1};
};

void add_train_options(CLI::App& app, TrainChoice& t);

/// Trains, evaluates and writes weights.safetensors, curve.csv, predictions.csv, split.tsv, results.json and the folder log to
/// --out.
/// `init` is "weights" or "random". Running the same command again continues an interrupted run.
void train_and_report(const std::string& app, const TrainChoice& t, const CommonOptions& common,
                      const std::string& init, const Json& config);

}  // namespace tv_app
