// Bytes on their way to the device while it works.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tinyvision/cuda/memory.hpp"

TINYVISION_BEGIN
namespace cuda {

/// Host memory that can be copied to the device beside its work. Any thread. Throws OutOfMemory.
inline std::shared_ptr<std::uint8_t> allocate_pinned(std::size_t bytes) {
  static const MemorySource source{&kernels::allocate_pinned, &kernels::free_pinned, "pinned host memory"};
  static auto* arena = new Arena(source);  // never destroyed, as the CPU's
  return {static_cast<std::uint8_t*>(arena->allocate(bytes)),
          [bytes](std::uint8_t* memory) { arena->deallocate(memory, bytes); }};
}

class Event {
 public:
  Event() : event_(kernels::make_event()) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { kernels::destroy_event(event_); }
  void* get() const { return event_; }

 private:
  void* event_;
};

/// One transfer at a time: begin(), arrive(), work that reads the bytes, release(), and again.
class Upload {
 public:
  /// Pinned host memory, kept until it was copied.
  struct Piece {
    std::shared_ptr<const std::uint8_t> bytes;
    std::size_t size;
  };

  Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload() {
    try {
      kernels::wait_for_event(sent_.get());
      kernels::wait_for_event(read_.get());
    } catch (const std::runtime_error&) {  // it is reported where the device is used next
    }
    kernels::free_memory(memory_);
  }

  /// Begins to copy the pieces to the device, one behind the other. Throws OutOfMemory.
  void begin(std::vector<Piece> pieces) {
    kernels::wait_for_event(sent_.get());  // before the pieces of the last time are let go
    pieces_ = std::move(pieces);
    std::size_t size = 0;
    for (const Piece& piece : pieces_) size += piece.size;
    if (size > capacity_) grow(size);
    kernels::wait_in_stream(kernels::copy_stream(), read_.get());
    std::size_t at = 0;
    for (const Piece& piece : pieces_) {
      kernels::send_pinned(memory_ + at, piece.bytes.get(), piece.size, kernels::copy_stream());
      at += piece.size;
    }
    kernels::record_event(sent_.get(), kernels::copy_stream());
  }
  /// Where the bytes are on the device, for work that the stream is given from now on.
  const std::uint8_t* arrive() const {
    kernels::wait_in_stream(stream(), sent_.get());
    return memory_;
  }
  /// The stream was given all work that reads the bytes.
  void release() const { kernels::record_event(read_.get(), stream()); }

 private:
  // Not from the arena: its memory is free for others as soon as the stream of work is done with it, and copies run in
  // another one.
  void grow(std::size_t size) {
    kernels::wait_for_event(read_.get());
    kernels::free_memory(memory_);
    capacity_ = 0;
    const std::size_t wanted = size + size / 4;
    memory_ = static_cast<std::uint8_t*>(kernels::allocate_memory(wanted));
    if (memory_ == nullptr) {
      arena()->release_cached();
      memory_ = static_cast<std::uint8_t*>(kernels::allocate_memory(wanted));
    }
    if (memory_ == nullptr)
      throw OutOfMemory(concat_text("[cuda] out of memory: ", wanted, " bytes asked for, for a batch of images"));
    capacity_ = wanted;
  }

  Event sent_, read_;
  std::vector<Piece> pieces_;
  std::uint8_t* memory_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace cuda
TINYVISION_END
