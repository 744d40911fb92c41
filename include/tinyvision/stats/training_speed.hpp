// How much sooner a pretrained network gets there, and how data-set size changes what ImageNet accuracy predicts:
// Kornblith, Shlens, Le, "Do better ImageNet models transfer better?" (CVPR 2019), section 4.6 and Figure D.1.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "tinyvision/stats/correlation.hpp"
#include "tinyvision/stats/linear_fit.hpp"
#include "tinyvision/stats/sample.hpp"
#include "tinyvision/stats/transforms.hpp"

TINYVISION_BEGIN
namespace stats {

enum class Crossing {
  measured,     ///< the first measured time at or above the threshold, as the paper's
  interpolated  ///< between measurements, linear in log time and log-odds; the first time itself when it is above
};

struct TimeToOdds {
  double time = 0;           ///< in the unit of the times
  double greatest_odds = 0;  ///< p / (1 - p) of the highest accuracy
  double threshold = 0;      ///< the accuracy whose odds are `share` of the greatest
};

/// The time at which the odds of a correct answer first reach `share` (0.9 in the paper) of their maximum over all
/// times. times[i] > 0 (steps or epochs), strictly increasing; accuracies[i] inside (0, 1), as fractions. `reference`:
/// an accuracy whose odds replace the maximum; UsageError when they are never reached. One measurement is allowed: its
/// time is the answer. Ties of the maximum need no treatment. Throws UsageError, naming row and column, on accuracies
/// outside (0, 1) (percentages are said to be that), on values that are not finite, and on times that are not positive
/// and increasing.
inline TimeToOdds time_to_odds(const Sample& times, const Sample& accuracies, double share = 0.9,
                               Crossing crossing = Crossing::measured, std::optional<double> reference = std::nullopt) {
  constexpr std::string_view where = "time_to_odds";
  detail::check_pair(where, times, accuracies, 1);
  if (!(share > 0 && share <= 1)) fail_usage(where, "the share must be inside (0, 1], got ", share);
  for (std::size_t i = 0; i < times.values.size(); ++i)
    if (times[i] <= (i == 0 ? 0.0 : times[i - 1]))
      fail_usage(where, detail::value_text(times, i), " is ", times[i], ": times must be positive and increasing");
  const std::vector<double> log_odds = logits(accuracies);
  const double greatest = reference ? logit(*reference) : *std::max_element(log_odds.begin(), log_odds.end());
  const double threshold = greatest + std::log(share);
  TimeToOdds result{0, std::exp(greatest), inverse_logit(threshold)};
  // With share 1 rounding must not put the threshold above the maximum it came from.
  const auto reached = [&](double odds) { return odds >= threshold - 1e-14 * std::max(1.0, std::fabs(threshold)); };
  const std::size_t first =
      static_cast<std::size_t>(std::find_if(log_odds.begin(), log_odds.end(), reached) - log_odds.begin());
  if (first == log_odds.size())
    fail_usage(where, detail::sample_text(accuracies), " never reaches the threshold accuracy ", result.threshold);
  result.time = times[first];
  if (crossing == Crossing::interpolated && first > 0) {
    const double part = (threshold - log_odds[first - 1]) / (log_odds[first] - log_odds[first - 1]);
    const double before = std::log(times[first - 1]);
    result.time = std::min(times[first], std::exp(before + part * (std::log(times[first]) - before)));
  }
  return result;
}

/// exp(mean of log v). Throws UsageError without values, on values that are not finite, and on values of 0 or below.
inline double geometric_mean(const Sample& values) {
  constexpr std::string_view where = "geometric_mean";
  detail::check_sample(where, values, 1);
  double sum = 0;
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    if (values[i] <= 0)
      fail_usage(where, detail::value_text(values, i), " is ", values[i], ": a geometric mean needs positive values");
    sum += std::log(values[i]);
  }
  return std::exp(sum / static_cast<double>(values.values.size()));
}

/// The geometric mean over data sets of slow[d] / fast[d], which is the ratio of their geometric means. Throws
/// UsageError when the lengths differ, and as `geometric_mean`.
inline double geometric_mean_speed_up(const Sample& slow, const Sample& fast) {
  detail::check_pair("geometric_mean_speed_up", slow, fast, 1);
  return geometric_mean(slow) / geometric_mean(fast);
}

/// First quartile and third, by `sorted_quantile`. Throws UsageError without values and on values that are not finite.
inline Interval interquartile_range(const Sample& values) {
  detail::check_sample("interquartile_range", values, 1);
  std::vector<double> sorted(values.values.begin(), values.values.end());
  std::sort(sorted.begin(), sorted.end());
  return {sorted_quantile(sorted, 0.25), sorted_quantile(sorted, 0.75)};
}

struct SizeRegression {
  std::vector<double> log_sizes;  ///< log10 of the training-set sizes
  std::vector<double> z;          ///< atanh of the correlations
  Correlation correlation;        ///< Pearson's of the two, with its p-value
  LinearFit line;                 ///< z over log10 size
};

/// Figure D.1: one point a data set d, x = log10 of its number of training images, y = atanh r[d] (Fisher's z) of the
/// correlation between ImageNet accuracy and accuracy on d. Points are weighted equally, as in the paper, though the z
/// of one group of networks are dependent. Throws UsageError when n < 3, on sizes that are not positive, on
/// correlations outside (-1, 1) (a perfect one has no finite z), on constant columns, and on values that are not
/// finite.
inline SizeRegression fisher_z_regression(const Sample& sizes, const Sample& correlations) {
  constexpr std::string_view where = "fisher_z_regression";
  detail::check_pair(where, sizes, correlations, 3);
  SizeRegression result;
  for (std::size_t i = 0; i < sizes.values.size(); ++i) {
    if (sizes[i] <= 0) fail_usage(where, detail::value_text(sizes, i), " is ", sizes[i], ": a size must be positive");
    if (std::fabs(correlations[i]) >= 1)
      fail_usage(where, detail::value_text(correlations, i), " is ", correlations[i],
                 ": a correlation must be inside (-1, 1) to have a finite z");
    result.log_sizes.push_back(std::log10(sizes[i]));
    result.z.push_back(std::atanh(correlations[i]));
  }
  const Sample x(result.log_sizes, sizes.name, sizes.rows), y(result.z, correlations.name, correlations.rows);
  result.correlation = pearson(x, y);
  result.line = linear_fit(x, y);
  return result;
}

}  // namespace stats
TINYVISION_END
