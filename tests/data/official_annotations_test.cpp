// What the publishers' own annotation files say, read by the readers: official counts and class balances.
#include <gtest/gtest.h>

#include <set>

#include "data/layouts.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace official_annotations_test {

using namespace layouts;

/// A layout of official files; false where they are not there.
bool fill(Layout& layout, const std::string& folder, const std::vector<std::pair<std::string, std::string>>& files) {
  const auto root = test_images::shared_data("annotations/" + folder);
  if (!root) return false;
  for (const auto& [file, name] : files) layout[name] = read_file(*root + "/" + file);
  return true;
}

TEST(OfficialAnnotations, Flowers) {
  Layout layout{&read_oxford_flowers};
  if (!fill(layout, "flowers", {{"setid.mat", "setid.mat"}, {"imagelabels.mat", "imagelabels.mat"}}))
    GTEST_SKIP() << "no shared annotation files";
  for (const OfficialFile& file : oxford_flowers_info.files) {
    if (!file.name.ends_with(".mat")) continue;
    const std::string& bytes = layout[std::string(file.name)];
    EXPECT_EQ(static_cast<Index>(bytes.size()), file.size) << file.name;
    EXPECT_EQ(md5_hex(bytes), file.md5) << file.name;
    EXPECT_EQ(sha256_hex(bytes), file.sha256) << file.name;
  }
  for (Index i = 1; i <= 8189; ++i) layout["jpg/image_" + digits(i, 5) + ".jpg"];
  const OfficialData data = layout.read({});
  EXPECT_TRUE(data.complete());
  EXPECT_EQ(data.found, (PartCounts{1020, 1020, 6149}));
  EXPECT_EQ(balance(data, data.split.train), std::vector<Index>(102, 10));
  EXPECT_EQ(balance(data, data.split.validation), std::vector<Index>(102, 10));
  const std::vector<Index> test = balance(data, data.split.test);
  EXPECT_EQ(*std::min_element(test.begin(), test.end()), 20);
  EXPECT_EQ(*std::max_element(test.begin(), test.end()), 238);
  // SciPy reads: labels[0] = 77, trnid[0] = 6765, tstid[0] = 6734.
  EXPECT_EQ(data.dataset->path(data.split.train[0]), "image_06765.jpg");
  EXPECT_EQ(data.dataset->path(data.split.test[0]), "image_06734.jpg");
  const std::vector<std::string> tests = paths(data, data.split.test);
  const auto first = std::find(tests.begin(), tests.end(), "image_00001.jpg");
  if (first != tests.end()) {
    EXPECT_EQ(data.dataset->label(data.split.test[static_cast<std::size_t>(first - tests.begin())]), 76);
  }
  expect_says(layout.without("jpg/image_06734.jpg").refusal({}),
              "1 listed images are not there: mem/jpg/image_06734.jpg");
}

TEST(OfficialAnnotations, Cars) {
  Layout layout{&read_stanford_cars};
  if (!fill(layout, "cars",
            {{"cars_meta.mat", "devkit/cars_meta.mat"},
             {"cars_train_annos.mat", "devkit/cars_train_annos.mat"},
             {"cars_test_annos.mat", "devkit/cars_test_annos.mat"}}))
    GTEST_SKIP() << "no shared annotation files";
  for (Index i = 1; i <= 8144; ++i) layout["cars_train/" + digits(i, 5) + ".jpg"];
  for (Index i = 1; i <= 8041; ++i) layout["cars_test/" + digits(i, 5) + ".jpg"];
  expect_says(layout.refusal({}), "mem/devkit/cars_test_annos.mat: 'annotations' has no field 'class'");
  expect_says(layout.refusal({}), "cars_test_annos_withlabels.mat has the labels");
  // The labels of the test images are not at hand: their file with classes of our own.
  const MatVariables unlabelled = read_mat(layout["devkit/cars_test_annos.mat"], "cars_test_annos.mat");
  std::vector<MatValue> names, classes;
  for (Index i = 0; i < unlabelled.front().second.elements(); ++i) {
    names.push_back(unlabelled.front().second.field("fname", i, "cars_test_annos.mat"));
    classes.push_back(MatValue::row({static_cast<double>(i % 196 + 1)}));
  }
  layout["cars_test_annos_withlabels.mat"] =
      write_mat({{"annotations", mat_structures({{"class", classes}, {"fname", names}})}}, true);
  const OfficialData data = layout.read({});
  EXPECT_TRUE(data.complete());
  EXPECT_EQ(data.found, (PartCounts{8144, 0, 8041}));
  const std::vector<Index> train = balance(data, data.split.train);
  EXPECT_EQ(*std::min_element(train.begin(), train.end()), 24);
  EXPECT_EQ(*std::max_element(train.begin(), train.end()), 68);
  EXPECT_EQ(data.dataset->class_names()[0], "AM General Hummer SUV 2000");
  EXPECT_EQ(data.dataset->class_names()[173], "Ram C/V Cargo Van Minivan 2012");
  EXPECT_EQ(labels(data, {0, 1, 2}), (std::vector<std::int64_t>{13, 2, 90}));  // 14, 3, 91 in the file
}

TEST(OfficialAnnotations, Food101) {
  Layout layout{&read_food101};
  if (!fill(layout, "food101",
            {{"classes.txt", "food-101/meta/classes.txt"},
             {"train.txt", "food-101/meta/train.txt"},
             {"test.txt", "food-101/meta/test.txt"}}))
    GTEST_SKIP() << "no shared annotation files";
  for (const char* name : {"food-101/meta/train.txt", "food-101/meta/test.txt"}) {
    const std::string text = layout[name];
    for (const ListLine& line : read_lines(text, name)) layout["food-101/images/" + std::string(line.text) + ".jpg"];
  }
  const OfficialData data = layout.read({});
  EXPECT_TRUE(data.complete());
  EXPECT_EQ(data.found, (PartCounts{75750, 0, 25250}));
  EXPECT_EQ(balance(data, data.split.train), std::vector<Index>(101, 750));
  EXPECT_EQ(balance(data, data.split.test), std::vector<Index>(101, 250));
  EXPECT_EQ(data.dataset->class_names()[0], "apple_pie");
  EXPECT_EQ(data.dataset->class_names()[100], "waffles");
  EXPECT_EQ(data.dataset->path(data.split.test[0]), "apple_pie/1011328.jpg");
  for (Index i = 0; i < data.dataset->size(); ++i) {
    const std::string& name = data.dataset->class_names()[static_cast<std::size_t>(data.dataset->label(i))];
    ASSERT_TRUE(data.dataset->path(i).starts_with(name + "/")) << data.dataset->path(i);
  }
}

TEST(OfficialAnnotations, Voc2007) {
  Layout ids{&read_voc2007};
  if (!fill(ids, "voc2007", {{"trainval.txt", "trainval.txt"}, {"test.txt", "test.txt"}}))
    GTEST_SKIP() << "no shared annotation files";
  // Only the ids are at hand: every image shows the class of its number modulo 20 here, and the first 2,501 are training.
  Layout layout{&read_voc2007};
  const std::string root = "VOCdevkit/VOC2007/";
  std::set<std::string_view> all;
  Index count = 0;
  for (const char* list : {"trainval.txt", "test.txt"})
    for (const ListLine& line : read_lines(ids[list], list)) {
      EXPECT_TRUE(all.insert(line.text).second) << line.text;
      const std::string id(line.text);
      const std::string part = list[1] == 'e' ? "_test.txt" : count < 2501 ? "_train.txt" : "_val.txt";
      for (std::size_t c = 0; c < voc2007_classes.size(); ++c)
        layout[root + "ImageSets/Main/" + std::string(voc2007_classes[c]) + part] +=
            id + (static_cast<std::size_t>(count) % 20 == c ? "  1\n" : " -1\n");
      layout[root + "JPEGImages/" + id + ".jpg"];
      ++count;
    }
  EXPECT_EQ(count, 9963);
  const OfficialData data = layout.read({});
  EXPECT_TRUE(data.complete());
  EXPECT_EQ(data.found, (PartCounts{2501, 2510, 4952}));
  EXPECT_EQ(data.dataset->path(data.split.train[0]), "000005.jpg");
  EXPECT_EQ(data.dataset->path(data.split.test[0]), "000001.jpg");
}

TEST(OfficialAnnotations, CaltechImagesOfWhichSomeAreGrey) {
  const auto root = test_images::shared_data("caltech101");
  if (!root) GTEST_SKIP() << "no shared Caltech-101";
  const OfficialData data = read_caltech101(std::make_shared<FolderSource>(*root), {});
  EXPECT_TRUE(data.complete());
  EXPECT_EQ(data.found, (PartCounts{9144, 0, 0}));
  const std::vector<Index> counts = balance(data, data.split.train);
  EXPECT_EQ(counts[0], 467);
  EXPECT_EQ(*std::min_element(counts.begin(), counts.end()), 31);
  EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 800);  // airplanes
  const OfficialData inside = read_caltech101(std::make_shared<FolderSource>(*root + "/101_ObjectCategories"), {});
  EXPECT_EQ(split_digest(inside.split, *inside.dataset), split_digest(data.split, *data.dataset));
  // Files of one component, as the files' own headers say, become RGB with three equal values.
  const auto& set = dynamic_cast<const FileDataset&>(*data.dataset);
  Index grey = 0, looked = 0;
  for (Index i = 0; i < set.size(); i += 7, ++looked) {
    const std::string bytes = set.source().read(set.source_name(i));
    const auto byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(bytes.at(at))); };
    std::size_t at = 2;  // behind the start marker; each segment: FF, type, length
    while (byte(at + 1) < 0xC0 || byte(at + 1) > 0xC2) at += 2 + (byte(at + 2) << 8 | byte(at + 3));
    if (byte(at + 9) != 1) continue;
    ++grey;
    const Image image = set.image(i);
    for (std::size_t k = 0; k < image.pixels.size(); k += 3)
      ASSERT_TRUE(image.pixels[k] == image.pixels[k + 1] && image.pixels[k] == image.pixels[k + 2]) << set.path(i);
  }
  EXPECT_EQ(looked, 1307);
  EXPECT_GT(grey, 10);
}

}  // namespace official_annotations_test
