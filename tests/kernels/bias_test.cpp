// The bias gradient of kernels/reduce.cu on the emulated device against tinyvision/reference/elementwise.hpp.
#include "kernels/device_map.hpp"
#include "tinyvision/reference/elementwise.hpp"

namespace bias_test {

using namespace tinyvision;
using namespace device_test;

template <class A>
constexpr double unit = std::is_same_v<A, float> ? 0x1p-24 : 0x1p-53;

/// Against the exact sums. A term takes part in at most 33 + 8 + parts additions in double; the sum is rounded once to
/// the type of the bias, and once more where it is added to what was there. The reference's own chain is `rows` long.
template <class T>
void check(Index rows, Index channels, Index gap, bool accumulate) {
  using A = device::Accumulator<T>;
  SCOPED_TRACE(::testing::Message() << rows << "x" << channels << " gap " << gap << " accumulate " << accumulate << " "
                                    << sizeof(T) << " bytes");
  const Map<T> dy(rows, channels, gap, 1);
  const Map<double> w = wide(dy);
  const Map<A> before(channels, 1, 0, 2);
  std::vector<double> expected(before.values.begin(), before.values.end());
  reference::bias_backward<double>(rows, channels, w.values.data(), w.pitch, expected.data(), accumulate);
  const auto needed = static_cast<std::size_t>(device::bias_backward_workspace(rows, channels));
  const double additions = 42 + static_cast<double>(device::bias_backward_workspace(rows, 1));
  in_both_orders([&] {
    std::vector<A> db = before.values;
    db.push_back(A(7));
    std::vector<double> work(needed + 1, 5.0);
    device::bias_backward<T>(rows, channels, dy.values.data(), dy.pitch, db.data(), accumulate, work.data(), nullptr);
    for (Index c = 0; c < channels; ++c) {
      const auto at = static_cast<std::size_t>(c);
      long double sum = 0, size = 0;
      for (Index r = 0; r < rows; ++r) {
        const long double term = w.values[static_cast<std::size_t>(r * w.pitch + c)];
        sum += term, size += std::fabs(term);
      }
      const double start = accumulate ? static_cast<double>(before.values[at]) : 0;
      const double ends = 1.0001 * unit<A> * static_cast<double>(2 * std::fabs(sum) + std::fabs(start));
      EXPECT_NEAR(db[at], static_cast<double>(sum + start), additions * 0x1p-53 * static_cast<double>(size) + ends);
      EXPECT_NEAR(db[at], expected[at],
                  (additions + static_cast<double>(rows)) * 0x1p-53 * static_cast<double>(size) + ends);
    }
    EXPECT_EQ(db.back(), A(7)) << "written behind the channels";
    EXPECT_EQ(work.back(), 5.0) << "the workspace was overrun";
    return db;
  });
}

TEST(BiasKernel, EqualsTheReference) {
  for (const Index rows : {0, 1, 7, 8, 9, 255, 256, 257, 1000})
    for (const Index channels : {1, 31, 32, 33, 70}) {
      check<float>(rows, channels, 0, rows % 2 == 0);
      check<double>(rows, channels, 3, rows % 2 == 1);
      check<device::bf16>(rows, channels, 1, channels % 2 == 0);
    }
  check<float>(256 * 256 + 300, 3, 1, true);  // more rows than the parts have at least
}

TEST(BiasKernel, AddsInDouble) {
  std::vector<float> dy(20000, 1.0f);
  dy[0] = 0x1p30f, dy[19999] = -0x1p30f;
  std::vector<double> work(static_cast<std::size_t>(device::bias_backward_workspace(20000, 1)));
  float db = 2;
  device::bias_backward<float>(20000, 1, dy.data(), 1, &db, true, work.data(), nullptr);
  EXPECT_EQ(db, 20000);
}

TEST(BiasKernel, NoMoreThan256Parts) {
  EXPECT_EQ(device::bias_backward_workspace(0, 5), 0);
  EXPECT_EQ(device::bias_backward_workspace(257, 5), 10);
  EXPECT_EQ(device::bias_backward_workspace(256 * 256, 5), 256 * 5);
  EXPECT_LE(device::bias_backward_workspace(Index{1} << 33, 1), 256);
}

TEST(BiasKernel, NoChannelsAreNoWork) {
  const std::uint64_t before = emulation::device().launches;
  device::bias_backward<float>(3, 0, nullptr, 0, nullptr, false, nullptr, nullptr);
  EXPECT_EQ(emulation::device().launches, before);
}

}  // namespace bias_test
