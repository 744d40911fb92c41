// Tail probabilities and quantiles of the normal and of Student's t distribution (Boost.Math), and alternatives.
#pragma once

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace stats {

/// Which outcomes count against the null hypothesis: both directions, the first smaller, or the first greater.
enum class Alternative { two_sided, less, greater };

namespace detail {

/// P(Z <= z) of the standard normal distribution, accurate in both tails: erfc(-z / sqrt 2) / 2.
inline double normal_cdf(double z) { return 0.5 * boost::math::erfc(-z * 0.70710678118654752440); }

/// P-value of z under the standard normal distribution.
inline double normal_p(double z, Alternative alternative = Alternative::two_sided) {
  if (alternative == Alternative::less) return normal_cdf(z);
  if (alternative == Alternative::greater) return normal_cdf(-z);
  return std::min(1.0, 2 * normal_cdf(-std::fabs(z)));
}

/// P-value of t under Student's t distribution with `df` > 0 degrees of freedom. With s = t^2:
/// P(|T| >= |t|) = I_{df / (df + s)}(df / 2, 1 / 2), evaluated from whichever of both arguments is the smaller.
inline double student_p(double t, double df, Alternative alternative = Alternative::two_sided) {
  double both = 0;
  if (const double s = t * t; std::isfinite(s))
    both = s < df ? boost::math::ibetac(0.5, df / 2, s / (df + s)) : boost::math::ibeta(df / 2, 0.5, df / (df + s));
  if (alternative == Alternative::two_sided) return both;
  return (t < 0) == (alternative == Alternative::less) ? both / 2 : 1 - both / 2;
}

/// The t that P(|T| <= t) = confidence.
inline double student_quantile_two_sided(double confidence, double df) {
  return boost::math::quantile(boost::math::complement(boost::math::students_t(df), (1 - confidence) / 2));
}

}  // namespace detail
}  // namespace stats
TINYVISION_END
