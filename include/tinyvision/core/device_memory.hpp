// What a tensor asks of a device that is not the CPU.
//
// core knows no device but the CPU; tinyvision/cuda/memory.hpp provides the other one, and whoever includes an operation
// of a build with CUDA includes it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tinyvision/core/device.hpp"
#include "tinyvision/core/dtype.hpp"

TINYVISION_BEGIN

/// Work of a device that was written down (`DeviceMemory::record`), and the memory it uses.
class DeviceRecording {
 public:
  virtual ~DeviceRecording() = default;
  virtual void replay() const = 0;
};

class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  /// The device's name, as its maker gives it, and its architecture: "NVIDIA H100 80GB HBM3 sm_90".
  virtual std::string name() const = 0;

  /// Writes down what `work` gives the device, instead of doing it. `work` may not read from the device, nor write to it
  /// from the host. Memory that it allocates belongs to the recording: what it leaves there is what the last replay left.
  /// At each replay *step_base, an i64 in device memory, is added to the step of all random numbers.
  virtual std::shared_ptr<const DeviceRecording> record(const void* step_base, const std::function<void()>& work) = 0;

  /// Throws Error when the device has no memory left.
  virtual std::shared_ptr<void> allocate(std::size_t bytes) = 0;
  virtual void clear(void* to, std::size_t bytes) = 0;
  /// `rows` rows of `row_bytes` bytes, pitches in bytes. At most one of both sides is the CPU's.
  virtual void copy(void* to, std::size_t to_pitch, Device to_device, const void* from, std::size_t from_pitch,
                    Device from_device, std::size_t row_bytes, Index rows) = 0;
  /// Pitches in elements, here and below. Floating-point types.
  virtual void fill(DType dtype, void* to, Index rows, Index columns, Index pitch, double value) = 0;
  /// `to` is packed.
  virtual void convert(DType from_dtype, const void* from, Index from_pitch, DType to_dtype, void* to, Index rows,
                       Index columns) = 0;
};

/// Gives the memory of CUDA device `index`, readying the device at the first call.
using DeviceMemoryProvider = DeviceMemory& (*)(int index);
inline DeviceMemoryProvider& device_memory_provider() {
  static DeviceMemoryProvider provider = nullptr;
  return provider;
}

/// Throws Error when the program has no support for the device.
inline DeviceMemory& device_memory(Device device) {
  check(device_memory_provider() != nullptr, "tensor", "no memory of device ", device.text(),
        ": include an operation, or tinyvision/cuda/memory.hpp, in a build with CUDA");
  return device_memory_provider()(device.index);
}

TINYVISION_END
