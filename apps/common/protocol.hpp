// The paper's protocols as programs run them: the search of tv_finetune, and the two stages of tv_pretrain.
#pragma once

#include <string>
#include <vector>

#include "common/train_options.hpp"

namespace tv_app {

/// tv_finetune --protocol paper (appendices A.5 and A.6).
struct SearchChoice {
  std::string protocol = "none", decay_rule = "ratio/lr";
  std::vector<double> rates, ratios;  ///< empty: the paper's
};

/// Adds --protocol, --grid-lr, --grid-decay and --decay-rule. With --protocol paper the options of `t` that the paper fixes get
/// its values as defaults.
void add_search_options(CLI::App& app, TrainChoice& t, SearchChoice& search);

/// A single run, or with --protocol paper the search: every point of the grid is trained on the training images and measured
/// on the validation images; the best is trained on both from the same start, and the test images are evaluated once. Points
/// live in --out/points/<name> and are not run again by the same command, nor by one whose grid has other points besides.
void finetune_and_report(CLI::App& app, const TrainChoice& t, const SearchChoice& search, const CommonOptions& common,
                         const std::string& init, const Json& config);

/// tv_pretrain (appendix A.3).
struct PretrainingChoice {
  std::string protocol = "none";
  Index hold_out = 0;         ///< images held out to choose the number of steps; 0: that number is given
  double evaluate_every = 1;  ///< epochs between evaluations of the images held out
  double keep_every = 0;      ///< epochs between weights that are kept; 0: none are
};

/// Adds --protocol, --epochs, --warmup-epochs, --decay-from, --hold-out, --evaluate-every and --keep-every.
void add_pretraining_options(CLI::App& app, TrainChoice& t, PretrainingChoice& pretraining);

/// Trains from random initialisation. With --hold-out first on the rest, in --out/held_out, to find the step whose averaged
/// weights do best on the images held out; then on all of them for so many steps.
void pretrain_and_report(CLI::App& app, const TrainChoice& t, const PretrainingChoice& pretraining,
                         const CommonOptions& common, const Json& config);

}  // namespace tv_app
