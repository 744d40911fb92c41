// The small headers: errors, activations, the choice of kernels, window geometry.
#include <gtest/gtest.h>

#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/core/error.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/core/kernels.hpp"

namespace settings_test {

using namespace tinyvision;

TEST(Errors, HaveOneForm) {
  try {
    fail("conv2d", "channels differ: ", 64, " and ", 128);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[conv2d] channels differ: 64 and 128");
  }
  EXPECT_NO_THROW(check(true, "a", "b"));
  EXPECT_THROW(check(false, "a", "b"), Error);
  EXPECT_THROW(fail_usage("a", "b"), UsageError);
  EXPECT_THROW(fail_usage("a", "b"), Error);  // a usage error is an error
}

TEST(Activation, ValuesAndDerivatives) {
  for (const double x : {-3.0, -0.0, 0.0, 2.0, 6.0, 9.0}) {
    EXPECT_EQ(activate(x, Activation::none), x);
    EXPECT_EQ(activate(x, Activation::relu), std::max(0.0, x));
    EXPECT_EQ(activate(x, Activation::relu6), std::min(6.0, std::max(0.0, x)));
    EXPECT_EQ(activation_mask(activate(x, Activation::none), Activation::none), 1);
    EXPECT_EQ(activation_mask(activate(x, Activation::relu), Activation::relu), x > 0 ? 1 : 0);
    EXPECT_EQ(activation_mask(activate(x, Activation::relu6), Activation::relu6), x > 0 && x < 6 ? 1 : 0);
  }
  EXPECT_STREQ(to_string(Activation::relu6), "relu6");
}

TEST(Kernels, ParseAndScope) {
  EXPECT_EQ(parse_kernels("own"), Kernels::own);
  EXPECT_EQ(parse_kernels("reference"), Kernels::reference);
  EXPECT_THROW(parse_kernels("fast"), UsageError);
  if constexpr (with_vendor) {
    EXPECT_EQ(parse_kernels("vendor"), Kernels::vendor);
  } else {
    try {
      parse_kernels("vendor");
      ADD_FAILURE() << "vendor kernels in a build without them";
    } catch (const UsageError& error) {
      EXPECT_STREQ(error.what(),
                   "[kernels] this build has no vendor kernels: they need CUDA and the headers of cuDNN and "
                   "cudnn-frontend when it is made; choose own");
    }
  }
  EXPECT_STREQ(to_string(Kernels::vendor), "vendor");
  const Kernels before = kernels();
  {
    const KernelScope scope(Kernels::reference);
    EXPECT_TRUE(use_reference());
  }
  EXPECT_EQ(kernels(), before);
}

TEST(Geometry, PointwiseConvolutions) {
  WindowGeometry g;
  g.batch = 2, g.in_h = g.out_h = 7, g.in_w = g.out_w = 5, g.kernel_h = g.kernel_w = 1;
  EXPECT_TRUE(g.is_pointwise());
  EXPECT_EQ(g.in_pixels(), 70);
  EXPECT_EQ(g.out_pixels(), 70);
  g.stride_w = 2;
  EXPECT_FALSE(g.is_pointwise());
  g.stride_w = 1, g.kernel_h = 3;
  EXPECT_FALSE(g.is_pointwise());
  g.kernel_h = 1, g.pad_left = 1;
  EXPECT_FALSE(g.is_pointwise());
}

}  // namespace settings_test
