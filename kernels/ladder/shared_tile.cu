// Rung 2: a tile in shared memory. A block of 16 x 16 threads makes 16 pixels x 16 output channels and walks along k in
// slices of 16: each thread brings one element of x and one of w, and all 256 use them 16 times.
//
// Thread (tx, ty): pixel ty, channel tx. One sixteenth of the global loads of rung 1, but still two loads, now from shared
// memory, for each multiply-add.
#include "ladder/ladder.h"

namespace tinyvision_kernels {
namespace ladder {
namespace {

constexpr int side = 16;

__global__ void __launch_bounds__(side* side)
    output_tile(Window g, const bf16* x, const bf16* w, bf16* y, Index pixels, Index depth) {
  TV_SHARED(float, slice_a, side* side);
  TV_SHARED(float, slice_b, side* side);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const Index pixel = static_cast<Index>(blockIdx.x) * side + ty, o = static_cast<Index>(blockIdx.y) * side + tx;
  float sum = 0;
  for (Index k = 0; k < depth; k += side) {
    slice_a[ty * side + tx] = pixel < pixels && k + tx < depth ? window_element(g, x, pixel, k + tx) : 0.0f;
    slice_b[ty * side + tx] = k + ty < depth && o < g.out_c ? to_compute(w[(k + ty) * g.out_c + o]) : 0.0f;
    __syncthreads();
    TV_UNROLL
    for (int i = 0; i < side; ++i)
      sum = fma(static_cast<float>(slice_a[ty * side + i]), static_cast<float>(slice_b[i * side + tx]), sum);
    __syncthreads();
  }
  if (pixel < pixels && o < g.out_c) y[pixel * g.out_pitch + o] = from_compute<bf16>(sum);
}

}  // namespace

void shared_tile(const Window& g, const bf16* x, const bf16* w, bf16* y, Stream stream) {
  const Index pixels = g.batch * g.out_h * g.out_w;
  const dim3 grid(static_cast<unsigned>(divide_up(pixels, side)), static_cast<unsigned>(divide_up(g.out_c, side)));
  TV_LAUNCH(output_tile, grid, dim3(side, side), stream, g, x, w, y, pixels, g.kernel_h * g.kernel_w * g.in_c);
}

}  // namespace ladder
}  // namespace tinyvision_kernels
