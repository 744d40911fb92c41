// Curves over steps and over images a class: points and errors by hand, the speed-up, the figure, and bad input.
#include "tinyvision/report/accuracy_curves.hpp"

#include <gtest/gtest.h>

namespace accuracy_curves_test {

using namespace tinyvision;
using report::CurveRecord;

/// Log-odds that are round numbers: accuracy of odds o.
double odds(double o) { return o / (1 + o); }

std::vector<CurveRecord> runs() {
  std::vector<CurveRecord> records;
  const auto add = [&](const char* dataset, const char* setting, double x, double o) {
    records.push_back({"net", dataset, setting, x, "", odds(o), "row"});
  };
  // Greatest odds 10: the threshold is odds 9, reached at 400 and at 6400.
  for (const auto& [x, o] : {std::pair(100.0, 2.0), {400.0, 9.5}, {1600.0, 10.0}}) add("pets", "fine_tuned", x, o);
  for (const auto& [x, o] : {std::pair(100.0, 0.1), {1600.0, 8.9}, {6400.0, 10.0}}) add("pets", "random_init", x, o);
  for (const auto& [x, o] : {std::pair(100.0, 5.0), {400.0, 5.0}}) add("dtd", "fine_tuned", x, o);
  for (const auto& [x, o] : {std::pair(100.0, 1.0), {400.0, 4.6}}) add("dtd", "random_init", x, o);
  return records;
}

TEST(AccuracyCurves, PointsAreSortedAndAveragedInLogOdds) {
  const std::vector<CurveRecord> records{
      {"net", "pets", "fine_tuned", 16, "a", odds(std::exp(1.0)), ""},
      {"net", "pets", "fine_tuned", 4, "a", 0.5, ""},
      {"net", "pets", "fine_tuned", 16, "b", odds(std::exp(2.0)), ""},
      {"net", "pets", "fine_tuned", 16, "c", odds(std::exp(6.0)), ""},
  };
  const auto panels = report::curve_panels(records);
  ASSERT_EQ(panels.size(), 1u);
  const auto& points = panels[0].curves.at(0).points;
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].x, 4);
  EXPECT_EQ(points[0].standard_error, 0);
  EXPECT_EQ(points[1].accuracies.size(), 3u);
  EXPECT_NEAR(points[1].mean_log_odds, 3, 1e-12);
  // Deviations -2, -1, 3: variance 14 / 2, error sqrt(7 / 3).
  EXPECT_NEAR(points[1].standard_error, std::sqrt(7.0 / 3), 1e-12);
}

TEST(AccuracyCurves, ConvergenceIsTheTimeToNinetyPercentOfTheGreatestOdds) {
  const auto panels = report::curve_panels(runs());
  const auto c = report::convergence(panels);
  ASSERT_TRUE(c.has_value());
  ASSERT_EQ(c->rows.size(), 2u);  // dtd, pets
  EXPECT_EQ(c->rows[0].dataset, "dtd");
  EXPECT_EQ(c->rows[0].fast.time, 100);
  EXPECT_EQ(c->rows[0].slow.time, 400);
  EXPECT_EQ(c->rows[1].fast.time, 400);
  EXPECT_EQ(c->rows[1].slow.time, 6400);
  EXPECT_NEAR(c->rows[1].slow.threshold, odds(9), 1e-12);
  EXPECT_NEAR(c->speed_up, std::sqrt(4.0 * 16.0), 1e-12);
  EXPECT_NEAR(c->fast_mean, 200, 1e-9);
  EXPECT_FALSE(report::convergence(panels, "fine_tuned", "svm").has_value());
}

TEST(AccuracyCurves, FigureHasAPanelForEachDataSetAndAxesThatHoldThePoints) {
  const auto panels = report::curve_panels(runs());
  const auto plan = report::accuracy_curves_figure(panels, "figure_8", "Figure 8", "training steps");
  ASSERT_EQ(plan.page.panels.size(), 2u);
  EXPECT_EQ(plan.page.panels[0].title, "dtd");
  for (const report::PlotPanel& panel : plan.page.panels)
    for (const report::PlotLayer& layer : panel.layers)
      if (const auto* line = std::get_if<report::PlotLine>(&layer))
        for (std::size_t i = 0; i < line->x.size(); ++i) {
          EXPECT_TRUE(line->x[i] > panel.x.low && line->x[i] < panel.x.high);
          EXPECT_TRUE(line->y[i] > panel.y.low && line->y[i] < panel.y.high);
        }
  EXPECT_EQ(plan.page.legend.size(), 3u);  // a heading and two settings
  EXPECT_NE(plan.page.legend[1].mark.colour, plan.page.legend[2].mark.colour);
}

TEST(AccuracyCurves, RefusesWhatHasNoPlace) {
  const auto message = [](CurveRecord record, bool twice = false) -> std::string {
    try {
      report::curve_panels(twice ? std::vector{record, record} : std::vector{record});
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  const CurveRecord good{"net", "pets", "fine_tuned", 16, "", 0.5, "table, row 3"};
  EXPECT_EQ(message(good), "");
  CurveRecord bad = good;
  bad.accuracy = 1;
  EXPECT_NE(message(bad).find("table, row 3: the accuracy is 1"), std::string::npos) << message(bad);
  bad = good, bad.x = 0;
  EXPECT_NE(message(bad).find("table, row 3: 0 must be positive"), std::string::npos) << message(bad);
  bad = good, bad.setting = "";
  EXPECT_NE(message(bad).find("need names"), std::string::npos) << message(bad);
  EXPECT_NE(message(good, true).find("fine_tuned at 16 comes twice"), std::string::npos) << message(good, true);
}

}  // namespace accuracy_curves_test
