// The operations that gpu-check measures: each with operands, its work, its result in f64 by the CPU, and the least bytes
// and operations that it takes. Shapes are those of ResNet-50 and MobileNet v2.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/cpu/compiled.hpp"
#include "tinyvision/cuda/batch_norm.hpp"
#include "tinyvision/cuda/convolution.hpp"
#include "tinyvision/cuda/elementwise.hpp"
#include "tinyvision/cuda/gemm.hpp"
#include "tinyvision/cuda/loss.hpp"
#include "tinyvision/cuda/pool.hpp"
#include "tinyvision/reference/batch_norm.hpp"

namespace gpu_check {

using namespace tinyvision;

/// One operation with operands for a batch.
struct Case {
  double bytes = 0;  ///< every operand read once, every result written once
  double flops = 0;  ///< 0: none worth counting
  std::function<void()> run;
  Tensor result;                     ///< what `run` writes, on the device
  std::function<Tensor()> expected;  ///< the same in f64, on the CPU
  double tolerance = 0;              ///< of max|result - expected| / max|expected|
};

struct Operation {
  std::string name, dtype, shape;
  std::function<Case(Index batch)> make;
};

/// Largest relative errors of a result of type T: rounding it once, or sums of products in f32 and f64.
template <class T>
constexpr double tolerance_of() {
  return std::is_same_v<T, double> ? 1e-11 : std::is_same_v<T, float> ? 5e-5 : 1.0 / 128;
}

/// Random values in (-1, 1), the same for every T; a block of them is repeated.
template <class T>
Tensor operand(const Shape& shape, std::uint64_t number) {
  const Random random(5, Stream::test, number);
  const Index count = shape.count(), block = std::min<Index>(count, (Index{1} << 22) + 1);
  const Tensor host = Tensor::empty({count});
  float* const x = host.data<float>();
  parallel_ranges(block, 16384, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      x[i] = static_cast<float>(bfloat16(static_cast<float>(random.uniform(static_cast<std::uint64_t>(i), -1, 1))));
  });
  for (Index i = block; i < count; i += block) std::copy_n(x, std::min(block, count - i), x + i);
  return host.to(Device::cuda()).to(dtype_of<T>).reshape(shape);
}
template <class T>
Tensor result_tensor(const Shape& shape) {
  return Tensor::zeros(shape, dtype_of<T>, Device::cuda());
}
inline Tensor in_f64(const Tensor& t) { return t.to(Device::cpu()).to(DType::f64); }
inline double bytes_of(std::initializer_list<Tensor> tensors) {
  double bytes = 0;
  for (const Tensor& t : tensors) bytes += static_cast<double>(t.bytes());
  return bytes;
}

/// A convolution of kernel x kernel on size x size maps.
struct Layer {
  Index size, in, out, kernel, stride;
  std::string text() const {
    return concat_text(size, "x", size, "x", in, " -> ", out, ", ", kernel, "x", kernel, "/", stride);
  }
  WindowGeometry geometry(Index batch) const {
    WindowGeometry g;
    g.batch = batch, g.in_h = g.in_w = size, g.in_c = g.in_pitch = in, g.out_c = g.out_pitch = out;
    g.kernel_h = g.kernel_w = kernel, g.stride_h = g.stride_w = stride;
    g.out_h = g.out_w = (size + stride - 1) / stride;
    g.pad_top = g.pad_left = std::max<Index>((g.out_h - 1) * stride + kernel - size, 0) / 2;
    return g;
  }
};

enum class Direction { forward, backward_input, backward_weight };
inline const char* text_of(Direction d) {
  return d == Direction::forward ? "" : d == Direction::backward_input ? " dx" : " dw";
}

template <class T>
Case conv2d_case(const Layer& layer, Direction direction, Index batch) {
  const WindowGeometry g = layer.geometry(batch);
  const Shape in{batch, g.in_h, g.in_w, g.in_c}, out{batch, g.out_h, g.out_w, g.out_c},
      weights{g.kernel_h, g.kernel_w, g.in_c, g.out_c};
  Case c;
  c.flops = 2.0 * static_cast<double>(g.out_pixels() * g.kernel_h * g.kernel_w * g.in_c * g.out_c);
  c.tolerance = tolerance_of<T>();
  if (direction == Direction::forward) {
    const Tensor x = operand<T>(in, 1), w = operand<T>(weights, 2), y = c.result = result_tensor<T>(out);
    c.bytes = bytes_of({x, w, y});
    c.run = [=] { cuda::conv2d_forward<T>(g, x.data<T>(), w.data<T>(), Epilogue<T>{}, y.data<T>()); };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(out, DType::f64), a = in_f64(x), b = in_f64(w);
      cpu::conv2d_forward<double>(g, a.data<double>(), b.data<double>(), Epilogue<double>{}, e.data<double>());
      return e;
    };
  } else if (direction == Direction::backward_input) {
    const Tensor dy = operand<T>(out, 3), w = operand<T>(weights, 2), dx = c.result = result_tensor<T>(in);
    c.bytes = bytes_of({dy, w, dx});
    c.run = [=] { cuda::conv2d_backward_input<T>(g, dy.data<T>(), w.data<T>(), dx.data<T>(), false); };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(in, DType::f64), a = in_f64(dy), b = in_f64(w);
      cpu::conv2d_backward_input<double>(g, a.data<double>(), b.data<double>(), e.data<double>(), false);
      return e;
    };
  } else {
    using A = Accumulator<T>;
    const Tensor x = operand<T>(in, 1), dy = operand<T>(out, 3), dw = c.result = result_tensor<A>(weights);
    c.bytes = bytes_of({x, dy, dw});
    c.tolerance = tolerance_of<A>();
    c.run = [=] { cuda::conv2d_backward_weight<T>(g, x.data<T>(), dy.data<T>(), dw.data<A>(), false); };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(weights, DType::f64), a = in_f64(x), b = in_f64(dy);
      cpu::conv2d_backward_weight<double>(g, a.data<double>(), b.data<double>(), e.data<double>(), false);
      return e;
    };
  }
  return c;
}

template <class T>
Case depthwise_case(const Layer& layer, Direction direction, Index batch) {
  using A = Accumulator<T>;
  const WindowGeometry g = layer.geometry(batch);
  const Shape in{batch, g.in_h, g.in_w, g.in_c}, out{batch, g.out_h, g.out_w, g.out_c},
      weights{g.kernel_h, g.kernel_w, g.in_c, 1};
  Case c;
  c.flops = 2.0 * static_cast<double>(g.out_pixels() * g.kernel_h * g.kernel_w * g.out_c);
  c.tolerance = tolerance_of<T>();
  const Tensor x = operand<T>(in, 1), w = operand<A>(weights, 2), dy = operand<T>(out, 3);
  if (direction == Direction::forward) {
    const Tensor y = c.result = result_tensor<T>(out);
    c.bytes = bytes_of({x, w, y});
    c.run = [=] { cuda::depthwise_conv2d_forward<T>(g, x.data<T>(), w.data<A>(), Epilogue<T>{}, y.data<T>()); };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(out, DType::f64), a = in_f64(x), b = in_f64(w);
      cpu::depthwise_conv2d_forward<double>(g, a.data<double>(), b.data<double>(), Epilogue<double>{},
                                            e.data<double>());
      return e;
    };
  } else if (direction == Direction::backward_input) {
    const Tensor dx = c.result = result_tensor<T>(in);
    c.bytes = bytes_of({dy, w, dx});
    c.run = [=] { cuda::depthwise_conv2d_backward_input<T>(g, dy.data<T>(), w.data<A>(), dx.data<T>(), false); };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(in, DType::f64), a = in_f64(dy), b = in_f64(w);
      cpu::depthwise_conv2d_backward_input<double>(g, a.data<double>(), b.data<double>(), e.data<double>(), false);
      return e;
    };
  } else {
    const Tensor dw = c.result = result_tensor<A>(weights);
    c.bytes = bytes_of({x, dy, dw});
    c.tolerance = tolerance_of<A>();
    c.run = [=] { cuda::depthwise_conv2d_backward_weight<T>(g, x.data<T>(), dy.data<T>(), dw.data<A>(), false); };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(weights, DType::f64), a = in_f64(x), b = in_f64(dy);
      cpu::depthwise_conv2d_backward_weight<double>(g, a.data<double>(), b.data<double>(), e.data<double>(), false);
      return e;
    };
  }
  return c;
}

/// Batch norm of maps size x size x channels: statistics, act((x - mean) scale + shift), and the two halves of its
/// derivative.
enum class NormPart { statistics, apply, backward_reduce, backward_apply };
inline const char* text_of(NormPart part) {
  switch (part) {
    case NormPart::statistics: return "statistics";
    case NormPart::apply: return "apply";
    case NormPart::backward_reduce: return "backward sums";
    default: return "backward apply";
  }
}

template <class T>
Case batch_norm_case(Index size, Index channels, NormPart part, Index batch) {
  using A = Accumulator<T>;
  const Shape map{batch, size, size, channels};
  const Index rows = batch * size * size;
  const auto relu = Activation::relu;
  const Tensor x = operand<T>(map, 1), mean = operand<A>({channels}, 2), scale = operand<A>({channels}, 3),
               shift = operand<A>({channels}, 4), inv_std = operand<A>({channels}, 5);
  Case c;
  c.tolerance = tolerance_of<A>();
  const auto host = [](const Tensor& t) { return in_f64(t); };
  if (part == NormPart::statistics) {
    const Tensor both = c.result = result_tensor<A>({2, channels});
    c.bytes = bytes_of({x, both});
    c.run = [=] {
      cuda::batch_norm_statistics<T>(rows, channels, x.data<T>(), channels, both.data<A>(), both.data<A>() + channels);
    };
    c.expected = [=] {
      const Tensor e = Tensor::zeros({2, channels}, DType::f64), a = host(x);
      reference::batch_norm_statistics<double>(rows, channels, a.data<double>(), channels, e.data<double>(),
                                               e.data<double>() + channels);
      return e;
    };
  } else if (part == NormPart::apply) {
    const Tensor z = c.result = result_tensor<T>(map);
    c.bytes = bytes_of({x, z});
    c.tolerance = tolerance_of<T>();
    c.run = [=] {
      cuda::batch_norm_apply<T>(rows, channels, x.data<T>(), channels, mean.data<A>(), scale.data<A>(), shift.data<A>(),
                                nullptr, 0, relu, z.data<T>(), channels);
    };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(map, DType::f64), a = host(x), m = host(mean), s = host(scale), b = host(shift);
      reference::batch_norm_apply<double>(rows, channels, a.data<double>(), channels, m.data<double>(),
                                          s.data<double>(), b.data<double>(), nullptr, 0, relu, e.data<double>(),
                                          channels);
      return e;
    };
  } else {
    const Tensor dz = operand<T>(map, 6), z = operand<T>(map, 7), sums = operand<A>({2, channels}, 8);
    const bool reduces = part == NormPart::backward_reduce;
    const Tensor out = c.result = reduces ? result_tensor<A>({2, channels}) : result_tensor<T>(map);
    c.bytes = bytes_of({dz, z, x, out});
    if (!reduces) c.tolerance = tolerance_of<T>();
    const auto run = [=]<class E, class P>(E, P, const auto& reduce, const auto& apply, const Tensor& tz,
                                           const Tensor& tdz, const Tensor& tx, const Tensor& m, const Tensor& i,
                                           const Tensor& s, const Tensor& to) {
      if (reduces)
        reduce(rows, channels, tdz.template data<E>(), channels, tz.template data<E>(), channels, tx.template data<E>(),
               channels, m.template data<P>(), i.template data<P>(), relu, to.template data<P>(),
               to.template data<P>() + channels);
      else
        apply(rows, channels, tdz.template data<E>(), channels, tz.template data<E>(), channels, tx.template data<E>(),
              channels, m.template data<P>(), i.template data<P>(), static_cast<const P*>(nullptr), relu,
              s.template data<P>(), s.template data<P>() + channels, to.template data<E>(), channels, false,
              static_cast<E*>(nullptr), 0, false);
    };
    c.run = [=] {
      // An element's place in `out` is of type A or T, whichever part this is.
      run(T{}, A{}, &cuda::batch_norm_backward_reduce<T>, &cuda::batch_norm_backward_apply<T>, z, dz, x, mean, inv_std,
          sums, out);
    };
    c.expected = [=] {
      const Tensor e = Tensor::zeros(reduces ? Shape{2, channels} : map, DType::f64);
      run(double{}, double{}, &reference::batch_norm_backward_reduce<double>,
          &reference::batch_norm_backward_apply<double>, host(z), host(dz), host(x), host(mean), host(inv_std),
          host(sums), e);
      return e;
    };
  }
  return c;
}

}  // namespace gpu_check
