#include "tinyvision/data/resize.hpp"

#include <gtest/gtest.h>

#include "test_images.hpp"
#include "tinyvision/data/preprocess.hpp"

namespace resize_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

Image row_image(const std::vector<int>& values) {
  Image image(1, static_cast<Index>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c)
      image.pixels[3 * i + c] = static_cast<std::uint8_t>(values[i] + static_cast<int>(c));
  return image;
}

Image column_image(const std::vector<int>& values) {
  Image image = row_image(values);
  std::swap(image.height, image.width);
  return image;
}

void expect_red(const std::vector<float>& rgb, const std::vector<float>& expected, float tolerance) {
  ASSERT_EQ(rgb.size(), 3 * expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(rgb[3 * i + c], expected[i] + static_cast<float>(c), tolerance) << i;
}

TEST(Tf1Bilinear, HandComputedRow) {
  const std::vector<int> values{0, 100, 200, 40};
  expect_red(resize(row_image(values), 1, 2), {0, 200}, 0);
  expect_red(resize(row_image(values), 1, 4), {0, 100, 200, 40}, 0);
  expect_red(resize(row_image(values), 1, 8), {0, 50, 100, 150, 200, 120, 40, 40}, 0);
  // Positions 0, 4/3, 8/3.
  expect_red(resize(row_image(values), 1, 3), {0, 133.33333f, 93.333333f}, 2e-5f);
  expect_red(resize(column_image(values), 8, 1), {0, 50, 100, 150, 200, 120, 40, 40}, 0);
  expect_red(resize(column_image(values), 3, 1), {0, 133.33333f, 93.333333f}, 2e-5f);
}

TEST(Tf1Bilinear, HandComputedSquare) {
  // 2x2 to 4x4: positions 0, 0.5, 1, 1.5 (the last one has no right neighbour).
  Image image(2, 2);
  const int corner[4] = {0, 40, 80, 200};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      image.pixels[3 * i + c] = static_cast<std::uint8_t>(corner[i] + static_cast<int>(c));
  expect_red(resize(image, 4, 4), {0, 20, 40, 40, 40, 80, 120, 120, 80, 140, 200, 200, 80, 140, 200, 200}, 0);
}

// The definition, one output value at a time.
float tf1_value(const Image& image, const Box& box, Index out_h, Index out_w, Index i, Index j, int c, float scale) {
  const float y = static_cast<float>(i) * (static_cast<float>(box.height) / static_cast<float>(out_h));
  const float x = static_cast<float>(j) * (static_cast<float>(box.width) / static_cast<float>(out_w));
  const Index y0 = static_cast<Index>(std::floor(y)), x0 = static_cast<Index>(std::floor(x));
  const Index y1 = std::min(y0 + 1, box.height - 1), x1 = std::min(x0 + 1, box.width - 1);
  const auto value = [&](Index row, Index column) {
    return static_cast<float>(image.at(box.top + row, box.left + column)[c]) * scale;
  };
  const float tx = x - static_cast<float>(x0), ty = y - static_cast<float>(y0);
  const float top = value(y0, x0) + (value(y0, x1) - value(y0, x0)) * tx;
  const float bottom = value(y1, x0) + (value(y1, x1) - value(y1, x0)) * tx;
  return top + (bottom - top) * ty;
}

TEST(Tf1Bilinear, EqualsTheDefinitionBitForBit) {
  struct Case {
    Index h, w;
    Box box;
    Index out_h, out_w;
  };
  for (const Case& t : std::vector<Case>{{31, 47, {0, 0, 31, 47}, 16, 16},
                                         {31, 47, {3, 5, 20, 42}, 24, 24},
                                         {31, 47, {11, 0, 20, 47}, 50, 61},
                                         {1, 1, {0, 0, 1, 1}, 7, 5},
                                         {2, 300, {0, 0, 2, 300}, 9, 224},
                                         {300, 2, {0, 0, 300, 2}, 224, 3},
                                         {64, 64, {63, 63, 1, 1}, 2, 2},
                                         {375, 500, {23, 31, 329, 438}, 224, 224}}) {
    const Image image = noise(t.h, t.w, static_cast<std::uint64_t>(t.h));
    for (const float scale : {1.0f, 1.0f / 255.0f}) {
      std::vector<float> out(static_cast<std::size_t>(t.out_h * t.out_w * 3), -1.0f);
      resize_crop(image, t.box, t.out_h, t.out_w, Resizer::tf1_bilinear, out.data(), scale);
      Index wrong = 0;
      for (Index i = 0; i < t.out_h; ++i)
        for (Index j = 0; j < t.out_w; ++j)
          for (int c = 0; c < 3; ++c)
            wrong += out[static_cast<std::size_t>((i * t.out_w + j) * 3 + c)] !=
                     tf1_value(image, t.box, t.out_h, t.out_w, i, j, c, scale);
      EXPECT_EQ(wrong, 0) << t.h << "x" << t.w << " to " << t.out_h << "x" << t.out_w;
    }
  }
}

TEST(AntialiasBilinear, HandComputedRow) {
  // 4 to 2: weights (3, 3, 1)/7 and (1, 3, 3)/7.
  expect_red(resize(row_image({0, 100, 200, 40}), 1, 2, Resizer::antialias_bilinear), {500.0f / 7, 820.0f / 7}, 3e-5f);
  expect_red(resize(column_image({0, 100, 200, 40}), 2, 1, Resizer::antialias_bilinear), {500.0f / 7, 820.0f / 7},
             3e-5f);
  // Enlarging 2 to 4: half-pixel centres, weights 3/4 and 1/4.
  expect_red(resize(row_image({0, 100}), 1, 4, Resizer::antialias_bilinear), {0, 25, 75, 100}, 1e-5f);
  expect_red(resize(row_image({7, 100, 3}), 1, 3, Resizer::antialias_bilinear), {7, 100, 3}, 0);
}

TEST(AntialiasBilinear, KeepsConstantsAndTheMean) {
  Image flat(97, 61);
  std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{77});
  // Up to 16 weights a pass, each rounded to f32: 77 * 32 * 2^-24 at most, and as much for the sums.
  for (const float v : resize(flat, 13, 29, Resizer::antialias_bilinear)) EXPECT_NEAR(v, 77, 3e-4);
  const Image image = noise(128, 128);
  double source = 0, target = 0;
  for (const std::uint8_t v : image.pixels) source += v;
  const std::vector<float> small = resize(image, 8, 8, Resizer::antialias_bilinear);
  for (const float v : small) target += static_cast<double>(v);
  EXPECT_NEAR(source / static_cast<double>(image.pixels.size()), target / static_cast<double>(small.size()), 1.0);
}

TEST(ResizeCrop, CropThenResizeEqualsResizeOfTheCut) {
  const Image image = noise(40, 50);
  const Box box{7, 9, 22, 31};
  Image cut(box.height, box.width);
  for (Index y = 0; y < box.height; ++y) std::copy_n(image.at(box.top + y, box.left), box.width * 3, cut.at(y, 0));
  for (const Resizer resizer : {Resizer::tf1_bilinear, Resizer::antialias_bilinear}) {
    std::vector<float> out(16 * 16 * 3);
    resize_crop(image, box, 16, 16, resizer, out.data());
    EXPECT_EQ(out, resize(cut, 16, 16, resizer));
  }
}

TEST(ResizeCrop, WrongBoxesAndSizes) {
  const Image image = noise(10, 12);
  std::vector<float> out(48);
  for (const Box& box : std::vector<Box>{{0, 0, 11, 12}, {0, 1, 10, 12}, {-1, 0, 5, 5}, {0, 0, 0, 5}, {4, 4, -1, 3}})
    EXPECT_THROW(resize_crop(image, box, 4, 4, Resizer::tf1_bilinear, out.data()), Error);
  EXPECT_THROW(resize_crop(image, whole(image), 0, 4, Resizer::tf1_bilinear, out.data()), Error);
  EXPECT_THROW(resize_crop(Image{}, {0, 0, 1, 1}, 4, 4, Resizer::tf1_bilinear, out.data()), Error);
  EXPECT_THROW(parse_resizer("bicubic"), UsageError);
  EXPECT_EQ(parse_resizer(to_string(Resizer::antialias_bilinear)), Resizer::antialias_bilinear);
}

TEST(CentralCrop, TensorFlowsRounding) {
  EXPECT_EQ(central_crop_box(375, 500, 0.875), (Box{23, 31, 329, 438}));
  EXPECT_EQ(central_crop_box(16, 15, 0.875), (Box{1, 0, 14, 15}));
  EXPECT_EQ(central_crop_box(224, 224, 0.875), (Box{14, 14, 196, 196}));
  EXPECT_EQ(central_crop_box(5, 9, 1.0), (Box{0, 0, 5, 9}));
  EXPECT_EQ(central_crop_box(10, 11, 0.5), (Box{2, 2, 6, 7}));
  EXPECT_EQ(central_crop_box(1, 1, 0.01), (Box{0, 0, 1, 1}));
  EXPECT_THROW(central_crop_box(5, 5, 0.0), UsageError);
  EXPECT_THROW(central_crop_box(5, 5, 1.5), UsageError);
  EXPECT_THROW(central_crop_box(5, 5, std::nan("")), UsageError);
}

TEST(Preprocess, InceptionAndMean) {
  const Image image = row_image({0, 100, 200, 40});
  Preprocessing p;
  p.image_size = 1;
  p.crop = 1;
  float out[3];
  preprocess(image, p, out);
  EXPECT_EQ(out[0], -1.0f);
  EXPECT_FLOAT_EQ(out[2], (2.0f / 255 - 0.5f) * 2);
  p.normalisation = Normalisation::rgb_mean;
  preprocess(image, p, out);
  EXPECT_EQ(out[0], -123.68f);
  EXPECT_EQ(out[1], 1 - 116.78f);
  EXPECT_EQ(out[2], 2 - 103.94f);
}

TEST(Preprocess, ImagenetMeanAndDeviation) {
  const Image image = row_image({0, 100, 200, 40});
  Preprocessing p;
  p.image_size = 1;
  p.crop = 1;
  p.normalisation = Normalisation::imagenet_mean_std;
  float out[3];
  preprocess(image, p, out);
  EXPECT_FLOAT_EQ(out[0], -0.485f / 0.229f);
  EXPECT_FLOAT_EQ(out[1], (1.0f / 255 - 0.456f) / 0.224f);
  EXPECT_FLOAT_EQ(out[2], (2.0f / 255 - 0.406f) / 0.225f);
  for (const Normalisation n : {Normalisation::inception, Normalisation::rgb_mean, Normalisation::imagenet_mean_std})
    EXPECT_EQ(parse_normalisation(to_string(n)), n);
  EXPECT_THROW(parse_normalisation("imagenet"), UsageError);
}

// (x - 0.5) * 2 and x * 2 - 1 round alike, so that a device's multiplication and addition give the CPU's bits.
TEST(Preprocess, InceptionKeepsItsBitsAsAProductAndASum) {
  for (int byte = 0; byte < 256; ++byte) {
    const float x = static_cast<float>(byte) * byte_scale(Normalisation::inception);
    float out[3] = {x, x, x};
    normalise(Normalisation::inception, 1, out);
    EXPECT_EQ(out[0], (x - 0.5f) * 2.0f) << byte;
  }
}

TEST(Preprocess, CropIsUsedAndSizeOfItselfIsTheIdentity) {
  const Image image = noise(32, 32);
  Preprocessing p;
  p.image_size = 28;
  std::vector<float> out(static_cast<std::size_t>(p.floats()));
  preprocess(image, p, out.data());  // 0.875 of 32 is 28: no resampling
  for (Index y = 0; y < 28; ++y)
    for (Index x = 0; x < 28; ++x)
      for (Index c = 0; c < 3; ++c)
        EXPECT_EQ(out[static_cast<std::size_t>((y * 28 + x) * 3 + c)],
                  (static_cast<float>(image.at(y + 2, x + 2)[c]) * (1.0f / 255.0f) - 0.5f) * 2.0f);
}

TEST(Preprocess, TextNamesEveryField) {
  Preprocessing p;
  EXPECT_EQ(p.text(), "image_size=224 crop=0.875 resizer=tf1_bilinear normalisation=inception");
  for (auto change : {+[](Preprocessing& q) { q.image_size = 32; }, +[](Preprocessing& q) { q.crop = 1; },
                      +[](Preprocessing& q) { q.resizer = Resizer::antialias_bilinear; },
                      +[](Preprocessing& q) { q.normalisation = Normalisation::rgb_mean; }}) {
    Preprocessing q;
    change(q);
    EXPECT_NE(q.text(), p.text());
  }
  p.image_size = 0;
  EXPECT_THROW(p.validate(), UsageError);
}

}  // namespace resize_test
