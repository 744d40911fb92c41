// Layers: convolution + batch norm + activation, its depthwise form, convolutions with a bias instead of a batch norm, and
// the logits layer.
#pragma once

#include <optional>

#include "tinyvision/nn/context.hpp"
#include "tinyvision/nn/parameter.hpp"
#include "tinyvision/ops/batch_norm.hpp"
#include "tinyvision/ops/biased_conv2d.hpp"
#include "tinyvision/ops/dropout.hpp"
#include "tinyvision/ops/elementwise.hpp"
#include "tinyvision/ops/linear.hpp"
#include "tinyvision/ops/pool.hpp"

TINYVISION_BEGIN

/// Height and width of a window; a single number is a square.
struct Kernel {
  Index height = 1, width = 1;
  Kernel(Index side) : height(side), width(side) {}  // implicit: layers are written `3` or `{1, 7}`
  Kernel(Index kernel_height, Index kernel_width) : height(kernel_height), width(kernel_width) {}
};

/// How a network initialises, decays and normalises all its convolutions.
struct ConvDefaults {
  Initialiser weights = Initialiser::trunc_normal(0.09);
  double l2_slim = 4e-5;
  double l2_slim_depthwise = 0;
  double l2_slim_bias = 0;
  double bn_epsilon = 1e-3;
  double bn_decay = 0.997;
  bool bn_scale = true;
};

struct ConvBatchNormOptions {
  Index stride = 1;
  Padding padding = Padding::same();
  Activation activation = Activation::relu;
  Initialiser gamma = Initialiser::ones();
  std::optional<Initialiser> weights = std::nullopt;  ///< the network's when absent
};

/// act(BN(conv(x)) [+ residual]). Creates `weights` (or `depthwise_weights`) and `BatchNorm/{gamma,beta,moving_mean,
/// moving_variance}` below its scope.
class ConvBatchNorm {
 public:
  ConvBatchNorm() = default;

  /// Convolution from `in` to `out` channels.
  static ConvBatchNorm full(const Scope& scope, Kernel kernel, Index in, Index out, const ConvDefaults& defaults,
                            const ConvBatchNormOptions& options) {
    ConvBatchNorm layer(ConvKind::full, scope, defaults, options);
    layer.weight_ = scope.create("weights", ParameterKind::conv_weight, {kernel.height, kernel.width, in, out},
                                 options.weights.value_or(defaults.weights), defaults.l2_slim);
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
    return run(input, context, residual, after_sum, sum_name, Tensor());
  }
  /// act(BN(conv(x))), written to `into`, a slice of a concatenation.
  Variable forward_into(const Tensor& into, const Variable& input, const Context& context) const {
    return run(input, context, Variable(), Activation::none, "", into);
  }

  /// [N,H',W',C'] of an input [N,H,W,C].
  Shape output_shape(const Shape& in) const {
    const Shape& w = weight_.shape();
    const Padding& p = options_.padding;
    const auto [h, top] = window_extent(name_, in[1], w[0], options_.stride, p.kind, p.top, p.bottom);
    const auto [wide, left] = window_extent(name_, in[2], w[1], options_.stride, p.kind, p.left, p.right);
    return {in[0], h, wide, norm_.beta.shape()[0]};
  }

 private:
  ConvBatchNorm(ConvKind kind, const Scope& scope, const ConvDefaults& defaults, const ConvBatchNormOptions& options)
      : kind_(kind), name_(scope.path()), defaults_(defaults), options_(options) {}

  Variable run(const Variable& input, const Context& context, const Variable& residual, Activation after_sum,
               const std::string& sum_name, const Tensor& into) const {
    const bool has_residual = residual.defined();
    const BatchNormOptions norm{defaults_.bn_epsilon, context.bn_decay.value_or(defaults_.bn_decay), context.training,
                                has_residual ? after_sum : options_.activation};
    ConvOptions conv{options_.stride, options_.padding};
    const bool pads = options_.padding.kind == Padding::Kind::amounts;
    if (context.fused) {
      if (pads) context.skip(1);
      const Variable y = conv2d_batch_norm(kind_, input, weight_, norm_, conv, norm, residual, into);
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
    const bool activates = options_.activation != Activation::none;
    Variable y = convolution(kind_, x, weight_, Variable(), conv);
    if (context.observe_norm_input) context.observe_norm_input(norm_, y.value());
    y = batch_norm(y, norm_, plain, activates ? Tensor() : into);
    if (activates) y = tinyvision::activation(y, options_.activation, into);
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

/// A depthwise convolution of kernel x kernel at a stride, with `multiplier` filters per channel, then a 1x1 convolution
/// with bias and ReLU; nothing stands between the two, there is no batch norm and no decay. Creates `depthwise_weights`,
/// `pointwise_weights` and `biases`.
class SeparableConv {
 public:
  SeparableConv() = default;
  SeparableConv(const Scope& scope, Index kernel, Index stride, Index in, Index multiplier, Index out,
                Initialiser weights)
      : name_(scope.path()), stride_(stride) {
    depthwise_ =
        scope.create("depthwise_weights", ParameterKind::depthwise_weight, {kernel, kernel, in, multiplier}, weights);
    pointwise_ =
        scope.create("pointwise_weights", ParameterKind::pointwise_weight, {1, 1, in * multiplier, out}, weights);
    bias_ = scope.create("biases", ParameterKind::bias, {out}, Initialiser::zeros());
  }

  /// x [N,H,W,in] -> [N,ceil(H/stride),ceil(W/stride),out].
  Variable forward(const Variable& x, const Context& context) const {
    Variable y = depthwise_conv2d(x, depthwise_, {stride_, Padding::same()});
    context.record(name_ + "/depthwise", y);
    y = context.fused ? biased_conv2d(y, pointwise_, bias_, {.activation = Activation::relu})
                      : relu(conv2d(y, pointwise_, {}, bias_));
    context.record(name_ + "/pointwise", y);
    return y;
  }

 private:
  std::string name_;
  Index stride_ = 1;
  Variable depthwise_, pointwise_, bias_;
};

/// act(skip + scale * (1x1 convolution of x + bias)): how Inception-ResNet closes a residual block. Creates `weights` and
/// `biases`.
class ScaledResidual {
 public:
  ScaledResidual() = default;
  ScaledResidual(const Scope& scope, Index in, Index out, double scale, Activation activation,
                 const ConvDefaults& defaults)
      : name_(scope.path()), scale_(scale), activation_(activation) {
    weight_ = scope.create("weights", ParameterKind::conv_weight, {1, 1, in, out}, defaults.weights, defaults.l2_slim);
    bias_ = scope.create("biases", ParameterKind::bias, {out}, Initialiser::zeros(), defaults.l2_slim_bias);
  }

  /// x [N,H,W,in], skip [N,H,W,out] -> [N,H,W,out]. The rows of scale, sum and activation are named `block`.
  Variable forward(const Variable& x, const Variable& skip, const Context& context, const std::string& block) const {
    const bool activates = activation_ != Activation::none;
    if (context.fused) {
      context.skip(activates ? 3 : 2);
      const Variable y = biased_conv2d(x, weight_, bias_, {.scale = scale_, .activation = activation_}, skip);
      context.record(block, y);
      return y;
    }
    Variable y = conv2d(x, weight_, {}, bias_);
    context.record(name_, y);
    y = scale(y, scale_);
    context.record(block, y);
    y = add(skip, y);
    context.record(block, y);
    if (!activates) return y;
    y = tinyvision::activation(y, activation_);
    context.record(block, y);
    return y;
  }

 private:
  std::string name_;
  double scale_ = 1;
  Activation activation_ = Activation::none;
  Variable weight_, bias_;
};

/// Class scores from the pooled feature: a matrix and a bias. TF-Slim stores the matrix as a 1x1 convolution on a 1x1 map
/// or, in its later networks, as it is.
class Logits {
 public:
  Logits() = default;
  /// weights [1,1,in,classes].
  Logits(const Scope& scope, Index in, Index classes, const ConvDefaults& defaults)
      : Logits(scope, ParameterKind::conv_weight, {1, 1, in, classes}, defaults, "weights", "biases") {}
  /// weights [in,classes], under the names given.
  static Logits fully_connected(const Scope& scope, Index in, Index classes, const ConvDefaults& defaults,
                                const std::string& weight = "weights", const std::string& bias = "biases") {
    return Logits(scope, ParameterKind::fc_weight, {in, classes}, defaults, weight, bias);
  }
  DType dtype() const { return weight_.dtype(); }

  /// feature [N,in] -> [N,classes]
  Variable forward(const Variable& feature, const Context& context) const {
    const Variable y = linear(feature, weight_, bias_);
    context.record(name_, y);
    return y;
  }
  /// True when the weights are stored as a convolution's.
  bool convolves() const { return weight_.shape().rank() == 4; }

 private:
  Logits(const Scope& scope, ParameterKind kind, const Shape& shape, const ConvDefaults& defaults,
         const std::string& weight, const std::string& bias)
      : name_(scope.path()),
        weight_(scope.create(weight, kind, shape, defaults.weights, defaults.l2_slim)),
        bias_(scope.create(bias, ParameterKind::bias, {shape.back()}, Initialiser::zeros(), defaults.l2_slim_bias)) {}

  std::string name_;
  Variable weight_, bias_;
};

TINYVISION_END
