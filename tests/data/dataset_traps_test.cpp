// The traps of the published data sets, met in small sets on disk (official_datasets_test.cpp: in memory).
#include <gtest/gtest.h>

#include <set>

#include "data/test_images.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/tiny/make_tiny.hpp"

namespace dataset_traps_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;
namespace fs = std::filesystem;

/// A small copy of a data set that a test may spoil.
struct Copy {
  explicit Copy(std::string set, Index per_class = 1) : name(std::move(set)) {
    make_tiny(name, folder.path(), {.per_class = per_class});
  }
  OfficialData read(ReadOptions options = {.allow_partial = true}) const {
    return find_dataset(name)->read(open_source(folder.path()), options);
  }
  std::string refusal(ReadOptions options = {.allow_partial = true}) const {
    return message_of<UsageError>([&] { read(options); });
  }
  std::string text(const std::string& file) const { return read_file(folder / file); }
  void write(const std::string& file, const std::string& bytes) const { write_file(folder / file, bytes); }
  void replace(const std::string& file, const std::string& old, const std::string& by) const {
    std::string bytes = text(file);
    const std::size_t at = bytes.find(old);
    ASSERT_NE(at, std::string::npos) << old;
    write(file, bytes.replace(at, old.size(), by));
  }
  std::string name;
  TemporaryFolder folder;
};

void expect_says(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message << "\n  lacks: " << part;
}

TEST(OfficialSets, FactsArePlausible) {
  std::set<std::string_view> names;
  for (const DatasetEntry& entry : dataset_registry()) {
    const DatasetInfo& info = *entry.info;
    EXPECT_TRUE(names.insert(info.name).second);
    EXPECT_FALSE(info.title.empty() || info.citation.empty() || info.note.empty()) << info.name;
    EXPECT_GT(info.classes, 1);
    for (const OfficialFile& file : info.files) {
      EXPECT_TRUE(file.url.empty() || (file.url.starts_with("http") && file.url.ends_with(file.name))) << file.url;
      EXPECT_EQ(file.md5.size(), 32u) << file.name;
      EXPECT_TRUE(file.sha256.empty() || file.sha256.size() == 64) << file.name;
    }
  }
  EXPECT_EQ(names.size(), 13u);
  EXPECT_EQ(find_dataset("food-101"), nullptr);
}

TEST(Food101, ClassesFollowTheirListAndNothingUnknownPasses) {
  const Copy copy("food101");
  std::string classes = copy.text("food-101/meta/classes.txt");
  copy.write("food-101/meta/classes.txt", "dish_100\r\n" + classes.substr(0, classes.size() - 9));
  EXPECT_EQ(copy.read().dataset->class_names()[0], "dish_100");  // its order counts, and Windows' line ends do not
  copy.replace("food-101/meta/train.txt", "dish_005/", "dish_xyz/");
  expect_says(copy.refusal(), "train.txt:6: unknown class 'dish_xyz'");
  copy.replace("food-101/meta/train.txt", "dish_xyz/", "dish_004/");
  copy.replace("food-101/meta/train.txt", "dish_004/6000", "dish_004/5000");
  expect_says(copy.refusal(), "train.txt:6: 'dish_004/5000.jpg' is listed twice");
  copy.replace("food-101/meta/train.txt", "dish_004/5000\ndish_004/5000", "dish_004/5000\n../../../etc/passwd");
  expect_says(copy.refusal(), "train.txt:6");
}

TEST(Cifar, TheFineLabelCountsAndPythonFilesAreNamed) {
  const Copy hundred("cifar100");
  const OfficialData data = hundred.read();
  const auto& set = dynamic_cast<const CifarDataset&>(*data.dataset);
  EXPECT_EQ(set.classes(), 100);
  std::set<std::int64_t> fine, coarse;
  for (Index i = 0; i < set.size(); ++i) fine.insert(set.label(i)), coarse.insert(set.coarse_label(i));
  EXPECT_EQ(fine.size(), 100u);
  EXPECT_EQ(coarse.size(), 20u);
  // Planes: the first bytes are the red values of the first row.
  const std::string bytes = hundred.text("cifar-100-binary/train.bin");
  const Image first = set.image(0);
  for (Index x = 0; x < 32; ++x)
    for (Index c = 0; c < 3; ++c)
      ASSERT_EQ(first.at(0, x)[c], static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(2 + 1024 * c + x)]));
  std::string shifted = bytes;
  shifted[1] = 100;
  hundred.write("cifar-100-binary/train.bin", shifted);
  expect_says(hundred.refusal(), "train.bin: byte 1: label 100 is out of range 0..99");
  hundred.write("cifar-100-binary/train.bin", bytes.substr(0, bytes.size() - 1));
  expect_says(hundred.refusal(), "are no whole number of records of 3074");
  const Copy ten("cifar10");
  fs::remove_all(ten.folder / "cifar-10-batches-bin");
  ten.write("cifar-10-batches-py/data_batch_1", "pickle");
  expect_says(ten.refusal(), "the binary version is read (cifar-10-binary.tar.gz)");
}

TEST(Birdsnap, DeadLinksAreSeen) {
  const Copy copy("birdsnap");
  const OfficialData data = copy.read();
  EXPECT_EQ(data.absent.size(), 10u);
  EXPECT_EQ(data.classes_found, 500);
  expect_says(data.coverage(), "train 490 of 47386");
  expect_says(copy.refusal({}), "10 listed images are not there");
  // A page in place of a photo: its MD5 is not the one stated, and it is no image. A placeholder is an image.
  const auto& set = dynamic_cast<const FileDataset&>(*data.dataset);
  Index wrong = 0;
  for (Index i = 0; i < set.size(); ++i)
    if (md5_hex(set.source().read(set.source_name(i))) != set.md5(i)) {
      if (wrong++ == 1) {
        EXPECT_EQ(set.path(i), "Species_031/32000.jpg");
        continue;
      }
      EXPECT_EQ(set.path(i), "Species_030/31000.jpg");
      expect_says(message_of<UsageError>([&] { set.image(i); }), "not an image");
    }
  EXPECT_EQ(wrong, 2);
  copy.replace("birdsnap/test_images.txt", "Species_007/8001.jpg", "Species_007/9999.jpg");
  expect_says(copy.refusal(), "1 test images are not in ");
  copy.replace("birdsnap/species.txt", "\n8\t", "\n9\t");
  expect_says(copy.refusal(), "species.txt:9: species 9 where 8 belongs");
}

TEST(Sun397, ClassesKeepTheirWholePathAndThePartitionCounts) {
  const Copy copy("sun397");
  const OfficialData first = copy.read(), second = copy.read({.allow_partial = true, .part = 2});
  EXPECT_EQ(first.dataset->class_names()[0], "a/abbey");
  EXPECT_NE(first.dataset->class_names()[1].find('/', 2), std::string::npos);
  EXPECT_EQ(first.split.train.size(), 397u);
  // Here the second partition is the first one turned round.
  EXPECT_EQ(first.dataset->path(first.split.train[0]), second.dataset->path(second.split.test[0]));
  EXPECT_THROW(copy.read({.allow_partial = true, .part = 11}), Error);
  copy.replace("Training_01.txt", "/a/abbey/", "/a/abbot/");
  expect_says(copy.refusal(), "Training_01.txt:1: unknown class 'a/abbot'");
}

TEST(StanfordCars, TestLabelsHaveToBeThoseWithLabels) {
  const Copy copy("stanford_cars");
  const OfficialData data = copy.read();
  EXPECT_EQ(data.dataset->class_names()[173], "Ram C/V Cargo Van Minivan 2012");
  EXPECT_EQ(*std::min_element(data.split.train.begin(), data.split.train.end()), 0);
  fs::remove(copy.folder / "cars_test_annos_withlabels.mat");
  expect_says(copy.refusal(), "cars_test_annos_withlabels.mat has the labels of the test images");
  const Copy shifted("stanford_cars");
  shifted.write("cars_test_annos_withlabels.mat",
                write_mat(data::detail::car_annotations({{"00001.jpg", 0}}, true), true));
  expect_says(shifted.refusal(), "class 0 of element 1 is not a whole number in 1..196");
  const TemporaryFolder later;
  write_file(later / "cars_annos.mat", std::string("later layout"));
  expect_says(message_of<UsageError>([&] { read_stanford_cars(open_source(later.path())); }),
              "numbers the images differently");
}

TEST(FgvcAircraft, LabelsHaveSpacesAndSlashesAndImagesABanner) {
  const Copy copy("fgvc_aircraft");
  const OfficialData plain = copy.read();
  EXPECT_EQ(plain.dataset->class_names()[0], "F-16A/B");
  EXPECT_EQ(plain.dataset->class_names()[1], "Model 001 Mark 2");
  const OfficialData cropped = copy.read({.allow_partial = true, .crop_banner = true});
  const Image whole = plain.dataset->image(3), less = cropped.dataset->image(3);
  EXPECT_EQ(less.height, whole.height - 20);
  EXPECT_TRUE(std::equal(less.pixels.begin(), less.pixels.end(), whole.pixels.begin()));
  EXPECT_GT(static_cast<int>(whole.pixels.back()), 240);  // the banner of the small set is white
  EXPECT_NE(cropped.dataset->decoder(), plain.dataset->decoder());
  EXPECT_EQ(split_digest(plain.split, *plain.dataset), split_digest(cropped.split, *cropped.dataset));
}

TEST(Voc2007, EveryLabelOfEveryImage) {
  const Copy copy("voc2007");
  const OfficialData data = copy.read();
  ASSERT_EQ(data.dataset->size(), 60);
  // By construction k = 1,009 (id - 1) mod 60 says what an image shows: class k mod 20, where k is even the one three on too, and
  // where k is a multiple of three the one five on, which is difficult.
  Index difficult = 0;
  for (Index i = 0; i < 60; ++i) {
    const Index k = (std::stoll(data.dataset->path(i)) - 1) * 1009 % 60;
    const auto shown = data.dataset->presence(i);
    EXPECT_EQ(shown[static_cast<std::size_t>(k % 20)], 1);
    EXPECT_EQ(shown[static_cast<std::size_t>((k + 3) % 20)], k % 2 == 0 ? 1 : -1);
    difficult += std::count(shown.begin(), shown.end(), 0);
    EXPECT_EQ(data.dataset->classes_of(i).size(), k % 2 == 0 ? 2u : 1u);
    EXPECT_EQ(shown[static_cast<std::size_t>(data.dataset->label(i))], 1);
  }
  EXPECT_EQ(difficult, 20);
  EXPECT_EQ(data.dataset->class_names()[18], "train");  // whose list is train_train.txt
  copy.replace("VOCdevkit/VOC2007/ImageSets/Main/dog_val.txt", "000003", "000099");
  expect_says(copy.refusal(), "dog_val.txt:1: image 000099, the other classes' lists have 000003");
  copy.replace("VOCdevkit/VOC2007/ImageSets/Main/dog_val.txt", "000099 -1", "000003  2");
  expect_says(copy.refusal(), "dog_val.txt:1: 2 is not in -1..1");
}

TEST(Dtd, PartitionsAndUnusedAttributes) {
  const Copy copy("dtd");
  const OfficialData one = copy.read(), two = copy.read({.allow_partial = true, .part = 2});
  EXPECT_NE(split_text(one.split, *one.dataset), split_text(two.split, *two.dataset));
  EXPECT_EQ(one.classes_found, 47);
  fs::remove(copy.folder / "dtd/images/texture_003/texture_003_0001.jpg");
  expect_says(copy.refusal({}), "texture_003_0001.jpg");
  EXPECT_EQ(copy.read().absent, std::vector<std::string>{"texture_003/texture_003_0001.jpg"});
}

TEST(OxfordPets, TheClassIdCountsNotTheOrderOfNames) {
  const Copy copy("oxford_pets");
  const OfficialData data = copy.read();
  const std::vector<std::string>& names = data.dataset->class_names();
  EXPECT_EQ(names[0], "Breed_00");
  EXPECT_EQ(names[1], "breed_01");
  EXPECT_FALSE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(data.dataset->size(), 74);  // and not what else lies in the folder
  copy.replace("annotations/test.txt", "breed_01_2 2 ", "breed_01_2 3 ");
  expect_says(copy.refusal(), "are the labels shifted?");
  copy.replace("annotations/test.txt", "breed_01_2 3 ", "breed_01_2 38 ");
  expect_says(copy.refusal(), "38 is not in 1..37");
}

TEST(Caltech101, TheStrayFileIsNoImage) {
  const Copy copy("caltech101");
  const OfficialData data = copy.read();
  EXPECT_EQ(data.dataset->class_names()[0], "BACKGROUND_Google");
  EXPECT_EQ(data.dataset->size(), 204);
  for (Index i = 0; i < data.dataset->size(); ++i) EXPECT_TRUE(data.dataset->path(i).ends_with(".jpg"));
  const Split split = split_per_class(data.dataset->labels(), 1, 0);
  EXPECT_EQ(split.train.size(), 102u);
  EXPECT_EQ(split.test.size(), 102u);
}

TEST(OxfordFlowers, LabelsCountFromOneAndTheTestPartIsTheLargest) {
  EXPECT_GT(oxford_flowers_info.counts.test, oxford_flowers_info.counts.train);
  const Copy copy("oxford_flowers");
  const OfficialData data = copy.read();
  const std::vector<std::int64_t> labels = data.dataset->labels();
  EXPECT_EQ(*std::min_element(labels.begin(), labels.end()), 0);
  EXPECT_EQ(*std::max_element(labels.begin(), labels.end()), 101);
  std::vector<double> shifted(408, 0.0);
  copy.write("imagelabels.mat", write_mat({{"labels", MatValue::row(shifted)}}, true));
  expect_says(copy.refusal(), "label (they count from 1) 0 of element 1 is not a whole number in 1..102");
  copy.write("setid.mat", write_mat({{"trnid", MatValue::row({0})}, {"valid", {}}, {"tstid", {}}}, true));
  expect_says(copy.refusal(), "trnid: image 0 of element 1 is not a whole number in 1..");
}

TEST(Imagenet, GroundTruthGoesThroughTheMetadata) {
  const Copy copy("imagenet");
  const OfficialData data = copy.read();
  EXPECT_TRUE(std::is_sorted(data.dataset->class_names().begin(), data.dataset->class_names().end()));
  // By construction validation image i shows class 3 i mod 1,000; read by position it would be another one.
  Index by_position = 0;
  const TextList truth(*open_source(copy.folder.path()),
                       "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt");
  for (std::size_t k = 0; k < data.split.test.size(); ++k) {
    const std::int64_t label = data.dataset->label(data.split.test[k]);
    ASSERT_EQ(label, static_cast<std::int64_t>(3 * k % 1000)) << k;
    by_position += std::to_string(label + 1) == truth.lines[k].text ? 1 : 0;
  }
  EXPECT_LT(by_position, 10);
  // CMYK, wrapped in gzip, PNG under .JPEG: all decode to RGB.
  Index decoded = 0;
  for (Index i = 0; i < 6; ++i) decoded += data.dataset->image(i).height >= 40 ? 1 : 0;
  EXPECT_EQ(decoded, 6);
  copy.write("train/n99999999/x.JPEG", "x");
  expect_says(copy.refusal(), "unknown class 'n99999999'");
}

}  // namespace dataset_traps_test
