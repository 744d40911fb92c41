// Pictures drawn by rule: colours and pattern follow from the class, everything else from the picture's number, so that a
// network can learn the classes; their bytes: tiny_encoders.hpp. Integers throughout: a seed gives the same pixels on every
// machine.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>

#include "tinyvision/core/random.hpp"
#include "tinyvision/data/image.hpp"
#include "tinyvision/data/tiny/tiny_encoders.hpp"

TINYVISION_BEGIN
namespace data {

namespace detail {

/// A colour of full brightness: hue 0..1535 round the circle, saturation 0..255.
inline std::array<int, 3> hue_colour(Index hue, int saturation) {
  const int sector = static_cast<int>(hue / 256), part = static_cast<int>(hue % 256);
  const int rise = sector % 2 == 0 ? part : 255 - part;  // the channel that changes within a sector
  const std::array<std::array<int, 3>, 6> sectors{
      {{255, rise, 0}, {rise, 255, 0}, {0, 255, rise}, {0, rise, 255}, {rise, 0, 255}, {255, 0, rise}}};
  std::array<int, 3> rgb = sectors[static_cast<std::size_t>(sector)];
  for (int& c : rgb) c = 255 - (255 - c) * saturation / 255;
  return rgb;
}

/// 0 .. 255 .. 0 once per `period`, at >= 0.
inline int triangle_wave(Index at, Index period) {
  const Index phase = at % period;
  return static_cast<int>(std::min(phase, period - phase) * 510 / period);
}

/// What all pictures of a class have in common. 949 and 1,536 have no common factor, so that up to 1,536 classes have
/// hues of their own; pattern and period change beside them.
class TinyPattern {
 public:
  explicit TinyPattern(std::int64_t label)
      : kind_(static_cast<int>(label % 5)),
        period_(8 + (label / 5) % 4 * 4),
        first_(hue_colour((label * 949) % 1536, 220)),
        second_(hue_colour((label * 949 + 640 + label % 3 * 128) % 1536, 120 + static_cast<int>(label % 7) * 15)) {}

  /// Weight 0..255 of the second colour at (y, x).
  int weight(Index y, Index x) const {
    switch (kind_) {
      case 0: return triangle_wave(y, period_);
      case 1: return triangle_wave(x, period_);
      case 2: return triangle_wave(x + y, period_);
      case 3: return std::abs(triangle_wave(x, period_) - triangle_wave(y, period_));
      default: return triangle_wave((x * x + y * y) / (2 * period_), period_);
    }
  }
  int colour(int weight, std::size_t channel) const {
    return (first_[channel] * (255 - weight) + second_[channel] * weight) / 255;
  }

 private:
  int kind_;
  Index period_;
  std::array<int, 3> first_, second_;
};

/// The random numbers of one picture.
inline Random tiny_random(std::uint64_t seed, std::int64_t label, Index number) {
  return {seed, Stream::tiny, (static_cast<std::uint64_t>(number) + 1) << 32 | static_cast<std::uint64_t>(label)};
}

}  // namespace detail

/// Fills `box` with the pattern of a class; place, brightness and noise are functions of (seed, label, number).
inline void draw_tiny_pattern(Image& image, const Box& box, std::uint64_t seed, std::int64_t label, Index number) {
  check_box(image, box, "draw_tiny_pattern");
  const detail::TinyPattern pattern(label);
  const Random own = detail::tiny_random(seed, label, number);
  const Index down = own.integer(2, 64), across = own.integer(3, 64);
  const int bright = 150 + static_cast<int>(own.integer(4, 90));
  for (Index y = 0; y < box.height; ++y)
    for (Index x = 0; x < box.width; ++x) {
      const int weight = pattern.weight(y + down, x + across);
      const int noise = static_cast<int>(own.integer(static_cast<std::uint64_t>(16 + y * box.width + x), 25)) - 12;
      std::uint8_t* const out = image.at(box.top + y, box.left + x);
      for (std::size_t c = 0; c < 3; ++c)
        out[c] = static_cast<std::uint8_t>(std::clamp(pattern.colour(weight, c) * bright / 255 + noise, 0, 255));
    }
}

/// A picture of a class, sides 40 to 56 pixels: a function of (seed, label, number).
inline Image draw_tiny_image(std::uint64_t seed, std::int64_t label, Index number) {
  const Random own = detail::tiny_random(seed, label, number);
  Image image(40 + own.integer(0, 17), 40 + own.integer(1, 17));
  draw_tiny_pattern(image, whole(image), seed, label, number);
  return image;
}

}  // namespace data
TINYVISION_END
