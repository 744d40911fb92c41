// Reductions: sums, sums of squares, sums of columns, whether all elements are finite, the largest element of each row,
// and how many predictions are right.
//
//   total = sum x_i  or  sum x_i^2,  in double
//   dbias of column c (+)= sum over rows of dy[r,c],  in double
//   finite = no x_i is infinite or NaN
//   index of row r = first largest element; the first NaN, if any, counts as largest
// (tinyvision/reference/reduce.hpp is the specification.)
//
// Threads. Sums: the array is cut into at most 1024 parts of at least 4096 elements; a block of 256 threads adds one
// part, thread t the elements t, t + 256, ... of it, and one block then adds the parts in the same way. Columns: blocks
// of 32 x 8 threads add parts of the rows (support/column_sums.h), then one thread per column the parts. Largest
// elements: a warp per row, lane t sees elements t, t + 32, .... All finite: one thread for every 256th element of a
// part, cut as for the sums.
//
// Repeatability. How an array is cut depends on its length alone; the lanes of a warp are added in a fixed tree, the
// warps in order. Nothing is added atomically; the threads that find an element not finite all store the same 0.
#include "support/column_sums.h"

namespace tinyvision_kernels {
namespace {

constexpr int threads = 256, warps = threads / 32;
constexpr Index least_part = 4096, most_parts = 1024;

/// Elements a block takes.
Index part_size(Index count) {
  const Index share = divide_up(count, most_parts);
  return share > least_part ? share : least_part;
}
unsigned part_count(Index count) { return static_cast<unsigned>(divide_up(count, part_size(count))); }

/// The sum over the threads of the block; thread 0 has it. All of them call it.
template <class V>
__device__ V sum_of_block(V value) {
  TV_SHARED(V, parts, warps);
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(~0u, value, bits);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x != 0) return value;
  for (int warp = 1; warp < warps; ++warp) value += parts[warp];
  return value;
}

template <class T, bool squared>
__global__ void __launch_bounds__(threads) sum_parts(Index count, Index part, const T* x, double* partial) {
  const Index begin = static_cast<Index>(blockIdx.x) * part, end = begin + part < count ? begin + part : count;
  double sum = 0;
  for (Index i = begin + threadIdx.x; i < end; i += threads) {
    const double value = static_cast<double>(to_compute(x[i]));
    sum += squared ? value * value : value;
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(threads) sum_all(Index parts, const double* partial, double* total, bool accumulate) {
  double sum = 0;
  for (Index i = threadIdx.x; i < parts; i += threads) sum += partial[i];
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) *total = accumulate ? *total + sum : sum;
}

template <class T>
__global__ void __launch_bounds__(threads)
    column_sums_of_all(Index columns, Index parts, const double* partial, Accumulator<T>* sums, bool accumulate) {
  const Index column = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  double sum = 0;
  for (Index part = 0; part < parts; ++part) sum += partial[part * columns + column];
  const Accumulator<T> value = static_cast<Accumulator<T>>(sum);
  sums[column] = accumulate ? sums[column] + value : value;
}

__global__ void set_flag(std::int32_t* flag, std::int32_t value) { *flag = value; }

template <class T>
__global__ void __launch_bounds__(threads) find_not_finite(Index count, Index part, const T* x, std::int32_t* finite) {
  const Index begin = static_cast<Index>(blockIdx.x) * part, end = begin + part < count ? begin + part : count;
  bool found = false;
  for (Index i = begin + threadIdx.x; i < end; i += threads) {
    const Accumulator<T> value = to_compute(x[i]);
    found |= !(value - value == Accumulator<T>(0));  // inf - inf and NaN are NaN
  }
  if (found) *finite = 0;
}

/// Whether element i of value x comes before element j of value y among candidates for the largest; -1 is no element.
template <class A>
__device__ bool comes_before(A x, Index i, A y, Index j) {
  if (i < 0 || j < 0) return i >= 0;
  const bool x_nan = x != x, y_nan = y != y;
  if (x_nan != y_nan) return x_nan;
  if (!x_nan && x != y) return x > y;
  return i < j;
}

template <class T>
__global__ void __launch_bounds__(threads)
    argmax_of_rows(Index rows, Index channels, const T* x, Index pitch, std::int64_t* indices) {
  const Index row = static_cast<Index>(blockIdx.x) * warps + threadIdx.x / 32;
  if (row >= rows) return;  // a whole warp
  const int lane = static_cast<int>(threadIdx.x % 32);
  Accumulator<T> largest = 0;
  Index best = -1;
  for (Index i = lane; i < channels; i += 32) {
    const Accumulator<T> value = to_compute(x[row * pitch + i]);
    if (comes_before(value, i, largest, best)) largest = value, best = i;
  }
  for (int bits = 16; bits > 0; bits /= 2) {
    const Accumulator<T> other = __shfl_xor_sync(~0u, largest, bits);
    const Index other_index = __shfl_xor_sync(~0u, best, bits);
    if (comes_before(other, other_index, largest, best)) largest = other, best = other_index;
  }
  if (lane == 0) indices[row] = best;
}

__global__ void __launch_bounds__(threads)
    count_equal_pairs(Index count, const std::int64_t* a, const std::int64_t* b, std::int64_t* equal, bool accumulate) {
  Index found = 0;
  for (Index i = threadIdx.x; i < count; i += threads) found += a[i] == b[i] ? 1 : 0;
  found = sum_of_block(found);
  if (threadIdx.x == 0) *equal = accumulate ? *equal + found : found;
}

template <class T, bool squared>
void sum_terms(Index count, const T* x, double* total, bool accumulate, double* workspace, Stream stream) {
  const unsigned parts = part_count(count);
  if (parts > 0)
    TV_LAUNCH((sum_parts<T, squared>), dim3(parts), dim3(threads), stream, count, part_size(count), x, workspace);
  TV_LAUNCH(sum_all, dim3(1), dim3(threads), stream, static_cast<Index>(parts), workspace, total, accumulate);
}

}  // namespace

Index sum_workspace(Index count) { return static_cast<Index>(part_count(count)); }

template <class T>
void sum(Index count, const T* x, double* total, bool accumulate, double* workspace, Stream stream) {
  sum_terms<T, false>(count, x, total, accumulate, workspace, stream);
}

template <class T>
void sum_of_squares(Index count, const T* x, double* total, bool accumulate, double* workspace, Stream stream) {
  sum_terms<T, true>(count, x, total, accumulate, workspace, stream);
}

Index bias_backward_workspace(Index rows, Index channels) { return column_part_count(rows) * channels; }

template <class T>
void bias_backward(Index rows, Index channels, const T* dy, Index pitch, Accumulator<T>* dbias, bool accumulate,
                   double* workspace, Stream stream) {
  if (channels == 0) return;
  const Index parts = column_part_count(rows);
  sum_columns(rows, channels, column_part_rows(rows), parts, dy, pitch, false, workspace, stream);
  TV_LAUNCH(column_sums_of_all<T>, dim3(grid_of(channels)), dim3(threads), stream, channels, parts, workspace, dbias,
            accumulate);
}

template <class T>
void all_finite(Index count, const T* x, std::int32_t* finite, bool accumulate, Stream stream) {
  if (!accumulate) TV_LAUNCH(set_flag, dim3(1), dim3(1), stream, finite, std::int32_t{1});
  if (count == 0) return;
  TV_LAUNCH(find_not_finite<T>, dim3(part_count(count)), dim3(threads), stream, count, part_size(count), x, finite);
}

template <class T>
void argmax(Index rows, Index channels, const T* x, Index pitch, std::int64_t* indices, Stream stream) {
  if (rows == 0) return;
  TV_LAUNCH(argmax_of_rows<T>, dim3(static_cast<unsigned>(divide_up(rows, warps))), dim3(threads), stream, rows,
            channels, x, pitch, indices);
}

void count_equal(Index count, const std::int64_t* a, const std::int64_t* b, std::int64_t* equal, bool accumulate,
                 Stream stream) {
  TV_LAUNCH(count_equal_pairs, dim3(1), dim3(threads), stream, count, a, b, equal, accumulate);
}

#define TV_INSTANTIATE(T)                                                                             \
  template void bias_backward(Index, Index, const T*, Index, Accumulator<T>*, bool, double*, Stream); \
  template void sum(Index, const T*, double*, bool, double*, Stream);                                 \
  template void sum_of_squares(Index, const T*, double*, bool, double*, Stream);                      \
  template void all_finite(Index, const T*, std::int32_t*, bool, Stream);                             \
  template void argmax(Index, Index, const T*, Index, std::int64_t*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
