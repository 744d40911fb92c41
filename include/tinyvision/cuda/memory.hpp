// Memory of a CUDA device for tensors: a caching arena, copies, fills and conversions, all in one stream.
//
// Memory that is freed is handed out again at once: everything that reads or writes it runs in the same stream, in order.
// A process works on one device.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tinyvision/core/arena.hpp"
#include "tinyvision/core/device_memory.hpp"
#include "tinyvision/cuda/runtime.h"

TINYVISION_BEGIN
namespace cuda {

namespace kernels = ::tinyvision_kernels;

/// The C++ type that kernels take for a tensor's: their own bf16 has the same bytes.
template <class T>
struct KernelTypeOf {
  using type = T;
};
template <>
struct KernelTypeOf<bfloat16> {
  using type = kernels::bf16;
};
template <class T>
using KernelType = typename KernelTypeOf<T>::type;

/// A pointer to elements as the kernels take it.
template <class T>
KernelType<T>* as_kernel(T* elements) {
  return reinterpret_cast<KernelType<T>*>(elements);
}
template <class T>
const KernelType<T>* as_kernel(const T* elements) {
  return reinterpret_cast<const KernelType<T>*>(elements);
}

/// The stream of all work.
inline kernels::Stream stream() { return kernels::work_stream(); }

/// A new arena of the device in use, which gives everything back when nothing of it is held any more.
inline std::shared_ptr<Arena> make_arena() {
  static const MemorySource source{&kernels::allocate_memory, &kernels::free_memory, "cuda"};
  return {new Arena(source), [](Arena* arena) {
            arena->release_cached();
            delete arena;
          }};
}

/// Where memory comes from now: the arena of the device, never destroyed, as the CPU's; or that of a recording.
inline std::shared_ptr<Arena>& arena() {
  static auto* the_arena = new std::shared_ptr<Arena>(make_arena());
  return *the_arena;
}

inline std::shared_ptr<void> allocate(std::size_t bytes, const std::shared_ptr<Arena>& from = arena()) {
  return {from->allocate(bytes), [from, bytes](void* p) { from->deallocate(p, bytes); }};
}

/// What is going on while work is recorded.
struct RecordingState {
  std::shared_ptr<Arena> outside;  ///< the arena of what is not recorded; null while nothing is recorded
  const std::int64_t* step_base = nullptr;
  std::vector<std::function<void()>> afterwards;  ///< what the host has to send before the first replay
};
inline RecordingState& recording_state() {
  static auto* state = new RecordingState;
  return *state;
}
/// Memory for what the host sends. The arena of a recording would not do: kernels that come earlier in it may write to
/// the same place, at each replay.
inline std::shared_ptr<void> allocate_to_send(std::size_t bytes) {
  const std::shared_ptr<Arena>& outside = recording_state().outside;
  return allocate(bytes, outside ? outside : arena());
}

/// What is added to the steps of random numbers, in device memory; null while nothing is recorded.
inline const std::int64_t* recorded_step() { return recording_state().step_base; }

/// Copies `rows` to device memory; where work is recorded, once it has been.
template <class Row>
void send(const std::vector<Row>& rows, const std::shared_ptr<void>& to) {
  const std::size_t bytes = rows.size() * sizeof(Row);
  const auto copy = [rows, to, bytes] {
    kernels::copy_rows(to.get(), bytes, rows.data(), bytes, bytes, 1, kernels::CopyKind::to_device, stream());
  };
  recording_state().outside ? recording_state().afterwards.push_back(copy) : copy();
}

class RecordedWork final : public DeviceRecording {
 public:
  RecordedWork(std::shared_ptr<Arena> arena, std::unique_ptr<kernels::Recording> work)
      : arena_(std::move(arena)), work_(std::move(work)) {}
  void replay() const override { work_->replay(stream()); }

 private:
  std::shared_ptr<Arena> arena_;
  std::unique_ptr<kernels::Recording> work_;
};

/// Scratch space of a kernel.
template <class T>
class Workspace {
 public:
  explicit Workspace(Index count) : memory_(allocate(static_cast<std::size_t>(count) * sizeof(T))) {}
  T* data() const { return static_cast<T*>(memory_.get()); }

 private:
  std::shared_ptr<void> memory_;
};

class Memory final : public DeviceMemory {
 public:
  /// Throws UsageError when there is no such device, or a second one is asked for.
  static Memory& of(int index) {
    static Memory memory(index);
    if (index != memory.index_)
      fail_usage("device", "cuda:", index, " asked for, but this process works on cuda:", memory.index_);
    return memory;
  }

  std::string name() const override {
    const auto d = kernels::describe_device(index_);
    return concat_text(d.name, " sm_", d.major, d.minor);
  }
  std::shared_ptr<void> allocate(std::size_t bytes) override { return cuda::allocate(bytes); }

  std::shared_ptr<const DeviceRecording> record(const void* step_base, const std::function<void()>& work) override {
    RecordingState& state = recording_state();
    check(!state.outside, "cuda", "a recording within a recording");
    arena()->release_cached();  // the recording has memory of its own, and there may be no room for both
    const std::shared_ptr<Arena> own = make_arena();
    state.outside = std::exchange(arena(), own);
    state.step_base = static_cast<const std::int64_t*>(step_base);
    const auto end = [&] {
      arena() = std::exchange(state.outside, nullptr);
      state.step_base = nullptr;
    };
    std::unique_ptr<kernels::Recording> recorded;
    try {
      kernels::begin_recording(stream());
      work();
      recorded = kernels::end_recording(stream());
    } catch (...) {
      kernels::abandon_recording(stream());
      state.afterwards.clear();
      end();
      throw;
    }
    end();
    for (const auto& send_now : std::exchange(state.afterwards, {})) send_now();
    return std::make_shared<RecordedWork>(own, std::move(recorded));
  }
  void clear(void* to, std::size_t bytes) override { kernels::set_bytes(to, 0, bytes, stream()); }
  void copy(void* to, std::size_t to_pitch, Device to_device, const void* from, std::size_t from_pitch,
            Device from_device, std::size_t row_bytes, Index rows) override {
    const auto kind = to_device.kind == Device::Kind::cpu     ? kernels::CopyKind::from_device
                      : from_device.kind == Device::Kind::cpu ? kernels::CopyKind::to_device
                                                              : kernels::CopyKind::on_device;
    kernels::copy_rows(to, to_pitch, from, from_pitch, row_bytes, static_cast<std::size_t>(rows), kind, stream());
  }
  void fill(DType dtype, void* to, Index rows, Index columns, Index pitch, double value) override {
    visit_activation("fill", dtype, [&]<class T>(T) {
      kernels::fill(rows, columns, value, as_kernel(static_cast<T*>(to)), pitch, stream());
    });
  }
  void convert(DType from_dtype, const void* from, Index from_pitch, DType to_dtype, void* to, Index rows,
               Index columns) override {
    visit_activation("convert", from_dtype, [&]<class From>(From) {
      visit_activation("convert", to_dtype, [&]<class To>(To) {
        kernels::convert(rows, columns, as_kernel(static_cast<const From*>(from)), from_pitch,
                         as_kernel(static_cast<To*>(to)), columns, stream());
      });
    });
  }

 private:
  explicit Memory(int index) : index_(index) {
    int count = 0;
    try {
      count = kernels::device_count();
      if (index >= 0 && index < count) kernels::use_device(index);
    } catch (const std::runtime_error& error) {
      throw UsageError(error.what());  // no driver, a driver too old, another architecture
    }
    if (index < 0 || index >= count)
      fail_usage("device", "cuda:", index, " asked for, but there ", count == 1 ? "is 1 device" : "are ",
                 count == 1 ? "" : std::to_string(count) + " devices");
  }

  int index_;
};

#if TINYVISION_WITH_CUDA
/// Plugs the device into tinyvision/core.
inline const bool registered = [] {
  device_memory_provider() = [](int index) -> DeviceMemory& { return Memory::of(index); };
  return true;
}();
#endif

}  // namespace cuda
TINYVISION_END
