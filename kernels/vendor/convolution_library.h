// The seam between the entries, which prepare arrays and fall back to own kernels, and the library that convolves. cudnn.cpp
// implements it; the tests have one of plain loops.
#pragma once

#include <string>

#include "tinyvision/cuda/vendor.h"
#include "vendor/problem.h"

namespace tinyvision_kernels {
namespace vendor {

/// Scratch space that is released at the end of its life.
template <class T>
class Space {
 public:
  Space(const Scratch& scratch, Index count)
      : scratch_(scratch),
        bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(bytes_ == 0 ? nullptr : static_cast<T*>(scratch.allocate(bytes_))) {}
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  ~Space() {
    if (data_) scratch_.release(data_, bytes_);
  }
  T* data() const { return data_; }

 private:
  Scratch scratch_;
  std::size_t bytes_;
  T* data_;
};

/// Arrays of a problem in device memory. Maps are NHWC with the window's pitches. Weights and their gradient are packed
/// [out_c, kernel_h, kernel_w, in_c / groups], the one order that cuDNN has fast engines for.
struct Arrays {
  const void* first;   ///< x, or dy of backward_input
  const void* second;  ///< weights, or dy of backward_weight
  void* result;        ///< y, dx or dw; overwritten
  const float* scale;  ///< these three: null where the problem has none
  const float* shift;
  const void* residual;
};

class ConvolutionLibrary {
 public:
  /// How one problem is solved.
  struct Choice {
    virtual ~Choice() = default;
    std::string refusal;  ///< why it cannot be; empty when it can
  };

  virtual ~ConvolutionLibrary() = default;
  /// As cudnnGetVersion() numbers it.
  virtual Index version() = 0;
  /// The choice for this problem, made at the first call. It may run candidates on the arrays, whose result is then void.
  virtual const Choice& choose(const Problem& problem, const Arrays& arrays, const Scratch& scratch, Stream stream) = 0;
  /// Only for a choice without refusal.
  virtual void run(const Choice& choice, const Arrays& arrays, const Scratch& scratch, Stream stream) = 0;
};

/// The library of the process, loaded at the first call. Throws std::runtime_error when it cannot be.
ConvolutionLibrary& convolution_library();

}  // namespace vendor
}  // namespace tinyvision_kernels
