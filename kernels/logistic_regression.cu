// Multinomial logistic regression with an L2 penalty: objective and gradient, and products with the Hessian.
//
//   s_i = U^T z_i + b,  p_i = softmax(s_i)
//   F = sum_i [log sum_c exp(s_ic) - s_i,label(i)] + lambda/2 |U|^2
//   dF/dU = Z^T R + lambda U,  dF/db = sum_i r_i,   r_i = p_i - onehot(label(i))
//   H v: the same sums and lambda V with s_i = V^T z_i + c and r_i = p_i * (s_i - p_i . s_i),  v = (V, c)
// Z [rows, features], rows `pitch` apart; U [features, classes] and then b [classes] are one vector, and so is the
// gradient. (tinyvision/optim/logistic_regression_solver.hpp is the same on the CPU, where it says what this is for.)
//
// Rows are taken in tiles of at most 8192, so that a tile's scores stay small: scores of the tile, rows of R in their
// place, and then what the tile adds to the sums. Labels and likeliest classes are not looked at.
//
// Threads. Both products: 16 x 16 threads make a 64 x 64 tile of the result (support/tile_product.h). Rows of scores: a
// warp per row, lane t takes classes t, t + 32, .... Column sums: 32 x 8 threads (support/column_sums.h). The end: one
// thread per element of the gradient.
//
// Repeatability and precision. Tiles and parts depend on the sizes alone, and are added in order in double. Scores are
// chains in T; a row's sums over classes and the loss are double; a sum over rows is a chain in T for at most 512 rows
// and is then added in double; sums of R alone are double. 1 - p of the label is summed from the other classes, so that
// it keeps its digits however small it is.
#include "support/column_sums.h"
#include "support/tile_product.h"

namespace tinyvision_kernels {
namespace {

constexpr int row_threads = 256, rows_of_block = row_threads / 32;
constexpr Index chain_rows = 512;  ///< rows added in T before the sum goes on in double

/// How the sums over rows are cut, and where what they need lies in the workspace.
struct Cut {
  Index features, classes;
  Index tile_rows;
  Index part_rows, parts;                ///< of a tile, each with sums of its own
  Index column_part_rows, column_parts;  ///< likewise for the sums of R alone

  Cut(Index rows, Index features_, Index classes_) : features(features_), classes(classes_) {
    constexpr Index most_rows = 8192, most_scores = Index{1} << 22, wanted_blocks = 256, least_part = 1024;
    const Index fitting = most_scores / classes / least_part * least_part;
    const Index needed = divide_up(rows, least_part) * least_part;
    tile_rows = fitting < least_part ? least_part : fitting < most_rows ? fitting : most_rows;
    if (needed < tile_rows) tile_rows = needed;
    const Index blocks = divide_up(features, side) * divide_up(classes, side);
    const Index share = divide_up(tile_rows, divide_up(wanted_blocks, blocks));
    part_rows = divide_up(share, least_part) * least_part;
    parts = divide_up(tile_rows, part_rows);
    column_part_rows = tinyvision_kernels::column_part_rows(tile_rows);
    column_parts = divide_up(tile_rows, column_part_rows);
  }

  Index weights() const { return features * classes; }
  Index sum_space() const { return sum_workspace(tile_rows > weights() ? tile_rows : weights()); }
  // The workspace, in this order.
  Index gradients() const { return 0; }
  Index columns() const { return gradients() + parts * weights(); }
  Index losses() const { return columns() + column_parts * classes; }
  Index squares() const { return losses() + tile_rows; }
  Index sums() const { return squares() + 1; }
  Index size() const { return sums() + sum_space(); }
};

template <class V>
__device__ V sum_of_warp(V value) {
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(~0u, value, bits);
  return value;
}

/// Replaces each row of scores by softmax - onehot(label); losses[r] = -log softmax[label].
template <class T>
__global__ void __launch_bounds__(row_threads)
    softmax_residual(Index rows, Index classes, const std::int32_t* labels, T* scores, double* losses) {
  const Index row = static_cast<Index>(blockIdx.x) * rows_of_block + threadIdx.x / 32;
  if (row >= rows) return;  // a whole warp
  const int lane = static_cast<int>(threadIdx.x % 32);
  const Index label = labels[row];
  const int owner = static_cast<int>(label % 32);
  T* const z = scores + row * classes;
  T largest = -static_cast<T>(INFINITY), score = 0, own = 0;
  for (Index c = lane; c < classes; c += 32) {
    largest = z[c] > largest ? z[c] : largest;  // a NaN may be missed here; it comes back with the sums
    if (c == label) score = z[c];
  }
  for (int bits = 16; bits > 0; bits /= 2) {
    const T other = __shfl_xor_sync(~0u, largest, bits);
    largest = other > largest ? other : largest;
  }
  double others = 0;
  for (Index c = lane; c < classes; c += 32) {
    const T exponential = std::exp(z[c] - largest);
    z[c] = exponential;
    if (c == label) {
      own = exponential;
    } else {
      others += static_cast<double>(exponential);
    }
  }
  others = sum_of_warp(others);
  score = __shfl_sync(~0u, score, owner);
  own = __shfl_sync(~0u, own, owner);
  const double inverse = 1 / (others + static_cast<double>(own));
  for (Index c = lane; c < classes; c += 32)
    z[c] = c == label ? static_cast<T>(-others * inverse) : z[c] * static_cast<T>(inverse);
  if (lane != 0) return;
  losses[row] = score == largest ? std::log1p(others)
                                 : std::log(others + static_cast<double>(own)) +
                                       (static_cast<double>(largest) - static_cast<double>(score));
}

/// Replaces each row u of scores by (diag p - p p^T) u, as p * (v - p . v) with v = u - u[likeliest], which keeps its
/// relative precision when p is nearly one-hot.
template <class T>
__global__ void __launch_bounds__(row_threads)
    hessian_rows(Index rows, Index classes, const T* probabilities, const std::int32_t* likeliest, T* scores) {
  const Index row = static_cast<Index>(blockIdx.x) * rows_of_block + threadIdx.x / 32;
  if (row >= rows) return;  // a whole warp
  const int lane = static_cast<int>(threadIdx.x % 32);
  const Index best = likeliest[row];
  T* const u = scores + row * classes;
  const T* const p = probabilities + row * classes;
  T origin = lane == static_cast<int>(best % 32) ? u[best] : T(0);
  origin = __shfl_sync(~0u, origin, static_cast<int>(best % 32));
  double mean = 0;
  for (Index c = lane; c < classes; c += 32) mean += static_cast<double>(p[c]) * static_cast<double>(u[c] - origin);
  mean = sum_of_warp(mean);
  for (Index c = lane; c < classes; c += 32) u[c] = p[c] * ((u[c] - origin) - static_cast<T>(mean));
}

/// partial[part] (+)= Z^T R over the part's rows.
template <class T>
__global__ void __launch_bounds__(threads* threads, 1)
    gradient_of_parts(Index rows, Index features, Index classes, const T* z, Index pitch, const T* residual,
                      Index rows_of_part, bool add, double* partial) {
  const Transposed<T, Plain<T>> a{{z, pitch}};
  const Plain<T> b{residual, classes};
  const Index begin = static_cast<Index>(blockIdx.z) * rows_of_part;
  const Index end = begin + rows_of_part < rows ? begin + rows_of_part : rows;
  double total[per_thread][per_thread] = {};
  for (Index first = begin; first < end; first += chain_rows) {
    T sum[per_thread][per_thread] = {};
    multiply_tile<T>(a, b, features, classes, first, first + chain_rows < end ? first + chain_rows : end, sum);
    TV_UNROLL
    for (int i = 0; i < per_thread; ++i) TV_UNROLL
    for (int j = 0; j < per_thread; ++j) total[i][j] += static_cast<double>(sum[i][j]);
  }
  for_each_element(features, classes, total, [=](Index feature, Index c, double& value) {
    double& to = partial[(static_cast<Index>(blockIdx.z) * features + feature) * classes + c];
    to = add ? to + value : value;
  });
}

/// gradient = sum of the parts + lambda * (U, 0).
template <class T>
__global__ void __launch_bounds__(256)
    sum_of_parts(Index weights, Index classes, Index parts, const double* partial, Index column_parts,
                 const double* column_partial, double lambda, const T* x, T* gradient) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= weights + classes) return;
  const bool weight = i < weights;
  const double* const from = weight ? partial + i : column_partial + (i - weights);
  const Index count = weight ? parts : column_parts, stride = weight ? weights : classes;
  double sum = 0;
  for (Index part = 0; part < count; ++part) sum += from[part * stride];
  gradient[i] = static_cast<T>(weight ? sum + lambda * static_cast<double>(x[i]) : sum);
}

__global__ void add_penalty(double lambda, const double* squares, double* objective) {
  *objective += 0.5 * lambda * *squares;
}

/// out = (Z^T R + lambda U, column sums of R), R = replace_rows(Z U + b).
template <class T, class ReplaceRows>
void sum_over_rows(const Cut& cut, Index rows, const T* z, Index pitch, double lambda, const T* x, T* out, T* scores,
                   double* workspace, Stream stream, const ReplaceRows& replace_rows) {
  const Index classes = cut.classes;
  double* const gradients = workspace + cut.gradients();
  double* const columns = workspace + cut.columns();
  const Plain<T> u{x, classes};
  const Epilogue<T> shift{nullptr, x + cut.weights(), nullptr, 0, Activation::none};
  for (Index first = 0; first < rows; first += cut.tile_rows) {
    const Index count = first + cut.tile_rows < rows ? cut.tile_rows : rows - first;
    const T* const tile = z + first * pitch;
    multiply<T>(Plain<T>{tile, pitch}, u, count, classes, cut.features, T(0), shift, scores, classes, stream);
    replace_rows(first, count, dim3(static_cast<unsigned>(divide_up(count, rows_of_block))));
    sum_columns(count, classes, cut.column_part_rows, cut.column_parts, static_cast<const T*>(scores), classes,
                first > 0, columns, stream);
    TV_LAUNCH(gradient_of_parts<T>, tiles(cut.features, classes, cut.parts), dim3(threads, threads), stream, count,
              cut.features, classes, tile, pitch, scores, cut.part_rows, first > 0, gradients);
  }
  TV_LAUNCH(sum_of_parts<T>, dim3(grid_of(cut.weights() + classes)), dim3(256), stream, cut.weights(), classes,
            cut.parts, gradients, cut.column_parts, columns, lambda, x, out);
}

}  // namespace

Index logistic_regression_scores(Index rows, Index features, Index classes) {
  return Cut(rows, features, classes).tile_rows * classes;
}
Index logistic_regression_workspace(Index rows, Index features, Index classes) {
  return Cut(rows, features, classes).size();
}

template <class T>
void logistic_regression(Index rows, Index features, Index classes, const T* z, Index pitch, const std::int32_t* labels,
                         double lambda, const T* x, double* objective, T* gradient, T* scores, double* workspace,
                         Stream stream) {
  const Cut cut(rows, features, classes);
  double* const losses = workspace + cut.losses();
  double* const squares = workspace + cut.squares();
  double* const sums = workspace + cut.sums();
  sum_over_rows(cut, rows, z, pitch, lambda, x, gradient, scores, workspace, stream,
                [&](Index first, Index count, dim3 blocks) {
                  TV_LAUNCH(softmax_residual<T>, blocks, dim3(row_threads), stream, count, classes, labels + first,
                            scores, losses);
                  sum<double>(count, losses, objective, first > 0, sums, stream);
                });
  sum_of_squares<T>(cut.weights(), x, squares, false, sums, stream);
  TV_LAUNCH(add_penalty, dim3(1), dim3(1), stream, lambda, squares, objective);
}

template <class T>
void logistic_regression_hessian_product(Index rows, Index features, Index classes, const T* z, Index pitch,
                                         const T* probabilities, const std::int32_t* likeliest, double lambda,
                                         const T* v, T* product, T* scores, double* workspace, Stream stream) {
  const Cut cut(rows, features, classes);
  sum_over_rows(cut, rows, z, pitch, lambda, v, product, scores, workspace, stream,
                [&](Index first, Index count, dim3 blocks) {
                  TV_LAUNCH(hessian_rows<T>, blocks, dim3(row_threads), stream, count, classes,
                            probabilities + first * classes, likeliest + first, scores);
                });
}

#define TV_INSTANTIATE(T)                                                                                        \
  template void logistic_regression(Index, Index, Index, const T*, Index, const std::int32_t*, double, const T*, \
                                    double*, T*, T*, double*, Stream);                                           \
  template void logistic_regression_hessian_product(Index, Index, Index, const T*, Index, const T*,              \
                                                    const std::int32_t*, double, const T*, T*, T*, double*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
