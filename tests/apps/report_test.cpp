// tv_report as a user runs it: the paper's page, studies of tables and of result folders, and bad input.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "data/test_images.hpp"

namespace report_test {

using namespace apps_test;
using nlohmann::json;
namespace fs = std::filesystem;

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool gnuplot_is_there() { return fs::exists("/usr/bin/gnuplot") || fs::exists("/usr/local/bin/gnuplot"); }

struct Desk {
  test_images::TemporaryFolder folder;

  Outcome report(Arguments arguments, bool figures = false) const {
    arguments.insert(arguments.end(),
                     {"--tables", TINYVISION_SOURCE_DIR "/docs/paper", "--out", folder / "out", "--quiet"});
    if (!figures) arguments.push_back("--no-figures");
    return run(folder.path(), "tv_report", arguments);
  }
  std::string out(const std::string& name) const { return text_of(folder / "out/" + name); }
  std::string write(const std::string& name, const std::string& text) const {
    test_images::write_file(folder / name, text);
    return folder / name;
  }
};

const std::string rows =
    "network,dataset,setting,accuracy\n"
    "resnet50_v1,dtd,linear_probe,0.71\nresnet101_v1,dtd,linear_probe,0.72\ninception_v4,dtd,linear_probe,0.75\n"
    "resnet50_v1,food101,linear_probe,0.74\nresnet101_v1,food101,linear_probe,0.75\ninception_v4,food101,linear_probe,"
    "0.78\n";

std::string replaced(std::string text, const std::string& old, const std::string& by) {
  const std::size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), by);
}

TEST(Report, RecomputesThePaper) {
  const Desk desk;
  const Outcome outcome = desk.report({"paper"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(says(outcome.err, "no_figures  true")) << "the configuration is printed";
  EXPECT_TRUE(says(outcome.out, "132 claims: 112 reproduced (7 of them within the inputs' rounding), 1 not reproduced"))
      << outcome.out;
  const json claims = json::parse(desk.out("claims.json"));
  EXPECT_EQ(claims["claims"].size(), 132u);
  EXPECT_EQ(claims["verdicts"]["reproduced"], 112);
  EXPECT_NEAR(claims["analysis"]["settings"][0]["pearson"]["r2"].get<double>(), 0.9710, 5e-5);  // SciPy's
  EXPECT_EQ(claims["analysis"]["comparisons"].size(), 3u);
  EXPECT_EQ(claims["analysis"]["best"][9]["network"], "ResNet-152 v1");
  const json results = json::parse(desk.out("results.json"));
  EXPECT_EQ(results["app"], "tv_report");
  EXPECT_EQ(results["digests"].size(), 6u);
  EXPECT_EQ(results["metrics"]["claims"]["reproduced"], 112);
  const std::string page = desk.out("report.html");
  EXPECT_TRUE(says(page, "Claims of the text"));
  EXPECT_FALSE(says(page, "http://") || says(page, "https://") || says(page, "<script")) << "the page loads nothing";
  EXPECT_TRUE(
      says(desk.out("table_A1.tsv"), "setting\tr2\tr\tspearman_rho\tp_value\tr_low\tr_high\nlinear_probe\t0.970"));
  EXPECT_TRUE(says(desk.out("table_F1.tsv"), "\nOxford-IIIT Pets\t94.5\tResNet-152 v1\tfine_tuned\n"));
  EXPECT_FALSE(fs::exists(desk.folder / "out/figures"));
}

TEST(Report, DrawsTheFigures) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed (Debian package gnuplot-nox)";
  const Desk desk;
  const Outcome outcome = desk.report({"study", desk.write("rows.csv", rows)}, true);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* name : {"figure_1", "figure_2", "figure_6"})
    for (const char* ending : {".gp", ".svg", ".png"})
      EXPECT_GT(desk.out("figures/" + std::string(name) + ending).size(), 500u) << name << ending;
  EXPECT_FALSE(fs::exists(desk.folder / "out/figures/figure_7.svg")) << "there is no fine-tuning in this study";
  EXPECT_TRUE(says(desk.out("report.html"), "src=\"data:image/svg+xml;base64,"));
}

TEST(Report, StudiesATable) {
  const Desk desk;
  const Outcome outcome = desk.report({"study", desk.write("rows.csv", rows)});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(says(outcome.out, "rows.csv: accuracies read as fractions."));
  EXPECT_TRUE(says(outcome.out, "column top1_retrained (the paper's Table A.2)"));
  EXPECT_TRUE(says(outcome.out, "not computed: comparisons of settings need 2 settings, the study has 1"));
  const json numbers = json::parse(desk.out("claims.json"))["analysis"];
  EXPECT_EQ(numbers["networks"], json({"Inception v4", "ResNet-50 v1", "ResNet-101 v1"}));
  EXPECT_EQ(numbers["data_sets"], json({"Food-101", "DTD"}));
  EXPECT_EQ(numbers["settings"][0]["data_sets"][0]["training_images"], 75750);
  EXPECT_EQ(numbers["best"][1]["accuracy_percent"], 75);

  // The same as JSON and in percent, with ImageNet accuracies of one's own.
  json records = json::array();
  std::istringstream lines(rows);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    std::string network, dataset, setting, accuracy;
    std::getline(std::getline(std::getline(std::getline(cells, network, ','), dataset, ','), setting, ','), accuracy);
    records.push_back({{"network", network},
                       {"dataset", dataset},
                       {"setting", setting},
                       {"accuracy", std::round(1000 * std::stod(accuracy)) / 10}});
  }
  const std::string imagenet =
      desk.write("imagenet.tsv", "network\ttop1\nresnet50_v1\t76.9\nresnet101_v1\t78.6\ninception_v4\t79.9\n");
  const Outcome same = desk.report({"study", desk.write("rows.json", records.dump()), "--imagenet", imagenet});
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_TRUE(says(same.out, "rows.json: accuracies read as percentages."));
  const json again = json::parse(desk.out("claims.json"))["analysis"];
  EXPECT_NEAR(again["settings"][0]["pearson"]["r"].get<double>(), numbers["settings"][0]["pearson"]["r"].get<double>(),
              1e-12);
}

// results.json as tv_finetune writes it, from a run of a few steps; further networks are made from it.
TEST(Report, StudiesResultFolders) {
  const Desk desk;
  for (int i = 0; i < 16; ++i)
    test_images::write_file(desk.folder / "photos/" + (i % 2 == 0 ? "cat" : "dog") + "/" + std::to_string(i) + ".jpg",
                            test_images::jpeg(test_images::gradient(40, 44, 7 * i)));
  const Outcome trained =
      run(desk.folder.path(), "tv_finetune",
          {"--init", "random", "--width", "0.25", "--image-size", "32", "--data", desk.folder / "photos",
           "--train-per-class", "5", "--steps", "2", "--batch", "5", "--quiet", "--out", desk.folder / "runs/a"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  json results = json::parse(text_of(desk.folder / "runs/a/results.json"));
  const auto put = [&](const std::string& where, double width, double top1) {
    results["config"]["width"] = width;
    results["metrics"]["test"]["top1"] = top1;
    desk.write("runs/" + where + "/results.json", results.dump());
  };
  put("a", 0.25, 0.5), put("b", 0.5, 0.75), put("deeper/c", 0.75, 0.875);
  desk.write("runs/other/results.json", R"({"app": "tv_features"})");
  const std::string imagenet = desk.write("imagenet.csv",
                                          "network,top1\nmobilenet_v1 width=0.25 image_size=32,0.4\n"
                                          "mobilenet_v1 width=0.5 image_size=32,0.5\n"
                                          "mobilenet_v1 width=0.75 image_size=32,0.6\n");
  const Outcome outcome = desk.report({"study", desk.folder / "runs", "--imagenet", imagenet});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(says(outcome.out, "3 results of tv_linear_probe and tv_finetune below")) << outcome.out;
  EXPECT_TRUE(says(outcome.out, "1 results of other programs were left out."));
  const json numbers = json::parse(desk.out("claims.json"))["analysis"];
  EXPECT_EQ(numbers["data_sets"], json({"photos"}));
  EXPECT_EQ(numbers["settings"][0]["setting"], "random_init");
  EXPECT_EQ(numbers["settings"][0]["data_sets"][0]["training_images"], 10);
  EXPECT_NEAR(numbers["settings"][0]["networks"][2]["mean_log_odds"].get<double>(), std::log(7.0), 1e-12);

  const auto refused = [&] { return desk.report({"study", desk.folder / "runs", "--imagenet", imagenet}); };
  put("b", 0.5, 1);
  EXPECT_TRUE(says(refused().err,
                   "runs/b/results.json: row 'mobilenet_v1 width=0.5 image_size=32', column 'photos': the "
                   "accuracy (metrics.test.top1) is 1"));
  put("b", 0.25, 0.6);
  EXPECT_TRUE(says(refused().err, "column 'photos' comes twice; first at"));
  results["metrics"].erase("test");
  desk.write("runs/b/results.json", results.dump());
  EXPECT_TRUE(says(refused().err, "runs/b/results.json: there is no metrics.test"));
  desk.write("runs/b/results.json", "{\"app\": ");
  EXPECT_TRUE(says(refused().err, "no JSON from here on"));
  EXPECT_EQ(refused().code, 2);
}

TEST(Report, CurvesOverStepsFromATable) {
  const Desk desk;
  const std::string table =
      "network,dataset,setting,steps,accuracy\n"
      "inception_v4,pets,fine_tuned,100,80\ninception_v4,pets,fine_tuned,400,90\n"
      "inception_v4,pets,random_init,100,20\ninception_v4,pets,random_init,400,60\n"
      "inception_v4,pets,random_init,1600,75\n";
  const auto curves = [&](const std::string& text, Arguments more = {}) {
    Arguments arguments{"curves", desk.write("curves.csv", text), "--out", desk.folder / "out", "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(desk.folder.path(), "tv_report", arguments);
  };
  const bool figures = gnuplot_is_there();
  const Outcome outcome = curves(table, figures ? Arguments{} : Arguments{"--no-figures"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // Odds 9 x 0.9 are first reached at 400, odds 3 x 0.9 at 1600.
  EXPECT_TRUE(says(outcome.out, "4.00 times sooner")) << outcome.out;
  EXPECT_TRUE(says(desk.out("convergence.tsv"), "inception_v4\tpets\t400\t89.01\t1600\t72.97\t4.00"));
  EXPECT_TRUE(says(desk.out("curves.tsv"), "inception_v4\tpets\tfine_tuned\t100\t1\t80"));
  EXPECT_EQ(says(desk.out("figures/figure_8.svg"), "<svg"), figures);
  EXPECT_TRUE(says(desk.out("report.html"), "Time to 90 % of the greatest odds"));
  EXPECT_NEAR(json::parse(desk.out("results.json"))["convergence"]["speed_up"].get<double>(), 4, 1e-12);

  const Outcome missing = curves(table, {"--no-figures", "--over", "train_per_class"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_TRUE(says(missing.err, "no column 'train_per_class'")) << missing.err;
  const Outcome perfect = curves(replaced(table, "400,90", "400,100"), {"--no-figures"});
  EXPECT_EQ(perfect.code, 2);
  EXPECT_TRUE(says(perfect.err, "row 2 (inception_v4), column 'accuracy': the accuracy is 100")) << perfect.err;
}

TEST(Report, RefusesBadInput) {
  const Desk desk;
  const auto expect = [&](const std::string& table, const std::string& words) {
    const Outcome outcome = desk.report({"study", desk.write("rows.csv", table)});
    EXPECT_EQ(outcome.code, 2) << words;
    EXPECT_TRUE(says(outcome.err, words)) << outcome.err;
  };
  expect(replaced(rows, "0.72", "72"), "row 1 (resnet50_v1), column 'accuracy': 0.71 looks like a fraction");
  expect(replaced(rows, "0.72", "1"), "row 2 (resnet101_v1), column 'accuracy': the accuracy is 1");
  expect(replaced(rows, "0.72", "nan"), "row 2 (resnet101_v1), column 'accuracy': 'nan' is no number");
  expect(replaced(rows, ",0.72", ""), "row 2 (line 3) has 3 cells, the header has 4");
  expect(replaced(rows, "resnet101_v1,dtd,linear_probe,0.72\n", ""), "missing: row 'ResNet-101 v1', column 'DTD'");
  expect(replaced(rows, "resnet101_v1,dtd", "resnet50_v1,dtd"), "row 'ResNet-50 v1', column 'DTD' comes twice");
  expect("network,dataset,setting,accuracy\nresnet50_v1,dtd,s,0.7\n", "one network only, 'ResNet-50 v1'");
  expect(replaced(rows, "resnet101_v1,dtd", "vgg,dtd"), "row 'vgg': no ImageNet accuracy");
  EXPECT_TRUE(says(desk.report({"study", desk.folder / "nothing.csv"}).err, "nothing.csv: No such file"));
  fs::create_directories(desk.folder / "empty");
  EXPECT_TRUE(says(desk.report({"study", desk.folder / "empty"}).err, "no results.json of tv_linear_probe"));
  EXPECT_EQ(run(desk.folder.path(), "tv_report", {"paper"}).code, 2) << "--out is required";
  EXPECT_EQ(run(desk.folder.path(), "tv_report", {}).code, 2);
}

}  // namespace report_test
