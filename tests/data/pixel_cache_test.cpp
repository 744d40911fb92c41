// The file of decoded images: equal pixels, no stale ones, nothing half-written, damage named.
#include "tinyvision/data/pixel_cache.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "data/test_images.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/loader.hpp"

namespace pixel_cache_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;
namespace fs = std::filesystem;

struct Set {
  TemporaryFolder folder;
  Set() {
    for (int i = 0; i < 12; ++i)
      write_file(folder / ("set/" + std::string(i % 2 == 0 ? "a" : "b") + "/" + std::to_string(i) + ".jpg"),
                 jpeg(noise(20 + i, 31 - i, static_cast<std::uint64_t>(i))));
  }
  std::shared_ptr<const Dataset> read() const { return read_image_folder(folder / "set"); }
  std::shared_ptr<const CachedDataset> cached(const PixelCacheOptions& options = {}) const {
    return with_pixel_cache(read(), folder / "cache", options);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder / "cache")) names.push_back(entry.path().filename());
    return names;
  }
};

TEST(PixelCache, HoldsTheSamePixels) {
  const Set set;
  const auto plain = set.read();
  std::vector<std::string> plans;
  Index done = 0;
  PixelCacheOptions options;
  options.announce = [&](const std::string& plan) { plans.push_back(plan); };
  options.progress = [&](Index now, Index) { done = now; };
  for (int time = 0; time < 2; ++time) {
    const auto kept = set.cached(options);
    ASSERT_EQ(kept->size(), 12);
    EXPECT_EQ(kept->labels(), plain->labels());
    EXPECT_EQ(kept->decoder(), plain->decoder());
    for (Index i = 0; i < 12; ++i) {
      EXPECT_EQ(kept->image(i), plain->image(i));
      EXPECT_EQ(kept->path(i), plain->path(i));
      EXPECT_EQ(kept->view(i).width, plain->image(i).width);
    }
  }
  EXPECT_EQ(done, 12);
  ASSERT_EQ(plans.size(), 1u);  // made once
  EXPECT_NE(plans[0].find("12 images, "), std::string::npos) << plans[0];
  EXPECT_EQ(set.files().size(), 1u);
  const std::string size = plans[0].substr(plans[0].find("images, ") + 8);
  EXPECT_NEAR(std::stod(size), static_cast<double>(fs::file_size(set.folder / ("cache/" + set.files()[0]))), 128);
}

TEST(PixelCache, AChangedInputIsDecodedAnew) {
  const Set set;
  set.cached();
  write_file(set.folder / "set/a/0.jpg", jpeg(noise(40, 40, 99)));
  EXPECT_EQ(set.cached()->image(0), set.read()->image(0));
  EXPECT_EQ(set.files().size(), 2u);
  write_file(set.folder / "set/a/00.jpg", jpeg(noise(5, 5)));
  EXPECT_EQ(set.cached()->size(), 13);
  EXPECT_EQ(set.files().size(), 3u);
}

TEST(PixelCache, AChangeThatKeepsTheSizeIsSeen) {
  const Set set;
  const auto grey = [&](char value) {
    write_file(set.folder / "set/a/0.pgm", std::string("P5 2 2 255\n") + std::string(4, value));
    return set.cached()->image(1).pixels;
  };
  EXPECT_EQ(grey('\x10'), ByteVector(12, 0x10));
  EXPECT_EQ(grey('\x20'), ByteVector(12, 0x20));
  EXPECT_EQ(grey('\x10'), ByteVector(12, 0x10));
  EXPECT_EQ(set.files().size(), 2u);  // the first one again
  // Whoever knows the digest of the contents need not have the files read.
  const std::string content = ContentDigests(set.read()).of_all();
  EXPECT_EQ(set.cached({.content = content})->file(), set.cached()->file());
}

TEST(PixelCache, ReducedPixelsSaySo) {
  const Set set;
  const auto plain = set.read();
  const auto kept = set.cached({.shortest_side = 16});
  EXPECT_NE(kept->decoder().find("shortest side of 16"), std::string::npos);
  for (Index i = 0; i < 12; ++i) {
    const Image whole = plain->image(i), less = kept->image(i);
    EXPECT_EQ(std::min(less.height, less.width), std::min<Index>(16, std::min(whole.height, whole.width)));
    EXPECT_NEAR(static_cast<double>(less.width) / static_cast<double>(less.height),
                static_cast<double>(whole.width) / static_cast<double>(whole.height), 0.07);
  }
}

TEST(PixelCache, TheLoaderReadsItWithoutACopyAndGivesTheSameBatches) {
  const Set set;
  LoaderOptions options;
  options.batch_size = 4;
  options.preprocessing.image_size = 16;
  std::vector<Index> all(12);
  for (std::size_t i = 0; i < 12; ++i) all[i] = static_cast<Index>(i);
  Loader plain(set.read(), all, options), kept(set.cached(), all, options);
  for (int step = 0; step < 7; ++step)
    EXPECT_EQ(plain.next().images.to_vector<float>(), kept.next().images.to_vector<float>());
}

TEST(PixelCache, ManyThreadsRead) {
  const Set set;
  const auto kept = set.cached();
  const auto plain = set.read();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (Index i = 0; i < 12; ++i) wrong += kept->image(i) == plain->image(i) ? 0 : 1;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(PixelCache, UnreadableImages) {
  const Set set;
  ByteVector cut = jpeg(noise(40, 40));
  cut.resize(cut.size() / 2);
  write_file(set.folder / "set/b/1.jpg", cut);
  EXPECT_NE(message_of<UsageError>([&] { set.cached(); }).find("b/1.jpg"), std::string::npos);
  EXPECT_TRUE(set.files().empty());
  write_file(set.folder / "set/b/3.jpg", std::string("no image"));
  const auto kept = set.cached({.skip_bad = true});
  Index bad = 0;
  for (Index i = 0; i < 12; ++i) {
    const std::string message = message_of<UsageError>([&] { kept->image(i); });
    if (message.empty()) continue;
    ++bad;
    EXPECT_NE(message.find(kept->path(i)), std::string::npos) << message;
  }
  EXPECT_EQ(bad, 2);
}

TEST(PixelCache, NothingHalfWrittenStays) {
  const Set set;
  int asked = 0;
  PixelCacheOptions options;
  options.should_stop = [&] { return ++asked > 1; };  // after the plan
  EXPECT_THROW(set.cached(options), PixelCacheStopped);
  EXPECT_TRUE(set.files().empty());
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{10000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of<UsageError>([&] { set.cached(); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  EXPECT_NE(message.find("writing"), std::string::npos) << message;
  EXPECT_TRUE(set.files().empty());
}

TEST(PixelCache, DamageIsNamed) {
  const Set set;
  set.cached();
  const std::string path = set.folder / ("cache/" + set.files()[0]), whole = read_file(path);
  const auto refused = [&](const std::string& bytes) {
    write_file(path, bytes);
    return message_of<UsageError>([&] { set.cached(); });
  };
  EXPECT_NE(refused("").find("no cache of images"), std::string::npos);
  EXPECT_NE(refused(whole.substr(0, whole.size() - 10)).find("table does not fit"), std::string::npos);
  std::string other = whole;
  other[20] = other[20] == '0' ? '1' : '0';
  EXPECT_NE(refused(other).find("made for other images"), std::string::npos);
  std::uint64_t table;
  std::memcpy(&table, whole.data() + 80, 8);
  for (const std::size_t at :
       {std::size_t{5}, std::size_t{13}, std::size_t{21}}) {  // high bytes of place, height, width
    std::string damaged = whole;
    damaged[table + at] = '\x7f';
    EXPECT_NE(refused(damaged).find("damaged at image 0"), std::string::npos) << at;
  }
  EXPECT_EQ(refused(whole), "");
  EXPECT_THROW(with_pixel_cache(set.read(), set.folder / "set/a/0.jpg"), UsageError);
}

}  // namespace pixel_cache_test
