#include "tinyvision/data/loader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "test_images.hpp"

namespace loader_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

/// Numbered images of one colour; some cannot be read.
class ToyDataset : public Dataset {
 public:
  explicit ToyDataset(Index size, std::set<Index> broken = {})
      : Dataset("toy", {"even", "odd"}, Metric::top1), size_(size), broken_(std::move(broken)) {}
  Index size() const override { return size_; }
  std::int64_t label(Index i) const override { return i % 2; }
  std::string path(Index i) const override { return "toy/" + std::to_string(i); }
  Image image(Index i) const override {
    ++reads;
    if (broken_.count(i) > 0) fail_usage("decode", path(i), ": corrupt");
    return noise(12, 10, static_cast<std::uint64_t>(i));
  }
  mutable std::atomic<Index> reads{0};

 private:
  Index size_;
  std::set<Index> broken_;
};

std::vector<Index> first(Index n) {
  std::vector<Index> all;
  for (Index i = 0; i < n; ++i) all.push_back(i);
  return all;
}

LoaderOptions training(Index batch_size = 4) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.seed = 11;
  options.threads = 2;
  options.preprocessing.image_size = 8;
  return options;
}

Preprocessing small() {
  Preprocessing p;
  p.image_size = 8;
  return p;
}

struct Recorded {
  std::vector<float> images;
  std::vector<std::int64_t> labels;
  std::vector<Index> indices;
  LoaderPosition position;
  friend bool operator==(const Recorded&, const Recorded&) = default;
};

Recorded record(const Batch& batch) {
  return {batch.images.to_vector<float>(), batch.labels.to_vector<std::int64_t>(), batch.indices, batch.position};
}

std::vector<Recorded> take(Loader& loader, int batches) {
  std::vector<Recorded> all;
  for (int i = 0; i < batches; ++i) all.push_back(record(loader.next()));
  return all;
}

TEST(Loader, ThreadsPrefetchAndCacheDoNotChangeTheBytes) {
  const auto set = std::make_shared<ToyDataset>(18);
  Loader single(set, first(18), [] {
    auto o = training();
    o.threads = 1;
    o.prefetch = 1;
    return o;
  }());
  const std::vector<Recorded> expected = take(single, 11);
  for (const int threads : {2, 3, 4, 5})
    for (const std::size_t cache : {std::size_t{0}, std::size_t{2000}, std::size_t{1} << 20}) {
      LoaderOptions options = training();
      options.threads = threads;
      options.prefetch = threads + 1;
      options.cache_bytes = cache;
      Loader loader(set, first(18), options);
      EXPECT_EQ(take(loader, 11), expected) << threads << " threads, cache " << cache;
    }
}

TEST(Loader, EveryExampleOncePerEpochInANewOrder) {
  const auto set = std::make_shared<ToyDataset>(30);
  std::vector<Index> examples;
  for (Index i = 3; i < 29; ++i) examples.push_back(i);
  LoaderOptions options = training(5);
  options.drop_last = false;
  Loader loader(set, examples, options);
  EXPECT_EQ(loader.batches_per_epoch(), 6);
  std::vector<std::vector<Index>> orders;
  for (Index epoch = 0; epoch < 3; ++epoch) {
    std::vector<Index> seen;
    for (const Batch& batch : loader.epoch(epoch)) {
      EXPECT_EQ(batch.position.epoch, epoch);
      EXPECT_EQ(batch.images.shape(), (Shape{batch.size(), 8, 8, 3}));
      EXPECT_EQ(batch.labels.shape(), (Shape{batch.size()}));
      EXPECT_EQ(batch.size(), batch.position.batch == 5 ? 1 : 5);
      for (Index i = 0; i < batch.size(); ++i)
        EXPECT_EQ(batch.labels.data<std::int64_t>()[i], batch.indices[static_cast<std::size_t>(i)] % 2);
      seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
    }
    orders.push_back(seen);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, examples);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
  options.drop_last = true;
  EXPECT_EQ(Loader(set, examples, options).batches_per_epoch(), 5);
}

// Fewer examples than a batch: whole passes and the beginning of one more, in new orders, again in each epoch.
TEST(Loader, SmallSetsArePassedOverUntilABatchIsFull) {
  const auto set = std::make_shared<ToyDataset>(9);
  LoaderOptions options = training(20);
  Loader loader(set, {2, 3, 5, 8, 1, 4}, options);
  EXPECT_EQ(loader.batches_per_epoch(), 1);
  EXPECT_EQ(loader.passes_per_epoch(), 4);
  EXPECT_EQ(loader.samples_per_epoch(), 20);
  std::vector<std::vector<Index>> orders;
  std::vector<Batch> batches;
  for (int epoch = 0; epoch < 2; ++epoch) {
    batches.push_back(loader.next());
    const std::vector<Index>& seen = batches.back().indices;
    ASSERT_EQ(seen.size(), 20u);
    EXPECT_EQ(batches.back().images.shape(), (Shape{20, 8, 8, 3}));
    for (int pass = 0; pass < 4; ++pass) {
      std::vector<Index> part(seen.begin() + 6 * pass, seen.begin() + std::min(6 * pass + 6, 20));
      orders.push_back(part);
      std::sort(part.begin(), part.end());
      EXPECT_EQ(std::unique(part.begin(), part.end()), part.end());
      if (pass < 3) {
        EXPECT_EQ(part, (std::vector<Index>{1, 2, 3, 4, 5, 8}));
      }
    }
  }
  EXPECT_EQ(batches[1].position, (LoaderPosition{1, 0}));
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[0], orders[4]);
  // The second pass augments the same example anew, and going on inside a batch gives the rest of it.
  const std::vector<float> pixels = batches[0].images.to_vector<float>();
  const auto image = [&](std::size_t i) {
    return std::vector<float>(pixels.begin() + static_cast<std::ptrdiff_t>(192 * i),
                              pixels.begin() + static_cast<std::ptrdiff_t>(192 * (i + 1)));
  };
  bool differs = false;
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = 6; j < 12; ++j)
      if (batches[0].indices[i] == batches[0].indices[j]) differs = differs || image(i) != image(j);
  EXPECT_TRUE(differs);
  loader.seek_sample(1, 15);
  EXPECT_EQ(loader.next().indices, std::vector<Index>(batches[1].indices.begin() + 15, batches[1].indices.end()));
  options.shuffle = false;
  EXPECT_THROW(Loader(set, {1, 2}, options), UsageError);
}

TEST(Loader, BatchesHoldTheAugmentedImagesOfTheirPlaceInTheEpoch) {
  const auto set = std::make_shared<ToyDataset>(9);
  const LoaderOptions options = training(3);
  Loader loader(set, first(9), options);
  loader.seek(2, 1);
  const Batch batch = loader.next();
  for (Index i = 0; i < 3; ++i) {
    std::vector<float> expected(8 * 8 * 3);
    augment(set->image(batch.indices[static_cast<std::size_t>(i)]), options.preprocessing, options.augmentation, 11, 2,
            3 + i, expected.data());
    const float* got = batch.images.data<float>() + i * 192;
    EXPECT_EQ(std::vector<float>(got, got + 192), expected);
  }
}

TEST(Loader, ResumesExactlyInTheMiddleOfAnEpoch) {
  const auto set = std::make_shared<ToyDataset>(21);
  Loader whole_run(set, first(21), training());
  const std::vector<Recorded> expected = take(whole_run, 14);
  for (const int stop : {0, 1, 4, 5, 7, 12}) {
    LoaderPosition position;
    {
      Loader loader(set, first(21), training());
      take(loader, stop);
      position = loader.position();
    }
    Loader loader(set, first(21), training());
    loader.seek(position);
    EXPECT_EQ(loader.position(), position);
    const std::vector<Recorded> rest = take(loader, 14 - stop);
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), expected.begin() + stop)) << "stopped after " << stop;
  }
}

TEST(Loader, SeekWhileBatchesAreInPreparation) {
  const auto set = std::make_shared<ToyDataset>(40);
  Loader reference(set, first(40), training());
  const std::vector<Recorded> expected = take(reference, 20);
  Loader loader(set, first(40), training());
  for (int round = 0; round < 30; ++round) {
    const Index place = (round * 7) % 20;
    loader.seek(place / 10, place % 10);
    EXPECT_EQ(record(loader.next()), expected[static_cast<std::size_t>(place)]);
  }
  loader.seek(0, 10);
  EXPECT_EQ(loader.position(), (LoaderPosition{1, 0}));
  EXPECT_THROW(loader.seek(0, 11), Error);
  EXPECT_THROW(loader.seek(-1, 0), Error);
}

TEST(Loader, RestOfEpochAfterSeek) {
  const auto set = std::make_shared<ToyDataset>(20);
  Loader loader(set, first(20), training());
  loader.seek(1, 3);
  Index count = 0;
  for (const Batch& batch : loader.rest_of_epoch()) {
    EXPECT_EQ(batch.position, (LoaderPosition{1, 3 + count}));
    ++count;
  }
  EXPECT_EQ(count, 2);
  EXPECT_EQ(loader.position(), (LoaderPosition{2, 0}));
}

TEST(Loader, EvaluationKeepsOrderAndLastBatchAndReadsEachImageOnce) {
  const auto set = std::make_shared<ToyDataset>(11);
  {
    Loader loader(set, {10, 2, 3, 4, 5, 6, 7}, LoaderOptions::evaluation(small(), 3));
    std::vector<Index> seen;
    std::vector<Index> sizes;
    for (const Batch& batch : loader.epoch(0)) {
      seen.insert(seen.end(), batch.indices.begin(), batch.indices.end());
      sizes.push_back(batch.size());
      std::vector<float> expected(192);
      preprocess(set->image(batch.indices[0]), small(), expected.data());
      EXPECT_EQ(std::vector<float>(batch.images.data<float>(), batch.images.data<float>() + 192), expected);
    }
    EXPECT_EQ(seen, (std::vector<Index>{10, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(sizes, (std::vector<Index>{3, 3, 1}));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(set->reads, 7 + 3);  // no reading ahead into a second pass; three reads above
}

TEST(Loader, CachedImagesAreDecodedOnce) {
  const auto set = std::make_shared<ToyDataset>(12);
  LoaderOptions options = training();
  options.threads = 1;
  options.cache_bytes = 12 * 10 * 3 * 12;
  {
    Loader loader(set, first(12), options);
    take(loader, 12);
  }
  EXPECT_EQ(set->reads, 12);
  options.cache_bytes = 12 * 10 * 3 * 5 + 1;  // room for five
  set->reads = 0;
  {
    Loader loader(set, first(12), options);
    take(loader, 3);
  }
  EXPECT_GE(set->reads, 12);
}

TEST(Loader, LoadersShareDecodedImages) {
  const auto set = std::make_shared<ToyDataset>(12);
  LoaderOptions options = training();
  options.threads = 1;
  options.cache = std::make_shared<ImageCache>(12 * 10 * 3 * 12);
  for (int pass = 0; pass < 2; ++pass) {
    Loader loader(set, first(12), options);
    take(loader, 12);
  }
  EXPECT_EQ(set->reads, 12);
  EXPECT_EQ(options.cache->decoded(), 12);
  const ToyDataset other(12);
  EXPECT_THROW(options.cache->get(other, 0), Error);
}

TEST(Loader, AnUnreadableImageFailsInTheCallersThread) {
  const auto set = std::make_shared<ToyDataset>(12, std::set<Index>{5, 6});
  Loader loader(set, first(12), LoaderOptions::evaluation(small(), 4));
  EXPECT_EQ(loader.next().size(), 4);
  for (int again = 0; again < 2; ++again)
    EXPECT_EQ(message_of<UsageError>([&] { loader.next(); }), "[decode] toy/5: corrupt");
  EXPECT_EQ(loader.position(), (LoaderPosition{0, 1}));
  EXPECT_TRUE(loader.bad_examples().empty());
  loader.seek(0, 2);
  EXPECT_EQ(loader.next().indices, (std::vector<Index>{8, 9, 10, 11}));
}

TEST(Loader, SkipBadLeavesOutNamesAndCounts) {
  const auto set = std::make_shared<ToyDataset>(12, std::set<Index>{0, 5, 8, 9, 10, 11});
  LoaderOptions options = LoaderOptions::evaluation(small(), 4);
  options.skip_bad = true;
  Loader loader(set, first(12), options);
  for (Index epoch = 0; epoch < 2; ++epoch) {
    std::vector<std::vector<Index>> batches;
    for (const Batch& batch : loader.epoch(epoch)) {
      batches.push_back(batch.indices);
      EXPECT_EQ(batch.images.dim(0), batch.size());
      for (Index i = 0; i < batch.size(); ++i) {
        std::vector<float> expected(192);
        preprocess(set->image(batch.indices[static_cast<std::size_t>(i)]), small(), expected.data());
        const float* got = batch.images.data<float>() + i * 192;
        EXPECT_EQ(std::vector<float>(got, got + 192), expected);
      }
    }
    EXPECT_EQ(batches, (std::vector<std::vector<Index>>{{1, 2, 3}, {4, 6, 7}}));  // the third batch is empty
  }
  const std::vector<BadExample> bad = loader.bad_examples();
  ASSERT_EQ(bad.size(), 6u);
  EXPECT_EQ(bad[1].path, "toy/5");
  EXPECT_EQ(bad[1].reason, "[decode] toy/5: corrupt");
  EXPECT_EQ(loader.next().indices, (std::vector<Index>{1, 2, 3}));
}

TEST(Loader, NothingReadableIsAnErrorNotALoop) {
  const auto set = std::make_shared<ToyDataset>(6, std::set<Index>{0, 1, 2, 3, 4, 5});
  LoaderOptions options = training(2);
  options.skip_bad = true;
  Loader loader(set, first(6), options);
  EXPECT_THROW(loader.next(), UsageError);
}

TEST(Loader, WrongOptions) {
  const auto set = std::make_shared<ToyDataset>(6);
  EXPECT_THROW(Loader(set, {}, training()), UsageError);
  EXPECT_THROW(Loader(set, {6}, training(1)), Error);
  EXPECT_THROW(Loader(nullptr, {0}, training(1)), Error);
  for (auto wrong :
       {+[](LoaderOptions& o) { o.batch_size = 0; }, +[](LoaderOptions& o) { o.prefetch = 0; },
        +[](LoaderOptions& o) { o.threads = -1; }, +[](LoaderOptions& o) { o.preprocessing.image_size = 0; },
        +[](LoaderOptions& o) { o.augmentation.min_area = -1; }}) {
    LoaderOptions options = training();
    wrong(options);
    EXPECT_THROW(Loader(set, first(6), options), UsageError);
  }
}

TEST(Loader, EndsCleanlyWhileBusy) {
  const auto set = std::make_shared<ToyDataset>(100);
  for (int i = 0; i < 30; ++i) {
    Loader loader(set, first(100), training(8));
    if (i % 2 == 0) loader.next();
  }
}

}  // namespace loader_test
