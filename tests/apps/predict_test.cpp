// tv_predict on photos and weights made here: its results, and a clear message with exit code 2 for every bad input.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "apps/small_data.hpp"

namespace predict_test {

using namespace tinyvision;
using apps_test::Arguments;
using apps_test::Outcome;
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Three photos and the weights of a small network with eleven classes.
struct Desk {
  test_images::TemporaryFolder folder;
  NamedTensors values;

  Desk() {
    for (int i = 0; i < 3; ++i)
      test_images::write_file(folder / "photos/p" + std::to_string(i) + ".jpg",
                              test_images::jpeg(test_images::gradient(40, 50, 40 * i)));
    values = apps_test::named_values(*apps_test::narrow_mobilenet());
  }
  Outcome predict(const Arguments& more = {}) {
    checkpoint::save_safetensors(folder / "w.safetensors", values, {});
    return predict_as_is(more);
  }
  Outcome predict_as_is(const Arguments& more = {}) {
    const Arguments all{"--network",    "mobilenet_v1",
                        "--width",      "0.25",
                        "--image-size", "32",
                        "--weights",    folder / "w.safetensors",
                        "--photos",     folder / "photos",
                        "--out",        folder / "out",
                        "--quiet"};
    return apps_test::run(folder.path(), "tv_predict", apps_test::with(all, more));
  }
  /// The run must fail as bad input does, name `part`, and leave no results.
  void refused(const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find("tv_predict: error: "), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json")) << part;
  }
};

TEST(Predict, WritesWhatItFound) {
  Desk desk;
  test_images::write_file(desk.folder / "labels.tsv",
                          std::string("photo\twnid\tclass\np0.jpg\tn0\t1\np1.jpg\tn1\t2\np2.jpg\tn2\t9\n"));
  const Outcome text = desk.predict({"--labels", desk.folder / "labels.tsv"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("of 3\n"), std::string::npos) << text.out;
  const auto results = nlohmann::json::parse(apps_test::text_of(desk.folder / "out/results.json"));
  for (const char* key : {"app", "version", "config", "digests", "environment", "metrics", "timing"})
    EXPECT_TRUE(results.contains(key)) << key;
  EXPECT_EQ(results["metrics"]["test"]["count"], 3);
  EXPECT_EQ(results["classes"][1], "n0") << "the wnid of labels.tsv";
  EXPECT_EQ(results["classes"][3], "class 3");
  const std::string rows = apps_test::text_of(desk.folder / "out/predictions.csv");
  EXPECT_TRUE(rows.starts_with("path,label,prediction,probability\np0.jpg,1,")) << rows;
  EXPECT_NE(rows.find("\np2.jpg,9,"), std::string::npos) << rows;

  const Outcome json = desk.predict({"--labels", desk.folder / "labels.tsv", "--json", "-"});
  const auto photos = nlohmann::json::parse(json.out);  // nothing else on standard output
  ASSERT_EQ(photos["photos"].size(), 3u);
  double sum = 0;
  for (const auto& best : photos["photos"][0]["top5"]) sum += best["probability"].get<double>();
  EXPECT_GT(sum, 5.0 / 11);
  EXPECT_LE(sum, 1 + 1e-6);
  EXPECT_GE(photos["photos"][0]["top5"][0]["class"], 0);
  EXPECT_LT(photos["photos"][0]["top5"][0]["class"], 11);
}

TEST(Predict, RefusesBadWeights) {
  Desk desk;
  desk.refused(desk.predict_as_is(), "w.safetensors");  // missing

  const NamedTensors good = desk.values;
  desk.predict();
  std::filesystem::remove_all(desk.folder / "out");
  std::filesystem::resize_file(desk.folder / "w.safetensors", 20000);
  desk.refused(desk.predict_as_is(), "w.safetensors");
  std::filesystem::resize_file(desk.folder / "w.safetensors", 3);
  desk.refused(desk.predict_as_is(), "w.safetensors");

  desk.values[4].second = Tensor::zeros({7});
  desk.refused(desk.predict(), desk.values[4].first);

  desk.values = good;
  for (auto& [name, value] : desk.values)
    if (name == "MobilenetV1/Conv2d_1_depthwise/BatchNorm/gamma")
      name = "MobilenetV1/Conv2d_1_depthwise/BatchNrm/gamma";
  const Outcome unknown = desk.predict();
  desk.refused(unknown, "MobilenetV1/Conv2d_1_depthwise/BatchNorm/gamma");
  EXPECT_NE(unknown.err.find("MobilenetV1/Conv2d_1_depthwise/BatchNrm/gamma"), std::string::npos) << unknown.err;

  desk.values = good;
  desk.values[0].second = desk.values[0].second.clone();
  desk.values[0].second.data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  desk.refused(desk.predict(), desk.values[0].first);
}

TEST(Predict, NamesBadPhotosAndSkipsThemOnRequest) {
  Desk desk;
  test_images::write_file(desk.folder / "photos/text.jpg", std::string("no picture at all"));
  desk.refused(desk.predict(), "text.jpg");
  auto bytes = test_images::jpeg(test_images::noise(60, 60));
  bytes.resize(bytes.size() / 3);
  test_images::write_file(desk.folder / "photos/broken.jpg", bytes);
  const Outcome skipped = desk.predict({"--skip-bad"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_NE(skipped.err.find("text.jpg"), std::string::npos) << skipped.err;
  EXPECT_NE(skipped.err.find("broken.jpg"), std::string::npos) << skipped.err;
  EXPECT_EQ(nlohmann::json::parse(apps_test::text_of(desk.folder / "out/results.json"))["skipped"], 2);
}

TEST(Predict, RefusesLabelsThatDoNotFit) {
  Desk desk;
  const std::string labels = desk.folder / "labels.tsv", head = "photo\twnid\tclass\np0.jpg\tn0\t1\np1.jpg\tn1\t2\n";
  test_images::write_file(labels, head);
  desk.refused(desk.predict({"--labels", labels}), "p2.jpg");
  test_images::write_file(labels, head + "p2.jpg\tn2\t11\n");  // classes 0 to 10
  desk.refused(desk.predict({"--labels", labels}), "11 is outside");
  test_images::write_file(labels, head + "p2.jpg\tn2\t-1\n");
  desk.refused(desk.predict({"--labels", labels}), "-1");
}

TEST(Predict, RefusesSizesAndFolders) {
  Desk desk;
  desk.refused(desk.predict({"--batch", "0"}), "--batch");
  desk.refused(desk.predict({"--image-size", "-32"}), "-32");
  desk.refused(desk.predict({"--width", "0"}), "0");
  desk.refused(desk.predict({"--crop", "0"}), "crop");
  desk.refused(desk.predict({"--threads", "-1"}), "--threads");
  desk.refused(desk.predict({"--photos", desk.folder / "nowhere"}), "nowhere");
  const Outcome file = desk.predict({"--out", desk.folder / "w.safetensors"});  // not a folder
  EXPECT_EQ(file.code, 2) << file.err;
}

TEST(EveryApp, HasHelpVersionAndSuggestsOptions) {
  const test_images::TemporaryFolder folder;
  for (const char* name : {"tv_predict", "tv_features", "tv_linear_probe", "tv_finetune", "tv_pretrain", "tv_audit",
                           "tv_convert", "tv_demo", "tv_stats"}) {
    const Outcome help = apps_test::run(folder.path(), name, {"--help"});
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_NE(help.out.find(name), std::string::npos) << name;
    EXPECT_EQ(apps_test::run(folder.path(), name, {"--version"}).out, std::string(name) + " " TINYVISION_VERSION "\n");
    const Outcome wrong = apps_test::run(folder.path(), name, {"--helpp"});
    EXPECT_EQ(wrong.code, 2) << name;
    EXPECT_NE(wrong.err.find("--help"), std::string::npos) << name << wrong.err;
  }
}

}  // namespace predict_test
