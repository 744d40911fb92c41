// A batch without images: convolutions launch nothing, and gradients of weights are sums of nothing.
#include <gtest/gtest.h>

#include "tinyvision/ops/conv2d.hpp"
#include "tinyvision/ops/reduce.hpp"

namespace empty_batch_test {

using namespace tinyvision;

TEST(EmptyBatch, ConvolutionsHaveZeroGradients) {
  for (const ConvKind kind : {ConvKind::full, ConvKind::depthwise})
    for (const DType dtype : {DType::f32, DType::f64})
      for (const Device device : {Device::cpu(), Device::cuda()}) {
        const Variable x(Tensor::zeros({0, 5, 5, 3}, dtype).to(device), true);
        const Shape weights = kind == ConvKind::full ? Shape{3, 3, 3, 4} : Shape{3, 3, 3, 1};
        const Variable w(Tensor::full(weights, 2.0, dtype, device), true);
        const Variable y = convolution(kind, x, w, Variable(), ConvOptions{});
        EXPECT_EQ(y.shape(), (Shape{0, 5, 5, kind == ConvKind::full ? 4 : 3}));
        backward(y, Tensor::zeros(y.shape(), dtype, device));
        EXPECT_EQ(w.gradient().to_vector<double>(),
                  std::vector<double>(static_cast<std::size_t>(weights.count()), 0.0));
      }
}

}  // namespace empty_batch_test
