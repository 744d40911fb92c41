// Reductions on the device whose results the host reads. Each call waits for the device.
#pragma once

#include <vector>

#include "tinyvision/cuda/memory.hpp"

TINYVISION_BEGIN
namespace cuda {

/// One value in device memory.
template <class T>
T read_value(const T* value) {
  T result;
  kernels::copy_rows(&result, sizeof result, value, sizeof result, sizeof result, 1, kernels::CopyKind::from_device,
                     stream());
  return result;
}

/// Adds up sums of squares of many arrays, in double; the host waits once, in `value`.
class SumOfSquares {
 public:
  SumOfSquares() : total_(1) { kernels::set_bytes(total_.data(), 0, sizeof(double), stream()); }
  template <class T>
  void add(Index count, const T* x) const {
    const Workspace<double> workspace(kernels::sum_workspace(count));
    kernels::sum_of_squares(count, as_kernel(x), total_.data(), true, workspace.data(), stream());
  }
  double value() const { return read_value(total_.data()); }

 private:
  Workspace<double> total_;
};

/// True when no element is infinite or NaN.
template <class T>
bool all_finite(Index count, const T* x) {
  const Workspace<std::int32_t> finite(1);
  kernels::all_finite(count, as_kernel(x), finite.data(), false, stream());
  return read_value(finite.data()) != 0;
}

/// Index of the first largest element of each row of x [rows, channels], on the host; the first NaN counts as largest.
template <class T>
std::vector<std::int64_t> argmax(Index rows, Index channels, const T* x, Index xp) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(rows));
  if (rows == 0) return indices;
  const Workspace<std::int64_t> found(rows);
  kernels::argmax(rows, channels, as_kernel(x), xp, found.data(), stream());
  kernels::copy_rows(indices.data(), 8, found.data(), 8, indices.size() * 8, 1, kernels::CopyKind::from_device,
                     stream());
  return indices;
}

}  // namespace cuda
TINYVISION_END
