// Progress lines, results.json and predictions.csv.
#include <gtest/gtest.h>

#include <sstream>

#include "checkpoint/folder.hpp"
#include "common/predictions.hpp"
#include "common/progress.hpp"
#include "common/results.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/linalg/simd.hpp"

namespace output_test {

using namespace tinyvision;

TEST(Progress, Line) {
  EXPECT_EQ(tv_app::progress_line("features", 0, 320, 5000, 8, ""),
            "features  320/5000 (6 %)  40.0/s  8.0 s, ETA 1 min 57 s");
  EXPECT_EQ(tv_app::progress_line("steps", 0, 0, 10, 0, ""), "steps  0/10 (0 %)");
  EXPECT_EQ(tv_app::progress_line("steps", 0, 10, 10, 50, "loss 2"), "steps  10/10 (100 %)  0.2/s  50 s  loss 2");
  // A resumed run's rate is that of its own work.
  EXPECT_EQ(tv_app::progress_line("steps", 900, 950, 1000, 10, ""), "steps  950/1000 (95 %)  5.0/s  10 s, ETA 10 s");
  EXPECT_EQ(tv_app::progress_line("steps", 0, 0, 0, 1, ""), "steps  0/0");
}

TEST(Progress, OffATerminalALineEveryTenSeconds) {
  std::ostringstream out;
  double now = 100;
  {
    tv_app::ProgressOptions options;
    options.start = 0, options.stream = &out, options.terminal = false, options.seconds = [&] { return now; };
    tv_app::Progress progress("steps", 100, options);
    for (int i = 1; i <= 50; ++i) now += 0.5, progress.update(i);
    progress.finish("done");
  }
  EXPECT_EQ(out.str(),
            "steps  20/100 (20 %)  2.0/s  10 s, ETA 40 s\nsteps  40/100 (40 %)  2.0/s  20 s, ETA 30 s\n"
            "steps  50/100 (50 %)  2.0/s  25 s, ETA 25 s  done\n");
}

TEST(Progress, OnATerminalOneLineAtMostFiveTimesASecond) {
  std::ostringstream out;
  double now = 0;
  {
    tv_app::ProgressOptions options;
    options.start = 0, options.stream = &out, options.terminal = true, options.seconds = [&] { return now; };
    tv_app::Progress progress("x", 4, options);
    for (int i = 1; i <= 4; ++i) now += 0.125, progress.update(i);
  }
  EXPECT_EQ(out.str(),
            "\rx  1/4 (25 %)  8.0/s  0.1 s, ETA 0.4 s\x1b[K\rx  3/4 (75 %)  8.0/s  0.4 s, ETA 0.1 s\x1b[K\n");
}

// Without a known start the first update is the start: what a resumed run found done is not its own speed.
TEST(Progress, ResumedWork) {
  std::ostringstream out;
  double now = 0;
  tv_app::ProgressOptions options;
  options.stream = &out, options.terminal = false, options.seconds = [&] { return now; };
  tv_app::Progress progress("steps", 1000, options);
  now = 30, progress.update(900);
  now = 40, progress.update(950);
  EXPECT_EQ(out.str(), "steps  900/1000 (90 %)\nsteps  950/1000 (95 %)  5.0/s  10 s, ETA 10 s\n");
}

TEST(Progress, Quiet) {
  std::ostringstream out;
  tv_app::ProgressOptions options;
  options.stream = &out, options.quiet = true, options.terminal = true;
  {
    tv_app::Progress progress("x", 4, options);
    progress.update(2);
    progress.finish();
  }
  EXPECT_EQ(out.str(), "");
}

TEST(Results, FileHasItsKeysInOrder) {
  const TestFolder folder;
  tv_app::Results results("tv_trial", {{"steps", 3}});
  results["digests"]["weights"] = "abc";
  results["environment"]["decoder"] = "libjpeg-turbo 2.1";
  tv_app::add_metric(results["metrics"]["test"], "top1", stats::Accuracy{3, 4});
  tv_app::add_metric(results["metrics"]["test"], stats::MeanPerClass{0.5, 2, 0});
  results["metrics"]["validation"]["top1"] = std::numeric_limits<double>::quiet_NaN();
  results["fits"] = tv_app::Json::array({{{"lambda", 0.1}}});
  results["note"] = "bytes \xff";
  results.lap("features");
  results.lap("fit");
  results.lap("features");
  results.write(folder.root());
  const auto read = tv_app::Json::parse(read_file(folder.path("results.json")));
  std::vector<std::string> keys;
  for (const auto& [key, value] : read.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"app", "version", "config", "digests", "environment", "metrics", "timing",
                                            "fits", "note"}));
  EXPECT_EQ(read["version"], TINYVISION_VERSION);
  EXPECT_EQ(read["metrics"]["test"].dump(),
            R"({"top1":0.75,"top1_correct":3,"count":4,"mean_per_class":0.5,"classes":2})");
  EXPECT_TRUE(read["metrics"]["validation"]["top1"].is_null());
  EXPECT_EQ(read["note"], "bytes \xEF\xBF\xBD");
  for (const char* key :
       {"decoder", "arithmetic", "kernels", "instruction_set", "threads", "cpu", "gpu", "cuda", "vendor"})
    EXPECT_TRUE(read["environment"].contains(key)) << key;
  for (const char* key : {"features", "fit", "total"}) EXPECT_GE(read["timing"][key].get<double>(), 0) << key;
  results.write("");  // no folder, no file
}

TEST(Results, ArithmeticMode) {
  EXPECT_EQ(tv_app::arithmetic_mode(DType::f64), std::string("f64 own ") + to_string(instruction_set()));
  const KernelScope scope(Kernels::reference);
  EXPECT_EQ(tv_app::arithmetic_mode(), std::string("f32 reference ") + to_string(instruction_set()));
}

TEST(Predictions, Csv) {
  EXPECT_EQ(tv_app::csv_field("plain name.jpg"), "plain name.jpg");
  EXPECT_EQ(tv_app::csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(tv_app::csv_field("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(tv_app::csv_field("two\nlines"), "\"two\nlines\"");
  const TestFolder folder;
  tv_app::write_predictions(folder.root(), {{"a/1,2.jpg", 3, 4, 0.1}, {"b.jpg", 0, 0, 1}});
  EXPECT_EQ(read_file(folder.path("predictions.csv")),
            "path,label,prediction,probability\n\"a/1,2.jpg\",3,4,0.1\nb.jpg,0,0,1\n");
  tv_app::write_predictions("", {});
}

}  // namespace output_test
