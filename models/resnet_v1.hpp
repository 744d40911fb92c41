// ResNet-50, -101, -152 v1. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1, in the variant
// of Kornblith et al.: stride 2 on the 3x3 convolution of a block's first unit (Goyal et al., arXiv 1706.02677), and
// gamma of each unit's last batch norm starting at 0 (footnote e of the paper). Names are TF-Slim's (scope resnet_v1_50).
// `public_layout` is the layout of the converted public checkpoints: stride 2 on the 3x3 of a block's *last* unit, whose
// shortcut is a subsampling (1x1 max pool); variables and shapes are the same.
//
// Parameters without logits: 23,508,032; 42,500,160; 58,143,808 (Table A.2: 23.5, 42.5, 58.1 million).
#pragma once

#include <array>
#include <vector>

#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

class ResnetV1 : public Network {
 public:
  /// `layers` is 50, 101 or 152. Throws UsageError otherwise.
  ResnetV1(int layers, const NetworkOptions& options) : Network(concat_text("resnet", layers, "_v1"), options, 224) {
    root_ = concat_text("resnet_v1_", layers);
    const ConvDefaults defaults{.weights = Initialiser::variance_scaling_fan_in(2),
                                .l2_slim = 1e-4,
                                .bn_epsilon = 1e-5,
                                .bn_decay = 0.997,
                                .bn_scale = bn_scale(true)};
    bn_epsilon_ = defaults.bn_epsilon;
    const Scope root = scope(root_);
    stem_ = ConvBatchNorm::full(root / "conv1", 7, 3, 64, defaults, {.stride = 2, .padding = Padding::symmetric(3)});
    Index channels = 64;
    const std::array<Index, 4> units = units_of(layers);
    for (std::size_t b = 0; b < units.size(); ++b) {
      for (Index u = 0; u < units[b]; ++u) {
        const std::string path = concat_text("block", b + 1, "/unit_", u + 1, "/bottleneck_v1");
        const Index base = Index{64} << b;
        const bool strided = options.public_layout ? b < 3 && u == units[b] - 1 : b > 0 && u == 0;
        units_.emplace_back(root / path, path, channels, base, strided ? 2 : 1, defaults);
        channels = 4 * base;
      }
    }
    feature_size_ = channels;
    logits_ = Logits(root.in_group(ParameterGroup::logits) / "logits", channels, options.classes, defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 224 px:
    Outputs out;
    Variable x = prepare(images);
    context.record("input", x);
    x = stem_.forward(x, context);  // [N,112,112,64]
    out.keep(context, "conv1", x);
    x = max_pool(x, {.kernel = 3, .stride = 2});  // [N,56,56,64]
    context.record(root_ + "/pool1", x);
    for (const Unit& unit : units_) {  // [N,56,56,256] ... [N,7,7,2048]
      x = unit.forward(x, context);
      out.keep(context, unit.path, x);
    }
    out.feature = cast(global_average_pool(x), options_.dtype);  // [N,2048]
    context.record(root_ + "/pool5", out.feature);
    out.logits = logits_.forward(out.feature, context);  // [N,classes]
    context.record(root_, out.logits);
    return out;
  }

 private:
  /// Bottleneck: 1x1 to `base`, 3x3, 1x1 to 4*base, plus the shortcut; ReLU after the sum.
  struct Unit {
    std::string path, name;
    Index stride;
    bool projects;
    ConvBatchNorm shortcut, conv1, conv2, conv3;

    Unit(const Scope& at, std::string where, Index in, Index base, Index unit_stride, const ConvDefaults& defaults)
        : path(std::move(where)), name(at.path()), stride(unit_stride), projects(in != 4 * base) {
      const ConvBatchNormOptions linear_out{.stride = projects ? stride : 1, .activation = Activation::none};
      if (projects) shortcut = ConvBatchNorm::full(at / "shortcut", 1, in, 4 * base, defaults, linear_out);
      conv1 = ConvBatchNorm::full(at / "conv1", 1, in, base, defaults, {});
      // At stride 2 the padding is symmetric, unlike SAME, which would put its only pixel at the bottom and right.
      conv2 = ConvBatchNorm::full(at / "conv2", 3, base, base, defaults,
                                  {.stride = stride, .padding = stride > 1 ? Padding::symmetric(1) : Padding::same()});
      conv3 = ConvBatchNorm::full(at / "conv3", 1, base, 4 * base, defaults,
                                  {.activation = Activation::none, .gamma = Initialiser::zeros()});
    }

    Variable forward(const Variable& x, const Context& context) const {
      Variable skip = x;
      if (projects) {
        skip = shortcut.forward(x, context);
      } else if (stride > 1) {
        skip = max_pool(x, {.kernel = 1, .stride = stride});
        context.record(name + "/shortcut", skip);
      }
      Variable y = conv1.forward(x, context);
      y = conv2.forward(y, context);
      return conv3.forward(y, context, skip, Activation::relu, name);
    }
  };

  static std::array<Index, 4> units_of(int layers) {  // Table 1 of the paper
    switch (layers) {
      case 50: return {3, 4, 6, 3};
      case 101: return {3, 4, 23, 3};
      case 152: return {3, 8, 36, 3};
      default: fail_usage("resnet_v1", "no ResNet with ", layers, " layers: choose 50, 101 or 152");
    }
  }

  std::string root_;
  ConvBatchNorm stem_;
  std::vector<Unit> units_;
  Logits logits_;
};

TINYVISION_END
