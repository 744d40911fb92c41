// Batch normalisation as plain loops: the specification of cpu/batch_norm.hpp.
//
// Ioffe & Szegedy, "Batch Normalization", ICML 2015. A row is a pixel, statistics are per channel:
//   mean = sum x / R,  variance = sum (x - mean)^2 / R,  xhat = (x - mean) * inv_std,  inv_std = 1/sqrt(variance +
//   epsilon) z = act(gamma * xhat + beta + residual)
// Derivative. With dy = dz * act'(z), D = sum dy, P = sum dy * xhat (dbeta = D, dgamma = P), and both statistics
// functions of x:   dx = gamma * inv_std * (dy - D/R - xhat * P/R). Every array is [rows, channels] with its own pitch;
// per-channel arrays are packed. Means, variances and sums over rows are accumulated in double whatever T is.
#pragma once

#include <algorithm>
#include <cmath>

#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace reference {

/// Mean and biased variance of each channel, by two passes. Throws Error when rows < 1.
template <class T>
void batch_norm_statistics(Index rows, Index channels, const T* x, Index xp, T* mean, T* variance) {
  check(rows >= 1, "batch_norm", "statistics need at least one row, got ", rows);
  for (Index c = 0; c < channels; ++c) {
    double sum = 0;
    for (Index r = 0; r < rows; ++r) sum += static_cast<double>(x[r * xp + c]);
    const double center = sum / static_cast<double>(rows);
    double squares = 0;
    for (Index r = 0; r < rows; ++r) {
      const double d = static_cast<double>(x[r * xp + c]) - center;
      squares += d * d;
    }
    mean[c] = static_cast<T>(center);
    variance[c] = static_cast<T>(squares / static_cast<double>(rows));
  }
}

/// y = act((x - mean) * scale + shift + residual); residual may be null. y may alias x or residual (same pitch).
template <class T>
void batch_norm_apply(Index rows, Index channels, const T* x, Index xp, const T* mean, const T* scale, const T* shift,
                      const T* residual, Index rp, Activation act, T* y, Index yp) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) {
      T value = (x[r * xp + c] - mean[c]) * scale[c] + shift[c];
      if (residual) value += residual[r * rp + c];
      y[r * yp + c] = activate(value, act);
    }
}

/// dz where the activation passed its input, else 0 (also for a dz that is not finite). z may be null for `none`.
template <class T>
T batch_norm_dy(const T* dz, const T* z, Activation act) {
  return act == Activation::none || activation_mask(*z, act) != T(0) ? *dz : T(0);
}

/// sum_dy[c] = sum dy and sum_dy_xhat[c] = sum dy * xhat over rows. z is the activation's output, null for `none`.
template <class T>
void batch_norm_backward_reduce(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp, const T* x,
                                Index xp, const T* mean, const T* inv_std, Activation act, T* sum_dy_xhat, T* sum_dy) {
  for (Index c = 0; c < channels; ++c) {
    double plain = 0, with_xhat = 0;
    for (Index r = 0; r < rows; ++r) {
      const double dy = static_cast<double>(batch_norm_dy(dz + r * dzp + c, z ? z + r * zp + c : nullptr, act));
      plain += dy;
      with_xhat += dy * (static_cast<double>(x[r * xp + c]) - static_cast<double>(mean[c]));
    }
    sum_dy[c] = static_cast<T>(plain);
    sum_dy_xhat[c] = static_cast<T>(with_xhat * static_cast<double>(inv_std[c]));
  }
}

/// dx (+)= gamma * inv_std * (dy - sum_dy/rows - xhat * sum_dy_xhat/rows); dresidual (+)= dy. gamma null means 1,
/// dresidual null skips it. dx or dresidual may alias dz where it is not accumulated into.
template <class T>
void batch_norm_backward_apply(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp, const T* x,
                               Index xp, const T* mean, const T* inv_std, const T* gamma, Activation act,
                               const T* sum_dy_xhat, const T* sum_dy, T* dx, Index dxp, bool accumulate, T* dresidual,
                               Index drp, bool accumulate_residual) {
  const T count = static_cast<T>(rows);
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) {
      const T dy = batch_norm_dy(dz + r * dzp + c, z ? z + r * zp + c : nullptr, act);
      const T factor = gamma ? gamma[c] * inv_std[c] : inv_std[c];
      const T slope = inv_std[c] * (sum_dy_xhat[c] / count);
      const T value = factor * (dy - sum_dy[c] / count - (x[r * xp + c] - mean[c]) * slope);
      T& target = dx[r * dxp + c];
      target = accumulate ? target + value : value;
      if (!dresidual) continue;
      T& side = dresidual[r * drp + c];
      side = accumulate_residual ? side + dy : dy;
    }
}

/// The same with statistics that are constants (evaluation mode): dx (+)= gamma * inv_std * dy; dresidual (+)= dy.
template <class T>
void batch_norm_backward_apply_frozen(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp,
                                      const T* inv_std, const T* gamma, Activation act, T* dx, Index dxp,
                                      bool accumulate, T* dresidual, Index drp, bool accumulate_residual) {
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < channels; ++c) {
      const T dy = batch_norm_dy(dz + r * dzp + c, z ? z + r * zp + c : nullptr, act);
      const T value = (gamma ? gamma[c] * inv_std[c] : inv_std[c]) * dy;
      T& target = dx[r * dxp + c];
      target = accumulate ? target + value : value;
      if (!dresidual) continue;
      T& side = dresidual[r * drp + c];
      side = accumulate_residual ? side + dy : dy;
    }
}

/// inv_std = 1 / sqrt(variance + epsilon), scale = inv_std * gamma (null: 1), [channels] each, in double inside.
template <class T>
void batch_norm_scales(Index channels, const T* variance, const T* gamma, double epsilon, T* inv_std, T* scale) {
  for (Index c = 0; c < channels; ++c) {
    const double factor = 1.0 / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    inv_std[c] = static_cast<T>(factor);
    scale[c] = static_cast<T>(factor * (gamma ? static_cast<double>(gamma[c]) : 1.0));
  }
}

/// moving <- decay * moving + (1 - decay) * statistic; the variance is made unbiased: times rows / max(rows - 1, 1).
template <class T>
void batch_norm_move(Index rows, Index channels, const T* mean, const T* variance, double decay, T* moving_mean,
                     T* moving_variance) {
  const double unbiased = static_cast<double>(rows) / static_cast<double>(std::max<Index>(rows - 1, 1));
  const double take = 1 - decay;
  for (Index c = 0; c < channels; ++c) {
    moving_mean[c] = static_cast<T>(decay * static_cast<double>(moving_mean[c]) + take * static_cast<double>(mean[c]));
    moving_variance[c] = static_cast<T>(decay * static_cast<double>(moving_variance[c]) +
                                        take * (unbiased * static_cast<double>(variance[c])));
  }
}

/// shift = beta - mean * scale: with it y = x * scale + shift is the batch norm of constant statistics.
template <class T>
void batch_norm_fold(Index channels, const T* beta, const T* mean, const T* scale, T* shift) {
  for (Index c = 0; c < channels; ++c)
    shift[c] =
        static_cast<T>(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * static_cast<double>(scale[c]));
}

}  // namespace reference
TINYVISION_END
