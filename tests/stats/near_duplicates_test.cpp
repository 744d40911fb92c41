#include "tinyvision/stats/near_duplicates.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tinyvision/core/random.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace near_duplicates_test {

/// Few directions in few dimensions, so that many pairs are close; each third row is a scaled copy of an earlier one.
tv::Tensor features(Index n, Index d, std::uint64_t step) {
  const tv::Random random(8, tv::Stream::test, step);
  tv::Tensor x = tv::Tensor::empty({n, d});
  for (Index i = 0; i < n; ++i)
    for (Index k = 0; k < d; ++k)
      x.data<float>()[i * d + k] = i % 3 == 2
                                       ? 4 * x.data<float>()[i / 2 * d + k]
                                       : static_cast<float>(random.normal(static_cast<std::uint64_t>(i * d + k)));
  return x;
}

std::vector<stats::NearDuplicate> by_definition(const tv::Tensor& a, const tv::Tensor& b, double threshold,
                                                bool within) {
  std::vector<stats::NearDuplicate> pairs;
  const Index d = a.dim(1);
  for (Index i = 0; i < a.dim(0); ++i)
    for (Index j = within ? i + 1 : 0; j < b.dim(0); ++j) {
      double product = 0, aa = 0, bb = 0;
      for (Index k = 0; k < d; ++k) {
        const double x = a.data<float>()[i * d + k], y = b.data<float>()[j * d + k];
        product += x * y, aa += x * x, bb += y * y;
      }
      if (product / std::sqrt(aa * bb) >= threshold) pairs.push_back({i, j, product / std::sqrt(aa * bb)});
    }
  return pairs;
}

void expect_equal(const std::vector<stats::NearDuplicate>& found, const std::vector<stats::NearDuplicate>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t p = 0; p < found.size(); ++p) {
    EXPECT_EQ(found[p].first, wanted[p].first);
    EXPECT_EQ(found[p].second, wanted[p].second);
    EXPECT_NEAR(found[p].cosine, wanted[p].cosine, 1e-14);
  }
}

TEST(NearDuplicates, AreAllPairsAboveTheThreshold) {
  // More rows than one block of the second set has.
  const tv::Tensor a = features(90, 5, 1), b = features(2100, 5, 2);
  const auto wanted = by_definition(a, b, 0.9, false);
  ASSERT_GT(wanted.size(), 100u);
  ASSERT_LT(wanted.size(), 50000u);
  expect_equal(stats::near_duplicates(a, b, 0.9), wanted);
  expect_equal(stats::near_duplicates(a.to(tv::DType::f64), b, 0.9), wanted);
}

TEST(NearDuplicates, WithinASetNameEachPairOnce) {
  const tv::Tensor a = features(200, 16, 3);
  const auto wanted = by_definition(a, a, 0.7, true);
  ASSERT_GT(wanted.size(), 60u);
  expect_equal(stats::near_duplicates_within(a, 0.7), wanted);
}

TEST(NearDuplicates, ReportProgress) {
  const tv::Tensor a = features(90, 5, 1), b = features(2100, 5, 2);
  std::vector<Index> seen;
  const auto progress = [&](Index done, Index all) {
    EXPECT_EQ(all, 90 * 2100);
    seen.push_back(done);
  };
  EXPECT_EQ(stats::near_duplicates(a, b, 0.9, progress), stats::near_duplicates(a, b, 0.9));
  EXPECT_EQ(seen, (std::vector<Index>{90 * 2048, 90 * 2100}));  // block by block of the second set
}

// Cosines nearer to the threshold than f32 products can tell: 1 - 1e-10 passes, 1 - 4e-10 does not.
TEST(NearDuplicates, AreDecidedInDoublePrecision) {
  const auto a = tv::Tensor::from_vector<double>({1, 2}, {1, 0});
  const auto at = [](double distance) { return std::sqrt(2 * distance); };  // cos(sqrt(2 e)) = 1 - e to 1e-20
  const auto b = tv::Tensor::from_vector<double>({2, 2}, {1, at(1e-10), 1, at(4e-10)});
  const auto found = stats::near_duplicates(a, b, 1 - 2e-10);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].second, 0);
  EXPECT_NEAR(1 - found[0].cosine, 1e-10, 1e-14);
}

TEST(NearDuplicates, DoNotDependOnThreadsOrInstructionSet) {
  const tv::Tensor a = features(120, 33, 4), b = features(150, 33, 5);
  const int before = tv::num_threads();
  const auto set = tv::instruction_set();
  const auto wanted = stats::near_duplicates(a, b, 0.3);
  ASSERT_GT(wanted.size(), 10u);
  for (const int threads : {1, 2, 3, 5, 8}) {
    tv::set_num_threads(threads);
    EXPECT_EQ(stats::near_duplicates(a, b, 0.3), wanted);
  }
  tv::set_instruction_set(tv::InstructionSet::portable);
  EXPECT_EQ(stats::near_duplicates(a, b, 0.3), wanted);
  tv::set_instruction_set(set);
  tv::set_num_threads(before);
}

TEST(NearDuplicates, RowsOfZerosHaveNoDirection) {
  const auto x = tv::Tensor::from_vector<float>({3, 2}, {0, 0, 1, 1, 2, 2});
  const auto found = stats::near_duplicates_within(x, -0.5);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].first, 1);
  EXPECT_TRUE(stats::near_duplicates(x, tv::Tensor::zeros({0, 2}), 0.5).empty());
}

TEST(NearDuplicates, ExtremeLengthsDoNotMatter) {
  const auto a = tv::Tensor::from_vector<double>({1, 2}, {1e300, 1e300});
  const auto b = tv::Tensor::from_vector<double>({1, 2}, {1e-300, 1e-300});
  const auto found = stats::near_duplicates(a, b, 0.999);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(found[0].cosine, 1, 1e-15);
}

TEST(NearDuplicates, RefuseBadInput) {
  const tv::Tensor a = features(4, 3, 6);
  EXPECT_THROW(stats::near_duplicates(a, features(4, 2, 6), 0.9), tv::UsageError);
  for (const double threshold : {-1.0, 1.5, std::nan("")})
    EXPECT_THROW(stats::near_duplicates_within(a, threshold), tv::UsageError);
  tv::Tensor bad = a.clone();
  bad.data<float>()[10] = std::numeric_limits<float>::infinity();
  try {
    stats::near_duplicates(a, bad, 0.9);
    ADD_FAILURE();
  } catch (const tv::UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("second set: row 3, column 1 is inf"), std::string::npos) << error.what();
  }
}

}  // namespace near_duplicates_test
