// The digest of the bytes that were read: what it covers, that nothing hides a change, and that unchanged files are not read
// again.
#include "tinyvision/data/content_digest.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "data/test_images.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/tiny/tiny_files.hpp"

namespace content_digest_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;
namespace fs = std::filesystem;

const std::map<std::string, std::string> some_files{{"a/1.ppm", "first"}, {"a/2.ppm", "second"}, {"b/1.ppm", "third"}};

std::shared_ptr<const Dataset> set_of(std::shared_ptr<const FileSource> source) {
  std::vector<Example> examples;
  for (const auto& [name, bytes] : some_files) examples.push_back({name, name[0] - 'a'});
  return std::make_shared<FileDataset>("set", std::move(source), examples, std::vector<std::string>{"a", "b"});
}

struct Folder {
  TemporaryFolder folder;
  Folder() {
    for (const auto& [name, bytes] : some_files) write_file(folder / ("set/" + name), bytes);
  }
  std::shared_ptr<const Dataset> read() const { return set_of(std::make_shared<FolderSource>(folder / "set")); }
};

/// Counts how often bytes are read; its stamps can be changed.
class Counted : public Dataset {
 public:
  Counted() : Dataset("counted", {"one"}, Metric::top1) {}
  Index size() const override { return 600; }
  std::int64_t label(Index) const override { return 0; }
  std::string path(Index i) const override { return std::to_string(i); }
  Image image(Index) const override { return Image(1, 1); }
  std::string content(Index i) const override {
    ++reads;
    if (i == unreadable) fail_usage("test", path(i), " is gone");
    return sha256_hex(path(i) + version);
  }
  std::string stamp(Index i) const override { return i == young ? "" : version; }

  mutable std::atomic<int> reads{0};
  std::string version = "one";
  Index unreadable = -1, young = -1;
};

TEST(ContentDigest, IsTheDigestOfPathsAndDigestsInOrder) {
  const Folder folder;
  std::string lines;  // as `sha256sum` gives them
  for (const auto& [name, bytes] : some_files) lines += name + "\t" + sha256_hex(bytes) + "\n";
  EXPECT_EQ(ContentDigests(folder.read()).of_all(), sha256_hex(lines));
  EXPECT_EQ(ContentDigests(folder.read()).of({2, 0, 1}), sha256_hex(lines));
  EXPECT_EQ(ContentDigests(folder.read()).of({1}), sha256_hex("a/2.ppm\t" + sha256_hex("second") + "\n"));
}

TEST(ContentDigest, IsTheSameFromAFolderAndFromItsArchives) {
  const Folder folder;
  const std::string expected = ContentDigests(folder.read()).of_all();
  for (const char* name : {"x.tar", "x.tar.gz", "x.zip"}) {
    write_file(folder.folder / name, data::detail::pack(some_files, name));
    EXPECT_EQ(ContentDigests(set_of(open_source(folder.folder / name))).of_all(), expected) << name;
  }
}

TEST(ContentDigest, OneChangedByteIsAnotherDigest) {
  const Folder folder;
  const ContentDigestOptions options{.kept = folder.folder / "kept.tsv"};
  const std::string before = ContentDigests(folder.read(), options).of_all();
  write_file(folder.folder / "set/b/1.ppm", std::string("thirD"));  // as long as before
  EXPECT_NE(ContentDigests(folder.read(), options).of_all(), before);
  write_file(folder.folder / "set/b/1.ppm", std::string("third"));
  EXPECT_EQ(ContentDigests(folder.read(), options).of_all(), before);
}

TEST(ContentDigest, UnchangedFilesAreNotReadAgain) {
  const TemporaryFolder folder;
  const ContentDigestOptions options{.kept = folder / "kept.tsv"};
  const auto set = std::make_shared<Counted>();
  ContentDigests first(set, options);
  const std::string some = first.of({3, 5}), all = first.of_all();
  EXPECT_EQ(set->reads, 600);  // 3 and 5 once
  EXPECT_EQ(ContentDigests(set, options).of({5, 3}), some);
  EXPECT_EQ(ContentDigests(set, options).of_all(), all);
  EXPECT_EQ(set->reads, 600);
  EXPECT_EQ(ContentDigests(set).of_all(), all);  // where nothing is kept
  EXPECT_EQ(set->reads, 1200);
  set->version = "two";
  const std::string changed = ContentDigests(set, options).of_all();
  EXPECT_EQ(set->reads, 1800);
  EXPECT_NE(changed, all);
  set->version = "one";
  EXPECT_EQ(ContentDigests(set, options).of_all(), all);  // both are kept
  EXPECT_EQ(set->reads, 1800);
  set->young = 7;  // its stamp tells nothing
  EXPECT_EQ(ContentDigests(set, options).of_all(), all);
  EXPECT_EQ(set->reads, 2400);
  set->young = -1;
  for (const char* damaged : {"", "no table", "stamp\tdigest\nshort\tline\n"}) {
    write_file(options.kept, std::string(damaged));
    EXPECT_EQ(ContentDigests(set, options).of_all(), all) << damaged;
  }
  EXPECT_EQ(set->reads, 4200);
}

TEST(ContentDigest, UnreadableFilesAndCtrlC) {
  const auto set = std::make_shared<Counted>();
  const std::string whole = ContentDigests(set).of_all();
  set->unreadable = 300;
  EXPECT_NE(message_of<UsageError>([&] { ContentDigests(set).of_all(); }).find("300 is gone"), std::string::npos);
  const std::string without = ContentDigests(set, {.skip_bad = true}).of_all();
  EXPECT_NE(without, whole);
  EXPECT_EQ(ContentDigests(set, {.skip_bad = true}).of({300}), sha256_hex("300\t" + std::string(64, '-') + "\n"));
  Index done = 0;
  ContentDigestOptions options;
  options.progress = [&](Index now, Index total) { done = total == 600 ? now : -1; };
  options.should_stop = [&] { return done > 0; };
  EXPECT_THROW(ContentDigests(std::make_shared<Counted>(), options).of_all(), ContentDigestStopped)
      << "asked before each piece";
}

TEST(ContentDigest, StampsOfFiles) {
  const Folder folder;
  EXPECT_EQ(file_stamp(folder.folder / "set/a/1.ppm"), "") << "written just now: a second change might look the same";
  EXPECT_EQ(file_stamp(folder.folder / "none"), "");
  const std::string old = TINYVISION_SOURCE_DIR "/LICENSE";
  EXPECT_NE(file_stamp(old), "");
  EXPECT_EQ(file_stamp(old), file_stamp(old));
}

TEST(FileDataset, ALargeFileIsRefusedBeforeItIsRead) {
  const Folder folder;
  fs::resize_file(folder.folder / "set/a/2.ppm",
                  static_cast<std::uintmax_t>(largest_image_file) + 1);  // takes no space
  const auto set = folder.read();
  const std::string expected = "a/2.ppm: an image file of 268435457 bytes; at most 268435456 are accepted";
  Image scratch;
  const auto whole = [](Index height, Index width) { return Box{0, 0, height, width}; };
  EXPECT_NE(message_of<UsageError>([&] { set->image(1); }).find(expected), std::string::npos);
  EXPECT_NE(message_of<UsageError>([&] { set->image_size(1); }).find(expected), std::string::npos);
  EXPECT_NE(message_of<UsageError>([&] { set->content(1); }).find(expected), std::string::npos);
  EXPECT_NE(message_of<UsageError>([&] { set->view_box(1, whole, scratch); }).find(expected), std::string::npos);
}

}  // namespace content_digest_test
