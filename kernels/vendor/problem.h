// A convolution as cuDNN is asked for it, and the text that names it in plan files and messages. Plain C++: no header of
// CUDA or cuDNN.
#pragma once

#include <array>
#include <initializer_list>
#include <string>

#include "tinyvision/cuda/kernels.h"

namespace tinyvision_kernels {
namespace vendor {

enum class Pass : int { forward, backward_input, backward_weight };
enum class Number : int { f32, bf16 };

/// Everything that the choice of a plan may depend on, beside the machine.
struct Problem {
  Pass pass = Pass::forward;
  Number number = Number::f32;  ///< of maps and weights
  Number result = Number::f32;  ///< of what is written
  Window window{};
  Index groups = 1;          ///< in_c for depthwise convolution
  bool scale = false;        ///< v * scale[c]
  bool shift = false;        ///< + shift[c]
  Index residual_pitch = 0;  ///< + residual; 0 where there is none
  Activation activation = Activation::none;
  bool tf32 = false;     ///< whether f32 may run on tensor cores
  Index alignment = 16;  ///< bytes to which every array is aligned, at most 16

  bool has_epilogue() const { return scale || shift || residual_pitch != 0 || activation != Activation::none; }
};

/// What plans depend on beside the problem.
struct Machine {
  Index cudnn;  ///< as cudnnGetVersion() numbers it
  std::string gpu;
};

/// Zeros around the input: cuDNN wants all four sides, and the window says two.
struct Padding {
  Index top, bottom, left, right;
};
Padding padding_of(const Window& g);

/// Why cuDNN is not asked at all: empty sizes, a window that its padding cannot say, arrays that need more than 31 bits to
/// index. Empty when it may be asked.
std::string refusal(const Problem& problem);

/// All members in one row; equal for equal problems alone.
std::array<Index, 25> numbers_of(const Problem& problem);

/// One line without tabs that names the problem: the operation, its types and all shapes.
std::string describe(const Problem& problem);
/// describe() and the machine: the key of a plan.
std::string key_of(const Problem& problem, const Machine& machine);

/// The largest power of two, at most 16, that divides all of these addresses; null pointers do not count.
Index common_alignment(std::initializer_list<const void*> arrays);

/// Numerical properties of engines that are refused, by cuDNN's names: results that differ from run to run, sums or
/// factors in fewer bits than the types say, other algorithms than sums of products, and for f32 without TF32 the tensor
/// cores.
struct RefusedNotes {
  bool nondeterministic, down_convert_inputs, reduced_precision_reduction, fft, winograd, tensor_core;
};
RefusedNotes refused_notes(const Problem& problem);

}  // namespace vendor
}  // namespace tinyvision_kernels
