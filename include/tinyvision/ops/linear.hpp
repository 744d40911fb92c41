// Fully connected layer:  y[n,o] = sum_i x[n,i] w[i,o] + bias[o].
//
// Derivatives:  dx = dy w^T,  dw = x^T dy,  dbias = column sums of dy.
// Sums are accumulated in the element type, in an order fixed by the shape and the instruction set.
#pragma once

#include "tinyvision/linalg/gemm.hpp"
#include "tinyvision/ops/conv2d.hpp"
#include "tinyvision/reference/gemm.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/gemm.hpp"
#endif

TINYVISION_BEGIN

namespace detail {

/// The matrix product that runs on `device`.
template <class T>
auto gemm_on(Device device) {
#if TINYVISION_WITH_CUDA
  return choose_kernel(device, &reference::gemm<T>, &linalg::gemm<T>, &cuda::gemm<T>);
#else
  return choose_kernel(device, &reference::gemm<T>, &linalg::gemm<T>, decltype(&reference::gemm<T>){});
#endif
}

/// Every row of `rows` [N,C] becomes `row` [C].
inline void repeat_row(const Tensor& row, const Tensor& rows) {
  for (Index n = 0; n < rows.dim(0); ++n) rows.slice_batch(n, 1).reshape(row.shape()).copy_from(row);
}

}  // namespace detail

/// x [N,I], w [I,O] or [1,1,I,O] (a 1x1 convolution's weight), bias [O] or undefined -> [N,O].
inline Variable linear(const Variable& x, const Variable& w, const Variable& bias = Variable()) {
  const Index in = w.shape()[-2], out = w.shape()[-1];
  check(x.shape().rank() == 2 && w.shape().count() == in * out && x.shape()[1] == in, "linear", "input ", x.shape(),
        ", weight ", w.shape());
  check(x.dtype() == w.dtype() && x.device() == w.device(), "linear", "operands differ: input ", x.value().text(),
        ", weight ", w.value().text());
  if (bias.defined()) check(bias.shape() == Shape{out}, "linear", "bias must be [", out, "], got ", bias.shape());
  const Index n = x.shape()[0];
  const Tensor y = Tensor::empty({n, out}, x.dtype(), x.device());
  visit_float("linear", x.dtype(), [&]<class T>(T) {
    if (bias.defined()) detail::repeat_row(bias.value(), y);
    detail::gemm_on<T>(x.device())(false, false, n, out, in, T(1), x.value().data<T>(), x.value().pitch(),
                                   w.value().data<T>(), out, bias.defined() ? T(1) : T(0), y.data<T>(), out);
  });
  if (!needs_record(x, w, bias)) return applied(y, [&] { return AppliedOp{.name = "linear", .inputs = {x, w, bias}}; });
  return Variable::result("linear", y, {x, w, bias}, [=](const Tensor& dy) {
    if (bias.defined()) bias_gradient(bias, dy);
    visit_float("linear", dy.dtype(), [&]<class T>(T) {
      const auto gemm_of = detail::gemm_on<T>(dy.device());
      if (w.requires_gradient()) {
        const GradientSink dw = w.gradient_sink();
        gemm_of(true, false, in, out, n, T(1), x.value().data<T>(), x.value().pitch(), dy.data<T>(), dy.pitch(),
                dw.accumulate ? T(1) : T(0), dw.tensor.data<T>(), out);
      }
      if (x.requires_gradient()) {
        const GradientSink dx = x.gradient_sink();
        gemm_of(false, true, n, in, out, T(1), dy.data<T>(), dy.pitch(), w.value().data<T>(), out,
                dx.accumulate ? T(1) : T(0), dx.tensor.data<T>(), dx.tensor.pitch());
      }
    });
  });
}

TINYVISION_END
