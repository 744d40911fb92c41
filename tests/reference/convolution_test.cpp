// The naive loops against values worked out by hand.
#include <gtest/gtest.h>

#include <vector>

#include "tinyvision/reference/conv2d.hpp"
#include "tinyvision/reference/depthwise_conv2d.hpp"
#include "tinyvision/reference/gemm.hpp"

namespace convolution_test {

using namespace tinyvision;
using Values = std::vector<double>;

// x = 1 2 3 / 4 5 6 / 7 8 9, window 2x2.
WindowGeometry two_by_two() {
  WindowGeometry g;
  g.batch = 1, g.in_h = g.in_w = 3, g.in_c = g.in_pitch = 1;
  g.out_h = g.out_w = 2, g.out_c = g.out_pitch = 1;
  g.kernel_h = g.kernel_w = 2;
  return g;
}
const Values nine{1, 2, 3, 4, 5, 6, 7, 8, 9};

TEST(ReferenceConv2d, IsACrossCorrelation) {
  const Values w{1, 10, 100, 1000};
  Values y(4);
  reference::conv2d_forward(two_by_two(), nine.data(), w.data(), Epilogue<double>{}, y.data());
  EXPECT_EQ(y, (Values{5421, 6532, 8754, 9865}));
}

// SAME with stride 2 on 3 pixels and a 2-window: one pixel of padding, at the bottom and right.
TEST(ReferenceConv2d, PixelsOutsideAreZero) {
  WindowGeometry g = two_by_two();
  g.stride_h = g.stride_w = 2;
  const Values w{1, 10, 100, 1000};
  Values y(4);
  reference::conv2d_forward(g, nine.data(), w.data(), Epilogue<double>{}, y.data());
  EXPECT_EQ(y, (Values{5421, 603, 87, 9}));
  g.pad_top = g.pad_left = 1;
  reference::conv2d_forward(g, nine.data(), w.data(), Epilogue<double>{}, y.data());
  EXPECT_EQ(y, (Values{1000, 3200, 7040, 9865}));
}

TEST(ReferenceConv2d, MixesChannelsAndAppliesTheEpilogueInOrder) {
  WindowGeometry g;
  g.batch = 2, g.in_h = g.in_w = g.out_h = g.out_w = g.kernel_h = g.kernel_w = 1;
  g.in_c = 2, g.in_pitch = 3, g.out_c = 2, g.out_pitch = 4;
  const Values x{1, 2, -99, 3, 4, -99}, w{1, 10, 100, 1000};  // w[c][o]
  Values y(8, -7);
  reference::conv2d_forward(g, x.data(), w.data(), Epilogue<double>{}, y.data());
  EXPECT_EQ(y, (Values{201, 2010, -7, -7, 403, 4030, -7, -7}));
  const Values scale{2, -1}, shift{1, 5}, residual{0.5, 4000, -999, -1000};
  const Epilogue<double> e{scale.data(), shift.data(), residual.data(), 2, Activation::relu};
  reference::conv2d_forward(g, x.data(), w.data(), e, y.data());
  EXPECT_EQ(y, (Values{403.5, 1995, -7, -7, 0, 0, -7, -7}));  // 806+1-999 < 0, -4030+5-1000 < 0
}

TEST(ReferenceConv2d, GradientsOfTheSmallCase) {
  const Values w{1, 10, 100, 1000}, dy{1, 2, 3, 4};
  Values dx(9, 5), dw(4, 5);
  reference::conv2d_backward_input(two_by_two(), dy.data(), w.data(), dx.data(), false);
  EXPECT_EQ(dx, (Values{1, 12, 20, 103, 1234, 2040, 300, 3400, 4000}));
  reference::conv2d_backward_weight(two_by_two(), nine.data(), dy.data(), dw.data(), false);
  EXPECT_EQ(dw, (Values{1 + 4 + 12 + 20, 2 + 6 + 15 + 24, 4 + 10 + 21 + 32, 5 + 12 + 24 + 36}));
  reference::conv2d_backward_input(two_by_two(), dy.data(), w.data(), dx.data(), true);
  EXPECT_EQ(dx[4], 2468);
  reference::conv2d_backward_weight(two_by_two(), nine.data(), dy.data(), dw.data(), true);
  EXPECT_EQ(dw[0], 74);
}

TEST(ReferenceDepthwise, OutputChannelIsInputChannelTimesMultiplierPlusM) {
  WindowGeometry g;
  g.batch = g.in_h = g.out_h = g.kernel_h = 1;
  g.in_w = 2, g.out_w = 1, g.kernel_w = 2;
  g.in_c = g.in_pitch = 2, g.out_c = g.out_pitch = 4;
  const Values x{1, 2, 3, 4}, w{1, 10, 100, 1000, 2, 20, 200, 2000};  // w[b][c][m]
  Values y(4), dx(4), dw(8);
  reference::depthwise_conv2d_forward(g, x.data(), w.data(), Epilogue<double>{}, y.data());
  EXPECT_EQ(y, (Values{7, 70, 1000, 10000}));
  const Values dy{1, 2, 3, 4};
  reference::depthwise_conv2d_backward_input(g, dy.data(), w.data(), dx.data(), false);
  EXPECT_EQ(dx, (Values{21, 4300, 42, 8600}));
  reference::depthwise_conv2d_backward_weight(g, x.data(), dy.data(), dw.data(), false);
  EXPECT_EQ(dw, (Values{1, 2, 6, 8, 3, 6, 12, 16}));
  g.out_c = 3;
  EXPECT_THROW(reference::depthwise_conv2d_forward(g, x.data(), w.data(), Epilogue<double>{}, y.data()), Error);
}

TEST(ReferenceDepthwise, PaddingStrideAndEpilogue) {
  WindowGeometry g = two_by_two();
  g.stride_h = g.stride_w = 2, g.pad_top = g.pad_left = 1;
  const Values w{1, 10, 100, 1000}, scale{0.001}, shift{-1};
  Values y(4);
  reference::depthwise_conv2d_forward(
      g, nine.data(), w.data(), Epilogue<double>{scale.data(), shift.data(), nullptr, 0, Activation::relu6}, y.data());
  EXPECT_NEAR(y[0], 0, 1e-16);  // the rounding of 0.001: the multiply-add rounds once
  EXPECT_DOUBLE_EQ(y[1], 2.2);
  EXPECT_DOUBLE_EQ(y[2], 6);
  EXPECT_DOUBLE_EQ(y[3], 6);
}

TEST(ReferenceGemm, TransposesScalesAndKeepsGaps) {
  const Values a{1, 2, 3, 4, 5, 6}, b{1, 0, 2, 1, 0, 3};  // a 2x3, b 3x2
  const Values at{1, 4, 2, 5, 3, 6}, bt{1, 2, 0, 0, 1, 3};
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      Values c{1, 1, -7, 1, 1, -7};
      reference::gemm<double>(ta, tb, 2, 2, 3, 2, ta ? at.data() : a.data(), ta ? 2 : 3, tb ? bt.data() : b.data(),
                              tb ? 3 : 2, 10, c.data(), 3);
      EXPECT_EQ(c, (Values{2 * 5 + 10, 2 * 11 + 10, -7, 2 * 14 + 10, 2 * 23 + 10, -7})) << ta << tb;
    }
  Values c(4, std::numeric_limits<double>::quiet_NaN());
  reference::gemm<double>(false, false, 2, 2, 3, 1, a.data(), 3, b.data(), 2, 0, c.data(), 2);
  EXPECT_EQ(c, (Values{5, 11, 14, 23}));
}

}  // namespace convolution_test
