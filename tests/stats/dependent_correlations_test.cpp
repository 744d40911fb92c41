// Worked examples of the papers that proposed the tests, and of papers that tabulate them. tests/golden/stats compares
// the same functions with NumPy on random data.
#include "tinyvision/stats/dependent_correlations.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace tv = tinyvision;
namespace stats = tinyvision::stats;

namespace dependent_correlations_test {

/// Half a unit of the last of `digits` decimals.
double half_unit(int digits) { return 0.5 * std::pow(10.0, -digits) * (1 + 1e-9); }

// K. May, J. B. Hittner, "A note on statistics for comparing dependent correlations", Psychological Reports 80 (1997):
// n = 50, r_kh = 0, 0.1 .. 0.8. Meng's 2.24 at (0.5, 0.2, 0.5) is printed for 2.245.
TEST(DependentCorrelations, MayAndHittnersTable) {
  struct Row {
    double jk, jh;
    double hotelling[9], meng[9];
  };
  const Row rows[] = {{0.5,
                       0.2,
                       {1.73, 1.80, 1.89, 2.01, 2.17, 2.38, 2.68, 3.16, 4.07},
                       {1.62, 1.70, 1.80, 1.91, 2.06, 2.24, 2.50, 2.87, 3.50}},
                      {0.7,
                       0.4,
                       {2.46, 2.42, 2.45, 2.53, 2.67, 2.89, 3.22, 3.78, 4.91},
                       {2.03, 2.10, 2.20, 2.32, 2.47, 2.66, 2.94, 3.35, 4.05}}};
  for (const Row& row : rows)
    for (int i = 0; i < 9; ++i) {
      const stats::OverlappingCorrelations r{row.jk, row.jh, 0.1 * i, 50};
      SCOPED_TRACE(tv::concat_text(r.jk, ", ", r.jh, ", ", r.kh));
      EXPECT_NEAR(stats::hotelling_test(r).statistic, row.hotelling[i], half_unit(2));
      EXPECT_NEAR(stats::meng_test(r).statistic, row.meng[i], half_unit(2) + 0.0005);
    }
}

// G. V. Glass, J. C. Stanley (2nd ed. 1984), p. 311; J. P. Guilford, B. Fruchter (6th ed. 1978), p. 164.
TEST(DependentCorrelations, HotellingInTextbooks) {
  EXPECT_NEAR(stats::hotelling_test({0.612, 0.541, 0.466, 157}).statistic, 1.158, half_unit(3));
  EXPECT_NEAR(stats::hotelling_test({0.55, 0.45, 0.60, 200}).statistic, 1.91, half_unit(2));
}

// N. C. Silver, J. B. Hittner, K. May, "A FORTRAN 77 program for comparing dependent correlations", Applied
// Psychological Measurement 30 (2006).
TEST(DependentCorrelations, SilverHittnerAndMaysProgram) {
  const stats::OverlappingCorrelations three{0.3, 0.4, 0.5, 100};
  const stats::NonoverlappingCorrelations four{
      .jk = 0.3, .hm = 0.4, .jh = 0.5, .jm = 0.8, .kh = 0.6, .km = 0.7, .n = 100};
  struct Case {
    stats::CorrelationDifference test;
    double statistic, p;
  };
  const Case cases[] = {
      {stats::williams_test(three), -1.0767, 0.2843},  {stats::dunn_clark_test(three), -1.0730, 0.2833},
      {stats::steiger_test(three), -1.0718, 0.2838},   {stats::meng_test(three), -1.0707, 0.2843},
      {stats::dunn_clark_test(four), -1.0723, 0.2836}, {stats::steiger_test(four), -1.0744, 0.2827}};
  for (const Case& c : cases) {
    EXPECT_NEAR(c.test.statistic, c.statistic, half_unit(4));
    EXPECT_NEAR(c.test.p_two_sided, c.p, half_unit(4));
    EXPECT_NEAR(c.test.p_greater, 1 - c.test.p_two_sided / 2, 1e-15);
  }
  EXPECT_EQ(stats::williams_test(three).df, 97);
  EXPECT_EQ(stats::steiger_test(three).df, 0);
}

// X.-L. Meng, R. Rosenthal, D. B. Rubin (1992), p. 173: n = 15, z = 1.68, one-sided p = 0.047, interval -0.129 to 1.671
// (1.672 from the unrounded z).
TEST(DependentCorrelations, MengRosenthalAndRubinsExample) {
  const stats::MengTest test = stats::meng_test({0.63, -0.03, -0.19, 15});
  EXPECT_NEAR(test.statistic, 1.68, half_unit(2));
  EXPECT_NEAR(test.p_greater, 0.047, half_unit(3));
  EXPECT_NEAR(test.z_difference.low, -0.129, half_unit(3));
  EXPECT_NEAR(test.z_difference.high, 1.671, half_unit(3) + 0.001);
}

// J. H. Steiger (1980), p. 249: case A prints -0.8913 from a covariance rounded to 0.0042, case B -1.4045 likewise;
// from unrounded covariances -0.8887185 and -1.4050 (Diedenhofen and Musch 2015).
TEST(DependentCorrelations, SteigersCases) {
  EXPECT_NEAR(stats::steiger_test(stats::OverlappingCorrelations{0.4, 0.5, 0.1, 103}).statistic, -0.8887185,
              half_unit(7));
  const stats::NonoverlappingCorrelations b{.jk = 0.5, .hm = 0.6, .jh = 0.8, .jm = 0.5, .kh = 0.5, .km = 0.7, .n = 103};
  EXPECT_NEAR(stats::steiger_test(b).statistic, -1.4050, half_unit(4));
}

// T. E. Raghunathan, R. Rosenthal, D. B. Rubin (1996), p. 180: Pearson and Filon's z = 2.88; ZPF 2.869174 from z values
// that are not rounded to two decimals (Diedenhofen and Musch 2015).
TEST(DependentCorrelations, RaghunathanRosenthalAndRubinsExample) {
  const stats::NonoverlappingCorrelations r{
      .jk = 0.38, .hm = 0.25, .jh = 0.45, .jm = 0.53, .kh = 0.31, .km = 0.55, .n = 603};
  EXPECT_NEAR(stats::pearson_filon_test(r).statistic, 2.88, half_unit(2));
  EXPECT_NEAR(stats::raghunathan_test(r).statistic, 2.869174, half_unit(6));
}

TEST(DependentCorrelations, ChangeSignWhenTheTwoSwap) {
  const stats::OverlappingCorrelations a{0.7, 0.2, 0.3, 30}, b{0.2, 0.7, 0.3, 30};
  for (const auto test : {&stats::hotelling_test, &stats::williams_test})
    EXPECT_DOUBLE_EQ(test(a).statistic, -test(b).statistic);
  EXPECT_DOUBLE_EQ(stats::meng_test(a).statistic, -stats::meng_test(b).statistic);
  EXPECT_DOUBLE_EQ(stats::meng_test(a).z_difference.low, -stats::meng_test(b).z_difference.high);
  EXPECT_NEAR(stats::meng_test(a).p_greater + stats::meng_test(b).p_greater, 1, 1e-15);
  EXPECT_EQ(stats::williams_test({0.5, 0.5, 0.1, 20}).statistic, 0);
  EXPECT_EQ(stats::williams_test({0.5, 0.5, 0.1, 20}).p_two_sided, 1);
}

template <class Call>
std::string message(Call&& call) {
  try {
    call();
  } catch (const tv::UsageError& error) {
    return error.what();
  }
  return "no UsageError";
}

TEST(DependentCorrelations, RefuseBadInput) {
  EXPECT_EQ(message([] { stats::meng_test({0.5, 0.2, 0.1, 3}); }), "[meng_test] at least 4 examples are needed, got 3");
  EXPECT_EQ(message([] {
              stats::williams_test({1, 0.2, 0.1, 9});
            }),
            "[williams_test] the correlation r_jk must be inside (-1, 1), got 1");
  EXPECT_EQ(message([] {
              stats::hotelling_test({0.1, std::nan(""), 0.1, 9});
            }),
            "[hotelling_test] the correlation r_jh is not a number");
  EXPECT_EQ(message([] {
              stats::meng_test({0.9, -0.9, 0.9, 9});
            }),
            "[meng_test] no data set has the correlations r_jk = 0.9, r_jh = -0.9, r_kh = 0.9: their matrix is not "
            "positive definite");
  EXPECT_EQ(
      message([] {
        stats::raghunathan_test({0.9, 0.1, 0.9, 0.2, -0.9, 0.3, 9});
      }),
      "[raghunathan_test] no data set has the correlations r_jk = 0.9, r_hm = 0.1, r_jh = 0.9, r_jm = 0.2, r_kh = "
      "-0.9, r_km = 0.3: their matrix is not positive definite");
  EXPECT_EQ(message([] {
              stats::pearson_filon_test({0.9, 0.1, 0.9, 0.2, -0.9, -1, 9});
            }),
            "[pearson_filon_test] the correlation r_km must be inside (-1, 1), got -1");
  EXPECT_EQ(message([] {
              stats::meng_test({0.5, 0.2, 0.1, 30}, 1);
            }),
            "[meng_test] confidence must be inside (0, 1), got 1");
  const std::vector<double> a{1, 2, 4, 3}, b{2, 2, 2, 2};
  EXPECT_EQ(message([&] { stats::overlapping_correlations(a, stats::Sample(b, "Pets"), a); }),
            "[pearson] column 'Pets' is constant (2): no correlation is defined");
}

}  // namespace dependent_correlations_test
