#include "tinyvision/cpu/pad.hpp"

#include "compare.hpp"
#include "tinyvision/reference/pad.hpp"

namespace pad_test {

using namespace tinyvision;
using namespace tinyvision_test;

struct Case {
  Index batch, h, w, channels, gap, top, bottom, left, right;
};
constexpr Case cases[] = {{1, 1, 1, 1, 0, 0, 0, 0, 0},  {1, 1, 1, 3, 1, 1, 0, 0, 2},  {2, 3, 4, 11, 0, 1, 1, 1, 1},
                          {2, 3, 4, 11, 2, 0, 1, 0, 1}, {1, 5, 3, 17, 3, 3, 0, 2, 0}, {2, 40, 41, 24, 0, 1, 2, 3, 4}};

template <class T>
class CpuPad : public ::testing::Test {};
TYPED_TEST_SUITE(CpuPad, FloatTypes);

TYPED_TEST(CpuPad, PadAndCropEqualReferenceAndUndoEachOther) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const bool accumulate : {false, true}) {
      SCOPED_TRACE(concat_text(k.batch, "x", k.h, "x", k.w, "x", k.channels, " ", accumulate));
      const Index out_h = k.top + k.h + k.bottom, out_w = k.left + k.w + k.right;
      const auto x = Map<T>(k.batch * k.h * k.w, k.channels, k.gap).random(1);
      auto y = Map<T>(k.batch * out_h * out_w, k.channels, 2 * k.gap).random(2), expected = y;
      cpu::zero_pad(k.batch, k.h, k.w, k.channels, x.data(), x.pitch, k.top, k.bottom, k.left, k.right, y.data(),
                    y.pitch, accumulate);
      reference::zero_pad(k.batch, k.h, k.w, k.channels, x.data(), x.pitch, k.top, k.bottom, k.left, k.right,
                          expected.data(), y.pitch, accumulate);
      expect_close(y, expected, 0);
      auto back = Map<T>(x.rows, k.channels, k.gap).random(3), back_ref = back;
      cpu::crop(k.batch, out_h, out_w, k.channels, y.data(), y.pitch, k.top, k.left, k.h, k.w, back.data(), back.pitch,
                accumulate);
      reference::crop(k.batch, out_h, out_w, k.channels, y.data(), y.pitch, k.top, k.left, k.h, k.w, back_ref.data(),
                      back.pitch, accumulate);
      expect_close(back, back_ref, 0);
      if (!accumulate) {
        EXPECT_TRUE(same_bits(back.values, x.values));
      }
    }
}

TYPED_TEST(CpuPad, RefusesPartsOutside) {
  using T = TypeParam;
  std::vector<T> x(9), y(25);
  EXPECT_THROW(cpu::zero_pad(1, 3, 3, 1, x.data(), 1, -1, 0, 0, 0, y.data(), 1, false), Error);
  EXPECT_THROW(cpu::crop(1, 3, 3, 1, x.data(), 1, 1, 0, 3, 3, y.data(), 1, false), Error);
  EXPECT_THROW(cpu::crop(1, 3, 3, 1, x.data(), 1, 0, -1, 2, 2, y.data(), 1, false), Error);
}

TYPED_TEST(CpuPad, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  const auto x = Map<T>(2 * 60 * 60, 13).random(4);
  expect_same_bits_everywhere([&] {
    auto y = Map<T>(2 * 63 * 62, 13).random(5);
    cpu::zero_pad(2, 60, 60, 13, x.data(), x.pitch, 1, 2, 1, 1, y.data(), y.pitch, true);
    return y.values;
  });
}

}  // namespace pad_test
