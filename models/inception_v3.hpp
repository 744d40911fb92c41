// Inception v3. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, Table 1 and
// Figures 5 to 8. Names and settings are TF-Slim's (scope InceptionV3), irregular ones included.
//
// The paper draws more than one variant of its modules; these are TF-Slim's, whose weights are the public ones.
// The width multiplier is TF-Slim's, with its floor of 16 channels.
//
// Parameters without logits and auxiliary head at width 1: 21,785,568 (Table A.2 of Kornblith et al.: 21.8 million).
#pragma once

#include <string>
#include <vector>

#include "tinyvision/nn/auxiliary_head.hpp"
#include "tinyvision/nn/inception.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class InceptionV3 : public Network {
 public:
  explicit InceptionV3(const NetworkOptions& options = {}) : Network("inception_v3", options, 299, 75) {
    using figure::conv, figure::max_pool;
    const Scope root = scope("InceptionV3");
    const ConvDefaults defaults{
        .weights = Initialiser::variance_scaling_fan_in(2), .bn_decay = 0.9997, .bn_scale = bn_scale(false)};
    const ConvBatchNormOptions valid{.padding = Padding::valid()};
    const BranchFigure stem{conv("Conv2d_1a_3x3", 3, 32, halving),                // at 299 px: [N,149,149,32]
                            conv("Conv2d_2a_3x3", 3, 32, valid),                  // [N,147,147,32]
                            conv("Conv2d_2b_3x3", 3, 64),                         // [N,147,147,64]
                            max_pool("MaxPool_3a_3x3", 3, 2, Padding::valid()),   // [N,73,73,64]
                            conv("Conv2d_3b_1x1", 1, 80, valid),                  // [N,73,73,80]
                            conv("Conv2d_4a_3x3", 3, 192, valid),                 // [N,71,71,192]
                            max_pool("MaxPool_5a_3x3", 3, 2, Padding::valid())};  // [N,35,35,192]
    stem_ = LayerSequence(root, 3, defaults, scaled(stem, options.width));
    Index channels = stem_.channels();
    const auto add = [&](const std::string& name, const ModuleFigure& figure) {
      modules_.push_back({name, InceptionModule(root / name, channels, defaults, scaled(figure, options.width))});
      channels = modules_.back().module.channels();
    };
    add("Mixed_5b", figure5(32));                                    // [N,35,35,256]
    add("Mixed_5c", figure5(64, "Conv2d_0b_1x1", "Conv_1_0c_5x5"));  // [N,35,35,288]
    add("Mixed_5d", figure5(64));                                    // [N,35,35,288]
    add("Mixed_6a", reduction_to_17());                              // [N,17,17,768]
    add("Mixed_6b", figure6(128));                                   // [N,17,17,768]
    add("Mixed_6c", figure6(160));                                   // [N,17,17,768]
    add("Mixed_6d", figure6(160));                                   // [N,17,17,768]
    add("Mixed_6e", figure6(192));                                   // [N,17,17,768]
    add("Mixed_7a", reduction_to_8());                               // [N,8,8,1280]
    add("Mixed_7b", figure7("Conv2d_0b_3x1"));                       // [N,8,8,2048]
    add("Mixed_7c", figure7("Conv2d_0c_3x1"));                       // [N,8,8,2048]
    feature_size_ = channels;
    ConvDefaults of_head_logits = defaults;
    of_head_logits.weights = Initialiser::trunc_normal(0.001);
    if (options.auxiliary_head)
      head_ =
          AuxiliaryHead((root / "AuxLogits").in_group(ParameterGroup::aux), map_of_head(), options.classes, defaults,
                        {"AvgPool_1a_5x5", "Conv2d_2a_5x5", "Conv2d_2b_1x1", Initialiser::trunc_normal(0.01),
                         scaled_channels(128, options.width), scaled_channels(768, options.width)},
                        of_head_logits, true);
    logits_ = Logits((root / "Logits").in_group(ParameterGroup::logits) / "Conv2d_1c_1x1", channels, options.classes,
                     defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 299 px, width 1:
    Outputs out;
    Variable x = prepare(images), head_map;
    context.record("input", x);
    x = stem_.forward(x, context);  // [N,35,35,192]
    out.keep(context, "MaxPool_5a_3x3", x);
    for (const Stage& stage : modules_) {  // [N,35,35,256] ... [N,8,8,2048]
      x = stage.module.forward(x, context);
      out.keep(context, stage.name, x);
      if (head_ && stage.name == head_after) head_map = x;
    }
    out.aux_logits = forward_head(head_, head_map, options_.dtype, context);  // [N,classes]
    out.feature = cast(global_average_pool(x), options_.dtype);               // [N,2048]
    context.record("InceptionV3/Logits/AvgPool_1a_8x8", out.feature);
    x = dropped(out.feature, context);
    context.record("InceptionV3/Logits/Dropout_1b", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    context.record("InceptionV3/Logits", out.logits);
    return out;
  }

 private:
  struct Stage {
    std::string name;
    InceptionModule module;
  };
  static constexpr const char* head_after = "Mixed_6e";
  static inline const ConvBatchNormOptions halving{.stride = 2, .padding = Padding::valid()};

  /// The map the auxiliary head stands on, [1,17,17,768] at 299 px.
  Shape map_of_head() const {
    Shape map = stem_.output_shape({1, image_size(), image_size(), 3});
    for (const Stage& stage : modules_) {
      map = stage.module.output_shape(map);
      if (stage.name == head_after) break;
    }
    return map;
  }

  /// 35x35 maps. Figure 5 of the paper with one 5x5 left whole, as in Inception v1. One module's names are irregular.
  static ModuleFigure figure5(Index project, const std::string& reduce = "Conv2d_0a_1x1",
                              const std::string& five = "Conv2d_0b_5x5") {
    using figure::average_pool, figure::conv;
    return {{conv("Conv2d_0a_1x1", 1, 64)},
            {conv(reduce, 1, 48), conv(five, 5, 64)},
            {conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_0b_3x3", 3, 96), conv("Conv2d_0c_3x3", 3, 96)},
            {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, project)}};
  }
  /// Figure 10: convolutions and a pool with stride 2 side by side. The names say 1x1 where the kernels are 3x3.
  static ModuleFigure reduction_to_17() {
    using figure::conv, figure::max_pool;
    return {{conv("Conv2d_1a_1x1", 3, 384, halving)},
            {conv("Conv2d_0a_1x1", 1, 64), conv("Conv2d_0b_3x3", 3, 96), conv("Conv2d_1a_1x1", 3, 96, halving)},
            {max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// 17x17 maps. Figure 6 with n = 7: a 7x7 convolution as 1x7 and 7x1, `inner` channels in between.
  static ModuleFigure figure6(Index inner) {
    using figure::average_pool, figure::conv;
    return {
        {conv("Conv2d_0a_1x1", 1, 192)},
        {conv("Conv2d_0a_1x1", 1, inner), conv("Conv2d_0b_1x7", {1, 7}, inner), conv("Conv2d_0c_7x1", {7, 1}, 192)},
        {conv("Conv2d_0a_1x1", 1, inner), conv("Conv2d_0b_7x1", {7, 1}, inner), conv("Conv2d_0c_1x7", {1, 7}, inner),
         conv("Conv2d_0d_7x1", {7, 1}, inner), conv("Conv2d_0e_1x7", {1, 7}, 192)},
        {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, 192)}};
  }
  static ModuleFigure reduction_to_8() {
    using figure::conv, figure::max_pool;
    return {{conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_1a_3x3", 3, 320, halving)},
            {conv("Conv2d_0a_1x1", 1, 192), conv("Conv2d_0b_1x7", {1, 7}, 192), conv("Conv2d_0c_7x1", {7, 1}, 192),
             conv("Conv2d_1a_3x3", 3, 192, halving)},
            {max_pool("MaxPool_1a_3x3", 3, 2, Padding::valid())}};
  }
  /// 8x8 maps. Figure 7: expanded filter bank outputs. One name differs between the two modules.
  static ModuleFigure figure7(const std::string& column) {
    using figure::average_pool, figure::conv, figure::fork;
    return {{conv("Conv2d_0a_1x1", 1, 320)},
            {conv("Conv2d_0a_1x1", 1, 384), fork({conv("Conv2d_0b_1x3", {1, 3}, 384), conv(column, {3, 1}, 384)})},
            {conv("Conv2d_0a_1x1", 1, 448), conv("Conv2d_0b_3x3", 3, 384),
             fork({conv("Conv2d_0c_1x3", {1, 3}, 384), conv("Conv2d_0d_3x1", {3, 1}, 384)})},
            {average_pool("AvgPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, 192)}};
  }

  LayerSequence stem_;
  std::vector<Stage> modules_;
  std::optional<AuxiliaryHead> head_;
  Logits logits_;
};

TINYVISION_END
