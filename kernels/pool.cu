// Pooling on NHWC maps: maximum and average of sliding windows, the average of whole maps, and their derivatives.
//
//   maximum:  y[n,i,j,c] = max x over the window's pixels inside the map, argmax its first position in window order
//             dx[n,h,w,c] = sum of dy over the windows whose argmax is (h, w)
//   average:  y[n,i,j,c] = sum x over the window's pixels inside the map / their number v(i,j)
//             dx[n,h,w,c] = sum over the windows that contain (h, w) of dy[n,i,j,c] / v(i,j)
//   global:   y[n,c] = sum_p x[n,p,c] / pixels,  dx[n,p,c] = dy[n,c] / pixels
// x [N,H,W,C], y [N,H',W',C] with a pitch each, argmax [N,H',W',C] packed; window (i,j) begins at row i s - top, column
// j s - left (tinyvision/reference/pool.hpp is the specification).
//
// Threads. One thread makes V neighbouring channels (16 bytes of them, or one where channels or pitches do not come in
// packs) of one output pixel, or, backward, of one input pixel, for which it gathers from the windows that contain it.
// Global average: a block has 32 x 8 threads for 32 channels of an image; pixels y, y + 8, ... belong to thread y.
//
// Repeatability. Windows are read in the order of their positions and gradients are added in ascending order of the
// output pixel, as on the CPU; nothing is added atomically. The eight sums of a global average are added in order.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

constexpr int lanes = 32, stripes = 8;

template <class T>
constexpr int pack = 16 / static_cast<int>(sizeof(T));

/// Rows or columns from begin on, before end; a side of a map fits an int, and int keeps registers free.
struct Range {
  int begin, end;
};

/// Rows (or columns) of the map that window `i` covers.
__device__ Range covered(Index i, Index stride, Index pad, Index kernel, Index size) {
  const int first = static_cast<int>(i * stride - pad), last = first + static_cast<int>(kernel);
  const int limit = static_cast<int>(size);
  return {first > 0 ? first : 0, last < limit ? last : limit};
}

/// Windows that cover row (or column) `at` of the map.
__device__ Range covering(Index at, Index stride, Index pad, Index kernel, Index windows) {
  const int from_first = static_cast<int>(at + pad), step = static_cast<int>(stride), size = static_cast<int>(kernel);
  const int end = from_first / step + 1, limit = static_cast<int>(windows);
  return {from_first < size ? 0 : (from_first - size) / step + 1, end < limit ? end : limit};
}

/// What a thread works on: V channels from c on of pixel (n, h, w), the `pixel`-th of the map.
struct Place {
  Index c, pixel, n;
  int w, h;
};
__device__ Place place_of(Index i, Index packs, int v, Index map_h, Index map_w) {
  const Index pixel = i / packs, line = pixel / map_w, n = line / map_h;  // remainders without further divisions
  return {(i - pixel * packs) * v, pixel, n, static_cast<int>(pixel - line * map_w),
          static_cast<int>(line - n * map_h)};
}

/// The sums a gradient begins with.
template <class T, int V>
__device__ void start(Accumulator<T> (&sum)[V], const T* dx, bool accumulate) {
  if (!accumulate) return;
  const Pack<T, V> before = load_pack<T, V>(dx);
  TV_UNROLL
  for (int v = 0; v < V; ++v) sum[v] = to_compute(before.v[v]);
}
template <class T, int V>
__device__ void store(T* to, const Accumulator<T> (&value)[V]) {
  Pack<T, V> out;
  TV_UNROLL
  for (int v = 0; v < V; ++v) out.v[v] = from_compute<T>(value[v]);
  store_pack(to, out);
}

template <class T, int V>
__global__ void __launch_bounds__(256) max_forward(Window g, const T* x, T* y, std::uint8_t* argmax) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = g.out_c / V;
  if (i >= packs * g.batch * g.out_h * g.out_w) return;
  const Place to = place_of(i, packs, V, g.out_h, g.out_w);
  const Range rows = covered(to.h, g.stride_h, g.pad_top, g.kernel_h, g.in_h);
  const Range columns = covered(to.w, g.stride_w, g.pad_left, g.kernel_w, g.in_w);
  const Index top = to.h * g.stride_h - g.pad_top, left = to.w * g.stride_w - g.pad_left;
  A best[V];
  int where[V];
  TV_UNROLL
  for (int v = 0; v < V; ++v) best[v] = -A(INFINITY), where[v] = -1;
  for (int h = rows.begin; h < rows.end; ++h)
    for (int w = columns.begin; w < columns.end; ++w) {
      const Pack<T, V> in = load_pack<T, V>(x + ((to.n * g.in_h + h) * g.in_w + w) * g.in_pitch + to.c);
      const int offset = static_cast<int>((h - top) * g.kernel_w + (w - left));
      TV_UNROLL
      for (int v = 0; v < V; ++v) {
        const A value = to_compute(in.v[v]);
        const bool better = value > best[v] || (value != value && best[v] == best[v]);
        if (where[v] < 0 || better) best[v] = value, where[v] = offset;
      }
    }
  store<T, V>(y + to.pixel * g.out_pitch + to.c, best);
  if (!argmax) return;
  Pack<std::uint8_t, V> winner;
  TV_UNROLL
  for (int v = 0; v < V; ++v) winner.v[v] = static_cast<std::uint8_t>(where[v] < 0 ? 0 : where[v]);
  store_pack(argmax + to.pixel * g.out_c + to.c, winner);
}

template <class T, int V>
__global__ void __launch_bounds__(256)
    max_backward(Window g, const T* dy, const std::uint8_t* argmax, T* dx, bool accumulate) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = g.in_c / V;
  if (i >= packs * g.batch * g.in_h * g.in_w) return;
  const Place to = place_of(i, packs, V, g.in_h, g.in_w);
  const Range rows = covering(to.h, g.stride_h, g.pad_top, g.kernel_h, g.out_h);
  const Range columns = covering(to.w, g.stride_w, g.pad_left, g.kernel_w, g.out_w);
  T* const target = dx + to.pixel * g.in_pitch + to.c;
  Accumulator<T> sum[V] = {};
  start<T, V>(sum, target, accumulate);
  for (int oh = rows.begin; oh < rows.end; ++oh)
    for (int ow = columns.begin; ow < columns.end; ++ow) {
      const Index from = (to.n * g.out_h + oh) * g.out_w + ow;
      const Index a = to.h + g.pad_top - oh * g.stride_h, b = to.w + g.pad_left - ow * g.stride_w;
      const int offset = static_cast<int>(a * g.kernel_w + b);
      const Pack<std::uint8_t, V> winner = load_pack<std::uint8_t, V>(argmax + from * g.out_c + to.c);
      const Pack<T, V> gradient = load_pack<T, V>(dy + from * g.out_pitch + to.c);
      TV_UNROLL
      for (int v = 0; v < V; ++v)
        if (winner.v[v] == offset) sum[v] += to_compute(gradient.v[v]);
    }
  store<T, V>(target, sum);
}

template <class T, int V>
__global__ void __launch_bounds__(256) average_forward(Window g, const T* x, T* y) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = g.out_c / V;
  if (i >= packs * g.batch * g.out_h * g.out_w) return;
  const Place to = place_of(i, packs, V, g.out_h, g.out_w);
  const Range rows = covered(to.h, g.stride_h, g.pad_top, g.kernel_h, g.in_h);
  const Range columns = covered(to.w, g.stride_w, g.pad_left, g.kernel_w, g.in_w);
  A sum[V] = {};
  for (int h = rows.begin; h < rows.end; ++h)
    for (int w = columns.begin; w < columns.end; ++w) {
      const Pack<T, V> in = load_pack<T, V>(x + ((to.n * g.in_h + h) * g.in_w + w) * g.in_pitch + to.c);
      TV_UNROLL
      for (int v = 0; v < V; ++v) sum[v] += to_compute(in.v[v]);
    }
  if (rows.begin < rows.end && columns.begin < columns.end) {  // else no pixel, and 0
    const A count = static_cast<A>((rows.end - rows.begin) * (columns.end - columns.begin));
    TV_UNROLL
    for (int v = 0; v < V; ++v) sum[v] /= count;
  }
  store<T, V>(y + to.pixel * g.out_pitch + to.c, sum);
}

template <class T, int V>
__global__ void __launch_bounds__(256) average_backward(Window g, const T* dy, T* dx, bool accumulate) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = g.in_c / V;
  if (i >= packs * g.batch * g.in_h * g.in_w) return;
  const Place to = place_of(i, packs, V, g.in_h, g.in_w);
  const Range rows = covering(to.h, g.stride_h, g.pad_top, g.kernel_h, g.out_h);
  const Range columns = covering(to.w, g.stride_w, g.pad_left, g.kernel_w, g.out_w);
  T* const target = dx + to.pixel * g.in_pitch + to.c;
  A sum[V] = {};
  start<T, V>(sum, target, accumulate);
  const T* line = dy + (to.n * g.out_h + rows.begin) * g.out_w * g.out_pitch + to.c;
  for (int oh = rows.begin; oh < rows.end; ++oh, line += g.out_w * g.out_pitch) {
    const Range high = covered(oh, g.stride_h, g.pad_top, g.kernel_h, g.in_h);
    for (int ow = columns.begin; ow < columns.end; ++ow) {
      const Range wide = covered(ow, g.stride_w, g.pad_left, g.kernel_w, g.in_w);
      const A count = static_cast<A>((high.end - high.begin) * (wide.end - wide.begin));
      const Pack<T, V> gradient = load_pack<T, V>(line + ow * g.out_pitch);
      TV_UNROLL
      for (int v = 0; v < V; ++v) sum[v] += to_compute(gradient.v[v]) / count;
    }
  }
  store<T, V>(target, sum);
}

template <class T>
__global__ void __launch_bounds__(lanes* stripes, 1)
    global_forward(Index pixels, Index channels, const T* x, Index pitch, T* y) {
  using A = Accumulator<T>;
  const int lane = static_cast<int>(threadIdx.x), first = static_cast<int>(threadIdx.y);
  const Index n = blockIdx.x, c = static_cast<Index>(blockIdx.y) * lanes + lane;
  A sum = 0;
  if (c < channels)
    for (Index p = first; p < pixels; p += stripes) sum += to_compute(x[(n * pixels + p) * pitch + c]);
  TV_SHARED(A, sums, lanes * stripes);
  sums[first * lanes + lane] = sum;
  __syncthreads();
  if (first != 0 || c >= channels) return;
  for (int stripe = 1; stripe < stripes; ++stripe) sum += sums[stripe * lanes + lane];
  y[n * channels + c] = from_compute<T>(sum / static_cast<A>(pixels));
}

template <class T, int V>
__global__ void __launch_bounds__(256)
    global_backward(Index batch, Index pixels, Index channels, const T* dy, T* dx, Index pitch, bool accumulate) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = channels / V;
  if (i >= packs * batch * pixels) return;
  const Index row = i / packs, c = i % packs * V;
  T* const target = dx + row * pitch + c;
  const Pack<T, V> gradient = load_pack<T, V>(dy + row / pixels * channels + c);
  A sum[V] = {};
  start<T, V>(sum, target, accumulate);
  TV_UNROLL
  for (int v = 0; v < V; ++v) sum[v] += to_compute(gradient.v[v]) / static_cast<A>(pixels);
  store<T, V>(target, sum);
}

/// Whether both maps can be read as packs.
template <class T>
bool maps_fit(const Window& g, const T* in, const T* out) {
  return packs_fit<T, pack<T>>(in, g.in_c, g.in_pitch) && packs_fit<T, pack<T>>(out, g.out_c, g.out_pitch);
}

}  // namespace

template <class T>
void max_pool_forward(const Window& g, const T* x, T* y, std::uint8_t* argmax, Stream stream) {
  const Index elements = g.batch * g.out_h * g.out_w * g.out_c;
  if (maps_fit(g, x, y) && packs_fit<std::uint8_t, pack<T>>(argmax, g.out_c, g.out_c)) {
    TV_LAUNCH((max_forward<T, pack<T>>), dim3(grid_of(elements / pack<T>)), dim3(256), stream, g, x, y, argmax);
  } else {
    TV_LAUNCH((max_forward<T, 1>), dim3(grid_of(elements)), dim3(256), stream, g, x, y, argmax);
  }
}

template <class T>
void max_pool_backward(const Window& g, const T* dy, const std::uint8_t* argmax, T* dx, bool accumulate,
                       Stream stream) {
  const Index elements = g.batch * g.in_h * g.in_w * g.in_c;
  if (maps_fit<T>(g, dx, dy) && packs_fit<std::uint8_t, pack<T>>(argmax, g.out_c, g.out_c)) {
    TV_LAUNCH((max_backward<T, pack<T>>), dim3(grid_of(elements / pack<T>)), dim3(256), stream, g, dy, argmax, dx,
              accumulate);
  } else {
    TV_LAUNCH((max_backward<T, 1>), dim3(grid_of(elements)), dim3(256), stream, g, dy, argmax, dx, accumulate);
  }
}

template <class T>
void average_pool_forward(const Window& g, const T* x, T* y, Stream stream) {
  const Index elements = g.batch * g.out_h * g.out_w * g.out_c;
  if (maps_fit<T>(g, x, y)) {
    TV_LAUNCH((average_forward<T, pack<T>>), dim3(grid_of(elements / pack<T>)), dim3(256), stream, g, x, y);
  } else {
    TV_LAUNCH((average_forward<T, 1>), dim3(grid_of(elements)), dim3(256), stream, g, x, y);
  }
}

template <class T>
void average_pool_backward(const Window& g, const T* dy, T* dx, bool accumulate, Stream stream) {
  const Index elements = g.batch * g.in_h * g.in_w * g.in_c;
  if (maps_fit<T>(g, dx, dy)) {
    TV_LAUNCH((average_backward<T, pack<T>>), dim3(grid_of(elements / pack<T>)), dim3(256), stream, g, dy, dx,
              accumulate);
  } else {
    TV_LAUNCH((average_backward<T, 1>), dim3(grid_of(elements)), dim3(256), stream, g, dy, dx, accumulate);
  }
}

template <class T>
void global_average_pool_forward(Index batch, Index pixels, Index channels, const T* x, Index pitch, T* y,
                                 Stream stream) {
  const dim3 grid(static_cast<unsigned>(batch), static_cast<unsigned>(divide_up(channels, lanes)));
  TV_LAUNCH(global_forward<T>, grid, dim3(lanes, stripes), stream, pixels, channels, x, pitch, y);
}

template <class T>
void global_average_pool_backward(Index batch, Index pixels, Index channels, const T* dy, T* dx, Index pitch,
                                  bool accumulate, Stream stream) {
  const Index elements = batch * pixels * channels;
  if (packs_fit<T, pack<T>>(dx, channels, pitch) && packs_fit<T, pack<T>>(dy, channels, channels)) {
    TV_LAUNCH((global_backward<T, pack<T>>), dim3(grid_of(elements / pack<T>)), dim3(256), stream, batch, pixels,
              channels, dy, dx, pitch, accumulate);
  } else {
    TV_LAUNCH((global_backward<T, 1>), dim3(grid_of(elements)), dim3(256), stream, batch, pixels, channels, dy, dx,
              pitch, accumulate);
  }
}

#define TV_INSTANTIATE(T)                                                                          \
  template void max_pool_forward(const Window&, const T*, T*, std::uint8_t*, Stream);              \
  template void max_pool_backward(const Window&, const T*, const std::uint8_t*, T*, bool, Stream); \
  template void average_pool_forward(const Window&, const T*, T*, Stream);                         \
  template void average_pool_backward(const Window&, const T*, T*, bool, Stream);                  \
  template void global_average_pool_forward(Index, Index, Index, const T*, Index, T*, Stream);     \
  template void global_average_pool_backward(Index, Index, Index, const T*, T*, Index, bool, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
