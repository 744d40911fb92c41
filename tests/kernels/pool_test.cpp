// kernels/pool.cu on the emulated device against tinyvision/reference/pool.hpp.
#include "tinyvision/reference/pool.hpp"

#include <limits>

#include "kernels/device_map.hpp"

namespace pool_test {

using namespace tinyvision;
using namespace device_test;

struct Case {
  Index batch, height, width, channels, kernel_h, kernel_w, stride;
  bool same;
  Index gap = 0;
  bool accumulate = false;
};

/// Output size and padding in front of one side: SAME as TensorFlow defines it, else none.
std::pair<Index, Index> side(Index in, Index kernel, Index stride, bool same) {
  if (!same) return {(in - kernel) / stride + 1, 0};
  const Index out = (in + stride - 1) / stride, pad = std::max<Index>(0, (out - 1) * stride + kernel - in);
  return {out, pad / 2};
}
WindowGeometry geometry(const Case& k) {
  WindowGeometry g;
  g.batch = k.batch, g.in_h = k.height, g.in_w = k.width, g.in_c = g.out_c = k.channels;
  g.in_pitch = g.out_pitch = k.channels + k.gap;
  g.kernel_h = k.kernel_h, g.kernel_w = k.kernel_w, g.stride_h = g.stride_w = k.stride;
  std::tie(g.out_h, g.pad_top) = side(k.height, k.kernel_h, k.stride, k.same);
  std::tie(g.out_w, g.pad_left) = side(k.width, k.kernel_w, k.stride, k.same);
  return g;
}
device::Window window(const WindowGeometry& g) {
  return {g.batch,     g.in_h,     g.in_w,     g.in_c,     g.in_pitch, g.out_h,   g.out_w,   g.out_c,
          g.out_pitch, g.kernel_h, g.kernel_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left};
}

/// Every entry on one geometry; results must agree with the reference in f64 on the same inputs.
template <class T>
void check(const WindowGeometry& g, bool accumulate, double tolerance) {
  SCOPED_TRACE(::testing::Message() << g.batch << "x" << g.in_h << "x" << g.in_w << "x" << g.in_c << " kernel "
                                    << g.kernel_h << "x" << g.kernel_w << " stride " << g.stride_h << " pad "
                                    << g.pad_top << "," << g.pad_left << " pitch " << g.in_pitch << " accumulate "
                                    << accumulate << " " << sizeof(T) << " bytes");
  const device::Window dg = window(g);
  const Index gap = g.in_pitch - g.in_c, c = g.in_c;
  Map<T> x(g.in_pixels(), c, gap, 1);
  const Map<T> dy(g.out_pixels(), c, gap, 2);
  for (std::size_t i = 0; i < x.values.size(); i += 3) x.values[i] = x.values[i / 2];  // some windows have ties
  Map<double> wx = wide(x), wdy = wide(dy);
  in_both_orders([&] {
    const std::size_t packed = static_cast<std::size_t>(g.out_pixels() * c);
    std::vector<std::uint8_t> argmax(packed, 99), wargmax(packed, 77);
    Map<T> y(g.out_pixels(), c, gap, 3), alone = y, dx(g.in_pixels(), c, gap, 4);
    Map<double> wy = wide(y), wdx = wide(dx);
    device::max_pool_forward<T>(dg, x.data(), y.data(), argmax.data(), nullptr);
    device::max_pool_forward<T>(dg, x.data(), alone.data(), nullptr, nullptr);
    device::max_pool_backward<T>(dg, dy.values.data(), argmax.data(), dx.data(), accumulate, nullptr);
    reference::max_pool_forward<double>(g, wx.data(), wy.data(), wargmax.data());
    reference::max_pool_backward<double>(g, wdy.data(), wargmax.data(), wdx.data(), accumulate);
    EXPECT_EQ(difference(y, wy), 0) << "a maximum is one of the inputs";
    EXPECT_EQ(difference(alone, wy), 0) << "without argmax";
    EXPECT_EQ(argmax, wargmax);
    EXPECT_LE(difference(dx, wdx), tolerance + rounding<T>());

    Map<T> mean(g.out_pixels(), c, gap, 5), dmean(g.in_pixels(), c, gap, 6);
    Map<double> wmean = wide(mean), wdmean = wide(dmean);
    device::average_pool_forward<T>(dg, x.data(), mean.data(), nullptr);
    device::average_pool_backward<T>(dg, dy.values.data(), dmean.data(), accumulate, nullptr);
    reference::average_pool_forward<double>(g, wx.data(), wmean.data());
    reference::average_pool_backward<double>(g, wdy.data(), wdmean.data(), accumulate);
    EXPECT_LE(difference(mean, wmean), tolerance + rounding<T>());
    EXPECT_LE(difference(dmean, wdmean), tolerance + rounding<T>());

    Map<T> whole(g.batch, c, 0, 7), dwhole(g.in_pixels(), c, gap, 8);
    const Map<T> dy_whole(g.batch, c, 0, 9);
    Map<double> wwhole = wide(whole), wdwhole = wide(dwhole), wdy_whole = wide(dy_whole);
    const Index pixels = g.in_h * g.in_w;
    device::global_average_pool_forward<T>(g.batch, pixels, c, x.data(), x.pitch, whole.data(), nullptr);
    device::global_average_pool_backward<T>(g.batch, pixels, c, dy_whole.values.data(), dwhole.data(), dwhole.pitch,
                                            accumulate, nullptr);
    reference::global_average_pool_forward<double>(g.batch, pixels, c, wx.data(), wx.pitch, wwhole.data());
    reference::global_average_pool_backward<double>(g.batch, pixels, c, wdy_whole.data(), wdwhole.data(), wdwhole.pitch,
                                                    accumulate);
    EXPECT_LE(difference(whole, wwhole), tolerance + rounding<T>());
    EXPECT_LE(difference(dwhole, wdwhole), tolerance + rounding<T>());

    std::vector<char> bytes;
    keep(bytes, y.values), keep(bytes, argmax), keep(bytes, dx.values), keep(bytes, mean.values);
    keep(bytes, dmean.values), keep(bytes, whole.values), keep(bytes, dwhole.values);
    return bytes;
  });
}

std::vector<Case> cases() {
  return {
      {1, 1, 1, 1, 1, 1, 1, false},            // nothing but one number
      {1, 1, 1, 5, 3, 3, 2, true, 1},          // a window larger than the map
      {2, 5, 7, 33, 3, 3, 2, true, 3, true},   // odd sizes, channels that are no multiple of 32
      {2, 6, 5, 8, 2, 2, 2, false},            // packs; a row or column left over
      {3, 7, 7, 16, 3, 3, 1, true, 8, true},   // packs with gaps; every pixel in up to nine windows
      {1, 9, 8, 24, 1, 1, 3, false, 8},        // pixels between windows
      {2, 8, 9, 3, 2, 3, 4, true, 0, true},    // stride over kernel, padding on one side alone
      {1, 6, 6, 40, 6, 6, 1, false, 0, true},  // the whole map
  };
}

template <class T>
void check_all(double tolerance) {
  for (const Case& k : cases()) check<T>(geometry(k), k.accumulate, tolerance);
  // Windows that lie in the padding altogether: their maximum is -inf, their mean 0, and they pass nothing back.
  WindowGeometry g = geometry({1, 3, 3, 8, 2, 2, 2, false});
  g.pad_top = g.pad_left = 2, g.out_h = g.out_w = 3;
  const device::Window dg = window(g);
  const Map<T> x(9, 8, 0, 1), dy(9, 8, 0, 2);
  Map<T> y(9, 8, 0, 3), mean(9, 8, 0, 4), dx(9, 8, 0, 5);
  std::vector<std::uint8_t> argmax(72, 9);
  device::max_pool_forward<T>(dg, x.values.data(), y.data(), argmax.data(), nullptr);
  device::average_pool_forward<T>(dg, x.values.data(), mean.data(), nullptr);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(widen(y.values[i]), -std::numeric_limits<float>::infinity());
    EXPECT_EQ(argmax[i], 0);
    EXPECT_EQ(widen(mean.values[i]), 0);
  }
  device::max_pool_backward<T>(dg, dy.values.data(), argmax.data(), dx.data(), false, nullptr);
  Map<double> wdx = wide(dx), wdy = wide(dy);
  reference::max_pool_backward<double>(g, wdy.data(), argmax.data(), wdx.data(), false);
  EXPECT_LE(difference(dx, wdx), tolerance + rounding<T>());
  device::average_pool_backward<T>(dg, dy.values.data(), dx.data(), false, nullptr);
  reference::average_pool_backward<double>(g, wdy.data(), wdx.data(), false);
  EXPECT_LE(difference(dx, wdx), tolerance + rounding<T>());
}

TEST(PoolKernel, EqualsTheReferenceInF32) { check_all<float>(1e-5); }
TEST(PoolKernel, EqualsTheReferenceInF64) { check_all<double>(1e-12); }
TEST(PoolKernel, RoundsOnceInBf16) { check_all<device::bf16>(1e-5); }

TEST(PoolKernel, TheFirstNanWins) {
  const WindowGeometry g = geometry({1, 4, 4, 4, 2, 2, 2, false});
  Map<float> x(16, 4, 0, 1), y(4, 4, 0, 2);
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto at = [&](Index h, Index w, Index c) -> float& {
    return x.values[static_cast<std::size_t>((h * 4 + w) * 4 + c)];
  };
  at(0, 1, 0) = at(1, 1, 0) = nan, at(0, 0, 0) = infinity;  // after a larger number, and twice
  at(0, 0, 1) = nan;                                        // first of all
  at(0, 2, 2) = at(0, 3, 2) = at(1, 2, 2) = at(1, 3, 2) = -infinity;
  std::vector<std::uint8_t> argmax(16), expected(16);
  std::vector<float> wy(16);
  device::max_pool_forward<float>(window(g), x.data(), y.data(), argmax.data(), nullptr);
  reference::max_pool_forward<float>(g, x.data(), wy.data(), expected.data());
  EXPECT_EQ(argmax, expected);
  EXPECT_EQ(argmax[0], 1);
  EXPECT_TRUE(std::isnan(y.values[0]) && std::isnan(y.values[1]));
  EXPECT_EQ(y.values[4 + 2], -infinity);
}

TEST(PoolKernel, MinusInfinityInsideWinsOverPadding) {
  const WindowGeometry g = geometry({1, 3, 3, 4, 3, 3, 1, true});
  const std::vector<float> x(36, -std::numeric_limits<float>::infinity());
  std::vector<float> y(36);
  std::vector<std::uint8_t> argmax(36);
  device::max_pool_forward<float>(window(g), x.data(), y.data(), argmax.data(), nullptr);
  EXPECT_EQ(y, x);
  const std::vector<int> expected = {4, 3, 3, 1, 0, 0, 1, 0, 0};  // the first pixel that is inside
  for (std::size_t i = 0; i < 36; ++i) EXPECT_EQ(argmax[i], expected[i / 4]) << i;
}

TEST(PoolKernel, HasTheBitsOfTheSpecificationInF32) {
  const WindowGeometry g = geometry({2, 9, 7, 12, 3, 3, 2, true});
  const Map<float> x(g.in_pixels(), 12, 0, 1), dy(g.out_pixels(), 12, 0, 2);
  Map<float> y(g.out_pixels(), 12, 0, 3), wy = y, dx(g.in_pixels(), 12, 0, 4), wdx = dx;
  device::average_pool_forward<float>(window(g), x.values.data(), y.data(), nullptr);
  reference::average_pool_forward<float>(g, x.values.data(), wy.data());
  EXPECT_EQ(y.values, wy.values);
  device::average_pool_backward<float>(window(g), dy.values.data(), dx.data(), true, nullptr);
  reference::average_pool_backward<float>(g, dy.values.data(), wdx.data(), true);
  EXPECT_EQ(dx.values, wdx.values);
  std::vector<std::uint8_t> argmax(y.values.size());
  device::max_pool_forward<float>(window(g), x.values.data(), y.data(), argmax.data(), nullptr);
  device::max_pool_backward<float>(window(g), dy.values.data(), argmax.data(), dx.data(), true, nullptr);
  reference::max_pool_backward<float>(g, dy.values.data(), argmax.data(), wdx.data(), true);
  EXPECT_EQ(dx.values, wdx.values);
}

}  // namespace pool_test
