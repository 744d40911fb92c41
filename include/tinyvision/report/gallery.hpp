// A grid of pictures with what was true and what was predicted.
#pragma once

#include <string>
#include <vector>

#include "tinyvision/report/html.hpp"
#include "tinyvision/report/png.hpp"

TINYVISION_BEGIN
namespace report {

struct GalleryTile {
  Tensor image{};  ///< [height, width, 3 or 1] u8
  std::string truth{};
  std::string predicted{};
  double probability = 0;  ///< of the predicted class
};

/// `image` [height, width, channels] u8 reduced by the smallest whole factor that brings its longer side to
/// `longest_side` or below: each pixel the rounded mean of its block (blocks at the right and bottom edges may be
/// smaller). The image itself where it is small enough already.
inline Tensor thumbnail(const Tensor& image, Index longest_side) {
  check(longest_side > 0, "thumbnail", "longest side must be positive, got ", longest_side);
  check(image.defined() && image.dtype() == DType::u8 && image.shape().rank() == 3, "thumbnail",
        "needs [height, width, channels] u8, got ", image.text());
  const Index height = image.dim(0), width = image.dim(1), channels = image.dim(2);
  const Index factor = (std::max(height, width) + longest_side - 1) / longest_side;
  if (factor <= 1) return image;
  const Index rows = (height + factor - 1) / factor, columns = (width + factor - 1) / factor;
  Tensor out = Tensor::empty({rows, columns, channels}, DType::u8);
  const std::uint8_t* source = image.data<std::uint8_t>();
  std::uint8_t* target = out.data<std::uint8_t>();
  for (Index y = 0; y < rows; ++y)
    for (Index x = 0; x < columns; ++x)
      for (Index c = 0; c < channels; ++c) {
        Index sum = 0, count = 0;
        for (Index v = y * factor; v < std::min(height, (y + 1) * factor); ++v)
          for (Index u = x * factor; u < std::min(width, (x + 1) * factor); ++u, ++count)
            sum += source[(v * width + u) * image.pitch() + c];
        target[(y * columns + x) * channels + c] = static_cast<std::uint8_t>((sum + count / 2) / count);
      }
  return out;
}

/// The grid as markup. A tile reads "true → predicted, probability"; a mistake also has a cross, so that colour is not
/// the only sign. Images are reduced to `longest_side` pixels; small ones are shown enlarged with hard pixel edges.
inline std::string html_gallery(const std::vector<GalleryTile>& tiles, Index longest_side = 160) {
  std::string out = "<div class=\"gallery\">\n";
  for (const GalleryTile& tile : tiles) {
    check(tile.image.defined(), "gallery", "tile '", tile.truth, "' has no image");
    const Tensor image = tile.image.shape().rank() == 2
                             ? tile.image.packed().reshape({tile.image.dim(0), tile.image.dim(1), 1})
                             : tile.image;
    const Tensor small = thumbnail(image, longest_side);
    const bool wrong = tile.truth != tile.predicted;
    const std::string words = tile.truth + " → " + tile.predicted;
    out += "<figure class=\"tile\">" +
           html_image(encode_png(small), words,
                      std::max(small.dim(0), small.dim(1)) < 100 ? "class=\"pixels\"" : std::string_view()) +
           "<figcaption>" + escape_markup(tile.truth) + " → " +
           (wrong ? "<b class=\"wrong\">✗\u00A0" + escape_markup(tile.predicted) + "</b>"
                  : "✓\u00A0" + escape_markup(tile.predicted)) +
           ", " + format_percent(tile.probability) + "</figcaption></figure>\n";
  }
  return out + "</div>\n";
}

}  // namespace report
TINYVISION_END
