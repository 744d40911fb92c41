// Times convolution kernels on the layer shapes of ResNet-50 and MobileNet v1 and v2 and prints CSV:
// network,layer,batch,threads,isa,pass,milliseconds,gflops
//
// Usage: conv_bench [--network NAME] [--layer SUBSTRING] [--batch N] [--threads N] [--repeat N]
// The time is the best of `repeat` rounds; forward runs with packed weights, as inference does, and "forward_pack"
// packs per call, as training does. A multiply-add counts as two operations.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tinyvision/cpu/conv2d.hpp"
#include "tinyvision/cpu/depthwise_conv2d.hpp"

using namespace tinyvision;

namespace {

struct Layer {
  const char* network;
  bool depthwise;
  Index size, in_c, out_c, kernel, stride;
};

constexpr Layer layers[] = {
    {"resnet50", false, 224, 3, 64, 7, 2},       {"resnet50", false, 56, 64, 64, 1, 1},
    {"resnet50", false, 56, 64, 256, 1, 1},      {"resnet50", false, 56, 256, 64, 1, 1},
    {"resnet50", false, 56, 64, 64, 3, 1},       {"resnet50", false, 56, 64, 64, 3, 2},
    {"resnet50", false, 28, 64, 256, 1, 1},      {"resnet50", false, 28, 256, 512, 1, 1},
    {"resnet50", false, 28, 256, 128, 1, 1},     {"resnet50", false, 28, 128, 128, 3, 1},
    {"resnet50", false, 28, 128, 512, 1, 1},     {"resnet50", false, 28, 512, 128, 1, 1},
    {"resnet50", false, 56, 256, 512, 1, 2},     {"resnet50", false, 28, 128, 128, 3, 2},
    {"resnet50", false, 14, 512, 256, 1, 1},     {"resnet50", false, 14, 256, 256, 3, 1},
    {"resnet50", false, 14, 256, 1024, 1, 1},    {"resnet50", false, 14, 1024, 256, 1, 1},
    {"resnet50", false, 14, 256, 256, 3, 2},     {"resnet50", false, 7, 1024, 512, 1, 1},
    {"resnet50", false, 7, 512, 512, 3, 1},      {"resnet50", false, 7, 512, 2048, 1, 1},
    {"resnet50", false, 7, 2048, 512, 1, 1},     {"resnet50", false, 1, 2048, 1000, 1, 1},
    {"mobilenet_v1", false, 224, 3, 32, 3, 2},   {"mobilenet_v1", true, 112, 32, 32, 3, 1},
    {"mobilenet_v1", false, 112, 32, 64, 1, 1},  {"mobilenet_v1", true, 112, 64, 64, 3, 2},
    {"mobilenet_v1", false, 56, 64, 128, 1, 1},  {"mobilenet_v1", true, 56, 128, 128, 3, 1},
    {"mobilenet_v1", false, 56, 128, 128, 1, 1}, {"mobilenet_v1", true, 56, 128, 128, 3, 2},
    {"mobilenet_v1", false, 28, 256, 256, 1, 1}, {"mobilenet_v1", true, 28, 256, 256, 3, 1},
    {"mobilenet_v1", true, 14, 512, 512, 3, 1},  {"mobilenet_v1", false, 14, 512, 512, 1, 1},
    {"mobilenet_v1", true, 14, 512, 512, 3, 2},  {"mobilenet_v1", false, 7, 512, 1024, 1, 1},
    {"mobilenet_v1", true, 7, 1024, 1024, 3, 1}, {"mobilenet_v1", false, 7, 1024, 1024, 1, 1},
    {"mobilenet_v2", false, 112, 32, 16, 1, 1},  {"mobilenet_v2", false, 112, 16, 96, 1, 1},
    {"mobilenet_v2", true, 112, 96, 96, 3, 2},   {"mobilenet_v2", false, 56, 96, 24, 1, 1},
    {"mobilenet_v2", false, 56, 24, 144, 1, 1},  {"mobilenet_v2", true, 56, 144, 144, 3, 1},
    {"mobilenet_v2", false, 56, 144, 24, 1, 1},  {"mobilenet_v2", true, 56, 144, 144, 3, 2},
    {"mobilenet_v2", false, 28, 192, 32, 1, 1},  {"mobilenet_v2", false, 28, 32, 192, 1, 1},
    {"mobilenet_v2", true, 28, 192, 192, 3, 1},  {"mobilenet_v2", false, 14, 64, 384, 1, 1},
    {"mobilenet_v2", false, 14, 384, 64, 1, 1},  {"mobilenet_v2", false, 14, 96, 576, 1, 1},
    {"mobilenet_v2", true, 14, 576, 576, 3, 1},  {"mobilenet_v2", false, 14, 576, 96, 1, 1},
    {"mobilenet_v2", false, 7, 160, 960, 1, 1},  {"mobilenet_v2", true, 7, 960, 960, 3, 1},
    {"mobilenet_v2", false, 7, 960, 160, 1, 1},  {"mobilenet_v2", false, 7, 960, 320, 1, 1},
    {"mobilenet_v2", false, 7, 320, 1280, 1, 1},
};

double best_milliseconds(int repeat, const std::function<void()>& body) {
  using Clock = std::chrono::steady_clock;
  body();
  double best = 1e30;
  for (int i = 0; i < repeat; ++i) {
    const auto start = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return best;
}

void run(const Layer& l, Index batch, int repeat) {
  WindowGeometry g;
  g.batch = batch;
  g.in_h = g.in_w = l.size;
  g.in_c = g.in_pitch = l.in_c;
  g.out_h = g.out_w = (l.size + l.stride - 1) / l.stride;
  g.out_c = g.out_pitch = l.out_c;
  g.kernel_h = g.kernel_w = l.kernel;
  g.stride_h = g.stride_w = l.stride;
  g.pad_top = g.pad_left = std::max<Index>(0, (g.out_h - 1) * l.stride + l.kernel - l.size) / 2;
  const auto buffer = [](Index count) {
    std::vector<float> v(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i * 7 % 13) * 0.1f - 0.6f;
    return v;
  };
  const Index depth = l.kernel * l.kernel * (l.depthwise ? 1 : l.in_c);
  std::vector<float> x = buffer(g.in_pixels() * l.in_c), w = buffer(depth * l.out_c),
                     y = buffer(g.out_pixels() * l.out_c);
  std::vector<float> dx = x, dw = w;
  const std::vector<float> dy = y;
  const Epilogue<float> none;
  const double operations = 2e-6 * static_cast<double>(g.out_pixels() * l.out_c * depth);
  const auto print = [&](const char* pass, const std::function<void()>& body) {
    const double ms = best_milliseconds(repeat, body);
    std::printf("%s,%s%lldx%lld_%lld->%lld_k%lld_s%lld,%lld,%d,%s,%s,%.4f,%.1f\n", l.network, l.depthwise ? "dw" : "",
                static_cast<long long>(l.size), static_cast<long long>(l.size), static_cast<long long>(l.in_c),
                static_cast<long long>(l.out_c), static_cast<long long>(l.kernel), static_cast<long long>(l.stride),
                static_cast<long long>(batch), num_threads(), to_string(instruction_set()), pass, ms, operations / ms);
    std::fflush(stdout);
  };
  if (l.depthwise) {
    print("forward", [&] { cpu::depthwise_conv2d_forward(g, x.data(), w.data(), none, y.data()); });
    print("backward_input", [&] { cpu::depthwise_conv2d_backward_input(g, dy.data(), w.data(), dx.data(), false); });
    print("backward_weight", [&] { cpu::depthwise_conv2d_backward_weight(g, x.data(), dy.data(), dw.data(), false); });
    return;
  }
  const auto packed = cpu::pack_conv2d_weights(g, w.data());
  print("forward", [&] { cpu::conv2d_forward(g, x.data(), packed, none, y.data()); });
  print("forward_pack", [&] { cpu::conv2d_forward(g, x.data(), w.data(), none, y.data()); });
  print("backward_input", [&] { cpu::conv2d_backward_input(g, dy.data(), w.data(), dx.data(), false); });
  print("backward_weight", [&] { cpu::conv2d_backward_weight(g, x.data(), dy.data(), dw.data(), false); });
}

}  // namespace

int main(int argc, char** argv) {
  std::string network, layer;
  Index batch = 8;
  int repeat = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--network") network = argv[i + 1];
    if (option == "--layer") layer = argv[i + 1];
    if (option == "--batch") batch = std::atoll(argv[i + 1]);
    if (option == "--threads") set_num_threads(std::atoi(argv[i + 1]));
    if (option == "--repeat") repeat = std::atoi(argv[i + 1]);
  }
  std::printf("network,layer,batch,threads,isa,pass,milliseconds,gflops\n");
  for (const Layer& l : layers) {
    const std::string name = concat_text(l.depthwise ? "dw" : "", l.size, "x", l.size, "_", l.in_c, "->", l.out_c, "_k",
                                         l.kernel, "_s", l.stride);
    if ((network.empty() || network == l.network) && name.find(layer) != std::string::npos) run(l, batch, repeat);
  }
}
