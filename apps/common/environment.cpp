// What a result depends on beside its inputs.
#include "common/environment.hpp"

#include <fstream>

#include "tinyvision/core/device_memory.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/linalg/simd.hpp"
#if TINYVISION_WITH_VENDOR
#include "tinyvision/cuda/vendor.hpp"
#endif

namespace tv_app {

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t at = line.find_first_not_of(" \t", line.find(':') + 1);
    if (at != std::string::npos) return line.substr(at);
  }
  return "unknown";
}

std::string gpu_name() {
  const tinyvision::Device device = tinyvision::compute_device();
  return device.kind == tinyvision::Device::Kind::cuda ? tinyvision::device_memory(device).name() : "";
}

const char* arithmetic(tinyvision::DType dtype) {
  return dtype == tinyvision::DType::f32 ? tinyvision::to_string(tinyvision::precision())
                                         : tinyvision::to_string(dtype);
}

std::string vendor_mode() {
#if TINYVISION_WITH_VENDOR
  if (tinyvision::cuda::use_vendor()) return " " + tinyvision::cuda::vendor_mode();
#endif
  return "";
}

nlohmann::ordered_json vendor_environment() {
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

std::string arithmetic_mode(tinyvision::DType dtype) {
  return std::string(arithmetic(dtype)) + " " + tinyvision::to_string(tinyvision::kernels()) + " " +
         tinyvision::to_string(tinyvision::instruction_set()) + (gpu_name().empty() ? "" : " " + gpu_name()) +
         vendor_mode();
}

nlohmann::ordered_json environment(tinyvision::DType dtype) {
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
