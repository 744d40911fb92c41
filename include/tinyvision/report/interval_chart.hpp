// Dots with intervals, one row each: accuracies of several methods side by side.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tinyvision/report/svg_canvas.hpp"

TINYVISION_BEGIN
namespace report {

struct IntervalRow {
  std::string name{};
  double value = 0;                                       ///< a fraction
  double low = std::numeric_limits<double>::quiet_NaN();  ///< no interval is drawn when not finite
  double high = std::numeric_limits<double>::quiet_NaN();
};

struct IntervalChart {
  std::string title{};
  std::string x_label{};
  std::vector<IntervalRow> rows{};  ///< from top to bottom
  double width = 680;
};

/// The chart as an <svg> element: names on the left, values written out on the right. Throws Error on a value that is
/// not finite or without rows.
inline std::string svg(const IntervalChart& chart) {
  check(!chart.rows.empty(), "interval_chart", "no rows");
  const double font = SvgCanvas::font_size;
  double low = 1e300, high = -1e300, name_width = 0, value_width = 0;
  std::vector<std::string> values{};
  for (const IntervalRow& row : chart.rows) {
    check(std::isfinite(row.value), "interval_chart", "the value of '", row.name, "' is not finite");
    const bool interval = std::isfinite(row.low) && std::isfinite(row.high);
    low = std::min(low, interval ? row.low : row.value);
    high = std::max(high, interval ? row.high : row.value);
    values.push_back(format_percent(row.value, 2));
    if (interval)
      values.back() += "  [" + format_fixed(100 * row.low, 2) + ", " + format_fixed(100 * row.high, 2) + "]";
    name_width = std::max(name_width, font * text_width(row.name));
    value_width = std::max(value_width, font * text_width(values.back()));
  }
  const double row_height = 26, top = chart.title.empty() ? 10 : 34;
  const double bottom = top + row_height * static_cast<double>(chart.rows.size());
  const double left = 16 + name_width + 10, right = std::max(left + 120, chart.width - value_width - 28);
  int target = static_cast<int>((right - left) / 60);
  Axis axis(AxisKind::percent, low, high, target, true);
  while (target > 2 && static_cast<double>(axis.ticks().size()) * (font * axis.label_width() + 12) > right - left)
    axis = Axis(AxisKind::percent, low, high, --target, true);
  const auto pixel_x = [&](double v) { return left + (right - left) * axis.position(v); };

  SvgCanvas canvas(std::max(chart.width, right + value_width + 28), bottom + 24 + (chart.x_label.empty() ? 0 : 20),
                   chart.title);
  if (!chart.title.empty()) canvas.text(16, 20, chart.title, "start", " font-size=\"14\" font-weight=\"bold\"");
  for (const AxisTick& tick : axis.ticks()) {
    canvas.line(pixel_x(tick.value), top, pixel_x(tick.value), bottom, "#e2e2e2");
    canvas.tick_label(pixel_x(tick.value), bottom + 16, tick, "middle");
  }
  canvas.line(left, bottom, right, bottom, "#555555");
  if (!chart.x_label.empty()) canvas.text((left + right) / 2, bottom + 36, chart.x_label, "middle");
  for (std::size_t i = 0; i < chart.rows.size(); ++i) {
    const IntervalRow& row = chart.rows[i];
    const double y = top + row_height * (static_cast<double>(i) + 0.5);
    canvas.text(left - 10, y + 4, row.name, "end");
    if (std::isfinite(row.low) && std::isfinite(row.high)) {
      canvas.line(pixel_x(row.low), y, pixel_x(row.high), y, series_colour(i), 2);
      for (const double end : {row.low, row.high})
        canvas.line(pixel_x(end), y - 5, pixel_x(end), y + 5, series_colour(i), 2);
    }
    canvas.marker(i, pixel_x(row.value), y, series_colour(i));
    canvas.text(right + 16, y + 4, values[i], "start");
  }
  return canvas.text();
}

}  // namespace report
TINYVISION_END
