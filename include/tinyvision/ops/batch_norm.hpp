// Batch normalisation (Ioffe and Szegedy, "Batch Normalization", ICML 2015), its state, and the composite
// convolution + batch norm + activation (+ residual).
//
// With N = number of pixels of the batch and, per channel,
//   mean = (1/N) sum x        variance = (1/N) sum (x - mean)^2             (biased; in training)
//   xhat = (x - mean) / sqrt(variance + epsilon)      y = gamma xhat + beta
//   moving_mean     <- d moving_mean     + (1-d) mean
//   moving_variance <- d moving_variance + (1-d) variance N / max(N-1, 1)   (unbiased, as TensorFlow and PyTorch do)
// Evaluation uses the moving statistics instead, as constants.
//
// Derivative. Through mean and variance every x touches every y; collecting terms,
//   dbeta = sum dy      dgamma = sum dy xhat
//   dx = gamma / sqrt(variance + epsilon) (dy - dbeta/N - xhat dgamma/N)
// and in evaluation dx = gamma / sqrt(moving_variance + epsilon) dy.
// Numerics: sums over pixels are accumulated in f64, in an order fixed by the shape. Beside bf16 activations (on a device)
// parameters and statistics are f32, and so are sums over pixels.
#pragma once

#include <cmath>

#include "tinyvision/cpu/batch_norm.hpp"
#include "tinyvision/ops/conv2d.hpp"
#include "tinyvision/reference/batch_norm.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/batch_norm.hpp"
#endif

TINYVISION_BEGIN

/// Parameters and buffers of one batch norm, all [C]. `gamma` may be undefined (no scale: gamma = 1).
struct BatchNormState {
  Variable gamma, beta, moving_mean, moving_variance;
};

struct BatchNormOptions {
  double epsilon = 1e-3;
  double decay = 0.997;                      ///< d above
  bool training = false;                     ///< batch statistics, and an update of the moving ones
  Activation activation = Activation::none;  ///< applied last
};

/// Mean and biased variance of each channel of a batch, [C] each, in the dtype of a batch norm's parameters.
struct ChannelStatistics {
  Tensor mean, variance;

  ChannelStatistics() = default;
  ChannelStatistics(Index channels, DType dtype, Device device)
      : mean(Tensor::empty({channels}, dtype, device)), variance(Tensor::empty({channels}, dtype, device)) {}
  /// Those of channels [begin, begin + count); shares storage.
  ChannelStatistics slice(Index begin, Index count) const {
    ChannelStatistics part;
    part.mean = mean.slice_channels(begin, count);
    part.variance = variance.slice_channels(begin, count);
    return part;
  }
};

namespace detail {

/// Per-channel vectors of one application of a batch norm, in the dtype of its parameters.
struct NormVectors {
  Tensor mean, inv_std, scale;  ///< scale = gamma * inv_std

  static NormVectors make(Index channels, DType dtype, Device device) {
    const auto vector = [&] { return Tensor::empty({channels}, dtype, device); };
    return {vector(), vector(), vector()};
  }
};

inline void check_batch_norm(const Tensor& x, Index channels, const BatchNormState& state) {
  for (const Variable* v : {&state.beta, &state.moving_mean, &state.moving_variance, &state.gamma}) {
    if (!v->defined() && v == &state.gamma) continue;
    check(v->defined() && v->shape() == Shape{channels} && v->device() == x.device(), "batch_norm", "input is ",
          x.text(), ", the batch norm has ", channels, " channels, a parameter is ",
          v->defined() ? v->value().text() : std::string("undefined"));
  }
}

/// inv_std and scale from a variance.
template <class T>
void finish_norm(const NormVectors& v, const T* variance, const Variable& gamma, double epsilon) {
  const auto run = TINYVISION_CHANNEL_KERNEL(v.mean.device(), batch_norm_scales<T>);
  run(v.mean.count(), variance, gamma.defined() ? gamma.value().data<T>() : nullptr, epsilon, v.inv_std.data<T>(),
      v.scale.data<T>());
}

/// Vectors from the moving statistics.
inline NormVectors moving_norm(const BatchNormState& state, double epsilon) {
  NormVectors v = NormVectors::make(state.beta.shape()[0], state.beta.dtype(), state.beta.device());
  v.mean = state.moving_mean.value();
  visit_float("batch_norm", state.beta.dtype(),
              [&]<class T>(T) { finish_norm<T>(v, state.moving_variance.value().data<T>(), state.gamma, epsilon); });
  return v;
}

/// Mean and biased variance of x per channel, written to `statistics`.
inline void measure_channels(const Tensor& x, const ChannelStatistics& statistics) {
  const Index channels = x.shape().back(), rows = x.rows();
  check(rows > 0, "batch_norm", "no pixels to take statistics of: ", x.shape());
  visit_elements("batch_norm", x, [&]<class T>(T) {
    using A = Accumulator<T>;
    const auto run = TINYVISION_KERNEL(x.device(), batch_norm_statistics<T>);
    run(rows, channels, x.data<T>(), x.pitch(), statistics.mean.data<A>(), statistics.variance.data<A>());
  });
}

/// Vectors from the statistics of a batch of `rows` pixels; updates the moving statistics.
inline NormVectors norm_from_statistics(Index rows, const ChannelStatistics& statistics, const BatchNormState& state,
                                        const BatchNormOptions& options) {
  const Index channels = statistics.mean.count();
  NormVectors v = NormVectors::make(channels, state.beta.dtype(), state.beta.device());
  v.mean = statistics.mean;
  visit_float("batch_norm", state.beta.dtype(), [&]<class A>(A) {
    finish_norm<A>(v, statistics.variance.data<A>(), state.gamma, options.epsilon);
    const auto move = TINYVISION_CHANNEL_KERNEL(state.beta.device(), batch_norm_move<A>);
    move(rows, channels, v.mean.template data<A>(), statistics.variance.data<A>(), options.decay,
         state.moving_mean.value().data<A>(), state.moving_variance.value().data<A>());
  });
  state.moving_mean.mark_changed();
  state.moving_variance.mark_changed();
  return v;
}

/// Vectors from the statistics of x, measured unless `known`; updates the moving statistics.
inline NormVectors batch_norm_from_batch(const Tensor& x, const BatchNormState& state, const BatchNormOptions& options,
                                         const ChannelStatistics& known = {}) {
  if (known.mean.defined()) return norm_from_statistics(x.rows(), known, state, options);
  const ChannelStatistics statistics(x.shape().back(), state.beta.dtype(), x.device());
  measure_channels(x, statistics);
  return norm_from_statistics(x.rows(), statistics, state, options);
}

/// z = act((x - mean) scale + beta + residual).
inline void apply_norm(const Tensor& x, const NormVectors& v, const Variable& beta, const Tensor& residual,
                       Activation activation, const Tensor& z) {
  visit_elements("batch_norm", x, [&]<class T>(T) {
    using A = Accumulator<T>;
    const auto run = TINYVISION_KERNEL(x.device(), batch_norm_apply<T>);
    run(x.rows(), x.shape().back(), x.data<T>(), x.pitch(), v.mean.data<A>(), v.scale.data<A>(), beta.value().data<A>(),
        residual.defined() ? residual.data<T>() : nullptr, residual.defined() ? residual.pitch() : 0, activation,
        z.data<T>(), z.pitch());
  });
}

/// Gradients of z = act(BN(x) + residual): adds those of gamma, beta and residual, and returns that of x. It is written to
/// `into` (then there is no residual), or it reuses dz's memory or a new tensor. `z` is read only when there is an
/// activation and a residual or constant statistics.
inline Tensor norm_backward(const Tensor& x, const Tensor& z, const Tensor& dz, const NormVectors& v,
                            const BatchNormState& state, const Variable& residual, const BatchNormOptions& options,
                            const GradientSink& into = {}) {
  const Index rows = x.rows(), channels = x.shape().back();
  // The kernel reads each dz before it writes to the same place: dz's memory becomes dx or, where a residual has no
  // gradient yet, the residual's gradient.
  const bool pass_residual = residual.defined() && residual.requires_gradient();
  const bool give_dz = pass_residual && residual.adopt_gradient(dz);
  const Tensor dx = into.tensor.defined() ? into.tensor
                    : pass_residual       ? Tensor::empty(x.shape(), x.dtype(), x.device())
                                          : dz;
  const bool accumulate = into.accumulate;
  visit_elements("batch_norm", x, [&]<class T>(T) {
    using A = Accumulator<T>;
    const Tensor sums = Tensor::empty({2, channels}, state.beta.dtype(), x.device());
    A* sum_dy_xhat = sums.data<A>();
    A* sum_dy = sum_dy_xhat + channels;
    const T* z_data = options.activation == Activation::none ? nullptr : z.data<T>();
    const A* gamma = state.gamma.defined() ? state.gamma.value().data<A>() : nullptr;
    const A* mean = v.mean.data<A>();
    const A* inv_std = v.inv_std.data<A>();
    const auto add_sums = [&] {
      if (state.gamma.defined()) add_gradient(state.gamma, sums.slice_batch(0, 1).reshape({channels}), false);
      add_gradient(state.beta, sums.slice_batch(1, 1).reshape({channels}), false);
    };
    if constexpr (!std::is_same_v<T, bfloat16>) {
      if (x.on_cpu() && !use_reference() && options.training &&
          !residual.defined()) {  // z from x instead of reading it
        const T* beta = state.beta.value().data<T>();
        cpu::batch_norm_backward_reduce_remade(rows, channels, dz.data<T>(), dz.pitch(), v.scale.data<T>(), beta,
                                               x.data<T>(), x.pitch(), mean, inv_std, options.activation, sum_dy_xhat,
                                               sum_dy);
        cpu::batch_norm_backward_apply_remade(rows, channels, dz.data<T>(), dz.pitch(), v.scale.data<T>(), beta,
                                              x.data<T>(), x.pitch(), mean, inv_std, gamma, options.activation,
                                              sum_dy_xhat, sum_dy, dx.data<T>(), dx.pitch(), accumulate);
        return add_sums();
      }
    }
    const auto reduce = TINYVISION_KERNEL(x.device(), batch_norm_backward_reduce<T>);
    reduce(rows, channels, dz.data<T>(), dz.pitch(), z_data, z.pitch(), x.data<T>(), x.pitch(), mean, inv_std,
           options.activation, sum_dy_xhat, sum_dy);
    GradientSink dresidual;
    if (give_dz) {
      if (options.activation != Activation::none) dresidual.tensor = dz;  // else it holds the right values already
    } else if (pass_residual) {
      dresidual = residual.gradient_sink();
    }
    T* dr = dresidual.tensor.defined() ? dresidual.tensor.template data<T>() : nullptr;
    const Index drp = dr ? dresidual.tensor.pitch() : 0;
    if (options.training) {
      const auto apply = TINYVISION_KERNEL(x.device(), batch_norm_backward_apply<T>);
      apply(rows, channels, dz.data<T>(), dz.pitch(), z_data, z.pitch(), x.data<T>(), x.pitch(), mean, inv_std, gamma,
            options.activation, sum_dy_xhat, sum_dy, dx.data<T>(), dx.pitch(), accumulate, dr, drp,
            dresidual.accumulate);
    } else {
      const auto apply = TINYVISION_KERNEL(x.device(), batch_norm_backward_apply_frozen<T>);
      apply(rows, channels, dz.data<T>(), dz.pitch(), z_data, z.pitch(), inv_std, gamma, options.activation,
            dx.data<T>(), dx.pitch(), accumulate, dr, drp, dresidual.accumulate);
    }
    add_sums();
  });
  return dx;
}

}  // namespace detail

/// Batch norm over the last dimension of x [...,C], then the activation. `into` is an optional output slice; `known` are
/// x's statistics where they have been measured already (they must be those of x: the derivative takes them so).
inline Variable batch_norm(const Variable& x, const BatchNormState& state, const BatchNormOptions& options,
                           const Tensor& into = Tensor(), const ChannelStatistics& known = {}) {
  detail::check_batch_norm(x.value(), x.shape().back(), state);
  const auto v = options.training ? detail::batch_norm_from_batch(x.value(), state, options, known)
                                  : detail::moving_norm(state, options.epsilon);
  const Tensor z = output_tensor("batch_norm", x.shape(), x.dtype(), x.device(), into);
  detail::apply_norm(x.value(), v, state.beta, Tensor(), options.activation, z);
  if (!needs_record(x, state.gamma, state.beta))
    return applied(z, [&] {
      return AppliedOp{.name = "batch_norm",
                       .inputs = {x, state.gamma, state.beta, state.moving_mean, state.moving_variance},
                       .number = options.epsilon,
                       .activation = options.activation};
    });
  return Variable::result("batch_norm", z, {x, state.gamma, state.beta}, [=](const Tensor& dz) {
    add_gradient(x, detail::norm_backward(x.value(), z, dz, v, state, Variable(), options), true);
  });
}

/// act(BN(conv(x, w)) + residual), one op with one backward. In evaluation the batch norm is folded into the
/// convolution's epilogue: conv * scale + (beta - mean * scale). `residual` may be undefined.
/// Equal to the plain spelling conv2d, batch_norm, add, relu up to rounding.
inline Variable conv2d_batch_norm(ConvKind kind, const Variable& x, const Variable& w, const BatchNormState& state,
                                  const ConvOptions& conv_options, const BatchNormOptions& options,
                                  const Variable& residual = Variable(), const Tensor& into = Tensor()) {
  const WindowGeometry g = conv_geometry(kind, x.value(), w.value(), conv_options);
  detail::check_batch_norm(x.value(), g.out_c, state);
  const Shape shape = output_shape(g);
  if (residual.defined())
    check(residual.shape() == shape && residual.dtype() == x.dtype(), "conv2d_batch_norm", "residual is ",
          residual.value().text(), ", the convolution's output ", shape);
  const Tensor z = output_tensor("conv2d_batch_norm", shape, x.dtype(), x.device(), into);
  const bool record = needs_record(x, w, state.gamma, state.beta, residual);

  if (!options.training && !record) {
    const auto v = detail::moving_norm(state, options.epsilon);
    visit_elements("conv2d_batch_norm", x.value(), [&]<class T>(T) {
      using A = Accumulator<T>;
      const Tensor shift = Tensor::empty({g.out_c}, state.beta.dtype(), x.device());
      const auto fold = TINYVISION_CHANNEL_KERNEL(x.device(), batch_norm_fold<A>);
      fold(g.out_c, state.beta.value().data<A>(), v.mean.template data<A>(), v.scale.template data<A>(),
           shift.data<A>());
      Epilogue<T> epilogue;
      epilogue.scale = v.scale.data<A>();
      epilogue.shift = shift.data<A>();
      epilogue.activation = options.activation;
      if (residual.defined()) {
        epilogue.residual = residual.value().data<T>();
        epilogue.residual_pitch = residual.value().pitch();
      }
      conv_forward(kind, g, x.value(), w, epilogue, z);
    });
    return applied(z, [&] {
      return AppliedOp{.name = kind == ConvKind::full ? "conv2d_batch_norm" : "depthwise_conv2d_batch_norm",
                       .inputs = {x, w, state.gamma, state.beta, state.moving_mean, state.moving_variance, residual},
                       .window = g,
                       .number = options.epsilon,
                       .activation = options.activation};
    });
  }

  const Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  visit_elements("conv2d_batch_norm", x.value(),
                 [&]<class T>(T) { conv_forward(kind, g, x.value(), w, Epilogue<T>{}, y); });
  const auto v =
      options.training ? detail::batch_norm_from_batch(y, state, options) : detail::moving_norm(state, options.epsilon);
  detail::apply_norm(y, v, state.beta, residual.defined() ? residual.value() : Tensor(), options.activation, z);
  if (!record) return Variable(z);
  return Variable::result("conv2d_batch_norm", z, {x, w, state.gamma, state.beta, residual}, [=](const Tensor& dz) {
    const Tensor dy = detail::norm_backward(y, z, dz, v, state, residual, options);
    conv_backward(kind, g, x, w, dy);
  });
}

TINYVISION_END
