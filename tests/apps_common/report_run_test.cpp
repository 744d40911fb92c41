// The page of a run, from files made here: what it says, and a sentence for whatever is wrong with the files.
#include "common/report_run.hpp"

#include <gtest/gtest.h>

#include "checkpoint/folder.hpp"
#include "common/run_figures.hpp"
#include "common/run_folder.hpp"
#include "data/test_images.hpp"

namespace report_run_test {

using namespace tinyvision;
using tv_app::Json;

/// Two classes of four photos each, and the files of a fine-tuning whose test images they all are.
struct Desk {
  test_images::TemporaryFolder folder;
  Json results = {{"app", "tv_finetune"},
                  {"version", "0.1.0"},
                  {"config",
                   {{"init", "weights"},
                    {"network", "mobilenet_v1"},
                    {"dataset", "image_folder"},
                    {"data", folder / "data"},
                    {"decoder", "turbo"},
                    {"part", 1},
                    {"only_classes", Json::array()},
                    {"weights", nullptr},
                    {"seed", 3}}},
                  {"digests", {{"weights", "00ff"}}},
                  {"environment", {{"cpu", "a <fast> one"}}},
                  {"metrics",
                   {{"validation", {{"top1", 0.5}, {"count", 4}}},
                    {"test", {{"top1", 0.625}, {"count", 8}, {"top5", 1.0}, {"mean_per_class", 0.625}}}}},
                  {"timing", {{"total", 61.2}}},
                  {"training",
                   {{"crop", 0.875},
                    {"skipped", 2},
                    {"crops", {{{"crop", 0.875}, {"validation", {{"top1", 0.5}}}}, {{"crop", 1}}}}}},
                  {"classes", {"cat", "dog"}}};
  std::string curve = "step,loss,cross_entropy,accuracy,learning_rate\n0,2,1.5,0.25,0.1\n1,1,0.75,0.5,0.05\n";
  std::string predictions =
      "path,label,prediction,probability\n"
      "cat/0.jpg,0,0,0.75\ncat/1.jpg,0,1,0.6\n\"cat/2,5.jpg\",0,1,0.9\ncat/3.jpg,0,0,0.5\n"
      "dog/0.jpg,1,1,1\ndog/1.jpg,1,0,0.9\ndog/2.jpg,1,1,0.8\ndog/3.jpg,1,1,0.75\n";

  Desk() {
    for (const std::string name : {"cat/0", "cat/1", "cat/2,5", "cat/3", "dog/0", "dog/1", "dog/2", "dog/3"})
      test_images::write_file(folder / "data/" + name + ".jpg",
                              test_images::jpeg(test_images::gradient(20, 24, static_cast<int>(name[4]) * 9)));
  }
  void write() {
    test_images::write_file(folder / "run/results.json", results.dump());
    test_images::write_file(folder / "run/curve.csv", curve);
    test_images::write_file(folder / "run/predictions.csv", predictions);
  }
  report::RunReport page(const std::string& data = "") {
    write();
    return tv_app::run_page({folder / "run", data, 24}, true);
  }
  /// What is said of the files as they are.
  std::string refusal(const std::string& data = "") {
    try {
      page(data);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  }
  void refused(const std::string& part) {
    const std::string said = refusal();
    EXPECT_NE(said.find(part), std::string::npos) << said;
  }
};

TEST(ReportRun, SaysWhatTheFilesSay) {
  Desk desk;
  const report::RunReport page = desk.page();
  const std::string text = report::html(page);
  for (const char* part :
       {"mobilenet_v1 on image_folder: fine-tuning", "tv_finetune 0.1.0, seed 3",
        // statsmodels.stats.proportion.proportion_confint(5, 8, method="wilson") and of 2 of 4 and 3 of 4
        "62.50\u00A0%", "30.57 to 86.32\u00A0%", "5 of 8", "15.0 to 85.0\u00A0%", "30.1 to 95.4\u00A0%",
        "Unreadable images that were left out: 2.", "the crop was chosen on these",
        "<td>crop 0.875, validation (top1 0.5); crop 1</td>", "a &lt;fast&gt; one", "1 min 01 s", "00ff",
        "predictions.csv", "<th>part</th>", "<td>weights</td><td>–</td>"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  ASSERT_EQ(page.accuracy.size(), 3u);  // top-5 of two classes says nothing
  EXPECT_EQ(page.accuracy[2].method, "validation");
  ASSERT_EQ(page.curves.size(), 3u);
  EXPECT_EQ(page.curves[0].chart.series[1].y, (std::vector<double>{1.5, 0.75}));
  ASSERT_EQ(page.confusions.size(), 1u);
  EXPECT_EQ(page.confusions[0].confusion.count(0, 1), 2);
  EXPECT_EQ(page.confusions[0].confusion.count(1, 0), 1);
  // Confidences 0.5 (right), 0.6 (wrong), 0.75 (both right), 0.8, 1 (right), 0.9 (both wrong), by hand in fifteenths:
  // (0.5 + 0.6 + 2 * 0.25 + 0.2 + 0 + 2 * 0.9) / 8
  EXPECT_NE(text.find("15 bins: 45.00\u00A0%"), std::string::npos) << page.summary.back();
}

TEST(ReportRun, ShowsTheMostConfidentMistakesWithTheirImages) {
  Desk desk;
  const report::RunReport page = desk.page();
  ASSERT_EQ(page.galleries.size(), 1u);
  const auto& tiles = page.galleries[0].tiles;
  ASSERT_EQ(tiles.size(), 3u);
  EXPECT_EQ((std::vector<std::string>{tiles[0].truth, tiles[1].truth, tiles[2].truth}),
            (std::vector<std::string>{"cat", "dog", "cat"}));  // 0.9 twice in their order, then 0.6
  EXPECT_EQ(tiles[1].predicted, "cat");
  EXPECT_EQ(tiles[2].probability, 0.6);
  EXPECT_TRUE(page.galleries[0].note.empty());
  const auto bytes = read_file(desk.folder / "data/cat/2,5.jpg");
  const data::Image wanted = data::decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                                                "2,5.jpg", data::Decoder::turbo);
  EXPECT_EQ(tiles[0].image.to_vector<std::uint8_t>(), wanted.pixels);
}

TEST(ReportRun, IsMadeWithoutTheDataOrWithDataThatMoved) {
  Desk desk;
  std::filesystem::rename(desk.folder / "data", desk.folder / "moved");
  const report::RunReport without = desk.page();
  ASSERT_EQ(without.galleries.size(), 1u);
  EXPECT_TRUE(without.galleries[0].tiles.empty());
  EXPECT_NE(without.galleries[0].note.find(desk.folder / "data"), std::string::npos) << without.galleries[0].note;
  EXPECT_NE(report::html(without).find("<td>cat/2,5.jpg</td><td>cat</td><td>dog</td>"), std::string::npos);
  EXPECT_EQ(without.confusions.size(), 1u);
  EXPECT_EQ(desk.page(desk.folder / "moved").galleries[0].tiles.size(), 3u);
  EXPECT_NE(desk.refusal(desk.folder / "nowhere").find("nowhere"), std::string::npos) << "an option that is wrong";

  std::filesystem::remove(desk.folder / "moved/dog/1.jpg");
  const report::RunReport one_lost = desk.page(desk.folder / "moved");
  EXPECT_EQ(one_lost.galleries[0].tiles.size(), 2u);
  EXPECT_NE(one_lost.galleries[0].note.find("could not be read: 1 ("), std::string::npos);
  EXPECT_EQ(one_lost.galleries[0].table.rows.size(), 1u);
}

TEST(ReportRun, IsWrittenIntoTheRunOrElsewhereAndLeavesItsResultsAlone) {
  Desk desk;
  desk.write();
  const std::string before = read_file(desk.folder / "run/results.json");
  tv_app::CommonOptions common;
  common.quiet = true;
  tv_app::Results results("tv_report", Json::object());
  tv_app::report_run({desk.folder / "run", "", 24}, common, results);
  EXPECT_EQ(read_file(desk.folder / "run/results.json"), before);
  const Json json = Json::parse(read_file(desk.folder / "run/report.json"));
  EXPECT_EQ(json["metrics"]["test"]["top-1"]["correct"], 5);
  EXPECT_EQ(json["digests"]["results.json"], sha256_file(desk.folder / "run/results.json"));
  common.out = desk.folder / "elsewhere";
  std::filesystem::create_directory(common.out);
  tv_app::report_run({desk.folder / "run", "", 24}, common, results);
  EXPECT_EQ(read_file(desk.folder / "elsewhere/report.html"), read_file(desk.folder / "run/report.html"));
}

TEST(ReportRun, ShowsPartsOfRunsThatHaveOnlyThese) {
  Desk probe;
  probe.results["app"] = "tv_linear_probe";
  probe.results["all_converged"] = false;
  for (const double lambda : {0.1, 10.0})
    probe.results["fits"].push_back(
        {{"lambda", lambda}, {"validation_top1", 0.5}, {"validation_mean_per_class", 0.25}});
  probe.write();
  std::filesystem::remove(probe.folder / "run/curve.csv");
  const report::RunReport page = tv_app::run_page({probe.folder / "run", "", 0}, true);
  ASSERT_EQ(page.curves.size(), 1u);
  EXPECT_EQ(page.curves[0].chart.series[0].x, (std::vector<double>{0.1, 10}));
  EXPECT_TRUE(page.galleries.empty());
  EXPECT_NE(report::html(page).find("Not all fits reached"), std::string::npos);

  // A prediction of the background class, from a program that has one; photos are a flat folder.
  Desk photos;
  photos.results["app"] = "tv_predict";
  photos.results["background_class"] = true;
  photos.results["config"]["photos"] = photos.folder / "data/cat";
  photos.results["metrics"] = {{"test", {{"top1", 0.0}, {"count", 1}}}};
  photos.predictions = "path,label,prediction,probability\n0.jpg,1,-1,0.5\n";
  const report::RunReport predicted = photos.page();
  ASSERT_EQ(predicted.galleries[0].tiles.size(), 1u);
  EXPECT_EQ(predicted.galleries[0].tiles[0].predicted, "background");

  Desk bare;  // no predictions; results from before classes had names
  bare.results.erase("classes");
  EXPECT_NE(report::html(bare.page()).find("class 1"), std::string::npos);
  std::filesystem::remove(bare.folder / "run/predictions.csv");
  EXPECT_NE(report::html(tv_app::run_page({bare.folder / "run", "", 24}, true)).find("There is no predictions.csv"),
            std::string::npos);
}

TEST(ReportRun, NamesFileRowAndColumnOfWhatIsWrong) {
  const auto with = [](const std::string& from, const std::string& to, const std::string& part) {
    Desk desk;
    for (std::string* text : {&desk.predictions, &desk.curve})
      if (const std::size_t at = text->find(from); at != std::string::npos) text->replace(at, from.size(), to);
    desk.refused(part);
  };
  with("cat/3.jpg,0,0,0.5", "cat/3.jpg,0,0", "predictions.csv: row 4");
  with("cat/3.jpg,0,0,0.5", "cat/3.jpg,0,x,0.5", "predictions.csv: row 4 of column 'prediction'");
  with("cat/3.jpg,0,0,0.5", "cat/3.jpg,0,0.5,0.5", "predictions.csv: row 4, column prediction: 0.5 is no whole number");
  with("dog/0.jpg,1", "dog/0.jpg,2",
       "predictions.csv: row 5, column label: 2 is outside 0 to 1, the classes of results.json");
  with("dog/0.jpg,1,1", "dog/0.jpg,1,-1", "predictions.csv: row 5, column prediction: -1 is outside 0 to 1");
  with("1,1,0.8", "1,1,1.8", "predictions.csv: row 7, column probability: 1.8 is outside 0 to 1");
  with("dog/3.jpg", "dog/2.jpg", "rows 7 and 8 of column 'path' have the same name 'dog/2.jpg'");
  with("probability", "p", "no column 'probability'");
  with("dog/0.jpg,1,1", "dog/0.jpg,1,0", "4 of 8 predictions are right, but results.json counts 5 of 8");
  with("dog/3.jpg,1,1,0.75\n", "", "4 of 7 predictions are right");
  with("\n1,1,0.75", "\n2,1,0.75", "curve.csv: row 2, column step: 2 where 1 comes next");
  with("0.75,0.5,0.05", "nan,0.5,0.05", "curve.csv: row 2 of column 'cross_entropy'");
  with("0.75,0.5,0.05", "0.75,5,0.05", "curve.csv: row 2, column accuracy: 5 is outside 0 to 1");

  Desk desk;
  desk.results["classes"] = {"cat", 7};
  desk.refused("results.json: `classes` is no list of names");
  desk.results["app"] = "tv_demo";
  desk.refused("results.json: results of tv_demo");
  desk.results = {{"steps", 3}};
  desk.refused("results.json: not the results of a program");
  desk.write();
  test_images::write_file(desk.folder / "run/results.json", std::string("{\"app\": "));
  const auto message = [](const std::string& folder) {
    try {
      tv_app::read_run_folder(folder);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(message(desk.folder / "run").find("results.json: byte 9"), std::string::npos);
  std::filesystem::remove(desk.folder / "run/results.json");
  EXPECT_NE(message(desk.folder / "run").find("run/results.json: there is none; tv_finetune"), std::string::npos);
  EXPECT_NE(message(desk.folder / "nothing").find("nothing: no such folder"), std::string::npos);
}

TEST(RunFigures, LongCurvesAreMeansOfBlocks) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i);
  const report::CurveFigure figure = tv_app::step_curves("t", "y", {{"a", values}}, "All.");
  ASSERT_EQ(figure.chart.series[0].x.size(), 334u);  // blocks of 3
  EXPECT_EQ(figure.chart.series[0].y[1], 4);
  EXPECT_EQ(figure.chart.series[0].x[1], 4);
  EXPECT_EQ(figure.chart.series[0].y.back(), 999);
  EXPECT_EQ(figure.caption, "All. Each point is the mean of 3 steps.");
  EXPECT_EQ(tv_app::step_curves("t", "y", {{"a", {1, 2}}}, "All.").caption, "All.");
}

}  // namespace report_run_test
