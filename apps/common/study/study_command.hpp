// The commands of tv_study.
#pragma once

#include <string>
#include <vector>

#include "common/app.hpp"
#include "common/data_options.hpp"
#include "common/study/study_output.hpp"

namespace tv_app {

struct StudyChoice {
  std::string study;  ///< its file or, where the command needs no file, its folder
  std::string rates, tables = "docs/paper";
  std::vector<std::string> devices;
  int workers = 0;
  bool list = false, measured = false, dry_run = false, no_figures = false;
  WorkerOptions worker;
  SlurmOptions slurm;
  DataChoice data;  ///< of `pixels`
};

/// Adds the subcommands plan, run, worker, status, report, slurm and pixels.
void add_study_commands(CLI::App& app, StudyChoice& choice, CommonOptions& common);

/// Runs the command of that name; its exit code.
int run_study_command(const std::string& command, StudyChoice& choice, const CommonOptions& common, const Json& config);

}  // namespace tv_app
