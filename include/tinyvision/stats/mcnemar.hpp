// McNemar's test: are two classifiers equally likely to be right on the same examples?
//
// Only the discordant examples matter: b that only the first has right and c that only the second has right. Under the
// null hypothesis b is Binomial(b + c, 1/2). Kornblith, Shlens, Le, "Do better ImageNet models transfer better?" (CVPR
// 2019), appendix A.1.1, uses this test for top-1 accuracy. It compares two trained networks on one test set; it says
// nothing about the variation from one training run to the next.
#pragma once

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cstdint>
#include <span>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace stats {

struct McNemar {
  Index only_first = 0;   ///< b: examples that only the first classifier has right
  Index only_second = 0;  ///< c: examples that only the second has right
  double exact = 1;       ///< two-sided exact p-value
  double mid_p = 1;       ///< two-sided mid-p value
};

/// From the two discordant counts. With n = b + c, m = min(b, c) and X ~ Binomial(n, 1/2):
///   exact = min(1, 2 P(X <= m)),   mid_p = 2 P(X <= m) - P(X = m)   (1 when b = c).
/// Both are 1 when n = 0. The exact test never exceeds its level; the mid-p test is less conservative.
/// P(X <= m) = I_{1/2}(n - m, m + 1), the regularised incomplete beta function.
/// Throws UsageError on negative counts.
/// Q. McNemar, Psychometrika 12 (1947); M. W. Fagerland, S. Lydersen, P. Laake, "The McNemar test for binary
/// matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Med. Res. Methodol. 13:91 (2013).
inline McNemar mcnemar(Index only_first, Index only_second) {
  if (only_first < 0 || only_second < 0) fail_usage("mcnemar", "negative counts: ", only_first, ", ", only_second);
  McNemar result{only_first, only_second, 1, 1};
  if (only_first == only_second) return result;
  const double m = static_cast<double>(std::min(only_first, only_second));
  const double n = static_cast<double>(only_first) + static_cast<double>(only_second);
  const double tail = boost::math::ibeta(n - m, m + 1, 0.5);
  // P(X = m) = d/dx I_x(m + 1, n - m + 1) / (n + 1) at x = 1/2.
  const double at_m = boost::math::ibeta_derivative(m + 1, n - m + 1, 0.5) / (n + 1);
  result.exact = std::min(1.0, 2 * tail);
  result.mid_p = std::min(1.0, 2 * tail - at_m);
  return result;
}

/// From the correctness (non-zero: right) of both classifiers on the same examples in the same order. Throws UsageError
/// when the lengths differ.
inline McNemar mcnemar(std::span<const std::uint8_t> first_correct, std::span<const std::uint8_t> second_correct) {
  if (first_correct.size() != second_correct.size())
    fail_usage("mcnemar", "needs the same examples, got ", first_correct.size(), " and ", second_correct.size());
  Index only_first = 0, only_second = 0;
  for (std::size_t i = 0; i < first_correct.size(); ++i) {
    only_first += first_correct[i] != 0 && second_correct[i] == 0 ? 1 : 0;
    only_second += first_correct[i] == 0 && second_correct[i] != 0 ? 1 : 0;
  }
  return mcnemar(only_first, only_second);
}

}  // namespace stats
TINYVISION_END
