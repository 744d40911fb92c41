// Batch norm and activation before a convolution, as one operation (He et al., "Identity Mappings in Deep Residual
// Networks", ECCV 2016), and maps that grow along the channels, for networks that concatenate all earlier results (Huang
// et al., "Densely Connected Convolutional Networks", CVPR 2017).
//
//   preactivated_conv2d:  y = conv(a, w),  a = act(BN(x))
// Written out, every layer of a dense block keeps a and a copy of x, both as wide as all layers before it together: memory
// grows with the square of the depth. Here x is a slice of the block's one buffer and a is computed again in the backward
// pass, by the same operations on the same bits (Pleiss et al., "Memory-Efficient Implementation of DenseNets", arXiv
// 1707.06990), so that a layer keeps its own results alone. Statistics of a part of the concatenation are measured once,
// not again by each of the layers that normalise it.
//
// Derivative. With a made again, dw and da are the convolution's, and dx, dgamma, dbeta the batch norm's of da.
// Numerics and repeatability are those of batch_norm.hpp and conv2d.hpp.
#pragma once

#include "tinyvision/ops/batch_norm.hpp"
#include "tinyvision/ops/elementwise.hpp"

TINYVISION_BEGIN

/// What stands before a convolution. `known` are the input's statistics where they have been measured already.
struct Preactivation {
  BatchNormState state;
  BatchNormOptions options;  ///< with the activation
  ChannelStatistics known;
};

/// conv(act(BN(x)), w): x [N,H,W,C], w [KH,KW,C,O] -> [N,H',W',O]; `into` is an optional output slice. Equal to the plain
/// spelling batch_norm, conv2d to the bit, and so are the gradients but for that of x, whose parts may be added in another
/// order.
inline Variable preactivated_conv2d(const Variable& x, const Preactivation& before, const Variable& w,
                                    const ConvOptions& options = {}, const Tensor& into = Tensor()) {
  const BatchNormState& state = before.state;
  detail::check_batch_norm(x.value(), x.shape().back(), state);
  const WindowGeometry g = conv2d_geometry(x.value(), w.value(), options);
  const auto v = before.options.training ? detail::batch_norm_from_batch(x.value(), state, before.options, before.known)
                                         : detail::moving_norm(state, before.options.epsilon);
  const auto activated = [=] {
    const Tensor a = Tensor::empty(x.shape(), x.dtype(), x.device());
    detail::apply_norm(x.value(), v, state.beta, Tensor(), before.options.activation, a);
    return a;
  };
  const Tensor y = output_tensor("preactivated_conv2d", output_shape(g), x.dtype(), x.device(), into);
  visit_elements("preactivated_conv2d", x.value(),
                 [&]<class T>(T) { conv_forward(ConvKind::full, g, activated(), w, Epilogue<T>{}, y); });
  if (!needs_record(x, w, state.gamma, state.beta)) return Variable(y);
  const BatchNormOptions norm = before.options;
  return Variable::result("preactivated_conv2d", y, {x, w, state.gamma, state.beta}, [=](const Tensor& dy) {
    const Variable a(activated(), true);
    conv_backward(ConvKind::full, g, a, w, dy);
    const Tensor da = a.take_gradient();
    detail::norm_backward(x.value(), a.value(), da, v, state, Variable(), norm,
                          x.requires_gradient() ? x.gradient_sink() : GradientSink());
  });
}

/// The concatenation of maps that are made one after another, in one buffer of its final width: part k is written to
/// `next(channels)`, then joins by `append`. The gradient of the concatenation is one buffer too, which each part's is a
/// slice of.
class GrowingConcat {
 public:
  /// For maps [batch,height,width,*] of `channels` channels in the end. `parameters` is the dtype of the statistics, which
  /// are measured in `training` alone.
  GrowingConcat(const Shape& map, Index channels, DType dtype, DType parameters, Device device, bool training)
      : buffer_(Tensor::empty({map[0], map[1], map[2], channels}, dtype, device)) {
    if (training) statistics_ = ChannelStatistics(channels, parameters, device);
  }

  /// Where the next part goes.
  Tensor next(Index channels) const { return buffer_.slice_channels(filled_, channels); }

  /// Takes `part`, which was written to `next`. Throws Error when it is elsewhere.
  void append(const Variable& part) {
    const Index channels = part.shape().back(), begin = filled_;
    check(part.value().same_storage(next(channels)), "growing_concat", "a part ", part.value().text(),
          " was not written to its place in ", buffer_.text());
    filled_ += channels;
    if (statistics_.mean.defined()) detail::measure_channels(part.value(), statistics_.slice(begin, channels));
    joined_ = begin == 0 ? part : concat({joined_, part}, buffer_.slice_channels(0, filled_));
  }

  /// All parts so far, [N,H,W,C].
  const Variable& joined() const { return joined_; }
  /// Their statistics; undefined outside training.
  ChannelStatistics statistics() const {
    return statistics_.mean.defined() ? statistics_.slice(0, filled_) : ChannelStatistics();
  }

 private:
  Tensor buffer_;
  Index filled_ = 0;
  Variable joined_;
  ChannelStatistics statistics_;
};

TINYVISION_END
