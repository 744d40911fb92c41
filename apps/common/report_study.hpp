// tv_report study: the paper's analysis of one's own results.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/report_paper.hpp"
#include "tinyvision/report/study_table.hpp"

namespace tv_app {

/// Accuracies as they were found, and what a reader has to know of how they were read.
struct StudySource {
  std::vector<tinyvision::report::StudyRecord> records;
  std::vector<std::string> files, notes;
};

/// Every results.json of tv_linear_probe and tv_finetune below a folder, with its path, in the order of the paths; those of other
/// programs are counted and left out.
struct ResultFiles {
  std::vector<std::pair<std::string, Json>> results;
  std::vector<std::string> notes;  ///< how many were read and left out
};

/// Throws UsageError naming the file for what is no JSON, and when there is none of the two programs.
ResultFiles read_results_below(const std::string& folder);

/// A CSV, TSV or JSON table, by the name's ending.
tinyvision::report::TextTable read_any_table(const std::string& path);

/// A CSV, TSV or JSON table (report::study_records), or a folder (read_results_below). The setting is linear_probe, fine_tuned
/// or random_init, the metric the data set's own. Throws UsageError naming the file for results without test images, and as
/// read_results_below.
StudySource read_study_source(const std::string& path);

/// Writes what report_paper does, without the paper's claims. Throws UsageError as report::study_of.
void report_study(const StudyReportChoice& choice, const CommonOptions& common, Results& results);

}  // namespace tv_app
