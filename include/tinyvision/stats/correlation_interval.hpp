// The exact interval of a correlation, which exists from three pairs on, where Fisher's needs four.
#pragma once

#include <boost/math/constants/constants.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>

#include "tinyvision/stats/intervals.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

namespace detail {

/// Gauss's 2F1(1/2, 1/2; c; z) for c = n - 1/2 and z in [0, 1], by its series in z, or in 1 - z where that of z is slow:
/// its terms fall like z^k k^(-c). The change of variable is Abramowitz and Stegun's 15.3.6.
inline double half_half_hypergeometric(double c, double z) {
  const auto series = [](double a, double b, double lower, double x) {
    double term = 1, sum = 1;
    for (int k = 0; std::fabs(term) > 1e-18 * std::fabs(sum); ++k)
      sum += term *= (a + k) * (b + k) / ((lower + k) * (k + 1)) * x;
    return sum;
  };
  if (z <= 0.75 || c > 25) return series(0.5, 0.5, c, z);
  using boost::math::tgamma;
  const double rest = 1 - z, gap = c - 1, pi = boost::math::constants::pi<double>();
  return tgamma(c) * tgamma(gap) / (tgamma(c - 0.5) * tgamma(c - 0.5)) * series(0.5, 0.5, 1 - gap, rest) +
         std::pow(rest, gap) * tgamma(c) * tgamma(-gap) / pi * series(c - 0.5, c - 0.5, gap + 1, rest);
}

/// How far from zeta, on Fisher's scale, the density below is above rounding: it falls at least like
/// exp(-(n - 2)(|v - zeta| - ln 2)).
inline double correlation_reach(Index n) {
  return 40 / static_cast<double>(n - 2) + boost::math::constants::ln_two<double>();
}

/// P(R <= tanh(u)) for the correlation R of n pairs from a bivariate normal population whose own is tanh(zeta).
/// Hotelling's density, on Fisher's scale, is
///   (n - 2) Gamma(n - 1) / (sqrt(2 pi) Gamma(n - 1/2)) sqrt(cosh v / cosh zeta) cosh(v - zeta)^-(n - 3/2)
///     2F1(1/2, 1/2; n - 1/2; (1 + tanh v tanh zeta) / 2).
inline double correlation_cdf(double u, double zeta, Index n) {
  const double m = static_cast<double>(n), reach = correlation_reach(n);
  if (u <= zeta - reach) return 0;
  if (u >= zeta + reach) return 1;
  const double scale =
      (m - 2) * boost::math::tgamma_ratio(m - 1, m - 0.5) / boost::math::constants::root_two_pi<double>();
  const auto log_two_cosh = [](double v) { return std::fabs(v) + std::log1p(std::exp(-2 * std::fabs(v))); };
  const auto density = [&](double v) {
    const double exponent = 0.5 * (log_two_cosh(v) - log_two_cosh(zeta)) -
                            (m - 1.5) * (log_two_cosh(v - zeta) - boost::math::constants::ln_two<double>());
    return scale * std::exp(exponent) * half_half_hypergeometric(m - 0.5, 0.5 * (1 + std::tanh(v) * std::tanh(zeta)));
  };
  return boost::math::quadrature::gauss_kronrod<double, 31>::integrate(density, zeta - reach, u, 15, 1e-12);
}

}  // namespace detail

/// The interval of all population correlations rho under which a sample correlation r of n pairs is in neither tail of
/// (1 - confidence) / 2. Exact when the population is bivariate normal, for n >= 3; Fisher's interval, which is an
/// approximation to it, does not exist for n = 3. [r, r] when |r| = 1. Throws UsageError when n < 3 or |r| > 1.
/// H. Hotelling, "New light on the correlation coefficient and its transforms", Journal of the Royal Statistical
/// Society B 15 (1953), equation 25.
inline Interval exact_correlation_interval(double r, Index n, double confidence = 0.95) {
  constexpr std::string_view where = "exact_correlation_interval";
  detail::check_confidence(where, confidence);
  if (!(std::fabs(r) <= 1)) fail_usage(where, "a correlation is inside [-1, 1], got ", r);
  if (n < 3) fail_usage(where, "at least 3 pairs are needed, got ", n);
  if (std::fabs(r) == 1) return {r, r};
  const double u = std::atanh(r), reach = detail::correlation_reach(n), tail = (1 - confidence) / 2;
  const auto bound = [&](double probability) {  // the zeta of which P(R <= r) = probability; it falls with zeta
    std::uintmax_t iterations = 100;
    const auto [low, high] = boost::math::tools::toms748_solve(
        [&](double zeta) { return detail::correlation_cdf(u, zeta, n) - probability; }, u - reach, u + reach,
        1 - probability, -probability, boost::math::tools::eps_tolerance<double>(45), iterations);
    return std::tanh(0.5 * (low + high));
  };
  return {bound(1 - tail), bound(tail)};
}

}  // namespace stats
TINYVISION_END
