// Vector types of each instruction set behind one interface, `Vec<T>`, in the namespaces simd::portable, simd::avx2 and
// simd::avx512. Kernels are written once against `Vec` and compiled for each set through simd_foreach.inl.
//
// Masked accesses never touch memory beyond the valid lanes; masked loads fill the others with zero. `stream` stores
// past the caches to an aligned address; `stream_fence` orders such stores before later ones. `max` and `min` return
// their second operand when either is NaN, as the x86 instructions do.
#pragma once

#include <algorithm>
#include <cstring>

#include "tinyvision/core/config.hpp"
#include "tinyvision/linalg/simd.hpp"

#if TINYVISION_X86
#include <immintrin.h>
#endif

#if defined(__clang__)
#define TINYVISION_UNROLL _Pragma("unroll")
#else
#define TINYVISION_UNROLL _Pragma("GCC unroll 32")
#endif
#define TINYVISION_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define TINYVISION_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))

TINYVISION_BEGIN
namespace simd {

namespace portable {

/// 16-byte vectors that every 64-bit target has; `fma` here rounds twice.
template <class T>
struct Vec {
  typedef T Reg __attribute__((vector_size(16)));
  using Mask = Index;
  static constexpr int width = 16 / static_cast<int>(sizeof(T));
  static constexpr int tile_rows = 4;

  static Mask mask(Index lanes) { return lanes; }
  static Reg zero() { return Reg{}; }
  static Reg set1(T x) { return Reg{} + x; }
  static Reg load(const T* p) {
    Reg r;
    std::memcpy(&r, p, sizeof r);
    return r;
  }
  static void store(T* p, Reg r) { std::memcpy(p, &r, sizeof r); }
  static void stream(T* p, Reg r) { store(p, r); }
  static void stream_fence() {}
  static Reg load(const T* p, Mask lanes) {
    Reg r{};
    for (Index i = 0; i < width; ++i)
      if (i < lanes) r[i] = p[i];
    return r;
  }
  static void store(T* p, Reg r, Mask lanes) {
    for (Index i = 0; i < width; ++i)
      if (i < lanes) p[i] = r[i];
  }
  static Reg add(Reg a, Reg b) { return a + b; }
  static Reg mul(Reg a, Reg b) { return a * b; }
  static Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  static Reg max(Reg a, Reg b) { return a > b ? a : b; }
  static Reg min(Reg a, Reg b) { return a < b ? a : b; }
  /// Transposes the square matrix of `width` rows.
  static void transpose(Reg* r) {
    for (int i = 0; i < width; ++i) {
      for (int j = i + 1; j < width; ++j) {
        const T t = r[i][j];
        r[i][j] = r[j][i];
        r[j][i] = t;
      }
    }
  }
};

}  // namespace portable

#if TINYVISION_X86

namespace avx2 {

#define TINYVISION_OP TINYVISION_TARGET_AVX2 __attribute__((always_inline)) static inline

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = __m256;
  using Mask = __m256i;
  static constexpr int width = 8;
  static constexpr int tile_rows = 6;

  TINYVISION_OP Mask mask(Index lanes) {
    const int n = static_cast<int>(std::clamp<Index>(lanes, 0, width));
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  TINYVISION_OP Reg zero() { return _mm256_setzero_ps(); }
  TINYVISION_OP Reg set1(float x) { return _mm256_set1_ps(x); }
  TINYVISION_OP Reg load(const float* p) { return _mm256_loadu_ps(p); }
  TINYVISION_OP Reg load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  TINYVISION_OP void store(float* p, Reg r) { _mm256_storeu_ps(p, r); }
  TINYVISION_OP void stream(float* p, Reg r) { _mm256_stream_ps(p, r); }
  TINYVISION_OP void stream_fence() { _mm_sfence(); }
  TINYVISION_OP void store(float* p, Reg r, Mask m) { _mm256_maskstore_ps(p, m, r); }
  TINYVISION_OP Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  TINYVISION_OP Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  TINYVISION_OP Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  TINYVISION_OP Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  TINYVISION_OP Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  TINYVISION_OP void transpose(Reg* r) {
    Reg s[8];
    TINYVISION_UNROLL
    for (int i = 0; i < 8; i += 2) {
      s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    TINYVISION_UNROLL
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
      r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    TINYVISION_UNROLL
    for (int i = 0; i < 4; ++i) {
      s[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
      s[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    TINYVISION_UNROLL
    for (int i = 0; i < 8; ++i) r[i] = s[i];
  }
};

template <>
struct Vec<double> {
  using Reg = __m256d;
  using Mask = __m256i;
  static constexpr int width = 4;
  static constexpr int tile_rows = 6;

  TINYVISION_OP Mask mask(Index lanes) {
    const Index n = std::clamp<Index>(lanes, 0, width);
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  TINYVISION_OP Reg zero() { return _mm256_setzero_pd(); }
  TINYVISION_OP Reg set1(double x) { return _mm256_set1_pd(x); }
  TINYVISION_OP Reg load(const double* p) { return _mm256_loadu_pd(p); }
  TINYVISION_OP Reg load(const double* p, Mask m) { return _mm256_maskload_pd(p, m); }
  TINYVISION_OP void store(double* p, Reg r) { _mm256_storeu_pd(p, r); }
  TINYVISION_OP void stream(double* p, Reg r) { _mm256_stream_pd(p, r); }
  TINYVISION_OP void stream_fence() { _mm_sfence(); }
  TINYVISION_OP void store(double* p, Reg r, Mask m) { _mm256_maskstore_pd(p, m, r); }
  TINYVISION_OP Reg add(Reg a, Reg b) { return _mm256_add_pd(a, b); }
  TINYVISION_OP Reg mul(Reg a, Reg b) { return _mm256_mul_pd(a, b); }
  TINYVISION_OP Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_pd(a, b, c); }
  TINYVISION_OP Reg max(Reg a, Reg b) { return _mm256_max_pd(a, b); }
  TINYVISION_OP Reg min(Reg a, Reg b) { return _mm256_min_pd(a, b); }
  TINYVISION_OP void transpose(Reg* r) {
    const Reg s0 = _mm256_unpacklo_pd(r[0], r[1]), s1 = _mm256_unpackhi_pd(r[0], r[1]);
    const Reg s2 = _mm256_unpacklo_pd(r[2], r[3]), s3 = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(s0, s2, 0x20);
    r[1] = _mm256_permute2f128_pd(s1, s3, 0x20);
    r[2] = _mm256_permute2f128_pd(s0, s2, 0x31);
    r[3] = _mm256_permute2f128_pd(s1, s3, 0x31);
  }
};

#undef TINYVISION_OP

}  // namespace avx2

namespace avx512 {

// max and min take a full mask because gcc 12's unmasked forms draw a false warning; the mask folds away.

#define TINYVISION_OP TINYVISION_TARGET_AVX512 __attribute__((always_inline)) static inline

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int width = 16;
  static constexpr int tile_rows = 14;

  TINYVISION_OP Mask mask(Index lanes) { return static_cast<Mask>((1u << std::clamp<Index>(lanes, 0, width)) - 1u); }
  TINYVISION_OP Reg zero() { return _mm512_setzero_ps(); }
  TINYVISION_OP Reg set1(float x) { return _mm512_set1_ps(x); }
  TINYVISION_OP Reg load(const float* p) { return _mm512_loadu_ps(p); }
  TINYVISION_OP Reg load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  TINYVISION_OP void store(float* p, Reg r) { _mm512_storeu_ps(p, r); }
  TINYVISION_OP void stream(float* p, Reg r) { _mm512_stream_ps(p, r); }
  TINYVISION_OP void stream_fence() { _mm_sfence(); }
  TINYVISION_OP void store(float* p, Reg r, Mask m) { _mm512_mask_storeu_ps(p, m, r); }
  TINYVISION_OP Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  TINYVISION_OP Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  TINYVISION_OP Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  TINYVISION_OP Reg max(Reg a, Reg b) { return _mm512_maskz_max_ps(static_cast<Mask>(-1), a, b); }
  TINYVISION_OP Reg min(Reg a, Reg b) { return _mm512_maskz_min_ps(static_cast<Mask>(-1), a, b); }
  /// Transposes the square matrix of `width` rows: step d swaps the off-diagonal quarters of every 2d x 2d block.
  TINYVISION_OP void transpose(Reg* r) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    TINYVISION_UNROLL
    for (int d = 1; d < width; d *= 2) {
      const __m512i distance = _mm512_set1_epi32(d);
      const Mask upper = _mm512_test_epi32_mask(lane, distance);
      const __m512i first = _mm512_mask_add_epi32(lane, upper, lane, _mm512_set1_epi32(width - d));
      const __m512i second =
          _mm512_mask_add_epi32(_mm512_add_epi32(lane, distance), upper, lane, _mm512_set1_epi32(width));
      TINYVISION_UNROLL
      for (int i = 0; i < width; ++i) {
        if ((i & d) != 0) continue;
        const Reg a = r[i], b = r[i + d];
        r[i] = _mm512_permutex2var_ps(a, first, b);
        r[i + d] = _mm512_permutex2var_ps(a, second, b);
      }
    }
  }
};

template <>
struct Vec<double> {
  using Reg = __m512d;
  using Mask = __mmask8;
  static constexpr int width = 8;
  static constexpr int tile_rows = 14;

  TINYVISION_OP Mask mask(Index lanes) { return static_cast<Mask>((1u << std::clamp<Index>(lanes, 0, width)) - 1u); }
  TINYVISION_OP Reg zero() { return _mm512_setzero_pd(); }
  TINYVISION_OP Reg set1(double x) { return _mm512_set1_pd(x); }
  TINYVISION_OP Reg load(const double* p) { return _mm512_loadu_pd(p); }
  TINYVISION_OP Reg load(const double* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
  TINYVISION_OP void store(double* p, Reg r) { _mm512_storeu_pd(p, r); }
  TINYVISION_OP void stream(double* p, Reg r) { _mm512_stream_pd(p, r); }
  TINYVISION_OP void stream_fence() { _mm_sfence(); }
  TINYVISION_OP void store(double* p, Reg r, Mask m) { _mm512_mask_storeu_pd(p, m, r); }
  TINYVISION_OP Reg add(Reg a, Reg b) { return _mm512_add_pd(a, b); }
  TINYVISION_OP Reg mul(Reg a, Reg b) { return _mm512_mul_pd(a, b); }
  TINYVISION_OP Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_pd(a, b, c); }
  TINYVISION_OP Reg max(Reg a, Reg b) { return _mm512_maskz_max_pd(static_cast<Mask>(-1), a, b); }
  TINYVISION_OP Reg min(Reg a, Reg b) { return _mm512_maskz_min_pd(static_cast<Mask>(-1), a, b); }
  /// Transposes the square matrix of `width` rows: step d swaps the off-diagonal quarters of every 2d x 2d block.
  TINYVISION_OP void transpose(Reg* r) {
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    TINYVISION_UNROLL
    for (int d = 1; d < width; d *= 2) {
      const __m512i distance = _mm512_set1_epi64(d);
      const Mask upper = _mm512_test_epi64_mask(lane, distance);
      const __m512i first = _mm512_mask_add_epi64(lane, upper, lane, _mm512_set1_epi64(width - d));
      const __m512i second =
          _mm512_mask_add_epi64(_mm512_add_epi64(lane, distance), upper, lane, _mm512_set1_epi64(width));
      TINYVISION_UNROLL
      for (int i = 0; i < width; ++i) {
        if ((i & d) != 0) continue;
        const Reg a = r[i], b = r[i + d];
        r[i] = _mm512_permutex2var_pd(a, first, b);
        r[i + d] = _mm512_permutex2var_pd(a, second, b);
      }
    }
  }
};

#undef TINYVISION_OP

}  // namespace avx512

#endif

}  // namespace simd
TINYVISION_END
