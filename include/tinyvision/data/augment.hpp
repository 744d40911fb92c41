// Training augmentation: a pure function of (seed, epoch, index).
//
// `inception` follows TF-Slim's inception_preprocessing.preprocess_for_train: a random crop (TensorFlow's
// sample_distorted_bounding_box with the whole image as its one object), TF1 bilinear resize, left-right flip, colour
// distortion, clip to [0, 1], normalisation. Szegedy et al., "Going deeper with convolutions" (CVPR 2015), section 6.
// TF-Slim's fast mode resizes bilinearly; its full mode draws one of TensorFlow 1's four methods for each image.
//
// `random_resized_crop` is torchvision's RandomResizedCrop and RandomHorizontalFlip: no colours.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/data/colour.hpp"
#include "tinyvision/data/preprocess.hpp"

TINYVISION_BEGIN
namespace data {

/// none: the evaluation preprocessing.  flip: it, and a left-right flip of every second image.  shift_flip: also moved
/// by up to `shift` pixels each way, black coming in (for images of 28 or 32 pixels).  inception, random_resized_crop: see
/// the top of the file.
enum class Augmentation { none, flip, shift_flip, inception, random_resized_crop };

constexpr const char* to_string(Augmentation augmentation) {
  switch (augmentation) {
    case Augmentation::none: return "none";
    case Augmentation::flip: return "flip";
    case Augmentation::shift_flip: return "shift_flip";
    case Augmentation::random_resized_crop: return "random_resized_crop";
    default: return "inception";
  }
}

/// One of the five by name. Throws UsageError for anything else.
inline Augmentation parse_augmentation(const std::string& text) {
  for (const Augmentation a : {Augmentation::none, Augmentation::flip, Augmentation::shift_flip,
                               Augmentation::inception, Augmentation::random_resized_crop})
    if (text == to_string(a)) return a;
  fail_usage("augmentation", "unknown augmentation '", text,
             "': choose none, flip, shift_flip, inception or random_resized_crop");
}

struct AugmentOptions {
  Augmentation mode = Augmentation::inception;
  bool fast_mode = true;     ///< brightness and saturation alone, in this order; else hue and contrast too, in 4 orders
  bool draw_resizer = true;  ///< full mode: one of TensorFlow 1's four instead of Preprocessing's
  float min_area = 0.05f;    ///< of the crop, relative to the image
  float max_area = 1.0f;
  float min_aspect = 3.0f / 4.0f;  ///< width / height of the crop
  float max_aspect = 4.0f / 3.0f;
  float min_object_covered =
      0.1f;                ///< smallest accepted crop area relative to the image: with it the crops are >= 10 %
  int max_attempts = 100;  ///< then the whole image is taken; at most 100
  float brightness = 32.0f / 255.0f;
  float min_saturation = 0.5f, max_saturation = 1.5f;
  float hue = 0.2f;
  float min_contrast = 0.5f, max_contrast = 1.5f;
  Index shift = 2;  ///< pixels, shift_flip only

  /// Every field in use, one line.
  std::string text() const {
    if (mode == Augmentation::none || mode == Augmentation::flip) return to_string(mode);
    if (mode == Augmentation::shift_flip) return concat_text("shift_flip shift=", shift);
    if (mode == Augmentation::random_resized_crop)
      return "random_resized_crop area=0.08..1 aspect=0.75..1.33333 attempts=10";
    return concat_text("inception fast_mode=", fast_mode, " area=", min_area, "..", max_area, " aspect=", min_aspect,
                       "..", max_aspect, " min_object_covered=", min_object_covered, " max_attempts=", max_attempts,
                       " brightness=", brightness, " saturation=", min_saturation, "..", max_saturation,
                       fast_mode ? "" : concat_text(" hue=", hue, " contrast=", min_contrast, "..", max_contrast),
                       draws_resizer() ? " resizer=drawn" : "");
  }
  /// True when every image is resized by a method of its own.
  bool draws_resizer() const { return mode == Augmentation::inception && !fast_mode && draw_resizer; }
  /// Throws UsageError when a field is out of range.
  void validate() const {
    if (!(min_area > 0 && min_area <= max_area && max_area <= 1))
      fail_usage("augmentation", "crop area ", min_area, "..", max_area, " is not a range within (0, 1]");
    if (!(min_aspect > 0 && min_aspect <= max_aspect))
      fail_usage("augmentation", "aspect ratio ", min_aspect, "..", max_aspect, " is not a range of positive numbers");
    if (max_attempts < 1 || max_attempts > 100)
      fail_usage("augmentation", "max_attempts ", max_attempts, " is not in 1..100");
    if (shift < 0) fail_usage("augmentation", "shift ", shift, " is negative");
  }
};

/// The random draws of one training example: draw d is a function of (seed, epoch, index, d) with d in [0, 256).
/// `index` is the example's place in the epoch. Crop attempt t uses draws t (aspect, height) and 100 + t (place); the
/// other draws have the fixed places below, so that no choice shifts another's numbers.
class AugmentDraws {
 public:
  AugmentDraws(std::uint64_t seed, Index epoch, Index index)
      : random_(seed, Stream::augment, static_cast<std::uint64_t>(epoch)),
        base_(static_cast<std::uint64_t>(index) << 8) {}

  static constexpr std::uint64_t flip = 200, brightness = 201, saturation = 202, hue = 203, contrast = 204,
                                 ordering = 205, shift_y = 206, shift_x = 207, resizer = 208;

  std::uint64_t bits(std::uint64_t draw) const { return random_.bits(base_ | draw); }
  /// Uniform in (low, high).
  float uniform(std::uint64_t draw, float low, float high) const {
    return static_cast<float>(random_.uniform(base_ | draw, static_cast<double>(low), static_cast<double>(high)));
  }
  Index integer(std::uint64_t draw, Index n) const { return random_.integer(base_ | draw, n); }

 private:
  Random random_;
  std::uint64_t base_;
};

namespace detail {

/// floor(n * word / 2^32): uniform in [0, n) from 32 random bits.
inline Index scale_word(std::uint64_t word, Index n) {
  return static_cast<Index>(((word & 0xffffffffu) * static_cast<std::uint64_t>(n)) >> 32);
}

inline Index round_even(float x) { return static_cast<Index>(std::lrintf(x)); }

/// One attempt of TensorFlow's GenerateRandomCrop; false when no crop meets the constraints. The height is uniform over
/// the whole numbers between sqrt(min_area/aspect) and the largest that fits; width = round(height * aspect). A place
/// is drawn from [0, size - extent), upper end excluded as in TensorFlow.
inline bool try_crop(Index image_h, Index image_w, const AugmentOptions& options, float aspect,
                     std::uint32_t height_word, std::uint64_t place_words, Box& box) {
  const float pixels = static_cast<float>(image_h) * static_cast<float>(image_w);
  const float min_area = options.min_area * pixels, max_area = options.max_area * pixels;
  const auto width_of = [aspect](Index h) { return round_even(static_cast<float>(h) * aspect); };
  Index height = round_even(std::sqrt(min_area / aspect));
  Index tallest = round_even(std::sqrt(max_area / aspect));
  if (width_of(tallest) > image_w) {
    tallest = static_cast<Index>((static_cast<double>(image_w) + 0.5 - 1e-7) / static_cast<double>(aspect));
    if (width_of(tallest) > image_w) --tallest;
  }
  tallest = std::min(tallest, image_h);
  height = std::min(height, tallest);
  height += scale_word(height_word, tallest - height + 1);
  Index width = width_of(height);
  const auto area = [&] { return static_cast<float>(width * height); };
  if (area() < min_area) width = width_of(++height);
  if (area() > max_area) width = width_of(--height);
  if (area() < min_area || area() > max_area || width > image_w || height > image_h || width <= 0 || height <= 0)
    return false;
  box.height = height;
  box.width = width;
  box.top = height < image_h ? scale_word(place_words, image_h - height) : 0;
  box.left = width < image_w ? scale_word(place_words >> 32, image_w - width) : 0;
  return true;
}

}  // namespace detail

/// A random crop of an image of height x width: up to `max_attempts` tries with a uniform aspect ratio; a try is
/// accepted when it meets the area range and covers `min_object_covered` of the image. The whole image when all tries
/// fail.
inline Box sample_crop(Index height, Index width, const AugmentOptions& options, const AugmentDraws& draws) {
  const float needed = options.min_object_covered;
  for (int attempt = 0; attempt < options.max_attempts; ++attempt) {
    const std::uint64_t shape_words = draws.bits(static_cast<std::uint64_t>(attempt));
    const double u = (static_cast<double>(shape_words & 0xffffffffu) + 0.5) * 0x1p-32;
    const float aspect = static_cast<float>(static_cast<double>(options.min_aspect) +
                                            u * static_cast<double>(options.max_aspect - options.min_aspect));
    Box box;
    if (!detail::try_crop(height, width, options, aspect, static_cast<std::uint32_t>(shape_words >> 32),
                          draws.bits(100 + static_cast<std::uint64_t>(attempt)), box))
      continue;
    const float covered = static_cast<float>(box.height * box.width) / static_cast<float>(height * width);
    if (covered >= needed) return box;
  }
  return {0, 0, height, width};
}

/// torchvision's RandomResizedCrop with its defaults: area uniform in [0.08, 1] of the image, logarithm of the aspect ratio
/// uniform in that of [3/4, 4/3], sides rounded half to even, ten attempts; then the largest central crop of an allowed ratio.
inline Box sample_resized_crop(Index height, Index width, const AugmentDraws& draws) {
  constexpr double low = 3.0 / 4, high = 4.0 / 3;
  const double area = static_cast<double>(height * width);
  for (std::uint64_t attempt = 0; attempt < 10; ++attempt) {
    const std::uint64_t words = draws.bits(attempt), place = draws.bits(100 + attempt);
    const double u = (static_cast<double>(words & 0xffffffffu) + 0.5) * 0x1p-32,
                 v = (static_cast<double>(words >> 32) + 0.5) * 0x1p-32;
    const double target = area * (0.08 + 0.92 * u);
    const double aspect = std::exp(std::log(low) + v * (std::log(high) - std::log(low)));
    const Index w = std::lrint(std::sqrt(target * aspect)), h = std::lrint(std::sqrt(target / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height)
      return {detail::scale_word(place, height - h + 1), detail::scale_word(place >> 32, width - w + 1), h, w};
  }
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  const Index w = ratio > high ? std::lrint(static_cast<double>(height) * high) : width;
  const Index h = ratio < low ? std::lrint(static_cast<double>(width) / low) : height;
  return {(height - h) / 2, (width - w) / 2, h, w};
}

/// Adjustments in their order.
struct ColourPlan {
  std::array<ColourStep, 4> steps{};
  int count = 0;  ///< 0: colours stay as they are
};

/// TF-Slim's distort_color as a plan. fast_mode: ordering 0 = brightness, saturation, else the other way round. Full mode
/// (b, s, h, c): 0 = b s h c, 1 = s b c h, 2 = c h b s, 3 = h s c b.
inline ColourPlan plan_colour(const AugmentOptions& options, const AugmentDraws& draws, Index ordering) {
  const char* orders_full[4] = {"bshc", "sbch", "chbs", "hscb"};
  check(ordering >= 0 && ordering < 4, "plan_colour", "ordering ", ordering, " is not in 0..3");
  const char* order = options.fast_mode ? (ordering == 0 ? "bs" : "sb") : orders_full[ordering];
  const auto step = [&](char change) -> ColourStep {
    switch (change) {
      case 'b':
        return {ColourChange::brightness,
                draws.uniform(AugmentDraws::brightness, -options.brightness, options.brightness)};
      case 's':
        return {ColourChange::saturation,
                draws.uniform(AugmentDraws::saturation, options.min_saturation, options.max_saturation)};
      case 'h': return {ColourChange::hue, draws.uniform(AugmentDraws::hue, -options.hue, options.hue)};
      default:
        return {ColourChange::contrast,
                draws.uniform(AugmentDraws::contrast, options.min_contrast, options.max_contrast)};
    }
  };
  ColourPlan plan;
  for (; *order != 0; ++order) plan.steps[static_cast<std::size_t>(plan.count++)] = step(*order);
  return plan;
}

/// Adjusts values in [0, 1], clip included.
inline void distort_colour(float* x, Index pixels, const ColourPlan& plan) {
  for (int i = 0; i < plan.count; ++i) adjust(x, pixels, plan.steps[static_cast<std::size_t>(i)]);
  clip(x, 3 * pixels, 0.0f, 1.0f);
}

/// Moves an image by (dy, dx) pixels; what comes in is 0.
inline void shift_image(float* x, Index height, Index width, Index dy, Index dx) {
  const std::vector<float> source(x, x + 3 * height * width);
  std::fill(x, x + 3 * height * width, 0.0f);
  for (Index y = std::max<Index>(0, dy); y < std::min(height, height + dy); ++y) {
    const Index begin = std::max<Index>(0, dx), end = std::min(width, width + dx);
    if (begin < end)
      std::copy_n(source.begin() + 3 * ((y - dy) * width + begin - dx), 3 * (end - begin), x + 3 * (y * width + begin));
  }
}

/// All that is drawn for one example: what happens to its pixels, whoever computes it. In this order: crop, resize to
/// image_size, shift, flip, colours, normalisation.
struct AugmentPlan {
  Box box;
  Index shift_y = 0, shift_x = 0;  ///< pixels
  bool flip = false;
  ColourPlan colour;
  std::optional<Resizer> resizer{};  ///< instead of Preprocessing's

  /// The factor on bytes before resizing: colours are defined on [0, 1].
  float byte_scale(Normalisation normalisation) const {
    return colour.count > 0 ? 1.0f / 255.0f : data::byte_scale(normalisation);
  }
  /// What then brings values to the range that normalise() takes.
  float range(Normalisation normalisation) const {
    return colour.count > 0 && normalisation == Normalisation::rgb_mean ? 255.0f : 1.0f;
  }
};

/// What TF-Slim's full mode draws from, in the order of TensorFlow's ResizeMethod.
inline constexpr Resizer drawn_resizers[4] = {Resizer::tf1_bilinear, Resizer::tf1_nearest, Resizer::tf1_bicubic,
                                              Resizer::tf1_area};

/// `crop` is that of Preprocessing; modes with a random crop do not use it.
inline AugmentPlan plan_augmentation(Index height, Index width, double crop, const AugmentOptions& options,
                                     std::uint64_t seed, Index epoch, Index index) {
  const AugmentDraws draws(seed, epoch, index);
  AugmentPlan plan;
  if (options.mode == Augmentation::inception) {
    plan.box = sample_crop(height, width, options, draws);
    plan.colour = plan_colour(options, draws, options.fast_mode ? 0 : draws.integer(AugmentDraws::ordering, 4));
    if (options.draws_resizer()) plan.resizer = drawn_resizers[draws.integer(AugmentDraws::resizer, 4)];
  } else if (options.mode == Augmentation::random_resized_crop) {
    plan.box = sample_resized_crop(height, width, draws);
  } else {
    plan.box = central_crop_box(height, width, crop);
  }
  if (options.mode == Augmentation::shift_flip) {
    plan.shift_y = draws.integer(AugmentDraws::shift_y, 2 * options.shift + 1) - options.shift;
    plan.shift_x = draws.integer(AugmentDraws::shift_x, 2 * options.shift + 1) - options.shift;
  }
  plan.flip = options.mode != Augmentation::none && draws.bits(AugmentDraws::flip) >> 63 != 0;
  return plan;
}

/// Does what the plan says: out[image_size][image_size][3].
inline void augment(const ImageView& image, const Preprocessing& p, const AugmentPlan& plan, float* out) {
  const Index size = p.image_size, pixels = size * size;
  // Turned while it is resized; what is shifted afterwards then goes the other way.
  resize_crop(image, plan.box, size, size, plan.resizer.value_or(p.resizer), out, plan.byte_scale(p.normalisation),
              plan.flip);
  if (plan.shift_y != 0 || plan.shift_x != 0)
    shift_image(out, size, size, plan.shift_y, plan.flip ? -plan.shift_x : plan.shift_x);
  if (plan.colour.count > 0) distort_colour(out, pixels, plan.colour);
  if (const float range = plan.range(p.normalisation); range != 1)
    for (Index i = 0; i < 3 * pixels; ++i) out[i] *= range;
  normalise(p.normalisation, pixels, out);
}

/// The same up to normalisation, as bytes for whoever normalises later: out[image_size][image_size][3], values rounded to
/// nearest (halves up) within 0..255. `scratch` is memory for image_size^2 * 3 floats.
inline void augment_bytes(const ImageView& image, const Preprocessing& p, const AugmentPlan& plan,
                          std::vector<float>& scratch, std::uint8_t* out) {
  const Index size = p.image_size, pixels = size * size;
  const bool colours = plan.colour.count > 0;
  scratch.resize(static_cast<std::size_t>(3 * pixels));
  float* x = scratch.data();
  resize_crop(image, plan.box, size, size, plan.resizer.value_or(p.resizer), x, colours ? 1.0f / 255.0f : 1.0f,
              plan.flip);
  if (plan.shift_y != 0 || plan.shift_x != 0)
    shift_image(x, size, size, plan.shift_y, plan.flip ? -plan.shift_x : plan.shift_x);
  if (colours) distort_colour(x, pixels, plan.colour);
  round_to_bytes(x, 3 * pixels, colours ? 255.0f : 1.0f, out);
}

/// The training input of one image.
inline void augment(const ImageView& image, const Preprocessing& p, const AugmentOptions& options, std::uint64_t seed,
                    Index epoch, Index index, float* out) {
  augment(image, p, plan_augmentation(image.height, image.width, p.crop, options, seed, epoch, index), out);
}

}  // namespace data
TINYVISION_END
