// DenseNet-121, -169, -201. Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, Table 1, growth rate 32,
// bottlenecks of 4 x 32 channels, compression 0.5. Names, order and settings are those of Keras applications, whose public
// weights the paper compares: batch norm epsilon 1.001e-5, decay 0.99, explicit symmetric padding of the stem.
//
// Parameters without logits: 6,953,856; 12,484,480; 18,092,928 (Table A.2 of Kornblith et al.: 7.0, 12.5, 18.1 million).
//
// A block is one buffer (ops/preactivation.hpp): each layer writes its 32 channels to their place in the concatenation and
// normalises all channels before them, whose statistics are measured once, when they are written. The plain spelling
// (Context::fused off) joins copies, as the paper draws it.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tinyvision/nn/network.hpp"
#include "tinyvision/nn/preactivation.hpp"

TINYVISION_BEGIN

class Densenet : public Network {
 public:
  /// `layers` is 121, 169 or 201. Throws UsageError otherwise.
  Densenet(int layers, const NetworkOptions& options) : Network(concat_text("densenet", layers), options, 224, 29) {
    const std::array<Index, 4> depths = depths_of(layers);
    bn_epsilon_ = 1.001e-5;
    const ConvDefaults defaults{.weights = Initialiser::glorot_uniform(),
                                .l2_slim = 0,
                                .bn_epsilon = bn_epsilon_,
                                .bn_decay = 0.99,
                                .bn_scale = bn_scale(true)};
    Index channels = 2 * growth;
    stem_ = scope("conv1/conv").create("kernel", ParameterKind::conv_weight, {7, 7, 3, channels}, defaults.weights);
    stem_norm_ = BatchNormLayer(scope("conv1/bn"), channels, defaults);
    for (std::size_t b = 0; b < depths.size(); ++b) {
      Block block;
      for (Index i = 1; i <= depths[b]; ++i) {
        block.layers.emplace_back(*this, concat_text("conv", b + 2, "_block", i), channels, defaults);
        channels += growth;
      }
      block.channels = channels;
      if (b + 1 < depths.size()) {
        const std::string name = concat_text("pool", b + 2);
        block.transition = PreactivatedConv(scope(name + "_bn"), name + "_relu", scope(name + "_conv"), 1, channels,
                                            channels / 2, defaults);
        channels /= 2;
      }
      blocks_.push_back(block);
    }
    last_norm_ = BatchNormLayer(scope("bn"), channels, defaults);
    feature_size_ = channels;
    logits_ = Logits::fully_connected(scope("fc1000").in_group(ParameterGroup::logits), channels, options.classes,
                                      defaults, "kernel", "bias");
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // DenseNet-121 at 224 px:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    x = stem(x, context);  // [N,112,112,64]
    out.keep(context, "conv1/relu", x);
    Features block = dense_block(0, x, context);  // [N,56,56,256]
    out.keep(context, blocks_[0].layers.back().name, block.map);
    for (std::size_t b = 1; b < blocks_.size(); ++b) {  // [N,28,28,512], [N,14,14,1024], [N,7,7,1024]
      x = blocks_[b - 1].transition.forward(block.map, context, block.statistics);
      block = dense_block(b, x, context);
      out.keep(context, blocks_[b].layers.back().name, block.map);
    }
    x = last_activation(block, context);
    out.keep(context, "relu", x);
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,1024]
    context.record("avg_pool", out.feature);
    out.logits = logits_.forward(out.feature, context);  // [N,classes]
    return out;
  }

 private:
  static constexpr Index growth = 32;

  /// A concatenation and, in training, its statistics where they have been measured.
  struct Features {
    Variable map;
    ChannelStatistics statistics;
  };

  /// H of the paper: BN, ReLU, 1x1 convolution to 4 x growth channels, BN, ReLU, 3x3 convolution to growth channels.
  struct Layer {
    std::string name;  ///< of the concatenation it ends with
    PreactivatedConv bottleneck, conv;

    Layer(Densenet& net, const std::string& at, Index in, const ConvDefaults& defaults)
        : name(at + "_concat"),
          bottleneck(net.scope(at + "_0_bn"), at + "_0_relu", net.scope(at + "_1_conv"), 1, in, 4 * growth, defaults),
          conv(net.scope(at + "_1_bn"), at + "_1_relu", net.scope(at + "_2_conv"), 3, 4 * growth, growth, defaults) {}

    Variable forward(const Features& before, const Context& context, const Tensor& into = Tensor()) const {
      if (context.fused && !context.training && !is_recording())
        return bottleneck.forward_through(conv, before.map, context, into);
      return conv.forward(bottleneck.forward(before.map, context, before.statistics), context, {}, into);
    }
  };
  struct Block {
    std::vector<Layer> layers;
    Index channels = 0;  ///< of all layers and what came before them
    PreactivatedConv transition;
  };

  static std::array<Index, 4> depths_of(int layers) {  // Table 1 of the paper
    switch (layers) {
      case 121: return {6, 12, 24, 16};
      case 169: return {6, 12, 32, 32};
      case 201: return {6, 12, 48, 32};
      default: fail_usage("densenet", "no DenseNet with ", layers, " layers: choose 121, 169 or 201");
    }
  }

  /// 7x7 convolution at stride 2, padded by 3 on all sides; BN, ReLU.
  Variable stem(const Variable& x, const Context& context) const {
    const BatchNormOptions norm = stem_norm_.options(context, Activation::relu);
    if (context.fused) {
      context.skip(3);
      const Variable y =
          conv2d_batch_norm(ConvKind::full, x, stem_, stem_norm_.state(), {2, Padding::symmetric(3)}, norm);
      context.record("conv1/relu", y);
      return y;
    }
    Variable y = zero_pad(x, 3, 3, 3, 3);
    context.record("zero_padding2d", y);
    y = conv2d(y, stem_, {2, Padding::valid()});
    context.record("conv1/conv", y);
    y = relu(stem_norm_.forward(y, context));
    context.record("conv1/relu", y);
    return y;
  }

  /// The pool before block `b`, to `into` where it is given: 3x3 maximum padded by a pixel of zeros, which is as good as
  /// none after a ReLU; or 2x2 mean of whole windows.
  Variable pool(std::size_t b, const Variable& x, const Context& context, const Tensor& into = Tensor()) const {
    if (b > 0) {
      const Variable y = average_pool(x, pool_options(b), into);
      context.record(concat_text("pool", b + 1, "_pool"), y);
      return y;
    }
    Variable y = x;
    if (context.fused) {
      context.skip(1);
      y = max_pool(y, pool_options(b), into);
    } else {
      y = zero_pad(y, 1, 1, 1, 1);
      context.record("zero_padding2d_1", y);
      y = max_pool(y, {3, 2, Padding::valid()});
    }
    context.record("pool1", y);
    return y;
  }
  static PoolOptions pool_options(std::size_t b) {
    return b == 0 ? PoolOptions{3, 2, Padding::symmetric(1)} : PoolOptions{2, 2, Padding::valid()};
  }

  /// Pool and block `b`.
  Features dense_block(std::size_t b, const Variable& x, const Context& context) const {
    const Block& block = blocks_[b];
    if (!context.fused) {
      Features joined{pool(b, x, context), {}};
      for (const Layer& layer : block.layers) {
        joined.map = concat({joined.map, layer.forward(joined, context)});
        context.record(layer.name, joined.map);
      }
      return joined;
    }
    const PoolOptions pooling = pool_options(b);
    const WindowGeometry pooled = window_geometry(name_, x.value(), pooling.kernel, pooling.kernel, pooling.stride,
                                                  pooling.padding, x.shape().back());
    GrowingConcat joined(output_shape(pooled), block.channels, x.dtype(), options_.dtype, x.device(), context.training);
    joined.append(pool(b, x, context, joined.next(pooled.out_c)));
    for (const Layer& layer : block.layers) {
      joined.append(layer.forward({joined.joined(), joined.statistics()}, context, joined.next(growth)));
      context.record(layer.name, joined.joined());
    }
    return {joined.joined(), joined.statistics()};
  }

  Variable last_activation(const Features& x, const Context& context) const {
    if (!context.fused) {
      const Variable y = relu(last_norm_.forward(x.map, context));
      context.record("relu", y);
      return y;
    }
    context.skip(1);
    const Variable y =
        batch_norm(x.map, last_norm_.state(), last_norm_.options(context, Activation::relu), Tensor(), x.statistics);
    context.record("relu", y);
    return y;
  }

  Variable stem_;
  BatchNormLayer stem_norm_, last_norm_;
  std::vector<Block> blocks_;
  Logits logits_;
};

TINYVISION_END
