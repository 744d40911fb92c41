// kernels/depthwise.cu and kernels/conv2d.cu on the emulated device against the reference in f64, and against the CPU
// kernels, whose bits they have.
#include "kernels/device_map.hpp"
#include "tinyvision/cpu/conv2d.hpp"
#include "tinyvision/cpu/depthwise_conv2d.hpp"
#include "tinyvision/reference/conv2d.hpp"
#include "tinyvision/reference/depthwise_conv2d.hpp"

namespace convolution_test {

using namespace tinyvision;
using namespace device_test;

struct Case {
  Index batch, height, width, in_c, out_c, kernel, stride, pad;
  Index gap = 0;
  Activation activation = Activation::none;
  bool scaled = false, residual = false, accumulate = false;
};

WindowGeometry geometry(const Case& k) {
  WindowGeometry g;
  g.batch = k.batch, g.in_h = k.height, g.in_w = k.width, g.in_c = k.in_c, g.in_pitch = k.in_c + k.gap;
  g.kernel_h = g.kernel_w = k.kernel, g.stride_h = g.stride_w = k.stride, g.pad_top = g.pad_left = k.pad;
  g.out_h = (k.height + 2 * k.pad - k.kernel) / k.stride + 1, g.out_w = (k.width + 2 * k.pad - k.kernel) / k.stride + 1;
  g.out_c = k.out_c, g.out_pitch = k.out_c + k.gap;
  return g;
}
device::Window window(const WindowGeometry& g) {
  return {g.batch,     g.in_h,     g.in_w,     g.in_c,     g.in_pitch, g.out_h,   g.out_w,   g.out_c,
          g.out_pitch, g.kernel_h, g.kernel_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left};
}

/// The three entries of one kind of convolution, on the device and as they are specified.
template <class T>
struct Depthwise {
  using Weight = device::Accumulator<T>;
  static Index weights(const WindowGeometry& g) { return g.kernel_h * g.kernel_w * g.out_c; }
  static Index workspace(const device::Window& g) { return device::depthwise_workspace(g); }
  static constexpr auto forward = &device::depthwise_forward<T>;
  static constexpr auto input = &device::depthwise_backward_input<T>;
  static constexpr auto weight = &device::depthwise_backward_weight<T>;
  static constexpr auto reference_forward = &reference::depthwise_conv2d_forward<double>;
  static constexpr auto reference_input = &reference::depthwise_conv2d_backward_input<double>;
  static constexpr auto reference_weight = &reference::depthwise_conv2d_backward_weight<double>;
};
template <class T>
struct Full {
  using Weight = T;
  static Index weights(const WindowGeometry& g) { return g.kernel_h * g.kernel_w * g.in_c * g.out_c; }
  static Index workspace(const device::Window& g) { return device::conv2d_workspace(g); }
  static constexpr auto forward = &device::conv2d_forward<T>;
  static constexpr auto input = &device::conv2d_backward_input<T>;
  static constexpr auto weight = &device::conv2d_backward_weight<T>;
  static constexpr auto reference_forward = &reference::conv2d_forward<double>;
  static constexpr auto reference_input = &reference::conv2d_backward_input<double>;
  static constexpr auto reference_weight = &reference::conv2d_backward_weight<double>;
};

template <class Kind, class T>
void check(const Case& k, double tolerance) {
  using W = typename Kind::Weight;
  SCOPED_TRACE(::testing::Message() << k.batch << "x" << k.height << "x" << k.width << "x" << k.in_c << " -> "
                                    << k.out_c << " kernel " << k.kernel << " stride " << k.stride << " pad " << k.pad
                                    << " gap " << k.gap << " " << sizeof(T) << " bytes");
  const WindowGeometry g = geometry(k);
  const device::Window dg = window(g);
  const Map<T> x(g.in_pixels(), g.in_c, k.gap, 1), dy(g.out_pixels(), g.out_c, k.gap, 2);
  const Map<T> residual(g.out_pixels(), g.out_c, k.gap, 3);
  const Map<W> w(Kind::weights(g), 1, 0, 4), scale(g.out_c, 1, 0, 5), shift(g.out_c, 1, 0, 6);
  Map<double> wx = wide(x), wdy = wide(dy), wr = wide(residual), ww = wide(w), wscale = wide(scale),
              wshift = wide(shift);
  in_both_orders([&] {
    Map<T> y(g.out_pixels(), g.out_c, k.gap, 7), dx(g.in_pixels(), g.in_c, k.gap, 8);
    Map<W> dw(Kind::weights(g), 1, 0, 9);
    Map<double> wy = wide(y), wdx = wide(dx), wdw = wide(dw);
    const device::Epilogue<T> e{k.scaled ? scale.values.data() : nullptr, k.scaled ? shift.values.data() : nullptr,
                                k.residual ? residual.values.data() : nullptr, residual.pitch,
                                static_cast<device::Activation>(k.activation)};
    const Epilogue<double> we{k.scaled ? wscale.data() : nullptr, k.scaled ? wshift.data() : nullptr,
                              k.residual ? wr.data() : nullptr, wr.pitch, k.activation};
    Kind::forward(dg, x.values.data(), w.values.data(), e, y.data(), nullptr);
    Kind::reference_forward(g, wx.data(), ww.data(), we, wy.data());
    EXPECT_LE(difference(y, wy), tolerance + rounding<T>());
    Kind::input(dg, dy.values.data(), w.values.data(), dx.data(), k.accumulate, nullptr);
    Kind::reference_input(g, wdy.data(), ww.data(), wdx.data(), k.accumulate);
    EXPECT_LE(difference(dx, wdx), tolerance + rounding<T>());
    std::vector<W> work(static_cast<std::size_t>(Kind::workspace(dg)));
    Kind::weight(dg, x.values.data(), dy.values.data(), dw.data(), k.accumulate, work.data(), nullptr);
    Kind::reference_weight(g, wx.data(), wdy.data(), wdw.data(), k.accumulate);
    EXPECT_LE(difference(dw, wdw), tolerance);
    std::vector<char> bytes;
    keep(bytes, y.values), keep(bytes, dx.values), keep(bytes, dw.values);
    return bytes;
  });
}

std::vector<Case> depthwise_cases() {
  using enum Activation;
  return {{1, 1, 1, 1, 1, 1, 1, 0},
          {2, 7, 9, 16, 16, 3, 1, 1, 0, relu6, true, false, false},
          {1, 8, 7, 32, 32, 3, 2, 1, 16, relu, true, true, true},
          {1, 9, 9, 8, 8, 5, 1, 2},
          {2, 10, 11, 8, 8, 5, 2, 2, 0, none, false, true, true},
          {1, 9, 12, 8, 8, 7, 1, 3},
          {1, 11, 9, 8, 8, 7, 2, 3},
          {2, 6, 5, 5, 5, 3, 1, 1, 1, relu, true, false, true},  // no packs
          {1, 6, 5, 3, 9, 3, 2, 1, 0, relu6, true, true, true},  // multiplier 3
          {1, 7, 7, 4, 4, 2, 3, 0},                              // stride over kernel
          {1, 3, 3, 40, 40, 3, 1, 1, 0, none, true, false, false}};
}

TEST(DepthwiseKernel, EqualsTheReference) {
  for (const Case& k : depthwise_cases()) {
    check<Depthwise<float>, float>(k, 1e-5);
    check<Depthwise<double>, double>(k, 1e-12);
    check<Depthwise<device::bf16>, device::bf16>(k, 1e-5);
  }
}

std::vector<Case> conv2d_cases() {
  using enum Activation;
  return {{1, 1, 1, 1, 1, 1, 1, 0},
          {2, 5, 7, 3, 65, 3, 2, 1, 0, relu6, true, false, false},
          {1, 8, 9, 20, 17, 1, 1, 0, 3, relu, true, true, true},
          {1, 6, 6, 70, 5, 3, 1, 1, 0, none, false, true, true},
          {1, 11, 9, 3, 8, 7, 2, 3},
          {1, 7, 8, 4, 6, 2, 3, 0, 1},
          {3, 4, 4, 16, 64, 1, 2, 0}};
}

TEST(Conv2dKernel, EqualsTheReference) {
  for (const Case& k : conv2d_cases()) {
    check<Full<float>, float>(k, 1e-5);
    check<Full<double>, double>(k, 1e-12);
  }
}

// Activations and their gradients are chains in the order of the CPU kernels, so that a training step on the device can
// be held against one on the CPU however many kinks it passes.
TEST(ConvolutionKernels, HaveTheBitsOfTheCpu) {
  if (instruction_set() == InstructionSet::portable) GTEST_SKIP() << "no fused multiply-add";
  for (const Case& k : conv2d_cases()) {
    const WindowGeometry g = geometry(k);
    const Map<float> x(g.in_pixels(), g.in_c, k.gap, 1), dy(g.out_pixels(), g.out_c, k.gap, 2);
    const Map<float> w(Full<float>::weights(g), 1, 0, 3), scale(g.out_c, 1, 0, 4), shift(g.out_c, 1, 0, 5);
    Map<float> y(g.out_pixels(), g.out_c, k.gap, 6), dx(g.in_pixels(), g.in_c, k.gap, 7);
    Map<float> cpu_y = y, cpu_dx = dx;
    device::conv2d_forward<float>(window(g), x.values.data(), w.values.data(),
                                  {scale.values.data(), shift.values.data(), nullptr, 0, device::Activation::relu},
                                  y.data(), nullptr);
    cpu::conv2d_forward<float>(g, x.values.data(), w.values.data(),
                               Epilogue<float>{scale.values.data(), shift.values.data(), nullptr, 0, Activation::relu},
                               cpu_y.data());
    EXPECT_EQ(y.values, cpu_y.values);
    device::conv2d_backward_input<float>(window(g), dy.values.data(), w.values.data(), dx.data(), true, nullptr);
    cpu::conv2d_backward_input<float>(g, dy.values.data(), w.values.data(), cpu_dx.data(), true);
    EXPECT_EQ(dx.values, cpu_dx.values);
  }
  for (const Case& k : depthwise_cases()) {
    const WindowGeometry g = geometry(k);
    const Map<float> x(g.in_pixels(), g.in_c, k.gap, 1), dy(g.out_pixels(), g.out_c, k.gap, 2);
    const Map<float> w(Depthwise<float>::weights(g), 1, 0, 3);
    Map<float> y(g.out_pixels(), g.out_c, k.gap, 6), dx(g.in_pixels(), g.in_c, k.gap, 7);
    Map<float> cpu_y = y, cpu_dx = dx;
    device::depthwise_forward<float>(window(g), x.values.data(), w.values.data(),
                                     {nullptr, nullptr, nullptr, 0, device::Activation::none}, y.data(), nullptr);
    cpu::depthwise_conv2d_forward<float>(g, x.values.data(), w.values.data(), Epilogue<float>{}, cpu_y.data());
    EXPECT_EQ(y.values, cpu_y.values);
    if (k.in_c != k.out_c) continue;  // the CPU adds a multiplier's channels after their sums over taps
    device::depthwise_backward_input<float>(window(g), dy.values.data(), w.values.data(), dx.data(), false, nullptr);
    cpu::depthwise_conv2d_backward_input<float>(g, dy.values.data(), w.values.data(), cpu_dx.data(), false);
    EXPECT_EQ(dx.values, cpu_dx.values);
  }
}

}  // namespace convolution_test
