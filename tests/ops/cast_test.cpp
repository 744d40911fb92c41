#include <gtest/gtest.h>

#include "tinyvision/ops/elementwise.hpp"

namespace cast_test {

using namespace tinyvision;

TEST(Cast, RoundsValuesAndGradients) {
  const Variable x(Tensor::from_vector<double>({2, 2}, {1.0, 1.0 + 1e-12, -0.1, 3.0}), true);
  const Variable y = cast(x, DType::f32);
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_EQ(y.value().to_vector<float>(), (std::vector<float>{1.0f, 1.0f, -0.1f, 3.0f}));
  backward(scale(y, 3), Tensor::from_vector<float>({2, 2}, {1.0f, 0.1f, -2.0f, 4.0f}));
  EXPECT_EQ(x.gradient().dtype(), DType::f64);
  EXPECT_EQ(x.gradient().to_vector<double>(), (std::vector<double>{3.0, static_cast<double>(3 * 0.1f), -6.0, 12.0}));
  EXPECT_TRUE(cast(x, DType::f64).same(x));
}

}  // namespace cast_test
