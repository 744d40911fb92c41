// One axis of a chart: from data values to pixels, and where its ticks are.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "tinyvision/report/text.hpp"

TINYVISION_BEGIN
namespace report {

struct AxisTick {
  double value = 0;
  std::string label;     ///< plain text
  std::string exponent;  ///< raised after the label; empty for most ticks
};

/// How an axis shows its values.
enum class AxisKind {
  linear,   ///< numbers
  percent,  ///< fractions, labelled in percent
  log10,    ///< positive numbers on a logarithmic scale
};

class Axis {
 public:
  /// Spans [low, high] and has at most about `target` ticks. `loose` extends the ends of a linear axis to the next
  /// tick. An empty span is widened. Throws Error when an end is not finite, or not positive on a logarithmic axis.
  Axis(AxisKind kind, double low, double high, int target, bool loose) : kind_(kind), low_(low), high_(high) {
    check(std::isfinite(low) && std::isfinite(high) && low <= high, "axis", "cannot span [", low, ", ", high, "]");
    check(kind != AxisKind::log10 || low > 0, "axis", "a logarithmic axis needs positive values, got ", low);
    if (kind == AxisKind::log10) {
      if (high <= low * (1 + 1e-9)) low_ /= 2, high_ *= 2;
      place_log_ticks(std::max(2, target));
    } else {
      if (high - low <= 1e-12 * std::max(std::fabs(low), std::fabs(high))) {
        const double margin = low == 0 ? 0.5 : std::fabs(low) * 0.1;
        low_ -= margin, high_ += margin;
      }
      place_linear_ticks(std::max(2, target), loose);
    }
  }

  double low() const { return low_; }
  double high() const { return high_; }
  const std::vector<AxisTick>& ticks() const { return ticks_; }

  /// Where `value` lies: 0 at the low end, 1 at the high end.
  double position(double value) const {
    if (kind_ == AxisKind::log10) return std::log(value / low_) / std::log(high_ / low_);
    return (value - low_) / (high_ - low_);
  }
  /// Width of the widest tick label, in units of the font size.
  double label_width() const {
    double width = 0;
    for (const AxisTick& tick : ticks_)
      width = std::max(width, text_width(tick.label) + 0.75 * text_width(tick.exponent));
    return width;
  }

 private:
  /// Steps of 1, 2 or 5 times a power of ten.
  void place_linear_ticks(int target, bool loose) {
    const double unit = kind_ == AxisKind::percent ? 100 : 1;
    const double raw_step = (high_ - low_) * unit / target;
    int exponent = static_cast<int>(std::floor(std::log10(raw_step)));
    double mantissa = raw_step / std::pow(10, exponent);
    mantissa = mantissa <= 1.0001 ? 1 : mantissa <= 2.0001 ? 2 : mantissa <= 5.0001 ? 5 : 10;
    if (mantissa == 10) mantissa = 1, ++exponent;
    const double step = mantissa * std::pow(10, exponent);
    double first = std::ceil(low_ * unit / step - 1e-6), last = std::floor(high_ * unit / step + 1e-6);
    if (loose) {
      first = std::floor(low_ * unit / step + 1e-6);
      last = std::ceil(high_ * unit / step - 1e-6);
      low_ = first * step / unit;
      high_ = last * step / unit;
    }
    const double largest = std::max(std::fabs(first), std::fabs(last)) * step;
    for (double i = first; i <= last; ++i) {
      const double shown = i * step;
      std::string label = largest >= 1e7 || (exponent < -5 && largest < 1e-3)
                              ? (i == 0 ? "0" : format_significant(shown, 6))
                              : format_fixed(shown, std::max(0, -exponent));
      if (label.front() == '-') label.replace(0, 1, "\u2212");
      if (kind_ == AxisKind::percent) label += "\u00A0%";
      ticks_.push_back({shown / unit, label, ""});
    }
  }

  /// Powers of ten over two decades and more; else 1, 2, 5 or all nine digits in each decade.
  void place_log_ticks(int target) {
    const double low = std::log10(low_), high = std::log10(high_);
    const int first = static_cast<int>(std::ceil(low - 1e-9)), last = static_cast<int>(std::floor(high + 1e-9));
    if (last - first >= 2) {
      const int stride = std::max(1, static_cast<int>(std::ceil((last - first) / static_cast<double>(target))));
      // Multiples of the stride, so that 10^0 is among them.
      for (int e = first + ((-first % stride) + stride) % stride; e <= last; e += stride) {
        const std::string exponent = e < 0 ? "\u2212" + std::to_string(-e) : std::to_string(e);
        ticks_.push_back({std::pow(10, e), "10", exponent});
      }
      return;
    }
    for (const bool all : {false, true}) {
      ticks_.clear();
      for (int e = first - 1; e <= last + 1; ++e)
        for (int digit = 1; digit <= 9; ++digit) {
          const double value = digit * std::pow(10, e);
          const bool wanted = all || digit == 1 || digit == 2 || digit == 5;
          if (wanted && value >= low_ * (1 - 1e-9) && value <= high_ * (1 + 1e-9))
            ticks_.push_back({value, format_significant(value, 6), ""});
        }
      if (ticks_.size() >= 2) return;
    }
    ticks_.clear();
    for (const double value : {low_, high_}) ticks_.push_back({value, format_significant(value, 4), ""});
  }

  AxisKind kind_;
  double low_;
  double high_;
  std::vector<AxisTick> ticks_;
};

}  // namespace report
TINYVISION_END
