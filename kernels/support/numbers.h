// Loading and storing activations: computed in float (f64 in double), kept in the type of the array.
#pragma once

#include <cstring>

#include "support/platform.h"
#include "tinyvision/cuda/kernels.h"

namespace tinyvision_kernels {

__host__ __device__ __forceinline__ float to_compute(float x) { return x; }
__host__ __device__ __forceinline__ double to_compute(double x) { return x; }
__host__ __device__ __forceinline__ float to_compute(bf16 x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Rounds to the type of the array: to nearest, ties to even; a NaN stays one.
template <class T>
__host__ __device__ T from_compute(Accumulator<T> x) {
  return x;
}
template <>
__host__ __device__ __forceinline__ bf16 from_compute<bf16>(float x) {
  std::uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

inline Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

/// Blocks of 256 threads for one thread per element.
inline unsigned grid_of(Index elements) { return static_cast<unsigned>(divide_up(elements, 256)); }

/// ReLU keeps a NaN, as on the CPU.
template <class A>
__device__ A activate(A x, Activation activation) {
  if (activation == Activation::none) return x;
  if (x < A(0)) return A(0);
  return activation == Activation::relu6 && x > A(6) ? A(6) : x;
}

/// dz where the activation with output z let its input pass, else 0.
template <class A>
__device__ A masked(A dz, A z, Activation activation) {
  if (activation == Activation::none) return dz;
  const bool passed = z > A(0) && (activation != Activation::relu6 || z < A(6));
  return passed ? dz : A(0);
}

/// v * scale + shift + residual, then the activation; rounds as the CPU kernels do.
template <class T>
__device__ T finish(Accumulator<T> v, const Epilogue<T>& e, Index pixel, Index channel) {
  if (e.scale) {
    v = fma(v, e.scale[channel], e.shift ? e.shift[channel] : Accumulator<T>(0));
  } else if (e.shift) {
    v += e.shift[channel];
  }
  if (e.residual) v += to_compute(e.residual[pixel * e.residual_pitch + channel]);
  return from_compute<T>(activate(v, e.activation));
}

/// V neighbouring elements that are loaded and stored as one.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};
template <class T, int V>
__device__ Pack<T, V> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, V>*>(p);
}
template <class T, int V>
__device__ void store_pack(T* p, const Pack<T, V>& pack) {
  *reinterpret_cast<Pack<T, V>*>(p) = pack;
}

/// Whether pixels of `channels` channels, `pitch` apart, can be read as packs of V.
template <class T, int V>
bool packs_fit(const T* p, Index channels, Index pitch) {
  return channels % V == 0 && pitch % V == 0 && reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * V) == 0;
}

}  // namespace tinyvision_kernels
