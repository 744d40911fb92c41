// tv_report paper: what the paper says beside what its published tables give.
#pragma once

#include <string>

#include "common/common_options.hpp"
#include "common/results.hpp"

namespace CLI {
class App;
}

namespace tv_app {

/// Options of `paper` and `study`.
struct StudyReportChoice {
  std::string tables = "docs/paper";  ///< the published tables
  bool no_figures = false;
  std::string source;    ///< study: the file or folder of results
  std::string imagenet;  ///< study: a table of ImageNet accuracies; empty: the paper's
};

/// Adds --tables and --no-figures, for `study` also the results and --imagenet.
void add_study_report_options(CLI::App& app, StudyReportChoice& choice, bool of_study);

/// Throws UsageError without --out, and Error where gnuplot is wanted and missing: before the work, not after it.
void check_study_report(const StudyReportChoice& choice, const CommonOptions& common);

/// Writes tables, figures, claims.json and report.html to --out, prints every claim with its verdict, and puts the counts into
/// `results`.
void report_paper(const StudyReportChoice& choice, const CommonOptions& common, Results& results);

}  // namespace tv_app
