// tv_finetune on folders made here: results that a kill, a Ctrl-C or a full disk cannot spoil, and bad data sets.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "apps/small_data.hpp"
#include "report/event_reader.hpp"
#include "tinyvision/core/config.hpp"

namespace finetune_test {

using apps_test::Arguments;
using apps_test::Outcome;
using apps_test::Trouble;
using std::chrono::milliseconds;

/// Two classes of photos and a short training run on them.
struct Desk {
  test_images::TemporaryFolder folder;

  Desk() { apps_test::write_two_classes(folder / "data", 24); }
  Outcome train(const std::string& out, const Arguments& more = {}, const Trouble& trouble = {}) {
    const Arguments all{"--init",
                        "random",
                        "--width",
                        "0.25",
                        "--image-size",
                        "32",
                        "--data",
                        folder / "data",
                        "--train-per-class",
                        "9",
                        "--steps",
                        "60",
                        "--batch",
                        "8",
                        "--lr",
                        "0.02",
                        "--checkpoint-every",
                        "7",
                        "--seed",
                        "3",
                        "--threads",
                        "2",
                        "--log-every",
                        "4",
                        "--log-histograms",
                        "20",
                        "--out",
                        folder / out};
    return apps_test::run(folder.path(), "tv_finetune", apps_test::with(all, more), trouble);
  }
  /// What a run leaves and must be the same however it was interrupted.
  std::vector<std::string> products(const std::string& out) {
    std::vector<std::string> texts;
    for (const char* name : {"weights.safetensors", "curve.csv", "predictions.csv", "split.tsv"})
      texts.push_back(apps_test::text_of(folder / out + "/" + name));
    return texts;
  }
  /// What the run's logs hold, without the times: the rows of the tables, and of the event file what TensorBoard shows.
  std::vector<std::string> logs(const std::string& out) {
    std::vector<std::string> rows;
    for (const char* name : {"scalars.csv", "scalars.jsonl"}) {
      std::istringstream text(apps_test::text_of(folder / out + "/log/" + name));
      for (std::string row; std::getline(text, row);) {
        row.erase(0, row.find(',') + 1);  // the wall time
        if (const std::size_t speed = row.find("images_per_second"); speed != std::string::npos) row.resize(speed);
        rows.push_back(row);
      }
    }
    const auto events = event_reader::read_events(folder / out + "/log/events.out.tfevents");
    for (const auto& [tag, values] : event_reader::shown_scalars(events))
      for (const auto& [step, value] : values)
        rows.push_back(tag + " " + std::to_string(step) +
                       (tag == "train/images_per_second" ? "" : " " + std::to_string(value)));
    return rows;
  }
  /// The bytes of all checkpoints.
  std::string checkpoint(const std::string& out) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / out + "/checkpoint"))
      files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::string bytes;
    for (const std::string& file : files) bytes += apps_test::text_of(file);
    return bytes;
  }
  bool has_half_written_files(const std::string& out) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / out))
      if (entry.path().filename().string().find("tmp") != std::string::npos) return true;
    return false;
  }
};

TEST(Finetune, RecordsWhatItDid) {
  Desk desk;
  const Outcome done = desk.train("a");
  ASSERT_EQ(done.code, 0) << done.err;
  const auto results = nlohmann::json::parse(apps_test::text_of(desk.folder / "a/results.json"));
  for (const char* key : {"app", "version", "config", "digests", "environment", "metrics", "timing", "training"})
    EXPECT_TRUE(results.contains(key)) << key;
  EXPECT_EQ(results["config"]["seed"], 3);
  EXPECT_EQ(results["config"]["crop"], nlohmann::json({0.875, 1})) << "defaults are resolved";
  EXPECT_EQ(results["metrics"]["test"]["count"], 6);
  EXPECT_EQ(results["digests"]["split"].get<std::string>().size(), 64u);
  const std::string curve = apps_test::text_of(desk.folder / "a/curve.csv");
  EXPECT_EQ(std::count(curve.begin(), curve.end(), '\n'), 61);
  EXPECT_EQ(results["classes"], nlohmann::json({"cat", "dog"}));

  // The log's rows are those of the curve, every fourth and the last.
  const auto scalars =
      event_reader::shown_scalars(event_reader::read_events(desk.folder / "a/log/events.out.tfevents"));
  std::istringstream rows(curve);
  std::string row;
  std::vector<std::pair<tinyvision::Index, float>> wanted;
  std::getline(rows, row);
  for (tinyvision::Index step = 0; std::getline(rows, row); ++step)
    if (step % 4 == 0 || step == 59)
      wanted.emplace_back(step, static_cast<float>(std::stod(row.substr(row.find(',') + 1))));
  EXPECT_EQ(scalars.at("train/loss"), wanted);
  EXPECT_EQ(scalars.at("train/images_per_second").size(), 16u);
  ASSERT_EQ(scalars.at("test/top1").size(), 1u);
  EXPECT_EQ(scalars.at("test/top1")[0].second, results["metrics"]["test"]["top1"].get<float>());

  // Its page, and the exit code of a broken one.
  const Outcome page = apps_test::run(desk.folder.path(), "tv_report", {"run", desk.folder / "a", "--quiet"});
  EXPECT_EQ(page.code, 0) << page.err;
  EXPECT_NE(apps_test::text_of(desk.folder / "a/report.html").find("mobilenet_v1 on image_folder"), std::string::npos);
  test_images::write_file(desk.folder / "a/predictions.csv",
                          std::string("path,label,prediction,probability\ncat/2.jpg,0,7,0.5\n"));
  const Outcome broken = apps_test::run(desk.folder.path(), "tv_report", {"run", desk.folder / "a", "--quiet"});
  EXPECT_EQ(broken.code, 2);
  EXPECT_NE(broken.err.find("predictions.csv: row 1, column prediction: 7 is outside 0 to 1"), std::string::npos)
      << broken.err;

  // The same command again is the finished run again; another seed is another run and must not overwrite it.
  EXPECT_EQ(desk.train("a").code, 0);
  const Outcome other = desk.train("a", {"--seed", "4"});
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("another configuration"), std::string::npos) << other.err;
}

TEST(Finetune, SurvivesKillsAndCtrlC) {
  Desk desk;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(desk.train("whole").code, 0);
  const auto whole = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  for (int kill = 0; kill < 6; ++kill)  // at different depths of the run
    desk.train("killed", {}, {SIGKILL, whole * (kill + 1) / 8});
  const Outcome end = desk.train("killed");
  ASSERT_EQ(end.code, 0) << end.err;
  EXPECT_EQ(desk.products("killed"), desk.products("whole"));
  EXPECT_EQ(desk.logs("killed"), desk.logs("whole"));

  const Outcome stopped = desk.train("stopped", {}, {SIGINT, whole / 2});
  if (stopped.code != 0) {  // it may just have finished
    EXPECT_EQ(stopped.code, 130) << stopped.err;
    EXPECT_NE(stopped.err.find("resume with: "), std::string::npos) << stopped.err;
    EXPECT_FALSE(std::filesystem::exists(desk.folder / "stopped/results.json"));
  }
  // What is logged is no part of the configuration that a resume depends on, and changes nothing.
  const Outcome silent = desk.train("stopped", {"--threads", "1", "--log", "none", "--log-histograms", "0"});
  ASSERT_EQ(silent.code, 0) << silent.err;
  EXPECT_EQ(desk.products("stopped"), desk.products("whole"));
}

TEST(Finetune, AFullDiskIsAnErrorThatLeavesNothingHalfWritten) {
  Desk desk;
  const Outcome full = desk.train("full", {}, {.file_bytes = 200000});
  EXPECT_EQ(full.code, 2) << full.err;
  EXPECT_NE(full.err.find("error: "), std::string::npos) << full.err;
  EXPECT_FALSE(std::filesystem::exists(desk.folder / "full/weights.safetensors"));
  EXPECT_FALSE(desk.has_half_written_files("full"));
  ASSERT_EQ(desk.train("full").code, 0) << "room again";
}

TEST(Finetune, ANonFiniteLossStopsTheRunAndKeepsTheLastGoodCheckpoint) {
  Desk desk;  // a learning rate that grows a thousandfold per step
  const Arguments diverging{"--schedule", "exponential", "--decay-rate", "1000", "--checkpoint-every", "1"};
  const Outcome stopped = desk.train("nan", diverging);
  EXPECT_EQ(stopped.code, 1) << stopped.err;
  EXPECT_NE(stopped.err.find("finite"), std::string::npos) << stopped.err;
  EXPECT_FALSE(std::filesystem::exists(desk.folder / "nan/results.json"));
  const std::string kept = desk.checkpoint("nan");
  EXPECT_FALSE(kept.empty());
  const Outcome again = desk.train("nan", diverging);  // goes on from the checkpoint, and fails at the same step
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.err.substr(again.err.find("error: ")), stopped.err.substr(stopped.err.find("error: ")));
  EXPECT_EQ(desk.checkpoint("nan"), kept);
}

nlohmann::json results_of(const std::string& folder) {
  return nlohmann::json::parse(apps_test::text_of(folder + "/results.json"));
}

TEST(Finetune, DivergenceIsAResultWhereThatIsAskedFor) {
  Desk desk;
  const Outcome done =
      desk.train("nan", {"--schedule", "exponential", "--decay-rate", "1000", "--steps", "30", "--diverged-is-result"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto results = results_of(desk.folder / "nan");
  EXPECT_EQ(results["finite"], false);
  EXPECT_TRUE(results["metrics"].empty());
  EXPECT_LT(results["training"]["diverged"]["step"], 30);
  EXPECT_NE(results["training"]["diverged"]["reason"].get<std::string>().find("is"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(desk.folder / "nan/weights.safetensors"));
}

TEST(Finetune, TrainsOnValidationImagesTooAndLeavesTheTestImagesAlone) {
  Desk desk;
  const Arguments both{"--steps", "6", "--train-on", "train+validation"};
  const Outcome refused = desk.train("a", both);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--crop has 2 values"), std::string::npos) << refused.err;
  ASSERT_EQ(desk.train("b", apps_test::with(both, {"--crop", "1", "--no-test"})).code, 0);
  const auto results = results_of(desk.folder / "b");
  EXPECT_EQ(results["finite"], true);
  EXPECT_EQ(results["metric"], "top1");
  EXPECT_TRUE(results["metrics"].empty()) << results["metrics"];
  EXPECT_EQ(results["training"]["crop"], 1);
  EXPECT_FALSE(std::filesystem::exists(desk.folder / "b/predictions.csv"));
  // The test images can be looked at later: that is no other run.
  const Outcome later = desk.train("b", apps_test::with(both, {"--crop", "1"}));
  ASSERT_EQ(later.code, 0) << later.err;
  EXPECT_EQ(results_of(desk.folder / "b")["training"]["resumed_from"], 6);
  EXPECT_EQ(results_of(desk.folder / "b")["metrics"]["test"]["count"], 6);
}

TEST(Finetune, ImagesThatShowSeveralClasses) {
  Desk desk;
  ASSERT_EQ(apps_test::run(desk.folder.path(), "tv_data",
                           {"make-tiny", "voc2007", desk.folder / "voc", "--per-class", "1", "--quiet"})
                .code,
            0);
  const Outcome done = desk.train("v", {"--data", desk.folder / "voc", "--dataset", "voc2007", "--allow-partial",
                                        "--train-per-class", "0", "--steps", "4"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto results = results_of(desk.folder / "v");
  EXPECT_EQ(results["metric"], "voc_ap11");
  for (const char* part : {"validation", "test"}) {
    EXPECT_EQ(results["metrics"][part]["value"], results["metrics"][part]["voc_ap11"]) << part;
    EXPECT_EQ(results["metrics"][part]["of_class"].size(), 20u);
  }
  EXPECT_NE(done.out.find("mean average precision"), std::string::npos) << done.out;
  // The scores that were written are worth what was recorded.
  const Outcome again = apps_test::run(desk.folder.path(), "tv_stats",
                                       {"metrics", desk.folder / "v/scores.csv", "--truth", desk.folder / "v/truth.csv",
                                        "--out", desk.folder / "stats"});
  ASSERT_EQ(again.code, 0) << again.err;
  std::ostringstream precision;
  precision << results["metrics"]["test"]["value"].get<double>();
  EXPECT_NE(again.out.find(precision.str().substr(0, 6)), std::string::npos) << again.out;
  EXPECT_EQ(apps_test::run(desk.folder.path(), "tv_report", {"run", desk.folder / "v", "--quiet"}).code, 0);
}

TEST(Finetune, ThePapersSearchChoosesRefitsAndGoesOnWhereItWasKilled) {
  Desk desk;
  // The last rate overflows: its point is finished, not failed.
  const auto search = [&](const std::string& out, const Arguments& more = {}, const Trouble& trouble = {}) {
    const Arguments all{"--init",
                        "random",
                        "--width",
                        "0.25",
                        "--image-size",
                        "32",
                        "--data",
                        desk.folder / "data",
                        "--train-per-class",
                        "9",
                        "--validation",
                        "0.34",
                        "--protocol",
                        "paper",
                        "--steps",
                        "6",
                        "--batch",
                        "6",
                        "--grid-lr",
                        "0.02,1e30",
                        "--grid-decay",
                        "0,0.001",
                        "--threads",
                        "2",
                        "--log",
                        "none",
                        "--out",
                        desk.folder / out};
    return apps_test::run(desk.folder.path(), "tv_finetune", apps_test::with(all, more), trouble);
  };
  const auto start = std::chrono::steady_clock::now();
  const Outcome whole = search("whole");
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto time = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  auto results = results_of(desk.folder / "whole");
  auto& points = results["search"]["points"];
  ASSERT_EQ(points.size(), 4u);
  std::vector<bool> finite;
  for (const auto& p : points) finite.push_back(p["finite"]);
  EXPECT_EQ(finite, (std::vector<bool>{true, true, false, false}));
  EXPECT_DOUBLE_EQ(points[1]["weight_decay"].get<double>(), 0.05) << "ratio over rate";
  const std::size_t chosen = results["search"]["chosen"];
  for (const std::size_t i : {0u, 1u}) EXPECT_LE(points[i]["value"], points[chosen]["value"]) << i;
  EXPECT_EQ(results["metrics"]["validation"], points[chosen]["validation"]);
  EXPECT_EQ(results["training"]["crop"], points[chosen]["crop"]);
  EXPECT_EQ(results["metrics"]["test"]["count"], 6);
  EXPECT_EQ(results["search"]["images_decoded"], 18) << "once each, for all points and the refit";
  EXPECT_FALSE(std::filesystem::exists(desk.folder / "whole/points/lr_0.02_ratio_0/checkpoint"));

  for (int kill = 0; kill < 3; ++kill) search("killed", {}, {SIGKILL, time * (kill + 1) / 4});
  ASSERT_EQ(search("killed").code, 0);
  EXPECT_EQ(desk.products("killed"), desk.products("whole"));
  auto resumed = results_of(desk.folder / "killed");
  for (auto* r : {&results, &resumed}) (*r)["search"].erase("images_decoded");
  EXPECT_EQ(resumed["search"], results["search"]);
  EXPECT_EQ(resumed["metrics"], results["metrics"]);

  // Another point is run beside those that are there; another seed is another search.
  const std::string point = desk.folder / "whole/points/lr_0.02_ratio_0/point.json";
  const auto written = std::filesystem::last_write_time(point);
  ASSERT_EQ(search("whole", {"--grid-lr", "0.02,0.04", "--grid-decay", "0"}).code, 0);
  EXPECT_EQ(std::filesystem::last_write_time(point), written);
  EXPECT_EQ(results_of(desk.folder / "whole")["search"]["points"].size(), 2u);
  const Outcome other = search("whole", {"--seed", "9"});
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("belongs to another configuration"), std::string::npos) << other.err;
  for (const auto& [more, part] : {std::pair<Arguments, const char*>{{"--lr", "0.1"}, "--grid-lr"},
                                   {{"--train-on", "train"}, "--train-on"},
                                   {{"--protocol", "none"}, "needs --protocol paper"},
                                   {{"--grid-decay", "-1"}, "0 or above"}}) {
    const Outcome refused = search("refused", more);
    EXPECT_EQ(refused.code, 2);
    EXPECT_NE(refused.err.find(part), std::string::npos) << refused.err;
  }
}

TEST(Pretrain, ChoosesItsLengthOnImagesHeldOutAndKeepsWeightsOnTheWay) {
  Desk desk;
  const auto pretrain = [&](const std::string& out, const Trouble& trouble = {}) {
    return apps_test::run(desk.folder.path(), "tv_pretrain",
                          {"--protocol",
                           "paper",
                           "--width",
                           "0.25",
                           "--image-size",
                           "32",
                           "--data",
                           desk.folder / "data",
                           "--train-per-class",
                           "9",
                           "--hold-out",
                           "6",
                           "--batch",
                           "4",
                           "--accumulate",
                           "2",
                           "--epochs",
                           "6",
                           "--warmup-epochs",
                           "1",
                           "--lr",
                           "0.1",
                           "--ema",
                           "0.5",
                           "--keep-every",
                           "2",
                           "--checkpoint-every",
                           "2",
                           "--log",
                           "none",
                           "--threads",
                           "2",
                           "--out",
                           desk.folder / out},
                          trouble);
  };
  const auto start = std::chrono::steady_clock::now();
  const Outcome whole = pretrain("whole");
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto time = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  const auto results = results_of(desk.folder / "whole");
  const auto& held_out = results["held_out"];
  EXPECT_EQ(held_out["images"], 6);
  EXPECT_EQ(held_out["steps_per_epoch"], 3);
  ASSERT_EQ(held_out["curve"].size(), 6u);
  double best = -1;
  tinyvision::Index step = 0;
  for (const auto& row : held_out["curve"])
    if (row["value"] > best) best = row["value"], step = row["step"];
  EXPECT_EQ(held_out["best_step"], step) << "the earliest of the best";
  EXPECT_EQ(results["training"]["steps"], step);
  EXPECT_EQ(results["training"]["batch_norm_batch"], 2);
  EXPECT_EQ(results["config"]["schedule"], "continuous");
  EXPECT_EQ(results["metrics"]["test"]["count"], 6);
  const std::string curve = apps_test::text_of(desk.folder / "whole/curve.csv");
  EXPECT_EQ(std::count(curve.begin(), curve.end(), '\n'), 1 + step);
  tinyvision::Index kept = 0;
  if (std::filesystem::exists(desk.folder / "whole/kept"))
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(desk.folder / "whole/kept")) ++kept;
  EXPECT_EQ(kept, step / 8) << "4 steps an epoch on all 18 images, every 2 epochs";

  for (int kill = 0; kill < 3; ++kill) pretrain("killed", {SIGKILL, time * (kill + 1) / 5});
  ASSERT_EQ(pretrain("killed").code, 0);
  EXPECT_EQ(desk.products("killed"), desk.products("whole"));
  EXPECT_EQ(results_of(desk.folder / "killed")["held_out"], held_out);
}

TEST(Finetune, RefusesBadDataSets) {
  Desk desk;
  const auto refused = [&](const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  };
  refused(desk.train("b", {"--init", "weights"}), "--weights is required");
  refused(desk.train("b", {"--train-per-class", "13"}), "13");
  refused(desk.train("b", {"--steps", "0"}), "--steps");
  refused(desk.train("b", {"--lr", "nan"}), "--lr");
  refused(desk.train("b", {"--batch", "-8"}), "--batch");
  refused(desk.train("b", {"--augment", "mixup"}), "--augment");
  std::filesystem::create_directory(desk.folder / "data/emu");
  refused(desk.train("b"), "emu");
  std::filesystem::remove(desk.folder / "data/emu");
  test_images::write_file(desk.folder / "data/dog/1.jpg", std::string("not a JPEG"));
  refused(desk.train("b"), "1.jpg");
  const Outcome skipped = desk.train("c", {"--skip-bad"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
}

}  // namespace finetune_test
