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

/// Geometry of a sliding window on NHWC maps; the members mean what tinyvision::WindowGeometry says.
struct Window {
  Index batch, in_h, in_w, in_c, in_pitch, out_h, out_w, out_c, out_pitch, kernel_h, kernel_w, stride_h, stride_w,
      pad_top, pad_left;
};

/// What a convolution does to its result: act(v * scale[c] + shift[c] + residual). Null pointers leave their term out.
template <class T>
struct Epilogue {
  const Accumulator<T>* scale;
  const Accumulator<T>* shift;
  const T* residual;
  Index residual_pitch;
  Activation activation;
};

// --- depthwise.cu -------------------------------------------------------------------------------------------------------

/// y = epilogue(depthwise convolution of x). Weights [KH,KW,C,M] in Accumulator<T>, M = out_c / in_c. T may be bf16.
template <class T>
void depthwise_forward(const Window& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& epilogue, T* y,
                       Stream stream);

/// dx (+)= the gradient for the input. T may be bf16.
template <class T>
void depthwise_backward_input(const Window& g, const T* dy, const Accumulator<T>* w, T* dx, bool accumulate,
                              Stream stream);

/// Elements of Accumulator<T> that `workspace` below must have.
Index depthwise_workspace(const Window& g);

/// dw (+)= the gradient for the weights. T may be bf16.
template <class T>
void depthwise_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                               Accumulator<T>* workspace, Stream stream);

// --- conv2d.cu ----------------------------------------------------------------------------------------------------------

/// y = epilogue(convolution of x), weights [KH,KW,C,O]. T is float or double; the same bits as the CPU kernels.
template <class T>
void conv2d_forward(const Window& g, const T* x, const T* w, const Epilogue<T>& epilogue, T* y, Stream stream);

/// dx (+)= the gradient for the input.
template <class T>
void conv2d_backward_input(const Window& g, const T* dy, const T* w, T* dx, bool accumulate, Stream stream);

/// Elements of T that `workspace` below must have.
Index conv2d_workspace(const Window& g);

/// dw (+)= the gradient for the weights.
template <class T>
void conv2d_backward_weight(const Window& g, const T* x, const T* dy, T* dw, bool accumulate, T* workspace,
                            Stream stream);

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
