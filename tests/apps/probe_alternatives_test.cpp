// tv_linear_probe --classifier svm and logistic_augmented on photos and weights made here.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "apps/small_data.hpp"

namespace probe_alternatives_test {

using namespace tinyvision;
using apps_test::Arguments;
using apps_test::Outcome;
using nlohmann::json;
using std::chrono::milliseconds;

/// Photos of two classes and a network of random weights.
struct Desk {
  test_images::TemporaryFolder folder;

  Desk() {
    apps_test::write_two_classes(folder / "data", 24);
    checkpoint::save_safetensors(folder / "w.safetensors", apps_test::named_values(*apps_test::narrow_mobilenet()));
  }
  Outcome probe(const std::string& out, const Arguments& more, const apps_test::Trouble& trouble = {}) {
    Arguments all{"--width",
                  "0.25",
                  "--image-size",
                  "32",
                  "--weights",
                  folder / "w.safetensors",
                  "--data",
                  folder / "data",
                  "--train-per-class",
                  "9",
                  "--seed",
                  "3",
                  "--threads",
                  "2",
                  "--cache",
                  folder / "cache",
                  "--out",
                  folder / out,
                  "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return apps_test::run(folder.path(), "tv_linear_probe", all, trouble);
  }
  json results(const std::string& out) { return json::parse(apps_test::text_of(folder / out + "/results.json")); }
};

TEST(ProbeAlternatives, SupportVectorMachines) {
  Desk desk;
  for (const std::string loss : {"squared_hinge", "hinge"}) {
    const Outcome done =
        desk.probe(loss, {"--classifier", "svm", "--svm-costs", "3", "--svm-loss", loss, "--tolerance", "1e-4"});
    ASSERT_EQ(done.code, 0) << done.err;
    const json results = desk.results(loss);
    EXPECT_EQ(results["classifier"], "svm");
    EXPECT_EQ(results["svm"]["loss"], loss);
    ASSERT_EQ(results["fits"].size(), 3u);
    EXPECT_DOUBLE_EQ(results["fits"][0]["C"], 1e-3);
    EXPECT_EQ(results["all_converged"], true);
    EXPECT_EQ(results["refit"]["C"], results["chosen_C"]);
    EXPECT_EQ(results["features_from_cache"], loss == "hinge");
    EXPECT_EQ(results["frozen_network"]["before"], results["frozen_network"]["after"]);
    EXPECT_EQ(results["metrics"]["test"]["count"], 6);
    EXPECT_NE(done.out.find("test: top-1 "), std::string::npos) << done.out;
    EXPECT_EQ(done.out.find("optimization finished"), std::string::npos) << "the library's own lines";
    const auto saved = checkpoint::load_safetensors(desk.folder / loss + "/classifier.safetensors");
    EXPECT_EQ(saved.tensor("weights").shape(), Shape({256, 2}));
  }
}

TEST(ProbeAlternatives, OptionsOfAnotherClassifierAreRefusedBeforeAnythingStarts) {
  Desk desk;
  const auto refused = [&](const Arguments& arguments, const std::string& part) {
    const Outcome outcome = desk.probe("refused", arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(desk.folder / "cache")) << "features were computed";
  };
  refused({"--classifier", "svm", "--augment", "flip"}, "--augment has no meaning with --classifier svm");
  refused({"--classifier", "svm", "--lambdas", "3"}, "--lambdas has no meaning with --classifier svm");
  refused({"--svm-loss", "hinge"}, "--svm-loss has no meaning with --classifier logistic");
  refused({"--classifier", "logistic_augmented", "--svm-costs", "3"},
          "--svm-costs has no meaning with --classifier logistic_augmented");
  refused({"--classifier", "logistic_augmented", "--crops", "0.9,0"}, "--crops: 0 is not within");
  refused({"--classifier", "svm", "--svm-loss", "logistic"}, "--svm-loss");
}

TEST(ProbeAlternatives, AugmentedRegressionSurvivesCtrlC) {
  Desk desk;
  const Arguments augmented{"--classifier",
                            "logistic_augmented",
                            "--steps",
                            "40",
                            "--train-batch",
                            "6",
                            "--augmented-lambdas",
                            "3",
                            "--checkpoint-every",
                            "7"};
  const auto start = std::chrono::steady_clock::now();
  const Outcome done = desk.probe("whole", augmented);
  ASSERT_EQ(done.code, 0) << done.err;
  const auto whole = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  const json results = desk.results("whole");
  EXPECT_EQ(results["classifier"], "logistic_augmented");
  EXPECT_EQ(results["config"]["augment"], "inception");
  ASSERT_EQ(results["fits"].size(), 3u);
  EXPECT_DOUBLE_EQ(results["fits"][0]["lambda"], 0.1);
  EXPECT_DOUBLE_EQ(results["fits"][2]["lambda"], 1e-10);
  EXPECT_EQ(results["fits"][0]["validation"].size(), 2u) << "both crops";
  EXPECT_EQ(results["frozen_network"]["before"], results["frozen_network"]["after"]);
  const std::string losses = apps_test::text_of(desk.folder / "whole/search_losses.csv");
  EXPECT_EQ(std::count(losses.begin(), losses.end(), '\n'), 41);

  const Outcome stopped = desk.probe("stopped", augmented, {SIGINT, whole / 2});
  if (stopped.code != 0) {  // it may just have finished
    EXPECT_EQ(stopped.code, 130) << stopped.err;
    EXPECT_NE(stopped.err.find("resume with: "), std::string::npos) << stopped.err;
  }
  desk.probe("stopped", augmented, {SIGKILL, whole / 2});
  ASSERT_EQ(desk.probe("stopped", augmented).code, 0);
  for (const char* name : {"classifier.safetensors", "predictions.csv", "search_losses.csv", "refit_losses.csv"})
    EXPECT_EQ(apps_test::text_of(desk.folder / "stopped/" + name), apps_test::text_of(desk.folder / "whole/" + name))
        << name;
  Arguments other = augmented;
  other[3] = "41";
  const Outcome refused = desk.probe("stopped", other);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("another configuration"), std::string::npos) << refused.err;
}

}  // namespace probe_alternatives_test
