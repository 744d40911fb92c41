// Where the names of points go on a chart, so that they cover neither points nor each other.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tinyvision/report/text.hpp"

TINYVISION_BEGIN
namespace report {

/// A rectangle in pixels, y downwards.
struct PixelBox {
  double left = 0, top = 0, right = 0, bottom = 0;
  double overlap(const PixelBox& other) const {
    const double w = std::min(right, other.right) - std::max(left, other.left);
    const double h = std::min(bottom, other.bottom) - std::max(top, other.top);
    return w > 0 && h > 0 ? w * h : 0;
  }
};

struct NamedPoint {
  double x = 0, y = 0;  ///< pixels
  std::string name;
};

struct PlacedLabel {
  double x = 0, y = 0;  ///< of the anchor, vertically in the middle
  bool right_aligned = false;
};

/// For each point, in order, the place right or left of it (level, higher or lower) that overlaps least with points, `taken`
/// and the labels before it, and leaves `frame` least; the first of equals. Deterministic.
inline std::vector<PlacedLabel> place_labels(const std::vector<NamedPoint>& points, const PixelBox& frame,
                                             std::vector<PixelBox> taken, double font_size) {
  constexpr double radius = 6;
  for (const NamedPoint& p : points) taken.push_back({p.x - radius, p.y - radius, p.x + radius, p.y + radius});
  std::vector<PlacedLabel> labels;
  for (const NamedPoint& p : points) {
    const double width = font_size * text_width(p.name), half = 0.6 * font_size;
    PlacedLabel best;
    PixelBox best_box;
    double least = -1;
    for (const double lift : std::array<double, 7>{0, -8, 8, -13, 13, -18, 18})
      for (const bool left : {true, false}) {
        const double x = left ? p.x - radius - 3 : p.x + radius + 3, y = p.y + lift;
        const PixelBox box{left ? x - width : x, y - half, left ? x : x + width, y + half};
        double cost = 0.15 * std::fabs(lift) * font_size;
        for (const PixelBox& other : taken) cost += box.overlap(other);
        const double area = (box.right - box.left) * (box.bottom - box.top);
        cost += 20 * (area - box.overlap(frame));
        if (least < 0 || cost < least) least = cost, best = {x, y, left}, best_box = box;
      }
    labels.push_back(best);
    taken.push_back(best_box);
  }
  return labels;
}

}  // namespace report
TINYVISION_END
