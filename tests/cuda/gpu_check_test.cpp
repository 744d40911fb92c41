// The operations of gpu-check, small, on the emulated device.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "gpu/device_time.hpp"
#include "gpu/operations.hpp"

namespace gpu_check_test {

using namespace gpu_check;

TEST(GpuCheck, EveryOperationIsRightAndRepeats) {
  std::set<std::string> names;
  for (const Operation& operation : operations(true)) {
    names.insert(operation.name + " " + operation.dtype);
    const OperationResult result = check_operation(operation, 2);
    EXPECT_TRUE(result.passed()) << operation.name << " " << operation.dtype << " " << operation.shape << ": "
                                 << result.error << (result.repeatable ? "" : ", not repeatable");
    if (operation.dtype != "f64" && operation.name.rfind("conv2d", 0) == 0) {  // sums of products are rounded
      EXPECT_GT(result.error, 0) << operation.dtype << ": compared with itself?";
    }
  }
  EXPECT_TRUE(names.count("conv2d dw bf16") && names.count("gemm f64") && names.count("batch_norm apply f32"));
}

TEST(GpuCheck, AWrongResultFails) {
  Operation wrong = operations(true).front();
  const auto make = wrong.make;
  wrong.make = [make](Index batch) {
    Case c = make(batch);
    const auto expected = c.expected;
    c.expected = [expected] {
      const Tensor e = expected();
      e.data<double>()[e.count() / 2] += 1;
      return e;
    };
    return c;
  };
  EXPECT_FALSE(check_operation(wrong, 2).passed());
  wrong.make = [make](Index batch) {
    Case c = make(batch);
    c.run = [] {};  // the poison stays
    return c;
  };
  EXPECT_FALSE(check_operation(wrong, 2).passed());
}

TEST(GpuCheck, TimesAreMedians) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({}), 0);
  int runs = 0;
  EXPECT_GE(time_on_device([&] { ++runs; }, 5, 1024), 0);
  EXPECT_EQ(runs, 7);
  EXPECT_GT(copy_rate(1 << 16, 3), 0);
}

}  // namespace gpu_check_test
