#include "tinyvision/cpu/dropout.hpp"

#include "compare.hpp"
#include "tinyvision/reference/dropout.hpp"

namespace dropout_test {

using namespace tinyvision;
using namespace tinyvision_test;

template <class T>
class CpuDropout : public ::testing::Test {};
TYPED_TEST_SUITE(CpuDropout, FloatTypes);

TYPED_TEST(CpuDropout, EqualsReferenceBitForBit) {
  using T = TypeParam;
  for (const Index gap : {Index{0}, Index{3}})
    for (const bool accumulate : {false, true}) {
      const Random random(3, Stream::dropout, 12);
      const auto x = Map<T>(37, 11, gap).random(1);
      auto y = Map<T>(37, 11, 1).random(2), expected = y;
      cpu::dropout(x.rows, x.channels, random, T(0.7), x.data(), x.pitch, y.data(), y.pitch, accumulate);
      reference::dropout(x.rows, x.channels, random, T(0.7), x.data(), x.pitch, expected.data(), y.pitch, accumulate);
      EXPECT_TRUE(same_bits(y.values, expected.values));
    }
}

TYPED_TEST(CpuDropout, KeepsTheShareAskedForAndTheExpectation) {
  using T = TypeParam;
  const Index rows = 200, channels = 500;
  const auto x = Map<T>(rows, channels).fill(T(1));
  for (const double keep : {0.5, 0.8, 0.999}) {
    Map<T> y(rows, channels);
    cpu::dropout(rows, channels, Random(4, Stream::dropout), static_cast<T>(keep), x.data(), x.pitch, y.data(), y.pitch,
                 false);
    double kept = 0;
    for (const T v : y.values) {
      if (v == T(0)) continue;
      kept += 1;
      ASSERT_EQ(v, T(1) / static_cast<T>(keep));
    }
    const double n = static_cast<double>(rows * channels);
    EXPECT_NEAR(kept / n, keep, 5 * std::sqrt(keep * (1 - keep) / n));
  }
}

TYPED_TEST(CpuDropout, MaskDependsOnSeedAndStepAlone) {
  using T = TypeParam;
  const auto x = Map<T>(40, 50).random(5, 1, 2);
  const auto run = [&](std::uint64_t seed, std::uint64_t step) {
    Map<T> y(40, 50);
    cpu::dropout(x.rows, x.channels, Random(seed, Stream::dropout, step), T(0.5), x.data(), x.pitch, y.data(), y.pitch,
                 false);
    return y.values;
  };
  EXPECT_EQ(run(1, 2), run(1, 2));
  EXPECT_NE(run(1, 2), run(1, 3));
  EXPECT_NE(run(1, 2), run(2, 2));
}

TYPED_TEST(CpuDropout, KeepOneCopiesAndOtherProbabilitiesAreRefused) {
  using T = TypeParam;
  const auto x = Map<T>(5, 7).random(6);
  Map<T> y(5, 7);
  const Random random(1, Stream::dropout);
  cpu::dropout(x.rows, x.channels, random, T(1), x.data(), x.pitch, y.data(), y.pitch, false);
  EXPECT_EQ(y.values, x.values);
  for (const T keep : {T(0), T(-0.1), T(1.1), std::numeric_limits<T>::quiet_NaN()}) {
    EXPECT_THROW(cpu::dropout(5, 7, random, keep, x.data(), x.pitch, y.data(), y.pitch, false), Error);
    EXPECT_THROW(reference::dropout(5, 7, random, keep, x.data(), x.pitch, y.data(), y.pitch, false), Error);
  }
}

TYPED_TEST(CpuDropout, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  const auto x = Map<T>(500, 33).random(7);
  expect_same_bits_everywhere([&] {
    Map<T> y(500, 33);
    cpu::dropout(x.rows, x.channels, Random(9, Stream::dropout), T(0.6), x.data(), x.pitch, y.data(), y.pitch, false);
    return y.values;
  });
}

}  // namespace dropout_test
