// cuDNN and cuBLAS in place of our own kernels: when they are used, where they get scratch space from, and what results
// say of them. Declared in every build; only those with `with_vendor` call it.
#pragma once

#include <string>
#include <type_traits>

#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/cuda/memory.hpp"
#include "tinyvision/cuda/vendor.h"

TINYVISION_BEGIN
namespace cuda {

/// Types of activations whose convolutions, and whose matrix products, the libraries of this build can make.
template <class T>
inline constexpr bool vendor_convolves = with_vendor && (std::is_same_v<T, float> || std::is_same_v<T, bfloat16>);
template <class T>
inline constexpr bool vendor_multiplies = with_vendor && (std::is_same_v<T, float> || std::is_same_v<T, double>);

inline bool use_vendor() { return tinyvision::kernels() == Kernels::vendor; }

/// Scratch space out of the device's arena: what is released is used again by whatever comes later in the stream.
inline kernels::vendor::Scratch vendor_scratch() {
  return {[](std::size_t bytes) { return arena()->allocate(bytes); },
          [](void* memory, std::size_t bytes) { arena()->deallocate(memory, bytes); }};
}

struct VendorOptions {
  bool tf32 = false;      ///< f32 products may round their factors to TF32
  bool tuning = false;    ///< time the engines for each convolution once and keep the fastest
  std::string plan_file;  ///< where plans are kept; empty: nowhere
};

/// Digest of the plans that were chosen by timing, as start_vendor found them in the plan file; empty without any.
inline std::string& timed_plans_at_start() {
  static std::string digest;
  return digest;
}

/// Loads the libraries and sets what they may do. Throws UsageError when one is missing or of another version, when the
/// plan file is damaged or cannot be written, and when plans are to be timed that would be kept nowhere.
inline void start_vendor(const VendorOptions& options) {
  if (options.tuning && options.plan_file.empty())
    fail_usage("kernels", "tuning needs a plan file: what was timed decides the bits of results and must be kept");
  try {
    kernels::vendor::require();
    kernels::vendor::allow_tf32(options.tf32);
    kernels::vendor::set_tuning(options.tuning);
    kernels::vendor::use_plan_file(options.plan_file);
  } catch (const std::runtime_error& error) {
    throw UsageError(error.what());
  }
  const std::string timed = kernels::vendor::timed_plans();
  timed_plans_at_start() = timed.empty() ? "" : sha256_hex(timed);
}

/// SHA-256 of the plans in use, which is that of the plan file.
inline std::string plan_digest() { return sha256_hex(kernels::vendor::plans()); }

/// What equal results need beside equal inputs: versions, TF32, and the plans that timing chose. The heuristics choose the
/// same plans on the same card. While tuning, plans are still to come, so no other run is equal.
inline std::string vendor_mode() {
  std::string mode = kernels::vendor::versions() + (kernels::vendor::tf32_allowed() ? " tf32" : "");
  if (!timed_plans_at_start().empty()) mode += " plans " + timed_plans_at_start();
  return kernels::vendor::tuning() ? mode + " tuning" : mode;
}

}  // namespace cuda
TINYVISION_END
