// Axes whose ticks are labelled in other units than they are placed: accuracies on logit scale, correlations on Fisher's z,
// numbers of images on a logarithmic scale.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/report/axis.hpp"
#include "tinyvision/stats/transforms.hpp"

TINYVISION_BEGIN
namespace report {

/// An axis of a panel, in transformed units.
struct PlotAxis {
  std::string label;
  double low = 0, high = 1;
  std::vector<AxisTick> ticks{};
  bool grid = true;
};

namespace detail {

/// Least and greatest value, moved apart by `margin` of their distance; equal ones by 0.5.
inline std::pair<double, double> padded_range(const std::vector<double>& values, double margin) {
  check(!values.empty(), "plot_axis", "no values");
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  check(std::isfinite(*low) && std::isfinite(*high), "plot_axis", "values from ", *low, " to ", *high);
  const double pad = *high > *low ? margin * (*high - *low) : 0.5;
  return {*low - pad, *high + pad};
}

/// Of `candidates` (roundest first) those inside the axis that keep `gap` of its length to all before them. `place` is the
/// transformation; labels are percentages of `unit` 100, numbers of unit 1.
inline std::vector<AxisTick> chosen_ticks(const PlotAxis& axis, const std::vector<double>& candidates, double gap,
                                          const std::function<double(double)>& place,
                                          const std::function<std::string(double)>& name) {
  std::vector<AxisTick> ticks;
  const double length = axis.high - axis.low;
  for (const double value : candidates) {
    const double at = place(value);
    if (!(at >= axis.low && at <= axis.high)) continue;
    bool apart = true;
    for (const AxisTick& tick : ticks) apart = apart && std::fabs(tick.value - at) >= gap * length;
    if (apart) ticks.push_back({at, name(value), ""});
  }
  std::sort(ticks.begin(), ticks.end(), [](const AxisTick& a, const AxisTick& b) { return a.value < b.value; });
  return ticks;
}

inline std::string with_minus(std::string text) {
  if (text.starts_with('-')) text.replace(0, 1, "\u2212");
  return text;
}

/// Percentages, the roundest first: what is missing to either end in powers of ten, then tens, fives, twos and units, and
/// fractions close to the ends, where the scale stretches them.
inline std::vector<double> percent_candidates() {
  std::vector<double> values{50, 90, 10, 99, 1, 80, 20, 70, 30, 60, 40, 95, 5, 98, 2, 99.9, 0.1};
  for (int p = 5; p < 100; p += 5) values.push_back(p);
  for (int p = 1; p < 10; ++p) values.insert(values.end(), {static_cast<double>(100 - p), static_cast<double>(p)});
  for (const double rest : {0.5, 0.2, 1.5, 0.05, 0.02, 0.01}) values.insert(values.end(), {100 - rest, rest});
  return values;
}

}  // namespace detail

/// For accuracies: `logits` is what it has to hold, ticks are percentages, evenly spaced where the scale is nearly linear.
/// `gap`: least distance of two ticks as a share of the axis.
inline PlotAxis logit_axis(std::string label, const std::vector<double>& logits, double gap = 0.07,
                           double margin = 0.05) {
  PlotAxis axis{std::move(label)};
  std::tie(axis.low, axis.high) = detail::padded_range(logits, margin);
  const double low = 100 * stats::inverse_logit(axis.low), high = 100 * stats::inverse_logit(axis.high);
  const auto slope = [](double percent) { return percent * (100 - percent); };
  const Axis in_percent(AxisKind::linear, low, high, std::max(2, static_cast<int>(0.65 / gap)), false);
  std::vector<double> even;
  for (const AxisTick& tick : in_percent.ticks()) even.push_back(tick.value);
  const auto choose = [&](const std::vector<double>& candidates) {
    axis.ticks = detail::chosen_ticks(
        axis, candidates, gap, [](double p) { return p > 0 && p < 100 ? stats::logit(p / 100) : NAN; },
        [](double p) { return format_significant(p, 6); });
  };
  const bool nearly_linear = slope(low) < 2 * slope(high) && slope(high) < 2 * slope(low) && even.size() > 2;
  choose(nearly_linear ? even : detail::percent_candidates());
  if (axis.ticks.size() < 2) choose(even);
  return axis;
}

/// For numbers.
inline PlotAxis linear_axis(std::string label, const std::vector<double>& values, int target = 6,
                            double margin = 0.05) {
  PlotAxis axis{std::move(label)};
  std::tie(axis.low, axis.high) = detail::padded_range(values, margin);
  axis.ticks = Axis(AxisKind::linear, axis.low, axis.high, target, false).ticks();
  return axis;
}

/// For correlations: `z` is Fisher's z of what it has to hold, ticks are correlations.
inline PlotAxis fisher_axis(std::string label, const std::vector<double>& z, double gap = 0.06) {
  PlotAxis axis{std::move(label)};
  std::tie(axis.low, axis.high) = detail::padded_range(z, 0.08);
  std::vector<double> candidates{0, 0.5, 0.9, 0.8, 0.99, 0.95, 0.7, 0.98, 0.3, 0.999};
  for (int r = 1; r < 100; ++r) candidates.push_back(r / 100.0);
  const std::size_t positive = candidates.size();
  for (std::size_t i = 1; i < positive; ++i) candidates.push_back(-candidates[i]);
  axis.ticks = detail::chosen_ticks(
      axis, candidates, gap, [](double r) { return std::atanh(r); },
      [](double r) { return detail::with_minus(format_significant(r, 3)); });
  return axis;
}

/// For positive counts: `logs` is log10 of what it has to hold, ticks are counts with thousands set apart.
inline PlotAxis count_axis(std::string label, const std::vector<double>& logs, double gap = 0.12) {
  PlotAxis axis{std::move(label)};
  std::tie(axis.low, axis.high) = detail::padded_range(logs, 0.06);
  std::vector<double> candidates;
  for (const double digit : {1.0, 2.0, 5.0, 3.0, 7.0})
    for (int e = 0; e <= 9; ++e) candidates.push_back(digit * std::pow(10.0, e));
  axis.ticks = detail::chosen_ticks(
      axis, candidates, gap, [](double n) { return std::log10(n); },
      [](double n) {
        std::string text = format_fixed(n, 0);
        for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
          text.insert(static_cast<std::size_t>(at), ",");
        return text;
      });
  return axis;
}

}  // namespace report
TINYVISION_END
