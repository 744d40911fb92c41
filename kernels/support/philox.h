// Random numbers of tinyvision/core/random.hpp on the device, bit for bit: Philox4x32-10 (Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011), every value a pure function of (seed, stream, step, index).
#pragma once

#include "support/platform.h"

namespace tinyvision_kernels {

/// Numbers of tinyvision::Stream that kernels draw from.
enum class RandomStream : std::uint32_t { dropout = 2 };

/// 64 random bits: tinyvision::Random(seed, stream, step).bits(index).
__device__ __forceinline__ std::uint64_t random_bits(std::uint64_t seed, RandomStream stream, std::uint64_t step,
                                                     std::uint64_t index) {
  std::uint32_t key0 = static_cast<std::uint32_t>(seed);
  std::uint32_t key1 = static_cast<std::uint32_t>(seed >> 32) ^ (static_cast<std::uint32_t>(stream) << 24);
  std::uint32_t c0 = static_cast<std::uint32_t>(index), c1 = static_cast<std::uint32_t>(index >> 32);
  std::uint32_t c2 = static_cast<std::uint32_t>(step), c3 = static_cast<std::uint32_t>(step >> 32);
  TV_UNROLL
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0, p1 = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<std::uint32_t>(p0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return std::uint64_t{c1} << 32 | c0;
}

/// Uniform in (0, 1), as Random::uniform.
__device__ __forceinline__ double random_uniform(std::uint64_t seed, RandomStream stream, std::uint64_t step,
                                                 std::uint64_t index) {
  return (static_cast<double>(random_bits(seed, stream, step, index) >> 12) + 0.5) * 0x1p-52;
}

}  // namespace tinyvision_kernels
