// Layers of networks that normalise before they convolve: a batch norm by itself, and batch norm + ReLU + convolution.
#pragma once

#include <string>
#include <utility>

#include "tinyvision/nn/layers.hpp"
#include "tinyvision/ops/preactivation.hpp"

TINYVISION_BEGIN

/// A batch norm with a row of its own in the specification. Creates `gamma`, if it scales, `beta`, `moving_mean` and
/// `moving_variance` below its scope.
class BatchNormLayer {
 public:
  BatchNormLayer() = default;
  BatchNormLayer(const Scope& scope, Index channels, const ConvDefaults& defaults)
      : name_(scope.path()), epsilon_(defaults.bn_epsilon), decay_(defaults.bn_decay) {
    if (defaults.bn_scale)
      state_.gamma = scope.create("gamma", ParameterKind::bn_gamma, {channels}, Initialiser::ones());
    state_.beta = scope.create("beta", ParameterKind::bn_beta, {channels}, Initialiser::zeros());
    state_.moving_mean = scope.create("moving_mean", ParameterKind::bn_moving_mean, {channels}, Initialiser::zeros());
    state_.moving_variance =
        scope.create("moving_variance", ParameterKind::bn_moving_variance, {channels}, Initialiser::ones());
  }

  const std::string& name() const { return name_; }
  const BatchNormState& state() const { return state_; }
  BatchNormOptions options(const Context& context, Activation activation) const {
    return {epsilon_, context.bn_decay.value_or(decay_), context.training, activation};
  }

  /// By itself, without an activation: one row.
  Variable forward(const Variable& x, const Context& context) const {
    if (context.observe_norm_input) context.observe_norm_input(state_, x.value());
    const Variable y = batch_norm(x, state_, options(context, Activation::none));
    context.record(name_, y);
    return y;
  }

 private:
  std::string name_;
  BatchNormState state_;
  double epsilon_ = 0, decay_ = 0;
};

/// conv(ReLU(BN(x))): three rows of the specification. The weights are called `kernel`, as Keras calls them.
class PreactivatedConv {
 public:
  PreactivatedConv() = default;
  /// Kernel x kernel at stride 1, SAME, from `in` to `out` channels. The ReLU has no variables, only a name.
  PreactivatedConv(const Scope& norm, std::string relu, const Scope& conv, Index kernel, Index in, Index out,
                   const ConvDefaults& defaults)
      : relu_(std::move(relu)), name_(conv.path()), norm_(norm, in, defaults) {
    weight_ = conv.create("kernel", ParameterKind::conv_weight, {kernel, kernel, in, out}, defaults.weights,
                          defaults.l2_slim);
  }

  /// x [N,H,W,in] -> [N,H,W,out]. `known` are x's statistics if they have been measured, `into` an optional output slice;
  /// both are for the fused spelling.
  Variable forward(const Variable& x, const Context& context, const ChannelStatistics& known = {},
                   const Tensor& into = Tensor()) const {
    if (context.fused) {
      context.skip(2);
      const Preactivation before{norm_.state(), norm_.options(context, Activation::relu), known};
      const Variable y = preactivated_conv2d(x, before, weight_, {}, into);
      context.record(name_, y);
      return y;
    }
    Variable y = relu(norm_.forward(x, context));
    context.record(relu_, y);
    y = conv2d(y, weight_);
    context.record(name_, y);
    return y;
  }

  /// `next.forward(forward(x))` where nothing is recorded for a backward pass: the batch norm between the convolutions is
  /// folded into the first.
  Variable forward_through(const PreactivatedConv& next, const Variable& x, const Context& context,
                           const Tensor& into) const {
    context.skip(1);
    const Variable a = batch_norm(x, norm_.state(), norm_.options(context, Activation::relu));
    context.record(relu_, a);
    context.skip(2);
    const Variable z = conv2d_batch_norm(ConvKind::full, a, weight_, next.norm_.state(), {},
                                         next.norm_.options(context, Activation::relu));
    context.record(next.relu_, z);
    const Variable y = conv2d(z, next.weight_, {}, Variable(), into);
    context.record(next.name_, y);
    return y;
  }

 private:
  std::string relu_, name_;
  BatchNormLayer norm_;
  Variable weight_;
};

TINYVISION_END
