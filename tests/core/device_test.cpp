#include <gtest/gtest.h>

#include "tinyvision/core/device_memory.hpp"

namespace device_test {

using namespace tinyvision;

std::string usage_error(const std::string& text) {
  try {
    parse_device(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Device, Names) {
  EXPECT_EQ(parse_device("cpu"), Device::cpu());
  EXPECT_EQ(Device::cpu().text(), "cpu");
  for (const char* text : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:1000", "CUDA"})
    EXPECT_EQ(usage_error(text),
              std::string("[device] unknown device '") + text + "': choose cpu, cuda or cuda:<index>");
}

TEST(Device, CudaNeedsABuildWithIt) {
  if (with_cuda) {
    EXPECT_EQ(parse_device("cuda").text(), "cuda:0");
    EXPECT_EQ(parse_device("cuda:12").index, 12);
  } else {
    EXPECT_EQ(usage_error("cuda:1"), "[device] cuda:1 asked for, but this build has no CUDA support");
    EXPECT_THROW(device_memory({Device::Kind::cuda, 0}), Error);
  }
}

}  // namespace device_test
