// Rung 1: one thread per output. y[pixel, o] = sum_k windows(pixel, k) w[k, o], the sum as it is written.
//
// Threads of a warp have neighbouring o: they read one x together and 32 neighbouring w. Two loads for each multiply-add.
#include "ladder/ladder.h"

namespace tinyvision_kernels {
namespace ladder {
namespace {

__global__ void __launch_bounds__(256)
    output_of_thread(Window g, const bf16* x, const bf16* w, bf16* y, Index outputs) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= outputs) return;
  const Index pixel = i / g.out_c, o = i % g.out_c, depth = g.kernel_h * g.kernel_w * g.in_c;
  float sum = 0;
  for (Index k = 0; k < depth; ++k) sum = fma(window_element(g, x, pixel, k), to_compute(w[k * g.out_c + o]), sum);
  y[pixel * g.out_pitch + o] = from_compute<bf16>(sum);
}

}  // namespace

void naive(const Window& g, const bf16* x, const bf16* w, bf16* y, Stream stream) {
  const Index outputs = g.batch * g.out_h * g.out_w * g.out_c;
  TV_LAUNCH(output_of_thread, dim3(grid_of(outputs)), dim3(256), stream, g, x, w, y, outputs);
}

}  // namespace ladder
}  // namespace tinyvision_kernels
