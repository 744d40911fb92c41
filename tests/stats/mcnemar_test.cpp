#include "tinyvision/stats/mcnemar.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace mcnemar_test {

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

}  // namespace mcnemar_test
