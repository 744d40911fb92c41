// Batch normalisation on the device, with the arguments of reference/batch_norm.hpp; T is float, double or
// bfloat16, beside which everything per channel is float.
#pragma once

#include "tinyvision/cuda/arguments.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void batch_norm_statistics(Index rows, Index channels, const T* x, Index xp, Accumulator<T>* mean,
                           Accumulator<T>* variance) {
  check(rows >= 1, "batch_norm", "statistics need at least one row, got ", rows);
  if (channels == 0) return;
  const Workspace<kernels::PixelSum<KernelType<T>>> workspace(kernels::batch_norm_workspace(rows, channels));
  kernels::batch_norm_statistics(rows, channels, as_kernel(x), xp, mean, variance, workspace.data(), stream());
}

template <class T>
void batch_norm_apply(Index rows, Index channels, const T* x, Index xp, const Accumulator<T>* mean,
                      const Accumulator<T>* scale, const Accumulator<T>* shift, const T* residual, Index rp,
                      Activation act, T* z, Index zp) {
  if (rows == 0 || channels == 0) return;
  kernels::batch_norm_apply(rows, channels, as_kernel(x), xp, mean, scale, shift, as_kernel(residual), rp,
                            kernel_activation(act), as_kernel(z), zp, stream());
}

template <class T>
void batch_norm_backward_reduce(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp, const T* x,
                                Index xp, const Accumulator<T>* mean, const Accumulator<T>* inv_std, Activation act,
                                Accumulator<T>* sum_dy_xhat, Accumulator<T>* sum_dy) {
  if (rows == 0 || channels == 0) return;
  const Workspace<kernels::PixelSum<KernelType<T>>> workspace(kernels::batch_norm_workspace(rows, channels));
  kernels::batch_norm_backward_reduce(rows, channels, as_kernel(dz), dzp, as_kernel(z), zp, as_kernel(x), xp, mean,
                                      inv_std, kernel_activation(act), sum_dy_xhat, sum_dy, workspace.data(), stream());
}

template <class T>
void batch_norm_backward_apply(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp, const T* x,
                               Index xp, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                               const Accumulator<T>* gamma, Activation act, const Accumulator<T>* sum_dy_xhat,
                               const Accumulator<T>* sum_dy, T* dx, Index dxp, bool accumulate, T* dresidual, Index drp,
                               bool accumulate_residual) {
  if (rows == 0 || channels == 0) return;
  kernels::batch_norm_backward_apply(rows, channels, as_kernel(dz), dzp, as_kernel(z), zp, as_kernel(x), xp, mean,
                                     inv_std, gamma, kernel_activation(act), sum_dy_xhat, sum_dy, as_kernel(dx), dxp,
                                     accumulate, as_kernel(dresidual), drp, accumulate_residual, stream());
}

template <class T>
void batch_norm_backward_apply_frozen(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp,
                                      const Accumulator<T>* inv_std, const Accumulator<T>* gamma, Activation act, T* dx,
                                      Index dxp, bool accumulate, T* dresidual, Index drp, bool accumulate_residual) {
  if (rows == 0 || channels == 0) return;
  kernels::batch_norm_backward_apply_frozen(rows, channels, as_kernel(dz), dzp, as_kernel(z), zp, inv_std, gamma,
                                            kernel_activation(act), as_kernel(dx), dxp, accumulate,
                                            as_kernel(dresidual), drp, accumulate_residual, stream());
}

template <class T>
void batch_norm_scales(Index channels, const T* variance, const T* gamma, double epsilon, T* inv_std, T* scale) {
  if (channels == 0) return;
  kernels::batch_norm_scales(channels, variance, gamma, epsilon, inv_std, scale, stream());
}

template <class T>
void batch_norm_move(Index rows, Index channels, const T* mean, const T* variance, double decay, T* moving_mean,
                     T* moving_variance) {
  if (channels == 0) return;
  kernels::batch_norm_move(rows, channels, mean, variance, decay, moving_mean, moving_variance, stream());
}

template <class T>
void batch_norm_fold(Index channels, const T* beta, const T* mean, const T* scale, T* shift) {
  if (channels == 0) return;
  kernels::batch_norm_fold(channels, beta, mean, scale, shift, stream());
}

}  // namespace cuda
TINYVISION_END
