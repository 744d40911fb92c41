// Plain loops compiled for wider vectors, chosen by cpuid, and the cut of [rows, channels] arrays into tasks.
//
// The passes of this room are bound by memory, so the compiler's own vectorisation of a plain loop is all they need.
// The loops use no fused multiply-add and add in an order fixed by the shape, so every instruction set gives the same
// bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/linalg/simd.hpp"

#if TINYVISION_X86
#include <immintrin.h>
#endif

/// Marks what `vectorized` runs: inlined, it is compiled for the instruction set of the place it is inlined into.
#define TINYVISION_ALWAYS_INLINE __attribute__((always_inline))

/// States that iterations are independent, in-place use included, so that no run-time overlap test sends an in-place
/// call to scalar code.
#if defined(__clang__)
#define TINYVISION_INDEPENDENT
#else
#define TINYVISION_INDEPENDENT _Pragma("GCC ivdep")
#endif

TINYVISION_BEGIN
namespace cpu {
namespace detail {

template <class Body>
void run_portable(const Body& body) {
  body();
}

#if TINYVISION_X86
template <class Body>
__attribute__((target("avx2"))) void run_avx2(const Body& body) {
  body();
}
template <class Body>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2"))) void run_avx512(const Body& body) {
  body();
}
#endif

}  // namespace detail

/// Calls `body()`, a lambda marked TINYVISION_ALWAYS_INLINE, compiled for the instruction set in use. Unless `Wide`,
/// 32-byte vectors serve AVX-512 machines too: wider ones do not make memory faster, and each copy costs compile time.
template <bool Wide = false, class Body>
void vectorized(const Body& body) {
#if TINYVISION_X86
  if constexpr (Wide) {
    if (instruction_set() == InstructionSet::avx512) return detail::run_avx512(body);
  }
  if (instruction_set() != InstructionSet::portable) return detail::run_avx2(body);
#endif
  detail::run_portable(body);
}

namespace detail {

#if TINYVISION_X86
__attribute__((target("avx2"))) inline void stream_copy_avx2(char* to, const char* from, Index bytes) {
  for (Index i = 0; i < bytes; i += 32)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
}
#endif

}  // namespace detail

/// Whether `stream_copy` may write rows of `pitch` elements at `y`, and a result of `count` elements is so big that it
/// will not be read from the caches again, so that a plain store would fetch each line for nothing.
template <class T>
bool worth_stream_copy(const T* y, Index pitch, Index count) {
  return TINYVISION_X86 && instruction_set() != InstructionSet::portable &&
         count * static_cast<Index>(sizeof(T)) >= Index{8} << 20 && reinterpret_cast<std::uintptr_t>(y) % 64 == 0 &&
         pitch * static_cast<Index>(sizeof(T)) % 64 == 0;
}

/// Copies whole cache lines to an aligned address past the caches.
template <class T>
void stream_copy(T* to, const T* from, Index count) {
#if TINYVISION_X86
  detail::stream_copy_avx2(reinterpret_cast<char*>(to), reinterpret_cast<const char*>(from),
                           count * static_cast<Index>(sizeof(T)));
#else
  std::copy(from, from + count, to);
#endif
}

/// Orders `stream_copy` before what other threads read afterwards.
inline void stream_fence() {
#if TINYVISION_X86
  _mm_sfence();
#endif
}

/// Elements a task should have: enough to hide its start, few enough to share a map of 100k elements.
inline constexpr Index task_elements = 32768;

/// Calls `kernel(row_begin, row_end, column_begin, column_end)`, marked TINYVISION_ALWAYS_INLINE, in parallel over
/// a [rows, channels] array. `packed` says that all arrays have pitch == channels and that the kernel treats all
/// columns alike: it then sees one long row.
template <class Kernel>
void for_each_block(Index rows, Index channels, bool packed, const Kernel& kernel) {
  if (rows <= 0 || channels <= 0) return;
  const Index count = packed ? rows * channels : rows;
  const Index grain = packed ? task_elements : std::max<Index>(1, task_elements / channels);
  parallel_ranges(count, grain, [&](Index begin, Index end) {
    const Index r0 = packed ? 0 : begin, r1 = packed ? 1 : end, c0 = packed ? begin : 0, c1 = packed ? end : channels;
    vectorized([&]() TINYVISION_ALWAYS_INLINE { kernel(r0, r1, c0, c1); });
  });
}

/// Calls `body(constant)` with `act` as a compile-time constant.
template <class Body>
void with_activation(Activation act, const Body& body) {
  switch (act) {
    case Activation::relu: return body(std::integral_constant<Activation, Activation::relu>{});
    case Activation::relu6: return body(std::integral_constant<Activation, Activation::relu6>{});
    default: return body(std::integral_constant<Activation, Activation::none>{});
  }
}

/// Calls `body(constant)` with `flag` as a compile-time constant.
template <class Body>
void with_flag(bool flag, const Body& body) {
  flag ? body(std::true_type{}) : body(std::false_type{});
}

/// `gradient` where an activation with output y passed its input, else 0. Without a branch: the bits are masked,
/// because a choice between two values tempts the compiler to load conditionally, which it cannot vectorise.
template <Activation Act, class T>
TINYVISION_ALWAYS_INLINE inline T masked_gradient(T gradient, T y) {
  if constexpr (Act == Activation::none) return gradient;
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const bool pass = Act == Activation::relu ? y > T(0) : (y > T(0)) & (y < T(6));
  return std::bit_cast<T>(static_cast<Bits>(std::bit_cast<Bits>(gradient) & (Bits{0} - static_cast<Bits>(pass))));
}

/// Narrow packed rows joined into wide ones, so that vector loops over channels have something to do: `factor` pixels
/// become one row of `factor * channels` columns, with the per-channel vectors repeated to match.
struct RowFold {
  Index factor = 1;

  static RowFold of(Index rows, Index channels, bool packed, Index wide = 256) {
    return {packed && channels > 0 ? std::clamp<Index>(wide / channels, 1, std::max<Index>(rows, 1)) : 1};
  }
  /// `value(c)` for each channel c, repeated for each pixel of a folded row.
  template <class T, class Value>
  std::vector<T> repeat(Index channels, const Value& value) const {
    std::vector<T> out(static_cast<std::size_t>(factor * channels));
    for (Index c = 0; c < channels; ++c) out[static_cast<std::size_t>(c)] = value(c);
    for (Index i = channels; i < factor * channels; ++i)
      out[static_cast<std::size_t>(i)] = out[static_cast<std::size_t>(i - channels)];
    return out;
  }
  /// Calls `run(first_row, wide_rows, columns, fold)`: first over the folded rows, then over the rows left. A pitch of
  /// the array is to be multiplied by `fold`.
  template <class Run>
  void split(Index rows, Index channels, const Run& run) const {
    const Index folded = rows / factor;
    if (folded > 0) run(Index{0}, folded, factor * channels, factor);
    if (folded * factor < rows) run(folded * factor, rows - folded * factor, channels, Index{1});
  }
};

}  // namespace cpu
TINYVISION_END
