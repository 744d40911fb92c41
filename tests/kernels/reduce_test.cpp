// kernels/reduce.cu on the emulated device against tinyvision/reference/reduce.hpp.
#include "tinyvision/reference/reduce.hpp"

#include <limits>

#include "kernels/device_map.hpp"

namespace reduce_test {

using namespace tinyvision;
using namespace device_test;

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

template <class T>
std::vector<T> draw(Index count, std::uint64_t seed) {
  const Random random(31, Stream::test, seed);
  std::vector<T> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = narrow<T>(random.normal(i));
  return x;
}
template <class T>
std::vector<double> wide(const std::vector<T>& x) {
  std::vector<double> w;
  for (const T v : x) w.push_back(static_cast<double>(widen(v)));
  return w;
}

/// Both sums, twice, the second time added to the first. A term takes part in at most 64 additions on its way, so that
/// the exact sum is 64 roundings of the sum of magnitudes away at most; the reference's own chain is `count` long.
template <class T>
void check_sums(Index count) {
  SCOPED_TRACE(::testing::Message() << count << " elements");
  const std::vector<T> x = draw<T>(count, 1);
  const std::vector<double> w = wide(x);
  long double exact = 0, exact_squares = 0, magnitude = 0;
  for (const long double v : w) exact += v, exact_squares += v * v, magnitude += std::fabs(v);
  const auto near = [count](double found, long double expected, double reference, long double size) {
    const double unit = 0x1p-53 * static_cast<double>(size);
    EXPECT_NEAR(found, static_cast<double>(expected), 64 * unit);
    EXPECT_NEAR(found, reference, static_cast<double>(64 + count) * unit);
  };
  const double sum = reference::sum(count, w.data()), squares = reference::sum_of_squares(count, w.data());
  in_both_orders([&] {
    const auto parts = static_cast<std::size_t>(device::sum_workspace(count));
    std::vector<double> work(parts + 1, 5.0), totals(2, nan);
    device::sum<T>(count, x.data(), &totals[0], false, work.data(), nullptr);
    near(totals[0], exact, sum, magnitude);
    device::sum_of_squares<T>(count, x.data(), &totals[1], false, work.data(), nullptr);
    near(totals[1], exact_squares, squares, exact_squares);
    const std::vector<double> before = totals;
    device::sum<T>(count, x.data(), &totals[0], true, work.data(), nullptr);
    device::sum_of_squares<T>(count, x.data(), &totals[1], true, work.data(), nullptr);
    EXPECT_EQ(totals[0], before[0] + before[0]) << "the same sum again";
    EXPECT_EQ(totals[1], before[1] + before[1]) << "the same sum again";
    EXPECT_EQ(work[parts], 5.0) << "the workspace was overrun";
    return totals;
  });
}

TEST(ReduceKernel, Sums) {
  for (const Index count : {0, 1, 31, 255, 256, 257, 4095, 4096, 4097, 12345}) {
    check_sums<float>(count);
    check_sums<double>(count);
    check_sums<device::bf16>(count);
  }
}
TEST(ReduceKernel, NoMorePartsThanOneBlockIsGiven) {
  EXPECT_EQ(device::sum_workspace(0), 0);
  EXPECT_EQ(device::sum_workspace(4097), 2);
  EXPECT_EQ(device::sum_workspace(4096 * 1024), 1024);
  EXPECT_LE(device::sum_workspace(Index{1} << 33), 1024);
  check_sums<float>(4096 * 256 + 17);  // the parts are more than the threads that add them
}
TEST(ReduceKernel, SumsAreAddedInDouble) {
  std::vector<float> x(20000, 1.0f);
  x[0] = 0x1p30f;  // a float this large would swallow the ones
  std::vector<double> work(static_cast<std::size_t>(device::sum_workspace(20000)));
  double total = 0;
  device::sum<float>(20000, x.data(), &total, false, work.data(), nullptr);
  EXPECT_EQ(total, 0x1p30 + 19999);
  x[0] = 1e30f;
  device::sum_of_squares<float>(20000, x.data(), &total, false, work.data(), nullptr);
  EXPECT_NEAR(total, 1e60, 1e54) << "squares are not taken in float";
}

template <class T>
void check_finite() {
  for (const Index count : {0, 1, 255, 4096, 4097, 9000}) {
    std::vector<T> x = draw<T>(count, 2);
    if (count > 2) x[1] = narrow<T>(-3e38), x[2] = narrow<T>(3e38);
    std::int32_t finite = -7;
    device::all_finite<T>(count, x.data(), &finite, false, nullptr);
    EXPECT_EQ(finite, 1) << count;
    for (const double bad : {nan, infinity, -infinity})
      for (const Index place : {Index{0}, count / 2, count - 1}) {
        if (place < 0 || place >= count) continue;
        T& element = x[static_cast<std::size_t>(place)];
        const T kept = element;
        element = std::isnan(bad) ? T(narrow<T>(1)) : narrow<T>(bad);
        if constexpr (std::is_same_v<T, device::bf16>) {
          if (std::isnan(bad)) element.bits = 0x7fc1;
        } else if (std::isnan(bad)) {
          element = static_cast<T>(bad);
        }
        in_both_orders([&] {
          std::vector<std::int32_t> flag{1};
          device::all_finite<T>(count, x.data(), flag.data(), false, nullptr);
          EXPECT_EQ(flag[0], 0) << bad << " at " << place << " of " << count;
          return flag;
        });
        element = kept;
      }
    finite = 0;
    device::all_finite<T>(count, x.data(), &finite, true, nullptr);
    EXPECT_EQ(finite, 0) << "a 0 of another array stays";
    finite = 1;
    device::all_finite<T>(count, x.data(), &finite, true, nullptr);
    EXPECT_EQ(finite, 1);
  }
}
TEST(ReduceKernel, AllFinite) {
  check_finite<float>();
  check_finite<double>();
  check_finite<device::bf16>();
}

/// Rows of few different values, so that the largest stands in several places; in some rows NaNs or infinities.
template <class T>
void check_argmax(Index rows, Index channels, Index gap) {
  SCOPED_TRACE(::testing::Message() << rows << "x" << channels << " gap " << gap);
  Map<T> x(rows, channels, gap, 3);
  const Random random(32, Stream::test);
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < x.pitch; ++c) {
      const auto i = static_cast<std::size_t>(r * x.pitch + c);
      const Index kind = random.integer(i, 40);
      double value = static_cast<double>(random.integer(1000000 + i, 5)) - 8;
      if (c >= channels) value = infinity;  // gaps are not looked at
      if (r % 5 == 1 && kind == 0) value = infinity;
      if (r % 5 == 2) value = -infinity;
      if (r % 5 == 3) value = kind % 2 == 0 ? 0.0 : -0.0;
      x.values[i] = narrow<T>(value);
      if (r % 5 == 4 && kind < 2 && c < channels) {
        if constexpr (std::is_same_v<T, device::bf16>) {
          x.values[i].bits = 0xffc0;
        } else {
          x.values[i] = static_cast<T>(nan);
        }
      }
    }
  in_both_orders([&] {
    std::vector<std::int64_t> found(static_cast<std::size_t>(rows) + 1, -5);
    device::argmax<T>(rows, channels, x.data(), x.pitch, found.data(), nullptr);
    for (Index r = 0; r < rows; ++r) {
      std::vector<double> row;
      for (Index c = 0; c < channels; ++c)
        row.push_back(static_cast<double>(widen(x.values[static_cast<std::size_t>(r * x.pitch + c)])));
      EXPECT_EQ(found[static_cast<std::size_t>(r)], reference::argmax_row(channels, row.data())) << "row " << r;
    }
    EXPECT_EQ(found.back(), -5) << "written behind the rows";
    return found;
  });
}
TEST(ReduceKernel, ArgmaxKeepsTheTieRule) {
  for (const Index channels : {1, 2, 31, 32, 33, 100, 1000})
    for (const Index rows : {0, 1, 7, 8, 9, 21}) {
      check_argmax<float>(rows, channels, rows % 2 * 3);
      check_argmax<double>(rows, channels, 0);
      check_argmax<device::bf16>(rows, channels, 1);
    }
}

TEST(ReduceKernel, CorrectPredictionsAddUp) {
  const Random random(33, Stream::test);
  std::int64_t total = -9;
  Index expected = 0;
  bool first = true;
  for (const Index count : {0, 1, 5, 255, 256, 257, 3000}) {
    std::vector<std::int64_t> predicted, labels;
    for (Index i = 0; i < count; ++i) {
      predicted.push_back(random.integer(static_cast<std::uint64_t>(i), 3));
      labels.push_back(i % 10 == 0 ? -1 : random.integer(static_cast<std::uint64_t>(50000 + i), 3));
      expected += predicted.back() == labels.back() ? 1 : 0;
    }
    in_both_orders([&] {
      std::vector<std::int64_t> equal{total};
      device::count_equal(count, predicted.data(), labels.data(), equal.data(), !first, nullptr);
      EXPECT_EQ(equal[0], expected) << count;
      return equal;
    });
    device::count_equal(count, predicted.data(), labels.data(), &total, !first, nullptr);
    first = false;
  }
  EXPECT_GT(expected, 500);
}

}  // namespace reduce_test
