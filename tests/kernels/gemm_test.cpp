// kernels/gemm.cu on the emulated device: the bits of tinyvision/reference/gemm.hpp.
#include "tinyvision/linalg/gemm.hpp"

#include <limits>

#include "kernels/device_map.hpp"
#include "tinyvision/reference/gemm.hpp"

namespace gemm_test {

using namespace tinyvision;
using namespace device_test;

struct Case {
  Index m, n, k, gap;
};
std::vector<Case> cases() {
  return {{1, 1, 1, 0},   {3, 5, 7, 2},   {64, 64, 16, 0}, {65, 63, 17, 1}, {2, 130, 31, 3},
          {129, 3, 5, 0}, {7, 1, 300, 1}, {70, 66, 48, 5}, {1, 200, 33, 0}};
}

/// A matrix of `rows` x `columns`, stored the other way round when transposed.
template <class T>
Map<T> stored(bool transposed, Index rows, Index columns, Index gap, std::uint64_t seed) {
  return Map<T>(transposed ? columns : rows, transposed ? rows : columns, gap, seed);
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Calls body(transpose_a, transpose_b, alpha, beta) for the forms of a product.
template <class T, class Body>
void for_each_form(const Body& body) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const auto& [alpha, beta] : {std::pair(T(1), T(ta)), std::pair(T(-0.7), T(tb ? 0.3 : 0))}) {
        SCOPED_TRACE(::testing::Message() << "transposed " << ta << tb << " alpha " << alpha << " beta " << beta << " "
                                          << sizeof(T) << " bytes");
        body(ta, tb, alpha, beta);
      }
}

template <class T>
void check_bits(const Case& s) {
  SCOPED_TRACE(::testing::Message() << s.m << "x" << s.n << "x" << s.k << " gap " << s.gap);
  for_each_form<T>([&](bool ta, bool tb, T alpha, T beta) {
    const Map<T> a = stored<T>(ta, s.m, s.k, s.gap, 1), b = stored<T>(tb, s.k, s.n, 2 * s.gap, 2);
    Map<T> c(s.m, s.n, s.gap, 3);
    if (beta == T(0)) c.values[0] = std::numeric_limits<T>::quiet_NaN();  // is not read
    Map<T> expected = c;
    reference::gemm<T>(ta, tb, s.m, s.n, s.k, alpha, a.values.data(), a.pitch, b.values.data(), b.pitch, beta,
                       expected.data(), expected.pitch);
    in_both_orders([&] {
      Map<T> found = c;
      device::gemm<T>(ta, tb, s.m, s.n, s.k, alpha, a.values.data(), a.pitch, b.values.data(), b.pitch, beta,
                      found.data(), found.pitch, nullptr);
      EXPECT_TRUE(same_bytes(found.values, expected.values));
      return found.values;
    });
  });
}

TEST(GemmKernel, HasTheBitsOfTheReference) {
  for (const Case& s : cases()) {
    check_bits<float>(s);
    check_bits<double>(s);
  }
}

// With a transposed A the CPU kernels add chunks of k, each summed from 0, and C comes after them.
TEST(GemmKernel, HasTheBitsOfTheCpuWhereTheCpuMakesOneChain) {
  if (instruction_set() == InstructionSet::portable) GTEST_SKIP() << "no fused multiply-add";
  const auto check = [](auto zero, const Case& s) {
    using T = decltype(zero);
    for_each_form<T>([&](bool ta, bool tb, T alpha, T beta) {
      if (ta && (s.k > 1024 / static_cast<Index>(sizeof(T)) || beta != T(0))) return;
      const Map<T> a = stored<T>(ta, s.m, s.k, s.gap, 1), b = stored<T>(tb, s.k, s.n, s.gap, 2);
      Map<T> c(s.m, s.n, s.gap, 3), expected = c;
      linalg::gemm<T>(ta, tb, s.m, s.n, s.k, alpha, a.values.data(), a.pitch, b.values.data(), b.pitch, beta,
                      expected.data(), expected.pitch);
      device::gemm<T>(ta, tb, s.m, s.n, s.k, alpha, a.values.data(), a.pitch, b.values.data(), b.pitch, beta, c.data(),
                      c.pitch, nullptr);
      EXPECT_TRUE(same_bytes(c.values, expected.values)) << s.m << "x" << s.n << "x" << s.k;
    });
  };
  for (const Case& s : cases()) check(0.0f, s), check(0.0, s);
}

// Against the product in long double: a chain of k multiply-adds is at most k roundings of the sum of magnitudes away
// from the exact one, and alpha and beta round each term once.
TEST(GemmKernel, IsWithinItsRoundingsOfTheProduct) {
  const Case s{33, 20, 700, 1};
  for_each_form<float>([&](bool ta, bool tb, float alpha, float beta) {
    const Map<float> a = stored<float>(ta, s.m, s.k, s.gap, 4), b = stored<float>(tb, s.k, s.n, s.gap, 5);
    const Map<float> before(s.m, s.n, s.gap, 6);
    Map<float> c = before;
    device::gemm<float>(ta, tb, s.m, s.n, s.k, alpha, a.values.data(), a.pitch, b.values.data(), b.pitch, beta,
                        c.data(), c.pitch, nullptr);
    for (Index i = 0; i < s.m; ++i)
      for (Index j = 0; j < s.n; ++j) {
        const auto at = static_cast<std::size_t>(i * c.pitch + j);
        long double exact = static_cast<long double>(beta) * before.values[at], size = std::fabs(exact);
        for (Index p = 0; p < s.k; ++p) {
          const long double x = a.values[static_cast<std::size_t>(ta ? p * a.pitch + i : i * a.pitch + p)];
          const long double y = b.values[static_cast<std::size_t>(tb ? j * b.pitch + p : p * b.pitch + j)];
          exact += alpha * x * y, size += std::fabs(alpha * x * y);
        }
        ASSERT_NEAR(c.values[at], static_cast<double>(exact), static_cast<double>((s.k + 2) * 0x1p-24L * size));
      }
  });
}

// What lies behind the end of k in a tile adds -0: a sum of -0, from an underflow for instance, keeps its sign.
TEST(GemmKernel, KeepsTheSignOfZero) {
  const std::vector<float> a{-1e-30f, 0.0f}, b{1e-30f, 1.0f};
  for (const Index k : {1, 2}) {
    float c = -0.0f, expected = -0.0f;
    device::gemm<float>(false, false, 1, 1, k, 1, a.data(), k, b.data(), 1, 1, &c, 1, nullptr);
    reference::gemm<float>(false, false, 1, 1, k, 1, a.data(), k, b.data(), 1, 1, &expected, 1);
    EXPECT_EQ(std::signbit(c), std::signbit(expected)) << k;
  }
  float c = -0.0f;
  device::gemm<float>(false, false, 1, 1, 1, 1, a.data(), 1, b.data(), 1, 1, &c, 1, nullptr);
  EXPECT_TRUE(std::signbit(c));
}

TEST(GemmKernel, NanAndInfinityStayInTheirRowAndColumn) {
  const float infinity = std::numeric_limits<float>::infinity();
  Map<float> a(70, 20, 0, 1), b(20, 70, 0, 2), c(70, 70, 0, 3), expected = c;
  a.values[20 * 66 + 3] = infinity, b.values[5 * 70 + 67] = std::numeric_limits<float>::quiet_NaN();
  device::gemm<float>(false, false, 70, 70, 20, 1, a.data(), 20, b.data(), 70, 0, c.data(), 70, nullptr);
  reference::gemm<float>(false, false, 70, 70, 20, 1, a.data(), 20, b.data(), 70, 0, expected.data(), 70);
  for (std::size_t i = 0; i < c.values.size(); ++i) {
    const bool special = i / 70 == 66 || i % 70 == 67;
    EXPECT_EQ(std::isfinite(c.values[i]), !special);
    EXPECT_TRUE(c.values[i] == expected.values[i] || std::isnan(expected.values[i]));
  }
}

TEST(GemmKernel, EmptySizes) {
  std::vector<float> c{2, 4, 6, 8};
  device::gemm<float>(false, true, 2, 1, 0, 1, nullptr, 0, nullptr, 0, 0.5f, c.data(), 2, nullptr);
  EXPECT_EQ(c, (std::vector<float>{1, 4, 3, 8})) << "without terms C = beta C";
  device::gemm<float>(true, false, 2, 1, 0, 1, nullptr, 2, nullptr, 1, 0, c.data(), 2, nullptr);
  EXPECT_EQ(c, (std::vector<float>{0, 4, 0, 8}));
  const std::uint64_t before = emulation::device().launches;
  device::gemm<double>(false, false, 0, 3, 4, 1, nullptr, 4, nullptr, 3, 0, nullptr, 3, nullptr);
  device::gemm<double>(true, true, 3, 0, 4, 1, nullptr, 3, nullptr, 4, 1, nullptr, 0, nullptr);
  EXPECT_EQ(emulation::device().launches, before);
}

}  // namespace gemm_test
