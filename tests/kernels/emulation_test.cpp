// The emulated device finds what no correct kernel does, and lets correct kernels through.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "support/platform.h"

namespace emulation_test {

using emulation::Device;
using emulation::KernelError;
using emulation::Order;

/// Message of the KernelError that `body` throws, empty when it throws none.
template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const KernelError& error) {
    return error.what();
  }
  return "";
}

/// Sum of 256 values by halving. `barriers` can leave out the one between two rounds.
__global__ void halving_sum(const float* x, float* sum, bool barriers) {
  TV_SHARED(float, values, 256);
  const int t = static_cast<int>(threadIdx.x);
  values[t] = x[t];
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (t < half) values[t] += values[t + half];
    if (barriers) __syncthreads();
  }
  if (t == 0) *sum = values[0];
}

TEST(Emulation, AReductionInSharedMemory) {
  std::vector<float> x(256);
  std::iota(x.begin(), x.end(), 1.0f);
  for (const Order order : {Order::forward, Order::backward}) {
    emulation::device().order = order;
    float sum = 0;
    TV_LAUNCH(halving_sum, dim3(1), dim3(256), nullptr, x.data(), &sum, true);
    EXPECT_EQ(sum, 256 * 257 / 2);
  }
  emulation::device().order = Order::forward;
}

TEST(Emulation, ARaceIsFoundInBothOrders) {
  const std::vector<float> x(256, 1.0f);
  for (const Order order : {Order::forward, Order::backward}) {
    emulation::device().order = order;
    float sum = 0;
    const std::string message =
        error_of([&] { TV_LAUNCH(halving_sum, dim3(1), dim3(256), nullptr, x.data(), &sum, false); });
    EXPECT_NE(message.find("race"), std::string::npos) << message;
    EXPECT_NE(message.find("halving_sum, block 0,0,0 of 1x1x1, thread "), std::string::npos) << message;
  }
  emulation::device().order = Order::forward;
}

__global__ void misbehave(int how, float* out) {
  TV_SHARED(float, values, 64);
  const int t = static_cast<int>(threadIdx.x);
  if (how == 0) values[t + 1] = 1;                     // one past the end
  if (how == 1) values[t - 1] = 1;                     // one before the beginning
  if (how == 2) *out = values[t];                      // nobody wrote it
  if (how == 3) values[0] = static_cast<float>(t);     // all write one element
  if (how == 4 && t < 32) __syncwarp();                // half of the block waits for its warp, the other half
  if (how == 4 && t >= 32) __syncthreads();            // at the barrier: well-formed, both are released
  if (how == 5 && t % 2 == 0) __shfl_sync(~0u, t, 0);  // odd lanes never come, and wait elsewhere
  if (how == 5 && t % 2 == 1) __syncthreads();
  if (how == 6) __shfl_sync(1u, t, 0);  // lanes outside their own mask
}

TEST(Emulation, FaultsAreNamed) {
  float out = 0;
  const auto message = [&](int how) {
    return error_of([&] { TV_LAUNCH(misbehave, dim3(2), dim3(64), nullptr, how, &out); });
  };
  EXPECT_NE(message(0).find("index 64 of a shared array of 64"), std::string::npos) << message(0);
  EXPECT_NE(message(1).find("index -1 of a shared array of 64"), std::string::npos) << message(1);
  EXPECT_NE(message(2).find("before anybody wrote it"), std::string::npos) << message(2);
  EXPECT_NE(message(3).find("race"), std::string::npos) << message(3);
  EXPECT_EQ(message(4), "");
  EXPECT_NE(message(5).find("deadlock"), std::string::npos) << message(5);
  EXPECT_NE(message(6).find("mask"), std::string::npos) << message(6);
  EXPECT_NE(error_of([&] { TV_LAUNCH(misbehave, dim3(1), dim3(2000), nullptr, 7, &out); }).find("bad launch"),
            std::string::npos);
}

__global__ void warp_exchanges(int* sums, unsigned* ballots, int* shifted) {
  const int t = static_cast<int>(threadIdx.x);
  int sum = t;
  for (int bits = 16; bits > 0; bits /= 2) sum += __shfl_xor_sync(~0u, sum, bits);
  sums[t] = sum;
  ballots[t] = __ballot_sync(~0u, t % 3 == 0);
  shifted[t] = __shfl_down_sync(~0u, t, 5u);
}

TEST(Emulation, WarpExchanges) {
  std::vector<int> sums(64), shifted(64);
  std::vector<unsigned> ballots(64);
  for (const Order order : {Order::forward, Order::backward}) {
    emulation::device().order = order;
    TV_LAUNCH(warp_exchanges, dim3(1), dim3(64), nullptr, sums.data(), ballots.data(), shifted.data());
    unsigned expected[2] = {0, 0};
    for (int t = 0; t < 64; ++t)
      if (t % 3 == 0) expected[t / 32] |= 1u << t % 32;
    for (int t = 0; t < 64; ++t) {
      EXPECT_EQ(sums[static_cast<std::size_t>(t)], t < 32 ? 496 : 1520);
      EXPECT_EQ(ballots[static_cast<std::size_t>(t)], expected[t / 32]);
      EXPECT_EQ(shifted[static_cast<std::size_t>(t)], t % 32 + 5 < 32 ? t + 5 : t);
    }
  }
  emulation::device().order = Order::forward;
}

/// Threads that leave early do not hold up a barrier, as on the hardware.
__global__ void some_leave(int* order) {
  if (threadIdx.x >= 10) return;
  __syncthreads();
  order[threadIdx.x] = 1;
}

TEST(Emulation, GridsBlocksAndEarlyExits) {
  std::vector<int> seen(10);
  emulation::device() = Device{};
  TV_LAUNCH(some_leave, dim3(2, 3), dim3(16), nullptr, seen.data());
  EXPECT_EQ(seen, std::vector<int>(10, 1));
  EXPECT_EQ(emulation::device().launches, 1u);
  EXPECT_EQ(emulation::device().blocks, 6u);
  EXPECT_EQ(emulation::device().barriers, 6u);
}

}  // namespace emulation_test
