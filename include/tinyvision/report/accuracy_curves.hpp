// Accuracy over training time and over the size of the training set: Figures 8 and 9 of Kornblith, Shlens and Le, "Do Better
// ImageNet Models Transfer Better?" (CVPR 2019), sections 4.6 and 4.7, and the speed-up of section 4.6.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tinyvision/core/text.hpp"
#include "tinyvision/report/figure_style.hpp"
#include "tinyvision/stats/training_speed.hpp"

TINYVISION_BEGIN
namespace report {

/// One accuracy on a test set, a fraction, after `x` steps or with `x` training images a class.
struct CurveRecord {
  std::string network, dataset, setting;
  double x = 0;
  std::string subset;  ///< tells subsets (or seeds) at one x apart
  double accuracy = 0;
  std::string place;  ///< where it comes from, for messages
};

/// What the runs at one x gave.
struct CurvePoint {
  double x = 0;
  std::vector<double> accuracies;  ///< fractions, one a subset
  double mean_log_odds = 0;
  double standard_error = 0;  ///< of the mean log-odds, sd / sqrt(n) with n - 1 degrees of freedom; 0 with one run
};

struct AccuracyCurve {
  std::string setting;
  std::vector<CurvePoint> points;  ///< x increasing
};

/// The curves of one network on one data set, settings in the order of the names.
struct CurvePanel {
  std::string network, dataset;
  std::vector<AccuracyCurve> curves;

  const AccuracyCurve* find(std::string_view setting) const {
    for (const AccuracyCurve& curve : curves)
      if (curve.setting == setting) return &curve;
    return nullptr;
  }
};

/// Sorts records into panels (by network, then data set, by name) and curves. Throws UsageError, naming the record's place, for
/// empty names, an x that is not positive, an accuracy outside (0, 1), which has no log-odds, and for a run that comes twice.
inline std::vector<CurvePanel> curve_panels(const std::vector<CurveRecord>& records) {
  constexpr std::string_view where = "curves";
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::map<double, std::map<std::string, double>>>>
      cells;
  for (const CurveRecord& r : records) {
    if (r.network.empty() || r.dataset.empty() || r.setting.empty())
      fail_usage(where, r.place, ": network, data set and setting need names");
    if (!(r.x > 0) || !std::isfinite(r.x)) fail_usage(where, r.place, ": ", r.x, " must be positive");
    if (const std::string fault = stats::detail::accuracy_fault(r.accuracy); !fault.empty())
      fail_usage(where, r.place, ": the accuracy ", fault);
    if (!cells[{r.network, r.dataset}][r.setting][r.x].emplace(r.subset, r.accuracy).second)
      fail_usage(where, r.place, ": ", r.network, " on ", r.dataset, ", ", r.setting, " at ", format_shortest(r.x),
                 r.subset.empty() ? "" : ", subset ", r.subset, " comes twice");
  }
  std::vector<CurvePanel> panels;
  for (const auto& [names, settings] : cells) {
    CurvePanel& panel = panels.emplace_back(CurvePanel{names.first, names.second, {}});
    for (const auto& [setting, points] : settings) {
      AccuracyCurve& curve = panel.curves.emplace_back(AccuracyCurve{setting, {}});
      for (const auto& [x, runs] : points) {
        CurvePoint& point = curve.points.emplace_back();
        point.x = x;
        double squares = 0;
        const auto n = static_cast<double>(runs.size());
        for (const auto& run : runs) {
          point.accuracies.push_back(run.second);
          point.mean_log_odds += stats::logit(run.second) / n;
        }
        for (const double a : point.accuracies) squares += std::pow(stats::logit(a) - point.mean_log_odds, 2);
        if (n > 1) point.standard_error = std::sqrt(squares / (n - 1) / n);
      }
    }
  }
  return panels;
}

/// How much sooner `fast` has 90 % of the greatest odds that it reaches than `slow` (section 4.6).
struct Convergence {
  struct Row {
    std::string network, dataset;
    stats::TimeToOdds fast, slow;
    double speed_up() const { return slow.time / fast.time; }
  };
  std::vector<Row> rows;
  double fast_mean = 0, slow_mean = 0, speed_up = 0;  ///< geometric means over the rows
  stats::Interval fast_quartiles{}, slow_quartiles{};
};

/// Compares the two settings wherever both are; each accuracy is the inverse logit of the mean log-odds at its x. Nothing
/// where no panel has both.
inline std::optional<Convergence> convergence(const std::vector<CurvePanel>& panels,
                                              std::string_view fast = "fine_tuned",
                                              std::string_view slow = "random_init") {
  Convergence result;
  std::vector<double> fast_times, slow_times;
  const auto time = [](const CurvePanel& panel, const AccuracyCurve& curve) {
    std::vector<double> x, accuracy;
    for (const CurvePoint& p : curve.points)
      x.push_back(p.x), accuracy.push_back(stats::inverse_logit(p.mean_log_odds));
    const std::string name = panel.dataset + ", " + curve.setting;
    return stats::time_to_odds(stats::Sample(x, name), stats::Sample(accuracy, name));
  };
  for (const CurvePanel& panel : panels) {
    const AccuracyCurve *quick = panel.find(fast), *late = panel.find(slow);
    if (!quick || !late) continue;
    result.rows.push_back({panel.network, panel.dataset, time(panel, *quick), time(panel, *late)});
    fast_times.push_back(result.rows.back().fast.time), slow_times.push_back(result.rows.back().slow.time);
  }
  if (result.rows.empty()) return std::nullopt;
  result.fast_mean = stats::geometric_mean(fast_times), result.slow_mean = stats::geometric_mean(slow_times);
  result.speed_up = stats::geometric_mean_speed_up(slow_times, fast_times);
  result.fast_quartiles = stats::interquartile_range(fast_times);
  result.slow_quartiles = stats::interquartile_range(slow_times);
  return result;
}

/// The curves as a figure: a panel for each network on each data set, x logarithmic, accuracy on logit scale, bars one
/// standard error of the mean log-odds. `x_label`: "training steps".
inline FigurePlan accuracy_curves_figure(const std::vector<CurvePanel>& panels, const std::string& name,
                                         const std::string& title, const std::string& x_label) {
  check(!panels.empty(), "curves", "no panels to draw");
  FigurePlan plan{{name, title, ""}, {}};
  plan.figure.caption =
      "Accuracy on test images over " + x_label + ". Axes: logarithmic, and on logit scale. Bars: one standard error.";
  std::set<std::string> networks, settings;
  for (const CurvePanel& panel : panels) {
    networks.insert(panel.network);
    for (const AccuracyCurve& curve : panel.curves) settings.insert(curve.setting);
  }
  const auto mark_of = [&](const std::string& setting) {
    constexpr MarkShape shapes[] = {MarkShape::circle, MarkShape::square, MarkShape::triangle, MarkShape::diamond};
    const auto at = static_cast<std::size_t>(std::distance(settings.begin(), settings.find(setting)));
    return Mark{dataset_colour(at), shapes[at % std::size(shapes)], 0.9};
  };
  PlotPage& page = plan.page;
  const std::size_t per_row = std::min<std::size_t>(3, panels.size());
  for (const CurvePanel& source : panels) {
    PlotPanel panel;
    panel.left = 70 + 340 * static_cast<double>(page.panels.size() % per_row);
    panel.top = 35 + 340 * static_cast<double>(page.panels.size() / per_row);
    panel.width = 260, panel.height = 250;
    panel.title = networks.size() > 1 ? source.network + ", " + source.dataset : source.dataset;
    std::vector<double> x, y;
    std::vector<PlotLayer> lines, marks;
    for (const AccuracyCurve& curve : source.curves) {
      PlotLine line{{}, {}, mark_of(curve.setting).colour, 1.5};
      PlotMarks points{mark_of(curve.setting), {}, {}, {}};
      for (const CurvePoint& p : curve.points) {
        line.x.push_back(std::log10(p.x)), line.y.push_back(p.mean_log_odds);
        points.error.push_back(p.standard_error);
        y.insert(y.end(), {p.mean_log_odds - p.standard_error, p.mean_log_odds + p.standard_error});
      }
      points.x = line.x, points.y = line.y;
      x.insert(x.end(), line.x.begin(), line.x.end());
      lines.push_back(std::move(line)), marks.push_back(std::move(points));
    }
    panel.x = count_axis(x_label, x, 0.16);
    panel.y = logit_axis("accuracy (%)", y);
    panel.layers = std::move(lines);
    panel.layers.insert(panel.layers.end(), marks.begin(), marks.end());
    page.panels.push_back(std::move(panel));
  }
  const double rows = static_cast<double>((panels.size() + per_row - 1) / per_row);
  page.legend_left = 20 + 340 * static_cast<double>(per_row), page.legend_top = 45;
  page.width = page.legend_left + 190, page.height = 340 * rows + 10;
  page.legend.push_back(detail::heading("settings"));
  for (const std::string& setting : settings)
    page.legend.push_back({LegendEntry::Kind::mark, setting_title(setting), mark_of(setting)});
  return plan;
}

}  // namespace report
TINYVISION_END
