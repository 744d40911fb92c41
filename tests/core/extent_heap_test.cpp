// Big blocks: extents of large mappings.
#include "tinyvision/core/extent_heap.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>

namespace extent_heap_test {

using namespace tinyvision;

char* bytes(void* p) { return static_cast<char*>(p); }

TEST(ExtentHeap, FreedNeighboursServeAnySize) {
  if (!ExtentHeap::available) GTEST_SKIP() << "no mappings here";
  ExtentHeap heap;
  const std::size_t mib = std::size_t{1} << 20;
  char* a = bytes(heap.allocate(3 * mib));
  char* b = bytes(heap.allocate(5 * mib + 64));
  char* c = bytes(heap.allocate(2 * mib));
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0u);
  EXPECT_EQ(b, a + 3 * mib);
  EXPECT_EQ(c, b + 5 * mib + 64);
  EXPECT_EQ(heap.touched(), 0u);
  EXPECT_EQ(heap.allocate_touched(mib), nullptr);
  heap.deallocate(b, 5 * mib + 64);
  EXPECT_EQ(heap.touched(), 5 * mib + 64);
  heap.deallocate(a, 3 * mib);
  EXPECT_EQ(heap.touched(), 8 * mib + 64);
  char* d = bytes(heap.allocate_touched(7 * mib));  // larger than either
  EXPECT_EQ(d, a);
  EXPECT_EQ(heap.touched(), mib + 64);
  heap.deallocate(d, 7 * mib);
  heap.deallocate(c, 2 * mib);
  EXPECT_EQ(heap.touched(), 10 * mib + 64);
  char* e = bytes(heap.allocate(12 * mib));  // grows into pages never touched
  EXPECT_EQ(e, a);
  EXPECT_EQ(heap.touched(), 0u);
  std::memset(e, 1, 12 * mib);
  heap.deallocate(e, 12 * mib);
  heap.release();
  EXPECT_EQ(heap.touched(), 0u);
  e = bytes(heap.allocate(12 * mib));
  EXPECT_EQ(e[6 * mib], 0);  // the page was given back and is new
  heap.deallocate(e, 12 * mib);
  EXPECT_EQ(heap.allocate(std::size_t{1} << 60), nullptr);
}

TEST(ExtentHeap, BlocksNeverOverlap) {
  if (!ExtentHeap::available) GTEST_SKIP() << "no mappings here";
  ExtentHeap heap;
  std::mt19937 random(1);
  std::map<char*, std::size_t> blocks;
  std::size_t in_use = 0, most = 0;
  for (int i = 0; i < 20000; ++i) {
    if (blocks.size() < 40 && random() % 2 == 0) {
      const std::size_t size = (1 + random() % 4000) * 64;
      char* p = bytes(heap.allocate(size));
      const auto next = blocks.lower_bound(p);
      if (next != blocks.end()) {
        ASSERT_LE(p + size, next->first);
      }
      if (next != blocks.begin()) {
        ASSERT_LE(std::prev(next)->first + std::prev(next)->second, p);
      }
      blocks.emplace(p, size);
      in_use += size;
    } else if (!blocks.empty()) {
      auto at = std::next(blocks.begin(), static_cast<std::ptrdiff_t>(random() % blocks.size()));
      heap.deallocate(at->first, at->second);
      in_use -= at->second;
      blocks.erase(at);
    }
    most = std::max(most, in_use + heap.touched());
  }
  EXPECT_LT(most, std::size_t{40} * 4000 * 64 * 2);  // joined extents keep the heap together
  for (const auto& [p, size] : blocks) heap.deallocate(p, size);
  EXPECT_GE(heap.touched(), in_use);
}

}  // namespace extent_heap_test
