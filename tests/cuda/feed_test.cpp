// Batches that are finished on the device: the bits of the CPU, whatever the augmentation, and copies that are waited for.
#include <gtest/gtest.h>

#include "tinyvision/cuda/upload.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/evaluation.hpp"
#include "tinyvision/train/training_run.hpp"

namespace feed_test {

using namespace tinyvision;
using data::Augmentation;

/// Photos of noise of different sizes; `unreadable` ones fail.
class Noise : public data::Dataset {
 public:
  explicit Noise(Index count, std::vector<Index> unreadable = {})
      : Dataset("noise", {"a", "b", "c"}, data::Metric::top1), unreadable_(std::move(unreadable)) {
    for (Index i = 0; i < count; ++i) {
      data::Image image(9 + i % 7, 20 - i % 5);
      const Random random(8, Stream::test, static_cast<std::uint64_t>(i));
      for (std::size_t k = 0; k < image.pixels.size(); ++k)
        image.pixels[k] = static_cast<std::uint8_t>(random.integer(k, 256));
      images_.push_back(image);
    }
  }
  Index size() const override { return static_cast<Index>(images_.size()); }
  std::int64_t label(Index i) const override { return i % 3; }
  std::string path(Index i) const override { return std::to_string(i); }
  data::Image image(Index i) const override {
    if (std::find(unreadable_.begin(), unreadable_.end(), i) != unreadable_.end())
      fail_usage("noise", i, " cannot be read");
    return images_[static_cast<std::size_t>(i)];
  }

 private:
  std::vector<data::Image> images_;
  std::vector<Index> unreadable_;
};

data::LoaderOptions loading(Augmentation mode, bool fast, data::Normalisation normalisation) {
  data::LoaderOptions options;
  options.batch_size = 4;
  options.seed = 6;
  options.threads = 2;
  options.preprocessing.image_size = 17;  // more than one block of threads
  options.preprocessing.normalisation = normalisation;
  options.augmentation.mode = mode;
  options.augmentation.fast_mode = fast;
  options.augmentation.draw_resizer = false;
  return options;
}

std::vector<Index> all_of(const data::Dataset& set) {
  std::vector<Index> all(static_cast<std::size_t>(set.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  return all;
}

/// Everything that differs between two batches.
void expect_same(const data::Batch& a, const data::Batch& b) {
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_TRUE(a.position == b.position);
  EXPECT_EQ(a.labels.to_vector<std::int64_t>(), b.labels.to_vector<std::int64_t>());
  const std::vector<float> x = a.images.to_vector<float>(), y = b.images.to_vector<float>();
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(x[i]), std::bit_cast<std::uint32_t>(y[i]))
        << "value " << i << " is " << x[i] << ", on the CPU " << y[i];
}

TEST(DeviceFeed, HasTheBitsOfTheCpu) {
  const auto set = std::make_shared<Noise>(14);
  for (const data::Normalisation normalisation :
       {data::Normalisation::inception, data::Normalisation::rgb_mean, data::Normalisation::imagenet_mean_std})
    for (const Augmentation mode :
         {Augmentation::none, Augmentation::flip, Augmentation::shift_flip, Augmentation::inception})
      for (const bool fast : {true, false}) {
        if (!fast && mode != Augmentation::inception) continue;
        const data::LoaderOptions options = loading(mode, fast, normalisation);
        SCOPED_TRACE(options.augmentation.text() + " " + to_string(normalisation));
        data::Loader here(set, all_of(*set), options);
        data::Loader there(set, all_of(*set), loading_for(Device::cuda(), options));
        BatchFeed feed(there, Device::cuda());
        for (int batch = 0; batch < 7; ++batch) {  // more than two epochs
          const data::Batch made = feed.next();
          ASSERT_TRUE(made.images.device() == Device::cuda());
          ASSERT_NO_FATAL_FAILURE(expect_same(made, here.next()));
          EXPECT_TRUE(feed.position() == here.position());
        }
      }
}

TEST(DeviceFeed, OtherResizersStayOnTheCpu) {
  data::LoaderOptions options = loading(Augmentation::none, true, data::Normalisation::inception);
  options.preprocessing.resizer = data::Resizer::antialias_bilinear;
  const auto set = std::make_shared<Noise>(4);
  data::Loader loader(set, all_of(*set), loading_for(Device::cuda(), options));
  EXPECT_TRUE(BatchFeed(loader, Device::cuda()).next().images.device() == Device::cpu());
}

TEST(DeviceFeed, LeavesTheLoaderWhereItIs) {
  const auto set = std::make_shared<Noise>(14);
  const data::LoaderOptions options = loading(Augmentation::inception, true, data::Normalisation::inception);
  data::Loader here(set, all_of(*set), options);
  data::Loader there(set, all_of(*set), loading_for(Device::cuda(), options));
  for (int turn = 0; turn < 4; ++turn) {  // each feed may have a batch on its way when it ends
    BatchFeed feed(there, Device::cuda());
    for (int batch = 0; batch < 2; ++batch) ASSERT_NO_FATAL_FAILURE(expect_same(feed.next(), here.next()));
  }
  BatchFeed feed(there, Device::cuda());
  feed.next();
  feed.seek({5, 1});
  here.seek({5, 1});
  ASSERT_NO_FATAL_FAILURE(expect_same(feed.next(), here.next()));
}

TEST(DeviceFeed, SkipsWhatTheLoaderSkips) {
  // The second batch has nothing that can be read, the third one bad image.
  const auto set = std::make_shared<Noise>(13, std::vector<Index>{4, 5, 6, 7, 9});
  data::LoaderOptions options = data::LoaderOptions::evaluation(data::Preprocessing(), 4);
  options.preprocessing.image_size = 8;
  options.skip_bad = true;
  data::Loader here(set, all_of(*set), options);
  data::Loader there(set, all_of(*set), loading_for(Device::cuda(), options));
  BatchFeed feed(there, Device::cuda());
  Index seen = 0;
  while (const std::optional<data::Batch> batch = feed.next_of_epoch(0)) {
    const std::optional<data::Batch> want = here.next_of_epoch(0);
    ASSERT_TRUE(want);
    ASSERT_NO_FATAL_FAILURE(expect_same(*batch, *want));
    seen += batch->size();
  }
  EXPECT_FALSE(here.next_of_epoch(0));
  EXPECT_EQ(seen, 8);
  EXPECT_EQ(there.bad_examples().size(), 5u);
}

TEST(DeviceFeed, AnUnreadableImageIsReportedAtItsBatch) {
  const auto set = std::make_shared<Noise>(12, std::vector<Index>{5});
  data::LoaderOptions options = data::LoaderOptions::evaluation(data::Preprocessing(), 4);
  options.preprocessing.image_size = 8;
  data::Loader loader(set, all_of(*set), loading_for(Device::cuda(), options));
  BatchFeed feed(loader, Device::cuda());
  EXPECT_EQ(feed.next().indices, (std::vector<Index>{0, 1, 2, 3}));
  EXPECT_TRUE((feed.position() == data::LoaderPosition{0, 1}));
  EXPECT_THROW(feed.next(), UsageError);
}

TEST(Upload, BytesArriveAlthoughTheDeviceIsSlow) {
  cuda::Upload upload;
  const auto pinned = [](std::size_t bytes, std::uint8_t value) {
    const std::shared_ptr<std::uint8_t> memory = cuda::allocate_pinned(bytes);
    std::fill_n(memory.get(), bytes, value);
    return cuda::Upload::Piece{memory, bytes};
  };
  for (const std::size_t size : {5u, 3u, 4000u, 1u}) {  // grows once
    upload.begin({pinned(size, 7), pinned(1, 9)});
    const std::uint8_t* there = upload.arrive();
    std::vector<std::uint8_t> back(size + 1);
    cuda::kernels::copy_rows(back.data(), back.size(), there, back.size(), back.size(), 1,
                             cuda::kernels::CopyKind::from_device, cuda::stream());
    upload.release();
    std::vector<std::uint8_t> want(size, 7);
    want.push_back(9);
    EXPECT_EQ(back, want);
  }
  upload.begin({pinned(100, 1)});  // never waited for: the end of the upload does
}

TEST(DeviceFeed, TrainsAndEvaluatesToTheBitsOfBatchesFromTheCpu) {
  const auto set = std::make_shared<Noise>(12);
  const auto run = [&](bool on_device) {
    NetworkOptions network_options;
    network_options.classes = 3;
    network_options.dropout_keep = 0.9;
    network_options.width = 0.0625;  // as small as it gets: the emulated device is slow
    const auto network = make_network("mobilenet_v1", network_options);
    initialise(network->parameters(), 3);
    network->to(Device::cuda());
    TrainerOptions training;
    training.schedule.base = 1e-5;

    Trainer trainer(network, training);
    data::LoaderOptions options = loading(Augmentation::inception, false, data::Normalisation::inception);
    options.preprocessing.image_size = 32;
    data::Loader loader(set, all_of(*set), on_device ? loading_for(Device::cuda(), options) : options);
    TrainingRunOptions steps;
    steps.steps = 4;  // the third is the first that is replayed
    run_training(trainer, loader, steps);
    data::LoaderOptions evaluation = data::LoaderOptions::evaluation(options.preprocessing, 5);
    data::Loader photos(set, all_of(*set), on_device ? loading_for(Device::cuda(), evaluation) : evaluation);
    std::vector<std::vector<double>> all{evaluate(*network, photos).logits.to_vector<double>()};
    for (const auto& [name, tensor] : trainer.state_tensors()) all.push_back(tensor.to_vector<double>());
    return all;
  };
  EXPECT_EQ(run(true), run(false));
}

}  // namespace feed_test
