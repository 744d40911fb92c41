// Elementwise operations on maps: activations and their derivative, sums, scaling, copies of channels, zero padding,
// cropping, dropout.
//
//   y[r,c] (+)= f(a[r,c], b[r,c], r * channels + c)
//     activation  f = act(a)            its derivative  f = a where the output b says the input passed, else 0
//     add         f = act(a + b)        scale           f = alpha a          copy of channels  f = a
//     dropout     f = a / keep where uniform(seed, step, index) < keep, else 0
//   pad and crop: y[n,i,j,c] (+)= x[n, i + down, j + right, c], 0 outside x
// a, b, y [rows, channels] with a pitch each; concatenation copies the channels of each part to their place
// (tinyvision/reference/{elementwise,pad,dropout}.hpp are the specifications).
//
// Threads. One per V neighbouring channels of a pixel (16 bytes of them, or one where channels or pitches do not come
// in packs), neighbours next to each other; maps without gaps are taken as one long row.
//
// Repeatability. Every element is computed by itself, rounded as on the CPU: product and sum are not fused. Random
// numbers are functions of the element's index (support/philox.h).
#include "support/numbers.h"
#include "support/philox.h"

namespace tinyvision_kernels {
namespace {

template <class T>
constexpr int pack = 16 / static_cast<int>(sizeof(T));

template <class A>
struct Activate {
  Activation activation;
  __device__ A operator()(A a, A, Index) const { return activate(a, activation); }
};
template <class A>
struct Mask {
  Activation activation;
  __device__ A operator()(A a, A b, Index) const { return masked(a, b, activation); }
};
template <class A>
struct Add {
  Activation activation;
  __device__ A operator()(A a, A b, Index) const { return activate(a + b, activation); }
};
template <class A>
struct Scale {
  A alpha;
  __device__ A operator()(A a, A, Index) const { return alpha * a; }
};
template <class A>
struct Copy {
  __device__ A operator()(A a, A, Index) const { return a; }
};
template <class A>
struct Drop {
  std::uint64_t seed, step;
  const std::int64_t* step_base;
  A keep;
  __device__ A operator()(A a, A, Index index) const {
    const std::uint64_t now = step_base ? step + static_cast<std::uint64_t>(*step_base) : step;
    const double uniform = random_uniform(seed, RandomStream::dropout, now, static_cast<std::uint64_t>(index));
    return uniform < static_cast<double>(keep) ? a / keep : A(0);
  }
};

/// y (+)= f(a, b, index); b may be null. y may be a or b: a thread reads what it needs before it writes.
template <class T, int V, class F>
__global__ void __launch_bounds__(256) map_elements(Index rows, Index channels, const T* a, Index a_pitch, const T* b,
                                                    Index b_pitch, T* y, Index y_pitch, bool accumulate, F f) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = channels / V;
  if (i >= packs * rows) return;
  const Index row = i / packs, c = i % packs * V;
  const Pack<T, V> first = load_pack<T, V>(a + row * a_pitch + c);
  Pack<T, V> second = first, out = first;
  if (b) second = load_pack<T, V>(b + row * b_pitch + c);
  T* const target = y + row * y_pitch + c;
  if (accumulate) out = load_pack<T, V>(target);
  TV_UNROLL
  for (int v = 0; v < V; ++v) {
    const A value = f(to_compute(first.v[v]), to_compute(second.v[v]), row * channels + c + v);
    out.v[v] = from_compute<T>(accumulate ? to_compute(out.v[v]) + value : value);
  }
  store_pack(target, out);
}

template <class T, class F>
void map(Index rows, Index channels, const T* a, Index a_pitch, const T* b, Index b_pitch, T* y, Index y_pitch,
         bool accumulate, F f, Stream stream) {
  if (rows == 0 || channels == 0) return;
  if (!b) b_pitch = a_pitch;
  if (a_pitch == channels && b_pitch == channels && y_pitch == channels) {  // the index of an element stays the same
    a_pitch = b_pitch = y_pitch = channels = rows * channels;
    rows = 1;
  }
  if (packs_fit<T, pack<T>>(a, channels, a_pitch) && packs_fit<T, pack<T>>(b, channels, b_pitch) &&
      packs_fit<T, pack<T>>(y, channels, y_pitch)) {
    TV_LAUNCH((map_elements<T, pack<T>, F>), dim3(grid_of(rows * channels / pack<T>)), dim3(256), stream, rows,
              channels, a, a_pitch, b, b_pitch, y, y_pitch, accumulate, f);
  } else {
    TV_LAUNCH((map_elements<T, 1, F>), dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels, a, a_pitch, b,
              b_pitch, y, y_pitch, accumulate, f);
  }
}

/// A map [batch, h, w, channels] seen from (down, right) on.
struct Shift {
  Index batch, h, w, channels, down, right, out_h, out_w;
};

/// y[n,i,j,c] (+)= x[n, i + down, j + right, c], or 0 outside x.
template <class T, int V>
__global__ void __launch_bounds__(256)
    copy_shifted(Shift s, const T* x, Index x_pitch, T* y, Index y_pitch, bool accumulate) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x, packs = s.channels / V;
  if (i >= packs * s.batch * s.out_h * s.out_w) return;
  const Index c = i % packs * V, pixel = i / packs, line = pixel / s.out_w;
  const Index h = line % s.out_h + s.down, w = pixel % s.out_w + s.right, n = line / s.out_h;
  T* const target = y + pixel * y_pitch + c;
  Pack<T, V> out = {};
  if (h >= 0 && h < s.h && w >= 0 && w < s.w) {
    out = load_pack<T, V>(x + ((n * s.h + h) * s.w + w) * x_pitch + c);
    if (accumulate) {
      const Pack<T, V> before = load_pack<T, V>(target);
      TV_UNROLL
      for (int v = 0; v < V; ++v) out.v[v] = from_compute<T>(to_compute(before.v[v]) + to_compute(out.v[v]));
    }
  } else if (accumulate) {
    return;
  }
  store_pack(target, out);
}

template <class T>
void shifted(const Shift& s, const T* x, Index x_pitch, T* y, Index y_pitch, bool accumulate, Stream stream) {
  const Index elements = s.batch * s.out_h * s.out_w * s.channels;
  if (elements == 0) return;
  if (packs_fit<T, pack<T>>(x, s.channels, x_pitch) && packs_fit<T, pack<T>>(y, s.channels, y_pitch)) {
    TV_LAUNCH((copy_shifted<T, pack<T>>), dim3(grid_of(elements / pack<T>)), dim3(256), stream, s, x, x_pitch, y,
              y_pitch, accumulate);
  } else {
    TV_LAUNCH((copy_shifted<T, 1>), dim3(grid_of(elements)), dim3(256), stream, s, x, x_pitch, y, y_pitch, accumulate);
  }
}

}  // namespace

template <class T>
void activation_forward(Index rows, Index channels, const T* x, Index x_pitch, Activation activation, T* y,
                        Index y_pitch, Stream stream) {
  map<T>(rows, channels, x, x_pitch, nullptr, 0, y, y_pitch, false, Activate<Accumulator<T>>{activation}, stream);
}

template <class T>
void activation_backward(Index rows, Index channels, const T* dy, Index dy_pitch, const T* y, Index y_pitch,
                         Activation activation, T* dx, Index dx_pitch, bool accumulate, Stream stream) {
  map<T>(rows, channels, dy, dy_pitch, activation == Activation::none ? nullptr : y, y_pitch, dx, dx_pitch, accumulate,
         Mask<Accumulator<T>>{activation}, stream);
}

template <class T>
void add(Index rows, Index channels, const T* a, Index a_pitch, const T* b, Index b_pitch, Activation activation, T* y,
         Index y_pitch, Stream stream) {
  map<T>(rows, channels, a, a_pitch, b, b_pitch, y, y_pitch, false, Add<Accumulator<T>>{activation}, stream);
}

template <class T>
void scale(Index rows, Index channels, const T* x, Index x_pitch, Accumulator<T> alpha, T* y, Index y_pitch,
           bool accumulate, Stream stream) {
  map<T>(rows, channels, x, x_pitch, nullptr, 0, y, y_pitch, accumulate, Scale<Accumulator<T>>{alpha}, stream);
}

template <class T>
void copy_channels(Index rows, Index channels, const T* x, Index x_pitch, T* y, Index y_pitch, bool accumulate,
                   Stream stream) {
  map<T>(rows, channels, x, x_pitch, nullptr, 0, y, y_pitch, accumulate, Copy<Accumulator<T>>{}, stream);
}

template <class T>
void zero_pad(Index batch, Index h, Index w, Index channels, const T* x, Index x_pitch, Index top, Index bottom,
              Index left, Index right, T* y, Index y_pitch, bool accumulate, Stream stream) {
  shifted({batch, h, w, channels, -top, -left, top + h + bottom, left + w + right}, x, x_pitch, y, y_pitch, accumulate,
          stream);
}

template <class T>
void crop(Index batch, Index h, Index w, Index channels, const T* x, Index x_pitch, Index top, Index left, Index out_h,
          Index out_w, T* y, Index y_pitch, bool accumulate, Stream stream) {
  shifted({batch, h, w, channels, top, left, out_h, out_w}, x, x_pitch, y, y_pitch, accumulate, stream);
}

template <class T>
void dropout(Index rows, Index channels, std::uint64_t seed, std::uint64_t step, const std::int64_t* step_base,
             Accumulator<T> keep, const T* x, Index x_pitch, T* y, Index y_pitch, bool accumulate, Stream stream) {
  map<T>(rows, channels, x, x_pitch, nullptr, 0, y, y_pitch, accumulate,
         Drop<Accumulator<T>>{seed, step, step_base, keep}, stream);
}

#define TV_INSTANTIATE(T)                                                                                          \
  template void activation_forward(Index, Index, const T*, Index, Activation, T*, Index, Stream);                  \
  template void activation_backward(Index, Index, const T*, Index, const T*, Index, Activation, T*, Index, bool,   \
                                    Stream);                                                                       \
  template void add(Index, Index, const T*, Index, const T*, Index, Activation, T*, Index, Stream);                \
  template void scale(Index, Index, const T*, Index, Accumulator<T>, T*, Index, bool, Stream);                     \
  template void copy_channels(Index, Index, const T*, Index, T*, Index, bool, Stream);                             \
  template void zero_pad(Index, Index, Index, Index, const T*, Index, Index, Index, Index, Index, T*, Index, bool, \
                         Stream);                                                                                  \
  template void crop(Index, Index, Index, Index, const T*, Index, Index, Index, Index, Index, T*, Index, bool,     \
                     Stream);                                                                                      \
  template void dropout(Index, Index, std::uint64_t, std::uint64_t, const std::int64_t*, Accumulator<T>, const T*, \
                        Index, T*, Index, bool, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
