// What tv_report writes of a transfer study, the paper's or one's own: tables, figures, numbers, a page.
#pragma once

#include <string>
#include <vector>

#include "common/common_options.hpp"
#include "common/results.hpp"
#include "tinyvision/report/study_page.hpp"

namespace tv_app {

/// The study's numbers: correlations, standings, comparisons, best networks, and what could not be computed.
Json analysis_json(const tinyvision::report::TransferStudy& study, const tinyvision::report::StudyAnalysis& analysis);

/// table_A1.tsv (correlations), table_F1.tsv (the best network of each data set), networks.tsv (mean log-odds, errors, tests
/// against the best), comparisons.tsv (settings against each other by data set).
void write_study_tables(const std::string& folder, const tinyvision::report::TransferStudy& study,
                        const tinyvision::report::StudyAnalysis& analysis);

/// Draws Figures 1, 2, 6, 7, D.1 and E.1 as far as the study has them, into `folder`/figures: a script, SVG and PNG of each.
/// `best_known`: percent by data set for the lines of Figure 6; empty for none.
std::vector<tinyvision::report::StudyFigure> draw_study_figures(const std::string& folder,
                                                                const tinyvision::report::TransferStudy& study,
                                                                const tinyvision::report::StudyAnalysis& analysis,
                                                                const std::vector<double>& best_known,
                                                                const CommonOptions& common);

/// Table A.1 and the comparisons of settings, to read.
void print_study(const tinyvision::report::TransferStudy& study, const tinyvision::report::StudyAnalysis& analysis);

/// Puts the digest of the file into `results` and, with its path, into the page's sources.
void record_source(Results& results, tinyvision::report::StudyPage& page, const std::string& path);

/// Writes `numbers` and the page: `folder`/claims.json and `folder`/report.html.
void write_study_page(const std::string& folder, const tinyvision::report::StudyPage& page,
                      const tinyvision::report::TransferStudy& study, const tinyvision::report::StudyAnalysis& analysis,
                      const Json& numbers);

}  // namespace tv_app
