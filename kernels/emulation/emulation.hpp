// A small model of a CUDA device for ordinary C++: enough to run every kernel of this folder on the CPU.
//
// Each thread of a block is a fibre. All fibres of a block run on one operating-system thread, one at a time, and change
// places at barriers and warp exchanges alone; blocks run one after another. Shared memory is an object that checks every
// index and remembers who touched each element since the last barrier. What this proves is arithmetic, indexing, the
// placing of barriers and the lanes of a warp exchange. What it cannot prove is speed, and orderings of memory that real
// hardware allows and this model does not produce.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "emulation/fibre.hpp"
#include "emulation/memory.hpp"

namespace emulation {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  Dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  unsigned count() const { return x * y * z; }
  std::string text() const { return std::to_string(x) + "x" + std::to_string(y) + "x" + std::to_string(z); }
};

/// Something no correct kernel does: a race, an index out of bounds, a barrier that not all threads reach.
class KernelError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr unsigned warp_size = 32;

/// Order in which the threads of a block run between barriers. A correct kernel gives the same bytes in both.
enum class Order { forward, backward };

/// Settings of the emulated device, and what it has counted.
struct Device {
  Order order = Order::forward;
  std::uint64_t launches = 0, blocks = 0, barriers = 0;
  std::uint64_t shared_bytes_read = 0, shared_bytes_written = 0;  ///< by the threads; asynchronous copies not counted
  std::uint64_t warp_products = 0;                                ///< tensor-core instructions
};
inline Device& device() {
  thread_local Device the_device;
  return the_device;
}

/// One element of shared memory as the checker sees it: the last write and the last two readers, with their times.
struct Access {
  static constexpr std::uint32_t nobody = ~0u;
  std::uint32_t writer = nobody, reader = nobody, other_reader = nobody;
  std::uint64_t write_epoch = 0, read_epoch = 0;
  bool written = false;
  bool in_flight = false;  ///< an asynchronous copy of `writer` into it has not been waited for
};

/// What one lane leaves for the others at a warp exchange.
struct Slot {
  alignas(8) std::byte bytes[32];
};

class Block;
inline Block*& current_block() {
  thread_local Block* block = nullptr;
  return block;
}

/// A running block: its fibres, its shared arrays, and who waits for what.
class Block {
 public:
  Block(const std::string& kernel, Dim3 grid, Dim3 size, Dim3 index)
      : kernel_(kernel),
        grid_(grid),
        size_(size),
        index_(index),
        threads_(size.count()),
        warps_((size.count() + 31) / 32) {}

  /// Runs `body` once per thread. Throws KernelError.
  template <class Body>
  void run(const Body& body) {
    current_block() = this;
    for (Thread& thread : threads_) thread.fibre.start([&body] { body(); });
    try {
      schedule();
    } catch (...) {
      current_block() = nullptr;
      throw;
    }
    current_block() = nullptr;
  }

  Dim3 grid() const { return grid_; }
  Dim3 size() const { return size_; }
  Dim3 index() const { return index_; }
  unsigned thread() const { return running_; }
  Dim3 thread_index() const {
    return {running_ % size_.x, running_ / size_.x % size_.y, running_ / (size_.x * size_.y)};
  }

  /// __syncthreads.
  void barrier() {
    threads_[running_].waits = Waits::block;
    Fibre::yield();
  }

  /// A meeting of the lanes in `mask`: every lane leaves `value`, and then may read those of the others.
  template <class T>
  const Slot* exchange(unsigned mask, const T& value) {
    static_assert(sizeof(T) <= sizeof(Slot) && std::is_trivially_copyable_v<T>);
    const unsigned lane = running_ % warp_size;
    Warp& warp = warps_[running_ / warp_size];
    if (!(mask >> lane & 1u)) fail("a lane that is not in its own mask takes part in a warp exchange");
    if (warp.arrived != 0 && warp.mask != mask) fail("lanes of a warp meet with different masks");
    warp.mask = mask;
    warp.arrived |= 1u << lane;
    Slot* slots = warp.slots[warp.generation % 2];
    slots[lane] = Slot{};
    std::memcpy(&slots[lane], &value, sizeof(T));
    threads_[running_].waits = Waits::warp;
    Fibre::yield();
    return slots;
  }

  /// Storage of the shared array that stands at `place` of the kernel's text.
  void* shared(int place, std::size_t count, std::size_t element_bytes) {
    Array& array = arrays_[place];
    if (array.accesses.empty()) {
      array.bytes.assign(count * element_bytes, std::byte{0xA5});  // no kernel may rely on zeros
      array.accesses.assign(count, Access{});
    }
    if (array.accesses.size() != count) fail("threads disagree on the size of a shared array");
    return &array;
  }
  struct Array {
    std::vector<std::byte> bytes;
    std::vector<Access> accesses;
  };

  /// A meeting for an instruction that only a whole warp can execute.
  template <class T>
  const Slot* exchange_of_whole_warp(const T& value) {
    warps_[running_ / warp_size].whole = true;
    return exchange(~0u, value);
  }

  /// cp.async of `bytes` neighbouring bytes into elements [first, first + count); null `source` means zeros. Until the
  /// thread has waited for it, nobody may touch the elements.
  void copy_async(Array& array, std::size_t first, std::size_t count, const void* source, std::size_t bytes) {
    for (std::size_t i = first; i < first + count; ++i) {
      note_write(array, i);
      array.accesses[i].in_flight = true;
    }
    threads_[running_].copies.push_back({&array, first, count, source, bytes, threads_[running_].groups});
  }
  void commit_copies() { ++threads_[running_].groups; }
  /// Waits until at most `left` of the newest committed groups are under way.
  void wait_copies(std::uint64_t left) {
    Thread& thread = threads_[running_];
    std::size_t done = 0;
    for (; done < thread.copies.size() && thread.copies[done].group + left < thread.groups; ++done) {
      const Copy& copy = thread.copies[done];
      std::byte* to = copy.array->bytes.data() + copy.first * (copy.bytes / copy.count);
      if (copy.source) {
        std::memcpy(to, copy.source, copy.bytes);
      } else {
        std::memset(to, 0, copy.bytes);
      }
      for (std::size_t i = copy.first; i < copy.first + copy.count; ++i) {
        copy.array->accesses[i].in_flight = false;
        note_write(*copy.array, i);
      }
    }
    thread.copies.erase(thread.copies.begin(), thread.copies.begin() + static_cast<std::ptrdiff_t>(done));
  }

  void note_read(Array& array, std::size_t i) {
    Access& a = at(array, i);
    if (!a.written) fail("shared element " + std::to_string(i) + " is read before anybody wrote it");
    if (a.in_flight) fail_in_flight(a, i);
    if (a.writer != running_ && concurrent(a.writer, a.write_epoch))
      fail("race: shared element " + std::to_string(i) + " is read while thread " + std::to_string(a.writer) +
           " writes it, without a barrier between");
    if (a.read_epoch != epoch() || a.reader == Access::nobody) {
      a.reader = running_, a.other_reader = Access::nobody, a.read_epoch = epoch();
    } else if (a.reader != running_) {
      a.other_reader = running_;
    }
  }
  void note_write(Array& array, std::size_t i) {
    Access& a = at(array, i);
    if (a.in_flight) fail_in_flight(a, i);
    if (a.written && a.writer != running_ && concurrent(a.writer, a.write_epoch))
      fail("race: shared element " + std::to_string(i) + " is written by thread " + std::to_string(a.writer) +
           " too, without a barrier between");
    for (const std::uint32_t reader : {a.reader, a.other_reader})
      if (reader != Access::nobody && reader != running_ && concurrent(reader, a.read_epoch))
        fail("race: shared element " + std::to_string(i) + " is written while thread " + std::to_string(reader) +
             " reads it, without a barrier between");
    a.writer = running_, a.write_epoch = epoch(), a.written = true;
  }

  [[noreturn]] void fail(const std::string& what) const {
    const Dim3 t = thread_index();
    throw KernelError("[emulation] " + kernel_ + ", block " + std::to_string(index_.x) + "," +
                      std::to_string(index_.y) + "," + std::to_string(index_.z) + " of " + grid_.text() + ", thread " +
                      std::to_string(t.x) + "," + std::to_string(t.y) + "," + std::to_string(t.z) + " of " +
                      size_.text() + ": " + what);
  }

 private:
  enum class Waits { nothing, block, warp };
  struct Copy {
    Array* array;
    std::size_t first, count;
    const void* source;
    std::size_t bytes;
    std::uint64_t group;
  };
  struct Thread {
    Fibre fibre;
    Waits waits = Waits::nothing;
    std::vector<Copy> copies;  ///< asynchronous ones that have not been waited for
    std::uint64_t groups = 0;  ///< committed
  };
  struct Warp {
    Slot slots[2][warp_size] = {};
    unsigned mask = 0, arrived = 0;
    bool whole = false;  ///< all 32 lanes must come
    std::uint64_t generation = 0;
    std::uint64_t meetings = 0;  ///< warp-wide meetings since the last block barrier
  };

  /// Barriers of the block, then meetings of the own warp since: two accesses of one warp are apart when either differs.
  std::uint64_t epoch() const { return barriers_ << 32 | warps_[running_ / warp_size].meetings; }
  bool concurrent(std::uint32_t other, std::uint64_t when) const {
    if (when >> 32 != barriers_) return false;
    return other / warp_size != running_ / warp_size || when == epoch();
  }
  Access& at(Array& array, std::size_t i) const {
    if (i >= array.accesses.size())
      fail("index " + std::to_string(static_cast<std::int64_t>(i)) + " of a shared array of " +
           std::to_string(array.accesses.size()));
    return array.accesses[i];
  }

  [[noreturn]] void fail_in_flight(const Access& a, std::size_t i) const {
    fail("shared element " + std::to_string(i) + " is accessed before thread " + std::to_string(a.writer) +
         " has waited for its asynchronous copy into it");
  }

  void schedule() {
    const unsigned n = static_cast<unsigned>(threads_.size());
    for (;;) {
      bool ran = false, all_done = true;
      for (unsigned k = 0; k < n; ++k) {
        running_ = device().order == Order::forward ? k : n - 1 - k;
        Thread& thread = threads_[running_];
        if (thread.fibre.done()) continue;
        all_done = false;
        if (thread.waits != Waits::nothing) continue;
        ran = true;
        thread.fibre.resume();
      }
      if (all_done) return;
      if (release_warps() || release_block() || ran) continue;
      fail("deadlock: the threads that are left wait for others that will never come");
    }
  }
  bool release_warps() {
    bool released = false;
    for (unsigned w = 0; w < warps_.size(); ++w) {
      Warp& warp = warps_[w];
      if (warp.arrived == 0) continue;
      unsigned awaited = 0;
      for (unsigned lane = 0; lane < warp_size; ++lane) {
        const unsigned t = w * warp_size + lane;
        if (warp.mask >> lane & 1u && t < threads_.size() && !threads_[t].fibre.done()) awaited |= 1u << lane;
      }
      if ((warp.arrived & awaited) != awaited) continue;
      if (warp.whole && warp.arrived != ~0u) fail("lanes are missing at an instruction of the whole warp");
      warp.whole = false;
      for (unsigned lane = 0; lane < warp_size; ++lane)
        if (warp.arrived >> lane & 1u) threads_[w * warp_size + lane].waits = Waits::nothing;
      if (warp.arrived == ~0u || awaited == warp.arrived) ++warp.meetings;
      warp.arrived = 0;
      ++warp.generation;
      released = true;
    }
    return released;
  }
  bool release_block() {
    bool anyone = false;
    for (const Thread& thread : threads_) {
      if (thread.fibre.done()) continue;
      if (thread.waits != Waits::block) return false;
      anyone = true;
    }
    if (!anyone) return false;
    for (Thread& thread : threads_) thread.waits = Waits::nothing;
    for (Warp& warp : warps_) warp.meetings = 0;
    ++barriers_;
    ++device().barriers;
    return true;
  }

  std::string kernel_;
  Dim3 grid_, size_, index_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::map<int, Array> arrays_;
  unsigned running_ = 0;
  std::uint64_t barriers_ = 0;
};

/// A shared array: indexing gives a stand-in for the element that reports reads and writes to the block.
template <class T>
class Shared {
 public:
  class Element {
   public:
    Element(Block::Array* array, std::size_t i) : array_(array), i_(i) {}
    Element(const Element&) = default;
    operator T() const {
      current_block()->note_read(*array_, i_);
      device().shared_bytes_read += sizeof(T);
      T value;
      std::memcpy(&value, array_->bytes.data() + i_ * sizeof(T), sizeof(T));
      return value;
    }
    const Element& operator=(T value) const {
      current_block()->note_write(*array_, i_);
      device().shared_bytes_written += sizeof(T);
      std::memcpy(array_->bytes.data() + i_ * sizeof(T), &value, sizeof(T));
      return *this;
    }
    Element& operator=(const Element& other) { return *this = static_cast<T>(other), *this; }
    const Element& operator+=(T value) const { return *this = static_cast<T>(*this) + value; }

   private:
    Block::Array* array_;
    std::size_t i_;
  };

  Shared(int place, std::size_t count)
      : array_(static_cast<Block::Array*>(current_block()->shared(place, count, sizeof(T)))) {}
  template <class I>
  Element operator[](I i) const {
    return {array_, static_cast<std::size_t>(i)};
  }

  /// The elements from i on that one vector access to a V touches, each checked as if it were accessed alone. The place
  /// must be a multiple of V's alignment, as on the hardware (an array of the block begins at a multiple of 16 bytes).
  template <class V>
  V load(std::size_t i) const {
    const std::size_t count = elements_of<V>(i);
    for (std::size_t k = 0; k < count; ++k) current_block()->note_read(*array_, i + k);
    device().shared_bytes_read += sizeof(V);
    V value;
    std::memcpy(&value, array_->bytes.data() + i * sizeof(T), sizeof(V));
    return value;
  }
  template <class V>
  void store(std::size_t i, const V& value) const {
    const std::size_t count = elements_of<V>(i);
    for (std::size_t k = 0; k < count; ++k) current_block()->note_write(*array_, i + k);
    device().shared_bytes_written += sizeof(V);
    std::memcpy(array_->bytes.data() + i * sizeof(T), &value, sizeof(V));
  }
  /// A V copied from global memory without waiting (cp.async), or zeros when `valid` is false.
  template <class V>
  void copy_async(std::size_t i, const void* source, bool valid) const {
    if (reinterpret_cast<std::uintptr_t>(source) % alignof(V) != 0)
      current_block()->fail("an asynchronous copy from an address that is no multiple of " +
                            std::to_string(alignof(V)));
    current_block()->copy_async(*array_, i, elements_of<V>(i), valid ? source : nullptr, sizeof(V));
  }

 private:
  template <class V>
  static std::size_t elements_of(std::size_t i) {
    static_assert(sizeof(V) % sizeof(T) == 0 && std::is_trivially_copyable_v<V>);
    if (i * sizeof(T) % alignof(V) != 0)
      current_block()->fail("a vector access to shared element " + std::to_string(static_cast<std::int64_t>(i)) +
                            ", which is no multiple of " + std::to_string(alignof(V)) + " bytes");
    return sizeof(V) / sizeof(T);
  }
  Block::Array* array_;
};

/// What a recording has written down so far; null while the device works at once.
inline std::vector<std::function<void()>>*& recorded() {
  thread_local std::vector<std::function<void()>>* work = nullptr;
  return work;
}

/// Runs a kernel over its grid, or writes that down.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), Dim3 grid, Dim3 block, const Arguments&... arguments) {
  if (recorded()) {
    recorded()->push_back([=] { launch(name, kernel, grid, block, arguments...); });
    return;
  }
  if (grid.count() == 0 || block.count() == 0 || block.count() > 1024)
    throw KernelError("[emulation] " + std::string(name) + ": bad launch, grid " + grid.text() + ", block " +
                      block.text());
  ++device().launches;
  const MemoryAccess access;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        ++device().blocks;
        Block running(name, grid, block, {x, y, z});
        running.run([&] { kernel(static_cast<Parameters>(arguments)...); });
      }
}

template <class T>
T read_slot(const Slot* slots, unsigned lane) {
  T value;
  std::memcpy(&value, &slots[lane % warp_size], sizeof(T));
  return value;
}
inline unsigned lane() { return current_block()->thread() % warp_size; }

}  // namespace emulation
