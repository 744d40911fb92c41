// What each output position of one axis takes from the input: a window of weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace data::detail {

/// For each output position its first source position and the weights from there.
template <class Weight>
struct AxisFilter {
  std::vector<Index> first, count;
  std::vector<Weight> weights;  // those of output i start at i * width
  Index width = 0;

  Index size() const { return static_cast<Index>(first.size()); }
  const Weight* of(Index i) const { return weights.data() + i * width; }
  /// Output positions from the other end: the result is mirrored.
  void reverse() {
    std::vector<Weight> turned(weights.size());
    for (Index i = 0; i < size(); ++i) std::copy_n(of(i), width, turned.data() + (size() - 1 - i) * width);
    weights = std::move(turned);
    std::reverse(first.begin(), first.end());
    std::reverse(count.begin(), count.end());
  }
};

/// Pillow's windows: a kernel of radius `support` at half-pixel centres, widened by the reduction.
///   s = in/out, f = max(s, 1), c = (i + 0.5) s, window [int(c - support f + 0.5), int(c + support f + 0.5)) within the image,
///   weight(j) = kernel((j - c + 0.5) / f), divided by their sum. In f64.
template <class Kernel>
AxisFilter<double> antialias_filter(Index in, Index out, double support, Kernel&& kernel) {
  AxisFilter<double> filter;
  const double scale = static_cast<double>(in) / static_cast<double>(out), widening = std::max(scale, 1.0);
  const double reach = support * widening;
  filter.width = static_cast<Index>(std::ceil(reach)) * 2 + 1;
  filter.weights.assign(static_cast<std::size_t>(out * filter.width), 0.0);
  for (Index i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const Index begin = std::max<Index>(0, static_cast<Index>(centre - reach + 0.5));
    const Index end = std::min(in, static_cast<Index>(centre + reach + 0.5));
    double* w = filter.weights.data() + i * filter.width;
    double sum = 0;
    for (Index j = begin; j < end; ++j)
      sum += w[j - begin] = kernel((static_cast<double>(j) - centre + 0.5) / widening);
    for (Index j = begin; j < end; ++j)
      if (sum != 0) w[j - begin] /= sum;
    filter.first.push_back(begin);
    filter.count.push_back(end - begin);
  }
  return filter;
}

inline double triangle_kernel(double x) { return std::max(0.0, 1.0 - std::fabs(x)); }
/// Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -0.5.
inline double cubic_kernel(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}
inline double lanczos_kernel(double x) {
  constexpr double pi = 3.14159265358979323846, radius = 3;
  const auto sinc = [](double v) { return v == 0 ? 1.0 : std::sin(v * pi) / (v * pi); };
  return x >= -radius && x < radius ? sinc(x) * sinc(x / radius) : 0.0;
}

inline AxisFilter<float> rounded(const AxisFilter<double>& filter) {
  AxisFilter<float> out{filter.first, filter.count, {filter.weights.begin(), filter.weights.end()}, filter.width};
  return out;
}

/// TensorFlow's resize_area along one axis: how much of source pixel j the output pixel [i s, (i+1) s) covers, over s.
inline AxisFilter<float> area_filter(Index in, Index out) {
  AxisFilter<float> filter;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  filter.width = static_cast<Index>(std::ceil(scale)) + 2;
  filter.weights.assign(static_cast<std::size_t>(out * filter.width), 0.0f);
  for (Index i = 0; i < out; ++i) {
    const float low = static_cast<float>(i) * scale, high = static_cast<float>(i + 1) * scale;
    const Index begin = std::min(static_cast<Index>(std::floor(low)), in - 1);
    const Index end = static_cast<Index>(std::ceil(high));
    float* w = filter.weights.data() + i * filter.width;
    Index last = begin;
    for (Index j = begin; j < end; ++j) {
      const auto at = static_cast<float>(j), next = static_cast<float>(j + 1);
      const float part = at < low ? (next > high ? scale : next - low) : (next > high ? high - at : 1.0f);
      last = std::min(j, in - 1);  // rounding can reach over the end
      w[last - begin] += part / scale;
    }
    filter.first.push_back(begin);
    filter.count.push_back(last - begin + 1);
  }
  return filter;
}

/// TensorFlow's resize_bicubic along one axis: four weights from a table of 1,024 steps. Without half-pixel centres
/// a = -0.75 and positions outside the image repeat its edge; with them a = -0.5, positions outside weigh nothing and the
/// rest is divided by its sum.
inline AxisFilter<float> bicubic_filter(Index in, Index out, bool half_pixel) {
  constexpr int steps = 1024;
  const double a = half_pixel ? -0.5 : -0.75;
  // Distance x in [0, 1] and 1 + x.
  const auto near = [a](int k) {
    const float x = static_cast<float>(k) / steps;
    return static_cast<float>(
        ((a + 2) * static_cast<double>(x) - (a + 3)) * static_cast<double>(x) * static_cast<double>(x) + 1);
  };
  const auto far = [a](int k) {
    const double x = static_cast<double>(static_cast<float>(k) / steps) + 1.0;
    return static_cast<float>(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
  };
  AxisFilter<float> filter;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  filter.width = 4;
  filter.weights.assign(static_cast<std::size_t>(out * 4), 0.0f);
  for (Index i = 0; i < out; ++i) {
    const float place = half_pixel ? (static_cast<float>(i) + 0.5f) * scale - 0.5f : static_cast<float>(i) * scale;
    const auto below = static_cast<Index>(std::floor(place));
    const auto offset = static_cast<int>(std::lrintf((place - static_cast<float>(below)) * steps));
    const float four[4] = {far(offset), near(offset), near(steps - offset), far(steps - offset)};
    const Index begin = std::clamp<Index>(below - 1, 0, in - 1);
    float* w = filter.weights.data() + i * 4;
    float sum = 0;
    Index last = begin;
    for (Index k = 0; k < 4; ++k) {
      const Index wanted = below - 1 + k, j = std::clamp<Index>(wanted, 0, in - 1);
      if (half_pixel && wanted != j) continue;
      w[j - begin] += four[k];
      sum += four[k];
      last = j;
    }
    if (half_pixel && sum != 0)
      for (Index k = 0; k < 4; ++k) w[k] /= sum;
    filter.first.push_back(begin);
    filter.count.push_back(last - begin + 1);
  }
  return filter;
}

/// Pillow's fixed-point weights: 22 bits behind the point, rounded half away from zero.
inline AxisFilter<int> fixed_point(const AxisFilter<double>& filter) {
  AxisFilter<int> out{filter.first, filter.count, {}, filter.width};
  for (const double w : filter.weights) out.weights.push_back(static_cast<int>(w * (1 << 22) + (w < 0 ? -0.5 : 0.5)));
  return out;
}

}  // namespace data::detail
TINYVISION_END
