// Reductions of one array, threaded and vectorised; meanings are those of reference/reduce.hpp. Sums are split into
// fixed stretches of the array, each in sixteen interleaved lanes, and combined in order: the bits depend on the array
// alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <numeric>

#include "tinyvision/core/error.hpp"
#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {
namespace detail {

/// Sum over i of `term(x[i])` in double.
template <class T, class Term>
double sum_terms(Index count, const T* x, const Term& term) {
  if (count <= 0) return 0;
  const Index parts = (count + task_elements - 1) / task_elements;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  parallel_for(parts, [&](Index part) {
    const T* in = x + part * task_elements;
    const Index length = std::min(task_elements, count - part * task_elements);
    vectorized([&]() TINYVISION_ALWAYS_INLINE {
      constexpr Index lanes = 16;
      alignas(64) double lane[lanes] = {};
      Index i = 0;
      for (; i + lanes <= length; i += lanes)
        for (Index k = 0; k < lanes; ++k) lane[k] += term(static_cast<double>(in[i + k]));
      for (Index k = 0; i + k < length; ++k) lane[k] += term(static_cast<double>(in[i + k]));
      for (Index half = lanes / 2; half > 0; half /= 2)
        for (Index k = 0; k < half; ++k) lane[k] += lane[k + half];
      sums[static_cast<std::size_t>(part)] = lane[0];
    });
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

}  // namespace detail

/// Sum of x[i], accumulated in double.
template <class T>
double sum(Index count, const T* x) {
  return detail::sum_terms(count, x, [](double v) TINYVISION_ALWAYS_INLINE { return v; });
}

/// Sum of x[i]^2, squared and accumulated in double.
template <class T>
double sum_of_squares(Index count, const T* x) {
  return detail::sum_terms(count, x, [](double v) TINYVISION_ALWAYS_INLINE { return v * v; });
}

/// True when no element is infinite or NaN.
template <class T>
bool all_finite(Index count, const T* x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits exponent = sizeof(T) == 4 ? Bits{0x7f800000u} : static_cast<Bits>(0x7ff0000000000000ULL);
  std::atomic<bool> finite{true};
  parallel_ranges(count, task_elements, [&](Index begin, Index end) {
    if (!finite.load(std::memory_order_relaxed)) return;
    Bits found = 0;
    vectorized([&]() TINYVISION_ALWAYS_INLINE {
      Bits any = 0;
      for (Index i = begin; i < end; ++i) {
        const Bits bits = static_cast<Bits>(std::bit_cast<Bits>(x[i]) & exponent);
        any |= static_cast<Bits>(bits == exponent);
      }
      found = any;
    });
    if (found != 0) finite.store(false, std::memory_order_relaxed);
  });
  return finite.load();
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
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  const auto before = [x](Index a, Index b) {
    const bool nan_a = x[a] != x[a], nan_b = x[b] != x[b];
    if (nan_a != nan_b) return nan_a;
    if (!nan_a && x[a] != x[b]) return x[a] > x[b];
    return a < b;
  };
  std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
  std::copy(order.begin(), order.begin() + k, indices);
}

}  // namespace cpu
TINYVISION_END
