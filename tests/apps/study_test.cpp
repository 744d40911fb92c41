// tv_study as a user runs it: a tiny study from start to end, the same one under kills, and bad input.
#include <gtest/gtest.h>

#include <csignal>

#include "apps/program.hpp"
#include "data/test_images.hpp"

namespace study_test {

using namespace apps_test;
namespace fs = std::filesystem;

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Two classes of small photos that cannot be told apart quite, and a study of two networks on them.
struct Desk {
  test_images::TemporaryFolder folder;

  Desk() {
    for (int i = 0; i < 100; ++i)
      test_images::write_file(folder / "photos/" + (i % 2 == 0 ? "cat" : "dog") + "/" + std::to_string(i) + ".jpg",
                              test_images::jpeg(test_images::gradient(36, 36, 37 * i % 90 + 60 * (i % 2))));
    test_images::write_file(folder / "study.toml", std::string(R"(
settings = ["linear_probe", "fine_tune"]
networks = [
  { network = "mobilenet_v1", width = 0.25, image_size = 32, label = "narrow", imagenet_top1 = 50 },
  { network = "mobilenet_v1", width = 0.5, image_size = 32, label = "wide", imagenet_top1 = 60 },
]
datasets = [{ dataset = "image_folder", data = "photos", label = "pets", train_per_class = 10 }]
[pretrain]
dataset = "image_folder"
data = "photos"
train_per_class = 20
steps = 6
batch = 8
augment = "flip"
ema = 0
bn_decay = 0.5
[linear_probe]
lambdas = 6
[fine_tune]
steps = 8
batch = 8
checkpoint_every = 2
bn_decay = 0.5
augment = "flip"
learning_rates = [0.01, 0.05]
decay_ratios = [0]
)"));
  }

  Outcome study(Arguments arguments, const Trouble& trouble = {}) const {
    return run(folder.path(), "tv_study", std::move(arguments), trouble);
  }
  Outcome run_it(const std::string& out, const Trouble& trouble = {}) const {
    return study({"run", folder / "study.toml", "--out", folder / out, "--workers", "2", "--quiet"}, trouble);
  }
  Outcome report(const std::string& out) const {
    return study({"report", folder / out, "--no-figures", "--tables", TINYVISION_SOURCE_DIR "/docs/paper", "--quiet"});
  }
  /// Everything that depends on the numbers alone.
  std::vector<std::string> products(const std::string& out) const {
    std::vector<std::string> texts;
    for (const char* name : {"cells.tsv", "jobs.tsv", "accuracies.tsv", "imagenet.tsv", "networks.tsv", "report.html"})
      texts.push_back(text_of(folder / out + "/report/" + name));
    return texts;
  }
};

TEST(Study, RunsReportsAndSurvivesKills) {
  const Desk desk;
  const Outcome done = desk.run_it("whole");
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_TRUE(says(done.out, "13 jobs in ")) << done.out;
  EXPECT_TRUE(says(done.out, "13/13 jobs (100 %)")) << done.out;
  ASSERT_EQ(desk.report("whole").code, 0) << desk.report("whole").err;
  const auto whole = desk.products("whole");
  for (const std::string& text : whole) EXPECT_FALSE(text.empty());
  EXPECT_EQ(std::count(whole[0].begin(), whole[0].end(), '\n'), 5) << "two networks, two settings:\n" << whole[0];
  EXPECT_EQ(std::count(whole[1].begin(), whole[1].end(), '\n'), 14) << whole[1];
  EXPECT_FALSE(says(whole[5], desk.folder.path())) << "the page names no folder";
  const Outcome status = desk.study({"status", desk.folder / "whole"});
  EXPECT_TRUE(says(status.out, "done 13, failed 0")) << status.out;
  // What grid points leave is small; refits keep their weights.
  for (const auto& entry : fs::recursive_directory_iterator(desk.folder / "whole/jobs")) {
    EXPECT_NE(entry.path().filename(), "checkpoint") << entry.path();
    if (entry.path().filename() == "weights.safetensors") {
      EXPECT_FALSE(says(entry.path(), "lr_")) << entry.path();
    }
  }
  // The finished study again: nothing is left to do.
  EXPECT_EQ(desk.run_it("whole").code, 0);

  for (const int after : {200, 500, 900, 700}) desk.run_it("killed", {SIGKILL, std::chrono::milliseconds(after)});
  const Outcome stopped = desk.run_it("killed", {SIGINT, std::chrono::milliseconds(400)});
  if (stopped.code != 0) {
    EXPECT_EQ(stopped.code, 130) << stopped.err;
    EXPECT_TRUE(says(stopped.err, "resume with: ")) << stopped.err;
  }
  const Outcome end = desk.run_it("killed");
  ASSERT_EQ(end.code, 0) << end.out << end.err;
  ASSERT_EQ(desk.report("killed").code, 0);
  EXPECT_EQ(desk.products("killed"), whole);
}

TEST(Study, AFullDiskStopsItAndLosesNothing) {
  const Desk desk;
  // A limit to the size of files stands for a full disk: nothing fails for good, and the next run goes on.
  const Outcome full = desk.run_it("full", {.file_bytes = 300000});
  EXPECT_EQ(full.code, 1) << full.out << full.err;
  EXPECT_TRUE(says(full.err, "the disk is full")) << full.err;
  EXPECT_FALSE(says(full.out, "failed")) << full.out;

  // What is not done is no table.
  const Outcome missing = desk.study({"report", desk.folder / "full"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_TRUE(says(missing.err, "cells are not done yet")) << missing.err;
}

TEST(Study, RefusesBadStudiesBeforeAnythingStarts) {
  const Desk desk;
  const std::string text = text_of(desk.folder / "study.toml");
  const auto write = [&](std::string old, const std::string& by) {
    std::string changed = text;
    test_images::write_file(desk.folder / "bad.toml", changed.replace(changed.find(old), old.size(), by));
  };
  write("lambdas = 6", "lambda = 6\naugment = \"flip\"");
  const Outcome keys = desk.study({"run", desk.folder / "bad.toml", "--out", desk.folder / "bad"});
  EXPECT_EQ(keys.code, 2);
  EXPECT_TRUE(says(keys.err, "unknown key 'lambda'")) << keys.err;
  EXPECT_FALSE(fs::exists(desk.folder / "bad/ledger.sqlite"));
  write("data = \"photos\", label", "data = \"${TV_NOWHERE}\", label");
  const Outcome plan = desk.study({"plan", desk.folder / "bad.toml", "--list"});
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_TRUE(says(plan.out, "before it can run:\n  line 7: the environment has no TV_NOWHERE")) << plan.out;
  EXPECT_TRUE(says(plan.out, "fine_tuned/wide/pets/lr_0.01_ratio_0")) << plan.out;
  const Outcome run = desk.study({"run", desk.folder / "bad.toml", "--out", desk.folder / "bad"});
  EXPECT_EQ(run.code, 2);
  EXPECT_FALSE(fs::exists(desk.folder / "bad/ledger.sqlite"));
  test_images::write_file(desk.folder / "photos/dog/1.jpg", std::string("not a JPEG"));
  const Outcome slurm = desk.study({"slurm", desk.folder / "study.toml", "--out", desk.folder / "s", "--dry-run",
                                    "--tasks", "3", "--sbatch=--partition=gpu", "--quiet"});
  ASSERT_EQ(slurm.code, 0) << slurm.err;
  const std::string script = text_of(desk.folder / "s/slurm/job.sh");
  for (const char* line :
       {"#SBATCH --array=0-2\n", "#SBATCH --requeue\n", "#SBATCH --signal=B:TERM@60\n", "#SBATCH --partition=gpu\n"})
    EXPECT_TRUE(says(script, line)) << script;
  const Outcome failing =
      desk.study({"run", desk.folder / "study.toml", "--out", desk.folder / "s", "--tries", "1", "--quiet"});
  EXPECT_EQ(failing.code, 1) << failing.out;
  EXPECT_TRUE(says(failing.out, "failed: pixels/image_folder: ")) << failing.out;
  EXPECT_TRUE(says(failing.out, "1.jpg")) << failing.out;
  EXPECT_TRUE(says(failing.out, "jobs wait for failed ones")) << failing.out;
}

}  // namespace study_test
