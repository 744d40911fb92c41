// Build configuration as constants, and the namespace every header lives in.
//
// Configuration macros are set by CMake alone. They become `constexpr bool` here and are part of the inline namespace's
// name, so two objects built with different settings fail to link instead of silently mixing definitions.
#pragma once

#include <cstdint>

#define TINYVISION_VERSION_MAJOR 0
#define TINYVISION_VERSION_MINOR 1
#define TINYVISION_VERSION_PATCH 0
#define TINYVISION_VERSION "0.1.0"

#ifndef TINYVISION_WITH_CUDA
#define TINYVISION_WITH_CUDA 0
#endif

#ifndef TINYVISION_WITH_VENDOR
#define TINYVISION_WITH_VENDOR 0
#endif

#if TINYVISION_WITH_VENDOR
#define TINYVISION_ABI v0_1_cuda_vendor
#elif TINYVISION_WITH_CUDA
#define TINYVISION_ABI v0_1_cuda
#else
#define TINYVISION_ABI v0_1_cpu
#endif

#define TINYVISION_BEGIN \
  namespace tinyvision { \
  inline namespace TINYVISION_ABI {
#define TINYVISION_END \
  }                    \
  }

TINYVISION_BEGIN

/// Sizes, counts and offsets in elements. Signed, so that differences and reverse loops are safe.
using Index = std::int64_t;

/// True when the CUDA library is part of this build.
inline constexpr bool with_cuda = TINYVISION_WITH_CUDA != 0;
/// True when it can use cuDNN and cuBLAS, where a machine has them.
inline constexpr bool with_vendor = TINYVISION_WITH_VENDOR != 0;

TINYVISION_END
