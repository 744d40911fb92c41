// MobileNet v1. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
// arXiv 1704.04861, Table 1. Names and settings are TF-Slim's (scope MobilenetV1).
//
// Parameters without logits at width 1: 3,206,976 (Table A.2 of Kornblith et al.: 3.2 million).
#pragma once

#include <algorithm>
#include <array>

#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class MobilenetV1 : public Network {
 public:
  explicit MobilenetV1(const NetworkOptions& options = {}) : Network("mobilenet_v1", options, 224) {
    const Scope root = scope("MobilenetV1");
    const ConvDefaults defaults{.bn_epsilon = 1e-3, .bn_decay = 0.9997, .bn_scale = bn_scale(true)};
    Index channels = depth(32);
    stem_ = ConvBatchNorm::full(root / "Conv2d_0", 3, 3, channels, defaults,
                                {.stride = 2, .activation = Activation::relu6});
    for (std::size_t i = 0; i < table.size(); ++i) {
      const std::string name = "Conv2d_" + std::to_string(i + 1);
      const Index out = depth(table[i].channels);
      blocks_[i].depthwise = ConvBatchNorm::depthwise(root / (name + "_depthwise"), 3, channels, defaults,
                                                      {.stride = table[i].stride, .activation = Activation::relu6});
      blocks_[i].pointwise = ConvBatchNorm::full(root / (name + "_pointwise"), 1, channels, out, defaults,
                                                 {.activation = Activation::relu6});
      channels = out;
    }
    feature_size_ = channels;
    logits_ = Logits((root / "Logits").in_group(ParameterGroup::logits) / "Conv2d_1c_1x1", channels, options.classes,
                     defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 224 px, width 1:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    x = stem_.forward(x, context);  // [N,112,112,32]
    out.keep(context, "Conv2d_0", x);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {  // [N,112,112,64] ... [N,7,7,1024]
      x = blocks_[i].depthwise.forward(x, context);
      x = blocks_[i].pointwise.forward(x, context);
      out.keep(context, "Conv2d_" + std::to_string(i + 1) + "_pointwise", x);
    }
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,1024]
    context.record("MobilenetV1/Logits/AvgPool_1a", out.feature);
    x = dropped(out.feature, context);
    context.record("MobilenetV1/Logits/Dropout_1b", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    context.record("MobilenetV1/Logits", out.logits);
    return out;
  }

 private:
  struct Row {
    Index channels, stride;
  };
  /// Table 1 of the paper: each depthwise convolution's stride and the channels of the pointwise one after it.
  // clang-format off
  static constexpr std::array<Row, 13> table{{{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1},
                                              {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}}};
  // clang-format on
  struct Block {
    ConvBatchNorm depthwise, pointwise;
  };

  /// Channels under the width multiplier: truncated, at least 8.
  Index depth(Index channels) const {
    return std::max<Index>(static_cast<Index>(static_cast<double>(channels) * options_.width), 8);
  }

  ConvBatchNorm stem_;
  std::array<Block, 13> blocks_;
  Logits logits_;
};

TINYVISION_END
