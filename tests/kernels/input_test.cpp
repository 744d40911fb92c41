// kernels/input.cu on the emulated device against tinyvision/data/{resize,preprocess,augment}.hpp: the same bits.
#include <algorithm>

#include "kernels/device_map.hpp"
#include "tinyvision/data/augment.hpp"

namespace input_test {

using namespace tinyvision;
using namespace device_test;
using data::Box;
using data::Image;
using data::Normalisation;

struct Case {
  Index height, width;
  Box box;
  bool flip;
};

device::InputNormalisation normalisation_of(Normalisation kind) {
  const data::ChannelAffine a = data::channel_affine(kind);
  return {data::byte_scale(kind), {a.scale[0], a.scale[1], a.scale[2]}, {a.shift[0], a.shift[1], a.shift[2]}};
}

Image draw_image(Index height, Index width, std::uint64_t seed) {
  Image image(height, width);
  const Random random(41, Stream::test, seed);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(random.integer(i, 256));
  return image;
}

/// Images behind each other in a buffer that ends with the last of them, and their table.
struct Batch {
  std::vector<Image> images;
  std::vector<std::uint8_t> bytes;
  std::vector<device::InputImage> table;
  void add(const Image& image, const Box& box, bool flip, Index gap) {
    bytes.insert(bytes.end(), static_cast<std::size_t>(gap), std::uint8_t{200});
    table.push_back({static_cast<Index>(bytes.size()),
                     image.height,
                     image.width,
                     box.top,
                     box.left,
                     box.height,
                     box.width,
                     0,
                     0,
                     flip,
                     0,
                     {}});
    bytes.insert(bytes.end(), image.pixels.begin(), image.pixels.end());
    images.push_back(image);
  }
  Index count() const { return static_cast<Index>(table.size()); }
};

/// What the CPU makes of it.
std::vector<float> expected(const Batch& batch, Normalisation kind, Index out_h, Index out_w) {
  const auto floats = static_cast<std::size_t>(out_h * out_w * 3);
  std::vector<float> all(batch.images.size() * floats);
  for (std::size_t i = 0; i < batch.images.size(); ++i) {
    const device::InputImage& entry = batch.table[i];
    float* out = all.data() + i * floats;
    data::resize_crop(batch.images[i], {entry.top, entry.left, entry.crop_height, entry.crop_width}, out_h, out_w,
                      data::Resizer::tf1_bilinear, out, data::byte_scale(kind));
    if (entry.flip) data::flip_left_right(out, out_h, out_w);
    data::normalise(kind, out_h * out_w, out);
  }
  return all;
}

template <class T>
std::vector<T> run(const Batch& batch, Normalisation kind, Index out_h, Index out_w) {
  const auto values = static_cast<std::size_t>(batch.count() * out_h * out_w * 3);
  std::vector<T> y(values + 3, narrow<T>(77));
  device::input_images<T>(batch.count(), batch.bytes.data(), batch.table.data(), normalisation_of(kind), out_h, out_w,
                          nullptr, y.data(), nullptr);
  for (std::size_t i = values; i < y.size(); ++i) EXPECT_EQ(widen(y[i]), 77.0f) << "written behind the batch";
  y.resize(values);
  return y;
}

void check(const Batch& batch, Normalisation kind, Index out_h, Index out_w) {
  SCOPED_TRACE(::testing::Message() << batch.count() << " images to " << out_h << "x" << out_w << " "
                                    << data::to_string(kind));
  const std::vector<float> want = expected(batch, kind, out_h, out_w);
  in_both_orders([&] {
    const std::vector<float> y = run<float>(batch, kind, out_h, out_w);
    EXPECT_EQ(y.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i)
      if (std::bit_cast<std::uint32_t>(y[i]) != std::bit_cast<std::uint32_t>(want[i])) {
        ADD_FAILURE() << "value " << i << " is " << y[i] << ", on the CPU " << want[i];
        break;
      }
    return y;
  });
  in_both_orders([&] {
    const std::vector<device::bf16> y = run<device::bf16>(batch, kind, out_h, out_w);
    for (std::size_t i = 0; i < want.size(); ++i)
      if (y[i].bits != narrow<device::bf16>(static_cast<double>(want[i])).bits) {
        ADD_FAILURE() << "value " << i << " is " << widen(y[i]) << " in bf16, on the CPU " << want[i];
        break;
      }
    return y;
  });
}

Batch different_images() {
  const std::vector<Case> cases{{1, 1, {0, 0, 1, 1}, false},    {1, 1, {0, 0, 1, 1}, true},
                                {2, 5, {1, 1, 1, 3}, true},     {17, 9, {0, 0, 17, 9}, false},
                                {40, 61, {3, 7, 30, 50}, true}, {40, 61, {39, 60, 1, 1}, false},
                                {64, 3, {10, 2, 54, 1}, true},  {23, 31, {4, 11, 19, 20}, false}};
  Batch batch;
  for (std::size_t i = 0; i < cases.size(); ++i)
    batch.add(draw_image(cases[i].height, cases[i].width, i), cases[i].box, cases[i].flip, static_cast<Index>(i % 3));
  return batch;
}

TEST(InputKernel, SameBitsAsTheCpu) {
  const Batch batch = different_images();
  for (const Normalisation kind :
       {Normalisation::inception, Normalisation::rgb_mean, Normalisation::imagenet_mean_std}) {
    check(batch, kind, 1, 1);
    check(batch, kind, 7, 13);
    check(batch, kind, 16, 16);  // one whole block of threads
    check(batch, kind, 33, 17);
  }
}

TEST(InputKernel, OutputOfTheSizeOfTheCropIsTheCrop) {
  Batch batch;
  batch.add(draw_image(20, 30, 9), {2, 3, 12, 18}, false, 0);
  check(batch, Normalisation::inception, 12, 18);
  const std::vector<float> y = run<float>(batch, Normalisation::inception, 12, 18);
  for (Index row = 0; row < 12; ++row)
    for (Index k = 0; k < 18 * 3; ++k)
      ASSERT_EQ(y[static_cast<std::size_t>(row * 18 * 3 + k)],
                (static_cast<float>(batch.images[0].at(row + 2, 3)[k]) * (1.0f / 255.0f) - 0.5f) * 2.0f);
}

TEST(InputKernel, EveryByteIsNormalisedAlike) {
  Image image(16, 16);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i / 3);
  Batch batch;
  batch.add(image, data::whole(image), false, 0);
  for (const Normalisation kind : {Normalisation::inception, Normalisation::rgb_mean, Normalisation::imagenet_mean_std})
    check(batch, kind, 16, 16);
}

TEST(InputKernel, EqualsEvaluationPreprocessing) {
  data::Preprocessing p;
  p.image_size = 56;
  Batch batch;
  for (const auto& [height, width] : {std::pair<Index, Index>{75, 100}, {120, 51}, {56, 56}}) {
    const Image image = draw_image(height, width, 20);
    batch.add(image, data::central_crop_box(height, width, p.crop), false, 1);
  }
  const std::vector<float> y = run<float>(batch, p.normalisation, p.image_size, p.image_size);
  for (std::size_t i = 0; i < batch.images.size(); ++i) {
    const auto floats = static_cast<std::size_t>(p.floats());
    std::vector<float> want(floats);
    data::preprocess(batch.images[i], p, want.data());
    EXPECT_EQ(std::memcmp(want.data(), y.data() + i * floats, floats * sizeof(float)), 0) << "image " << i;
  }
}

TEST(InputKernel, EqualsTheFlipAugmentation) {
  data::Preprocessing p;
  p.image_size = 24;
  p.crop = 1;
  data::AugmentOptions options;
  options.mode = data::Augmentation::flip;
  Batch batch;
  const auto floats = static_cast<std::size_t>(p.floats());
  std::vector<float> want(6 * floats);
  int flipped = 0;
  for (Index i = 0; i < 6; ++i) {
    const Image image = draw_image(30, 41, 30 + static_cast<std::uint64_t>(i));
    const bool flip = data::AugmentDraws(5, 1, i).bits(data::AugmentDraws::flip) >> 63 != 0;
    flipped += flip ? 1 : 0;
    batch.add(image, data::whole(image), flip, 0);
    data::augment(image, p, options, 5, 1, i, want.data() + static_cast<std::size_t>(i) * floats);
  }
  EXPECT_TRUE(flipped > 0 && flipped < 6) << "the draws leave nothing to test";
  const std::vector<float> y = run<float>(batch, p.normalisation, p.image_size, p.image_size);
  EXPECT_EQ(std::memcmp(want.data(), y.data(), want.size() * sizeof(float)), 0);
}

TEST(InputKernel, EqualsEveryAugmentation) {
  data::Preprocessing p;
  p.image_size = 21;  // 441 pixels: two blocks, the second not full
  p.crop = 0.875;
  const auto floats = static_cast<std::size_t>(p.floats());
  for (const data::Augmentation mode : {data::Augmentation::shift_flip, data::Augmentation::inception})
    for (const bool fast : {true, false}) {
      data::AugmentOptions options;
      options.mode = mode;
      options.fast_mode = fast;
      options.draw_resizer = false;
      Batch batch;
      std::vector<float> want(8 * floats);
      bool orders[4] = {};
      for (Index i = 0; i < 8; ++i) {
        const Image image = draw_image(30 + i, 41 - i, 60 + static_cast<std::uint64_t>(i));
        const data::AugmentPlan plan = data::plan_augmentation(image.height, image.width, p.crop, options, 7, 2, i);
        data::augment(image, p, plan, want.data() + static_cast<std::size_t>(i) * floats);
        batch.add(image, plan.box, plan.flip, 1);
        device::InputImage& entry = batch.table.back();
        entry.shift_y = plan.shift_y, entry.shift_x = plan.shift_x, entry.colour_steps = plan.colour.count;
        for (int step = 0; step < plan.colour.count; ++step) {
          const data::ColourStep& from = plan.colour.steps[static_cast<std::size_t>(step)];
          if (from.change == data::ColourChange::contrast) orders[step] = true;
          entry.colour[step] = {static_cast<decltype(device::ColourAdjustment::kind)>(from.change), from.amount};
        }
      }
      if (mode == data::Augmentation::inception && !fast) {
        EXPECT_TRUE(orders[0] && (orders[1] || orders[2] || orders[3])) << "contrast is always in one place";
      }
      in_both_orders([&] {
        std::vector<float> means(24, -1), y(want.size());
        device::input_images<float>(batch.count(), batch.bytes.data(), batch.table.data(),
                                    normalisation_of(p.normalisation), p.image_size, p.image_size, means.data(),
                                    y.data(), nullptr);
        EXPECT_EQ(std::memcmp(want.data(), y.data(), want.size() * sizeof(float)), 0)
            << options.text() << ": not the bits of the CPU";
        return y;
      });
    }
}

TEST(InputKernel, NoImagesIsNoLaunch) {
  const auto launches = emulation::device().launches;
  EXPECT_TRUE(run<float>(Batch(), Normalisation::inception, 8, 8).empty());
  EXPECT_EQ(emulation::device().launches, launches);
}

}  // namespace input_test
