// Times on the device.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace tinyvision_kernels {
namespace vendor {

/// Throws std::runtime_error unless the runtime's call went well.
inline void expect(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // the next call shall not report this one again
  throw std::runtime_error("[cudnn] " + std::string(what) + ": " + cudaGetErrorString(error));
}

/// A mark in a stream.
class Event {
 public:
  Event() { expect(cudaEventCreate(&event_), "making an event"); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  void record(cudaStream_t stream) { expect(cudaEventRecord(event_, stream), "recording an event"); }
  /// Milliseconds from `begin` to this one, once both have passed.
  float since(const Event& begin) {
    float milliseconds = 0;
    expect(cudaEventSynchronize(event_), "waiting for an event");
    expect(cudaEventElapsedTime(&milliseconds, begin.event_, event_), "time between events");
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace vendor
}  // namespace tinyvision_kernels
