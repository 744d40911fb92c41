#include "tinyvision/linalg/gemm.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

using namespace tinyvision;

namespace gemm_test {

std::vector<InstructionSet> available_sets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512})
    if (set <= best_instruction_set()) sets.push_back(set);
  return sets;
}

/// Restores the instruction set and the number of threads at the end of a test.
struct Restore {
  InstructionSet set = instruction_set();
  int threads = num_threads();
  ~Restore() {
    set_instruction_set(set);
    set_num_threads(threads);
  }
};

/// Numbers in [-1, 1) from a fixed linear congruential sequence.
template <class T>
std::vector<T> numbers(Index count, std::uint64_t seed) {
  std::vector<T> v(static_cast<std::size_t>(count));
  std::uint64_t s = seed * 2654435761u + 88172645463325252u;
  for (T& x : v) {
    s = s * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<T>(static_cast<double>(s >> 40) / 8388608.0 - 1.0);
  }
  return v;
}

struct Case {
  bool trans_a, trans_b;
  Index m, n, k;
  double alpha, beta;
};

constexpr double sentinel = 77.25;

template <class T>
std::vector<T> product(const Case& c, const std::vector<T>& a, Index lda, const std::vector<T>& b, Index ldb,
                       const std::vector<T>& c0, Index ldc) {
  std::vector<T> out = c0;
  linalg::gemm(c.trans_a, c.trans_b, c.m, c.n, c.k, static_cast<T>(c.alpha), a.data(), lda, b.data(), ldb,
               static_cast<T>(c.beta), out.data(), ldc);
  return out;
}

template <class T>
void check_case(const Case& c) {
  const Restore restore;
  const Index a_rows = c.trans_a ? c.k : c.m, a_columns = c.trans_a ? c.m : c.k;
  const Index b_rows = c.trans_b ? c.n : c.k, b_columns = c.trans_b ? c.k : c.n;
  const Index lda = a_columns + 3, ldb = b_columns + 1, ldc = c.n + 5;
  const auto a = numbers<T>(a_rows * lda, 1), b = numbers<T>(b_rows * ldb, 2);
  auto c0 = numbers<T>(c.m * ldc, 3);
  for (Index i = 0; i < c.m; ++i)
    for (Index j = c.n; j < ldc; ++j) c0[static_cast<std::size_t>(i * ldc + j)] = static_cast<T>(sentinel);
  std::vector<double> expected(static_cast<std::size_t>(c.m * c.n));
  double largest = 0;
  for (Index i = 0; i < c.m; ++i) {
    for (Index j = 0; j < c.n; ++j) {
      double sum = 0;
      for (Index p = 0; p < c.k; ++p)
        sum += static_cast<double>(a[static_cast<std::size_t>(c.trans_a ? p * lda + i : i * lda + p)]) *
               static_cast<double>(b[static_cast<std::size_t>(c.trans_b ? j * ldb + p : p * ldb + j)]);
      const double old = static_cast<double>(c0[static_cast<std::size_t>(i * ldc + j)]);
      const double value = c.alpha * sum + (c.beta == 0 ? 0 : c.beta * old);
      expected[static_cast<std::size_t>(i * c.n + j)] = value;
      largest = std::max(largest, std::abs(value));
    }
  }
  if (c.beta == 0)  // must not be read
    for (Index i = 0; i < c.m; ++i)
      for (Index j = 0; j < c.n; ++j) c0[static_cast<std::size_t>(i * ldc + j)] = std::numeric_limits<T>::quiet_NaN();
  const double tolerance = (sizeof(T) == 4 ? 1e-5 : 1e-12) * std::max(largest, 1e-3);
  for (const InstructionSet set : available_sets()) {
    SCOPED_TRACE(concat_text(to_string(set), " trans ", c.trans_a, c.trans_b, " m ", c.m, " n ", c.n, " k ", c.k));
    set_instruction_set(set);
    set_num_threads(1);
    const std::vector<T> got = product(c, a, lda, b, ldb, c0, ldc);
    double worst = 0;
    bool gaps_kept = true;
    for (Index i = 0; i < c.m; ++i) {
      for (Index j = 0; j < ldc; ++j) {
        const double value = static_cast<double>(got[static_cast<std::size_t>(i * ldc + j)]);
        if (j >= c.n) {
          gaps_kept = gaps_kept && value == sentinel;
        } else {
          const double error = std::abs(value - expected[static_cast<std::size_t>(i * c.n + j)]);
          worst = error <= worst ? worst : error;  // keeps NaN
        }
      }
    }
    EXPECT_LE(worst, tolerance);
    EXPECT_TRUE(gaps_kept);
    for (const int threads : {2, 3, 5, 8}) {
      set_num_threads(threads);
      EXPECT_EQ(got, product(c, a, lda, b, ldb, c0, ldc)) << threads << " threads";
    }
  }
}

class GemmTest : public ::testing::TestWithParam<Case> {};

TEST_P(GemmTest, F32) { check_case<float>(GetParam()); }
TEST_P(GemmTest, F64) { check_case<double>(GetParam()); }

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      for (const auto& [m, n, k] : std::vector<std::array<Index, 3>>{{1, 1, 1},
                                                                     {1, 33, 5},
                                                                     {2, 7, 1},
                                                                     {13, 31, 3},
                                                                     {14, 32, 64},
                                                                     {15, 65, 17},
                                                                     {29, 16, 100},
                                                                     {101, 50, 37},
                                                                     {3, 101, 259},
                                                                     {64, 5, 1030},
                                                                     {70, 11, 2100}})
        all.push_back({trans_a, trans_b, m, n, k, 1, 0});
      all.push_back({trans_a, trans_b, 20, 35, 40, 0.5, 1});
      all.push_back({trans_a, trans_b, 20, 35, 0, 1, 0.5});
      all.push_back({trans_a, trans_b, 9, 130, 300, -1.5, 0.25});
    }
  }
  all.push_back({true, false, 300, 50, 3000, 1, 0});
  all.push_back({true, false, 300, 50, 3000, 1, 1});
  all.push_back({false, false, 500, 50, 200, 1, 0});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, GemmTest, ::testing::ValuesIn(cases()));

TEST(GemmTest, RefusesShortLeadingDimension) {
  std::vector<float> v(100);
  EXPECT_THROW(linalg::gemm(false, false, 4, 4, 4, 1.0f, v.data(), 3, v.data(), 4, 0.0f, v.data(), 4), Error);
  EXPECT_THROW(linalg::gemm(true, false, 5, 4, 4, 1.0f, v.data(), 4, v.data(), 4, 0.0f, v.data(), 4), Error);
}

TEST(InstructionSetTest, NamesAndOrder) {
  const Restore restore;
  EXPECT_STREQ(to_string(InstructionSet::portable), "portable");
  EXPECT_STREQ(to_string(InstructionSet::avx2), "avx2");
  EXPECT_STREQ(to_string(InstructionSet::avx512), "avx512");
  set_instruction_set(InstructionSet::portable);
  EXPECT_EQ(instruction_set(), InstructionSet::portable);
  if (best_instruction_set() < InstructionSet::avx512) {
    EXPECT_THROW(set_instruction_set(InstructionSet::avx512), UsageError);
  }
}

}  // namespace gemm_test
