// Every published data set, made small in its official layout: read from folders and from archives, whole and with faults.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <set>
#include <variant>

#include "data/test_images.hpp"
#include "tinyvision/core/md5.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/formats/mat_file.hpp"
#include "tinyvision/data/formats/voc_xml.hpp"
#include "tinyvision/data/tiny/make_tiny.hpp"

namespace tiny_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

OfficialData read(const std::string& name, const std::string& folder, ReadOptions options = {.allow_partial = true}) {
  const DatasetEntry& entry = *find_dataset(name);
  return entry.read(open_source(folder, entry.info->files), options);
}

const FileDataset& files_of(const OfficialData& data) { return dynamic_cast<const FileDataset&>(*data.dataset); }
ImageFormat format_of(const FileDataset& set, Index i) {
  const std::string bytes = set.source().read(set.source_name(i));
  return image_format({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}
std::map<std::string, Index> numbers_by_path(const Dataset& set) {
  std::map<std::string, Index> numbers;
  for (Index i = 0; i < set.size(); ++i) numbers[set.path(i)] = i;
  return numbers;
}
/// Pixels, or why there are none.
std::variant<Image, std::string> pixels(const Dataset& set, Index i) {
  try {
    return set.image(i);
  } catch (const UsageError&) {
    return "no image";
  }
}

/// Parts, classes, paths, labels and pixels of both are equal.
void expect_equal(const OfficialData& a, const OfficialData& b) {
  EXPECT_EQ(a.split, b.split);
  EXPECT_EQ(a.dataset->class_names(), b.dataset->class_names());
  EXPECT_EQ(a.absent, b.absent);
  ASSERT_EQ(a.dataset->size(), b.dataset->size());
  for (Index i = 0; i < a.dataset->size(); ++i) {
    ASSERT_EQ(a.dataset->path(i), b.dataset->path(i));
    ASSERT_EQ(a.dataset->label(i), b.dataset->label(i)) << i;
    const auto shown = a.dataset->presence(i), also = b.dataset->presence(i);
    ASSERT_TRUE(std::equal(shown.begin(), shown.end(), also.begin(), also.end())) << i;
    ASSERT_EQ(pixels(*a.dataset, i), pixels(*b.dataset, i)) << a.dataset->path(i);
  }
}

/// The files of a small set as if they lay in a folder.
class MemorySource : public FileSource {
 public:
  explicit MemorySource(const std::vector<TinyPart>& parts) {
    for (const TinyPart& part : parts) files_.insert(part.files.begin(), part.files.end());
    for (const auto& [name, bytes] : files_) names_.push_back(name);
  }
  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string& name) const override { return files_.contains(name); }
  std::string read(const std::string& name) const override {
    if (!contains(name)) fail_usage("memory", describe(name), ": is not there");
    return files_.at(name);
  }
  std::string describe(const std::string& name) const override { return "memory/" + name; }
  Index size(const std::string& name) const override { return static_cast<Index>(read(name).size()); }

 private:
  TinyFiles files_;
  std::vector<std::string> names_;
};

/// A small set read where it was made.
OfficialData made(const std::string& name, Index per_class = 1, ReadOptions options = {.allow_partial = true}) {
  return find_dataset(name)->read(std::make_shared<MemorySource>(tiny_parts(name, {.per_class = per_class})), options);
}

class Tiny : public ::testing::TestWithParam<std::string> {};

TEST_P(Tiny, ReadsTheSameFromFoldersAndArchives) {
  const std::string name = GetParam();
  const TemporaryFolder folder;
  const DatasetInfo& info = *find_dataset(name)->info;
  const TinyOptions options{.seed = 5, .per_class = 1, .archives = false};
  TinyOptions packed = options;
  packed.archives = true;
  make_tiny(name, folder / "open", options);
  const OfficialData open = read(name, folder / "open");
  EXPECT_EQ(open.classes_found, info.classes);
  EXPECT_EQ(open.found, tiny_counts(name, options))
      << open.found.train << " " << open.found.validation << " " << open.found.test;
  EXPECT_EQ(open.dataset->metric(), info.metric);
  EXPECT_EQ(open.dataset->name(), name);

  make_tiny(name, folder / "packed", packed);
  EXPECT_EQ(std::filesystem::exists(folder / "packed/birdsnap"), name == "birdsnap");  // no other set has loose images
  for (const OfficialFile& file : info.files)
    EXPECT_TRUE(std::filesystem::is_regular_file(folder / ("packed/" + std::string(file.name)))) << file.name;
  Index announced = 0;
  UnpackOptions unpacking;
  unpacking.announce = [&](const std::string&) { ++announced; };
  const auto from_archives = [&] {
    return find_dataset(name)->read(open_source(folder / "packed", info.files, unpacking), {.allow_partial = true});
  };
  expect_equal(open, from_archives());
  const Index first_time = announced;
  expect_equal(open, from_archives());
  EXPECT_EQ(announced, first_time) << "unpacked twice";
}

TEST(TinyFolder, IsWholeOrAsItWas) {
  const TemporaryFolder folder;
  const auto names = [&](const std::string& path) {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path)) all.push_back(entry.path().filename());
    return all;
  };
  std::filesystem::create_directory(folder / "empty");
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{20000, old.rlim_max};  // images fit, the list of images does not
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string into_new = message_of<UsageError>([&] { make_tiny("birdsnap", folder / "new", {.per_class = 1}); });
  const std::string into_empty =
      message_of<UsageError>([&] { make_tiny("birdsnap", folder / "empty", {.per_class = 1}); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  EXPECT_NE(into_new.find("/new/birdsnap/images.txt: cannot be written: "), std::string::npos) << into_new;
  EXPECT_NE(into_empty.find("cannot be written"), std::string::npos) << into_empty;
  EXPECT_EQ(names(folder.path()), std::vector<std::string>{"empty"});
  EXPECT_TRUE(names(folder / "empty").empty());
  make_tiny("dtd", folder / "empty", {.per_class = 1});
  EXPECT_EQ(names(folder / "empty"), std::vector<std::string>{"dtd"});
}

TEST_P(Tiny, IsRefusedWithItsCountsUnlessPartialDataAreAllowed) {
  const std::string name = GetParam();
  const OfficialData partial = made(name);
  EXPECT_FALSE(partial.complete());
  const std::string coverage = partial.coverage();
  EXPECT_NE(coverage.find(concat_text("train ", partial.found.train, " of ", partial.info->counts.train)),
            std::string::npos);
  const std::string message = message_of<UsageError>([&] { made(name, 1, {}); });
  EXPECT_TRUE(message.starts_with("[" + name + "] ")) << message;
  EXPECT_TRUE(message.ends_with("--allow-partial accepts it")) << message;
  // Absent images are named before counts are compared.
  EXPECT_NE(message.find(partial.absent.empty() ? coverage : partial.absent.front()), std::string::npos) << message;
}

TEST_P(Tiny, TheSeedDecidesAllBytes) {
  const std::string name = GetParam();
  const auto parts = [&](std::uint64_t seed) { return tiny_parts(name, {.seed = seed, .per_class = 1}); };
  const std::vector<TinyPart> first = parts(1), again = parts(1), other = parts(2);
  ASSERT_EQ(first.size(), other.size());
  bool differs = false;
  for (std::size_t p = 0; p < first.size(); ++p) {
    EXPECT_EQ(first[p].files, again[p].files);
    EXPECT_EQ(first[p].files.size(), other[p].files.size());
    differs = differs || first[p].files != other[p].files;
    if (first[p].archive.empty()) continue;
    EXPECT_EQ(data::detail::pack(first[p]), data::detail::pack(again[p])) << first[p].archive;
  }
  EXPECT_TRUE(differs);
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const DatasetEntry& entry : dataset_registry()) names.emplace_back(entry.info->name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Sets, Tiny, ::testing::ValuesIn(all_names()), [](const auto& set) { return set.param; });

TEST(TinySets, SplitFilesDoNotDependOnWhereTheDataLie) {
  const TemporaryFolder folder;
  struct Place {
    std::string name, inside;
  };
  for (const Place& place :
       {Place{"dtd", "/dtd"}, Place{"food101", "/food-101"}, Place{"voc2007", "/VOCdevkit/VOC2007"},
        Place{"fgvc_aircraft", "/fgvc-aircraft-2013b/data"}, Place{"birdsnap", "/birdsnap"},
        Place{"caltech101", "/101_ObjectCategories"}, Place{"cifar10", "/cifar-10-batches-bin"}}) {
    const std::string above = folder / place.name;
    make_tiny(place.name, above, {.per_class = 1});
    const OfficialData outer = read(place.name, above), inner = read(place.name, above + place.inside);
    EXPECT_EQ(split_digest(outer.split, *outer.dataset), split_digest(inner.split, *inner.dataset)) << place.name;
  }
}

TEST(TinySets, ANearestMeanOfPixelsLearnsTheClasses) {
  const OfficialData data = made("cifar10", 12);
  // The mean colour of a class does not depend on where its pattern lies.
  const auto colour = [&](Index i) {
    std::array<double, 3> sum{};
    const Image image = data.dataset->image(i);
    for (std::size_t k = 0; k < image.pixels.size(); ++k) sum[k % 3] += image.pixels[k];
    const double all = sum[0] + sum[1] + sum[2];
    for (double& c : sum) c /= all;  // and not on how bright it is
    return sum;
  };
  std::vector<std::array<double, 3>> means(10);
  for (const Index i : data.split.train)
    for (std::size_t c = 0; c < 3; ++c) means[static_cast<std::size_t>(data.dataset->label(i))][c] += colour(i)[c] / 12;
  Index right = 0;
  for (const Index i : data.split.test) {
    const auto own = colour(i);
    const auto distance = [&](const std::array<double, 3>& mean) {
      return std::hypot(mean[0] - own[0], mean[1] - own[1], mean[2] - own[2]);
    };
    const auto best = std::min_element(means.begin(), means.end(),
                                       [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
    right += best - means.begin() == data.dataset->label(i) ? 1 : 0;
  }
  EXPECT_GE(right, 100) << "of 120; twelve would be chance";
}

// Traps of the published sets, each where the small set has it.

TEST(TinyTraps, SunHasOtherFormatsUnderNamesOfJpegsAndClassesOfSeveralFolders) {
  const OfficialData data = made("sun397"), second = made("sun397", 1, {true, {}, 2});
  const FileDataset& set = files_of(data);
  std::map<ImageFormat, Index> counts;
  for (Index i = 0; i < set.size(); ++i) {
    EXPECT_TRUE(set.path(i).ends_with(".jpg"));
    const ImageFormat format = format_of(set, i);
    ++counts[format];
    if (format != ImageFormat::jpeg) {
      EXPECT_GE(set.image(i).height, 40) << set.path(i);
    }
  }
  for (const ImageFormat format : {ImageFormat::jpeg, ImageFormat::png, ImageFormat::bmp, ImageFormat::gif})
    EXPECT_GT(counts[format], 0) << to_string(format);
  const auto& names = data.dataset->class_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "a/scene_001/indoor"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "a/scene_001/outdoor"), names.end());
  EXPECT_NE(split_digest(data.split, *data.dataset), split_digest(second.split, *second.dataset));
  // More images are there than the partition names.
  EXPECT_GT(static_cast<Index>(set.source().names_below("SUN397").size()) - 1, data.found.all());
  EXPECT_THROW(made("sun397", 1, {true, {}, 11}), UsageError);
}

TEST(TinyTraps, InterlacedAndPlainPngHoldTheSamePixels) {
  for (const Index side : {1, 2, 5, 8, 13}) {
    const Image image = noise(side, side + 3);
    const auto decoded = [&](PngColours colours, bool interlaced) {
      const std::string bytes = encode_tiny_png(image, colours, interlaced);
      return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "x.png");
    };
    for (const PngColours colours : {PngColours::rgb, PngColours::rgba}) {
      EXPECT_EQ(decoded(colours, false), image);
      EXPECT_EQ(decoded(colours, true), image);
    }
    EXPECT_EQ(decoded(PngColours::grey, false), decoded(PngColours::grey, true));
  }
}

TEST(TinyTraps, BmpIsExactAndGifHasTheNearestColoursBelow) {
  const Image image = noise(7, 61);
  const auto decode = [](const std::string& bytes) {
    return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "x");
  };
  EXPECT_EQ(decode(encode_bmp(image)), image);
  const Image gif = decode(encode_gif(image));
  ASSERT_EQ(gif.pixels.size(), image.pixels.size());
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    ASSERT_EQ(gif.pixels[i], i % 3 == 0 ? image.pixels[i] / 32 * 255 / 7 : image.pixels[i] / 64 * 85) << i;
}

TEST(TinyTraps, PetsHaveOtherFormatsExtraneousBytesAndUnlistedFiles) {
  const OfficialData data = made("oxford_pets");
  const FileDataset& set = files_of(data);
  const auto numbers = numbers_by_path(set);
  EXPECT_EQ(format_of(set, numbers.at("Breed_00_1.jpg")), ImageFormat::png);
  EXPECT_EQ(format_of(set, numbers.at("Breed_09_1.jpg")), ImageFormat::gif);
  EXPECT_EQ(format_of(set, numbers.at("Breed_18_2.jpg")), ImageFormat::png);
  for (Index i = 0; i < set.size(); ++i) EXPECT_GE(set.image(i).height, 40) << set.path(i);
  EXPECT_FALSE(numbers.contains("Breed_00_1001.jpg"));  // lies there, but no list has it
  EXPECT_TRUE(set.source().contains("images/Breed_00_1001.jpg"));
  // CLASS-ID, not the order of names: dogs (small letters) lie between cats (capitals).
  EXPECT_EQ(set.class_names()[0], "Breed_00");
  EXPECT_EQ(set.class_names()[1], "breed_01");
  EXPECT_EQ(set.class_names()[36], "breed_36");
  EXPECT_FALSE(std::is_sorted(set.class_names().begin(), set.class_names().end()));
}

TEST(TinyTraps, ExtraneousBytesBeforeTheEndLeaveThePixelsWhole) {
  const std::string jpeg = encode_jpeg(noise(40, 33));
  const auto decode = [](const std::string& bytes) {
    return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "x.jpg");
  };
  EXPECT_EQ(decode(data::detail::with_extraneous_bytes(jpeg)), decode(jpeg));
  EXPECT_THROW(decode(jpeg.substr(0, jpeg.size() / 2)), UsageError);  // what ends early is still refused
  EXPECT_THROW(decode(jpeg.substr(0, jpeg.size() / 2) + "\xFF\xD9"), UsageError);
}

TEST(TinyTraps, CaltechHasABackgroundAStrayFileAndGreyImages) {
  const TemporaryFolder folder;
  make_tiny("caltech101", folder / "set", {.per_class = 1});
  make_tiny("caltech101", folder / "zip", {.per_class = 1, .archives = true});
  const OfficialData data = read("caltech101", folder / "set");
  EXPECT_EQ(data.dataset->class_names()[0], "BACKGROUND_Google");
  EXPECT_TRUE(files_of(data).source().contains("101_ObjectCategories/BACKGROUND_Google/tmp"));
  EXPECT_EQ(data.found.train, 204);
  Index grey = 0;
  for (Index i = 0; i < data.dataset->size(); ++i) {
    const Image image = data.dataset->image(i);
    bool coloured = false;
    for (std::size_t k = 0; k < image.pixels.size(); k += 3)
      coloured = coloured || image.pixels[k] != image.pixels[k + 1] || image.pixels[k] != image.pixels[k + 2];
    grey += coloured ? 0 : 1;
  }
  EXPECT_EQ(grey, 15);
  // The zip alone, without its folder; and the archive within it alone.
  expect_equal(data, read("caltech101", folder / "zip/caltech-101.zip"));
  write_file(folder / "inner/101_ObjectCategories.tar.gz",
             ZipSource(folder / "zip/caltech-101.zip").read("caltech-101/101_ObjectCategories.tar.gz"));
  expect_equal(data, read("caltech101", folder / "inner/101_ObjectCategories.tar.gz"));
  EXPECT_TRUE(std::filesystem::exists(folder / "set/Annotations/Motorbikes_16/annotation_0001.mat"));
}

TEST(TinyTraps, CarsHaveASlashInAClassAGreyImageAndUnlabelledTestAnnotations) {
  const TemporaryFolder folder;
  make_tiny("stanford_cars", folder / "set", {.per_class = 1});
  const OfficialData data = read("stanford_cars", folder / "set");
  EXPECT_EQ(data.dataset->class_names()[173], "Ram C/V Cargo Van Minivan 2012");
  Index grey = 0;
  for (const Index i : data.split.train) {
    const Image image = data.dataset->image(i);
    const std::uint8_t* const p = image.at(20, 20);
    grey += p[0] == p[1] && p[1] == p[2] ? 1 : 0;
  }
  EXPECT_GE(grey, 28);
  EXPECT_LT(grey, 98);
  std::filesystem::remove(folder / "set/cars_test_annos_withlabels.mat");
  const std::string message = message_of<UsageError>([&] { read("stanford_cars", folder / "set"); });
  EXPECT_NE(message.find("no field 'class'"), std::string::npos) << message;
}

TEST(TinyTraps, AircraftHaveSpacesAndSlashesInLabelsAndABanner) {
  ReadOptions cropped{.allow_partial = true};
  cropped.crop_banner = true;
  const OfficialData with = made("fgvc_aircraft"), without = made("fgvc_aircraft", 1, cropped);
  const auto& names = with.dataset->class_names();
  EXPECT_EQ(names[0], "F-16A/B");
  EXPECT_EQ(names[1], "Model 001 Mark 2");
  for (const Index i : {0, 150, 299}) {
    const Image whole = with.dataset->image(i), cut = without.dataset->image(i);
    EXPECT_EQ(whole.height, cut.height + 20);
    EXPECT_TRUE(std::equal(cut.pixels.begin(), cut.pixels.end(), whole.pixels.begin()));
    EXPECT_GT(whole.at(whole.height - 2, 3)[1], 200);  // white below the signs
  }
}

TEST(TinyTraps, VocListsAndAnnotationsSayTheSame) {
  const OfficialData data = made("voc2007", 3);
  const FileSource& source = files_of(data).source();
  std::map<int, Index> values;
  Index several = 0, both = 0;
  for (Index i = 0; i < data.dataset->size(); ++i) {
    const std::string id = data.dataset->path(i).substr(0, 6);
    const std::string file = "VOCdevkit/VOC2007/Annotations/" + id + ".xml";
    const VocAnnotation annotation = read_voc_xml(source.read(file), file);
    std::vector<int> shown(20, -1);
    std::map<std::string, std::set<bool>> kinds;
    for (const VocObject& object : annotation.objects) {
      const auto c = std::find(voc2007_classes.begin(), voc2007_classes.end(), object.name) - voc2007_classes.begin();
      ASSERT_LT(c, 20) << object.name;
      int& value = shown[static_cast<std::size_t>(c)];
      value = std::max(value, object.difficult ? 0 : 1);
      kinds[object.name].insert(object.difficult);
    }
    for (const auto& [name, difficult] : kinds) both += difficult.size() == 2 ? 1 : 0;
    for (std::size_t c = 0; c < 20; ++c) {
      EXPECT_EQ(shown[c], data.dataset->presence(i)[c]) << id << " " << voc2007_classes[c];
      ++values[shown[c]];
    }
    several += data.dataset->classes_of(i).size() > 1 ? 1 : 0;
  }
  EXPECT_GT(values[1], 180);
  EXPECT_GT(values[0], 50);
  EXPECT_GT(several, 50);
  EXPECT_GT(both, 10);  // a class of which one instance is difficult and one is not counts as shown
  EXPECT_TRUE(source.contains("VOCdevkit/VOC2007/ImageSets/Main/train_train.txt"));
}

TEST(TinyTraps, BirdsnapHasAbsentImagesAPageAPlaceholderAndADuplicate) {
  const OfficialData data = made("birdsnap");
  EXPECT_EQ(data.absent.size(), 10u);
  EXPECT_EQ(data.absent.front(), "Species_020/21000.jpg");
  EXPECT_EQ(data.found.train, 490);
  const FileDataset& set = files_of(data);
  const auto numbers = numbers_by_path(set);
  std::set<std::string> wrong;
  std::map<std::string, Index> seen;
  for (Index i = 0; i < set.size(); ++i) {
    const std::string digest = md5_hex(set.source().read(set.source_name(i)));
    if (digest != set.md5(i)) wrong.insert(set.path(i));
    ++seen[digest];
  }
  EXPECT_EQ(wrong, (std::set<std::string>{"Species_030/31000.jpg", "Species_031/32000.jpg"}));
  EXPECT_EQ(seen.size() + 1, static_cast<std::size_t>(set.size()));
  const std::string message = message_of<UsageError>([&] { set.image(numbers.at("Species_030/31000.jpg")); });
  EXPECT_NE(message.find("Species_030/31000.jpg"), std::string::npos) << message;
}

TEST(TinyTraps, ImagenetHasInksGzipAndPngAndTwoNumberings) {
  const OfficialData data = made("imagenet");
  const FileDataset& set = files_of(data);
  const std::string inks = set.source().read(set.source_name(1));
  EXPECT_EQ(read_jpeg_markers({reinterpret_cast<const std::uint8_t*>(inks.data()), inks.size()}).components, 4);
  EXPECT_EQ(format_of(set, 2), ImageFormat::gzip);
  EXPECT_EQ(format_of(set, 4), ImageFormat::png);
  for (const Index i : {1, 2, 4}) EXPECT_GE(set.image(i).height, 40);
  EXPECT_TRUE(std::is_sorted(set.class_names().begin(), set.class_names().end()));
  // Validation image k shows class 3k; the ground truth gives it in the other numbering.
  for (const Index k : {0, 1, 7, 500, 999}) {
    const Index i = data.split.test[static_cast<std::size_t>(k)];
    EXPECT_EQ(set.label(i), 3 * k % 1000);
  }
  const std::string truth = set.source().read("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt");
  EXPECT_TRUE(truth.starts_with("1\n22\n43\n")) << truth.substr(0, 20);
}

TEST(TinyTraps, Cifar100HasCoarseLabelsBeforeFineOnes) {
  const OfficialData data = made("cifar100");
  const auto& set = dynamic_cast<const CifarDataset&>(*data.dataset);
  for (const Index i : {0, 1, 57, 199}) EXPECT_EQ(set.coarse_label(i), set.label(i) / 5);
  EXPECT_EQ(set.label(1), 7);
}

TEST(TinySets, RefusesWhatItCannotMake) {
  const TemporaryFolder folder;
  EXPECT_THROW(make_tiny("no_such_set", folder.path()), UsageError);
  EXPECT_THROW(tiny_counts("no_such_set"), UsageError);
  EXPECT_THROW(make_tiny("dtd", folder.path(), {.per_class = 0}), UsageError);
  write_file(folder / "file", std::string("in the way"));
  EXPECT_THROW(make_tiny("dtd", folder / "file"), UsageError);
  EXPECT_THROW(make_tiny("dtd", folder.path()), UsageError);  // images of another set would be taken for its own
}

}  // namespace tiny_test
