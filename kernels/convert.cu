// Filling and conversion between element types.
//
//   y[r,c] = value          y[r,c] = x[r,c] rounded to the type of y, to nearest, ties to even
// x, y [rows, channels] with a pitch each. Every element is computed by itself, one thread each, neighbours next to each
// other. A double becomes bf16 by way of float, as tinyvision::Tensor::to does it.
#include "support/numbers.h"
#include "tinyvision/cuda/runtime.h"

namespace tinyvision_kernels {
namespace {

template <class T>
__global__ void __launch_bounds__(256) fill_elements(Index rows, Index channels, T value, T* y, Index y_pitch) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < rows * channels) y[i / channels * y_pitch + i % channels] = value;
}

template <class To, class From>
__global__ void __launch_bounds__(256)
    convert_elements(Index rows, Index channels, const From* x, Index x_pitch, To* y, Index y_pitch) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * channels) return;
  const auto value = to_compute(x[i / channels * x_pitch + i % channels]);
  y[i / channels * y_pitch + i % channels] = from_compute<To>(static_cast<Accumulator<To>>(value));
}

}  // namespace

bool kernels_run_here() { return TV_CAN_RUN(fill_elements<float>); }

template <class T>
void fill(Index rows, Index channels, double value, T* y, Index y_pitch, Stream stream) {
  if (rows == 0 || channels == 0) return;
  TV_LAUNCH(fill_elements<T>, dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels,
            from_compute<T>(static_cast<Accumulator<T>>(value)), y, y_pitch);
}

template <class To, class From>
void convert(Index rows, Index channels, const From* x, Index x_pitch, To* y, Index y_pitch, Stream stream) {
  if (rows == 0 || channels == 0) return;
  TV_LAUNCH((convert_elements<To, From>), dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels, x, x_pitch,
            y, y_pitch);
}

#define TV_INSTANTIATE(From)                                                       \
  template void fill(Index, Index, double, From*, Index, Stream);                  \
  template void convert(Index, Index, const From*, Index, float*, Index, Stream);  \
  template void convert(Index, Index, const From*, Index, double*, Index, Stream); \
  template void convert(Index, Index, const From*, Index, bf16*, Index, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
