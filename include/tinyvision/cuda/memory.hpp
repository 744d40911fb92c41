// Memory of a CUDA device for tensors: a caching arena, copies, fills and conversions, all in one stream.
//
// Memory that is freed is handed out again at once: everything that reads or writes it runs in the same stream, in order.
// A process works on one device.
#pragma once

#include <memory>

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

/// The arena of the device in use. Never destroyed, as the CPU's.
inline Arena& arena() {
  static const MemorySource source{&kernels::allocate_memory, &kernels::free_memory, "cuda"};
  static Arena* the_arena = new Arena(source);
  return *the_arena;
}

/// Scratch space of a kernel.
template <class T>
class Workspace {
 public:
  explicit Workspace(Index count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)), data_(static_cast<T*>(arena().allocate(bytes_))) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { arena().deallocate(data_, bytes_); }
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
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
  std::shared_ptr<void> allocate(std::size_t bytes) override {
    return {arena().allocate(bytes), [bytes](void* p) { arena().deallocate(p, bytes); }};
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
