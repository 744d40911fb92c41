// Decoded images: 8-bit RGB, interleaved.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace data {

/// An image of height x width pixels, row by row from the top, three bytes R, G, B per pixel, no gaps.
struct Image {
  Index height = 0;
  Index width = 0;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  /// A black image. Throws Error unless both sides are positive.
  Image(Index h, Index w) : height(h), width(w) {
    check(h > 0 && w > 0, "image", "size ", h, "x", w, " is not positive");
    pixels.resize(static_cast<std::size_t>(h * w * 3));
  }

  bool empty() const { return pixels.empty(); }
  std::size_t bytes() const { return pixels.size(); }
  /// Pointer to the R byte of pixel (y, x).
  const std::uint8_t* at(Index y, Index x) const { return pixels.data() + (y * width + x) * 3; }
  std::uint8_t* at(Index y, Index x) { return pixels.data() + (y * width + x) * 3; }

  friend bool operator==(const Image&, const Image&) = default;
};

/// Pixels that somebody else keeps, laid out as in Image.
struct ImageView {
  Index height = 0, width = 0;
  const std::uint8_t* pixels = nullptr;

  ImageView() = default;
  ImageView(Index h, Index w, const std::uint8_t* p) : height(h), width(w), pixels(p) {}
  /// The whole of an image, which has to stay. Throws Error when its size and its bytes contradict each other.
  ImageView(const Image& image) : height(image.height), width(image.width), pixels(image.pixels.data()) {
    check(height > 0 && width > 0 && static_cast<Index>(image.pixels.size()) == height * width * 3, "image",
          "image of ", height, "x", width, " pixels holds ", image.pixels.size(), " bytes");
  }
  bool empty() const { return pixels == nullptr; }
  const std::uint8_t* at(Index y, Index x) const { return pixels + (y * width + x) * 3; }
  const std::uint8_t* end() const { return pixels + height * width * 3; }
};

/// A rectangle of whole pixels: rows [top, top + height), columns [left, left + width).
struct Box {
  Index top = 0, left = 0, height = 0, width = 0;
  friend bool operator==(const Box&, const Box&) = default;
};

/// The box that covers all of `image`.
inline Box whole(const ImageView& image) { return {0, 0, image.height, image.width}; }

/// Throws Error unless `box` is non-empty and lies inside an image of height x width.
inline void check_box(Index height, Index width, const Box& box, const char* where) {
  check(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && box.top + box.height <= height &&
            box.left + box.width <= width,
        where, "box top ", box.top, " left ", box.left, " size ", box.height, "x", box.width,
        " does not fit an image of ", height, "x", width);
}
inline void check_box(const ImageView& image, const Box& box, const char* where) {
  check_box(image.height, image.width, box, where);
}

/// Grey values (height x width, row by row) as RGB with R = G = B, inside a black border `pad` pixels wide.
inline Image grey_to_rgb(std::span<const std::uint8_t> grey, Index height, Index width, Index pad = 0) {
  check(static_cast<Index>(grey.size()) == height * width && pad >= 0, "grey_to_rgb", height, "x", width,
        " with border ", pad, " from ", grey.size(), " bytes");
  Image image(height + 2 * pad, width + 2 * pad);
  for (Index y = 0; y < height; ++y) {
    std::uint8_t* out = image.at(y + pad, pad);
    for (Index x = 0; x < width; ++x, out += 3)
      out[0] = out[1] = out[2] = grey[static_cast<std::size_t>(y * width + x)];
  }
  return image;
}

}  // namespace data
TINYVISION_END
