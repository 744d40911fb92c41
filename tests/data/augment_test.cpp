#include "tinyvision/data/augment.hpp"

#include <gtest/gtest.h>

#include <random>

#include "test_images.hpp"

namespace augment_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

// The textbook conversion, hue in [0, 1).
void rgb_to_hsv(const double* rgb, double* hsv) {
  const double v = std::max({rgb[0], rgb[1], rgb[2]}), range = v - std::min({rgb[0], rgb[1], rgb[2]});
  double h = 0;
  if (range > 0) {
    if (v == rgb[0]) {
      h = (rgb[1] - rgb[2]) / (6 * range);
    } else if (v == rgb[1]) {
      h = (rgb[2] - rgb[0]) / (6 * range) + 2.0 / 6;
    } else {
      h = (rgb[0] - rgb[1]) / (6 * range) + 4.0 / 6;
    }
  }
  hsv[0] = h < 0 ? h + 1 : h;
  hsv[1] = v > 0 ? range / v : 0;
  hsv[2] = v;
}

void hsv_to_rgb(const double* hsv, double* rgb) {
  const double c = hsv[1] * hsv[2], m = hsv[2] - c, h = hsv[0] * 6;
  const double x = c * (1 - std::fabs(std::fmod(h, 2.0) - 1));
  const double table[6][3] = {{c, x, 0}, {x, c, 0}, {0, c, x}, {0, x, c}, {x, 0, c}, {c, 0, x}};
  const int sector = std::min(static_cast<int>(h), 5);
  for (int k = 0; k < 3; ++k) rgb[k] = table[sector][k] + m;
}

std::vector<float> random_pixels(Index pixels, double low, double high) {
  std::vector<float> x(static_cast<std::size_t>(3 * pixels));
  const Random random(8, Stream::test);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random.uniform(i, low, high));
  return x;
}

TEST(Colour, SaturationByHand) {
  std::vector<float> x{0.8f, 0.4f, 0.2f, 0.5f, 0.5f, 0.5f, 0.0f, 0.0f, 0.0f, -0.1f, -0.2f, -0.1f};
  std::vector<float> y = x;
  adjust_saturation(x.data(), 4, 0.5f);
  const float half[] = {0.8f, 0.6f, 0.5f, 0.5f, 0.5f, 0.5f, 0, 0, 0, -0.1f, -0.1f, -0.1f};
  for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(x[i], half[i], 1e-7f) << i;
  adjust_saturation(y.data(), 1, 1.5f);  // s = 0.75 * 1.5 is clipped to 1
  EXPECT_NEAR(y[0], 0.8f, 1e-7f);
  EXPECT_NEAR(y[1], 0.8f - 0.4f / 0.75f, 1e-6f);
  EXPECT_NEAR(y[2], 0.0f, 1e-7f);
}

TEST(Colour, SaturationIsTheHsvRoundTrip) {
  for (const double low : {0.0, -0.12}) {  // brightness may have moved values below 0
    for (const float factor : {0.5f, 0.9f, 1.0f, 1.5f}) {
      const std::vector<float> source = random_pixels(500, low, 1.1);
      std::vector<float> x = source;
      adjust_saturation(x.data(), 500, factor);
      for (std::size_t i = 0; i < 500; ++i) {
        double rgb[3], hsv[3];
        for (std::size_t c = 0; c < 3; ++c) rgb[c] = static_cast<double>(source[3 * i + c]);
        rgb_to_hsv(rgb, hsv);
        hsv[1] = std::clamp(hsv[1] * static_cast<double>(factor), 0.0, 1.0);
        hsv_to_rgb(hsv, rgb);
        for (std::size_t c = 0; c < 3; ++c) ASSERT_NEAR(x[3 * i + c], rgb[c], 2e-6) << i << " " << factor;
      }
    }
  }
}

TEST(Colour, HueByHandAndByHsv) {
  std::vector<float> x{1, 0, 0, 1, 0, 0, 0.2f, 0.2f, 0.2f};
  adjust_hue(x.data(), 1, 1.0f / 3);      // red to green
  adjust_hue(x.data() + 3, 1, 1.0f / 6);  // red to yellow
  adjust_hue(x.data() + 6, 1, 0.2f);      // grey has no hue
  const float expected[] = {0, 1, 0, 1, 1, 0, 0.2f, 0.2f, 0.2f};
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(x[i], expected[i], 1e-6f) << i;
  for (const float delta : {-0.2f, -0.07f, 0.0f, 0.11f, 0.2f}) {
    const std::vector<float> source = random_pixels(500, 0, 1);
    std::vector<float> y = source;
    adjust_hue(y.data(), 500, delta);
    for (std::size_t i = 0; i < 500; ++i) {
      double rgb[3], hsv[3];
      for (std::size_t c = 0; c < 3; ++c) rgb[c] = static_cast<double>(source[3 * i + c]);
      rgb_to_hsv(rgb, hsv);
      hsv[0] = std::fmod(hsv[0] + static_cast<double>(delta) + 1, 1.0);
      hsv_to_rgb(hsv, rgb);
      for (std::size_t c = 0; c < 3; ++c) ASSERT_NEAR(y[3 * i + c], rgb[c], 4e-6) << i << " " << delta;
    }
  }
}

TEST(Colour, ContrastBrightnessFlipClipShift) {
  std::vector<float> x{0.0f, 0.5f, 1.0f, 1.0f, 0.5f, 0.0f};
  adjust_contrast(x.data(), 2, 0.5f);  // every channel's mean is 0.5
  EXPECT_EQ(x, (std::vector<float>{0.25f, 0.5f, 0.75f, 0.75f, 0.5f, 0.25f}));
  adjust_brightness(x.data(), 2, 0.5f);
  EXPECT_EQ(x, (std::vector<float>{0.75f, 1.0f, 1.25f, 1.25f, 1.0f, 0.75f}));
  clip(x.data(), 6, 0, 1);
  EXPECT_EQ(x, (std::vector<float>{0.75f, 1.0f, 1.0f, 1.0f, 1.0f, 0.75f}));
  std::vector<float> y{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  flip_left_right(y.data(), 2, 3);
  EXPECT_EQ(y, (std::vector<float>{7, 8, 9, 4, 5, 6, 1, 2, 3, 17, 18, 19, 14, 15, 16, 11, 12, 13}));
  shift_image(y.data(), 2, 3, 1, -1);
  EXPECT_EQ(y, (std::vector<float>{0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6, 1, 2, 3, 0, 0, 0}));
  shift_image(y.data(), 2, 3, 5, 0);
  EXPECT_EQ(y, std::vector<float>(18, 0.0f));
}

TEST(DistortColour, OrderingsAreTheDocumentedSequences) {
  const AugmentDraws draws(5, 1, 9);
  const float b = draws.uniform(AugmentDraws::brightness, -32.0f / 255, 32.0f / 255);
  const float s = draws.uniform(AugmentDraws::saturation, 0.5f, 1.5f);
  const float h = draws.uniform(AugmentDraws::hue, -0.2f, 0.2f);
  const float c = draws.uniform(AugmentDraws::contrast, 0.5f, 1.5f);
  EXPECT_LE(std::fabs(b), 32.0f / 255);
  const auto apply = [&](const std::string& order) {
    std::vector<float> x = random_pixels(30, 0, 1);
    for (const char step : order) {
      if (step == 'b') adjust_brightness(x.data(), 30, b);
      if (step == 's') adjust_saturation(x.data(), 30, s);
      if (step == 'h') adjust_hue(x.data(), 30, h);
      if (step == 'c') adjust_contrast(x.data(), 30, c);
    }
    clip(x.data(), 90, 0, 1);
    return x;
  };
  AugmentOptions options;
  const auto distort = [&](Index ordering) {
    std::vector<float> x = random_pixels(30, 0, 1);
    distort_colour(x.data(), 30, plan_colour(options, draws, ordering));
    return x;
  };
  EXPECT_EQ(distort(0), apply("bs"));
  EXPECT_EQ(distort(1), apply("sb"));
  options.fast_mode = false;
  EXPECT_EQ(distort(0), apply("bshc"));
  EXPECT_EQ(distort(1), apply("sbch"));
  EXPECT_EQ(distort(2), apply("chbs"));
  EXPECT_EQ(distort(3), apply("hscb"));
  EXPECT_THROW(distort(4), Error);
}

TEST(SampleCrop, StaysWithinItsConstraints) {
  const AugmentOptions options;
  for (const auto& [h, w] :
       std::vector<std::pair<Index, Index>>{{300, 400}, {400, 300}, {224, 224}, {7, 9}, {1, 1}, {33, 500}})
    for (Index i = 0; i < 2000; ++i) {
      const Box box = sample_crop(h, w, options, AugmentDraws(1, 0, i));
      ASSERT_TRUE(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0);
      ASSERT_TRUE(box.top + box.height <= h && box.left + box.width <= w);
      if (box == Box{0, 0, h, w}) continue;
      ASSERT_GE(static_cast<double>(box.height * box.width), 0.1 * static_cast<double>(h * w) * (1 - 1e-6));
      // width is round(height * aspect)
      ASSERT_GE(static_cast<double>(box.width) + 0.51, 0.75 * static_cast<double>(box.height));
      ASSERT_LE(static_cast<double>(box.width) - 0.51, 4.0 / 3 * static_cast<double>(box.height));
    }
}

TEST(SampleCrop, WholeImageWhenNoCropFits) {
  AugmentOptions options;
  options.min_object_covered = 0.9f;
  for (Index i = 0; i < 50; ++i)
    EXPECT_EQ(sample_crop(10, 1000, options, AugmentDraws(1, 0, i)), (Box{0, 0, 10, 1000}));
}

// A second sampler from the definition, in f64 with another generator: the two must agree in distribution.
Box naive_crop(std::mt19937_64& generator, Index h, Index w) {
  std::uniform_real_distribution<double> aspects(0.75, 4.0 / 3);
  const double area = static_cast<double>(h * w);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const double aspect = aspects(generator);
    const auto low = static_cast<Index>(std::nearbyint(std::sqrt(0.05 * area / aspect)));
    auto high = static_cast<Index>(std::nearbyint(std::sqrt(area / aspect)));
    while (high > h || static_cast<Index>(std::nearbyint(static_cast<double>(high) * aspect)) > w) --high;
    const Index height = low >= high ? high : std::uniform_int_distribution<Index>(low, high)(generator);
    const auto width = static_cast<Index>(std::nearbyint(static_cast<double>(height) * aspect));
    const double covered = static_cast<double>(height * width) / area;
    if (covered < 0.1 || covered > 1) continue;
    Box box{0, 0, height, width};
    if (height < h) box.top = std::uniform_int_distribution<Index>(0, h - height - 1)(generator);
    if (width < w) box.left = std::uniform_int_distribution<Index>(0, w - width - 1)(generator);
    return box;
  }
  return {0, 0, h, w};
}

TEST(SampleCrop, DistributionEqualsAnIndependentSampler) {
  constexpr Index n = 20000, h = 300, w = 400;
  std::mt19937_64 generator(123);
  const AugmentOptions options;
  std::vector<std::vector<double>> ours(5), naive(5);
  const auto add = [](std::vector<std::vector<double>>& to, const Box& b) {
    const double values[5] = {static_cast<double>(b.height), static_cast<double>(b.width),
                              static_cast<double>(b.width) / static_cast<double>(b.height), static_cast<double>(b.top),
                              static_cast<double>(b.left)};
    for (std::size_t k = 0; k < 5; ++k) to[k].push_back(values[k]);
  };
  for (Index i = 0; i < n; ++i) {
    add(ours, sample_crop(h, w, options, AugmentDraws(77, 3, i)));
    add(naive, naive_crop(generator, h, w));
  }
  for (std::size_t k = 0; k < 5; ++k) {
    std::sort(ours[k].begin(), ours[k].end());
    std::sort(naive[k].begin(), naive[k].end());
    // Two-sample Kolmogorov-Smirnov: 1.95 sqrt(2/n) is exceeded once in a thousand; the seeds are fixed.
    double distance = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const auto below = std::upper_bound(naive[k].begin(), naive[k].end(), ours[k][i]) - naive[k].begin();
      const auto here = std::upper_bound(ours[k].begin(), ours[k].end(), ours[k][i]) - ours[k].begin();
      distance = std::max(distance, std::fabs(static_cast<double>(below - here)) / static_cast<double>(n));
    }
    EXPECT_LT(distance, 1.95 * std::sqrt(2.0 / static_cast<double>(n))) << "quantity " << k;
  }
}

std::vector<float> augmented(const Image& image, const AugmentOptions& options, std::uint64_t seed, Index epoch,
                             Index index, const Preprocessing& p) {
  std::vector<float> out(static_cast<std::size_t>(p.floats()));
  augment(image, p, options, seed, epoch, index, out.data());
  return out;
}

TEST(Augment, IsAFunctionOfSeedEpochAndIndex) {
  const Image image = noise(40, 50);
  Preprocessing p;
  p.image_size = 24;
  for (const bool fast : {true, false}) {
    AugmentOptions options;
    options.fast_mode = fast;
    const std::vector<float> first = augmented(image, options, 1, 2, 3, p);
    EXPECT_EQ(first, augmented(image, options, 1, 2, 3, p));
    EXPECT_NE(first, augmented(image, options, 2, 2, 3, p));
    EXPECT_NE(first, augmented(image, options, 1, 3, 3, p));
    EXPECT_NE(first, augmented(image, options, 1, 2, 4, p));
    for (const float v : first) ASSERT_TRUE(v >= -1 && v <= 1);
  }
}

TEST(Augment, FlipsHalfOfTheImagesAndNothingElse) {
  const Image image = noise(32, 32);
  Preprocessing p;
  p.image_size = 32;
  p.crop = 1;
  AugmentOptions options;
  options.mode = Augmentation::none;
  const std::vector<float> plain = augmented(image, options, 1, 0, 0, p);
  std::vector<float> mirrored = plain;
  flip_left_right(mirrored.data(), 32, 32);
  std::vector<float> evaluated(static_cast<std::size_t>(p.floats()));
  preprocess(image, p, evaluated.data());
  EXPECT_EQ(plain, evaluated);
  options.mode = Augmentation::flip;
  int flips = 0;
  for (Index i = 0; i < 400; ++i) {
    const std::vector<float> x = augmented(image, options, 1, 0, i, p);
    ASSERT_TRUE(x == plain || x == mirrored);
    flips += x == mirrored;
  }
  EXPECT_NEAR(flips, 200, 40);  // four standard deviations
}

TEST(Augment, ShiftsReachEveryOffsetAndBringBlackIn) {
  Image image(8, 8);
  image.at(4, 3)[0] = 255;  // one red pixel marks the place
  Preprocessing p;
  p.image_size = 8;
  p.crop = 1;
  AugmentOptions options;
  options.mode = Augmentation::shift_flip;
  options.shift = 1;
  std::vector<int> places(64);
  for (Index i = 0; i < 1800; ++i) {
    const std::vector<float> x = augmented(image, options, 4, 0, i, p);
    for (std::size_t k = 0; k < 64; ++k) places[k] += x[3 * k] == 1.0f;
    ASSERT_EQ(std::count(x.begin(), x.end(), 1.0f), 1);
    ASSERT_EQ(std::count(x.begin(), x.end(), -1.0f), 191);
  }
  // Rows 3..5; columns 2..4, mirrored 3..5: columns 2 and 5 are reached by one way, 3 and 4 by two.
  for (std::size_t y = 0; y < 8; ++y)
    for (std::size_t x = 0; x < 8; ++x) {
      const bool row = y >= 3 && y <= 5;
      const double expected = !row || x < 2 || x > 5 ? 0 : (x == 2 || x == 5 ? 100 : 200);
      EXPECT_NEAR(places[y * 8 + x], expected, 4 * std::sqrt(expected)) << y << " " << x;
    }
}

TEST(Augment, BrightnessAndSaturationAreUniform) {
  double sum = 0, square = 0;
  constexpr Index n = 20000;
  float low = 1, high = -1;
  for (Index i = 0; i < n; ++i) {
    const float v = AugmentDraws(1, 0, i).uniform(AugmentDraws::brightness, -32.0f / 255, 32.0f / 255);
    sum += static_cast<double>(v);
    square += static_cast<double>(v) * static_cast<double>(v);
    low = std::min(low, v);
    high = std::max(high, v);
  }
  const double range = 64.0 / 255, sigma = range / std::sqrt(12.0);
  EXPECT_NEAR(sum / static_cast<double>(n), 0, 4 * sigma / std::sqrt(static_cast<double>(n)));
  EXPECT_NEAR(square / static_cast<double>(n), sigma * sigma, 0.03 * sigma * sigma);
  EXPECT_LT(low, -0.125f);
  EXPECT_GT(high, 0.125f);
}

TEST(Augment, MeanNormalisationSeesTheSameDistortion) {
  const Image image = noise(30, 30);
  Preprocessing p;
  p.image_size = 16;
  const std::vector<float> unit = augmented(image, {}, 1, 0, 0, p);
  p.normalisation = Normalisation::rgb_mean;
  const std::vector<float> mean = augmented(image, {}, 1, 0, 0, p);
  for (std::size_t i = 0; i < unit.size(); ++i)
    EXPECT_NEAR(mean[i] + rgb_mean[i % 3], (unit[i] / 2 + 0.5f) * 255, 1e-3f);
}

TEST(AugmentOptions, TextAndValidation) {
  AugmentOptions options;
  EXPECT_NE(options.text().find("fast_mode=1"), std::string::npos);
  EXPECT_EQ(options.text().find("hue"), std::string::npos);
  options.fast_mode = false;
  EXPECT_NE(options.text().find("hue=0.2"), std::string::npos);
  EXPECT_EQ(parse_augmentation("shift_flip"), Augmentation::shift_flip);
  EXPECT_THROW(parse_augmentation("mixup"), UsageError);
  for (auto wrong : {+[](AugmentOptions& o) { o.min_area = 0; }, +[](AugmentOptions& o) { o.max_area = 1.5f; },
                     +[](AugmentOptions& o) { o.min_aspect = 2; }, +[](AugmentOptions& o) { o.max_attempts = 101; },
                     +[](AugmentOptions& o) { o.shift = -1; }}) {
    AugmentOptions o;
    wrong(o);
    EXPECT_THROW(o.validate(), UsageError);
  }
}

}  // namespace augment_test
