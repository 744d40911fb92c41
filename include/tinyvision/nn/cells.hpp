// Layers of NASNet-A's cells: ReLU + 1x1 convolution + batch norm, the stack of two separable convolutions, the factorised
// reduction, and drop path with its schedule.
//
// Everything a cell reads goes through a ReLU first. Layers take maps that are activated already, so that one ReLU serves
// all readers; the specification lists one per reader, which is the row each layer records first, under its own name.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "tinyvision/nn/preactivation.hpp"
#include "tinyvision/ops/drop_path.hpp"

TINYVISION_BEGIN

/// A convolution's weights with the batch norm after it, each with rows of its own in the specification.
class ConvThenNorm {
 public:
  ConvThenNorm() = default;
  /// Kernel [kernel_h,kernel_w,in,out]: `conv`/weights and the norm's variables.
  ConvThenNorm(const Scope& conv, const Scope& norm, std::array<Index, 2> kernel, Index in, Index out,
               const ConvDefaults& defaults, const ConvOptions& options = {})
      : ConvThenNorm(conv.path(),
                     conv.create("weights", ParameterKind::conv_weight, {kernel[0], kernel[1], in, out},
                                 defaults.weights, defaults.l2_slim),
                     norm, out, defaults, options) {}
  /// With weights that exist; `name` is that of the convolution's row.
  ConvThenNorm(std::string name, Variable weight, const Scope& norm, Index out, const ConvDefaults& defaults,
               const ConvOptions& options = {})
      : name_(std::move(name)), weight_(std::move(weight)), norm_(norm, out, defaults), options_(options) {}

  /// BN(conv(x)): two rows.
  Variable forward(const Variable& x, const Context& context) const {
    if (!context.fused) {
      const Variable y = conv2d(x, weight_, options_);
      context.record(name_, y);
      return norm_.forward(y, context);
    }
    const Variable y = forward_fused(x, context, Activation::none);
    context.skip(1);
    context.record(norm_.name(), y);
    return y;
  }

  /// act(BN(conv(x)) + residual) as one operation; records nothing. `residual` and `into` may be undefined.
  Variable forward_fused(const Variable& x, const Context& context, Activation activation,
                         const Variable& residual = Variable(), const Tensor& into = Tensor()) const {
    return conv2d_batch_norm(ConvKind::full, x, weight_, norm_.state(), options_, norm_.options(context, activation),
                             residual, into);
  }

 private:
  std::string name_;
  Variable weight_;
  BatchNormLayer norm_;
  ConvOptions options_;
};

/// "sep k" of the paper: twice ReLU, depthwise k x k, 1x1, BN, with the stride in the first. Nothing stands between the
/// depthwise and the 1x1 convolution.
class SeparableStack {
 public:
  SeparableStack() = default;
  SeparableStack(const Scope& at, Index kernel, Index in, Index out, Index stride, const ConvDefaults& defaults)
      : name_(at.path()) {
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string size = concat_text(kernel, "x", kernel, "_", i + 1);
      const Scope conv = at / ("separable_" + size);
      Half& half = halves_[i];
      half.name = conv.path() + "/depthwise";
      half.stride = i == 0 ? stride : 1;
      const Index channels = i == 0 ? in : out;
      half.depthwise = conv.create("depthwise_weights", ParameterKind::depthwise_weight, {kernel, kernel, channels, 1},
                                   defaults.weights, defaults.l2_slim);
      const Variable pointwise = conv.create("pointwise_weights", ParameterKind::pointwise_weight,
                                             {1, 1, channels, out}, defaults.weights, defaults.l2_slim);
      half.pointwise = ConvThenNorm(conv.path() + "/pointwise", pointwise, at / ("bn_sep_" + size), out, defaults);
    }
  }

  /// `activated` [N,H,W,in], after its ReLU -> [N,H',W',out].
  Variable forward(const Variable& activated, const Context& context) const {
    return halves_[1].pointwise.forward(up_to_last(activated, context), context);
  }
  /// act(sep(x) + residual) with the sum in the last operation; the rows of its convolution and batch norm are passed over.
  Variable forward_sum(const Variable& activated, const Variable& residual, Activation after, const Tensor& into,
                       const Context& context) const {
    const Variable x = up_to_last(activated, context);
    context.skip(2);
    return halves_[1].pointwise.forward_fused(x, context, after, residual, into);
  }

 private:
  struct Half {
    std::string name;
    Index stride = 1;
    Variable depthwise;
    ConvThenNorm pointwise;
  };

  /// All but the last 1x1 convolution and batch norm.
  Variable up_to_last(const Variable& activated, const Context& context) const {
    context.record(name_, activated);
    Variable y = depthwise(halves_[0], activated, context);
    if (context.fused) {
      y = halves_[0].pointwise.forward_fused(y, context, Activation::relu);
      context.skip(2);
    } else {
      y = relu(halves_[0].pointwise.forward(y, context));
    }
    context.record(name_, y);
    return depthwise(halves_[1], y, context);
  }
  static Variable depthwise(const Half& half, const Variable& x, const Context& context) {
    const Variable y = depthwise_conv2d(x, half.depthwise, {half.stride, Padding::same()});
    context.record(half.name, y);
    return y;
  }

  std::string name_;
  std::array<Half, 2> halves_;
};

/// Halves a map without losing every other pixel: one path takes the pixels at even places, the other those at odd ones
/// (the map shifted by a pixel up and to the left, zeros after its end); a 1x1 convolution of each to half of `out`
/// channels, joined, one batch norm.
class FactorizedReduction {
 public:
  FactorizedReduction() = default;
  FactorizedReduction(const Scope& at, Index in, Index out, const ConvDefaults& defaults) : name_(at.path()) {
    check(out % 2 == 0, name_, "a factorised reduction makes two halves, not ", out, " channels");
    for (std::size_t i = 0; i < 2; ++i)
      paths_[i] =
          (at / path_name(i))
              .create("weights", ParameterKind::conv_weight, {1, 1, in, out / 2}, defaults.weights, defaults.l2_slim);
    norm_ = BatchNormLayer(at / "final_path_bn", out, defaults);
  }

  /// `activated` [N,H,W,in], after its ReLU -> [N,ceil(H/2),ceil(W/2),out].
  Variable forward(const Variable& activated, const Context& context) const {
    const Index h = activated.shape()[1], w = activated.shape()[2];
    context.record(name_, activated);
    std::array<Variable, 2> halves;
    halves[0] = path(0, average_pool(activated, {1, 2, Padding::valid()}), context);
    Variable odd;
    if (context.fused && h > 1 && w > 1) {
      context.skip(2);
      odd = average_pool(crop(activated, 1, 1, h - 1, w - 1), {1, 2, Padding::valid()});
      if (h % 2 + w % 2 > 0) odd = zero_pad(odd, 0, h % 2, 0, w % 2);  // pixels after the map's end
    } else {
      odd = zero_pad(activated, 0, 1, 0, 1);
      context.record(name_, odd);
      odd = crop(odd, 1, 1, h, w);
      context.record(name_, odd);
      odd = average_pool(odd, {1, 2, Padding::valid()});
    }
    halves[1] = path(1, odd, context);
    const Variable y = concat({halves[0], halves[1]});
    context.record(name_, y);
    return norm_.forward(y, context);
  }

 private:
  static std::string path_name(std::size_t i) { return concat_text("path", i + 1, "_conv"); }
  Variable path(std::size_t i, const Variable& pixels, const Context& context) const {
    context.record(name_, pixels);
    const Variable y = conv2d(pixels, paths_[i]);
    context.record(name_ + "/" + path_name(i), y);
    return y;
  }

  std::string name_;
  std::array<Variable, 2> paths_;
  BatchNormLayer norm_;
};

/// Drops paths in one forward pass of training. The probability to keep one falls with the depth of its cell and, over the
/// first 250,000 training steps, with time:  keep = 1 - min(step/250000, 1) ((cell+1)/cells) (1 - last).
class PathDropper {
 public:
  /// `last` is what the last cell ends with. Drops nothing outside training or when `last` is 1.
  PathDropper(double last, Index cells, const Context& context)
      : drops_(context.training && last < 1),
        loss_(std::min(static_cast<double>(context.update) / 250000, 1.0) * (1 - last) / static_cast<double>(cells)),
        random_(context.seed, Stream::drop_path, context.step) {}

  bool drops() const { return drops_; }
  double keep(Index cell) const { return 1 - loss_ * static_cast<double>(cell + 1); }
  /// The result of one operation of `cell`, dropped or not; each call is a path of its own.
  Variable operator()(const Variable& x, Index cell) { return drops_ ? drop_path(x, keep(cell), random_, path_++) : x; }

 private:
  bool drops_;
  double loss_;
  Random random_;
  std::uint64_t path_ = 0;
};

TINYVISION_END
