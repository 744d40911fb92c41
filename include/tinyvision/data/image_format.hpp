// What kind of file is this? Decided by the leading bytes, never by the suffix.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN
namespace data {

using Bytes = std::span<const std::uint8_t>;

enum class ImageFormat { jpeg, png, gif, bmp, pnm, gzip, unknown };

constexpr const char* to_string(ImageFormat format) {
  switch (format) {
    case ImageFormat::jpeg: return "JPEG";
    case ImageFormat::png: return "PNG";
    case ImageFormat::gif: return "GIF";
    case ImageFormat::bmp: return "BMP";
    case ImageFormat::pnm: return "PNM";
    case ImageFormat::gzip: return "gzip";
    default: return "unknown";
  }
}

/// FF D8 FF JPEG, 89 "PNG" PNG, "GIF8" GIF, "BM" BMP, "P5"/"P6" + white space PNM, 1F 8B gzip.
inline ImageFormat image_format(Bytes bytes) {
  const auto starts = [&](const char* magic, std::size_t n) {
    return bytes.size() >= n && std::memcmp(bytes.data(), magic, n) == 0;
  };
  if (starts("\xFF\xD8\xFF", 3)) return ImageFormat::jpeg;
  if (starts("\x89PNG", 4)) return ImageFormat::png;
  if (starts("GIF8", 4)) return ImageFormat::gif;
  if (starts("BM", 2) && bytes.size() > 26) return ImageFormat::bmp;
  if ((starts("P5", 2) || starts("P6", 2)) && bytes.size() > 2 && (bytes[2] == '\n' || bytes[2] == ' '))
    return ImageFormat::pnm;
  if (starts("\x1F\x8B", 2)) return ImageFormat::gzip;
  return ImageFormat::unknown;
}

/// The format that a file's suffix claims (.jpg, .jpeg, .png, .gif, .bmp, .pgm, .ppm, .gz, in any case), for telling where it
/// is wrong: nothing is decoded by it.
inline ImageFormat suffix_format(std::string_view name) {
  std::string suffix(name.substr(std::min(name.rfind('.'), name.size())));
  for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (suffix == ".jpg" || suffix == ".jpeg") return ImageFormat::jpeg;
  if (suffix == ".png") return ImageFormat::png;
  if (suffix == ".gif") return ImageFormat::gif;
  if (suffix == ".bmp") return ImageFormat::bmp;
  if (suffix == ".pgm" || suffix == ".ppm") return ImageFormat::pnm;
  return suffix == ".gz" ? ImageFormat::gzip : ImageFormat::unknown;
}

/// What the markers of a JPEG stream say (ITU-T T.81, annex B).
struct JpegMarkers {
  bool complete = false;  ///< an end-of-image marker follows the last scan
  bool adobe = false;     ///< an APP14 "Adobe" segment exists: four-component data is stored inverted
  int components = 0;     ///< of the frame header
  std::int64_t scans = 0;
  /// No Huffman table has more than 255 codes (baseline needs 162), and every scan's tables have been defined before it.
  /// stb_image 2.27 checks neither: it writes past its table at 257 codes, reads past it at 256, and past the end of a table
  /// that was never defined.
  bool sound = true;
};

namespace detail {

/// True when a scan header's Huffman tables are among those defined (bit = table; 4 bits of DC, then 4 of AC).
inline bool scan_tables_defined(Bytes scan, bool progressive, unsigned defined) {
  if (scan.empty() || scan.size() < 4 + 2 * std::size_t{scan[0]}) return false;
  const std::size_t parameters = 1 + 2 * std::size_t{scan[0]};
  const bool first_bits = scan[parameters + 2] >> 4 == 0, dc = scan[parameters] == 0;
  for (std::size_t c = 0; c < scan[0]; ++c) {
    const unsigned tables = scan[2 + 2 * c];
    const bool dc_there = (defined >> (tables >> 4 & 3) & 1) != 0, ac_there = (defined >> (4 + (tables & 3)) & 1) != 0;
    if (!progressive && !(dc_there && ac_there)) return false;
    if (progressive && (dc ? first_bits && !dc_there : !ac_there)) return false;
  }
  return true;
}

}  // namespace detail

/// Walks the marker segments; entropy-coded data is skipped, not decoded.
inline JpegMarkers read_jpeg_markers(Bytes bytes) {
  JpegMarkers found;
  unsigned tables = 0;
  bool progressive = false;
  std::size_t at = 2;
  while (at + 1 < bytes.size()) {
    const void* next = std::memchr(bytes.data() + at, 0xFF, bytes.size() - at - 1);
    if (next == nullptr) return found;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(next) - bytes.data());
    const std::uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    at += 2;
    if (marker == 0xD9) {
      found.complete = true;
      return found;
    }
    if (marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;  // stuffing, TEM, RSTn, SOI
    if (at + 2 > bytes.size()) return found;
    const std::size_t length = static_cast<std::size_t>(bytes[at]) << 8 | bytes[at + 1];
    if (length < 2 || at + length > bytes.size()) return found;
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame && length >= 8) found.components = bytes[at + 7];
    if (frame) progressive = marker == 0xC2;
    if (marker == 0xDA) {
      ++found.scans;
      found.sound = found.sound && detail::scan_tables_defined(bytes.subspan(at + 2, length - 2), progressive, tables);
    }
    if (marker == 0xEE && length >= 14 && std::memcmp(bytes.data() + at + 2, "Adobe", 5) == 0) found.adobe = true;
    if (marker == 0xC4) {
      std::size_t table = at + 2;
      while (table + 17 <= at + length) {
        std::size_t codes = 0;
        for (std::size_t i = 1; i <= 16; ++i) codes += bytes[table + i];
        found.sound = found.sound && codes <= 255;
        tables |= 1u << ((bytes[table] >> 4 & 1) * 4 + (bytes[table] & 3));
        table += 17 + codes;
      }
      found.sound = found.sound && table == at + length;  // no table leads out of its segment
    }
    at += length;
  }
  return found;
}

}  // namespace data
TINYVISION_END
