// GIF, BMP and PNM with pixels known beforehand, such files that are damaged, and all formats as Pillow reads them.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>

#include "data/image_checks.hpp"

namespace decode_plain_test {

using namespace test_images;
using tinyvision::data::detail::GifCodes;

// --- GIF

/// A GIF with one frame. Codes are written without compression: a clear code before their width would grow.
struct GifParts {
  std::uint32_t screen_height = 2, screen_width = 2, background = 0;
  std::uint32_t top = 0, left = 0, height = 2, width = 2;
  bool interlaced = false, local_palette = false;
  int transparent = -1;
  ByteVector palette{0, 0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90};
  ByteVector indices{0, 1, 2, 3};
  std::string version = "89a";

  ByteVector file() const {
    ByteVector out{'G', 'I', 'F'};
    out.insert(out.end(), version.begin(), version.end());
    little(out, screen_width, 2);
    little(out, screen_height, 2);
    little(out, local_palette ? 0 : 0x81, 1);
    little(out, background, 1);
    little(out, 0, 1);
    if (!local_palette) out.insert(out.end(), palette.begin(), palette.end());
    if (transparent >= 0) out.insert(out.end(), {0x21, 0xF9, 4, 1, 0, 0, static_cast<std::uint8_t>(transparent), 0});
    out.insert(out.end(), {0x21, 0xFE, 3, 'a', 'b', 'c', 0});  // a comment
    out.push_back(0x2C);
    for (const std::uint32_t value : {left, top, width, height}) little(out, value, 2);
    little(out, (local_palette ? 0x81u : 0u) | (interlaced ? 0x40u : 0u), 1);
    if (local_palette) out.insert(out.end(), palette.begin(), palette.end());
    out.push_back(2);  // codes begin with 3 bits: 4 colours, clear (4), end (5)
    ByteVector codes;
    std::uint32_t bits = 0, held = 0;
    const auto put = [&](std::uint32_t code) {
      bits |= code << held;
      for (held += 3; held >= 8; held -= 8, bits >>= 8) codes.push_back(static_cast<std::uint8_t>(bits));
    };
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (i % 2 == 0) put(4);
      put(indices[i]);
    }
    put(5);
    if (held > 0) codes.push_back(static_cast<std::uint8_t>(bits));
    for (std::size_t at = 0; at < codes.size(); at += 200) {
      const std::size_t end = std::min(codes.size(), at + 200);
      out.push_back(static_cast<std::uint8_t>(end - at));
      out.insert(out.end(), codes.begin() + static_cast<long>(at), codes.begin() + static_cast<long>(end));
    }
    out.insert(out.end(), {0, 0x3B});
    return out;
  }
};

TEST(DecodePlain, GifPixels) {
  const ByteVector expected{0, 0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90};
  GifParts parts;
  EXPECT_EQ(pixels_of(parts.file()), expected);
  parts.version = "87a";
  parts.local_palette = true;
  EXPECT_EQ(pixels_of(parts.file()), expected);
}

TEST(DecodePlain, InterlacedGif) {
  GifParts parts;
  parts.screen_height = parts.height = 10;
  parts.screen_width = parts.width = 1;
  parts.interlaced = true;
  // Rows 0 and 8; then 4; then 2 and 6; then the odd ones. Each row r has colour r % 4.
  parts.indices = {0, 0, 0, 2, 2, 1, 3, 1, 3, 1};
  const ByteVector pixels = pixels_of(parts.file());
  ASSERT_EQ(pixels.size(), 30u);
  for (std::size_t y = 0; y < 10; ++y) EXPECT_EQ(pixels[3 * y], parts.palette[3 * (y % 4)]) << y;
}

TEST(DecodePlain, GifFrameWithinItsScreen) {
  GifParts parts;
  parts.screen_width = 3;
  parts.left = 1;
  parts.background = 3;
  parts.palette[0] = 5;
  const ByteVector expected{0, 0, 0, 5, 0, 0, 10, 20, 30, 0, 0, 0, 40, 50, 60, 70, 80, 90};
  EXPECT_EQ(pixels_of(parts.file()), expected);
  parts.transparent = 1;  // dropped, like alpha
  EXPECT_EQ(pixels_of(parts.file()), expected);
  parts.left = 2;
  EXPECT_TRUE(says(refusal(parts.file()), "a frame of 2x2 at row 0, column 2 of an image of 2x3"));
}

TEST(DecodePlain, DamagedGifIsNamed) {
  GifParts parts;
  const ByteVector good = parts.file();
  const ByteVector without_trailer(good.begin(), good.end() - 1);
  refuses_every_truncation(without_trailer);
  parts.indices = {0, 1, 2};
  EXPECT_TRUE(says(refusal(parts.file()), "data of 3 pixels for 4"));
  parts.indices.assign(2000, 1);  // more than fit are ignored
  EXPECT_EQ(refusal(parts.file()), "");
  parts = {};
  parts.screen_height = parts.screen_width = 60000;
  EXPECT_TRUE(says(refusal(parts.file()), "image of 60000x60000 pixels"));
  parts = {};
  parts.height = 0;
  EXPECT_TRUE(says(refusal(parts.file()), "a frame of 0x2"));
  parts = {};
  parts.version = "88a";
  EXPECT_TRUE(says(refusal(parts.file()), "neither version 87a nor 89a"));
  ByteVector empty(good.begin(), good.begin() + 25);
  empty.push_back(0x3B);
  EXPECT_TRUE(says(refusal(empty), "has no image"));
  empty.back() = 7;
  EXPECT_TRUE(says(refusal(empty), "an unknown block"));
}

TEST(GifCodes, CodesGrowAndStandForStrings) {
  // 4-bit codes for 8 colours: clear, then 1, and each next code is the newest: strings of 1, 2, 3, ... times 1.
  const auto decoded = [](const std::vector<std::uint32_t>& codes, std::size_t pixels) {
    ByteVector bytes;
    std::uint32_t bits = 0, held = 0, width = 4, next = 10;
    for (const std::uint32_t code : codes) {
      bits |= code << held;
      for (held += width; held >= 8; held -= 8, bits >>= 8) bytes.push_back(static_cast<std::uint8_t>(bits));
      if (code >= 10 && ++next == 1u << width && width < 12) ++width;
    }
    bytes.push_back(static_cast<std::uint8_t>(bits));
    GifCodes reader(3, pixels);
    EXPECT_TRUE(reader.take(bytes));
    return reader.indices();
  };
  std::vector<std::uint32_t> codes{8, 1};
  std::size_t expected = 1;
  for (std::uint32_t i = 0; i < 4086; ++i) {
    codes.push_back(10 + i);
    expected += i + 2;
  }
  EXPECT_EQ(decoded(codes, expected), ByteVector(expected, 1));
  // The table is full: codes stay 12 bits wide and mean what they meant.
  codes.insert(codes.end(), {2, 10, 11});
  ByteVector all(expected, 1);
  all.insert(all.end(), {2, 1, 1, 1, 1, 1});
  EXPECT_EQ(decoded(codes, all.size()), all);
  EXPECT_EQ(decoded(codes, 5), ByteVector(5, 1));
  // The newest code begins and ends with what the last one began with.
  EXPECT_EQ(decoded({8, 3, 5, 10, 12, 9}, 99), (ByteVector{3, 5, 3, 5, 3, 5, 3}));
  GifCodes wrong(3, 9);
  EXPECT_FALSE(wrong.take(ByteVector{0xC8}));  // clear, then 12, which does not exist yet
}

// --- BMP

struct BmpParts {
  std::int32_t height = 2, width = 2;
  std::uint32_t bits = 24, packing = 0, header = 40, colours = 0;
  ByteVector palette;  ///< entries of B, G, R, 0 (of B, G, R for headers of 12 bytes), or three masks
  ByteVector rows;     ///< as they stand in the file

  ByteVector file() const {
    ByteVector out{'B', 'M'};
    const std::size_t offset = 14 + header + palette.size();
    little(out, static_cast<std::uint32_t>(offset + rows.size()), 4);
    little(out, 0, 4);
    little(out, static_cast<std::uint32_t>(offset), 4);
    little(out, header, 4);
    const int side = header == 12 ? 2 : 4;
    little(out, static_cast<std::uint32_t>(width), side);
    little(out, static_cast<std::uint32_t>(height), side);
    little(out, 1, 2);
    little(out, bits, 2);
    if (header != 12) {
      little(out, packing, 4);
      little(out, 0, 4);
      little(out, 0, 4);
      little(out, 0, 4);
      little(out, colours, 4);
      little(out, 0, 4);
    }
    out.insert(out.end(), palette.begin(), palette.end());
    out.insert(out.end(), rows.begin(), rows.end());
    return out;
  }
};

// Two rows of two pixels: (1,2,3) (4,5,6) above (7,8,9) (10,11,12).
const ByteVector four_pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

TEST(DecodePlain, BmpOf24And32Bits) {
  BmpParts parts;
  parts.rows = {9, 8, 7, 12, 11, 10, 0, 0, 3, 2, 1, 6, 5, 4, 0, 0};
  EXPECT_EQ(pixels_of(parts.file()), four_pixels);
  const ByteVector file = parts.file();
  refuses_every_truncation(ByteVector(file.begin(), file.end() - 2));  // but for the last row's filling
  parts.height = -2;
  parts.rows = {3, 2, 1, 6, 5, 4, 0, 0, 9, 8, 7, 12, 11, 10, 0, 0};
  EXPECT_EQ(pixels_of(parts.file()), four_pixels);
  parts.height = 2;
  parts.bits = 32;
  parts.rows = {9, 8, 7, 0, 12, 11, 10, 255, 3, 2, 1, 128, 6, 5, 4, 0};
  EXPECT_EQ(pixels_of(parts.file()), four_pixels);
  parts.packing = 3;  // R in the lowest byte
  parts.palette = {255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0};
  parts.rows = {7, 8, 9, 0, 10, 11, 12, 255, 1, 2, 3, 128, 4, 5, 6, 0};
  EXPECT_EQ(pixels_of(parts.file()), four_pixels);
}

TEST(DecodePlain, BmpOf16Bits) {
  BmpParts parts;
  parts.height = 1;
  parts.bits = 16;
  little(parts.rows, 31u << 10 | 3, 2);  // 3 * 255 / 31 = 24.7
  little(parts.rows, 24u << 5, 2);       // 24 * 255 / 31 = 197.4
  EXPECT_EQ(pixels_of(parts.file()), (ByteVector{255, 0, 24, 0, 197, 0}));
  parts.packing = 3;
  for (const std::uint32_t mask : {0xF800u, 0x07E0u, 0x001Fu}) little(parts.palette, mask, 4);
  parts.rows.clear();
  little(parts.rows, 31u << 11 | 3, 2);
  little(parts.rows, 24u << 5, 2);  // of 6 bits: 24 * 255 / 63 = 97.1
  EXPECT_EQ(pixels_of(parts.file()), (ByteVector{255, 0, 24, 0, 97, 0}));
  parts.palette[1] = 0xE8;
  EXPECT_TRUE(says(refusal(parts.file()), "a mask with gaps"));
}

TEST(DecodePlain, BmpWithAPalette) {
  BmpParts parts;
  parts.height = 1;
  parts.width = 3;
  parts.bits = 8;
  parts.palette = {7, 8, 9, 0, 4, 5, 6, 0};
  parts.rows = {1, 0, 2, 0};
  const ByteVector expected{6, 5, 4, 9, 8, 7, 0, 0, 0};
  EXPECT_EQ(pixels_of(parts.file()), expected);
  parts.bits = 4;
  parts.rows = {0x10, 0x20, 0, 0};
  EXPECT_EQ(pixels_of(parts.file()), expected);
  parts.bits = 1;
  parts.rows = {0b10100000, 0, 0, 0};
  EXPECT_EQ(pixels_of(parts.file()), (ByteVector{6, 5, 4, 9, 8, 7, 6, 5, 4}));
  parts.header = 12;
  parts.palette = {7, 8, 9, 4, 5, 6};
  EXPECT_EQ(pixels_of(parts.file()), (ByteVector{6, 5, 4, 9, 8, 7, 6, 5, 4}));
  parts.palette.clear();
  EXPECT_TRUE(says(refusal(parts.file()), "has no palette"));
}

TEST(DecodePlain, WhatBmpCannotBeIsNamed) {
  BmpParts parts;
  parts.rows = ByteVector(16, 0);
  const auto with = [&](const std::function<void(BmpParts&)>& change) {
    BmpParts changed = parts;
    change(changed);
    return refusal(changed.file());
  };
  EXPECT_EQ(with([](BmpParts&) {}), "");
  EXPECT_TRUE(says(with([](BmpParts& p) { p.packing = 1; }), "run-length"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.packing = 4; }), "packing 4 of 24 bits"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.packing = 3; }), "packing 3 of 24 bits"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.bits = 7; }), "7 bits per pixel"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.header = 39; }), "a header of 39 bytes"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.height = p.width = 60000; }), "image of 60000x60000 pixels"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.height = INT32_MIN; }), "image of 2147483648x2 pixels"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.width = -2; }), "image of 2x-2 pixels"));
  EXPECT_TRUE(says(with([](BmpParts& p) { p.width = 1000; }), "the pixels takes 6000 bytes, 16 are there"));
}

// --- PNM

TEST(DecodePlain, Pnm) {
  const auto bytes = [](const std::string& text) { return ByteVector(text.begin(), text.end()); };
  EXPECT_EQ(pixels_of(bytes("P5 2\n1 255\nab")), (ByteVector{'a', 'a', 'a', 'b', 'b', 'b'}));
  EXPECT_EQ(pixels_of(bytes("P6\n# a comment\n1 # and one\n1\n255\n\n b")), (ByteVector{'\n', ' ', 'b'}));
  refuses_every_truncation(bytes("P6\n2 1\n255\nabcdef"));
  EXPECT_TRUE(says(refusal(bytes("P6 60000 60000 255\n")), "image of 60000x60000 pixels"));
  EXPECT_TRUE(says(refusal(bytes("P6 99999999999999999999 1 255\n")), "the width is too large"));
  EXPECT_TRUE(says(refusal(bytes("P6 0 1 255\n")), "image of 1x0 pixels"));
  EXPECT_TRUE(says(refusal(bytes("P6 -1 1 255\n")), "the width is no number"));
  EXPECT_TRUE(says(refusal(bytes("P5 1 1 65535\nab")), "the largest value is 65535"));
  EXPECT_TRUE(says(refusal(bytes("P5 1 1 255")), "the data ends early"));
}

// --- JPEG and PNG

/// A progressive file whose last scan stands there `times` times, its frame header saying `height` x `width`.
ByteVector with_scans(int times, int height = 0, int width = 0) {
  ByteVector file = jpeg(gradient(32, 32), TJSAMP_444, 90, TJFLAG_PROGRESSIVE);
  std::size_t last = 0;
  for (std::size_t i = 0; i + 9 < file.size(); ++i) {
    if (file[i] == 0xFF && file[i + 1] == 0xDA) last = i;
    if (height > 0 && file[i] == 0xFF && file[i + 1] == 0xC2) {
      file[i + 5] = static_cast<std::uint8_t>(height >> 8);
      file[i + 6] = static_cast<std::uint8_t>(height);
      file[i + 7] = static_cast<std::uint8_t>(width >> 8);
      file[i + 8] = static_cast<std::uint8_t>(width);
    }
  }
  const ByteVector scan(file.begin() + static_cast<long>(last), file.end() - 2);
  for (int i = 1; i < times; ++i) file.insert(file.end() - 2, scan.begin(), scan.end());
  return file;
}

TEST(DecodeScans, ManyScansOverManyPixelsAreRefusedBeforeTheyAreDecoded) {
  EXPECT_EQ(read_jpeg_markers(jpeg(gradient(32, 32))).scans, 1);
  EXPECT_EQ(read_jpeg_markers(with_scans(31)).scans, read_jpeg_markers(with_scans(1)).scans + 30);
  for (const Decoder decoder : {Decoder::turbo, Decoder::stb}) {
    EXPECT_EQ(refusal(with_scans(1), decoder), "");
    // 60,000 x 2,900 pixels are within the limit, and so is a common number of scans.
    EXPECT_TRUE(says(refusal(with_scans(40, 60000, 2900), decoder), "scans; scans times pixels may be 4294967296"));
  }
  EXPECT_TRUE(says(refusal(with_scans(600)), "scans"));
}

TEST(DecodePalette, ColoursThatThePaletteLacksAreBlack) {
  EXPECT_EQ(pixels_of(png({1, 2, 255}, 1, 3, 3, 8, {9, 8, 7, 6, 5, 4})), (ByteVector{6, 5, 4, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(pixels_of(png({1, 0}, 1, 2, 3, 8, {9, 8, 7, 6, 5, 4})), (ByteVector{6, 5, 4, 9, 8, 7}));
}

// --- all formats, as another program reads them

TEST(DecodeFormats, PixelsEqualPillows) {
  const std::string tests = std::string(TINYVISION_SOURCE_DIR) + "/tests/";
  std::ifstream golden(tests + "golden/images/pillow.tsv");
  std::string seed;
  Index height = 0, width = 0;
  unsigned long crc = 0;
  std::set<ImageFormat> seen;
  while (golden >> seed >> height >> width >> crc) {
    const std::string bytes = read_file(tests + "fuzz/seeds/image_decode/" + seed);
    const Bytes file{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    const Image image = decode_image(file, seed);
    EXPECT_EQ(std::pair(image.height, image.width), std::pair(height, width)) << seed;
    EXPECT_EQ(decoded_size(file, seed), std::pair(height, width)) << seed;
    EXPECT_EQ(crc32_z(0, image.pixels.data(), image.pixels.size()), crc)
        << seed << " " << to_string(image_format(file));
    seen.insert(image_format(file));
  }
  EXPECT_EQ(seen.size(), 6u);
}

}  // namespace decode_plain_test
