// BMP and binary PNM, which store their pixels plainly.
//
// BMP: headers of 12 (OS/2) and 40 to 124 bytes; 1, 4 and 8 bits with a palette, 16 and 32 bits with the masks of the file
// or the usual ones, 24 bits; rows from below or from above. A channel of n bits becomes v * 255 / (2^n - 1), rounded down,
// as in PIL; n > 8 keeps the upper 8. Indices beyond the palette are black. Run-length coding is refused by name.
// PNM: P5 and P6 with 255 as largest value.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

#include "tinyvision/data/image.hpp"
#include "tinyvision/data/image_bytes.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

/// Channel of a pixel whose bits are those of `mask`.
struct BmpMask {
  std::uint32_t mask = 0;

  std::uint8_t operator()(std::uint32_t pixel) const {
    if (mask == 0) return 0;
    std::uint32_t value = (pixel & mask) >> std::countr_zero(mask), largest = mask >> std::countr_zero(mask);
    for (; largest > 255; largest >>= 1) value >>= 1;
    return static_cast<std::uint8_t>(value * 255 / largest);
  }
  bool contiguous() const {
    const std::uint32_t bits = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    return (bits & (bits + 1)) == 0;
  }
};

struct BmpSize {
  Index height = 0, width = 0;
  bool from_above = false;  ///< the first row stands first
  std::size_t header = 0;   ///< bytes
};

inline BmpSize bmp_size(const ImageBytes& file) {
  BmpSize found;
  found.header = file.number(14, 4, "the header");
  if (found.header != 12 && (found.header < 40 || found.header > 124))
    file.refuse(14, "a header of ", found.header, " bytes");
  if (found.header == 12) {
    found.width = file.number(18, 2, "the size");
    found.height = file.number(20, 2, "the size");
  } else {  // signed, and below zero where rows run from above
    found.width = static_cast<std::int32_t>(file.number(18, 4, "the size"));
    found.height = static_cast<std::int32_t>(file.number(22, 4, "the size"));
  }
  found.from_above = found.height < 0;
  if (found.from_above) found.height = -found.height;
  check_pixels(found.height, found.width, file.name());
  return found;
}

inline Image decode_bmp(Bytes bytes, std::string_view name) {
  const ImageBytes file(bytes, ImageFormat::bmp, name);
  const auto [height, width, from_above, header] = bmp_size(file);
  const bool old = header == 12;
  const std::size_t pixels_at = file.number(10, 4, "the header");
  const std::uint32_t bits = file.number(old ? 24 : 28, 2, "the header");
  const std::uint32_t packing = old ? 0 : file.number(30, 4, "the header");
  if (packing == 1 || packing == 2) file.refuse(30, "run-length coding is not supported");
  const bool masked = (packing == 3 || packing == 6) && (bits == 16 || bits == 32);
  if (packing != 0 && !masked) file.refuse(30, "packing ", packing, " of ", bits, " bits is not supported");
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
    file.refuse(28, bits, " bits per pixel are not supported");

  std::array<std::array<std::uint8_t, 3>, 256> palette{};
  if (bits <= 8) {
    const std::size_t begin = 14 + header, entry = old ? 3 : 4;
    if (pixels_at < begin + entry) file.refuse(10, "has no palette");
    std::size_t colours = std::min<std::size_t>((pixels_at - begin) / entry, std::size_t{1} << bits);
    const std::uint32_t said = old ? 0 : file.number(46, 4, "the header");
    if (said != 0) colours = std::min<std::size_t>(colours, said);
    const Bytes stored = file.range(begin, colours * entry, "the palette");
    for (std::size_t i = 0; i < colours; ++i)
      palette[i] = {stored[i * entry + 2], stored[i * entry + 1], stored[i * entry]};
  }
  std::array<BmpMask, 3> masks = bits == 16 ? std::array<BmpMask, 3>{{{0x7C00}, {0x03E0}, {0x001F}}}
                                            : std::array<BmpMask, 3>{{{0xFF0000}, {0x00FF00}, {0x0000FF}}};
  if (masked) {
    for (std::size_t c = 0; c < 3; ++c) {
      masks[c].mask = file.number(54 + 4 * c, 4, "the masks");
      if (!masks[c].contiguous()) file.refuse(54 + 4 * c, "a mask with gaps");
    }
  }

  // The last row may lack the bytes that fill it up to a multiple of four.
  const auto columns = static_cast<std::size_t>(width), rows = static_cast<std::size_t>(height);
  const std::size_t used = (columns * bits + 7) / 8, stride = (columns * bits + 31) / 32 * 4;
  const Bytes stored = file.range(pixels_at, stride * (rows - 1) + used, "the pixels");
  Image image(height, width);
  for (std::size_t y = 0; y < rows; ++y) {
    const std::uint8_t* from = stored.data() + (from_above ? y : rows - 1 - y) * stride;
    std::uint8_t* to = image.pixels.data() + y * columns * 3;
    for (std::size_t x = 0; x < columns; ++x, to += 3) {
      if (bits <= 8) {
        const std::size_t per_byte = 8 / bits, shift = 8 - bits - (x % per_byte) * bits;
        const auto& colour = palette[from[x / per_byte] >> shift & ((1u << bits) - 1)];
        std::copy(colour.begin(), colour.end(), to);
      } else if (bits == 24) {
        for (std::size_t c = 0; c < 3; ++c) to[c] = from[3 * x + 2 - c];
      } else {
        std::uint32_t pixel = 0;
        for (std::size_t i = bits / 8; i-- > 0;) pixel = pixel << 8 | from[x * bits / 8 + i];
        for (std::size_t c = 0; c < 3; ++c) to[c] = masks[c](pixel);
      }
    }
  }
  return image;
}

struct PnmHeader {
  Index height = 0, width = 0;
  std::size_t pixels_at = 0;
};

inline PnmHeader pnm_header(const ImageBytes& file) {
  std::size_t at = 2;
  const auto is_space = [](std::uint32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const auto number = [&](std::string_view what) {
    const std::size_t begin = at;
    for (std::uint32_t c = file.u8(at, what); is_space(c) || c == '#'; c = file.u8(at, what))
      if (c == '#')
        while (file.u8(at, what) != '\n') ++at;
      else
        ++at;
    if (at == begin) file.refuse(at, "no white space before ", what);
    Index value = -1;
    for (std::uint32_t c = file.u8(at, what); c >= '0' && c <= '9'; c = file.u8(++at, what)) {
      value = std::max<Index>(value, 0) * 10 + (c - '0');
      if (value > INT32_MAX) file.refuse(at, what, " is too large");
    }
    if (value < 0) file.refuse(at, what, " is no number");
    return value;
  };
  PnmHeader found;
  found.width = number("the width");
  found.height = number("the height");
  check_pixels(found.height, found.width, file.name());
  const Index largest = number("the largest value");
  if (largest != 255) file.refuse(at, "the largest value is ", largest, "; 255 is supported");
  if (!is_space(file.u8(at, "the header"))) file.refuse(at, "no white space before the pixels");
  found.pixels_at = at + 1;
  return found;
}

inline Image decode_pnm(Bytes bytes, std::string_view name) {
  const ImageBytes file(bytes, ImageFormat::pnm, name);
  const auto [height, width, pixels_at] = pnm_header(file);
  const bool grey = bytes[1] == '5';
  const Bytes stored = file.range(pixels_at, static_cast<std::size_t>(height * width * (grey ? 1 : 3)), "the pixels");
  Image image(height, width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = stored[grey ? i / 3 : i];
  return image;
}

}  // namespace detail
}  // namespace data
TINYVISION_END
