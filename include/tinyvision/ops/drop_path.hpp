// Drop path (Larsson et al., "FractalNet", ICLR 2017; with the schedule of Zoph et al., "Learning Transferable
// Architectures", CVPR 2018, section A.7):  y[n] = x[n] b(n) / keep,  b(n) = 1 where u(n) < keep, else 0.
//
// A path is a whole map of one example. u is a counter-based random number of (seed, step, path, example), so that nothing
// is stored: the derivative dx[n] = dy[n] b(n) / keep draws the same numbers again.
//
// The draws and `keep`, which moves with the training step, are the host's; each example is one call of the kernel of
// `scale`. So on a device a step with drop path cannot be written down and replayed: `Network::recordable` says so, and
// the operation refuses.
#pragma once

#include "tinyvision/core/random.hpp"
#include "tinyvision/ops/support.hpp"

TINYVISION_BEGIN

/// x [N,...], 0 < keep <= 1. `random` is keyed by (seed, Stream::drop_path, step); `path` numbers the paths of a network.
inline Variable drop_path(const Variable& x, double keep, const Random& random, std::uint64_t path) {
  check(keep > 0 && keep <= 1, "drop_path", "keep probability must be in (0, 1], got ", keep);
  check(x.shape().rank() >= 1, "drop_path", "input must have examples, got ", x.shape());
  if (keep == 1) return x;
#if TINYVISION_WITH_CUDA
  check(x.value().on_cpu() || cuda::recorded_step() == nullptr, "drop_path",
        "a step that drops paths cannot be recorded");
#endif
  const auto apply = [=](const Tensor& from, const Tensor& to, bool accumulate) {
    for (Index n = 0; n < from.dim(0); ++n) {
      const bool kept = random.uniform(path << 32 | static_cast<std::uint64_t>(n)) < keep;
      if (kept) scale_into(from.slice_batch(n, 1), 1 / keep, to.slice_batch(n, 1), accumulate);
      if (!kept && !accumulate) to.slice_batch(n, 1).fill(0);
    }
  };
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  apply(x.value(), y, false);
  if (!needs_record(x)) return Variable(y);
  return Variable::result("drop_path", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    apply(dy, dx.tensor, dx.accumulate);
  });
}

TINYVISION_END
