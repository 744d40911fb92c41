// Cropping and resizing of 8-bit RGB to float RGB.
#pragma once

#include <string>
#include <vector>

#include "tinyvision/data/resizers/point_samplers.hpp"
#include "tinyvision/data/resizers/weighted_sums.hpp"

TINYVISION_BEGIN
namespace data {

/// tf1_bilinear: TensorFlow 1's `resize_bilinear(align_corners=False)`, with which the TF-Slim networks were trained.
///   in f32: s = in/out, p = i*s, i0 = floor(p), i1 = min(i0+1, in-1), t = p - i0;
///   top = a00 + (a01-a00)*tx, bottom = a10 + (a11-a10)*tx, value = top + (bottom-top)*ty.
///   No half-pixel centres, no antialiasing: two source rows and columns decide a pixel however small the output is.
/// tf1_nearest, tf1_bicubic, tf1_area: TensorFlow 1's other three, which TF-Slim's full augmentation draws from.
/// tf2_bilinear, tf2_bicubic: `tf.image.resize` of TensorFlow 2 without antialiasing: half-pixel centres.
/// pil_bilinear, pil_bicubic, pil_lanczos: Pillow's `Image.resize` of 8-bit images (and torchvision's of PIL images): the
///   kernel widens with the reduction, weights have 22 bits, and values are bytes after each of the two passes.
/// antialias_bilinear: the windows and weights of pil_bilinear, rounded to f32. Rows first, then columns, f32 throughout:
///   Pillow rounds to 8 bits after each pass, we never round.
/// Bicubic and Lanczos kernels overshoot: the floats of tf1_bicubic and tf2_bicubic can leave the range of the bytes.
enum class Resizer {
  tf1_bilinear,
  tf1_nearest,
  tf1_bicubic,
  tf1_area,
  tf2_bilinear,
  tf2_bicubic,
  pil_bilinear,
  pil_bicubic,
  pil_lanczos,
  antialias_bilinear
};

inline constexpr Resizer all_resizers[] = {Resizer::tf1_bilinear,      Resizer::tf1_nearest,  Resizer::tf1_bicubic,
                                           Resizer::tf1_area,          Resizer::tf2_bilinear, Resizer::tf2_bicubic,
                                           Resizer::pil_bilinear,      Resizer::pil_bicubic,  Resizer::pil_lanczos,
                                           Resizer::antialias_bilinear};

constexpr const char* to_string(Resizer resizer) {
  switch (resizer) {
    case Resizer::tf1_bilinear: return "tf1_bilinear";
    case Resizer::tf1_nearest: return "tf1_nearest";
    case Resizer::tf1_bicubic: return "tf1_bicubic";
    case Resizer::tf1_area: return "tf1_area";
    case Resizer::tf2_bilinear: return "tf2_bilinear";
    case Resizer::tf2_bicubic: return "tf2_bicubic";
    case Resizer::pil_bilinear: return "pil_bilinear";
    case Resizer::pil_bicubic: return "pil_bicubic";
    case Resizer::pil_lanczos: return "pil_lanczos";
    default: return "antialias_bilinear";
  }
}

/// The names of all, for help and messages.
inline std::string resizer_list() {
  std::string names;
  for (const Resizer resizer : all_resizers) names += (names.empty() ? "" : ", ") + std::string(to_string(resizer));
  return names;
}

/// A resizer by name. Throws UsageError for anything else.
inline Resizer parse_resizer(const std::string& text) {
  for (const Resizer resizer : all_resizers)
    if (text == to_string(resizer)) return resizer;
  fail_usage("resizer", "unknown resizer '", text, "': choose among ", resizer_list());
}

namespace detail {

template <class Make>
auto axis_pair(const Box& box, Index out_h, Index out_w, bool mirrored, Make&& make) {
  auto pair = std::make_pair(make(box.width, out_w), make(box.height, out_h));
  if (mirrored) pair.first.reverse();
  return pair;
}

/// The windows of antialias_bilinear and Pillow's three.
inline AxisFilter<double> kernel_filter(Resizer resizer, Index in, Index out) {
  if (resizer == Resizer::pil_bicubic) return antialias_filter(in, out, 2, cubic_kernel);
  if (resizer == Resizer::pil_lanczos) return antialias_filter(in, out, 3, lanczos_kernel);
  return antialias_filter(in, out, 1, triangle_kernel);
}

}  // namespace detail

/// Cuts `box` out of `image` and resizes it to out_h x out_w (the aspect ratio is not kept) into out[out_h*out_w*3],
/// RGB interleaved; `mirrored`: left and right exchanged. Bytes become floats times `scale` (1: 0..255; 1/255: 0..1), before
/// any interpolation except in Pillow's resizers, which work on bytes. All float arithmetic is f32. Throws Error when the box
/// does not fit.
inline void resize_crop(const ImageView& image, const Box& box, Index out_h, Index out_w, Resizer resizer, float* out,
                        float scale = 1.0f, bool mirrored = false) {
  check_box(image, box, "resize_crop");
  check(out_h > 0 && out_w > 0, "resize_crop", "output size ", out_h, "x", out_w, " is not positive");
  const auto weighted = [&](auto&& make) {
    const auto [across, down] = detail::axis_pair(box, out_h, out_w, mirrored, make);
    detail::resize_weighted(image, box, across, down, scale, out);
  };
  switch (resizer) {
    case Resizer::tf1_bilinear:
    case Resizer::tf2_bilinear: {
      const bool half_pixel = resizer == Resizer::tf2_bilinear;
      std::vector<detail::Tap> across = detail::bilinear_taps(box.width, out_w, half_pixel);
      if (mirrored) std::reverse(across.begin(), across.end());
      return detail::resize_bilinear(image, box, across, detail::bilinear_taps(box.height, out_h, half_pixel), scale,
                                     out);
    }
    case Resizer::tf1_nearest: return detail::resize_nearest(image, box, out_h, out_w, mirrored, scale, out);
    case Resizer::tf1_area: return weighted(detail::area_filter);
    case Resizer::tf1_bicubic:
    case Resizer::tf2_bicubic:
      return weighted(
          [&](Index in, Index size) { return detail::bicubic_filter(in, size, resizer == Resizer::tf2_bicubic); });
    case Resizer::antialias_bilinear:
      return weighted([&](Index in, Index size) { return detail::rounded(detail::kernel_filter(resizer, in, size)); });
    default: {
      const auto [across, down] = detail::axis_pair(box, out_h, out_w, mirrored, [&](Index in, Index size) {
        return detail::fixed_point(detail::kernel_filter(resizer, in, size));
      });
      return detail::resize_fixed(image, box, across, down, scale, out);
    }
  }
}

/// The whole image resized, values 0..255: out_h * out_w * 3 floats.
inline std::vector<float> resize(const ImageView& image, Index out_h, Index out_w,
                                 Resizer resizer = Resizer::tf1_bilinear) {
  check(out_h > 0 && out_w > 0, "resize", "output size ", out_h, "x", out_w, " is not positive");
  std::vector<float> out(static_cast<std::size_t>(out_h * out_w * 3));
  resize_crop(image, whole(image), out_h, out_w, resizer, out.data());
  return out;
}

}  // namespace data
TINYVISION_END
