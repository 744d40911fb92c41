// The convolutions of tinyvision/cuda/vendor.h: weights and their gradients change their order on the way to the library
// and back, what it cannot fuse is done by a second kernel, and what it cannot do at all by the own one.
#include <type_traits>

#include "vendor/convolution_library.h"
#include "vendor/settings.h"
#include "vendor/versions.h"

namespace tinyvision_kernels {
namespace vendor {
namespace {

template <class T>
constexpr Number number_of = std::is_same<T, bf16>::value ? Number::bf16 : Number::f32;

template <class T>
Problem problem_of(Pass pass, const Window& g, Index groups, const Epilogue<T>& e) {
  Problem problem;
  problem.pass = pass;
  problem.number = problem.result = number_of<T>;
  problem.window = g;
  problem.groups = groups;
  problem.scale = e.scale != nullptr, problem.shift = e.shift != nullptr;
  problem.residual_pitch = e.residual ? e.residual_pitch : 0;
  problem.activation = e.activation;
  problem.tf32 = number_of<T> == Number::f32 && settings().tf32;
  return problem;
}

/// The weights seen as a matrix [taps and channels of a group, out_c].
Index rows_of_weights(const Window& g, Index groups) { return g.kernel_h * g.kernel_w * (g.in_c / groups); }

/// What keeps the library from being asked, whatever engines it has.
std::string refusal_of(const Problem& problem) {
  const std::string reason = refusal(problem);
  return reason.empty() && problem.groups > 1 ? grouped_refusal(convolution_library().version()) : reason;
}

void note_fallback(const Problem& problem, const std::string& why) {
  settings().fallbacks.emplace(describe(problem), why);
}

template <class T, class W, class Own>
void forward(const Window& g, Index groups, const T* x, const W* w, const Epilogue<T>& e, T* y, const Scratch& scratch,
             Stream stream, const Own& own) {
  Problem problem = problem_of(Pass::forward, g, groups, e);
  std::string why = refusal_of(problem);
  if (why.empty()) {
    ConvolutionLibrary& library = convolution_library();
    const Index rows = rows_of_weights(g, groups);
    const Space<T> weights(scratch, rows * g.out_c);
    Arrays arrays{x, weights.data(), y, e.scale, e.shift, e.residual};
    problem.alignment = common_alignment({x, weights.data(), y, e.scale, e.shift, e.residual});
    const ConvolutionLibrary::Choice* choice = &library.choose(problem, arrays, scratch, stream);
    bool finish = false;
    why = choice->refusal;
    if (!why.empty() && problem.has_epilogue() && static_cast<const void*>(e.residual) != y) {
      problem = problem_of(Pass::forward, g, groups, Epilogue<T>{});
      arrays = {x, weights.data(), y, nullptr, nullptr, nullptr};
      problem.alignment = common_alignment({x, weights.data(), y});
      choice = &library.choose(problem, arrays, scratch, stream);
      finish = true;
      why = choice->refusal;
    }
    if (why.empty()) {
      transpose(rows, g.out_c, w, weights.data(), false, stream);
      library.run(*choice, arrays, scratch, stream);
      if (finish) apply_epilogue(g.batch * g.out_h * g.out_w, g.out_c, e, y, g.out_pitch, stream);
      return;
    }
  }
  note_fallback(problem, why);
  own();
}

template <class T, class W, class Own>
void backward_input(const Window& g, Index groups, const T* dy, const W* w, T* dx, bool accumulate,
                    const Scratch& scratch, Stream stream, const Own& own) {
  Problem problem = problem_of(Pass::backward_input, g, groups, Epilogue<T>{});
  const Index pixels = g.batch * g.in_h * g.in_w;
  if (accumulate) problem.window.in_pitch = g.in_c;  // the gradient comes beside dx and is added to it
  std::string why = refusal_of(problem);
  if (why.empty()) {
    ConvolutionLibrary& library = convolution_library();
    const Index rows = rows_of_weights(g, groups);
    const Space<T> weights(scratch, rows * g.out_c), beside(scratch, accumulate ? pixels * g.in_c : 0);
    T* const result = accumulate ? beside.data() : dx;
    const Arrays arrays{dy, weights.data(), result, nullptr, nullptr, nullptr};
    problem.alignment = common_alignment({dy, weights.data(), result});
    const ConvolutionLibrary::Choice& choice = library.choose(problem, arrays, scratch, stream);
    why = choice.refusal;
    if (why.empty()) {
      transpose(rows, g.out_c, w, weights.data(), false, stream);
      library.run(choice, arrays, scratch, stream);
      if (accumulate) copy_channels(pixels, g.in_c, result, g.in_c, dx, g.in_pitch, true, stream);
      return;
    }
  }
  note_fallback(problem, why);
  own();
}

/// The gradient in numbers of type R, then added to dw or put there. Why not, if the library has no engine for it.
template <class R, class T>
std::string weight_gradient(Problem& problem, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                            const Scratch& scratch, Stream stream) {
  ConvolutionLibrary& library = convolution_library();
  const Index rows = rows_of_weights(problem.window, problem.groups), columns = problem.window.out_c;
  const Space<R> gradient(scratch, rows * columns);
  const Arrays arrays{x, dy, gradient.data(), nullptr, nullptr, nullptr};
  problem.result = number_of<R>;
  problem.alignment = common_alignment({x, dy, gradient.data()});
  const ConvolutionLibrary::Choice& choice = library.choose(problem, arrays, scratch, stream);
  if (!choice.refusal.empty()) return choice.refusal;
  library.run(choice, arrays, scratch, stream);
  transpose(columns, rows, gradient.data(), dw, accumulate, stream);
  return "";
}

template <class T, class Own>
void backward_weight(const Window& g, Index groups, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                     const Scratch& scratch, Stream stream, const Own& own) {
  Problem problem = problem_of(Pass::backward_weight, g, groups, Epilogue<T>{});
  std::string why = refusal_of(problem);
  if (why.empty()) {
    why = weight_gradient<float>(problem, x, dy, dw, accumulate, scratch, stream);
    if (!why.empty() && !std::is_same<T, float>::value)
      why = weight_gradient<T>(problem, x, dy, dw, accumulate, scratch, stream);
    if (why.empty()) return;
  }
  note_fallback(problem, why);
  own();
}

// The own full convolutions: one name for both types.

void own_forward(const Window& g, const float* x, const float* w, const Epilogue<float>& e, float* y, Stream stream) {
  tinyvision_kernels::conv2d_forward(g, x, w, e, y, stream);
}
void own_forward(const Window& g, const bf16* x, const bf16* w, const Epilogue<bf16>& e, bf16* y, Stream stream) {
  conv2d_bf16_forward(g, x, w, e, y, stream);
}
void own_backward_input(const Window& g, const float* dy, const float* w, float* dx, bool accumulate, Stream stream) {
  tinyvision_kernels::conv2d_backward_input(g, dy, w, dx, accumulate, stream);
}
void own_backward_input(const Window& g, const bf16* dy, const bf16* w, bf16* dx, bool accumulate, Stream stream) {
  conv2d_bf16_backward_input(g, dy, w, dx, accumulate, stream);
}
void own_backward_weight(const Window& g, const float* x, const float* dy, float* dw, bool accumulate,
                         const Scratch& scratch, Stream stream) {
  const Space<float> space(scratch, conv2d_workspace(g));
  tinyvision_kernels::conv2d_backward_weight(g, x, dy, dw, accumulate, space.data(), stream);
}
void own_backward_weight(const Window& g, const bf16* x, const bf16* dy, float* dw, bool accumulate,
                         const Scratch& scratch, Stream stream) {
  const Space<float> space(scratch, conv2d_bf16_workspace(g));
  conv2d_bf16_backward_weight(g, x, dy, dw, accumulate, space.data(), stream);
}

}  // namespace

template <class T>
void conv2d_forward(const Window& g, const T* x, const T* w, const Epilogue<T>& epilogue, T* y, const Scratch& scratch,
                    Stream stream) {
  forward(g, 1, x, w, epilogue, y, scratch, stream, [&] { own_forward(g, x, w, epilogue, y, stream); });
}

template <class T>
void conv2d_backward_input(const Window& g, const T* dy, const T* w, T* dx, bool accumulate, const Scratch& scratch,
                           Stream stream) {
  backward_input(g, 1, dy, w, dx, accumulate, scratch, stream,
                 [&] { own_backward_input(g, dy, w, dx, accumulate, stream); });
}

template <class T>
void conv2d_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                            const Scratch& scratch, Stream stream) {
  backward_weight(g, 1, x, dy, dw, accumulate, scratch, stream,
                  [&] { own_backward_weight(g, x, dy, dw, accumulate, scratch, stream); });
}

template <class T>
void depthwise_forward(const Window& g, const T* x, const Accumulator<T>* w, const Epilogue<T>& epilogue, T* y,
                       const Scratch& scratch, Stream stream) {
  forward(g, g.in_c, x, w, epilogue, y, scratch, stream,
          [&] { tinyvision_kernels::depthwise_forward(g, x, w, epilogue, y, stream); });
}

template <class T>
void depthwise_backward_input(const Window& g, const T* dy, const Accumulator<T>* w, T* dx, bool accumulate,
                              const Scratch& scratch, Stream stream) {
  backward_input(g, g.in_c, dy, w, dx, accumulate, scratch, stream,
                 [&] { tinyvision_kernels::depthwise_backward_input(g, dy, w, dx, accumulate, stream); });
}

template <class T>
void depthwise_backward_weight(const Window& g, const T* x, const T* dy, Accumulator<T>* dw, bool accumulate,
                               const Scratch& scratch, Stream stream) {
  backward_weight(g, g.in_c, x, dy, dw, accumulate, scratch, stream, [&] {
    const Space<Accumulator<T>> space(scratch, depthwise_workspace(g));
    tinyvision_kernels::depthwise_backward_weight(g, x, dy, dw, accumulate, space.data(), stream);
  });
}

#define TV_INSTANTIATE(T)                                                                                          \
  template void conv2d_forward(const Window&, const T*, const T*, const Epilogue<T>&, T*, const Scratch&, Stream); \
  template void conv2d_backward_input(const Window&, const T*, const T*, T*, bool, const Scratch&, Stream);        \
  template void conv2d_backward_weight(const Window&, const T*, const T*, float*, bool, const Scratch&, Stream);   \
  template void depthwise_forward(const Window&, const T*, const float*, const Epilogue<T>&, T*, const Scratch&,   \
                                  Stream);                                                                         \
  template void depthwise_backward_input(const Window&, const T*, const float*, T*, bool, const Scratch&, Stream); \
  template void depthwise_backward_weight(const Window&, const T*, const T*, float*, bool, const Scratch&, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace vendor
}  // namespace tinyvision_kernels
