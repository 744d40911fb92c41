// What every op needs: an output to write to, a way to hand gradients on, window shapes.
#pragma once

#include <utility>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/cpu/compiled.hpp"
#include "tinyvision/cpu/elementwise.hpp"
#include "tinyvision/ops/op_log.hpp"
#include "tinyvision/reference/elementwise.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/elementwise.hpp"
#endif

TINYVISION_BEGIN

/// The kernel that runs on `device`: on the CPU the reference or our own, by the process-wide choice; on a CUDA device
/// our own, which is `on_device`.
template <class Kernel>
Kernel choose_kernel(Device device, Kernel reference, Kernel own, Kernel on_device) {
  if (device.kind == Device::Kind::cpu) return use_reference() ? reference : own;
  if (use_reference()) fail_usage("kernels", "the reference kernels run on the CPU, not on ", device.text());
  return on_device;
}

// Of a kernel that reference, cpu and cuda offer under one name and with the same arguments, the one to run.
// TINYVISION_CHANNEL_KERNEL: of one that works on a value per channel, where the plain loop is the CPU's own kernel too.
// T, the type of the elements, may be bfloat16 in the former, where a device alone has kernels.
#if TINYVISION_WITH_CUDA
#define TINYVISION_KERNEL(device, ...)                                                              \
  [&] {                                                                                             \
    if constexpr (std::is_same_v<T, bfloat16>) {                                                    \
      return &cuda::__VA_ARGS__;                                                                    \
    } else {                                                                                        \
      return choose_kernel(device, &reference::__VA_ARGS__, &cpu::__VA_ARGS__, &cuda::__VA_ARGS__); \
    }                                                                                               \
  }()
#define TINYVISION_CHANNEL_KERNEL(device, ...) \
  choose_kernel(device, &reference::__VA_ARGS__, &reference::__VA_ARGS__, &cuda::__VA_ARGS__)
#else
#define TINYVISION_KERNEL(device, ...) \
  choose_kernel(device, &reference::__VA_ARGS__, &cpu::__VA_ARGS__, decltype(&reference::__VA_ARGS__){})
#define TINYVISION_CHANNEL_KERNEL(device, ...) \
  choose_kernel(device, &reference::__VA_ARGS__, &reference::__VA_ARGS__, decltype(&reference::__VA_ARGS__){})
#endif

/// Calls `body(T{})` with the type of x's elements: float, double or, on a CUDA device, bfloat16. Throws Error for any
/// other.
template <class Body>
void visit_elements(std::string_view op, const Tensor& x, Body&& body) {
#if TINYVISION_WITH_CUDA
  if (x.dtype() == DType::bf16 && !x.on_cpu()) return body(bfloat16{});
#endif
  check(x.dtype() != DType::bf16, op, "bf16 is computed on a CUDA device, not on ", x.device().text());
  visit_float(op, x.dtype(), body);
}

/// A new tensor on `device`, or `into` (a channel slice of a concatenation, say) when it is defined and has the right
/// shape.
inline Tensor output_tensor(std::string_view op, const Shape& shape, DType dtype, Device device,
                            const Tensor& into = Tensor()) {
  if (!into.defined()) return Tensor::empty(shape, dtype, device);
  check(into.shape() == shape && into.dtype() == dtype, op, "output slice is ", into.text(), ", the result ", shape,
        " ", to_string(dtype));
  return into;
}

/// target = alpha * source, or target += alpha * source. Both have the same shape; pitches may differ.
inline void scale_into(const Tensor& source, double alpha, const Tensor& target, bool accumulate) {
  visit_elements("scale", source, [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(source.device(), scale<T>);
    run(source.rows(), source.shape().back(), source.data<T>(), source.pitch(), static_cast<Accumulator<T>>(alpha),
        target.data<T>(), target.pitch(), accumulate);
  });
}

/// Adds `dy` into the gradient of `input`. `exclusive` says that nobody else reads or writes dy's memory from now on, so
/// it may become the gradient itself.
inline void add_gradient(const Variable& input, const Tensor& dy, bool exclusive) {
  if (!input.requires_gradient()) return;
  if (exclusive && input.adopt_gradient(dy)) return;
  const GradientSink sink = input.gradient_sink();
  scale_into(dy, 1.0, sink.tensor, sink.accumulate);
}

/// How a window is placed on its input. SAME: out = ceil(in/stride), the total padding max((out-1)*stride + kernel - in, 0)
/// is split so that the odd pixel goes to the bottom and right, as TensorFlow resolves it; it depends on the input size.
/// VALID: none. Explicit: the four amounts.
struct Padding {
  enum class Kind { same, valid, amounts };
  Kind kind = Kind::same;
  Index top = 0, bottom = 0, left = 0, right = 0;

  static Padding same() { return {}; }
  static Padding valid() { return {Kind::valid, 0, 0, 0, 0}; }
  static Padding symmetric(Index amount) { return {Kind::amounts, amount, amount, amount, amount}; }
  static Padding amounts(Index top, Index bottom, Index left, Index right) {
    return {Kind::amounts, top, bottom, left, right};
  }
};

/// Output extent and leading padding of a window along one axis. Throws Error when the window does not fit.
inline std::pair<Index, Index> window_extent(std::string_view op, Index in, Index kernel, Index stride,
                                             Padding::Kind kind, Index before, Index after) {
  check(in > 0 && kernel > 0 && stride > 0, op, "input extent ", in, ", kernel ", kernel, " and stride ", stride,
        " must be positive");
  if (kind == Padding::Kind::same) {
    const Index out = (in + stride - 1) / stride;
    return {out, std::max<Index>((out - 1) * stride + kernel - in, 0) / 2};
  }
  check(before >= 0 && after >= 0, op, "negative padding ", before, ",", after);
  const Index padded = in + before + after;
  check(padded >= kernel, op, "window of ", kernel, " does not fit an input of ", in, " padded by ", before, "+",
        after);
  return {(padded - kernel) / stride + 1, before};
}

/// Geometry of a window op on `x` [N,H,W,C] with `out_c` output channels; the output pitch is set to out_c.
inline WindowGeometry window_geometry(std::string_view op, const Tensor& x, Index kernel_h, Index kernel_w,
                                      Index stride, const Padding& padding, Index out_c) {
  check(x.shape().rank() == 4, op, "input must be [N,H,W,C], got ", x.shape());
  const Shape& shape = x.shape();
  const auto [out_h, top] = window_extent(op, shape[1], kernel_h, stride, padding.kind, padding.top, padding.bottom);
  const auto [out_w, left] = window_extent(op, shape[2], kernel_w, stride, padding.kind, padding.left, padding.right);
  WindowGeometry g;
  g.batch = shape[0], g.in_h = shape[1], g.in_w = shape[2], g.in_c = shape[3], g.in_pitch = x.pitch();
  g.out_h = out_h, g.out_w = out_w, g.out_c = out_c, g.out_pitch = out_c;
  g.kernel_h = kernel_h, g.kernel_w = kernel_w, g.stride_h = g.stride_w = stride;
  g.pad_top = top, g.pad_left = left;
  return g;
}

inline Shape output_shape(const WindowGeometry& g) { return {g.batch, g.out_h, g.out_w, g.out_c}; }

/// The geometry with the pitches of the tensors really used.
inline WindowGeometry with_pitches(WindowGeometry g, const Tensor& in, const Tensor& out) {
  g.in_pitch = in.pitch();
  g.out_pitch = out.pitch();
  return g;
}

TINYVISION_END
