// Figures: the script that gnuplot gets, what cannot break out of it, axes, labels; and gnuplot itself where it is installed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "data/test_images.hpp"
#include "tinyvision/report/correlation_figures.hpp"
#include "tinyvision/report/paper_tables.hpp"
#include "tinyvision/report/setting_figures.hpp"

namespace plot_test {

using namespace tinyvision;
using namespace tinyvision::report;
using test_images::message_of;

const char* const folder = TINYVISION_SOURCE_DIR "/docs/paper";

bool gnuplot_is_there() {
  for (const char* place : {"/usr/bin/gnuplot", "/usr/local/bin/gnuplot"})
    if (std::filesystem::exists(place)) return true;
  return false;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

PlotPage one_panel() {
  PlotPage page;
  page.width = 400, page.height = 300;
  PlotPanel panel;
  panel.left = 60, panel.top = 30, panel.width = 300, panel.height = 210;
  panel.title = "it's `touch stolen`\n$(touch stolen) {/=40 x} @a";
  panel.x = logit_axis("x", {stats::logit(0.5), stats::logit(0.9)});
  panel.y = linear_axis("y", {0, 1});
  panel.layers = {PlotBand{{0, 1}, {0.1, 0.2}, {0.3, 0.6}, "#aaaaaa"}, PlotLine{{0, 1}, {0.2, 0.4}, "#0000ff", 2},
                  PlotMarks{{"#ff0000", MarkShape::square, 1}, {0.5}, {0.25}, {0.125}},
                  PlotText{0.5, 0.5, "r = 0.99", "left", true}};
  page.panels.push_back(panel);
  page.legend = {{LegendEntry::Kind::mark, "a", {"#ff0000", MarkShape::square, 1}}};
  return page;
}

TEST(Gnuplot, TextStaysText) {
  EXPECT_EQ(gnuplot_string("it's"), "'it''s'");
  EXPECT_EQ(gnuplot_string("a\nset output 'x'\r\t"), "'a set output ''x''  '");
  EXPECT_EQ(gnuplot_string("\xff"
                           "\u03c1"),
            "'\uFFFD\u03c1'");
  EXPECT_EQ(gnuplot_string("`date`\\"), "'`date`\\'");
}

TEST(Gnuplot, ScriptSaysWhatIsDrawn) {
  const std::string script = gnuplot_script(one_panel(), "f");
  EXPECT_EQ(script, gnuplot_script(one_panel(), "f"));
  EXPECT_TRUE(has(script, "$data1 << END\n0 0.1 0.3\n1 0.2 0.6\nEND\n")) << script;
  EXPECT_TRUE(has(script, "$data3 << END\n0.5 0.25 0.125\nEND\n"));
  EXPECT_TRUE(has(script, "set terminal svg size 400,300 noenhanced"));
  EXPECT_TRUE(has(script, "set output 'f.svg'"));
  EXPECT_TRUE(has(script, "set terminal pngcairo size 400,300 noenhanced"));
  EXPECT_TRUE(has(script,
                  "set lmargin at screen 0.15\nset rmargin at screen 0.9\nset tmargin at screen 0.9\nset "
                  "bmargin at screen 0.2\n"));
  EXPECT_TRUE(has(script, "set title 'it''s `touch stolen` $(touch stolen) {/=40 x} @a'"));
  EXPECT_TRUE(has(script, "$data4 using 1:2 with points pt 5 ps 0.72 lc rgb '#ff0000'"));
  EXPECT_TRUE(has(script, "set label 'r = 0.99' at graph 0.5, graph 0.5 left front"));
  // Every tick stands at the logit of what it says.
  EXPECT_TRUE(has(script, "'50' 0, ")) << script;
  EXPECT_TRUE(has(script, "'90' " + report::detail::plot_number(std::log(9.0))));
}

TEST(Gnuplot, FaultsOfAPage) {
  EXPECT_THROW(gnuplot_script(PlotPage{}, "f"), Error);
  PlotPage page = one_panel();
  page.panels[0].layers.push_back(PlotLine{{0, NAN}, {0, 1}, "#000000"});
  EXPECT_TRUE(has(message_of<Error>([&] { gnuplot_script(page, "f"); }), "value 2 is not finite"));
  page.panels[0].layers.back() = PlotLine{{0, 1}, {0}, "#000000"};
  EXPECT_TRUE(has(message_of<Error>([&] { gnuplot_script(page, "f"); }), "columns of 2 and 1 values"));
}

TEST(Gnuplot, DrawsAndTakesNoOrdersFromNames) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed (Debian package gnuplot-nox)";
  const test_images::TemporaryFolder out;
  const std::string script = gnuplot_script(one_panel(), "f");
  const std::string svg = render_figure(out.path(), "f", script);
  EXPECT_TRUE(has(svg, "touch stolen"));
  EXPECT_TRUE(has(svg, "r = 0.99"));
  EXPECT_FALSE(std::filesystem::exists(out / "stolen"));
  const std::string png = read_file(out / "f.png");
  EXPECT_EQ(png.substr(1, 3), "PNG");
  EXPECT_EQ(render_figure(out.path(), "f", script), svg);
  EXPECT_EQ(read_file(out / "f.png"), png);
  EXPECT_EQ(read_file(out / "f.gp"), script);
}

TEST(Gnuplot, SaysWhatIsWrong) {
  const test_images::TemporaryFolder out;
  if (gnuplot_is_there()) {
    const std::string message =
        message_of<Error>([&] { render_figure(out.path(), "f", "set terminal svg\nnonsense here\n"); });
    EXPECT_TRUE(has(message, "f.gp: ")) << message;
    EXPECT_TRUE(has(message, "line 2")) << message;
    EXPECT_TRUE(has(message_of<Error>([&] { render_figure(out.path(), "f", "a = 1\n"); }), "was not written"));
  }
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", out.path().c_str(), 1);
  const std::string message = message_of<Error>([&] { render_figure(out.path(), "f", "a = 1\n"); });
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(has(message, "install the Debian package gnuplot-nox")) << message;
}

std::vector<std::string> labels_of(const PlotAxis& axis) {
  std::vector<std::string> labels;
  for (const AxisTick& tick : axis.ticks) labels.push_back(tick.label);
  return labels;
}

TEST(PlotAxis, TicksAreRoundAndApart) {
  using Labels = std::vector<std::string>;
  EXPECT_EQ(labels_of(logit_axis("", {stats::logit(0.716), stats::logit(0.808)}, 0.1)),
            (Labels{"72", "74", "76", "78", "80"}));
  const PlotAxis wide = logit_axis("", {stats::logit(0.46), stats::logit(0.985)}, 0.055);
  const Labels labels = labels_of(wide);
  for (const char* wanted : {"50", "60", "70", "80", "90", "95", "98"})
    EXPECT_EQ(std::count(labels.begin(), labels.end(), wanted), 1) << wanted;
  for (std::size_t i = 0; i < wide.ticks.size(); ++i) {
    EXPECT_NEAR(wide.ticks[i].value, stats::logit(std::stod(labels[i]) / 100), 1e-12);
    if (i > 0) {
      EXPECT_GE(wide.ticks[i].value - wide.ticks[i - 1].value, 0.055 * (wide.high - wide.low));
    }
  }
  const PlotAxis z = fisher_axis("", {std::atanh(-0.3), std::atanh(0.99)});
  for (const AxisTick& tick : z.ticks) {
    std::string number = tick.label;
    if (number.starts_with("\u2212")) number.replace(0, 3, "-");
    EXPECT_NEAR(std::tanh(tick.value), std::stod(number), 1e-12);
  }
  EXPECT_EQ(labels_of(count_axis("", {std::log10(2040.0), std::log10(75750.0)})),
            (Labels{"2,000", "5,000", "10,000", "20,000", "50,000"}));
  EXPECT_LT(logit_axis("", {1, 1}).low, 1);  // an empty span is widened
  EXPECT_GE(labels_of(logit_axis("", {stats::logit(0.9971), stats::logit(0.9989)})).size(), 2u);
  EXPECT_THROW(logit_axis("", {}), Error);
  EXPECT_THROW(linear_axis("", {NAN}), Error);
}

TEST(Labels, KeepApart) {
  const std::vector<NamedPoint> points{{50, 50, "first"}, {52, 52, "second"}, {95, 50, "third"}};
  const auto labels = place_labels(points, {0, 0, 100, 100}, {}, 10);
  std::vector<PixelBox> boxes;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double width = 10 * text_width(points[i].name);
    const double left = labels[i].right_aligned ? labels[i].x - width : labels[i].x;
    boxes.push_back({left, labels[i].y - 6, left + width, labels[i].y + 6});
    for (std::size_t j = 0; j < i; ++j) EXPECT_EQ(boxes[i].overlap(boxes[j]), 0) << i << " and " << j;
  }
  EXPECT_TRUE(labels[2].right_aligned) << "there is no room on its right";
}

TEST(Families, AreFoundInNames) {
  EXPECT_EQ(family_of("Inception-ResNet v2"), Family::inception);
  EXPECT_EQ(family_of("BN-Inception"), Family::inception);
  EXPECT_EQ(family_of("resnet50_v1"), Family::resnet);
  EXPECT_EQ(family_of("DenseNet-121"), Family::densenet);
  EXPECT_EQ(family_of("mobilenet_v2_140 width=0.5"), Family::mobilenet);
  EXPECT_EQ(family_of("NASNet-A Large"), Family::nasnet);
  EXPECT_EQ(family_of("VGG-16"), Family::other);
}

// Figure 2 as its caption describes it: six panels, twelve data sets on the left, a band, a line, sixteen error bars and the
// networks that tie with the best in green on the right.
TEST(Figures, Figure2IsAsDescribed) {
  const TransferStudy study = read_published_study(folder);
  const FigurePlan plan = figure_2(study, analyse(study), 0);
  ASSERT_EQ(plan.page.panels.size(), 6u);
  const std::size_t ties[] = {2, 1, 2};
  for (std::size_t s = 0; s < 3; ++s) {
    std::set<std::string> colours;
    for (const PlotLayer& layer : plan.page.panels[2 * s].layers)
      if (const auto* marks = std::get_if<PlotMarks>(&layer)) colours.insert(marks->mark.colour);
    EXPECT_EQ(colours.size(), 12u);
    std::size_t bands = 0, lines = 0, bars = 0, green = 0;
    for (const PlotLayer& layer : plan.page.panels[2 * s + 1].layers) {
      bands += std::holds_alternative<PlotBand>(layer);
      lines += std::holds_alternative<PlotLine>(layer);
      if (const auto* marks = std::get_if<PlotMarks>(&layer)) {
        bars += marks->error.size();
        if (marks->mark.colour == tie_colour) green += marks->x.size();
      }
    }
    EXPECT_EQ(bands, 1u);
    EXPECT_EQ(lines, 1u);
    EXPECT_EQ(bars, 16u);
    EXPECT_EQ(green, ties[s]) << s;
  }
}

TEST(Figures, FollowWhatTheStudyHas) {
  TransferStudy study = read_published_study(folder);
  EXPECT_EQ(figure_e1(study)->page.panels.size(), 3u);
  EXPECT_TRUE(figure_7(study));
  EXPECT_EQ(figure_d1(study, analyse(study))->page.panels.size(), 3u);
  EXPECT_EQ(figure_1(study, analyse(study), 0).page.panels.size(), 2u);
  EXPECT_EQ(figure_6(study, {}).page.panels.size(), 2u);
  study.settings.resize(1);
  EXPECT_FALSE(figure_e1(study));
  EXPECT_FALSE(figure_7(study));
  study.datasets.resize(1), study.train_sizes.resize(1);
  study.networks.resize(2), study.imagenet.resize(2);
  study.settings[0].cells.resize(2);
  const StudyAnalysis small = analyse(study);
  EXPECT_FALSE(figure_d1(study, small));
  EXPECT_NO_THROW(gnuplot_script(figure_2(study, small, 0).page, "f"));
  EXPECT_NO_THROW(gnuplot_script(figure_6(study, {}).page, "f"));
}

}  // namespace plot_test
