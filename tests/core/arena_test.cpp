// The caching allocator.
#include "tinyvision/core/arena.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace arena_test {

using namespace tinyvision;

TEST(Arena, SizeClasses) {
  EXPECT_EQ(Arena::block_size(0), 64u);
  EXPECT_EQ(Arena::block_size(64), 64u);
  EXPECT_EQ(Arena::block_size(65), 128u);
  EXPECT_EQ(Arena::block_size(1024), 1024u);
  EXPECT_EQ(Arena::block_size(1025), 1152u);
  std::size_t previous = 0;
  for (std::size_t bytes = 1; bytes < 3000000; bytes += 1 + bytes / 37) {
    const std::size_t size = Arena::block_size(bytes);
    EXPECT_GE(size, bytes);
    EXPECT_EQ(size % Arena::alignment, 0u);
    EXPECT_LE(size, bytes + std::max<std::size_t>(Arena::alignment, bytes / 8)) << bytes;
    EXPECT_GE(size, previous);
    EXPECT_EQ(Arena::block_size(size), size);  // a class is its own class
    previous = size;
  }
}

TEST(Arena, ReusesBlocksAndCounts) {
  Arena arena;
  void* a = arena.allocate(1000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % Arena::alignment, 0u);
  std::memset(a, 1, 1000);
  arena.deallocate(a, 1000);
  EXPECT_EQ(arena.statistics().in_use, 0u);
  EXPECT_EQ(arena.statistics().cached, 1024u);
  void* b = arena.allocate(1020);  // of the same class
  EXPECT_EQ(a, b);
  EXPECT_EQ(arena.statistics().system_allocations, 1u);
  EXPECT_EQ(arena.statistics().in_use, 1024u);
  EXPECT_EQ(arena.statistics().cached, 0u);
  void* c = arena.allocate(5000);
  EXPECT_EQ(arena.statistics().peak, 1024u + 5120u);
  arena.deallocate(b, 1020);
  arena.reset_peak();
  EXPECT_EQ(arena.statistics().peak, 5120u);
  arena.deallocate(c, 5000);
  arena.deallocate(nullptr, 100);
  arena.release_cached();
  EXPECT_EQ(arena.statistics().cached, 0u);
  EXPECT_EQ(arena.statistics().in_use, 0u);
  void* d = arena.allocate(1);
  EXPECT_EQ(arena.statistics().system_allocations, 3u);
  arena.deallocate(d, 1);
  arena.release_cached();
}

TEST(Arena, OutOfMemoryIsAnError) {
  Arena arena;
  EXPECT_THROW(arena.allocate(std::size_t{1} << 60), Error);
  EXPECT_EQ(arena.statistics().in_use, 0u);
  EXPECT_EQ(arena.statistics().system_allocations, 0u);
}

TEST(Arena, ServesManyThreads) {
  Arena arena;
  std::vector<std::thread> threads;
  std::vector<int> damaged(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&arena, &damaged, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::size_t bytes = static_cast<std::size_t>(1 + (i * 37 + t) % 3000);
        auto* p = static_cast<unsigned char*>(arena.allocate(bytes));
        std::memset(p, t, bytes);
        std::this_thread::yield();
        for (std::size_t k = 0; k < bytes; ++k) damaged[static_cast<std::size_t>(t)] += p[k] != t;
        arena.deallocate(p, bytes);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(damaged, std::vector<int>(4, 0));
  EXPECT_EQ(arena.statistics().in_use, 0u);
  arena.release_cached();
}

TEST(Arena, ScratchGivesItsBlockBack) {
  const std::size_t before = Arena::cpu().statistics().in_use;
  {
    const Scratch<double> scratch(100);
    scratch[99] = 1;
    EXPECT_EQ(scratch.data()[99], 1);
    EXPECT_EQ(Arena::cpu().statistics().in_use, before + Arena::block_size(800));
  }
  EXPECT_EQ(Arena::cpu().statistics().in_use, before);
}

}  // namespace arena_test
