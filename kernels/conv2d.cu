// Convolution on NHWC maps in f32 and f64 as an implicit matrix product, without tensor cores.
//
//   y[n,i,j,o] = act(v * scale[o] + shift[o] + residual),  v = sum_{a,b,c} x[n, i s - top + a, j s - left + b, c] w[a,b,c,o]
//   dx[n,h,w,c] = sum_{a,b,o} dy[n, (h + top - a)/s, (w + left - b)/s, o] w[a,b,c,o] where the division is exact
//   dw[a,b,c,o] = sum_{n,i,j} x[n, i s - top + a, j s - left + b, c] dy[n,i,j,o]
// w [KH,KW,C,O]; positions outside the map are zero (tinyvision/reference/conv2d.hpp is the specification).
//
// All three are products C = A B of a gathered matrix with a plain one:
//               rows of C       columns    sum over            A(row, k)                   B(k, column)
//   forward     output pixels   o          k = (a, b, c)       x at the window's place     w
//   dx          input pixels    c          k = (a', b', o)     dy that tap (a, b) reaches  w[a,b,c,o], a = KH-1-a', b alike
//   dw          (a, b, c)       o          output pixels       x at the window's place     dy
// Threads: a block of 16 x 16 threads makes a 64 x 64 tile of C (support/tile_product.h).
//
// Repeatability: forward and dx are one chain of fused multiply-adds in ascending k, the bits of the CPU kernels; dw is
// summed in parts of the pixels, whose number depends on the shape alone, and the parts are added in order in double.
#include "support/tile_product.h"

namespace tinyvision_kernels {
namespace {

/// A of the forward product and, transposed, of dw.
template <class T>
struct WindowsOfInput {
  static constexpr bool down = false;
  Window g;
  const T* x;
  Index taps_and_channels() const { return g.kernel_h * g.kernel_w * g.in_c; }
  __device__ T at(Index pixel, Index k) const {
    const Index c = k % g.in_c, tap = k / g.in_c;
    const Index h = pixel / g.out_w % g.out_h * g.stride_h - g.pad_top + tap / g.kernel_w;
    const Index v = pixel % g.out_w * g.stride_w - g.pad_left + tap % g.kernel_w;
    if (h < 0 || h >= g.in_h || v < 0 || v >= g.in_w) return T(0);
    return x[((pixel / (g.out_w * g.out_h) * g.in_h + h) * g.in_w + v) * g.in_pitch + c];
  }
};

/// A of dx: taps in descending order, which is the ascending order of output positions.
template <class T>
struct ReachedGradients {
  static constexpr bool down = false;
  Window g;
  const T* dy;
  __device__ T at(Index pixel, Index k) const {
    const Index o = k % g.out_c, tap = g.kernel_h * g.kernel_w - 1 - k / g.out_c;
    const Index line = pixel / g.in_w % g.in_h + g.pad_top - tap / g.kernel_w;
    const Index column = pixel % g.in_w + g.pad_left - tap % g.kernel_w;
    if (line < 0 || column < 0 || line % g.stride_h != 0 || column % g.stride_w != 0) return T(0);
    const Index i = line / g.stride_h, j = column / g.stride_w;
    if (i >= g.out_h || j >= g.out_w) return T(0);
    return dy[((pixel / (g.in_w * g.in_h) * g.out_h + i) * g.out_w + j) * g.out_pitch + o];
  }
};

/// B of dx: k = (a', b', o) down, input channels across.
template <class T>
struct FlippedWeights {
  static constexpr bool down = true;
  Window g;
  const T* w;
  __device__ T at(Index k, Index c) const {
    const Index o = k % g.out_c, tap = g.kernel_h * g.kernel_w - 1 - k / g.out_c;
    return w[(tap * g.in_c + c) * g.out_c + o];
  }
};

/// partial[part] = A B over the part's share of k.
template <class T, class MatrixA, class MatrixB>
__global__ void __launch_bounds__(threads* threads, 1)
    product_in_parts(MatrixA a, MatrixB b, Index rows, Index columns, Index k, Index k_of_part, T* partial) {
  T sum[per_thread][per_thread] = {};
  const Index begin = static_cast<Index>(blockIdx.z) * k_of_part;
  multiply_tile<T>(a, b, rows, columns, begin, begin + k_of_part < k ? begin + k_of_part : k, sum);
  for_each_element(rows, columns, sum, [=](Index row, Index column, T& value) {
    partial[(static_cast<Index>(blockIdx.z) * rows + row) * columns + column] = value;
  });
}

template <class T>
__global__ void __launch_bounds__(256)
    sum_of_parts(Index count, Index parts, const T* partial, T* to, bool accumulate) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  double sum = accumulate ? static_cast<double>(to[i]) : 0.0;
  for (Index part = 0; part < parts; ++part) sum += static_cast<double>(partial[part * count + i]);
  to[i] = static_cast<T>(sum);
}

Index output_pixels(const Window& g) { return g.batch * g.out_h * g.out_w; }

/// Output pixels summed by one block of dw: at least 256, and at most 64 parts.
Index part_pixels(const Window& g) {
  const Index share = divide_up(output_pixels(g), 64);
  return divide_up(share > 256 ? share : 256, depth) * depth;
}
Index part_count(const Window& g) { return divide_up(output_pixels(g), part_pixels(g)); }

}  // namespace

template <class T>
void conv2d_forward(const Window& g, const T* x, const T* w, const Epilogue<T>& e, T* y, Stream stream) {
  const WindowsOfInput<T> a{g, x};
  const Plain<T> b{w, g.out_c};
  multiply<T>(a, b, output_pixels(g), g.out_c, a.taps_and_channels(), T(0), e, y, g.out_pitch, stream);
}

template <class T>
void conv2d_backward_input(const Window& g, const T* dy, const T* w, T* dx, bool accumulate, Stream stream) {
  const ReachedGradients<T> a{g, dy};
  const FlippedWeights<T> b{g, w};
  const Index pixels = g.batch * g.in_h * g.in_w;
  const Epilogue<T> nothing{nullptr, nullptr, nullptr, 0, Activation::none};
  multiply<T>(a, b, pixels, g.in_c, g.kernel_h * g.kernel_w * g.out_c, accumulate ? T(1) : T(0), nothing, dx,
              g.in_pitch, stream);
}

Index conv2d_workspace(const Window& g) { return part_count(g) * g.kernel_h * g.kernel_w * g.in_c * g.out_c; }

template <class T>
void conv2d_backward_weight(const Window& g, const T* x, const T* dy, T* dw, bool accumulate, T* workspace,
                            Stream stream) {
  const Transposed<T, WindowsOfInput<T>> a{{g, x}};
  const Plain<T> b{dy, g.out_pitch};
  const Index rows = a.matrix.taps_and_channels(), count = rows * g.out_c;
  TV_LAUNCH((product_in_parts<T, Transposed<T, WindowsOfInput<T>>, Plain<T>>), tiles(rows, g.out_c, part_count(g)),
            dim3(threads, threads), stream, a, b, rows, g.out_c, output_pixels(g), part_pixels(g), workspace);
  TV_LAUNCH(sum_of_parts<T>, dim3(grid_of(count)), dim3(256), stream, count, part_count(g), workspace, dw, accumulate);
}

#define TV_INSTANTIATE(T)                                                                          \
  template void conv2d_forward(const Window&, const T*, const T*, const Epilogue<T>&, T*, Stream); \
  template void conv2d_backward_input(const Window&, const T*, const T*, T*, bool, Stream);        \
  template void conv2d_backward_weight(const Window&, const T*, const T*, T*, bool, T*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
