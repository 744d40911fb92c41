// Evaluation preprocessing: central crop, resize to a square, normalise.
#pragma once

#include <cstdio>
#include <string>

#include "tinyvision/data/resize.hpp"

TINYVISION_BEGIN
namespace data {

/// inception: bytes/255, then (x - 0.5) * 2, in [-1, 1].  rgb_mean: bytes - (123.68, 116.78, 103.94) for R, G, B,
/// undivided.
enum class Normalisation { inception, rgb_mean };

constexpr const char* to_string(Normalisation normalisation) {
  return normalisation == Normalisation::inception ? "inception" : "rgb_mean";
}

/// "inception" or "rgb_mean". Throws UsageError for anything else.
inline Normalisation parse_normalisation(const std::string& text) {
  if (text == "inception") return Normalisation::inception;
  if (text == "rgb_mean") return Normalisation::rgb_mean;
  fail_usage("normalisation", "unknown normalisation '", text, "': choose inception or rgb_mean");
}

/// Mean R, G, B of the ImageNet training images as the public ResNet v1 and VGG weights use them.
inline constexpr float rgb_mean[3] = {123.68f, 116.78f, 103.94f};

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
  return normalisation == Normalisation::inception ? 1.0f / 255.0f : 1.0f;
}

/// Normalises resized values in place: x holds `pixels` RGB triples of bytes times byte_scale().
inline void normalise(Normalisation normalisation, Index pixels, float* x) {
  if (normalisation == Normalisation::inception) {
    for (Index i = 0; i < pixels * 3; ++i) x[i] = (x[i] - 0.5f) * 2.0f;
  } else {
    for (Index i = 0; i < pixels; ++i)
      for (Index c = 0; c < 3; ++c) x[3 * i + c] -= rgb_mean[c];
  }
}

/// Central crop, resize, normalise, in TF-Slim's order and in f32: out[image_size][image_size][3].
inline void preprocess(const Image& image, const Preprocessing& p, float* out) {
  resize_crop(image, central_crop_box(image.height, image.width, p.crop), p.image_size, p.image_size, p.resizer, out,
              byte_scale(p.normalisation));
  normalise(p.normalisation, p.image_size * p.image_size, out);
}

}  // namespace data
TINYVISION_END
