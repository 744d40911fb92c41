#include "tinyvision/cpu/elementwise.hpp"

#include "compare.hpp"
#include "tinyvision/reference/elementwise.hpp"

namespace elementwise_test {

using namespace tinyvision;
using namespace tinyvision_test;

constexpr Activation activations[] = {Activation::none, Activation::relu, Activation::relu6};
struct Case {
  Index rows, channels, gap;
};
constexpr Case cases[] = {{1, 1, 0},    {1, 17, 3},   {5, 3, 0},     {5, 3, 1},     {49, 11, 0},  {49, 11, 5},
                          {1000, 8, 0}, {3, 2049, 0}, {3000, 17, 0}, {3000, 17, 7}, {100, 600, 0}};

template <class T>
class CpuElementwise : public ::testing::Test {};
TYPED_TEST_SUITE(CpuElementwise, FloatTypes);

TYPED_TEST(CpuElementwise, ActivationEqualsReference) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const Activation act : activations)
      for (const bool accumulate : {false, true}) {
        SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap, " ", to_string(act), " ", accumulate));
        const auto x = Map<T>(k.rows, k.channels, k.gap).random(1, -4, 10),
                   dy = Map<T>(k.rows, k.channels, 2).random(2);
        Map<T> y(k.rows, k.channels, k.gap), y_ref = y, in_place = x;
        cpu::activation_forward(k.rows, k.channels, x.data(), x.pitch, act, y.data(), y.pitch);
        reference::activation_forward(k.rows, k.channels, x.data(), x.pitch, act, y_ref.data(), y.pitch);
        expect_close(y, y_ref, 0);
        cpu::activation_forward(k.rows, k.channels, in_place.data(), x.pitch, act, in_place.data(), x.pitch);
        EXPECT_TRUE(same_bits(in_place.values, y.values));
        auto dx = Map<T>(k.rows, k.channels, k.gap).random(3), dx_ref = dx;
        const T* result = act == Activation::none ? nullptr : y.data();
        cpu::activation_backward(k.rows, k.channels, dy.data(), dy.pitch, result, y.pitch, act, dx.data(), dx.pitch,
                                 accumulate);
        reference::activation_backward(k.rows, k.channels, dy.data(), dy.pitch, result, y.pitch, act, dx_ref.data(),
                                       dx.pitch, accumulate);
        expect_close(dx, dx_ref, 0);
      }
}

TYPED_TEST(CpuElementwise, GradientOfABlockedUnitIsZeroEvenIfNotFinite) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> dy{inf, nan, inf, 1}, y{0, 0, 6, 6};
  std::vector<T> dx(4, T(7));
  cpu::activation_backward(1, 4, dy.data(), 4, y.data(), 4, Activation::relu6, dx.data(), 4, false);
  EXPECT_EQ(dx, (std::vector<T>{0, 0, 0, 0}));
}

TYPED_TEST(CpuElementwise, ActivationsKeepNan) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  const std::vector<T> one(40, T(1)), bad(40, nan);
  for (const Activation act : activations) {
    std::vector<T> y(40);
    cpu::activation_forward(1, 40, bad.data(), 40, act, y.data(), 40);
    for (const T v : y) EXPECT_TRUE(std::isnan(v)) << to_string(act);
    cpu::add(1, 40, one.data(), 40, bad.data(), 40, act, y.data(), 40);
    for (const T v : y) EXPECT_TRUE(std::isnan(v)) << to_string(act);
    reference::activation_forward(1, 40, bad.data(), 40, act, y.data(), 40);
    for (const T v : y) EXPECT_TRUE(std::isnan(v)) << to_string(act);
  }
  EXPECT_EQ(activate(inf, Activation::relu6), T(6));
  EXPECT_EQ(activate(-inf, Activation::relu), T(0));
}

TYPED_TEST(CpuElementwise, AddAndScaleEqualReference) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const Activation act : activations) {
      SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap, " ", to_string(act)));
      const auto a = Map<T>(k.rows, k.channels, k.gap).random(4, -4, 6),
                 b = Map<T>(k.rows, k.channels, k.gap).random(5);
      Map<T> y(k.rows, k.channels, k.gap), y_ref = y, in_place = b;
      cpu::add(k.rows, k.channels, a.data(), a.pitch, b.data(), b.pitch, act, y.data(), y.pitch);
      reference::add(k.rows, k.channels, a.data(), a.pitch, b.data(), b.pitch, act, y_ref.data(), y.pitch);
      expect_close(y, y_ref, 0);
      cpu::add(k.rows, k.channels, a.data(), a.pitch, in_place.data(), b.pitch, act, in_place.data(), b.pitch);
      EXPECT_TRUE(same_bits(in_place.values, y.values));
      for (const bool accumulate : {false, true})
        for (const T alpha : {T(1), T(-0.3)}) {
          Map<T> s = b, s_ref = b;
          cpu::scale(k.rows, k.channels, a.data(), a.pitch, alpha, s.data(), s.pitch, accumulate);
          reference::scale(k.rows, k.channels, a.data(), a.pitch, alpha, s_ref.data(), s.pitch, accumulate);
          expect_close(s, s_ref, 0);
        }
    }
}

TYPED_TEST(CpuElementwise, BiasBackwardEqualsReference) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const bool accumulate : {false, true}) {
      SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap, " ", accumulate));
      const auto dy = Map<T>(k.rows, k.channels, k.gap).random(6, -1, 3);
      auto db = random_vector<T>(k.channels, 7), expected = db;
      cpu::bias_backward(k.rows, k.channels, dy.data(), dy.pitch, db.data(), accumulate);
      reference::bias_backward(k.rows, k.channels, dy.data(), dy.pitch, expected.data(), accumulate);
      expect_close(db, expected);
    }
}

TYPED_TEST(CpuElementwise, NoRowsGiveZeroBiasGradient) {
  using T = TypeParam;
  std::vector<T> db{T(3), T(4)};
  cpu::bias_backward(0, 2, static_cast<const T*>(nullptr), 2, db.data(), false);
  EXPECT_EQ(db, (std::vector<T>{0, 0}));
}

TYPED_TEST(CpuElementwise, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  const auto a = Map<T>(5000, 19).random(8), b = Map<T>(5000, 19, 2).random(9);
  expect_same_bits_everywhere([&] {
    Map<T> y(5000, 19), dx(5000, 19);
    cpu::add(y.rows, y.channels, a.data(), a.pitch, b.data(), b.pitch, Activation::relu, y.data(), y.pitch);
    cpu::activation_backward(y.rows, y.channels, b.data(), b.pitch, y.data(), y.pitch, Activation::relu, dx.data(),
                             dx.pitch, false);
    std::vector<T> out(19);
    cpu::bias_backward(dx.rows, dx.channels, dx.data(), dx.pitch, out.data(), false);
    out.insert(out.end(), y.values.begin(), y.values.end());
    out.insert(out.end(), dx.values.begin(), dx.values.end());
    return out;
  });
}

}  // namespace elementwise_test
