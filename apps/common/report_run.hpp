// The page of one run, made of the files that it left.
#pragma once

#include <string>

#include "common/common_options.hpp"
#include "common/results.hpp"
#include "tinyvision/report/run_report.hpp"

namespace tv_app {

struct ReportRunChoice {
  std::string folder;  ///< of the run
  std::string data;    ///< where its images are; empty: where the run read them
  tinyvision::Index mistakes = 24;
};

/// Adds the folder (positional, required), --data and --mistakes.
void add_report_run_options(CLI::App& app, ReportRunChoice& choice);

/// Writes the page of the run in `choice.folder` as report.html to `common.out`, or into the folder itself where --out is not
/// given, and beside it report.json: `results` with the page's accuracies and the digests of what was read. (Not
/// results.json, which is the run's.) Pictures of mistakes are read from the run's data set; where that is no longer there
/// the page says so and lists the mistakes instead. Throws UsageError for what is wrong with the run's files (see
/// read_run_folder) and when there is nothing at `choice.data`.
void report_run(const ReportRunChoice& choice, const CommonOptions& common, Results& results);

/// That page, without writing it.
tinyvision::report::RunReport run_page(const ReportRunChoice& choice, bool quiet);

}  // namespace tv_app
