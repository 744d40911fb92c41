// Published worked examples, properties and error messages of the transforms, fits and tests.
// tests/stats/golden_test.cpp compares the same functions with SciPy and statsmodels.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tinyvision/stats/binomial_test.hpp"
#include "tinyvision/stats/linear_fit.hpp"
#include "tinyvision/stats/multiple_testing.hpp"
#include "tinyvision/stats/paired_tests.hpp"
#include "tinyvision/stats/training_speed.hpp"
#include "tinyvision/stats/transforms.hpp"
#include "tinyvision/stats/within_subject.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace statistics_test {

using Column = std::vector<double>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

template <class Call>
std::string message(Call&& call) {
  try {
    call();
  } catch (const tv::UsageError& error) {
    return error.what();
  }
  return "no UsageError";
}

TEST(Transforms, LogitAndItsInverse) {
  EXPECT_EQ(stats::logit(0.5), 0);
  EXPECT_DOUBLE_EQ(stats::logit(0.75), std::log(3.0));
  EXPECT_DOUBLE_EQ(stats::logit(0.2), -std::log(4.0));
  // Near 1/2 a plain log(p / (1 - p)) has lost half the digits: logit(1/2 + e) = 4 e + O(e^3).
  EXPECT_DOUBLE_EQ(stats::logit(0.5 + 0x1p-40), 0x1p-38);
  for (const double x : {-700.0, -30.0, -1.0, 0.0, 0.3, 5.0}) {
    const double p = stats::inverse_logit(x);
    EXPECT_NEAR(stats::logit(p), x, 1e-13 * std::max(1.0, std::fabs(x)));
  }
  EXPECT_EQ(stats::inverse_logit(infinity), 1);
  EXPECT_EQ(stats::inverse_logit(-infinity), 0);
}

TEST(Transforms, HalfIsAddedToBothCountsWhenAsked) {
  EXPECT_DOUBLE_EQ(stats::logit(stats::Accuracy{3, 4}), std::log(3.0));
  EXPECT_DOUBLE_EQ(stats::logit({4, 4}, stats::Boundary::add_half), std::log(9.0));
  EXPECT_DOUBLE_EQ(stats::logit({0, 4}, stats::Boundary::add_half), -std::log(9.0));
  EXPECT_DOUBLE_EQ(stats::logit({3, 4}, stats::Boundary::add_half), std::log(3.5 / 1.5));
}

TEST(Transforms, PercentagesAndFractionsAreNotConfused) {
  const std::vector<std::string> models{"ResNet-50", "NASNet"};
  const Column percent{76.0, 80.8}, fraction{0.76, 0.808};
  const Column logits = stats::logits(stats::Sample(percent, "Food-101", models), stats::Scale::percent);
  EXPECT_DOUBLE_EQ(logits[0], stats::logit(0.76));
  EXPECT_EQ(message([&] { stats::logits(stats::Sample(percent, "Food-101", models)); }),
            "[fractions] row 1 ('ResNet-50') of column 'Food-101' is 76, above 1: a percentage where a fraction is "
            "expected? Divide by 100");
  EXPECT_EQ(message([&] { stats::logits(stats::Sample(fraction, "Food-101", models), stats::Scale::percent); }),
            "[fractions] no value of column 'Food-101' is above 1 (the greatest is 0.808): fractions where percentages "
            "are expected? Multiply by 100");
  EXPECT_EQ(message([] { stats::logit(76.0); }),
            "[logit] the accuracy is 76, above 1: a percentage where a fraction is expected? Divide by 100");
  EXPECT_EQ(stats::fractions(Column{0, 50, 100}, stats::Scale::percent), (Column{0, 0.5, 1}));
}

TEST(Transforms, ColumnsOfUnlikeScalesAreNotCompared) {
  const Column percent{76.0, 80.8}, fraction{0.76, 1}, other{0.5, 80}, counts{0, 1};
  const auto compared = [](const Column& x, const Column& y) {
    return message([&] { stats::check_like_scales("t", stats::Sample(x, "a"), stats::Sample(y, "b")); });
  };
  EXPECT_EQ(
      compared(percent, fraction),
      "[t] column 'b' looks like fractions (0.76 to 1) and column 'a' like percentages (76 to 80.8): bring both to "
      "one scale");
  EXPECT_EQ(
      compared(fraction, percent),
      "[t] column 'a' looks like fractions (0.76 to 1) and column 'b' like percentages (76 to 80.8): bring both to "
      "one scale");
  for (const Column& x : {percent, fraction, other, counts, Column{-1, 5}, Column{}})
    for (const Column& y : {other, counts, Column{120, 130}, Column{0.5}, Column{}})
      EXPECT_EQ(compared(x, y), "no UsageError");
  EXPECT_EQ(compared(percent, percent), "no UsageError");
}

TEST(Transforms, RefuseBoundariesAndNonsense) {
  EXPECT_EQ(message([] { stats::logit(0.0); }), "[logit] the accuracy is 0, and an accuracy of 0 has no finite logit");
  EXPECT_EQ(message([] { stats::logit(1.0); }),
            "[logit] the accuracy is 1, and an accuracy of 1 (100 %) has no finite logit");
  EXPECT_EQ(message([] { stats::logit(-0.1); }), "[logit] the accuracy is -0.1, but an accuracy is never negative");
  EXPECT_EQ(message([] { stats::logit(nan); }), "[logit] the accuracy is not a number (a missing cell?)");
  EXPECT_EQ(message([] { stats::inverse_logit(nan); }), "[inverse_logit] the log-odds are not a number");
  EXPECT_EQ(message([] {
              stats::logit(stats::Accuracy{4, 4});
            }),
            "[logit] 4 correct of 4: an accuracy of 1 has no finite logit; add 1/2 to both counts (Boundary::add_half) "
            "or leave it out");
  EXPECT_EQ(message([] { stats::logit(stats::Accuracy{5, 4}); }), "[logit] 5 correct of 4 is no accuracy");
  const Column at_end{50, 100};
  EXPECT_EQ(message([&] { stats::logits(stats::Sample(at_end, "Pets"), stats::Scale::percent); }),
            "[logits] row 2 of column 'Pets' is 100, and an accuracy of 1 (100 %) has no finite logit");
}

TEST(Tables, MessagesNameRowAndColumn) {
  const stats::ScoreTable good{{"a", "b"}, {"Pets", "Cars"}, {0.5, 0.6, 0.7, 0.8}};
  EXPECT_DOUBLE_EQ(stats::logits(good)(1, 0), stats::logit(0.7));
  auto missing = good, short_by_one = good, twice = good, ones = good;
  missing.values[3] = nan;
  short_by_one.values.pop_back();
  twice.rows[1] = "a";
  ones.values[2] = 1;
  EXPECT_EQ(message([&] { stats::logits(missing); }),
            "[logits] row 2 ('b') of column 'Cars' is not a number (a missing cell?)");
  EXPECT_EQ(message([&] { stats::within_subject_means(short_by_one); }),
            "[within_subject_means] a table of 2 rows and 2 columns needs 4 cells, got 3");
  EXPECT_EQ(message([&] { stats::within_subject_means(twice); }),
            "[within_subject_means] rows 1 and 2 are both named 'a'");
  EXPECT_EQ(message([&] { stats::logits(ones); }),
            "[logits] row 2 ('b') of column 'Pets' is 1, and an accuracy of 1 (100 %) has no finite logit");
  EXPECT_EQ(message([] {
              stats::within_subject_means({{"a"}, {"Pets", "Cars"}, {0.5, 0.6}});
            }),
            "[within_subject_means] the table has 1 x 2 cells (rows x columns) and needs at least 2 x 2");
}

// With two rows Morey's error is that of the paired t-test: t = (a1 - a2) / (sqrt 2 * standard error).
TEST(WithinSubject, AgreesWithThePairedTTest) {
  const Column x{1.2, 0.4, 2.9, 3.3, -1.0}, y{0.7, 0.6, 2.0, 2.8, -1.9};
  stats::ScoreTable table{{"x", "y"}, {"1", "2", "3", "4", "5"}, x};
  table.values.insert(table.values.end(), y.begin(), y.end());
  const auto rows = stats::within_subject_means(table);
  EXPECT_NEAR((rows[0].adjusted_mean - rows[1].adjusted_mean) / (std::sqrt(2.0) * rows[0].standard_error),
              stats::paired_t_test(x, y).t, 1e-13);
  // How hard a data set is does not matter.
  stats::ScoreTable harder = table;
  for (std::size_t c = 0; c < 5; ++c)
    for (std::size_t r = 0; r < 2; ++r) harder.values[r * 5 + c] -= 10.0 * static_cast<double>(c);
  EXPECT_NEAR(stats::within_subject_means(harder)[1].standard_error, rows[1].standard_error, 1e-13);
}

// Kornblith, Shlens, Le (CVPR 2019), Table A.1 and appendix B: 16 networks, r = 0.37 has p = 0.16 and r = 0.55 p =
// 0.03; and t(11) = 5.6 has p = 0.0002.
TEST(Correlation, ThePapersPValues) {
  EXPECT_NEAR(stats::detail::correlation_p(0.37, 16), 0.16, 0.005);
  EXPECT_NEAR(stats::detail::correlation_p(0.55, 16), 0.03, 0.005);
  EXPECT_NEAR(stats::detail::student_p(5.6, 11), 0.0002, 0.00005);
}

TEST(Correlation, PerfectOnesAndRanks) {
  const Column x{1, 2, 3, 4}, up{1, 10, 100, 1000};
  const stats::Correlation rho = stats::spearman(x, up);
  EXPECT_EQ(rho.r, 1);
  EXPECT_EQ(rho.p_value, 0);
  EXPECT_EQ(rho.interval.low, 1);
  EXPECT_LT(stats::pearson(x, up).r, 0.9);
  EXPECT_EQ(stats::midranks(Column{5, 1, 5, 3, 5}), (Column{4, 1, 4, 2, 4}));
  EXPECT_EQ(stats::pearson(Column{1, 2, 4}, Column{0, 5, 1}).interval.low, -1);  // n = 3: no information
  // Extreme magnitudes neither overflow nor underflow.
  EXPECT_NEAR(stats::pearson(Column{1e100, 3e100, 2e100, 5e100}, Column{1, 3, 2, 5}).r, 1, 1e-15);
  EXPECT_NEAR(stats::pearson(Column{1e-100, 3e-100, 2e-100, 5e-100}, Column{1e-100, 3e-100, 2e-100, 5e-100}).r, 1,
              1e-15);
  EXPECT_NEAR(stats::pearson(Column{1e-100, 3e-100, 2e-100, 5e-100}, Column{1, 3, 2, 5}).r, 1, 1e-15);
}

TEST(Correlation, RefusesBadInput) {
  const Column x{1, 2, 3}, flat{2, 2, 2}, gap{1, nan, 3};
  const std::vector<std::string> rows{"a", "b", "c"};
  EXPECT_EQ(message([&] { stats::pearson(x, stats::Sample(flat, "Cars")); }),
            "[pearson] column 'Cars' is constant (2): no correlation is defined");
  EXPECT_EQ(message([&] { stats::spearman(flat, x); }),
            "[spearman] the sample is constant (2): no correlation is defined");
  EXPECT_EQ(message([&] { stats::pearson(x, stats::Sample(gap, "Cars", rows)); }),
            "[pearson] row 2 ('b') of column 'Cars' is not a number (a missing cell?)");
  EXPECT_EQ(message([&] {
              stats::pearson(x, Column{1, 2});
            }),
            "[pearson] the samples must be paired, but the sample has 3 values and the other sample has 2");
  EXPECT_EQ(message([&] {
              stats::pearson(Column{1, 2}, Column{1, 2});
            }),
            "[pearson] the sample has 2 values and needs at least 3");
  EXPECT_EQ(message([&] { stats::pearson(Column{1}, Column{1}); }),
            "[pearson] the sample has 1 value and needs at least 3");
  EXPECT_EQ(message([&] { stats::pearson(Column{1, infinity, 2}, x); }), "[pearson] row 2 of the sample is infinite");
  EXPECT_EQ(message([&] {
              stats::pearson(x, Column{1, 2, -1e200});
            }),
            "[pearson] row 3 of the sample is -1e+200: magnitudes above 1e150 are not supported");
  EXPECT_EQ(message([&] { stats::fisher_interval(1.5, 9); }),
            "[fisher_interval] a correlation is inside [-1, 1], got 1.5");
  // 0.1 + 0.2 and 0.3 differ by rounding alone.
  EXPECT_NE(message([&] { stats::pearson(Column{0.1 + 0.2, 0.3, 0.3}, x); }), "no UsageError");
}

TEST(LinearFit, ErrorsAndPValueAreThoseOfTheCorrelation) {
  const Column x{1, 2, 4, 7, 8}, y{1, 3, 3, 6, 9};
  const stats::LinearFit fit = stats::linear_fit(x, y);
  EXPECT_NEAR(fit.p_value, stats::pearson(x, y).p_value, 1e-14);
  EXPECT_NEAR(fit(4.4), 4.4, 1e-14);  // through the means: 22 / 5 and 22 / 5
  EXPECT_EQ(stats::linear_fit(Column{0, 1, 2}, Column{1, 3, 5}).residual_deviation, 0);
  EXPECT_EQ(stats::linear_fit(Column{0, 1, 2}, Column{1, 3, 5}).p_value, 0);
  EXPECT_EQ(stats::linear_fit(Column{0, 1, 2}, Column{4, 4, 4}).p_value, 1);
  EXPECT_EQ(message([] {
              stats::linear_fit(Column{2, 2, 2}, Column{1, 2, 3});
            }),
            "[linear_fit] the sample is constant (2): no line is defined");
}

TEST(BootstrapBand, IsRepeatableAndContainsTheLine) {
  const Column x{1, 2, 3, 4, 5, 6, 7, 8}, y{1.1, 1.7, 3.4, 3.8, 5.3, 5.6, 7.2, 7.9};
  const stats::BandOptions options{5, 2000, 0.95};
  const auto band = stats::bootstrap_band(x, y, Column{1, 4.5, 8}, options);
  const stats::LinearFit fit = stats::linear_fit(x, y);
  const double at[] = {1, 4.5, 8};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LT(band[i].low, fit(at[i]));
    EXPECT_GT(band[i].high, fit(at[i]));
  }
  EXPECT_LT(band[1].high - band[1].low, band[2].high - band[2].low);  // narrowest near the mean
  const auto again = stats::bootstrap_band(x, y, Column{8}, options);
  EXPECT_EQ(again[0].low, band[2].low);  // whatever the grid
  EXPECT_NE(stats::bootstrap_band(x, y, Column{8}, {6, 2000, 0.95})[0].low, band[2].low);
  const auto narrower = stats::bootstrap_band(x, y, Column{8}, {5, 2000, 0.5});
  EXPECT_GT(narrower[0].low, band[2].low);
  EXPECT_LT(narrower[0].high, band[2].high);
}

// A third of the resamples of x have no line; they are drawn again, and every band is finite.
TEST(BootstrapBand, DrawsAgainWhereAllXAreEqual) {
  const auto band = stats::bootstrap_band(Column{0, 0, 1}, Column{1, 2, 5}, Column{0, 1}, {1, 500, 0.95});
  EXPECT_GE(band[0].low, 1 - 1e-12);  // between the two values at 0
  EXPECT_LE(band[0].high, 2 + 1e-12);
  EXPECT_NEAR(band[1].low, 5, 1e-12);
  EXPECT_NEAR(band[1].high, 5, 1e-12);
  EXPECT_EQ(message([] {
              stats::bootstrap_band(Column{1, 1, 1}, Column{1, 2, 3}, Column{1});
            }),
            "[linear_fit] the sample is constant (1): no line is defined");
  EXPECT_EQ(message([] {
              stats::bootstrap_band(Column{1, 2, 3}, Column{1, 2, 3}, Column{1}, {0, 1, 0.9});
            }),
            "[bootstrap_band] at least 2 resamples are needed, got 1");
}

// Student (1908), hours of sleep gained by two drugs: R's documentation of `sleep` and `t.test` gives t = -4.0621, 9
// degrees of freedom, p = 0.002833, interval -2.4598858 to -0.7001142.
TEST(PairedTTest, StudentsSleep) {
  const Column first{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
  const Column second{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  const stats::PairedTTest test = stats::paired_t_test(first, second);
  EXPECT_NEAR(test.t, -4.0621, 5e-5);
  EXPECT_EQ(test.df, 9);
  EXPECT_NEAR(test.p_value, 0.002833, 5e-7);
  EXPECT_NEAR(test.interval.low, -2.4598858, 5e-8);
  EXPECT_NEAR(test.interval.high, -0.7001142, 5e-8);
  EXPECT_EQ(message([&] { stats::paired_t_test(stats::Sample(first, "a"), stats::Sample(first, "b")); }),
            "[paired_t_test] all 10 differences between column 'a' and column 'b' are equal (0): t is not defined");
  EXPECT_EQ(message([] { stats::paired_t_test(Column{1}, Column{2}); }),
            "[paired_t_test] the sample has 1 value and needs at least 2");
}

// M. Hollander, D. A. Wolfe, "Nonparametric statistical methods" (1973), depression scores; R's documentation of
// `wilcox.test` gives V = 40 and p = 0.01953 against "greater".
TEST(SignedRank, HollanderAndWolfesDepressionScores) {
  const Column x{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
  const Column y{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
  stats::SignedRankOptions options;
  options.alternative = stats::Alternative::greater;
  const stats::SignedRankTest test = stats::wilcoxon_signed_rank(x, y, options);
  EXPECT_EQ(test.statistic, 40);
  EXPECT_TRUE(test.exact);
  EXPECT_NEAR(test.p_value, 0.01953, 5e-6);
  EXPECT_DOUBLE_EQ(stats::wilcoxon_signed_rank(x, y).p_value, 2 * test.p_value);
}

// Differences 0, 1, 1, -2 by hand. Dropped zero: ranks 1.5 1.5 3, W+ = 3 of sums 0 1.5 1.5 3 3 4.5 4.5 6.
// Pratt: ranks 2.5 2.5 4, W+ = 5 of 0 2.5 2.5 4 5 6.5 6.5 9.
TEST(SignedRank, ZerosAndTiesByHand) {
  const Column d{0, 1, 1, -2}, zero(4, 0);
  stats::SignedRankOptions options;
  options.alternative = stats::Alternative::less;
  const auto dropped = stats::wilcoxon_signed_rank(d, zero, options);
  EXPECT_EQ(dropped.positive, 3);
  EXPECT_EQ(dropped.negative, 3);
  EXPECT_EQ(dropped.zeros, 1);
  EXPECT_EQ(dropped.nonzero, 3);
  EXPECT_TRUE(dropped.ties);
  EXPECT_DOUBLE_EQ(dropped.p_value, 5.0 / 8);
  options.zeros = stats::ZeroMethod::pratt;
  const auto kept = stats::wilcoxon_signed_rank(d, zero, options);
  EXPECT_EQ(kept.positive, 5);
  EXPECT_EQ(kept.negative, 4);
  EXPECT_DOUBLE_EQ(kept.p_value, 5.0 / 8);
  options.alternative = stats::Alternative::greater;
  EXPECT_DOUBLE_EQ(stats::wilcoxon_signed_rank(d, zero, options).p_value, 4.0 / 8);
  EXPECT_EQ(stats::wilcoxon_signed_rank(zero, zero).p_value, 1);
}

TEST(SignedRank, RoundsToTheResolution) {
  const Column x{0.3, 0.2, 0.4}, y{0.2, 0.1, 0.4};
  EXPECT_FALSE(stats::wilcoxon_signed_rank(x, y).ties);  // 0.3 - 0.2 is not 0.2 - 0.1 in floating point
  stats::SignedRankOptions options;
  options.resolution = 0.1;
  EXPECT_TRUE(stats::wilcoxon_signed_rank(x, y, options).ties);
  EXPECT_EQ(stats::wilcoxon_signed_rank(x, y, options).positive, 3);
}

TEST(SignedRank, ChoosesItsMethod) {
  Column x(51, 0), zero(51, 0);
  for (std::size_t i = 0; i < 51; ++i) x[i] = (i % 3 == 0 ? -1.0 : 1.0) * static_cast<double>(i + 1);
  EXPECT_FALSE(stats::wilcoxon_signed_rank(x, zero).exact);
  stats::SignedRankOptions options;
  options.method = stats::SignedRankMethod::exact;
  const double exact = stats::wilcoxon_signed_rank(x, zero, options).p_value;
  EXPECT_NEAR(stats::wilcoxon_signed_rank(x, zero).p_value, exact, 0.05 * exact);
  x[0] = 0;
  EXPECT_TRUE(stats::wilcoxon_signed_rank(x, zero).exact);  // 50 are left
  EXPECT_EQ(
      message([&] { stats::wilcoxon_signed_rank(Column(1001, 1.0), Column(1001, 0.0), options); }),
      "[wilcoxon_signed_rank] the exact test takes at most 1000 differences other than 0, got 1001; use the normal "
      "approximation");
  EXPECT_EQ(stats::wilcoxon_signed_rank(Column(1000, 1.0), Column(1000, 0.0), options).p_value, 0x1p-999);
  EXPECT_EQ(message([] { stats::wilcoxon_signed_rank(Column{}, Column{}); }),
            "[wilcoxon_signed_rank] the sample has 0 values and needs at least 1");
}

TEST(BinomialTest, ByHand) {
  // 2 of 3 at 1/3: P = 1/27 + 6/27; two-sided adds 0 of 3 (8/27)? No: 8/27 is more likely than 6/27.
  EXPECT_NEAR(stats::binomial_test({2, 3}, 1.0 / 3).exact, 7.0 / 27, 1e-15);
  EXPECT_NEAR(stats::binomial_test({2, 3}, 1.0 / 3, stats::Alternative::greater).mid_p, 4.0 / 27, 1e-15);
  EXPECT_EQ(stats::binomial_test({0, 0}).exact, 1);
  EXPECT_EQ(message([] { stats::binomial_test({4, 3}); }), "[binomial_test] 4 successes of 3 trials");
  EXPECT_EQ(message([] {
              stats::binomial_test({1, 3}, 1);
            }),
            "[binomial_test] the probability must be inside (0, 1), got 1");
}

// Benjamini and Hochberg (1995), section 3.2: at 0.05 their procedure rejects 4 of 15 hypotheses, Bonferroni's and
// Holm's 3.
TEST(MultipleTesting, BenjaminiAndHochbergsExample) {
  const Column p{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
  const Column step_down = stats::holm(p), step_up = stats::benjamini_hochberg(p);
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_EQ(step_down[i] <= 0.05, i < 3) << i;
    EXPECT_EQ(step_up[i] <= 0.05, i < 4) << i;
    EXPECT_LE(step_up[i], step_down[i]);
  }
  EXPECT_DOUBLE_EQ(step_down[0], 0.0015);
  EXPECT_TRUE(stats::holm(Column{}).empty());
  EXPECT_EQ(message([] {
              stats::holm(Column{0.5, 1.5});
            }),
            "[holm] row 2 of the sample is 1.5: a p-value is inside [0, 1]");
  EXPECT_EQ(message([] {
              stats::benjamini_hochberg(Column{0.5, nan});
            }),
            "[benjamini_hochberg] row 2 of the sample is not a number (a missing cell?)");
}

TEST(TrainingSpeed, TimeToNineTenthsOfTheOdds) {
  // Odds 1, 4, 9, 8: 0.9 * 9 = 8.1 is first reached at 300.
  const Column times{100, 200, 300, 400}, accuracies{0.5, 0.8, 0.9, 8.0 / 9};
  const stats::TimeToOdds at = stats::time_to_odds(times, accuracies);
  EXPECT_EQ(at.time, 300);
  EXPECT_NEAR(at.greatest_odds, 9, 1e-13);
  EXPECT_NEAR(at.threshold, 8.1 / 9.1, 1e-15);
  // log 8.1 lies between log 4 and log 9, so does log time between log 200 and log 300.
  const double part = std::log(8.1 / 4) / std::log(9.0 / 4);
  EXPECT_NEAR(stats::time_to_odds(times, accuracies, 0.9, stats::Crossing::interpolated).time,
              200 * std::pow(1.5, part), 1e-10);
  EXPECT_EQ(stats::time_to_odds(times, accuracies, 0.4).time, 200);  // 3.6
  EXPECT_EQ(stats::time_to_odds(times, accuracies, 1).time, 300);
  EXPECT_EQ(stats::time_to_odds(times, accuracies, 0.9, stats::Crossing::measured, 0.8).time, 200);
  EXPECT_EQ(stats::time_to_odds(Column{7}, Column{0.3}).time, 7);
  EXPECT_NEAR(stats::geometric_mean_speed_up(Column{100, 400}, Column{10, 10}), 20, 1e-13);
}

TEST(TrainingSpeed, RefusesBadInput) {
  const Column times{1, 2};
  EXPECT_EQ(message([&] {
              stats::time_to_odds(times, Column{0.5, 0.6}, 0.9, stats::Crossing::measured, 0.9);
            }),
            "[time_to_odds] the sample never reaches the threshold accuracy 0.89011");
  EXPECT_EQ(message([&] {
              stats::time_to_odds(Column{2, 2}, Column{0.5, 0.6});
            }),
            "[time_to_odds] row 2 of the sample is 2: times must be positive and increasing");
  EXPECT_EQ(message([&] {
              stats::time_to_odds(times, Column{50, 60});
            }),
            "[fractions] row 1 of the sample is 50, above 1: a percentage where a fraction is expected? Divide by 100");
  const Column zero{0, 1};
  EXPECT_EQ(message([&] { stats::geometric_mean(stats::Sample(zero, "steps")); }),
            "[geometric_mean] row 1 of column 'steps' is 0: a geometric mean needs positive values");
  EXPECT_EQ(message([] {
              stats::fisher_z_regression(Column{10, 20, 30}, Column{0.1, 1, 0.2});
            }),
            "[fisher_z_regression] row 2 of the sample is 1: a correlation must be inside (-1, 1) to have a finite z");
  EXPECT_EQ(message([] {
              stats::fisher_z_regression(Column{10, 0, 30}, Column{0.1, 0.5, 0.2});
            }),
            "[fisher_z_regression] row 2 of the sample is 0: a size must be positive");
}

}  // namespace statistics_test
