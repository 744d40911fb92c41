// Entries of the CUDA kernels: pointers to device memory, sizes, a stream. Plain declarations that nvcc, the framework and
// a reader of one kernel share; nothing of the framework is included here.
//
// T is float or double, or bf16 where an entry says so. Every result is the same in every run: sums are cut by shape
// alone, and no kernel adds to memory atomically. Entries throw std::runtime_error, which names the kernel and its launch
// dimensions, when a launch is refused.
#pragma once

#include <cstdint>

namespace tinyvision_kernels {

using Index = std::int64_t;
using Stream = void*;  ///< a cudaStream_t; null is the default stream

/// A brain floating-point number: the upper half of a float. Kernels compute in float and round to nearest even.
struct bf16 {
  std::uint16_t bits;
};

/// Numbers of tinyvision::Activation.
enum class Activation : int { none = 0, relu = 1, relu6 = 2 };

/// What statistics and sums over pixels are kept in beside activations of type T.
template <class T>
struct AccumulatorOf {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

// --- batch_norm.cu ------------------------------------------------------------------------------------------------------

/// Elements of Accumulator<T> that `workspace` below must have.
Index batch_norm_workspace(Index rows, Index channels);

/// Mean and biased variance of each channel of x [rows, channels], pixels `pitch` apart. T may be bf16.
template <class T>
void batch_norm_statistics(Index rows, Index channels, const T* x, Index pitch, Accumulator<T>* mean,
                           Accumulator<T>* variance, Accumulator<T>* workspace, Stream stream);

/// z = act((x - mean) * scale + shift + residual). residual may be null; z may be x or residual. T may be bf16.
template <class T>
void batch_norm_apply(Index rows, Index channels, const T* x, Index x_pitch, const Accumulator<T>* mean,
                      const Accumulator<T>* scale, const Accumulator<T>* shift, const T* residual, Index residual_pitch,
                      Activation activation, T* z, Index z_pitch, Stream stream);

/// sum_dy[c] = sum dy, sum_dy_xhat[c] = sum dy * xhat over rows; dy is dz where the activation let its input pass (z, its
/// output, may be null for none) and xhat = (x - mean) * inv_std. T may be bf16.
template <class T>
void batch_norm_backward_reduce(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                                const T* x, Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                                Activation activation, Accumulator<T>* sum_dy_xhat, Accumulator<T>* sum_dy,
                                Accumulator<T>* workspace, Stream stream);

/// dx (+)= gamma * inv_std * (dy - sum_dy/rows - xhat * sum_dy_xhat/rows), dresidual (+)= dy. gamma null means 1,
/// dresidual null skips it; dx or dresidual may be dz where it is not added to. T may be bf16.
template <class T>
void batch_norm_backward_apply(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                               const T* x, Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                               const Accumulator<T>* gamma, Activation activation, const Accumulator<T>* sum_dy_xhat,
                               const Accumulator<T>* sum_dy, T* dx, Index dx_pitch, bool accumulate, T* dresidual,
                               Index dresidual_pitch, bool accumulate_residual, Stream stream);

}  // namespace tinyvision_kernels
