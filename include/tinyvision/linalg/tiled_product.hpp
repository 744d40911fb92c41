// The two blocked, threaded matrix products that every dense kernel of the CPU backend is made of: rows times packed
// panels (forward and input gradients), and transposed rows times a matrix (weight gradients).
//
// How the work is cut depends on shapes and the element type alone, and no two tasks add to the same output, so results
// do not depend on the number of threads.
#pragma once

#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/linalg/packed_panels.hpp"
#include "tinyvision/linalg/thread_scratch.hpp"

TINYVISION_BEGIN
namespace simd {

/// Where row (image, gy, gx) of a grid is written: pixel (image, gy * step_h + origin_h, gx * step_w + origin_w).
struct GridTarget {
  Index out_h = 1, out_w = 0;
  Index step_h = 1, step_w = 1, origin_h = 0, origin_w = 0;
};

/// The windows of a plain rows x columns matrix: its rows.
template <class T>
WindowRows<T> matrix_rows(const T* a, Index lda, Index rows, Index columns) {
  WindowRows<T> w;
  w.x = a;
  w.in_h = w.grid_h = 1;
  w.in_w = w.grid_w = rows;
  w.in_pitch = lda;
  w.channels = columns;
  return w;
}

/// True when row i of the windows is simply x + i * in_pitch.
template <class T>
bool rows_in_place(const WindowRows<T>& w) {
  return w.taps_h == 1 && w.taps_w == 1 && w.step_h == 1 && w.step_w == 1 && w.offset_h == 0 && w.offset_w == 0 &&
         w.grid_h == w.in_h && w.grid_w == w.in_w;
}

namespace detail {

constexpr Index divide_up(Index a, Index b) { return (a + b - 1) / b; }
constexpr Index round_up(Index a, Index b) { return divide_up(a, b) * b; }

/// Tasks a product is cut into where it is large enough: dynamic scheduling then evens out slow threads.
inline constexpr Index wanted_tasks = 16;

/// Length of the blocks of k that rows are gathered in.
template <class T>
Index reduction_block(Index k) {
  constexpr Index limit = 8192 / static_cast<Index>(sizeof(T));
  return std::max<Index>(1, round_up(divide_up(k, std::max<Index>(1, divide_up(k, limit))), 16));
}

/// Row pitch of gathered rows: whole cache lines, an odd number of them, so that rows fall into different cache sets.
template <class T>
Index gather_pitch(Index columns) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  return (divide_up(columns, line) | 1) * line;
}

/// Pixel indices of rows [first, first + rows).
template <class T>
void target_pixels(const WindowRows<T>& w, const GridTarget& t, Index first, Index rows, Index* pixel) {
  Index gx = first % w.grid_w, gy = first / w.grid_w % w.grid_h, image = first / (w.grid_w * w.grid_h);
  for (Index r = 0; r < rows; ++r) {
    pixel[r] = (image * t.out_h + gy * t.step_h + t.origin_h) * t.out_w + gx * t.step_w + t.origin_w;
    if (++gx == w.grid_w) {
      gx = 0;
      if (++gy == w.grid_h) gy = 0, ++image;
    }
  }
}

struct RowBlocks {
  Index rows;    ///< rows of A per task
  Index panels;  ///< panels of B per task
};

/// Rows of A that stay in the second-level cache while panels of B pass by, and enough tasks. Big B is split by panels
/// first, so that it is read once; small B by rows, so that rows are gathered once.
template <class T>
RowBlocks row_blocks(Index m, Index k, Index panels, Index panel_columns, Index tile_rows) {
  constexpr Index cache_bytes = 640 * 1024;
  const Index row_bytes = std::max<Index>(1, reduction_block<T>(k)) * static_cast<Index>(sizeof(T));
  const Index tiles = std::clamp<Index>(cache_bytes / row_bytes / tile_rows, 4, 32);
  Index row_tasks = divide_up(m, tiles * tile_rows);
  const bool small = panels * panel_columns * k * static_cast<Index>(sizeof(T)) <= cache_bytes;
  Index panel_tasks = 1;
  const auto split_rows = [&] {
    row_tasks = std::max(row_tasks, std::min(divide_up(wanted_tasks, panel_tasks), divide_up(m, 4 * tile_rows)));
  };
  if (small) split_rows();
  if (row_tasks < wanted_tasks) panel_tasks = std::min(panels, divide_up(wanted_tasks, row_tasks));
  if (!small) split_rows();
  return {round_up(divide_up(m, row_tasks), tile_rows), divide_up(panels, panel_tasks)};
}

}  // namespace detail

/// C = activate(([C +] A * B) * scale + shift + residual), where A are the `m` windows of `rows`, and row i of C is the
/// pixel `target` names. Each sum is one chain of multiply-adds in precision T, in ascending order of k, that starts from
/// C or 0.
template <class T>
void multiply_rows(const WindowRows<T>& rows, Index m, const PackedPanels<T>& b, const GridTarget& target,
                   const Epilogue<T>& epilogue, bool add, T* c, Index c_pitch) {
  if (m == 0 || b.columns() == 0) return;
  const Microkernels<T>& kernels = microkernels<T>(b.instruction_set());
  const Index k = b.depth();
  const Index block = detail::reduction_block<T>(k);
  const detail::RowBlocks blocks = detail::row_blocks<T>(m, k, b.panels(), kernels.panel_columns, kernels.tile_rows);
  const Index block_rows = blocks.rows, block_panels = blocks.panels;
  const Index row_tasks = detail::divide_up(m, block_rows);
  const Index panel_tasks = detail::divide_up(b.panels(), block_panels);
  // Rows a multiple of 4 KiB apart share one cache set and evict each other; gathering them costs less.
  const bool in_place = rows_in_place(rows) && (m < 4 || rows.in_pitch * static_cast<Index>(sizeof(T)) % 4096 != 0);

  // Only whole lines that no later block reads back are streamed.
  const bool stream = worth_streaming<T>(m * c_pitch) && streamable(c, c_pitch) && !add;

  parallel_for(row_tasks * panel_tasks, [&](Index task) {
    const Index first = task % row_tasks * block_rows;
    const Index first_panel = task / row_tasks * block_panels;
    const Index last_panel = std::min(b.panels(), first_panel + block_panels);
    PanelProduct<T> p;
    p.m = std::min(block_rows, m - first);
    Index* pixel = thread_scratch<Index, 0>(block_rows);
    detail::target_pixels(rows, target, first, p.m, pixel);
    p.pixel = pixel;
    p.c_pitch = c_pitch;
    for (Index k0 = 0; k0 == 0 || k0 < k; k0 += block) {
      p.k = std::min(block, k - k0);
      if (in_place || p.k == 0) {
        p.a = rows.x + first * rows.in_pitch + k0;
        p.lda = rows.in_pitch;
      } else {
        p.lda = detail::gather_pitch<T>(p.k);
        T* gathered = thread_scratch<T, 0>(block_rows * p.lda);
        kernels.gather_rows(rows, first, p.m, k0, k0 + p.k, gathered, p.lda);
        p.a = gathered;
      }
      p.add = add || k0 > 0;
      const bool last = k0 + block >= k;
      if (last) p.activation = epilogue.activation, p.stream = stream && k0 == 0;
      for (Index j = first_panel; j < last_panel; ++j) {
        const Index column = j * kernels.panel_columns;
        p.fetch_next = in_place && j == first_panel;
        p.n = std::min(kernels.panel_columns, b.columns() - column);
        p.b = b.panel(j) + k0 * kernels.panel_columns;
        p.c = c + column;
        if (last) {
          p.scale = epilogue.scale == nullptr ? nullptr : epilogue.scale + column;
          p.shift = epilogue.shift == nullptr ? nullptr : epilogue.shift + column;
          p.residual = epilogue.residual == nullptr ? nullptr : epilogue.residual + column;
          p.residual_pitch = epilogue.residual_pitch;
        }
        kernels.row_major(p);
      }
    }
  });
}

namespace detail {

struct ReductionBlocks {
  Index columns;  ///< columns of A per task
  Index panels;   ///< panels of B per task
  Index splits;   ///< parts of the reduction, summed at the end
};

template <class T>
ReductionBlocks reduction_blocks(Index m, Index panels, Index panel_columns, Index chunks) {
  constexpr Index most_columns = 2240 / static_cast<Index>(sizeof(T)), least_columns = 112;
  Index column_tasks = divide_up(m, most_columns);
  Index panel_tasks = divide_up(panels, 8);
  if (column_tasks * panel_tasks < wanted_tasks && m * panels * panel_columns > 128 * 1024)
    column_tasks = std::max(column_tasks, std::min(divide_up(wanted_tasks, panel_tasks), m / least_columns));
  const Index tasks = column_tasks * panel_tasks;
  const Index splits = std::clamp<Index>(divide_up(wanted_tasks, tasks), 1, std::max<Index>(1, chunks / 2));
  return {divide_up(m, column_tasks), divide_up(panels, panel_tasks), splits};
}

}  // namespace detail

/// C = [C +] alpha * A^T * B, where A are the `depth` windows of `rows` (m columns) and B(p, j) = b[p * b_row +
/// j * b_column] has n columns. Sums over p run in chunks of fixed length in precision T; chunk sums are added in
/// order.
template <class T>
void multiply_transposed(const WindowRows<T>& rows, Index depth, Index m, const T* b, Index b_row, Index b_column,
                         Index n, T alpha, bool add, T* c, Index ldc) {
  if (m == 0 || n == 0) return;
  const InstructionSet set = instruction_set();
  const Microkernels<T>& kernels = microkernels<T>(set);
  const Index nr = kernels.panel_columns;
  const Index panels = detail::divide_up(n, nr);
  constexpr Index chunk = 1024 / static_cast<Index>(sizeof(T));
  const Index chunks = std::max<Index>(1, detail::divide_up(depth, chunk));
  const detail::ReductionBlocks blocks = detail::reduction_blocks<T>(m, panels, nr, chunks);
  const Index block_columns = blocks.columns, block_panels = blocks.panels;
  const Index split_chunks = detail::divide_up(chunks, blocks.splits);
  const Index splits = detail::divide_up(chunks, split_chunks);
  const Index column_tasks = detail::divide_up(m, block_columns);
  const Index panel_tasks = detail::divide_up(panels, block_panels);
  const bool in_place = rows_in_place(rows);
  const Scratch<T> partial(splits > 1 ? splits * m * n : 1);

  parallel_for(column_tasks * panel_tasks * splits, [&](Index task) {
    const Index split = task % splits;
    const Index m0 = task / splits % column_tasks * block_columns;
    const Index m1 = std::min(m, m0 + block_columns);
    const Index j0 = task / splits / column_tasks * block_panels;
    const Index j1 = std::min(panels, j0 + block_panels);
    PanelProduct<T> p;
    p.m = m1 - m0;
    Index* pixel = thread_scratch<Index, 0>(p.m);
    for (Index i = 0; i < p.m; ++i) pixel[i] = i;
    p.pixel = pixel;
    T* target = splits > 1 ? partial.data() + split * m * n : c;
    p.c_pitch = splits > 1 ? n : ldc;
    T* packed = thread_scratch<T, 1>((j1 - j0) * chunk * nr);
    constexpr Index gathered_rows = 8;
    const Index gather_pitch = detail::gather_pitch<T>(p.m);
    T* gathered = thread_scratch<T, 2>(gathered_rows * gather_pitch);
    p.lda = (chunk + 1) * kernels.column_pitch;  // one more than needed: tiles then start in different cache sets
    T* tiles = thread_scratch<T, 0>(detail::divide_up(p.m, kernels.tile_rows) * p.lda);
    p.a = tiles;
    const Index begin = split * split_chunks * chunk;
    const Index end = std::min(depth, begin + split_chunks * chunk);
    for (Index p0 = begin; p0 == begin || p0 < end; p0 += chunk) {
      p.k = std::min(chunk, end - p0);
      const Index step = b_column == 1 ? gathered_rows : chunk;
      for (Index r = 0; r < p.k; r += step)
        for (Index j = j0; j < j1; ++j)
          kernels.pack_panel(b + (p0 + r) * b_row + j * nr * b_column, b_row, b_column, std::min(step, p.k - r),
                             std::min(nr, n - j * nr), alpha, packed + ((j - j0) * chunk + r) * nr);
      // Rows are gathered a few at a time, to pass through the first-level cache.
      for (Index r = 0; r < p.k; r += gathered_rows) {
        const Index count = std::min(gathered_rows, p.k - r);
        const T* a = rows.x + (p0 + r) * rows.in_pitch + m0;
        if (!in_place) {
          kernels.gather_rows(rows, p0 + r, count, m0, m1, gathered, gather_pitch);
          a = gathered;
        }
        kernels.pack_column_tiles(a, in_place ? rows.in_pitch : gather_pitch, count, p.m,
                                  tiles + r * kernels.column_pitch, p.lda);
      }
      p.a = tiles;
      p.add = p0 > begin || (add && splits == 1);
      for (Index j = j0; j < j1; ++j) {
        p.n = std::min(nr, n - j * nr);
        p.b = packed + (j - j0) * chunk * nr;
        p.c = target + m0 * p.c_pitch + j * nr;
        kernels.column_major(p);
      }
    }
  });

  if (splits == 1) return;
  parallel_ranges(m, std::max<Index>(1, 16384 / n), [&](Index row0, Index row1) {
    for (Index i = row0; i < row1; ++i) {
      T* to = c + i * ldc;
      const T* from = partial.data() + i * n;
      if (!add) std::fill(to, to + n, T(0));
      for (Index s = 0; s < splits; ++s, from += m * n)
        for (Index j = 0; j < n; ++j) to[j] += from[j];
    }
  });
}

}  // namespace simd
TINYVISION_END
