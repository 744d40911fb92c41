// What stb_image does not check of a PNG before it asks for memory.
//
// It inflates all IDAT chunks whatever they expand to, so a file of 1 MB could ask for 1 GB. Here the chunks are walked and
// inflated into nothing, up to the number of bytes that the header's size allows.
//
// Source: ISO/IEC 15948 (PNG), sections 5.3 (chunks), 8.2 (interlacing), 11.2 (IHDR, IDAT).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tinyvision/data/formats/inflate.hpp"
#include "tinyvision/data/image_format.hpp"

TINYVISION_BEGIN
namespace data {

/// Width, height, and how the samples are laid out.
struct PngHeader {
  std::uint32_t width = 0, height = 0;
  int depth = 0, colour = 0, interlace = 0;

  /// Bytes of all rows, each behind its filter's number; of an interlaced image those of its seven passes.
  std::uint64_t raw_bytes() const {
    static constexpr std::uint64_t samples[] = {1, 0, 3, 1, 2, 0, 4};
    const std::uint64_t bits = samples[colour] * static_cast<std::uint64_t>(depth);
    const auto pass = [&](std::uint64_t w, std::uint64_t h) { return w == 0 ? 0 : h * (1 + (w * bits + 7) / 8); };
    if (interlace == 0) return pass(width, height);
    static constexpr std::array<std::array<std::uint32_t, 4>, 7> passes{
        {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
    std::uint64_t all = 0;
    for (const auto& [x, y, dx, dy] : passes)
      all += pass(width > x ? (width - x + dx - 1) / dx : 0, height > y ? (height - y + dy - 1) / dy : 0);
    return all;
  }
};

namespace detail {

inline std::uint32_t big32(Bytes bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
         std::uint32_t{bytes[at + 3]};
}

/// Counts what a stream of zlib expands to, without keeping it.
class InflateCounter {
 public:
  InflateCounter(std::uint64_t limit, std::string_view where) : limit_(limit), where_(where), owner_(Deflated::zlib) {}

  void add(Bytes piece) {
    z_stream& stream = owner_.get();
    stream.next_in = const_cast<Bytef*>(piece.data());
    stream.avail_in = static_cast<uInt>(piece.size());
    while (!ended_ && stream.avail_in > 0) {
      stream.next_out = scratch_.data();
      stream.avail_out = static_cast<uInt>(scratch_.size());
      const int code = ::inflate(&stream, Z_NO_FLUSH);
      count_ += scratch_.size() - stream.avail_out;
      if (count_ > limit_)
        fail_usage("decode", where_, ": corrupt PNG: its data expand to more than the ", limit_,
                   " bytes of an image of its size");
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        fail_usage("decode", where_, ": corrupt PNG: damaged image data");
      ended_ = code == Z_STREAM_END;
    }
  }
  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t limit_, count_ = 0;
  std::string_view where_;
  InflateStream owner_;
  std::array<Bytef, 16384> scratch_{};
  bool ended_ = false;
};

}  // namespace detail

/// The header. Throws UsageError naming `where` when it is missing or has values that are not defined.
inline PngHeader read_png_header(Bytes bytes, std::string_view where) {
  if (bytes.size() < 33 || detail::big32(bytes, 8) != 13 || detail::big32(bytes, 12) != 0x49484452)
    fail_usage("decode", where, ": corrupt PNG: it does not begin with IHDR");
  const PngHeader header{detail::big32(bytes, 16), detail::big32(bytes, 20), bytes[24], bytes[25], bytes[28]};
  const bool depths =
      header.depth == 1 || header.depth == 2 || header.depth == 4 || header.depth == 8 || header.depth == 16;
  if (!depths || header.colour > 6 || header.colour == 1 || header.colour == 5 || header.interlace > 1 ||
      header.width == 0 || header.height == 0 || header.width > 0x7fffffff || header.height > 0x7fffffff)
    fail_usage("decode", where, ": corrupt PNG: its header has values that are not defined");
  return header;
}

/// Checks that the image data are neither more nor less than the header's size needs. Throws UsageError naming `where`.
inline void check_png(Bytes bytes, const PngHeader& header, std::string_view where) {
  const std::uint64_t raw = header.raw_bytes();
  detail::InflateCounter counter(raw, where);
  for (std::size_t at = 33; at + 12 <= bytes.size();) {
    const std::uint32_t length = detail::big32(bytes, at), kind = detail::big32(bytes, at + 4);
    if (length > bytes.size() - at - 12) fail_usage("decode", where, ": corrupt PNG: the data end early");
    if (kind == 0x49444154) counter.add(bytes.subspan(at + 8, length));
    if (kind == 0x49454e44) break;
    at += 12 + std::size_t{length};
  }
  if (counter.count() < raw)
    fail_usage("decode", where, ": corrupt PNG: its data are ", counter.count(), " bytes, an image of its size has ",
               raw);
}

/// The file with a palette of 256 colours, black ones added; empty when nothing is to do. Pixels may name colours that the
/// palette lacks (libpng takes them for black); stb_image would take whatever memory holds for them.
inline std::vector<std::uint8_t> with_full_palette(Bytes bytes, const PngHeader& header) {
  std::vector<std::uint8_t> out;
  if (header.colour != 3) return out;
  for (std::size_t at = 33; at + 12 <= bytes.size();) {
    const std::uint32_t length = detail::big32(bytes, at), kind = detail::big32(bytes, at + 4);
    if (length > bytes.size() - at - 12 || kind == 0x49444154) break;
    if (kind == 0x504c5445) {  // PLTE
      if (length >= 768) break;
      const auto chunk = bytes.begin() + static_cast<std::ptrdiff_t>(at);
      const auto colours_end = chunk + 8 + static_cast<std::ptrdiff_t>(length);
      out.reserve(bytes.size() + 768);
      out.assign(bytes.begin(), chunk);
      out.insert(out.end(), {0, 0, 3, 0});  // 768 bytes follow
      out.insert(out.end(), chunk + 4, colours_end);
      out.insert(out.end(), 768 - length, 0);
      out.insert(out.end(), colours_end, bytes.end());  // the checksum no longer fits; stb_image reads none
      break;
    }
    at += 12 + std::size_t{length};
  }
  return out;
}

}  // namespace data
TINYVISION_END
