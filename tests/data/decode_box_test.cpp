// Boxes of images, decoded without the rest.
#include "tinyvision/data/decode_box.hpp"

#include <gtest/gtest.h>

#include "test_images.hpp"

namespace decode_box_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

/// The box cut out of what decode_box returned.
Image cut(const ImageView& image, const Box& box) {
  Image out(box.height, box.width);
  for (Index y = 0; y < box.height; ++y) std::copy_n(image.at(box.top + y, box.left), 3 * box.width, out.at(y, 0));
  return out;
}

/// Edges, one pixel, all of it, and boxes drawn at random.
std::vector<Box> boxes(Index height, Index width) {
  std::vector<Box> all{{0, 0, height, width},
                       {0, 0, 1, 1},
                       {height - 1, width - 1, 1, 1},
                       {0, width - 1, height, 1},
                       {height - 1, 0, 1, width},
                       {height / 2, 0, height - height / 2, width},
                       {0, width / 2, height, width - width / 2}};
  const Random random(5, Stream::test);
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Index h = 1 + random.integer(4 * i, height), w = 1 + random.integer(4 * i + 1, width);
    all.push_back({random.integer(4 * i + 2, height - h + 1), random.integer(4 * i + 3, width - w + 1), h, w});
  }
  return all;
}

void expect_boxes_of(const ByteVector& file, const std::string& what, Decoder decoder = Decoder::turbo) {
  const Image expected = decode_image(file, what, decoder);
  Image scratch;
  for (const Box& box : boxes(expected.height, expected.width)) {
    int asked = 0;
    const BoxView found = decode_box(
        file, what, decoder,
        [&](Index height, Index width) {
          ++asked;
          EXPECT_EQ(height, expected.height);
          EXPECT_EQ(width, expected.width);
          return box;
        },
        scratch);
    EXPECT_EQ(asked, 1);
    ASSERT_EQ(cut(found.view, found.box), cut(expected, box))
        << what << ", box " << box.top << ' ' << box.left << ' ' << box.height << ' ' << box.width;
  }
}

TEST(DecodeBox, EveryPixelOfEveryBoxIsThatOfTheWholeImage) {
  for (const int subsampling : {TJSAMP_444, TJSAMP_422, TJSAMP_420, TJSAMP_440, TJSAMP_411, TJSAMP_GRAY})
    for (const auto& [height, width] :
         {std::pair<Index, Index>{1, 1}, {7, 5}, {16, 16}, {33, 47}, {50, 130}, {97, 64}, {128, 129}})
      for (const int quality : {30, 95})
        expect_boxes_of(jpeg(noise(height, width), subsampling, quality),
                        concat_text("subsampling ", subsampling, ", ", height, "x", width, ", quality ", quality));
}

TEST(DecodeBox, WhatCannotBeReadInPartIsReadWhole) {
  expect_boxes_of(png(noise(40, 30)), "PNG");
  expect_boxes_of(jpeg(noise(40, 70), TJSAMP_420, 90, TJFLAG_PROGRESSIVE), "progressive JPEG");
  expect_boxes_of(jpeg(noise(40, 70), TJSAMP_420), "JPEG, the other decoder", Decoder::stb);
}

TEST(DecodeBox, DamageIsNamedAndTheNextFileIsRead) {
  const ByteVector good = jpeg(noise(64, 64), TJSAMP_420);
  const ChooseBox all = [](Index height, Index width) { return Box{0, 0, height, width}; };
  const ChooseBox corner = [](Index, Index) { return Box{0, 0, 8, 8}; };
  Image scratch;
  const auto refusal = [&](const ByteVector& file, const ChooseBox& choose) {
    return message_of<UsageError>([&] { decode_box(file, "a.jpg", Decoder::turbo, choose, scratch); });
  };
  // Cut short: refused even where the box lies before the cut.
  const ByteVector cut_short(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(good.size() - 40));
  for (const ChooseBox& choose : {all, corner}) {
    EXPECT_NE(refusal(cut_short, choose).find("a.jpg"), std::string::npos);
    EXPECT_NO_THROW(decode_box(good, "b.jpg", Decoder::turbo, choose, scratch));
  }
  // A marker in the middle of the coefficients, within reach of the box or below it.
  ByteVector damaged = good;
  damaged[damaged.size() * 3 / 4] = 0xFF;
  damaged[damaged.size() * 3 / 4 + 1] = 0xD3;
  EXPECT_NE(refusal(damaged, all).find("a.jpg: corrupt JPEG: "), std::string::npos) << refusal(damaged, all);
  EXPECT_NO_THROW(decode_box(damaged, "c.jpg", Decoder::turbo, corner, scratch));
  // An error that ends decoding, not a warning: no quantisation table.
  ByteVector tableless = good;
  for (std::size_t i = 2; i + 1 < tableless.size(); ++i)
    if (tableless[i] == 0xFF && tableless[i + 1] == 0xDB) tableless[i + 1] = 0xEF;
  EXPECT_NE(refusal(tableless, all).find("a.jpg: corrupt JPEG: "), std::string::npos) << refusal(tableless, all);
  // Nor do both decoders take the tables of the file before.
  EXPECT_THROW(decode_image(tableless, "a.jpg"), UsageError);
  EXPECT_NO_THROW(decode_box(good, "b.jpg", Decoder::turbo, all, scratch));
  EXPECT_NE(refusal({}, all).find("a.jpg: empty file"), std::string::npos);
  EXPECT_NE(refusal({0xFF, 0xD8, 0xFF, 0xD9}, all).find("a.jpg"), std::string::npos);
  const ChooseBox outside = [](Index height, Index width) { return Box{1, 0, height, width}; };
  EXPECT_THROW(decode_box(good, "a.jpg", Decoder::turbo, outside, scratch), Error);
  EXPECT_NO_THROW(decode_box(good, "b.jpg", Decoder::turbo, all, scratch));
}

}  // namespace decode_box_test
