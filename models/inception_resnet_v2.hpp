// Inception-ResNet v2. Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
// AAAI 2017 (arXiv 1602.07261), Figures 15 to 19. Names and settings are TF-Slim's (scope InceptionResnetV2).
//
// Against the paper: the stem is Inception v3's with one module after it, there are 10, 20 and 10 blocks of 320, 1088 and
// 2080 channels, and a 1x1 convolution to 1536 follows them. The convolution that closes a block has a bias and no batch
// norm; residuals are scaled by 0.17, 0.10 and 0.20, that of the last block by 1, and no ReLU follows the last sum.
//
// Parameters without logits and auxiliary head: 54,306,464 (Table A.2 of Kornblith et al.: 54.3 million).
#pragma once

#include <string>
#include <vector>

#include "tinyvision/nn/auxiliary_head.hpp"
#include "tinyvision/nn/inception.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class InceptionResnetV2 : public Network {
 public:
  explicit InceptionResnetV2(const NetworkOptions& options = {}) : Network("inception_resnet_v2", options, 299, 75) {
    using figure::conv, figure::max_pool;
    const Scope root = scope("InceptionResnetV2");
    const ConvDefaults defaults{.weights = Initialiser::glorot_uniform(),
                                .l2_slim_bias = 4e-5,
                                .bn_decay = 0.9997,
                                .bn_scale = bn_scale(false)};
    const ConvBatchNormOptions valid{.padding = Padding::valid()};
    stem_ = LayerSequence(root, 3, defaults,                                      // at 299 px:
                          {conv("Conv2d_1a_3x3", 3, 32, halving),                 // [N,149,149,32]
                           conv("Conv2d_2a_3x3", 3, 32, valid),                   // [N,147,147,32]
                           conv("Conv2d_2b_3x3", 3, 64),                          // [N,147,147,64]
                           max_pool("MaxPool_3a_3x3", 3, 2, Padding::valid()),    // [N,73,73,64]
                           conv("Conv2d_3b_1x1", 1, 80, valid),                   // [N,73,73,80]
                           conv("Conv2d_4a_3x3", 3, 192, valid),                  // [N,71,71,192]
                           max_pool("MaxPool_5a_3x3", 3, 2, Padding::valid())});  // [N,35,35,192]
    mixed_5b_ = InceptionModule(root / "Mixed_5b", 192, defaults, figure_5b());   // [N,35,35,320]
    for (int i = 1; i <= 10; ++i)                                                 // [N,35,35,320]
      blocks35_.emplace_back(root / concat_text("Repeat/block35_", i), 320, defaults, block35(), 0.17);
    mixed_6a_ = InceptionModule(root / "Mixed_6a", 320, defaults, reduction_a());  // [N,17,17,1088]
    for (int i = 1; i <= 20; ++i)                                                  // [N,17,17,1088]
      blocks17_.emplace_back(root / concat_text("Repeat_1/block17_", i), 1088, defaults, block17(), 0.10);
    mixed_7a_ = InceptionModule(root / "Mixed_7a", 1088, defaults, reduction_b());  // [N,8,8,2080]
    for (int i = 1; i <= 9; ++i)                                                    // [N,8,8,2080]
      blocks8_.emplace_back(root / concat_text("Repeat_2/block8_", i), 2080, defaults, block8(), 0.20);
    blocks8_.emplace_back(root / "Block8", 2080, defaults, block8(), 1.0, Activation::none);  // [N,8,8,2080]
    last_ = ConvBatchNorm::full(root / "Conv2d_7b_1x1", 1, 2080, 1536, defaults, {});         // [N,8,8,1536]
    feature_size_ = 1536;
    if (options.auxiliary_head) {
      const Shape map = mixed_6a_.output_shape(stem_.output_shape({1, image_size(), image_size(), 3}));
      head_ = AuxiliaryHead((root / "AuxLogits").in_group(ParameterGroup::aux), map, options.classes, defaults,
                            {"Conv2d_1a_3x3", "Conv2d_2a_5x5", "Logits", std::nullopt}, defaults, false);
    }
    logits_ = Logits::fully_connected((root / "Logits").in_group(ParameterGroup::logits) / "Logits", feature_size_,
                                      options.classes, defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 299 px:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    const auto keep = [&](const std::string& name) { out.keep(context, name, x); };
    x = stem_.forward(x, context);  // [N,35,35,192]
    keep("MaxPool_5a_3x3");
    x = mixed_5b_.forward(x, context);  // [N,35,35,320]
    keep("Mixed_5b");
    for (const Block& block : blocks35_) x = block.forward(x, context);  // [N,35,35,320]
    keep("Repeat");
    x = mixed_6a_.forward(x, context);  // [N,17,17,1088]
    keep("Mixed_6a");
    for (const Block& block : blocks17_) x = block.forward(x, context);  // [N,17,17,1088]
    keep("PreAuxLogits");
    const Variable map_of_head = head_ ? x : Variable();
    x = mixed_7a_.forward(x, context);  // [N,8,8,2080]
    keep("Mixed_7a");
    for (const Block& block : blocks8_) x = block.forward(x, context);  // [N,8,8,2080]
    keep("Block8");
    x = last_.forward(x, context);  // [N,8,8,1536]
    keep("Conv2d_7b_1x1");
    out.aux_logits = forward_head(head_, map_of_head, options_.dtype, context);  // [N,classes]
    out.feature = cast(global_average_pool(x), options_.dtype);                  // [N,1536]
    context.record("InceptionResnetV2/Logits/AvgPool_1a_8x8", out.feature);
    context.record("InceptionResnetV2/Logits", out.feature);
    x = dropped(out.feature, context);
    context.record("InceptionResnetV2/Logits/Dropout", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    return out;
  }

 private:
  static inline const ConvBatchNormOptions halving{.stride = 2, .padding = Padding::valid()};

  /// Branches, joined and brought back to the block's channels, scaled and added to the block's input.
  struct Block {
    std::string name;
    InceptionModule branches;
    ScaledResidual up;

    Block(const Scope& at, Index channels, const ConvDefaults& defaults, const ModuleFigure& figure, double scale,
          Activation activation = Activation::relu)
        : name(at.path()),
          branches(at, channels, defaults, figure),
          up(at / "Conv2d_1x1", branches.channels(), channels, scale, activation, defaults) {}

    Variable forward(const Variable& x, const Context& context) const {
      return up.forward(branches.forward(x, context), x, context, name);
    }
  };

  static ModuleFigure figure_5b() {
    using figure::average_pool, figure::conv;
    return {{conv("Conv2d_1x1", 1, 96)},
            {conv("Conv2d_0a_1x1", 1, 48), conv("Conv2d_0b_5x5", 5, 64)},
            {conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_0b_3x3", 3, 96), conv("Conv2d_0c_3x3", 3, 96)},
            {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, 64)}};
  }
  /// Inception-ResNet-A, Figure 16.
  static ModuleFigure block35() {
    using figure::conv;
    return {{conv("Conv2d_1x1", 1, 32)},
            {conv("Conv2d_0a_1x1", 1, 32), conv("Conv2d_0b_3x3", 3, 32)},
            {conv("Conv2d_0a_1x1", 1, 32), conv("Conv2d_0b_3x3", 3, 48), conv("Conv2d_0c_3x3", 3, 64)}};
  }
  /// Reduction-A, Figure 7 with k = l = 256, m = n = 384 (Table 1).
  static ModuleFigure reduction_a() {
    using figure::conv, figure::max_pool;
    return {{conv("Conv2d_1a_3x3", 3, 384, halving)},
            {conv("Conv2d_0a_1x1", 1, 256), conv("Conv2d_0b_3x3", 3, 256), conv("Conv2d_1a_3x3", 3, 384, halving)},
            {max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// Inception-ResNet-B, Figure 17.
  static ModuleFigure block17() {
    using figure::conv;
    return {{conv("Conv2d_1x1", 1, 192)},
            {conv("Conv2d_0a_1x1", 1, 128), conv("Conv2d_0b_1x7", {1, 7}, 160), conv("Conv2d_0c_7x1", {7, 1}, 192)}};
  }
  /// Reduction-B, Figure 18.
  static ModuleFigure reduction_b() {
    using figure::conv, figure::max_pool;
    return {{conv("Conv2d_0a_1x1", 1, 256), conv("Conv2d_1a_3x3", 3, 384, halving)},
            {conv("Conv2d_0a_1x1", 1, 256), conv("Conv2d_1a_3x3", 3, 288, halving)},
            {conv("Conv2d_0a_1x1", 1, 256), conv("Conv2d_0b_3x3", 3, 288), conv("Conv2d_1a_3x3", 3, 320, halving)},
            {max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// Inception-ResNet-C, Figure 19.
  static ModuleFigure block8() {
    using figure::conv;
    return {{conv("Conv2d_1x1", 1, 192)},
            {conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_0b_1x3", {1, 3}, 224), conv("Conv2d_0c_3x1", {3, 1}, 256)}};
  }

  LayerSequence stem_;
  InceptionModule mixed_5b_, mixed_6a_, mixed_7a_;
  std::vector<Block> blocks35_, blocks17_, blocks8_;
  ConvBatchNorm last_;
  std::optional<AuxiliaryHead> head_;
  Logits logits_;
};

TINYVISION_END
