#include "vendor/problem.h"

#include <cstdint>
#include <initializer_list>
#include <sstream>

namespace tinyvision_kernels {
namespace vendor {
namespace {

const char* name_of(Pass pass) {
  return pass == Pass::forward ? "forward" : pass == Pass::backward_input ? "backward_input" : "backward_weight";
}
const char* name_of(Number number) { return number == Number::f32 ? "f32" : "bf16"; }
const char* name_of(Activation activation) {
  return activation == Activation::none ? "none" : activation == Activation::relu ? "relu" : "relu6";
}

/// Zeros behind the last row or column that the windows reach; a window that ends before the end of the input needs none.
Index behind(Index in, Index out, Index kernel, Index stride, Index before) {
  const Index needed = (out - 1) * stride + kernel - in - before;
  return needed > 0 ? needed : 0;
}

bool fits(Index in, Index out, Index kernel, Index stride, Index before) {
  return (in + before + behind(in, out, kernel, stride, before) - kernel) / stride + 1 == out;
}

}  // namespace

Padding padding_of(const Window& g) {
  return {g.pad_top, behind(g.in_h, g.out_h, g.kernel_h, g.stride_h, g.pad_top), g.pad_left,
          behind(g.in_w, g.out_w, g.kernel_w, g.stride_w, g.pad_left)};
}

std::string refusal(const Problem& problem) {
  const Window& g = problem.window;
  for (const Index size : {g.batch, g.in_h, g.in_w, g.in_c, g.out_h, g.out_w, g.out_c, g.kernel_h, g.kernel_w})
    if (size < 1) return "an extent is 0";
  if (!fits(g.in_h, g.out_h, g.kernel_h, g.stride_h, g.pad_top) ||
      !fits(g.in_w, g.out_w, g.kernel_w, g.stride_w, g.pad_left))
    return "the padding does not give the output's extent";
  if (problem.groups < 1 || g.in_c % problem.groups != 0 || g.out_c % problem.groups != 0)
    return "the channels do not divide into groups";
  const Index residual_pitch = problem.residual_pitch > g.out_pitch ? problem.residual_pitch : g.out_pitch;
  for (const Index elements : {g.batch * g.in_h * g.in_w * g.in_pitch, g.batch * g.out_h * g.out_w * residual_pitch,
                               g.kernel_h * g.kernel_w * g.in_c / problem.groups * g.out_c})
    if (elements > INT32_MAX) return "an array has 2^31 elements or more";
  return "";
}

std::array<Index, 25> numbers_of(const Problem& p) {
  const Window& g = p.window;
  return {static_cast<Index>(p.pass),
          static_cast<Index>(p.number),
          static_cast<Index>(p.result),
          g.batch,
          g.in_h,
          g.in_w,
          g.in_c,
          g.in_pitch,
          g.out_h,
          g.out_w,
          g.out_c,
          g.out_pitch,
          g.kernel_h,
          g.kernel_w,
          g.stride_h,
          g.stride_w,
          g.pad_top,
          g.pad_left,
          p.groups,
          p.scale ? 1 : 0,
          p.shift ? 1 : 0,
          p.residual_pitch,
          static_cast<Index>(p.activation),
          p.tf32 ? 1 : 0,
          p.alignment};
}

std::string describe(const Problem& p) {
  const Window& g = p.window;
  const Padding pad = padding_of(g);
  std::ostringstream text;
  text << (p.groups == 1        ? "conv2d_"
           : p.groups == g.in_c ? "depthwise_"
                                : "grouped_")
       << name_of(p.pass) << ' ' << name_of(p.number) << " to " << name_of(p.result) << ", images " << g.batch
       << ", input " << g.in_h << 'x' << g.in_w << 'x' << g.in_c << " pitch " << g.in_pitch << ", output " << g.out_h
       << 'x' << g.out_w << 'x' << g.out_c << " pitch " << g.out_pitch << ", kernel " << g.kernel_h << 'x' << g.kernel_w
       << ", stride " << g.stride_h << 'x' << g.stride_w << ", padding " << pad.top << ' ' << pad.bottom << ' '
       << pad.left << ' ' << pad.right << ", groups " << p.groups << ", epilogue " << (p.scale ? "scale " : "")
       << (p.shift ? "shift " : "");
  if (p.residual_pitch != 0) text << "residual pitch " << p.residual_pitch << ' ';
  text << name_of(p.activation) << ", tf32 " << (p.tf32 ? "on" : "off") << ", aligned to " << p.alignment;
  return text.str();
}

std::string key_of(const Problem& problem, const Machine& machine) {
  std::string key = describe(problem) + ", cudnn " + std::to_string(machine.cudnn) + ", gpu " + machine.gpu;
  for (char& c : key)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return key;
}

Index common_alignment(std::initializer_list<const void*> arrays) {
  std::uintptr_t bits = 16;
  for (const void* array : arrays) bits |= reinterpret_cast<std::uintptr_t>(array);
  return static_cast<Index>(bits & (~bits + 1));
}

RefusedNotes refused_notes(const Problem& problem) {
  const bool tensor_core = problem.number == Number::f32 && !problem.tf32;
  return {true, true, true, true, true, tensor_core};
}

}  // namespace vendor
}  // namespace tinyvision_kernels
