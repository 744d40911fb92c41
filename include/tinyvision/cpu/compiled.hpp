// The kernels that `tinyvision::compiled` instantiates once, from the same headers, so that programs linked with it need
// not compile them again. Without that library this header changes nothing.
#pragma once

#include "tinyvision/cpu/batch_norm.hpp"
#include "tinyvision/cpu/conv2d.hpp"
#include "tinyvision/cpu/depthwise_conv2d.hpp"
#include "tinyvision/cpu/elementwise.hpp"
#include "tinyvision/cpu/loss.hpp"
#include "tinyvision/cpu/pool.hpp"
#include "tinyvision/linalg/gemm.hpp"

#define TINYVISION_INSTANTIATE_MICROKERNELS(EXTERN, T)                                \
  EXTERN template const simd::Microkernels<T>& simd::microkernels<T>(InstructionSet); \
  EXTERN template const simd::DepthwiseKernels<T>& simd::depthwise_kernels<T>(InstructionSet);

#define TINYVISION_INSTANTIATE_CONVOLUTION(EXTERN, T)                                                                  \
  EXTERN template void linalg::gemm<T>(bool, bool, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*,    \
                                       Index);                                                                         \
  EXTERN template cpu::PackedConvWeights<T> cpu::pack_conv2d_weights<T>(const WindowGeometry&, const T*);              \
  EXTERN template void cpu::conv2d_forward<T>(const WindowGeometry&, const T*, const cpu::PackedConvWeights<T>&,       \
                                              const Epilogue<T>&, T*);                                                 \
  EXTERN template void cpu::conv2d_forward<T>(const WindowGeometry&, const T*, const T*, const Epilogue<T>&, T*);      \
  EXTERN template void cpu::conv2d_backward_input<T>(const WindowGeometry&, const T*, const T*, T*, bool);             \
  EXTERN template void cpu::conv2d_backward_weight<T>(const WindowGeometry&, const T*, const T*, T*, bool);            \
  EXTERN template void cpu::depthwise_conv2d_forward<T>(const WindowGeometry&, const T*, const T*, const Epilogue<T>&, \
                                                        T*);                                                           \
  EXTERN template void cpu::depthwise_conv2d_backward_input<T>(const WindowGeometry&, const T*, const T*, T*, bool);   \
  EXTERN template void cpu::depthwise_conv2d_backward_weight<T>(const WindowGeometry&, const T*, const T*, T*, bool);

#define TINYVISION_INSTANTIATE_BATCH_NORM(EXTERN, T)                                                                   \
  EXTERN template void cpu::batch_norm_statistics<T>(Index, Index, const T*, Index, T*, T*);                           \
  EXTERN template void cpu::batch_norm_apply<T>(Index, Index, const T*, Index, const T*, const T*, const T*, const T*, \
                                                Index, Activation, T*, Index);                                         \
  EXTERN template void cpu::batch_norm_backward_reduce<T>(Index, Index, const T*, Index, const T*, Index, const T*,    \
                                                          Index, const T*, const T*, Activation, T*, T*);              \
  EXTERN template void cpu::batch_norm_backward_reduce_remade<T>(                                                      \
      Index, Index, const T*, Index, const T*, const T*, const T*, Index, const T*, const T*, Activation, T*, T*);     \
  EXTERN template void cpu::batch_norm_backward_apply_remade<T>(Index, Index, const T*, Index, const T*, const T*,     \
                                                                const T*, Index, const T*, const T*, const T*,         \
                                                                Activation, const T*, const T*, T*, Index, bool);      \
  EXTERN template void cpu::batch_norm_backward_apply<T>(Index, Index, const T*, Index, const T*, Index, const T*,     \
                                                         Index, const T*, const T*, const T*, Activation, const T*,    \
                                                         const T*, T*, Index, bool, T*, Index, bool);                  \
  EXTERN template void cpu::batch_norm_backward_apply_frozen<T>(Index, Index, const T*, Index, const T*, Index,        \
                                                                const T*, const T*, Activation, T*, Index, bool, T*,   \
                                                                Index, bool);

#define TINYVISION_INSTANTIATE_OTHERS(EXTERN, T)                                                                    \
  EXTERN template void cpu::activation_forward<T>(Index, Index, const T*, Index, Activation, T*, Index);            \
  EXTERN template void cpu::activation_backward<T>(Index, Index, const T*, Index, const T*, Index, Activation, T*,  \
                                                   Index, bool);                                                    \
  EXTERN template void cpu::add<T>(Index, Index, const T*, Index, const T*, Index, Activation, T*, Index);          \
  EXTERN template void cpu::scale<T>(Index, Index, const T*, Index, T, T*, Index, bool);                            \
  EXTERN template void cpu::bias_backward<T>(Index, Index, const T*, Index, T*, bool);                              \
  EXTERN template void cpu::max_pool_forward<T>(const WindowGeometry&, const T*, T*, std::uint8_t*);                \
  EXTERN template void cpu::max_pool_backward<T>(const WindowGeometry&, const T*, const std::uint8_t*, T*, bool);   \
  EXTERN template void cpu::average_pool_forward<T>(const WindowGeometry&, const T*, T*);                           \
  EXTERN template void cpu::average_pool_backward<T>(const WindowGeometry&, const T*, T*, bool);                    \
  EXTERN template void cpu::global_average_pool_forward<T>(Index, Index, Index, const T*, Index, T*);               \
  EXTERN template void cpu::global_average_pool_backward<T>(Index, Index, Index, const T*, T*, Index, bool);        \
  EXTERN template void cpu::softmax_cross_entropy_forward<T>(Index, Index, const T*, Index, const std::int64_t*, T, \
                                                             T*, T*);

TINYVISION_BEGIN
#if defined(TINYVISION_COMPILED) && TINYVISION_COMPILED
TINYVISION_INSTANTIATE_MICROKERNELS(extern, float)
TINYVISION_INSTANTIATE_MICROKERNELS(extern, double)
TINYVISION_INSTANTIATE_CONVOLUTION(extern, float)
TINYVISION_INSTANTIATE_CONVOLUTION(extern, double)
TINYVISION_INSTANTIATE_BATCH_NORM(extern, float)
TINYVISION_INSTANTIATE_BATCH_NORM(extern, double)
TINYVISION_INSTANTIATE_OTHERS(extern, float)
TINYVISION_INSTANTIATE_OTHERS(extern, double)
#endif
TINYVISION_END
