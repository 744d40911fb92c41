// Is one correlation greater than another of the same examples? Tests of dependent correlations.
//
// Overlapping: r_jk against r_jh, which share the variable j. Nonoverlapping: r_jk against r_hm, four variables. n is
// the number of examples. Names and choices follow B. Diedenhofen, J. Musch, "cocor: a comprehensive solution for the
// statistical comparison of correlations", PLoS ONE 10(4):e0121945 (2015). All assume a multivariate normal population
// and independent examples; ties and zeros in the data need no treatment. All throw UsageError when n < 4, when a
// correlation is not a number or not inside (-1, 1) (a perfect one has no finite z), and when no data set can have
// these correlations.
#pragma once

#include <array>
#include <cmath>
#include <string>

#include "tinyvision/stats/correlation.hpp"
#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/intervals.hpp"

TINYVISION_BEGIN
namespace stats {

/// r_jk and r_jh are compared.
struct OverlappingCorrelations {
  double jk = 0, jh = 0, kh = 0;
  Index n = 0;
};

/// r_jk and r_hm are compared.
struct NonoverlappingCorrelations {
  double jk = 0, hm = 0, jh = 0, jm = 0, kh = 0, km = 0;
  Index n = 0;
};

/// A statistic that is positive when the first correlation is greater.
struct CorrelationDifference {
  double statistic = 0;  ///< z, or t where df > 0
  Index df = 0;          ///< of Student's t; 0: the statistic is standard normal
  double p_two_sided = 1;
  double p_greater = 1;  ///< one-sided, against "the first is greater"
};

struct MengTest : CorrelationDifference {
  Interval z_difference{};  ///< of atanh r_jk - atanh r_jh
};

namespace detail {

inline void check_correlation(std::string_view where, std::string_view name, double r) {
  if (std::isnan(r)) fail_usage(where, "the correlation ", name, " is not a number");
  if (!(std::fabs(r) < 1)) fail_usage(where, "the correlation ", name, " must be inside (-1, 1), got ", r);
}

/// Determinant of the 3 x 3 correlation matrix.
inline double correlation_determinant(double a, double b, double c) {
  return 1 + 2 * a * b * c - a * a - b * b - c * c;
}

inline void check_examples(std::string_view where, Index n) {
  if (n < 4) fail_usage(where, "at least 4 examples are needed, got ", n);
}

inline void check_correlations(std::string_view where, const OverlappingCorrelations& r) {
  check_examples(where, r.n);
  check_correlation(where, "r_jk", r.jk);
  check_correlation(where, "r_jh", r.jh);
  check_correlation(where, "r_kh", r.kh);
  if (correlation_determinant(r.jk, r.jh, r.kh) <= 0)
    fail_usage(where, "no data set has the correlations r_jk = ", r.jk, ", r_jh = ", r.jh, ", r_kh = ", r.kh,
               ": their matrix is not positive definite");
}

/// Gaussian elimination without pivoting: a symmetric matrix is positive definite when all pivots are positive.
inline bool positive_definite(std::array<std::array<double, 4>, 4> a) {
  for (std::size_t k = 0; k < 4; ++k) {
    if (!(a[k][k] > 0)) return false;
    for (std::size_t i = k + 1; i < 4; ++i)
      for (std::size_t j = k + 1; j < 4; ++j) a[i][j] -= a[i][k] * a[k][j] / a[k][k];
  }
  return true;
}

inline void check_correlations(std::string_view where, const NonoverlappingCorrelations& r) {
  check_examples(where, r.n);
  check_correlation(where, "r_jk", r.jk);
  check_correlation(where, "r_hm", r.hm);
  check_correlation(where, "r_jh", r.jh);
  check_correlation(where, "r_jm", r.jm);
  check_correlation(where, "r_kh", r.kh);
  check_correlation(where, "r_km", r.km);
  if (!positive_definite(
          {{{1, r.jk, r.jh, r.jm}, {r.jk, 1, r.kh, r.km}, {r.jh, r.kh, 1, r.hm}, {r.jm, r.km, r.hm, 1}}}))
    fail_usage(where, "no data set has the correlations r_jk = ", r.jk, ", r_hm = ", r.hm, ", r_jh = ", r.jh,
               ", r_jm = ", r.jm, ", r_kh = ", r.kh, ", r_km = ", r.km, ": their matrix is not positive definite");
}

inline CorrelationDifference normal_difference(double z) {
  return {z, 0, normal_p(z), normal_p(z, Alternative::greater)};
}

inline CorrelationDifference student_difference(double t, Index df) {
  const double freedom = static_cast<double>(df);
  return {t, df, student_p(t, freedom), student_p(t, freedom, Alternative::greater)};
}

/// The asymptotic covariance of atanh r_jk and atanh r_jh, times n, with r_jk = a, r_jh = b, r_kh = c. Dunn and Clark
/// (1969), formula 8.
inline double overlapping_covariance(double a, double b, double c) {
  return (c * (1 - a * a - b * b) - 0.5 * a * b * (1 - a * a - b * b - c * c)) / ((1 - a * a) * (1 - b * b));
}

/// The same of atanh r_jk and atanh r_hm, with `jk` and `hm` in place of r's own. Dunn and Clark (1969), formula 9.
inline double nonoverlapping_covariance(const NonoverlappingCorrelations& r, double jk, double hm) {
  const double squares = r.jh * r.jh + r.jm * r.jm + r.kh * r.kh + r.km * r.km;
  const double sum = 0.5 * jk * hm * squares + r.jh * r.km + r.jm * r.kh -
                     (jk * r.jh * r.jm + jk * r.kh * r.km + r.jh * r.kh * hm + r.jm * r.km * hm);
  return sum / ((1 - jk * jk) * (1 - hm * hm));
}

/// k of Raghunathan, Rosenthal, Rubin (1996), formula 2: twice the covariance of r_jk and r_hm, times n.
inline double pearson_filon_k(const NonoverlappingCorrelations& r) {
  return (r.jh - r.jk * r.kh) * (r.km - r.kh * r.hm) + (r.jm - r.jh * r.hm) * (r.kh - r.jk * r.jh) +
         (r.jh - r.jm * r.hm) * (r.km - r.jk * r.jm) + (r.jm - r.jk * r.km) * (r.kh - r.km * r.hm);
}

/// z = (atanh a - atanh b) sqrt((n - 3) / (2 - 2 c)).
inline CorrelationDifference fisher_difference(double a, double b, Index n, double c) {
  return normal_difference((std::atanh(a) - std::atanh(b)) * std::sqrt(static_cast<double>(n - 3) / (2 - 2 * c)));
}

}  // namespace detail

/// The three correlations of paired columns. Throws UsageError as `pearson`.
inline OverlappingCorrelations overlapping_correlations(const Sample& j, const Sample& k, const Sample& h) {
  return {pearson(j, k).r, pearson(j, h).r, pearson(k, h).r, j.size()};
}

/// The six correlations of paired columns. Throws UsageError as `pearson`.
inline NonoverlappingCorrelations nonoverlapping_correlations(const Sample& j, const Sample& k, const Sample& h,
                                                              const Sample& m) {
  return {pearson(j, k).r, pearson(h, m).r, pearson(j, h).r, pearson(j, m).r,
          pearson(k, h).r, pearson(k, m).r, j.size()};
}

/// Meng, Rosenthal and Rubin: with z_ab = atanh r_ab and q = (r_jk^2 + r_jh^2) / 2,
///   z = (z_jk - z_jh) sqrt((n - 3) / (2 (1 - r_kh) h)),
///   h = (1 - f q) / (1 - q),  f = min(1, (1 - r_kh) / (2 (1 - q))),
/// and the interval z_jk - z_jh -+ quantile sqrt(2 (1 - r_kh) h / (n - 3)). X.-L. Meng, R. Rosenthal, D. B. Rubin,
/// "Comparing correlated correlation coefficients", Psychological Bulletin 111 (1992), formulas 1 to 4.
inline MengTest meng_test(const OverlappingCorrelations& r, double confidence = 0.95) {
  constexpr std::string_view where = "meng_test";
  detail::check_correlations(where, r);
  detail::check_confidence(where, confidence);
  const double q = (r.jk * r.jk + r.jh * r.jh) / 2;
  const double f = std::min(1.0, (1 - r.kh) / (2 * (1 - q)));
  const double h = (1 - f * q) / (1 - q);
  const double difference = std::atanh(r.jk) - std::atanh(r.jh);
  const double error = std::sqrt(2 * (1 - r.kh) * h / static_cast<double>(r.n - 3));
  const double half_width = -normal_quantile((1 - confidence) / 2) * error;
  MengTest result{detail::normal_difference(difference / error)};
  result.z_difference = {difference - half_width, difference + half_width};
  return result;
}

/// Hotelling's t: (r_jk - r_jh) sqrt((n - 3)(1 + r_kh) / (2 |R|)), n - 3 degrees of freedom, |R| the determinant of the
/// three correlations' matrix. It conditions on the observed j and k, h; Williams' form is preferred. H. Hotelling,
/// "The selection of variates for use in prediction", Ann. Math. Statist. 11 (1940), formula 7.
inline CorrelationDifference hotelling_test(const OverlappingCorrelations& r) {
  detail::check_correlations("hotelling_test", r);
  const double df = static_cast<double>(r.n - 3);
  const double determinant = detail::correlation_determinant(r.jk, r.jh, r.kh);
  return detail::student_difference((r.jk - r.jh) * std::sqrt(df * (1 + r.kh) / (2 * determinant)), r.n - 3);
}

/// Williams' modification of Hotelling's t (the Hotelling-Williams test): with m = (r_jk + r_jh) / 2,
///   t = (r_jk - r_jh) sqrt((n - 1)(1 + r_kh) / (2 |R| (n - 1) / (n - 3) + m^2 (1 - r_kh)^3)),
/// with n - 3 degrees of freedom.
/// E. J. Williams, "The comparison of regression variables", J. R. Statist. Soc. B 21 (1959); Steiger (1980), formula
/// 7.
inline CorrelationDifference williams_test(const OverlappingCorrelations& r) {
  detail::check_correlations("williams_test", r);
  const double n = static_cast<double>(r.n), m = (r.jk + r.jh) / 2, rest = 1 - r.kh;
  const double determinant = detail::correlation_determinant(r.jk, r.jh, r.kh);
  const double denominator = 2 * determinant * (n - 1) / (n - 3) + m * m * rest * rest * rest;
  return detail::student_difference((r.jk - r.jh) * std::sqrt((n - 1) * (1 + r.kh) / denominator), r.n - 3);
}

/// Dunn and Clark's z of overlapping correlations: (z_jk - z_jh) sqrt((n - 3) / (2 - 2 c)), z_ab = atanh r_ab,
///   c = (r_kh (1 - r_jk^2 - r_jh^2) - r_jk r_jh (1 - r_jk^2 - r_jh^2 - r_kh^2) / 2) / ((1 - r_jk^2)(1 - r_jh^2)).
/// O. J. Dunn, V. A. Clark, "Correlation coefficients measured on the same individuals", JASA 64 (1969), formulas 8 and
/// 15.
inline CorrelationDifference dunn_clark_test(const OverlappingCorrelations& r) {
  detail::check_correlations("dunn_clark_test", r);
  return detail::fisher_difference(r.jk, r.jh, r.n, detail::overlapping_covariance(r.jk, r.jh, r.kh));
}

/// Steiger's z of overlapping correlations: Dunn and Clark's, with the mean of r_jk and r_jh in place of both in c. J.
/// H. Steiger, "Tests for comparing elements of a correlation matrix", Psychological Bulletin 87 (1980), formulas 10
/// and 14.
inline CorrelationDifference steiger_test(const OverlappingCorrelations& r) {
  detail::check_correlations("steiger_test", r);
  const double m = (r.jk + r.jh) / 2;
  return detail::fisher_difference(r.jk, r.jh, r.n, detail::overlapping_covariance(m, m, r.kh));
}

/// Pearson and Filon's z of nonoverlapping correlations:
///   z = sqrt n (r_jk - r_hm) / sqrt((1 - r_jk^2)^2 + (1 - r_hm^2)^2 - k),
///   k = (r_jh - r_jk r_kh)(r_km - r_kh r_hm) + (r_jm - r_jh r_hm)(r_kh - r_jk r_jh)
///     + (r_jh - r_jm r_hm)(r_km - r_jk r_jm) + (r_jm - r_jk r_km)(r_kh - r_km r_hm).
/// Too liberal with few examples: r is not normal. K. Pearson, L. N. G. Filon, Phil. Trans. R. Soc. A 191 (1898),
/// formula xl; Raghunathan, Rosenthal, Rubin (1996), formulas 1 and 2.
inline CorrelationDifference pearson_filon_test(const NonoverlappingCorrelations& r) {
  detail::check_correlations("pearson_filon_test", r);
  const double a = 1 - r.jk * r.jk, b = 1 - r.hm * r.hm;
  const double variance = a * a + b * b - detail::pearson_filon_k(r);
  return detail::normal_difference((r.jk - r.hm) * std::sqrt(static_cast<double>(r.n) / variance));
}

/// Dunn and Clark's z of nonoverlapping correlations: (z_jk - z_hm) sqrt((n - 3) / (2 - 2 c)), z_ab = atanh r_ab,
///   c = (r_jk r_hm (r_jh^2 + r_jm^2 + r_kh^2 + r_km^2) / 2 + r_jh r_km + r_jm r_kh
///        - (r_jk r_jh r_jm + r_jk r_kh r_km + r_jh r_kh r_hm + r_jm r_km r_hm)) / ((1 - r_jk^2)(1 - r_hm^2)).
/// Dunn and Clark (1969), formulas 9 and 15.
inline CorrelationDifference dunn_clark_test(const NonoverlappingCorrelations& r) {
  detail::check_correlations("dunn_clark_test", r);
  return detail::fisher_difference(r.jk, r.hm, r.n, detail::nonoverlapping_covariance(r, r.jk, r.hm));
}

/// Steiger's Z of nonoverlapping correlations: Dunn and Clark's, with the mean of r_jk and r_hm in place of both in c.
/// Steiger (1980), formulas 11 and 15.
inline CorrelationDifference steiger_test(const NonoverlappingCorrelations& r) {
  detail::check_correlations("steiger_test", r);
  const double m = (r.jk + r.hm) / 2;
  return detail::fisher_difference(r.jk, r.hm, r.n, detail::nonoverlapping_covariance(r, m, m));
}

/// Raghunathan, Rosenthal and Rubin's ZPF, Pearson and Filon's test on Fisher's z: with their k,
///   z = sqrt((n - 3) / 2) (z_jk - z_hm) / sqrt(1 - k / (2 (1 - r_jk^2)(1 - r_hm^2))).
/// Since k / 2 = c (1 - r_jk^2)(1 - r_hm^2), it is Dunn and Clark's z in another form. T. E. Raghunathan, R. Rosenthal,
/// D. B. Rubin, "Comparing correlated but nonoverlapping correlations", Psychological Methods 1 (1996), formula 3.
inline CorrelationDifference raghunathan_test(const NonoverlappingCorrelations& r) {
  detail::check_correlations("raghunathan_test", r);
  const double c = detail::pearson_filon_k(r) / (2 * (1 - r.jk * r.jk) * (1 - r.hm * r.hm));
  return detail::fisher_difference(r.jk, r.hm, r.n, c);
}

}  // namespace stats
TINYVISION_END
