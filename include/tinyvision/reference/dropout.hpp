// Dropout as plain loops: the specification of cpu/dropout.hpp.
#pragma once

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/random.hpp"

TINYVISION_BEGIN
namespace reference {

/// y (+)= x / keep where random.uniform(row * channels + c) < keep, else 0 (Srivastava et al., JMLR 15, 2014, in the
/// "inverted" form, so evaluation is the identity). Linear in x with a mask that depends on the index alone: applied to
/// dy it is the derivative. Throws Error unless 0 < keep <= 1. y may alias x.
template <class T>
void dropout(Index rows, Index channels, const Random& random, T keep, const T* x, Index xp, T* y, Index yp,
             bool accumulate) {
  check(keep > T(0) && keep <= T(1), "dropout", "keep probability must be in (0, 1], got ", keep);
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) {
      const bool kept = random.uniform(static_cast<std::uint64_t>(r * channels + c)) < static_cast<double>(keep);
      const T value = kept ? x[r * xp + c] / keep : T(0);
      T& target = y[r * yp + c];
      target = accumulate ? target + value : value;
    }
}

}  // namespace reference
TINYVISION_END
