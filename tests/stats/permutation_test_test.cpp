#include "tinyvision/stats/permutation_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tinyvision/stats/mcnemar.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace permutation_test_test {

stats::PermutationOptions sampled(std::uint64_t seed, Index permutations) { return {seed, permutations, 0}; }

/// `n` hits, right with probability `p`.
std::vector<std::uint8_t> random_hits(Index n, double p, std::uint64_t step) {
  const tv::Random random(11, tv::Stream::test, step);
  std::vector<std::uint8_t> hits;
  for (Index i = 0; i < n; ++i) hits.push_back(random.uniform(static_cast<std::uint64_t>(i)) < p ? 1 : 0);
  return hits;
}

// The same data as in tests/oracle/make_stats_golden.py, which enumerates all sign patterns.
const std::vector<Index> labels{0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
const std::vector<std::uint8_t> first_hits{1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1};
const std::vector<std::uint8_t> second_hits{0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0};
constexpr double enumerated = 0.1865234375;

TEST(PermutationTest, EnumeratesFewExamples) {
  const auto result = stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3);
  EXPECT_NEAR(result.difference, 0.32564102564102571, 1e-14);
  EXPECT_TRUE(result.exact);
  EXPECT_EQ(result.permutations, Index{1} << result.exchangeable);
  EXPECT_DOUBLE_EQ(result.p_paper, enumerated);
  EXPECT_DOUBLE_EQ(result.p_value, enumerated);
}

TEST(PermutationTest, ApproachesTheEnumeratedValue) {
  const auto result = stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3, sampled(7, 40000));
  EXPECT_FALSE(result.exact);
  EXPECT_EQ(result.permutations, 40000);
  // Five standard deviations of a proportion of 40,000.
  EXPECT_NEAR(result.p_paper, enumerated, 5 * std::sqrt(enumerated * (1 - enumerated) / 40000));
  EXPECT_DOUBLE_EQ(result.p_paper, static_cast<double>(result.as_extreme) / 40000);
  EXPECT_DOUBLE_EQ(result.p_plus_one, static_cast<double>(result.as_extreme + 1) / 40001);
  EXPECT_EQ(result.p_value, result.p_plus_one);
}

TEST(PermutationTest, IsAFunctionOfTheSeed) {
  const auto p = [](std::uint64_t seed) {
    return stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3, sampled(seed, 1000)).as_extreme;
  };
  EXPECT_EQ(p(1), p(1));
  EXPECT_NE(p(1), p(2));
}

TEST(PermutationTest, WithoutDifferenceIsOne) {
  const auto result = stats::permutation_test_mean_per_class(first_hits, first_hits, labels, 3);
  EXPECT_EQ(result.p_value, 1);
  EXPECT_EQ(result.exchangeable, 0);
  EXPECT_EQ(stats::permutation_test_top1(first_hits, first_hits, sampled(0, 50)).p_plus_one, 1);
}

// Top-1 is McNemar's test: 2^12 arrangements give its p to the last bit.
TEST(PermutationTest, OfTopOneIsMcNemar) {
  for (int b = 0; b <= 12; ++b) {
    std::vector<std::uint8_t> first(20, 1), second(20, 1);
    for (int i = 0; i < 12; ++i) (i < b ? second : first)[static_cast<std::size_t>(i)] = 0;
    const auto result = stats::permutation_test_top1(first, second);
    EXPECT_TRUE(result.exact);
    EXPECT_NEAR(result.p_value, stats::mcnemar(b, 12 - b).exact, 1e-14);
    EXPECT_NEAR(result.difference, (2 * b - 12) / 20.0, 1e-15);
    // One class: mean per-class accuracy is top-1 accuracy.
    const auto same = stats::permutation_test_mean_per_class(first, second, std::vector<Index>(20, 0), 1);
    EXPECT_EQ(same.as_extreme, result.as_extreme);
  }
}

TEST(PermutationTest, OfManyExamplesApproachesMcNemar) {
  const auto first = random_hits(3000, 0.72, 1), second = random_hits(3000, 0.70, 2);
  const auto result = stats::permutation_test_top1(first, second, sampled(3, 20000));
  const double p = stats::mcnemar(first, second).exact;
  ASSERT_GT(p, 0.001);
  ASSERT_LT(p, 0.9);
  EXPECT_NEAR(result.p_paper, p, 5 * std::sqrt(p * (1 - p) / 20000));
}

/// The definition: predictions exchanged example by example, every class's accuracy counted again.
double mean_per_class_difference(std::vector<std::uint8_t> first, std::vector<std::uint8_t> second,
                                 const std::vector<Index>& of, Index classes, std::uint64_t exchanged) {
  for (std::size_t i = 0; i < first.size(); ++i)
    if ((exchanged >> i) & 1u) std::swap(first[i], second[i]);
  double difference = 0, used = 0;
  for (Index c = 0; c < classes; ++c) {
    double total = 0, right = 0;
    for (std::size_t i = 0; i < of.size(); ++i)
      if (of[i] == c) total += 1, right += first[i] - second[i];
    if (total > 0) difference += right / total, used += 1;
  }
  return difference / used;
}

TEST(PermutationTest, EqualsTheDefinitionOverAllExchanges) {
  for (std::uint64_t step = 0; step < 20; ++step) {
    const Index n = 13;
    const auto first = random_hits(n, 0.7, 3 * step), second = random_hits(n, 0.4, 3 * step + 1);
    const tv::Random random(5, tv::Stream::test, step);
    std::vector<Index> of;
    for (Index i = 0; i < n; ++i) of.push_back(random.integer(static_cast<std::uint64_t>(i), 5));
    const double observed = mean_per_class_difference(first, second, of, 5, 0);
    Index extreme = 0;
    for (std::uint64_t exchanged = 0; exchanged < (1u << n); ++exchanged)
      extreme += std::fabs(mean_per_class_difference(first, second, of, 5, exchanged)) >= std::fabs(observed) - 1e-12;
    const auto result = stats::permutation_test_mean_per_class(first, second, of, 5);
    EXPECT_NEAR(result.difference, observed, 1e-14);
    EXPECT_DOUBLE_EQ(result.p_value, static_cast<double>(extreme) / (1u << n));  // concordant examples change nothing
  }
}

TEST(PermutationTest, DoesNotDependOnTheNumberOfThreads) {
  const auto first = random_hits(1000, 0.6, 1), second = random_hits(1000, 0.57, 2);
  std::vector<Index> of;
  for (Index i = 0; i < 1000; ++i) of.push_back(i * i % 37);
  const int before = tv::num_threads();
  std::vector<Index> counts;
  for (const int threads : {1, 2, 3, 5, 8}) {
    tv::set_num_threads(threads);
    counts.push_back(stats::permutation_test_mean_per_class(first, second, of, 37, sampled(9, 3000)).as_extreme);
  }
  tv::set_num_threads(before);
  EXPECT_EQ(counts, std::vector<Index>(5, counts[0]));
  EXPECT_GT(counts[0], 0);
}

// Who waits is told, up to the end, and can stop the test; the counts do not change.
TEST(PermutationTest, ReportsProgress) {
  const auto first = random_hits(300, 0.6, 1), second = random_hits(300, 0.57, 2);
  stats::PermutationOptions options = sampled(9, 10000);
  const Index expected = stats::permutation_test_top1(first, second, options).as_extreme;
  std::vector<Index> seen;
  options.progress = [&](Index done, Index total) {
    EXPECT_EQ(total, 10000);
    seen.push_back(done);
  };
  EXPECT_EQ(stats::permutation_test_top1(first, second, options).as_extreme, expected);
  EXPECT_GE(seen.size(), 32u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 10000);
  options.progress = [](Index, Index) { throw std::runtime_error("stop"); };
  EXPECT_THROW(stats::permutation_test_top1(first, second, options), std::runtime_error);
}

// Three images, two classes; the second image's class 1 is difficult.
const std::vector<std::int8_t> truth{1, -1, -1, 0, 1, 1};

TEST(PermutationTest, OfLabelsExchangesWholeExamples) {
  // Right cells of the first: 1 1 / 1 . / 1 1, of the second: 0 0 / 1 . / 0 1: differences 2, 0, 1 of 5 cells.
  const auto first = tv::Tensor::from_vector<float>({3, 2}, {2, -1, -3, 9, 1, 1});
  const auto second = tv::Tensor::from_vector<float>({3, 2}, {-2, 1, -3, -9, 0, 1});  // a logit of 0 is no prediction
  const auto result = stats::permutation_test_label_accuracy(first, second, truth);
  EXPECT_NEAR(result.difference, 0.6, 1e-15);
  EXPECT_EQ(result.exchangeable, 2);
  EXPECT_EQ(result.p_value, 0.5);  // +3 and -3 of +-3, +-1
  const auto cells = stats::permutation_test_label_accuracy(first, second, truth, {}, stats::LabelExchange::cells);
  EXPECT_EQ(cells.exchangeable, 3);
  EXPECT_EQ(cells.p_value, 0.25);
  // With the threshold below everything both say yes throughout.
  EXPECT_EQ(
      stats::permutation_test_label_accuracy(first, second, truth, {}, stats::LabelExchange::examples, -100).difference,
      0);
}

TEST(PermutationTest, OfMeanAveragePrecisionEqualsTheDefinition) {
  constexpr Index n = 7, classes = 3;
  const tv::Random random(2, tv::Stream::test, 4);
  std::vector<double> scores[2];
  std::vector<std::int8_t> wanted;
  for (Index i = 0; i < n * classes; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    wanted.push_back(static_cast<std::int8_t>(random.integer(3 * at, 3) - 1));
    for (std::uint64_t m = 0; m < 2; ++m)  // rounded, so that scores tie
      scores[m].push_back(std::round(random.normal(3 * at + 1 + m) * 2 + (m == 0 ? 1.5 : 0) * wanted.back()));
  }
  const auto map = [&](const std::vector<double>& values) {
    return stats::mean_average_precision(tv::Tensor::from_vector<double>({n, classes}, values), wanted).value;
  };
  const double observed = map(scores[0]) - map(scores[1]);
  Index extreme = 0;
  for (unsigned exchanged = 0; exchanged < (1u << n); ++exchanged) {
    std::vector<double> a = scores[0], b = scores[1];
    for (Index i = 0; i < n; ++i)
      for (Index c = 0; (exchanged >> i) % 2 == 1 && c < classes; ++c)
        std::swap(a[static_cast<std::size_t>(i * classes + c)], b[static_cast<std::size_t>(i * classes + c)]);
    extreme += std::fabs(map(a) - map(b)) >= std::fabs(observed) - 1e-12;
  }
  const auto first = tv::Tensor::from_vector<double>({n, classes}, scores[0]);
  const auto second = tv::Tensor::from_vector<double>({n, classes}, scores[1]);
  const auto result = stats::permutation_test_mean_average_precision(first, second, wanted);
  EXPECT_TRUE(result.exact);
  EXPECT_NE(observed, 0);
  EXPECT_NEAR(result.difference, observed, 1e-14);
  EXPECT_EQ(result.as_extreme, extreme);
  EXPECT_LT(extreme, 1 << n);
}

TEST(PermutationTest, RefusesBadInput) {
  EXPECT_THROW(stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 2), tv::Error);
  EXPECT_THROW(stats::permutation_test_mean_per_class(first_hits, second_hits, labels, 3, sampled(0, 0)), tv::Error);
  EXPECT_THROW(stats::permutation_test_mean_per_class({}, {}, {}, 3), tv::Error);
  EXPECT_THROW(stats::permutation_test_top1(first_hits, std::vector<std::uint8_t>{1}), tv::Error);
  EXPECT_THROW(stats::permutation_test_top1(first_hits, second_hits, {0, 1, Index{1} << 31}), tv::Error);
  const auto nan = tv::Tensor::from_vector<float>({3, 2}, {2, -1, -3, 9, std::nanf(""), 1});
  const auto good = tv::Tensor::from_vector<float>({3, 2}, {2, -1, -3, 9, 1, 1});
  EXPECT_THROW(stats::permutation_test_label_accuracy(good, nan, truth), tv::Error);
  EXPECT_THROW(stats::permutation_test_mean_average_precision(good, nan, truth), tv::Error);
  EXPECT_THROW(stats::permutation_test_label_accuracy(good, good, std::vector<std::int8_t>(6, 0)), tv::Error);
  EXPECT_THROW(stats::permutation_test_label_accuracy(good, good, std::vector<std::int8_t>(6, 2)), tv::Error);
}

}  // namespace permutation_test_test
