// MobileNet v2. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, Table 2.
// Names and settings are TF-Slim's (scope MobilenetV2). Width 1.4 is the paper's "MobileNet v2 (1.4)".
//
// Parameters without logits: 2,223,872 at width 1, 4,315,776 at width 1.4 (Table A.2 of Kornblith et al.: 2.2, 4.3).
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class MobilenetV2 : public Network {
 public:
  explicit MobilenetV2(const NetworkOptions& options = {})
      : Network(options.width == 1.4 ? "mobilenet_v2_140" : "mobilenet_v2", options, 224) {
    const Scope root = scope("MobilenetV2");
    const ConvDefaults defaults{.bn_epsilon = 1e-3, .bn_decay = 0.997, .bn_scale = bn_scale(true)};
    Index channels = depth(32);
    stem_ =
        ConvBatchNorm::full(root / "Conv", 3, 3, channels, defaults, {.stride = 2, .activation = Activation::relu6});
    for (const Row& row : table) {
      for (Index repeat = 0; repeat < row.repeats; ++repeat) {
        const std::string name = blocks_.empty() ? "expanded_conv" : "expanded_conv_" + std::to_string(blocks_.size());
        const Scope at = root / name;
        const Index stride = repeat == 0 ? row.stride : 1, out = depth(row.channels), wide = channels * row.expansion;
        Block block;
        block.name = name;
        block.expands = row.expansion > 1;
        block.adds = stride == 1 && channels == out;
        if (block.expands)
          block.expand =
              ConvBatchNorm::full(at / "expand", 1, channels, wide, defaults, {.activation = Activation::relu6});
        block.depthwise = ConvBatchNorm::depthwise(at / "depthwise", 3, wide, defaults,
                                                   {.stride = stride, .activation = Activation::relu6});
        block.project = ConvBatchNorm::full(at / "project", 1, wide, out, defaults, {.activation = Activation::none});
        blocks_.push_back(block);
        channels = out;
      }
    }
    feature_size_ = std::max<Index>(depth(1280), 1280);  // the last layer is not narrowed below width 1
    last_ =
        ConvBatchNorm::full(root / "Conv_1", 1, channels, feature_size_, defaults, {.activation = Activation::relu6});
    logits_ = Logits((root / "Logits").in_group(ParameterGroup::logits) / "Conv2d_1c_1x1", feature_size_,
                     options.classes, defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 224 px, width 1:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    x = stem_.forward(x, context);  // [N,112,112,32]
    out.keep(context, "Conv", x);
    for (const Block& block : blocks_) {  // [N,112,112,16] ... [N,7,7,320]
      Variable y = block.expands ? block.expand.forward(x, context) : x;
      y = block.depthwise.forward(y, context);
      x = block.project.forward(y, context, block.adds ? x : Variable(), Activation::none, "MobilenetV2/" + block.name);
      out.keep(context, block.name, x);
    }
    x = last_.forward(x, context);  // [N,7,7,1280]
    out.keep(context, "Conv_1", x);
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,1280]
    context.record("MobilenetV2/Logits", out.feature);
    x = dropped(out.feature, context);
    context.record("MobilenetV2/Logits/Dropout", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    context.record("MobilenetV2/Logits", out.logits);
    return out;
  }

 private:
  struct Row {
    Index expansion, channels, repeats, stride;
  };
  /// Table 2 of the paper: t, c, n, s.
  static constexpr std::array<Row, 7> table{
      {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}}};
  struct Block {
    std::string name;
    bool expands = false, adds = false;
    ConvBatchNorm expand, depthwise, project;
  };

  /// Channels under the width multiplier: the nearest multiple of 8, at least 8, and not more than 10 % narrower.
  Index depth(Index channels) const {
    const double wanted = static_cast<double>(channels) * options_.width;
    Index rounded = std::max<Index>(8, static_cast<Index>(wanted + 4) / 8 * 8);
    if (static_cast<double>(rounded) < 0.9 * wanted) rounded += 8;
    return rounded;
  }

  ConvBatchNorm stem_, last_;
  std::vector<Block> blocks_;
  Logits logits_;
};

TINYVISION_END
