// The least squares line, and a bootstrap band around it.
//
// For the paper's Figures 1 and 2 both columns are logits of accuracies (transforms.hpp): fit there, and take the
// band's edges back with `inverse_logit` where accuracies are wanted; monotone functions keep percentiles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/intervals.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

/// y = intercept + slope x.
struct LinearFit {
  double slope = 0;
  double intercept = 0;
  double slope_error = 0;         ///< standard error of the slope
  double residual_deviation = 0;  ///< sqrt(sum of squared residuals / (n - 2))
  double p_value = 1;  ///< two-sided, of slope = 0: Student's t, n - 2 degrees of freedom; that of Pearson's r
  Index n = 0;

  double operator()(double x) const { return intercept + slope * x; }
};

namespace detail {

struct Line {
  double slope, mean_x, mean_y;
  double at(double x) const { return mean_y + slope * (x - mean_x); }
};

}  // namespace detail

/// Least squares: slope = sum (x - mx)(y - my) / sum (x - mx)^2, intercept = my - slope mx; slope_error =
/// sqrt(sum of squared residuals / (n - 2) / sum (x - mx)^2). Slope and line assume nothing; error and p-value assume
/// independent normal residuals of equal variance. A line without residuals has p 0 (1 when its slope is 0). Throws
/// UsageError when n < 3, on values that are not finite, and when x is constant. C. F. Gauss, "Theoria combinationis
/// observationum" (1823).
inline LinearFit linear_fit(const Sample& x, const Sample& y) {
  constexpr std::string_view where = "linear_fit";
  detail::check_pair(where, x, y, 3);
  const double mean_x = detail::mean(x.values), mean_y = detail::mean(y.values);
  const double xx = detail::squared_deviations(x.values, mean_x);
  if (detail::constant(x.values, mean_x, xx))
    fail_usage(where, detail::sample_text(x), " is constant (", x[0], "): no line is defined");
  double xy = 0;
  for (std::size_t i = 0; i < x.values.size(); ++i) xy += (x[i] - mean_x) * (y[i] - mean_y);
  LinearFit fit;
  fit.n = x.size();
  fit.slope = xy / xx;
  fit.intercept = mean_y - fit.slope * mean_x;
  double residuals = 0;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double rest = (y[i] - mean_y) - fit.slope * (x[i] - mean_x);
    residuals += rest * rest;
  }
  const double df = static_cast<double>(fit.n - 2);
  fit.residual_deviation = std::sqrt(residuals / df);
  fit.slope_error = std::sqrt(residuals / df / xx);
  fit.p_value = fit.slope == 0 ? 1 : detail::student_p(fit.slope / fit.slope_error, df);
  return fit;
}

struct BandOptions {
  std::uint64_t seed = 0;
  Index resamples = 10000;
  double confidence = 0.95;
};

/// The quantile of sorted values at q in [0, 1], linear between the order statistics: position (n - 1) q (definition 7
/// of R. J. Hyndman, Y. Fan, The American Statistician 50, 1996; NumPy's default).
inline double sorted_quantile(std::span<const double> sorted, double q) {
  check(!sorted.empty() && q >= 0 && q <= 1, "sorted_quantile", sorted.size(), " values, q = ", q);
  const double position = q * static_cast<double>(sorted.size() - 1);
  const std::size_t below = static_cast<std::size_t>(position);
  const double part = position - static_cast<double>(below);
  return below + 1 < sorted.size() ? sorted[below] + part * (sorted[below + 1] - sorted[below]) : sorted[below];
}

/// Pointwise percentile band of the least squares line at each of `grid`: pairs (x, y) are drawn n times with
/// replacement, a line is fitted to each resample, and the band is the interval between the (1 -+ confidence) / 2
/// quantiles of the lines' values. A resample whose x are all equal has no line and is drawn again (up to 100 times,
/// then UsageError). Pairs are assumed independent; with few pairs the band is too narrow. Repeatable: draw i of
/// attempt a of resample b is Random(seed, Stream::regression_band, b).integer(a n + i, n), whatever the grid.
/// Throws UsageError when n < 3, resamples < 2, on values that are not finite, and when x is constant.
/// B. Efron, R. J. Tibshirani, "An introduction to the bootstrap" (1993), sections 9.5 and 13.3.
inline std::vector<Interval> bootstrap_band(const Sample& x, const Sample& y, const Sample& grid,
                                            const BandOptions& options = {}) {
  constexpr std::string_view where = "bootstrap_band";
  linear_fit(x, y);  // for its checks
  detail::check_sample(where, grid, 0);
  detail::check_confidence(where, options.confidence);
  if (options.resamples < 2) fail_usage(where, "at least 2 resamples are needed, got ", options.resamples);
  const std::size_t n = x.values.size();
  const double count = static_cast<double>(n);
  std::vector<detail::Line> lines;
  std::vector<std::size_t> drawn(n);
  for (Index resample = 0; resample < options.resamples; ++resample) {
    const Random random(options.seed, Stream::regression_band, static_cast<std::uint64_t>(resample));
    bool constant = true;
    for (std::uint64_t attempt = 0; constant; ++attempt) {
      if (attempt == 100) fail_usage(where, "nearly all values of ", detail::sample_text(x), " are equal");
      for (std::size_t i = 0; i < n; ++i)
        drawn[i] = static_cast<std::size_t>(random.integer(attempt * n + i, static_cast<Index>(n)));
      for (const std::size_t i : drawn) constant = constant && x[i] == x[drawn[0]];
    }
    detail::Line line{0, 0, 0};
    for (const std::size_t i : drawn) line.mean_x += x[i] / count, line.mean_y += y[i] / count;
    double xx = 0, xy = 0;
    for (const std::size_t i : drawn) {
      xx += (x[i] - line.mean_x) * (x[i] - line.mean_x);
      xy += (x[i] - line.mean_x) * (y[i] - line.mean_y);
    }
    line.slope = xy / xx;
    lines.push_back(line);
  }
  std::vector<Interval> band;
  std::vector<double> values(lines.size());
  const double tail = (1 - options.confidence) / 2;
  for (const double at : grid.values) {
    for (std::size_t b = 0; b < lines.size(); ++b) values[b] = lines[b].at(at);
    std::sort(values.begin(), values.end());
    band.push_back({sorted_quantile(values, tail), sorted_quantile(values, 1 - tail)});
  }
  return band;
}

}  // namespace stats
TINYVISION_END
