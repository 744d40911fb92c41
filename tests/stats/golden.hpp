// What the comparisons with SciPy, statsmodels, scikit-learn and NumPy share: the generator of their inputs, and the golden
// files of tests/golden/stats.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace stats_golden {

using Column = std::vector<double>;

/// Few levels make ties and zeros.
constexpr std::int64_t level_counts[] = {1 << 20, 16, 4, 1 << 20};

/// The generator of tests/oracle/make_stats_tests_golden.py.
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

/// Numbers of one input by the function that gives them.
using Results = std::vector<std::pair<std::string, Column>>;

/// Compares rows of one golden file; at the end it prints each function's largest relative difference.
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
  Golden(const Golden&) = delete;
  Golden& operator=(const Golden&) = delete;
  ~Golden() {
    for (const auto& [function, worst] : worst_)
      std::printf("%-42s %4zu inputs %6zu numbers  largest relative difference %.1e (input %zu)\n", function.c_str(),
                  inputs(), worst.compared, worst.difference, worst.input);
  }

  std::size_t inputs() const { return rows_.size(); }

  /// |a - b| <= 1e-10 |b|; `floor` is the size below which a number is a difference of larger ones that cancelled.
  void compare(std::size_t which, const Results& actual, double floor = 0) {
    const Column& expected = rows_[which];
    std::size_t at = 0;
    for (const auto& [function, numbers] : actual)
      for (const double number : numbers) {
        ASSERT_LT(at, expected.size()) << name_ << ", input " << which;
        compare_one(which, at, function, number, expected[at], floor);
        ++at;
      }
    EXPECT_EQ(at, expected.size()) << name_ << ", input " << which;
  }

 private:
  struct Worst {
    double difference = 0;
    std::size_t compared = 0, input = 0;
  };

  void compare_one(std::size_t which, std::size_t at, const std::string& function, double actual, double expected,
                   double floor) {
    Worst& worst = worst_[function];
    ++worst.compared;
    if (actual == expected || (std::isnan(actual) && std::isnan(expected))) return;
    const double difference = std::fabs(actual - expected) / std::max(std::fabs(expected), floor);
    EXPECT_LE(difference, 1e-10) << name_ << ", input " << which << ", number " << at << " (" << function
                                 << "): " << actual << " instead of " << expected;
    if (difference > worst.difference) worst.difference = difference, worst.input = which;
  }

  std::string name_;
  std::vector<Column> rows_{};
  std::map<std::string, Worst> worst_{};
};

}  // namespace stats_golden
