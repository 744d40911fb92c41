#include "tinyvision/cpu/conv2d.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace tinyvision;

namespace conv2d_test {

std::vector<InstructionSet> available_sets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512})
    if (set <= best_instruction_set()) sets.push_back(set);
  return sets;
}

struct Restore {
  InstructionSet set = instruction_set();
  int threads = num_threads();
  ~Restore() {
    set_instruction_set(set);
    set_num_threads(threads);
  }
};

constexpr double sentinel = 77.25;

template <class T>
struct Map {
  Map(Index pixels, Index channels, Index pitch, std::uint64_t seed) : channels_(channels), pitch_(pitch) {
    // The last pixel ends with its last channel, as a channel slice of a larger map may.
    values.assign(static_cast<std::size_t>(pixels == 0 ? 0 : (pixels - 1) * pitch + channels),
                  static_cast<T>(sentinel));
    std::uint64_t s = seed * 2654435761u + 88172645463325252u;
    for (Index p = 0; p < pixels; ++p) {
      for (Index c = 0; c < channels; ++c) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        at(p, c) = static_cast<T>(static_cast<double>(s >> 40) / 8388608.0 - 1.0);
      }
    }
  }
  T& at(Index pixel, Index c) { return values[static_cast<std::size_t>(pixel * pitch_ + c)]; }
  double at(Index pixel, Index c) const {
    return static_cast<double>(values[static_cast<std::size_t>(pixel * pitch_ + c)]);
  }
  std::vector<T> values;
  Index channels_, pitch_;
};

/// Largest error relative to the largest expected value; infinite when a gap between pixels was written.
template <class T>
double error_of(const std::vector<T>& got, const Map<double>& expected) {
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double e = expected.values[i], g = static_cast<double>(got[i]);
    if (static_cast<Index>(i) % expected.pitch_ >= expected.channels_) {
      if (g != sentinel) return INFINITY;
      continue;
    }
    largest = std::max(largest, std::abs(e));
    const double error = std::abs(g - e);
    if (!(error <= worst)) worst = error;
  }
  return worst / largest;
}

struct Case {
  const char* name;
  Index batch, in_h, in_w, in_c, in_gap, out_c, out_gap, kernel_h, kernel_w, stride_h, stride_w;
  Index pad_top, pad_bottom, pad_left, pad_right;
};

WindowGeometry geometry_of(const Case& c) {
  WindowGeometry g;
  g.batch = c.batch;
  g.in_h = c.in_h, g.in_w = c.in_w, g.in_c = c.in_c, g.in_pitch = c.in_c + c.in_gap;
  g.out_h = (c.in_h + c.pad_top + c.pad_bottom - c.kernel_h) / c.stride_h + 1;
  g.out_w = (c.in_w + c.pad_left + c.pad_right - c.kernel_w) / c.stride_w + 1;
  g.out_c = c.out_c, g.out_pitch = c.out_c + c.out_gap;
  g.kernel_h = c.kernel_h, g.kernel_w = c.kernel_w;
  g.stride_h = c.stride_h, g.stride_w = c.stride_w;
  g.pad_top = c.pad_top, g.pad_left = c.pad_left;
  return g;
}

/// Calls visit(output pixel, input pixel, tap) for every product of the convolution.
template <class Visit>
void for_each_tap(const WindowGeometry& g, Visit&& visit) {
  for (Index n = 0; n < g.batch; ++n)
    for (Index oh = 0; oh < g.out_h; ++oh)
      for (Index ow = 0; ow < g.out_w; ++ow)
        for (Index kh = 0; kh < g.kernel_h; ++kh)
          for (Index kw = 0; kw < g.kernel_w; ++kw) {
            const Index ih = oh * g.stride_h - g.pad_top + kh, iw = ow * g.stride_w - g.pad_left + kw;
            if (ih < 0 || ih >= g.in_h || iw < 0 || iw >= g.in_w) continue;
            visit((n * g.out_h + oh) * g.out_w + ow, (n * g.in_h + ih) * g.in_w + iw, kh * g.kernel_w + kw);
          }
}

template <class T>
class Problem {
 public:
  explicit Problem(const Case& c)
      : g(geometry_of(c)),
        taps(g.kernel_h * g.kernel_w),
        x(g.in_pixels(), g.in_c, g.in_pitch, 1),
        dy(g.out_pixels(), g.out_c, g.out_pitch, 2),
        w(taps * g.in_c, g.out_c, g.out_c, 3),
        residual(g.out_pixels(), g.out_c, g.out_c + 2, 4),
        scale(1, g.out_c, g.out_c, 5),
        shift(1, g.out_c, g.out_c, 6) {}

  Map<double> forward() const {
    Map<double> y(g.out_pixels(), g.out_c, g.out_pitch, 0);
    zero(y);
    for_each_tap(g, [&](Index out, Index in, Index tap) {
      for (Index i = 0; i < g.in_c; ++i)
        for (Index o = 0; o < g.out_c; ++o) y.at(out, o) += x.at(in, i) * w.at(tap * g.in_c + i, o);
    });
    return y;
  }
  Map<double> backward_input(const Map<double>& start) const {
    Map<double> dx = start;
    for_each_tap(g, [&](Index out, Index in, Index tap) {
      for (Index i = 0; i < g.in_c; ++i)
        for (Index o = 0; o < g.out_c; ++o) dx.at(in, i) += dy.at(out, o) * w.at(tap * g.in_c + i, o);
    });
    return dx;
  }
  Map<double> backward_weight(const Map<double>& start) const {
    Map<double> dw = start;
    for_each_tap(g, [&](Index out, Index in, Index tap) {
      for (Index i = 0; i < g.in_c; ++i)
        for (Index o = 0; o < g.out_c; ++o) dw.at(tap * g.in_c + i, o) += x.at(in, i) * dy.at(out, o);
    });
    return dw;
  }
  static void zero(Map<double>& map) {
    for (std::size_t i = 0; i < map.values.size(); ++i)
      if (static_cast<Index>(i) % map.pitch_ < map.channels_) map.values[i] = 0;
  }
  static Map<double> to_double(const Map<T>& map) {
    Map<double> d(0, map.channels_, map.pitch_, 0);
    d.values.assign(map.values.begin(), map.values.end());
    return d;
  }

  WindowGeometry g;
  Index taps;
  const Map<T> x, dy, w, residual, scale, shift;
};

/// Runs `compute` (returning a vector) with every instruction set and number of threads.
template <class T, class Compute>
void check_everywhere(const Map<double>& expected, const char* what, Compute&& compute) {
  const Restore restore;
  for (const InstructionSet set : available_sets()) {
    SCOPED_TRACE(concat_text(what, " ", to_string(set)));
    set_instruction_set(set);
    set_num_threads(1);
    const std::vector<T> got = compute();
    EXPECT_LE(error_of(got, expected), sizeof(T) == 4 ? 1e-5 : 1e-12);
    for (const int threads : {2, 3, 5, 8}) {
      set_num_threads(threads);
      EXPECT_EQ(got, compute()) << threads << " threads";
    }
  }
}

template <class T>
void check_case(const Case& c) {
  SCOPED_TRACE(c.name);
  const Problem<T> p(c);
  const WindowGeometry& g = p.g;
  const Map<T> blank_y(g.out_pixels(), g.out_c, g.out_pitch, 9);

  const Map<double> y = p.forward();
  check_everywhere<T>(y, "forward", [&] {
    std::vector<T> out = blank_y.values;
    cpu::conv2d_forward(g, p.x.values.data(), p.w.values.data(), Epilogue<T>{}, out.data());
    return out;
  });
  for (const Activation activation : {Activation::relu, Activation::relu6}) {
    Map<double> fused = y;
    for (Index q = 0; q < g.out_pixels(); ++q)
      for (Index o = 0; o < g.out_c; ++o)
        fused.at(q, o) = activate(y.values[static_cast<std::size_t>(q * g.out_pitch + o)] * p.scale.at(0, o) +
                                      p.shift.at(0, o) + (activation == Activation::relu ? p.residual.at(q, o) : 0.0),
                                  activation);
    check_everywhere<T>(fused, "fused forward", [&] {
      std::vector<T> out = blank_y.values;
      Epilogue<T> e;
      e.scale = p.scale.values.data(), e.shift = p.shift.values.data(), e.activation = activation;
      if (activation == Activation::relu) e.residual = p.residual.values.data(), e.residual_pitch = g.out_c + 2;
      const auto packed = cpu::pack_conv2d_weights(g, p.w.values.data());
      cpu::conv2d_forward(g, p.x.values.data(), packed, e, out.data());
      return out;
    });
  }
  for (const bool accumulate : {false, true}) {
    const Map<T> dx0(g.in_pixels(), g.in_c, g.in_pitch, 7);
    Map<double> start = Problem<T>::to_double(dx0);
    if (!accumulate) Problem<T>::zero(start);
    check_everywhere<T>(p.backward_input(start), "backward input", [&] {
      std::vector<T> out = dx0.values;
      cpu::conv2d_backward_input(g, p.dy.values.data(), p.w.values.data(), out.data(), accumulate);
      return out;
    });
    const Map<T> dw0(p.taps * g.in_c, g.out_c, g.out_c, 8);
    start = Problem<T>::to_double(dw0);
    if (!accumulate) Problem<T>::zero(start);
    check_everywhere<T>(p.backward_weight(start), "backward weight", [&] {
      std::vector<T> out = dw0.values;
      cpu::conv2d_backward_weight(g, p.x.values.data(), p.dy.values.data(), out.data(), accumulate);
      return out;
    });
  }
}

class Conv2dTest : public ::testing::TestWithParam<Case> {};

TEST_P(Conv2dTest, F32) { check_case<float>(GetParam()); }
TEST_P(Conv2dTest, F64) { check_case<double>(GetParam()); }

// name, batch, in h w c gap, out c gap, kernel, stride, pads top bottom left right
constexpr Case cases[] = {
    {"one_pixel", 1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0},
    {"fully_connected", 3, 1, 1, 70, 0, 101, 0, 1, 1, 1, 1, 0, 0, 0, 0},
    {"fully_connected_batch_1", 1, 1, 1, 130, 0, 33, 0, 1, 1, 1, 1, 0, 0, 0, 0},
    {"pointwise", 2, 7, 7, 64, 0, 64, 0, 1, 1, 1, 1, 0, 0, 0, 0},
    {"pointwise_gaps", 2, 5, 3, 22, 5, 11, 7, 1, 1, 1, 1, 0, 0, 0, 0},
    {"pointwise_4k_pitch", 1, 4, 4, 1024, 0, 6, 0, 1, 1, 1, 1, 0, 0, 0, 0},
    {"pointwise_stride_2", 2, 7, 6, 20, 0, 35, 0, 1, 1, 2, 2, 0, 0, 0, 0},
    {"pointwise_stride_3_accumulates_nowhere", 1, 8, 8, 3, 1, 5, 0, 1, 1, 3, 3, 0, 0, 0, 0},
    {"stem_7x7", 1, 23, 21, 3, 0, 16, 0, 7, 7, 2, 2, 3, 3, 3, 3},
    {"stem_3x3_same_padding", 2, 14, 14, 3, 1, 32, 0, 3, 3, 2, 2, 0, 1, 0, 1},
    {"3x3", 2, 7, 7, 11, 0, 22, 0, 3, 3, 1, 1, 1, 1, 1, 1},
    {"3x3_gaps", 1, 9, 8, 11, 4, 37, 3, 3, 3, 1, 1, 1, 1, 1, 1},
    {"3x3_wide_split_reduction", 1, 5, 5, 130, 0, 18, 0, 3, 3, 1, 1, 1, 1, 1, 1},
    {"3x3_stride_2", 2, 9, 10, 8, 0, 24, 0, 3, 3, 2, 2, 1, 1, 1, 1},
    {"3x3_stride_2_asymmetric", 1, 8, 8, 5, 2, 9, 1, 3, 3, 2, 2, 0, 1, 0, 1},
    {"5x5_valid", 1, 9, 11, 4, 0, 6, 0, 5, 5, 1, 1, 0, 0, 0, 0},
    {"1x7", 1, 6, 9, 6, 0, 7, 0, 1, 7, 1, 1, 0, 0, 3, 3},
    {"7x1", 1, 9, 6, 6, 0, 7, 0, 7, 1, 1, 1, 3, 3, 0, 0},
    {"stride_above_kernel", 1, 11, 12, 3, 0, 4, 0, 2, 2, 5, 3, 0, 0, 0, 0},
    {"different_strides", 1, 9, 10, 3, 0, 4, 2, 3, 2, 1, 2, 1, 0, 0, 1},
    {"kernel_covers_map", 2, 3, 3, 9, 0, 5, 0, 3, 3, 1, 1, 0, 0, 0, 0},
    {"large_padding", 1, 2, 3, 4, 0, 5, 0, 5, 5, 2, 2, 4, 4, 4, 4},
    {"unused_border", 1, 10, 10, 3, 0, 4, 0, 3, 3, 4, 4, 0, 0, 0, 0},
    {"many_pixels", 2, 40, 40, 10, 0, 12, 0, 1, 1, 1, 1, 0, 0, 0, 0},
    {"many_pixels_3x3", 1, 40, 30, 6, 0, 20, 0, 3, 3, 1, 1, 1, 1, 1, 1},
    {"many_output_channels", 1, 2, 2, 24, 0, 1001, 0, 1, 1, 1, 1, 0, 0, 0, 0},
};

INSTANTIATE_TEST_SUITE_P(Shapes, Conv2dTest, ::testing::ValuesIn(cases),
                         [](const auto& test) { return "case_" + std::string(test.param.name); });

// Big aligned outputs are written past the caches, others are not; the bits must agree.
TEST(Conv2dTest, BigAlignedOutputsMatchUnalignedOnes) {
  const Restore restore;
  WindowGeometry g;
  g.batch = 1, g.in_h = g.out_h = 300, g.in_w = g.out_w = 230;
  g.in_c = g.in_pitch = 5, g.out_c = 31, g.out_pitch = 32;
  g.kernel_h = g.kernel_w = 1;
  const Map<float> x(g.in_pixels(), 5, 5, 1), w(5, 31, 31, 2);
  const Index count = g.out_pixels() * g.out_pitch;
  ASSERT_TRUE(simd::worth_streaming<float>(count));
  const Scratch<float> aligned(count), shifted(count + 1);
  float* unaligned = shifted.data() + 1;
  for (const InstructionSet set : available_sets()) {
    set_instruction_set(set);
    std::fill_n(aligned.data(), count, 77.25f);
    std::fill_n(unaligned, count, 77.25f);
    ASSERT_TRUE(simd::streamable(aligned.data(), g.out_pitch));
    ASSERT_FALSE(simd::streamable(unaligned, g.out_pitch));
    cpu::conv2d_forward(g, x.values.data(), w.values.data(), Epilogue<float>{}, aligned.data());
    cpu::conv2d_forward(g, x.values.data(), w.values.data(), Epilogue<float>{}, unaligned);
    EXPECT_TRUE(std::equal(unaligned, unaligned + count, aligned.data())) << to_string(set);
  }
}

TEST(Conv2dTest, ActivationsKeepNan) {
  WindowGeometry g;
  g.batch = 1, g.in_h = g.in_w = g.out_h = g.out_w = 9, g.in_c = g.in_pitch = 3, g.out_c = g.out_pitch = 40;
  g.kernel_h = g.kernel_w = 3, g.pad_top = g.pad_left = 1;
  std::vector<float> x(static_cast<std::size_t>(g.in_pixels() * g.in_c), 1.0f), w(9 * 3 * 40, 1.0f);
  const Index row_pixels = g.in_w * g.in_c;  // NaN in pixel (4, 4) reaches the 3x3 outputs around it
  for (Index c = 0; c < g.in_c; ++c)
    x[static_cast<std::size_t>(4 * row_pixels + 4 * g.in_c + c)] = std::numeric_limits<float>::quiet_NaN();
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512}) {
    if (set > best_instruction_set()) continue;
    set_instruction_set(set);
    for (const Activation activation : {Activation::relu, Activation::relu6}) {
      std::vector<float> y(static_cast<std::size_t>(g.out_pixels() * g.out_c));
      Epilogue<float> e;
      e.activation = activation;
      cpu::conv2d_forward(g, x.data(), w.data(), e, y.data());
      for (Index i = 0; i < g.out_pixels() * g.out_c; ++i) {
        const Index h = i / g.out_c / g.out_w, column = i / g.out_c % g.out_w;
        const bool reached = h >= 3 && h <= 5 && column >= 3 && column <= 5;
        EXPECT_EQ(std::isnan(y[static_cast<std::size_t>(i)]), reached) << i << ' ' << to_string(set);
      }
    }
  }
  set_instruction_set(best_instruction_set());
}

TEST(Conv2dTest, RefusesBadGeometry) {
  WindowGeometry g = geometry_of(cases[3]);
  std::vector<float> v(100000);
  g.in_pitch = g.in_c - 1;
  EXPECT_THROW(cpu::conv2d_forward(g, v.data(), v.data(), Epilogue<float>{}, v.data()), Error);
  g = geometry_of(cases[3]);
  const auto packed = cpu::pack_conv2d_weights(g, v.data());
  g.in_c = g.in_pitch = 32;
  EXPECT_THROW(cpu::conv2d_forward(g, v.data(), packed, Epilogue<float>{}, v.data()), Error);
}

TEST(Conv2dTest, PackedWeightsKeepTheirInstructionSet) {
  const Restore restore;
  const Problem<float> p(cases[10]);
  set_instruction_set(InstructionSet::portable);
  const auto packed = cpu::pack_conv2d_weights(p.g, p.w.values.data());
  std::vector<float> a(p.dy.values.size()), b(p.dy.values.size());
  cpu::conv2d_forward(p.g, p.x.values.data(), packed, Epilogue<float>{}, a.data());
  set_instruction_set(best_instruction_set());
  cpu::conv2d_forward(p.g, p.x.values.data(), packed, Epilogue<float>{}, b.data());
  EXPECT_EQ(packed.instruction_set(), InstructionSet::portable);
  EXPECT_EQ(a, b);
}

}  // namespace conv2d_test
