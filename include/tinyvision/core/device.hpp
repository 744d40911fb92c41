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

TINYVISION_END
