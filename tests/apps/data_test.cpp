// tv_data from the making of a small data set to its verification; and the programs that read such a set by name.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "data/test_images.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace {

using namespace apps_test;
using namespace tinyvision;
namespace fs = std::filesystem;
using nlohmann::json;

struct Desk {
  test_images::TemporaryFolder folder;
  Outcome data(Arguments arguments) const {
    arguments.push_back("--quiet");
    return run(folder.path(), "tv_data", arguments);
  }
  /// A small set of that name.
  std::string make(const std::string& name, bool archives = false) const {
    const std::string path = folder / name;
    Arguments arguments{"make-tiny", name, path, "--per-class", "2"};
    if (archives) arguments.push_back("--archives");
    const Outcome made = data(arguments);
    EXPECT_EQ(made.code, 0) << made.err;
    return path;
  }
  json results() const { return json::parse(text_of(folder / "out/results.json")); }
};

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Data, ListsAndDescribes) {
  const Desk desk;
  const Outcome list = desk.data({"list"});
  ASSERT_EQ(list.code, 0) << list.err;
  for (const data::DatasetEntry& entry : data::dataset_registry())
    EXPECT_TRUE(says(list.out, "\n" + std::string(entry.info->name) + " ")) << entry.info->name;
  const Outcome info = desk.data({"info", "oxford_flowers", "--out", desk.folder / "out"});
  ASSERT_EQ(info.code, 0) << info.err;
  EXPECT_TRUE(says(info.out, "52808999861908f626f3c1f4e79d11fa")) << info.out;
  EXPECT_EQ(desk.results()["data_set"]["counts"]["test"], 6149);
  const Outcome unknown = desk.data({"info", "oxford_flower"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(says(unknown.err, "did you mean oxford_flowers")) << unknown.err;
}

TEST(Data, VerifiesFromFoldersAndFromArchives) {
  const Desk desk;
  for (const bool archives : {false, true}) {
    const std::string dtd = desk.make("dtd", archives);
    const Outcome partial = desk.data({"verify", "dtd", dtd, "--out", desk.folder / "out"});
    EXPECT_EQ(partial.code, 2) << partial.err;  // the counts are not the official ones
    EXPECT_TRUE(says(partial.out, "PROBLEMS\n")) << partial.out;
    EXPECT_TRUE(says(partial.out, "of 1880")) << partial.out;
    EXPECT_EQ(desk.results()["verification"]["classes"].size(), 47u);
    EXPECT_EQ(desk.results()["verification"]["images"]["looked_at"], 47 * 6);
    const Outcome accepted = desk.data({"verify", "dtd", dtd, "--allow-partial"});
    // A tiny archive has not the publisher's digest, and that stays a problem.
    EXPECT_EQ(accepted.code, archives ? 2 : 0) << accepted.out << accepted.err;
    EXPECT_EQ(says(accepted.out, "expected fff73e5086ae6bdbea199a49dfb8a4c1"), archives) << accepted.out;
    fs::remove_all(dtd);
  }
}

TEST(Data, NamesImagesThatCannotBeRead) {
  const Desk desk;
  const std::string dtd = desk.make("dtd");
  std::vector<std::string> images;
  for (const auto& entry : fs::recursive_directory_iterator(dtd))
    if (entry.path().extension() == ".jpg") images.push_back(entry.path().string());
  std::sort(images.begin(), images.end());
  test_images::write_file(images[3], "<!DOCTYPE html><html>not found</html>");
  test_images::write_file(images[5], std::string());
  test_images::write_file(images[7], test_images::png(test_images::noise(20, 20)));
  const Outcome found = desk.data({"verify", "dtd", dtd, "--allow-partial", "--out", desk.folder / "out"});
  EXPECT_EQ(found.code, 2);
  const json report = desk.results()["verification"];
  ASSERT_EQ(report["problems"].size(), 2u) << report["problems"];
  EXPECT_TRUE(says(report["problems"][0], fs::path(images[3]).filename())) << report["problems"];
  EXPECT_TRUE(says(report["problems"][1], "empty file")) << report["problems"];
  EXPECT_TRUE(says(report["remarks"].dump(), fs::path(images[7]).filename().string() + ": a PNG file"));
}

TEST(Data, SplitsAreWrittenCheckedAndRefused) {
  const Desk desk;
  const std::string caltech = desk.make("caltech101"), file = desk.folder / "out/split.tsv";
  const Outcome drawn = desk.data({"split", "caltech101", caltech, "--allow-partial", "--train-per-class", "1",
                                   "--seed", "3", "--out", desk.folder / "out"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_TRUE(says(drawn.out, "train 102, validation 0, test ")) << drawn.out;
  EXPECT_TRUE(says(drawn.out, "SHA-256 " + sha256_file(file))) << drawn.out;
  EXPECT_EQ(desk.results()["digests"]["split"], sha256_file(file));
  const Arguments check{"split", "caltech101", caltech, "--allow-partial", "--check", file};
  EXPECT_EQ(desk.data(check).code, 0);
  std::string text = text_of(file);
  const std::size_t line = text.find('\n') + 1, next = text.find('\n', line) + 1, third = text.find('\n', next) + 1;
  const std::string swapped =
      text.substr(0, line) + text.substr(next, third - next) + text.substr(line, next - line) + text.substr(third);
  test_images::write_file(file, swapped);
  Outcome refused = desk.data(check);
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(says(refused.err, "not line by line")) << refused.err;
  test_images::write_file(file, text + "test\tno_such/image_0001.jpg\t0\n");
  refused = desk.data(check);
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(says(refused.err, "no example 'no_such/image_0001.jpg'")) << refused.err;
  // The study of data size: official parts, fewer training images.
  const std::string pets = desk.make("oxford_pets");
  const Outcome subset = desk.data({"subset", "oxford_pets", pets, "--allow-partial", "--per-class", "1"});
  ASSERT_EQ(subset.code, 0) << subset.err;
  EXPECT_TRUE(says(subset.out, "train 37, validation 0, test ")) << subset.out;
  EXPECT_EQ(desk.data({"subset", "oxford_pets", pets, "--allow-partial", "--per-class", "50"}).code, 2);
}

TEST(Data, SheetsShowEveryClass) {
  const Desk desk;
  const std::string pets = desk.make("oxford_pets");
  const Arguments arguments{"sheet",        "oxford_pets", pets,     "--allow-partial", "--per-class",      "1",
                            "--image-size", "32",          "--full", "--out",           desk.folder / "out"};
  const Outcome drawn = desk.data(arguments);
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const json first = desk.results()["sheets"];
  ASSERT_EQ(first.size(), 37u);
  const std::string path = first[0]["file"];
  EXPECT_EQ(sha256_file(path), first[0]["sha256"]);
  const data::Image sheet = data::read_image(path);
  EXPECT_EQ(sheet.height, 32 + 8);
  EXPECT_EQ(sheet.width, 5 * 36 + 4);
  desk.data(arguments);
  EXPECT_EQ(desk.results()["sheets"], first);  // the same bytes again
  const Outcome unknown = desk.data(with(arguments, {"--classes", "no_such_breed"}));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(says(unknown.err, "no class 'no_such_breed'")) << unknown.err;
}

TEST(Data, FetchesChecksAndRefuses) {
  const Desk desk;
  const std::string mirror = desk.folder / "mirror", here = desk.folder / "here";
  const data::DatasetInfo& info = *data::find_dataset("oxford_flowers")->info;
  for (const data::OfficialFile& file : info.files)
    test_images::write_file(mirror + "/" + std::string(file.name), "<!doctype html><p>moved</p>");
  const Arguments fetch{"fetch", "oxford_flowers", here, "--mirror", "file://" + mirror};
  Outcome refused = desk.data(fetch);
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(says(refused.err, "a web page came instead of a file")) << refused.err;
  test_images::write_file(mirror + "/" + std::string(info.files[0].name), "short");
  refused = desk.data(fetch);
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(says(refused.err, "5 bytes came, " + std::to_string(info.files[0].size) + " were expected"))
      << refused.err;
  for (const auto& entry : fs::recursive_directory_iterator(here)) ADD_FAILURE() << entry.path() << " was left";
}

TEST(Data, FetchesTheRealAnnotations) {
  const auto flowers = test_images::shared_data("annotations/flowers");
  if (!flowers) GTEST_SKIP() << "no shared data";
  const Desk desk;
  const std::string mirror = desk.folder / "mirror", here = desk.folder / "here";
  fs::create_directories(mirror);
  fs::create_directories(here);
  for (const char* name : {"setid.mat", "imagelabels.mat"}) fs::copy_file(*flowers + "/" + name, mirror + "/" + name);
  // The archive of photos is not there; what comes before it in the list is fetched and right.
  const Outcome outcome = desk.data({"fetch", "oxford_flowers", here, "--mirror", "file://" + mirror});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(says(outcome.err, "102flowers.tgz")) << outcome.err;
}

TEST(Data, ProgramsReadASetByName) {
  const Desk desk;
  const std::string dtd = desk.make("dtd", true);
  const auto train = [&](const std::string& out, Arguments more) {
    more.insert(more.begin(), {"--network", "mobilenet_v1", "--width", "0.25", "--image-size", "32", "--dataset", "dtd",
                               "--data", dtd, "--steps", "2", "--batch", "4", "--quiet", "--out", desk.folder / out});
    return run(desk.folder.path(), "tv_pretrain", more);
  };
  const Outcome refused = train("a", {});
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(says(refused.err, "--allow-partial accepts it")) << refused.err;
  const Outcome done = train("a", {"--allow-partial"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(says(done.out, "partial data: classes 47 of 47")) << done.out;
  const json a = json::parse(text_of(desk.folder / "a/results.json"));
  EXPECT_TRUE(says(a["coverage"], "test 94 of 1880")) << a["coverage"];
  // From the cache of decoded images: the same numbers.
  const Outcome cached = train("b", {"--allow-partial", "--image-cache", desk.folder / "cache"});
  ASSERT_EQ(cached.code, 0) << cached.err;
  EXPECT_FALSE(fs::is_empty(desk.folder / "cache"));
  EXPECT_EQ(text_of(desk.folder / "a/predictions.csv"), text_of(desk.folder / "b/predictions.csv"));
  EXPECT_EQ(text_of(desk.folder / "a/curve.csv"), text_of(desk.folder / "b/curve.csv"));
}

}  // namespace
