// Checked reading of an image file's bytes, and how many pixels an image may have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "tinyvision/core/error.hpp"
#include "tinyvision/data/image_format.hpp"

TINYVISION_BEGIN
namespace data {

/// Larger images are refused before memory is asked for: 2^27.4 pixels, 512 MiB of RGB.
inline constexpr Index maximum_pixels = 178'956'970;

namespace detail {

inline void check_pixels(Index height, Index width, std::string_view name) {
  if (height <= 0 || width <= 0 || height > maximum_pixels / width)
    fail_usage("decode", name, ": image of ", height, "x", width, " pixels; between 1 and ", maximum_pixels,
               " are accepted");
}

/// Numbers at places of an image file. Throws UsageError beyond its end.
class ImageBytes {
 public:
  ImageBytes(Bytes bytes, ImageFormat format, std::string_view name) : bytes_(bytes), format_(format), name_(name) {}

  template <class... Args>
  [[noreturn]] void refuse(std::size_t at, const Args&... args) const {
    fail_usage("decode", name_, ": byte ", at, ": corrupt ", to_string(format_), ": ", args...);
  }
  std::string_view name() const { return name_; }
  /// `count` bytes from `at`.
  Bytes range(std::size_t at, std::size_t count, std::string_view what) const {
    if (at > bytes_.size() || count > bytes_.size() - at)
      refuse(at, what, " takes ", count, " bytes, ", at > bytes_.size() ? 0 : bytes_.size() - at,
             " are there: the data ends early");
    return bytes_.subspan(at, count);
  }
  std::uint32_t u8(std::size_t at, std::string_view what) const { return range(at, 1, what)[0]; }
  /// Little endian.
  std::uint32_t number(std::size_t at, std::size_t count, std::string_view what) const {
    const Bytes bytes = range(at, count, what);
    std::uint32_t value = 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
  }

 private:
  Bytes bytes_;
  ImageFormat format_;
  std::string_view name_;
};

}  // namespace detail
}  // namespace data
TINYVISION_END
