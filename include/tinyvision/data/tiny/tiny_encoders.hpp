// The bytes of image files in the formats that the published data sets hold: JPEG of three colour models, PNG, BMP, GIF, and
// what gzip makes of a file.
#pragma once

#include <turbojpeg.h>
#include <zlib.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tinyvision/data/image.hpp"

TINYVISION_BEGIN
namespace data {

/// The colours that a JPEG file stores.
enum class JpegColours { rgb, grey, cmyk };

/// JPEG of quality 90, 4:4:4. CMYK: the inks of a printer, stored inverted behind an Adobe marker, as Photoshop writes.
inline std::string encode_jpeg(const Image& image, JpegColours colours = JpegColours::rgb) {
  const std::unique_ptr<void, int (*)(void*)> handle(tjInitCompress(), &tjDestroy);
  check(handle != nullptr, "encode_jpeg", "libjpeg-turbo cannot start");
  std::vector<std::uint8_t> pixels = image.pixels;
  if (colours == JpegColours::cmyk) {
    pixels.clear();
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
      for (std::size_t c = 0; c < 3; ++c) pixels.push_back(image.pixels[i + c]);
      pixels.push_back(255);
    }
  }
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int code =
      tjCompress2(handle.get(), pixels.data(), static_cast<int>(image.width), 0, static_cast<int>(image.height),
                  colours == JpegColours::cmyk ? TJPF_CMYK : TJPF_RGB, &bytes, &size,
                  colours == JpegColours::grey ? TJSAMP_GRAY : TJSAMP_444, 90, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(bytes, &tjFree);
  check(code == 0, "encode_jpeg", tjGetErrorStr2(handle.get()));
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

namespace detail {

inline void append_big32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xffu);
}
inline void append_little(std::string& out, std::uint32_t value, int bytes) {
  for (int byte = 0; byte < bytes; ++byte) out += static_cast<char>((value >> (8 * byte)) & 0xffu);
}

inline void append_png_chunk(std::string& out, const std::string& kind, const std::string& data) {
  append_big32(out, static_cast<std::uint32_t>(data.size()));
  const std::string body = kind + data;
  out += body;
  append_big32(out, static_cast<std::uint32_t>(
                        ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

}  // namespace detail

/// The colours that a PNG file stores; alpha falls from opaque at the left to half at the right.
enum class PngColours : char { grey = 0, rgb = 2, rgba = 6 };

/// PNG (ISO/IEC 15948), 8 bits, unfiltered rows, at once or interlaced (Adam7).
inline std::string encode_tiny_png(const Image& image, PngColours colours = PngColours::rgb, bool interlaced = false) {
  struct Pass {
    Index top, left, down, across;
  };
  static constexpr Pass adam7[] = {{0, 0, 8, 8}, {0, 4, 8, 8}, {4, 0, 8, 4}, {0, 2, 4, 4},
                                   {2, 0, 4, 2}, {0, 1, 2, 2}, {1, 0, 2, 1}};
  static constexpr Pass all[] = {{0, 0, 1, 1}};
  std::string header, rows;
  detail::append_big32(header, static_cast<std::uint32_t>(image.width));
  detail::append_big32(header, static_cast<std::uint32_t>(image.height));
  header += {8, static_cast<char>(colours), 0, 0, static_cast<char>(interlaced ? 1 : 0)};
  for (const Pass& pass : interlaced ? std::span<const Pass>(adam7) : std::span<const Pass>(all))
    for (Index y = pass.top; y < image.height; y += pass.down) {
      if (pass.left >= image.width) continue;  // the pass is empty
      rows += '\0';
      for (Index x = pass.left; x < image.width; x += pass.across) {
        const std::uint8_t* const p = image.at(y, x);
        if (colours == PngColours::grey) rows += static_cast<char>((299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000);
        if (colours != PngColours::grey) rows.append(reinterpret_cast<const char*>(p), 3);
        if (colours == PngColours::rgba) rows += static_cast<char>(255 - 127 * x / image.width);
      }
    }
  uLongf size = ::compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  const int code = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(rows.data()), static_cast<uLong>(rows.size()), 6);
  check(code == Z_OK, "encode_png", "zlib could not compress ", rows.size(), " bytes");
  packed.resize(size);
  std::string out = "\x89PNG\r\n\x1a\n";
  detail::append_png_chunk(out, "IHDR", header);
  detail::append_png_chunk(out, "IDAT", packed);
  detail::append_png_chunk(out, "IEND", "");
  return out;
}

/// BMP, 24 bits, rows from the bottom.
inline std::string encode_bmp(const Image& image) {
  const auto row = static_cast<std::uint32_t>((3 * image.width + 3) / 4 * 4),
             size = row * static_cast<std::uint32_t>(image.height);
  std::string out = "BM";
  for (const std::uint32_t value :
       {54 + size, 0u, 54u, 40u, static_cast<std::uint32_t>(image.width), static_cast<std::uint32_t>(image.height),
        1u | 24u << 16, 0u, size, 2835u, 2835u, 0u, 0u})
    detail::append_little(out, value, 4);
  for (Index y = image.height - 1; y >= 0; --y) {
    const std::size_t begin = out.size();
    for (Index x = 0; x < image.width; ++x)
      for (int c = 2; c >= 0; --c) out += static_cast<char>(image.at(y, x)[c]);
    out.resize(begin + row, '\0');
  }
  return out;
}

/// GIF (89a), 128 colours (3, 2 and 2 bits); each code stands for one pixel, and the table is cleared before it grows.
inline std::string encode_gif(const Image& image) {
  std::string out = "GIF89a";
  detail::append_little(out, static_cast<std::uint32_t>(image.width), 2);
  detail::append_little(out, static_cast<std::uint32_t>(image.height), 2);
  out += std::string("\xF6\x00\x00", 3);  // a global table of 128 colours
  for (int i = 0; i < 128; ++i)
    for (const int level : {(i >> 4) * 255 / 7, (i >> 2 & 3) * 85, (i & 3) * 85}) out += static_cast<char>(level);
  out += std::string(",\0\0\0\0", 5);
  detail::append_little(out, static_cast<std::uint32_t>(image.width), 2);
  detail::append_little(out, static_cast<std::uint32_t>(image.height), 2);
  out += std::string("\0\7", 2);  // no local table; codes begin at 7 bits, so they are 8 bits wide
  std::string codes;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    if (i / 3 % 100 == 0) codes += '\x80';  // clear
    const unsigned red = image.pixels[i], green = image.pixels[i + 1], blue = image.pixels[i + 2];
    codes += static_cast<char>(red / 32 << 4 | green / 64 << 2 | blue / 64);
  }
  codes += '\x81';  // end
  for (std::size_t at = 0; at < codes.size(); at += 255) {
    const std::string block = codes.substr(at, 255);
    out += static_cast<char>(block.size());
    out += block;
  }
  return out + std::string("\0;", 2);
}

/// `bytes` behind gzip, without a time.
inline std::string gzip(const std::string& bytes) {
  z_stream stream{};
  check(::deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "gzip",
        "zlib cannot start");
  std::string out(::deflateBound(&stream, static_cast<uLong>(bytes.size())) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = ::deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  ::deflateEnd(&stream);
  check(code == Z_STREAM_END, "gzip", "zlib could not compress ", bytes.size(), " bytes");
  return out;
}

}  // namespace data
TINYVISION_END
