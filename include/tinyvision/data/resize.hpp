// Cropping and bilinear resizing of 8-bit RGB to float RGB.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tinyvision/data/image.hpp"

TINYVISION_BEGIN
namespace data {

/// tf1_bilinear: TensorFlow 1's `resize_bilinear(align_corners=False)`, with which the TF-Slim networks were trained.
///   in f32: s = in/out, p = i*s, i0 = floor(p), i1 = min(i0+1, in-1), t = p - i0;
///   top = a00 + (a01-a00)*tx, bottom = a10 + (a11-a10)*tx, value = top + (bottom-top)*ty.
///   No half-pixel centres, no antialiasing: two source rows and columns decide a pixel however small the output is.
/// antialias_bilinear: triangle filter with half-pixel centres whose support grows with the reduction (Pillow's and
///   torchvision's convention): s = in/out, f = max(s, 1), centre c = (i+0.5)*s, window [int(c-f+0.5), int(c+f+0.5))
///   clipped to the image, weight(j) = max(0, 1 - |j - c + 0.5|/f), normalised in f64 and rounded to f32. Rows first,
///   then columns, f32 throughout: Pillow rounds to 8 bits after each pass, we never round.
enum class Resizer { tf1_bilinear, antialias_bilinear };

constexpr const char* to_string(Resizer resizer) {
  return resizer == Resizer::tf1_bilinear ? "tf1_bilinear" : "antialias_bilinear";
}

/// "tf1_bilinear" or "antialias_bilinear". Throws UsageError for anything else.
inline Resizer parse_resizer(const std::string& text) {
  if (text == "tf1_bilinear") return Resizer::tf1_bilinear;
  if (text == "antialias_bilinear") return Resizer::antialias_bilinear;
  fail_usage("resizer", "unknown resizer '", text, "': choose tf1_bilinear or antialias_bilinear");
}

namespace detail {

struct Tap {
  Index low, high;  // source positions
  float t;          // weight of `high`
};

inline std::vector<Tap> tf1_taps(Index in, Index out) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  std::vector<Tap> taps(static_cast<std::size_t>(out));
  for (Index i = 0; i < out; ++i) {
    const float position = static_cast<float>(i) * scale;
    const Index low = std::min(static_cast<Index>(position), in - 1);
    taps[static_cast<std::size_t>(i)] = {low, std::min(low + 1, in - 1), position - static_cast<float>(low)};
  }
  return taps;
}

// One source row, interpolated along x: out[3*i + c] = (a + (b - a)*t) with a, b = scale * bytes.
inline void tf1_row(const std::uint8_t* row, const std::uint8_t* end, const std::vector<Tap>& taps, float scale,
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
  for (; i + 1 < taps.size() && row + 3 * taps[i].high + 4 <= end; ++i) {
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

inline void resize_tf1(const Image& image, const Box& box, Index out_h, Index out_w, float scale, float* out) {
  const std::vector<Tap> across = tf1_taps(box.width, out_w), down = tf1_taps(box.height, out_h);
  const std::size_t row_floats = static_cast<std::size_t>(out_w) * 3;
  std::vector<float> rows[2] = {std::vector<float>(row_floats), std::vector<float>(row_floats)};
  Index held[2] = {-1, -1};  // source row in each buffer: neighbouring output rows often share one
  const std::uint8_t* end = image.pixels.data() + image.pixels.size();
  const auto fill = [&](int slot, Index y) {
    if (held[slot] == y) return;
    tf1_row(image.at(box.top + y, box.left), end, across, scale, rows[slot].data());
    held[slot] = y;
  };
  for (Index i = 0; i < out_h; ++i) {
    const Tap& tap = down[static_cast<std::size_t>(i)];
    const int low = held[1] == tap.low ? 1 : 0;
    fill(low, tap.low);
    const int high = tap.high == tap.low ? low : 1 - low;
    fill(high, tap.high);
    const float *top = rows[low].data(), *bottom = rows[high].data(), t = tap.t;
    float* target = out + static_cast<std::size_t>(i) * row_floats;
    for (std::size_t k = 0; k < row_floats; ++k) target[k] = top[k] + (bottom[k] - top[k]) * t;
  }
}

// For each output position its first source position and `width` weights.
struct TriangleFilter {
  std::vector<Index> first, count;
  std::vector<float> weights;  // output i's weights start at i*width
  Index width = 0;
};

inline TriangleFilter triangle_filter(Index in, Index out) {
  TriangleFilter filter;
  const double scale = static_cast<double>(in) / static_cast<double>(out), support = std::max(scale, 1.0);
  filter.width = static_cast<Index>(std::ceil(support)) * 2 + 1;
  filter.weights.assign(static_cast<std::size_t>(out * filter.width), 0.0f);
  std::vector<double> w(static_cast<std::size_t>(filter.width));
  for (Index i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const Index begin = std::max<Index>(0, static_cast<Index>(centre - support + 0.5));
    const Index end = std::min(in, static_cast<Index>(centre + support + 0.5));
    double sum = 0;
    for (Index j = begin; j < end; ++j) {
      const double x = (static_cast<double>(j) - centre + 0.5) / support;
      sum += w[static_cast<std::size_t>(j - begin)] = std::max(0.0, 1.0 - std::fabs(x));
    }
    for (Index j = begin; j < end; ++j)
      filter.weights[static_cast<std::size_t>(i * filter.width + j - begin)] =
          static_cast<float>(w[static_cast<std::size_t>(j - begin)] / sum);
    filter.first.push_back(begin);
    filter.count.push_back(end - begin);
  }
  return filter;
}

inline void resize_antialias(const Image& image, const Box& box, Index out_h, Index out_w, float scale, float* out) {
  const TriangleFilter across = triangle_filter(box.width, out_w), down = triangle_filter(box.height, out_h);
  const std::size_t row_floats = static_cast<std::size_t>(out_w) * 3;
  std::vector<float> narrow(static_cast<std::size_t>(box.height) * row_floats);
  std::vector<float> source(static_cast<std::size_t>(box.width) * 3);
  for (Index y = 0; y < box.height; ++y) {
    const std::uint8_t* row = image.at(box.top + y, box.left);
    for (std::size_t k = 0; k < source.size(); ++k) source[k] = static_cast<float>(row[k]) * scale;
    float* target = narrow.data() + static_cast<std::size_t>(y) * row_floats;
    for (Index i = 0; i < out_w; ++i) {
      const float* weight = across.weights.data() + i * across.width;
      const float* p = source.data() + across.first[static_cast<std::size_t>(i)] * 3;
      float r = 0, g = 0, b = 0;
      for (Index j = 0; j < across.count[static_cast<std::size_t>(i)]; ++j) {
        r += weight[j] * p[3 * j];
        g += weight[j] * p[3 * j + 1];
        b += weight[j] * p[3 * j + 2];
      }
      target[3 * i] = r;
      target[3 * i + 1] = g;
      target[3 * i + 2] = b;
    }
  }
  for (Index i = 0; i < out_h; ++i) {
    float* target = out + static_cast<std::size_t>(i) * row_floats;
    std::fill(target, target + row_floats, 0.0f);
    for (Index j = 0; j < down.count[static_cast<std::size_t>(i)]; ++j) {
      const float weight = down.weights[static_cast<std::size_t>(i * down.width + j)];
      const float* p =
          narrow.data() + static_cast<std::size_t>(down.first[static_cast<std::size_t>(i)] + j) * row_floats;
      for (std::size_t k = 0; k < row_floats; ++k) target[k] += weight * p[k];
    }
  }
}

}  // namespace detail

/// Cuts `box` out of `image` and resizes it to out_h x out_w (the aspect ratio is not kept) into out[out_h*out_w*3],
/// RGB interleaved. Bytes become floats times `scale` (1: 0..255; 1/255: 0..1) before any interpolation. All arithmetic
/// is f32. Throws Error when the box does not fit.
inline void resize_crop(const Image& image, const Box& box, Index out_h, Index out_w, Resizer resizer, float* out,
                        float scale = 1.0f) {
  check_box(image, box, "resize_crop");
  check(out_h > 0 && out_w > 0, "resize_crop", "output size ", out_h, "x", out_w, " is not positive");
  if (resizer == Resizer::tf1_bilinear) {
    detail::resize_tf1(image, box, out_h, out_w, scale, out);
  } else {
    detail::resize_antialias(image, box, out_h, out_w, scale, out);
  }
}

/// The whole image resized, values 0..255: out_h * out_w * 3 floats.
inline std::vector<float> resize(const Image& image, Index out_h, Index out_w,
                                 Resizer resizer = Resizer::tf1_bilinear) {
  check(out_h > 0 && out_w > 0, "resize", "output size ", out_h, "x", out_w, " is not positive");
  std::vector<float> out(static_cast<std::size_t>(out_h * out_w * 3));
  resize_crop(image, whole(image), out_h, out_w, resizer, out.data());
  return out;
}

}  // namespace data
TINYVISION_END
