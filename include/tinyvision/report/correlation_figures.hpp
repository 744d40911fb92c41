// Figures 1, 2 and D.1 of a transfer study: ImageNet accuracy and transfer accuracy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tinyvision/report/figure_style.hpp"
#include "tinyvision/report/label_placement.hpp"

TINYVISION_BEGIN
namespace report {
namespace detail {

inline std::vector<double> even_grid(double low, double high, int points) {
  std::vector<double> grid;
  for (int i = 0; i < points; ++i) grid.push_back(low + (high - low) * i / (points - 1));
  return grid;
}

/// The regression line over the range of x, and its bootstrap band when `band`.
inline void add_regression(PlotPanel& panel, const std::vector<double>& x, const std::vector<double>& y, bool band,
                           std::uint64_t seed) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  PlotLine line{even_grid(*low, *high, 2), {}, regression_colour, 2};
  const stats::LinearFit fit = stats::linear_fit(x, y);
  for (const double at : line.x) line.y.push_back(fit(at));
  if (band) {
    PlotBand area{even_grid(*low, *high, 41), {}, {}, band_colour};
    stats::BandOptions options;
    options.seed = seed;
    for (const stats::Interval& i : stats::bootstrap_band(x, y, area.x, options)) {
      area.low.push_back(i.low);
      area.high.push_back(i.high);
    }
    panel.layers.push_back(std::move(area));
  }
  panel.layers.push_back(std::move(line));
}

/// Average log-odds over ImageNet accuracy: line, band, error bars, marks by family, green behind the best and its equals.
inline PlotPanel average_panel(const TransferStudy& study, const SettingAnalysis& setting, std::uint64_t seed) {
  const std::vector<double> x = imagenet_logits(values_of(study)), &y = setting.means;
  const bool bars = !setting.standings.empty();
  std::vector<double> reach = y;
  if (bars)
    for (const double sign : {-1.0, 1.0})
      for (std::size_t m = 0; m < y.size(); ++m) reach.push_back(y[m] + sign * setting.standings[m].standard_error);
  PlotPanel panel;
  panel.x = logit_axis("ImageNet top-1 accuracy (%)", x, 0.1);
  panel.y = linear_axis("transfer accuracy (log-odds)", reach);
  for (AxisTick& tick : panel.y.ticks) tick.label = with_minus(tick.label);
  if (setting.pearson) {
    add_regression(panel, x, y, true, seed);
    panel.layers.push_back(PlotText{0.04, 0.93, two_decimals("r = ", setting.pearson->r), "left", true});
  }
  PlotMarks ties{{tie_colour, MarkShape::circle, 2.1}, {}, {}};
  for (std::size_t m = 0; m < setting.not_worse.size(); ++m)
    if (setting.not_worse[m]) ties.x.push_back(x[m]), ties.y.push_back(y[m]);
  if (!ties.x.empty()) panel.layers.push_back(std::move(ties));
  for (std::size_t m = 0; m < y.size(); ++m) {
    PlotMarks marks{family_mark(family_of(study.networks[m])), {x[m]}, {y[m]}};
    if (bars) marks.error = {setting.standings[m].standard_error};
    panel.layers.push_back(std::move(marks));
  }
  return panel;
}

/// Each data set's accuracy over ImageNet accuracy, with a thin line for each.
inline PlotPanel dataset_panel(const TransferStudy& study, const SettingAnalysis& setting, std::size_t s) {
  const StudyValues values = values_of(study);
  const std::vector<double> x = imagenet_logits(values);
  std::vector<double> all;
  for (const double p : values.settings[s]) all.push_back(stats::logit(p));
  PlotPanel panel;
  panel.x = logit_axis("ImageNet top-1 accuracy (%)", x, 0.1);
  panel.y = logit_axis("transfer accuracy (%)", all, 0.055);
  const std::size_t datasets = study.datasets.size();
  for (std::size_t d = 0; d < datasets; ++d) {
    std::vector<double> y;
    for (std::size_t m = 0; m < x.size(); ++m) y.push_back(all[m * datasets + d]);
    if (setting.on_dataset[d]) {
      const stats::LinearFit fit = stats::linear_fit(x, y);
      const auto [low, high] = std::minmax_element(x.begin(), x.end());
      panel.layers.push_back(PlotLine{{*low, *high}, {fit(*low), fit(*high)}, dataset_colour(d), 0.7});
    }
    for (std::size_t m = 0; m < x.size(); ++m)
      panel.layers.push_back(
          PlotMarks{{dataset_colour(d), family_mark(family_of(study.networks[m])).shape, 0.7}, {x[m]}, {y[m]}});
  }
  return panel;
}

/// The names of the networks beside their points.
inline void add_network_names(PlotPanel& panel, const TransferStudy& study, const SettingAnalysis& setting) {
  constexpr double font = 11;
  const std::vector<double> x = imagenet_logits(values_of(study));
  const auto pixel_x = [&](double v) { return panel.width * (v - panel.x.low) / (panel.x.high - panel.x.low); };
  const auto pixel_y = [&](double v) { return panel.height * (panel.y.high - v) / (panel.y.high - panel.y.low); };
  std::vector<NamedPoint> points;
  std::vector<PixelBox> bars;
  for (std::size_t m = 0; m < x.size(); ++m) {
    points.push_back({pixel_x(x[m]), pixel_y(setting.means[m]), study.networks[m]});
    const double error = setting.standings.empty() ? 0 : setting.standings[m].standard_error;
    bars.push_back(
        {points[m].x - 3, pixel_y(setting.means[m] + error), points[m].x + 3, pixel_y(setting.means[m] - error)});
  }
  const auto labels = place_labels(points, {0, 0, panel.width, panel.height}, bars, font);
  for (std::size_t m = 0; m < labels.size(); ++m)
    panel.layers.push_back(PlotText{labels[m].x / panel.width, 1 - labels[m].y / panel.height, study.networks[m],
                                    labels[m].right_aligned ? "right" : "left", true});
}

inline void add_average_legend(PlotPage& page, const TransferStudy& study) {
  add_family_legend(page, study);
  if (study.networks.size() >= 3) {
    page.legend.push_back(heading("average over data sets"));
    page.legend.push_back({LegendEntry::Kind::line, "regression line", {regression_colour}});
    page.legend.push_back({LegendEntry::Kind::patch, "95 % bootstrap band", {band_colour}});
  }
  if (study.datasets.size() >= 2)
    page.legend.push_back({LegendEntry::Kind::mark, "not worse than the best", {tie_colour, MarkShape::circle, 2.1}});
}

}  // namespace detail

/// Figure 1: average transfer accuracy over ImageNet accuracy in the settings that start from ImageNet weights (in all, where
/// the study has neither), with the networks' names. `seed` draws the bootstrap.
inline FigurePlan figure_1(const TransferStudy& study, const StudyAnalysis& analysis, std::uint64_t seed) {
  FigurePlan plan{{"figure_1", "Figure 1", ""}, {}};
  plan.figure.caption =
      "Transfer accuracy and ImageNet top-1 accuracy. A point is a network; log-odds averaged over data sets, standard "
      "errors "
      "with Morey's correction, regression line with a 95 % bootstrap band, r is Pearson's. Green: not significantly "
      "worse "
      "than the best network (paired t-test over data sets, p > 0.05).";
  std::vector<std::size_t> shown;
  for (std::size_t s = 0; s < study.settings.size(); ++s)
    if (study.settings[s].name == "linear_probe" || study.settings[s].name == "fine_tuned") shown.push_back(s);
  if (shown.empty())
    for (std::size_t s = 0; s < study.settings.size(); ++s) shown.push_back(s);
  PlotPage& page = plan.page;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    PlotPanel panel = detail::average_panel(study, analysis.settings[shown[i]], seed);
    panel.left = 75 + 560 * static_cast<double>(i), panel.top = 40, panel.width = 470, panel.height = 400;
    panel.title = setting_heading(study.settings[shown[i]].name);
    panel.x.high += 0.22 * (panel.x.high - panel.x.low);  // room for names on the right
    detail::add_network_names(panel, study, analysis.settings[shown[i]]);
    page.panels.push_back(std::move(panel));
  }
  page.legend_left = 560 * static_cast<double>(shown.size()) + 10, page.legend_top = 60;
  page.width = page.legend_left + 200, page.height = 500;
  detail::add_average_legend(page, study);
  return plan;
}

/// Figure 2: a row for each setting; left each data set, right their average.
inline FigurePlan figure_2(const TransferStudy& study, const StudyAnalysis& analysis, std::uint64_t seed) {
  FigurePlan plan{{"figure_2", "Figure 2", ""}, {}};
  plan.figure.caption =
      "ImageNet accuracy and transfer accuracy by setting. Left: each data set, axes on logit scale, thin lines of "
      "least "
      "squares. Right: log-odds averaged over data sets, with standard errors (Morey's correction), the regression "
      "line and "
      "its 95 % bootstrap band in blue. Green: networks not significantly worse than the best (p > 0.05).";
  PlotPage& page = plan.page;
  for (std::size_t s = 0; s < study.settings.size(); ++s) {
    PlotPanel left = detail::dataset_panel(study, analysis.settings[s], s);
    PlotPanel right = detail::average_panel(study, analysis.settings[s], seed);
    left.left = 75, right.left = 465;
    for (PlotPanel* panel : {&left, &right}) {
      panel->width = 315, panel->height = 240;
      panel->top = 36 + 335 * static_cast<double>(s);
    }
    left.title = setting_heading(study.settings[s].name) + ": each data set";
    right.title = setting_heading(study.settings[s].name) + ": average";
    page.panels.push_back(std::move(left));
    page.panels.push_back(std::move(right));
  }
  page.legend_left = 800, page.legend_top = 50;
  page.width = 985, page.height = std::max(335 * static_cast<double>(study.settings.size()) + 10, 560.0);
  detail::add_dataset_legend(page, study);
  detail::add_average_legend(page, study);
  return plan;
}

/// Figure D.1: the correlation on each data set over its number of training images; nothing when no setting has it.
inline std::optional<FigurePlan> figure_d1(const TransferStudy& study, const StudyAnalysis& analysis) {
  FigurePlan plan{{"figure_D1", "Figure D.1", ""}, {}};
  plan.figure.caption =
      "The correlation between ImageNet accuracy and accuracy on each data set, on Fisher's z scale, over the number "
      "of "
      "training images. r and p are those of the logarithm of that number and z.";
  PlotPage& page = plan.page;
  std::vector<double> all_z;
  for (const SettingAnalysis& s : analysis.settings)
    if (s.size) all_z.insert(all_z.end(), s.size->z.begin(), s.size->z.end());
  if (all_z.empty()) return std::nullopt;
  for (const SettingAnalysis& s : analysis.settings) {
    if (!s.size) continue;
    PlotPanel panel;
    panel.left = 75 + 370 * static_cast<double>(page.panels.size()), panel.top = 40, panel.width = 290;
    panel.height = 320;
    panel.title = setting_heading(s.name);
    panel.x = count_axis("training images", s.size->log_sizes);
    panel.y = fisher_axis("correlation r with ImageNet accuracy", all_z);
    detail::add_regression(panel, s.size->log_sizes, s.size->z, false, 0);
    for (std::size_t d = 0; d < s.size->z.size(); ++d)
      panel.layers.push_back(
          PlotMarks{{dataset_colour(d), MarkShape::circle, 1.2}, {s.size->log_sizes[d]}, {s.size->z[d]}});
    panel.layers.push_back(PlotText{0.04, 0.95, detail::two_decimals("r = ", s.size->correlation.r), "left", true});
    panel.layers.push_back(
        PlotText{0.04, 0.88, "p = " + format_significant(s.size->correlation.p_value, 2), "left", true});
    page.panels.push_back(std::move(panel));
  }
  page.legend_left = 20 + 370 * static_cast<double>(page.panels.size()), page.legend_top = 50;
  page.width = page.legend_left + 160, page.height = 420;
  detail::add_dataset_legend(page, study);
  return plan;
}

}  // namespace report
TINYVISION_END
