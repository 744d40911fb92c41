// Figures 6, 7 and E.1 of a transfer study: its settings beside each other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tinyvision/report/figure_style.hpp"

TINYVISION_BEGIN
namespace report {
namespace detail {

/// Two settings: x of one, y of the other, colours by data set, shapes by family, and the line of equality.
inline PlotPanel scatter_panel(const TransferStudy& study, std::size_t x_setting, std::size_t y_setting) {
  const StudyValues values = values_of(study);
  const std::size_t datasets = study.datasets.size();
  std::vector<double> x, y;
  for (const double p : values.settings[x_setting]) x.push_back(stats::logit(p));
  for (const double p : values.settings[y_setting]) y.push_back(stats::logit(p));
  PlotPanel panel;
  panel.x = logit_axis(setting_title(study.settings[x_setting].name) + ", accuracy (%)", x, 0.09);
  panel.y = logit_axis(setting_title(study.settings[y_setting].name) + ", accuracy (%)", y, 0.055);
  const double low = std::max(panel.x.low, panel.y.low), high = std::min(panel.x.high, panel.y.high);
  if (low < high) panel.layers.push_back(PlotLine{{low, high}, {low, high}, "#777777", 1, true});
  for (std::size_t d = 0; d < datasets; ++d)
    for (std::size_t m = 0; m < study.networks.size(); ++m)
      panel.layers.push_back(PlotMarks{{dataset_colour(d), family_mark(family_of(study.networks[m])).shape, 0.85},
                                       {x[m * datasets + d]},
                                       {y[m * datasets + d]}});
  return panel;
}

inline void add_scatter_legend(PlotPage& page, const TransferStudy& study) {
  add_dataset_legend(page, study);
  add_family_legend(page, study, "#333333");
  page.legend.push_back({LegendEntry::Kind::line, "equal accuracy", {"#777777"}, true});
}

inline std::optional<std::size_t> find_setting(const TransferStudy& study, std::string_view name) {
  for (std::size_t s = 0; s < study.settings.size(); ++s)
    if (study.settings[s].name == name) return s;
  return std::nullopt;
}

}  // namespace detail

/// Figure 6: for each data set a bar for each setting (log-odds averaged over networks, with standard error), a point for each
/// network, and a line at `best_known` (percent; NaN for none), when it is not empty.
inline FigurePlan figure_6(const TransferStudy& study, const std::vector<double>& best_known) {
  FigurePlan plan{{"figure_6", "Figure 6", ""}, {}};
  plan.figure.caption =
      "Settings by data set. Bars: mean of the networks' log-odds, with its standard error; points: networks; axis on "
      "logit "
      "scale.";
  if (!best_known.empty()) plan.figure.caption += " Lines: the best result known to the paper before (Table F.1).";
  const StudyValues values = values_of(study);
  const std::size_t datasets = study.datasets.size(), networks = study.networks.size(),
                    settings = study.settings.size();
  std::vector<double> reach;
  for (const auto& setting : values.settings)
    for (const double p : setting) reach.push_back(stats::logit(p));
  for (const double percent : best_known)
    if (std::isfinite(percent)) reach.push_back(stats::logit(percent / 100));
  PlotPage& page = plan.page;
  const std::size_t per_row = (datasets + 1) / 2 >= 4 ? (datasets + 1) / 2 : datasets;  // two rows when there are many
  for (std::size_t first = 0; first < datasets; first += per_row) {
    const std::size_t count = std::min(per_row, datasets - first);
    PlotPanel panel;
    panel.left = 65, panel.top = 30 + 340 * static_cast<double>(page.panels.size());
    panel.height = 270, panel.width = 150 * static_cast<double>(count);
    panel.y = logit_axis("accuracy (%)", reach, 0.065);
    panel.x = {"", -0.5, static_cast<double>(count) - 0.5, {}, false};
    const double step = 0.86 / static_cast<double>(settings);
    std::vector<PlotLayer> points;
    for (std::size_t s = 0; s < settings; ++s) {
      PlotBoxes bars{{}, {}, {}, {}, setting_colour(s)};
      PlotMarks ends{{"#000000", MarkShape::circle, 0}, {}, {}, {}};
      for (std::size_t i = 0; i < count; ++i) {
        const double left = static_cast<double>(i) - 0.43 + step * static_cast<double>(s);
        std::vector<double> logits;
        for (std::size_t m = 0; m < networks; ++m) {
          logits.push_back(stats::logit(values.settings[s][m * datasets + first + i]));
          // Side by side in the order of the networks, so that equal points stay visible.
          const double share = (static_cast<double>(m) + 1) / (static_cast<double>(networks) + 1);
          points.push_back(PlotMarks{
              family_mark(family_of(study.networks[m]), 0.6), {left + step * (0.05 + 0.9 * share)}, {logits[m]}});
        }
        double mean = 0, squares = 0;
        for (const double l : logits) mean += l / static_cast<double>(networks);
        for (const double l : logits) squares += (l - mean) * (l - mean);
        bars.left.push_back(left), bars.right.push_back(left + 0.94 * step);
        bars.low.push_back(panel.y.low), bars.high.push_back(mean);
        ends.x.push_back(left + 0.47 * step), ends.y.push_back(mean);
        ends.error.push_back(
            networks < 2 ? 0 : std::sqrt(squares / static_cast<double>(networks - 1) / static_cast<double>(networks)));
      }
      panel.layers.push_back(std::move(bars));
      points.push_back(std::move(ends));
    }
    for (PlotLayer& layer : points) panel.layers.push_back(std::move(layer));
    for (std::size_t i = 0; i < count; ++i) {
      const double at = static_cast<double>(i);
      panel.x.ticks.push_back({at, study.datasets[first + i], ""});
      if (first + i < best_known.size() && std::isfinite(best_known[first + i])) {
        const double y = stats::logit(best_known[first + i] / 100);
        panel.layers.push_back(PlotLine{{at - 0.45, at + 0.44}, {y, y}, "#000000", 1.5});
      }
    }
    page.panels.push_back(std::move(panel));
  }
  page.legend_left = 65 + 150 * static_cast<double>(per_row) + 25, page.legend_top = 40;
  page.width = page.legend_left + 200, page.height = std::max(340 * static_cast<double>(page.panels.size()), 320.0);
  page.legend.push_back(detail::heading("settings"));
  for (std::size_t s = 0; s < settings; ++s)
    page.legend.push_back({LegendEntry::Kind::patch, setting_title(study.settings[s].name), {setting_colour(s)}});
  detail::add_family_legend(page, study);
  if (!best_known.empty()) page.legend.push_back({LegendEntry::Kind::line, "previous best", {"#000000"}});
  return plan;
}

/// Figure 7: fine-tuning over training from random initialisation. Nothing when the study lacks one of them.
inline std::optional<FigurePlan> figure_7(const TransferStudy& study) {
  const auto tuned = detail::find_setting(study, "fine_tuned"), scratch = detail::find_setting(study, "random_init");
  if (!tuned || !scratch) return std::nullopt;
  FigurePlan plan{{"figure_7", "Figure 7", ""}, {}};
  plan.figure.caption =
      "Fine-tuning and training from random initialisation. A point is a network on a data set; axes on logit scale.";
  PlotPanel panel = detail::scatter_panel(study, *scratch, *tuned);
  panel.left = 75, panel.top = 20, panel.width = 475, panel.height = 440;
  PlotPage& page = plan.page;
  page.panels.push_back(std::move(panel));
  page.legend_left = 575, page.legend_top = 40, page.width = 760, page.height = 520;
  detail::add_scatter_legend(page, study);
  return plan;
}

/// Figure E.1: every pair of settings. Nothing with one setting.
inline std::optional<FigurePlan> figure_e1(const TransferStudy& study) {
  if (study.settings.size() < 2) return std::nullopt;
  FigurePlan plan{{"figure_E1", "Figure E.1", ""}, {}};
  plan.figure.caption = "Every pair of settings. A point is a network on a data set; axes on logit scale.";
  PlotPage& page = plan.page;
  for (std::size_t second = 0; second < study.settings.size(); ++second)
    for (std::size_t first = second + 1; first < study.settings.size(); ++first) {
      // The paper has the better setting upwards: fine-tuning over both others, probes over random initialisation.
      const bool scratch = study.settings[first].name == "random_init";
      PlotPanel panel = detail::scatter_panel(study, scratch ? first : second, scratch ? second : first);
      panel.left = 75 + 350 * static_cast<double>(page.panels.size() % 3);
      panel.top = 20 + 375 * static_cast<double>(page.panels.size() / 3);
      panel.width = 265, panel.height = 300;
      page.panels.push_back(std::move(panel));
    }
  const double rows = static_cast<double>((page.panels.size() + 2) / 3);
  page.legend_left = 20 + 350 * static_cast<double>(std::min<std::size_t>(3, page.panels.size())), page.legend_top = 40;
  page.width = page.legend_left + 180, page.height = std::max(375 * rows, 440.0);
  detail::add_scatter_legend(page, study);
  return plan;
}

}  // namespace report
TINYVISION_END
