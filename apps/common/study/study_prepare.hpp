// What is done once before a study runs: everything is read, digested and held to the study file; the ledger gets its jobs.
#pragma once

#include <string>
#include <vector>

#include "common/data_options.hpp"
#include "common/results.hpp"
#include "common/study/study_plan.hpp"

namespace tv_app {

/// Folder, ledger and jobs of a study below its --out.
std::string ledger_path(const std::string& folder);

/// The rates that plans are made with: those of `path`, or of the study file, or none.
Rates study_rates(const Study& study, const std::string& path);

/// Reads weights and data sets, digests them, and puts the jobs into `folder`/ledger.sqlite, which is made where there is none.
/// Throws UsageError with all problems of the study at once, before anything is written to the ledger: what the file says
/// (read_study), what is missing, weights that do not fit their network, data sets that are not what they should be, programs
/// that are not in `programs`. Returns the number of jobs.
Index prepare_study(Study study, const std::string& folder, const Rates& rates, const std::string& programs,
                    bool quiet);

/// The job `pixels`: decodes a data set into --out, as the cache that the other programs take with --image-cache.
void decode_pixels(DataChoice choice, const std::string& out, bool quiet, Results& results);

}  // namespace tv_app
