// Pooling over windows and over whole maps.
//
//   max_pool:             y[n,i,j,c] = max over valid window positions; the first maximum in window order takes the gradient
//   average_pool:         y[n,i,j,c] = (sum over valid window positions) / (number of valid positions)
//   global_average_pool:  y[n,c]     = (1 / HW) sum_{h,w} x[n,h,w,c]
// Padding is absent, not zero: it never wins a maximum and is not counted in a mean (TensorFlow's SAME).
// Derivatives: dy goes to the winning position; dy / count to every valid position; dy / HW to every position.
#pragma once

#include "tinyvision/cpu/pool.hpp"
#include "tinyvision/ops/support.hpp"
#include "tinyvision/reference/pool.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/pool.hpp"
#endif

TINYVISION_BEGIN

struct PoolOptions {
  Index kernel = 2;
  Index stride = 2;
  Padding padding = Padding::same();
};

/// x [N,H,W,C] -> [N,H',W',C].
inline Variable max_pool(const Variable& x, const PoolOptions& options, const Tensor& into = Tensor()) {
  const WindowGeometry g = window_geometry("max_pool", x.value(), options.kernel, options.kernel, options.stride,
                                           options.padding, x.shape().back());
  const Tensor y = output_tensor("max_pool", output_shape(g), x.dtype(), x.device(), into);
  const bool record = needs_record(x);
  Tensor winners;
  if (record) winners = Tensor::empty(output_shape(g), DType::u8, x.device());
  visit_elements("max_pool", x.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(x.device(), max_pool_forward<T>);
    run(with_pitches(g, x.value(), y), x.value().data<T>(), y.data<T>(),
        record ? winners.data<std::uint8_t>() : nullptr);
  });
  if (!record) return applied(y, [&] { return AppliedOp{.name = "max_pool", .inputs = {x}, .window = g}; });
  return Variable::result("max_pool", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    visit_elements("max_pool", dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(x.device(), max_pool_backward<T>);
      run(with_pitches(g, dx.tensor, dy), dy.data<T>(), winners.data<std::uint8_t>(), dx.tensor.data<T>(),
          dx.accumulate);
    });
  });
}

/// x [N,H,W,C] -> [N,H',W',C].
inline Variable average_pool(const Variable& x, const PoolOptions& options, const Tensor& into = Tensor()) {
  const WindowGeometry g = window_geometry("average_pool", x.value(), options.kernel, options.kernel, options.stride,
                                           options.padding, x.shape().back());
  const Tensor y = output_tensor("average_pool", output_shape(g), x.dtype(), x.device(), into);
  visit_elements("average_pool", x.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(x.device(), average_pool_forward<T>);
    run(with_pitches(g, x.value(), y), x.value().data<T>(), y.data<T>());
  });
  if (!needs_record(x))
    return applied(y, [&] { return AppliedOp{.name = "average_pool", .inputs = {x}, .window = g}; });
  return Variable::result("average_pool", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    visit_elements("average_pool", dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(x.device(), average_pool_backward<T>);
      run(with_pitches(g, dx.tensor, dy), dy.data<T>(), dx.tensor.data<T>(), dx.accumulate);
    });
  });
}

/// x [N,H,W,C] -> [N,C], the mean over each map.
inline Variable global_average_pool(const Variable& x) {
  check(x.shape().rank() == 4, "global_average_pool", "input must be [N,H,W,C], got ", x.shape());
  const Index n = x.shape()[0], pixels = x.shape()[1] * x.shape()[2], c = x.shape()[3];
  check(pixels > 0, "global_average_pool", "empty map: ", x.shape());
  const Tensor y = Tensor::empty({n, c}, x.dtype(), x.device());
  visit_elements("global_average_pool", x.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(x.device(), global_average_pool_forward<T>);
    run(n, pixels, c, x.value().data<T>(), x.value().pitch(), y.data<T>());
  });
  if (!needs_record(x)) return applied(y, [&] { return AppliedOp{.name = "global_average_pool", .inputs = {x}}; });
  return Variable::result("global_average_pool", y, {x}, [=](Tensor dy) {
    dy = dy.packed();
    const GradientSink dx = x.gradient_sink();
    visit_elements("global_average_pool", dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(x.device(), global_average_pool_backward<T>);
      run(n, pixels, c, dy.data<T>(), dx.tensor.data<T>(), dx.tensor.pitch(), dx.accumulate);
    });
  });
}

TINYVISION_END
