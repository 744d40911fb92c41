// Convolution on NHWC maps in bf16 on the tensor cores: sums in f32, one rounding at the end. Formulas and shapes are those
// of conv2d.cu, and so is the idea: all three are products C = A B of a gathered matrix with a plain one, and no matrix is
// ever made in memory.
//               rows of C       columns    sum over            A(row, k)                   B(k, column)
//   forward     output pixels   o          k = (a, b, c)       x at the window's place     w[a,b,c,o]
//   dx          input pixels    c          k = (a', b', o)     dy that the tap reaches     w[a,b,c,o]
//   dw          (a, b, c)       o          output pixels       x at the window's place     dy
// dx has one product for each remainder (h mod stride_h, w mod stride_w): such input pixels are reached by every stride-th
// tap only, in descending order a = a_last - stride_h a', through the output row i = h' + first + a'. So no product with a
// zero between strides is ever made, and forward and dx gather their A alike.
//
// A block of 4 warps makes a tile of 128 x 128, or of 64 x 64 where the large ones would be too few; which warp and lane
// has which element is in support/tensor_product.h. A thread brings the same units of 8 neighbouring elements of
// every slice: it divides once for its rows and once for its first k, and then counts on. Where 8 elements cannot be read
// as one (channels or pitches that are no multiples of 8, unaligned arrays) it gathers them one by one.
//
// Repeatability: every element is one chain over ascending k, whatever the tile and the way of reading; dw is summed in
// parts of the pixels whose number depends on the shape alone, and the parts are added in a fixed order in double.
#include <stdexcept>
#include <string>

#include "support/convolution_operands.h"

namespace tinyvision_kernels {
namespace {

using LargeTile = Tile<128, 128, 2, 2>;
using SmallTile = Tile<64, 64, 2, 2>;
constexpr int depth = LargeTile::depth;

/// Scale, shift, residual, activation and the one rounding, for 8 neighbouring channels of a pixel.
template <bool in_units>
class Finish {
 public:
  __device__ Finish(const Epilogue<bf16>& e, bf16* y, int pitch, int column, int columns)
      : e_(e), y_(y), pitch_(pitch), column_(column), count_(columns - column) {
    TV_UNROLL
    for (int i = 0; i < unit; ++i) {
      scale_[i] = e.scale && i < count_ ? e.scale[column + i] : 1.0f;
      shift_[i] = e.shift && i < count_ ? e.shift[column + i] : 0.0f;
    }
  }
  __device__ __forceinline__ void operator()(Index pixel, const Pack<float, unit>& sum) const {
    if (count_ <= 0) return;
    bf16* to = y_ + pixel * pitch_ + column_;
    const bf16* residual = e_.residual ? e_.residual + pixel * e_.residual_pitch + column_ : nullptr;
    Unit added{}, result;
    if constexpr (in_units) {
      if (residual) added = load_pack<bf16, unit>(residual);
    }
    TV_UNROLL
    for (int i = 0; i < unit; ++i) {
      float v = fma(sum.v[i], scale_[i], shift_[i]);
      if constexpr (in_units) {
        if (residual) v += to_compute(added.v[i]);
      } else {
        if (residual && i < count_) v += to_compute(residual[i]);
      }
      result.v[i] = from_compute<bf16>(activate(v, e_.activation));
      if constexpr (!in_units) {
        if (i < count_) to[i] = result.v[i];
      }
    }
    if constexpr (in_units) store_pack(to, result);
  }

 private:
  const Epilogue<bf16>& e_;
  bf16* y_;
  int pitch_, column_, count_;
  float scale_[unit], shift_[unit];
};

/// Blocks per multiprocessor that registers must allow; fewer where every address is worked out by itself.
template <class Tile>
constexpr int blocks_at_once(bool in_units) {
  return Tile::rows == SmallTile::rows && in_units ? 4 : 2;
}

__device__ __forceinline__ int slices_of(int k) { return (k + depth - 1) / depth; }

/// Blocks are numbered column tiles first, so that those which run together read the same rows.
template <class Tile, bool in_units>
__global__ void __launch_bounds__(Tile::threads, blocks_at_once<Tile>(in_units))
    forward(Shape s, const bf16* x, const bf16* w, Epilogue<bf16> e, bf16* y, unsigned column_tiles) {
  TV_SHARED(std::uint32_t, ring, Tile::ring_words);
  const int row = static_cast<int>(blockIdx.x / column_tiles) * Tile::rows;
  const int column = static_cast<int>(blockIdx.x % column_tiles) * Tile::columns;
  const Pixels pixels{
      x,          s.in_h,     s.in_w,     s.in_pitch,  s.in_c,     s.out_h,   s.out_w, s.output_pixels(),
      s.stride_h, s.stride_w, -s.pad_top, -s.pad_left, s.kernel_h, s.kernel_w};
  LoadPixels<Tile, in_units> a(pixels, row);
  LoadRows<Tile, in_units> b(w, s.out_c, s.out_c, column, 0, pixels.depth_of_sum());
  Sums<Tile> sum = {};
  multiply<Tile>(ring, a, b, slices_of(pixels.depth_of_sum()), sum);
  const Finish<in_units> finish(e, y, s.out_pitch, column + result_column<Tile>(), s.out_c);
  hand_out<Tile>(ring, sum, [&](int r, int, const Pack<float, unit>& v) {
    if (row + r < pixels.rows) finish(row + r, v);
  });
}

template <class Tile, bool in_units>
__global__ void __launch_bounds__(Tile::threads, blocks_at_once<Tile>(in_units))
    input_gradient(Shape s, const bf16* dy, const bf16* w, Epilogue<bf16> e, bf16* dx, unsigned column_tiles,
                   unsigned row_tiles) {
  TV_SHARED(std::uint32_t, ring, Tile::ring_words);
  const int column = static_cast<int>(blockIdx.x % column_tiles) * Tile::columns;
  const int row = static_cast<int>(blockIdx.x / column_tiles % row_tiles) * Tile::rows;
  const int remainder = static_cast<int>(blockIdx.x / column_tiles / row_tiles),
            across = s.stride_w < s.in_w ? s.stride_w : s.in_w;
  const int first_h = remainder / across, first_w = remainder % across;
  const int grid_h = (s.in_h - first_h + s.stride_h - 1) / s.stride_h, rows_w = s.in_w - first_w + s.stride_w - 1;
  const int grid_w = rows_w / s.stride_w, rows = s.batch * grid_h * grid_w;
  if (row >= rows) return;
  const Taps vertical(first_h, s.pad_top, s.kernel_h, s.stride_h),
      horizontal(first_w, s.pad_left, s.kernel_w, s.stride_w);
  const Pixels pixels{dy,
                      s.out_h,
                      s.out_w,
                      s.out_pitch,
                      s.out_c,
                      grid_h,
                      grid_w,
                      rows,
                      1,
                      1,
                      vertical.first_output,
                      horizontal.first_output,
                      vertical.count,
                      horizontal.count};
  const FlippedWeights weights{w,          s.in_c,         s.out_c,          s.kernel_w,    s.stride_h,
                               s.stride_w, vertical.count, horizontal.count, vertical.last, horizontal.last};
  Sums<Tile> sum = {};
  if (pixels.depth_of_sum() > 0) {
    LoadPixels<Tile, in_units> a(pixels, row);
    LoadFlipped<Tile, in_units> b(weights, column, a.k());
    multiply<Tile>(ring, a, b, slices_of(pixels.depth_of_sum()), sum);
  }
  const Finish<in_units> finish(e, dx, s.in_pitch, column + result_column<Tile>(), s.in_c);
  hand_out<Tile>(ring, sum, [&](int r, int, const Pack<float, unit>& v) {
    if (row + r >= rows) return;
    const Digits at = Radix{grid_w, grid_h}.of(row + r);
    const int h = at.middle * s.stride_h + first_h, column_of_map = at.low * s.stride_w + first_w;
    finish((static_cast<Index>(at.high) * s.in_h + h) * s.in_w + column_of_map, v);
  });
}

template <class Tile, bool in_units>
__global__ void __launch_bounds__(Tile::threads, blocks_at_once<Tile>(in_units))
    weight_gradient_in_parts(Shape s, const bf16* x, const bf16* dy, float* partial, unsigned column_tiles,
                             unsigned row_tiles, int pixels_of_part) {
  TV_SHARED(std::uint32_t, ring, Tile::ring_words);
  const int column = static_cast<int>(blockIdx.x % column_tiles) * Tile::columns;
  const int row = static_cast<int>(blockIdx.x / column_tiles % row_tiles) * Tile::rows;
  const int part = static_cast<int>(blockIdx.x / column_tiles / row_tiles);
  const int begin = part * pixels_of_part, left = s.output_pixels() - begin;
  const int count = left < pixels_of_part ? left : pixels_of_part;
  LoadWindows<Tile, in_units> a(s, x, row, begin, begin + count);
  LoadRows<Tile, in_units> b(dy, s.out_pitch, s.out_c, column, begin, begin + count);
  Sums<Tile> sum = {};
  multiply<Tile>(ring, a, b, slices_of(count), sum);
  hand_out<Tile>(ring, sum, [&](int r, int c, const Pack<float, unit>& v) {
    if (row + r >= s.weight_rows()) return;
    float* to = partial + (static_cast<Index>(part) * s.weight_rows() + row + r) * s.out_c + column + c;
    TV_UNROLL
    for (int i = 0; i < unit; ++i)
      if (column + c + i < s.out_c) to[i] = v.v[i];
  });
}

/// Threads (x, y) of a block: element x, parts y, y + 8, ... in ascending order; then the 8 sums, in order.
__global__ void __launch_bounds__(256) sum_of_parts(Index count, int parts, const float* partial, float* to, bool add) {
  TV_SHARED(double, sums, 256);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const Index i = static_cast<Index>(blockIdx.x) * 32 + tx;
  double sum = 0;
  for (int part = ty; i < count && part < parts; part += 8) sum += static_cast<double>(partial[part * count + i]);
  sums[ty * 32 + tx] = sum;
  __syncthreads();
  if (ty != 0 || i >= count) return;
  sum = add ? static_cast<double>(to[i]) : 0.0;
  for (int y = 0; y < 8; ++y) sum += sums[y * 32 + tx];
  to[i] = static_cast<float>(sum);
}

int to_int(Index v) { return static_cast<int>(v); }

/// The window in 32 bits. Throws std::runtime_error when an index within an image, the weights or the pixels does not fit.
Shape checked(const Window& g) {
  const Index limit = (Index(1) << 31) - (Index(1) << 17);  // room for the tiles' and slices' ends
  const Index sizes[] = {g.in_h * g.in_w * g.in_pitch,
                         g.out_h * g.out_w * g.out_pitch,
                         g.batch * g.in_h * g.in_w,
                         g.batch * g.out_h * g.out_w,
                         g.kernel_h * g.kernel_w * g.in_c * g.out_c,
                         g.out_h * g.stride_h,
                         g.out_w * g.stride_w};
  for (const Index size : sizes)
    if (size >= limit)
      throw std::runtime_error("[conv2d_bf16] an image, its pixels in a batch or the weights have " +
                               std::to_string(size) + " elements, more than 32 bits number");
  return {to_int(g.batch),    to_int(g.in_h),     to_int(g.in_w),     to_int(g.in_c),      to_int(g.in_pitch),
          to_int(g.out_h),    to_int(g.out_w),    to_int(g.out_c),    to_int(g.out_pitch), to_int(g.kernel_h),
          to_int(g.kernel_w), to_int(g.stride_h), to_int(g.stride_w), to_int(g.pad_top),   to_int(g.pad_left)};
}

Index tiles(Index rows, Index columns, Index side) { return divide_up(rows, side) * divide_up(columns, side); }

/// Large tiles where both sides have use for them and there are enough for the multiprocessors of a large card.
bool is_large(TensorTile choice, Index rows, Index columns, Index parts) {
  if (choice != TensorTile::by_shape) return choice == TensorTile::large;
  return rows > SmallTile::rows && columns > SmallTile::columns && tiles(rows, columns, LargeTile::rows) * parts >= 128;
}

/// Output pixels summed by one block of dw: at least 512, so many that about 1024 small tiles, or 256 large, are made.
int pixels_of_part(const Shape& s) {
  const Index wanted = divide_up(1024, tiles(s.weight_rows(), s.out_c, SmallTile::rows));
  const Index share = divide_up(s.output_pixels(), wanted);
  return to_int(divide_up(share > 512 ? share : 512, depth) * depth);
}
int part_count(const Shape& s) { return to_int(divide_up(s.output_pixels(), pixels_of_part(s))); }

unsigned grid_size(Index blocks) {
  if (blocks >= Index(1) << 31)
    throw std::runtime_error("[conv2d_bf16] a grid of " + std::to_string(blocks) + " blocks");
  return static_cast<unsigned>(blocks);
}
template <class Tile>
unsigned column_tiles(Index columns) {
  return static_cast<unsigned>(divide_up(columns, Tile::columns));
}
template <class Tile>
unsigned row_tiles(Index rows) {
  return static_cast<unsigned>(divide_up(rows, Tile::rows));
}

template <class Tile, bool in_units>
void launch_forward(const Shape& s, const bf16* x, const bf16* w, const Epilogue<bf16>& e, bf16* y, Stream stream) {
  TV_LAUNCH((forward<Tile, in_units>), dim3(grid_size(tiles(s.output_pixels(), s.out_c, Tile::rows))),
            dim3(Tile::threads), stream, s, x, w, e, y, column_tiles<Tile>(s.out_c));
}

/// Input pixels of the largest remainder, and the number of remainders.
Index pixels_of_remainder(const Shape& s) {
  return static_cast<Index>(s.batch) * divide_up(s.in_h, s.stride_h) * divide_up(s.in_w, s.stride_w);
}
Index remainders(const Shape& s) {
  return static_cast<Index>(s.stride_h < s.in_h ? s.stride_h : s.in_h) * (s.stride_w < s.in_w ? s.stride_w : s.in_w);
}

template <class Tile, bool in_units>
void launch_input_gradient(const Shape& s, const bf16* dy, const bf16* w, const Epilogue<bf16>& e, bf16* dx,
                           Stream stream) {
  const Index rows = pixels_of_remainder(s);
  TV_LAUNCH((input_gradient<Tile, in_units>), dim3(grid_size(tiles(rows, s.in_c, Tile::rows) * remainders(s))),
            dim3(Tile::threads), stream, s, dy, w, e, dx, column_tiles<Tile>(s.in_c), row_tiles<Tile>(rows));
}

template <class Tile, bool in_units>
void launch_weight_gradient(const Shape& s, const bf16* x, const bf16* dy, float* workspace, Stream stream) {
  TV_LAUNCH((weight_gradient_in_parts<Tile, in_units>),
            dim3(grid_size(tiles(s.weight_rows(), s.out_c, Tile::rows) * part_count(s))), dim3(Tile::threads), stream,
            s, x, dy, workspace, column_tiles<Tile>(s.out_c), row_tiles<Tile>(s.weight_rows()), pixels_of_part(s));
}

/// Whether input, output and weights can all be read and written in units.
bool units_fit(const Shape& s, const bf16* in, const bf16* out, const bf16* weights) {
  return packs_fit<bf16, unit>(in, s.in_c, s.in_pitch) && packs_fit<bf16, unit>(out, s.out_c, s.out_pitch) &&
         packs_fit<bf16, unit>(weights, s.out_c, s.out_c);
}

}  // namespace

void conv2d_bf16_forward(const Window& g, const bf16* x, const bf16* w, const Epilogue<bf16>& e, bf16* y, Stream stream,
                         TensorTile tile) {
  const Shape s = checked(g);
  if (!units_fit(s, x, y, w) || !packs_fit<bf16, unit>(e.residual, s.out_c, e.residual_pitch)) {
    launch_forward<SmallTile, false>(s, x, w, e, y, stream);
  } else if (is_large(tile, s.output_pixels(), s.out_c, 1)) {
    launch_forward<LargeTile, true>(s, x, w, e, y, stream);
  } else {
    launch_forward<SmallTile, true>(s, x, w, e, y, stream);
  }
}

void conv2d_bf16_backward_input(const Window& g, const bf16* dy, const bf16* w, bf16* dx, bool accumulate,
                                Stream stream, TensorTile tile) {
  const Shape s = checked(g);
  const Epilogue<bf16> e{nullptr, nullptr, accumulate ? dx : nullptr, s.in_pitch, Activation::none};
  if (!units_fit(s, dx, dy, w)) {
    launch_input_gradient<SmallTile, false>(s, dy, w, e, dx, stream);
  } else if (is_large(tile, pixels_of_remainder(s), s.in_c, remainders(s))) {
    launch_input_gradient<LargeTile, true>(s, dy, w, e, dx, stream);
  } else {
    launch_input_gradient<SmallTile, true>(s, dy, w, e, dx, stream);
  }
}

Index conv2d_bf16_workspace(const Window& g) {
  const Shape s = checked(g);
  return static_cast<Index>(part_count(s)) * s.weight_rows() * s.out_c;
}

void conv2d_bf16_backward_weight(const Window& g, const bf16* x, const bf16* dy, float* dw, bool accumulate,
                                 float* workspace, Stream stream, TensorTile tile) {
  const Shape s = checked(g);
  const Index count = static_cast<Index>(s.weight_rows()) * s.out_c;
  if (!units_fit(s, x, dy, nullptr)) {
    launch_weight_gradient<SmallTile, false>(s, x, dy, workspace, stream);
  } else if (is_large(tile, s.weight_rows(), s.out_c, part_count(s))) {
    launch_weight_gradient<LargeTile, true>(s, x, dy, workspace, stream);
  } else {
    launch_weight_gradient<SmallTile, true>(s, x, dy, workspace, stream);
  }
  TV_LAUNCH(sum_of_parts, dim3(static_cast<unsigned>(divide_up(count, 32))), dim3(32, 8), stream, count, part_count(s),
            workspace, dw, accumulate);
}

}  // namespace tinyvision_kernels
