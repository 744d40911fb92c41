// PNG bytes of 8-bit images, through stb_image_write.
#pragma once

// stb_image_write includes these; they must come first, because it is itself included inside a namespace below.
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <limits>
#include <string>

#include "tinyvision/core/tensor.hpp"

// The implementation is compiled into a namespace, static and without file output, so that it neither meets another
// copy in the same program nor changes what a later include of the same header means.
#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("STBI_WRITE_NO_STDIO")
#pragma push_macro("STBIWDEF")
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STBIWDEF
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_STATIC
#undef STBI_WRITE_NO_STDIO
#define STBI_WRITE_NO_STDIO

TINYVISION_BEGIN
namespace report::detail::stb {
#include <stb/stb_image_write.h>
}  // namespace report::detail::stb
TINYVISION_END

#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STBIWDEF")

TINYVISION_BEGIN
namespace report {

/// `image` [height, width, 3] (RGB) or [height, width, 1] or [height, width] (grey), u8, as a PNG file's bytes. The
/// same pixels give the same bytes. Throws Error on other shapes and types and on empty images.
inline std::string encode_png(const Tensor& image) {
  check(image.defined() && image.dtype() == DType::u8, "encode_png", "needs a u8 image, got ", image.text());
  const int rank = image.shape().rank();
  check(rank == 2 || rank == 3, "encode_png", "needs [height, width, channels], got ", image.shape());
  const Index height = image.dim(0), width = image.dim(1), channels = rank == 3 ? image.dim(2) : 1;
  check(channels == 1 || channels == 3, "encode_png", "needs 1 or 3 channels, got ", image.shape());
  check(height > 0 && width > 0 && height * width * channels < std::numeric_limits<int>::max() / 4, "encode_png",
        "cannot write an image of ", image.shape());
  const Tensor packed = image.packed();
  std::string bytes;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const int written = detail::stb::stbi_write_png_to_func(
      append, &bytes, static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels),
      packed.data<std::uint8_t>(), static_cast<int>(width * channels));
  check(written != 0 && !bytes.empty(), "encode_png", "stb_image_write failed on an image of ", image.shape());
  return bytes;
}

}  // namespace report
TINYVISION_END
