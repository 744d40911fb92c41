// tv_pretrain: trains a network from random initialisation with the paper's pretraining defaults (appendix A.3): linear
// warm-up, exponential decay per epoch, weight decay 8e-5, moving average of weights; with --protocol paper all of it.
#include "common/app.hpp"
#include "common/protocol.hpp"

int main(int argc, char** argv) {
  tv_app::CommonOptions common;
  tv_app::TrainChoice choice;
  tv_app::PretrainingChoice pretraining;
  choice.schedule = "exponential";
  choice.weight_decay = 8e-5;
  choice.ema = 0.9999;
  choice.bn_decay = 0.99;
  choice.lr = 0.05;
  choice.data.train_per_class = 0;
  CLI::App app(
      "tv_pretrain: trains a network from random initialisation and evaluates its averaged weights. The same command "
      "continues "
      "an interrupted run.");
  tv_app::add_pretraining_options(app, choice, pretraining);
  tv_app::add_network_options(app, choice.network, false);
  tv_app::add_train_options(app, choice);
  tv_app::add_common_options(app, common, "folder for checkpoints, weights, predictions and results (required)");
  return tv_app::run_app(app, "tv_pretrain", common, argc, argv, [&](const tv_app::Json& config) {
    tv_app::pretrain_and_report(app, choice, pretraining, common, config);
  });
}
