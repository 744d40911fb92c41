// Entries of the CUDA kernels: pointers to device memory, sizes, a stream. Plain declarations that nvcc, the framework and
// a reader of one kernel share; nothing of the framework is included here.
//
// T is float or double, or bf16 where an entry says so. Every result is the same in every run: sums are cut by shape
// alone, and no kernel adds to memory atomically. Entries throw std::runtime_error, which names the kernel and its launch
// dimensions, when a launch is refused.
#pragma once

#include <cstdint>
#include <vector>

namespace tinyvision_kernels {

using Index = std::int64_t;
using Stream = void*;  ///< a cudaStream_t; null is the default stream

/// A brain floating-point number: the upper half of a float. Kernels compute in float and round to nearest even.
struct bf16 {
  std::uint16_t bits;
};

/// Numbers of tinyvision::Activation.
enum class Activation : int { none = 0, relu = 1, relu6 = 2 };

/// What statistics and sums over pixels are kept in beside activations of type T.
template <class T>
struct AccumulatorOf {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

/// What long sums over pixels of batch norm are kept in: double, as on the CPU, so that f32 gives the CPU's bits; float
/// beside bf16, whose own rounding is coarser.
template <class T>
struct PixelSumOf {
  using type = double;
};
template <>
struct PixelSumOf<bf16> {
  using type = float;
};
template <class T>
using PixelSum = typename PixelSumOf<T>::type;

/// Geometry of a sliding window on NHWC maps; the members mean what tinyvision::WindowGeometry says.
struct Window {
  Index batch, in_h, in_w, in_c, in_pitch, out_h, out_w, out_c, out_pitch, kernel_h, kernel_w, stride_h, stride_w,
      pad_top, pad_left;
};

/// What a convolution does to its result: act(v * scale[c] + shift[c] + residual). Null pointers leave their term out.
template <class T>
struct Epilogue {
  const Accumulator<T>* scale;
  const Accumulator<T>* shift;
  const T* residual;
  Index residual_pitch;
  Activation activation;
};

// --- depthwise.cu -------------------------------------------------------------------------------------------------------

/// y = epilogue(depthwise convolution of x). Weights [KH,KW,C,M] in Accumulator<T>, M = out_c / in_c. T may be bf16.
template <class T>
void depthwise_forward(const Window& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& epilogue, T* y,
                       Stream stream);

/// dx (+)= the gradient for the input. T may be bf16.
template <class T>
void depthwise_backward_input(const Window& g, const T* dy, const Accumulator<T>* w, T* dx, bool accumulate,
                              Stream stream);

/// Elements of Accumulator<T> that `workspace` below must have.
Index depthwise_workspace(const Window& g);

/// dw (+)= the gradient for the weights. T may be bf16.
template <class T>
void depthwise_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                               Accumulator<T>* workspace, Stream stream);

// --- conv2d.cu ----------------------------------------------------------------------------------------------------------

/// y = epilogue(convolution of x), weights [KH,KW,C,O]. T is float or double; the same bits as the CPU kernels.
template <class T>
void conv2d_forward(const Window& g, const T* x, const T* w, const Epilogue<T>& epilogue, T* y, Stream stream);

/// dx (+)= the gradient for the input.
template <class T>
void conv2d_backward_input(const Window& g, const T* dy, const T* w, T* dx, bool accumulate, Stream stream);

/// Elements of T that `workspace` below must have.
Index conv2d_workspace(const Window& g);

/// dw (+)= the gradient for the weights.
template <class T>
void conv2d_backward_weight(const Window& g, const T* x, const T* dy, T* dw, bool accumulate, T* workspace,
                            Stream stream);

// --- conv2d_bf16.cu -----------------------------------------------------------------------------------------------------

/// Tile of a product on the tensor cores, 128 x 128 or 64 x 64. It changes the speed and no bit of the result; arrays that
/// cannot be read 8 elements at a time always have the small one.
enum class TensorTile : int { by_shape = 0, small = 1, large = 2 };

/// y = epilogue(convolution of x), all in bf16, weights [KH,KW,C,O]; f32 sums on the tensor cores (sm_80 and later), one
/// rounding. Any shape; the fast way wants channels and pitches that are multiples of 8 and arrays aligned to 16 bytes.
/// Throws std::runtime_error when an image, the pixels of a batch or the weights have about 2^31 elements or more.
void conv2d_bf16_forward(const Window& g, const bf16* x, const bf16* w, const Epilogue<bf16>& epilogue, bf16* y,
                         Stream stream, TensorTile tile = TensorTile::by_shape);

/// dx (+)= the gradient for the input; the sum with what was there is rounded once.
void conv2d_bf16_backward_input(const Window& g, const bf16* dy, const bf16* w, bf16* dx, bool accumulate,
                                Stream stream, TensorTile tile = TensorTile::by_shape);

/// Floats that `workspace` below must have.
Index conv2d_bf16_workspace(const Window& g);

/// dw (+)= the gradient for the weights, in f32. Parts of the pixels are summed in f32, the parts in double.
void conv2d_bf16_backward_weight(const Window& g, const bf16* x, const bf16* dy, float* dw, bool accumulate,
                                 float* workspace, Stream stream, TensorTile tile = TensorTile::by_shape);

// --- gemm.cu ---------------------------------------------------------------------------------------------------------

/// C = alpha * op(A) * op(B) + beta * C, row-major; op(A) is m x k, op(B) k x n, C m x n, op transposes when its flag
/// is set, and ld* are the distances between stored rows. C is not read where beta is 0. T is float or double; the same
/// bits as tinyvision::reference::gemm: one chain of multiply-adds per element, in ascending k from beta * C.
template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, T alpha, const T* a, Index lda, const T* b,
          Index ldb, T beta, T* c, Index ldc, Stream stream);

// --- batch_norm.cu ------------------------------------------------------------------------------------------------------

/// Elements of PixelSum<T> that `workspace` below must have.
Index batch_norm_workspace(Index rows, Index channels);

/// Mean and biased variance of each channel of x [rows, channels], pixels `pitch` apart. T may be bf16.
template <class T>
void batch_norm_statistics(Index rows, Index channels, const T* x, Index pitch, Accumulator<T>* mean,
                           Accumulator<T>* variance, PixelSum<T>* workspace, Stream stream);

/// z = act((x - mean) * scale + shift + residual). residual may be null; z may be x or residual. T may be bf16.
template <class T>
void batch_norm_apply(Index rows, Index channels, const T* x, Index x_pitch, const Accumulator<T>* mean,
                      const Accumulator<T>* scale, const Accumulator<T>* shift, const T* residual, Index residual_pitch,
                      Activation activation, T* z, Index z_pitch, Stream stream);

/// sum_dy[c] = sum dy, sum_dy_xhat[c] = sum dy * xhat over rows; dy is dz where the activation let its input pass (z, its
/// output, may be null for none) and xhat = (x - mean) * inv_std. T may be bf16.
template <class T>
void batch_norm_backward_reduce(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                                const T* x, Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                                Activation activation, Accumulator<T>* sum_dy_xhat, Accumulator<T>* sum_dy,
                                PixelSum<T>* workspace, Stream stream);

/// dx (+)= gamma * inv_std * (dy - sum_dy/rows - xhat * sum_dy_xhat/rows), dresidual (+)= dy. gamma null means 1,
/// dresidual null skips it; dx or dresidual may be dz where it is not added to. T may be bf16.
template <class T>
void batch_norm_backward_apply(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z, Index z_pitch,
                               const T* x, Index x_pitch, const Accumulator<T>* mean, const Accumulator<T>* inv_std,
                               const Accumulator<T>* gamma, Activation activation, const Accumulator<T>* sum_dy_xhat,
                               const Accumulator<T>* sum_dy, T* dx, Index dx_pitch, bool accumulate, T* dresidual,
                               Index dresidual_pitch, bool accumulate_residual, Stream stream);

/// The same with statistics that are constants: dx (+)= gamma * inv_std * dy, dresidual (+)= dy.
template <class T>
void batch_norm_backward_apply_frozen(Index rows, Index channels, const T* dz, Index dz_pitch, const T* z,
                                      Index z_pitch, const Accumulator<T>* inv_std, const Accumulator<T>* gamma,
                                      Activation activation, T* dx, Index dx_pitch, bool accumulate, T* dresidual,
                                      Index dresidual_pitch, bool accumulate_residual, Stream stream);

/// inv_std = 1 / sqrt(variance + epsilon), scale = inv_std * gamma (null: 1); in double inside. A is float or double,
/// here and below.
template <class A>
void batch_norm_scales(Index channels, const A* variance, const A* gamma, double epsilon, A* inv_std, A* scale,
                       Stream stream);

/// moving <- decay * moving + (1 - decay) * statistic, the variance times rows / max(rows - 1, 1).
template <class A>
void batch_norm_move(Index rows, Index channels, const A* mean, const A* variance, double decay, A* moving_mean,
                     A* moving_variance, Stream stream);

/// shift = beta - mean * scale.
template <class A>
void batch_norm_fold(Index channels, const A* beta, const A* mean, const A* scale, A* shift, Stream stream);

// --- pool.cu ---------------------------------------------------------------------------------------------------------

/// y = maximum of each window. argmax (nullable, [output pixels, out_c] packed) is the offset a * kernel_w + b of the
/// first maximum in window order; the first NaN wins over numbers, and a window without a pixel gives -inf and 0. The
/// window has at most 256 positions, which the caller checks. T may be bf16.
template <class T>
void max_pool_forward(const Window& g, const T* x, T* y, std::uint8_t* argmax, Stream stream);

/// dx (+)= dy at the positions that argmax names. T may be bf16.
template <class T>
void max_pool_backward(const Window& g, const T* dy, const std::uint8_t* argmax, T* dx, bool accumulate, Stream stream);

/// y = mean of the window's pixels inside the input; 0 when there are none. T may be bf16.
template <class T>
void average_pool_forward(const Window& g, const T* x, T* y, Stream stream);

/// dx (+)= sum over the windows that contain the pixel of dy / (pixels of the window inside the input). T may be bf16.
template <class T>
void average_pool_backward(const Window& g, const T* dy, T* dx, bool accumulate, Stream stream);

/// y[n,c] = mean over the `pixels` >= 1 of image n of x [batch*pixels, channels], `pitch` apart; y packed. T may be
/// bf16.
template <class T>
void global_average_pool_forward(Index batch, Index pixels, Index channels, const T* x, Index pitch, T* y,
                                 Stream stream);

/// dx[n,p,c] (+)= dy[n,c] / pixels; dy packed. T may be bf16.
template <class T>
void global_average_pool_backward(Index batch, Index pixels, Index channels, const T* dy, T* dx, Index pitch,
                                  bool accumulate, Stream stream);

// --- loss.cu ---------------------------------------------------------------------------------------------------------

/// losses[r] = -sum_k t_k log p_k, p = softmax of row r of logits [rows, classes] `pitch` apart, t = (1-s)
/// onehot(label) + s/K with s = label_smoothing; in double inside. probabilities (nullable, packed) gets p. Labels are
/// not looked at: the caller has checked that they lie in [0, classes), for instance when a batch was read on the host.
/// T is float or double.
template <class T>
void softmax_cross_entropy_forward(Index rows, Index classes, const T* logits, Index pitch, const std::int64_t* labels,
                                   T label_smoothing, T* losses, T* probabilities, Stream stream);

/// dlogits (+)= *dloss / rows * (p - t), the derivative of the mean of the losses, with p as the forward pass left it;
/// dloss in device memory, rows of dlogits `pitch` apart.
template <class T>
void softmax_cross_entropy_backward(Index rows, Index classes, const T* probabilities, const std::int64_t* labels,
                                    T label_smoothing, const T* dloss, T* dlogits, Index pitch, bool accumulate,
                                    Stream stream);

/// losses[r] = sum_k w_k (max(z,0) - z t + log(1 + exp(-|z|))), z the logits `pitch` apart; targets and weights
/// (nullable: 1) are [rows, classes] packed. T is float or double.
template <class T>
void sigmoid_cross_entropy_forward(Index rows, Index classes, const T* logits, Index pitch, const T* targets,
                                   const T* weights, T* losses, Stream stream);

/// dlogits (+)= *dloss / rows * w * (logistic(z) - t).
template <class T>
void sigmoid_cross_entropy_backward(Index rows, Index classes, const T* logits, Index pitch, const T* targets,
                                    const T* weights, const T* dloss, T* dlogits, Index dlogits_pitch, bool accumulate,
                                    Stream stream);

/// *mean = sum of the losses / rows, summed in double.
template <class T>
void mean_loss(Index rows, const T* losses, T* mean, Stream stream);

// --- elementwise.cu --------------------------------------------------------------------------------------------------

/// y = act(x); every array is [rows, channels] with its own pitch. y may be x. T may be bf16, here and below.
template <class T>
void activation_forward(Index rows, Index channels, const T* x, Index x_pitch, Activation activation, T* y,
                        Index y_pitch, Stream stream);

/// dx (+)= dy where the activation with output y let its input pass, else 0. dx may be dy where it is not added to.
template <class T>
void activation_backward(Index rows, Index channels, const T* dy, Index dy_pitch, const T* y, Index y_pitch,
                         Activation activation, T* dx, Index dx_pitch, bool accumulate, Stream stream);

/// y = act(a + b). y may be a or b: y += x is add(y, x, none, y).
template <class T>
void add(Index rows, Index channels, const T* a, Index a_pitch, const T* b, Index b_pitch, Activation activation, T* y,
         Index y_pitch, Stream stream);

/// y (+)= alpha * x. y may be x.
template <class T>
void scale(Index rows, Index channels, const T* x, Index x_pitch, Accumulator<T> alpha, T* y, Index y_pitch,
           bool accumulate, Stream stream);

/// y (+)= x: channels of one map put beside those of another (concatenation), or taken out of it (its derivative), by
/// pointers to the first channel.
template <class T>
void copy_channels(Index rows, Index channels, const T* x, Index x_pitch, T* y, Index y_pitch, bool accumulate,
                   Stream stream);

/// y [batch, top+h+bottom, left+w+right, channels] = x [batch, h, w, channels] surrounded by zeros; with `accumulate` x
/// is added to the inner part of y. Amounts are not negative.
template <class T>
void zero_pad(Index batch, Index h, Index w, Index channels, const T* x, Index x_pitch, Index top, Index bottom,
              Index left, Index right, T* y, Index y_pitch, bool accumulate, Stream stream);

/// y [batch, out_h, out_w, channels] (+)= the part of x [batch, h, w, channels] from row `top`, column `left` on, which
/// lies inside x.
template <class T>
void crop(Index batch, Index h, Index w, Index channels, const T* x, Index x_pitch, Index top, Index left, Index out_h,
          Index out_w, T* y, Index y_pitch, bool accumulate, Stream stream);

/// y (+)= x / keep where Random(seed, Stream::dropout, step).uniform(row * channels + c) < keep, else 0, with the bits
/// of tinyvision/core/random.hpp; 0 < keep <= 1. *step_base, when it is not null, is added to the step: a recorded launch
/// reads it anew each time. Applied to dy it is the derivative. y may be x.
template <class T>
void dropout(Index rows, Index channels, std::uint64_t seed, std::uint64_t step, const std::int64_t* step_base,
             Accumulator<T> keep, const T* x, Index x_pitch, T* y, Index y_pitch, bool accumulate, Stream stream);

// --- convert.cu ------------------------------------------------------------------------------------------------------

/// y = value, rounded to T: float, double or bf16.
template <class T>
void fill(Index rows, Index channels, double value, T* y, Index y_pitch, Stream stream);

/// y = x in another of these types, to nearest, ties to even.
template <class To, class From>
void convert(Index rows, Index channels, const From* x, Index x_pitch, To* y, Index y_pitch, Stream stream);

// --- transpose.cu, epilogue.cu ---------------------------------------------------------------------------------------

/// y [columns, rows] (+)= x [rows, columns] transposed, both packed, added in float and rounded to To; float or bf16 each.
template <class To, class From>
void transpose(Index rows, Index columns, const From* x, To* y, bool accumulate, Stream stream);

/// y = act(y * scale[c] + shift[c] + residual), y [rows, channels] with its pitch: what a convolution that another library
/// made leaves to do. T is float or bf16. The residual may be y.
template <class T>
void apply_epilogue(Index rows, Index channels, const Epilogue<T>& epilogue, T* y, Index y_pitch, Stream stream);

// --- optimizer.cu ----------------------------------------------------------------------------------------------------

/// One tensor under optimisation; pointers to device memory, `count` elements each.
template <class T>
struct OptimizerEntry {
  T* weight;
  const T* gradient;  ///< null: the weight stays
  T* velocity;        ///< may be null where gradient is
  T* average;         ///< moving average, or null
  bf16* copy;         ///< the weight in bf16, or null
  Index count;
  bool decays;  ///< whether weight decay applies
};

/// A stretch of optimizer_chunk_size elements, fewer at the end, of tensor `entry`, beginning at element `begin`.
struct OptimizerChunk {
  Index entry, begin;
};
inline constexpr Index optimizer_chunk_size = 4096;

/// What may change from step to step; in device memory, so that a captured graph can be replayed with other values.
struct OptimizerSettings {
  double learning_rate, momentum, weight_decay;
  double average_decay;  ///< with `ramp_up`: min(average_decay, (1 + step) / (10 + step))
  Index step;            ///< steps before this one
  bool ramp_up;
  const std::int32_t* finite;  ///< where it is not null and *finite is 0, nothing is updated
};

/// The chunks of `entries` tensors of counts[i] elements: tensor by tensor, from the first element on. On the host.
std::vector<OptimizerChunk> optimizer_chunks(Index entries, const Index* counts);

/// g = gradient + weight_decay * w where the tensor decays, v = momentum * v + g, w -= learning_rate * (g + momentum *
/// v); then average = d * average + (1 - d) * w and copy = w rounded to bf16; for every tensor in one launch. The
/// gradient is not written. Without a gradient the average and the copy alone are. Tables and settings are in device
/// memory. T is float or double: the bits of tinyvision::Sgd and tinyvision::Ema.
template <class T>
void optimizer_update(const OptimizerEntry<T>* entries, const OptimizerChunk* chunks, Index chunk_count,
                      const OptimizerSettings* settings, Stream stream);

// --- reduce.cu -------------------------------------------------------------------------------------------------------

/// Doubles that `workspace` below must have.
Index sum_workspace(Index count);

/// *total (+)= sum of x[i], in double. count may be 0. T may be bf16, here and below.
template <class T>
void sum(Index count, const T* x, double* total, bool accumulate, double* workspace, Stream stream);

/// *total (+)= sum of x[i]^2, squared and added in double.
template <class T>
void sum_of_squares(Index count, const T* x, double* total, bool accumulate, double* workspace, Stream stream);

/// Doubles that `workspace` below must have.
Index bias_backward_workspace(Index rows, Index channels);

/// dbias[c] (+)= sum of dy over rows, accumulated in double: the gradient of a bias. dy is [rows, channels], rows `pitch`
/// apart; rows may be 0.
template <class T>
void bias_backward(Index rows, Index channels, const T* dy, Index pitch, Accumulator<T>* dbias, bool accumulate,
                   double* workspace, Stream stream);

/// *finite = 1 when no element is infinite or NaN, else 0; with `accumulate` a 0 that was there stays.
template <class T>
void all_finite(Index count, const T* x, std::int32_t* finite, bool accumulate, Stream stream);

/// indices[r] = index of the first largest element of row r of x [rows, channels], rows `pitch` apart; the first NaN,
/// if any, counts as largest. channels >= 1.
template <class T>
void argmax(Index rows, Index channels, const T* x, Index pitch, std::int64_t* indices, Stream stream);

/// *equal (+)= number of i with a[i] == b[i]: with predictions and labels, the correct ones. A label of -1 never is.
void count_equal(Index count, const std::int64_t* a, const std::int64_t* b, std::int64_t* equal, bool accumulate,
                 Stream stream);

// --- logistic_regression.cu ------------------------------------------------------------------------------------------

/// Elements of T that `scores` below must have, and doubles that `workspace` must have.
Index logistic_regression_scores(Index rows, Index features, Index classes);
Index logistic_regression_workspace(Index rows, Index features, Index classes);

/// *objective = F = sum_i [log sum_c exp(s_ic) - s_i,label(i)] + lambda/2 |U|^2 with s_i = U^T z_i + b, summed in double,
/// and gradient = (dF/dU, dF/db). x is U [features, classes], then b [classes], and the gradient lies likewise; z is
/// [rows, features], rows `pitch` apart. Labels are not looked at: the caller has checked that they lie in [0, classes).
/// Sizes are at least 1. T is float or double: what tinyvision::logistic::Solver::evaluate is for.
template <class T>
void logistic_regression(Index rows, Index features, Index classes, const T* z, Index pitch, const std::int32_t* labels,
                         double lambda, const T* x, double* objective, T* gradient, T* scores, double* workspace,
                         Stream stream);

/// product = H v, the Hessian of F where its softmax is `probabilities` [rows, classes] (packed); likeliest[r] is the
/// class of the largest of row r. v and the product lie as x does. What tinyvision::logistic::Solver::hessian_product is
/// for.
template <class T>
void logistic_regression_hessian_product(Index rows, Index features, Index classes, const T* z, Index pitch,
                                         const T* probabilities, const std::int32_t* likeliest, double lambda,
                                         const T* v, T* product, T* scores, double* workspace, Stream stream);

// --- input.cu --------------------------------------------------------------------------------------------------------

/// tinyvision::data's ColourStep.
struct ColourAdjustment {
  enum Kind : int { brightness, saturation, hue, contrast } kind;
  float amount;
};

/// Where an 8-bit RGB image lies in a buffer, which part of it is wanted and what happens to it; the members mean what
/// tinyvision::data's Image, Box and AugmentPlan say. The part is not empty and lies inside the image, which the caller
/// checks.
struct InputImage {
  Index offset;  ///< bytes from the start of the buffer to the first pixel
  Index height, width, top, left, crop_height, crop_width;
  Index shift_y, shift_x;
  bool flip;         ///< exchange left and right
  int colour_steps;  ///< 0: colours stay as they are; otherwise values are clipped to [0, 1] after the last
  ColourAdjustment colour[4];
};

/// y = resized * scale[c] + shift[c], where `resized` comes of bytes * byte_scale: tinyvision::data's byte_scale() and
/// channel_affine(), to the bit.
struct InputNormalisation {
  float byte_scale;
  float scale[3], shift[3];
};

/// y [images, out_h, out_w, 3] = crop, TensorFlow 1's bilinear resize, shift, flip, colour adjustments and normalisation of
/// 8-bit images that lie in `bytes`; the table is in device memory. `means` [images, 3] is scratch space, null when no
/// image has its contrast adjusted. T is float, with the bits of tinyvision::data::augment, or bf16, which rounds them.
template <class T>
void input_images(Index images, const std::uint8_t* bytes, const InputImage* table,
                  const InputNormalisation& normalisation, Index out_h, Index out_w, float* means, T* y, Stream stream);

}  // namespace tinyvision_kernels
