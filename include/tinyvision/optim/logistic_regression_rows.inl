// Body of logistic_regression_rows.hpp, compiled for each instruction set by simd_foreach.inl.
//
// A row of class scores is a run of segments of one vector each, so that every inner loop below has a constant length and
// becomes vector code. Sums over classes add lane by lane, then the lanes pairwise.

TINYVISION_BEGIN
namespace simd {
namespace TINYVISION_SIMD_SET {

template <class T>
inline constexpr int lanes = Vec<T>::width;

template <class T>
TINYVISION_SIMD_INLINE T reduce_sum(T* x) {
  for (int half = lanes<T> / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) x[j] += x[j + half];
  return x[0];
}

template <class T>
TINYVISION_SIMD_INLINE T reduce_max(T* x) {
  for (int half = lanes<T> / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) x[j] = x[j] > x[j + half] ? x[j] : x[j + half];
  return x[0];
}

/// e^x for x <= 0: x = n ln 2 + r, |r| <= ln 2 / 2, Taylor series of e^r (order 7 in f32, 13 in f64: below half an ulp),
/// exponent added as an integer. Zero below -80 (f32) and -700 (f64), before results become denormal.
TINYVISION_SIMD_INLINE float exp_negative(float x) {
  const float c = x < -80.0f ? -80.0f : x;
  const float t = c * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer in the low bits
  const float n = t - 12582912.0f;
  const float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = (p * r) * r + r + 1.0f;
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(t) << 23);
  return x < -80.0f ? 0.0f : std::bit_cast<float>(bits);
}

TINYVISION_SIMD_INLINE double exp_negative(double x) {
  const double c = x < -700.0 ? -700.0 : x;
  const double t = c * 1.4426950408889634074 + 6755399441055744.0;  // 1.5 * 2^52
  const double n = t - 6755399441055744.0;
  const double r = (c - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = (p * r) * r + r + 1.0;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(p) + (std::bit_cast<std::uint64_t>(t) << 52);
  return x < -700.0 ? 0.0 : std::bit_cast<double>(bits);
}

template <class T>
TINYVISION_SIMD_INLINE T* segment(T* row, const ScoreRows& s, Index i) {
  return row + (i >> 1) * s.pair_stride + (i & 1) * lanes<T>;
}

template <class T>
TINYVISION_SIMD_INLINE T* element(T* row, const ScoreRows& s, Index i) {
  return row + i / (2 * lanes<T>)*s.pair_stride + i % (2 * lanes<T>);
}

/// See RowKernels.
template <class T>
TINYVISION_SIMD_FUNCTION double softmax_residual(const ScoreRows& s, T* scores, const T* shift,
                                                 const std::int32_t* labels, double* column_sums) {
  constexpr int w = lanes<T>;
  double loss = 0;
  for (Index r = 0; r < s.rows; ++r) {
    T* row = scores + r * s.row_stride;
    T most[w], sum[w];
    for (int j = 0; j < w; ++j) most[j] = std::numeric_limits<T>::lowest(), sum[j] = T(0);
    for (Index i = 0; i < s.segments; ++i) {
      T* z = segment(row, s, i);
      if (shift != nullptr)
        for (int j = 0; j < w; ++j) z[j] += shift[i * w + j];
      for (int j = 0; j < w; ++j) most[j] = most[j] > z[j] ? most[j] : z[j];
    }
    const T largest = reduce_max(most);
    T* at = element(row, s, Index{labels[r]});
    const T score = *at;
    for (Index i = 0; i < s.segments; ++i) {
      T* z = segment(row, s, i);
      for (int j = 0; j < w; ++j) z[j] = exp_negative(z[j] - largest);
    }
    // The label's own term is left out of the sum, so that 1 - p keeps its digits when p is nearly 1.
    const T own = *at;
    *at = T(0);
    for (Index i = 0; i < s.segments; ++i) {
      const T* z = segment(row, s, i);
      for (int j = 0; j < w; ++j) sum[j] += z[j];
    }
    const T others = reduce_sum(sum);
    const T inverse = T(1) / (others + own);
    for (Index i = 0; i < s.segments; ++i) {
      T* z = segment(row, s, i);
      for (int j = 0; j < w; ++j) z[j] *= inverse;
    }
    *at = -others * inverse;
    if (column_sums != nullptr) {
      for (Index i = 0; i < s.segments; ++i) {
        const T* z = segment(row, s, i);
        for (int j = 0; j < w; ++j) column_sums[i * w + j] += static_cast<double>(z[j]);
      }
    }
    loss += score == largest ? std::log1p(static_cast<double>(others))
                             : std::log(static_cast<double>(others) + static_cast<double>(own)) +
                                   (static_cast<double>(largest) - static_cast<double>(score));
  }
  return loss;
}

/// See RowKernels.
template <class T>
TINYVISION_SIMD_FUNCTION void hessian_rows(const ScoreRows& s, T* scores, const T* probabilities,
                                           const std::int32_t* likeliest, double* column_sums) {
  constexpr int w = lanes<T>;
  for (Index r = 0; r < s.rows; ++r) {
    T* row = scores + r * s.row_stride;
    const T* p = probabilities + r * s.segments * w;
    const T origin = *element(row, s, Index{likeliest[r]});
    T sum[w];
    for (int j = 0; j < w; ++j) sum[j] = T(0);
    for (Index i = 0; i < s.segments; ++i) {
      T* u = segment(row, s, i);
      for (int j = 0; j < w; ++j) {
        u[j] -= origin;
        sum[j] += p[i * w + j] * u[j];
      }
    }
    const T mean = reduce_sum(sum);
    for (Index i = 0; i < s.segments; ++i) {
      T* u = segment(row, s, i);
      for (int j = 0; j < w; ++j) {
        u[j] = p[i * w + j] * (u[j] - mean);
        column_sums[i * w + j] += static_cast<double>(u[j]);
      }
    }
  }
}

template <class T>
const RowKernels<T>& row_kernels() {
  static constexpr RowKernels<T> table{lanes<T>, &softmax_residual<T>, &hessian_rows<T>};
  return table;
}

}  // namespace TINYVISION_SIMD_SET
}  // namespace simd
TINYVISION_END
