// Rung 3: a tile in registers. A block of 16 x 16 threads makes 64 pixels x 64 output channels, 4 x 4 for each thread, and
// walks along k in slices of 16. A thread reads 4 elements of a column of A and 4 of a row of B and multiplies all pairs:
// 8 loads from shared memory for 16 multiply-adds.
//
// Thread (tx, ty): pixels ty + 16 i, channels tx + 16 j, so that the threads of a warp read neighbouring words. conv2d.cu
// is this rung with all that a library needs.
#include "ladder/ladder.h"

namespace tinyvision_kernels {
namespace ladder {
namespace {

constexpr int side = 64, depth_of_slice = 16, threads = 16, per_thread = side / threads;

__global__ void __launch_bounds__(threads* threads)
    outputs_of_thread(Window g, const bf16* x, const bf16* w, bf16* y, Index pixels, Index depth) {
  TV_SHARED(float, slice_a, depth_of_slice* side);
  TV_SHARED(float, slice_b, depth_of_slice* side);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y), thread = ty * threads + tx;
  const Index first_pixel = static_cast<Index>(blockIdx.x) * side, first_o = static_cast<Index>(blockIdx.y) * side;
  float sum[per_thread][per_thread] = {};
  for (Index k0 = 0; k0 < depth; k0 += depth_of_slice) {
    for (int i = thread; i < depth_of_slice * side; i += threads * threads) {
      const Index pixel = first_pixel + i / depth_of_slice, k_a = k0 + i % depth_of_slice;
      slice_a[i % depth_of_slice * side + i / depth_of_slice] =
          pixel < pixels && k_a < depth ? window_element(g, x, pixel, k_a) : 0.0f;
      const Index o = first_o + i % side, k_b = k0 + i / side;
      slice_b[i] = k_b < depth && o < g.out_c ? to_compute(w[k_b * g.out_c + o]) : 0.0f;
    }
    __syncthreads();
    for (int k = 0; k < depth_of_slice; ++k) {
      float left[per_thread], right[per_thread];
      TV_UNROLL
      for (int i = 0; i < per_thread; ++i) left[i] = slice_a[k * side + ty + i * threads];
      TV_UNROLL
      for (int j = 0; j < per_thread; ++j) right[j] = slice_b[k * side + tx + j * threads];
      TV_UNROLL
      for (int i = 0; i < per_thread; ++i) TV_UNROLL
      for (int j = 0; j < per_thread; ++j) sum[i][j] = fma(left[i], right[j], sum[i][j]);
    }
    __syncthreads();
  }
  TV_UNROLL
  for (int i = 0; i < per_thread; ++i) {
    TV_UNROLL
    for (int j = 0; j < per_thread; ++j) {
      const Index pixel = first_pixel + ty + i * threads, o = first_o + tx + j * threads;
      if (pixel < pixels && o < g.out_c) y[pixel * g.out_pitch + o] = from_compute<bf16>(sum[i][j]);
    }
  }
}

}  // namespace

void register_tile(const Window& g, const bf16* x, const bf16* w, bf16* y, Stream stream) {
  const Index pixels = g.batch * g.out_h * g.out_w;
  const dim3 grid(static_cast<unsigned>(divide_up(pixels, side)), static_cast<unsigned>(divide_up(g.out_c, side)));
  TV_LAUNCH(outputs_of_thread, grid, dim3(threads, threads), stream, g, x, w, y, pixels,
            g.kernel_h * g.kernel_w * g.in_c);
}

}  // namespace ladder
}  // namespace tinyvision_kernels
