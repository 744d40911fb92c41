// Reductions of one array as plain loops: the specification of cpu/reduce.hpp.
#pragma once

#include <cmath>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace reference {

/// Sum of x[i], accumulated in double.
template <class T>
double sum(Index count, const T* x) {
  double total = 0;
  for (Index i = 0; i < count; ++i) total += static_cast<double>(x[i]);
  return total;
}

/// Sum of x[i]^2, squared and accumulated in double.
template <class T>
double sum_of_squares(Index count, const T* x) {
  double total = 0;
  for (Index i = 0; i < count; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

/// True when no element is infinite or NaN.
template <class T>
bool all_finite(Index count, const T* x) {
  for (Index i = 0; i < count; ++i)
    if (!std::isfinite(x[i])) return false;
  return true;
}

/// Index of the first largest element; the first NaN, if any, counts as largest. Throws Error when count < 1.
template <class T>
Index argmax_row(Index count, const T* x) {
  check(count >= 1, "argmax", "needs at least one element, got ", count);
  Index best = 0;
  for (Index i = 1; i < count; ++i)
    if (x[i] > x[best] || (x[i] != x[i] && x[best] == x[best])) best = i;
  return best;
}

/// indices[0..k) of the k largest elements, largest first, the lower index first among equals; NaNs count as largest.
/// Throws Error unless 0 <= k <= count.
template <class T>
void top_k(Index count, const T* x, Index k, Index* indices) {
  check(k >= 0 && k <= count, "top_k", "k = ", k, " of ", count, " elements");
  const auto before = [&](Index a, Index b) {
    const bool nan_a = x[a] != x[a], nan_b = x[b] != x[b];
    if (nan_a != nan_b) return nan_a;
    if (!nan_a && x[a] != x[b]) return x[a] > x[b];
    return a < b;
  };
  for (Index place = 0; place < k; ++place) {
    Index best = -1;
    for (Index i = 0; i < count; ++i) {
      const bool later = place == 0 || before(indices[place - 1], i);
      if (later && (best < 0 || before(i, best))) best = i;
    }
    indices[place] = best;
  }
}

}  // namespace reference
TINYVISION_END
