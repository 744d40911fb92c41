// Depthwise convolution on NHWC maps: one filter per output channel.
//
//   y[n,i,j,c M + m] = act(v * scale + shift + residual),  v = sum_{a,b} x[n, i s - top + a, j s - left + b, c] w[a,b,c,m]
//   dx[n,h,w,c] = sum_{a,b,m} dy[n, (h + top - a)/s, (w + left - b)/s, c M + m] w[a,b,c,m] where the division is exact
//   dw[a,b,c,m] = sum_{n,i,j} x[n, i s - top + a, j s - left + b, c] dy[n,i,j,c M + m]
// x [N,H,W,C], w [KH,KW,C,M], y [N,H',W',C M]; positions outside the map are zero
// (tinyvision/reference/depthwise_conv2d.hpp is the specification).
//
// Threads. Forward: one thread makes 4 neighbouring output pixels of V channels (16 bytes of them), so that an input
// vector serves every window in the row that holds it; other kernel sizes and channels that do not come in packs take one
// pixel and one channel. Input gradient: one thread per input pixel and V channels, gathering. Weight gradient: a block of
// 32 x 8 threads adds up one tap of 32 channels over a part of the output pixels; one thread per weight adds the parts.
//
// The work is bytes: 80 % of copy bandwidth is the aim. Repeatability: sums run in the order (a, b), input gradients in
// ascending order of the output position, as on the CPU and with the same bits; weight gradients in parts whose number
// depends on the shape alone, added in order in double.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

/// Forward with windows KW wide and horizontal stride S: `tile` outputs of V channels per thread.
template <class T, int V, int KW, int S, int tile>
__global__ void __launch_bounds__(256, 1)
    forward_rows(Window g, const T* x, const Accumulator<T>* w, Epilogue<T> e, T* y, Index groups) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index packs = g.in_c / V;
  if (i >= packs * groups * g.out_h * g.batch) return;
  const Index c = i % packs * V, first = i / packs % groups * tile;
  const Index row = i / (packs * groups), oh = row % g.out_h, n = row / g.out_h;
  A sum[tile][V] = {};
  for (Index a = 0; a < g.kernel_h; ++a) {
    const Index h = oh * g.stride_h - g.pad_top + a;
    if (h < 0 || h >= g.in_h) continue;
    const T* const line = x + (n * g.in_h + h) * g.in_w * g.in_pitch + c;
    Pack<A, V> weight[KW];
    TV_UNROLL
    for (int b = 0; b < KW; ++b) TV_UNROLL
    for (int v = 0; v < V; ++v) weight[b].v[v] = w[(a * KW + b) * g.out_c + c + v];
    TV_UNROLL
    for (int column = 0; column < (tile - 1) * S + KW; ++column) {
      const Index position = first * S - g.pad_left + column;
      if (position < 0 || position >= g.in_w) continue;
      const Pack<T, V> in = load_pack<T, V>(line + position * g.in_pitch);
      TV_UNROLL
      for (int t = 0; t < tile; ++t) {
        const int b = column - t * S;
        if (b < 0 || b >= KW) continue;
        TV_UNROLL
        for (int v = 0; v < V; ++v) sum[t][v] = fma(A(to_compute(in.v[v])), weight[b].v[v], sum[t][v]);
      }
    }
  }
  TV_UNROLL
  for (int t = 0; t < tile; ++t) {
    if (first + t >= g.out_w) break;
    const Index pixel = row * g.out_w + first + t;
    Pack<T, V> out;
    TV_UNROLL
    for (int v = 0; v < V; ++v) out.v[v] = finish(sum[t][v], e, pixel, c + v);
    store_pack(y + pixel * g.out_pitch + c, out);
  }
}

/// Forward for any kernel, stride and multiplier: one output element per thread.
template <class T>
__global__ void __launch_bounds__(256, 1)
    forward_elements(Window g, const T* x, const Accumulator<T>* w, Epilogue<T> e, T* y) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= g.batch * g.out_h * g.out_w * g.out_c) return;
  const Index o = i % g.out_c, pixel = i / g.out_c, c = o / (g.out_c / g.in_c);
  const Index ow = pixel % g.out_w, oh = pixel / g.out_w % g.out_h, n = pixel / (g.out_w * g.out_h);
  A sum = 0;
  for (Index a = 0; a < g.kernel_h; ++a)
    for (Index b = 0; b < g.kernel_w; ++b) {
      const Index h = oh * g.stride_h - g.pad_top + a, v = ow * g.stride_w - g.pad_left + b;
      if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) continue;
      sum = fma(A(to_compute(x[((n * g.in_h + h) * g.in_w + v) * g.in_pitch + c])),
                w[(a * g.kernel_w + b) * g.out_c + o], sum);
    }
  y[pixel * g.out_pitch + o] = finish(sum, e, pixel, o);
}

template <class T, int V>
__global__ void __launch_bounds__(256, 1)
    gradient_of_input(Window g, const T* dy, const Accumulator<T>* w, T* dx, bool accumulate) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Index packs = g.in_c / V, multiplier = g.out_c / g.in_c;
  if (i >= packs * g.batch * g.in_h * g.in_w) return;
  const Index c = i % packs * V, pixel = i / packs;
  const Index column = pixel % g.in_w + g.pad_left, line = pixel / g.in_w % g.in_h + g.pad_top;
  const Index n = pixel / (g.in_w * g.in_h);
  T* const target = dx + pixel * g.in_pitch + c;
  Pack<T, V> out;
  A sum[V] = {};
  if (accumulate) {
    out = load_pack<T, V>(target);
    TV_UNROLL
    for (int v = 0; v < V; ++v) sum[v] = to_compute(out.v[v]);
  }
  for (Index a = g.kernel_h - 1; a >= 0; --a) {
    if (line < a || (line - a) % g.stride_h != 0 || (line - a) / g.stride_h >= g.out_h) continue;
    const Index oh = (line - a) / g.stride_h;
    for (Index b = g.kernel_w - 1; b >= 0; --b) {
      if (column < b || (column - b) % g.stride_w != 0 || (column - b) / g.stride_w >= g.out_w) continue;
      const Index from = ((n * g.out_h + oh) * g.out_w + (column - b) / g.stride_w) * g.out_pitch;
      const A* const weight = w + (a * g.kernel_w + b) * g.out_c;
      if (V > 1) {  // the multiplier is 1
        const Pack<T, V> gradient = load_pack<T, V>(dy + from + c);
        TV_UNROLL
        for (int v = 0; v < V; ++v) sum[v] = fma(A(to_compute(gradient.v[v])), weight[c + v], sum[v]);
      } else {
        for (Index o = c * multiplier; o < (c + 1) * multiplier; ++o)
          sum[0] = fma(A(to_compute(dy[from + o])), weight[o], sum[0]);
      }
    }
  }
  TV_UNROLL
  for (int v = 0; v < V; ++v) out.v[v] = from_compute<T>(sum[v]);
  store_pack(target, out);
}

constexpr int lanes = 32, stripes = 8;

/// Output pixels a block adds up, and the number of such parts: enough blocks to fill a card, few enough to add up.
Index part_pixels(const Window& g) {
  const Index pixels = g.batch * g.out_h * g.out_w, share = divide_up(pixels, 128);
  return share > 128 ? share : 128;
}
Index part_count(const Window& g) { return divide_up(g.batch * g.out_h * g.out_w, part_pixels(g)); }

/// partial[part][tap][o] for tap blockIdx.z.
template <class T>
__global__ void __launch_bounds__(lanes* stripes, 1)
    gradient_of_weights_in_parts(Window g, const T* x, const T* dy, Index pixels_of_part, Accumulator<T>* partial) {
  using A = Accumulator<T>;
  const Index o = static_cast<Index>(blockIdx.x) * lanes + threadIdx.x, c = o / (g.out_c / g.in_c);
  const Index a = static_cast<Index>(blockIdx.z) / g.kernel_w, b = static_cast<Index>(blockIdx.z) % g.kernel_w;
  const Index pixels = g.batch * g.out_h * g.out_w, begin = static_cast<Index>(blockIdx.y) * pixels_of_part;
  const Index end = begin + pixels_of_part < pixels ? begin + pixels_of_part : pixels;
  A sum = 0;
  if (o < g.out_c)
    for (Index p = begin + threadIdx.y; p < end; p += stripes) {
      const Index h = p / g.out_w % g.out_h * g.stride_h - g.pad_top + a, v = p % g.out_w * g.stride_w - g.pad_left + b;
      if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) continue;
      const Index from = ((p / (g.out_w * g.out_h) * g.in_h + h) * g.in_w + v) * g.in_pitch + c;
      sum = fma(A(to_compute(x[from])), A(to_compute(dy[p * g.out_pitch + o])), sum);
    }
  TV_SHARED(A, sums, lanes * stripes);
  sums[threadIdx.y * lanes + threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || o >= g.out_c) return;
  for (int stripe = 1; stripe < stripes; ++stripe) sum += sums[stripe * lanes + threadIdx.x];
  partial[(static_cast<Index>(blockIdx.y) * g.kernel_h * g.kernel_w + blockIdx.z) * g.out_c + o] = sum;
}

template <class A>
__global__ void __launch_bounds__(256, 1)
    gradient_of_weights(Index weights, Index parts, const A* partial, A* dw, bool accumulate) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= weights) return;
  double sum = accumulate ? static_cast<double>(dw[i]) : 0.0;
  for (Index part = 0; part < parts; ++part) sum += static_cast<double>(partial[part * weights + i]);
  dw[i] = static_cast<A>(sum);
}

template <class T, int KW, int S>
void launch_rows(const Window& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& e, T* y, Stream stream) {
  constexpr int V = 16 / static_cast<int>(sizeof(T)), tile = 4;
  const Index groups = divide_up(g.out_w, tile);
  TV_LAUNCH((forward_rows<T, V, KW, S, tile>), dim3(grid_of(g.in_c / V * groups * g.out_h * g.batch)), dim3(256),
            stream, g, x, w, e, y, groups);
}

}  // namespace

template <class T>
void depthwise_forward(const Window& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& e, T* y,
                       Stream stream) {
  constexpr int V = 16 / static_cast<int>(sizeof(T));
  const bool packs =
      g.in_c == g.out_c && packs_fit<T, V>(x, g.in_c, g.in_pitch) && packs_fit<T, V>(y, g.out_c, g.out_pitch);
  if (packs && g.kernel_w == 3 && g.stride_w == 1) return launch_rows<T, 3, 1>(g, x, w, e, y, stream);
  if (packs && g.kernel_w == 3 && g.stride_w == 2) return launch_rows<T, 3, 2>(g, x, w, e, y, stream);
  if (packs && g.kernel_w == 5 && g.stride_w == 1) return launch_rows<T, 5, 1>(g, x, w, e, y, stream);
  if (packs && g.kernel_w == 5 && g.stride_w == 2) return launch_rows<T, 5, 2>(g, x, w, e, y, stream);
  if (packs && g.kernel_w == 7 && g.stride_w == 1) return launch_rows<T, 7, 1>(g, x, w, e, y, stream);
  if (packs && g.kernel_w == 7 && g.stride_w == 2) return launch_rows<T, 7, 2>(g, x, w, e, y, stream);
  TV_LAUNCH(forward_elements<T>, dim3(grid_of(g.batch * g.out_h * g.out_w * g.out_c)), dim3(256), stream, g, x, w, e,
            y);
}

template <class T>
void depthwise_backward_input(const Window& g, const T* dy, const Accumulator<T>* w, T* dx, bool accumulate,
                              Stream stream) {
  constexpr int V = 16 / static_cast<int>(sizeof(T));
  const Index elements = g.batch * g.in_h * g.in_w * g.in_c;
  if (g.in_c == g.out_c && packs_fit<T, V>(dx, g.in_c, g.in_pitch) && packs_fit<T, V>(dy, g.out_c, g.out_pitch)) {
    TV_LAUNCH((gradient_of_input<T, V>), dim3(grid_of(elements / V)), dim3(256), stream, g, dy, w, dx, accumulate);
  } else {
    TV_LAUNCH((gradient_of_input<T, 1>), dim3(grid_of(elements)), dim3(256), stream, g, dy, w, dx, accumulate);
  }
}

Index depthwise_workspace(const Window& g) { return part_count(g) * g.kernel_h * g.kernel_w * g.out_c; }

template <class T>
void depthwise_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                               Accumulator<T>* workspace, Stream stream) {
  const Index taps = g.kernel_h * g.kernel_w, parts = part_count(g), pixels = part_pixels(g);
  const dim3 grid(static_cast<unsigned>(divide_up(g.out_c, lanes)), static_cast<unsigned>(parts),
                  static_cast<unsigned>(taps));
  TV_LAUNCH(gradient_of_weights_in_parts<T>, grid, dim3(lanes, stripes), stream, g, x, dy, pixels, workspace);
  TV_LAUNCH(gradient_of_weights<Accumulator<T>>, dim3(grid_of(taps * g.out_c)), dim3(256), stream, taps * g.out_c,
            parts, workspace, dw, accumulate);
}

#define TV_INSTANTIATE(T)                                                                                            \
  template void depthwise_forward(const Window&, const T*, const Accumulator<T>*, const Epilogue<T>&, T*, Stream);   \
  template void depthwise_backward_input(const Window&, const T*, const Accumulator<T>*, T*, bool, Stream);          \
  template void depthwise_backward_weight(const Window&, const T*, const T*, Accumulator<T>*, bool, Accumulator<T>*, \
                                          Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
