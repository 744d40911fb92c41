// Memory of the emulated device: one reserved stretch of addresses that can be touched only while a kernel or a copy runs.
//
// Host code that reads a device pointer would work by accident on a machine without a GPU. Here it ends the program with
// a segmentation fault, as it should. Under AddressSanitizer everything outside live allocations is poisoned, so that a
// kernel that leaves an allocation is found too.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <stdexcept>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, bytes) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(begin, bytes) static_cast<void>(0)
#endif

namespace emulation {

class Memory {
 public:
  static constexpr std::size_t capacity = std::size_t{4} << 30, alignment = 256, huge_page = std::size_t{2} << 20;

  static Memory& instance() {
    static Memory memory;
    return memory;
  }

  /// Null beyond the limit. Fresh memory holds a pattern, not zeros.
  void* allocate(std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    char* begin = nullptr;
    if (auto found = free_.find(size); found != free_.end() && !found->second.empty()) {
      begin = found->second.back();
      found->second.pop_back();
    } else {
      if (size > limit_ || used_ > limit_ - size) return nullptr;
      begin = base_ + used_;
      used_ += size;
    }
    live_[begin] = bytes;
    ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
    open();
    std::memset(begin, 0xA5, bytes);
    close();
    return begin;
  }
  void free(void* memory) noexcept {
    const auto found = live_.find(static_cast<char*>(memory));
    if (found == live_.end()) return;
    ASAN_POISON_MEMORY_REGION(found->first, rounded(found->second));
    free_[rounded(found->second)].push_back(found->first);
    live_.erase(found);
    if (live_.empty() && openings_ == 0) forget();
  }
  std::size_t allocations() const { return live_.size(); }

  /// How much the device has; a test of what happens without memory makes it small.
  void set_limit(std::size_t bytes) { limit_ = bytes < capacity ? bytes : capacity; }

  void open() {
    if (openings_++ == 0 && used_ > 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    if (--openings_ == 0 && used_ > 0) protect(PROT_NONE);
  }

 private:
  Memory() {
    // A protection key opens and closes everything by one instruction; without keys it is done page by page.
    key_ = pkey_alloc(0, PKEY_DISABLE_ACCESS);
    void* memory = mmap(nullptr, capacity + huge_page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    const std::size_t beyond = reinterpret_cast<std::uintptr_t>(memory) % huge_page;
    base_ = static_cast<char*>(memory) + (beyond > 0 ? huge_page - beyond : 0);
    // By the page is cheaper where pages are huge.
    static_cast<void>(madvise(base_, capacity, MADV_HUGEPAGE));
    if (key_ >= 0 && pkey_mprotect(base_, capacity, PROT_READ | PROT_WRITE, key_) != 0) key_ = -1;
    ASAN_POISON_MEMORY_REGION(base_, capacity);
  }
  void protect(int protection) {
    if (key_ >= 0) {
      pkey_set(key_, protection == PROT_NONE ? PKEY_DISABLE_ACCESS : 0);
      return;
    }
    // Whole huge pages: the system cuts those apart that are protected in part.
    const std::size_t whole = (used_ + huge_page - 1) / huge_page * huge_page;
    if (mprotect(base_, whole, protection) != 0) throw std::runtime_error("[emulation] mprotect failed");
  }
  /// Begins anew, so that what one test used is no burden to the next.
  void forget() {
    static_cast<void>(madvise(base_, used_, MADV_DONTNEED));
    free_.clear();
    used_ = 0;
  }
  static std::size_t rounded(std::size_t bytes) { return (bytes + 2 * alignment - 1) / alignment * alignment; }

  char* base_ = nullptr;
  std::size_t used_ = 0, limit_ = capacity;
  int openings_ = 0;
  int key_ = -1;  ///< protection key of all device memory; negative: the machine has none
  std::map<char*, std::size_t> live_;
  std::map<std::size_t, std::vector<char*>> free_;
};

/// Lets device memory be touched for its lifetime.
class MemoryAccess {
 public:
  MemoryAccess() { Memory::instance().open(); }
  MemoryAccess(const MemoryAccess&) = delete;
  MemoryAccess& operator=(const MemoryAccess&) = delete;
  ~MemoryAccess() { Memory::instance().close(); }
};

}  // namespace emulation
