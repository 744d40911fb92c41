// Memory for big blocks: extents cut from large mappings, joined again with their neighbours when they are freed.
//
// A training step allocates activations layer by layer and frees them in reverse, while it needs gradients of other
// sizes. Lists by size would keep each size's own maximum; joined extents serve any size, so what stays resident is
// close to the maximum in use, and no page is ever given back and faulted in again. Extents are taken from the lowest
// address that fits, which keeps the touched part of a mapping together. Mappings ask for huge pages: passes over
// activations otherwise spend much of their time on misses of the address translation cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

#include "tinyvision/core/config.hpp"

// Under AddressSanitizer every block shall be its own. gcc and clang say so in different ways.
#if defined(__SANITIZE_ADDRESS__)
#define TINYVISION_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TINYVISION_ADDRESS_SANITIZER 1
#endif
#endif

#if defined(__linux__) && !defined(TINYVISION_ADDRESS_SANITIZER)
#include <sys/mman.h>
#include <unistd.h>
#define TINYVISION_EXTENT_HEAP 1
#else
#define TINYVISION_EXTENT_HEAP 0
#endif

TINYVISION_BEGIN

/// Not thread-safe. Where `available` is false, `allocate` always fails.
class ExtentHeap {
 public:
  static constexpr bool available = TINYVISION_EXTENT_HEAP == 1;

  /// `size` bytes, a multiple of 64, aligned to 64 bytes; null when the system cannot have that much.
  void* allocate(std::size_t size) {
    auto at = first_fit(size);
    if (at == free_.end()) at = map(size);
    return at == free_.end() ? nullptr : take(at, size);
  }

  /// The same if it needs no memory that was not in use before, else null.
  void* allocate_touched(std::size_t size) {
    const auto at = first_fit(size);
    return at == free_.end() || at->second.touched < size ? nullptr : take(at, size);
  }

  /// Takes back what `allocate(size)` returned.
  void deallocate(void* block, std::size_t size) {
    auto at = free_.emplace(reinterpret_cast<std::uintptr_t>(block), Extent{size, size}).first;
    touched_ += size;
    if (const auto next = std::next(at); next != free_.end()) join(at, next);
    if (at != free_.begin()) join(std::prev(at), at);
  }

  /// Gives the pages of all free extents back to the system; the addresses stay.
  void release() {
#if TINYVISION_EXTENT_HEAP
    constexpr std::uintptr_t page = 4096;
    for (auto& [begin, extent] : free_) {
      const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + extent.touched) / page * page;
      if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
      extent.touched = 0;
    }
    touched_ = 0;
#endif
  }

  /// Bytes of free extents that may be resident.
  std::size_t touched() const { return touched_; }

 private:
  /// `touched`: no byte beyond this many was ever used.
  struct Extent {
    std::size_t size, touched;
  };
  using Extents = std::map<std::uintptr_t, Extent>;

  Extents::iterator first_fit(std::size_t size) {
    auto at = free_.begin();
    while (at != free_.end() && at->second.size < size) ++at;
    return at;
  }

  void* take(Extents::iterator at, std::size_t size) {
    const std::uintptr_t begin = at->first;
    const Extent extent = at->second;
    const std::size_t touched = std::min(extent.touched, size);
    const auto next = free_.erase(at);
    touched_ -= touched;
    if (extent.size > size)
      free_.emplace_hint(next, begin + size, Extent{extent.size - size, extent.touched - touched});
    return reinterpret_cast<void*>(begin);
  }

  /// Joins two neighbours in the list if they are neighbours in memory.
  void join(Extents::iterator left, Extents::iterator right) {
    if (left->first + left->second.size != right->first) return;
    Extent& l = left->second;
    const Extent& r = right->second;
    const std::size_t touched = r.touched > 0 ? l.size + r.touched : l.touched;
    touched_ += touched - l.touched - r.touched;
    l = {l.size + r.size, touched};
    free_.erase(right);
  }

  /// A new mapping with room for `size` bytes. Only touched pages count as memory, so it is generous.
  Extents::iterator map([[maybe_unused]] std::size_t size) {
#if TINYVISION_EXTENT_HEAP
    constexpr std::size_t huge_page = std::size_t{2} << 20, wanted = std::size_t{64} << 30;
    const std::size_t least = (size + huge_page - 1) / huge_page * huge_page + huge_page;
    const auto pages = static_cast<std::size_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
    if (size / static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) >= pages)
      return free_.end();  // the kernel would promise it
    for (const std::size_t length : {std::max(wanted, least), least}) {
      void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) continue;
      madvise(memory, length, MADV_HUGEPAGE);  // a hint: failure costs speed alone
      const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(memory);
      const std::uintptr_t aligned = (begin + huge_page - 1) / huge_page * huge_page;
      return free_.emplace(aligned, Extent{length - (aligned - begin), 0}).first;
    }
#endif
    return free_.end();
  }

  Extents free_;
  std::size_t touched_ = 0;
};

TINYVISION_END
