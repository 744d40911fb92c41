// A figure of several panels, drawn by gnuplot. Positions on a panel are in the units of its axes, which are linear to gnuplot:
// logits, logarithms and Fisher's z come already transformed, and their ticks say what they mean (plot_axis.hpp).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tinyvision/report/gnuplot.hpp"
#include "tinyvision/report/plot_axis.hpp"

TINYVISION_BEGIN
namespace report {

/// Shapes of marks, by gnuplot's number.
enum class MarkShape {
  circle = 7,
  square = 5,
  triangle = 9,
  triangle_down = 11,
  diamond = 13,
  pentagon = 15,
  cross = 2
};

/// How a mark looks.
struct Mark {
  std::string colour = "#333333";
  MarkShape shape = MarkShape::circle;
  double size = 1;  ///< 0: error bars alone
};

struct PlotMarks {
  Mark mark;
  std::vector<double> x, y;
  std::vector<double> error{};  ///< half length of a vertical bar at each; empty: none
};
struct PlotLine {
  std::vector<double> x, y;
  std::string colour;
  double width = 1;
  bool dashed = false;
};
struct PlotBand {
  std::vector<double> x, low, high;
  std::string colour;
};
/// Rectangles between two corners.
struct PlotBoxes {
  std::vector<double> left, right, low, high;
  std::string colour;
};
/// Text at a place; `anchor` is left, center or right.
struct PlotText {
  double x = 0, y = 0;
  std::string text;
  std::string_view anchor = "left";
  bool on_page = false;  ///< x, y are shares of the panel's width and height instead of axis units
};
using PlotLayer = std::variant<PlotMarks, PlotLine, PlotBand, PlotBoxes, PlotText>;

/// One plot: a rectangle of the page in pixels from its top left corner, and what is drawn there, from the bottom up.
struct PlotPanel {
  double left = 0, top = 0, width = 0, height = 0;
  std::string title;
  PlotAxis x, y;
  std::vector<PlotLayer> layers{};
};

/// A line of a legend: a mark, a stroke or a patch of colour, and what it means.
struct LegendEntry {
  enum class Kind { heading, mark, line, patch };
  Kind kind = Kind::mark;
  std::string text;
  Mark mark{};
  bool dashed = false;  ///< of a line
};

/// A page of panels with a legend.
struct PlotPage {
  double width = 0, height = 0;
  std::vector<PlotPanel> panels{};
  double legend_left = 0, legend_top = 0;
  std::vector<LegendEntry> legend{};
};

namespace detail {

/// Seven digits: far below a pixel, and short.
inline std::string plot_number(double value) { return format_significant(value == 0 ? 0.0 : value, 7); }

/// gnuplot draws marks larger in SVG than in PNG.
inline constexpr double svg_point_scale = 0.72;

/// Writes the script of a page: first all data, then the commands once for each format.
class PlotScript {
 public:
  explicit PlotScript(const PlotPage& page) : page_(page) {
    for (const PlotPanel& panel : page.panels) add_panel(panel);
    add_legend();
  }

  std::string text(const std::string& name) const {
    const std::string size = plot_number(page_.width) + "," + plot_number(page_.height);
    return "# " + name + ": run by gnuplot, writes " + name + ".svg and " + name +
           ".png.\nset encoding utf8\nset termoption noenhanced\n" + data_ + "set terminal svg size " + size +
           " noenhanced font 'sans-serif,12' background '#ffffff'\nset output " + gnuplot_string(name + ".svg") + "\n" +
           commands_ + "set terminal pngcairo size " + size + " noenhanced font 'Sans,9' pointscale " +
           plot_number(1 / svg_point_scale) + " background '#ffffff'\nset output " + gnuplot_string(name + ".png") +
           "\n" + commands_;
  }

 private:
  std::string data_block(const std::vector<const std::vector<double>*>& columns, const char* what) {
    const std::string name = "$data" + std::to_string(++blocks_);
    data_ += name + " << END\n";
    for (std::size_t i = 0; i < columns.front()->size(); ++i) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        check(columns[c]->size() == columns.front()->size(), "plot", what, ": columns of ", columns.front()->size(),
              " and ", columns[c]->size(), " values");
        check(std::isfinite((*columns[c])[i]), "plot", what, ": value ", i + 1, " is not finite");
        data_ += (c > 0 ? " " : "") + plot_number((*columns[c])[i]);
      }
      data_ += "\n";
    }
    data_ += "END\n";
    return name;
  }
  std::string x_share(double pixel) const { return plot_number(pixel / page_.width); }
  std::string y_share(double pixel) const { return plot_number(1 - pixel / page_.height); }
  static std::string colour(const std::string& value) { return "rgb " + gnuplot_string(value); }
  static std::string mark_text(const Mark& m) {
    return "pt " + std::to_string(static_cast<int>(m.shape)) + " ps " + plot_number(svg_point_scale * m.size) + " lc " +
           colour(m.colour);
  }
  /// Text somewhere on the page.
  void label(const std::string& at, const std::string& text, std::string_view anchor, const std::string& more) {
    commands_ += "set label " + gnuplot_string(text) + " at " + at + " " + std::string(anchor) + more + "\n";
  }

  void add_axis(const char* axis, const PlotAxis& a) {
    const std::string name = axis;
    commands_ += "set " + name + "range [" + plot_number(a.low) + ":" + plot_number(a.high) + "]\nset " + name +
                 "label " + gnuplot_string(a.label) + (name == "x" ? " offset 0,0.3\n" : "\n");
    commands_ += "set " + name + "tics scale 0.5 nomirror (";
    for (std::size_t i = 0; i < a.ticks.size(); ++i)
      commands_ += (i > 0 ? ", " : "") + gnuplot_string(a.ticks[i].label) + " " + plot_number(a.ticks[i].value);
    commands_ += ")\n";
  }

  void add_panel(const PlotPanel& p) {
    plots_.clear();
    commands_ += plots_begun_ ? "" : "set multiplot\n";
    plots_begun_ = true;
    commands_ += "reset\nset termoption noenhanced\nunset key\nset border 3 lc rgb '#555555'\n";
    commands_ += "set lmargin at screen " + x_share(p.left) + "\nset rmargin at screen " + x_share(p.left + p.width) +
                 "\nset tmargin at screen " + y_share(p.top) + "\nset bmargin at screen " + y_share(p.top + p.height) +
                 "\n";
    commands_ += "set title " + gnuplot_string(p.title) + " offset 0,-0.4\n";
    add_axis("x", p.x);
    add_axis("y", p.y);
    commands_ += p.x.grid ? "set grid xtics ytics lt 1 lc rgb '#e6e6e6'\n" : "set grid ytics lt 1 lc rgb '#e6e6e6'\n";
    for (const PlotLayer& layer : p.layers) std::visit([&](const auto& l) { add_layer(l); }, layer);
    if (plots_.empty()) plots_.push_back("NaN");
    commands_ += "plot ";
    for (std::size_t i = 0; i < plots_.size(); ++i) commands_ += (i > 0 ? ", \\\n  " : "") + plots_[i];
    commands_ += "\n";
  }

  void add_layer(const PlotMarks& l) {
    if (!l.error.empty())  // gnuplot's own error bars have a white hole for the mark
      plots_.push_back(data_block({&l.x, &l.y, &l.error}, "error bars") +
                       " using 1:($2-$3):(0):(2*$3) with vectors heads nofilled size screen 0.0025,90 lw 1 lc " +
                       colour(l.mark.colour));
    if (l.mark.size > 0)
      plots_.push_back(data_block({&l.x, &l.y}, "marks") + " using 1:2 with points " + mark_text(l.mark));
  }
  void add_layer(const PlotLine& l) {
    plots_.push_back(data_block({&l.x, &l.y}, "a line") + " using 1:2 with lines lw " + plot_number(l.width) + " dt " +
                     (l.dashed ? "2" : "1") + " lc " + colour(l.colour));
  }
  void add_layer(const PlotBand& l) {
    plots_.push_back(data_block({&l.x, &l.low, &l.high}, "a band") +
                     " using 1:2:3 with filledcurves fs solid noborder lc " + colour(l.colour));
  }
  void add_layer(const PlotBoxes& l) {
    // boxxyerror wants a middle, of which it makes no use here.
    plots_.push_back(data_block({&l.left, &l.low, &l.left, &l.right, &l.low, &l.high}, "boxes") +
                     " using 1:2:3:4:5:6 with boxxyerror fs solid noborder lc " + colour(l.colour));
  }
  void add_layer(const PlotText& l) {
    const std::string where = l.on_page ? "graph " : "first ";
    label(where + plot_number(l.x) + ", " + where + plot_number(l.y), l.text, l.anchor, " front");
  }

  void add_legend() {
    commands_ += "unset label\nunset arrow\nunset object\n";
    std::string at_end;
    double y = page_.legend_top;
    for (const LegendEntry& entry : page_.legend) {
      const bool heading = entry.kind == LegendEntry::Kind::heading;
      if (heading && y > page_.legend_top) y += 8;
      const double x = page_.legend_left;
      const std::string mid = "screen " + x_share(x + 8) + ", screen " + y_share(y);
      if (entry.kind == LegendEntry::Kind::mark) label(mid, "", "left", " point " + mark_text(entry.mark));
      if (entry.kind == LegendEntry::Kind::line)
        at_end += "set arrow from screen " + x_share(x) + ", screen " + y_share(y) + " to screen " + x_share(x + 16) +
                  ", screen " + y_share(y) + " nohead lw 2 dt " + (entry.dashed ? "2" : "1") + " lc " +
                  colour(entry.mark.colour) + "\n";
      if (entry.kind == LegendEntry::Kind::patch)
        at_end += "set object rectangle from screen " + x_share(x) + ", screen " + y_share(y - 5) + " to screen " +
                  x_share(x + 16) + ", screen " + y_share(y + 5) + " fs solid noborder fc " +
                  colour(entry.mark.colour) + "\n";
      label("screen " + x_share(heading ? x : x + 24) + ", screen " + y_share(y), entry.text, "left", "");
      y += 18;
    }
    commands_ += at_end;
    // Labels are drawn with a plot; this one shows nothing else.
    commands_ +=
        "unset border\nunset tics\nunset title\nunset xlabel\nunset ylabel\nset lmargin at screen 0\nset rmargin at "
        "screen 0.01\nset tmargin at screen 0.01\nset bmargin at screen 0\nset xrange [0:1]\nset yrange [0:1]\nplot "
        "NaN\n"
        "unset multiplot\nunset output\nreset\nset termoption noenhanced\n";
  }

  const PlotPage& page_;
  std::string data_, commands_;
  std::vector<std::string> plots_;
  int blocks_ = 0;
  bool plots_begun_ = false;
};

}  // namespace detail

/// The gnuplot script that draws the page into `name`.svg and `name`.png. Equal pages give equal scripts. Throws Error without
/// panels, on values that are not finite and on columns of different lengths.
inline std::string gnuplot_script(const PlotPage& page, const std::string& name) {
  check(!page.panels.empty() && page.width > 0 && page.height > 0, "plot", "an empty page");
  return detail::PlotScript(page).text(name);
}

}  // namespace report
TINYVISION_END
