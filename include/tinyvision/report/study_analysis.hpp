// Everything that the paper computes from a transfer study, for any study: the paper's own tables or results of one's own.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/report/transfer_study.hpp"
#include "tinyvision/stats/multiple_testing.hpp"

TINYVISION_BEGIN
namespace report {

/// One setting: a row of Table A.1 and what Figures 2 and D.1 show of it. What the study is too small for is empty.
struct SettingAnalysis {
  std::string name;                                     ///< as in the study
  std::optional<stats::Correlation> pearson, spearman;  ///< of ImageNet's log-odds and the mean log-odds of transfer
  std::vector<std::optional<stats::Correlation>> on_dataset;  ///< Pearson's on each data set
  std::vector<double> means;                                  ///< log-odds by network, averaged over data sets
  std::vector<NetworkStanding> standings;                     ///< by network; empty below 2 data sets
  std::vector<bool> not_worse;                                ///< by network: p_against_best > 0.05, or the best itself
  std::optional<stats::SizeRegression> size;                  ///< Figure D.1
};

/// Two settings on the same networks and data sets.
struct SettingComparison {
  std::size_t first = 0, second = 0;
  PairCounts counts;                              ///< pairs in which the first is above, equal, below
  std::vector<stats::SignedRankTest> on_dataset;  ///< Wilcoxon's, over networks
  std::vector<double> holm;                       ///< its p-values adjusted for the number of data sets
};

/// Which setting and network is best on a data set (the right column of Table F.1).
struct BestOnDataset {
  std::size_t setting = 0, network = 0;
  PrintedNumber accuracy;  ///< percent
};

struct StudyAnalysis {
  std::vector<SettingAnalysis> settings;
  std::vector<SettingComparison> comparisons;  ///< every pair of settings, the later one first
  std::vector<BestOnDataset> best;             ///< by data set
  std::vector<std::string> gaps;               ///< what cannot be computed, and why
};

/// The first of equals, settings in their order.
inline BestOnDataset best_on_dataset(const TransferStudy& study, std::size_t dataset) {
  BestOnDataset best{0, 0, study.at(0, 0, dataset)};
  for (std::size_t s = 0; s < study.settings.size(); ++s) {
    const std::size_t m = best_network(study, s, dataset);
    if (study.at(s, m, dataset).value > best.accuracy.value) best = {s, m, study.at(s, m, dataset)};
  }
  return best;
}

/// True when that cell, at the highest that its rounding allows, is not below any other at its lowest.
inline bool can_be_best(const TransferStudy& study, std::size_t setting, std::size_t network, std::size_t dataset) {
  const double high = study.at(setting, network, dataset).high();
  for (std::size_t s = 0; s < study.settings.size(); ++s)
    for (std::size_t m = 0; m < study.networks.size(); ++m)
      if ((s != setting || m != network) && study.at(s, m, dataset).low() > high) return false;
  return true;
}

namespace detail {

/// `compute()`, or nothing where the data do not allow it: the reason goes to `gaps`.
template <class Compute>
auto computed_or_gap(std::vector<std::string>& gaps, const std::string& what, Compute&& compute)
    -> std::optional<decltype(compute())> {
  try {
    return compute();
  } catch (const UsageError& error) {
    gaps.push_back(what + ": " + error.what());
    return std::nullopt;
  }
}

inline SettingAnalysis analyse_setting(const TransferStudy& study, const StudyValues& values, std::size_t s,
                                       std::vector<std::string>& gaps) {
  const std::size_t datasets = study.datasets.size(), networks = study.networks.size();
  const Columns all = all_columns(study);
  SettingAnalysis a;
  a.name = study.settings[s].name;
  a.means = mean_logits(values, s, datasets, all);
  a.on_dataset.resize(datasets);
  if (networks >= 3) {
    a.pearson =
        computed_or_gap(gaps, a.name + ": Pearson's r", [&] { return transfer_correlation(values, s, datasets, all); });
    a.spearman = computed_or_gap(gaps, a.name + ": Spearman's rho",
                                 [&] { return transfer_rank_correlation(values, s, datasets, all); });
    for (std::size_t d = 0; d < datasets; ++d)
      a.on_dataset[d] = computed_or_gap(gaps, concat_text(a.name, ": Pearson's r on ", study.datasets[d]),
                                        [&] { return transfer_correlation(values, s, datasets, {d}); });
    if (datasets >= 4)
      a.size = computed_or_gap(gaps, a.name + ": correlation with the number of training images (Figure D.1)",
                               [&] { return size_dependence(study, values, s); });
  }
  if (datasets >= 2) a.standings = standings(study, values, s);
  for (std::size_t m = 0; m < a.standings.size(); ++m) {
    const NetworkStanding& n = a.standings[m];
    a.not_worse.push_back(n.best || n.p_against_best > 0.05);
    if (std::isnan(n.p_against_best))
      gaps.push_back(concat_text(a.name, ": paired t-test of ", study.networks[m],
                                 " against the best network: it lies below by the same log-odds on every data set"));
  }
  return a;
}

}  // namespace detail

/// All that the study is large enough for; `gaps` says what is missing. Throws UsageError on accuracies of 0 or 1 (they have
/// no log-odds).
inline StudyAnalysis analyse(const TransferStudy& study) {
  const std::size_t datasets = study.datasets.size(), networks = study.networks.size();
  const StudyValues values = values_of(study);
  StudyAnalysis analysis;
  if (networks < 3)
    analysis.gaps.push_back(concat_text("correlations and regression lines need 3 networks, the study has ", networks));
  if (datasets < 2)
    analysis.gaps.push_back("error bars and tests against the best network need 2 data sets, the study has 1");
  if (datasets < 4)
    analysis.gaps.push_back(concat_text(
        "the dependence on the number of training images (Figure D.1) needs 4 data sets, the study has ", datasets));
  if (study.settings.size() < 2) analysis.gaps.push_back("comparisons of settings need 2 settings, the study has 1");
  for (std::size_t s = 0; s < study.settings.size(); ++s)
    analysis.settings.push_back(detail::analyse_setting(study, values, s, analysis.gaps));
  for (std::size_t second = 0; second < study.settings.size(); ++second)
    for (std::size_t first = second + 1; first < study.settings.size(); ++first) {
      SettingComparison c{first, second, compare_settings(values, first, second), {}, {}};
      std::vector<double> p;
      for (std::size_t d = 0; d < datasets; ++d) {
        c.on_dataset.push_back(compare_on_dataset(values, first, second, datasets, d));
        p.push_back(c.on_dataset.back().p_value);
      }
      c.holm = stats::holm(p);
      analysis.comparisons.push_back(std::move(c));
    }
  for (std::size_t d = 0; d < datasets; ++d) analysis.best.push_back(best_on_dataset(study, d));
  return analysis;
}

}  // namespace report
TINYVISION_END
