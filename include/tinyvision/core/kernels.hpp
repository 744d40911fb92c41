// Which implementation of the operations runs.
#pragma once

#include <string>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// reference: the naive loops that specify each op.  own: our fast kernels (the default).  vendor: on a CUDA device, cuDNN
/// for convolutions and cuBLAS for matrix products; our own for everything else.
enum class Kernels { reference, own, vendor };

constexpr const char* to_string(Kernels kernels) {
  return kernels == Kernels::reference ? "reference" : kernels == Kernels::own ? "own" : "vendor";
}

/// The process-wide choice; set it before work starts.
inline Kernels& kernels() {
  static Kernels value = Kernels::own;
  return value;
}
inline bool use_reference() { return kernels() == Kernels::reference; }

/// "reference", "own" or "vendor". Throws UsageError for anything else, and for vendor kernels that this build lacks.
inline Kernels parse_kernels(const std::string& text) {
  if (text == "reference") return Kernels::reference;
  if (text == "own") return Kernels::own;
  if (text == "vendor" && with_vendor) return Kernels::vendor;
  if (text == "vendor")
    fail_usage("kernels",
               "this build has no vendor kernels: they need CUDA and the headers of cuDNN and cudnn-frontend",
               " when it is made; choose own");
  fail_usage("kernels", "unknown kernels '", text, "': choose reference, own or vendor");
}

/// Arithmetic of f32 networks. f32: everything in f32.  tf32: products of the vendor's kernels take operands of 10
/// mantissa bits.  bf16: activations and their gradients in bf16 on a CUDA device; weights, statistics, losses and sums in
/// f32.
enum class Precision { f32, tf32, bf16 };

constexpr const char* to_string(Precision precision) {
  return precision == Precision::f32 ? "f32" : precision == Precision::tf32 ? "tf32" : "bf16";
}

/// The process-wide choice; set it before work starts.
inline Precision& precision() {
  static Precision value = Precision::f32;
  return value;
}

/// "f32", "tf32" or "bf16". Throws UsageError for anything else.
inline Precision parse_precision(const std::string& text) {
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16})
    if (text == to_string(p)) return p;
  fail_usage("precision", "unknown precision '", text, "': choose f32, tf32 or bf16");
}

/// Chooses kernels for its lifetime.
class KernelScope {
 public:
  explicit KernelScope(Kernels choice) : before_(kernels()) { kernels() = choice; }
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;
  ~KernelScope() { kernels() = before_; }

 private:
  Kernels before_;
};

TINYVISION_END
