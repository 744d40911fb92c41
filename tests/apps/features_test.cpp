// tv_features and tv_linear_probe on photos and weights made here: what their results say of the network.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "apps/small_data.hpp"
#include "common/probe.hpp"

namespace features_test {

using namespace tinyvision;
using apps_test::Arguments;

/// A MobileNet of random weights in the file w.safetensors of `folder`, and the options that name it.
std::shared_ptr<Network> make_weights(const test_images::TemporaryFolder& folder, Arguments& arguments) {
  const auto network = apps_test::narrow_mobilenet();
  checkpoint::save_safetensors(folder / "w.safetensors", apps_test::named_values(*network));
  arguments = {"--network", "mobilenet_v1",           "--width", "0.25", "--image-size", "32",
               "--weights", folder / "w.safetensors", "--quiet"};
  return network;
}

bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

TEST(Features, ResultsNameTheNetworksOptions) {
  const test_images::TemporaryFolder folder;
  apps_test::write_two_classes(folder / "data", 12);
  Arguments common;
  const auto network = make_weights(folder, common);
  for (const std::string app : {"tv_features", "tv_linear_probe"}) {
    const Arguments arguments =
        apps_test::with(common, {"--data", folder / "data", "--train-per-class", "4", "--out", folder / app});
    Arguments all = arguments;
    if (app == "tv_linear_probe") all.insert(all.end(), {"--lambdas", "2"});
    const auto outcome = apps_test::run(folder.path(), app, all);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto results = nlohmann::json::parse(apps_test::text_of(folder / app + "/results.json"));
    EXPECT_EQ(results.value("network", ""), network->options().text()) << app;
    if (app == "tv_features") continue;
    EXPECT_EQ(results["classifier"], "logistic");
    EXPECT_EQ(results["metrics"]["test"]["value"], results["metrics"]["test"]["top1"]);
    // The network that was evaluated is the one of the file, before and after.
    EXPECT_EQ(results["frozen_network"]["before"], tv_app::network_digest(*network));
    EXPECT_EQ(results["frozen_network"]["after"], tv_app::network_digest(*network));
  }
}

TEST(Features, AFrozenNetworkIsProvedFrozen) {
  const test_images::TemporaryFolder folder;
  Arguments unused;
  const auto network = make_weights(folder, unused);
  const std::string before = tv_app::network_digest(*network);
  EXPECT_EQ(before, tv_app::network_digest(*network));
  EXPECT_NO_THROW(tv_app::check_frozen(before, before));
  for (const ParameterKind kind :
       {ParameterKind::conv_weight, ParameterKind::bn_moving_variance, ParameterKind::bias}) {
    for (const Parameter& p : network->parameters()) {
      if (p.kind != kind) continue;
      float& value = p.variable.value().data<float>()[0];
      const float old = std::exchange(value, std::nextafter(value, 10.0f));
      const std::string after = tv_app::network_digest(*network);
      value = old;
      EXPECT_NE(after, before) << p.name;
      EXPECT_THROW(tv_app::check_frozen(before, after), Error);
      break;
    }
  }
  EXPECT_EQ(before, tv_app::network_digest(*network));
}

/// VOC 2007 in miniature, and one-vs-rest classifiers of its features.
struct Voc {
  test_images::TemporaryFolder folder;
  Arguments arguments;
  Voc() {
    make_weights(folder, arguments);
    const auto made =
        apps_test::run(folder.path(), "tv_data", {"make-tiny", "voc2007", folder / "voc", "--per-class", "2"});
    EXPECT_EQ(made.code, 0) << made.err;
    arguments = apps_test::with(arguments, {"--dataset", "voc2007", "--data", folder / "voc", "--lambdas", "4"});
    arguments.push_back("--allow-partial");
  }
  apps_test::Outcome probe(const std::string& out, const Arguments& changes = {}) const {
    Arguments all = apps_test::with(arguments, changes);
    all.insert(all.end(), {"--out", folder / out});
    return apps_test::run(folder.path(), "tv_linear_probe", all);
  }
  nlohmann::json results(const std::string& out) const {
    return nlohmann::json::parse(apps_test::text_of(folder / out + "/results.json"));
  }
};

TEST(Features, VocIsFittedOneClassAgainstTheRest) {
  const Voc voc;
  const auto outcome = voc.probe("a");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(says(outcome.out, "test: mean average precision ")) << outcome.out;
  const nlohmann::json results = voc.results("a");
  EXPECT_EQ(results["classifier"], "one_vs_rest");
  EXPECT_EQ(results["metric"], "voc_ap11");
  EXPECT_EQ(results["all_converged"], true);
  EXPECT_EQ(results["frozen_network"]["before"], results["frozen_network"]["after"]);
  ASSERT_EQ(results["classes_fitted"].size(), 20u);
  double sum = 0;
  for (const nlohmann::json& c : results["classes_fitted"]) {
    ASSERT_EQ(c["path"].size(), 4u);
    double best = -1, lambda = 0;
    for (const nlohmann::json& p : c["path"]) {
      EXPECT_LE(p["relative_certificate"].get<double>(), 1e-6);
      if (p["validation_average_precision"].get<double>() <= best) continue;  // the path falls: ties to the larger
      best = p["validation_average_precision"].get<double>();
      lambda = p["lambda"].get<double>();
    }
    EXPECT_EQ(c["lambda"], lambda);
    EXPECT_EQ(c["refit"]["lambda"], lambda);
    EXPECT_EQ(c["validation_average_precision"], best);
    const nlohmann::json& n = c["training_examples"];
    EXPECT_EQ(n["present"].get<int>() + n["absent"].get<int>() + n["difficult"].get<int>(), 40);
    EXPECT_EQ(n["present"], c["positives"]);
    EXPECT_EQ(n["absent"], c["negatives"]);
    sum += results["metrics"]["test"]["of_class"][c["class"].get<std::string>()].get<double>();
  }
  EXPECT_NEAR(results["metrics"]["test"]["voc_ap11"].get<double>(), sum / 20, 1e-12);
  EXPECT_EQ(results["metrics"]["test"]["value"], results["metrics"]["test"]["voc_ap11"]);
  EXPECT_EQ(results["metrics"]["test"]["count"], 40);
  EXPECT_TRUE(results["metrics"].contains("validation"));
  // tv_stats makes the same of the files that were written.
  const auto stats = apps_test::run(
      voc.folder.path(), "tv_stats",
      {"metrics", voc.folder / "a/scores.csv", "--truth", voc.folder / "a/truth.csv", "--out", voc.folder / "s"});
  ASSERT_EQ(stats.code, 0) << stats.err;
  EXPECT_NEAR(voc.results("s")["result"]["mean_average_precision_11_points"].get<double>(),
              results["metrics"]["test"]["voc_ap11"].get<double>(), 1e-12);
  // From cached features and with another number of threads: the same bytes.
  const auto again = voc.probe("b", {"--cache", voc.folder / "a", "--threads", "3"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(voc.results("b")["features_from_cache"], true);
  for (const char* file : {"/scores.csv", "/truth.csv", "/classifier.safetensors"})
    EXPECT_EQ(apps_test::text_of(voc.folder / "a" + file), apps_test::text_of(voc.folder / "b" + file)) << file;
  // Other conventions for difficult objects: more examples for the fits.
  const auto other = voc.probe("c", {"--cache", voc.folder / "a", "--difficult-training", "negative"});
  ASSERT_EQ(other.code, 0) << other.err;
  for (const nlohmann::json& c : voc.results("c")["classes_fitted"])
    EXPECT_EQ(c["positives"].get<int>() + c["negatives"].get<int>(), 40);
}

TEST(Features, ImpossibleClassifiersAreRefusedBeforeAnythingIsRead) {
  const Voc voc;
  const auto refused = [&](const Arguments& changes, const std::string& words) {
    const auto outcome = voc.probe("r", apps_test::with(changes, {"--weights", voc.folder / "missing.safetensors"}));
    EXPECT_EQ(outcome.code, 2);
    EXPECT_TRUE(says(outcome.err, words)) << outcome.err;
  };
  refused({"--classifier", "logistic"}, "--classifier logistic cannot be used with voc2007");
  refused({"--classifier", "one_vs_rest", "--dataset", "image_folder"}, "one_vs_rest cannot be used with image_folder");
  refused({"--dataset", "dtd", "--difficult-training", "negative"},
          "--difficult-training has no meaning with --classifier logistic");
  refused({"--difficult-ranking", "maybe"}, "--difficult-ranking");
  refused({"--classifier", "svm2"}, "--classifier");
  refused({}, "missing.safetensors");  // nothing else was wrong
}

}  // namespace features_test
