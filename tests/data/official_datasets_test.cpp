// The readers of published data sets whose labels are text or records: each layout, and its traps one by one.
#include <gtest/gtest.h>

#include <set>

#include "data/layouts.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace official_datasets_test {

using namespace layouts;
using test_images::noise;

TEST(Registry, FactsOfEverySet) {
  std::set<std::string_view> names;
  for (const DatasetEntry& entry : dataset_registry()) {
    const DatasetInfo& info = *entry.info;
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.title.empty() || info.citation.empty() || info.note.empty()) << info.name;
    EXPECT_NE(info.citation.find("20"), std::string_view::npos) << info.name << ": no year";
    EXPECT_EQ(find_dataset(info.name), &entry);
    for (const std::span<const OfficialFile> files : {info.files, info.inner})
      for (const OfficialFile& file : files) {
        EXPECT_TRUE(file.url.empty() || (file.url.starts_with("http") && file.url.ends_with(file.name))) << file.url;
        EXPECT_TRUE(file.md5.size() == 32 && (file.sha256.empty() || file.sha256.size() == 64)) << file.name;
        for (const std::string_view digest : {file.md5, file.sha256})
          EXPECT_EQ(digest.find_first_not_of("0123456789abcdef"), std::string_view::npos) << file.name;
      }
  }
  EXPECT_EQ(names.size(), 13u);
  EXPECT_EQ(find_dataset("food-101"), nullptr);
  // The paper's Table 1, with Pets' 3,669 of its Table H.1; Caltech-101 is drawn into 3,060 + 6,084.
  const std::map<std::string_view, PartCounts> paper{
      {"food101", {75750, 0, 25250}},        {"cifar10", {50000, 0, 10000}},  {"cifar100", {50000, 0, 10000}},
      {"birdsnap", {47386, 0, 2443}},        {"sun397", {19850, 0, 19850}},   {"stanford_cars", {8144, 0, 8041}},
      {"fgvc_aircraft", {3334, 3333, 3333}}, {"voc2007", {2501, 2510, 4952}}, {"dtd", {1880, 1880, 1880}},
      {"oxford_pets", {3680, 0, 3669}},      {"caltech101", {9144, 0, 0}},    {"oxford_flowers", {1020, 1020, 6149}},
      {"imagenet", {1281167, 0, 50000}}};
  for (const auto& [name, counts] : paper) {
    ASSERT_NE(find_dataset(name), nullptr) << name;
    EXPECT_EQ(find_dataset(name)->info->counts, counts) << name;
  }
  for (const char* name : {"fgvc_aircraft", "oxford_pets", "caltech101", "oxford_flowers"})
    EXPECT_EQ(find_dataset(name)->info->metric, Metric::mean_per_class) << name;
  EXPECT_EQ(voc2007_info.metric, Metric::voc_ap11);
  for (const char* name : {"food101", "cifar10", "cifar100", "birdsnap", "sun397", "stanford_cars", "dtd", "imagenet"})
    EXPECT_EQ(find_dataset(name)->info->metric, Metric::top1) << name;
}

TEST(Registry, NothingIsReadFromAnEmptyFolder) {
  for (const DatasetEntry& entry : dataset_registry())
    for (const bool partial : {false, true}) {
      const std::string message = Layout{entry.read}.refusal({.allow_partial = partial});
      EXPECT_TRUE(message.starts_with("[" + std::string(entry.info->name) + "] mem/")) << entry.info->name << message;
    }
}

TEST(FileDataset, PathsDoNotSayWhereTheDataLie) {
  auto source = std::make_shared<MapSource>(std::map<std::string, std::string>{{"deep/down/a.jpg", photo()}});
  const FileDataset set("set", source, {{"a.jpg", 0}}, {"one"}, Metric::top1, Decoder::turbo, "deep/down/");
  EXPECT_EQ(set.path(0), "a.jpg");
  EXPECT_EQ(set.source_name(0), "deep/down/a.jpg");
  EXPECT_EQ(set.image(0).height, 4);
  EXPECT_EQ(set.md5(0), "");
}

TEST(InnerFiles, SizesAndDigestsAreCompared) {
  static constexpr OfficialFile inner[] = {{"", "folder/a.bin", 3, "900150983cd24fb0d6963f7d28e17f72",
                                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}};
  const DatasetInfo info{.name = "x", .title = "x", .citation = "x", .inner = inner};
  const auto problems = [&](const char* name, const char* bytes) {
    return check_inner_files(info, MapSource(std::map<std::string, std::string>{{name, bytes}}));
  };
  EXPECT_TRUE(problems("folder/a.bin", "abc").empty());
  EXPECT_TRUE(problems("a.bin", "abc").empty());
  EXPECT_TRUE(problems("b.bin", "abd").empty());  // not there
  ASSERT_EQ(problems("a.bin", "abcd").size(), 1u);
  expect_says(problems("a.bin", "abcd")[0], "mem/a.bin: 4 bytes, the official file has 3");
  ASSERT_EQ(problems("folder/a.bin", "abd").size(), 2u);
  expect_says(problems("folder/a.bin", "abd")[0], "mem/folder/a.bin: MD5 is ");
}

Layout food() {
  Layout layout{&read_food101};
  layout["food-101/meta/classes.txt"] = "waffles\napple_pie\nbibimbap\n";
  layout["food-101/meta/train.txt"] = "apple_pie/1\nbibimbap/2\nwaffles/3\n";
  layout["food-101/meta/test.txt"] = "waffles/4\nbibimbap/5\n";
  for (const char* name : {"apple_pie/1", "bibimbap/2", "waffles/3", "waffles/4", "bibimbap/5"})
    layout["food-101/images/" + std::string(name) + ".jpg"] = photo();
  return layout;
}

TEST(Food101, ClassesAreInTheOrderOfTheirList) {
  const OfficialData data = food().read();
  EXPECT_EQ(data.dataset->class_names(), (std::vector<std::string>{"waffles", "apple_pie", "bibimbap"}));
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{1, 2, 0}));
  EXPECT_EQ(paths(data, data.split.test), (std::vector<std::string>{"waffles/4.jpg", "bibimbap/5.jpg"}));
  EXPECT_EQ(text_of(food().inside("food-101/").read()), text_of(data));  // wherever the data lie
  const Layout windows = food().with("food-101/meta/classes.txt", "waffles\r\napple_pie\r\n\r\nbibimbap\r\n");
  EXPECT_EQ(text_of(windows.read()), text_of(data));
  EXPECT_EQ(data.dataset->image(0).width, 4);
  expect_says(data.coverage(), "partial data: classes 3 of 101, train 3 of 75750, test 2 of 25250");
}

TEST(Food101, OnlyTheWholeSetUnlessPartialDataAreAllowed) {
  expect_says(food().refusal({}), "the lists name 3 classes, the official set has 101");
  Layout all{&read_food101};
  for (int c = 0; c < 101; ++c) {
    all["meta/classes.txt"] += "dish_" + digits(c, 3) + "\n";
    for (int i = 0; i < 1000; ++i) {
      const std::string name = "dish_" + digits(c, 3) + "/" + std::to_string(i);
      all[i < 750 ? "meta/train.txt" : "meta/test.txt"] += name + "\n";
      all["images/" + name + ".jpg"];
    }
  }
  const OfficialData data = all.read({});
  EXPECT_TRUE(data.complete());
  EXPECT_EQ(data.coverage(), "");
  expect_says(all.without("images/dish_007/8.jpg").refusal({}), "mem/images/dish_007/8.jpg");
  const Layout shorter = all.replaced("meta/test.txt", "dish_100/999\n", "");
  expect_says(shorter.refusal({}), "test 25249 of 25250; --allow-partial accepts it");
}

TEST(Food101, AbsentImagesAreNamedOrLeftOut) {
  const Layout some = food().without("food-101/images/bibimbap/2.jpg").without("food-101/images/waffles/4.jpg");
  const OfficialData data = some.read();
  EXPECT_EQ(data.absent, (std::vector<std::string>{"bibimbap/2.jpg", "waffles/4.jpg"}));
  EXPECT_EQ(paths(data, data.split.train), (std::vector<std::string>{"apple_pie/1.jpg", "waffles/3.jpg"}));
  EXPECT_EQ(data.found, (PartCounts{2, 0, 1}));
  const std::string message = some.refusal({});
  expect_says(message, "2 listed images are not there: mem/food-101/images/bibimbap/2.jpg and others");
  expect_says(message, "waffles/4.jpg");
  Layout none = some;
  for (const char* name : {"apple_pie/1", "waffles/3", "bibimbap/5"})
    none.files.erase("food-101/images/" + std::string(name) + ".jpg");
  expect_says(none.refusal({}), "5 listed images");
  EXPECT_EQ(none.read().dataset->size(), 0);
  EXPECT_EQ(none.read().classes_found, 0);
}

TEST(Food101, BadListsAreNamedByLine) {
  const std::string list = "food-101/meta/train.txt";
  const auto refusal = [&](const std::string& old, const std::string& by) {
    return food().replaced(list, old, by).refusal();
  };
  expect_says(refusal("bibimbap/2", "bibimbab/2"), "mem/food-101/meta/train.txt:2: unknown class 'bibimbab'");
  expect_says(refusal("bibimbap/2", "apple_pie/1"), "train.txt:2: 'apple_pie/1.jpg' is listed twice, first in line 1");
  expect_says(refusal("bibimbap/2", "waffles/4"), "test.txt:1: 'waffles/4.jpg' is listed twice");  // in two parts
  expect_says(refusal("bibimbap/2", "bibimbap"), "train.txt:2: 'class/id' expected");
  expect_says(refusal("bibimbap/2", "bibimbap/../../../etc/passwd"), "train.txt:2: the name 'bibimbap/../../../etc");
  expect_says(refusal("bibimbap/2", "/etc/passwd"), "train.txt:2: unknown class ''");
  expect_says(refusal("bibimbap/2", std::string("bibimbap/\0", 10)), "train.txt:2: a NUL byte");
  expect_says(food().replaced("food-101/meta/classes.txt", "bibimbap", "waffles").refusal(),
              "classes.txt: class 'waffles' occurs twice");
  expect_says(food().without(list).refusal(), "train.txt");
}

/// Records of CIFAR whose pixels are `first` + their number in the record.
std::string cifar_records(const std::vector<std::vector<int>>& label_bytes, int first = 0) {
  std::string bytes;
  for (const auto& own : label_bytes) {
    for (const int byte : own) bytes += static_cast<char>(byte);
    for (int k = 0; k < 3072; ++k) bytes += static_cast<char>(first + k % 251);
  }
  return bytes;
}

Layout cifar10() {
  Layout layout{&read_cifar10};
  const std::string root = "cifar-10-batches-bin/";
  layout[root + "batches.meta.txt"] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
  for (int b = 1; b <= 5; ++b) layout[root + "data_batch_" + std::to_string(b) + ".bin"] = cifar_records({{b}, {9}}, b);
  layout[root + "test_batch.bin"] = cifar_records({{0}});
  return layout;
}

Layout cifar100() {
  Layout layout{&read_cifar100};
  for (int c = 0; c < 100; ++c) layout["cifar-100-binary/fine_label_names.txt"] += "fine" + std::to_string(c) + "\n";
  layout["cifar-100-binary/train.bin"] = cifar_records({{4, 72}, {19, 99}});
  layout["cifar-100-binary/test.bin"] = cifar_records({{0, 1}}, 3);
  return layout;
}

TEST(Cifar, RecordsInTheOrderOfTheFilesPlanesToPixels) {
  const OfficialData data = cifar10().read();
  EXPECT_EQ(data.dataset->labels(), (std::vector<std::int64_t>{1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 0}));
  EXPECT_EQ(data.split.test, std::vector<Index>{10});
  EXPECT_EQ(data.dataset->path(9), "train/00009");
  EXPECT_EQ(data.dataset->path(10), "test/00000");
  EXPECT_EQ(data.dataset->class_names()[9], "truck");
  const Image image = data.dataset->image(4);  // of the third batch
  ASSERT_EQ(image.height, 32);
  for (Index y = 0; y < 32; ++y)
    for (Index x = 0; x < 32; ++x)
      for (Index c = 0; c < 3; ++c)
        ASSERT_EQ(image.at(y, x)[c], static_cast<std::uint8_t>(3 + (1024 * c + 32 * y + x) % 251));
  EXPECT_EQ(text_of(cifar10().inside("cifar-10-batches-bin/").read()), text_of(data));
  expect_says(cifar10().refusal({}), "train 10 of 50000, test 1 of 10000");
}

TEST(Cifar, TheFineLabelCounts) {
  const OfficialData data = cifar100().read();
  EXPECT_EQ(data.dataset->labels(), (std::vector<std::int64_t>{72, 99, 1}));
  EXPECT_EQ(data.dataset->classes(), 100);
  EXPECT_EQ(dynamic_cast<const CifarDataset&>(*data.dataset).coarse_label(0), 4);
  const OfficialData ten = cifar10().read();
  EXPECT_THROW(dynamic_cast<const CifarDataset&>(*ten.dataset).coarse_label(0), Error);
}

TEST(Cifar, DamagedFilesAreNamed) {
  const std::string ten = "cifar-10-batches-bin/", hundred = "cifar-100-binary/";
  expect_says(cifar10().with(ten + "data_batch_2.bin", cifar_records({{1}, {10}})).refusal(),
              "data_batch_2.bin: byte 3073: label 10 is out of range 0..9");
  expect_says(cifar100().with(hundred + "train.bin", cifar_records({{4, 100}})).refusal(),
              "train.bin: byte 1: label 100 is out of range 0..99");
  // Records that are shifted by a byte: pixels stand where coarse labels are expected.
  expect_says(cifar100().with(hundred + "train.bin", cifar_records({{20, 99}})).refusal(),
              "train.bin: byte 0: coarse label 20 is out of range 0..19");
  expect_says(cifar100().with(hundred + "test.bin", cifar_records({{4, 3}}).substr(1)).refusal(),
              "test.bin: 3073 bytes are no whole number of records of 3074");
  expect_says(cifar10().with(ten + "test_batch.bin", "").refusal(), "test_batch.bin: 0 bytes");
  expect_says(cifar10().without(ten + "data_batch_4.bin").refusal(), "data_batch_4.bin");
  expect_says(cifar10().replaced(ten + "batches.meta.txt", "ship\n", "").refusal(),
              "batches.meta.txt: 9 class names, there are 10");
  Layout python{&read_cifar10};
  python["cifar-10-batches-py/data_batch_1"] = "pickle";
  expect_says(python.refusal(), "Python's version; the binary version is read (cifar-10-binary.tar.gz)");
}

Layout birds() {
  Layout layout{&read_birdsnap};
  layout["birdsnap/species.txt"] =
      "id\tcommon\tscientific\tdir\n1\tZebra Finch\tT. guttata\tZebra_Finch\n2\tAbert's Towhee\tM. "
      "aberti\tAberts_Towhee\n";
  std::string& images = layout["birdsnap/images.txt"];
  images = "url\tmd5\tpath\tspecies_id\tbb_x1\tbb_y1\tbb_x2\tbb_y2\n";
  const auto add = [&](const std::string& path, int species, const std::string& bytes) {
    layout["birdsnap/images/" + path] = bytes;
    images +=
        "http://x/" + path + "\t" + md5_hex(bytes) + "\t" + path + "\t" + std::to_string(species) + "\t0\t0\t3\t3\n";
  };
  add("Zebra_Finch/1.jpg", 1, photo(4, 4, 1));
  add("Aberts_Towhee/2.jpg", 2, photo(4, 4, 2));
  add("Zebra_Finch/3.jpg", 1, photo(4, 4, 3));
  add("Aberts_Towhee/4.jpg", 2, photo(4, 4, 2));  // the photo of 2.jpg
  layout["birdsnap/test_images.txt"] = "path\nZebra_Finch/3.jpg\n";
  return layout;
}

TEST(Birdsnap, TestImagesAreTheListedOnesTrainingImagesAllOthers) {
  const OfficialData data = birds().read();
  EXPECT_EQ(data.dataset->class_names(), (std::vector<std::string>{"Zebra_Finch", "Aberts_Towhee"}));
  EXPECT_EQ(paths(data, data.split.train),
            (std::vector<std::string>{"Zebra_Finch/1.jpg", "Aberts_Towhee/2.jpg", "Aberts_Towhee/4.jpg"}));
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{0, 1, 1}));
  EXPECT_EQ(paths(data, data.split.test), std::vector<std::string>{"Zebra_Finch/3.jpg"});
  EXPECT_EQ(text_of(birds().inside("birdsnap/").read()), text_of(data));
  const Layout bare = birds().replaced("birdsnap/species.txt", "id\tcommon\tscientific\tdir\n", "");
  EXPECT_EQ(text_of(bare.read()), text_of(data));  // a list without its header
  Layout fetched{&read_birdsnap};
  for (const auto& [name, bytes] : birds().files) {
    const bool image = name.starts_with("birdsnap/images/");
    fetched[image ? "birdsnap/download/" + name.substr(9) : name] = bytes;
  }
  EXPECT_EQ(text_of(fetched.read()), text_of(data));
}

TEST(Birdsnap, DeadLinksAndPagesInPlaceOfPhotos) {
  const Layout dead = birds().without("birdsnap/images/Zebra_Finch/3.jpg");
  expect_says(dead.refusal({}), "1 listed images are not there: mem/birdsnap/images/Zebra_Finch/3.jpg");
  const OfficialData data = dead.read();
  EXPECT_EQ(data.absent, std::vector<std::string>{"Zebra_Finch/3.jpg"});
  expect_says(data.coverage(), "classes 2 of 500, train 3 of 47386, test 0 of 2443");

  const OfficialData page = birds().with("birdsnap/images/Aberts_Towhee/2.jpg", "<!DOCTYPE html><p>gone").read();
  const auto& set = dynamic_cast<const FileDataset&>(*page.dataset);
  std::vector<std::string> wrong;
  for (Index i = 0; i < set.size(); ++i)
    if (md5_hex(set.source().read(set.source_name(i))) != set.md5(i)) wrong.push_back(set.path(i));
  EXPECT_EQ(wrong, std::vector<std::string>{"Aberts_Towhee/2.jpg"});
  EXPECT_THROW(set.image(1), UsageError);
}

TEST(Birdsnap, PhotosThatAreThereTwiceAreFound) {
  const OfficialData data = birds().read();
  const auto duplicates = dynamic_cast<const BirdsnapDataset&>(*data.dataset).duplicates();
  ASSERT_EQ(duplicates.size(), 1u);
  EXPECT_EQ(data.dataset->path(duplicates[0].first), "Aberts_Towhee/4.jpg");
  EXPECT_EQ(data.dataset->path(duplicates[0].second), "Aberts_Towhee/2.jpg");
}

TEST(Birdsnap, BadTablesAreNamedByLine) {
  const auto refusal = [](const std::string& file, const std::string& old, const std::string& by) {
    return birds().replaced("birdsnap/" + file, old, by).refusal();
  };
  expect_says(refusal("species.txt", "\n2\t", "\n3\t"), "species.txt:3: species 3 where 2 belongs");
  expect_says(refusal("species.txt", "\tZebra_Finch", ""),
              "species.txt:2: id, common name, scientific name and folder");
  expect_says(
      refusal("images.txt", "3.jpg\t1\t", "3.jpg\t2\t"),
      "images.txt:4: species 2 for an image in Zebra_Finch, its folder is Aberts_Towhee in mem/birdsnap/species.txt"
      ": are the labels shifted?");
  // All of them by one, so that no two images contradict each other.
  Layout shifted = birds();
  shifted["birdsnap/species.txt"] =
      "1\tOther\tO. other\tOther\n2\tZebra Finch\tT. guttata\tZebra_Finch\n3\tAbert's Towhee\tM. aberti\tAberts_"
      "Towhee\n";
  expect_says(shifted.refusal(), "images.txt:2: species 1 for an image in Zebra_Finch, its folder is Other");
  expect_says(refusal("images.txt", "1.jpg\t1\t", "1.jpg\t0\t"), "images.txt:2: 0 is not in 1..2");
  expect_says(refusal("images.txt", "1.jpg\t1\t", "1.jpg\t3\t"), "images.txt:2: 3 is not in 1..2");
  expect_says(refusal("images.txt", "1.jpg\t1\t", "1.jpg\tone\t"), "images.txt:2: 'one' is not a whole number");
  expect_says(refusal("images.txt", "\tZebra_Finch/3.jpg", "\tZebra_Finch/1.jpg"),
              "'Zebra_Finch/1.jpg' is listed twice");
  expect_says(refusal("images.txt", "\tZebra_Finch/1.jpg", "\tZebra_Finch/../../1.jpg"), "images.txt:2: the name");
  // Without its header a table would lose its first line.
  expect_says(refusal("images.txt", "url\tmd5\tpath\tspecies_id\tbb_x1\tbb_y1\tbb_x2\tbb_y2\n", ""),
              "images.txt:1: a header line 'url, md5, path, species_id, ...' was expected");
  expect_says(refusal("test_images.txt", "path\n", ""), "test_images.txt:1: a header line was expected, not a path");
  expect_says(birds().with("birdsnap/images.txt", "").refusal(), "images.txt:1: a header line");
  expect_says(birds().with("birdsnap/test_images.txt", "").refusal(), "test_images.txt:1: a header line");
  expect_says(refusal("test_images.txt", "3.jpg", "9.jpg"), "test_images.txt: 1 test images are not in ");
  expect_says(refusal("test_images.txt", "Zebra_Finch/3.jpg\n", "Zebra_Finch/3.jpg\nZebra_Finch/3.jpg\n"),
              "test_images.txt:3: 'Zebra_Finch/3.jpg' is listed twice");
}

Layout sun() {
  Layout layout{&read_sun397};
  layout["ClassName.txt"] = "/a/abbey\n/c/church/indoor\n/c/church/outdoor\n";
  layout["Training_01.txt"] = "/c/church/outdoor/sun_1.jpg\n/a/abbey/sun_2.jpg\n";
  layout["Testing_01.txt"] = "/c/church/indoor/sun_3.jpg\n";
  layout["Training_10.txt"] = "/c/church/indoor/sun_3.jpg\n";
  layout["Testing_10.txt"] = "/a/abbey/sun_2.jpg\n";
  for (const char* name :
       {"c/church/outdoor/sun_1", "a/abbey/sun_2", "c/church/indoor/sun_3", "a/abbey/sun_not_listed"})
    layout["SUN397/" + std::string(name) + ".jpg"] = photo();
  return layout;
}

TEST(Sun397, TheWholePathIsTheClass) {
  const OfficialData data = sun().read();
  EXPECT_EQ(data.dataset->class_names(), (std::vector<std::string>{"a/abbey", "c/church/indoor", "c/church/outdoor"}));
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{2, 0}));
  EXPECT_EQ(labels(data, data.split.test), std::vector<std::int64_t>{1});
  EXPECT_EQ(data.dataset->path(0), "c/church/outdoor/sun_1.jpg");
  EXPECT_EQ(data.dataset->size(), 3);  // what no partition names takes no part
}

TEST(Sun397, ThePartitionIsChosen) {
  const OfficialData ten = sun().read({.allow_partial = true, .part = 10});
  EXPECT_EQ(paths(ten, ten.split.train), std::vector<std::string>{"c/church/indoor/sun_3.jpg"});
  EXPECT_EQ(paths(ten, ten.split.test), std::vector<std::string>{"a/abbey/sun_2.jpg"});
  for (const int part : {0, 11}) expect_says(sun().refusal({.allow_partial = true, .part = part}), "no partition");
  expect_says(sun().refusal({.allow_partial = true, .part = 2}), "Training_02.txt");
}

TEST(Sun397, ImagesAndPartitionsMayLieApart) {
  const std::string expected = text_of(sun().read());
  std::map<std::string, std::string> lists, images, one;
  for (const auto& [name, bytes] : sun().files) {
    const bool image = name.starts_with("SUN397/");
    (image ? images : lists)[name] = bytes;
    one[image ? name.substr(7) : "Partitions/" + name] = bytes;
  }
  const auto both = std::make_shared<UnionSource>(std::vector<std::shared_ptr<const FileSource>>{
      std::make_shared<MapSource>(lists), std::make_shared<MapSource>(images)});
  EXPECT_EQ(text_of(read_sun397(both, {.allow_partial = true})), expected);
  EXPECT_EQ(text_of(read_sun397(std::make_shared<MapSource>(one), {.allow_partial = true})), expected);
  one.erase("c/church/outdoor/sun_1.jpg");  // the first listed image is not there: the others are found all the same
  EXPECT_EQ(read_sun397(std::make_shared<MapSource>(one), {.allow_partial = true}).absent,
            std::vector<std::string>{"c/church/outdoor/sun_1.jpg"});
}

TEST(Sun397, BadListsAreNamedByLine) {
  expect_says(sun().replaced("Training_01.txt", "/a/abbey/", "/a/abbot/").refusal(),
              "Training_01.txt:2: unknown class 'a/abbot'");
  // A class with the letter or the subclass cut off is another name.
  expect_says(sun().replaced("Testing_01.txt", "church/indoor/", "church/").refusal(), "unknown class 'c/church'");
  expect_says(sun().replaced("Testing_01.txt", "/c/church/indoor/", "sun/").refusal(), "'/class/image' expected");
  expect_says(sun().replaced("Testing_01.txt", "/c/church/indoor/sun_3", "/a/abbey/sun_2").refusal(),
              "Testing_01.txt:1: 'a/abbey/sun_2.jpg' is listed twice");
  expect_says(sun().replaced("ClassName.txt", "/a/abbey", "a/abbey").refusal(), "does not begin with '/'");
  expect_says(sun().refusal({}), "the lists name 3 classes, the official set has 397");
}

Layout aircraft() {
  Layout layout{&read_fgvc_aircraft};
  const std::string root = "fgvc-aircraft-2013b/data/";
  layout[root + "variants.txt"] = "707-320\nF/A-18\nF-16A/B\nDC-9 30 Mk 2\n";
  layout[root + "images_variant_train.txt"] = "0000001 F/A-18\n0000002 DC-9 30 Mk 2\n";
  layout[root + "images_variant_val.txt"] = "0000003 707-320\n";
  layout[root + "images_variant_test.txt"] = "0000004 F-16A/B\n";
  for (int i = 1; i <= 4; ++i) layout[root + "images/000000" + std::to_string(i) + ".jpg"] = photo(18 + i, 8, 5);
  return layout;
}

TEST(FgvcAircraft, LinesAreCutAtTheFirstSpace) {
  const OfficialData data = aircraft().read();
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(labels(data, data.split.validation), std::vector<std::int64_t>{0});
  EXPECT_EQ(labels(data, data.split.test), std::vector<std::int64_t>{2});
  EXPECT_EQ(data.dataset->path(1), "0000002.jpg");
  EXPECT_EQ(text_of(aircraft().inside("fgvc-aircraft-2013b/").read()), text_of(data));
  EXPECT_EQ(text_of(aircraft().inside("fgvc-aircraft-2013b/data/").read()), text_of(data));
  const std::string list = "fgvc-aircraft-2013b/data/images_variant_train.txt";
  expect_says(aircraft().replaced(list, " F/A-18", " F/A-19").refusal(), "train.txt:1: unknown class 'F/A-19'");
  expect_says(aircraft().replaced(list, "0000001 F/A-18", "0000001").refusal(), "train.txt:1: 'id label' expected");
  expect_says(aircraft().replaced(list, "0000002", "0000003").refusal(), "val.txt:1: '0000003.jpg' is listed twice");
  expect_says(aircraft().replaced(list, "0000002", "../0000002").refusal(), "train.txt:2: the name '../0000002.jpg'");
}

TEST(FgvcAircraft, TheBannerIsCutOffOnRequest) {
  const OfficialData whole = aircraft().read(), cropped = aircraft().read({.allow_partial = true, .crop_banner = true});
  const Index last = whole.split.test[0];
  const Image all = whole.dataset->image(last), less = cropped.dataset->image(last);
  ASSERT_EQ(all.height, 22);
  ASSERT_EQ(less.height, 2);
  EXPECT_EQ(less.width, all.width);
  EXPECT_EQ(less.pixels, std::vector<std::uint8_t>(all.pixels.begin(), all.pixels.begin() + 2 * 8 * 3));
  EXPECT_EQ(text_of(cropped), text_of(whole));
  EXPECT_EQ(cropped.dataset->decoder(), whole.dataset->decoder() + ", lowest 20 rows cut off");
  // Nothing reads the files past the crop: a loader that knows data sets of files must not take this one for such.
  EXPECT_EQ(dynamic_cast<const FileDataset*>(cropped.dataset.get()), nullptr);
  const std::string message = test_images::message_of<UsageError>([&] { cropped.dataset->image(1); });
  expect_says(message, "0000002.jpg: 20 rows, and the lowest 20 are to be cut off");
}

}  // namespace official_datasets_test
