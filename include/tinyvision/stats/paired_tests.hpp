// Tests of paired differences: Student's paired t-test and Wilcoxon's signed-rank test.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tinyvision/stats/correlation.hpp"
#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

struct PairedTTest {
  double mean_difference = 0;  ///< mean of x - y
  double t = 0;
  Index df = 0;  ///< degrees of freedom, n - 1
  double p_value = 1;
  Interval interval;  ///< of the mean difference, two-sided
};

/// t = mean(d) / (sd(d) / sqrt n), d = x - y, sd with divisor n - 1; Student's t with n - 1 degrees of freedom. Assumes
/// independent, normally distributed differences. Zeros and ties need no treatment. `Alternative::greater`: x is
/// greater. Throws UsageError when n < 2, on values that are not finite, and when all differences are equal (up to
/// rounding, 1e-13 of their mean): t is then undefined or infinite (SciPy answers NaN, or infinity with a warning).
/// Student (W. S. Gosset), "The probable error of a mean", Biometrika 6 (1908).
inline PairedTTest paired_t_test(const Sample& x, const Sample& y, Alternative alternative = Alternative::two_sided,
                                 double confidence = 0.95) {
  constexpr std::string_view where = "paired_t_test";
  detail::check_pair(where, x, y, 2);
  detail::check_confidence(where, confidence);
  const std::size_t n = x.values.size();
  std::vector<double> differences(n);
  for (std::size_t i = 0; i < n; ++i) differences[i] = x[i] - y[i];
  PairedTTest result;
  result.mean_difference = detail::mean(differences);
  const double squares = detail::squared_deviations(differences, result.mean_difference);
  if (detail::constant(differences, result.mean_difference, squares))
    fail_usage(where, "all ", n, " differences between ", detail::sample_text(x), " and ",
               y.name.empty() ? "the other" : detail::sample_text(y), " are equal (", differences[0],
               "): t is not defined");
  result.df = static_cast<Index>(n) - 1;
  const double df = static_cast<double>(result.df);
  const double error = std::sqrt(squares / df / static_cast<double>(n));
  result.t = result.mean_difference / error;
  result.p_value = detail::student_p(result.t, df, alternative);
  const double half_width = detail::student_quantile_two_sided(confidence, df) * error;
  result.interval = {result.mean_difference - half_width, result.mean_difference + half_width};
  return result;
}

/// What is done with differences of 0.
enum class ZeroMethod {
  wilcoxon,  ///< dropped before ranking (Wilcoxon 1945); SciPy's "wilcox"
  pratt      ///< ranked, then their ranks are dropped (J. W. Pratt, JASA 54, 1959); SciPy's "pratt"
};

enum class SignedRankMethod {
  automatic,  ///< exact up to 50 differences other than 0, with and without ties, otherwise the normal approximation
  exact,      ///< at most 1000 differences other than 0
  normal
};

struct SignedRankOptions {
  ZeroMethod zeros = ZeroMethod::wilcoxon;
  SignedRankMethod method = SignedRankMethod::automatic;
  Alternative alternative = Alternative::two_sided;
  bool continuity = false;  ///< normal approximation: W+ is moved by 1/2 towards its mean
  /// Greater than 0: differences are rounded to multiples of it, so that 0.3 - 0.2 and 0.2 - 0.1 tie. For accuracies
  /// printed with one decimal, 0.1. 0: only equal floating-point numbers tie, as in SciPy.
  double resolution = 0;
};

struct SignedRankTest {
  double positive = 0;   ///< W+: sum of the ranks of positive differences x - y
  double negative = 0;   ///< W-
  double statistic = 0;  ///< min(W+, W-) for the two-sided test, otherwise W+
  Index nonzero = 0;     ///< differences other than 0
  Index zeros = 0;
  bool ties = false;   ///< whether differences other than 0 tie
  bool exact = false;  ///< how the p-value was computed
  double z = 0;        ///< standardised W+ (with the continuity correction); 0 for the exact test
  double p_value = 1;
};

namespace detail {

/// P(W <= w) for W = the sum of a random subset of `weights` (each in it with probability 1/2), by adding one weight
/// after the other to the distribution over the sums 0..w.
inline double subset_sum_cdf(const std::vector<std::size_t>& weights, std::size_t w) {
  std::vector<double> probability(w + 1, 0);
  probability[0] = 1;
  std::size_t greatest = 0;
  for (const std::size_t weight : weights) {
    greatest = std::min(w, greatest + weight);
    for (std::size_t sum = greatest + 1; sum-- > 0;)
      probability[sum] = 0.5 * (probability[sum] + (sum >= weight ? probability[sum - weight] : 0));
  }
  double cdf = 0;
  for (const double p : probability) cdf += p;
  return std::min(1.0, cdf);
}

/// P(W+ <= positive) under random signs of the given mid-ranks. Twice a mid-rank is an integer.
inline double signed_rank_cdf(const std::vector<double>& ranks, double positive) {
  const bool halves = std::any_of(ranks.begin(), ranks.end(), [](double r) { return r != std::floor(r); });
  const double scale = halves ? 2 : 1;
  std::vector<std::size_t> weights;
  for (const double r : ranks) weights.push_back(static_cast<std::size_t>(scale * r));
  return subset_sum_cdf(weights, static_cast<std::size_t>(std::floor(scale * positive)));
}

}  // namespace detail

/// Wilcoxon's signed-rank test of the null hypothesis that the differences d = x - y are distributed symmetrically
/// around 0. Their absolute values are ranked (ties share mid-ranks), W+ is the sum of the positive ones' ranks.
///
/// Exact: every assignment of signs to the ranks that occurred is equally likely; the distribution of W+ is computed by
/// dynamic programming over the sums of (doubled) mid-ranks, so that it is exact with ties and with zeros, for which
/// the null hypothesis leaves no sign to flip. Two-sided p = min(1, 2 min(P(W+ <= w), P(W+ >= w))).
/// Normal: z = (W+ - m) / s with m = (n(n+1) - z0(z0+1)) / 4 and
/// s^2 = (n(n+1)(2n+1) - z0(z0+1)(2 z0+1)) / 24 - sum over ties (t^3 - t) / 48, where n counts the ranked differences
/// and z0 the ranked zeros (E. E. Cureton, JASA 62, 1967), 0 for ZeroMethod::wilcoxon.
///
/// As scipy.stats.wilcoxon for method="asymptotic", and for method="exact" without ties and zeros. With ties or zeros
/// SciPy's method="exact" uses the distribution without them, and its method="auto" changes to all 2^n sign flips up to
/// n = 13 (which agree) and to the normal approximation above; here exact stays exact. The continuity correction is off
/// by default in SciPy too, and on in R. When all differences are 0, p is 1 (there is one outcome). n < 3 is allowed,
/// but p is at least 2^(1-n) two-sided. Throws UsageError without pairs, on values that are not finite, and on the
/// exact test of more than 1000 differences. F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics
/// Bulletin 1 (1945).
inline SignedRankTest wilcoxon_signed_rank(const Sample& x, const Sample& y, const SignedRankOptions& options = {}) {
  constexpr std::string_view where = "wilcoxon_signed_rank";
  detail::check_pair(where, x, y, 1);
  if (!(options.resolution >= 0) || std::isinf(options.resolution))
    fail_usage(where, "the resolution must not be negative, got ", options.resolution);
  SignedRankTest result;
  std::vector<double> sizes, signs;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    double d = x[i] - y[i];
    if (options.resolution > 0) d = std::round(d / options.resolution);
    if (d == 0) ++result.zeros;
    if (d == 0 && options.zeros == ZeroMethod::wilcoxon) continue;
    sizes.push_back(std::fabs(d));
    signs.push_back(d > 0 ? 1 : d < 0 ? -1 : 0);
  }
  result.nonzero = x.size() - result.zeros;
  const std::vector<double> all_ranks = midranks(sizes);
  std::vector<double> ranks;  // of the differences other than 0
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (signs[i] == 0) continue;
    ranks.push_back(all_ranks[i]);
    (signs[i] > 0 ? result.positive : result.negative) += all_ranks[i];
  }
  std::vector<Index> tied(2 * sizes.size() + 1, 0);  // how many have each rank; twice a mid-rank is an integer
  for (const double rank : ranks) ++tied[static_cast<std::size_t>(2 * rank)];
  double tie_term = 0;  // sum of t^3 - t
  for (const Index count : tied) {
    const double t = static_cast<double>(count);
    tie_term += t * t * t - t;
  }
  result.ties = tie_term > 0;
  const bool two_sided = options.alternative == Alternative::two_sided;
  result.statistic = two_sided ? std::min(result.positive, result.negative) : result.positive;
  result.exact = options.method == SignedRankMethod::exact ||
                 (options.method == SignedRankMethod::automatic && result.nonzero <= 50);
  if (result.exact && result.nonzero > 1000)
    fail_usage(where, "the exact test takes at most 1000 differences other than 0, got ", result.nonzero,
               "; use the normal approximation");
  if (result.nonzero == 0) return result;
  if (result.exact) {
    std::sort(ranks.begin(), ranks.end());  // the distribution grows slowly
    // Flipping all signs exchanges W+ and W-: P(W+ >= w) = P(W+ <= total - w).
    if (two_sided)
      result.p_value = std::min(1.0, 2 * detail::signed_rank_cdf(ranks, result.statistic));
    else
      result.p_value =
          detail::signed_rank_cdf(ranks, options.alternative == Alternative::less ? result.positive : result.negative);
    return result;
  }
  const double n = static_cast<double>(sizes.size());
  const double zeros = options.zeros == ZeroMethod::pratt ? static_cast<double>(result.zeros) : 0.0;
  const double centre = (n * (n + 1) - zeros * (zeros + 1)) / 4;
  const double variance = (n * (n + 1) * (2 * n + 1) - zeros * (zeros + 1) * (2 * zeros + 1)) / 24 - tie_term / 48;
  double distance = result.positive - centre;
  if (options.continuity) {
    const double direction = !two_sided     ? (options.alternative == Alternative::greater ? 1.0 : -1.0)
                             : distance > 0 ? 1.0
                             : distance < 0 ? -1.0
                                            : 0.0;
    distance -= 0.5 * direction;
  }
  result.z = distance / std::sqrt(variance);
  result.p_value = detail::normal_p(result.z, options.alternative);
  return result;
}

}  // namespace stats
TINYVISION_END
