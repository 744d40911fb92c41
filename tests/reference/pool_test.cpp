// Pooling, padding, cropping and reductions against values worked out by hand.
#include "tinyvision/reference/pool.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tinyvision/reference/pad.hpp"
#include "tinyvision/reference/reduce.hpp"

namespace pool_test {

using namespace tinyvision;
using Values = std::vector<double>;
using Offsets = std::vector<std::uint8_t>;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// One channel, 3x3 map, 3x3 window, SAME: stride 1, one pixel of padding all round.
WindowGeometry same_three() {
  WindowGeometry g;
  g.batch = 1, g.in_h = g.in_w = g.out_h = g.out_w = g.kernel_h = g.kernel_w = 3;
  g.in_c = g.out_c = g.in_pitch = g.out_pitch = 1;
  g.pad_top = g.pad_left = 1;
  return g;
}
// A single 2x2 window over a 2x2 map.
WindowGeometry one_window() {
  WindowGeometry g;
  g.batch = 1, g.in_h = g.in_w = g.kernel_h = g.kernel_w = 2, g.out_h = g.out_w = 1;
  g.in_c = g.out_c = g.in_pitch = g.out_pitch = 1;
  return g;
}

TEST(ReferencePool, AverageAtBordersDividesByValidPixels) {
  const Values x{1, 2, 3, 4, 5, 6, 7, 8, 9};
  Values y(9), dx(9);
  reference::average_pool_forward(same_three(), x.data(), y.data());
  EXPECT_EQ(y, (Values{12 / 4., 21 / 6., 16 / 4., 27 / 6., 45 / 9., 33 / 6., 24 / 4., 39 / 6., 28 / 4.}));
  const Values dy{4, 0, 0, 0, 9, 0, 0, 0, 0};  // the top-left window shares 4 among 4 pixels, the centre 9 among 9
  reference::average_pool_backward(same_three(), dy.data(), dx.data(), false);
  EXPECT_EQ(dx, (Values{2, 2, 1, 2, 2, 1, 1, 1, 1}));
  reference::average_pool_backward(same_three(), dy.data(), dx.data(), true);
  EXPECT_EQ(dx, (Values{4, 4, 2, 4, 4, 2, 2, 2, 2}));
}

TEST(ReferencePool, PaddingNeverWinsAMaximum) {
  const Values x{-1, -2, -3, -4, -5, -6, -7, -8, -9};
  Values y(9);
  Offsets arg(9);
  reference::max_pool_forward(same_three(), x.data(), y.data(), arg.data());
  EXPECT_EQ(y, (Values{-1, -1, -2, -1, -1, -2, -4, -4, -5}));
  EXPECT_EQ(arg, (Offsets{4, 3, 3, 1, 0, 0, 1, 0, 0}));
}

TEST(ReferencePool, FirstMaximumWinsATie) {
  Values y(1), dx(4);
  Offsets arg(1);
  const Values tie{1, 7, 7, 7}, dy{3};
  reference::max_pool_forward(one_window(), tie.data(), y.data(), arg.data());
  EXPECT_EQ(y[0], 7);
  EXPECT_EQ(arg[0], 1);
  reference::max_pool_backward(one_window(), dy.data(), arg.data(), dx.data(), false);
  EXPECT_EQ(dx, (Values{0, 3, 0, 0}));
  reference::max_pool_backward(one_window(), dy.data(), arg.data(), dx.data(), true);
  EXPECT_EQ(dx, (Values{0, 6, 0, 0}));
  const Values all_low{-inf, -inf, -inf, -inf};
  reference::max_pool_forward(one_window(), all_low.data(), y.data(), arg.data());
  EXPECT_EQ(y[0], -inf);
  EXPECT_EQ(arg[0], 0);
}

TEST(ReferencePool, FirstNanWins) {
  Values y(1);
  Offsets arg(1);
  for (const auto& [x, where] :
       {std::pair<Values, int>{{nan, 1, 2, 3}, 0}, {{9, nan, nan, 3}, 1}, {{1, inf, 2, nan}, 3}}) {
    reference::max_pool_forward(one_window(), x.data(), y.data(), arg.data());
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(arg[0], where);
  }
}

TEST(ReferencePool, WindowsOutsideTheMap) {
  WindowGeometry g = one_window();
  g.pad_top = 2;
  const Values x{1, 2, 3, 4}, dy{5};
  Values y(1, 8), dx(4, 8);
  Offsets arg(1, 9);
  reference::max_pool_forward(g, x.data(), y.data(), arg.data());
  EXPECT_EQ(y[0], -inf);
  EXPECT_EQ(arg[0], 0);
  reference::max_pool_backward(g, dy.data(), arg.data(), dx.data(), false);
  EXPECT_EQ(dx, (Values{0, 0, 0, 0}));
  reference::average_pool_forward(g, x.data(), y.data());
  EXPECT_EQ(y[0], 0);
  reference::average_pool_backward(g, dy.data(), dx.data(), false);
  EXPECT_EQ(dx, (Values{0, 0, 0, 0}));
}

TEST(ReferencePool, GlobalAverageWithPitch) {
  const Values x{1, 10, -9, 3, 30, -9, 5, 50, -9, 7, 90, -9};
  Values y(4);
  reference::global_average_pool_forward(2, 2, 2, x.data(), 3, y.data());
  EXPECT_EQ(y, (Values{2, 20, 6, 70}));
  Values dx(8, 1);
  reference::global_average_pool_backward(2, 2, 2, y.data(), dx.data(), 2, true);
  EXPECT_EQ(dx, (Values{2, 11, 2, 11, 4, 36, 4, 36}));
}

TEST(ReferencePad, PadAndCrop) {
  const Values x{1, 2, 3, 4};
  Values y(12, 5), back(2, 5);
  reference::zero_pad(1, 2, 2, 1, x.data(), 1, 1, 0, 0, 2, y.data(), 1, false);
  EXPECT_EQ(y, (Values{0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0}));
  reference::crop(1, 3, 4, 1, y.data(), 1, 1, 1, 2, 1, back.data(), 1, false);
  EXPECT_EQ(back, (Values{2, 4}));
  EXPECT_THROW(reference::crop(1, 3, 4, 1, y.data(), 1, 2, 0, 2, 1, back.data(), 1, false), Error);
  EXPECT_THROW(reference::zero_pad(1, 2, 2, 1, x.data(), 1, 0, 0, -1, 0, y.data(), 1, false), Error);
}

TEST(ReferenceReduce, SmallArrays) {
  const Values x{1, -2, 3};
  EXPECT_EQ(reference::sum(3, x.data()), 2);
  EXPECT_EQ(reference::sum_of_squares(3, x.data()), 14);
  EXPECT_TRUE(reference::all_finite(3, x.data()));
  const Values bad{1, -inf};
  EXPECT_FALSE(reference::all_finite(2, bad.data()));
  const Values row{2, 9, 9, 1};
  EXPECT_EQ(reference::argmax_row(4, row.data()), 1);
  std::vector<Index> order(3);
  reference::top_k(4, row.data(), 3, order.data());
  EXPECT_EQ(order, (std::vector<Index>{1, 2, 0}));
}

}  // namespace pool_test
