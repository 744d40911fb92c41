// What a result depends on beside its inputs.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tinyvision/core/dtype.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/linalg/simd.hpp"

TINYVISION_BEGIN
namespace apps {

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

/// Precision, kernels and instruction set in one text, e.g. "f32 own avx2": with equal inputs, runs of equal mode give
/// equal bytes. Part of the key of cached features.
inline std::string arithmetic_mode(DType dtype) {
  return std::string(to_string(dtype)) + " " + to_string(kernels()) + " " + to_string(instruction_set());
}

/// `environment` of results.json. `decoder` is what turned files into pixels; empty when no image was decoded.
inline nlohmann::ordered_json environment(const std::string& decoder, DType dtype = DType::f32) {
  return {{"decoder", decoder.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(decoder)},
          {"arithmetic_mode", arithmetic_mode(dtype)},
          {"instruction_set", to_string(instruction_set())},
          {"threads", num_threads()},
          {"cpu", cpu_model()},
          {"gpu", nullptr},
          {"cuda", with_cuda},
          {"compiler", __VERSION__}};
}

}  // namespace apps
TINYVISION_END
