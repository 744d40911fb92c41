// The readers of published data sets with labels of several files, MATLAB files or folder names: each layout, and its traps
// one by one.
#include <gtest/gtest.h>

#include "data/layouts.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace official_labels_test {

using namespace layouts;

MatValue cars_annotations(const std::vector<std::pair<std::string, double>>& images, bool with_class = true) {
  std::vector<MatValue> classes, names, edges;
  for (const auto& [name, label] : images) {
    names.push_back(mat_text(name));
    classes.push_back(MatValue::row({label}));
    edges.push_back(MatValue::row({7}));
  }
  if (!with_class) return mat_structures({{"bbox_x1", edges}, {"fname", names}});
  return mat_structures({{"bbox_x1", edges}, {"class", classes}, {"fname", names}});
}
std::string cars_file(const std::vector<std::pair<std::string, double>>& images, bool with_class = true) {
  return write_mat({{"annotations", cars_annotations(images, with_class)}}, true);
}

Layout cars() {
  Layout layout{&read_stanford_cars};
  std::vector<MatValue> names;
  for (int c = 0; c < 196; ++c)
    names.push_back(mat_text(c == 173 ? "Ram C/V Cargo Van Minivan 2012" : "Make " + std::to_string(c)));
  layout["devkit/cars_meta.mat"] = write_mat({{"class_names", mat_cells(names)}}, true);
  layout["devkit/cars_train_annos.mat"] = cars_file({{"00001.jpg", 174}, {"00002.jpg", 1}});
  layout["devkit/cars_test_annos.mat"] = cars_file({{"00001.jpg", 0}}, false);
  layout["cars_test_annos_withlabels.mat"] = cars_file({{"00001.jpg", 196}});
  layout["cars_train/00001.jpg"] = layout["cars_train/00002.jpg"] = layout["cars_test/00001.jpg"] = photo();
  return layout;
}

TEST(StanfordCars, ClassesCountFromOneAndMayHoldASlash) {
  const OfficialData data = cars().read();
  EXPECT_EQ(data.dataset->class_names()[173], "Ram C/V Cargo Van Minivan 2012");
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{173, 0}));
  EXPECT_EQ(labels(data, data.split.test), std::vector<std::int64_t>{195});
  // Both parts have an image 00001.jpg.
  EXPECT_EQ(data.dataset->path(0), "cars_train/00001.jpg");
  EXPECT_EQ(data.dataset->path(2), "cars_test/00001.jpg");
  EXPECT_EQ(text_of(cars().below("stanford_cars/").read()), text_of(data));
  Layout inside = cars();
  inside["devkit/cars_test_annos_withlabels.mat"] = inside["cars_test_annos_withlabels.mat"];
  EXPECT_EQ(text_of(inside.without("cars_test_annos_withlabels.mat").read()), text_of(data));
}

TEST(StanfordCars, TheDevkitsTestFileHasNoLabels) {
  const Layout kit = cars().without("cars_test_annos_withlabels.mat");
  expect_says(kit.refusal(), "mem/devkit/cars_test_annos.mat: 'annotations' has no field 'class'");
  expect_says(kit.refusal(), "cars_test_annos_withlabels.mat has the labels of the test images");
  expect_says(kit.without("devkit/cars_test_annos.mat").refusal(), "mem/cars_test_annos_withlabels.mat");
}

TEST(StanfordCars, TheLaterLayoutIsRefused) {
  Layout later{&read_stanford_cars};
  later["cars_annos.mat"] = cars_file({{"car_ims/000001.jpg", 1}});
  later["car_ims/000001.jpg"] = photo();
  expect_says(later.refusal(), "mem/cars_annos.mat: this is the later layout with car_ims/, which numbers the images");
}

TEST(StanfordCars, LabelsThatAreNoneAreNamed) {
  for (const double label : {0.0, 197.0, 1.5, -1.0}) {
    const std::string bytes = cars_file({{"00001.jpg", 1}, {"00002.jpg", label}});
    const std::string message = cars().with("devkit/cars_train_annos.mat", bytes).refusal();
    expect_says(message, concat_text("cars_train_annos.mat: class ", label, " of element 2 is not a whole number in"));
  }
  const auto train = [](const std::vector<std::pair<std::string, double>>& images) {
    return cars().with("devkit/cars_train_annos.mat", cars_file(images));
  };
  expect_says(train({{"00001.jpg", 1}, {"00001.jpg", 2}}).refusal(), "'cars_train/00001.jpg' is listed twice");
  expect_says(train({{"../../00001.jpg", 1}}).refusal(), "the name 'cars_train/../../00001.jpg'");
  expect_says(train({{"00009.jpg", 1}}).refusal({}), "mem/cars_train/00009.jpg");
  const std::string few = write_mat({{"class_names", mat_cells({mat_text("one")})}}, true);
  expect_says(cars().with("devkit/cars_meta.mat", few).refusal(), "1 class names, there are 196");
  expect_says(cars().with("devkit/cars_meta.mat", cars_file({{"a", 1}})).refusal(), "no variable 'class_names'");
  expect_says(cars().with("devkit/cars_train_annos.mat", "<html>").refusal(), "mem/devkit/cars_train_annos.mat");
}

/// Three images; `presence`: image and class to 1 or 0, all others -1.
Layout voc() {
  Layout layout{&read_voc2007};
  const std::string root = "VOCdevkit/VOC2007/";
  const std::map<std::string, std::map<std::string, std::string>> shown{
      {"000005", {{"train", " 1"}, {"chair", " 0"}, {"cat", " 1"}}},
      {"000007", {{"tvmonitor", " 0"}}},
      {"000001", {{"aeroplane", " 1"}, {"person", " 1"}}}};
  const std::vector<std::pair<std::string, std::string>> parts{
      {"_train.txt", "000005"}, {"_val.txt", "000007"}, {"_test.txt", "000001"}};
  for (const std::string_view name : voc2007_classes)
    for (const auto& [suffix, id] : parts) {
      const auto& own = shown.at(id);
      const auto found = own.find(std::string(name));
      layout[root + "ImageSets/Main/" + std::string(name) + suffix] =
          id + " " + (found == own.end() ? "-1" : found->second) + "\n";
    }
  for (const auto& [id, own] : shown) layout[root + "JPEGImages/" + id + ".jpg"] = photo();
  return layout;
}

TEST(Voc2007, PresenceOfEveryClassAndTheFirstAsLabel) {
  const OfficialData data = voc().read();
  const auto& names = data.dataset->class_names();
  EXPECT_EQ(names[18], "train");  // its list is train_train.txt
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  const auto shown = data.dataset->presence(data.split.train[0]);
  ASSERT_EQ(shown.size(), 20u);
  for (std::size_t c = 0; c < 20; ++c)
    EXPECT_EQ(shown[c], names[c] == "train" || names[c] == "cat" ? 1 : names[c] == "chair" ? 0 : -1) << names[c];
  EXPECT_EQ(data.dataset->label(data.split.train[0]), 7);  // cat
  EXPECT_EQ(data.dataset->classes_of(data.split.train[0]), (std::vector<Index>{7, 18}));
  // Only instances marked difficult: the label is such a class, and no class counts as shown.
  EXPECT_EQ(data.dataset->label(data.split.validation[0]), 19);
  EXPECT_TRUE(data.dataset->classes_of(data.split.validation[0]).empty());
  EXPECT_EQ(data.dataset->label(data.split.test[0]), 0);
  EXPECT_EQ(data.classes_found, 4);
  for (const char* inside : {"VOCdevkit/", "VOCdevkit/VOC2007/"})
    EXPECT_EQ(text_of(voc().inside(inside).read()), text_of(data));
}

TEST(Voc2007, TwoArchivesOrOneOfThem) {
  std::map<std::string, std::string> first, second;
  for (const auto& [name, bytes] : voc().files)
    (name.ends_with("_test.txt") || name.ends_with("000001.jpg") ? second : first)[name] = bytes;
  const auto trainval = std::make_shared<MapSource>(first), test = std::make_shared<MapSource>(second);
  const auto both = std::make_shared<UnionSource>(std::vector<std::shared_ptr<const FileSource>>{trainval, test});
  EXPECT_EQ(text_of(read_voc2007(both, {.allow_partial = true})), text_of(voc().read()));
  EXPECT_EQ(read_voc2007(trainval, {.allow_partial = true}).found, (PartCounts{1, 1, 0}));
  const OfficialData alone = read_voc2007(test, {.allow_partial = true});
  EXPECT_EQ(alone.found, (PartCounts{0, 0, 1}));
  EXPECT_EQ(alone.dataset->presence(0)[14], 1);  // person
  expect_says(test_images::message_of<UsageError>([&] { read_voc2007(trainval); }), "aeroplane_test.txt");
  expect_says(test_images::message_of<UsageError>([&] { read_voc2007(test); }), "aeroplane_train.txt");
}

TEST(Voc2007, PresenceStaysWithItsImageWhenOthersAreAbsent) {
  const OfficialData data = voc().without("VOCdevkit/VOC2007/JPEGImages/000005.jpg").read();
  EXPECT_EQ(data.absent, std::vector<std::string>{"000005.jpg"});
  EXPECT_EQ(data.dataset->presence(0)[19], 0);  // 000007 comes first now
  EXPECT_EQ(data.dataset->presence(1)[0], 1);
}

TEST(Voc2007, ListsThatContradictEachOtherAreNamed) {
  const std::string lists = "VOCdevkit/VOC2007/ImageSets/Main/";
  const auto refusal = [&](const std::string& file, const std::string& bytes) {
    return voc().with(lists + file, bytes).refusal();
  };
  expect_says(refusal("dog_val.txt", "000009 -1\n"),
              "dog_val.txt:1: image 000009, the other classes' lists have 000007");
  expect_says(refusal("dog_val.txt", "000007 -1\n000009 -1\n"),
              "dog_val.txt: 2 images, the other classes' lists have 1");
  expect_says(refusal("dog_val.txt", "000007  2\n"), "dog_val.txt:1: 2 is not in -1..1");
  expect_says(refusal("dog_val.txt", "000007\n"), "dog_val.txt:1: an image id and 1, -1 or 0 expected");
  expect_says(refusal("dog_val.txt", "000007 yes\n"), "dog_val.txt:1: 'yes' is not a whole number");
  expect_says(voc().with(lists + "tvmonitor_val.txt", "000007 -1\n").refusal(),
              "image 000007 shows none of the classes");
  expect_says(voc().without(lists + "train_train.txt").refusal(), "train_train.txt");
  Layout twice = voc();
  for (auto& [name, bytes] : twice.files)
    if (name.ends_with("_val.txt")) bytes.replace(0, 6, "000005");
  expect_says(twice.refusal(), "'000005.jpg' is listed twice");
}

Layout textures() {
  Layout layout{&read_dtd};
  for (int p = 1; p <= 10; ++p) {
    const std::string end = std::to_string(p) + ".txt";
    const bool first = p == 1;
    layout["dtd/labels/train" + end] = first ? "polka-dotted/polka-dotted_0001.jpg\n" : "banded/banded_0002.jpg\n";
    layout["dtd/labels/val" + end] = first ? "banded/banded_0002.jpg\n" : "polka-dotted/polka-dotted_0001.jpg\n";
    layout["dtd/labels/test" + end] = "porous/porous_0003.jpg\n";
  }
  layout["dtd/labels/labels_joint_anno.txt"] = "banded/banded_0002.jpg banded porous\n";
  for (const char* name : {"polka-dotted/polka-dotted_0001", "banded/banded_0002", "porous/porous_0003"})
    layout["dtd/images/" + std::string(name) + ".jpg"] = photo();
  return layout;
}

TEST(Dtd, OneClassAnImageAndTheAskedForPartition) {
  const OfficialData data = textures().read();
  EXPECT_EQ(data.dataset->class_names(), (std::vector<std::string>{"banded", "polka-dotted", "porous"}));
  EXPECT_EQ(labels(data, data.split.train), std::vector<std::int64_t>{1});
  EXPECT_EQ(labels(data, data.split.validation), std::vector<std::int64_t>{0});
  EXPECT_EQ(labels(data, data.split.test), std::vector<std::int64_t>{2});
  const OfficialData ten = textures().read({.allow_partial = true, .part = 10});
  EXPECT_EQ(labels(ten, ten.split.train), std::vector<std::int64_t>{0});
  for (const int part : {0, 11, -1}) expect_says(textures().refusal({.allow_partial = true, .part = part}), "1..10");
  EXPECT_EQ(text_of(textures().inside("dtd/").read()), text_of(data));
  const std::string list = "dtd/labels/train1.txt";
  expect_says(textures().with(list, "polka-dotted_0001.jpg\n").refusal(), "train1.txt:1: 'class/image' expected");
  expect_says(textures().with(list, "banded/banded_0002.jpg\n").refusal(), "val1.txt:1: 'banded/banded_0002.jpg' is");
  expect_says(textures().with(list, "banded/../../x.jpg\n").refusal(), "train1.txt:1: the name");
  expect_says(textures().refusal({}), "the lists name 3 classes, the official set has 47");
  std::string many;
  for (int c = 0; c < 48; ++c) many += "class" + std::to_string(c) + "/x.jpg\n";
  expect_says(textures().with(list, many).refusal(), "there are 47");
}

Layout pets() {
  Layout layout{&read_oxford_pets};
  layout["annotations/list.txt"] = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\nAbyssinian_1 1 1 1\n";
  layout["annotations/trainval.txt"] = "Abyssinian_1 1 1 1\namerican_bulldog_10 2 2 1\nBengal_7 3 1 2\n";
  layout["annotations/test.txt"] = "# a remark\nBengal_9 3 1 2\nAbyssinian_2 1 1 1\n";
  for (const char* name : {"Abyssinian_1", "american_bulldog_10", "Bengal_7", "Bengal_9", "Abyssinian_2", "Bengal_100"})
    layout["images/" + std::string(name) + ".jpg"] = photo();
  layout["images/Abyssinian_1.mat"] = "not a photo";
  return layout;
}

TEST(OxfordPets, TheClassIdIsTheClassAndNotTheOrderOfNames) {
  const OfficialData data = pets().read();
  EXPECT_EQ(data.dataset->classes(), 37);
  EXPECT_EQ(data.dataset->class_names()[0], "Abyssinian");
  EXPECT_EQ(data.dataset->class_names()[1], "american_bulldog");  // sorted, Bengal would stand here
  EXPECT_EQ(data.dataset->class_names()[2], "Bengal");
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(labels(data, data.split.test), (std::vector<std::int64_t>{2, 0}));
  EXPECT_EQ(data.dataset->size(), 5);  // Bengal_100.jpg and the .mat file are in no list
  EXPECT_EQ(data.classes_found, 3);
}

TEST(OxfordPets, FilesCalledJpgMayBeAnythingElse) {
  const Image image = test_images::noise(5, 6);
  const test_images::ByteVector bytes = test_images::png(image);
  const OfficialData data = pets().with("images/Bengal_7.jpg", {bytes.begin(), bytes.end()}).read();
  EXPECT_EQ(data.dataset->image(data.split.train[2]), image);
}

TEST(OxfordPets, ShiftedAndUnknownLabelsAreNamed) {
  const auto refusal = [](const std::string& old, const std::string& by) {
    return pets().replaced("annotations/test.txt", old, by).refusal();
  };
  expect_says(refusal("Bengal_9 3", "Bengal_9 2"),
              "test.txt:2: class 2 is american_bulldog, not 'Bengal': are the labels shifted?");
  expect_says(refusal("Bengal_9 3", "Bengal_9 38"), "test.txt:2: 38 is not in 1..37");
  expect_says(refusal("Bengal_9 3", "Bengal_9 0"), "test.txt:2: 0 is not in 1..37");
  expect_says(refusal("Bengal_9 3 1 2", "Bengal_9 3"), "test.txt:2: name, class, species and breed expected");
  expect_says(refusal("Bengal_9", "Bengal_7"), "test.txt:2: 'Bengal_7.jpg' is listed twice");
  expect_says(refusal("Bengal_9", "../Bengal_9"), "test.txt:2: ");
}

Layout caltech(int background = 2) {
  Layout layout{&read_caltech101};
  for (int i = 1; i <= background; ++i)
    layout["101_ObjectCategories/BACKGROUND_Google/image_" + digits(i, 4) + ".jpg"] = photo();
  layout["101_ObjectCategories/BACKGROUND_Google/tmp"] = photo();
  for (const char* name : {"Faces", "accordion"})
    for (int i = 1; i <= 2; ++i)
      layout["101_ObjectCategories/" + std::string(name) + "/image_" + digits(i, 4) + ".jpg"] = photo();
  layout["Annotations/Faces_2/annotation_0001.mat"] = "contour";
  return layout;
}

TEST(Caltech101, TheBackgroundIsAClassAndItsStrayFileNoImage) {
  const OfficialData data = caltech().read();
  EXPECT_EQ(data.dataset->class_names(), (std::vector<std::string>{"BACKGROUND_Google", "Faces", "accordion"}));
  EXPECT_EQ(data.dataset->labels(), (std::vector<std::int64_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(data.dataset->path(0), "BACKGROUND_Google/image_0001.jpg");
  EXPECT_TRUE(data.split.test.empty() && data.split.validation.empty());
  Layout inside{&read_caltech101}, nested = caltech().below("caltech-101/");
  for (const auto& [name, bytes] : caltech().files)
    if (name.starts_with("101_")) inside[name.substr(21)] = bytes;
  EXPECT_EQ(text_of(inside.read()), text_of(data));
  EXPECT_EQ(text_of(nested.read()), text_of(data));
  for (const char* name : {"image_00001.jpg", "image_0003.jpeg", "image_003.jpg", "Thumbs.db"})
    EXPECT_EQ(caltech().with("101_ObjectCategories/Faces/" + std::string(name), "x").read().dataset->size(), 6) << name;
  expect_says(caltech(0).refusal(), "class folder mem/101_ObjectCategories/BACKGROUND_Google holds no image_NNNN.jpg");
}

TEST(Caltech101, TheOfficialCountsNeedTheBackground) {
  Layout all{&read_caltech101};
  const auto add = [&](const std::string& name, int count) {
    for (int i = 1; i <= count; ++i) all["101_ObjectCategories/" + name + "/image_" + digits(i, 4) + ".jpg"];
  };
  for (int c = 0; c < 101; ++c) add("object_" + digits(c, 3), c < 92 ? 86 : 85);  // 8,677
  expect_says(all.refusal({}), "the lists name 101 classes, the official set has 102");
  add("BACKGROUND_Google", 467);
  all["101_ObjectCategories/BACKGROUND_Google/tmp"];
  const OfficialData data = all.read({});
  EXPECT_TRUE(data.complete());
  const Split split = split_per_class(data.dataset->labels(), 30, 3);
  EXPECT_EQ(split.train.size(), 3060u);
  EXPECT_EQ(split.test.size(), 6084u);
  expect_says(all.without("101_ObjectCategories/object_000/image_0003.jpg").refusal({}), "train 9143 of 9144");
}

Layout flowers() {
  Layout layout{&read_oxford_flowers};
  layout["imagelabels.mat"] = write_mat({{"labels", MatValue::row({77, 1, 102, 5})}}, true);
  layout["setid.mat"] =
      write_mat({{"trnid", MatValue::row({3})}, {"valid", MatValue::row({1})}, {"tstid", MatValue::row({4, 2})}}, true);
  for (int i = 1; i <= 4; ++i) layout["jpg/image_0000" + std::to_string(i) + ".jpg"] = photo();
  return layout;
}

TEST(OxfordFlowers, LabelsAndImagesCountFromOne) {
  const OfficialData data = flowers().read();
  EXPECT_EQ(paths(data, data.split.train), std::vector<std::string>{"image_00003.jpg"});
  EXPECT_EQ(labels(data, data.split.train), std::vector<std::int64_t>{101});
  EXPECT_EQ(labels(data, data.split.validation), std::vector<std::int64_t>{76});
  EXPECT_EQ(labels(data, data.split.test), (std::vector<std::int64_t>{4, 0}));
  EXPECT_EQ(data.dataset->class_names().front(), "1");
  EXPECT_EQ(data.dataset->class_names().back(), "102");
  // The parts keep their names: the largest one is the test part.
  EXPECT_GT(oxford_flowers_info.counts.test, oxford_flowers_info.counts.train + oxford_flowers_info.counts.validation);
}

TEST(OxfordFlowers, NumbersOutOfRangeAreNamed) {
  const auto label = [](const std::vector<double>& values) {
    return flowers().with("imagelabels.mat", write_mat({{"labels", MatValue::row(values)}}, false)).refusal();
  };
  expect_says(label({76, 0, 101, 4}),
              "imagelabels.mat: label (they count from 1) 0 of element 2 is not a whole number");
  expect_says(label({77, 1, 103, 5}), "label (they count from 1) 103 of element 3");
  expect_says(label({77, 1, 1.5, 5}), "label (they count from 1) 1.5 of element 3");
  expect_says(label({77, 1, 102}), "setid.mat: tstid: image 4 of element 1 is not a whole number in 1..3");
  const auto train = [](const std::vector<double>& ids) {
    return flowers().with(
        "setid.mat",
        write_mat({{"trnid", MatValue::row(ids)}, {"valid", MatValue::row({1})}, {"tstid", MatValue::row({4, 2})}},
                  true));
  };
  expect_says(train({0}).refusal(), "setid.mat: trnid: image 0 of element 1");
  expect_says(train({5}).refusal(), "setid.mat: trnid: image 5 of element 1");
  expect_says(train({2}).refusal(), "setid.mat: tstid:2: 'image_00002.jpg' is listed twice");
  const std::string other = write_mat({{"trnid", MatValue::row({3})}, {"valid", MatValue::row({1})}}, true);
  expect_says(flowers().with("setid.mat", other).refusal(), "setid.mat: has no variable 'tstid'");
  expect_says(flowers().without("jpg/image_00004.jpg").refusal({.allow_partial = false}), "image_00004.jpg");
  EXPECT_EQ(flowers().without("jpg/image_00004.jpg").read().absent, std::vector<std::string>{"image_00004.jpg"});
}

constexpr const char* kit = "ILSVRC2012_devkit_t12/data/";

/// Class c, in the order of the WordNet ids, has the ILSVRC2012_ID (7 c mod 1,000) + 1.
std::string wnid(int c) { return "n" + digits(1000000 + 13 * c, 8); }
int ilsvrc_id(int c) { return 7 * c % 1000 + 1; }

Layout imagenet() {
  Layout layout{&read_imagenet};
  std::vector<MatValue> ids, wnids, words;
  for (int k = 0; k < 1001; ++k) {  // in the order of the ids, as in the kit; the last is an inner node
    const int c = k * 143 % 1000;   // 7 * 143 = 1001
    ids.push_back(MatValue::row({k + 1.0}));
    wnids.push_back(mat_text(k == 1000 ? "n00001740" : wnid(c)));
    words.push_back(mat_text("a, b"));
    if (k < 1000) layout["map_clsloc.txt"] += wnid(c) + " " + std::to_string(k + 1) + " a_name\n";
  }
  layout[kit + std::string("meta.mat")] =
      write_mat({{"synsets", mat_structures({{"ILSVRC2012_ID", ids}, {"WNID", wnids}, {"words", words}})}}, true);
  std::string& truth = layout[kit + std::string("ILSVRC2012_validation_ground_truth.txt")];
  for (int i = 0; i < 4; ++i) {
    truth += std::to_string(ilsvrc_id(250 * i + 3)) + "\n";
    layout["val/ILSVRC2012_val_" + digits(i + 1, 8) + ".JPEG"] = photo();
  }
  for (const int c : {999, 5, 0}) layout["train/" + wnid(c) + "/" + wnid(c) + "_1.JPEG"] = photo();
  return layout;
}

TEST(Imagenet, TheGroundTruthGoesThroughTheMetadata) {
  const OfficialData data = imagenet().read();
  EXPECT_EQ(data.dataset->classes(), 1000);
  EXPECT_TRUE(std::is_sorted(data.dataset->class_names().begin(), data.dataset->class_names().end()));
  EXPECT_EQ(labels(data, data.split.train), (std::vector<std::int64_t>{0, 5, 999}));
  // ILSVRC2012_ID - 1 would be 21, 771, 521, 271.
  EXPECT_EQ(labels(data, data.split.test), (std::vector<std::int64_t>{3, 253, 503, 753}));
  EXPECT_EQ(data.dataset->path(3), "val/ILSVRC2012_val_00000001.JPEG");
  EXPECT_EQ(data.dataset->path(0), "train/" + wnid(0) + "/" + wnid(0) + "_1.JPEG");
  EXPECT_TRUE(data.split.validation.empty());  // the published validation images are what is tested on
  Layout later = imagenet().without(kit + std::string("meta.mat"));
  later[kit + std::string("map_clsloc.txt")] = later["map_clsloc.txt"];
  EXPECT_EQ(text_of(later.read()), text_of(data));
  expect_says(data.coverage(), "train 3 of 1281167, test 4 of 50000");
}

TEST(Imagenet, WhatIsUnknownOrTwiceThereIsNamed) {
  const std::string truth = kit + std::string("ILSVRC2012_validation_ground_truth.txt");
  expect_says(imagenet().with(truth, "1\n1001\n").refusal(), "ground_truth.txt:2: 1001 is not in 1..1000");
  expect_says(imagenet().with(truth, "0\n").refusal(), "ground_truth.txt:1: 0 is not in 1..1000");
  expect_says(imagenet().with("train/n99999999/x.JPEG", "x").refusal(),
              "mem/train/n99999999/x.JPEG: unknown class 'n99999999'");
  expect_says(imagenet().without("val/ILSVRC2012_val_00000002.JPEG").refusal({}), "val/ILSVRC2012_val_00000002.JPEG");
  const auto listed = [](const std::string& old, const std::string& by) {
    Layout later = imagenet().without(kit + std::string("meta.mat")).replaced("map_clsloc.txt", old, by);
    later[kit + std::string("map_clsloc.txt")] = later["map_clsloc.txt"];
    return later.refusal();
  };
  const std::string second = wnid(143) + " 2 ";
  expect_says(listed(second, wnid(143) + " 1 "), "map_clsloc.txt: ILSVRC2012_ID 1 occurs twice");
  expect_says(listed(second, wnid(0) + " 2 "), "map_clsloc.txt: '" + wnid(0) + "' occurs twice");
  expect_says(listed(second + "a_name\n", ""), "map_clsloc.txt: no synset has the ILSVRC2012_ID 2");
  expect_says(listed(second, "143 2 "), "'143' is no WordNet id");
  expect_says(listed(second, wnid(143) + " 1001 "), "map_clsloc.txt:2: 1001 is not in 1..1000");
  expect_says(imagenet().without(kit + std::string("meta.mat")).refusal(), "map_clsloc.txt");
}

}  // namespace official_labels_test
