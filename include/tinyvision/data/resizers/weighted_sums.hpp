// Separable filters over 8-bit RGB: in floats throughout, or in Pillow's fixed point with bytes between the passes.
//
// Both have one plain loop and, where SSE2 is there (every x86-64), one with four lanes that does the same operations in the
// same order for each channel: the bits are the same.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tinyvision/data/image.hpp"
#include "tinyvision/data/resizers/axis_filter.hpp"

TINYVISION_BEGIN
namespace data::detail {

/// out[k] = sum over j of weight[j] * rows[j][k], from j = 0 on; k < n.
inline void sum_rows(const float* const* rows, const float* weight, Index count, Index n, float* out) {
  Index k = 0;
#if defined(__SSE2__)
  for (; k + 8 <= n; k += 8) {
    __m128 low = _mm_setzero_ps(), high = _mm_setzero_ps();
    for (Index j = 0; j < count; ++j) {
      const __m128 w = _mm_set1_ps(weight[j]);
      low = _mm_add_ps(low, _mm_mul_ps(w, _mm_loadu_ps(rows[j] + k)));
      high = _mm_add_ps(high, _mm_mul_ps(w, _mm_loadu_ps(rows[j] + k + 4)));
    }
    _mm_storeu_ps(out + k, low);
    _mm_storeu_ps(out + k + 4, high);
  }
#endif
  for (; k < n; ++k) {
    float sum = 0;
    for (Index j = 0; j < count; ++j) sum += weight[j] * rows[j][k];
    out[k] = sum;
  }
}

/// One row through a filter: out[3 i + c] = sum over j of weight_i[j] * row[3 (first_i + j) + c]. `row` may be read and `out`
/// may be written one float beyond its end.
inline void filter_row(const float* row, const AxisFilter<float>& filter, float* out) {
  for (Index i = 0; i < filter.size(); ++i) {
    const float* w = filter.of(i);
    const float* p = row + 3 * filter.first[static_cast<std::size_t>(i)];
    const Index count = filter.count[static_cast<std::size_t>(i)];
#if defined(__SSE2__)
    __m128 sum = _mm_setzero_ps();
    for (Index j = 0; j < count; ++j) sum = _mm_add_ps(sum, _mm_mul_ps(_mm_set1_ps(w[j]), _mm_loadu_ps(p + 3 * j)));
    _mm_storeu_ps(out + 3 * i, sum);
#else
    float r = 0, g = 0, b = 0;
    for (Index j = 0; j < count; ++j) r += w[j] * p[3 * j], g += w[j] * p[3 * j + 1], b += w[j] * p[3 * j + 2];
    out[3 * i] = r, out[3 * i + 1] = g, out[3 * i + 2] = b;
#endif
  }
}

/// Bytes as floats times `scale`; four more floats behind the last may be written.
inline void bytes_to_floats(const std::uint8_t* bytes, Index n, float scale, float* out) {
  Index k = 0;
#if defined(__SSE2__)
  const __m128 factor = _mm_set1_ps(scale);
  const __m128i zero = _mm_setzero_si128();
  for (; k + 16 <= n; k += 16) {
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + k));
    const __m128i low = _mm_unpacklo_epi8(all, zero), high = _mm_unpackhi_epi8(all, zero);
    _mm_storeu_ps(out + k, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpacklo_epi16(low, zero)), factor));
    _mm_storeu_ps(out + k + 4, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpackhi_epi16(low, zero)), factor));
    _mm_storeu_ps(out + k + 8, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpacklo_epi16(high, zero)), factor));
    _mm_storeu_ps(out + k + 12, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpackhi_epi16(high, zero)), factor));
  }
#endif
  for (; k < n; ++k) out[k] = static_cast<float>(bytes[k]) * scale;
}

/// Rows first, then columns, f32 throughout. Filtered rows are kept only as long as an output row needs them: row y lies at
/// y modulo the height of the window, so that they stay in the processor's caches.
inline void resize_weighted(const ImageView& image, const Box& box, const AxisFilter<float>& across,
                            const AxisFilter<float>& down, float scale, float* out) {
  const Index row_floats = 3 * across.size(), stride = row_floats + 4, depth = down.width;
  std::vector<float> narrow(static_cast<std::size_t>(depth * stride));
  std::vector<float> source(static_cast<std::size_t>(3 * box.width + 4));
  std::vector<const float*> rows(static_cast<std::size_t>(depth));
  Index next = 0;
  for (Index i = 0; i < down.size(); ++i) {
    const Index first = down.first[static_cast<std::size_t>(i)], count = down.count[static_cast<std::size_t>(i)];
    for (next = std::max(next, first); next < first + count; ++next) {
      bytes_to_floats(image.at(box.top + next, box.left), 3 * box.width, scale, source.data());
      filter_row(source.data(), across, narrow.data() + next % depth * stride);
    }
    for (Index j = 0; j < count; ++j) rows[static_cast<std::size_t>(j)] = narrow.data() + (first + j) % depth * stride;
    sum_rows(rows.data(), down.of(i), count, row_floats, out + i * row_floats);
  }
}

/// Pillow's rounding of a fixed-point sum.
inline std::uint8_t clip_fixed(int sum) {
  const int value = sum >> 22;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// Columns are filtered: `rows` of `n` bytes each become down.size() rows.
inline std::vector<std::uint8_t> fixed_down(const std::uint8_t* rows, Index stride, Index n,
                                            const AxisFilter<int>& down) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(down.size() * n));
  std::vector<int> sums(static_cast<std::size_t>(n));
  for (Index i = 0; i < down.size(); ++i) {
    std::fill(sums.begin(), sums.end(), 1 << 21);
    const int* w = down.of(i);
    for (Index j = 0; j < down.count[static_cast<std::size_t>(i)]; ++j) {
      const std::uint8_t* p = rows + (down.first[static_cast<std::size_t>(i)] + j) * stride;
      for (Index k = 0; k < n; ++k) sums[static_cast<std::size_t>(k)] += w[j] * p[k];
    }
    for (Index k = 0; k < n; ++k)
      out[static_cast<std::size_t>(i * n + k)] = clip_fixed(sums[static_cast<std::size_t>(k)]);
  }
  return out;
}

/// Rows are filtered: `height` rows of pixels become across.size() pixels wide.
inline std::vector<std::uint8_t> fixed_across(const std::uint8_t* rows, Index stride, Index height,
                                              const AxisFilter<int>& across) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(height * 3 * across.size()));
  std::uint8_t* to = out.data();
  for (Index y = 0; y < height; ++y)
    for (Index i = 0; i < across.size(); ++i, to += 3) {
      const std::uint8_t* p = rows + y * stride + 3 * across.first[static_cast<std::size_t>(i)];
      const int* w = across.of(i);
      int r = 1 << 21, g = 1 << 21, b = 1 << 21;
      for (Index j = 0; j < across.count[static_cast<std::size_t>(i)]; ++j)
        r += w[j] * p[3 * j], g += w[j] * p[3 * j + 1], b += w[j] * p[3 * j + 2];
      to[0] = clip_fixed(r), to[1] = clip_fixed(g), to[2] = clip_fixed(b);
    }
  return out;
}

/// Pillow's resize of 8-bit images: two passes, bytes after each. It goes across first, but down first where the height
/// shrinks by more than twice what the width does (Pillow 13.0; older versions always went across first).
inline void resize_fixed(const ImageView& image, const Box& box, const AxisFilter<int>& across,
                         const AxisFilter<int>& down, float scale, float* out) {
  const std::uint8_t* begin = image.at(box.top, box.left);
  const Index stride = 3 * image.width, wide = 3 * across.size();
  const bool down_first = down.size() < box.height && box.height - down.size() > 2 * (box.width - across.size());
  std::vector<std::uint8_t> bytes;
  if (down_first) {
    const std::vector<std::uint8_t> low = fixed_down(begin, stride, 3 * box.width, down);
    bytes = fixed_across(low.data(), 3 * box.width, down.size(), across);
  } else {
    const std::vector<std::uint8_t> narrow = fixed_across(begin, stride, box.height, across);
    bytes = fixed_down(narrow.data(), wide, wide, down);
  }
  for (std::size_t k = 0; k < bytes.size(); ++k) out[k] = static_cast<float>(bytes[k]) * scale;
}

}  // namespace data::detail
TINYVISION_END
