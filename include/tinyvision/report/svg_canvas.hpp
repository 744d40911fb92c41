// The few SVG elements that charts are made of, written as text.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "tinyvision/report/axis.hpp"
#include "tinyvision/report/text.hpp"

TINYVISION_BEGIN
namespace report {

/// The colour of series number `i`: seven colours that stay apart for the common kinds of colour blindness, dark enough
/// for lines on white (Okabe, Ito, "Color Universal Design", 2008, without its yellow).
inline std::string_view series_colour(std::size_t i) {
  static constexpr std::array<std::string_view, 7> colours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                           "#E69F00", "#56B4E9", "#000000"};
  return colours[i % colours.size()];
}

/// Collects elements in pixel coordinates, the origin at the top left.
class SvgCanvas {
 public:
  static constexpr double font_size = 12;

  SvgCanvas(double width, double height, std::string_view description) : width_(width), height_(height) {
    body_ = "<title>" + escape_markup(description) + "</title>\n";
  }

  void line(double x1, double y1, double x2, double y2, std::string_view colour, double stroke = 1) {
    body_ += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
             "\" stroke=\"" + std::string(colour) + "\" stroke-width=\"" + number(stroke) + "\"/>\n";
  }
  /// `points` is "x,y x,y ...".
  void polyline(std::string_view points, std::string_view colour, std::string_view dashes, double stroke = 1.8) {
    body_ += "<polyline points=\"" + std::string(points) + "\" fill=\"none\" stroke=\"" + std::string(colour) +
             "\" stroke-width=\"" + number(stroke) + "\" stroke-linejoin=\"round\"" +
             (dashes.empty() ? "" : " stroke-dasharray=\"" + std::string(dashes) + "\"") + "/>\n";
  }
  /// A mark of about 7 pixels: circle, square, triangle and diamond by turns.
  void marker(std::size_t kind, double x, double y, std::string_view colour) {
    const std::string fill = " fill=\"" + std::string(colour) + "\" stroke=\"#ffffff\" stroke-width=\"0.8\"/>\n";
    switch (kind % 4) {
      case 0: body_ += "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"3.8\"" + fill; break;
      case 1:
        body_ +=
            "<rect x=\"" + number(x - 3.4) + "\" y=\"" + number(y - 3.4) + "\" width=\"6.8\" height=\"6.8\"" + fill;
        break;
      case 2: polygon({{{x, y - 4.6}, {x + 4.4, y + 3.4}, {x - 4.4, y + 3.4}, {x, y - 4.6}}}, fill); break;
      default: polygon({{{x, y - 4.8}, {x + 4.8, y}, {x, y + 4.8}, {x - 4.8, y}}}, fill); break;
    }
  }
  /// `anchor` is start, middle or end.
  void text(double x, double y, std::string_view content, std::string_view anchor, std::string_view attributes = "") {
    text_element(x, y, escape_markup(content), anchor, attributes);
  }
  void tick_label(double x, double y, const AxisTick& tick, std::string_view anchor) {
    std::string content = escape_markup(tick.label);
    if (!tick.exponent.empty())
      content += "<tspan dy=\"-4\" font-size=\"9\">" + escape_markup(tick.exponent) + "</tspan>";
    text_element(x, y, content, anchor, "");
  }
  /// Whatever is drawn until `end_clip` is cut off outside this rectangle; coordinates stay those of the canvas.
  void begin_clip(double x, double y, double width, double height) {
    const std::string box = number(x) + " " + number(y) + " " + number(width) + " " + number(height);
    body_ += "<svg x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) + "\" height=\"" +
             number(height) + "\" viewBox=\"" + box + "\" overflow=\"hidden\">\n";
  }
  void end_clip() { body_ += "</svg>\n"; }

  /// The whole element, ready to stand in an HTML page or in a file of its own.
  std::string text() const {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 " + number(width_) + " " +
           number(height_) + "\" width=\"" + number(width_) + "\" height=\"" + number(height_) +
           "\" font-family=\"Helvetica, Arial, 'Liberation Sans', sans-serif\" font-size=\"12\">\n" + body_ +
           "</svg>\n";
  }

  /// A coordinate, to a hundredth of a pixel and without trailing zeros.
  static std::string number(double value) {
    std::string out = format_fixed(value, 2);
    while (out.find('.') != std::string::npos && (out.back() == '0' || out.back() == '.')) {
      const bool point = out.back() == '.';
      out.pop_back();
      if (point) break;
    }
    return out;
  }

 private:
  void polygon(const std::array<std::array<double, 2>, 4>& corners, std::string_view fill) {
    body_ += "<polygon points=\"";
    for (const auto& corner : corners) body_ += number(corner[0]) + "," + number(corner[1]) + " ";
    body_.back() = '"';
    body_ += fill;
  }
  void text_element(double x, double y, std::string_view markup, std::string_view anchor, std::string_view attributes) {
    body_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + std::string(anchor) +
             "\" fill=\"#222222\"" + std::string(attributes) + ">" + std::string(markup) + "</text>\n";
  }

  double width_;
  double height_;
  std::string body_;
};

}  // namespace report
TINYVISION_END
