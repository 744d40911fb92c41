// The entries of tinyvision/cuda/runtime.h on the emulated device. Everything in the stream of work is done when a call
// returns. Copies in the other stream are done as late as possible: when something waits for them. So a missing wait, or
// memory that is used again too early, shows.
#include <chrono>
#include <cstdlib>
#include <deque>
#include <stdexcept>

#include "emulation/emulation.hpp"
#include "emulation/memory.hpp"
#include "tinyvision/cuda/runtime.h"

namespace tinyvision_kernels {
namespace {

class WorkRecording final : public Recording {
 public:
  std::vector<std::function<void()>> work;
  void replay(Stream) const override {
    for (const auto& item : work) item();
  }
};
WorkRecording*& recording() {
  thread_local WorkRecording* the_recording = nullptr;
  return the_recording;
}

/// Copies that were begun and not done yet.
struct PendingCopies {
  std::deque<std::function<void()>> copies;
  std::size_t begun = 0, done = 0;
  void finish(std::size_t through) {
    for (; done < through; ++done) copies.front()(), copies.pop_front();
  }
};
PendingCopies& pending() {
  static PendingCopies copies;
  return copies;
}

struct Event {
  std::chrono::steady_clock::time_point time;
  std::size_t copies = 0;  ///< begun before it
};
Event& event_at(void* event) { return *static_cast<Event*>(event); }

}  // namespace

int device_count() { return 1; }

DeviceDescription describe_device(int) {
  return {"emulated device", 0, 0, 1, emulation::Memory::capacity, emulation::Memory::capacity, 0, 0};
}

void use_device(int index) {
  if (index != 0) throw std::runtime_error("[cuda] choosing the device: invalid device ordinal");
}

void* allocate_memory(std::size_t bytes) noexcept { return emulation::Memory::instance().allocate(bytes); }
void free_memory(void* memory) noexcept { emulation::Memory::instance().free(memory); }

void* allocate_pinned(std::size_t bytes) noexcept { return std::malloc(bytes); }
void free_pinned(void* memory) noexcept { std::free(memory); }

void copy_rows(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t row_bytes,
               std::size_t rows, CopyKind kind, Stream stream) {
  if (recording()) {
    if (kind != CopyKind::on_device)
      throw std::runtime_error("[cuda] copy: operation not permitted while the stream is recorded");
    return recording()->work.push_back(
        [=] { copy_rows(to, to_pitch, from, from_pitch, row_bytes, rows, kind, stream); });
  }
  const emulation::MemoryAccess access;
  for (std::size_t row = 0; row < rows; ++row)
    std::memcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, row_bytes);
}

void set_bytes(void* to, int value, std::size_t bytes, Stream stream) {
  if (recording()) return recording()->work.push_back([=] { set_bytes(to, value, bytes, stream); });
  const emulation::MemoryAccess access;
  std::memset(to, value, bytes);
}

void send_pinned(void* to, const void* from, std::size_t bytes, Stream stream) {
  const auto copy = [=] { copy_rows(to, bytes, from, bytes, bytes, 1, CopyKind::to_device, stream); };
  if (stream != copy_stream()) return copy();
  pending().copies.push_back(copy);
  ++pending().begun;
}

void begin_recording(Stream) {
  recording() = new WorkRecording;
  emulation::recorded() = &recording()->work;
}
std::unique_ptr<Recording> end_recording(Stream) {
  emulation::recorded() = nullptr;
  return std::unique_ptr<Recording>(std::exchange(recording(), nullptr));
}
void abandon_recording(Stream stream) noexcept { end_recording(stream); }

void* make_event() { return new Event; }
void destroy_event(void* event) noexcept { delete static_cast<Event*>(event); }
void record_event(void* event, Stream stream) {
  event_at(event) = {std::chrono::steady_clock::now(), stream == copy_stream() ? pending().begun : 0};
}
void wait_for_event(void* event) { pending().finish(event_at(event).copies); }
void wait_in_stream(Stream, void* event) { wait_for_event(event); }
double elapsed_milliseconds(void* begin, void* end) {
  return std::chrono::duration<double, std::milli>(event_at(end).time - event_at(begin).time).count();
}

Stream work_stream() { return nullptr; }
Stream copy_stream() { return &pending(); }
void wait_for(Stream stream) {
  if (stream == copy_stream()) return pending().finish(pending().begun);
  if (recording()) throw std::runtime_error("[cuda] waiting: operation not permitted while the stream is recorded");
}

}  // namespace tinyvision_kernels
