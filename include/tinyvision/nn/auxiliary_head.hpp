// The auxiliary head of Inception v3, v4 and Inception-ResNet v2.
#pragma once

#include <optional>
#include <string>

#include "tinyvision/nn/layers.hpp"

TINYVISION_BEGIN

/// The names that differ between the auxiliary heads of TF-Slim's networks, and what its second convolution starts from.
struct AuxiliaryFigure {
  std::string pool, whole, logits;
  std::optional<Initialiser> whole_weights;
  Index narrow = 128, wide = 768;  ///< channels of the two convolutions
};

/// A classifier in the middle of a network, for training (Szegedy et al., "Rethinking the Inception Architecture", CVPR
/// 2016, section 4 and Figure 8): 5x5/3 average pool, 1x1 convolution to 128, a convolution as large as the map to 768,
/// class scores. The map's size is fixed when the head is made.
class AuxiliaryHead {
 public:
  AuxiliaryHead() = default;
  /// On a map [1,H,W,C] of the image size the network is made for; UsageError where that is smaller than the pool.
  /// `convolved` logits are stored as a 1x1 convolution's.
  AuxiliaryHead(const Scope& scope, const Shape& map, Index classes, const ConvDefaults& defaults,
                const AuxiliaryFigure& names, const ConvDefaults& logits_defaults, bool convolved)
      : name_(scope.path()), pool_name_(scope.path() + "/" + names.pool), channels_(names.wide) {
    pooled_ = pooled(map[1]);
    if (pooled_ < 1 || map[1] != map[2])
      fail_usage(name_, "the auxiliary head needs a square map of ", pool.kernel,
                 " pixels or more, images of this size make ", map[1], "x", map[2]);
    projection_ = ConvBatchNorm::full(scope / "Conv2d_1b_1x1", 1, map[3], names.narrow, defaults, {});
    whole_ = ConvBatchNorm::full(scope / names.whole, pooled_, names.narrow, channels_, defaults,
                                 {.padding = Padding::valid(), .weights = names.whole_weights});
    const Scope at = scope / names.logits;
    logits_ = convolved ? Logits(at, channels_, classes, logits_defaults)
                        : Logits::fully_connected(at, channels_, classes, logits_defaults);
  }

  /// Rows of the specification that the head has.
  static constexpr int operations = 5;

  /// map [N,H,W,C] -> [N,classes] in `dtype`, that of the parameters. UsageError for a map of another size.
  Variable forward(const Variable& map, DType dtype, const Context& context) const {
    const Index h = pooled(map.shape()[1]), w = pooled(map.shape()[2]);
    if (h != pooled_ || w != pooled_)
      fail_usage(name_, "the auxiliary head was made for ", pooled_, "x", pooled_,
                 " pixels after its pool, these images make ", h, "x", w,
                 ": give the network their size (NetworkOptions::image_size)");
    Variable x = average_pool(map, pool);  // at 299 px: [N,5,5,C]
    context.record(pool_name_, x);
    x = projection_.forward(x, context);  // [N,5,5,128]
    x = whole_.forward(x, context);       // [N,1,1,768]
    x = cast(reshape(x, {x.shape()[0], channels_}), dtype);
    if (!logits_.convolves()) context.record(name_, x);
    x = logits_.forward(x, context);
    if (logits_.convolves()) context.record(name_, x);
    return x;
  }

 private:
  static inline const PoolOptions pool{5, 3, Padding::valid()};
  /// Extent of the pool's output on a map of this extent; 0 where the pool does not fit.
  static Index pooled(Index extent) { return extent < pool.kernel ? 0 : (extent - pool.kernel) / pool.stride + 1; }

  std::string name_, pool_name_;
  Index pooled_ = 0, channels_ = 0;
  ConvBatchNorm projection_, whole_;
  Logits logits_;
};

/// Scores of a head, if there is one, in training or where a trace asks for all rows; else undefined. The rows of a head
/// that is not computed are passed over.
inline Variable forward_head(const std::optional<AuxiliaryHead>& head, const Variable& map, DType dtype,
                             const Context& context) {
  if (head && (context.training || context.trace)) return head->forward(map, dtype, context);
  context.skip(AuxiliaryHead::operations);
  return Variable();
}

TINYVISION_END
