// Tensor-core instructions (sm_80 and later) and copies into shared memory that do not wait: inline PTX, or their emulation.
//
// A warp multiplies A [16 x 16] by B [16 x 8] in bf16 and adds to C [16 x 8] in f32. Lane l = 4 g + t holds, two neighbours
// to a register:
//   A: rows g and g + 8, columns 2t, 2t+1 (registers 0 and 1) and 2t+8, 2t+9 (registers 2 and 3)
//   B: column g, rows 2t, 2t+1 (register 0) and 2t+8, 2t+9 (register 1)
//   C: row g, columns 2t, 2t+1 (elements 0 and 1), row g + 8 (elements 2 and 3)
// (PTX manual, "Matrix Fragments for mma.m16n8k16"). Every lane of the warp must come to each of these calls.
#pragma once

#include "support/platform.h"

#if !defined(__CUDACC__)
#include "emulation/fragments.hpp"
#endif

namespace tinyvision_kernels {

/// 16 bytes that are moved as one.
struct alignas(16) Words4 {
  std::uint32_t v[4];
};

#if defined(__CUDACC__)

/// c += A B.
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 matrices of bf16: lane l names in `i` the shared element where row l % 8 of matrix l / 8 begins, at a
/// multiple of 16 bytes. Lane 4g + t gets elements (g, 2t) and (g, 2t+1) of each, or with `transposed` (2t, g), (2t+1, g).
template <bool transposed, class T>
__device__ __forceinline__ void load_matrices(const T* array, int i, std::uint32_t (&to)[4]) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(array + i));
  if constexpr (transposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
  }
}

/// Begins to copy 16 bytes of global memory to the i-th shared element, both at multiples of 16 bytes; zeros when not
/// `valid`, and `source`, which is not read then, may be any address of that alignment. `reused` leaves them in the L1
/// cache too, for the block's next reads of the same bytes.
template <bool reused, class T>
__device__ __forceinline__ void copy_async(T* array, int i, const void* source, bool valid) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(array + i));
  if constexpr (reused) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(source), "r"(valid ? 16 : 0)
                 : "memory");
  } else {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(source), "r"(valid ? 16 : 0)
                 : "memory");
  }
}
/// Closes the group of the copies begun since the last call.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits for this thread's groups, except the `left` newest.
template <int left>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

#else

using emulation::multiply_add;

template <bool transposed, class T>
void load_matrices(const emulation::Shared<T>& array, int i, std::uint32_t (&to)[4]) {
  emulation::load_matrices(array, static_cast<std::size_t>(i), transposed, to);
}
template <bool reused, class T>
void copy_async(const emulation::Shared<T>& array, int i, const void* source, bool valid) {
  array.template copy_async<Words4>(static_cast<std::size_t>(i), source, valid);
}
inline void commit_copies() { emulation::current_block()->commit_copies(); }
template <int left>
void wait_copies() {
  emulation::current_block()->wait_copies(left);
}

#endif

}  // namespace tinyvision_kernels
