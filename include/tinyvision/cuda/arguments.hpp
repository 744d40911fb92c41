// Arguments of tinyvision/cpu and tinyvision/reference as the kernels' entries take them.
#pragma once

#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/cuda/memory.hpp"

TINYVISION_BEGIN
namespace cuda {

inline kernels::Window window_of(const WindowGeometry& g) {
  return {g.batch,     g.in_h,     g.in_w,     g.in_c,     g.in_pitch, g.out_h,   g.out_w,   g.out_c,
          g.out_pitch, g.kernel_h, g.kernel_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left};
}

inline kernels::Activation kernel_activation(Activation activation) {
  return static_cast<kernels::Activation>(activation);
}

template <class T>
kernels::Epilogue<KernelType<T>> kernel_epilogue(const Epilogue<T>& e) {
  return {e.scale, e.shift, as_kernel(e.residual), e.residual_pitch, kernel_activation(e.activation)};
}

}  // namespace cuda
TINYVISION_END
