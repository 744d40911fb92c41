// Layers: convolution + batch norm + activation, its depthwise form, and the logits layer.
#pragma once

#include "tinyvision/nn/context.hpp"
#include "tinyvision/nn/parameter.hpp"
#include "tinyvision/ops/batch_norm.hpp"
#include "tinyvision/ops/dropout.hpp"
#include "tinyvision/ops/elementwise.hpp"
#include "tinyvision/ops/linear.hpp"
#include "tinyvision/ops/pool.hpp"

TINYVISION_BEGIN

/// How a network initialises, decays and normalises all its convolutions.
struct ConvDefaults {
  Initialiser weights = Initialiser::trunc_normal(0.09);
  double l2_slim = 4e-5;
  double l2_slim_depthwise = 0;
  double bn_epsilon = 1e-3;
  double bn_decay = 0.997;
  bool bn_scale = true;
};

struct ConvBatchNormOptions {
  Index stride = 1;
  Padding padding = Padding::same();
  Activation activation = Activation::relu;
  Initialiser gamma = Initialiser::ones();
};

/// act(BN(conv(x)) [+ residual]). Creates `weights` (or `depthwise_weights`) and `BatchNorm/{gamma,beta,moving_mean,
/// moving_variance}` below its scope.
class ConvBatchNorm {
 public:
  ConvBatchNorm() = default;

  /// Convolution of kernel x kernel from `in` to `out` channels.
  static ConvBatchNorm full(const Scope& scope, Index kernel, Index in, Index out, const ConvDefaults& defaults,
                            const ConvBatchNormOptions& options) {
    ConvBatchNorm layer(ConvKind::full, scope, defaults, options);
    layer.weight_ = scope.create("weights", ParameterKind::conv_weight, {kernel, kernel, in, out}, defaults.weights,
                                 defaults.l2_slim);
    layer.create_norm(scope / "BatchNorm", out);
    return layer;
  }
  /// Depthwise convolution of kernel x kernel, one filter per channel.
  static ConvBatchNorm depthwise(const Scope& scope, Index kernel, Index channels, const ConvDefaults& defaults,
                                 const ConvBatchNormOptions& options) {
    ConvBatchNorm layer(ConvKind::depthwise, scope, defaults, options);
    layer.name_ += "/depthwise";
    layer.weight_ = scope.create("depthwise_weights", ParameterKind::depthwise_weight, {kernel, kernel, channels, 1},
                                 defaults.weights, defaults.l2_slim_depthwise);
    layer.create_norm(scope / "BatchNorm", channels);
    return layer;
  }

  /// The activation is applied after the residual, if there is one. The specification lists "add" and the activation
  /// after it as rows of their own named `sum_name`, and explicit padding as a row before the convolution.
  Variable forward(const Variable& input, const Context& context, const Variable& residual = Variable(),
                   Activation after_sum = Activation::none, const std::string& sum_name = "") const {
    const bool has_residual = residual.defined();
    const BatchNormOptions norm{defaults_.bn_epsilon, context.bn_decay.value_or(defaults_.bn_decay), context.training,
                                has_residual ? after_sum : options_.activation};
    ConvOptions conv{options_.stride, options_.padding};
    const bool pads = options_.padding.kind == Padding::Kind::amounts;
    if (context.fused) {
      if (pads) context.skip(1);
      const Variable y = conv2d_batch_norm(kind_, input, weight_, norm_, conv, norm, residual);
      if (has_residual) context.skip(after_sum == Activation::none ? 1 : 2);
      context.record(has_residual ? sum_name : name_, y);
      return y;
    }
    Variable x = input;
    if (pads) {
      x = zero_pad(x, conv.padding.top, conv.padding.bottom, conv.padding.left, conv.padding.right);
      context.record(name_.substr(0, name_.rfind('/')), x);
      conv.padding = Padding::valid();
    }
    BatchNormOptions plain = norm;
    plain.activation = Activation::none;
    Variable y = convolution(kind_, x, weight_, Variable(), conv);
    if (context.observe_norm_input) context.observe_norm_input(norm_, y.value());
    y = batch_norm(y, norm_, plain);
    if (options_.activation != Activation::none) y = tinyvision::activation(y, options_.activation);
    context.record(name_, y);
    if (has_residual) {
      y = add(y, residual);
      context.record(sum_name, y);
      if (after_sum != Activation::none) {
        y = tinyvision::activation(y, after_sum);
        context.record(sum_name, y);
      }
    }
    return y;
  }

 private:
  ConvBatchNorm(ConvKind kind, const Scope& scope, const ConvDefaults& defaults, const ConvBatchNormOptions& options)
      : kind_(kind), name_(scope.path()), defaults_(defaults), options_(options) {}

  void create_norm(const Scope& scope, Index channels) {
    if (defaults_.bn_scale) norm_.gamma = scope.create("gamma", ParameterKind::bn_gamma, {channels}, options_.gamma);
    norm_.beta = scope.create("beta", ParameterKind::bn_beta, {channels}, Initialiser::zeros());
    norm_.moving_mean = scope.create("moving_mean", ParameterKind::bn_moving_mean, {channels}, Initialiser::zeros());
    norm_.moving_variance =
        scope.create("moving_variance", ParameterKind::bn_moving_variance, {channels}, Initialiser::ones());
  }

  ConvKind kind_ = ConvKind::full;
  std::string name_;
  ConvDefaults defaults_;
  ConvBatchNormOptions options_;
  Variable weight_;
  BatchNormState norm_;
};

/// Class scores from the pooled feature: a 1x1 convolution with bias on a 1x1 map, as TF-Slim stores it.
class Logits {
 public:
  Logits() = default;
  Logits(const Scope& scope, Index in, Index classes, const ConvDefaults& defaults)
      : name_(scope.path()),
        weight_(scope.create("weights", ParameterKind::conv_weight, {1, 1, in, classes}, defaults.weights,
                             defaults.l2_slim)),
        bias_(scope.create("biases", ParameterKind::bias, {classes}, Initialiser::zeros())) {}

  /// feature [N,in] -> [N,classes]
  Variable forward(const Variable& feature, const Context& context) const {
    const Variable y = linear(feature, weight_, bias_);
    context.record(name_, y);
    return y;
  }

 private:
  std::string name_;
  Variable weight_, bias_;
};

TINYVISION_END
