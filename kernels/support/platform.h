// What a kernel is written in: CUDA, or the emulated device of emulation/emulation.hpp when no CUDA compiler reads it.
//
// Kernels keep to a common part: one-dimensional shared arrays declared with TV_SHARED, warp exchanges with a mask,
// launches through TV_LAUNCH. Multiply-adds are written out as fused or not (nvcc runs with --fmad=false), so that the
// emulated device rounds as a real one does.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

/// An array shared by the threads of a block; it begins at a multiple of 16 bytes.
#define TV_SHARED(type, name, count) __shared__ alignas(16) type name[count]
/// Before a loop of known length whose variables must stay in registers.
#define TV_UNROLL _Pragma("unroll")

namespace tinyvision_kernels {

/// Elements of a shared array from the i-th on, accessed as one V.
template <class V, class T>
__device__ __forceinline__ V load_shared(const T* array, int i) {
  return *reinterpret_cast<const V*>(array + i);
}
template <class V, class T>
__device__ __forceinline__ void store_shared(T* array, int i, const V& value) {
  *reinterpret_cast<V*>(array + i) = value;
}

/// Throws std::runtime_error naming the kernel and its launch dimensions when the launch was refused.
inline void check_launch(const char* name, dim3 grid, dim3 block) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return;
  const auto text = [](dim3 d) { return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z); };
  throw std::runtime_error("[cuda] " + std::string(name) + ", grid " + text(grid) + ", block " + text(block) + ": " +
                           cudaGetErrorString(error));
}

inline bool can_run(const void* kernel) {
  cudaFuncAttributes attributes;
  const bool found = cudaFuncGetAttributes(&attributes, kernel) == cudaSuccess;
  if (!found) cudaGetLastError();
  return found;
}

}  // namespace tinyvision_kernels

#define TV_LAUNCH(kernel, grid, block, stream, ...)                                 \
  do {                                                                              \
    kernel<<<(grid), (block), 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__); \
    ::tinyvision_kernels::check_launch(#kernel, (grid), (block));                   \
  } while (0)

/// Whether the program holds this kernel for the device in use.
#define TV_CAN_RUN(kernel) ::tinyvision_kernels::can_run(reinterpret_cast<const void*>(&kernel))

#else

#include "emulation/emulation.hpp"

#define __global__
#define __device__ inline
#define __host__
#define __forceinline__
#define __launch_bounds__(...)
#define TV_UNROLL
#define TV_SHARED(type, name, count) const ::emulation::Shared<type> name(__COUNTER__, (count))
#define TV_LAUNCH(kernel, grid, block, stream, ...)                      \
  do {                                                                   \
    static_cast<void>(stream);                                           \
    ::emulation::launch(#kernel, &kernel, (grid), (block), __VA_ARGS__); \
  } while (0)

#define TV_CAN_RUN(kernel) (static_cast<void>(&kernel), true)

using dim3 = emulation::Dim3;
#define threadIdx (::emulation::current_block()->thread_index())
#define blockIdx (::emulation::current_block()->index())
#define blockDim (::emulation::current_block()->size())
#define gridDim (::emulation::current_block()->grid())

using std::fma;

namespace tinyvision_kernels {

template <class V, class T>
V load_shared(const emulation::Shared<T>& array, int i) {
  return array.template load<V>(static_cast<std::size_t>(i));
}
template <class V, class T>
void store_shared(const emulation::Shared<T>& array, int i, const V& value) {
  array.store(static_cast<std::size_t>(i), value);
}

}  // namespace tinyvision_kernels

inline void __syncthreads() { ::emulation::current_block()->barrier(); }
inline void __syncwarp(unsigned mask = ~0u) { ::emulation::current_block()->exchange(mask, 0); }
template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
  return ::emulation::read_slot<T>(::emulation::current_block()->exchange(mask, value), static_cast<unsigned>(source));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  const unsigned source = ::emulation::lane() ^ static_cast<unsigned>(bits);
  return ::emulation::read_slot<T>(::emulation::current_block()->exchange(mask, value), source);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
  const unsigned lane = ::emulation::lane(), source = lane + distance < 32 ? lane + distance : lane;
  return ::emulation::read_slot<T>(::emulation::current_block()->exchange(mask, value), source);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const emulation::Slot* votes = ::emulation::current_block()->exchange(mask, predicate != 0 ? 1 : 0);
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1u && ::emulation::read_slot<int>(votes, lane) != 0) ballot |= 1u << lane;
  return ballot;
}

#endif
