// Dropout (Srivastava et al., JMLR 2014), inverted:  y = x mask / keep,  mask[i] = 1 where u(i) < keep.
//
// u is a counter-based random number of (seed, step, layer, element), so the mask needs no storage: the derivative
// dx = dy mask / keep draws the same numbers again, on any device and with any number of threads.
#pragma once

#include "tinyvision/core/random.hpp"
#include "tinyvision/cpu/dropout.hpp"
#include "tinyvision/ops/support.hpp"
#include "tinyvision/reference/dropout.hpp"

TINYVISION_BEGIN

/// x of any shape; 0 < keep <= 1. `random` is keyed by (seed, Stream::dropout, step * layers + layer).
inline Variable dropout(const Variable& x, double keep, const Random& random) {
  check(keep > 0 && keep <= 1, "dropout", "keep probability must be in (0, 1], got ", keep);
  if (keep == 1) return x;
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const auto apply = [random, keep](const Tensor& from, const Tensor& to, bool accumulate) {
    visit_elements("dropout", from, [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(from.device(), dropout<T>);
      run(from.rows(), from.shape().back(), random, static_cast<Accumulator<T>>(keep), from.data<T>(), from.pitch(),
          to.data<T>(), to.pitch(), accumulate);
    });
  };
  apply(x.value(), y, false);
  if (!needs_record(x)) return Variable(y);
  return Variable::result("dropout", y, {x}, [=](const Tensor& dy) {
    const GradientSink dx = x.gradient_sink();
    apply(dy, dx.tensor, dx.accumulate);
  });
}

TINYVISION_END
