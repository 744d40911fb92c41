#include "tinyvision/cpu/pool.hpp"

#include <limits>

#include "compare.hpp"
#include "tinyvision/reference/pool.hpp"

namespace pool_test {

using namespace tinyvision;
using namespace tinyvision_test;

WindowGeometry geometry(Index batch, Index in_h, Index in_w, Index channels, Index out_h, Index out_w, Index kernel_h,
                        Index kernel_w, Index stride_h, Index stride_w, Index pad_top, Index pad_left, Index gap) {
  WindowGeometry g;
  g.batch = batch, g.in_h = in_h, g.in_w = in_w, g.in_c = g.out_c = channels, g.in_pitch = channels + gap;
  g.out_h = out_h, g.out_w = out_w, g.out_pitch = channels + 2 * gap;
  g.kernel_h = kernel_h, g.kernel_w = kernel_w, g.stride_h = stride_h, g.stride_w = stride_w;
  g.pad_top = pad_top, g.pad_left = pad_left;
  return g;
}

const std::vector<WindowGeometry>& geometries() {
  static const std::vector<WindowGeometry> all{
      geometry(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0),       // one pixel
      geometry(1, 1, 1, 3, 1, 1, 3, 3, 1, 1, 1, 1, 1),       // window partly outside on all sides
      geometry(2, 8, 8, 11, 4, 4, 3, 3, 2, 2, 0, 0, 0),      // SAME on an even size: padding at bottom and right only
      geometry(2, 7, 9, 17, 7, 9, 3, 3, 1, 1, 1, 1, 3),      // SAME, stride 1
      geometry(1, 9, 7, 70, 3, 3, 2, 2, 4, 3, 0, 0, 0),      // stride over kernel: pixels in no window
      geometry(3, 6, 5, 64, 3, 2, 2, 2, 2, 2, 0, 0, 0),      // VALID, last column in no window
      geometry(1, 5, 5, 8, 5, 5, 5, 5, 1, 1, 2, 2, 0),       //
      geometry(1, 7, 7, 130, 1, 1, 7, 7, 7, 7, 0, 0, 5),     // the whole map
      geometry(2, 5, 6, 3, 4, 3, 2, 3, 2, 2, 2, 1, 0),       // first row of windows wholly outside
      geometry(1, 2, 2, 5, 4, 4, 2, 2, 2, 2, 2, 2, 1),       // windows wholly outside on all sides
      geometry(2, 33, 35, 24, 17, 18, 3, 3, 2, 2, 1, 1, 0),  // several tasks
      geometry(1, 20, 20, 1, 5, 5, 16, 16, 1, 1, 0, 0, 0),   // 256 positions
  };
  return all;
}

template <class T>
Map<T> input_map(const WindowGeometry& g) {
  return Map<T>(g.in_pixels(), g.in_c, g.in_pitch - g.in_c);
}
template <class T>
Map<T> output_map(const WindowGeometry& g) {
  return Map<T>(g.out_pixels(), g.out_c, g.out_pitch - g.out_c);
}
std::string describe(const WindowGeometry& g) {
  return concat_text(g.batch, "x", g.in_h, "x", g.in_w, "x", g.in_c, " -> ", g.out_h, "x", g.out_w, " window ",
                     g.kernel_h, "x", g.kernel_w, "/", g.stride_h, ",", g.stride_w);
}

template <class T>
class CpuPool : public ::testing::Test {};
TYPED_TEST_SUITE(CpuPool, FloatTypes);

TYPED_TEST(CpuPool, MaxPoolEqualsReference) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  for (const WindowGeometry& g : geometries())
    for (const bool special : {false, true}) {
      SCOPED_TRACE(describe(g) + (special ? " special" : ""));
      auto x = input_map<T>(g).random(1);
      if (special)  // few distinct values give ties; some are NaN or infinite
        for (Index r = 0; r < x.rows; ++r)
          for (Index c = 0; c < x.channels; ++c) {
            const T v = std::floor(x.at(r, c));
            x.at(r, c) = v == T(1) && (r + c) % 5 == 0 ? nan : v == T(-2) ? -inf : v;
          }
      auto y = output_map<T>(g), expected = y;
      std::vector<std::uint8_t> arg(static_cast<std::size_t>(g.out_pixels() * g.out_c), 99), expected_arg(arg);
      cpu::max_pool_forward(g, x.data(), y.data(), arg.data());
      reference::max_pool_forward(g, x.data(), expected.data(), expected_arg.data());
      expect_close(y, expected, 0);
      EXPECT_EQ(arg, expected_arg);
      auto without = output_map<T>(g);
      cpu::max_pool_forward(g, x.data(), without.data(), nullptr);
      EXPECT_TRUE(same_bits(without.values, y.values));
      const auto dy = output_map<T>(g).random(2);
      for (const bool accumulate : {false, true}) {
        auto dx = input_map<T>(g).random(3), dx_ref = dx;
        cpu::max_pool_backward(g, dy.data(), arg.data(), dx.data(), accumulate);
        reference::max_pool_backward(g, dy.data(), arg.data(), dx_ref.data(), accumulate);
        expect_close(dx, dx_ref, 0);
      }
    }
}

TYPED_TEST(CpuPool, AveragePoolEqualsReference) {
  using T = TypeParam;
  for (const WindowGeometry& g : geometries()) {
    SCOPED_TRACE(describe(g));
    const auto x = input_map<T>(g).random(4), dy = output_map<T>(g).random(5);
    auto y = output_map<T>(g), expected = y;
    cpu::average_pool_forward(g, x.data(), y.data());
    reference::average_pool_forward(g, x.data(), expected.data());
    expect_close(y, expected);
    for (const bool accumulate : {false, true}) {
      auto dx = input_map<T>(g).random(6), dx_ref = dx;
      cpu::average_pool_backward(g, dy.data(), dx.data(), accumulate);
      reference::average_pool_backward(g, dy.data(), dx_ref.data(), accumulate);
      expect_close(dx, dx_ref);
    }
  }
}

TYPED_TEST(CpuPool, GlobalAveragePoolEqualsReference) {
  using T = TypeParam;
  for (const auto& [batch, pixels, channels, gap] : {std::tuple<Index, Index, Index, Index>{1, 1, 1, 0},
                                                     {1, 49, 11, 0},
                                                     {3, 49, 300, 4},
                                                     {2, 1, 17, 0},
                                                     {5, 144, 3, 2}}) {
    SCOPED_TRACE(concat_text(batch, " ", pixels, " ", channels));
    const auto x = Map<T>(batch * pixels, channels, gap).random(7);
    std::vector<T> y(static_cast<std::size_t>(batch * channels)), expected(y);
    cpu::global_average_pool_forward(batch, pixels, channels, x.data(), x.pitch, y.data());
    reference::global_average_pool_forward(batch, pixels, channels, x.data(), x.pitch, expected.data());
    expect_close(y, expected);
    for (const bool accumulate : {false, true}) {
      auto dx = Map<T>(batch * pixels, channels, gap).random(8), dx_ref = dx;
      cpu::global_average_pool_backward(batch, pixels, channels, y.data(), dx.data(), dx.pitch, accumulate);
      reference::global_average_pool_backward(batch, pixels, channels, y.data(), dx_ref.data(), dx.pitch, accumulate);
      expect_close(dx, dx_ref);
    }
  }
}

TYPED_TEST(CpuPool, Refuses) {
  using T = TypeParam;
  const WindowGeometry g = geometry(1, 17, 16, 1, 1, 1, 17, 16, 1, 1, 0, 0, 0);
  const auto x = input_map<T>(g).random(9);
  auto y = output_map<T>(g);
  EXPECT_THROW(cpu::max_pool_forward(g, x.data(), y.data(), nullptr), Error);
  EXPECT_THROW(cpu::global_average_pool_forward(1, 0, 1, x.data(), 1, y.data()), Error);
}

TYPED_TEST(CpuPool, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  const WindowGeometry g = geometry(2, 33, 35, 24, 17, 18, 3, 3, 2, 2, 1, 1, 0);
  const auto x = input_map<T>(g).random(10), dy = output_map<T>(g).random(11);
  expect_same_bits_everywhere([&] {
    auto y = output_map<T>(g), average = y;
    auto dx = input_map<T>(g), dx_average = dx;
    std::vector<std::uint8_t> arg(static_cast<std::size_t>(g.out_pixels() * g.out_c));
    cpu::max_pool_forward(g, x.data(), y.data(), arg.data());
    cpu::max_pool_backward(g, dy.data(), arg.data(), dx.data(), false);
    cpu::average_pool_forward(g, x.data(), average.data());
    cpu::average_pool_backward(g, dy.data(), dx_average.data(), false);
    for (const auto* part : {&average, &dx, &dx_average})
      y.values.insert(y.values.end(), part->values.begin(), part->values.end());
    return y.values;
  });
}

}  // namespace pool_test
