// What is wrapped, mislabelled, enormous or too full: told before memory is asked for.
#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/data/decode.hpp"
#include "tinyvision/data/tiny/tiny_images.hpp"

namespace decode_structure_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

Bytes view(const std::string& bytes) { return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}; }
std::string refusal(const std::string& bytes, Decoder decoder = Decoder::turbo) {
  return message_of<UsageError>([&] { decode_image(view(bytes), "x.jpg", decoder); });
}

TEST(Gzip, WrappedImagesAreUnwrapped) {
  const Image image = draw_tiny_image(1, 2, 3);
  for (const std::string& file : {encode_jpeg(image), encode_tiny_png(image), encode_bmp(image)}) {
    EXPECT_EQ(decode_image(view(gzip(file)), "x"), decode_image(view(file), "x"));
    EXPECT_EQ(decoded_size(view(gzip(file)), "x"), (std::pair<Index, Index>{image.height, image.width}));
  }
  const std::string wrapped = gzip(encode_jpeg(image));
  EXPECT_NE(refusal(gzip(wrapped)).find("gzip within gzip"), std::string::npos);
  EXPECT_NE(refusal(wrapped.substr(0, wrapped.size() / 2)).find("end early"), std::string::npos);
  EXPECT_NE(refusal(gzip(std::string(largest_gzipped_image + 1, 'x'))).find("more than 67108864 bytes"),
            std::string::npos);
}

TEST(Encoders, AreReadBack) {
  const Image image = draw_tiny_image(7, 8, 9);
  EXPECT_EQ(decode_image(view(encode_tiny_png(image)), "x"), image);
  EXPECT_EQ(decode_image(view(encode_bmp(image)), "x"), image);
  const Image gif = decode_image(view(encode_gif(image)), "x");
  ASSERT_EQ(gif.height, image.height);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) EXPECT_NEAR(gif.pixels[i], image.pixels[i], 64);
  for (const Decoder decoder : {Decoder::turbo, Decoder::stb}) {
    const Image colour = decode_image(view(encode_jpeg(image)), "x", decoder);
    const Image inks = decode_image(view(encode_jpeg(image, JpegColours::cmyk)), "x", decoder);
    const Image grey = decode_image(view(encode_jpeg(image, JpegColours::grey)), "x", decoder);
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
      EXPECT_NEAR(colour.pixels[i], image.pixels[i], 40);
      EXPECT_NEAR(inks.pixels[i], image.pixels[i], 40);
      EXPECT_TRUE(grey.pixels[i] == grey.pixels[i + 1] && grey.pixels[i] == grey.pixels[i + 2]);
    }
  }
}

TEST(Limits, EnormousImagesAreRefusedByTheirHeader) {
  const Image image(4, 4);
  // 60,000 x 60,000 pixels: 10.8 GB of RGB.
  std::string png = encode_tiny_png(image);
  for (const std::size_t at : {std::size_t{16}, std::size_t{20}}) png.replace(at, 4, std::string("\0\0\xEA\x60", 4));
  EXPECT_NE(refusal(png).find("image of 60000x60000 pixels"), std::string::npos) << refusal(png);
  std::string bmp = encode_bmp(image);
  for (const std::size_t at : {std::size_t{18}, std::size_t{22}}) bmp.replace(at, 4, std::string("\x60\xEA\0\0", 4));
  EXPECT_NE(refusal(bmp).find("60000x60000"), std::string::npos) << refusal(bmp);
  std::string gif = encode_gif(image);
  for (const std::size_t at : {std::size_t{6}, std::size_t{8}}) gif.replace(at, 2, "\x60\xEA");
  EXPECT_NE(refusal(gif).find("60000x60000"), std::string::npos) << refusal(gif);
  std::string jpeg = encode_jpeg(image);
  const std::size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xEA\x60\xEA\x60");
  for (const Decoder decoder : {Decoder::turbo, Decoder::stb})
    EXPECT_NE(refusal(jpeg, decoder).find("60000x60000"), std::string::npos) << refusal(jpeg, decoder);
  EXPECT_NE(message_of<UsageError>([&] { decoded_size(view(jpeg), "x"); }).find("60000x60000"), std::string::npos);
}

TEST(Png, DataThatExpandToMoreThanTheImageAreRefused) {
  const Image small(2, 2), large(400, 400);
  std::string png = encode_tiny_png(large);
  // The header of a small image before the data of a large one.
  png.replace(16, 17, encode_tiny_png(small).substr(16, 17));
  EXPECT_NE(refusal(png).find("more than the 14 bytes"), std::string::npos) << refusal(png);
  std::string less = encode_tiny_png(small);
  less.replace(16, 17, encode_tiny_png(large).substr(16, 17));
  EXPECT_NE(refusal(less).find("an image of its size has 480400"), std::string::npos) << refusal(less);
  std::string odd = encode_tiny_png(small);
  odd[24] = 3;  // bits of a sample
  EXPECT_NE(refusal(odd), "");
}

TEST(Formats, SuffixesClaimAndContentDecides) {
  EXPECT_EQ(suffix_format("a/b.JPEG"), ImageFormat::jpeg);
  EXPECT_EQ(suffix_format("x.png"), ImageFormat::png);
  EXPECT_EQ(suffix_format("x.tar"), ImageFormat::unknown);
  EXPECT_EQ(suffix_format("jpg"), ImageFormat::unknown);
  EXPECT_EQ(image_format(view(gzip("x"))), ImageFormat::gzip);
}

}  // namespace decode_structure_test
