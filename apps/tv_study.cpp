// tv_study: networks on data sets in several settings, from one file: planned, run by any number of workers, resumed whatever
// happens to them, reported.
#include "common/app.hpp"
#include "common/study/study_command.hpp"

int main(int argc, char** argv) {
  tv_app::CommonOptions common;
  tv_app::StudyChoice choice;
  CLI::App app(
      "tv_study: a study of networks, data sets and settings from one TOML file (docs/study.md). Its ledger knows "
      "every "
      "job; whatever is interrupted goes on with the same command.");
  tv_app::add_study_commands(app, choice, common);
  return tv_app::run_app(app, "tv_study", common, argc, argv, [&](const tv_app::Json& config) {
    return tv_app::run_study_command(app.get_subcommands().front()->get_name(), choice, common, config);
  });
}
