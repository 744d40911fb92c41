// Options that every application has.
#pragma once

#include <cstdint>
#include <string>

#include "common/options.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"

TINYVISION_BEGIN
namespace apps {

struct CommonOptions {
  std::uint64_t seed = 0;
  int threads = 0;  ///< 0: as many as the machine has; after `start` the number in use
  std::string out;
  bool quiet = false;
  std::string kernels = "own";
};

/// Adds --seed, --threads, --out, --quiet and --kernels. `common.out` is the default of --out; when it is empty nothing is
/// written unless --out is given.
inline void add_common_options(Options& options, CommonOptions& common) {
  std::vector<std::string> kernel_choices{"own", "reference"};
  if (with_cuda) kernel_choices.push_back("vendor");
  options.add("--seed", common.seed, "seed of all random numbers")
      .add("--threads", common.threads, "number of threads, 0 for all; results do not depend on it", Rule().at_least(0))
      .add("--kernels", common.kernels, "implementation of the operations", Rule().one_of(kernel_choices))
      .add("--out", common.out, "folder for results.json and all other files that are written")
      .flag("--quiet", common.quiet, "no progress lines");
}

/// Puts the common options into effect, then prints the resolved configuration to `out`. A folder that cannot be written
/// is found here, before the work.
inline void start(const Options& options, CommonOptions& common, std::ostream& out = std::cout) {
  kernels() = parse_kernels(common.kernels);
  if (common.threads > 0) set_num_threads(common.threads);
  common.threads = num_threads();
  if (!common.out.empty()) ensure_writable_folder(common.out);
  options.print(out);
}

}  // namespace apps
TINYVISION_END
