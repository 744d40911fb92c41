// Colour adjustments of float RGB images with values about [0, 1], as tf.image defines them. In place, f32.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN
namespace data {

/// x + delta; not clipped.
inline void adjust_brightness(float* x, Index pixels, float delta) {
  for (Index i = 0; i < 3 * pixels; ++i) x[i] += delta;
}

/// (x - mean) * factor + mean per channel, mean over the image's pixels; not clipped. The mean is summed in f64 as a block
/// of threads of a device does: pixel i goes to partial sum i mod 256, then the second half is added to the first, again
/// and again.
inline void adjust_contrast(float* x, Index pixels, float factor) {
  constexpr Index lanes = 256;
  std::array<double, lanes> sum;
  for (Index c = 0; c < 3; ++c) {
    sum.fill(0);
    for (Index i = 0; i < pixels; ++i) sum[static_cast<std::size_t>(i % lanes)] += static_cast<double>(x[3 * i + c]);
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) sum[lane] += sum[lane + half];
    const float mean = static_cast<float>(sum[0] / static_cast<double>(pixels));
    for (Index i = 0; i < pixels; ++i) x[3 * i + c] = (x[3 * i + c] - mean) * factor + mean;
  }
}

/// HSV saturation times `factor`, clipped to [0, 1]; hue and value stay. With v = max(r,g,b), d = v - min(r,g,b), s =
/// d/v: the HSV round trip is x' = v - (v - x) * s'v/d with s' = clip(s*factor, 0, 1), which needs no hue. A pixel with
/// v <= 0 has s = 0 and becomes grey (v, v, v), as in TensorFlow.
inline void adjust_saturation(float* x, Index pixels, float factor) {
  for (Index i = 0; i < pixels; ++i, x += 3) {
    const float value = std::max(std::max(x[0], x[1]), x[2]), low = std::min(std::min(x[0], x[1]), x[2]);
    const float range = value - low;
    // s'v/d = min(factor, v/d) for d > 0 and v > 0.
    const float ratio = value > 0 ? (range * factor > value ? value / range : factor) : 0.0f;
    for (Index c = 0; c < 3; ++c) x[c] = value - (value - x[c]) * ratio;
  }
}

/// Turns the hue by `delta` full circles (|delta| <= 1); max and min of each pixel stay. Hue h in [0, 6): sector
/// floor(h) says which channels hold the maximum and the minimum, the fraction places the third between them.
inline void adjust_hue(float* x, Index pixels, float delta) {
  for (Index i = 0; i < pixels; ++i, x += 3) {
    const float r = x[0], g = x[1], b = x[2];
    const float high = std::max(std::max(r, g), b), low = std::min(std::min(r, g), b), range = high - low;
    if (range <= 0) continue;
    float hue = high == r ? (g - b) / range : high == g ? 2 + (b - r) / range : 4 + (r - g) / range;
    hue += 6 * delta;
    hue -= 6 * std::floor(hue / 6);
    const int sector = std::min(static_cast<int>(hue), 5);
    const float fraction = hue - static_cast<float>(sector);
    const float middle = low + (sector % 2 == 0 ? fraction : 1 - fraction) * range;
    switch (sector) {
      case 0: x[0] = high, x[1] = middle, x[2] = low; break;
      case 1: x[0] = middle, x[1] = high, x[2] = low; break;
      case 2: x[0] = low, x[1] = high, x[2] = middle; break;
      case 3: x[0] = low, x[1] = middle, x[2] = high; break;
      case 4: x[0] = middle, x[1] = low, x[2] = high; break;
      default: x[0] = high, x[1] = low, x[2] = middle; break;
    }
  }
}

enum class ColourChange : std::uint8_t { brightness, saturation, hue, contrast };

/// One adjustment and its amount: the delta of brightness and hue, the factor of saturation and contrast.
struct ColourStep {
  ColourChange change = ColourChange::brightness;
  float amount = 0;
};

inline void adjust(float* x, Index pixels, const ColourStep& step) {
  switch (step.change) {
    case ColourChange::brightness: return adjust_brightness(x, pixels, step.amount);
    case ColourChange::saturation: return adjust_saturation(x, pixels, step.amount);
    case ColourChange::hue: return adjust_hue(x, pixels, step.amount);
    default: return adjust_contrast(x, pixels, step.amount);
  }
}

/// Exchanges left and right of an image of height x width pixels.
inline void flip_left_right(float* x, Index height, Index width) {
  for (Index y = 0; y < height; ++y, x += 3 * width)
    for (Index a = 0, b = width - 1; a < b; ++a, --b) std::swap_ranges(x + 3 * a, x + 3 * a + 3, x + 3 * b);
}

inline void clip(float* x, Index values, float low, float high) {
  for (Index i = 0; i < values; ++i) x[i] = std::min(std::max(x[i], low), high);
}

}  // namespace data
TINYVISION_END
