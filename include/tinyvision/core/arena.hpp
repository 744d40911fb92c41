// Caching allocator for tensors.
//
// A training step asks for the same sizes again and again. Handing big blocks back to the kernel each time costs a third
// of the time of a network (page faults); this arena keeps what is freed. Big blocks are extents of large mappings that
// join again when they are freed (extent_heap.hpp); small ones wait in lists by size class. Classes grow in steps of 1/8
// of a power of two, so at most 12.5 % of a block is unused. A device plugs in its own source of memory, which serves all
// its blocks by class.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/extent_heap.hpp"

TINYVISION_BEGIN

/// Byte counts of an arena. `in_use` counts whole blocks, `peak` its maximum since the last `reset_peak`.
struct ArenaStatistics {
  std::size_t in_use = 0;
  std::size_t cached = 0;
  std::size_t peak = 0;
  std::size_t system_allocations = 0;
};

/// Where an arena of a device takes memory from: `allocate` returns null when there is none left. `name` stands in errors.
struct MemorySource {
  void* (*allocate)(std::size_t bytes) noexcept;
  void (*release)(void* block) noexcept;
  const char* name;
};

/// Thread-safe caching allocator. Blocks are aligned to 64 bytes (a cache line, an AVX-512 vector).
class Arena {
 public:
  static constexpr std::size_t alignment = 64;

  Arena() = default;
  explicit Arena(const MemorySource& source) : source_(&source) {}

  /// The process-wide CPU arena. Never destroyed, because tensors held in static storage may outlive any order.
  static Arena& cpu() {
    static Arena* arena = new Arena;
    return *arena;
  }

  /// At least `bytes` bytes, uninitialised. Throws OutOfMemory when there is none left.
  void* allocate(std::size_t bytes) {
    const std::size_t size = size_of_block(bytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    void* block = take_cached(size);
    if (block == nullptr) {
      block = system_allocate(size);
      if (block == nullptr) {
        release_cached_locked();
        block = system_allocate(size);
      }
      if (block == nullptr)
        throw OutOfMemory(concat_text("[", source_ ? source_->name : "arena", "] out of memory: ", size,
                                      " bytes asked for, ", statistics_.in_use, " in use, ", statistics_.peak,
                                      " at most so far"));
      ++statistics_.system_allocations;
    }
    statistics_.in_use += size;
    statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
    return block;
  }

  /// Takes back a block of `allocate(bytes)`.
  void deallocate(void* block, std::size_t bytes) noexcept {
    if (block == nullptr) return;
    const std::size_t size = size_of_block(bytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    statistics_.in_use -= size;
    if (in_extents(size)) return extents_.deallocate(block, size);
    statistics_.cached += size;
    free_[size].push_back(block);
  }

  /// Gives all cached blocks back to the system.
  void release_cached() {
    const std::lock_guard<std::mutex> lock(mutex_);
    release_cached_locked();
  }

  ArenaStatistics statistics() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    ArenaStatistics result = statistics_;
    result.cached += extents_.touched();
    return result;
  }
  void reset_peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    statistics_.peak = statistics_.in_use;
  }

  /// The size class of a request: rounded up to a multiple of 1/8 of the power of two below it, at least 64 bytes;
  /// extents to whole cache lines.
  static std::size_t block_size(std::size_t bytes) {
    return is_extent(bytes) ? (bytes + alignment - 1) / alignment * alignment : class_size(bytes);
  }

 private:
  /// Blocks above the last class below 1 MiB are extents.
  static bool is_extent(std::size_t size) { return ExtentHeap::available && size > std::size_t{15} << 16; }

  static std::size_t class_size(std::size_t bytes) {
    if (bytes <= alignment) return alignment;
    const std::size_t step = std::max(alignment, std::bit_floor(bytes) / 8);
    return (bytes + step - 1) / step * step;
  }
  std::size_t size_of_block(std::size_t bytes) const { return source_ ? class_size(bytes) : block_size(bytes); }
  bool in_extents(std::size_t size) const { return source_ == nullptr && is_extent(size); }

  void* system_allocate(std::size_t size) {
    if (source_) return source_->allocate(size);
    return is_extent(size) ? extents_.allocate(size) : std::aligned_alloc(alignment, size);
  }

  void* take_cached(std::size_t size) {
    if (in_extents(size)) return extents_.allocate_touched(size);
    const auto found = free_.find(size);
    if (found == free_.end() || found->second.empty()) return nullptr;
    void* block = found->second.back();
    found->second.pop_back();
    statistics_.cached -= size;
    return block;
  }

  void release_cached_locked() {
    extents_.release();
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) source_ ? source_->release(block) : std::free(block);
      statistics_.cached -= size * blocks.size();
      blocks.clear();
    }
  }

  const MemorySource* source_ = nullptr;  ///< null: the system's
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  ExtentHeap extents_;
  ArenaStatistics statistics_;
};

/// An uninitialised buffer of `count` elements from the CPU arena, for kernels' scratch space.
template <class T>
class Scratch {
 public:
  explicit Scratch(Index count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)), data_(static_cast<T*>(Arena::cpu().allocate(bytes_))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { Arena::cpu().deallocate(data_, bytes_); }
  T* data() const { return data_; }
  T& operator[](Index i) const { return data_[i]; }

 private:
  std::size_t bytes_;
  T* data_;
};

TINYVISION_END
