// Where a tensor's bytes live.
#pragma once

#include <string>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// The CPU, or one CUDA device by index.
struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  static Device cpu() { return {}; }
  /// Throws UsageError when the library was built without CUDA.
  static Device cuda(int index = 0) {
    if constexpr (!with_cuda) fail_usage("device", "cuda:", index, " asked for, but this build has no CUDA support");
    return {Kind::cuda, index};
  }
  friend bool operator==(const Device&, const Device&) = default;
  std::string text() const { return kind == Kind::cpu ? "cpu" : "cuda:" + std::to_string(index); }
};

/// "cpu", "cuda" (the first device) or "cuda:<index>". Throws UsageError for anything else, and for CUDA in a build without.
inline Device parse_device(const std::string& text) {
  if (text == "cpu") return Device::cpu();
  if (text == "cuda") return Device::cuda();
  const std::string index = text.starts_with("cuda:") ? text.substr(5) : "";
  if (index.empty() || index.size() > 3 || index.find_first_not_of("0123456789") != std::string::npos)
    fail_usage("device", "unknown device '", text, "': choose cpu, cuda or cuda:<index>");
  return Device::cuda(std::stoi(index));
}

/// The device that applications put networks on, process-wide; set it before work starts.
inline Device& compute_device() {
  static Device device;
  return device;
}

TINYVISION_END
