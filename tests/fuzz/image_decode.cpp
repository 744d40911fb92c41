// Images in every format, by both decoders; what is decoded has the size that the header states.
#include "fuzz/target.hpp"
#include "tinyvision/data/decode.hpp"

FUZZ_TARGET(image_decode) {
  using namespace tinyvision;
  using namespace tinyvision::data;
  const Bytes bytes{reinterpret_cast<const std::uint8_t*>(input.data()), input.size()};
  for (const Decoder decoder : {Decoder::turbo, Decoder::stb})
    fuzz::refuses_or_reads([&] {
      // Large images are no finding, but would be most of the time.
      if (image_format(bytes) == ImageFormat::gzip) inflate(input, Deflated::gzip, 1 << 23, fuzz::path);
      const auto [height, width] = decoded_size(bytes, fuzz::path);
      if (height * width > 1 << 18) return;
      const Image image = decode_image(bytes, fuzz::path, decoder);
      check(image.height == height && image.width == width, "fuzz", "the header states another size");
      check(static_cast<Index>(image.pixels.size()) == 3 * height * width, "fuzz", "pixels are missing");
    });
}
