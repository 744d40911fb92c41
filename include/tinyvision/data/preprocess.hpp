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
  for (Index i = 0; i < pixels; ++i)
    for (Index c = 0; c < 3; ++c) x[3 * i + c] = x[3 * i + c] * a.scale[c] + a.shift[c];
}

/// Central crop, resize, normalise, in TF-Slim's order and in f32: out[image_size][image_size][3].
inline void preprocess(const Image& image, const Preprocessing& p, float* out) {
  resize_crop(image, central_crop_box(image.height, image.width, p.crop), p.image_size, p.image_size, p.resizer, out,
              byte_scale(p.normalisation));
  normalise(p.normalisation, p.image_size * p.image_size, out);
}

}  // namespace data
TINYVISION_END
