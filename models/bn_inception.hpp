// BN-Inception. Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
// Shift", ICML 2015, Figure 5. Names and settings are TF-Slim's, which calls it inception_v2 (scope InceptionV2).
//
// Against the paper: the first convolution is separable (depthwise with 8 filters per channel, then 1x1) and has a bias
// and no batch norm; the pool projections of 4d and 4e have 96 channels, not 128. The width multiplier is TF-Slim's, with
// its floor of 16 channels; the first layer then has min(channels / 3, 8) filters per channel.
//
// Parameters without logits at width 1: 10,163,224 (Table A.2 of Kornblith et al.: 10.2 million).
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "tinyvision/nn/inception.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class BnInception : public Network {
 public:
  explicit BnInception(const NetworkOptions& options = {}) : Network("bn_inception", options, 224) {
    using figure::conv, figure::max_pool;
    const Scope root = scope("InceptionV2");
    const ConvDefaults defaults{
        .weights = Initialiser::variance_scaling_fan_in(2), .bn_decay = 0.9997, .bn_scale = bn_scale(false)};
    const double width = options.width;
    Index channels = scaled_channels(64, width);
    first_ = SeparableConv(root / "Conv2d_1a_7x7", 7, 2, 3, std::min<Index>(channels / 3, 8), channels,
                           Initialiser::trunc_normal(1));
    const BranchFigure stem{max_pool("MaxPool_2a_3x3", 3, 2),                               // at 224 px: [N,56,56,64]
                            conv("Conv2d_2b_1x1", 1, 64, {.weights = projection_weights}),  // [N,56,56,64]
                            conv("Conv2d_2c_3x3", 3, 192),                                  // [N,56,56,192]
                            max_pool("MaxPool_3a_3x3", 3, 2)};                              // [N,28,28,192]
    stem_ = LayerSequence(root, channels, defaults, scaled(stem, width));
    channels = stem_.channels();
    for (const Row& row : table) {
      modules_.emplace_back(root / row.name, channels, defaults, scaled(module(row), width));
      channels = modules_.back().channels();
    }
    feature_size_ = channels;
    logits_ = Logits((root / "Logits").in_group(ParameterGroup::logits) / "Conv2d_1c_1x1", channels, options.classes,
                     defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 224 px, width 1:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    x = first_.forward(x, context);  // [N,112,112,64]
    out.keep(context, "Conv2d_1a_7x7", x);
    x = stem_.forward(x, context);  // [N,28,28,192]
    out.keep(context, "MaxPool_3a_3x3", x);
    for (std::size_t i = 0; i < modules_.size(); ++i) {  // [N,28,28,256] ... [N,7,7,1024]
      x = modules_[i].forward(x, context);
      out.keep(context, table[i].name, x);
    }
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,1024]
    context.record("InceptionV2/Logits/AvgPool_1a_7x7", out.feature);
    x = dropped(out.feature, context);
    context.record("InceptionV2/Logits/Dropout_1b", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    context.record("InceptionV2/Logits", out.logits);
    return out;
  }

 private:
  enum class Pool { average, max, pass };
  struct Row {
    const char* name;
    Index ones, reduce3, threes, reduce_double, doubles;
    Pool pool;
    Index project;
  };
  /// Figure 5 of the paper, from "inception (3a)" on, which TF-Slim calls Mixed_3b: #1x1, #3x3 reduce, #3x3, double #3x3
  /// reduce, double #3x3, pool, proj. Rows that pass a max pool through halve the map.
  static constexpr std::array<Row, 10> table{{{"Mixed_3b", 64, 64, 64, 64, 96, Pool::average, 32},
                                              {"Mixed_3c", 64, 64, 96, 64, 96, Pool::average, 64},
                                              {"Mixed_4a", 0, 128, 160, 64, 96, Pool::pass, 0},
                                              {"Mixed_4b", 224, 64, 96, 96, 128, Pool::average, 128},
                                              {"Mixed_4c", 192, 96, 128, 96, 128, Pool::average, 128},
                                              {"Mixed_4d", 160, 128, 160, 128, 160, Pool::average, 96},
                                              {"Mixed_4e", 96, 128, 192, 160, 192, Pool::average, 96},
                                              {"Mixed_5a", 0, 128, 192, 192, 256, Pool::pass, 0},
                                              {"Mixed_5b", 352, 192, 320, 160, 224, Pool::average, 128},
                                              {"Mixed_5c", 352, 192, 320, 192, 224, Pool::max, 128}}};

  /// TF-Slim starts the 1x1 convolutions that narrow a map, and those after a pool, from plain normal deviates.
  static inline const Initialiser reduction_weights = Initialiser::trunc_normal(0.09);
  static inline const Initialiser projection_weights = Initialiser::trunc_normal(0.1);

  static ModuleFigure module(const Row& row) {
    using figure::average_pool, figure::conv, figure::max_pool;
    const auto reduce = [](Index channels) {
      return conv("Conv2d_0a_1x1", 1, channels, {.weights = reduction_weights});
    };
    if (row.pool == Pool::pass)
      return {{reduce(row.reduce3), conv("Conv2d_1a_3x3", 3, row.threes, {.stride = 2})},
              {reduce(row.reduce_double), conv("Conv2d_0b_3x3", 3, row.doubles),
               conv("Conv2d_1a_3x3", 3, row.doubles, {.stride = 2})},
              {max_pool("MaxPool_1a_3x3", 3, 2)}};
    return {{conv("Conv2d_0a_1x1", 1, row.ones)},
            {reduce(row.reduce3), conv("Conv2d_0b_3x3", 3, row.threes)},
            {reduce(row.reduce_double), conv("Conv2d_0b_3x3", 3, row.doubles), conv("Conv2d_0c_3x3", 3, row.doubles)},
            {row.pool == Pool::max ? max_pool("MaxPool_0a_3x3", 3) : average_pool("AvgPool_0a_3x3", 3),
             conv("Conv2d_0b_1x1", 1, row.project, {.weights = projection_weights})}};
  }

  SeparableConv first_;
  LayerSequence stem_;
  std::vector<InceptionModule> modules_;
  Logits logits_;
};

TINYVISION_END
