// Batch normalisation on NHWC maps: statistics, application and both passes of the derivative.
//
//   mean = sum x / R,  variance = sum (x - mean)^2 / R over the R rows (pixels) of a channel
//   z = act((x - mean) * scale + shift + residual)
//   D = sum dy,  P = sum dy * xhat,  xhat = (x - mean) * inv_std,  dy = dz * act'(z)
//   dx = gamma * inv_std * (dy - D/R - xhat * P/R);  with statistics that are constants, gamma * inv_std * dy
// (Ioffe & Szegedy, ICML 2015; tinyvision/reference/batch_norm.hpp is the specification.)
//
// Threads. Sums: a block has 32 x 8 threads; lane x is a channel, so that 32 lanes read 32 neighbours, and rows y,
// y + 8, ... of the block's part of the rows belong to thread y. One thread per channel then adds up the parts.
// Application: one thread per element, neighbours in a row of the map next to each other. What is kept per channel: one
// thread per channel, in double.
//
// Repeatability. How rows are cut depends on their number alone; the threads of a block are added in order, and so are the
// parts, in double. Statistics are taken of deviations from the part's first row and parts are combined by Chan, Golub &
// LeVeque (1979), as in tinyvision/cpu/batch_norm.hpp; sums over pixels are kept in double, beside bf16 in float.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

constexpr int lanes = 32, stripes = 8;
constexpr Index least_rows = 256, most_parts = 512;

/// Rows a block adds up.
Index part_rows(Index rows) {
  const Index share = divide_up(rows, most_parts);
  return share > least_rows ? share : least_rows;
}
unsigned part_count(Index rows) { return static_cast<unsigned>(divide_up(rows, part_rows(rows))); }

/// Adds the stripes of two sums, in order; the results are those of the threads with threadIdx.y == 0.
template <class A>
__device__ void add_stripes(A& first, A& second) {
  TV_SHARED(A, firsts, lanes * stripes);
  TV_SHARED(A, seconds, lanes * stripes);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  firsts[y * lanes + x] = first;
  seconds[y * lanes + x] = second;
  __syncthreads();
  if (y != 0) return;
  for (int stripe = 1; stripe < stripes; ++stripe) {
    first += firsts[stripe * lanes + x];
    second += seconds[stripe * lanes + x];
  }
}

/// partial[part][channel] = {sum d, sum d^2} with d = x - x of the part's first row.
template <class T>
__global__ void __launch_bounds__(lanes* stripes, 1)
    statistics_of_parts(Index rows, Index channels, Index rows_of_part, const T* x, Index pitch, PixelSum<T>* partial) {
  using S = PixelSum<T>;
  const Index channel = static_cast<Index>(blockIdx.x) * lanes + threadIdx.x;
  const Index begin = static_cast<Index>(blockIdx.y) * rows_of_part;
  const Index end = begin + rows_of_part < rows ? begin + rows_of_part : rows;
  S sum = 0, squares = 0;
  if (channel < channels) {
    const S pivot = to_compute(x[begin * pitch + channel]);
    for (Index r = begin + threadIdx.y; r < end; r += stripes) {
      const S d = static_cast<S>(to_compute(x[r * pitch + channel])) - pivot;
      sum += d;
      squares += d * d;
    }
  }
  add_stripes(sum, squares);
  if (threadIdx.y != 0 || channel >= channels) return;
  S* const to = partial + 2 * (static_cast<Index>(blockIdx.y) * channels + channel);
  to[0] = sum;
  to[1] = squares;
}

template <class T>
__global__ void __launch_bounds__(256)
    statistics_of_all(Index rows, Index channels, Index rows_of_part, Index parts, const T* x, Index pitch,
                      const PixelSum<T>* partial, Accumulator<T>* mean, Accumulator<T>* variance) {
  const Index channel = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  double center = 0, squares = 0, before = 0;
  for (Index part = 0; part < parts; ++part) {
    const Index begin = part * rows_of_part;
    const double count = static_cast<double>((begin + rows_of_part < rows ? begin + rows_of_part : rows) - begin);
    const double after = before + count, share = count / after;
    const double sum = static_cast<double>(partial[2 * (part * channels + channel)]);
    const double offset = sum / count;
    const double delta = static_cast<double>(to_compute(x[begin * pitch + channel])) + offset - center;
    squares += (static_cast<double>(partial[2 * (part * channels + channel) + 1]) - offset * sum) +
               delta * delta * (before * share);
    center += delta * share;
    before = after;
  }
  mean[channel] = static_cast<Accumulator<T>>(center);
  const double biased = squares / static_cast<double>(rows);
  variance[channel] = static_cast<Accumulator<T>>(biased < 0 ? 0.0 : biased);  // rounding may leave -1e-17; NaN stays
}

template <class T>
__global__ void __launch_bounds__(256)
    apply(Index rows, Index channels, const T* x, Index x_pitch, const Accumulator<T>* mean,
          const Accumulator<T>* scale, const Accumulator<T>* shift, const T* residual, Index residual_pitch,
          Activation activation, T* z, Index z_pitch) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * channels) return;
  const Index row = i / channels, c = i % channels;
  Accumulator<T> value = (to_compute(x[row * x_pitch + c]) - mean[c]) * scale[c] + shift[c];
  if (residual) value += to_compute(residual[row * residual_pitch + c]);
  z[row * z_pitch + c] = from_compute<T>(activate(value, activation));
}

/// partial[part][channel] = {sum dy, sum dy * (x - mean)}.
template <class T>
__global__ void __launch_bounds__(lanes* stripes, 1)
    gradient_sums_of_parts(Index rows, Index channels, Index rows_of_part, const T* dz, Index dz_pitch, const T* z,
                           Index z_pitch, const T* x, Index x_pitch, const Accumulator<T>* mean, Activation activation,
                           PixelSum<T>* partial) {
  using A = Accumulator<T>;
  using S = PixelSum<T>;
  const Index channel = static_cast<Index>(blockIdx.x) * lanes + threadIdx.x;
  const Index begin = static_cast<Index>(blockIdx.y) * rows_of_part;
  const Index end = begin + rows_of_part < rows ? begin + rows_of_part : rows;
  S sum = 0, with_x = 0;
  if (channel < channels) {
    const S center = static_cast<S>(mean[channel]);
    for (Index r = begin + threadIdx.y; r < end; r += stripes) {
      const A output = z ? to_compute(z[r * z_pitch + channel]) : A(0);
      const A dy = masked(to_compute(dz[r * dz_pitch + channel]), output, activation);
      sum += static_cast<S>(dy);
      with_x += static_cast<S>(dy) * (static_cast<S>(to_compute(x[r * x_pitch + channel])) - center);
    }
  }
  add_stripes(sum, with_x);
  if (threadIdx.y != 0 || channel >= channels) return;
  S* const to = partial + 2 * (static_cast<Index>(blockIdx.y) * channels + channel);
  to[0] = sum;
  to[1] = with_x;
}

template <class A, class S>
__global__ void __launch_bounds__(256)
    gradient_sums_of_all(Index channels, Index parts, const S* partial, const A* inv_std, A* sum_dy_xhat, A* sum_dy) {
  const Index channel = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  double sum = 0, with_x = 0;
  for (Index part = 0; part < parts; ++part) {
    sum += static_cast<double>(partial[2 * (part * channels + channel)]);
    with_x += static_cast<double>(partial[2 * (part * channels + channel) + 1]);
  }
  sum_dy[channel] = static_cast<A>(sum);
  sum_dy_xhat[channel] = static_cast<A>(with_x * static_cast<double>(inv_std[channel]));
}

template <class T>
__global__ void __launch_bounds__(256)
    gradient_apply(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch, const T* x,
                   Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                   const Accumulator<T>* gamma, Activation activation, const Accumulator<T>* sum_dy_xhat,
                   const Accumulator<T>* sum_dy, T* dx, Index dx_pitch, bool accumulate, T* dresidual,
                   Index dresidual_pitch, bool accumulate_residual) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * channels) return;
  const Index row = i / channels, c = i % channels;
  const A count = static_cast<A>(rows);
  const A output = z ? to_compute(z[row * z_pitch + c]) : A(0);
  const A dy = masked(to_compute(dz[row * dz_pitch + c]), output, activation);
  const A factor = gamma ? gamma[c] * inv_std[c] : inv_std[c];
  const A slope = inv_std[c] * (sum_dy_xhat[c] / count);
  const A value = factor * (dy - sum_dy[c] / count - (to_compute(x[row * x_pitch + c]) - mean[c]) * slope);
  T& target = dx[row * dx_pitch + c];
  target = from_compute<T>(accumulate ? to_compute(target) + value : value);
  if (!dresidual) return;
  T& side = dresidual[row * dresidual_pitch + c];
  side = from_compute<T>(accumulate_residual ? to_compute(side) + dy : dy);
}

template <class T>
__global__ void __launch_bounds__(256)
    gradient_apply_frozen(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                          const Accumulator<T>* inv_std, const Accumulator<T>* gamma, Activation activation, T* dx,
                          Index dx_pitch, bool accumulate, T* dresidual, Index dresidual_pitch,
                          bool accumulate_residual) {
  using A = Accumulator<T>;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * channels) return;
  const Index row = i / channels, c = i % channels;
  const A output = z ? to_compute(z[row * z_pitch + c]) : A(0);
  const A dy = masked(to_compute(dz[row * dz_pitch + c]), output, activation);
  const A value = (gamma ? gamma[c] * inv_std[c] : inv_std[c]) * dy;
  T& target = dx[row * dx_pitch + c];
  target = from_compute<T>(accumulate ? to_compute(target) + value : value);
  if (!dresidual) return;
  T& side = dresidual[row * dresidual_pitch + c];
  side = from_compute<T>(accumulate_residual ? to_compute(side) + dy : dy);
}

template <class A>
__global__ void __launch_bounds__(256)
    scales_of_channels(Index channels, const A* variance, const A* gamma, double epsilon, A* inv_std, A* scale) {
  const Index c = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const double factor = 1.0 / std::sqrt(static_cast<double>(variance[c]) + epsilon);
  inv_std[c] = static_cast<A>(factor);
  scale[c] = static_cast<A>(factor * (gamma ? static_cast<double>(gamma[c]) : 1.0));
}

template <class A>
__global__ void __launch_bounds__(256)
    move_statistics(Index channels, double unbiased, const A* mean, const A* variance, double decay, A* moving_mean,
                    A* moving_variance) {
  const Index c = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const double take = 1 - decay;
  moving_mean[c] = static_cast<A>(decay * static_cast<double>(moving_mean[c]) + take * static_cast<double>(mean[c]));
  moving_variance[c] = static_cast<A>(decay * static_cast<double>(moving_variance[c]) +
                                      take * (unbiased * static_cast<double>(variance[c])));
}

template <class A>
__global__ void __launch_bounds__(256)
    fold_channels(Index channels, const A* beta, const A* mean, const A* scale, A* shift) {
  const Index c = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  shift[c] =
      static_cast<A>(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * static_cast<double>(scale[c]));
}

dim3 grid_of_parts(Index rows, Index channels) {
  return dim3(static_cast<unsigned>(divide_up(channels, lanes)), part_count(rows));
}

}  // namespace

Index batch_norm_workspace(Index rows, Index channels) { return 2 * static_cast<Index>(part_count(rows)) * channels; }

template <class T>
void batch_norm_statistics(Index rows, Index channels, const T* x, Index pitch, Accumulator<T>* mean,
                           Accumulator<T>* variance, PixelSum<T>* workspace, Stream stream) {
  const Index part = part_rows(rows), parts = part_count(rows);
  TV_LAUNCH(statistics_of_parts<T>, grid_of_parts(rows, channels), dim3(lanes, stripes), stream, rows, channels, part,
            x, pitch, workspace);
  TV_LAUNCH(statistics_of_all<T>, dim3(grid_of(channels)), dim3(256), stream, rows, channels, part, parts, x, pitch,
            workspace, mean, variance);
}

template <class T>
void batch_norm_apply(Index rows, Index channels, const T* x, Index x_pitch, const Accumulator<T>* mean,
                      const Accumulator<T>* scale, const Accumulator<T>* shift, const T* residual, Index residual_pitch,
                      Activation activation, T* z, Index z_pitch, Stream stream) {
  TV_LAUNCH(apply<T>, dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels, x, x_pitch, mean, scale, shift,
            residual, residual_pitch, activation, z, z_pitch);
}

template <class T>
void batch_norm_backward_reduce(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                                const T* x, Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                                Activation activation, Accumulator<T>* sum_dy_xhat, Accumulator<T>* sum_dy,
                                PixelSum<T>* workspace, Stream stream) {
  const Index parts = part_count(rows);
  TV_LAUNCH(gradient_sums_of_parts<T>, grid_of_parts(rows, channels), dim3(lanes, stripes), stream, rows, channels,
            part_rows(rows), dz, dz_pitch, z, z_pitch, x, x_pitch, mean, activation, workspace);
  TV_LAUNCH((gradient_sums_of_all<Accumulator<T>, PixelSum<T>>), dim3(grid_of(channels)), dim3(256), stream, channels,
            parts, workspace, inv_std, sum_dy_xhat, sum_dy);
}

template <class T>
void batch_norm_backward_apply(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                               const T* x, Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                               const Accumulator<T>* gamma, Activation activation, const Accumulator<T>* sum_dy_xhat,
                               const Accumulator<T>* sum_dy, T* dx, Index dx_pitch, bool accumulate, T* dresidual,
                               Index dresidual_pitch, bool accumulate_residual, Stream stream) {
  TV_LAUNCH(gradient_apply<T>, dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels, dz, dz_pitch, z,
            z_pitch, x, x_pitch, mean, inv_std, gamma, activation, sum_dy_xhat, sum_dy, dx, dx_pitch, accumulate,
            dresidual, dresidual_pitch, accumulate_residual);
}

template <class T>
void batch_norm_backward_apply_frozen(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z,
                                      Index z_pitch, const Accumulator<T>* inv_std, const Accumulator<T>* gamma,
                                      Activation activation, T* dx, Index dx_pitch, bool accumulate, T* dresidual,
                                      Index dresidual_pitch, bool accumulate_residual, Stream stream) {
  TV_LAUNCH(gradient_apply_frozen<T>, dim3(grid_of(rows * channels)), dim3(256), stream, rows, channels, dz, dz_pitch,
            z, z_pitch, inv_std, gamma, activation, dx, dx_pitch, accumulate, dresidual, dresidual_pitch,
            accumulate_residual);
}

template <class A>
void batch_norm_scales(Index channels, const A* variance, const A* gamma, double epsilon, A* inv_std, A* scale,
                       Stream stream) {
  TV_LAUNCH(scales_of_channels<A>, dim3(grid_of(channels)), dim3(256), stream, channels, variance, gamma, epsilon,
            inv_std, scale);
}

template <class A>
void batch_norm_move(Index rows, Index channels, const A* mean, const A* variance, double decay, A* moving_mean,
                     A* moving_variance, Stream stream) {
  const double unbiased = static_cast<double>(rows) / static_cast<double>(rows > 1 ? rows - 1 : 1);
  TV_LAUNCH(move_statistics<A>, dim3(grid_of(channels)), dim3(256), stream, channels, unbiased, mean, variance, decay,
            moving_mean, moving_variance);
}

template <class A>
void batch_norm_fold(Index channels, const A* beta, const A* mean, const A* scale, A* shift, Stream stream) {
  TV_LAUNCH(fold_channels<A>, dim3(grid_of(channels)), dim3(256), stream, channels, beta, mean, scale, shift);
}

#define TV_INSTANTIATE(A)                                                                  \
  template void batch_norm_scales(Index, const A*, const A*, double, A*, A*, Stream);      \
  template void batch_norm_move(Index, Index, const A*, const A*, double, A*, A*, Stream); \
  template void batch_norm_fold(Index, const A*, const A*, const A*, A*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
#undef TV_INSTANTIATE

#define TV_INSTANTIATE(T)                                                                                             \
  template void batch_norm_statistics(Index, Index, const T*, Index, Accumulator<T>*, Accumulator<T>*, PixelSum<T>*,  \
                                      Stream);                                                                        \
  template void batch_norm_apply(Index, Index, const T*, Index, const Accumulator<T>*, const Accumulator<T>*,         \
                                 const Accumulator<T>*, const T*, Index, Activation, T*, Index, Stream);              \
  template void batch_norm_backward_reduce(Index, Index, const T*, Index, const T*, Index, const T*, Index,           \
                                           const Accumulator<T>*, const Accumulator<T>*, Activation, Accumulator<T>*, \
                                           Accumulator<T>*, PixelSum<T>*, Stream);                                    \
  template void batch_norm_backward_apply(Index, Index, const T*, Index, const T*, Index, const T*, Index,            \
                                          const Accumulator<T>*, const Accumulator<T>*, const Accumulator<T>*,        \
                                          Activation, const Accumulator<T>*, const Accumulator<T>*, T*, Index, bool,  \
                                          T*, Index, bool, Stream);                                                   \
  template void batch_norm_backward_apply_frozen(Index, Index, const T*, Index, const T*, Index,                      \
                                                 const Accumulator<T>*, const Accumulator<T>*, Activation, T*, Index, \
                                                 bool, T*, Index, bool, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
