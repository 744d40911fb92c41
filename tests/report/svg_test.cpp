#include "tinyvision/report/svg.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tinyvision/report/interval_chart.hpp"

namespace tv = tinyvision;
namespace report = tinyvision::report;
using report::Axis;
using report::AxisKind;

namespace svg_test {

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const auto& tick : axis.ticks()) out.push_back(tick.label + (tick.exponent.empty() ? "" : "^" + tick.exponent));
  return out;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Every value of an attribute of the elements that start with `element`.
std::vector<double> numbers(const std::string& text, const std::string& element, const std::string& attribute) {
  std::vector<double> out;
  for (std::size_t at = text.find(element); at != std::string::npos; at = text.find(element, at + 1)) {
    const std::size_t begin = text.find(" " + attribute + "=\"", at) + attribute.size() + 3;
    out.push_back(std::stod(text.substr(begin)));
  }
  return out;
}

/// Tags open and close in order and no character data is left unescaped: what an XML parser would insist on.
bool well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos || text.substr(at + 1, end - at - 1).find('<') != std::string::npos) return false;
    const std::string tag = text.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.front() == '/') {
      if (open.empty() || "/" + open.back() != tag) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
  }
  return open.empty();
}

TEST(Axis, LinearTicksAreRoundNumbers) {
  EXPECT_EQ(labels(Axis(AxisKind::linear, 0, 1000, 5, false)),
            (std::vector<std::string>{"0", "200", "400", "600", "800", "1000"}));
  EXPECT_EQ(labels(Axis(AxisKind::linear, -0.13, 0.21, 4, true)),
            (std::vector<std::string>{"\u22120.2", "\u22120.1", "0.0", "0.1", "0.2", "0.3"}));
  EXPECT_EQ(labels(Axis(AxisKind::percent, 0.81, 0.93, 4, true)),
            (std::vector<std::string>{"80\u00A0%", "85\u00A0%", "90\u00A0%", "95\u00A0%"}));
}

TEST(Axis, LooseEndsHoldTheData) {
  const Axis axis(AxisKind::linear, 0.317, 2.418, 5, true);
  EXPECT_LE(axis.low(), 0.317);
  EXPECT_GE(axis.high(), 2.418);
  EXPECT_DOUBLE_EQ(axis.position(axis.low()), 0);
  EXPECT_DOUBLE_EQ(axis.position(axis.high()), 1);
  const Axis tight(AxisKind::linear, 0.317, 2.418, 5, false);
  EXPECT_DOUBLE_EQ(tight.low(), 0.317);
  for (const auto& tick : tight.ticks()) EXPECT_TRUE(tick.value >= 0.317 && tick.value <= 2.418) << tick.value;
}

TEST(Axis, LogarithmicTicks) {
  EXPECT_EQ(labels(Axis(AxisKind::log10, 1e-6, 1e5, 12, false)),
            (std::vector<std::string>{"10^\u22126", "10^\u22125", "10^\u22124", "10^\u22123", "10^\u22122",
                                      "10^\u22121", "10^0", "10^1", "10^2", "10^3", "10^4", "10^5"}));
  EXPECT_EQ(labels(Axis(AxisKind::log10, 1e-6, 1e5, 4, false)),
            (std::vector<std::string>{"10^\u22126", "10^\u22123", "10^0", "10^3"}));
  EXPECT_EQ(labels(Axis(AxisKind::log10, 1, 50, 5, false)),
            (std::vector<std::string>{"1", "2", "5", "10", "20", "50"}));
  EXPECT_EQ(labels(Axis(AxisKind::log10, 2.5, 4.5, 5, false)), (std::vector<std::string>{"3", "4"}));
  EXPECT_EQ(labels(Axis(AxisKind::log10, 3.1, 3.9, 5, false)), (std::vector<std::string>{"3.1", "3.9"}));
  EXPECT_DOUBLE_EQ(Axis(AxisKind::log10, 1, 100, 5, false).position(10), 0.5);
}

TEST(Axis, WidensAnEmptySpan) {
  for (const AxisKind kind : {AxisKind::linear, AxisKind::percent, AxisKind::log10}) {
    const Axis axis(kind, 3, 3, 5, true);
    EXPECT_LT(axis.low(), 3);
    EXPECT_GT(axis.high(), 3);
    EXPECT_GE(axis.ticks().size(), 2u);
  }
  EXPECT_GE(Axis(AxisKind::linear, 0, 0, 5, true).ticks().size(), 2u);
}

TEST(Axis, RefusesBadEnds) {
  EXPECT_THROW(Axis(AxisKind::log10, 0, 1, 5, false), tv::Error);
  EXPECT_THROW(Axis(AxisKind::linear, 2, 1, 5, false), tv::Error);
  EXPECT_THROW(Axis(AxisKind::linear, std::nan(""), 1, 5, false), tv::Error);
}

report::LineChart two_series() {
  report::LineChart chart;
  chart.title = "Loss & <more>";
  chart.x_label = "step";
  chart.y_label = "loss";
  chart.series.push_back({.name = "first", .x = {0, 1, 2, 3}, .y = {4, 3, 2, 1}});
  chart.series.push_back({.name = "second", .x = {0, 1, 2, 3}, .y = {1, 2, 3, 4}, .dashed = true});
  return chart;
}

TEST(LineChart, IsWellFormedAndSelfContained) {
  const std::string text = report::svg(two_series());
  EXPECT_TRUE(well_formed(text)) << text;
  EXPECT_NE(text.find("Loss &amp; &lt;more&gt;"), std::string::npos);
  for (const char* forbidden : {"<script", "href", "url(", "@import"})
    EXPECT_EQ(text.find(forbidden), std::string::npos);
  EXPECT_EQ(count(text, "http"), 1u);  // the namespace's name, which nothing loads
  EXPECT_EQ(text, report::svg(two_series()));
}

TEST(LineChart, PlacesPointsInProportion) {
  report::LineChart chart;
  chart.series.push_back({.name = "", .x = {0, 5, 10}, .y = {0, 2, 4}});
  const std::string text = report::svg(chart);
  const auto x = numbers(text, "<circle", "cx"), y = numbers(text, "<circle", "cy");
  ASSERT_EQ(x.size(), 3u);
  EXPECT_NEAR(x[1] - x[0], x[2] - x[1], 0.02);
  EXPECT_NEAR(y[1] - y[0], y[2] - y[1], 0.02);
  EXPECT_GT(x[2], x[0]);
  EXPECT_LT(y[2], y[0]);  // up is smaller
}

TEST(LineChart, LogarithmicXSpacesDecadesEvenly) {
  report::LineChart chart;
  chart.x_kind = AxisKind::log10;
  chart.series.push_back({.name = "", .x = {0.1, 1, 10}, .y = {1, 1, 2}});
  const auto x = numbers(report::svg(chart), "<circle", "cx");
  ASSERT_EQ(x.size(), 3u);
  EXPECT_NEAR(x[1] - x[0], x[2] - x[1], 0.02);
}

TEST(LineChart, GapsSplitTheLine) {
  report::LineChart chart;
  chart.series.push_back({.name = "", .x = {0, 1, 2, 3, 4}, .y = {1, 2, std::nan(""), 2, 1}});
  const std::string text = report::svg(chart);
  EXPECT_EQ(count(text, "<polyline"), 2u);
  EXPECT_EQ(count(text, "<circle"), 4u);
}

TEST(LineChart, LongCurvesAreThinnedWithoutLosingPeaks) {
  report::LineChart chart;
  report::Series s;
  for (int i = 0; i < 100000; ++i) {
    s.x.push_back(i);
    s.y.push_back(i == 54321 ? 100 : 1 + 0.1 * std::sin(i));
  }
  chart.series.push_back(s);
  const std::string text = report::svg(chart);
  EXPECT_LT(text.size(), 60000u);
  // The one peak of 100 lies at the upper end of the axis (0 to 100), 14 pixels from the top.
  EXPECT_NE(text.find(",14 "), std::string::npos);
}

TEST(LineChart, ErrorBarsSpanTheirEnds) {
  report::LineChart chart;
  chart.y_low = 0;
  chart.y_high = 10;
  chart.series.push_back({.name = "", .x = {1, 2}, .y = {5, 5}, .low = {2.5, 4}, .high = {7.5, 6}, .line = false});
  const std::string bars = report::svg(chart);
  const std::string clipped = bars.substr(bars.find("overflow"));
  const auto from = numbers(clipped, "<line", "y1"), to = numbers(clipped, "<line", "y2");
  ASSERT_EQ(from.size(), 6u);  // bar and two caps for each point
  EXPECT_NEAR((from[0] - to[0]) / (from[3] - to[3]), 5.0 / 2.0, 0.01);
  EXPECT_EQ(count(bars, "<polyline"), 0u);
}

TEST(LineChart, SeveralErrorBarsStandApart) {
  report::LineChart chart = two_series();
  for (auto& s : chart.series) s.low = s.y, s.high = s.y;
  const std::string text = report::svg(chart);
  const double first = numbers(text, "<circle", "cx").front();
  const double second = numbers(text.substr(text.find("overflow")), "<rect", "x").front() + 3.4;
  EXPECT_NEAR(second - first, 5, 0.02);
}

TEST(LineChart, LegendWrapsInsteadOfOverflowing) {
  report::LineChart chart;
  for (int i = 0; i < 9; ++i) chart.series.push_back({.name = "a method with a long name", .x = {0, 1}, .y = {0, 1}});
  const auto places = report::detail::place_legend(chart.series, 50, 600);
  EXPECT_GT(places.back().row, 1);
  for (const auto& place : places) EXPECT_LE(place.x + report::detail::legend_entry_width(chart.series[0].name), 650.0);
  EXPECT_TRUE(well_formed(report::svg(chart)));
}

TEST(LineChart, EmptyAndConstantDataStillDraw) {
  EXPECT_TRUE(well_formed(report::svg(report::LineChart{})));
  report::LineChart chart;
  chart.series.push_back({.name = "constant", .x = {1}, .y = {0.5}});
  chart.series.push_back({.name = "nothing"});
  chart.series.push_back({.name = "only gaps", .x = {1, 2}, .y = {std::nan(""), INFINITY}});
  const std::string text = report::svg(chart);
  EXPECT_TRUE(well_formed(text));
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
}

TEST(LineChart, RefusesBadSeries) {
  const auto refused = [](const report::Series& s, AxisKind x_kind, AxisKind y_kind) {
    report::LineChart chart;
    chart.series = {s};
    chart.x_kind = x_kind;
    chart.y_kind = y_kind;
    EXPECT_THROW(report::svg(chart), tv::Error);
  };
  refused({.name = "a", .x = {1, 2}, .y = {1}}, AxisKind::linear, AxisKind::linear);
  refused({.name = "a", .x = {1}, .y = {1}, .low = {1}}, AxisKind::linear, AxisKind::linear);
  refused({.name = "a", .x = {std::nan("")}, .y = {1}}, AxisKind::linear, AxisKind::linear);
  refused({.name = "a", .x = {0}, .y = {1}}, AxisKind::log10, AxisKind::linear);
  refused({.name = "a", .x = {1}, .y = {0}}, AxisKind::linear, AxisKind::log10);
}

TEST(IntervalChart, DrawsRowsWithAndWithoutInterval) {
  report::IntervalChart chart;
  chart.rows = {{"probe <1>", 0.9, 0.88, 0.92}, {"scratch", 0.8}};
  const std::string text = report::svg(chart);
  EXPECT_TRUE(well_formed(text));
  EXPECT_NE(text.find("90.00\u00A0%  [88.00, 92.00]"), std::string::npos);
  EXPECT_NE(text.find("probe &lt;1&gt;"), std::string::npos);
  EXPECT_EQ(count(text, "stroke-width=\"2\""), 3u);
  EXPECT_THROW(report::svg(report::IntervalChart{}), tv::Error);
  chart.rows[0].value = std::nan("");
  EXPECT_THROW(report::svg(chart), tv::Error);
}

}  // namespace svg_test
