// Compiles the file named by TINYVISION_SIMD_BODY once for each instruction set. (No `#pragma once`: included once per
// body.) Function target attributes cannot depend on a template parameter, so the text itself is repeated; it is
// written once. The body opens `TINYVISION_BEGIN namespace simd { namespace TINYVISION_SIMD_SET {` and marks every
// function TINYVISION_SIMD_FUNCTION or TINYVISION_SIMD_INLINE. Lambdas would not inherit the target and must not be
// used there.

#define TINYVISION_SIMD_SET portable
#define TINYVISION_SIMD_FUNCTION
#define TINYVISION_SIMD_INLINE __attribute__((always_inline)) inline
#include TINYVISION_SIMD_BODY
#undef TINYVISION_SIMD_SET
#undef TINYVISION_SIMD_FUNCTION
#undef TINYVISION_SIMD_INLINE

#if TINYVISION_X86

#define TINYVISION_SIMD_SET avx2
#define TINYVISION_SIMD_FUNCTION TINYVISION_TARGET_AVX2
#define TINYVISION_SIMD_INLINE TINYVISION_TARGET_AVX2 __attribute__((always_inline)) inline
#include TINYVISION_SIMD_BODY
#undef TINYVISION_SIMD_SET
#undef TINYVISION_SIMD_FUNCTION
#undef TINYVISION_SIMD_INLINE

#define TINYVISION_SIMD_SET avx512
#define TINYVISION_SIMD_FUNCTION TINYVISION_TARGET_AVX512
#define TINYVISION_SIMD_INLINE TINYVISION_TARGET_AVX512 __attribute__((always_inline)) inline
#include TINYVISION_SIMD_BODY
#undef TINYVISION_SIMD_SET
#undef TINYVISION_SIMD_FUNCTION
#undef TINYVISION_SIMD_INLINE

#endif

#undef TINYVISION_SIMD_BODY
