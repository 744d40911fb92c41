// Arrays with gaps for kernel tests, and comparisons of a fast kernel with its reference.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/linalg/simd.hpp"

namespace tinyvision_test {

using tinyvision::Index;

/// Largest difference allowed, as a share of the largest magnitude.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

/// A [rows, channels] array whose pixels are `pitch` apart. Gaps hold a sentinel that kernels must leave alone.
template <class T>
struct Map {
  static constexpr T sentinel = T(-12345.5);
  Index rows, channels, pitch;
  std::vector<T> values;

  Map(Index rows_, Index channels_, Index gap = 0)
      : rows(rows_),
        channels(channels_),
        pitch(channels_ + gap),
        values(static_cast<std::size_t>(rows * pitch), sentinel) {}

  T& at(Index r, Index c) { return values[static_cast<std::size_t>(r * pitch + c)]; }
  const T& at(Index r, Index c) const { return values[static_cast<std::size_t>(r * pitch + c)]; }
  T* data() { return values.data(); }
  const T* data() const { return values.data(); }

  Map& random(std::uint64_t seed, double low = -2, double high = 2) {
    const tinyvision::Random random(seed, tinyvision::Stream::test);
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < channels; ++c)
        at(r, c) = static_cast<T>(random.uniform(static_cast<std::uint64_t>(r * channels + c), low, high));
    return *this;
  }
  Map& fill(T value) {
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < channels; ++c) at(r, c) = value;
    return *this;
  }
};

template <class T>
std::vector<T> random_vector(Index count, std::uint64_t seed, double low = -2, double high = 2) {
  return Map<T>(1, count).random(seed, low, high).values;
}

/// max|a-b| <= tol * max|b|, NaN exactly where `b` has NaN.
template <class T>
void expect_close(const std::vector<T>& a, const std::vector<T>& b, double tol = tolerance<T>) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::isnan(a[i]), std::isnan(b[i])) << "at " << i << ": " << a[i] << " against " << b[i];
    if (std::isnan(b[i]) || a[i] == b[i]) {
      if (std::isfinite(b[i]) && b[i] != Map<T>::sentinel) largest = std::fmax(largest, std::fabs(double(b[i])));
      continue;
    }
    ASSERT_TRUE(std::isfinite(a[i]) && std::isfinite(b[i])) << "at " << i << ": " << a[i] << " against " << b[i];
    largest = std::fmax(largest, std::fabs(double(b[i])));
    difference = std::fmax(difference, std::fabs(double(a[i]) - double(b[i])));
  }
  EXPECT_LE(difference, tol * largest);
}

/// Close where the elements are, untouched in the gaps.
template <class T>
void expect_close(const Map<T>& a, const Map<T>& b, double tol = tolerance<T>) {
  expect_close(a.values, b.values, tol);
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = a.channels; c < a.pitch; ++c)
      ASSERT_EQ(a.at(r, c), Map<T>::sentinel) << "gap written at row " << r << ", column " << c;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Restores the number of threads and the instruction set.
struct RestoreRuntime {
  int threads = tinyvision::num_threads();
  tinyvision::InstructionSet set = tinyvision::instruction_set();
  ~RestoreRuntime() {
    tinyvision::set_num_threads(threads);
    tinyvision::set_instruction_set(set);
  }
};

/// `run()` returns a vector; its bits must be the same with 1, 2, 3, 5 and 8 threads and on every instruction set.
template <class Run>
void expect_same_bits_everywhere(const Run& run) {
  const RestoreRuntime restore;
  tinyvision::set_num_threads(1);
  const auto expected = run();
  for (const int threads : {2, 3, 5, 8}) {
    tinyvision::set_num_threads(threads);
    EXPECT_TRUE(same_bits(run(), expected)) << threads << " threads";
  }
  tinyvision::set_instruction_set(tinyvision::InstructionSet::portable);
  EXPECT_TRUE(same_bits(run(), expected)) << "portable instructions";
}

using FloatTypes = ::testing::Types<float, double>;

}  // namespace tinyvision_test
