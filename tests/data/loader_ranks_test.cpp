// Loaders that share an epoch, begin anywhere in it, and give bytes.
#include <gtest/gtest.h>

#include <set>

#include "data/test_images.hpp"
#include "tinyvision/data/loader.hpp"

namespace loader_ranks_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

std::shared_ptr<const Dataset> some_images(Index n) {
  std::vector<Image> images;
  std::vector<std::int64_t> labels;
  for (Index i = 0; i < n; ++i) images.push_back(noise(20, 24, static_cast<std::uint64_t>(i))), labels.push_back(i % 3);
  return std::make_shared<MemoryDataset>("noise", "n", std::move(images), std::move(labels),
                                         std::vector<std::string>{"a", "b", "c"});
}
std::vector<Index> all_of(Index n) {
  std::vector<Index> all(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
  return all;
}
LoaderOptions training(Index batch, int threads = 2) {
  LoaderOptions options;
  options.batch_size = batch;
  options.threads = threads;
  options.seed = 5;
  options.preprocessing.image_size = 12;
  return options;
}

TEST(LoaderRanks, ShareTheBatchesOfOneLoader) {
  const auto images = some_images(50);
  Loader one(images, all_of(50), training(12));
  LoaderOptions options = training(4);
  options.ranks = 3;
  std::vector<std::unique_ptr<Loader>> ranks;
  for (Index r = 0; r < 3; ++r) {
    options.rank = r;
    ranks.push_back(std::make_unique<Loader>(images, all_of(50), options));
    EXPECT_EQ(ranks.back()->batches_per_epoch(), one.batches_per_epoch());
  }
  for (int step = 0; step < 9; ++step) {  // over two ends of an epoch
    const Batch whole = one.next();
    std::vector<Index> indices;
    std::vector<float> pixels;
    for (const auto& rank : ranks) {
      const Batch part = rank->next();
      indices.insert(indices.end(), part.indices.begin(), part.indices.end());
      const auto values = part.images.to_vector<float>();
      pixels.insert(pixels.end(), values.begin(), values.end());
    }
    EXPECT_EQ(indices, whole.indices);
    EXPECT_EQ(pixels, whole.images.to_vector<float>());
  }
}

TEST(LoaderRanks, EvaluateEveryExampleOnce) {
  const auto images = some_images(23);
  for (const Index count : {1, 2, 3, 8, 9, 12, 23})
    for (const Index ranks : {1, 2, 3, 5}) {
      std::multiset<Index> seen;
      Index with_examples = 0;
      for (Index r = 0; r < ranks; ++r) {
        LoaderOptions options = LoaderOptions::evaluation({.image_size = 4}, 2);
        options.rank = r;
        options.ranks = ranks;
        if (count <= 2 * r) {  // nothing is left for it
          EXPECT_THROW(Loader(images, all_of(count), options), UsageError);
          continue;
        }
        ++with_examples;
        Loader loader(images, all_of(count), options);
        for (const Batch& batch : loader.epoch(0)) seen.insert(batch.indices.begin(), batch.indices.end());
      }
      EXPECT_GT(with_examples, 0);
      const std::vector<Index> all = all_of(count);
      EXPECT_TRUE(std::equal(seen.begin(), seen.end(), all.begin(), all.end())) << count << " on " << ranks;
    }
}

TEST(LoaderRanks, ARankHasToBeOne) {
  const auto images = some_images(4);
  for (const auto& [rank, ranks] : {std::pair<Index, Index>{1, 1}, {-1, 2}, {0, 0}, {3, 2}}) {
    LoaderOptions options = training(1);
    options.rank = rank;
    options.ranks = ranks;
    EXPECT_THROW(Loader(images, all_of(4), options), UsageError);
  }
}

TEST(LoaderSamples, ResumeAtAnySample) {
  const auto images = some_images(22);
  Loader whole(images, all_of(22), training(5));
  std::vector<Index> indices;
  std::vector<float> pixels;
  for (const Batch& batch : whole.epoch(1)) {
    indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
    const auto values = batch.images.to_vector<float>();
    pixels.insert(pixels.end(), values.begin(), values.end());
  }
  ASSERT_EQ(indices.size(), 20u);
  for (const int threads : {1, 2, 4})
    for (Index sample = 0; sample < 20; sample += 3) {
      Loader loader(images, all_of(22), training(5, threads));
      loader.next();  // somewhere else before
      loader.seek_sample(1, sample);
      std::vector<Index> rest;
      std::vector<float> values;
      for (const Batch& batch : loader.rest_of_epoch()) {
        rest.insert(rest.end(), batch.indices.begin(), batch.indices.end());
        const auto more = batch.images.to_vector<float>();
        values.insert(values.end(), more.begin(), more.end());
      }
      EXPECT_TRUE(std::equal(rest.begin(), rest.end(), indices.begin() + sample, indices.end())) << sample;
      EXPECT_TRUE(std::equal(values.begin(), values.end(), pixels.begin() + sample * 12 * 12 * 3, pixels.end()));
      const Batch next = loader.next();  // and the next epoch from its start
      EXPECT_EQ(next.position, (LoaderPosition{2, 0}));
      EXPECT_EQ(next.size(), 5);
    }
}

TEST(LoaderSamples, TheEndIsTheNextEpochAndBeyondIsRefused) {
  const auto images = some_images(11);
  LoaderOptions options = training(4);
  options.drop_last = false;
  Loader loader(images, all_of(11), options);
  EXPECT_EQ(loader.samples_per_epoch(), 11);
  loader.seek_sample(0, 11);
  EXPECT_EQ(loader.next().position, (LoaderPosition{1, 0}));
  loader.seek_sample(0, 9);
  EXPECT_EQ(loader.next().size(), 2);
  EXPECT_THROW(loader.seek_sample(0, 12), Error);
  EXPECT_THROW(loader.seek_sample(0, -1), Error);
  options.drop_last = true;
  EXPECT_EQ(Loader(images, all_of(11), options).samples_per_epoch(), 8);
}

TEST(LoaderBytes, AreTheFloatsBeforeNormalisation) {
  const auto images = some_images(10);
  for (const bool shuffle : {true, false}) {
    LoaderOptions options = training(4);
    options.shuffle = shuffle;
    Loader floats(images, all_of(10), options);
    options.bytes = true;
    Loader bytes(images, all_of(10), options);
    for (int step = 0; step < 5; ++step) {
      const Batch f = floats.next(), b = bytes.next();
      ASSERT_EQ(b.images.dtype(), DType::u8);
      EXPECT_EQ(b.images.shape(), f.images.shape());
      EXPECT_EQ(b.indices, f.indices);
      const auto values = f.images.to_vector<float>();
      const auto rounded = b.images.to_vector<std::uint8_t>();
      for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(rounded[i], (values[i] / 2 + 0.5f) * 255, 0.501);
    }
  }
}

TEST(LoaderCounters, CountImages) {
  Loader loader(some_images(10), all_of(10), training(5));
  loader.next();
  EXPECT_GE(loader.counters().images, 5);
  EXPECT_GE(loader.counters().wait_seconds, 0);
}

}  // namespace loader_ranks_test
