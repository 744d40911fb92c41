// The emulated tensor-core instructions: every element of every matrix is where the PTX manual's tables put it.
#include "support/mma.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "tinyvision/core/random.hpp"

namespace mma_test {

using emulation::KernelError;

/// A [16 x 16], B [16 x 8], C [16 x 8], row by row.
struct Matrices {
  std::vector<std::uint16_t> a = std::vector<std::uint16_t>(256), b = std::vector<std::uint16_t>(128);
  std::vector<float> c = std::vector<float>(128);
};
float widen(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::vector<float> plain_product(const Matrices& m) {
  std::vector<float> c = m.c;
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j)
      for (std::size_t k = 0; k < 16; ++k) c[i * 8 + j] += widen(m.a[i * 16 + k]) * widen(m.b[k * 8 + j]);
  return c;
}

/// Lane 4 g + t loads the elements as the comment of support/mma.h words it. `wrong` exchanges two registers of A (1), or
/// the rows and columns of B (2).
__global__ void product_of_warp(const std::uint16_t* a, const std::uint16_t* b, float* c, int wrong) {
  const unsigned g = threadIdx.x / 4, t = threadIdx.x % 4;
  const auto pair = [](std::uint16_t first, std::uint16_t second) {
    return static_cast<std::uint32_t>(first) | static_cast<std::uint32_t>(second) << 16;
  };
  const auto of_a = [&](unsigned row, unsigned column) { return pair(a[row * 16 + column], a[row * 16 + column + 1]); };
  const auto of_b = [&](unsigned row, unsigned column) {
    return wrong == 2 ? pair(b[(row / 2 + 1) * 8 + column], b[(row / 2) * 8 + column])
                      : pair(b[row * 8 + column], b[(row + 1) * 8 + column]);
  };
  std::uint32_t left[4] = {of_a(g, 2 * t), of_a(g + 8, 2 * t), of_a(g, 2 * t + 8), of_a(g + 8, 2 * t + 8)};
  if (wrong == 1) std::swap(left[1], left[2]);
  const std::uint32_t right[2] = {of_b(2 * t, g), of_b(2 * t + 8, g)};
  float sum[4] = {c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]};
  tinyvision_kernels::multiply_add(sum, left, right);
  c[g * 8 + 2 * t] = sum[0], c[g * 8 + 2 * t + 1] = sum[1];
  c[(g + 8) * 8 + 2 * t] = sum[2], c[(g + 8) * 8 + 2 * t + 1] = sum[3];
}

/// The same with both operands brought by ldmatrix, B lying row by row, so that it is transposed on the way.
__global__ void product_through_shared(const std::uint16_t* a, const std::uint16_t* b, float* c, int) {
  TV_SHARED(std::uint16_t, slice_a, 256);
  TV_SHARED(std::uint16_t, slice_b, 256);
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  for (int i = lane; i < 256; i += 32) slice_a[i] = a[i];
  for (int i = lane; i < 256; i += 32) slice_b[i] = i % 16 < 8 ? b[i / 16 * 8 + i % 16] : std::uint16_t{0};
  __syncthreads();
  std::uint32_t left[4], two[4];
  tinyvision_kernels::load_matrices<false>(slice_a, lane % 16 * 16 + lane / 16 * 8, left);
  tinyvision_kernels::load_matrices<true>(slice_b, lane % 16 * 16 + lane / 16 * 8, two);
  const std::uint32_t right[2] = {two[0], two[1]};
  float sum[4] = {c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]};
  tinyvision_kernels::multiply_add(sum, left, right);
  c[g * 8 + 2 * t] = sum[0], c[g * 8 + 2 * t + 1] = sum[1];
  c[(g + 8) * 8 + 2 * t] = sum[2], c[(g + 8) * 8 + 2 * t + 1] = sum[3];
}

using Kernel = void (*)(const std::uint16_t*, const std::uint16_t*, float*, int);
std::vector<float> on_device(Kernel kernel, const Matrices& m, int wrong = 0) {
  std::vector<float> c = m.c;
  emulation::launch("product", kernel, dim3(1), dim3(32), m.a.data(), m.b.data(), c.data(), wrong);
  return c;
}

Matrices random_matrices() {
  Matrices m;
  const tinyvision::Random random(11, tinyvision::Stream::test, 0);
  const auto bits = [&](std::uint64_t i) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(random.normal(i))) >> 16);
  };
  for (std::size_t i = 0; i < m.a.size(); ++i) m.a[i] = bits(i);
  for (std::size_t i = 0; i < m.b.size(); ++i) m.b[i] = bits(1000 + i);
  for (std::size_t i = 0; i < m.c.size(); ++i) m.c[i] = static_cast<float>(random.normal(2000 + i));
  return m;
}

TEST(TensorCore, EqualsThePlainProduct) {
  const Matrices m = random_matrices();
  EXPECT_EQ(on_device(&product_of_warp, m), plain_product(m));
  EXPECT_EQ(on_device(&product_through_shared, m), plain_product(m));
}

TEST(TensorCore, AWrongLaneMappingIsNoticed) {
  const Matrices m = random_matrices();
  EXPECT_NE(on_device(&product_of_warp, m, 1), plain_product(m));
  EXPECT_NE(on_device(&product_of_warp, m, 2), plain_product(m));
}

// A one at each place of one operand in turn, against numbers that are all different in the other: the result shows that
// place's row or column and nothing else.
TEST(TensorCore, EveryPlaceOfEitherOperand) {
  const std::uint16_t one = 0x3f80;
  for (const Kernel kernel : {&product_of_warp, &product_through_shared}) {
    for (std::size_t place = 0; place < 256; ++place) {
      Matrices m;
      m.a[place] = one;
      for (std::size_t i = 0; i < 128; ++i) m.b[i] = static_cast<std::uint16_t>(one + i);
      const std::vector<float> c = on_device(kernel, m);
      for (std::size_t i = 0; i < 16; ++i)
        for (std::size_t j = 0; j < 8; ++j)
          ASSERT_EQ(c[i * 8 + j], i == place / 16 ? widen(m.b[place % 16 * 8 + j]) : 0) << "A " << place;
    }
    for (std::size_t place = 0; place < 128; ++place) {
      Matrices m;
      m.b[place] = one;
      for (std::size_t i = 0; i < 256; ++i) m.a[i] = static_cast<std::uint16_t>(one + i);
      const std::vector<float> c = on_device(kernel, m);
      for (std::size_t i = 0; i < 16; ++i)
        for (std::size_t j = 0; j < 8; ++j)
          ASSERT_EQ(c[i * 8 + j], j == place % 8 ? widen(m.a[i * 16 + place / 8]) : 0) << "B " << place;
    }
  }
}

__global__ void misuse(int how, const tinyvision_kernels::Words4* source, std::uint32_t* out) {
  TV_SHARED(std::uint32_t, words, 256);
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t registers[4] = {}, two[2] = {};
  float sum[4] = {};
  if (how == 0 && lane == 31) return;  // a warp that is not whole
  if (how == 0) tinyvision_kernels::multiply_add(sum, registers, two);
  if (how == 1) tinyvision_kernels::copy_async<false>(words, lane * 4 + 2, source, true);
  if (how == 2) tinyvision_kernels::copy_async<false>(words, lane * 4, reinterpret_cast<const char*>(source) + 4, true);
  if (how == 3) tinyvision_kernels::copy_async<false>(words, 256, source, true);
  if (how >= 4)
    tinyvision_kernels::copy_async<false>(words, lane * 4, source + lane, true), tinyvision_kernels::commit_copies();
  if (how == 5) tinyvision_kernels::wait_copies<1>();  // the one group may still be under way
  if (how >= 6) tinyvision_kernels::wait_copies<0>();
  if (how != 6) __syncthreads();  // else what others have copied is read without a barrier
  if (how == 8) tinyvision_kernels::load_matrices<false>(words, lane * 4 + 1, registers);
  if (how == 9) tinyvision_kernels::load_matrices<false>(words, lane * 4 + 128, registers);
  if (how >= 4) *out = words[lane < 31 ? lane * 4 + 4 : lane * 4];
}

TEST(TensorCore, MisuseIsNamed) {
  std::vector<tinyvision_kernels::Words4> source(33);
  std::uint32_t out = 0;
  const auto message = [&](int how) {
    try {
      TV_LAUNCH(misuse, dim3(1), dim3(32), nullptr, how, source.data(), &out);
    } catch (const KernelError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto expect = [&](int how, const std::string& part) {
    EXPECT_NE(message(how).find(part), std::string::npos) << how << ": " << message(how);
  };
  expect(0, "lanes are missing");
  expect(1, "shared element 2, which is no multiple of 16 bytes");
  expect(2, "asynchronous copy from an address that is no multiple of 16");
  expect(3, "index 256 of a shared array of 256");
  expect(4, "before thread 1 has waited for its asynchronous copy");
  expect(5, "before thread 1 has waited for its asynchronous copy");
  emulation::device().order = emulation::Order::backward;  // so that thread 0 reads what thread 1 has copied already
  expect(6, "race");
  emulation::device().order = emulation::Order::forward;
  EXPECT_EQ(message(7), "");
  expect(8, "shared element 1, which is no multiple of 16 bytes");
  expect(9, "before anybody wrote it");
}

}  // namespace mma_test
