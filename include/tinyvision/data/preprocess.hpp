// Evaluation preprocessing: central crop, resize to a square, normalise.
#pragma once

#include <cstdio>
#include <string>

#include "tinyvision/data/resize.hpp"

TINYVISION_BEGIN
namespace data {

/// inception: bytes/255, then (x - 0.5) * 2, in [-1, 1].  rgb_mean: bytes - (123.68, 116.78, 103.94) for R, G, B,
/// undivided.  imagenet_mean_std: bytes/255, then (x - mean) / std with (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225), as
/// Keras' DenseNets and torchvision's networks take it.
enum class Normalisation { inception, rgb_mean, imagenet_mean_std };

constexpr const char* to_string(Normalisation normalisation) {
  switch (normalisation) {
    case Normalisation::rgb_mean: return "rgb_mean";
    case Normalisation::imagenet_mean_std: return "imagenet_mean_std";
    default: return "inception";
  }
}

/// "inception", "rgb_mean" or "imagenet_mean_std". Throws UsageError for anything else.
inline Normalisation parse_normalisation(const std::string& text) {
  for (const Normalisation n : {Normalisation::inception, Normalisation::rgb_mean, Normalisation::imagenet_mean_std})
    if (text == to_string(n)) return n;
  fail_usage("normalisation", "unknown normalisation '", text, "': choose inception, rgb_mean or imagenet_mean_std");
}

/// Mean R, G, B of the ImageNet training images as the public ResNet v1 and VGG weights use them.
inline constexpr float rgb_mean[3] = {123.68f, 116.78f, 103.94f};
/// Mean and standard deviation of R, G, B in [0, 1].
inline constexpr float imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
inline constexpr float imagenet_std[3] = {0.229f, 0.224f, 0.225f};

/// TensorFlow's `tf.image.central_crop`: each side loses start = int((size - size*fraction)/2) pixels, in f64,
/// truncated, at both ends, so the result has size - 2*start pixels (for 0.875: start = size/16). Throws UsageError
/// unless 0 < fraction <= 1.
inline Box central_crop_box(Index height, Index width, double fraction) {
  if (!(fraction > 0 && fraction <= 1)) fail_usage("crop", "fraction ", fraction, " is not in (0, 1]");
  const auto start = [fraction](Index size) {
    return static_cast<Index>((static_cast<double>(size) - static_cast<double>(size) * fraction) / 2);
  };
  const Index top = start(height), left = start(width);
  return {top, left, height - 2 * top, width - 2 * left};
}

/// How an image becomes a network's input.
struct Preprocessing {
  Index image_size = 224;  ///< output side in pixels
  double crop = 0.875;     ///< central fraction of each side; 1 = the whole image
  Resizer resizer = Resizer::tf1_bilinear;
  Normalisation normalisation = Normalisation::inception;

  /// Number of floats of one preprocessed image: image_size^2 * 3.
  Index floats() const { return image_size * image_size * 3; }
  /// Every field, one line: the material of cache keys and result files.
  std::string text() const {
    char fraction[32];
    std::snprintf(fraction, sizeof fraction, "%.17g", crop);
    return concat_text("image_size=", image_size, " crop=", fraction, " resizer=", to_string(resizer),
                       " normalisation=", to_string(normalisation));
  }
  /// Throws UsageError when a field is out of range.
  void validate() const {
    if (image_size < 1 || image_size > 16384)
      fail_usage("preprocessing", "image size ", image_size, " is not in 1..16384");
    central_crop_box(1, 1, crop);
  }
  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

/// The factor on bytes before resizing: TF-Slim converts to [0, 1] first.
inline float byte_scale(Normalisation normalisation) {
  return normalisation == Normalisation::rgb_mean ? 1.0f : 1.0f / 255.0f;
}

/// A normalisation as x * scale + shift per channel, as a device computes it too. (x - 0.5) * 2 and 2 x - 1 have the same
/// bits.
struct ChannelAffine {
  float scale[3], shift[3];
};
inline ChannelAffine channel_affine(Normalisation normalisation) {
  ChannelAffine a{{2, 2, 2}, {-1, -1, -1}};
  for (int c = 0; c < 3; ++c) {
    if (normalisation == Normalisation::rgb_mean) a.scale[c] = 1, a.shift[c] = -rgb_mean[c];
    if (normalisation == Normalisation::imagenet_mean_std)
      a.scale[c] = 1 / imagenet_std[c], a.shift[c] = -imagenet_mean[c] / imagenet_std[c];
  }
  return a;
}

/// Normalises resized values in place: x holds `pixels` RGB triples of bytes times byte_scale().
inline void normalise(Normalisation normalisation, Index pixels, float* x) {
  const ChannelAffine a = channel_affine(normalisation);
  Index i = 0;
#if defined(__SSE2__)
  // Four pixels are three vectors, each with its own order of channels. The same product and sum for every value.
  __m128 scale[3], shift[3];
  for (int v = 0; v < 3; ++v) {
    const auto lanes = [v](const float* by_channel) {
      const int c = 4 * v % 3;
      return _mm_setr_ps(by_channel[c], by_channel[(c + 1) % 3], by_channel[(c + 2) % 3], by_channel[c]);
    };
    scale[v] = lanes(a.scale);
    shift[v] = lanes(a.shift);
  }
  for (; i + 4 <= pixels; i += 4)
    for (int v = 0; v < 3; ++v) {
      float* at = x + 3 * i + 4 * v;
      _mm_storeu_ps(at, _mm_add_ps(_mm_mul_ps(_mm_loadu_ps(at), scale[v]), shift[v]));
    }
#endif
  for (; i < pixels; ++i)
    for (Index c = 0; c < 3; ++c) x[3 * i + c] = x[3 * i + c] * a.scale[c] + a.shift[c];
}

/// out[k] = x[k] * scale, rounded to nearest (halves up) and kept within 0..255.
inline void round_to_bytes(const float* x, Index n, float scale, std::uint8_t* out) {
  Index k = 0;
#if defined(__SSE2__)
  const __m128 factor = _mm_set1_ps(scale), half = _mm_set1_ps(0.5f), zero = _mm_setzero_ps(),
               most = _mm_set1_ps(255.0f);
  const auto four = [&](Index at) {
    const __m128 value = _mm_add_ps(_mm_mul_ps(_mm_loadu_ps(x + at), factor), half);
    return _mm_cvttps_epi32(_mm_min_ps(_mm_max_ps(value, zero), most));
  };
  for (; k + 16 <= n; k += 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + k), _mm_packus_epi16(_mm_packs_epi32(four(k), four(k + 4)),
                                                                           _mm_packs_epi32(four(k + 8), four(k + 12))));
#endif
  for (; k < n; ++k) out[k] = static_cast<std::uint8_t>(std::min(std::max(x[k] * scale + 0.5f, 0.0f), 255.0f));
}

/// Central crop, resize, normalise, in TF-Slim's order and in f32: out[image_size][image_size][3].
inline void preprocess(const ImageView& image, const Preprocessing& p, float* out) {
  resize_crop(image, central_crop_box(image.height, image.width, p.crop), p.image_size, p.image_size, p.resizer, out,
              byte_scale(p.normalisation));
  normalise(p.normalisation, p.image_size * p.image_size, out);
}

}  // namespace data
TINYVISION_END
