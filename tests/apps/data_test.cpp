// tv_data from the making of a small data set to its verification; and the programs that read such a set by name.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "data/test_images.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/md5.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace data_test {

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

TEST(Data, FoldersAndFashionMnistAreNoPublishedSetsAndSaySo) {
  const Desk desk;
  const Outcome list = desk.data({"list"});
  EXPECT_TRUE(says(list.out, "besides fashion_mnist: ")) << list.out;
  EXPECT_TRUE(says(list.out, "besides image_folder: ")) << list.out;
  for (const char* name : {"fashion_mnist", "image_folder"})
    for (const Arguments& command : {Arguments{"info", name}, Arguments{"fetch", name, desk.folder / "x"},
                                     Arguments{"make-tiny", name, desk.folder / "x"}}) {
      const Outcome outcome = desk.data(command);
      EXPECT_EQ(outcome.code, 2);
      EXPECT_TRUE(says(outcome.err, std::string(name) + " has no official files that tv_data knows")) << outcome.err;
      EXPECT_FALSE(fs::exists(desk.folder / "x"));
    }
  const std::string images = desk.folder / "images";
  for (int i = 0; i < 6; ++i)
    test_images::write_file(images + (i % 2 == 0 ? "/cat/" : "/dog/") + std::to_string(i) + ".png",
                            test_images::png(test_images::noise(8, 9)));
  const Arguments verify{"verify", "image_folder", images, "--out", desk.folder / "out"};
  const Outcome good = desk.data(verify);
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_EQ(desk.results()["verification"]["images"]["formats"]["PNG"], 6);
  EXPECT_EQ(desk.results()["verification"]["counts"]["classes"], 2);
  test_images::write_file(images + "/cat/0.png", std::string("no image"));
  const Outcome bad = desk.data(verify);
  EXPECT_EQ(bad.code, 2);
  EXPECT_TRUE(says(bad.out, "cat/0.png: not an image")) << bad.out;
  fs::create_directory_symlink("..", images + "/cat/up.png");  // a folder, whatever it is called
  fs::create_symlink("self", images + "/self");
  const Outcome circle = desk.data(verify);
  EXPECT_EQ(circle.code, 2);
  EXPECT_TRUE(says(circle.out, "images/self: ")) << circle.out;
  const Outcome nothing = desk.data({"verify", "image_folder", desk.folder / "nowhere"});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_TRUE(says(nothing.err, "nowhere: there is no such folder or archive")) << nothing.err;
}

TEST(Data, WhatCannotBeReadIsAFindingOfTheReport) {
  const Desk desk;
  const std::string dtd = desk.make("dtd", true), archive = dtd + "/dtd-r1.0.1.tar.gz";
  fs::resize_file(archive, fs::file_size(archive) / 2);
  const Arguments verify{"verify", "dtd", dtd, "--allow-partial", "--out", desk.folder / "out"};
  const Outcome cut = desk.data(verify);
  EXPECT_EQ(cut.code, 2);
  EXPECT_TRUE(says(cut.out, "dtd: could not be read")) << cut.out;
  const json report = desk.results()["verification"];
  EXPECT_EQ(report["files"][0]["sha256"], sha256_file(archive)) << "digests are told all the same";
  ASSERT_EQ(report["problems"].size(), 2u) << report["problems"];  // its digest, and that it ends early
  EXPECT_TRUE(says(report["problems"][1], "dtd-r1.0.1.tar.gz: ")) << report["problems"];
  fs::remove_all(dtd);
  const std::string flowers = desk.make("oxford_flowers");
  fs::resize_file(flowers + "/setid.mat", 100);
  const Outcome lists =
      desk.data({"verify", "oxford_flowers", flowers, "--allow-partial", "--out", desk.folder / "out"});
  EXPECT_EQ(lists.code, 2);
  EXPECT_TRUE(says(desk.results()["verification"]["problems"].dump(), "setid.mat: ")) << lists.out;
}

TEST(Data, AnnotationsAreHeldToListsAndImages) {
  const Desk desk;
  const std::string voc = desk.make("voc2007"), notes = voc + "/VOCdevkit/VOC2007/Annotations/";
  const Arguments verify{"verify", "voc2007", voc, "--allow-partial", "--out", desk.folder / "out"};
  const Outcome good = desk.data(verify);
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  const auto change = [&](const std::string& id, const std::string& old, const std::string& by) {
    std::string text = text_of(notes + id + ".xml");
    const std::size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos) << text;
    test_images::write_file(notes + id + ".xml", text.replace(at, old.size(), by));
  };
  change("000002", "<width>", "<width>1");
  change("000003", "<name>", "<name>un");
  change("000004", "<xmin>", "<xmin>x");
  fs::remove(notes + "000005.xml");
  EXPECT_EQ(desk.data(verify).code, 2);
  const json problems = desk.results()["verification"]["problems"];
  for (const char* part : {"000002.xml: its size is 1", "000003.xml: an object 'un", "000003.xml: by its objects ",
                           "000004.xml: <xmin> is 'x", "000005.xml: No such file"})
    EXPECT_TRUE(says(problems.dump(), part)) << problems.dump(1) << "\nlacks " << part;
  fs::remove_all(notes);
  EXPECT_EQ(desk.data(verify).code, 0);
  EXPECT_TRUE(says(desk.results()["verification"]["remarks"].dump(), "has no annotations")) << "not a problem";
}

TEST(Data, PhotosThatBirdsnapListsTwiceAreNamed) {
  const Desk desk;
  const std::string birds = desk.folder / "birdsnap";
  test_images::write_file(birds + "/species.txt", std::string("1\tFinch\tT. guttata\tFinch\n"));
  test_images::write_file(birds + "/test_images.txt", std::string("path\nFinch/3.jpg\n"));
  std::string table = "url\tmd5\tpath\tspecies_id\n";
  for (int i = 1; i <= 3; ++i) {
    const test_images::ByteVector photo = test_images::jpeg(test_images::noise(8, 8, i == 2 ? 2 : 1));
    const std::string path = "Finch/" + std::to_string(i) + ".jpg";
    test_images::write_file(birds + "/images/" + path, photo);
    table +=
        "http://x\t" + md5_hex({reinterpret_cast<const char*>(photo.data()), photo.size()}) + "\t" + path + "\t1\n";
  }
  test_images::write_file(birds + "/images.txt", table);
  const Outcome outcome = desk.data({"verify", "birdsnap", birds, "--allow-partial", "--out", desk.folder / "out"});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(says(desk.results()["verification"]["remarks"].dump(),
                   "Finch/3.jpg (test): by its MD5 the same photo as Finch/1.jpg (train)"))
      << outcome.out;
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

TEST(Data, AFileWithOtherDigestsIsKeptAndNotFetchedAgain) {
  const Desk desk;
  const std::string mirror = desk.folder / "mirror", here = desk.folder / "here";
  test_images::write_file(mirror + "/birdsnap.tgz", std::string("another file than the published one"));
  const Arguments fetch{"fetch", "birdsnap", here, "--mirror", "file://" + mirror};
  const Outcome first = desk.data(fetch);
  EXPECT_EQ(first.code, 2);
  EXPECT_TRUE(says(
      first.err, "expected 1788158175f6ae794aebf27bcd7a3f5d; the file is kept as " + here + "/birdsnap.tgz.unverified"))
      << first.err;
  EXPECT_EQ(text_of(here + "/birdsnap.tgz.unverified"), "another file than the published one");
  fs::remove_all(mirror);  // whoever asks it again fails
  const Outcome second = desk.data(fetch);
  EXPECT_EQ(second.code, 2);
  EXPECT_TRUE(says(second.err, "birdsnap.tgz.unverified: is there from an earlier fetch")) << second.err;
  EXPECT_TRUE(fs::exists(here + "/birdsnap.tgz.unverified"));
  EXPECT_FALSE(fs::exists(here + "/birdsnap.tgz"));
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

TEST(Data, ResultsSayWhichBytesWereReadAndWhatWasLeftOut) {
  const Desk desk;
  const std::string dtd = desk.make("dtd");
  const Arguments data{"--network", "mobilenet_v1", "--width", "0.25", "--image-size",    "32",
                       "--dataset", "dtd",          "--data",  dtd,    "--allow-partial", "--skip-bad",
                       "--quiet"};
  const auto run_on = [&](const char* program, const std::string& out, const Arguments& more) {
    Arguments all = data;
    all.insert(all.end(), more.begin(), more.end());
    all.insert(all.end(), {"--out", desk.folder / out});
    return run(desk.folder.path(), program, all);
  };
  const auto results = [&](const std::string& out) {
    return json::parse(text_of(desk.folder / out + "/results.json"));
  };
  const Arguments steps{"--steps", "2", "--batch", "4"};
  const Outcome trained = run_on("tv_pretrain", "w", steps);
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Arguments weights{"--weights", desk.folder / "w/weights.safetensors"};
  const auto features = [&] {
    const Outcome outcome = run_on("tv_features", "f", weights);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return results("f");
  };
  const json first = features(), again = features();
  // Anybody can compute it: a line for each example of the split in the order of the data set, which here is that of its
  // parts.
  std::string lines, path;
  std::istringstream split(text_of(desk.folder / "f/split.tsv"));
  for (std::string line; std::getline(split, line);) {
    const std::size_t begin = line.find('\t') + 1;
    path = line.substr(begin, line.find('\t', begin) - begin);
    if (path != "path") lines += path + "\t" + sha256_file(dtd + "/dtd/images/" + path) + "\n";
  }
  EXPECT_EQ(first["digests"]["data"], sha256_hex(lines));
  EXPECT_EQ(results("w")["digests"]["data"], first["digests"]["data"]);
  EXPECT_EQ(first["skipped"], 0);
  EXPECT_EQ(first["features"]["from_cache"], false);
  EXPECT_EQ(again["features"]["from_cache"], true);
  EXPECT_EQ(again["digests"], first["digests"]);

  // A test image is damaged without a change of its size: neither the cached features nor the training go on as if not.
  const std::string file = dtd + "/dtd/images/" + path;  // the last one
  std::string bytes = text_of(file);
  bytes[0] = 'x';
  test_images::write_file(file, bytes);
  const json changed = features();
  EXPECT_EQ(changed["features"]["from_cache"], false);
  EXPECT_NE(changed["digests"]["data"], first["digests"]["data"]);
  EXPECT_NE(changed["digests"]["features"], first["digests"]["features"]);
  EXPECT_EQ(changed["skipped"], 1);
  EXPECT_TRUE(says(changed["coverage"], "test 93 of 1880; unreadable images left out: 1")) << changed["coverage"];
  const Outcome continued = run_on("tv_pretrain", "w", steps);
  EXPECT_EQ(continued.code, 2);
  EXPECT_TRUE(says(continued.err, "another configuration")) << continued.err;

  Arguments probing = weights;
  probing.insert(probing.end(), {"--lambdas", "1", "--tolerance", "0.5", "--cache", desk.folder / "f"});
  const Outcome probe = run_on("tv_linear_probe", "p", probing);
  ASSERT_EQ(probe.code, 0) << probe.err;
  EXPECT_EQ(results("p")["features_from_cache"], true);
  EXPECT_EQ(results("p")["digests"]["data"], changed["digests"]["data"]);
  EXPECT_EQ(results("p")["skipped"], 1);
  EXPECT_EQ(results("p")["metrics"]["test"]["count"], 93);
  EXPECT_TRUE(says(probe.out, "test 93 of 1880; unreadable images left out: 1\n")) << probe.out;
  const Outcome tuned = run_on("tv_pretrain", "t", steps);
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_EQ(results("t")["skipped"], 1);
  EXPECT_EQ(results("t")["metrics"]["test"]["count"], 93);
  EXPECT_TRUE(says(tuned.out, "test 93 of 1880; unreadable images left out: 1\n")) << tuned.out;
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

}  // namespace data_test
