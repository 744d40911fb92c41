// tv_finetune: trains a network on a labelled data set, from given weights or from random initialisation.
#include "common/app.hpp"
#include "common/protocol.hpp"

int main(int argc, char** argv) {
  tv_app::CommonOptions common;
  tv_app::TrainChoice choice;
  tv_app::SearchChoice search;
  std::string init = "weights";
  CLI::App app(
      "tv_finetune: fine-tunes all layers on a data set (or trains from scratch), chooses the evaluation crop on "
      "validation images, and evaluates the test images once; with --protocol paper it searches for learning rate and "
      "weight decay as well. The same command continues an interrupted run.");
  app.add_option("--init", init, "start from --weights, or from random values")
      ->capture_default_str()
      ->check(CLI::IsMember({"weights", "random"}));
  tv_app::add_search_options(app, choice, search);
  tv_app::add_network_options(app, choice.network, false);
  tv_app::add_train_options(app, choice);
  tv_app::add_common_options(app, common, "folder for checkpoints, weights, predictions and results (required)");
  return tv_app::run_app(app, "tv_finetune", common, argc, argv, [&](const tv_app::Json& config) {
    tv_app::finetune_and_report(app, choice, search, common, init, config);
  });
}
