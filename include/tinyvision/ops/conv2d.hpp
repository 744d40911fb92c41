// Convolution and depthwise convolution.
//
//   conv2d:            y[n,i,j,o]     = sum_{a,b,c} x[n, i*s - top + a, j*s - left + b, c] w[a,b,c,o]  (+ bias[o])
//   depthwise_conv2d:  y[n,i,j,c*M+m] = sum_{a,b}   x[n, i*s - top + a, j*s - left + b, c] w[a,b,c,m]
// (cross-correlation, as in every network of the paper; positions outside the input are zero).
//
// Derivatives. Each y is linear in x and in w, so with dy = dL/dy
//   dL/dx[n,h,w,c]   = sum over (i,a): i*s - top + a = h, (j,b) alike, and o, of dy[n,i,j,o] w[a,b,c,o]
//   dL/dw[a,b,c,o]   = sum_{n,i,j} x[n, i*s - top + a, j*s - left + b, c] dy[n,i,j,o]
//   dL/dbias[o]      = sum_{n,i,j} dy[n,i,j,o]
// Numerics: f32 sums are accumulated in f32 in an order fixed by the shape and the instruction set; dbias in f64. With bf16
// activations (on a device) the weights are f32: conv2d multiplies their roundings to bf16, depthwise_conv2d themselves;
// sums, and the gradients of weights and bias, are f32.
#pragma once

#include "tinyvision/cpu/conv2d.hpp"
#include "tinyvision/cpu/depthwise_conv2d.hpp"
#include "tinyvision/ops/support.hpp"
#include "tinyvision/reference/conv2d.hpp"
#include "tinyvision/reference/depthwise_conv2d.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/convolution.hpp"
#include "tinyvision/cuda/gemm.hpp"
#endif

TINYVISION_BEGIN

struct ConvOptions {
  Index stride = 1;
  Padding padding = Padding::same();
};

/// Geometry of a convolution of x [N,H,W,C] with w [KH,KW,C,O]. Throws Error when shapes do not fit.
inline WindowGeometry conv2d_geometry(const Tensor& x, const Tensor& w, const ConvOptions& options) {
  check(w.shape().rank() == 4, "conv2d", "weight must be [KH,KW,Cin,Cout], got ", w.shape());
  check(x.shape().rank() == 4 && x.dim(3) == w.dim(2), "conv2d", "channels differ: input ", x.shape(), ", weight ",
        w.shape());
  check(accumulator_dtype(x.dtype()) == w.dtype() && x.device() == w.device(), "conv2d", "operands differ: input ",
        x.text(), ", weight ", w.text());
  return window_geometry("conv2d", x, w.dim(0), w.dim(1), options.stride, options.padding, w.dim(3));
}

/// Geometry of a depthwise convolution of x [N,H,W,C] with w [KH,KW,C,M].
inline WindowGeometry depthwise_conv2d_geometry(const Tensor& x, const Tensor& w, const ConvOptions& options) {
  check(w.shape().rank() == 4, "depthwise_conv2d", "weight must be [KH,KW,C,multiplier], got ", w.shape());
  check(x.shape().rank() == 4 && x.dim(3) == w.dim(2), "depthwise_conv2d", "channels differ: input ", x.shape(),
        ", weight ", w.shape());
  check(accumulator_dtype(x.dtype()) == w.dtype() && x.device() == w.device(), "depthwise_conv2d",
        "operands differ: input ", x.text(), ", weight ", w.text());
  return window_geometry("depthwise_conv2d", x, w.dim(0), w.dim(1), options.stride, options.padding,
                         w.dim(2) * w.dim(3));
}

/// The two convolutions differ in their kernels only; `Kind` names which one an op is about.
enum class ConvKind { full, depthwise };

inline WindowGeometry conv_geometry(ConvKind kind, const Tensor& x, const Tensor& w, const ConvOptions& options) {
  return kind == ConvKind::full ? conv2d_geometry(x, w, options) : depthwise_conv2d_geometry(x, w, options);
}

/// The weights of a convolution rounded to bf16, kept with their variable; the optimiser renews them.
struct Bf16Copy {
  Tensor value;
};

/// The weights w of a full convolution as kernels for activations of type T take them.
template <class T>
Tensor conv2d_weights(const Variable& w) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return w.derived<Bf16Copy>([&] { return Bf16Copy{w.value().to(DType::bf16)}; })->value;
  } else {
    return w.value();
  }
}

/// y = act(conv(x, w) * scale + shift + residual), written to `y`. On the CPU, full convolutions outside training keep
/// their packed weights with the variable `w`.
template <class T>
void conv_forward(ConvKind kind, const WindowGeometry& g, const Tensor& x, const Variable& w,
                  const Epilogue<T>& epilogue, const Tensor& y) {
  const WindowGeometry full = with_pitches(g, x, y);
  if (kind == ConvKind::depthwise) {
    const auto run = TINYVISION_KERNEL(x.device(), depthwise_conv2d_forward<T>);
    return run(full, x.data<T>(), w.value().data<Accumulator<T>>(), epilogue, y.data<T>());
  }
  const Tensor weights = conv2d_weights<T>(w);
  if (use_reference() || is_recording() || !x.on_cpu()) {
    using Run = void (*)(const WindowGeometry&, const T*, const T*, const Epilogue<T>&, T*);
    const Run run = TINYVISION_KERNEL(x.device(), conv2d_forward<T>);
    return run(full, x.data<T>(), weights.data<T>(), epilogue, y.data<T>());
  }
  if constexpr (!std::is_same_v<T, bfloat16>) {
    const auto packed =
        w.derived<cpu::PackedConvWeights<T>>([&] { return cpu::pack_conv2d_weights(full, weights.data<T>()); });
    cpu::conv2d_forward(full, x.data<T>(), *packed, epilogue, y.data<T>());
  }
}

/// Adds the gradients of a convolution's input and weights, given the gradient `dy` of its plain output.
inline void conv_backward(ConvKind kind, const WindowGeometry& g, const Variable& x, const Variable& w,
                          const Tensor& dy) {
  visit_elements("conv2d", dy, [&]<class T>(T) {
    if (w.requires_gradient()) {
      const GradientSink dw = w.gradient_sink();
      const WindowGeometry full = with_pitches(g, x.value(), dy);
      const auto run = kind == ConvKind::full ? TINYVISION_KERNEL(dy.device(), conv2d_backward_weight<T>)
                                              : TINYVISION_KERNEL(dy.device(), depthwise_conv2d_backward_weight<T>);
      run(full, x.value().data<T>(), dy.data<T>(), dw.tensor.data<Accumulator<T>>(), dw.accumulate);
    }
    if (!x.requires_gradient()) return;
    const GradientSink dx = x.gradient_sink();
    const WindowGeometry full = with_pitches(g, dx.tensor, dy);
    if (kind == ConvKind::full) {
      const auto run = TINYVISION_KERNEL(dy.device(), conv2d_backward_input<T>);
      run(full, dy.data<T>(), conv2d_weights<T>(w).template data<T>(), dx.tensor.data<T>(), dx.accumulate);
    } else {
      const auto run = TINYVISION_KERNEL(dy.device(), depthwise_conv2d_backward_input<T>);
      run(full, dy.data<T>(), w.value().data<Accumulator<T>>(), dx.tensor.data<T>(), dx.accumulate);
    }
  });
}

/// Adds the column sums of `dy` into the gradient of `bias` [C].
inline void bias_gradient(const Variable& bias, const Tensor& dy) {
  if (!bias.requires_gradient()) return;
  const GradientSink db = bias.gradient_sink();
  visit_elements("bias", dy, [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(dy.device(), bias_backward<T>);
    run(dy.rows(), dy.shape().back(), dy.data<T>(), dy.pitch(), db.tensor.data<Accumulator<T>>(), db.accumulate);
  });
}

/// Convolution of either kind, optionally with a bias [O]; `into` is an optional output slice.
inline Variable convolution(ConvKind kind, const Variable& x, const Variable& w, const Variable& bias,
                            const ConvOptions& options, const Tensor& into = Tensor()) {
  const char* name = kind == ConvKind::full ? "conv2d" : "depthwise_conv2d";
  const WindowGeometry g = conv_geometry(kind, x.value(), w.value(), options);
  if (bias.defined()) check(bias.shape() == Shape{g.out_c}, name, "bias must be [", g.out_c, "], got ", bias.shape());
  const Tensor y = output_tensor(name, output_shape(g), x.dtype(), x.device(), into);
  const bool record = needs_record(x, w, bias);
  visit_elements(name, x.value(), [&]<class T>(T) {
    Epilogue<T> epilogue;
    if (bias.defined()) epilogue.shift = bias.value().data<Accumulator<T>>();
    conv_forward(kind, g, x.value(), w, epilogue, y);
  });
  if (!record) return applied(y, [&] { return AppliedOp{.name = name, .inputs = {x, w, bias}, .window = g}; });
  return Variable::result(name, y, {x, w, bias}, [=](const Tensor& dy) {
    if (bias.defined()) bias_gradient(bias, dy);
    conv_backward(kind, g, x, w, dy);
  });
}

/// x [N,H,W,C], w [KH,KW,C,O], bias [O] or undefined -> [N,H',W',O]. Throws Error naming the shapes that do not fit.
inline Variable conv2d(const Variable& x, const Variable& w, const ConvOptions& options = {},
                       const Variable& bias = Variable(), const Tensor& into = Tensor()) {
  return convolution(ConvKind::full, x, w, bias, options, into);
}

/// x [N,H,W,C], w [KH,KW,C,M] -> [N,H',W',C*M].
inline Variable depthwise_conv2d(const Variable& x, const Variable& w, const ConvOptions& options = {},
                                 const Tensor& into = Tensor()) {
  return convolution(ConvKind::depthwise, x, w, Variable(), options, into);
}

TINYVISION_END
