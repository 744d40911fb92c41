#include "tinyvision/cpu/reduce.hpp"

#include <limits>

#include "compare.hpp"
#include "tinyvision/reference/reduce.hpp"

namespace reduce_test {

using namespace tinyvision;
using namespace tinyvision_test;

template <class T>
class CpuReduce : public ::testing::Test {};
TYPED_TEST_SUITE(CpuReduce, FloatTypes);

TYPED_TEST(CpuReduce, SumsEqualReference) {
  using T = TypeParam;
  for (const Index count : {0, 1, 3, 15, 16, 17, 1000, 32768, 32769, 100001}) {
    const auto x = random_vector<T>(count, 1, -1, 3);
    EXPECT_NEAR(cpu::sum(count, x.data()), reference::sum(count, x.data()), 1e-12 * static_cast<double>(count))
        << count;
    EXPECT_NEAR(cpu::sum_of_squares(count, x.data()), reference::sum_of_squares(count, x.data()),
                1e-12 * static_cast<double>(count))
        << count;
  }
}

TYPED_TEST(CpuReduce, FindsEveryNonFiniteElement) {
  using T = TypeParam;
  const Index count = 70001;
  auto x = random_vector<T>(count, 2);
  x[5] = std::numeric_limits<T>::max();
  x[6] = std::numeric_limits<T>::denorm_min();
  EXPECT_TRUE(cpu::all_finite(count, x.data()));
  EXPECT_TRUE(cpu::all_finite(0, x.data()));
  for (const T bad :
       {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()})
    for (const Index place : {Index{0}, Index{17}, Index{32767}, Index{32768}, count - 1}) {
      const T before = std::exchange(x[static_cast<std::size_t>(place)], bad);
      EXPECT_FALSE(cpu::all_finite(count, x.data())) << bad << " at " << place;
      EXPECT_FALSE(reference::all_finite(count, x.data()));
      x[static_cast<std::size_t>(place)] = before;
    }
}

TYPED_TEST(CpuReduce, TopKAndArgmaxEqualReference) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  std::vector<std::vector<T>> rows{{3}, {1, 5, 5, 2}, {nan, 1, nan}, {1, nan, inf, inf, -inf}, {0, 0, 0, 0}};
  rows.push_back(random_vector<T>(50, 3));
  for (T& v : rows.back()) v = std::floor(v * 3);
  for (const auto& row : rows) {
    const Index count = static_cast<Index>(row.size());
    EXPECT_EQ(cpu::argmax_row(count, row.data()), reference::argmax_row(count, row.data()));
    for (Index k = 0; k <= count; ++k) {
      std::vector<Index> found(static_cast<std::size_t>(k)), expected(found);
      cpu::top_k(count, row.data(), k, found.data());
      reference::top_k(count, row.data(), k, expected.data());
      EXPECT_EQ(found, expected);
      if (k > 0) {
        EXPECT_EQ(found[0], cpu::argmax_row(count, row.data()));
      }
    }
    std::vector<Index> out(row.size() + 1);
    EXPECT_THROW(cpu::top_k(count, row.data(), count + 1, out.data()), Error);
  }
  EXPECT_THROW(cpu::argmax_row(0, rows[0].data()), Error);
}

TYPED_TEST(CpuReduce, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  const auto x = random_vector<T>(250007, 4);
  expect_same_bits_everywhere([&] {
    return std::vector<double>{cpu::sum(250007, x.data()), cpu::sum_of_squares(250007, x.data())};
  });
}

}  // namespace reduce_test
