// kernels/elementwise.cu on the emulated device against tinyvision/reference/{elementwise,pad,dropout}.hpp.
#include "tinyvision/reference/elementwise.hpp"

#include <limits>

#include "kernels/device_map.hpp"
#include "support/philox.h"
#include "tinyvision/reference/dropout.hpp"
#include "tinyvision/reference/pad.hpp"

namespace elementwise_test {

using namespace tinyvision;
using namespace device_test;

constexpr std::uint64_t seed = 0x123456789abcdef0u, step = 0xfedcba9800000007u;

struct Case {
  Index rows, channels, gap, b_gap;
  Activation activation;
  bool accumulate;
};

/// Every operation on [rows, channels]; results must agree with the reference in f64 on the same inputs.
template <class T>
void check(const Case& k, double tolerance) {
  SCOPED_TRACE(::testing::Message() << k.rows << "x" << k.channels << " gaps " << k.gap << "," << k.b_gap << " "
                                    << to_string(k.activation) << " accumulate " << k.accumulate << " " << sizeof(T)
                                    << " bytes");
  const Index n = k.rows, c = k.channels;
  Map<T> a(n, c, k.gap, 1), b(n, c, k.b_gap, 2);
  for (T& v : a.values) v = narrow<T>(4.0 * static_cast<double>(widen(v)));  // beyond 6 too
  Map<double> wa = wide(a), wb = wide(b);
  const auto act = static_cast<device::Activation>(k.activation);
  const double limit = tolerance + rounding<T>();

  in_both_orders([&] {
    std::vector<char> bytes;
    Map<T> y(n, c, k.gap, 3), sum = y, dx(n, c, k.gap, 4), scaled = dx, copy = dx, dropped = dx;
    Map<double> wy = wide(y), wsum = wide(sum), wdx = wide(dx), wscaled = wdx, wcopy = wdx, wdropped = wdx;

    device::activation_forward<T>(n, c, a.data(), a.pitch, act, y.data(), y.pitch, nullptr);
    reference::activation_forward<double>(n, c, wa.data(), wa.pitch, k.activation, wy.data(), wy.pitch);
    EXPECT_EQ(difference(y, wy), 0);
    device::activation_backward<T>(n, c, b.data(), b.pitch, y.data(), y.pitch, act, dx.data(), dx.pitch, k.accumulate,
                                   nullptr);
    reference::activation_backward<double>(n, c, wb.data(), wb.pitch, wy.data(), wy.pitch, k.activation, wdx.data(),
                                           wdx.pitch, k.accumulate);
    EXPECT_LE(difference(dx, wdx), k.accumulate ? limit : 0);
    device::add<T>(n, c, a.data(), a.pitch, b.data(), b.pitch, act, sum.data(), sum.pitch, nullptr);
    reference::add<double>(n, c, wa.data(), wa.pitch, wb.data(), wb.pitch, k.activation, wsum.data(), wsum.pitch);
    EXPECT_LE(difference(sum, wsum), limit);
    device::scale<T>(n, c, b.data(), b.pitch, -0.75f, scaled.data(), scaled.pitch, k.accumulate, nullptr);
    reference::scale<double>(n, c, wb.data(), wb.pitch, -0.75, wscaled.data(), wscaled.pitch, k.accumulate);
    EXPECT_LE(difference(scaled, wscaled), limit);
    device::copy_channels<T>(n, c, a.data(), a.pitch, copy.data(), copy.pitch, k.accumulate, nullptr);
    reference::scale<double>(n, c, wa.data(), wa.pitch, 1, wcopy.data(), wcopy.pitch, k.accumulate);
    EXPECT_LE(difference(copy, wcopy), k.accumulate ? limit : 0);
    const auto keep_share = static_cast<device::Accumulator<T>>(0.7);
    device::dropout<T>(n, c, seed, step, nullptr, keep_share, a.data(), a.pitch, dropped.data(), dropped.pitch,
                       k.accumulate, nullptr);
    reference::dropout<double>(n, c, Random(seed, Stream::dropout, step), static_cast<double>(keep_share), wa.data(),
                               wa.pitch, wdropped.data(), wdropped.pitch, k.accumulate);
    EXPECT_LE(difference(dropped, wdropped), limit);

    Map<T> own = a;  // in place: own += b
    Map<double> wown = wide(own);
    device::add<T>(n, c, own.data(), own.pitch, b.data(), b.pitch, device::Activation::none, own.data(), own.pitch,
                   nullptr);
    reference::add<double>(n, c, wown.data(), wown.pitch, wb.data(), wb.pitch, Activation::none, wown.data(),
                           wown.pitch);
    EXPECT_LE(difference(own, wown), limit);
    keep(bytes, y.values), keep(bytes, dx.values), keep(bytes, sum.values), keep(bytes, scaled.values);
    keep(bytes, copy.values), keep(bytes, dropped.values), keep(bytes, own.values);
    return bytes;
  });
}

struct Frame {
  Index batch, h, w, channels, top, bottom, left, right, gap;
  bool accumulate;
};

template <class T>
void check_pad(const Frame& f, double tolerance) {
  SCOPED_TRACE(::testing::Message() << f.batch << "x" << f.h << "x" << f.w << "x" << f.channels << " by " << f.top
                                    << "," << f.bottom << "," << f.left << "," << f.right << " gap " << f.gap
                                    << " accumulate " << f.accumulate << " " << sizeof(T) << " bytes");
  const Index out_h = f.top + f.h + f.bottom, out_w = f.left + f.w + f.right;
  const Map<T> x(f.batch * f.h * f.w, f.channels, f.gap, 1), dy(f.batch * out_h * out_w, f.channels, 2 * f.gap, 2);
  Map<double> wx = wide(x), wdy = wide(dy);
  const double limit = f.accumulate ? tolerance + rounding<T>() : 0;
  in_both_orders([&] {
    Map<T> y(dy.rows, f.channels, 2 * f.gap, 3), dx(x.rows, f.channels, f.gap, 4);
    Map<double> wy = wide(y), wdx = wide(dx);
    device::zero_pad<T>(f.batch, f.h, f.w, f.channels, x.values.data(), x.pitch, f.top, f.bottom, f.left, f.right,
                        y.data(), y.pitch, f.accumulate, nullptr);
    reference::zero_pad<double>(f.batch, f.h, f.w, f.channels, wx.data(), wx.pitch, f.top, f.bottom, f.left, f.right,
                                wy.data(), wy.pitch, f.accumulate);
    EXPECT_LE(difference(y, wy), limit);
    device::crop<T>(f.batch, out_h, out_w, f.channels, dy.values.data(), dy.pitch, f.top, f.left, f.h, f.w, dx.data(),
                    dx.pitch, f.accumulate, nullptr);
    reference::crop<double>(f.batch, out_h, out_w, f.channels, wdy.data(), wdy.pitch, f.top, f.left, f.h, f.w,
                            wdx.data(), wdx.pitch, f.accumulate);
    EXPECT_LE(difference(dx, wdx), limit);
    std::vector<char> bytes;
    keep(bytes, y.values), keep(bytes, dx.values);
    return bytes;
  });
}

template <class T>
void check_all(double tolerance) {
  using enum Activation;
  for (const Case& k : std::vector<Case>{{1, 1, 0, 0, none, false},
                                         {1, 5, 3, 6, relu, true},
                                         {9, 33, 1, 2, relu6, false},
                                         {7, 16, 8, 16, relu6, true},  // packs with gaps
                                         {64, 3, 0, 0, relu, false},   // packs over pixels
                                         {5, 24, 4, 8, none, true},    // packs for f32 alone
                                         {33, 40, 0, 0, relu6, true},
                                         {8, 16, 0, 8, relu, true}})
    check<T>(k, tolerance);
  for (const Frame& f : std::vector<Frame>{{1, 1, 1, 1, 0, 0, 0, 0, 0, false},
                                           {1, 1, 1, 5, 1, 2, 3, 0, 1, true},
                                           {2, 5, 3, 33, 1, 1, 1, 1, 0, false},
                                           {3, 4, 7, 16, 0, 1, 2, 0, 8, true},
                                           {2, 3, 3, 8, 2, 0, 0, 3, 0, false}})
    check_pad<T>(f, tolerance);
}

TEST(ElementwiseKernel, EqualsTheReferenceInF32) { check_all<float>(1e-5); }
TEST(ElementwiseKernel, EqualsTheReferenceInF64) { check_all<double>(1e-12); }
TEST(ElementwiseKernel, RoundsOnceInBf16) { check_all<device::bf16>(1e-5); }

/// Two maps of 5 and 8 channels become one of 13 with a gap of 3, and come back; the second starts inside a pack.
TEST(ElementwiseKernel, ConcatenatesAndTakesApart) {
  Map<float> a(6, 5, 0, 1), b(6, 8, 4, 2), both(6, 13, 3, 3), untouched = both;
  device::copy_channels<float>(6, 5, a.data(), a.pitch, both.data(), both.pitch, false, nullptr);
  device::copy_channels<float>(6, 8, b.data(), b.pitch, both.data() + 5, both.pitch, false, nullptr);
  for (std::size_t r = 0; r < 6; ++r)
    for (std::size_t c = 0; c < 16; ++c) {
      const float expected = c < 5    ? a.values[r * 5 + c]
                             : c < 13 ? b.values[r * 12 + c - 5]
                                      : untouched.values[r * 16 + c];
      EXPECT_EQ(both.values[r * 16 + c], expected) << r << "," << c;
    }
  Map<float> back = b, gradient = b;
  for (std::size_t i = 0; i < back.values.size(); ++i)
    if (i % 12 < 8) back.values[i] = 0, gradient.values[i] = 2 * b.values[i];
  device::copy_channels<float>(6, 8, both.data() + 5, both.pitch, back.data(), back.pitch, false, nullptr);
  EXPECT_EQ(back.values, b.values);
  device::copy_channels<float>(6, 8, both.data() + 5, both.pitch, back.data(), back.pitch, true, nullptr);
  EXPECT_EQ(back.values, gradient.values);
}

TEST(ElementwiseKernel, NanPassesActivationsAndABlockedGradientIsZero) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {nan, -1, infinity, 6}, dy = {1, nan, infinity, nan};
  for (const auto act : {device::Activation::relu, device::Activation::relu6}) {
    std::vector<float> y(4), dx(4, 9.0f);
    device::activation_forward<float>(1, 4, x.data(), 4, act, y.data(), 4, nullptr);
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[1], 0);
    EXPECT_EQ(y[2], act == device::Activation::relu ? infinity : 6);
    device::activation_backward<float>(1, 4, dy.data(), 4, y.data(), 4, act, dx.data(), 4, false, nullptr);
    EXPECT_EQ(dx[1], 0) << "a gradient that is not finite does not pass either";
    EXPECT_EQ(dx[2], act == device::Activation::relu ? infinity : 0);
    EXPECT_EQ(std::isnan(dx[3]), act == device::Activation::relu);
  }
}

TEST(ElementwiseKernel, NothingIsNoWork) {
  const std::uint64_t before = emulation::device().launches;
  device::copy_channels<float>(0, 3, nullptr, 3, nullptr, 3, false, nullptr);
  device::crop<float>(2, 4, 4, 3, nullptr, 3, 1, 1, 0, 2, nullptr, 3, false, nullptr);
  EXPECT_EQ(emulation::device().launches, before);
}

TEST(PhiloxKernel, HasTheBitsOfRandom) {
  for (const std::uint64_t s : {std::uint64_t{0}, std::uint64_t{1}, seed, ~std::uint64_t{0}})
    for (const std::uint64_t t : {std::uint64_t{0}, std::uint64_t{3}, step}) {
      const Random random(s, Stream::dropout, t);
      for (std::uint64_t i = 0; i < 200; ++i) {
        const std::uint64_t index = i < 100 ? i : i * 0x9E3779B97F4A7C15u;
        EXPECT_EQ(device::random_bits(s, device::RandomStream::dropout, t, index), random.bits(index));
        EXPECT_EQ(device::random_uniform(s, device::RandomStream::dropout, t, index), random.uniform(index));
      }
    }
}

TEST(ElementwiseKernel, DropoutHasTheBitsOfTheSpecification) {
  const Index n = 50, c = 7;
  const Map<float> x(n, c, 2, 1);
  Map<float> y(n, c, 0, 2), expected = y;
  const std::int64_t base = 5;  // a recorded launch finds part of the step in memory
  device::dropout<float>(n, c, seed, step - 5, &base, 0.3f, x.values.data(), x.pitch, y.data(), y.pitch, true, nullptr);
  reference::dropout<float>(n, c, Random(seed, Stream::dropout, step), 0.3f, x.values.data(), x.pitch, expected.data(),
                            expected.pitch, true);
  EXPECT_EQ(y.values, expected.values);
}

}  // namespace elementwise_test
