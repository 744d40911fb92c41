// kernels/conv2d_bf16.cu on the emulated device against the reference in f64, on the same bf16 inputs.
#include <algorithm>
#include <array>

#include "kernels/device_map.hpp"
#include "tinyvision/reference/conv2d.hpp"

namespace conv2d_bf16_test {

using namespace tinyvision;
using namespace device_test;
using device::bf16;
using device::TensorTile;

struct Case {
  Index batch, height, width, in_c, out_c, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
  Index gap = 0;
  Activation activation = Activation::none;
  bool scaled = false, residual = false, accumulate = false;
  Index pad_bottom = -1, pad_right = -1;  ///< as pad_top, pad_left when negative
};

WindowGeometry geometry(const Case& k) {
  WindowGeometry g;
  g.batch = k.batch, g.in_h = k.height, g.in_w = k.width, g.in_c = k.in_c, g.in_pitch = k.in_c + k.gap;
  g.kernel_h = k.kernel_h, g.kernel_w = k.kernel_w, g.stride_h = k.stride_h, g.stride_w = k.stride_w;
  g.pad_top = k.pad_top, g.pad_left = k.pad_left;
  const Index bottom = k.pad_bottom < 0 ? k.pad_top : k.pad_bottom, right = k.pad_right < 0 ? k.pad_left : k.pad_right;
  g.out_h = (k.height + k.pad_top + bottom - k.kernel_h) / k.stride_h + 1;
  g.out_w = (k.width + k.pad_left + right - k.kernel_w) / k.stride_w + 1;
  g.out_c = k.out_c, g.out_pitch = k.out_c + k.gap;
  return g;
}
device::Window window(const WindowGeometry& g) {
  return {g.batch,     g.in_h,     g.in_w,     g.in_c,     g.in_pitch, g.out_h,   g.out_w,   g.out_c,
          g.out_pitch, g.kernel_h, g.kernel_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left};
}

/// An array that begins `shift` elements after a multiple of 16 bytes.
class Placed {
 public:
  Placed(const std::vector<bf16>& values, std::size_t shift) : storage_(values.size() + 16) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    begin_ = (16 - address % 16) % 16 / sizeof(bf16) + shift;
    count_ = values.size();
    std::copy(values.begin(), values.end(), data());
  }
  bf16* data() { return storage_.data() + begin_; }
  std::vector<bf16> values() { return {data(), data() + count_}; }

 private:
  std::vector<bf16> storage_;
  std::size_t begin_, count_;
};

struct Results {
  std::vector<bf16> y, dx;
  std::vector<float> dw;
};

struct Inputs {
  WindowGeometry g;
  Case k;
  Map<bf16> x, w, dy, residual, y, dx;
  Map<float> scale, shift, dw;
  explicit Inputs(const Case& c)
      : g(geometry(c)),
        k(c),
        x(g.in_pixels(), g.in_c, c.gap, 1),
        w(weights(), 1, 0, 2),
        dy(g.out_pixels(), g.out_c, c.gap, 3),
        residual(g.out_pixels(), g.out_c, c.gap, 4),
        y(g.out_pixels(), g.out_c, c.gap, 5),
        dx(g.in_pixels(), g.in_c, c.gap, 6),
        scale(g.out_c, 1, 0, 7),
        shift(g.out_c, 1, 0, 8),
        dw(weights(), 1, 0, 9) {}
  Index weights() const { return g.kernel_h * g.kernel_w * g.in_c * g.out_c; }
};

Results on_device(const Inputs& in, TensorTile tile, std::size_t misplaced = 0) {
  const device::Window g = window(in.g);
  Placed x(in.x.values, misplaced), w(in.w.values, misplaced), dy(in.dy.values, misplaced), y(in.y.values, misplaced),
      dx(in.dx.values, misplaced), residual(in.residual.values, misplaced);
  std::vector<float> dw = in.dw.values;
  const device::Epilogue<bf16> e{
      in.k.scaled ? in.scale.values.data() : nullptr, in.k.scaled ? in.shift.values.data() : nullptr,
      in.k.residual ? residual.data() : nullptr, in.residual.pitch, static_cast<device::Activation>(in.k.activation)};
  device::conv2d_bf16_forward(g, x.data(), w.data(), e, y.data(), nullptr, tile);
  device::conv2d_bf16_backward_input(g, dy.data(), w.data(), dx.data(), in.k.accumulate, nullptr, tile);
  std::vector<float> work(static_cast<std::size_t>(device::conv2d_bf16_workspace(g)));
  device::conv2d_bf16_backward_weight(g, x.data(), dy.data(), dw.data(), in.k.accumulate, work.data(), nullptr, tile);
  return {y.values(), dx.values(), dw};
}

/// What is right, and beside each element the same sum over absolute values, which bounds the error of any order.
struct Expected {
  Map<double> y, y_of_absolutes, dx, dx_of_absolutes, dw, dw_of_absolutes;
};

Map<double> absolutes(Map<double> m) {
  for (double& v : m.values) v = std::fabs(v);
  return m;
}

Expected by_reference(const Inputs& in) {
  const auto run = [&](Map<double> x, Map<double> w, Map<double> dy, Map<double> residual, Map<double> scale,
                       Map<double> shift, Map<double> y, Map<double> dx, Map<double> dw, Activation activation) {
    const Epilogue<double> e{in.k.scaled ? scale.data() : nullptr, in.k.scaled ? shift.data() : nullptr,
                             in.k.residual ? residual.data() : nullptr, residual.pitch, activation};
    reference::conv2d_forward<double>(in.g, x.data(), w.data(), e, y.data());
    reference::conv2d_backward_input<double>(in.g, dy.data(), w.data(), dx.data(), in.k.accumulate);
    reference::conv2d_backward_weight<double>(in.g, x.data(), dy.data(), dw.data(), in.k.accumulate);
    return std::array<Map<double>, 3>{y, dx, dw};
  };
  const auto exact = run(wide(in.x), wide(in.w), wide(in.dy), wide(in.residual), wide(in.scale), wide(in.shift),
                         wide(in.y), wide(in.dx), wide(in.dw), in.k.activation);
  const auto bound = run(absolutes(wide(in.x)), absolutes(wide(in.w)), absolutes(wide(in.dy)),
                         absolutes(wide(in.residual)), absolutes(wide(in.scale)), absolutes(wide(in.shift)),
                         absolutes(wide(in.y)), absolutes(wide(in.dx)), absolutes(wide(in.dw)), Activation::none);
  return {exact[0], bound[0], exact[1], bound[1], exact[2], bound[2]};
}

/// |computed - exact| <= A + R (|exact| + A). A, of the sum: each of its `terms` products and additions rounds by at most
/// 2^-24 of a partial sum, which the sum of absolute values bounds to first order. R, of the result: half a unit in the
/// last of bf16's 8 bits, 2^-8; f32 is rounded once more too. The activations do not enlarge a difference.
template <class T>
void check(const std::vector<T>& computed, const Map<double>& exact, const Map<double>& of_absolutes, Index terms,
           const char* what) {
  const double result_rounding = std::ldexp(1.0, std::is_same_v<T, bf16> ? -8 : -24);
  for (Index r = 0; r < exact.rows; ++r)
    for (Index c = 0; c < exact.pitch; ++c) {
      const auto at = static_cast<std::size_t>(r * exact.pitch + c);
      const double x = static_cast<double>(widen(computed[at])), y = exact.values[at];
      if (c >= exact.channels) {
        EXPECT_EQ(x, y) << what << ": a gap was written";
        continue;
      }
      const double of_sum = static_cast<double>(terms) * std::ldexp(1.0, -24) * of_absolutes.values[at];
      const double bound = of_sum + result_rounding * (std::fabs(y) + of_sum);
      if (!(std::fabs(x - y) <= bound)) {
        ADD_FAILURE() << what << " row " << r << " channel " << c << ": " << x << " not " << y << ", bound " << bound;
        return;
      }
    }
}

template <class V>
bool same_bytes(const V& a, const V& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

void check(const Case& k, const std::vector<TensorTile>& tiles) {
  SCOPED_TRACE(::testing::Message() << k.batch << "x" << k.height << "x" << k.width << "x" << k.in_c << " -> "
                                    << k.out_c << " kernel " << k.kernel_h << "x" << k.kernel_w << " stride "
                                    << k.stride_h << "x" << k.stride_w << " pad " << k.pad_top << "," << k.pad_left
                                    << " gap " << k.gap);
  const Inputs in(k);
  const Expected expected = by_reference(in);
  const Index taps = k.kernel_h * k.kernel_w, epilogue = 4;
  emulation::device().order = emulation::Order::forward;
  const Results first = on_device(in, tiles[0]);
  check(first.y, expected.y, expected.y_of_absolutes, taps * k.in_c + epilogue, "y");
  check(first.dx, expected.dx, expected.dx_of_absolutes, taps * k.out_c + epilogue, "dx");
  check(first.dw, expected.dw, expected.dw_of_absolutes, in.g.out_pixels() + epilogue, "dw");
  // Neither the order of the threads, nor the tile, nor the way of reading shows in a single bit.
  emulation::device().order = emulation::Order::backward;
  for (const TensorTile tile : tiles) {
    const Results again = on_device(in, tile);
    EXPECT_TRUE(same_bytes(first.y, again.y) && same_bytes(first.dx, again.dx) && same_bytes(first.dw, again.dw))
        << "tile " << static_cast<int>(tile);
  }
  emulation::device().order = emulation::Order::forward;
}

using enum Activation;
const std::vector<TensorTile> by_shape = {TensorTile::by_shape};
const std::vector<TensorTile> either = {TensorTile::large, TensorTile::small};

TEST(Conv2dBf16, OddShapesElementByElement) {
  const std::vector<Case> cases = {
      {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
      {2, 9, 7, 3, 65, 3, 3, 2, 2, 1, 1, 0, relu6, true, false, false},  // a stem
      {1, 5, 6, 20, 17, 1, 1, 1, 1, 0, 0, 3, relu, true, true, true},    // odd channels, gaps
      {1, 11, 9, 3, 8, 7, 7, 2, 2, 3, 3},                                // one tap's channels are less than a unit
      {1, 7, 8, 4, 6, 2, 2, 3, 3, 0, 0, 1},                            // stride over kernel: pixels that no tap reaches
      {1, 6, 5, 8, 16, 3, 3, 1, 1, 1, 1, 4, none, false, true, true},  // channels that fit, a pitch that does not
      {2, 5, 4, 7, 9, 3, 1, 1, 2, 2, 0, 0, none, false, false, true, 0},  // padding at the top only
  };
  for (const Case& k : cases) check(k, by_shape);
}

TEST(Conv2dBf16, UnitsOfEightOnSmallTiles) {
  const std::vector<Case> cases = {
      {1, 1, 1, 8, 8, 1, 1, 1, 1, 0, 0},
      {2, 6, 7, 8, 16, 3, 3, 1, 1, 1, 1, 8, relu, true, true, true},     // four taps to a slice
      {1, 9, 10, 24, 72, 3, 3, 2, 2, 1, 1, 0, relu6, true},              // a tap ends within a slice, two column tiles
      {1, 9, 8, 40, 24, 1, 1, 2, 2, 0, 0, 8, none, false, false, true},  // 1x1 with stride: remainders without a tap
      {2, 7, 7, 16, 8, 1, 7, 1, 1, 0, 3},                                // 1 x 7
      {1, 8, 9, 16, 24, 3, 2, 3, 2, 2, 1, 0, none, false, true, false, 0, 0},  // strides that differ, uneven padding
      {1, 2, 2, 8, 8, 5, 5, 1, 1, 2, 2},                                       // a map smaller than the window
      {1, 2, 3, 8, 8, 3, 3, 5, 4, 1, 1, 0, none, false, false, true},          // strides larger than the map
      {1, 12, 12, 8, 8, 5, 5, 2, 2, 0, 0},
  };
  for (const Case& k : cases) check(k, by_shape);
}

TEST(Conv2dBf16, LargeAndSmallTilesGiveTheSameBits) {
  const std::vector<Case> cases = {
      {1, 12, 12, 32, 136, 3, 3, 1, 1, 1, 1, 0, relu, true, true, true},  // two row tiles, two column tiles, tails
      {1, 13, 11, 136, 64, 1, 1, 1, 1, 0, 0, 8},
      {3, 9, 9, 16, 40, 3, 3, 2, 2, 1, 1, 0, none, false, false, true},
  };
  for (const Case& k : cases) check(k, either);
}

// 36 x 36 pixels are three parts of dw's sum.
TEST(Conv2dBf16, DwIsSummedInParts) {
  const Case k{1, 36, 36, 8, 8, 1, 1, 1, 1, 0, 0, 0, none, false, false, true};
  EXPECT_EQ(device::conv2d_bf16_workspace(window(geometry(k))), 3 * 8 * 8);
  check(k, by_shape);
}

// Reading in units, or element by element because the arrays are not aligned: the same bits.
TEST(Conv2dBf16, UnalignedArrays) {
  const Inputs in({1, 8, 9, 16, 24, 3, 3, 2, 2, 1, 1, 0, relu, true, true, true});
  const Results aligned = on_device(in, TensorTile::by_shape), misplaced = on_device(in, TensorTile::by_shape, 1);
  EXPECT_TRUE(same_bytes(aligned.y, misplaced.y));
  EXPECT_TRUE(same_bytes(aligned.dx, misplaced.dx));
  EXPECT_TRUE(same_bytes(aligned.dw, misplaced.dw));
}

// A large problem takes the large tile by itself: 16384 pixels are 128 tiles of 128.
TEST(Conv2dBf16, TheTileFollowsFromTheShape) {
  const Inputs in({128, 16, 8, 8, 72, 1, 1, 1, 1, 0, 0});
  const auto blocks_of = [&](TensorTile tile) {
    emulation::device() = emulation::Device{};
    Placed x(in.x.values, 0), w(in.w.values, 0), out(in.y.values, 0);
    device::conv2d_bf16_forward(window(in.g), x.data(), w.data(),
                                {nullptr, nullptr, nullptr, 0, device::Activation::none}, out.data(), nullptr, tile);
    return emulation::device().blocks;
  };
  EXPECT_EQ(blocks_of(TensorTile::by_shape), 128u);
}

TEST(Conv2dBf16, SizesBeyond32BitsAreRefused) {
  Case k{1, 1 << 16, 1 << 13, 8, 8, 1, 1, 1, 1, 0, 0};
  const device::Window g = window(geometry(k));
  EXPECT_THROW(device::conv2d_bf16_workspace(g), std::runtime_error);
}

}  // namespace conv2d_bf16_test
