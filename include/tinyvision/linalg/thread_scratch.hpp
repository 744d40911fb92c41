// Scratch memory each thread keeps between kernels.
#pragma once

#include <memory>

#include "tinyvision/core/arena.hpp"

TINYVISION_BEGIN
namespace simd {

/// At least `count` elements aligned to 64 bytes, private to the calling thread, uninitialised; `Slot` tells apart
/// buffers in use at the same time. Valid until the thread's next call with the same T and Slot.
template <class T, int Slot>
T* thread_scratch(Index count) {
  thread_local std::unique_ptr<Scratch<T>> buffer;
  thread_local Index capacity = 0;
  if (capacity < count) {
    buffer.reset();
    capacity = 0;
    buffer = std::make_unique<Scratch<T>>(count);
    capacity = count;
  }
  return buffer->data();
}

}  // namespace simd
TINYVISION_END
