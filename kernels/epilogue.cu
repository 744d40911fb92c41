// The end of a convolution as an operation of its own.
//
//   y[r,c] = act(y[r,c] * scale[c] + shift[c] + residual[r,c])
// y, residual [rows, channels] with a pitch each; scale and shift in Accumulator<T>; terms may be missing. Rounded as the
// convolutions of this folder round theirs.
//
// Threads. One per V neighbouring channels of a pixel (16 bytes of them, or one where channels or pitches do not come in
// packs), neighbours next to each other.
//
// Repeatability. Every element is computed by itself.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

template <class T, int V>
__global__ void __launch_bounds__(256) finish_elements(Index rows, Index channels, Epilogue<T> e, T* y, Index y_pitch) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = channels / V;
  if (i >= packs * rows) return;
  const Index row = i / packs, c = i % packs * V;
  T* const place = y + row * y_pitch + c;
  Pack<T, V> pack = load_pack<T, V>(place);
  TV_UNROLL
  for (int v = 0; v < V; ++v) pack.v[v] = finish<T>(to_compute(pack.v[v]), e, row, c + v);
  store_pack(place, pack);
}

}  // namespace

template <class T>
void apply_epilogue(Index rows, Index channels, const Epilogue<T>& epilogue, T* y, Index y_pitch, Stream stream) {
  if (rows == 0 || channels == 0) return;
  constexpr int pack = 16 / static_cast<int>(sizeof(T));
  if (packs_fit<T, pack>(y, channels, y_pitch)) {
    TV_LAUNCH((finish_elements<T, pack>), dim3(grid_of(rows * channels / pack)), dim3(256), stream, rows, channels,
              epilogue, y, y_pitch);
  } else {
    TV_LAUNCH((finish_elements<T, 1>), dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels, epilogue, y,
              y_pitch);
  }
}

template void apply_epilogue(Index, Index, const Epilogue<float>&, float*, Index, Stream);
template void apply_epilogue(Index, Index, const Epilogue<bf16>&, bf16*, Index, Stream);

}  // namespace tinyvision_kernels
