// Accuracies of networks on data sets in several settings, and what the paper computes from them.
//
// Kornblith, Shlens & Le, "Do Better ImageNet Models Transfer Better?" (CVPR 2019), sections 3 and 4, appendix A.1, D.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tinyvision/report/published_tables.hpp"
#include "tinyvision/stats/correlation_interval.hpp"
#include "tinyvision/stats/paired_tests.hpp"
#include "tinyvision/stats/training_speed.hpp"
#include "tinyvision/stats/transforms.hpp"
#include "tinyvision/stats/within_subject.hpp"

TINYVISION_BEGIN
namespace report {

/// One way of transfer: percentages by network (rows) and data set (columns), with what rounding may have hidden.
struct Setting {
  std::string name;
  std::vector<PrintedNumber> cells;  ///< row-major
};

/// Networks x data sets x settings. All percentages.
struct TransferStudy {
  std::vector<std::string> networks, datasets;
  std::vector<PrintedNumber> imagenet;  ///< top-1 of each network
  std::vector<double> train_sizes;      ///< images of each data set
  std::vector<Setting> settings;

  const PrintedNumber& at(std::size_t setting, std::size_t network, std::size_t dataset) const {
    return settings[setting].cells[network * datasets.size() + dataset];
  }
  std::size_t setting(std::string_view name) const {
    for (std::size_t s = 0; s < settings.size(); ++s)
      if (settings[s].name == name) return s;
    fail_usage("study", "no setting '", name, "'");
  }
};

/// The values of a study, free of how they were printed: what the statistics are functions of.
struct StudyValues {
  std::vector<double> imagenet;               ///< fractions
  std::vector<std::vector<double>> settings;  ///< fractions, row-major
};

/// The printed values as fractions.
inline StudyValues values_of(const TransferStudy& study) {
  StudyValues v;
  for (const PrintedNumber& p : study.imagenet) v.imagenet.push_back(p.value / 100);
  for (const Setting& s : study.settings) {
    v.settings.emplace_back();
    for (const PrintedNumber& p : s.cells) v.settings.back().push_back(p.value / 100);
  }
  return v;
}

/// Reads table_1_datasets.tsv, table_A2_networks.tsv (column top1_retrained) and table_I1_accuracies.tsv of `folder`. Throws
/// UsageError naming file, row and column for missing cells, numbers outside (0, 100), fractions where percentages belong,
/// networks that come twice or are missing in a setting, and unknown data sets.
inline TransferStudy read_published_study(const std::string& folder) {
  const TextTable sets = read_table(folder + "/table_1_datasets.tsv"),
                  nets = read_table(folder + "/table_A2_networks.tsv"),
                  cells = read_table(folder + "/table_I1_accuracies.tsv");
  const auto percentage = [](const TextTable& table, std::size_t row, std::string_view column) {
    const std::string place = table.place(row, column);
    const PrintedNumber p = parse_printed(table.cell(row, column), place);
    if (p.value <= 0 || p.value >= 100) fail_usage("study", place, ": ", p.value, " is not between 0 and 100");
    if (p.value < 1) fail_usage("study", place, ": ", p.value, " looks like a fraction; percentages are expected");
    return p;
  };
  TransferStudy study;
  for (std::size_t r = 0; r < nets.rows.size(); ++r) {
    const std::string& name = nets.cell(r, "network");
    if (std::count(study.networks.begin(), study.networks.end(), name) > 0)
      fail_usage("study", nets.path, ": network '", name, "' comes twice");
    study.networks.push_back(name);
    study.imagenet.push_back(percentage(nets, r, "top1_retrained"));
  }
  for (std::size_t r = 0; r < sets.rows.size(); ++r) {
    study.datasets.push_back(sets.cell(r, "dataset"));
    study.train_sizes.push_back(parse_printed(sets.cell(r, "train_size"), sets.place(r, "train_size")).value);
  }
  for (std::size_t r = 0; r < cells.rows.size(); ++r) {
    const std::string &setting = cells.cell(r, "setting"), &network = cells.cell(r, "network");
    if (study.settings.empty() || study.settings.back().name != setting) study.settings.push_back({setting, {}});
    Setting& now = study.settings.back();
    const std::size_t n = now.cells.size() / study.datasets.size();
    if (n >= study.networks.size() || study.networks[n] != network)
      fail_usage("study", cells.path, ": row ", r + 1, ": network '", network, "' of setting ", setting, " where '",
                 n < study.networks.size() ? study.networks[n] : "no further one", "' belongs");
    for (const std::string& dataset : study.datasets) now.cells.push_back(percentage(cells, r, dataset));
  }
  std::set<std::string> names;
  for (const Setting& s : study.settings) {
    if (!names.insert(s.name).second) fail_usage("study", cells.path, ": setting '", s.name, "' comes twice");
    if (s.cells.size() != study.networks.size() * study.datasets.size())
      fail_usage("study", cells.path, ": setting '", s.name, "' has ", s.cells.size() / study.datasets.size(),
                 " networks of ", study.networks.size());
  }
  return study;
}

/// A choice of data sets, by number.
using Columns = std::vector<std::size_t>;
inline Columns all_columns(const TransferStudy& study) {
  Columns all(study.datasets.size());
  for (std::size_t d = 0; d < all.size(); ++d) all[d] = d;
  return all;
}
/// Those with fewer than `limit` training images, or with as many and more.
inline Columns columns_by_size(const TransferStudy& study, double limit, bool below) {
  Columns chosen;
  for (std::size_t d = 0; d < study.datasets.size(); ++d)
    if ((study.train_sizes[d] < limit) == below) chosen.push_back(d);
  return chosen;
}

/// Each network's log-odds averaged over data sets (section 3).
inline std::vector<double> mean_logits(const StudyValues& v, std::size_t setting, std::size_t datasets,
                                       const Columns& columns) {
  std::vector<double> means;
  for (std::size_t m = 0; m < v.imagenet.size(); ++m) {
    double sum = 0;
    for (const std::size_t d : columns) sum += stats::logit(v.settings[setting][m * datasets + d]);
    means.push_back(sum / static_cast<double>(columns.size()));
  }
  return means;
}

inline std::vector<double> imagenet_logits(const StudyValues& v) {
  std::vector<double> logits;
  for (const double p : v.imagenet) logits.push_back(stats::logit(p));
  return logits;
}

/// Table A.1: correlation of ImageNet's log-odds and the mean log-odds of transfer. Of three networks, for which Fisher's
/// interval does not exist, the interval is the exact one.
inline stats::Correlation transfer_correlation(const StudyValues& v, std::size_t setting, std::size_t datasets,
                                               const Columns& columns) {
  stats::Correlation found = stats::pearson(imagenet_logits(v), mean_logits(v, setting, datasets, columns));
  if (found.n == 3) found.interval = stats::exact_correlation_interval(found.r, found.n);
  return found;
}
inline stats::Correlation transfer_rank_correlation(const StudyValues& v, std::size_t setting, std::size_t datasets,
                                                    const Columns& columns) {
  return stats::spearman(imagenet_logits(v), mean_logits(v, setting, datasets, columns));
}

/// Figure D.1: each data set's own correlation, and how it depends on the logarithm of its size.
inline stats::SizeRegression size_dependence(const TransferStudy& study, const StudyValues& v, std::size_t setting) {
  std::vector<double> r;
  for (std::size_t d = 0; d < study.datasets.size(); ++d)
    r.push_back(transfer_correlation(v, setting, study.datasets.size(), {d}).r);
  return stats::fisher_z_regression(stats::Sample(study.train_sizes, "training images", study.datasets),
                                    stats::Sample(r, "r", study.datasets));
}

/// How often one setting is above another, equal, below, over all networks and data sets.
struct PairCounts {
  Index above = 0, equal = 0, below = 0;
};
inline PairCounts compare_settings(const StudyValues& v, std::size_t a, std::size_t b) {
  PairCounts counts;
  for (std::size_t i = 0; i < v.settings[a].size(); ++i) {
    const double x = v.settings[a][i], y = v.settings[b][i];
    ++(x > y ? counts.above : x < y ? counts.below : counts.equal);
  }
  return counts;
}

/// The networks' log-odds on one data set in two settings: Wilcoxon's signed-rank test (section 4.2).
inline stats::SignedRankTest compare_on_dataset(const StudyValues& v, std::size_t a, std::size_t b,
                                                std::size_t datasets, std::size_t dataset) {
  std::vector<double> x, y;
  for (std::size_t m = 0; m < v.imagenet.size(); ++m) {
    x.push_back(stats::logit(v.settings[a][m * datasets + dataset]));
    y.push_back(stats::logit(v.settings[b][m * datasets + dataset]));
  }
  return stats::wilcoxon_signed_rank(x, y);
}

/// A network's place in a setting (Figure 2, right).
struct NetworkStanding {
  double mean_logit = 0, standard_error = 0;  ///< the error by Morey's correction
  double p_against_best =
      1;  ///< paired t-test over data sets; NaN where it is not defined (one difference for all of them)
  bool best = false;
};
inline std::vector<NetworkStanding> standings(const TransferStudy& study, const StudyValues& v, std::size_t setting) {
  const std::size_t datasets = study.datasets.size();
  stats::ScoreTable table{study.networks, study.datasets, v.settings[setting]};
  for (double& p : table.values) p = stats::logit(p);
  std::vector<NetworkStanding> result;
  for (const stats::WithinSubjectMean& m : stats::within_subject_means(table))
    result.push_back({m.mean, m.standard_error, 1, false});
  const auto best = static_cast<std::size_t>(
      std::max_element(result.begin(), result.end(),
                       [](const auto& a, const auto& b) { return a.mean_logit < b.mean_logit; }) -
      result.begin());
  result[best].best = true;
  const auto row = [&](std::size_t m) { return std::span(table.values).subspan(m * datasets, datasets); };
  for (std::size_t m = 0; m < result.size(); ++m) {
    if (m == best || std::equal(row(m).begin(), row(m).end(), row(best).begin())) continue;
    double least = row(best)[0] - row(m)[0], most = least;
    for (std::size_t d = 1; d < datasets; ++d) {
      least = std::min(least, row(best)[d] - row(m)[d]);
      most = std::max(most, row(best)[d] - row(m)[d]);
    }
    result[m].p_against_best =
        most - least <= 1e-12 * std::fabs(most)  // rounding: the test refuses differences that are all the same
            ? std::numeric_limits<double>::quiet_NaN()
            : stats::paired_t_test(stats::Sample(row(best), study.networks[best]),
                                   stats::Sample(row(m), study.networks[m]))
                  .p_value;
  }
  return result;
}

/// The network of highest accuracy on a data set; the first of equals.
inline std::size_t best_network(const TransferStudy& study, std::size_t setting, std::size_t dataset) {
  std::size_t best = 0;
  for (std::size_t m = 1; m < study.networks.size(); ++m)
    if (study.at(setting, m, dataset).value > study.at(setting, best, dataset).value) best = m;
  return best;
}

/// What a statistic can be while every printed number lies anywhere within half a unit of its last digit: found by moving one
/// number at a time to the end that drives the statistic on, until none does. Both ends are reached by inputs that print as
/// the published ones, and with a continuous statistic everything between: the range is never too wide. Counts pass through
/// every integer on the way; ranks and rank tests jump.
struct ReachableRange {
  double value = 0, low = 0, high = 0;
};
inline ReachableRange reachable_range(const TransferStudy& study,
                                      const std::function<double(const StudyValues&)>& statistic) {
  const StudyValues printed = values_of(study);
  ReachableRange range;
  range.value = statistic(printed);
  for (const bool up : {false, true}) {
    StudyValues v = printed;
    double best = range.value;
    for (int pass = 0; pass < 6; ++pass) {
      bool moved = false;
      const auto try_cell = [&](double& x, const PrintedNumber& p) {
        const double before = x;
        double kept = before;
        for (const double end : {p.low() / 100, p.high() / 100}) {
          x = end;
          const double now = statistic(v);
          if (up ? now > best : now < best) best = now, kept = end, moved = true;
        }
        x = kept;
      };
      for (std::size_t m = 0; m < v.imagenet.size(); ++m) try_cell(v.imagenet[m], study.imagenet[m]);
      for (std::size_t s = 0; s < v.settings.size(); ++s)
        for (std::size_t i = 0; i < v.settings[s].size(); ++i) try_cell(v.settings[s][i], study.settings[s].cells[i]);
      if (!moved) break;
    }
    (up ? range.high : range.low) = best;
  }
  return range;
}

}  // namespace report
TINYVISION_END
