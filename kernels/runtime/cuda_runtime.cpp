// The entries of tinyvision/cuda/runtime.h by the CUDA runtime.
#include <cuda_runtime.h>

#include <atomic>
#include <stdexcept>

#include "tinyvision/cuda/runtime.h"

namespace tinyvision_kernels {
namespace {

void expect(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // the next call shall not report this one again
  throw std::runtime_error("[cuda] " + std::string(what) + ": " + cudaGetErrorString(error));
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

cudaStream_t stream_of(Stream stream) { return static_cast<cudaStream_t>(stream); }

cudaStream_t make_stream() {
  cudaStream_t made = nullptr;
  expect(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
  return made;
}

std::atomic<int> device_in_use = 0;

}  // namespace

int device_count() {
  int driver = 0, runtime = 0, count = 0;
  expect(cudaRuntimeGetVersion(&runtime), "version of the runtime");
  expect(cudaDriverGetVersion(&driver), "version of the driver");
  if (driver == 0) throw std::runtime_error("[cuda] no NVIDIA driver is installed; the CPU needs none (--device cpu)");
  // Within a major version any driver will do (minor version compatibility).
  if (driver / 1000 < runtime / 1000)
    throw std::runtime_error("[cuda] the driver supports CUDA " + version_text(driver) + ", this build needs " +
                             version_text(runtime / 1000 * 1000) + " or newer: update the driver");
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorNoDevice) {
    cudaGetLastError();
    return 0;
  }
  expect(error, "number of devices");
  return count;
}

DeviceDescription describe_device(int index) {
  cudaDeviceProp properties;
  expect(cudaGetDeviceProperties(&properties, index), "properties of the device");
  DeviceDescription d;
  d.name = properties.name;
  d.major = properties.major, d.minor = properties.minor;
  d.multiprocessors = properties.multiProcessorCount;
  expect(cudaMemGetInfo(&d.free_bytes, &d.total_bytes), "memory of the device");
  expect(cudaDriverGetVersion(&d.driver), "version of the driver");
  expect(cudaRuntimeGetVersion(&d.runtime), "version of the runtime");
  return d;
}

void use_device(int index) {
  expect(cudaSetDevice(index), "choosing the device");
  device_in_use = index;
  if (!kernels_run_here()) {
    const DeviceDescription d = describe_device(index);
    throw std::runtime_error("[cuda] device " + std::to_string(index) + " (" + d.name + ", sm_" +
                             std::to_string(d.major) + std::to_string(d.minor) +
                             ") is of an architecture that this build has no kernels for");
  }
}

void* allocate_memory(std::size_t bytes) noexcept {
  void* memory = nullptr;
  if (cudaMalloc(&memory, bytes) == cudaSuccess) return memory;
  cudaGetLastError();
  return nullptr;
}
void free_memory(void* memory) noexcept { cudaFree(memory); }

void* allocate_pinned(std::size_t bytes) noexcept {
  void* memory = nullptr;
  // A thread that asks for the first time works on device 0 until it is told otherwise.
  if (cudaSetDevice(device_in_use) == cudaSuccess &&
      cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) == cudaSuccess)
    return memory;
  cudaGetLastError();
  return nullptr;
}
void free_pinned(void* memory) noexcept { cudaFreeHost(memory); }

void copy_rows(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t row_bytes,
               std::size_t rows, CopyKind kind, Stream stream) {
  if (row_bytes == 0 || rows == 0) return;
  const cudaMemcpyKind direction = kind == CopyKind::to_device     ? cudaMemcpyHostToDevice
                                   : kind == CopyKind::from_device ? cudaMemcpyDeviceToHost
                                                                   : cudaMemcpyDeviceToDevice;
  if (rows == 1 || (to_pitch == row_bytes && from_pitch == row_bytes)) {
    expect(cudaMemcpyAsync(to, from, row_bytes * rows, direction, stream_of(stream)), "copy");
  } else {
    expect(cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, row_bytes, rows, direction, stream_of(stream)), "copy");
  }
  if (kind != CopyKind::on_device) wait_for(stream);
}

void set_bytes(void* to, int value, std::size_t bytes, Stream stream) {
  if (bytes > 0) expect(cudaMemsetAsync(to, value, bytes, stream_of(stream)), "fill");
}

void send_pinned(void* to, const void* from, std::size_t bytes, Stream stream) {
  if (bytes > 0) expect(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(stream)), "copy");
}

namespace {

class GraphRecording final : public Recording {
 public:
  explicit GraphRecording(cudaGraph_t graph) {
    const cudaError_t error = cudaGraphInstantiate(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    expect(error, "making a graph");
  }
  ~GraphRecording() override { cudaGraphExecDestroy(graph_); }
  void replay(Stream stream) const override { expect(cudaGraphLaunch(graph_, stream_of(stream)), "a graph"); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace

void begin_recording(Stream stream) {
  // Relaxed: the arena may ask for memory in between.
  expect(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeRelaxed), "beginning a graph");
}
std::unique_ptr<Recording> end_recording(Stream stream) {
  cudaGraph_t graph = nullptr;
  expect(cudaStreamEndCapture(stream_of(stream), &graph), "ending a graph");
  return std::make_unique<GraphRecording>(graph);
}
void abandon_recording(Stream stream) noexcept {
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream_of(stream), &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void* make_event() {
  cudaEvent_t event = nullptr;
  expect(cudaEventCreate(&event), "making an event");
  return event;
}
void destroy_event(void* event) noexcept { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }
void record_event(void* event, Stream stream) {
  expect(cudaEventRecord(static_cast<cudaEvent_t>(event), stream_of(stream)), "recording an event");
}
double elapsed_milliseconds(void* begin, void* end) {
  float milliseconds = 0;
  wait_for_event(end);
  expect(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin), static_cast<cudaEvent_t>(end)),
         "time between events");
  return static_cast<double>(milliseconds);
}

void wait_for_event(void* event) {
  expect(cudaEventSynchronize(static_cast<cudaEvent_t>(event)), "a kernel or copy before this point");
}
void wait_in_stream(Stream stream, void* event) {
  expect(cudaStreamWaitEvent(stream_of(stream), static_cast<cudaEvent_t>(event), 0), "waiting for an event");
}

Stream work_stream() {
  static cudaStream_t stream = make_stream();
  return stream;
}
Stream copy_stream() {
  static cudaStream_t stream = make_stream();
  return stream;
}

void wait_for(Stream stream) { expect(cudaStreamSynchronize(stream_of(stream)), "a kernel or copy before this point"); }

}  // namespace tinyvision_kernels
