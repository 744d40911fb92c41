// What a result depends on beside its inputs.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tinyvision/core/device_memory.hpp"
#include "tinyvision/core/dtype.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/linalg/simd.hpp"
#if TINYVISION_WITH_VENDOR
#include "tinyvision/cuda/vendor.hpp"
#endif

namespace tv_app {

/// The processor's name as the kernel reports it; "unknown" where it does not.
inline std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t at = line.find_first_not_of(" \t", line.find(':') + 1);
    if (at != std::string::npos) return line.substr(at);
  }
  return "unknown";
}

/// The GPU in use as its maker calls it; empty on the CPU.
inline std::string gpu_name() {
  const tinyvision::Device device = tinyvision::compute_device();
  return device.kind == tinyvision::Device::Kind::cuda ? tinyvision::device_memory(device).name() : "";
}

/// What networks of `dtype` compute in.
inline const char* arithmetic(tinyvision::DType dtype) {
  return dtype == tinyvision::DType::f32 ? tinyvision::to_string(tinyvision::precision())
                                         : tinyvision::to_string(dtype);
}

/// What the vendor's libraries add to arithmetic_mode(), with a space before it; empty where they are not in use.
inline std::string vendor_mode() {
#if TINYVISION_WITH_VENDOR
  if (tinyvision::cuda::use_vendor()) return " " + tinyvision::cuda::vendor_mode();
#endif
  return "";
}

/// `vendor` of results.json: versions, the plans' digest, whether they were being timed, and where own kernels stood in and
/// why. Null where the libraries are not in use.
inline nlohmann::ordered_json vendor_environment() {
#if TINYVISION_WITH_VENDOR
  namespace vendor = tinyvision::cuda::kernels::vendor;
  if (tinyvision::cuda::use_vendor())
    return {{"versions", vendor::versions()},
            {"tuning", vendor::tuning()},
            {"plans_sha256", tinyvision::cuda::plan_digest()},
            {"own_kernels_for", vendor::fallbacks()}};
#endif
  return nullptr;
}

/// Arithmetic, kernels, instruction set and GPU in one text, e.g. "f32 own avx2": with equal inputs, runs of equal mode give
/// equal bytes. Part of the key of cached features.
inline std::string arithmetic_mode(tinyvision::DType dtype = tinyvision::DType::f32) {
  return std::string(arithmetic(dtype)) + " " + tinyvision::to_string(tinyvision::kernels()) + " " +
         tinyvision::to_string(tinyvision::instruction_set()) + (gpu_name().empty() ? "" : " " + gpu_name()) +
         vendor_mode();
}

/// `environment` of results.json. Set `decoder` to what turned files into pixels; null: no image was decoded.
inline nlohmann::ordered_json environment(tinyvision::DType dtype = tinyvision::DType::f32) {
  const std::string gpu = gpu_name();
  return {{"decoder", nullptr},
          {"arithmetic", arithmetic(dtype)},
          {"kernels", tinyvision::to_string(tinyvision::kernels())},
          {"instruction_set", tinyvision::to_string(tinyvision::instruction_set())},
          {"threads", tinyvision::num_threads()},
          {"cpu", cpu_model()},
          {"gpu", gpu.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(gpu)},
          {"cuda", tinyvision::with_cuda},
          {"vendor", vendor_environment()},
          {"compiler", __VERSION__}};
}

}  // namespace tv_app
