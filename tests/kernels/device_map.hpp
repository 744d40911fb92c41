// Arrays for tests of the kernels: maps with gaps between pixels, in every type, and comparisons with f64.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "emulation/emulation.hpp"
#include "tinyvision/core/random.hpp"
#include "tinyvision/cuda/kernels.h"

namespace device_test {

namespace device = tinyvision_emulated;
using tinyvision::Index;
using tinyvision::Random;
using tinyvision::Stream;

inline float widen(device::bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }
inline float widen(float x) { return x; }
inline double widen(double x) { return x; }

template <class T>
T narrow(double x) {
  return static_cast<T>(x);
}
template <>
inline device::bf16 narrow<device::bf16>(double x) {  // to nearest, by comparing the two neighbours
  const float value = static_cast<float>(x);
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const device::bf16 down{static_cast<std::uint16_t>(bits >> 16)}, up{static_cast<std::uint16_t>((bits >> 16) + 1)};
  const float below = std::fabs(value - widen(down)), above = std::fabs(widen(up) - value);
  if (below == above) return down.bits % 2 == 0 ? down : up;
  return below < above ? down : up;
}

/// [rows, channels] with gaps after each row that must stay as they are.
template <class T>
struct Map {
  Index rows, channels, pitch;
  std::vector<T> values;
  Map(Index rows_, Index channels_, Index gap, std::uint64_t seed)
      : rows(rows_), channels(channels_), pitch(channels_ + gap), values(static_cast<std::size_t>(rows_ * pitch)) {
    const Random random(9, Stream::test, seed);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = narrow<T>(random.normal(i));
  }
  T* data() { return values.data(); }
};

/// The largest |a - b| over the channels of each row, relative to the largest |b|; gaps must be equal.
template <class T, class R>
double difference(const Map<T>& a, const Map<R>& b) {
  double largest = 0, worst = 0;
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; c < a.pitch; ++c) {
      const double x = static_cast<double>(widen(a.values[static_cast<std::size_t>(r * a.pitch + c)]));
      const double y = static_cast<double>(b.values[static_cast<std::size_t>(r * b.pitch + c)]);
      if (c >= a.channels) {
        EXPECT_EQ(x, y) << "a gap was written";
      } else {
        EXPECT_EQ(std::isnan(x), std::isnan(y));
        largest = std::max(largest, std::fabs(y)), worst = std::max(worst, std::fabs(x - y));
      }
    }
  return largest == 0 ? worst : worst / largest;
}
template <class A>
double difference(const std::vector<A>& a, const std::vector<double>& b) {
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(std::isnan(a[i]), std::isnan(b[i]));
    largest = std::max(largest, std::fabs(b[i])), worst = std::max(worst, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  return largest == 0 ? worst : worst / largest;
}

/// The same values in f64.
template <class T>
Map<double> wide(const Map<T>& m) {
  Map<double> w(m.rows, m.channels, m.pitch - m.channels, 0);
  for (std::size_t i = 0; i < m.values.size(); ++i) w.values[i] = static_cast<double>(widen(m.values[i]));
  return w;
}

/// Half a unit of bf16's 8 bits, relative; 0 for types that keep what was computed.
template <class T>
double rounding() {
  return std::is_same_v<T, device::bf16> ? std::ldexp(1.0, -8) : 0;
}

/// Runs `body` with the threads of a block in either order; the arrays it returns must have the same bytes.
template <class Body>
void in_both_orders(const Body& body) {
  emulation::device().order = emulation::Order::forward;
  const auto first = body();
  emulation::device().order = emulation::Order::backward;
  const auto second = body();
  emulation::device().order = emulation::Order::forward;
  ASSERT_EQ(first.size(), second.size());
  EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size()), 0)
      << "the order of the threads shows in the result";
}

/// Appends the bytes of an array.
template <class V>
void keep(std::vector<char>& bytes, const V& v) {
  const char* begin = reinterpret_cast<const char*>(v.data());
  bytes.insert(bytes.end(), begin, begin + v.size() * sizeof(v[0]));
}

}  // namespace device_test
