// Element types and the rounding of bfloat16.
#include "tinyvision/core/dtype.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace dtype_test {

using namespace tinyvision;

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(DType, SizesAndNames) {
  const auto agrees = [](DType dtype, std::size_t size, const char* name) {
    EXPECT_EQ(size_of(dtype), size);
    EXPECT_STREQ(to_string(dtype), name);
    visit_any(dtype, [&]<class T>(T) {
      EXPECT_EQ(dtype_of<T>, dtype);
      EXPECT_EQ(sizeof(T), size);
    });
  };
  agrees(DType::f32, 4, "f32");
  agrees(DType::f64, 8, "f64");
  agrees(DType::bf16, 2, "bf16");
  agrees(DType::u8, 1, "u8");
  agrees(DType::i64, 8, "i64");
}

TEST(DType, VisitFloatTakesFloatsOnly) {
  EXPECT_EQ(visit_float("test", DType::f32, [](auto x) { return sizeof x; }), 4u);
  EXPECT_EQ(visit_float("test", DType::f64, [](auto x) { return sizeof x; }), 8u);
  for (const DType dtype : {DType::bf16, DType::u8, DType::i64})
    EXPECT_THROW(visit_float("test", dtype, [](auto) {}), Error);
}

TEST(Bfloat16, EveryValueSurvivesARoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    bfloat16 value;
    value.bits = static_cast<std::uint16_t>(bits);
    const float f = static_cast<float>(value);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(f))));
    } else {
      EXPECT_EQ(bfloat16(f).bits, bits);
    }
  }
}

TEST(Bfloat16, RoundsToNearestTiesToEven) {
  EXPECT_EQ(bfloat16(from_bits(0x3f808000)).bits, 0x3f80);  // tie: even below
  EXPECT_EQ(bfloat16(from_bits(0x3f818000)).bits, 0x3f82);  // tie: even above
  EXPECT_EQ(bfloat16(from_bits(0x3f808001)).bits, 0x3f81);
  EXPECT_EQ(bfloat16(from_bits(0x3f807fff)).bits, 0x3f80);
  EXPECT_EQ(bfloat16(from_bits(0xbf818000)).bits, 0xbf82);  // sign does not matter
  EXPECT_EQ(bfloat16(from_bits(0x00008000)).bits, 0x0000);  // subnormal tie
  EXPECT_EQ(bfloat16(from_bits(0x00018000)).bits, 0x0002);
  EXPECT_EQ(bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80);  // overflows to infinity, as IEEE rounding does
  EXPECT_EQ(bfloat16(-std::numeric_limits<float>::infinity()).bits, 0xff80);
}

// The nearest of the two neighbours, found without bit tricks.
TEST(Bfloat16, IsTheNearestNeighbour) {
  for (std::uint32_t i = 0; i < 200000; ++i) {
    const std::uint32_t bits = i * 21401u + (i << 13);
    const float x = from_bits(bits);
    if (!std::isfinite(x)) continue;
    const double rounded = static_cast<double>(bfloat16(x));
    bfloat16 down, up;
    down.bits = static_cast<std::uint16_t>(bits >> 16);
    up.bits = static_cast<std::uint16_t>(down.bits + 1);
    const double below = std::fabs(x - static_cast<double>(down)), above = std::fabs(static_cast<double>(up) - x);
    if (!std::isfinite(static_cast<double>(up))) continue;
    EXPECT_EQ(std::fabs(x - rounded), std::min(below, above)) << bits;
  }
}

TEST(Bfloat16, NanStaysNan) {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0x7fc00000u})
    EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(from_bits(bits))))) << bits;
}

}  // namespace dtype_test
