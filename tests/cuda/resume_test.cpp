// A training state saved on one device resumes on another.
#include <gtest/gtest.h>

#include "train/tiny_run.hpp"

namespace resume_test {

using namespace tinyvision;
using tiny_run::folder;
using tiny_run::run;

void expect_close(const tiny_run::Outcome& a, const tiny_run::Outcome& b, double tolerance) {
  ASSERT_EQ(a.state.size(), b.state.size());
  for (std::size_t t = 0; t < a.state.size(); ++t) {
    double largest = 1e-6, worst = 0;
    for (std::size_t i = 0; i < a.state[t].second.size(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(b.state[t].second[i])));
      worst = std::max(worst, std::fabs(static_cast<double>(a.state[t].second[i]) - b.state[t].second[i]));
    }
    EXPECT_LE(worst / largest, tolerance) << a.state[t].first;
  }
}

TEST(DeviceResume, FromTheCpuToTheDeviceAndBack) {
  const std::string there = folder("device");
  const auto begun = run(there, 1);
  const auto loaded = run(there, 1, Device::cuda());  // no step is left: what was loaded is what was saved
  EXPECT_EQ(loaded.state, begun.state);
  const auto on_device = run(there, 2, Device::cuda());
  EXPECT_EQ(on_device.result.resumed_from, 1);
  expect_close(on_device, run("", 2), 1e-4);
  const auto back = run(there, 3);
  EXPECT_EQ(back.result.resumed_from, 2);
  ASSERT_EQ(back.result.arithmetic.size(), 3u);
  const Index from[] = {0, 1, 2};
  const char* where[] = {"f32 on cpu", "f32 on cuda:0", "f32 on cpu"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back.result.arithmetic[i].from_step, from[i]);
    EXPECT_EQ(back.result.arithmetic[i].arithmetic, where[i]);
  }
  std::filesystem::remove_all(there);
}

}  // namespace resume_test
