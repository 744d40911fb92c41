// Inception v1 (GoogLeNet) with batch norm. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, Table 1. Names
// and settings are TF-Slim's (scope InceptionV1).
//
// Against the paper: batch norm after every convolution, no local response normalisation, no auxiliary heads; the branches
// that the paper calls 5x5 have 3x3 kernels, and the last pool is 2x2.
//
// Parameters without logits: 5,599,904 (Table A.2 of Kornblith et al.: 5.6 million).
#pragma once

#include <array>
#include <vector>

#include "tinyvision/nn/inception.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class InceptionV1 : public Network {
 public:
  explicit InceptionV1(const NetworkOptions& options = {}) : Network("inception_v1", options, 224) {
    using figure::conv, figure::max_pool;
    const Scope root = scope("InceptionV1");
    const ConvDefaults defaults{
        .weights = Initialiser::trunc_normal(0.01), .bn_decay = 0.9997, .bn_scale = bn_scale(false)};
    stem_ = LayerSequence(root, 3, defaults,                             // at 224 px:
                          {conv("Conv2d_1a_7x7", 7, 64, {.stride = 2}),  // [N,112,112,64]
                           max_pool("MaxPool_2a_3x3", 3, 2),             // [N,56,56,64]
                           conv("Conv2d_2b_1x1", 1, 64),                 // [N,56,56,64]
                           conv("Conv2d_2c_3x3", 3, 192),                // [N,56,56,192]
                           max_pool("MaxPool_3a_3x3", 3, 2)});           // [N,28,28,192]
    Index channels = stem_.channels();
    for (const Row& row : table) {
      Stage stage{row, row.pool == 0 ? module(root / row.name, channels, defaults, row) : InceptionModule()};
      if (row.pool == 0) channels = stage.module.channels();
      stages_.push_back(stage);
    }
    feature_size_ = channels;
    ConvDefaults of_logits = defaults;
    of_logits.weights = Initialiser::variance_scaling_fan_in(2);
    logits_ = Logits((root / "Logits").in_group(ParameterGroup::logits) / "Conv2d_0c_1x1", channels, options.classes,
                     of_logits);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 224 px:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    x = stem_.forward(x, context);  // [N,28,28,192]
    out.keep(context, "MaxPool_3a_3x3", x);
    for (const Stage& stage : stages_) {  // [N,28,28,256] ... [N,7,7,1024]
      if (stage.row.pool > 0) {
        x = tinyvision::max_pool(x, {.kernel = stage.row.pool, .stride = 2});
        context.record(concat_text("InceptionV1/", stage.row.name), x);
      } else {
        x = stage.module.forward(x, context);
      }
      out.keep(context, stage.row.name, x);
    }
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,1024]
    context.record("InceptionV1/Logits/AvgPool_0a_7x7", out.feature);
    x = dropped(out.feature, context);
    context.record("InceptionV1/Logits/Dropout_0b", x);
    out.logits = logits_.forward(x, context);  // [N,classes]
    context.record("InceptionV1/Logits", out.logits);
    return out;
  }

 private:
  struct Row {
    const char* name;
    Index pool;  ///< kernel of a max pool with stride 2; 0: the row is a module
    Index ones, reduce3, threes, reduce5, fives, project;
  };
  /// Table 1 of the paper, from "inception (3a)" on, which TF-Slim calls Mixed_3b: #1x1, #3x3 reduce, #3x3, #5x5 reduce,
  /// #5x5, pool proj.
  static constexpr std::array<Row, 11> table{{{"Mixed_3b", 0, 64, 96, 128, 16, 32, 32},
                                              {"Mixed_3c", 0, 128, 128, 192, 32, 96, 64},
                                              {"MaxPool_4a_3x3", 3, 0, 0, 0, 0, 0, 0},
                                              {"Mixed_4b", 0, 192, 96, 208, 16, 48, 64},
                                              {"Mixed_4c", 0, 160, 112, 224, 24, 64, 64},
                                              {"Mixed_4d", 0, 128, 128, 256, 24, 64, 64},
                                              {"Mixed_4e", 0, 112, 144, 288, 32, 64, 64},
                                              {"Mixed_4f", 0, 256, 160, 320, 32, 128, 128},
                                              {"MaxPool_5a_2x2", 2, 0, 0, 0, 0, 0, 0},
                                              {"Mixed_5b", 0, 256, 160, 320, 32, 128, 128},
                                              {"Mixed_5c", 0, 384, 192, 384, 48, 128, 128}}};
  struct Stage {
    Row row;
    InceptionModule module;
  };

  static InceptionModule module(const Scope& at, Index in, const ConvDefaults& defaults, const Row& row) {
    using figure::conv, figure::max_pool;
    // One public name is irregular.
    const bool irregular = at.path().ends_with("Mixed_5b");
    return InceptionModule(
        at, in, defaults,
        {{conv("Conv2d_0a_1x1", 1, row.ones)},
         {conv("Conv2d_0a_1x1", 1, row.reduce3), conv("Conv2d_0b_3x3", 3, row.threes)},
         {conv("Conv2d_0a_1x1", 1, row.reduce5), conv(irregular ? "Conv2d_0a_3x3" : "Conv2d_0b_3x3", 3, row.fives)},
         {max_pool("MaxPool_0a_3x3", 3), conv("Conv2d_0b_1x1", 1, row.project)}});
  }

  LayerSequence stem_;
  std::vector<Stage> stages_;
  Logits logits_;
};

TINYVISION_END
