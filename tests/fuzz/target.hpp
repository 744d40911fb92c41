// Fuzz targets: functions of bytes that must come back, whatever the bytes are.
//
// A target is one file, tests/fuzz/NAME.cpp, with FUZZ_TARGET(NAME); its seeds are the files of tests/fuzz/seeds/NAME.
// From it `./tv fuzz NAME` builds a program with libFuzzer, and the test suite replays the seeds (replay_test.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tinyvision/core/error.hpp"

namespace fuzz {

using Target = void (*)(std::string_view input);

/// The targets of this program by name.
inline std::map<std::string, Target>& targets() {
  static std::map<std::string, Target> all;
  return all;
}

struct Registration {
  Registration(const char* name, Target target) { targets().emplace(name, target); }
};

/// The path that readers are given; every refusal names it.
inline constexpr const char* path = "input.fuzz";

/// Calls read(). It may refuse with a UsageError that names the path; whatever else it throws is a finding, and so is
/// memory that ran out, because an input of this size needs none to speak of.
template <class Read>
void refuses_or_reads(Read&& read) {
  try {
    read();
  } catch (const tinyvision::OutOfMemory&) {
    throw;
  } catch (const tinyvision::UsageError& error) {
    if (std::string_view(error.what()).find(path) == std::string_view::npos) throw;
  }
}

}  // namespace fuzz

#ifdef TINYVISION_LIBFUZZER
#define FUZZ_TARGET(name)                                                             \
  static void fuzz_##name(std::string_view input);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    fuzz_##name({reinterpret_cast<const char*>(data), size});                         \
    return 0;                                                                         \
  }                                                                                   \
  static void fuzz_##name([[maybe_unused]] std::string_view input)
#else
#define FUZZ_TARGET(name)                                                  \
  static void fuzz_##name(std::string_view input);                         \
  static const fuzz::Registration registration_##name(#name, fuzz_##name); \
  static void fuzz_##name([[maybe_unused]] std::string_view input)
#endif
