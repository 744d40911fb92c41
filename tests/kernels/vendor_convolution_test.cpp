// kernels/vendor/convolution.cpp with a library of plain loops in the place of cuDNN: the order of weights, epilogues in one
// or two steps, gradients that are added, and own kernels where the library refuses. Nothing here says anything about cuDNN.
#include <functional>

#include "kernels/device_map.hpp"
#include "tinyvision/reference/conv2d.hpp"
#include "tinyvision/reference/depthwise_conv2d.hpp"
#include "vendor/convolution_library.h"
#include "vendor/settings.h"

namespace vendor_convolution_test {

using namespace tinyvision;
using namespace device_test;
namespace vendor = device::vendor;

double read(const void* array, vendor::Number number, Index i) {
  return number == vendor::Number::f32 ? static_cast<double>(static_cast<const float*>(array)[i])
                                       : static_cast<double>(widen(static_cast<const device::bf16*>(array)[i]));
}
void write(void* array, vendor::Number number, Index i, double value) {
  if (number == vendor::Number::f32) {
    static_cast<float*>(array)[i] = static_cast<float>(value);
  } else {
    static_cast<device::bf16*>(array)[i] = narrow<device::bf16>(value);
  }
}

class PlainLoops final : public vendor::ConvolutionLibrary {
 public:
  struct Solution final : Choice {
    vendor::Problem problem;
  };

  Index number = 92400;
  std::function<std::string(const vendor::Problem&)> refuse;
  std::vector<vendor::Problem> runs;

  Index version() override { return number; }
  const Choice& choose(const vendor::Problem& p, const vendor::Arrays& a, const vendor::Scratch&,
                       device::Stream) override {
    for (const void* array : {a.first, a.second, static_cast<const void*>(a.result)})
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array) % static_cast<std::uintptr_t>(p.alignment), 0u);
    Solution& solution = solutions_[vendor::numbers_of(p)];
    solution.problem = p;
    solution.refusal = refuse ? refuse(p) : "";
    return solution;
  }
  void run(const Choice& choice, const vendor::Arrays& a, const vendor::Scratch&, device::Stream) override {
    const vendor::Problem& p = static_cast<const Solution&>(choice).problem;
    EXPECT_EQ(choice.refusal, "");
    EXPECT_EQ(a.scale != nullptr, p.scale);
    EXPECT_EQ(a.shift != nullptr, p.shift);
    EXPECT_EQ(a.residual != nullptr, p.residual_pitch != 0);
    runs.push_back(p);
    const device::Window& g = p.window;
    const Index in_group = g.in_c / p.groups, out_group = g.out_c / p.groups;
    const vendor::Padding pad = vendor::padding_of(g);
    EXPECT_EQ((g.in_h + pad.top + pad.bottom - g.kernel_h) / g.stride_h + 1, g.out_h);
    EXPECT_EQ((g.in_w + pad.left + pad.right - g.kernel_w) / g.stride_w + 1, g.out_w);
    const Index in_pixels = g.batch * g.in_h * g.in_w, weights = g.out_c * g.kernel_h * g.kernel_w * in_group;
    const Index results = p.pass == vendor::Pass::forward          ? g.batch * g.out_h * g.out_w * g.out_c
                          : p.pass == vendor::Pass::backward_input ? in_pixels * g.in_c
                                                                   : weights;
    std::vector<double> sums(static_cast<std::size_t>(results));
    const auto add = [&](Index i, double v) { sums[static_cast<std::size_t>(i)] += v; };
    for (Index pixel = 0; pixel < g.batch * g.out_h * g.out_w; ++pixel)
      for (Index o = 0; o < g.out_c; ++o)
        for (Index r = 0; r < g.kernel_h; ++r)
          for (Index s = 0; s < g.kernel_w; ++s) {
            const Index n = pixel / (g.out_h * g.out_w), h = pixel / g.out_w % g.out_h * g.stride_h - pad.top + r,
                        w = pixel % g.out_w * g.stride_w - pad.left + s;
            if (h < 0 || h >= g.in_h || w < 0 || w >= g.in_w) continue;
            for (Index c = 0; c < in_group; ++c) {
              const Index weight = ((o * g.kernel_h + r) * g.kernel_w + s) * in_group + c;
              const Index in = (n * g.in_h + h) * g.in_w + w, channel = o / out_group * in_group + c;
              if (p.pass == vendor::Pass::forward)
                add(pixel * g.out_c + o,
                    read(a.first, p.number, in * g.in_pitch + channel) * read(a.second, p.number, weight));
              else if (p.pass == vendor::Pass::backward_input)
                add(in * g.in_c + channel,
                    read(a.first, p.number, pixel * g.out_pitch + o) * read(a.second, p.number, weight));
              else
                add(weight, read(a.first, p.number, in * g.in_pitch + channel) *
                                read(a.second, p.number, pixel * g.out_pitch + o));
            }
          }
    for (Index i = 0; i < results; ++i) {
      double v = sums[static_cast<std::size_t>(i)];
      if (p.pass == vendor::Pass::backward_weight) {
        write(a.result, p.result, i, v);
      } else if (p.pass == vendor::Pass::backward_input) {
        write(a.result, p.result, i / g.in_c * g.in_pitch + i % g.in_c, v);
      } else {
        const Index pixel = i / g.out_c, o = i % g.out_c;
        if (p.scale) v *= a.scale[o];
        if (p.shift) v += a.shift[o];
        if (p.residual_pitch != 0) v += read(a.residual, p.number, pixel * p.residual_pitch + o);
        write(a.result, p.result, pixel * g.out_pitch + o, activate(v, static_cast<Activation>(p.activation)));
      }
    }
  }

 private:
  std::map<std::array<Index, 25>, Solution> solutions_;
};

PlainLoops& loops() {
  static PlainLoops library;
  return library;
}

std::size_t& space_in_use() {
  static std::size_t bytes = 0;
  return bytes;
}
vendor::Scratch scratch() {
  return {[](std::size_t bytes) -> void* {
            space_in_use() += bytes;
            return std::aligned_alloc(256, (bytes + 255) / 256 * 256);
          },
          [](void* memory, std::size_t bytes) {
            space_in_use() -= bytes;
            std::free(memory);
          }};
}

struct Case {
  Index batch, height, width, in_c, out_c, kernel, stride, before, after;
  Index gap = 0;
  bool depthwise = false;
  Activation activation = Activation::none;
  bool scaled = false, residual = false, accumulate = false;
};

std::vector<Case> cases() {
  using enum Activation;
  return {
      {1, 1, 1, 1, 1, 1, 1, 0, 0},
      {2, 6, 8, 3, 5, 3, 2, 0, 1, 0, false, relu6, true, false, false},  // SAME, stride 2, even: padding on one side
      {1, 7, 5, 4, 40, 3, 1, 1, 1, 2, false, relu, true, true, true},
      {1, 5, 5, 36, 4, 1, 1, 0, 0, 3, false, none, false, true, true},
      {2, 7, 7, 4, 6, 1, 2, 0, 0},  // windows end before the input
      {1, 9, 8, 3, 4, 7, 2, 2, 3},
      {2, 6, 6, 8, 8, 3, 1, 1, 1, 0, true, relu6, true, false, false},
      {1, 8, 6, 5, 5, 3, 2, 0, 1, 1, true, none, false, true, true},
      {1, 5, 6, 3, 6, 5, 1, 2, 2, 0, true, relu, true, true, true}};  // multiplier 2
}

WindowGeometry geometry(const Case& k) {
  WindowGeometry g;
  g.batch = k.batch, g.in_h = k.height, g.in_w = k.width, g.in_c = k.in_c, g.in_pitch = k.in_c + k.gap;
  g.kernel_h = g.kernel_w = k.kernel, g.stride_h = g.stride_w = k.stride, g.pad_top = g.pad_left = k.before;
  g.out_h = (k.height + k.before + k.after - k.kernel) / k.stride + 1;
  g.out_w = (k.width + k.before + k.after - k.kernel) / k.stride + 1;
  g.out_c = k.out_c, g.out_pitch = k.out_c + k.gap;
  return g;
}
device::Window window(const WindowGeometry& g) {
  return {g.batch,     g.in_h,     g.in_w,     g.in_c,     g.in_pitch, g.out_h,   g.out_w,   g.out_c,
          g.out_pitch, g.kernel_h, g.kernel_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left};
}
Index weights_of(const Case& k) { return k.kernel * k.kernel * (k.depthwise ? k.out_c : k.in_c * k.out_c); }

/// Runs the three entries for maps of type T, with weights of type W, and compares with f64.
template <class T, class W>
void check_case(const Case& k, double tolerance) {
  SCOPED_TRACE(::testing::Message() << k.batch << "x" << k.height << "x" << k.width << "x" << k.in_c << " -> "
                                    << k.out_c << " kernel " << k.kernel << " stride " << k.stride << " depthwise "
                                    << k.depthwise << " " << sizeof(T) << " bytes");
  const WindowGeometry g = geometry(k);
  const Map<T> x(g.in_pixels(), g.in_c, k.gap, 1), dy(g.out_pixels(), g.out_c, k.gap, 2);
  const Map<T> residual(g.out_pixels(), g.out_c, 2 * k.gap, 3);
  Map<W> w(weights_of(k), 1, 0, 4);
  const Map<float> scale(g.out_c, 1, 0, 5), shift(g.out_c, 1, 0, 6);
  if constexpr (std::is_same_v<T, device::bf16> && std::is_same_v<W, float>)
    for (float& v : w.values) v = widen(narrow<device::bf16>(v));  // cuDNN gets them in bf16
  Map<T> y(g.out_pixels(), g.out_c, k.gap, 7), dx(g.in_pixels(), g.in_c, k.gap, 8);
  Map<float> dw(weights_of(k), 1, 0, 9);
  Map<double> wx = wide(x), wdy = wide(dy), wr = wide(residual), ww = wide(w), wscale = wide(scale),
              wshift = wide(shift), wy = wide(y), wdx = wide(dx), wdw = wide(dw);
  const device::Epilogue<T> e{k.scaled ? scale.values.data() : nullptr, k.scaled ? shift.values.data() : nullptr,
                              k.residual ? residual.values.data() : nullptr, residual.pitch,
                              static_cast<device::Activation>(k.activation)};
  const Epilogue<double> we{k.scaled ? wscale.data() : nullptr, k.scaled ? wshift.data() : nullptr,
                            k.residual ? wr.data() : nullptr, wr.pitch, k.activation};
  const device::Window dg = window(g);
  const T *xp = x.values.data(), *dyp = dy.values.data();
  const vendor::Scratch space = scratch();
  if (k.depthwise) {
    if constexpr (std::is_same_v<W, float>) {
      vendor::depthwise_forward(dg, xp, w.data(), e, y.data(), space, nullptr);
      vendor::depthwise_backward_input(dg, dyp, w.data(), dx.data(), k.accumulate, space, nullptr);
      vendor::depthwise_backward_weight(dg, xp, dyp, dw.data(), k.accumulate, space, nullptr);
    }
    reference::depthwise_conv2d_forward<double>(g, wx.data(), ww.data(), we, wy.data());
    reference::depthwise_conv2d_backward_input<double>(g, wdy.data(), ww.data(), wdx.data(), k.accumulate);
    reference::depthwise_conv2d_backward_weight<double>(g, wx.data(), wdy.data(), wdw.data(), k.accumulate);
  } else {
    if constexpr (std::is_same_v<W, T>) {
      vendor::conv2d_forward(dg, xp, w.data(), e, y.data(), space, nullptr);
      vendor::conv2d_backward_input(dg, dyp, w.data(), dx.data(), k.accumulate, space, nullptr);
      vendor::conv2d_backward_weight(dg, xp, dyp, dw.data(), k.accumulate, space, nullptr);
    }
    reference::conv2d_forward<double>(g, wx.data(), ww.data(), we, wy.data());
    reference::conv2d_backward_input<double>(g, wdy.data(), ww.data(), wdx.data(), k.accumulate);
    reference::conv2d_backward_weight<double>(g, wx.data(), wdy.data(), wdw.data(), k.accumulate);
  }
  EXPECT_LE(difference(y, wy), tolerance + rounding<T>());
  EXPECT_LE(difference(dx, wdx), tolerance + rounding<T>());
  EXPECT_LE(difference(dw, wdw), tolerance);
  EXPECT_EQ(space_in_use(), 0u) << "scratch space was not released";
}

/// All cases; in bf16 what is rounded twice may be off by `bf16_tolerance` more.
void check_all(double bf16_tolerance) {
  for (const Case& k : cases()) {
    check_case<float, float>(k, 1e-5);
    if (k.depthwise) {
      check_case<device::bf16, float>(k, bf16_tolerance);
    } else {
      check_case<device::bf16, device::bf16>(k, bf16_tolerance);
    }
  }
}

/// A fresh library and fresh settings.
PlainLoops& fresh() {
  loops() = PlainLoops();
  vendor::settings() = vendor::Settings();
  return loops();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(VendorConvolution, EqualsTheReferenceWhereTheLibraryDoesAll) {
  PlainLoops& library = fresh();
  check_all(std::ldexp(1.0, -8));  // gradients that are added are rounded before
  EXPECT_EQ(library.runs.size(), 2 * 3 * cases().size());
  EXPECT_EQ(vendor::fallbacks(), std::vector<std::string>());
  for (const vendor::Problem& p : library.runs)
    EXPECT_EQ(p.result, p.pass == vendor::Pass::backward_weight ? vendor::Number::f32 : p.number);
}

TEST(VendorConvolution, EpiloguesThatItCannotFuseComeAfterwards) {
  PlainLoops& library = fresh();
  library.refuse = [](const vendor::Problem& p) { return p.has_epilogue() ? "no fusion" : ""; };
  check_all(4 * std::ldexp(1.0, -8));
  EXPECT_EQ(library.runs.size(), 2 * 3 * cases().size());
  EXPECT_EQ(vendor::fallbacks(), std::vector<std::string>());
}

TEST(VendorConvolution, WeightGradientsInBf16WhereItWritesNothingElse) {
  PlainLoops& library = fresh();
  library.refuse = [](const vendor::Problem& p) {
    return p.pass == vendor::Pass::backward_weight && p.number != p.result ? "bf16 alone" : "";
  };
  check_all(std::ldexp(1.0, -8));
  EXPECT_EQ(library.runs.size(), 2 * 3 * cases().size());
  EXPECT_EQ(vendor::fallbacks(), std::vector<std::string>());
}

TEST(VendorConvolution, OwnKernelsWhereItRefusesAndTheReasonIsKept) {
  PlainLoops& library = fresh();
  library.refuse = [](const vendor::Problem&) { return "no engine"; };
  check_all(1e-5);
  EXPECT_TRUE(library.runs.empty());
  const std::vector<std::string> lines = vendor::fallbacks();
  EXPECT_EQ(lines.size(), 2 * 3 * cases().size());
  for (const std::string& line : lines) EXPECT_TRUE(contains(line, ": no engine")) << line;
}

TEST(VendorConvolution, DepthwiseIsRefusedByVersion) {
  PlainLoops& library = fresh();
  library.number = 91900;
  check_all(std::ldexp(1.0, -8));
  for (const vendor::Problem& p : library.runs) EXPECT_EQ(p.groups, 1);
  std::size_t depthwise = 0;
  for (const Case& k : cases()) depthwise += k.depthwise ? 1 : 0;
  const std::vector<std::string> lines = vendor::fallbacks();
  EXPECT_EQ(lines.size(), 2 * 3 * depthwise);
  for (const std::string& line : lines) {
    EXPECT_TRUE(contains(line, "depthwise_")) << line;
    EXPECT_TRUE(contains(line, "cuDNN 9.19.0 is refused")) << line;
  }
}

TEST(VendorConvolution, Tf32IsAskedForWhereItIsAllowed) {
  PlainLoops& library = fresh();
  const Case k{1, 4, 4, 4, 4, 3, 1, 1, 1};
  check_case<float, float>(k, 1e-5);
  vendor::allow_tf32(true);
  check_case<float, float>(k, 1e-5);
  check_case<device::bf16, device::bf16>(k, std::ldexp(1.0, -8));
  ASSERT_EQ(library.runs.size(), 9u);
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(library.runs[i].tf32, i >= 3 && i < 6) << i;
  vendor::allow_tf32(false);
}

TEST(VendorConvolution, ASliceThatBeginsBetweenPacksIsSaidToBeSo) {
  PlainLoops& library = fresh();
  std::vector<float> x(64), y(64), w(4 * 4, 1.0f);
  const device::Window g{1, 1, 4, 4, 8, 1, 4, 4, 8, 1, 1, 1, 1, 0, 0};
  vendor::conv2d_forward<float>(g, x.data() + 1, w.data(), {}, y.data() + 2, scratch(), nullptr);
  ASSERT_EQ(library.runs.size(), 1u);
  EXPECT_EQ(library.runs[0].alignment, 4);
  EXPECT_EQ(library.runs[0].window.in_pitch, 8);
}

TEST(VendorConvolution, WindowsThatNoPaddingDescribesGoToTheOwnKernels) {
  PlainLoops& library = fresh();
  const std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9}, w{2};
  std::vector<float> y(4);
  const device::Window g{1, 3, 3, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0};
  vendor::conv2d_forward<float>(g, x.data(), w.data(), {}, y.data(), scratch(), nullptr);
  EXPECT_EQ(y, (std::vector<float>{2, 4, 8, 10}));
  EXPECT_TRUE(library.runs.empty());
  ASSERT_EQ(vendor::fallbacks().size(), 1u);
  EXPECT_TRUE(contains(vendor::fallbacks()[0], "the padding does not give the output's extent"));
}

}  // namespace vendor_convolution_test

namespace tinyvision_kernels {
namespace vendor {
ConvolutionLibrary& convolution_library() { return vendor_convolution_test::loops(); }
}  // namespace vendor
}  // namespace tinyvision_kernels
