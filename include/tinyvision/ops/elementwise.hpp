// Elementwise operations: relu, relu6, add, scale, cast; and reshape, concat, zero pad, crop, which only move values.
//
//   relu(x) = max(x, 0)         derivative 1 where y > 0, else 0
//   relu6(x) = min(max(x,0),6)  derivative 1 where 0 < y < 6, else 0
//   add(a, b) = a + b           derivative 1 for both; add_activation puts relu or relu6 on the sum
//   scale(x, alpha) = alpha x   derivative alpha
// Each value is rounded once; no reductions, so repeatability is trivial.
#pragma once

#include "tinyvision/cpu/pad.hpp"
#include "tinyvision/ops/support.hpp"
#include "tinyvision/reference/pad.hpp"

TINYVISION_BEGIN

/// relu or relu6 of x, any shape.
inline Variable activation(const Variable& x, Activation kind, const Tensor& into = Tensor()) {
  const Tensor y = output_tensor(to_string(kind), x.shape(), x.dtype(), x.device(), into);
  visit_elements(to_string(kind), x.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(x.device(), activation_forward<T>);
    run(y.rows(), y.shape().back(), x.value().data<T>(), x.value().pitch(), kind, y.data<T>(), y.pitch());
  });
  if (!needs_record(x))
    return applied(y, [&] { return AppliedOp{.name = "activation", .inputs = {x}, .activation = kind}; });
  return Variable::result(to_string(kind), y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    visit_elements(to_string(kind), dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(x.device(), activation_backward<T>);
      run(dy.rows(), dy.shape().back(), dy.data<T>(), dy.pitch(), y.data<T>(), y.pitch(), kind, dx.tensor.data<T>(),
          dx.tensor.pitch(), dx.accumulate);
    });
  });
}
inline Variable relu(const Variable& x) { return activation(x, Activation::relu); }
inline Variable relu6(const Variable& x) { return activation(x, Activation::relu6); }

/// a + b, equal shapes.
inline Variable add(const Variable& a, const Variable& b, const Tensor& into = Tensor()) {
  check(a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device(), "add",
        "operands differ: ", a.value().text(), " and ", b.value().text());
  const Tensor y = output_tensor("add", a.shape(), a.dtype(), a.device(), into);
  visit_elements("add", a.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(y.device(), add<T>);
    run(y.rows(), y.shape().back(), a.value().data<T>(), a.value().pitch(), b.value().data<T>(), b.value().pitch(),
        Activation::none, y.data<T>(), y.pitch());
  });
  if (!needs_record(a, b)) return applied(y, [&] { return AppliedOp{.name = "add", .inputs = {a, b}}; });
  return Variable::result("add", y, {a, b}, [=](const Tensor& dy) {
    add_gradient(b, dy, false);  // b copies first, so that a may take dy itself
    add_gradient(a, dy, true);
  });
}

/// act(a + b), equal shapes, in one pass. Derivative: dy where the activation passed the sum, for both.
inline Variable add_activation(const Variable& a, const Variable& b, Activation kind, const Tensor& into = Tensor()) {
  check(a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device(), "add_activation",
        "operands differ: ", a.value().text(), " and ", b.value().text());
  const Tensor y = output_tensor("add_activation", a.shape(), a.dtype(), a.device(), into);
  visit_elements("add_activation", a.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(y.device(), add<T>);
    run(y.rows(), y.shape().back(), a.value().data<T>(), a.value().pitch(), b.value().data<T>(), b.value().pitch(),
        kind, y.data<T>(), y.pitch());
  });
  if (!needs_record(a, b)) return Variable(y);
  return Variable::result("add_activation", y, {a, b}, [=](const Tensor& dy) {
    visit_elements("add_activation", dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(dy.device(), activation_backward<T>);
      run(dy.rows(), dy.shape().back(), dy.data<T>(), dy.pitch(), y.data<T>(), y.pitch(), kind, dy.data<T>(),
          dy.pitch(), false);
    });
    add_gradient(b, dy, false);  // b copies first, so that a may take dy itself
    add_gradient(a, dy, true);
  });
}

/// alpha * x for a constant alpha.
inline Variable scale(const Variable& x, double alpha, const Tensor& into = Tensor()) {
  const Tensor y = output_tensor("scale", x.shape(), x.dtype(), x.device(), into);
  scale_into(x.value(), alpha, y, false);
  if (!needs_record(x)) return applied(y, [&] { return AppliedOp{.name = "scale", .inputs = {x}, .number = alpha}; });
  return Variable::result("scale", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    scale_into(dy, alpha, dx.tensor, dx.accumulate);
  });
}

/// x rounded to another dtype, f32, f64 or (on a device) bf16. Derivative: dy rounded to x's.
inline Variable cast(const Variable& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = x.value().to(dtype);
  if (!needs_record(x)) return applied(y, [&] { return AppliedOp{.name = "cast", .inputs = {x}}; });
  return Variable::result("cast", y, {x}, [=](const Tensor& dy) { add_gradient(x, dy.to(x.dtype()), true); });
}

/// The same values under another shape of equal count; shares storage when x is contiguous.
inline Variable reshape(const Variable& x, const Shape& shape) {
  const Tensor y = x.value().packed().reshape(shape);
  if (!needs_record(x)) return applied(y, [&] { return AppliedOp{.name = "reshape", .inputs = {x}}; });
  return Variable::result("reshape", y, {x},
                          [=](const Tensor& dy) { add_gradient(x, dy.packed().reshape(x.shape()), true); });
}

/// Joins maps of equal [N,H,W] along the channels. A branch that was already written into its slice of `into` (the whole
/// output, allocated by the caller) is not copied again.
inline Variable concat(const std::vector<Variable>& parts, const Tensor& into = Tensor()) {
  check(!parts.empty(), "concat", "nothing to join");
  Shape shape = parts[0].shape();
  Index channels = 0;
  bool record = false;
  for (const Variable& part : parts) {
    Shape expected = shape;
    expected[-1] = part.shape().back();
    check(part.shape() == expected && part.dtype() == parts[0].dtype() && part.device() == parts[0].device(), "concat",
          "parts differ: ", parts[0].value().text(), " and ", part.value().text());
    channels += part.shape().back();
    record = record || needs_record(part);
  }
  shape[-1] = channels;
  const Tensor y = output_tensor("concat", shape, parts[0].dtype(), parts[0].device(), into);
  Index begin = 0;
  for (const Variable& part : parts) {
    const Tensor slice = y.slice_channels(begin, part.shape().back());
    if (!slice.same_storage(part.value())) scale_into(part.value(), 1.0, slice, false);
    begin += part.shape().back();
  }
  if (!record) return applied(y, [&] { return AppliedOp{.name = "concat", .inputs = parts}; });
  return Variable::result("concat", y, parts, [=](const Tensor& dy) {
    Index first = 0;
    for (const Variable& part : parts) {
      add_gradient(part, dy.slice_channels(first, part.shape().back()), true);
      first += part.shape().back();
    }
  });
}

/// Zeros around every map of x [N,H,W,C]. Derivative: the crop of dy.
inline Variable zero_pad(const Variable& x, Index top, Index bottom, Index left, Index right) {
  check(x.shape().rank() == 4, "zero_pad", "input must be [N,H,W,C], got ", x.shape());
  check(top >= 0 && bottom >= 0 && left >= 0 && right >= 0, "zero_pad", "negative amount ", top, ",", bottom, ",", left,
        ",", right);
  const Index n = x.shape()[0], h = x.shape()[1], w = x.shape()[2], c = x.shape()[3];
  const Tensor y = Tensor::empty({n, h + top + bottom, w + left + right, c}, x.dtype(), x.device());
  visit_elements("zero_pad", x.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(x.device(), zero_pad<T>);
    run(n, h, w, c, x.value().data<T>(), x.value().pitch(), top, bottom, left, right, y.data<T>(), y.pitch(), false);
  });
  if (!needs_record(x))
    return applied(y, [&] {
      return AppliedOp{.name = "zero_pad", .inputs = {x}, .amounts = {top, bottom, left, right}};
    });
  return Variable::result("zero_pad", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    visit_elements("zero_pad", dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(x.device(), crop<T>);
      run(n, dy.dim(1), dy.dim(2), c, dy.data<T>(), dy.pitch(), top, left, h, w, dx.tensor.data<T>(), dx.tensor.pitch(),
          dx.accumulate);
    });
  });
}

/// The window [top, top+height) x [left, left+width) of every map. Derivative: dy padded with zeros.
inline Variable crop(const Variable& x, Index top, Index left, Index height, Index width) {
  check(x.shape().rank() == 4, "crop", "input must be [N,H,W,C], got ", x.shape());
  const Index n = x.shape()[0], h = x.shape()[1], w = x.shape()[2], c = x.shape()[3];
  check(top >= 0 && left >= 0 && height > 0 && width > 0 && top + height <= h && left + width <= w, "crop", "window ",
        height, "x", width, " at ", top, ",", left, " outside ", x.shape());
  const Tensor y = Tensor::empty({n, height, width, c}, x.dtype(), x.device());
  visit_elements("crop", x.value(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(x.device(), crop<T>);
    run(n, h, w, c, x.value().data<T>(), x.value().pitch(), top, left, height, width, y.data<T>(), y.pitch(), false);
  });
  if (!needs_record(x))
    return applied(y, [&] { return AppliedOp{.name = "crop", .inputs = {x}, .amounts = {top, left, height, width}}; });
  return Variable::result("crop", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    visit_elements("crop", dy, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(x.device(), zero_pad<T>);
      run(n, height, width, c, dy.data<T>(), dy.pitch(), top, h - top - height, left, w - left - width,
          dx.tensor.data<T>(), dx.tensor.pitch(), dx.accumulate);
    });
  });
}

TINYVISION_END
