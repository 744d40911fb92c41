// The statistics against SciPy, statsmodels and NumPy on random inputs with ties and zeros: tests/golden/stats, written
// by tests/oracle/make_stats_tests_golden.py, which makes the same inputs from the same generator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
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

namespace {

using Column = std::vector<double>;

constexpr std::int64_t level_counts[] = {1 << 20, 16, 4, 1 << 20};

class Lcg {
 public:
  Lcg(int family, std::size_t which) : state_(static_cast<std::uint64_t>(family) * 1000 + which) {
    for (int i = 0; i < 4; ++i) draw(1);
  }
  std::int64_t draw(std::int64_t levels) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (static_cast<std::int64_t>(state_ >> 40) * levels) >> 24;
  }
  double real(std::int64_t levels) { return static_cast<double>(draw(levels)); }

 private:
  std::uint64_t state_;
};

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

/// Compares rows of one golden file and keeps the largest relative difference.
class Golden {
 public:
  explicit Golden(const std::string& name) : name_(name) {
    std::ifstream file(std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/stats/" + name + ".tsv");
    std::string line;
    while (std::getline(file, line)) {
      if (line.starts_with('#')) continue;
      std::istringstream words(line);
      std::vector<double> row;
      for (std::string word; words >> word;) row.push_back(std::strtod(word.c_str(), nullptr));
      rows_.push_back(row);
    }
  }
  ~Golden() {
    std::cout << name_ << ": " << compared_ << " numbers, largest relative difference " << largest_ << " (input "
              << at_input_ << ", number " << at_number_ << ")\n";
  }

  std::size_t inputs() const { return rows_.size(); }

  /// |a - b| <= 1e-10 |b|; `floor` is the size below which a number is a difference of larger ones that cancelled.
  void compare(std::size_t which, const std::vector<double>& actual, double floor = 0) {
    const std::vector<double>& expected = rows_[which];
    ASSERT_EQ(actual.size(), expected.size()) << name_ << ", input " << which;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const double size = std::max(std::fabs(expected[i]), floor);
      const double difference = actual[i] == expected[i] ? 0 : std::fabs(actual[i] - expected[i]) / size;
      ++compared_;
      EXPECT_LE(difference, 1e-10) << name_ << ", input " << which << ", number " << i << ": " << actual[i]
                                   << " instead of " << expected[i];
      if (difference > largest_) largest_ = difference, at_input_ = which, at_number_ = i;
    }
  }

 private:
  std::string name_;
  std::vector<std::vector<double>> rows_;
  double largest_ = 0;
  std::size_t compared_ = 0, at_input_ = 0, at_number_ = 0;
};

TEST(StatisticsGolden, CorrelationsAndLines) {
  Golden golden("pairs");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    const auto [x, y] = regression_pair(which);
    const stats::Correlation r = stats::pearson(x, y), rho = stats::spearman(x, y);
    const stats::LinearFit line = stats::linear_fit(x, y);
    golden.compare(which,
                   {r.r, r.p_value, r.interval.low, r.interval.high, rho.r, rho.p_value, line.slope, line.intercept,
                    line.slope_error, line.p_value},
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
    std::vector<double> row{t.t,
                            t.p_value,
                            stats::paired_t_test(x, y, Alternative::less).p_value,
                            stats::paired_t_test(x, y, Alternative::greater).p_value,
                            t.interval.low,
                            t.interval.high};
    constexpr Alternative alternatives[] = {Alternative::two_sided, Alternative::less, Alternative::greater};
    for (const stats::ZeroMethod zeros : {stats::ZeroMethod::wilcoxon, stats::ZeroMethod::pratt}) {
      stats::SignedRankOptions options{zeros};
      options.method = stats::SignedRankMethod::exact;
      const stats::SignedRankTest test = stats::wilcoxon_signed_rank(x, y, options);
      row.insert(row.end(), {test.positive, test.negative});
      for (const Alternative alternative : alternatives) {
        options.alternative = alternative;
        row.push_back(stats::wilcoxon_signed_rank(x, y, options).p_value);
      }
      options.method = stats::SignedRankMethod::normal;
      for (const Alternative alternative : alternatives)
        for (const bool continuity : {false, true}) {
          options.alternative = alternative;
          options.continuity = continuity;
          row.push_back(stats::wilcoxon_signed_rank(x, y, options).p_value);
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
    std::vector<double> row{meng.statistic, meng.p_two_sided, meng.p_greater, meng.z_difference.low,
                            meng.z_difference.high};
    for (const stats::CorrelationDifference& test :
         {stats::hotelling_test(overlapping), stats::williams_test(overlapping), stats::dunn_clark_test(overlapping),
          stats::steiger_test(overlapping), stats::pearson_filon_test(nonoverlapping),
          stats::dunn_clark_test(nonoverlapping), stats::steiger_test(nonoverlapping)})
      row.insert(row.end(), {test.statistic, test.p_two_sided, test.p_greater});
    golden.compare(which, row, 1e-9);
    const double dunn = stats::dunn_clark_test(nonoverlapping).statistic;
    EXPECT_NEAR(stats::raghunathan_test(nonoverlapping).statistic, dunn, 1e-10 * std::max(1.0, std::fabs(dunn)));
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
    Column row = stats::holm(p);
    const Column second = stats::benjamini_hochberg(p);
    row.insert(row.end(), second.begin(), second.end());
    golden.compare(which, row);
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
                   {both.exact, less.exact, greater.exact, both.mid_p, less.mid_p, greater.mid_p,
                    stats::mcnemar(k, n - k).exact, wilson.low, wilson.high, exact.low, exact.high},
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
    means.insert(means.end(), errors.begin(), errors.end());
    means.insert(means.end(), widths.begin(), widths.end());
    golden.compare(which, means, 1e-9);
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
    golden.compare(which,
                   {measured.time, crossing.time, measured.threshold, stats::logit(accuracies[0]),
                    stats::inverse_logit(times[0] / 500), stats::inverse_logit(-times[0] / 100),
                    stats::geometric_mean(times), quartiles.low, quartiles.high, line.line.slope, line.line.intercept,
                    line.correlation.r, line.correlation.p_value},
                   1e-9);
  }
}

TEST(StatisticsGolden, BootstrapBands) {
  Golden golden("bands");
  ASSERT_EQ(golden.inputs(), 8u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    const auto [x, y] = regression_pair(which);
    Column row;
    for (const stats::Interval& at : stats::bootstrap_band(x, y, Column{-0.5, 0, 0.5, 1}, {which, 150, 0.95}))
      row.insert(row.end(), {at.low, at.high});
    golden.compare(which, row, 1e-9);
  }
}

}  // namespace
