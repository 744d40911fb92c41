// tv_report study: the paper's analysis of one's own results.
#pragma once

#include <string>
#include <vector>

#include "common/report_paper.hpp"
#include "tinyvision/report/study_table.hpp"

namespace tv_app {

/// Accuracies as they were found, and what a reader has to know of how they were read.
struct StudySource {
  std::vector<tinyvision::report::StudyRecord> records;
  std::vector<std::string> files, notes;
};

/// A CSV, TSV or JSON table (report::study_records), or a folder: every results.json of tv_linear_probe and tv_finetune below
/// it, in the order of their paths; those of other programs are counted and left out. The setting is linear_probe, fine_tuned
/// or random_init, the metric the data set's own. Throws UsageError naming the file for results without test images, for a
/// file that is no JSON, and when there is none.
StudySource read_study_source(const std::string& path);

/// Writes what report_paper does, without the paper's claims. Throws UsageError as report::study_of.
void report_study(const StudyReportChoice& choice, const CommonOptions& common, Results& results);

}  // namespace tv_app
