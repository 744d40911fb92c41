#include "tinyvision/data/decode.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "test_images.hpp"

namespace decode_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.width, b.width);
  int largest = 0;
  for (std::size_t i = 0; i < std::min(a.pixels.size(), b.pixels.size()); ++i)
    largest = std::max(largest, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  return largest;
}

class DecodeJpeg : public testing::TestWithParam<Decoder> {};
INSTANTIATE_TEST_SUITE_P(Both, DecodeJpeg, testing::Values(Decoder::turbo, Decoder::stb),
                         [](const auto& decoder) { return std::string(to_string(decoder.param)); });

TEST_P(DecodeJpeg, BaselineProgressiveAndSubsampledAreNearTheSource) {
  const Image source = gradient(37, 53);
  for (const int subsampling : {TJSAMP_444, TJSAMP_422, TJSAMP_420})
    for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
      const Image decoded = decode_image(jpeg(source, subsampling, 98, flags), "x", GetParam());
      EXPECT_LE(largest_difference(decoded, source), 12) << subsampling << " " << flags;
    }
}

TEST_P(DecodeJpeg, AnExifOrientationIsIgnored) {
  const ByteVector plain = jpeg(gradient(20, 30));
  for (std::uint8_t orientation = 1; orientation <= 8; ++orientation) {
    // APP1: "Exif", then a little-endian TIFF with one entry: tag 0x112, a short, its value.
    const ByteVector exif{0xFF, 0xE1, 0,    34, 'E', 'x', 'i', 'f', 0, 0, 'I',         'I', 42, 0, 8, 0, 0, 0,
                          1,    0,    0x12, 1,  3,   0,   1,   0,   0, 0, orientation, 0,   0,  0, 0, 0, 0, 0};
    ASSERT_EQ(exif.size(), 36u);
    ByteVector turned = plain;
    turned.insert(turned.begin() + 2, exif.begin(), exif.end());
    EXPECT_EQ(decode_image(turned, "turned", GetParam()), decode_image(plain, "plain", GetParam())) << int{orientation};
    EXPECT_EQ(decoded_size(turned, "turned"), (std::pair<Index, Index>{20, 30})) << int{orientation};
  }
}

TEST_P(DecodeJpeg, GreyBecomesEqualChannels) {
  ByteVector grey(20 * 30);
  for (std::size_t i = 0; i < grey.size(); ++i) grey[i] = static_cast<std::uint8_t>(i / 3);
  const Image decoded = decode_image(jpeg(grey, 20, 30, TJPF_GRAY, TJSAMP_GRAY, 100), "grey", GetParam());
  ASSERT_EQ(decoded.height, 20);
  ASSERT_EQ(decoded.width, 30);
  for (std::size_t i = 0; i < grey.size(); ++i) {
    EXPECT_EQ(decoded.pixels[3 * i], decoded.pixels[3 * i + 1]);
    EXPECT_EQ(decoded.pixels[3 * i], decoded.pixels[3 * i + 2]);
    EXPECT_LE(std::abs(int{decoded.pixels[3 * i]} - int{grey[i]}), 2);
  }
}

// libjpeg writes CMYK as YCCK with an Adobe marker; its bytes are what a reader sees, stored inverted by Adobe's habit.
ByteVector cmyk_file() {
  ByteVector inks(16 * 16 * 4);
  for (std::size_t i = 0; i < 256; ++i) {
    inks[4 * i] = 200;
    inks[4 * i + 1] = 100;
    inks[4 * i + 2] = 50;
    inks[4 * i + 3] = 128;
  }
  return jpeg(inks, 16, 16, TJPF_CMYK, TJSAMP_444, 100);
}

TEST_P(DecodeJpeg, AdobeInksMultiply) {
  const Image decoded = decode_image(cmyk_file(), "cmyk", GetParam());
  // 200*128/255 = 100.4, 100*128/255 = 50.2, 50*128/255 = 25.1
  EXPECT_NEAR(decoded.pixels[0], 100, 2);
  EXPECT_NEAR(decoded.pixels[1], 50, 2);
  EXPECT_NEAR(decoded.pixels[2], 25, 2);
}

TEST(Decode, CmykWithoutAdobeMarkerIsNotInverted) {
  ByteVector file = cmyk_file();
  const auto marker = std::search(file.begin(), file.end(), std::begin("\xFF\xEE"), std::begin("\xFF\xEE") + 2,
                                  [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); });
  ASSERT_NE(marker, file.end());
  ASSERT_TRUE(read_jpeg_markers(file).adobe);
  const std::ptrdiff_t length = marker[2] * 256 + marker[3] + 2;
  file.erase(marker, marker + length);
  ASSERT_FALSE(read_jpeg_markers(file).adobe);
  ASSERT_EQ(read_jpeg_markers(file).components, 4);
  // Without the marker the three colour planes are taken as inks: read them back through TurboJPEG itself.
  tjhandle handle = tjInitDecompress();
  ByteVector inks(16 * 16 * 4);
  ASSERT_EQ(tjDecompress2(handle, file.data(), file.size(), inks.data(), 16, 0, 16, TJPF_CMYK, TJFLAG_ACCURATEDCT), 0);
  tjDestroy(handle);
  const Image decoded = decode_image(file, "plain", Decoder::turbo);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(decoded.pixels[c], (255 - inks[c]) * (255 - inks[3]) / 255);
  EXPECT_NE(message_of<UsageError>([&] { decode_image(file, "plain.jpg", Decoder::stb); }).find("plain.jpg"),
            std::string::npos);
}

TEST_P(DecodeJpeg, EveryTruncationIsRefusedByName) {
  for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
    const ByteVector whole_file = jpeg(noise(24, 24), TJSAMP_420, 90, flags);
    for (std::size_t size = 0; size < whole_file.size(); size += size < 8 || size + 16 > whole_file.size() ? 1 : 7) {
      const ByteVector part(whole_file.begin(), whole_file.begin() + static_cast<long>(size));
      const std::string message = message_of<UsageError>([&] { decode_image(part, "folder/cut.jpg", GetParam()); });
      EXPECT_NE(message.find("folder/cut.jpg"), std::string::npos)
          << size << " of " << whole_file.size() << ": " << message;
    }
    EXPECT_NO_THROW(decode_image(whole_file, "whole", GetParam()));
  }
}

TEST_P(DecodeJpeg, RandomDamageNeverCrashes) {
  const ByteVector whole_file = jpeg(noise(40, 40), TJSAMP_420, 80);
  const Random random(3, Stream::test);
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    ByteVector damaged = whole_file;
    for (std::uint64_t k = 0; k < 4; ++k)
      damaged[static_cast<std::size_t>(random.integer(trial * 16 + 2 * k, static_cast<Index>(damaged.size())))] =
          static_cast<std::uint8_t>(random.integer(trial * 16 + 2 * k + 1, 256));
    try {
      const Image image = decode_image(damaged, "damaged.jpg", GetParam());
      EXPECT_EQ(static_cast<Index>(image.pixels.size()), image.height * image.width * 3);
    } catch (const UsageError&) {
    }
  }
  EXPECT_NO_THROW(decode_image(whole_file, "whole", GetParam()));  // the decoder survives what came before
}

TEST_P(DecodeJpeg, HugeSizesAreRefusedBeforeAllocation) {
  ByteVector file = jpeg(gradient(16, 16));
  for (std::size_t i = 0; i + 9 < file.size(); ++i)
    if (file[i] == 0xFF && file[i + 1] == 0xC0) {
      file[i + 5] = file[i + 7] = 0xEA;  // 60,000 x 60,000
      file[i + 6] = file[i + 8] = 0x60;
      break;
    }
  const std::string message = message_of<UsageError>([&] { decode_image(file, "bomb.jpg", GetParam()); });
  EXPECT_NE(message.find("bomb.jpg"), std::string::npos);
  EXPECT_NE(message.find("60000x60000"), std::string::npos) << message;
}

TEST_P(DecodeJpeg, HuffmanTableWithTooManyCodes) {
  ByteVector file = jpeg(gradient(16, 16));
  for (std::size_t i = 0; i + 9 < file.size(); ++i)
    if (file[i] == 0xFF && file[i + 1] == 0xC4) {
      ByteVector table{0xFF, 0xC4, 1, 0x13 + 40, 0};
      table.insert(table.end(), {0, 0, 0, 0, 0, 0, 0, 200, 96, 0, 0, 0, 0, 0, 0, 0});
      table.resize(table.size() + 296);
      file.insert(file.begin() + static_cast<long>(i), table.begin(), table.end());
      break;
    }
  const std::string message = message_of<UsageError>([&] { decode_image(file, "codes.jpg", GetParam()); });
  EXPECT_NE(message.find("codes.jpg"), std::string::npos);
}

TEST(Decode, ContentNotSuffixDecides) {
  const TemporaryFolder folder;
  const Image source = noise(5, 7);
  write_file(folder / "really_png.jpg", png(source));
  EXPECT_EQ(read_image(folder / "really_png.jpg"), source);
  write_file(folder / "text.jpg", std::string("this is no photo\n"));
  EXPECT_NE(message_of<UsageError>([&] { read_image(folder / "text.jpg"); }).find("text.jpg: not an image"),
            std::string::npos);
  write_file(folder / "empty.jpg", std::string());
  EXPECT_NE(message_of<UsageError>([&] { read_image(folder / "empty.jpg"); }).find("empty.jpg"), std::string::npos);
  EXPECT_NE(message_of<UsageError>([&] { read_image(folder / "missing.jpg"); }).find("missing.jpg"), std::string::npos);
  EXPECT_THROW(read_image(folder.path()), UsageError);
  write_file(folder / "zipped.jpg", ByteVector{0x1F, 0x8B, 8, 0});
  EXPECT_NE(message_of<UsageError>([&] { read_image(folder / "zipped.jpg"); }).find("zipped.jpg"), std::string::npos);
}

TEST(Decode, PngColourTypes) {
  EXPECT_EQ(decode_image(png({10, 20, 30, 40}, 2, 2, 0), "grey").pixels,
            (ByteVector{10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40}));
  EXPECT_EQ(decode_image(png({10, 0, 20, 255}, 1, 2, 4), "grey + alpha").pixels, (ByteVector{10, 10, 10, 20, 20, 20}));
  EXPECT_EQ(decode_image(png({1, 2, 3, 0, 4, 5, 6, 255}, 1, 2, 6), "rgba").pixels, (ByteVector{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decode_image(png({0x12, 0xFF, 0x34, 0x00, 0x56, 0x80}, 1, 1, 2, 16), "16 bits").pixels,
            (ByteVector{0x12, 0x34, 0x56}));
  EXPECT_EQ(decode_image(png({1, 0}, 1, 2, 3, 8, {9, 8, 7, 6, 5, 4}), "palette").pixels,
            (ByteVector{6, 5, 4, 9, 8, 7}));
}

TEST(Decode, TruncatedPngAndPnm) {
  const ByteVector whole_file = png(noise(9, 9));
  for (std::size_t size = 1; size + 16 < whole_file.size(); size += 5)
    EXPECT_THROW(decode_image(Bytes(whole_file.data(), size), "cut.png"), UsageError) << size;
  const std::string pnm = "P6\n2 1\n255\nabcdef";
  EXPECT_EQ(decode_image({reinterpret_cast<const std::uint8_t*>(pnm.data()), pnm.size()}, "x").pixels,
            (ByteVector{'a', 'b', 'c', 'd', 'e', 'f'}));
}

TEST(Decode, ThreadsDecodeTheSamePixels) {
  const ByteVector file = jpeg(noise(64, 64), TJSAMP_420, 85);
  const Image expected = decode_image(file, "x");
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 1);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) equal[t] &= decode_image(file, "x") == expected;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, std::vector<int>(4, 1));
}

TEST(Decode, NamesSayLibraryAndVersion) {
  EXPECT_TRUE(decoder_name(Decoder::turbo).starts_with("libjpeg-turbo "));
  EXPECT_EQ(decoder_name(Decoder::turbo).find("unknown"), std::string::npos);
  EXPECT_TRUE(decoder_name(Decoder::stb).starts_with("stb_image"));
  EXPECT_EQ(parse_decoder("stb"), Decoder::stb);
  EXPECT_THROW(parse_decoder("libpng"), UsageError);
}

TEST(Decode, BothDecodersAgreeOnRealPhotos) {
  const auto photos = shared_data("photos");
  if (!photos) GTEST_SKIP() << "no shared photos";
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*photos)) {
    if (entry.path().extension() != ".JPEG" || seen == 12) continue;
    ++seen;
    EXPECT_LE(largest_difference(read_image(entry.path().string(), Decoder::turbo),
                                 read_image(entry.path().string(), Decoder::stb)),
              4)
        << entry.path();
  }
  EXPECT_EQ(seen, 12);
}

}  // namespace decode_test
