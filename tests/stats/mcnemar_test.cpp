#include "tinyvision/stats/mcnemar.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tinyvision/stats/permutation_test.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace {

struct Case {
  Index only_first, only_second;
  double exact, mid_p;
};

// SciPy 1.17.1, statsmodels 0.15.0; printed by tests/oracle/make_stats_golden.py.
constexpr Case cases[] = {
    {0, 0, 1, 1},
    {1, 0, 1, 0.49999999999999989},
    {0, 5, 0.0625, 0.031250000000000028},
    {5, 0, 0.0625, 0.031250000000000028},
    {4, 4, 1, 1},
    {3, 9, 0.14599609375, 0.092285156249999986},
    {9, 3, 0.14599609375, 0.092285156249999986},
    {1, 20, 2.09808349609375e-05, 1.0967254638671865e-05},
    {10, 12, 0.83181190490722656, 0.67763948440551769},
    {59, 6, 4.9646503271286161e-12, 2.7258031986068867e-12},
    {121, 86, 0.017905614973719838, 0.015031765413701791},
    {700, 1000, 3.5852615719384892e-13, 3.0394225163700311e-13},
    {2000, 2000, 1, 1},
    {2000, 2001, 0.99999999999999933, 0.98738827798663176},
    {100, 900, 1.3403435580012363e-161, 7.4444995996493942e-162},
};

TEST(McNemar, MatchesStatsmodels) {
  for (const Case& c : cases) {
    SCOPED_TRACE(tv::concat_text(c.only_first, " against ", c.only_second));
    const stats::McNemar result = stats::mcnemar(c.only_first, c.only_second);
    EXPECT_NEAR(result.exact, c.exact, 1e-11 * c.exact);
    EXPECT_NEAR(result.mid_p, c.mid_p, 1e-11 * c.mid_p);
  }
}

// All 2^n outcomes of n fair coins, counted.
TEST(McNemar, MatchesCountingByHand) {
  for (int n = 1; n <= 12; ++n) {
    std::vector<double> probability(static_cast<std::size_t>(n) + 1, 0);
    for (unsigned word = 0; word < (1u << n); ++word)
      probability[static_cast<std::size_t>(__builtin_popcount(word))] += std::ldexp(1.0, -n);
    for (int b = 0; b <= n; ++b) {
      double tail = 0;
      for (int i = 0; i <= std::min(b, n - b); ++i) tail += probability[static_cast<std::size_t>(i)];
      const stats::McNemar result = stats::mcnemar(b, n - b);
      EXPECT_NEAR(result.exact, std::min(1.0, 2 * tail), 1e-14);
      EXPECT_NEAR(result.mid_p, 2 * tail - probability[static_cast<std::size_t>(std::min(b, n - b))], 1e-14);
    }
  }
}

TEST(McNemar, CountsDiscordantExamples) {
  const std::vector<std::uint8_t> first{1, 1, 0, 0, 1, 1}, second{1, 0, 1, 0, 0, 0};
  const stats::McNemar result = stats::mcnemar(first, second);
  EXPECT_EQ(result.only_first, 3);
  EXPECT_EQ(result.only_second, 1);
  EXPECT_DOUBLE_EQ(result.exact, 0.625);
}

TEST(McNemar, RefusesBadInput) {
  EXPECT_THROW(stats::mcnemar(-1, 3), tv::Error);
  EXPECT_THROW(stats::mcnemar(std::vector<std::uint8_t>{1}, std::vector<std::uint8_t>{1, 0}), tv::Error);
}

// The same data as in tests/oracle/make_stats_golden.py, which enumerates all sign patterns.
const std::vector<Index> labels{0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
const std::vector<std::uint8_t> first_hits{1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1};
const std::vector<std::uint8_t> second_hits{0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0};

TEST(PermutationTest, ApproachesTheEnumeratedValue) {
  const auto result = stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3, 7, 40000);
  EXPECT_NEAR(result.difference, 0.32564102564102571, 1e-14);
  // Five standard deviations of a proportion of 40,000.
  const double p = 0.1865234375;
  EXPECT_NEAR(result.p_value, p, 5 * std::sqrt(p * (1 - p) / 40000));
  EXPECT_DOUBLE_EQ(result.p_value, static_cast<double>(result.as_extreme + 1) / 40001);
}

TEST(PermutationTest, IsAFunctionOfTheSeed) {
  const auto p = [](std::uint64_t seed) {
    return stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3, seed, 1000).as_extreme;
  };
  EXPECT_EQ(p(1), p(1));
  EXPECT_NE(p(1), p(2));
}

TEST(PermutationTest, WithoutDifferenceIsOne) {
  EXPECT_EQ(stats::permutation_test_mean_per_class(first_hits, first_hits, labels, 3, 0, 50).p_value, 1);
}

// One class only: top-1 accuracy, where the test is McNemar's. With 9 against 3, see the cases above.
TEST(PermutationTest, OfOneClassIsMcNemar) {
  const std::vector<std::uint8_t> a{1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0}, b{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1};
  const auto result = stats::permutation_test_mean_per_class(a, b, std::vector<Index>(12, 0), 1, 3, 40000);
  EXPECT_NEAR(result.p_value, 0.14599609375, 5 * std::sqrt(0.146 * 0.854 / 40000));
}

TEST(PermutationTest, RefusesBadInput) {
  EXPECT_THROW(stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 2), tv::Error);
  EXPECT_THROW(stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3, 0, 0), tv::Error);
  EXPECT_THROW(stats::permutation_test_mean_per_class({}, {}, {}, 3), tv::Error);
}

}  // namespace
