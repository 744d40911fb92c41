// Counter-based random numbers: every value is a pure function of (seed, stream, step, index).
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key is made of
// seed and stream, the counter of step and index, so no generator state is carried between calls, threads or resumed
// runs. Normal deviates come from our own inverse normal distribution function, so that no library's `log` or `erf` has a
// say in the bits.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// What a random stream is used for. Streams with different purposes never overlap.
enum class Stream : std::uint32_t {
  initialiser = 1,  ///< parameters; index = tensor number << 40 | element
  dropout = 2,      ///< step = training step
  shuffle = 3,      ///< step = epoch
  augment = 4,      ///< step = epoch, index = example << 8 | draw
  split = 5,        ///< data-set splits
  test = 6,
  bootstrap = 7,
  drop_path = 8,         ///< step = training step, index = path << 32 | example
  tiny = 9,              ///< synthetic data sets; step = class, or number << 32 | class
  regression_band = 10,  ///< step = resample, index = attempt * pairs + draw
  embedding = 12,        ///< starts of low-dimensional embeddings; step = what is drawn
};

/// Four 32-bit words of Philox4x32-10 for one counter.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

namespace detail {

/// Natural logarithm for normal positive x, to about 1 ulp, from +,*,/ alone.
inline double portable_log(double x) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1022;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3fe0000000000000ULL);  // [0.5, 1)
  if (m < 0.70710678118654752440) m *= 2, --exponent;
  // log m = 2 atanh(s), s = (m-1)/(m+1), |s| < 0.172: 13 odd terms leave less than 1e-20.
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double series = 0;
  for (int k = 25; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
  return exponent * 0.693147180559945309417232 + 2 * s * series;
}

}  // namespace detail

/// Inverse of the standard normal distribution function for p in (0, 1). Wichura, algorithm AS 241 (PPND16), Applied
/// Statistics 37 (1988): relative accuracy about 1e-16.
inline double normal_quantile(double p) {
  const double q = p - 0.5;
  const auto ratio = [](double r, const std::array<double, 8>& a, const std::array<double, 8>& b) {
    double num = 0, den = 0;
    for (std::size_t i = 8; i-- > 0;) num = num * r + a[i], den = den * r + b[i];
    return num / den;
  };
  if (std::fabs(q) <= 0.425) {
    static constexpr std::array<double, 8> a{
        3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
        4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static constexpr std::array<double, 8> b{1.0,
                                             4.2313330701600911252e+1,
                                             6.8718700749205790830e+2,
                                             5.3941960214247511077e+3,
                                             2.1213794301586595867e+4,
                                             3.9307895800092710610e+4,
                                             2.8729085735721942674e+4,
                                             5.2264952788528545610e+3};
    return q * ratio(0.180625 - q * q, a, b);
  }
  double r = std::sqrt(-detail::portable_log(q < 0 ? p : 1 - p));
  double value = 0;
  if (r <= 5) {
    static constexpr std::array<double, 8> c{
        1.42343711074968357734e0, 4.63033784615654529590e0,  5.76949722146069140550e0,  3.64784832476320460504e0,
        1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static constexpr std::array<double, 8> d{1.0,
                                             2.05319162663775882187e0,
                                             1.67638483018380384940e0,
                                             6.89767334985100004550e-1,
                                             1.48103976427480074590e-1,
                                             1.51986665636164571966e-2,
                                             5.47593808499534494600e-4,
                                             1.05075007164441684324e-9};
    value = ratio(r - 1.6, c, d);
  } else {
    static constexpr std::array<double, 8> e{
        6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,  2.96560571828504891230e-1,
        2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static constexpr std::array<double, 8> f{1.0,
                                             5.99832206555887937690e-1,
                                             1.36929880922735805310e-1,
                                             1.48753612908506148525e-2,
                                             7.86869131145613259100e-4,
                                             1.84631831751005468180e-5,
                                             1.42151175831644588870e-7,
                                             2.04426310338993978564e-15};
    value = ratio(r - 5, e, f);
  }
  return q < 0 ? -value : value;
}

/// Random numbers of one (seed, stream, step): a function of the index alone.
class Random {
 public:
  Random(std::uint64_t seed, Stream stream, std::uint64_t step = 0)
      : key_{static_cast<std::uint32_t>(seed),
             static_cast<std::uint32_t>(seed >> 32) ^ (static_cast<std::uint32_t>(stream) << 24)},
        seed_(seed),
        step_(step) {}

  std::uint64_t seed() const { return seed_; }
  std::uint64_t step() const { return step_; }

  /// 64 random bits.
  std::uint64_t bits(std::uint64_t index) const {
    const auto words = philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                                   static_cast<std::uint32_t>(step_), static_cast<std::uint32_t>(step_ >> 32)},
                                  key_);
    return (std::uint64_t{words[1]} << 32) | words[0];
  }
  /// Uniform in (0, 1): 53 bits, shifted by half a step so that neither end occurs.
  double uniform(std::uint64_t index) const { return (static_cast<double>(bits(index) >> 12) + 0.5) * 0x1p-52; }
  double uniform(std::uint64_t index, double low, double high) const { return low + (high - low) * uniform(index); }
  /// Standard normal deviate.
  double normal(std::uint64_t index) const { return normal_quantile(uniform(index)); }
  /// Standard normal deviate conditioned on |z| <= 2 (TensorFlow's truncated normal, without redrawing).
  double truncated_normal(std::uint64_t index) const {
    constexpr double below_minus_two = 0.022750131948179207200;  // Phi(-2)
    return normal_quantile(below_minus_two + (1 - 2 * below_minus_two) * uniform(index));
  }
  /// Integer in [0, n), n <= 2^32, unbiased to 2^-64 n (multiply-shift).
  Index integer(std::uint64_t index, Index n) const {
    check(n > 0 && n <= (Index{1} << 32), "random", "integer needs 0 < n <= 2^32, got ", n);
    const std::uint64_t b = bits(index);
    const std::uint64_t un = static_cast<std::uint64_t>(n);
    const std::uint64_t high = (b >> 32) * un, low = ((b & 0xffffffffu) * un) >> 32;
    return static_cast<Index>((high + low) >> 32);
  }

  /// A permutation of 0..n-1 (Fisher-Yates, draw i decides place i).
  std::vector<Index> permutation(Index n) const {
    std::vector<Index> order(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
    for (Index i = n - 1; i > 0; --i)
      std::swap(order[static_cast<std::size_t>(i)],
                order[static_cast<std::size_t>(integer(static_cast<std::uint64_t>(i), i + 1))]);
    return order;
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t seed_, step_;
};

TINYVISION_END
