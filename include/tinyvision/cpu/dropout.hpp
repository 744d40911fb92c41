// Dropout, threaded; arguments and results are those of reference/dropout.hpp, bit for bit.
#pragma once

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/random.hpp"
#include "tinyvision/core/thread_pool.hpp"

TINYVISION_BEGIN
namespace cpu {

/// y (+)= x / keep where random.uniform(row * channels + c) < keep, else 0. The mask depends on the index alone:
/// applied to dy it is the derivative. Throws Error unless 0 < keep <= 1. y may alias x.
template <class T>
void dropout(Index rows, Index channels, const Random& random, T keep, const T* x, Index xp, T* y, Index yp,
             bool accumulate) {
  check(keep > T(0) && keep <= T(1), "dropout", "keep probability must be in (0, 1], got ", keep);
  const Index grain = std::max<Index>(1, 4096 / std::max<Index>(1, channels));
  parallel_ranges(channels > 0 ? rows : 0, grain, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r)
      for (Index c = 0; c < channels; ++c) {
        const bool kept = random.uniform(static_cast<std::uint64_t>(r * channels + c)) < static_cast<double>(keep);
        const T value = kept ? x[r * xp + c] / keep : T(0);
        T& target = y[r * yp + c];
        target = accumulate ? target + value : value;
      }
  });
}

}  // namespace cpu
TINYVISION_END
