#include "tinyvision/stats/intervals.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tinyvision/stats/correlation.hpp"
#include "tinyvision/stats/correlation_interval.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using stats::Accuracy;
using tv::Index;

namespace intervals_test {

struct Case {
  Index correct, total;
  double confidence, wilson_low, wilson_high, exact_low, exact_high;
};

// SciPy 1.17.1, statsmodels 0.15.0; printed by tests/oracle/make_stats_golden.py.
constexpr Case cases[] = {
    {0, 1, 0.95, 0, 0.79345068562276255, 0, 0.97499999999999998},
    {1, 1, 0.95, 0.20654931437723745, 1, 0.025000000000000022, 1},
    {1, 2, 0.95, 0.094531205734230739, 0.90546879426576932, 0.012579117093678991, 0.98742088290632102},
    {0, 20, 0.95, 0, 0.16112515805281938, 0, 0.16843347098308548},
    {3, 20, 0.95, 0.052368745896216595, 0.36041886474075696, 0.032070937185544768, 0.37892682654529564},
    {20, 20, 0.95, 0.83887484194718065, 1, 0.83156652901691452, 1},
    {81, 263, 0.95, 0.25528851987827422, 0.36620957698280004, 0.25273674558504267, 0.36762192260134746},
    {4517, 5000, 0.95, 0.89489933475731398, 0.91128128331341407, 0.89487459473305586, 0.91145099930585494},
    {4517, 5000, 0.99, 0.89209805989002411, 0.9136327519849663, 0.89215066209304039, 0.91387235399119215},
    {4999, 5000, 0.95, 0.9988679109191605, 0.99996469421656076, 0.99888618061966605, 0.99999493645123383},
    {38000, 50000, 0.95, 0.75623663655316475, 0.76372341534427979, 0.75623149004493018, 0.76373830347271465},
    {500000, 1000000, 0.9, 0.49917757429907772, 0.50082242570092228, 0.49917707394947464, 0.50082292605052536},
};

TEST(Intervals, MatchStatsmodelsAndSciPy) {
  for (const Case& c : cases) {
    SCOPED_TRACE(tv::concat_text(c.correct, " of ", c.total, " at ", c.confidence));
    const stats::Interval wilson = stats::wilson_interval({c.correct, c.total}, c.confidence);
    EXPECT_NEAR(wilson.low, c.wilson_low, 1e-12);
    EXPECT_NEAR(wilson.high, c.wilson_high, 1e-12);
    const stats::Interval exact = stats::clopper_pearson_interval({c.correct, c.total}, c.confidence);
    EXPECT_NEAR(exact.low, c.exact_low, 1e-12);
    EXPECT_NEAR(exact.high, c.exact_high, 1e-12);
  }
}

// The definition, not the closed form: the ends solve |k/n - p| = z sqrt(p (1 - p) / n).
TEST(Intervals, WilsonEndsSolveTheScoreEquation) {
  const double z = 1.959963984540054;
  const stats::Interval interval = stats::wilson_interval({37, 50});
  for (const double p : {interval.low, interval.high})
    EXPECT_NEAR(std::fabs(0.74 - p), z * std::sqrt(p * (1 - p) / 50), 1e-14);
}

// The definition: at the low end, P(X >= k) = 2.5 %; at the high end, P(X <= k) = 2.5 %. Summed term by term.
TEST(Intervals, ClopperPearsonEndsHaveTheirTails) {
  const int k = 3, n = 20;
  const auto lower_tail = [](int last, int trials, double p) {
    double sum = 0;
    for (int i = 0; i <= last; ++i) {
      double term = 1;
      for (int j = 0; j < i; ++j) term *= static_cast<double>(trials - j) / (i - j) * p;
      sum += term * std::pow(1 - p, trials - i);
    }
    return sum;
  };
  const stats::Interval interval = stats::clopper_pearson_interval({k, n});
  EXPECT_NEAR(lower_tail(k, n, interval.high), 0.025, 1e-13);
  EXPECT_NEAR(1 - lower_tail(k - 1, n, interval.low), 0.025, 1e-13);
}

TEST(Intervals, MirrorWhenRightAndWrongSwap) {
  for (const Index k : {0, 1, 7, 19}) {
    const auto a = stats::wilson_interval({k, 23}), b = stats::wilson_interval({23 - k, 23});
    EXPECT_NEAR(a.low, 1 - b.high, 1e-15);
    const auto c = stats::clopper_pearson_interval({k, 23}), d = stats::clopper_pearson_interval({23 - k, 23});
    EXPECT_NEAR(c.low, 1 - d.high, 1e-14);
  }
}

TEST(Intervals, RefuseBadInput) {
  for (const Accuracy a : {Accuracy{0, 0}, Accuracy{-1, 5}, Accuracy{6, 5}, Accuracy{0, -3}}) {
    EXPECT_THROW(stats::wilson_interval(a), tv::Error);
    EXPECT_THROW(stats::clopper_pearson_interval(a), tv::Error);
  }
  for (const double confidence : {0.0, 1.0, -0.5, std::nan("")}) {
    EXPECT_THROW(stats::wilson_interval({1, 2}, confidence), tv::Error);
    EXPECT_THROW(stats::clopper_pearson_interval({1, 2}, confidence), tv::Error);
  }
  try {
    stats::wilson_interval({0, 0});
    FAIL();
  } catch (const tv::Error& error) {
    EXPECT_STREQ(error.what(), "[wilson_interval] no examples: an interval needs total > 0, got 0 of 0");
  }
}

// Hotelling's series against Fisher's double integral in 20 digits; printed by tests/oracle/make_stats_golden.py.
TEST(CorrelationInterval, MatchesFishersIntegral) {
  const struct {
    double r;
    Index n;
    double confidence, low, high;
  } correlations[] = {
      {0, 3, 0.95, -0.95, 0.95},
      {0.986, 3, 0.95, -0.425804624155965, 0.999277946557044},
      {-0.275, 3, 0.9, -0.930122720993155, 0.861375028424492},
      {0.3, 4, 0.95, -0.811360464584024, 0.924379247272799},
      {0.9, 5, 0.99, -0.362420659654405, 0.994351720135557},
      {-0.986, 8, 0.95, -0.996796690197596, -0.911312845182807},
      {0.9, 16, 0.95, 0.71830789213749, 0.961933395783437},
      {0.3, 60, 0.95, 0.0491545811264216, 0.511443160978319},
  };
  for (const auto& c : correlations) {
    SCOPED_TRACE(tv::concat_text(c.r, " of ", c.n, " pairs"));
    const stats::Interval interval = stats::exact_correlation_interval(c.r, c.n, c.confidence);
    EXPECT_NEAR(interval.low, c.low, 1e-12);
    EXPECT_NEAR(interval.high, c.high, 1e-12);
  }
}

// Under independence the tail is Student's; 0 is an end of the interval of which p is the error.
TEST(CorrelationInterval, AgreesWithThePValue) {
  for (const Index n : {3, 4, 7, 16, 30, 100, 1000})
    for (const double r : {0.05, 0.3, 0.7})
      if (const double p = stats::detail::correlation_p(r, n); p > 1e-6) {
        SCOPED_TRACE(tv::concat_text(r, " of ", n, " pairs"));
        EXPECT_NEAR(stats::exact_correlation_interval(r, n, 1 - p).low, 0, 1e-9);
        EXPECT_NEAR(stats::exact_correlation_interval(-r, n, 1 - p).high, 0, 1e-9);
      }
}

TEST(CorrelationInterval, EndsAndBadInput) {
  EXPECT_EQ(stats::exact_correlation_interval(1, 3).low, 1);
  EXPECT_EQ(stats::exact_correlation_interval(-1, 5).high, -1);
  EXPECT_GT(stats::exact_correlation_interval(1 - 1e-12, 3).low, 0.999);
  EXPECT_THROW(stats::exact_correlation_interval(0.5, 2), tv::UsageError);
  EXPECT_THROW(stats::exact_correlation_interval(1.1, 5), tv::UsageError);
  EXPECT_THROW(stats::exact_correlation_interval(std::nan(""), 5), tv::UsageError);
  EXPECT_THROW(stats::exact_correlation_interval(0.5, 5, 1), tv::UsageError);
}

}  // namespace intervals_test
