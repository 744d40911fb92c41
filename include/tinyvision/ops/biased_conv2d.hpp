// Convolution with a bias, scaled, added to a residual and activated, as one operation:
//
//   z = act(alpha (conv(x, w) + bias) + residual)
// What Inception-ResNet does at the end of every block (Szegedy et al., arXiv 1602.07261, section 3.3: residuals scaled by
// 0.1 to 0.3), and, with alpha = 1 and no residual, an ordinary convolution with bias.
//
// Derivative. With ds = dz where the activation passed the sum, else 0:
//   dresidual = ds      du = alpha ds      dbias = column sums of du      dx, dw as conv2d's for du
// Numerics: alpha and alpha bias are the scale and the shift of the convolution's epilogue, so z equals the plain spelling
// conv2d, scale, add, activation up to rounding. Of all maps in between none is kept for the backward pass.
#pragma once

#include "tinyvision/ops/conv2d.hpp"

TINYVISION_BEGIN

struct BiasedConvOptions {
  ConvOptions conv = {};
  double scale = 1;  ///< alpha
  Activation activation = Activation::none;
};

/// x [N,H,W,C], w [KH,KW,C,O], bias [O], residual [N,H',W',O] or undefined -> [N,H',W',O]; `into` is an optional output
/// slice. Throws Error naming the shapes that do not fit.
inline Variable biased_conv2d(const Variable& x, const Variable& w, const Variable& bias,
                              const BiasedConvOptions& options, const Variable& residual = Variable(),
                              const Tensor& into = Tensor()) {
  const WindowGeometry g = conv2d_geometry(x.value(), w.value(), options.conv);
  const Shape shape = output_shape(g);
  check(bias.defined() && bias.shape() == Shape{g.out_c}, "biased_conv2d", "bias must be [", g.out_c, "], got ",
        bias.defined() ? bias.value().text() : std::string("none"));
  if (residual.defined())
    check(residual.shape() == shape && residual.dtype() == x.dtype(), "biased_conv2d", "residual is ",
          residual.value().text(), ", the convolution's output ", shape);
  const Tensor z = output_tensor("biased_conv2d", shape, x.dtype(), x.device(), into);
  visit_elements("biased_conv2d", x.value(), [&]<class T>(T) {
    using A = Accumulator<T>;
    Tensor scale, shift = bias.value();
    if (options.scale != 1) {
      scale = Tensor::full(bias.shape(), options.scale, bias.dtype(), bias.device());
      shift = Tensor::empty(bias.shape(), bias.dtype(), bias.device());
      scale_into(bias.value(), options.scale, shift, false);
    }
    Epilogue<T> epilogue;
    if (scale.defined()) epilogue.scale = scale.template data<A>();
    epilogue.shift = shift.template data<A>();
    epilogue.activation = options.activation;
    if (residual.defined()) {
      epilogue.residual = residual.value().data<T>();
      epilogue.residual_pitch = residual.value().pitch();
    }
    conv_forward(ConvKind::full, g, x.value(), w, epilogue, z);
  });
  if (!needs_record(x, w, bias, residual)) return Variable(z);
  return Variable::result("biased_conv2d", z, {x, w, bias, residual}, [=](const Tensor& dz) {
    if (options.activation != Activation::none)
      visit_elements("biased_conv2d", dz, [&]<class T>(T) {
        const auto run = TINYVISION_KERNEL(dz.device(), activation_backward<T>);
        run(dz.rows(), dz.shape().back(), dz.data<T>(), dz.pitch(), z.data<T>(), z.pitch(), options.activation,
            dz.data<T>(), dz.pitch(), false);
      });
    // dz's memory becomes the residual's gradient where it has none yet, else du.
    const bool given = residual.requires_gradient() && residual.adopt_gradient(dz);
    if (!given) add_gradient(residual, dz, false);
    const Tensor du = given ? Tensor::empty(shape, dz.dtype(), dz.device()) : dz;
    if (given || options.scale != 1) scale_into(dz, options.scale, du, false);
    bias_gradient(bias, du);
    conv_backward(ConvKind::full, g, x, w, du);
  });
}

TINYVISION_END
