// Cross-entropy losses on logits [rows, classes]: of a softmax with label smoothing, and of independent sigmoids.
//
//   softmax:  m = max_k z_k,  S = sum_k exp(z_k - m),  -log p_k = log S - (z_k - m),  p_k = exp(z_k - m) / S
//             t = (1-s) onehot(label) + s/K,  loss = -sum_k t_k log p_k,  dz (+)= upstream (p - t)
//   sigmoid:  loss = sum_k w_k (max(z,0) - z t + log(1 + exp(-|z|))),  dz (+)= upstream w (logistic(z) - t)
// (Szegedy et al., CVPR 2016, section 7, for the smoothing; tinyvision/reference/loss.hpp is the specification.)
//
// Labels are not looked at: the host has checked that they lie in [0, classes). No logit of a row overflows: exponents
// are never positive.
//
// Threads. Losses: a block of 128 threads per row, thread t takes classes t, t + 128, ...; sums meet by warp exchanges
// and then by shared memory. Derivatives: one thread per element.
//
// Repeatability. A row is cut among threads by its length alone, the lanes of a warp are combined in a fixed tree and
// the warps in order. Exponentials are of the type of the logits, sums and logarithms in double.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

constexpr int threads = 128, warps = threads / 32;

/// The sum over the threads of the block, for each of them. All of them call it.
__device__ double sum_of_block(double value) {
  TV_SHARED(double, parts, warps);
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(~0u, value, bits);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  double sum = parts[0];
  for (int warp = 1; warp < warps; ++warp) sum += parts[warp];
  __syncthreads();  // before the next sum overwrites the parts
  return sum;
}
template <class T>
__device__ T maximum_of_block(T value) {
  TV_SHARED(T, parts, warps);
  for (int bits = 16; bits > 0; bits /= 2) {
    const T other = __shfl_xor_sync(~0u, value, bits);
    value = other > value ? other : value;
  }
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  T largest = parts[0];
  for (int warp = 1; warp < warps; ++warp) {
    const T other = parts[warp];
    largest = other > largest ? other : largest;
  }
  return largest;
}

template <class T>
__global__ void __launch_bounds__(threads)
    softmax_forward(Index classes, const T* logits, Index pitch, const std::int64_t* labels, T label_smoothing,
                    T* losses, T* probabilities) {
  const Index row = blockIdx.x;
  const T* const z = logits + row * pitch;
  T largest = z[0];
  for (Index k = threadIdx.x; k < classes; k += threads) largest = z[k] > largest ? z[k] : largest;
  largest = maximum_of_block(largest);  // a NaN may be missed here; it comes back with the sums
  double exponentials = 0, distances = 0;
  for (Index k = threadIdx.x; k < classes; k += threads) {
    const T distance = z[k] - largest;
    exponentials += static_cast<double>(std::exp(distance));
    distances += static_cast<double>(distance);
  }
  const double sum = sum_of_block(exponentials);
  distances = sum_of_block(distances);
  if (threadIdx.x == 0) {
    const double log_sum = std::log(sum), s = static_cast<double>(label_smoothing), k = static_cast<double>(classes);
    const double at_label = log_sum - static_cast<double>(z[labels[row]] - largest);
    losses[row] = static_cast<T>((1 - s) * at_label + s / k * (k * log_sum - distances));
  }
  if (!probabilities) return;
  const T scale = static_cast<T>(1 / sum);
  for (Index k = threadIdx.x; k < classes; k += threads)
    probabilities[row * classes + k] = std::exp(z[k] - largest) * scale;
}

/// The gradient of one row's loss when that of their mean is *dloss.
template <class T>
__device__ T share_of_row(const T* dloss, Index rows) {
  return static_cast<T>(static_cast<double>(*dloss) / static_cast<double>(rows));
}

template <class T>
__global__ void __launch_bounds__(threads) mean_of_rows(Index rows, const T* losses, T* mean) {
  double sum = 0;
  for (Index row = threadIdx.x; row < rows; row += threads) sum += static_cast<double>(losses[row]);
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) *mean = static_cast<T>(sum / static_cast<double>(rows));
}

template <class T>
__global__ void __launch_bounds__(256)
    softmax_backward(Index rows, Index classes, const T* probabilities, const std::int64_t* labels, T label_smoothing,
                     const T* dloss, T* dlogits, Index pitch, bool accumulate) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * classes) return;
  const T upstream = share_of_row(dloss, rows);
  const Index row = i / classes, k = i % classes;
  T target = label_smoothing / static_cast<T>(classes);
  if (k == labels[row]) target += T(1) - label_smoothing;
  const T value = upstream * (probabilities[i] - target);
  T& out = dlogits[row * pitch + k];
  out = accumulate ? out + value : value;
}

template <class T>
__global__ void __launch_bounds__(threads)
    sigmoid_forward(Index classes, const T* logits, Index pitch, const T* targets, const T* weights, T* losses) {
  const Index row = blockIdx.x;
  double sum = 0;
  for (Index k = threadIdx.x; k < classes; k += threads) {
    const T z = logits[row * pitch + k], t = targets[row * classes + k];
    const T loss = (z < T(0) ? T(0) : z) - z * t + std::log1p(std::exp(-std::fabs(z)));
    sum += static_cast<double>(weights ? weights[row * classes + k] * loss : loss);
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) losses[row] = static_cast<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(256)
    sigmoid_backward(Index rows, Index classes, const T* logits, Index pitch, const T* targets, const T* weights,
                     const T* dloss, T* dlogits, Index dlogits_pitch, bool accumulate) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * classes) return;
  const T upstream = share_of_row(dloss, rows);
  const Index row = i / classes, k = i % classes;
  const T z = logits[row * pitch + k], small = std::exp(-std::fabs(z));
  const T logistic = (z < T(0) ? small : T(1)) / (T(1) + small);
  const T weight = weights ? weights[i] : T(1);
  const T value = upstream * weight * (logistic - targets[i]);
  T& out = dlogits[row * dlogits_pitch + k];
  out = accumulate ? out + value : value;
}

}  // namespace

template <class T>
void softmax_cross_entropy_forward(Index rows, Index classes, const T* logits, Index pitch, const std::int64_t* labels,
                                   T label_smoothing, T* losses, T* probabilities, Stream stream) {
  if (rows == 0) return;
  TV_LAUNCH(softmax_forward<T>, dim3(static_cast<unsigned>(rows)), dim3(threads), stream, classes, logits, pitch,
            labels, label_smoothing, losses, probabilities);
}

template <class T>
void softmax_cross_entropy_backward(Index rows, Index classes, const T* probabilities, const std::int64_t* labels,
                                    T label_smoothing, const T* dloss, T* dlogits, Index pitch, bool accumulate,
                                    Stream stream) {
  if (rows == 0) return;
  TV_LAUNCH(softmax_backward<T>, dim3(grid_of(rows * classes)), dim3(256), stream, rows, classes, probabilities, labels,
            label_smoothing, dloss, dlogits, pitch, accumulate);
}

template <class T>
void sigmoid_cross_entropy_forward(Index rows, Index classes, const T* logits, Index pitch, const T* targets,
                                   const T* weights, T* losses, Stream stream) {
  if (rows == 0) return;
  TV_LAUNCH(sigmoid_forward<T>, dim3(static_cast<unsigned>(rows)), dim3(threads), stream, classes, logits, pitch,
            targets, weights, losses);
}

template <class T>
void sigmoid_cross_entropy_backward(Index rows, Index classes, const T* logits, Index pitch, const T* targets,
                                    const T* weights, const T* dloss, T* dlogits, Index dlogits_pitch, bool accumulate,
                                    Stream stream) {
  if (rows == 0) return;
  TV_LAUNCH(sigmoid_backward<T>, dim3(grid_of(rows * classes)), dim3(256), stream, rows, classes, logits, pitch,
            targets, weights, dloss, dlogits, dlogits_pitch, accumulate);
}

template <class T>
void mean_loss(Index rows, const T* losses, T* mean, Stream stream) {
  TV_LAUNCH(mean_of_rows<T>, dim3(1), dim3(threads), stream, rows, losses, mean);
}

#define TV_INSTANTIATE(T)                                                                                              \
  template void softmax_cross_entropy_forward(Index, Index, const T*, Index, const std::int64_t*, T, T*, T*, Stream);  \
  template void softmax_cross_entropy_backward(Index, Index, const T*, const std::int64_t*, T, const T*, T*, Index,    \
                                               bool, Stream);                                                          \
  template void sigmoid_cross_entropy_forward(Index, Index, const T*, Index, const T*, const T*, T*, Stream);          \
  template void sigmoid_cross_entropy_backward(Index, Index, const T*, Index, const T*, const T*, const T*, T*, Index, \
                                               bool, Stream);                                                          \
  template void mean_loss(Index, const T*, T*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
