// The published tables as one, and the list that collects what the paper says of them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tinyvision/report/claim.hpp"
#include "tinyvision/report/study_analysis.hpp"

TINYVISION_BEGIN
namespace report {

/// The published tables of docs/paper.
struct PaperTables {
  TransferStudy study;               ///< tables 1, A.2 and I.1
  TextTable datasets, networks;      ///< tables 1 and A.2
  TextTable correlations;            ///< table A.1
  TextTable best_known, duplicates;  ///< tables F.1 and H.1, rows in the order of table 1
};

/// Reads the tables of `folder` (docs/paper). Throws UsageError as read_published_study, and when tables F.1 and H.1 have other
/// data sets than table 1.
inline PaperTables read_paper_tables(const std::string& folder) {
  PaperTables t{read_published_study(folder),
                read_table(folder + "/table_1_datasets.tsv"),
                read_table(folder + "/table_A2_networks.tsv"),
                read_table(folder + "/table_A1_correlations.tsv"),
                read_table(folder + "/table_F1_best.tsv"),
                read_table(folder + "/table_H1_duplicates.tsv")};
  for (const TextTable* table : {&t.best_known, &t.duplicates}) {
    if (table->rows.size() != t.study.datasets.size())
      fail_usage("table", table->path, ": ", table->rows.size(), " rows for ", t.study.datasets.size(), " data sets");
    for (std::size_t d = 0; d < t.study.datasets.size(); ++d)
      if (table->cell(d, "dataset") != t.study.datasets[d])
        fail_usage("table", table->path, ": row ", d + 1, ": '", table->cell(d, "dataset"), "' where '",
                   t.study.datasets[d], "' belongs");
  }
  if (t.correlations.rows.size() != 4)
    fail_usage("table", t.correlations.path, ": ", t.correlations.rows.size(),
               " rows; the paper has three settings and the public checkpoints");
  return t;
}

namespace detail {

/// Collects the claims that are functions of the study's values.
class ClaimList {
 public:
  explicit ClaimList(const PaperTables& all_tables) : tables(all_tables), study(all_tables.study) {}

  template <class Statistic>
  void add(const char* place, std::string statement, std::string printed, Statistic&& statistic) {
    claims.push_back(numeric_claim(place, std::move(statement), std::move(printed), reachable_range(study, statistic)));
  }
  /// A number that is no function of accuracies, with what rounding allows.
  void add_number(const char* place, std::string statement, std::string printed, const ReachableRange& found) {
    claims.push_back(numeric_claim(place, std::move(statement), std::move(printed), found));
  }
  void missing(const char* place, std::string statement, std::string printed, const char* reason) {
    claims.push_back(unpublished_claim(place, std::move(statement), std::move(printed), reason));
  }

  const PaperTables& tables;
  const TransferStudy& study;
  const std::size_t datasets = study.datasets.size();
  const std::size_t probe = study.setting("linear_probe"), tuned = study.setting("fine_tuned"),
                    scratch = study.setting("random_init");
  std::vector<Claim> claims{};
};

inline ReachableRange range_of(const PrintedNumber& p) { return {p.value, p.low(), p.high()}; }
/// a - b of printed numbers.
inline ReachableRange difference(const PrintedNumber& a, const PrintedNumber& b) {
  return {a.value - b.value, a.low() - b.high(), a.high() - b.low()};
}

}  // namespace detail
}  // namespace report
TINYVISION_END
