// Confidence intervals of a proportion: `correct` successes in `total` independent trials.
#pragma once

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

#include "tinyvision/core/random.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN
namespace stats {

/// A confidence interval [low, high] of a proportion, as fractions.
struct Interval {
  double low = 0;
  double high = 1;
};

namespace detail {

inline void check_proportion(std::string_view where, const Accuracy& a, double confidence) {
  if (a.total <= 0) fail_usage(where, "no examples: an interval needs total > 0, got ", a.correct, " of ", a.total);
  if (a.correct < 0 || a.correct > a.total) fail_usage(where, a.correct, " correct of ", a.total);
  if (!(confidence > 0 && confidence < 1)) fail_usage(where, "confidence must be inside (0, 1), got ", confidence);
}

}  // namespace detail

/// Wilson's score interval: all p with |k/n - p| <= z sqrt(p (1-p) / n), that is
///   (k + z^2/2 -+ z sqrt(k (n-k) / n + z^2/4)) / (n + z^2),  z = Phi^-1((1 + confidence) / 2),
/// for k = correct, n = total. Its coverage is close to `confidence` on average, not for every p. Exactly 0 at k = 0
/// and 1 at k = n. Throws UsageError when n = 0. E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", JASA 22 (1927); recommended by Brown, Cai, DasGupta, "Interval estimation for a binomial proportion",
/// Statistical Science 16 (2001).
inline Interval wilson_interval(const Accuracy& a, double confidence = 0.95) {
  detail::check_proportion("wilson_interval", a, confidence);
  const double k = static_cast<double>(a.correct), n = static_cast<double>(a.total);
  const double z = -normal_quantile((1 - confidence) / 2);
  const double centre = k + z * z / 2;
  const double half_width = z * std::sqrt(k * (n - k) / n + z * z / 4);
  return {a.correct == 0 ? 0.0 : std::max(0.0, (centre - half_width) / (n + z * z)),
          a.correct == a.total ? 1.0 : std::min(1.0, (centre + half_width) / (n + z * z))};
}

/// The Clopper-Pearson ("exact") interval: the p that neither one-sided binomial test rejects at (1 - confidence) / 2,
///   low = B^-1(alpha/2; k, n-k+1)  (0 when k = 0),  high = B^-1(1 - alpha/2; k+1, n-k)  (1 when k = n),
/// where B^-1 is the quantile of the beta distribution. Covers at least `confidence` for every p, and usually more.
/// Throws UsageError when n = 0.
/// C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
/// Biometrika 26 (1934).
inline Interval clopper_pearson_interval(const Accuracy& a, double confidence = 0.95) {
  detail::check_proportion("clopper_pearson_interval", a, confidence);
  const double k = static_cast<double>(a.correct), n = static_cast<double>(a.total);
  const double tail = (1 - confidence) / 2;
  return {a.correct == 0 ? 0.0 : boost::math::ibeta_inv(k, n - k + 1, tail),
          a.correct == a.total ? 1.0 : boost::math::ibetac_inv(k + 1, n - k, tail)};
}

}  // namespace stats
TINYVISION_END
