// Every resizer beside its origin (tests/golden/images), mirrored, and at the edges of an image.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/test_images.hpp"
#include "tinyvision/data/preprocess.hpp"

namespace resizers_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

/// The formula of tests/oracle/make_image_goldens.py.
Image formula(Index height, Index width) {
  Image image(height, width);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      for (Index c = 0; c < 3; ++c)
        image.at(y, x)[c] =
            static_cast<std::uint8_t>((37 * y + 61 * x + 101 * c + 13 * x * y + 7 * x * x * (c + 1)) % 256);
  return image;
}

TEST(Resizers, EqualTheirOrigins) {
  std::ifstream file(TINYVISION_SOURCE_DIR "/tests/golden/images/resize.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 72u);
  std::map<std::string, int> seen;
  for (const auto& c : cases) {
    const std::string name = c["resizer"];
    const Resizer resizer = parse_resizer(name);
    ++seen[name];
    const std::vector<float> ours = resize(formula(c["in"][0], c["in"][1]), c["out"][0], c["out"][1], resizer);
    const auto want = c["values"].get<std::vector<float>>();
    ASSERT_EQ(ours.size(), want.size());
    // Pillow's bytes are met exactly; TensorFlow's floats to the digits of the file, and its sums have another order.
    const float tolerance = name.starts_with("pil_") ? 0.0f : 2e-4f;
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(ours[i], want[i], tolerance) << name << " " << c["in"] << " to " << c["out"] << " value " << i;
  }
  EXPECT_EQ(seen.size(), 9u);
}

TEST(Resizers, MirroredIsTheMirrorImage) {
  const Image image = formula(23, 31);
  for (const Resizer resizer : all_resizers)
    for (const auto& [h, w] : {std::pair<Index, Index>{9, 12}, {40, 37}, {1, 1}}) {
      std::vector<float> plain(static_cast<std::size_t>(3 * h * w)), turned(plain.size());
      const Box box{2, 3, 19, 27};
      resize_crop(image, box, h, w, resizer, plain.data());
      resize_crop(image, box, h, w, resizer, turned.data(), 1.0f, true);
      for (Index y = 0; y < h; ++y)
        for (Index x = 0; x < w; ++x)
          for (Index c = 0; c < 3; ++c)
            ASSERT_EQ(turned[static_cast<std::size_t>(3 * (y * w + w - 1 - x) + c)],
                      plain[static_cast<std::size_t>(3 * (y * w + x) + c)])
                << to_string(resizer);
    }
}

TEST(Resizers, ABoxIsAnImageOfItsOwn) {
  const Image image = formula(30, 40);
  const Box box{11, 17, 13, 22};
  Image cut(13, 22);
  for (Index y = 0; y < 13; ++y) std::copy_n(image.at(11 + y, 17), 66, cut.at(y, 0));
  for (const Resizer resizer : all_resizers)
    for (const auto& [h, w] : {std::pair<Index, Index>{5, 7}, {31, 29}}) {
      std::vector<float> of_box(static_cast<std::size_t>(3 * h * w)), of_cut(of_box.size());
      resize_crop(image, box, h, w, resizer, of_box.data());
      resize_crop(cut, whole(cut), h, w, resizer, of_cut.data());
      ASSERT_EQ(of_box, of_cut) << to_string(resizer);
    }
}

TEST(Resizers, AConstantImageStaysConstant) {
  Image image(17, 29);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{77});
  for (const Resizer resizer : all_resizers)
    for (const auto& [h, w] : {std::pair<Index, Index>{3, 5}, {50, 60}, {17, 29}})
      for (const float v : resize(image, h, w, resizer)) ASSERT_NEAR(v, 77, 1e-3) << to_string(resizer);
}

TEST(Resizers, SameSizeIsTheSameImage) {
  const Image image = formula(12, 9);
  for (const Resizer resizer : all_resizers) {
    const std::vector<float> out = resize(image, 12, 9, resizer);
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], image.pixels[i], 1e-3) << to_string(resizer);
  }
}

TEST(Resizers, NamesAreReadAndListed) {
  for (const Resizer resizer : all_resizers) {
    EXPECT_EQ(parse_resizer(to_string(resizer)), resizer);
    EXPECT_NE(resizer_list().find(to_string(resizer)), std::string::npos);
  }
  EXPECT_NE(message_of<UsageError>([] { parse_resizer("bicubic"); }).find("pil_bicubic"), std::string::npos);
}

TEST(Preprocess, VectorsGiveThePlainLoopsBits) {
  for (const Normalisation kind : {Normalisation::inception, Normalisation::rgb_mean, Normalisation::imagenet_mean_std})
    for (const Index pixels : {1, 3, 4, 5, 17, 64}) {
      std::vector<float> x(static_cast<std::size_t>(3 * pixels)), plain;
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.013f * static_cast<float>(i * i % 97);
      plain = x;
      const ChannelAffine a = channel_affine(kind);
      for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = plain[i] * a.scale[i % 3] + a.shift[i % 3];
      normalise(kind, pixels, x.data());
      ASSERT_EQ(x, plain) << to_string(kind) << " " << pixels;
    }
}

TEST(Preprocess, BytesAreRoundedToNearestWithinTheirRange) {
  std::vector<float> x;
  for (int i = -20; i < 1100; ++i) x.push_back(static_cast<float>(i) * 0.25f);
  std::vector<std::uint8_t> bytes(x.size());
  round_to_bytes(x.data(), static_cast<Index>(x.size()), 1.0f, bytes.data());
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(bytes[i], static_cast<int>(std::clamp(std::floor(x[i] + 0.5f), 0.0f, 255.0f))) << x[i];
}

}  // namespace resizers_test
