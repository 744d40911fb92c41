// The rungs of docs/kernels/convolution.md: each is right, all have the same bits on the emulated device, and each differs
// from the one below it in what that page says.
#include "ladder/ladder.h"

#include <cstdio>

#include "kernels/device_map.hpp"
#include "tinyvision/core/epilogue.hpp"
#include "tinyvision/core/geometry.hpp"
#include "tinyvision/reference/conv2d.hpp"

namespace ladder_test {

using namespace device_test;
using device::bf16;

struct Layer {
  Index batch, size, in_c, out_c, kernel, stride, pad, gap;
};
tinyvision::WindowGeometry geometry(const Layer& l) {
  tinyvision::WindowGeometry g;
  g.batch = l.batch, g.in_h = g.in_w = l.size, g.in_c = l.in_c, g.in_pitch = l.in_c + l.gap;
  g.kernel_h = g.kernel_w = l.kernel, g.stride_h = g.stride_w = l.stride, g.pad_top = g.pad_left = l.pad;
  g.out_h = g.out_w = (l.size + 2 * l.pad - l.kernel) / l.stride + 1;
  g.out_c = l.out_c, g.out_pitch = l.out_c + l.gap;
  return g;
}
device::Window window(const tinyvision::WindowGeometry& g) {
  return {g.batch,     g.in_h,     g.in_w,     g.in_c,     g.in_pitch, g.out_h,   g.out_w,   g.out_c,
          g.out_pitch, g.kernel_h, g.kernel_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left};
}

void tensor_cores(const device::Window& g, const bf16* x, const bf16* w, bf16* y, device::Stream stream) {
  device::conv2d_bf16_forward(g, x, w, {nullptr, nullptr, nullptr, 0, device::Activation::none}, y, stream);
}

struct Rung {
  const char* name;
  void (*run)(const device::Window&, const bf16*, const bf16*, bf16*, device::Stream);
};
const Rung rungs[] = {{"naive", &device::ladder::naive},
                      {"shared tile", &device::ladder::shared_tile},
                      {"register tile", &device::ladder::register_tile},
                      {"tensor cores", &tensor_cores}};

TEST(ConvolutionLadder, EveryRungIsRightAndHasTheSameBits) {
  for (const Layer& l : {Layer{2, 9, 16, 24, 3, 1, 1, 0}, {1, 11, 3, 17, 7, 2, 3, 5}, {1, 6, 40, 8, 1, 1, 0, 8}}) {
    const tinyvision::WindowGeometry g = geometry(l);
    const Map<bf16> x(g.in_pixels(), g.in_c, l.gap, 1), w(l.kernel * l.kernel * l.in_c * l.out_c, 1, 0, 2);
    const Map<bf16> before(g.out_pixels(), g.out_c, l.gap, 3);
    Map<double> wx = wide(x), ww = wide(w), expected = wide(before);
    tinyvision::reference::conv2d_forward<double>(g, wx.data(), ww.data(), tinyvision::Epilogue<double>{},
                                                  expected.data());
    std::vector<char> bytes_of_first;
    for (const Rung& rung : rungs) {
      SCOPED_TRACE(rung.name);
      in_both_orders([&] {
        Map<bf16> y = before;
        rung.run(window(g), x.values.data(), w.values.data(), y.data(), nullptr);
        EXPECT_LE(difference(y, expected), 1e-5 + rounding<bf16>());
        std::vector<char> bytes;
        keep(bytes, y.values);
        if (bytes_of_first.empty()) bytes_of_first = bytes;
        EXPECT_EQ(bytes, bytes_of_first);
        return bytes;
      });
    }
  }
}

// 128 pixels, k = 64, 64 channels: whole tiles of every rung, so that the counts are those of the page.
TEST(ConvolutionLadder, WhatEachRungMoves) {
  const tinyvision::WindowGeometry g = geometry({2, 8, 64, 64, 1, 1, 0, 0});
  const Map<bf16> x(g.in_pixels(), g.in_c, 0, 1), w(g.in_c * g.out_c, 1, 0, 2);
  const double products = 128.0 * 64 * 64;
  // Of the tensor-core rung: two row tiles hand out 64 x 64 results through shared memory in f32, and its warps share a
  // tile of 64 x 64 as 32 x 32.
  const double handed_out = 128.0 * 64 * 4 / products;
  const double shared_bytes[] = {0, 4.0 + 4.0, 8 * 4.0 / 16, 2.0 / 32 + 2.0 / 32 + handed_out};
  const double global_bytes[] = {2.0 + 2.0, (2.0 + 2.0) / 16, (2.0 + 2.0) / 64, (2.0 + 2.0) / 64};
  const double warp_products[] = {0, 0, 0, products / (16 * 8 * 16)};
  std::printf("bytes per multiply-add   global   shared   tensor-core instructions\n");
  for (std::size_t i = 0; i < std::size(rungs); ++i) {
    emulation::device() = emulation::Device{};
    Map<bf16> y(g.out_pixels(), g.out_c, 0, 3);
    rungs[i].run(window(g), x.values.data(), w.values.data(), y.data(), nullptr);
    const double read = static_cast<double>(emulation::device().shared_bytes_read) / products;
    std::printf("%-22s %8.4f %8.4f %8.0f\n", rungs[i].name, global_bytes[i], read,
                static_cast<double>(emulation::device().warp_products));
    EXPECT_DOUBLE_EQ(read, shared_bytes[i]) << rungs[i].name;
    EXPECT_EQ(static_cast<double>(emulation::device().warp_products), warp_products[i]) << rungs[i].name;
  }
}

}  // namespace ladder_test
