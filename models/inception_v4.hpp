// Inception v4. Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", AAAI
// 2017 (arXiv 1602.07261), Figures 3 to 9. Names and settings are TF-Slim's (scope InceptionV4). The auxiliary head, which
// the paper does not draw, is that of Inception v3.
//
// Parameters without logits and auxiliary head: 41,142,816 (Table A.2 of Kornblith et al.: 41.1 million).
#pragma once

#include <string>
#include <vector>

#include "tinyvision/nn/auxiliary_head.hpp"
#include "tinyvision/nn/inception.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class InceptionV4 : public Network {
 public:
  explicit InceptionV4(const NetworkOptions& options = {}) : Network("inception_v4", options, 299, 75) {
    using figure::conv;
    const Scope root = scope("InceptionV4");
    const ConvDefaults defaults{
        .weights = Initialiser::variance_scaling_fan_in(2), .bn_decay = 0.9997, .bn_scale = bn_scale(false)};
    stem_ = LayerSequence(root, 3, defaults,                       // at 299 px:
                          {conv("Conv2d_1a_3x3", 3, 32, halving),  // [N,149,149,32]
                           conv("Conv2d_2a_3x3", 3, 32, valid),    // [N,147,147,32]
                           conv("Conv2d_2b_3x3", 3, 64)});         // [N,147,147,64]
    Index channels = stem_.channels();
    const auto add = [&](const std::string& name, const ModuleFigure& figure) {
      modules_.push_back({name, InceptionModule(root / name, channels, defaults, figure)});
      channels = modules_.back().module.channels();
    };
    add("Mixed_3a", stem_3a());                                                                // [N,73,73,160]
    add("Mixed_4a", stem_4a());                                                                // [N,71,71,192]
    add("Mixed_5a", stem_5a());                                                                // [N,35,35,384]
    for (const char* name : {"Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_5e"}) add(name, a());  // [N,35,35,384]
    add("Mixed_6a", reduction_a());                                                            // [N,17,17,1024]
    for (const char* name : {"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_6f", "Mixed_6g", "Mixed_6h"})
      add(name, b());                                                              // [N,17,17,1024]
    add("Mixed_7a", reduction_b());                                                // [N,8,8,1536]
    for (const char* name : {"Mixed_7b", "Mixed_7c", "Mixed_7d"}) add(name, c());  // [N,8,8,1536]
    feature_size_ = channels;
    ConvDefaults of_logits = defaults;
    of_logits.weights = Initialiser::glorot_uniform();
    if (options.auxiliary_head)
      head_ = AuxiliaryHead((root / "AuxLogits").in_group(ParameterGroup::aux), map_of_head(), options.classes,
                            defaults, {"AvgPool_1a_5x5", "Conv2d_2a", "Aux_logits", std::nullopt}, of_logits, false);
    logits_ = Logits::fully_connected((root / "Logits").in_group(ParameterGroup::logits) / "Logits", channels,
                                      options.classes, of_logits);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 299 px:
    Outputs out;
    Variable x = prepare(images), head_map;
    context.record("input", x);
    x = stem_.forward(x, context);  // [N,147,147,64]
    out.keep(context, "Conv2d_2b_3x3", x);
    for (const Stage& stage : modules_) {  // [N,73,73,160] ... [N,8,8,1536]
      x = stage.module.forward(x, context);
      out.keep(context, stage.name, x);
      if (head_ && stage.name == head_after) head_map = x;
    }
    out.aux_logits = forward_head(head_, head_map, options_.dtype, context);  // [N,classes]
    out.feature = cast(global_average_pool(x), options_.dtype);               // [N,1536]
    context.record("InceptionV4/Logits/AvgPool_1a", out.feature);
    x = dropped(out.feature, context);
    context.record("InceptionV4/Logits/Dropout_1b", x);
    context.record("InceptionV4/Logits", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    return out;
  }

 private:
  struct Stage {
    std::string name;
    InceptionModule module;
  };
  static constexpr const char* head_after = "Mixed_6h";
  static inline const ConvBatchNormOptions valid{.padding = Padding::valid()};
  static inline const ConvBatchNormOptions halving{.stride = 2, .padding = Padding::valid()};

  /// The map the auxiliary head stands on, [1,17,17,1024] at 299 px.
  Shape map_of_head() const {
    Shape map = stem_.output_shape({1, image_size(), image_size(), 3});
    for (const Stage& stage : modules_) {
      map = stage.module.output_shape(map);
      if (stage.name == head_after) break;
    }
    return map;
  }

  /// The three forks of the stem, Figure 3.
  static ModuleFigure stem_3a() {
    return {{figure::max_pool("MaxPool_0a_3x3", 3, 2, Padding::valid())},
            {figure::conv("Conv2d_0a_3x3", 3, 96, halving)}};
  }
  static ModuleFigure stem_4a() {
    using figure::conv;
    return {{conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_1a_3x3", 3, 96, valid)},
            {conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_0b_1x7", {1, 7}, 64), conv("Conv2d_0c_7x1", {7, 1}, 64),
             conv("Conv2d_1a_3x3", 3, 96, valid)}};
  }
  static ModuleFigure stem_5a() {
    return {{figure::conv("Conv2d_1a_3x3", 3, 192, halving)},
            {figure::max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// Inception-A, Figure 4.
  static ModuleFigure a() {
    using figure::average_pool, figure::conv;
    return {{conv("Conv2d_0a_1x1", 1, 96)},
            {conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_0b_3x3", 3, 96)},
            {conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_0b_3x3", 3, 96), conv("Conv2d_0c_3x3", 3, 96)},
            {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, 96)}};
  }
  /// Reduction-A, Figure 7 with k = 192, l = 224, m = 256, n = 384 (Table 1).
  static ModuleFigure reduction_a() {
    using figure::conv, figure::max_pool;
    return {{conv("Conv2d_1a_3x3", 3, 384, halving)},
            {conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_0b_3x3", 3, 224), conv("Conv2d_1a_3x3", 3, 256, halving)},
            {max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// Inception-B, Figure 5.
  static ModuleFigure b() {
    using figure::average_pool, figure::conv;
    return {{conv("Conv2d_0a_1x1", 1, 384)},
            {conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_0b_1x7", {1, 7}, 224), conv("Conv2d_0c_7x1", {7, 1}, 256)},
            {conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_0b_7x1", {7, 1}, 192), conv("Conv2d_0c_1x7", {1, 7}, 224),
             conv("Conv2d_0d_7x1", {7, 1}, 224), conv("Conv2d_0e_1x7", {1, 7}, 256)},
            {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, 128)}};
  }
  /// Reduction-B, Figure 8.
  static ModuleFigure reduction_b() {
    using figure::conv, figure::max_pool;
    return {{conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_1a_3x3", 3, 192, halving)},
            {conv("Conv2d_0a_1x1", 1, 256), conv("Conv2d_0b_1x7", {1, 7}, 256), conv("Conv2d_0c_7x1", {7, 1}, 320),
             conv("Conv2d_1a_3x3", 3, 320, halving)},
            {max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// Inception-C, Figure 6.
  static ModuleFigure c() {
    using figure::average_pool, figure::conv, figure::fork;
    return {
        {conv("Conv2d_0a_1x1", 1, 256)},
        {conv("Conv2d_0a_1x1", 1, 384), fork({conv("Conv2d_0b_1x3", {1, 3}, 256), conv("Conv2d_0c_3x1", {3, 1}, 256)})},
        {conv("Conv2d_0a_1x1", 1, 384), conv("Conv2d_0b_3x1", {3, 1}, 448), conv("Conv2d_0c_1x3", {1, 3}, 512),
         fork({conv("Conv2d_0d_1x3", {1, 3}, 256), conv("Conv2d_0e_3x1", {3, 1}, 256)})},
        {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, 256)}};
  }

  LayerSequence stem_;
  std::vector<Stage> modules_;
  std::optional<AuxiliaryHead> head_;
  Logits logits_;
};

TINYVISION_END
