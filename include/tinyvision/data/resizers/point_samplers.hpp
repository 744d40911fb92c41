// Resizers that look at one or two source pixels along each axis.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tinyvision/data/image.hpp"

TINYVISION_BEGIN
namespace data::detail {

struct Tap {
  Index low, high;  // source positions
  float t;          // weight of `high`
};

/// TensorFlow's resize_bilinear along one axis, in f32. With half-pixel centres p = (i + 0.5) s - 0.5, without p = i s.
inline std::vector<Tap> bilinear_taps(Index in, Index out, bool half_pixel) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<Tap> taps(static_cast<std::size_t>(out));
  for (Index i = 0; i < out; ++i) {
    const float place = half_pixel ? (static_cast<float>(i) + 0.5f) * scale - 0.5f : static_cast<float>(i) * scale;
    const float below = std::floor(place);
    const Index low = std::clamp<Index>(static_cast<Index>(below), 0, in - 1);
    const Index high = std::clamp<Index>(static_cast<Index>(below) + 1, 0, in - 1);
    taps[static_cast<std::size_t>(i)] = {low, high, place - (half_pixel ? below : static_cast<float>(low))};
  }
  return taps;
}

// One source row, interpolated along x: out[3*i + c] = (a + (b - a)*t) with a, b = scale * bytes.
inline void bilinear_row(const std::uint8_t* row, const std::uint8_t* end, const std::vector<Tap>& taps, float scale,
                         float* out) {
  std::size_t i = 0;
#if defined(__SSE2__)
  // Four bytes are read where three are needed and four floats written where three are kept: the next pixel overwrites
  // the fourth. The last output pixel and the last three bytes of the image are left to the plain loop.
  const __m128i zero = _mm_setzero_si128();
  const __m128 factor = _mm_set1_ps(scale);
  const auto load = [&](const std::uint8_t* p) {
    int word;
    std::memcpy(&word, p, 4);
    const __m128i bytes = _mm_cvtsi32_si128(word);
    return _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpacklo_epi16(_mm_unpacklo_epi8(bytes, zero), zero)), factor);
  };
  for (; i + 1 < taps.size() && row + 3 * std::max(taps[i].low, taps[i].high) + 4 <= end; ++i) {
    const __m128 a = load(row + 3 * taps[i].low), b = load(row + 3 * taps[i].high);
    _mm_storeu_ps(out + 3 * i, _mm_add_ps(a, _mm_mul_ps(_mm_sub_ps(b, a), _mm_set1_ps(taps[i].t))));
  }
#else
  static_cast<void>(end);
#endif
  for (; i < taps.size(); ++i) {
    const std::uint8_t *pa = row + 3 * taps[i].low, *pb = row + 3 * taps[i].high;
    for (std::size_t c = 0; c < 3; ++c) {
      const float a = static_cast<float>(pa[c]) * scale, b = static_cast<float>(pb[c]) * scale;
      out[3 * i + c] = a + (b - a) * taps[i].t;
    }
  }
}

inline void resize_bilinear(const ImageView& image, const Box& box, const std::vector<Tap>& across,
                            const std::vector<Tap>& down, float scale, float* out) {
  const std::size_t row_floats = across.size() * 3;
  std::vector<float> rows[2] = {std::vector<float>(row_floats), std::vector<float>(row_floats)};
  Index held[2] = {-1, -1};  // source row in each buffer: neighbouring output rows often share one
  const auto fill = [&](int slot, Index y) {
    if (held[slot] == y) return;
    bilinear_row(image.at(box.top + y, box.left), image.end(), across, scale, rows[slot].data());
    held[slot] = y;
  };
  for (std::size_t i = 0; i < down.size(); ++i) {
    const Tap& tap = down[i];
    const int low = held[1] == tap.low ? 1 : 0;
    fill(low, tap.low);
    const int high = tap.high == tap.low ? low : 1 - low;
    fill(high, tap.high);
    const float *top = rows[low].data(), *bottom = rows[high].data(), t = tap.t;
    float* target = out + i * row_floats;
    for (std::size_t k = 0; k < row_floats; ++k) target[k] = top[k] + (bottom[k] - top[k]) * t;
  }
}

/// TensorFlow's resize_nearest_neighbor without half-pixel centres: source floor(i s), in f32.
inline void resize_nearest(const ImageView& image, const Box& box, Index out_h, Index out_w, bool mirrored, float scale,
                           float* out) {
  const auto places = [](Index in, Index size) {
    const float step = static_cast<float>(in) / static_cast<float>(size);
    std::vector<Index> all(static_cast<std::size_t>(size));
    for (Index i = 0; i < size; ++i)
      all[static_cast<std::size_t>(i)] = std::min(static_cast<Index>(std::floor(static_cast<float>(i) * step)), in - 1);
    return all;
  };
  std::vector<Index> across = places(box.width, out_w);
  if (mirrored) std::reverse(across.begin(), across.end());
  for (const Index y : places(box.height, out_h))
    for (const Index x : across) {
      const std::uint8_t* p = image.at(box.top + y, box.left + x);
      for (int c = 0; c < 3; ++c) *out++ = static_cast<float>(p[c]) * scale;
    }
}

}  // namespace data::detail
TINYVISION_END
