// Body of microkernel.hpp, compiled for each instruction set by simd_foreach.inl.
//
// A tile of MR x (NV vectors) accumulators stays in registers over the whole reduction; each step broadcasts MR
// elements of A and loads NV vectors of B. Every output element is one chain of multiply-adds in ascending k, whatever
// the tile's height, width or position. With a row-major A a chain may go on from what is in C, so that it is one chain
// over all blocks of a long reduction; with a packed A, whose reductions are the longest, block sums are added instead.

TINYVISION_BEGIN
namespace simd {
namespace TINYVISION_SIMD_SET {

/// Number of columns of a packed panel of B: two vectors.
template <class T>
inline constexpr int panel_columns = 2 * Vec<T>::width;

/// Row `row` of a tile: of a row-major A the epilogue, else c = [c +] acc. `Full`: all lanes are valid, no masks needed.
template <bool Full, bool RowMajorA, class T, int NV>
TINYVISION_SIMD_INLINE void finish_row(const PanelProduct<T>& p, Index row, const typename Vec<T>::Reg* acc,
                                       const typename Vec<T>::Mask* mask) {
  using V = Vec<T>;
  T* c = p.c + p.pixel[row] * p.c_pitch;
  TINYVISION_UNROLL
  for (int v = 0; v < NV; ++v) {
    const int at = v * V::width;
    typename V::Reg x = acc[v];
    if constexpr (!RowMajorA) {
      if (p.add) x = V::add(x, Full ? V::load(c + at) : V::load(c + at, mask[v]));
    } else {
      auto shift = V::zero();
      if (p.shift != nullptr) shift = Full ? V::load(p.shift + at) : V::load(p.shift + at, mask[v]);
      if (p.scale != nullptr) {
        x = V::fma(x, Full ? V::load(p.scale + at) : V::load(p.scale + at, mask[v]), shift);
      } else if (p.shift != nullptr) {
        x = V::add(x, shift);
      }
      if (p.residual != nullptr) {
        const T* residual = p.residual + p.pixel[row] * p.residual_pitch + at;
        x = V::add(x, Full ? V::load(residual) : V::load(residual, mask[v]));
      }
      if (p.activation != Activation::none) x = V::max(V::zero(), x);
      if (p.activation == Activation::relu6) x = V::min(V::set1(T(6)), x);
    }
    if constexpr (Full) {
      if (p.stream) {
        V::stream(c + at, x);
      } else {
        V::store(c + at, x);
      }
    } else {
      V::store(c + at, x, mask[v]);
    }
  }
}

/// Finishes `rows` rows whose sums were spilled to acc[row][NV vectors], for panels narrower than their vectors.
template <bool RowMajorA, class T, int NV>
TINYVISION_SIMD_FUNCTION __attribute__((noinline)) void finish_partial(const PanelProduct<T>& p, Index row, int rows,
                                                                       const T* acc) {
  using V = Vec<T>;
  typename V::Mask mask[NV];
  for (int v = 0; v < NV; ++v) mask[v] = V::mask(p.n - v * V::width);
  for (int i = 0; i < rows; ++i, acc += NV * V::width) {
    typename V::Reg x[NV];
    for (int v = 0; v < NV; ++v) x[v] = V::load(acc + v * V::width);
    finish_row<false, RowMajorA, T, NV>(p, row + i, x, mask);
  }
}

/// Accumulators that go on from the sums in C.
template <class T, int MR, int NV>
TINYVISION_SIMD_INLINE void load_tile(const PanelProduct<T>& p, Index row, typename Vec<T>::Reg (*acc)[NV]) {
  using V = Vec<T>;
  TINYVISION_UNROLL
  for (int i = 0; i < MR; ++i) {
    const T* c = p.c + p.pixel[row + i] * p.c_pitch;
    TINYVISION_UNROLL
    for (int v = 0; v < NV; ++v) acc[i][v] = V::load(c + v * V::width, V::mask(p.n - v * V::width));
  }
}

/// Distance between consecutive k in a packed column tile of A: the tile's rows padded to whole cache lines.
template <class T>
inline constexpr int column_pitch = (Vec<T>::tile_rows + Vec<T>::width - 1) / Vec<T>::width* Vec<T>::width;

/// One tile. RowMajorA: A(i, k) = a[i * lda + k], else A comes as packed column tiles. B(k, j) = b[k * panel_columns +
/// j].
template <bool RowMajorA, class T, int MR, int NV>
TINYVISION_SIMD_FUNCTION __attribute__((noinline)) void tile(const PanelProduct<T>& p, Index row) {
  using V = Vec<T>;
  constexpr int ldb = panel_columns<T>;
  constexpr int unroll = 4;
  constexpr int prefetch = 12;  // steps of k ahead
  constexpr int groups = (MR + 2) / 3;
  typename V::Reg acc[MR][NV];
  if (RowMajorA && p.add) {
    load_tile<T, MR, NV>(p, row, acc);
  } else {
    TINYVISION_UNROLL
    for (int i = 0; i < MR; ++i) {
      TINYVISION_UNROLL
      for (int v = 0; v < NV; ++v) acc[i][v] = V::zero();
    }
  }
  const T* b = p.b;
  [[maybe_unused]] const Index lda = p.lda;
  Index k = p.k;
  if constexpr (RowMajorA) {
    // One pointer per three rows: base, base + lda, base + 2 lda are single addressing modes.
    const T* a[groups];
    TINYVISION_UNROLL
    for (int g = 0; g < groups; ++g) a[g] = p.a + (row + 3 * g) * lda;
    constexpr int line = 64 / static_cast<int>(sizeof(T));
    const T* next = p.a + (row + MR) * lda;
    for (; k >= unroll; k -= unroll) {
      if (p.fetch_next) {
        TINYVISION_UNROLL
        for (int at = 0; at < MR * unroll; at += line) __builtin_prefetch(next + at);
        next += MR * unroll;
      }
      TINYVISION_UNROLL
      for (int u = 0; u < unroll; ++u) {
        typename V::Reg bv[NV];
        TINYVISION_UNROLL
        for (int v = 0; v < NV; ++v) {
          bv[v] = V::load(b + u * ldb + v * V::width);
          __builtin_prefetch(b + (u + prefetch) * ldb + v * V::width);
        }
        TINYVISION_UNROLL
        for (int i = 0; i < MR; ++i) {
          const auto x = V::set1(a[i / 3][(i % 3) * lda + u]);
          TINYVISION_UNROLL
          for (int v = 0; v < NV; ++v) acc[i][v] = V::fma(x, bv[v], acc[i][v]);
        }
      }
      TINYVISION_UNROLL
      for (int g = 0; g < groups; ++g) a[g] += unroll;
      b += unroll * ldb;
    }
    for (; k > 0; --k) {
      typename V::Reg bv[NV];
      TINYVISION_UNROLL
      for (int v = 0; v < NV; ++v) bv[v] = V::load(b + v * V::width);
      TINYVISION_UNROLL
      for (int i = 0; i < MR; ++i) {
        const auto x = V::set1(a[i / 3][(i % 3) * lda]);
        TINYVISION_UNROLL
        for (int v = 0; v < NV; ++v) acc[i][v] = V::fma(x, bv[v], acc[i][v]);
      }
      TINYVISION_UNROLL
      for (int g = 0; g < groups; ++g) a[g] += 1;
      b += ldb;
    }
  } else {
    const T* a = p.a + row / V::tile_rows * p.lda + row % V::tile_rows;
    for (; k > 0; --k) {
      typename V::Reg bv[NV];
      TINYVISION_UNROLL
      for (int v = 0; v < NV; ++v) bv[v] = V::load(b + v * V::width);
      TINYVISION_UNROLL
      for (int i = 0; i < MR; ++i) {
        const auto x = V::set1(a[i]);
        TINYVISION_UNROLL
        for (int v = 0; v < NV; ++v) acc[i][v] = V::fma(x, bv[v], acc[i][v]);
      }
      a += column_pitch<T>;
      b += ldb;
    }
  }
  if (p.n >= NV * V::width) {
    TINYVISION_UNROLL
    for (int i = 0; i < MR; ++i) finish_row<true, RowMajorA, T, NV>(p, row + i, acc[i], nullptr);
  } else {
    alignas(64) T spilled[MR * NV * V::width];
    TINYVISION_UNROLL
    for (int i = 0; i < MR; ++i) {
      TINYVISION_UNROLL
      for (int v = 0; v < NV; ++v) V::store(spilled + (i * NV + v) * V::width, acc[i][v]);
    }
    finish_partial<RowMajorA, T, NV>(p, row, MR, spilled);
  }
}

template <bool RowMajorA, class T, int MR>
TINYVISION_SIMD_INLINE Index tiles_of_height(const PanelProduct<T>& p, Index row) {
  for (; p.m - row >= MR; row += MR) {
    if (p.n > Vec<T>::width) {
      tile<RowMajorA, T, MR, 2>(p, row);
    } else {
      tile<RowMajorA, T, MR, 1>(p, row);
    }
  }
  return row;
}

/// All rows of one panel: tiles of full height, then lower ones for the rest.
template <bool RowMajorA, class T>
TINYVISION_SIMD_FUNCTION void panel_product(const PanelProduct<T>& p) {
  constexpr int rows = Vec<T>::tile_rows;
  Index row = tiles_of_height<RowMajorA, T, rows>(p, 0);
  if constexpr (rows > 8) row = tiles_of_height<RowMajorA, T, 7>(p, row);
  if constexpr (rows > 4) row = tiles_of_height<RowMajorA, T, 4>(p, row);
  row = tiles_of_height<RowMajorA, T, 2>(p, row);
  tiles_of_height<RowMajorA, T, 1>(p, row);
  if (p.stream) Vec<T>::stream_fence();
}

template <class T>
TINYVISION_SIMD_INLINE void copy_run(T* to, const T* from, Index count) {
  using V = Vec<T>;
  Index i = 0;
  for (; i + V::width <= count; i += V::width) V::store(to + i, V::load(from + i));
  if (i < count) {
    const auto mask = V::mask(count - i);
    V::store(to + i, V::load(from + i, mask), mask);
  }
}

template <class T>
TINYVISION_SIMD_INLINE void zero_run(T* to, Index count) {
  using V = Vec<T>;
  Index i = 0;
  for (; i + V::width <= count; i += V::width) V::store(to + i, V::zero());
  if (i < count) V::store(to + i, V::zero(), V::mask(count - i));
}

/// Columns [k0, k1) of the window whose first input pixel is (y0, x0) of image `image`.
template <class T>
TINYVISION_SIMD_FUNCTION void gather_window(const WindowRows<T>& s, Index image, Index y0, Index x0, Index k0, Index k1,
                                            T* out) {
  const Index run = s.taps_w * s.channels;  // one kernel row of one pixel
  const Index x_begin = std::clamp<Index>(-x0, 0, s.taps_w);
  const Index x_end = std::clamp<Index>(s.in_w - x0, x_begin, s.taps_w);
  for (Index ty = k0 / run; ty * run < k1; ++ty) {
    const Index begin = std::max(k0 - ty * run, Index{0});  // wanted part of this kernel row
    const Index end = std::min(k1 - ty * run, run);
    T* to = out + ty * run + begin - k0;
    const Index y = y0 + ty;
    if (y < 0 || y >= s.in_h) {
      zero_run(to, end - begin);
      continue;
    }
    const T* from = s.x + ((image * s.in_h + y) * s.in_w + x0) * s.in_pitch;
    const Index copy_begin = std::clamp(x_begin * s.channels, begin, end);
    const Index copy_end = std::clamp(x_end * s.channels, copy_begin, end);
    zero_run(to, copy_begin - begin);
    if (s.in_pitch == s.channels) {
      copy_run(to + copy_begin - begin, from + copy_begin, copy_end - copy_begin);
    } else {
      for (Index k = copy_begin; k < copy_end;) {
        const Index tx = k / s.channels;
        const Index stop = std::min(copy_end, (tx + 1) * s.channels);
        copy_run(to + k - begin, from + tx * s.in_pitch + k - tx * s.channels, stop - k);
        k = stop;
      }
    }
    zero_run(to + copy_end - begin, end - copy_end);
  }
}

/// See Microkernels::gather_rows.
template <class T>
TINYVISION_SIMD_FUNCTION void gather_rows(const WindowRows<T>& s, Index first, Index rows, Index k0, Index k1, T* out,
                                          Index pitch) {
  const Index run = s.taps_w * s.channels;
  const bool whole = k0 == 0 && k1 == s.taps_h * run && s.in_pitch == s.channels;
  const Index row_pitch = s.in_w * s.in_pitch;
  Index gx = first % s.grid_w;
  Index gy = first / s.grid_w % s.grid_h;
  Index image = first / (s.grid_w * s.grid_h);
  for (Index r = 0; r < rows; ++r, out += pitch) {
    const Index y0 = gy * s.step_h + s.offset_h;
    const Index x0 = gx * s.step_w + s.offset_w;
    if (whole && y0 >= 0 && y0 + s.taps_h <= s.in_h && x0 >= 0 && x0 + s.taps_w <= s.in_w) {
      const T* from = s.x + (image * s.in_h + y0) * row_pitch + x0 * s.in_pitch;
      for (Index ty = 0; ty < s.taps_h; ++ty) copy_run(out + ty * run, from + ty * row_pitch, run);
    } else {
      gather_window(s, image, y0, x0, k0, k1, out);
    }
    if (++gx == s.grid_w) {
      gx = 0;
      if (++gy == s.grid_h) gy = 0, ++image;
    }
  }
}

/// See Microkernels::pack_column_tiles.
template <class T>
TINYVISION_SIMD_FUNCTION void pack_column_tiles(const T* a, Index lda, Index depth, Index columns, T* out,
                                                Index stride) {
  constexpr Index width = Vec<T>::tile_rows;
  for (Index k = 0; k < depth; ++k) {
    const T* from = a + k * lda;
    T* to = out + k * column_pitch<T>;
    Index i = 0;
    for (; i + width <= columns; i += width, to += stride) copy_run(to, from + i, width);
    if (i < columns) copy_run(to, from + i, columns - i);
  }
}

/// See Microkernels::pack_panel.
template <class T>
TINYVISION_SIMD_FUNCTION void pack_panel(const T* b, Index row, Index column, Index depth, Index n, T alpha, T* out) {
  using V = Vec<T>;
  constexpr int columns = panel_columns<T>;
  if (row != 1) {  // column == 1
    const auto factor = V::set1(alpha);
    const auto mask0 = V::mask(n);
    const auto mask1 = V::mask(n - V::width);
    for (Index k = 0; k < depth; ++k, b += row, out += columns) {
      V::store(out, V::mul(factor, V::load(b, mask0)));
      V::store(out + V::width, n > V::width ? V::mul(factor, V::load(b + V::width, mask1)) : V::zero());
    }
    return;
  }
  // Transposes width x width blocks in registers. Depth advances in steps of a few cache lines of each source row.
  constexpr Index step = 4 * V::width;
  const auto factor = V::set1(alpha);
  for (Index k0 = 0; k0 < depth; k0 += step) {
    const Index k1 = std::min(depth, k0 + step);
    for (Index j = 0; j < columns; j += V::width) {
      for (Index k = k0; k < k1; k += V::width) {
        const Index valid = std::min<Index>(V::width, k1 - k);
        const auto mask = V::mask(valid);
        typename V::Reg block[V::width];
        for (Index i = 0; i < V::width; ++i)
          block[i] = j + i < n ? V::mul(factor, V::load(b + k + (j + i) * column, mask)) : V::zero();
        V::transpose(block);
        for (Index i = 0; i < valid; ++i) V::store(out + (k + i) * columns + j, block[i]);
      }
    }
  }
}

template <class T>
const Microkernels<T>& microkernels() {
  static constexpr Microkernels<T> table{
      panel_columns<T>,         Vec<T>::tile_rows, column_pitch<T>,       &panel_product<true, T>,
      &panel_product<false, T>, &gather_rows<T>,   &pack_column_tiles<T>, &pack_panel<T>};
  return table;
}

}  // namespace TINYVISION_SIMD_SET
}  // namespace simd
TINYVISION_END
