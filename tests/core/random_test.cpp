// Random numbers: the generator against its published vectors, the distributions against their moments and functions.
#include "tinyvision/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace random_test {

using namespace tinyvision;
using Counter = std::array<std::uint32_t, 4>;

// Known answers of Philox4x32-10: file kat_vectors of the authors' Random123 library.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Quantiles from 50-digit arithmetic at exactly these doubles. AS 241 promises 1 part in 1e16; a few roundings add up.
TEST(NormalQuantile, HighPrecisionValues) {
  const std::vector<std::pair<double, double>> values{
      {0x1.0000000000000p-53, -8.2095361516013868556},  {0x1.56e1fc2f8f359p-997, -37.047096299361199237},
      {0x1.bff2ee48e0530p-333, -21.273453560965324294}, {0x1.cd2b297d889bcp-54, -8.2220822161304356152},
      {0x1.b7cdfd9d7bdbbp-34, -6.3613409024040561991},  {0x1.4f8b588e368f1p-17, -4.2648907939228246102},
      {0x1.0624dd2f1a9fcp-10, -3.0902323061678135354},  {0x1.74bcf82c9d860p-6, -1.9999999999999999743},
      {0x1.3333333333333p-4, -1.4395314709384559349},   {0x1.3333185b40987p-4, -1.4395321773759005864},
      {0x1.999999999999ap-4, -1.2815515655446004353},   {0x1.0000000000000p-2, -0.6744897501960817432},
      {0x1.999999999999ap-2, -0.25334710313579974132},  {0x1.ffe5c91d14e3cp-2, -0.00025066283008800749239},
      {0x1.3333333333333p-1, 0.25334710313579974132},   {0x1.8000000000000p-1, 0.6744897501960817432},
      {0x1.d99999999999ap-1, 1.4395314709384562291},    {0x1.d9999cf497ecfp-1, 1.4395321773759004884},
      {0x1.e666666666666p-1, 1.6448536269514722843},    {0x1.f333333333333p-1, 1.9599639845400538556},
      {0x1.ff7ced916872bp-1, 3.0902323061678132778},    {0x1.fffffff800000p-1, 6.0093535655307438932},
      {0x1.fffffffffffffp-1, 8.2095361516013868556}};
  for (const auto& [p, quantile] : values) EXPECT_NEAR(normal_quantile(p), quantile, 1e-15 * std::fabs(quantile)) << p;
  EXPECT_EQ(normal_quantile(0.5), 0);
}

TEST(NormalQuantile, IsOddAndIncreasing) {
  double previous = -40;
  for (int i = 1; i < 4096; ++i) {
    const double p = i / 4096.0, z = normal_quantile(p);
    EXPECT_GT(z, previous);
    EXPECT_EQ(normal_quantile(1 - p), -z);
    previous = z;
  }
}

TEST(NormalQuantile, PortableLogarithm) {
  for (double x = 1e-300; x < 1e300; x *= 1.7) {
    const double expected = std::log(x);
    EXPECT_NEAR(detail::portable_log(x), expected, 4e-16 * std::max(1.0, std::fabs(expected))) << x;
  }
  for (int i = -1000; i <= 1000; ++i) {
    const double x = 1 + i * 0x1p-12;
    EXPECT_NEAR(detail::portable_log(x), std::log(x), 2 * 0x1p-52 * std::fabs(std::log(x))) << x;  // two units
  }
  EXPECT_EQ(detail::portable_log(1), 0);
}

TEST(Random, AValueIsAFunctionOfSeedStreamStepAndIndex) {
  const Random a(7, Stream::test, 3);
  EXPECT_EQ(a.bits(5), Random(7, Stream::test, 3).bits(5));
  std::set<std::uint64_t> values;
  Index drawn = 0;
  for (const std::uint64_t seed : {0ull, 1ull, 1ull << 32, ~0ull})
    for (const Stream stream : {Stream::initialiser, Stream::dropout, Stream::shuffle, Stream::augment, Stream::split})
      for (const std::uint64_t step : {0ull, 1ull, 1ull << 32, 1ull << 63})
        for (const std::uint64_t index : {0ull, 1ull, 1ull << 32, 1ull << 63})
          values.insert(Random(seed, stream, step).bits(index)), ++drawn;
  EXPECT_EQ(static_cast<Index>(values.size()), drawn);
}

// Frozen values: a change of any of them changes every recorded result.
TEST(Random, FrozenValues) {
  const auto words = philox4x32({5, 0, 3, 0}, {7, 6u << 24});
  const Random random(7, Stream::test, 3);
  EXPECT_EQ(random.bits(5), (std::uint64_t{words[1]} << 32) | words[0]);
  EXPECT_EQ(random.uniform(5), (static_cast<double>(random.bits(5) >> 12) + 0.5) / 4503599627370496.0);
}

TEST(Random, UniformMomentsAndEnds) {
  const Random random(1, Stream::test);
  const int n = 200000;
  double sum = 0, squares = 0, low = 1, high = 0;
  std::vector<int> bins(64, 0);
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(static_cast<std::uint64_t>(i));
    sum += u, squares += u * u, low = std::min(low, u), high = std::max(high, u);
    ++bins[static_cast<std::size_t>(u * 64)];
  }
  EXPECT_GT(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
  double chi2 = 0;
  for (const int count : bins) chi2 += std::pow(count - n / 64.0, 2) / (n / 64.0);
  EXPECT_LT(chi2, 63 + 5 * std::sqrt(2 * 63.0));
  EXPECT_GT(chi2, 63 - 5 * std::sqrt(2 * 63.0));
  EXPECT_GE(random.uniform(3, -2, 5), -2);
  EXPECT_EQ(random.uniform(3, -2, 5), -2 + 7 * random.uniform(3));
}

// Largest gap between the sample's distribution function and the exact one (Kolmogorov-Smirnov); at n = 50000 it
// exceeds 1.95/sqrt(n) once in a thousand samples.
double ks_distance(std::vector<double> sample, const std::function<double(double)>& distribution) {
  std::sort(sample.begin(), sample.end());
  const double n = static_cast<double>(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = distribution(sample[i]);
    distance = std::max({distance, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return distance;
}

TEST(Random, NormalAndTruncatedNormalDistributions) {
  const Random random(2, Stream::test);
  const auto phi = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
  const int n = 50000;
  std::vector<double> normal, truncated;
  for (int i = 0; i < n; ++i) {
    normal.push_back(random.normal(static_cast<std::uint64_t>(i)));
    truncated.push_back(random.truncated_normal(static_cast<std::uint64_t>(i)));
  }
  EXPECT_LT(ks_distance(normal, phi), 1.95 / std::sqrt(n));
  const double tail = phi(-2);
  EXPECT_LT(ks_distance(truncated, [&](double z) { return (phi(z) - tail) / (1 - 2 * tail); }), 1.95 / std::sqrt(n));
  for (const double z : truncated) EXPECT_LE(std::fabs(z), 2);
  double squares = 0;
  for (const double z : truncated) squares += z * z;
  EXPECT_NEAR(squares / n, 0.7737413, 0.02);  // the variance that the 1.3 of variance scaling makes up for
  EXPECT_GT(*std::max_element(truncated.begin(), truncated.end()), 1.99);
}

TEST(Random, Integers) {
  const Random random(3, Stream::test);
  for (const Index n : {1, 2, 7, 10}) {
    std::vector<Index> counts(static_cast<std::size_t>(n), 0);
    const int draws = 70000;
    for (int i = 0; i < draws; ++i) {
      const Index k = random.integer(static_cast<std::uint64_t>(i), n);
      ASSERT_GE(k, 0);
      ASSERT_LT(k, n);
      ++counts[static_cast<std::size_t>(k)];
    }
    const double p = 1.0 / static_cast<double>(n);
    for (const Index count : counts)
      EXPECT_NEAR(static_cast<double>(count), draws * p, 5 * std::sqrt(draws * p * (1 - p)) + 1e-9);
  }
  const Index large = (Index{1} << 32) - 5;
  Index highest = 0;
  for (int i = 0; i < 1000; ++i) {
    const Index k = random.integer(static_cast<std::uint64_t>(i), large);
    EXPECT_GE(k, 0);
    EXPECT_LT(k, large);
    highest = std::max(highest, k);
  }
  EXPECT_GT(highest, large - large / 100);
  EXPECT_THROW(random.integer(0, 0), Error);
  EXPECT_THROW(random.integer(0, -1), Error);
}

TEST(Random, Permutations) {
  for (const Index n : {0, 1, 2, 5, 1000}) {
    std::vector<Index> order = Random(4, Stream::shuffle, 9).permutation(n);
    std::vector<Index> identity(static_cast<std::size_t>(n));
    std::iota(identity.begin(), identity.end(), 0);
    EXPECT_EQ(order == identity, n < 1000 && std::is_sorted(order.begin(), order.end()));
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, identity);
  }
  EXPECT_NE(Random(4, Stream::shuffle, 9).permutation(100), Random(4, Stream::shuffle, 10).permutation(100));
  // All 6 orders of 3 occur equally often.
  std::vector<int> counts(27, 0);
  for (std::uint64_t step = 0; step < 12000; ++step) {
    const auto order = Random(5, Stream::test, step).permutation(3);
    ++counts[static_cast<std::size_t>(order[0] * 9 + order[1] * 3 + order[2])];
  }
  int kinds = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++kinds;
    EXPECT_NEAR(count, 2000, 5 * std::sqrt(12000.0 * 5 / 36));
  }
  EXPECT_EQ(kinds, 6);
}

}  // namespace random_test
