// The switch to vendor kernels in a build that has none, as every build on the emulated device.
#include "tinyvision/cuda/vendor.hpp"

#include <gtest/gtest.h>

#include "tinyvision/ops/conv2d.hpp"
#include "tinyvision/ops/linear.hpp"

namespace vendor_test {

using namespace tinyvision;

Tensor ramp(const Shape& shape, double step) {
  const Tensor t = Tensor::empty(shape, DType::f32);
  for (Index i = 0; i < t.count(); ++i)
    t.data<float>()[i] = static_cast<float>(std::sin(step * static_cast<double>(i)));
  return t.to(Device::cuda());
}

TEST(VendorSwitch, ThereAreNoVendorKernelsOnTheEmulatedDevice) {
  EXPECT_FALSE(with_vendor);
  EXPECT_FALSE(cuda::vendor_convolves<float>);
  EXPECT_FALSE(cuda::vendor_multiplies<float>);
  EXPECT_THROW(parse_kernels("vendor"), UsageError);
}

TEST(VendorSwitch, WithoutThemTheOwnKernelsRunWhateverIsChosen) {
  const Variable x(ramp({2, 5, 6, 8}, 0.3)), w(ramp({3, 3, 8, 4}, 0.7)), wd(ramp({3, 3, 8, 1}, 0.9));
  const Variable rows(ramp({7, 8}, 0.2)), matrix(ramp({8, 3}, 0.5)), bias(ramp({3}, 0.1));
  const auto results = [&] {
    return std::vector{conv2d(x, w).value().to_vector<float>(), depthwise_conv2d(x, wd).value().to_vector<float>(),
                       linear(rows, matrix, bias).value().to_vector<float>()};
  };
  const auto own = results();
  const KernelScope scope(Kernels::vendor);
  EXPECT_TRUE(cuda::use_vendor());
  EXPECT_EQ(results(), own);
}

}  // namespace vendor_test
