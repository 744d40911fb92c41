// What the framework asks of cuDNN and cuBLAS, as plain declarations: none of their headers is needed here, and nothing of
// the framework is included. kernels/vendor holds the implementation; docs/kernels/vendor.md says how plans are chosen.
//
// The libraries are loaded at the first call that needs them, so a program with this support also starts without them.
// Entries throw std::runtime_error, "[cudnn] ..." or "[cublas] ...", with the operation and its shapes. They are called
// from one thread, as everything that works in the one stream is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tinyvision/cuda/kernels.h"

namespace tinyvision_kernels {
namespace vendor {

/// Loads both libraries. Throws std::runtime_error saying which one is missing, or of which version it is.
void require();
/// Whether require() would return.
bool available();
/// "cudnn 9.24.0, cublas 13.1.0". Throws as require() does.
std::string versions();

/// Whether f32 products may round their factors to TF32 (10 bits) on tensor cores. Off at the start.
void allow_tf32(bool allowed);
bool tf32_allowed();

/// With tuning, the first use of a convolution times the engines that cuDNN proposes and keeps the fastest; without it,
/// the first that works is taken. Off at the start. What was timed once, here or in the plan file, is not timed again.
void set_tuning(bool tuning);
bool tuning();

/// Takes plans from this file, when it exists, and writes every new one to it. Throws std::runtime_error naming path and
/// place when it is damaged or cannot be read or written. An empty path: plans live as long as the process.
void use_plan_file(const std::string& path);
/// The plans known so far as a plan file has them, in an order of their own: equal plans, equal text.
std::string plans();

/// The same of those alone that were chosen by timing; empty when there are none.
std::string timed_plans();

/// Where own kernels stood in, and why: one line per operation and shape, in alphabetical order.
std::vector<std::string> fallbacks();

/// Where entries get scratch space in device memory from; it is released before an entry returns, and may be handed out
/// again to whatever runs later in the stream. allocate() gives memory aligned to 256 bytes or throws.
struct Scratch {
  void* (*allocate)(std::size_t bytes);
  void (*release)(void* memory, std::size_t bytes);
};

// Convolutions with the arguments and the meaning of tinyvision/cuda/kernels.h; T is float or bf16, sums are f32 and
// repeatable. Where cuDNN is not to be used or has no engine, the own kernel runs instead and fallbacks() names the reason.

template <class T>
void conv2d_forward(const Window& g, const T* x, const T* w, const Epilogue<T>& epilogue, T* y, const Scratch& scratch,
                    Stream stream);
/// What is added to an old dx is rounded to T first.
template <class T>
void conv2d_backward_input(const Window& g, const T* dy, const T* w, T* dx, bool accumulate, const Scratch& scratch,
                           Stream stream);
/// In bf16 the sums are rounded to bf16 before they come to dw where cuDNN has no engine that writes f32.
template <class T>
void conv2d_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                            const Scratch& scratch, Stream stream);

/// Depthwise convolutions. cuDNN before 9.24 has engines with wrong results for them: there the own kernels run.
template <class T>
void depthwise_forward(const Window& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& epilogue, T* y,
                       const Scratch& scratch, Stream stream);
template <class T>
void depthwise_backward_input(const Window& g, const T* dy, const Accumulator<T>* w, T* dx, bool accumulate,
                              const Scratch& scratch, Stream stream);
template <class T>
void depthwise_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                               const Scratch& scratch, Stream stream);

/// C = alpha * op(A) * op(B) + beta * C, row-major, as tinyvision_kernels::gemm has it, by cuBLAS; C is not read where
/// beta is 0. A and B are float, double or bf16; C is of their type or, beside bf16, float. Sums are of Accumulator<T>.
template <class T, class C>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, Accumulator<T> alpha, const T* a, Index lda,
          const T* b, Index ldb, Accumulator<T> beta, C* c, Index ldc, const Scratch& scratch, Stream stream);

}  // namespace vendor
}  // namespace tinyvision_kernels
