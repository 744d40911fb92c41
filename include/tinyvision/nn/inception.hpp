// Inception modules as data: parallel branches on one input, joined along the channels (Szegedy et al., "Going Deeper with
// Convolutions", CVPR 2015, Figure 2b, and its successors). A model lists a module's branches as the paper's figure draws
// them; every branch writes straight into its slice of the joined map.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/nn/layers.hpp"

TINYVISION_BEGIN

/// One layer of a branch, as a figure draws it. Channels of its input follow from what stands before it.
struct LayerFigure {
  enum class Kind { convolution, max_pool, average_pool, fork };
  Kind kind = Kind::convolution;
  std::string name;
  Kernel kernel = 1;
  Index channels = 0;  ///< of a convolution's output
  ConvBatchNormOptions options;
  std::vector<LayerFigure> parts;  ///< of a fork
};
/// The layers of a branch, in order, and the branches of a module.
using BranchFigure = std::vector<LayerFigure>;
using ModuleFigure = std::vector<BranchFigure>;

/// The words of figures. Strides are 1 and padding is SAME where nothing is said.
namespace figure {

/// Convolution + batch norm + ReLU.
inline LayerFigure conv(std::string name, Kernel kernel, Index channels, const ConvBatchNormOptions& options = {}) {
  return {LayerFigure::Kind::convolution, std::move(name), kernel, channels, options, {}};
}
/// kernel x kernel maximum.
inline LayerFigure max_pool(std::string name, Index kernel, Index stride = 1,
                            const Padding& padding = Padding::same()) {
  return {LayerFigure::Kind::max_pool, std::move(name), kernel, 0, {.stride = stride, .padding = padding}, {}};
}
/// kernel x kernel mean over the pixels that there are, at stride 1.
inline LayerFigure average_pool(std::string name, Index kernel) {
  return {LayerFigure::Kind::average_pool, std::move(name), kernel, 0, {}, {}};
}
/// Convolutions side by side, joined: the end of a branch of "expanded filter bank outputs".
inline LayerFigure fork(std::vector<LayerFigure> parts) {
  return {LayerFigure::Kind::fork, "", 1, 0, {}, std::move(parts)};
}

}  // namespace figure

/// TF-Slim's width multiplier (`depth_multiplier`) of a number of channels: truncated, at least 16.
inline Index scaled_channels(Index channels, double width) {
  return std::max<Index>(static_cast<Index>(static_cast<double>(channels) * width), 16);
}
/// The layers with `scaled_channels` of the channels of every convolution; those of pools follow from their inputs.
inline BranchFigure scaled(BranchFigure layers, double width) {
  for (LayerFigure& layer : layers) {
    if (layer.kind == LayerFigure::Kind::convolution) layer.channels = scaled_channels(layer.channels, width);
    layer.parts = scaled(std::move(layer.parts), width);
  }
  return layers;
}
inline ModuleFigure scaled(ModuleFigure branches, double width) {
  for (BranchFigure& branch : branches) branch = scaled(std::move(branch), width);
  return branches;
}

/// Layers one after another: a branch, or the stem of a network.
class LayerSequence {
 public:
  LayerSequence() = default;
  /// Creates the variables of `layers` below `scope`, on an input of `in` channels.
  LayerSequence(const Scope& scope, Index in, const ConvDefaults& defaults, const BranchFigure& layers)
      : name_(scope.path()), channels_(in) {
    for (const LayerFigure& figure : layers) {
      Layer layer;
      layer.kind = figure.kind;
      layer.name = scope.path() + "/" + figure.name;
      layer.pool = {figure.kernel.height, figure.options.stride, figure.options.padding};
      const auto add_conv = [&](const LayerFigure& f) {
        layer.convs.push_back(
            ConvBatchNorm::full(scope / f.name, f.kernel, channels_, f.channels, defaults, f.options));
      };
      if (figure.kind == LayerFigure::Kind::convolution) {
        add_conv(figure);
        channels_ = figure.channels;
      } else if (figure.kind == LayerFigure::Kind::fork) {
        Index joined = 0;
        for (const LayerFigure& part : figure.parts) add_conv(part), joined += part.channels;
        channels_ = joined;
      }
      layers_.push_back(std::move(layer));
    }
  }

  /// Channels of the output.
  Index channels() const { return channels_; }
  Shape output_shape(Shape x) const {
    for (const Layer& layer : layers_) x = layer.output_shape(x);
    return x;
  }

  /// x [N,H,W,C] -> `output_shape`; `into` is an optional output slice.
  Variable forward(Variable x, const Context& context, const Tensor& into = Tensor()) const {
    for (std::size_t i = 0; i < layers_.size(); ++i)
      x = layers_[i].forward(x, context, i + 1 == layers_.size() ? into : Tensor(), name_);
    return x;
  }

 private:
  struct Layer {
    LayerFigure::Kind kind = LayerFigure::Kind::convolution;
    std::string name;
    PoolOptions pool;
    std::vector<ConvBatchNorm> convs;  ///< one, or those of a fork

    Shape output_shape(const Shape& x) const {
      if (kind == LayerFigure::Kind::convolution) return convs[0].output_shape(x);
      Shape y = x;
      if (kind == LayerFigure::Kind::fork) {
        y[-1] = 0;
        for (const ConvBatchNorm& part : convs) y[-1] += part.output_shape(x)[-1];
      } else {
        const Padding& p = pool.padding;
        y[1] = window_extent(name, x[1], pool.kernel, pool.stride, p.kind, p.top, p.bottom).first;
        y[2] = window_extent(name, x[2], pool.kernel, pool.stride, p.kind, p.left, p.right).first;
      }
      return y;
    }

    Variable forward(const Variable& x, const Context& context, const Tensor& into, const std::string& branch) const {
      switch (kind) {
        case LayerFigure::Kind::convolution: return convs[0].forward_into(into, x, context);
        case LayerFigure::Kind::fork: return forward_fork(x, context, into, branch);
        default: {
          const Variable y =
              kind == LayerFigure::Kind::max_pool ? max_pool(x, pool, into) : average_pool(x, pool, into);
          context.record(name, y);
          return y;
        }
      }
    }
    Variable forward_fork(const Variable& x, const Context& context, const Tensor& into,
                          const std::string& branch) const {
      const Tensor joined = output_tensor(branch, output_shape(x.shape()), x.dtype(), x.device(), into);
      std::vector<Variable> parts;
      Index begin = 0;
      for (const ConvBatchNorm& part : convs) {
        const Index channels = part.output_shape(x.shape())[-1];
        parts.push_back(part.forward_into(joined.slice_channels(begin, channels), x, context));
        begin += channels;
      }
      const Variable y = concat(parts, joined);
      context.record(branch, y);
      return y;
    }
  };

  std::string name_;
  Index channels_ = 0;
  std::vector<Layer> layers_;
};

/// Branches `Branch_0`, `Branch_1`, ... on one input, joined along the channels in this order.
class InceptionModule {
 public:
  InceptionModule() = default;
  InceptionModule(const Scope& scope, Index in, const ConvDefaults& defaults, const ModuleFigure& figure)
      : name_(scope.path()) {
    for (const BranchFigure& branch : figure) {
      branches_.emplace_back(scope / concat_text("Branch_", branches_.size()), in, defaults, branch);
      channels_ += branches_.back().channels();
    }
  }

  Index channels() const { return channels_; }
  Shape output_shape(const Shape& x) const {
    Shape y = branches_.at(0).output_shape(x);
    y[-1] = channels_;
    return y;
  }

  /// x [N,H,W,C] -> [N,H',W',channels()]. Branches on maps of different sizes are an Error.
  Variable forward(const Variable& x, const Context& context) const {
    const Tensor joined = Tensor::empty(output_shape(x.shape()), x.dtype(), x.device());
    std::vector<Variable> parts;
    Index begin = 0;
    for (const LayerSequence& branch : branches_) {
      parts.push_back(branch.forward(x, context, joined.slice_channels(begin, branch.channels())));
      begin += branch.channels();
    }
    const Variable y = concat(parts, joined);
    context.record(name_, y);
    return y;
  }

 private:
  std::string name_;
  Index channels_ = 0;
  std::vector<LayerSequence> branches_;
};

TINYVISION_END
