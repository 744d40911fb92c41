// Every published data set, made small in its official layout: read from folders and from archives, whole and with faults.
#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/tiny/make_tiny.hpp"

namespace {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

/// Splits, paths, labels and pixels of both are equal.
void expect_equal(const OfficialData& a, const OfficialData& b, const std::string& name) {
  EXPECT_EQ(a.split, b.split) << name;
  EXPECT_EQ(a.dataset->class_names(), b.dataset->class_names()) << name;
  EXPECT_EQ(a.absent, b.absent) << name;
  ASSERT_EQ(a.dataset->size(), b.dataset->size()) << name;
  for (Index i = 0; i < a.dataset->size(); ++i) {
    ASSERT_EQ(a.dataset->path(i), b.dataset->path(i)) << name;
    ASSERT_EQ(a.dataset->label(i), b.dataset->label(i)) << name << " " << i;
    const auto shown = a.dataset->presence(i), also = b.dataset->presence(i);
    ASSERT_TRUE(std::equal(shown.begin(), shown.end(), also.begin(), also.end())) << name << " " << i;
    if (i % 37 == 0) {
      ASSERT_EQ(a.dataset->image(i), b.dataset->image(i)) << name << " " << i;
    }
  }
}

OfficialData read(const std::string& name, const std::string& folder, ReadOptions options = {}) {
  const DatasetEntry& entry = *find_dataset(name);
  return entry.read(open_source(folder, entry.info->files), options);
}

class Tiny : public ::testing::TestWithParam<std::string> {};

TEST_P(Tiny, ReadsTheSameFromFoldersAndArchives) {
  const std::string name = GetParam();
  const TemporaryFolder folder;
  const DatasetInfo& info = *find_dataset(name)->info;
  make_tiny(name, folder / "open", {.per_class = 1});
  const OfficialData open = read(name, folder / "open", {.allow_partial = true});
  EXPECT_EQ(open.classes_found, info.classes);
  EXPECT_EQ(open.dataset->metric(), info.metric);
  EXPECT_EQ(open.dataset->name(), name);
  if (name != "birdsnap" && name != "caltech101") {
    EXPECT_EQ(open.found.train, info.classes);
    EXPECT_EQ(open.found.validation, info.counts.validation > 0 ? info.classes : 0);
    EXPECT_EQ(open.found.test, info.classes);
  }
  EXPECT_FALSE(open.complete());
  // A count that is not the official one is refused, with both.
  const std::string message = message_of<UsageError>([&] { read(name, folder / "open"); });
  EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_NE(message.find("--allow-partial accepts it"), std::string::npos) << message;
  // The same bytes again.
  make_tiny(name, folder / "again", {.per_class = 1});
  const FolderSource first(folder / "open"), second(folder / "again");
  ASSERT_EQ(first.names(), second.names());
  for (std::size_t i = 0; i < first.names().size(); i += 41)
    EXPECT_EQ(first.read(first.names()[i]), second.read(first.names()[i])) << first.names()[i];
  if (name == "imagenet") {
    EXPECT_THROW(make_tiny(name, folder / "packed", {.per_class = 1, .archives = true}), UsageError);
    return;
  }
  make_tiny(name, folder / "packed", {.per_class = 1, .archives = true});
  for (const OfficialFile& file : info.files)
    EXPECT_TRUE(std::filesystem::is_regular_file(folder / ("packed/" + std::string(file.name)))) << file.name;
  Index announced = 0;
  UnpackOptions unpacking;
  unpacking.announce = [&](const std::string&) { ++announced; };
  const auto from_archives = [&] {
    return find_dataset(name)->read(open_source(folder / "packed", info.files, unpacking), {.allow_partial = true});
  };
  expect_equal(open, from_archives(), name);
  const Index first_time = announced;
  expect_equal(open, from_archives(), name);
  EXPECT_EQ(announced, first_time) << "unpacked twice";
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const DatasetEntry& entry : dataset_registry()) names.emplace_back(entry.info->name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Sets, Tiny, ::testing::ValuesIn(all_names()), [](const auto& set) { return set.param; });

TEST(TinySets, SplitFilesDoNotDependOnWhereTheDataLie) {
  const TemporaryFolder folder;
  make_tiny("dtd", folder.path(), {.per_class = 1});
  const OfficialData above = read("dtd", folder.path(), {.allow_partial = true}),
                     inside = read("dtd", folder / "dtd", {.allow_partial = true});
  EXPECT_EQ(split_digest(above.split, *above.dataset), split_digest(inside.split, *inside.dataset));
}

TEST(TinySets, TheImagesAreInTheFormatsOfTheRealSets) {
  const TemporaryFolder folder;
  const auto formats = [&](const std::string& name) {
    make_tiny(name, folder / name, {.per_class = 3});
    const OfficialData data = read(name, folder / name, {.allow_partial = true});
    const auto& files = dynamic_cast<const FileDataset&>(*data.dataset);
    std::map<ImageFormat, Index> counts;
    for (Index i = 0; i < files.size(); ++i) {
      const std::string bytes = files.source().read(files.source_name(i));
      ++counts[image_format({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})];
      if (image_format({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}) != ImageFormat::jpeg) {
        EXPECT_GE(files.image(i).height, 40) << files.path(i);
      }
    }
    return counts;
  };
  const auto sun = formats("sun397");
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::png, ImageFormat::bmp, ImageFormat::gif})
    EXPECT_TRUE(sun.contains(format)) << to_string(format);
  const auto pets = formats("oxford_pets");
  EXPECT_TRUE(pets.contains(ImageFormat::png) && pets.contains(ImageFormat::gif));
}

TEST(TinySets, RefusesWhatItCannotMake) {
  const TemporaryFolder folder;
  EXPECT_THROW(make_tiny("no_such_set", folder.path()), UsageError);
  EXPECT_THROW(make_tiny("dtd", folder.path(), {.per_class = 0}), UsageError);
  write_file(folder / "file", std::string("in the way"));
  EXPECT_THROW(make_tiny("dtd", folder / "file"), UsageError);
}

}  // namespace
