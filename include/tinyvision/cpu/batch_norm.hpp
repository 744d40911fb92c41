// Batch normalisation, threaded and vectorised; formulas and arguments are those of reference/batch_norm.hpp.
//
// Four passes, each of which touches an array once: statistics, apply (with residual and activation), backward sums,
// backward apply. Sums over rows are accumulated in double in an order fixed by the shape (column_sums.hpp).
#pragma once

#include <array>
#include <cmath>

#include "tinyvision/core/error.hpp"
#include "tinyvision/cpu/column_sums.hpp"
#include "tinyvision/cpu/vectorize.hpp"

TINYVISION_BEGIN
namespace cpu {

/// Mean and biased variance of each channel, in one pass. Within a part of the rows deviations from the part's first
/// row are summed: because that row is itself a sample, the sum of squared deviations from the mean is at least about
/// as large as the square of the mean deviation, and the difference below loses no more than rounding of the sum. Parts
/// are combined by Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
/// 1979. Throws Error when rows < 1.
template <class T>
void batch_norm_statistics(Index rows, Index channels, const T* x, Index xp, T* mean, T* variance) {
  check(rows >= 1, "batch_norm", "statistics need at least one row, got ", rows);
  if (channels <= 0) return;
  const auto pivots = [=](Index row, Index fold, Index column) TINYVISION_ALWAYS_INLINE -> double {
    return static_cast<double>(x[row * xp * fold + column]);
  };
  const auto term = [=](Index row, Index fold, Index column, double pivot)
                        TINYVISION_ALWAYS_INLINE -> std::array<double, 2> {
    const double d = static_cast<double>(x[row * xp * fold + column]) - pivot;
    return {d, d * d};
  };
  const ColumnParts<2> parts(rows, channels, xp == channels, std::array{RowSource::of(x, xp)}, term, pivots);
  std::vector<double> center(static_cast<std::size_t>(channels), 0.0), squares(center);
  double before = 0;
  parts.visit([&](Index first_pixel, Index pixels, const double* sums, Index stride) {
    const double count = static_cast<double>(pixels), after = before + count;
    const double share = count / after, weight = before * share;
    const T* pivot = x + first_pixel * xp;
    double *m = center.data(), *q = squares.data();
    vectorized([=]() TINYVISION_ALWAYS_INLINE {
      TINYVISION_INDEPENDENT
      for (Index c = 0; c < channels; ++c) {
        const double offset = sums[c] / count;
        const double delta = static_cast<double>(pivot[c]) + offset - m[c];
        q[c] += (sums[stride + c] - offset * sums[c]) + delta * delta * weight;
        m[c] += delta * share;
      }
    });
    before = after;
  });
  for (Index c = 0; c < channels; ++c) {
    mean[c] = static_cast<T>(center[static_cast<std::size_t>(c)]);
    const double biased = squares[static_cast<std::size_t>(c)] / static_cast<double>(rows);
    variance[c] = static_cast<T>(biased < 0 ? 0.0 : biased);  // rounding may leave -1e-17; NaN stays
  }
}

/// y = act((x - mean) * scale + shift + residual); residual may be null. y may alias x or residual (same pitch).
template <class T>
void batch_norm_apply(Index rows, Index channels, const T* x, Index xp, const T* mean, const T* scale, const T* shift,
                      const T* residual, Index rp, Activation act, T* y, Index yp) {
  const RowFold folding =
      RowFold::of(rows, channels, xp == channels && yp == channels && (!residual || rp == channels));
  const auto means = folding.repeat<T>(channels, [&](Index c) { return mean[c]; });
  const auto scales = folding.repeat<T>(channels, [&](Index c) { return scale[c]; });
  const auto shifts = folding.repeat<T>(channels, [&](Index c) { return shift[c]; });
  const T *m = means.data(), *s = scales.data(), *b = shifts.data();
  const bool stream = worth_stream_copy(y, yp, rows * yp);
  folding.split(rows, channels, [&](Index first, Index wide_rows, Index columns, Index fold) {
    with_activation(act, [&](auto constant) {
      with_flag(residual != nullptr, [&](auto has_residual) {
        constexpr Activation a = constant;
        for_each_block(wide_rows, columns, false, [=](Index r0, Index r1, Index, Index) TINYVISION_ALWAYS_INLINE {
          for (Index r = r0; r < r1; ++r) {
            const T* in = x + (first + r * fold) * xp;
            const T* side = has_residual ? residual + (first + r * fold) * rp : in;
            T* out = y + (first + r * fold) * yp;
            constexpr Index stretch = 1024;
            alignas(64) T buffer[stretch];
            for (Index c0 = 0; c0 < columns; c0 += stretch) {
              const Index length = std::min(stretch, columns - c0);
              const bool whole = stream && length * static_cast<Index>(sizeof(T)) % 64 == 0;
              T* to = whole ? buffer : out + c0;
              TINYVISION_INDEPENDENT
              for (Index c = 0; c < length; ++c) {
                T value = (in[c0 + c] - m[c0 + c]) * s[c0 + c] + b[c0 + c];
                if constexpr (has_residual) value += side[c0 + c];
                to[c] = activate(value, a);
              }
              if (whole) stream_copy(out + c0, buffer, length);
            }
          }
          if (stream) stream_fence();
        });
      });
    });
  });
}

namespace detail {

/// How a backward pass tells where the activation passed its input: from the output z or, where z depends on x alone, by
/// computing it again, with the operations of `batch_norm_apply` on the same bits. That costs less than reading it.
template <class T>
struct NormOutput {
  const T* z = nullptr;
  Index pitch = 0;
  const T* scale = nullptr;  ///< with `shift`: compute again
  const T* shift = nullptr;
  bool remade() const { return scale != nullptr; }
};

template <class T>
void norm_backward_reduce(Index rows, Index channels, const T* dz, Index dzp, const NormOutput<T>& z, const T* x,
                          Index xp, const T* mean, const T* inv_std, Activation act, T* sum_dy_xhat, T* sum_dy) {
  const bool masked = act != Activation::none, remade = masked && z.remade();
  const bool packed = dzp == channels && xp == channels && (!masked || remade || z.pitch == channels);
  const RowFold folding = RowFold::of(rows, channels, packed, sum_columns);
  const auto centers = folding.repeat<double>(channels, [&](Index c) { return static_cast<double>(mean[c]); });
  const auto repeat = [&](const T* values) {
    return remade ? folding.repeat<T>(channels, [&](Index c) { return values[c]; }) : std::vector<T>();
  };
  const std::vector<T> means = repeat(mean), scales = repeat(z.scale), shifts = repeat(z.shift);
  const double* center = centers.data();
  const T *m = means.data(), *s = scales.data(), *b = shifts.data();
  std::vector<double> sums;
  with_activation(act, [&](auto constant) {
    constexpr Activation a = constant;
    const RowSource gradients = RowSource::of(dz, dzp), inputs = RowSource::of(x, xp);
    if (masked && !remade) {
      const T* result = z.z;
      const Index zp = z.pitch;
      sums = column_sums<2>(
          rows, channels, packed, std::array{gradients, inputs, RowSource::of(result, zp)},
          [=](Index row, Index fold, Index column, double) TINYVISION_ALWAYS_INLINE -> std::array<double, 2> {
            const T gradient = dz[row * dzp * fold + column];
            const double dy = static_cast<double>(masked_gradient<a>(gradient, result[row * zp * fold + column]));
            return {dy, dy * (static_cast<double>(x[row * xp * fold + column]) - center[column])};
          });
    } else {
      sums = column_sums<2>(rows, channels, packed, std::array{gradients, inputs},
                            [=](Index row, Index fold, Index column, double)
                                TINYVISION_ALWAYS_INLINE -> std::array<double, 2> {
                                  const T in = x[row * xp * fold + column];
                                  T gradient = dz[row * dzp * fold + column];
                                  if constexpr (a != Activation::none)
                                    gradient = masked_gradient<a>(gradient, (in - m[column]) * s[column] + b[column]);
                                  const double dy = static_cast<double>(gradient);
                                  return {dy, dy * (static_cast<double>(in) - center[column])};
                                });
    }
  });
  for (Index c = 0; c < channels; ++c) {
    sum_dy[c] = static_cast<T>(sums[static_cast<std::size_t>(c)]);
    sum_dy_xhat[c] = static_cast<T>(sums[static_cast<std::size_t>(channels + c)] * static_cast<double>(inv_std[c]));
  }
}

}  // namespace detail

/// sum_dy[c] = sum dy and sum_dy_xhat[c] = sum dy * xhat over rows. z is the activation's output, null for `none`.
template <class T>
void batch_norm_backward_reduce(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp, const T* x,
                                Index xp, const T* mean, const T* inv_std, Activation act, T* sum_dy_xhat, T* sum_dy) {
  detail::norm_backward_reduce(rows, channels, dz, dzp, detail::NormOutput<T>{z, zp, nullptr, nullptr}, x, xp, mean,
                               inv_std, act, sum_dy_xhat, sum_dy);
}

/// The same where z = act((x - mean) * scale + shift) without a residual, so that it need not be read. Same bits.
template <class T>
void batch_norm_backward_reduce_remade(Index rows, Index channels, const T* dz, Index dzp, const T* scale,
                                       const T* shift, const T* x, Index xp, const T* mean, const T* inv_std,
                                       Activation act, T* sum_dy_xhat, T* sum_dy) {
  detail::norm_backward_reduce(rows, channels, dz, dzp, detail::NormOutput<T>{nullptr, 0, scale, shift}, x, xp, mean,
                               inv_std, act, sum_dy_xhat, sum_dy);
}

namespace detail {

/// The arrays that both backward passes read and write.
template <class T>
struct NormBackward {
  Index rows, channels;
  const T* dz;
  Index dzp;
  NormOutput<T> z;
  const T* x;
  Index xp;
  T* dx;
  Index dxp;
  bool accumulate;
  T* dresidual;
  Index drp;
  bool accumulate_residual;
};

/// to = from, or to += from.
template <class T>
TINYVISION_ALWAYS_INLINE inline void store(Index count, const T* from, bool accumulate, T* to) {
  if (accumulate) {
    TINYVISION_INDEPENDENT
    for (Index i = 0; i < count; ++i) to[i] += from[i];
  } else {
    TINYVISION_INDEPENDENT
    for (Index i = 0; i < count; ++i) to[i] = from[i];
  }
}

/// dx (+)= factor * (dy - center - (x - mean) * slope), with slope and center 0 when the statistics are `frozen`. The
/// per-channel vectors are made by `vector(which, channel)`: 0 factor, 1 center, 2 mean, 3 slope. An output computed
/// again needs statistics that are not frozen.
template <class T, class Vector>
void norm_backward_apply(const NormBackward<T>& n, Activation act, bool frozen, const Vector& vector) {
  const Index channels = n.channels;
  const bool masked = act != Activation::none, remade = masked && n.z.remade();
  const bool packed = n.dzp == channels && n.dxp == channels && (!masked || remade || n.z.pitch == channels) &&
                      (frozen || n.xp == channels) && (!n.dresidual || n.drp == channels);
  const RowFold folding = RowFold::of(n.rows, channels, packed);
  std::array<std::vector<T>, 6> vectors;
  for (std::size_t i = 0; i < (frozen ? 1u : 4u); ++i)
    vectors[i] = folding.repeat<T>(channels, [&](Index c) { return vector(i, c); });
  if (remade) {
    vectors[4] = folding.repeat<T>(channels, [&](Index c) { return n.z.scale[c]; });
    vectors[5] = folding.repeat<T>(channels, [&](Index c) { return n.z.shift[c]; });
  }
  const T *factor = vectors[0].data(), *center = vectors[1].data(), *mean = vectors[2].data(),
          *slope = vectors[3].data(), *scale = vectors[4].data(), *shift = vectors[5].data();
  const bool stream = !n.accumulate && n.dx != n.dz && worth_stream_copy(n.dx, n.dxp, n.rows * n.dxp);
  folding.split(n.rows, channels, [&](Index first, Index wide_rows, Index columns, Index fold) {
    with_activation(act, [&](auto constant) {
      constexpr Activation a = constant;
      const NormBackward<T> v = n;
      for_each_block(wide_rows, columns, false, [=](Index r0, Index r1, Index, Index) TINYVISION_ALWAYS_INLINE {
        // Short stretches go through a buffer, so that four choices cost four short loops instead of sixteen long ones.
        constexpr Index stretch = 256;
        alignas(64) T dy[stretch];
        for (Index r = r0; r < r1; ++r)
          for (Index c0 = 0; c0 < columns; c0 += stretch) {
            const Index length = std::min(stretch, columns - c0);
            const T* gradient = v.dz + (first + r * fold) * v.dzp + c0;
            if (remade) {
              const T *in = v.x + (first + r * fold) * v.xp + c0, *m = mean + c0, *s = scale + c0, *b = shift + c0;
              TINYVISION_INDEPENDENT
              for (Index c = 0; c < length; ++c) dy[c] = masked_gradient<a>(gradient[c], (in[c] - m[c]) * s[c] + b[c]);
            } else {
              const T* result = a == Activation::none ? gradient : v.z.z + (first + r * fold) * v.z.pitch + c0;
              TINYVISION_INDEPENDENT
              for (Index c = 0; c < length; ++c) dy[c] = masked_gradient<a>(gradient[c], result[c]);
            }
            if (v.dresidual) store(length, dy, v.accumulate_residual, v.dresidual + (first + r * fold) * v.drp + c0);
            const T* f = factor + c0;
            if (frozen) {
              TINYVISION_INDEPENDENT
              for (Index c = 0; c < length; ++c) dy[c] *= f[c];
            } else {
              const T *in = v.x + (first + r * fold) * v.xp + c0, *d = center + c0, *m = mean + c0, *s = slope + c0;
              TINYVISION_INDEPENDENT
              for (Index c = 0; c < length; ++c) dy[c] = f[c] * (dy[c] - d[c] - (in[c] - m[c]) * s[c]);
            }
            T* dx = v.dx + (first + r * fold) * v.dxp + c0;
            if (stream && length * static_cast<Index>(sizeof(T)) % 64 == 0) {
              stream_copy(dx, dy, length);
            } else {
              store(length, dy, v.accumulate, dx);
            }
          }
        if (stream) stream_fence();
      });
    });
  });
}

/// The vectors of `norm_backward_apply` for batch statistics.
template <class T>
void norm_backward_apply_batch(const NormBackward<T>& arrays, const T* mean, const T* inv_std, const T* gamma,
                               Activation act, const T* sum_dy_xhat, const T* sum_dy) {
  const T count = static_cast<T>(arrays.rows);
  norm_backward_apply(arrays, act, false, [&](std::size_t which, Index c) -> T {
    if (which == 0) return gamma ? gamma[c] * inv_std[c] : inv_std[c];
    if (which == 1) return sum_dy[c] / count;
    if (which == 2) return mean[c];
    return inv_std[c] * (sum_dy_xhat[c] / count);
  });
}

}  // namespace detail

/// dx (+)= gamma * inv_std * (dy - sum_dy/rows - xhat * sum_dy_xhat/rows); dresidual (+)= dy. gamma null means 1,
/// dresidual null skips it. dx or dresidual may alias dz where it is not accumulated into.
template <class T>
void batch_norm_backward_apply(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp, const T* x,
                               Index xp, const T* mean, const T* inv_std, const T* gamma, Activation act,
                               const T* sum_dy_xhat, const T* sum_dy, T* dx, Index dxp, bool accumulate, T* dresidual,
                               Index drp, bool accumulate_residual) {
  const detail::NormBackward<T> arrays{rows, channels,   dz,        dzp, {z, zp, nullptr, nullptr}, x, xp, dx,
                                       dxp,  accumulate, dresidual, drp, accumulate_residual};
  detail::norm_backward_apply_batch(arrays, mean, inv_std, gamma, act, sum_dy_xhat, sum_dy);
}

/// The same where z = act((x - mean) * scale + shift) without a residual, so that it need not be read. Same bits.
template <class T>
void batch_norm_backward_apply_remade(Index rows, Index channels, const T* dz, Index dzp, const T* scale,
                                      const T* shift, const T* x, Index xp, const T* mean, const T* inv_std,
                                      const T* gamma, Activation act, const T* sum_dy_xhat, const T* sum_dy, T* dx,
                                      Index dxp, bool accumulate) {
  const detail::NormBackward<T> arrays{rows,       channels, dz, dzp,  {nullptr, 0, scale, shift}, x, xp, dx, dxp,
                                       accumulate, nullptr,  0,  false};
  detail::norm_backward_apply_batch(arrays, mean, inv_std, gamma, act, sum_dy_xhat, sum_dy);
}

/// The same with statistics that are constants (evaluation mode): dx (+)= gamma * inv_std * dy; dresidual (+)= dy.
template <class T>
void batch_norm_backward_apply_frozen(Index rows, Index channels, const T* dz, Index dzp, const T* z, Index zp,
                                      const T* inv_std, const T* gamma, Activation act, T* dx, Index dxp,
                                      bool accumulate, T* dresidual, Index drp, bool accumulate_residual) {
  const detail::NormBackward<T> arrays{rows, channels,   dz,        dzp, {z, zp, nullptr, nullptr}, nullptr, 0, dx,
                                       dxp,  accumulate, dresidual, drp, accumulate_residual};
  detail::norm_backward_apply(arrays, act, true,
                              [&](std::size_t, Index c) -> T { return gamma ? gamma[c] * inv_std[c] : inv_std[c]; });
}

}  // namespace cpu
TINYVISION_END
