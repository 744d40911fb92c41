// The tensor-core instructions in use, on the emulated device: each is a meeting of the 32 lanes of a warp, of which every
// one holds the elements that the PTX manual's tables give it ("Matrix Fragments for mma.m16n8k16", "ldmatrix").
#pragma once

#include "emulation/emulation.hpp"

namespace emulation {

/// Element i of a lane's fragment lies at this row and column of its matrix.
struct Place {
  unsigned row, column;
};
inline Place place_in_a(unsigned lane, unsigned i) {  // 16 x 16, i in [0, 8)
  return {lane / 4 + (i / 2 % 2 != 0 ? 8 : 0), lane % 4 * 2 + i % 2 + (i >= 4 ? 8 : 0)};
}
inline Place place_in_b(unsigned lane, unsigned i) {  // 16 x 8, i in [0, 4)
  return {lane % 4 * 2 + i % 2 + (i >= 2 ? 8 : 0), lane / 4};
}
inline Place place_in_c(unsigned lane, unsigned i) {  // 16 x 8, i in [0, 4)
  return {lane / 4 + (i >= 2 ? 8 : 0), lane % 4 * 2 + i % 2};
}

/// Element i of registers that hold two bf16 each, the first in the lower half.
inline float bf16_of(const std::uint32_t* registers, unsigned i) {
  const std::uint32_t bits = registers[i / 2] >> (i % 2 * 16) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// mma.sync.m16n8k16.row.col.f32.bf16.bf16.f32: c += A B. Here one chain in ascending k (a product of two bf16 is
/// exact in f32); the hardware's order and rounding inside an instruction are its own.
inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  struct Operands {
    std::uint32_t a[4], b[2];
  } own;
  std::memcpy(own.a, a, sizeof own.a);
  std::memcpy(own.b, b, sizeof own.b);
  const Slot* slots = current_block()->exchange_of_whole_warp(own);
  const unsigned self = lane();
  if (self == 0) ++device().warp_products;
  // The lanes that hold this lane's rows of A and columns of B, found through the tables.
  for (unsigned i = 0; i < 4; ++i) {
    const Place place = place_in_c(self, i);
    float a_row[16], b_column[16];
    for (unsigned quad = 0; quad < 4; ++quad) {
      const unsigned a_lane = place.row % 8 * 4 + quad, b_lane = place.column * 4 + quad;
      const Operands left = read_slot<Operands>(slots, a_lane), right = read_slot<Operands>(slots, b_lane);
      for (unsigned e = 0; e < 8; ++e)
        if (const Place at = place_in_a(a_lane, e); at.row == place.row) a_row[at.column] = bf16_of(left.a, e);
      for (unsigned e = 0; e < 4; ++e) b_column[place_in_b(b_lane, e).row] = bf16_of(right.b, e);
    }
    for (unsigned k = 0; k < 16; ++k) c[i] += a_row[k] * b_column[k];
  }
}

/// ldmatrix.m8n8.x4[.trans].b16: four 8 x 8 matrices of 16-bit elements. Lane l names the place of row l % 8 of matrix
/// l / 8, a multiple of 16 bytes; register m of each lane gets two neighbours of row lane / 4 of matrix m, or, transposed,
/// of its column lane / 4.
template <class T>
void load_matrices(const Shared<T>& array, std::size_t i, bool transposed, std::uint32_t (&to)[4]) {
  struct alignas(16) Row {
    std::uint16_t v[8];
  };
  const Slot* slots = current_block()->exchange_of_whole_warp(array.template load<Row>(i));
  const unsigned outer = lane() / 4, inner = lane() % 4 * 2;
  const auto element = [&](unsigned matrix, unsigned row, unsigned column) {
    return static_cast<std::uint32_t>(read_slot<Row>(slots, matrix * 8 + row).v[column]);
  };
  for (unsigned m = 0; m < 4; ++m)
    to[m] = transposed ? element(m, inner, outer) | element(m, inner + 1, outer) << 16
                       : element(m, outer, inner) | element(m, outer, inner + 1) << 16;
}

}  // namespace emulation
