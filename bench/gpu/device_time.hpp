// Times of work on the device, by its own clock.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/cuda/memory.hpp"

namespace gpu_check {

using namespace tinyvision;

/// Two moments of the stream.
class Stopwatch {
 public:
  Stopwatch() : begin_(cuda::kernels::make_event()), end_(cuda::kernels::make_event()) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    cuda::kernels::destroy_event(begin_);
    cuda::kernels::destroy_event(end_);
  }
  /// Seconds that `work` takes on the device.
  double seconds(const std::function<void()>& work) const {
    cuda::kernels::record_event(begin_, cuda::stream());
    work();
    cuda::kernels::record_event(end_, cuda::stream());
    return cuda::kernels::elapsed_milliseconds(begin_, end_) * 1e-3;
  }

 private:
  void *begin_, *end_;
};

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

/// Median seconds of `work` over `repeats` runs after two that are not counted. Before each run `flush` bytes are written,
/// so that nothing of the operands is left in a cache.
inline double time_on_device(const std::function<void()>& work, int repeats, std::size_t flush) {
  const Stopwatch watch;
  const cuda::Workspace<char> other(static_cast<Index>(std::max<std::size_t>(flush, 1)));
  std::vector<double> seconds;
  for (int i = -2; i < repeats; ++i) {
    cuda::kernels::set_bytes(other.data(), i & 0xFF, flush, cuda::stream());
    const double s = watch.seconds(work);
    if (i >= 0) seconds.push_back(s);
  }
  return median(seconds);
}

/// Bytes per second of a copy of `bytes` within the device, read and written bytes both counted.
inline double copy_rate(std::size_t bytes, int repeats) {
  const cuda::Workspace<char> from(static_cast<Index>(bytes)), to(static_cast<Index>(bytes));
  cuda::kernels::set_bytes(from.data(), 1, bytes, cuda::stream());
  const double seconds = time_on_device(
      [&] {
        cuda::kernels::copy_rows(to.data(), bytes, from.data(), bytes, bytes, 1, cuda::kernels::CopyKind::on_device,
                                 cuda::stream());
      },
      repeats, 0);
  return 2.0 * static_cast<double>(bytes) / seconds;
}

}  // namespace gpu_check
