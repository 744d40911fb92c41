#include "tinyvision/data/dataset.hpp"

#include <gtest/gtest.h>

#include <set>

#include "test_images.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/datasets/caltech101.hpp"
#include "tinyvision/data/datasets/fashion_mnist.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/split.hpp"

namespace dataset_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

TEST(MemoryDataset, NamesLabelsAndErrors) {
  const MemoryDataset set("toy", "toy", {noise(2, 2), noise(3, 3)}, {1, 0}, {"a", "b"});
  EXPECT_EQ(set.size(), 2);
  EXPECT_EQ(set.path(1), "toy/00001");
  EXPECT_EQ(set.labels(), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(set.image(0), noise(2, 2));
  EXPECT_THROW(set.image(2), Error);
  EXPECT_THROW(set.label(-1), Error);
  const std::string message = message_of<UsageError>([] {
    MemoryDataset("toy", "toy", {noise(2, 2), noise(2, 2)}, {0, 2}, {"a", "b"});
  });
  EXPECT_NE(message.find("label 2 of toy/00001 is out of range 0..1"), std::string::npos) << message;
  EXPECT_THROW(MemoryDataset("toy", "toy", {noise(2, 2)}, {0, 1}, {"a", "b"}), UsageError);
  EXPECT_THROW(FileDataset("files", "", {{"x.jpg", -1}}, {"a"}), UsageError);
}

TEST(ImageFolder, ClassesInByteOrderHiddenAndOtherFilesPassedOver) {
  const TemporaryFolder folder;
  const Image image = noise(4, 4);
  write_file(folder / "zebra/2.PNG", png(image));
  write_file(folder / "zebra/10.jpg", jpeg(image));
  write_file(folder / "zebra/notes.txt", std::string("no photo"));
  write_file(folder / "zebra/.hidden.jpg", std::string("x"));
  write_file(folder / "Ant/bare", png(image));
  write_file(folder / "Ant/README", std::string("text"));
  write_file(folder / "ant/a.jpeg", jpeg(image));
  write_file(folder / ".git/x.jpg", jpeg(image));
  write_file(folder / "top.jpg", jpeg(image));
  const auto set = read_image_folder(folder.path());
  EXPECT_EQ(set->class_names(), (std::vector<std::string>{"Ant", "ant", "zebra"}));
  ASSERT_EQ(set->size(), 4);
  EXPECT_EQ(set->path(0), "Ant/bare");
  EXPECT_EQ(set->path(2), "zebra/10.jpg");
  EXPECT_EQ(set->path(3), "zebra/2.PNG");
  EXPECT_EQ(set->labels(), (std::vector<std::int64_t>{0, 1, 2, 2}));
  EXPECT_EQ(set->image(3), image);
  EXPECT_EQ(set->decoder(), decoder_name(Decoder::turbo));
  EXPECT_EQ(list_images(folder.path()), std::vector<std::string>{"top.jpg"});
  EXPECT_EQ(read_flat_folder(folder.path())->image(0).height, 4);
  EXPECT_EQ(read_image_folder(folder.path() + "/")->name(), set->name());
}

TEST(ImageFolder, EmptyMissingAndUnreadableFoldersAreNamed) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of<UsageError>([&] { read_image_folder(folder / "none"); }).find(folder / "none"),
            std::string::npos);
  EXPECT_THROW(read_image_folder(folder.path()), UsageError);
  EXPECT_THROW(list_images(folder.path()), UsageError);
  write_file(folder / "cat/1.jpg", jpeg(noise(4, 4)));
  std::filesystem::create_directories(folder / "dog");
  EXPECT_NE(message_of<UsageError>([&] { read_image_folder(folder.path()); }).find(folder / "dog"), std::string::npos);
}

TEST(ImageFolder, UnreadableClassFolderIsNamed) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads every folder";
  const TemporaryFolder folder;
  write_file(folder / "dog/1.jpg", jpeg(noise(4, 4)));
  std::filesystem::permissions(folder / "dog", std::filesystem::perms::none);
  EXPECT_NE(message_of<UsageError>([&] { read_image_folder(folder.path()); }).find(folder / "dog"), std::string::npos);
  std::filesystem::permissions(folder / "dog", std::filesystem::perms::owner_all);
}

TEST(Caltech101, PartialSetsOnlyOnRequest) {
  const TemporaryFolder folder;
  const Image image = noise(4, 4);
  for (const char* name : {"BACKGROUND_Google", "accordion"})
    for (int i = 1; i <= 3; ++i)
      write_file(folder / ("101_ObjectCategories/" + std::string(name) + "/image_000" + std::to_string(i) + ".jpg"),
                 jpeg(image));
  write_file(folder / "101_ObjectCategories/BACKGROUND_Google/tmp", jpeg(image));
  const auto read = [](const std::string& path, bool partial) {
    return read_caltech101(open_source(path), {.allow_partial = partial});
  };
  const std::string message = message_of<UsageError>([&] { read(folder.path(), false); });
  EXPECT_NE(message.find("2 classes, the official set has 102; --allow-partial accepts it"), std::string::npos)
      << message;
  const OfficialData set = read(folder.path(), true);
  EXPECT_EQ(set.dataset->size(), 6);
  EXPECT_EQ(set.dataset->metric(), Metric::mean_per_class);
  EXPECT_EQ(read(folder / "101_ObjectCategories", true).dataset->path(5), "accordion/image_0003.jpg");
  write_file(folder / "101_ObjectCategories/zebra/tmp", jpeg(image));
  EXPECT_NE(message_of<UsageError>([&] { read(folder.path(), true); }).find("zebra"), std::string::npos);
}

TEST(Caltech101, OfficialSet) {
  const auto root = shared_data("caltech101");
  if (!root) GTEST_SKIP() << "no shared Caltech-101";
  const auto set = read_caltech101(open_source(*root)).dataset;
  EXPECT_EQ(set->size(), 9144);
  EXPECT_EQ(set->classes(), 102);
  EXPECT_EQ(set->class_names()[0], "BACKGROUND_Google");
  const std::vector<std::int64_t> labels = set->labels();
  EXPECT_EQ(std::count(labels.begin(), labels.end(), 0), 467);
  const Split split = split_per_class(labels, 30, 1);
  EXPECT_EQ(split.train.size(), 3060u);
  EXPECT_EQ(split.test.size(), 6084u);
  for (Index i = 0; i < set->size(); i += 997) EXPECT_GT(set->image(i).height, 0);
}

ByteVector idx_bytes(const std::vector<Index>& extents, const ByteVector& values) {
  ByteVector bytes{0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (const Index e : extents)
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(e >> shift));
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

void write_gzip(const std::string& path, const ByteVector& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
}

TEST(Idx, PlainAndCompressedReadTheSame) {
  const TemporaryFolder folder;
  const ByteVector bytes = idx_bytes({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  write_file(folder / "plain", bytes);
  write_gzip(folder / "packed.gz", bytes);
  for (const char* name : {"plain", "packed.gz"}) {
    const IdxFile idx = read_idx(folder / name);
    EXPECT_EQ(idx.extents, (std::vector<Index>{2, 1, 3}));
    EXPECT_EQ(idx.values, (ByteVector{1, 2, 3, 4, 5, 6}));
  }
}

TEST(Idx, DamageIsNamedWithItsPlace) {
  const TemporaryFolder folder;
  const ByteVector good = idx_bytes({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto message = [&](const ByteVector& bytes) {
    write_file(folder / "file", bytes);
    return message_of<UsageError>([&] { read_idx(folder / "file"); });
  };
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(message(ByteVector(good.begin(), good.begin() + static_cast<long>(size))).find(folder / "file"),
              std::string::npos)
        << size;
  ByteVector changed = good;
  changed.push_back(9);
  EXPECT_NE(message(changed).find("byte 18"), std::string::npos);
  changed = good;
  changed[2] = 13;  // floats
  EXPECT_NE(message(changed).find("byte 0"), std::string::npos);
  changed = good;
  changed[7] = 0;  // extent 0
  EXPECT_NE(message(changed).find("byte 4"), std::string::npos);
  changed = good;
  changed[4] = 0xFF;  // 4 thousand million rows
  EXPECT_NE(message(changed), "");
  write_gzip(folder / "whole.gz", good);
  std::ifstream in(folder / "whole.gz", std::ios::binary);
  ByteVector packed((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (std::size_t cut = 1; cut <= packed.size(); ++cut) {
    const ByteVector part(packed.begin(), packed.end() - static_cast<long>(cut));
    EXPECT_NE(message(part), "") << cut;
  }
  EXPECT_EQ(message(packed), "");
  packed[packed.size() - 6] ^= 1;  // in the checksum
  EXPECT_NE(message(packed).find("gzip"), std::string::npos);
  EXPECT_THROW(read_idx(folder / "missing"), UsageError);
}

TEST(FashionMnist, WrongFilesAreRefused) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of<UsageError>([&] { FashionMnist::read(folder.path()); }).find("train-images-idx3-ubyte"),
            std::string::npos);
  write_file(folder / "train-images-idx3-ubyte", idx_bytes({1, 28, 28}, ByteVector(784)));
  write_file(folder / "train-labels-idx1-ubyte", idx_bytes({1}, {0}));
  EXPECT_NE(message_of<UsageError>([&] { FashionMnist::read(folder.path()); }).find("60000 x 28 x 28"),
            std::string::npos);
  ByteVector labels(60000);
  labels[41] = 10;
  write_file(folder / "train-images-idx3-ubyte", idx_bytes({60000, 28, 28}, ByteVector(60000 * 784)));
  write_file(folder / "train-labels-idx1-ubyte", idx_bytes({60000}, labels));
  const std::string message = message_of<UsageError>([&] { FashionMnist::read(folder.path()); });
  EXPECT_NE(message.find("byte 49: label 10"), std::string::npos) << message;
  FashionMnistOptions options;
  options.classes = {3, 3};
  EXPECT_THROW(FashionMnist::read(folder.path(), options), UsageError);
  options.classes = {10};
  EXPECT_THROW(FashionMnist::read(folder.path(), options), UsageError);
}

TEST(FashionMnist, OfficialFiles) {
  if (!std::filesystem::exists(fashion_mnist_folder)) GTEST_SKIP() << "package dataset-fashion-mnist is not installed";
  FashionMnistOptions options;
  options.classes = {9, 2, 0};
  const auto set = FashionMnist::read(fashion_mnist_folder, options);
  EXPECT_EQ(set->size(), 21000);
  EXPECT_EQ(set->class_names(), (std::vector<std::string>{"Ankle boot", "Pullover", "T-shirt/top"}));
  const Split split = set->split();
  EXPECT_EQ(split.train.size(), 18000u);
  EXPECT_EQ(split.test.size(), 3000u);
  // The official training labels begin 9 0 0 3 0 2 7 2, the test labels 9 2 1 1.
  EXPECT_EQ(set->path(0), "train/00000");
  EXPECT_EQ(set->label(0), 0);
  EXPECT_EQ(set->path(3), "train/00004");
  EXPECT_EQ(set->label(3), 2);
  EXPECT_EQ(set->path(4), "train/00005");
  EXPECT_EQ(set->label(4), 1);
  EXPECT_EQ(set->path(18000), "test/00000");
  EXPECT_EQ(set->label(18001), 1);
  const Image image = set->image(0);
  EXPECT_EQ(image.height, 32);
  EXPECT_EQ(image.width, 32);
  int border = 0, inside = 0;
  for (Index y = 0; y < 32; ++y)
    for (Index x = 0; x < 32; ++x) {
      EXPECT_EQ(image.at(y, x)[0], image.at(y, x)[2]);
      (y < 2 || y >= 30 || x < 2 || x >= 30 ? border : inside) += image.at(y, x)[1];
    }
  EXPECT_EQ(border, 0);
  EXPECT_GT(inside, 10000);
}

std::vector<std::int64_t> some_labels() {
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 200; ++i) labels.push_back(i % 3 == 0 ? 0 : i % 5 == 0 ? 1 : 2);
  return labels;
}

TEST(Split, PerClassWithoutReplacement) {
  const std::vector<std::int64_t> labels = some_labels();
  const Split split = split_per_class(labels, 10, 7);
  std::set<Index> all(split.train.begin(), split.train.end());
  EXPECT_EQ(all.size(), 30u);
  all.insert(split.test.begin(), split.test.end());
  EXPECT_EQ(all.size(), 200u);
  EXPECT_EQ(split.train.size() + split.test.size(), 200u);
  for (std::int64_t c = 0; c < 3; ++c)
    EXPECT_EQ(std::count_if(split.train.begin(), split.train.end(),
                            [&](Index i) { return labels[static_cast<std::size_t>(i)] == c; }),
              10);
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_EQ(split, split_per_class(labels, 10, 7));
  EXPECT_NE(split, split_per_class(labels, 10, 8));
  EXPECT_NE(message_of<UsageError>([&] { split_per_class(labels, 100, 7); }).find("class 0 has 67"), std::string::npos);
  EXPECT_THROW(split_per_class(labels, 0, 7), UsageError);
}

TEST(Split, EveryExampleIsEquallyLikely) {
  const std::vector<std::int64_t> labels(20, 0);
  std::vector<int> drawn(20);
  for (std::uint64_t seed = 0; seed < 2000; ++seed)
    for (const Index i : split_per_class(labels, 5, seed).train) ++drawn[static_cast<std::size_t>(i)];
  for (const int n : drawn) EXPECT_NEAR(n, 500, 4 * std::sqrt(2000 * 0.25 * 0.75));
}

TEST(Split, ValidationComesOutOfTraining) {
  const std::vector<std::int64_t> labels = some_labels();
  const Split whole_split = split_per_class(labels, 20, 1);
  const Split split = carve_validation(whole_split, labels, 0.25, 1);
  EXPECT_EQ(split.validation.size(), 15u);
  EXPECT_EQ(split.train.size(), 45u);
  EXPECT_EQ(split.test, whole_split.test);
  std::vector<Index> joined = split.train;
  joined.insert(joined.end(), split.validation.begin(), split.validation.end());
  std::sort(joined.begin(), joined.end());
  EXPECT_EQ(joined, whole_split.train);
  EXPECT_EQ(carve_validation_per_class(whole_split, labels, 4, 1).validation.size(), 12u);
  EXPECT_EQ(carve_validation(whole_split, labels, 0.001, 1).validation.size(), 3u);  // at least one a class
  EXPECT_EQ(carve_validation(whole_split, labels, 0.999, 1).train.size(), 3u);
  EXPECT_THROW(carve_validation_per_class(whole_split, labels, 20, 1), UsageError);
  EXPECT_THROW(carve_validation(split, labels, 0.5, 1), UsageError);
  EXPECT_THROW(carve_validation(whole_split, labels, 1.0, 1), UsageError);
  EXPECT_THROW(carve_validation(split_per_class(labels, 1, 1), labels, 0.5, 1), UsageError);
  EXPECT_EQ(take_per_class(whole_split.train, labels, 5, 2).size(), 15u);
  EXPECT_THROW(take_per_class(whole_split.train, labels, 21, 2), UsageError);
}

TEST(SplitFile, RoundTripAndDigest) {
  const TemporaryFolder folder;
  std::vector<Image> images(200, noise(1, 1));
  const MemoryDataset set("toy", "toy", images, some_labels(), {"a", "b", "c"});
  const Split split = carve_validation(split_per_class(set.labels(), 10, 3), set.labels(), 0.2, 3);
  const std::string digest = write_split(folder / "split.tsv", split, set);
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(digest, split_digest(split, set));
  EXPECT_EQ(digest, sha256_file(folder / "split.tsv"));
  EXPECT_EQ(read_split(folder / "split.tsv", set), split);
  EXPECT_NE(digest, split_digest(split_per_class(set.labels(), 10, 4), set));
}

TEST(SplitFile, ErrorsNameFileAndLine) {
  const TemporaryFolder folder;
  const MemoryDataset set("toy", "toy", {noise(1, 1), noise(1, 1)}, {0, 1}, {"a", "b"});
  const auto message = [&](const std::string& text) {
    write_file(folder / "s.tsv", text);
    return message_of<UsageError>([&] { read_split(folder / "s.tsv", set); });
  };
  const std::string head = "split\tpath\tlabel\n";
  EXPECT_EQ(message(head + "train\ttoy/00000\t0\ntest\ttoy/00001\t1\n"), "");
  EXPECT_NE(message("").find("s.tsv"), std::string::npos);
  EXPECT_NE(message("path\n").find("s.tsv:1"), std::string::npos);
  EXPECT_NE(message(head + "train\ttoy/00000\n").find("s.tsv:2 (byte 17)"), std::string::npos);
  EXPECT_NE(message(head + "dev\ttoy/00000\t0\n").find("'dev'"), std::string::npos);
  EXPECT_NE(message(head + "train\ttoy/00007\t0\n").find("toy/00007"), std::string::npos);
  EXPECT_NE(message(head + "train\ttoy/00000\t1\n").find("label '1'"), std::string::npos);
  EXPECT_NE(message(head + "train\ttoy/00000\t0\ntest\ttoy/00000\t0\n").find("s.tsv:3"), std::string::npos);
}

}  // namespace dataset_test
