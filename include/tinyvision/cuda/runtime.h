// What the host asks of the CUDA runtime, as plain declarations: the framework never sees a CUDA header, and the emulated
// device of kernels/emulation offers the same entries. kernels/runtime/cuda_runtime.cpp is the real implementation.
//
// Every entry throws std::runtime_error, "[cuda] what failed: the runtime's text", unless it says otherwise.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "tinyvision/cuda/kernels.h"

namespace tinyvision_kernels {

struct DeviceDescription {
  std::string name;
  int major, minor;  ///< compute capability
  int multiprocessors;
  std::size_t total_bytes, free_bytes;
  int driver, runtime;  ///< versions as CUDA numbers them: 13000 is 13.0
};

/// Number of devices. Without a driver, or with one that is too old, throws and says which.
int device_count();

/// Makes device `index` the one that all later calls of the process mean, and checks that the kernels of this build run
/// on it: throws when its architecture is not among them.
void use_device(int index);
/// Whether this build holds kernels for the device in use.
bool kernels_run_here();
DeviceDescription describe_device(int index);

/// Device memory, aligned to 256 bytes; null when there is not enough.
void* allocate_memory(std::size_t bytes) noexcept;
void free_memory(void* memory) noexcept;

/// Host memory that the device reads by itself, so that a copy from it runs beside kernels (page-locked); null when there
/// is not enough. Any thread.
void* allocate_pinned(std::size_t bytes) noexcept;
void free_pinned(void* memory) noexcept;

/// Which side of a copy is device memory.
enum class CopyKind { to_device, from_device, on_device };

/// `rows` rows of `row_bytes` bytes, `pitch` bytes apart on each side, in the order of the stream. Copies from the device
/// are complete when the call returns; for copies to it the host memory may be used again.
void copy_rows(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t row_bytes,
               std::size_t rows, CopyKind kind, Stream stream);
void set_bytes(void* to, int value, std::size_t bytes, Stream stream);
/// Begins a copy to the device and returns. `from` is pinned, and stays as it is until an event behind the copy has come.
void send_pinned(void* to, const void* from, std::size_t bytes, Stream stream);

/// Launches, fills and copies within the device that were written down, to be done again and again (a CUDA graph).
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay(Stream stream) const = 0;
};
/// From here on what the stream is given is written down instead of being done. The host must not wait for the stream or
/// copy to or from the device before the end.
void begin_recording(Stream stream);
/// Ends it; throws when something in between could not be written down.
std::unique_ptr<Recording> end_recording(Stream stream);
/// Ends it and forgets what was written down.
void abandon_recording(Stream stream) noexcept;

/// A moment of a stream.
void* make_event();
void destroy_event(void* event) noexcept;
void record_event(void* event, Stream stream);
/// Waits until `end` has come. By the device's clock.
double elapsed_milliseconds(void* begin, void* end);

/// Waits until the event has come; at once when it was never recorded.
void wait_for_event(void* event);
/// What the stream is given from here on waits for the event.
void wait_in_stream(Stream stream, void* event);

/// The stream that the framework works in, made at the first call.
Stream work_stream();
/// The stream of copies that run beside the work.
Stream copy_stream();
/// Waits for everything in the stream, and throws what went wrong in it.
void wait_for(Stream stream);

}  // namespace tinyvision_kernels
