// Which vector instructions the kernels use, chosen once at run time.
#pragma once

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "tinyvision/core/error.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#define TINYVISION_X86 1
#else
#define TINYVISION_X86 0
#endif

TINYVISION_BEGIN

/// Instruction sets the kernels are built for. `avx2` includes FMA; `avx512` means F, BW, DQ and VL.
enum class InstructionSet { portable, avx2, avx512 };

constexpr const char* to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::avx2: return "avx2";
    case InstructionSet::avx512: return "avx512";
    default: return "portable";
  }
}

/// The best set that both the processor and the operating system support (cpuid and xgetbv).
inline InstructionSet best_instruction_set() {
#if TINYVISION_X86
  static const InstructionSet best = [] {
    __builtin_cpu_init();  // these checks include the operating system's saving of the wide registers
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return InstructionSet::portable;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return InstructionSet::avx512;
    return InstructionSet::avx2;
  }();
  return best;
#else
  return InstructionSet::portable;
#endif
}

namespace detail {

inline void check_supported(InstructionSet set) {
  if (set > best_instruction_set())
    fail_usage("simd", to_string(set), " asked for, but this machine supports only ",
               to_string(best_instruction_set()));
}

/// The set named by $TINYVISION_ISA, else the best one.
inline InstructionSet initial_instruction_set() {
  const char* name = std::getenv("TINYVISION_ISA");
  if (name == nullptr || *name == '\0') return best_instruction_set();
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512}) {
    if (std::string_view(name) != to_string(set)) continue;
    check_supported(set);
    return set;
  }
  fail_usage("simd", "TINYVISION_ISA must be portable, avx2 or avx512, got ", name);
}

inline std::atomic<InstructionSet>& current_instruction_set() {
  static std::atomic<InstructionSet> set{initial_instruction_set()};
  return set;
}

}  // namespace detail

/// The set kernels use from now on: $TINYVISION_ISA (portable, avx2, avx512) if set, else the best supported one.
/// Throws UsageError when the variable names an unknown or unsupported set.
inline InstructionSet instruction_set() { return detail::current_instruction_set().load(std::memory_order_relaxed); }

/// Forces a set, for tests. Throws UsageError when the machine does not support it.
inline void set_instruction_set(InstructionSet set) {
  detail::check_supported(set);
  detail::current_instruction_set().store(set, std::memory_order_relaxed);
}

TINYVISION_END
