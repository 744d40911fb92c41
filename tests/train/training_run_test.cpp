#include "tinyvision/train/training_run.hpp"

#include <gtest/gtest.h>

#include "train/tiny_run.hpp"

namespace training_run_test {

using namespace tinyvision;
using tiny_run::folder;
using tiny_run::run;

TEST(TrainingRun, ResumesBitForBitInTheMiddleOfAnEpoch) {
  const auto whole = run("", 5);  // two batches an epoch
  const std::string there = folder("resume");
  EXPECT_EQ(run(there, 3).result.resumed_from, 0);
  const auto rest = run(there, 5);
  EXPECT_EQ(rest.result.resumed_from, 3);
  EXPECT_EQ(rest.state, whole.state);
  ASSERT_EQ(rest.result.curve.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(rest.result.curve[i].loss, whole.result.curve[i].loss) << i;
  ASSERT_EQ(rest.result.arithmetic.size(), 1u);
  EXPECT_EQ(rest.result.arithmetic[0].from_step, 0);
  EXPECT_EQ(rest.result.arithmetic[0].arithmetic, "f32 on cpu");
  std::filesystem::remove_all(there);
}

TEST(TrainingRun, AStopSavesAndTheRunGoesOn) {
  const std::string there = folder("stop");
  int asked = 0;
  const auto stopped = run(there, 4, Device::cpu(), "same", [&] { return ++asked == 2; });
  EXPECT_FALSE(stopped.result.finished);
  EXPECT_EQ(stopped.result.curve.size(), 2u);
  const auto rest = run(there, 4);
  EXPECT_TRUE(rest.result.finished);
  EXPECT_EQ(rest.result.resumed_from, 2);
  EXPECT_EQ(rest.state, run("", 4).state);
  std::filesystem::remove_all(there);
}

TEST(TrainingRun, AnotherConfigurationIsRefused) {
  const std::string there = folder("other");
  run(there, 1);
  try {
    run(there, 2, Device::cpu(), "another");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("belongs to another configuration"), std::string::npos) << error.what();
  }
  std::filesystem::remove_all(there);
}

}  // namespace training_run_test
