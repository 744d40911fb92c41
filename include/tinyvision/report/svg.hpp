// Line charts as SVG text: axes, ticks, legend, error bars; no scripts and nothing loaded from elsewhere.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tinyvision/report/svg_canvas.hpp"

TINYVISION_BEGIN
namespace report {

/// One curve. A y that is not finite leaves a gap.
struct Series {
  std::string name{};  ///< shown in the legend; none when empty
  std::vector<double> x{};
  std::vector<double> y{};
  std::vector<double> low{};   ///< lower ends of error bars: empty, or one for each point
  std::vector<double> high{};  ///< upper ends
  bool line = true;            ///< join the points
  bool dashed = false;
};

struct LineChart {
  std::string title{};
  std::string x_label{};
  std::string y_label{};
  std::vector<Series> series{};
  AxisKind x_kind = AxisKind::linear;
  AxisKind y_kind = AxisKind::linear;
  std::optional<double> y_low{};  ///< ends of the y axis; from the data when absent. Curves are cut off outside.
  std::optional<double> y_high{};
  double width = 680;
  double height = 360;  ///< of the whole figure without the legend, which is put below
};

namespace detail {

struct PlotPoint {
  double x, y;
};

/// At most four points (first, lowest, highest, last) per pixel column, so that a long loss curve stays a small file
/// and looks the same.
inline std::vector<PlotPoint> thin_out(const std::vector<PlotPoint>& points) {
  std::vector<PlotPoint> kept;
  for (std::size_t begin = 0; begin < points.size();) {
    std::size_t end = begin, lowest = begin, highest = begin;
    while (end < points.size() && std::floor(points[end].x) == std::floor(points[begin].x)) {
      if (points[end].y < points[lowest].y) lowest = end;
      if (points[end].y > points[highest].y) highest = end;
      ++end;
    }
    std::size_t previous = end;
    for (const std::size_t i : {begin, std::min(lowest, highest), std::max(lowest, highest), end - 1}) {
      if (i != previous) kept.push_back(points[i]);
      previous = i;
    }
    begin = end;
  }
  return kept;
}

/// Throws unless x, y and the error bars of each series fit together.
inline void check_series(const LineChart& chart) {
  for (const Series& s : chart.series) {
    check(s.x.size() == s.y.size(), "line_chart", "series '", s.name, "': ", s.x.size(), " x but ", s.y.size(), " y");
    check(s.low.size() == s.high.size() && (s.low.empty() || s.low.size() == s.x.size()), "line_chart", "series '",
          s.name, "': ", s.x.size(), " points but ", s.low.size(), " lower and ", s.high.size(), " upper error ends");
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      check(std::isfinite(s.x[i]), "line_chart", "series '", s.name, "': x of point ", i, " is not finite");
      check(chart.x_kind != AxisKind::log10 || s.x[i] > 0, "line_chart", "series '", s.name, "': x of point ", i,
            " is ", s.x[i], ", a logarithmic axis needs positive values");
      check(chart.y_kind != AxisKind::log10 || !(s.y[i] <= 0), "line_chart", "series '", s.name, "': y of point ", i,
            " is ", s.y[i], ", a logarithmic axis needs positive values");
    }
  }
}

/// The span of the finite values that `visit` hands to its argument; [0, 1], or [1, 10] on a logarithmic axis, if none.
template <class Visit>
std::pair<double, double> span_of(AxisKind kind, Visit&& visit) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  visit([&](double value) {
    if (!std::isfinite(value) || (kind == AxisKind::log10 && value <= 0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  });
  if (low <= high) return {low, high};
  return kind == AxisKind::log10 ? std::pair{1.0, 10.0} : std::pair{0.0, 1.0};
}

/// Rows of legend entries that fit into `width`: for each entry its row and its x.
struct LegendPlace {
  int row;
  double x;
};
inline double legend_entry_width(const std::string& name) { return 34 + SvgCanvas::font_size * text_width(name) + 18; }
inline std::vector<LegendPlace> place_legend(const std::vector<Series>& series, double left, double width) {
  std::vector<LegendPlace> places;
  int row = 0;
  double x = left;
  for (const Series& s : series) {
    if (!s.name.empty() && x > left && x + legend_entry_width(s.name) > left + width) ++row, x = left;
    places.push_back({row, x});
    if (!s.name.empty()) x += legend_entry_width(s.name);
  }
  return places;
}

}  // namespace detail

/// The chart as an <svg> element. Series with at most 40 points get markers as well, so that colour is never the only
/// difference; where several series have error bars they are moved apart by a few pixels. Throws Error when the vectors
/// of a series differ in length, an x is not finite, or a value on a logarithmic axis is not positive.
inline std::string svg(const LineChart& chart) {
  detail::check_series(chart);
  const double font = SvgCanvas::font_size;
  constexpr double grid_stroke = 1, bar_stroke = 1.3;

  auto [y_low, y_high] = detail::span_of(chart.y_kind, [&](auto&& see) {
    for (const Series& s : chart.series)
      for (const auto* values : {&s.y, &s.low, &s.high})
        for (const double v : *values) see(v);
  });
  const auto [x_low, x_high] = detail::span_of(chart.x_kind, [&](auto&& see) {
    for (const Series& s : chart.series)
      for (const double v : s.x) see(v);
  });
  y_low = chart.y_low.value_or(y_low);
  y_high = std::max(y_low, chart.y_high.value_or(y_high));

  const double top = chart.title.empty() ? 14 : 34;
  const double bottom = chart.height - 22 - (chart.x_label.empty() ? 0 : 20);
  const Axis y_axis(chart.y_kind, y_low, y_high, static_cast<int>((bottom - top) / 45), true);
  const double left = 12 + (chart.y_label.empty() ? 0 : 18) + font * y_axis.label_width() + 6;
  // Fewer ticks until their labels have room; half of the last label stands out on the right.
  int x_ticks = static_cast<int>((chart.width - left) / 55);
  Axis x_axis(chart.x_kind, x_low, x_high, x_ticks, false);
  const auto crowded = [&] {
    return static_cast<double>(x_axis.ticks().size()) * (font * x_axis.label_width() + 14) > chart.width - left;
  };
  while (x_ticks > 2 && crowded()) x_axis = Axis(chart.x_kind, x_low, x_high, --x_ticks, false);
  const double right = chart.width - std::max(14.0, font * x_axis.label_width() / 2 + 4);

  const auto legend = detail::place_legend(chart.series, left, right - left);
  bool has_legend = false;
  for (const Series& s : chart.series) has_legend = has_legend || !s.name.empty();
  const double legend_height = has_legend ? 10 + 18 * (legend.back().row + 1) : 0;

  std::size_t with_bars = 0, bars_before = 0;
  for (const Series& s : chart.series) with_bars += s.low.empty() ? 0 : 1;
  constexpr double apart = 5;  // between the error bars of neighbouring series
  const double inset = 4 + (with_bars > 1 ? apart * (static_cast<double>(with_bars) - 1) / 2 + 2 : 0);
  const auto pixel_x = [&](double v) { return left + inset + (right - left - 2 * inset) * x_axis.position(v); };
  const auto pixel_y = [&](double v) { return bottom - (bottom - top) * y_axis.position(v); };

  SvgCanvas canvas(chart.width, chart.height + legend_height, chart.title.empty() ? chart.y_label : chart.title);
  if (!chart.title.empty()) canvas.text(left, 20, chart.title, "start", " font-size=\"14\" font-weight=\"bold\"");
  for (const AxisTick& tick : y_axis.ticks()) {
    canvas.line(left, pixel_y(tick.value), right, pixel_y(tick.value), "#e2e2e2", grid_stroke);
    canvas.tick_label(left - 6, pixel_y(tick.value) + 4, tick, "end");
  }
  for (const AxisTick& tick : x_axis.ticks()) {
    canvas.line(pixel_x(tick.value), bottom, pixel_x(tick.value), bottom + 5, "#555555", grid_stroke);
    canvas.tick_label(pixel_x(tick.value), bottom + 18, tick, "middle");
  }
  canvas.line(left, bottom, right, bottom, "#555555", grid_stroke);
  canvas.line(left, top, left, bottom, "#555555", grid_stroke);
  if (!chart.x_label.empty()) canvas.text((left + right) / 2, bottom + 37, chart.x_label, "middle");
  if (!chart.y_label.empty()) {
    const std::string middle = SvgCanvas::number((top + bottom) / 2);
    canvas.text(16, (top + bottom) / 2, chart.y_label, "middle", " transform=\"rotate(-90 16 " + middle + ")\"");
  }

  canvas.begin_clip(left - 6, top - 6, right - left + 12, bottom - top + 12);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    const double shift =
        s.low.empty() ? 0 : apart * (static_cast<double>(bars_before++) - (static_cast<double>(with_bars) - 1) / 2);
    const bool markers = s.x.size() <= 40 || !s.line;
    std::vector<detail::PlotPoint> run;
    const auto draw_run = [&] {
      std::string points;
      for (const detail::PlotPoint& p : detail::thin_out(run))
        points += (points.empty() ? "" : " ") + SvgCanvas::number(p.x) + "," + SvgCanvas::number(p.y);
      // Thin strokes where a curve has several points per pixel: a noisy loss should not turn into a band.
      const double stroke = static_cast<double>(s.x.size()) > right - left ? 0.7 : 1.8;
      if (s.line && run.size() > 1) canvas.polyline(points, series_colour(i), s.dashed ? "6 4" : "", stroke);
      run.clear();
    };
    for (std::size_t p = 0; p < s.x.size(); ++p) {
      if (std::isfinite(s.y[p])) {
        run.push_back({pixel_x(s.x[p]) + shift, pixel_y(s.y[p])});
      } else {
        draw_run();
      }
    }
    draw_run();
    for (std::size_t p = 0; p < s.low.size(); ++p) {
      if (!std::isfinite(s.low[p]) || !std::isfinite(s.high[p])) continue;
      if (chart.y_kind == AxisKind::log10 && s.high[p] <= 0) continue;
      const double x = pixel_x(s.x[p]) + shift, upper = pixel_y(s.high[p]);
      // A lower end at or below zero leaves a logarithmic axis at the bottom.
      const double lower = chart.y_kind == AxisKind::log10 && s.low[p] <= 0 ? bottom + 20 : pixel_y(s.low[p]);
      canvas.line(x, lower, x, upper, series_colour(i), bar_stroke);
      canvas.line(x - 3, lower, x + 3, lower, series_colour(i), bar_stroke);
      canvas.line(x - 3, upper, x + 3, upper, series_colour(i), bar_stroke);
    }
    for (std::size_t p = 0; markers && p < s.x.size(); ++p)
      if (std::isfinite(s.y[p])) canvas.marker(i, pixel_x(s.x[p]) + shift, pixel_y(s.y[p]), series_colour(i));
  }
  canvas.end_clip();

  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    if (s.name.empty()) continue;
    const double x = legend[i].x, y = chart.height + 12 + 18 * legend[i].row;
    if (s.line)
      canvas.polyline(SvgCanvas::number(x) + "," + SvgCanvas::number(y) + " " + SvgCanvas::number(x + 26) + "," +
                          SvgCanvas::number(y),
                      series_colour(i), s.dashed ? "6 4" : "");
    if (s.x.size() <= 40 || !s.line) canvas.marker(i, x + 13, y, series_colour(i));
    canvas.text(x + 34, y + 4, s.name, "start");
  }
  return canvas.text();
}

}  // namespace report
TINYVISION_END
