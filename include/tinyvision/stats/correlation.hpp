// Pearson's and Spearman's correlation, their p-values, and Fisher's interval.
#pragma once

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <tuple>
#include <utility>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/intervals.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

struct Correlation {
  double r = 0;        ///< the coefficient
  double r2 = 0;       ///< its square
  double p_value = 1;  ///< two-sided, of the null hypothesis that the population's coefficient is 0
  Interval interval;   ///< Fisher's; of Spearman's rho an approximation
  Index n = 0;
};

/// Mid-ranks from 1: equal values share the mean of the ranks that they occupy.
inline std::vector<double> midranks(std::span<const double> values) {
  std::vector<std::pair<double, std::size_t>> order;  // values beside their places: sorting reads one piece of memory
  order.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) order.emplace_back(values[i], i);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first + 1;
    while (end < order.size() && order[end].first == order[first].first) ++end;
    const double rank = 0.5 * static_cast<double>(first + 1 + end);
    for (std::size_t i = first; i < end; ++i) ranks[order[i].second] = rank;
    first = end;
  }
  return ranks;
}

/// Fisher's interval of a correlation r of n pairs: tanh(atanh r -+ z / sqrt(n - 3)), z = Phi^-1((1 + confidence) / 2).
/// Assumes a bivariate normal population. [-1, 1] when n = 3, and [r, r] when |r| = 1 and n > 3, as SciPy. Throws
/// UsageError when n < 3 or |r| > 1. R. A. Fisher, "On the probable error of a coefficient of correlation", Metron 1
/// (1921).
inline Interval fisher_interval(double r, Index n, double confidence = 0.95) {
  constexpr std::string_view where = "fisher_interval";
  detail::check_confidence(where, confidence);
  if (!(std::fabs(r) <= 1)) fail_usage(where, "a correlation is inside [-1, 1], got ", r);
  if (n < 3) fail_usage(where, "at least 3 pairs are needed, got ", n);
  if (n == 3) return {-1, 1};
  const double centre = std::atanh(r);
  const double half_width = -normal_quantile((1 - confidence) / 2) / std::sqrt(static_cast<double>(n - 3));
  return {std::tanh(centre - half_width), std::tanh(centre + half_width)};
}

namespace detail {

/// r = sum (x - mx)(y - my) / sqrt(sum (x - mx)^2 sum (y - my)^2). Throws UsageError on a constant column.
inline double product_moment(std::string_view where, const Sample& x, const Sample& y) {
  const double mean_x = mean(x.values), mean_y = mean(y.values);
  const double xx = squared_deviations(x.values, mean_x), yy = squared_deviations(y.values, mean_y);
  for (const auto& [sample, m, squares] : {std::tuple(&x, mean_x, xx), std::tuple(&y, mean_y, yy)})
    if (constant(sample->values, m, squares))
      fail_usage(where, sample_text(*sample), " is constant (", (*sample)[0], "): no correlation is defined");
  // One root of the product, so that r is exactly 1 for equal columns, as mid-ranks often are; two where it would
  // overflow.
  const double product = xx * yy;
  const double norm = std::isnormal(product) ? std::sqrt(product) : std::sqrt(xx) * std::sqrt(yy);
  double r = 0;
  for (std::size_t i = 0; i < x.values.size(); ++i) r += (x[i] - mean_x) * (y[i] - mean_y);
  r /= norm;
  return std::clamp(r, -1.0, 1.0);
}

/// P(|R| >= |r|) for n pairs: t = r sqrt((n - 2) / (1 - r^2)) follows Student's t distribution with n - 2 degrees of
/// freedom, thus P = I_{1 - r^2}((n - 2) / 2, 1 / 2).
inline double correlation_p(double r, Index n) {
  const double df = static_cast<double>(n - 2);
  const double rest = (1 - r) * (1 + r);
  return r * r < 0.5 ? boost::math::ibetac(0.5, df / 2, r * r) : boost::math::ibeta(df / 2, 0.5, rest);
}

}  // namespace detail

/// Pearson's product-moment correlation of the pairs (x[i], y[i]). The p-value is that of Student's t with n - 2
/// degrees of freedom, exact when one of the two is normal and independent of the other; the interval is Fisher's. Ties
/// and zeros need no treatment. Throws UsageError when n < 3, on values that are not finite, and on a constant column
/// (deviations up to 1e-13 of the mean are rounding; SciPy warns there, and answers NaN where they are 0). At |r| = 1 p
/// is 0.
inline Correlation pearson(const Sample& x, const Sample& y, double confidence = 0.95) {
  constexpr std::string_view where = "pearson";
  detail::check_pair(where, x, y, 3);
  detail::check_confidence(where, confidence);
  Correlation result;
  result.n = x.size();
  result.r = detail::product_moment(where, x, y);
  result.r2 = result.r * result.r;
  result.p_value = detail::correlation_p(result.r, result.n);
  result.interval = fisher_interval(result.r, result.n, confidence);
  return result;
}

/// Spearman's rank correlation: Pearson's of the mid-ranks, which is the tie-corrected rho. The p-value uses Student's
/// t with n - 2 degrees of freedom as SciPy's `spearmanr` does: an approximation, poor below about 10 pairs. The
/// interval is Fisher's formula on rho. Throws UsageError when n < 3, on values that are not finite and on a constant
/// column. C. Spearman, American Journal of Psychology 15 (1904); M. G. Kendall, "Rank correlation methods" (1948), for
/// ties.
inline Correlation spearman(const Sample& x, const Sample& y, double confidence = 0.95) {
  constexpr std::string_view where = "spearman";
  detail::check_pair(where, x, y, 3);
  detail::check_confidence(where, confidence);
  const std::vector<double> ranks_x = midranks(x.values), ranks_y = midranks(y.values);
  Correlation result;
  result.n = x.size();
  result.r = detail::product_moment(where, Sample(ranks_x, x.name), Sample(ranks_y, y.name));
  result.r2 = result.r * result.r;
  result.p_value = detail::correlation_p(result.r, result.n);
  result.interval = fisher_interval(result.r, result.n, confidence);
  return result;
}

}  // namespace stats
TINYVISION_END
