// The exact binomial test of a proportion, and its mid-p variant. For two classifiers on the same examples see
// mcnemar.hpp.
#pragma once

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>

#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN
namespace stats {

struct BinomialTest {
  double exact = 1;
  double mid_p = 1;
};

namespace detail {

/// X ~ Binomial(n, p), 0 < p < 1; probabilities through the regularised incomplete beta function.
struct Binomial {
  double n, p;

  double equal(double k) const { return boost::math::ibeta_derivative(k + 1, n - k + 1, p) / (n + 1); }
  double at_most(double k) const { return k < 0 ? 0 : k >= n ? 1 : boost::math::ibetac(k + 1, n - k, p); }
  double at_least(double k) const { return k <= 0 ? 1 : k > n ? 0 : boost::math::ibeta(k, n - k + 1, p); }
};

}  // namespace detail

/// k = correct of n = total under the null hypothesis of success probability `p`, 0 < p < 1.
/// One-sided: exact = P(X <= k) (`less`) or P(X >= k) (`greater`); mid_p subtracts P(X = k) / 2.
/// Two-sided: exact = the sum of P(X = i) over all i at most as likely as k (within 1e-7 relative, as
/// scipy.stats.binomtest); mid_p = min(1, twice the smaller one-sided mid-p). At p = 1/2 they are `mcnemar`'s. Assumes
/// independent trials. n = 0 gives 1. Throws UsageError on impossible counts or p.
/// H. O. Lancaster, "Significance tests in discrete distributions", JASA 56 (1961), for the mid-p.
inline BinomialTest binomial_test(const Accuracy& a, double p = 0.5, Alternative alternative = Alternative::two_sided) {
  constexpr std::string_view where = "binomial_test";
  if (a.total < 0 || a.correct < 0 || a.correct > a.total)
    fail_usage(where, a.correct, " successes of ", a.total, " trials");
  if (!(p > 0 && p < 1)) fail_usage(where, "the probability must be inside (0, 1), got ", p);
  if (a.total == 0) return {};
  const double n = static_cast<double>(a.total), k = static_cast<double>(a.correct);
  const detail::Binomial x{n, p};
  const double at_k = x.equal(k), below = x.at_most(k), above = x.at_least(k);
  if (alternative == Alternative::less) return {below, below - at_k / 2};
  if (alternative == Alternative::greater) return {above, above - at_k / 2};

  BinomialTest result;
  result.mid_p = std::min(1.0, 2 * std::min(below, above) - at_k);
  const double limit = at_k * (1 + 1e-7);
  // Probabilities fall away from the mode on both sides, so the other tail's edge is found by bisection.
  if (k == p * n) return result;
  if (k < p * n) {
    Index low = static_cast<Index>(std::ceil(p * n)), high = a.total + 1;  // first i in [low, high] that is rare enough
    while (low < high) {
      const Index middle = low + (high - low) / 2;
      if (x.equal(static_cast<double>(middle)) <= limit)
        high = middle;
      else
        low = middle + 1;
    }
    result.exact = below + x.at_least(static_cast<double>(low));
  } else {
    Index low = -1, high = static_cast<Index>(std::floor(p * n));  // last i in [low, high] that is rare enough
    while (low < high) {
      const Index middle = high - (high - low) / 2;
      if (x.equal(static_cast<double>(middle)) <= limit)
        low = middle;
      else
        high = middle - 1;
    }
    result.exact = above + x.at_most(static_cast<double>(low));
  }
  result.exact = std::min(1.0, result.exact);
  return result;
}

}  // namespace stats
TINYVISION_END
