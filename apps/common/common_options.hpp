// Options that every application has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/options.hpp"

namespace tv_app {

struct CommonOptions {
  std::uint64_t seed = 0;
  int threads = 0;  ///< 0: as many as the machine has; after apply_common_options the number in use
  std::string out;  ///< empty: nothing is written
  bool quiet = false;
  std::string kernels = "own";
  std::string device = "cpu";
  std::string precision = "f32";
  bool tune = false;  ///< these two: vendor kernels only
  std::string plans;  ///< path of the plan file; empty: plans are not kept
};

/// Adds --seed, --threads, --kernels, --device, --precision, --quiet and, unless `out_help` is empty, --out with that
/// help. `common.out` is the default of --out. Builds with vendor kernels also have --tune and --plans.
void add_common_options(CLI::App& app, CommonOptions& common, const std::string& out_help);

/// Chooses kernels, device and threads and makes sure that the output folder can be written.
void apply_common_options(CommonOptions& common);

}  // namespace tv_app
