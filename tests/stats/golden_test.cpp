// The statistics against SciPy, statsmodels and NumPy on random inputs with ties and zeros: tests/golden/stats, written
// by tests/oracle/make_stats_tests_golden.py, which makes the same inputs from the same generator.
#include "stats/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "tinyvision/stats/binomial_test.hpp"
#include "tinyvision/stats/dependent_correlations.hpp"
#include "tinyvision/stats/intervals.hpp"
#include "tinyvision/stats/linear_fit.hpp"
#include "tinyvision/stats/mcnemar.hpp"
#include "tinyvision/stats/multiple_testing.hpp"
#include "tinyvision/stats/paired_tests.hpp"
#include "tinyvision/stats/training_speed.hpp"
#include "tinyvision/stats/within_subject.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace golden_test {

using stats_golden::Column;
using stats_golden::Golden;
using stats_golden::Lcg;
using stats_golden::level_counts;

bool constant(const Column& column) { return std::set<double>(column.begin(), column.end()).size() == 1; }

void scale(Column& column, double factor) {
  for (double& v : column) v *= factor;
}

struct Pair {
  Column x, y;
};

Pair regression_pair(std::size_t which) {
  Lcg lcg(1, which);
  const std::size_t n = 4 + which % 37;
  const std::int64_t levels = level_counts[which % 4];
  const double slope = static_cast<double>(which / 4 % 5) - 2;
  Pair pair;
  for (std::size_t i = 0; i < n; ++i) pair.x.push_back(lcg.real(levels));
  for (std::size_t i = 0; i < n; ++i) pair.y.push_back(slope * pair.x[i] + lcg.real(levels));
  for (Column* column : {&pair.x, &pair.y}) {
    if (constant(*column)) (*column)[0] += static_cast<double>(levels);
    scale(*column, 1 / static_cast<double>(levels));
  }
  return pair;
}

Pair matched_pair(std::size_t which) {
  Lcg lcg(2, which);
  const std::size_t n = 4 + which % 47;
  const std::int64_t levels = level_counts[which % 4];
  const double shift = static_cast<double>(which / 4 % 3) * static_cast<double>(levels / 4);
  Pair pair;
  Column differences;
  for (std::size_t i = 0; i < n; ++i) pair.x.push_back(lcg.real(levels));
  for (std::size_t i = 0; i < n; ++i) {
    pair.y.push_back(lcg.real(levels) + shift);
    differences.push_back(pair.x[i] - pair.y[i]);
  }
  if (constant(differences)) pair.x[0] += static_cast<double>(levels);
  scale(pair.x, 1 / static_cast<double>(levels));
  scale(pair.y, 1 / static_cast<double>(levels));
  return pair;
}

std::vector<Column> four_columns(std::size_t which) {
  Lcg lcg(3, which);
  const std::size_t n = 6 + which % 45;
  const std::int64_t levels = which % 4 == 1 ? 16 : 1 << 20;
  Column common;
  for (std::size_t i = 0; i < n; ++i) common.push_back(lcg.real(levels));
  const double weights[] = {static_cast<double>(which % 3), static_cast<double>(which / 3 % 3),
                            static_cast<double>(which / 9 % 3) - 1, static_cast<double>(which / 27 % 3) - 1};
  std::vector<Column> columns;
  for (const double w : weights) {
    Column column;
    for (const double c : common) column.push_back((w * c + lcg.real(levels)) / static_cast<double>(levels));
    if (constant(column)) column[0] += 1;
    columns.push_back(column);
  }
  return columns;
}

TEST(StatisticsGolden, CorrelationsAndLines) {
  Golden golden("pairs");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    const auto [x, y] = regression_pair(which);
    const stats::Correlation r = stats::pearson(x, y), rho = stats::spearman(x, y);
    const stats::LinearFit line = stats::linear_fit(x, y);
    golden.compare(
        which,
        {{"pearson", {r.r, r.p_value}},
         {"fisher_interval", {r.interval.low, r.interval.high}},
         {"spearman", {rho.r, rho.p_value, rho.interval.low, rho.interval.high}},
         {"linear_fit", {line.slope, line.intercept, line.slope_error, line.p_value, line.residual_deviation}}},
        1e-7);
  }
}

TEST(StatisticsGolden, PairedTests) {
  Golden golden("matched");
  ASSERT_EQ(golden.inputs(), 200u);
  using stats::Alternative;
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    const auto [x, y] = matched_pair(which);
    const stats::PairedTTest t = stats::paired_t_test(x, y);
    stats_golden::Results row{
        {"paired_t_test",
         {t.t, t.p_value, stats::paired_t_test(x, y, Alternative::less).p_value,
          stats::paired_t_test(x, y, Alternative::greater).p_value, t.interval.low, t.interval.high}}};
    constexpr Alternative alternatives[] = {Alternative::two_sided, Alternative::less, Alternative::greater};
    for (const stats::ZeroMethod zeros : {stats::ZeroMethod::wilcoxon, stats::ZeroMethod::pratt}) {
      stats::SignedRankOptions options{zeros};
      options.method = stats::SignedRankMethod::exact;
      const stats::SignedRankTest test = stats::wilcoxon_signed_rank(x, y, options);
      const std::string name = zeros == stats::ZeroMethod::wilcoxon ? "wilcoxon, zeros dropped" : "wilcoxon, Pratt";
      row.push_back({name + ", exact", {test.positive, test.negative}});
      for (const Alternative alternative : alternatives) {
        options.alternative = alternative;
        row.back().second.push_back(stats::wilcoxon_signed_rank(x, y, options).p_value);
      }
      row.push_back({name + ", normal", {}});
      options.method = stats::SignedRankMethod::normal;
      for (const Alternative alternative : alternatives)
        for (const bool continuity : {false, true}) {
          options.alternative = alternative;
          options.continuity = continuity;
          row.back().second.push_back(stats::wilcoxon_signed_rank(x, y, options).p_value);
        }
    }
    golden.compare(which, row, 1e-12);
  }
}

TEST(StatisticsGolden, DependentCorrelations) {
  Golden golden("dependent");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    const std::vector<Column> c = four_columns(which);
    const auto overlapping = stats::overlapping_correlations(c[0], c[1], c[2]);
    const auto nonoverlapping = stats::nonoverlapping_correlations(c[0], c[1], c[2], c[3]);
    const stats::MengTest meng = stats::meng_test(overlapping);
    stats_golden::Results row{
        {"meng_test",
         {meng.statistic, meng.p_two_sided, meng.p_greater, meng.z_difference.low, meng.z_difference.high}}};
    const auto add = [&row](const char* name, const stats::CorrelationDifference& test) {
      row.push_back({name, {test.statistic, test.p_two_sided, test.p_greater}});
    };
    add("hotelling_test", stats::hotelling_test(overlapping));
    add("williams_test", stats::williams_test(overlapping));
    add("dunn_clark_test, overlapping", stats::dunn_clark_test(overlapping));
    add("steiger_test, overlapping", stats::steiger_test(overlapping));
    add("pearson_filon_test", stats::pearson_filon_test(nonoverlapping));
    add("dunn_clark_test, nonoverlapping", stats::dunn_clark_test(nonoverlapping));
    add("steiger_test, nonoverlapping", stats::steiger_test(nonoverlapping));
    add("raghunathan_test", stats::raghunathan_test(nonoverlapping));
    golden.compare(which, row, 1e-9);
  }
}

TEST(StatisticsGolden, AdjustedPValues) {
  Golden golden("adjusted");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(4, which);
    const std::int64_t levels = level_counts[which % 4];
    Column p;
    for (std::size_t i = 0; i < 1 + which % 12; ++i) {
      const double v = lcg.real(levels) / static_cast<double>(levels);
      p.push_back(which / 4 % 2 == 1 ? v * v * v : v);
    }
    golden.compare(which, {{"holm", stats::holm(p)}, {"benjamini_hochberg", stats::benjamini_hochberg(p)}});
  }
}

TEST(StatisticsGolden, BinomialTestsAndIntervals) {
  Golden golden("binomial");
  ASSERT_EQ(golden.inputs(), 200u);
  using stats::Alternative;
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(5, which);
    constexpr std::int64_t most[] = {20, 300, 5000, 50000};
    constexpr double probabilities[] = {0.5, 0.125, 0.375, 0.75};
    const Index n = 1 + lcg.draw(most[which % 4]);
    Index k = which % 3 != 0 ? lcg.draw(n + 1) : which / 3 % 2 == 0 ? 0 : n;
    const double p = probabilities[which / 4 % 4];
    if (which % 5 == 0) k = static_cast<Index>(std::nearbyint(static_cast<double>(n) * p));  // half to even, as Python
    const auto both = stats::binomial_test({k, n}, p), less = stats::binomial_test({k, n}, p, Alternative::less),
               greater = stats::binomial_test({k, n}, p, Alternative::greater);
    const stats::Interval wilson = stats::wilson_interval({k, n}), exact = stats::clopper_pearson_interval({k, n});
    golden.compare(which,
                   {{"binomial_test", {both.exact, less.exact, greater.exact}},
                    {"binomial_test, mid-p", {both.mid_p, less.mid_p, greater.mid_p}},
                    {"mcnemar", {stats::mcnemar(k, n - k).exact}},
                    {"mcnemar, mid-p", {stats::mcnemar(k, n - k).mid_p}},
                    {"wilson_interval", {wilson.low, wilson.high}},
                    {"clopper_pearson_interval", {exact.low, exact.high}}},
                   1e-200);
    const stats::BinomialTest half = stats::binomial_test({k, n});
    EXPECT_NEAR(half.exact, stats::mcnemar(k, n - k).exact, 1e-12 * half.exact + 1e-300);
    EXPECT_NEAR(half.mid_p, stats::mcnemar(k, n - k).mid_p, 1e-12 * half.mid_p + 1e-300);
  }
}

TEST(StatisticsGolden, WithinSubjectErrors) {
  Golden golden("within_subject");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(6, which);
    const std::int64_t levels = level_counts[which % 4];
    stats::ScoreTable table;
    for (std::size_t r = 0; r < 2 + which % 5; ++r) table.rows.push_back("model " + std::to_string(r));
    for (std::size_t c = 0; c < 2 + which / 5 % 11; ++c) table.columns.push_back("set " + std::to_string(c));
    for (std::size_t i = 0; i < table.rows.size() * table.columns.size(); ++i)
      table.values.push_back(lcg.real(levels) / static_cast<double>(levels));
    Column means, errors, widths;
    double adjusted = 0;
    for (const stats::WithinSubjectMean& row : stats::within_subject_means(table)) {
      means.push_back(row.mean);
      errors.push_back(row.standard_error);
      widths.push_back(row.half_width);
      adjusted += row.adjusted_mean;
    }
    golden.compare(which,
                   {{"within_subject_means", means},
                    {"within_subject_means, error", errors},
                    {"within_subject_means, half width", widths}},
                   1e-9);
    EXPECT_NEAR(adjusted, 0, 1e-14);
  }
}

TEST(StatisticsGolden, TrainingSpeed) {
  Golden golden("speed");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(7, which);
    const std::size_t n = 3 + which % 12;
    const std::int64_t levels = level_counts[which % 4];
    Column times, accuracies, correlations;
    for (std::size_t i = 0; i < n; ++i) times.push_back((i == 0 ? 0 : times[i - 1]) + 1 + lcg.real(1000));
    for (std::size_t i = 0; i < n; ++i)
      accuracies.push_back((2 * lcg.real(levels) + 1) / (2 * static_cast<double>(levels)));
    for (std::size_t i = 0; i < n; ++i) correlations.push_back((2 * lcg.real(256) + 1) / 256 - 1);
    const stats::TimeToOdds measured = stats::time_to_odds(times, accuracies);
    const stats::TimeToOdds crossing = stats::time_to_odds(times, accuracies, 0.9, stats::Crossing::interpolated);
    const stats::Interval quartiles = stats::interquartile_range(times);
    const stats::SizeRegression line = stats::fisher_z_regression(times, correlations);
    golden.compare(
        which,
        {{"time_to_odds", {measured.time}},
         {"time_to_odds, interpolated", {crossing.time}},
         {"time_to_odds, threshold", {measured.threshold}},
         {"logit", stats::logits(accuracies)},
         {"inverse_logit", {stats::inverse_logit(times[0] / 500), stats::inverse_logit(-times[0] / 100)}},
         {"geometric_mean", {stats::geometric_mean(times)}},
         {"geometric_mean_speed_up", {stats::geometric_mean_speed_up(times, accuracies)}},
         {"interquartile_range", {quartiles.low, quartiles.high}},
         {"fisher_z_regression", {line.line.slope, line.line.intercept, line.correlation.r, line.correlation.p_value}}},
        1e-9);
  }
}

TEST(StatisticsGolden, BootstrapBands) {
  Golden golden("bands");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    const auto [x, y] = regression_pair(which);
    Column row;
    for (const stats::Interval& at : stats::bootstrap_band(x, y, Column{-0.5, 0, 0.5, 1}, {which, 150, 0.95}))
      row.insert(row.end(), {at.low, at.high});
    golden.compare(which, {{"bootstrap_band", row}}, 1e-9);
  }
}

}  // namespace golden_test
