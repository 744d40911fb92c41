// Options that every application has.
#include "common/common_options.hpp"

#include <CLI/CLI.hpp>

#include "tinyvision/core/device_memory.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"
#if TINYVISION_WITH_VENDOR
#include "tinyvision/cuda/vendor.hpp"
#endif

namespace tv_app {

void add_common_options(CLI::App& app, CommonOptions& common, const std::string& out_help) {
  app.add_option("--seed", common.seed, "seed of all random numbers")->capture_default_str();
  app.add_option("--threads", common.threads, "number of threads, 0 for all; results do not depend on it")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--kernels", common.kernels, "implementation of the operations")
      ->capture_default_str()
      ->check(CLI::IsMember({"own", "reference", "vendor"}));
  app.add_option("--device", common.device, "where networks run: cpu, cuda or cuda:<index>")->capture_default_str();
  app.add_option("--precision", common.precision,
                 "f32; bf16: activations in bf16 on a CUDA device; tf32: products of the vendor's kernels in TF32")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "tf32", "bf16"}));
  if (tinyvision::with_vendor) {
    app.add_option("--plans", common.plans, "file that keeps cuDNN's plans")->capture_default_str();
    app.add_flag("--tune", common.tune, "time cuDNN's engines for every convolution once and keep the fastest");
  }
  if (!out_help.empty()) app.add_option("--out", common.out, out_help)->capture_default_str();
  app.add_flag("--quiet", common.quiet, "no progress lines");
}

namespace {

/// Loads the vendor's libraries when they were chosen. The device is in use already.
void apply_vendor_options(const CommonOptions& common) {
  const bool chosen = tinyvision::kernels() == tinyvision::Kernels::vendor;
  if (!chosen && (common.tune || !common.plans.empty()))
    tinyvision::fail_usage("kernels", "--tune and --plans are about the vendor kernels: add --kernels vendor");
  if (chosen && tinyvision::compute_device().kind == tinyvision::Device::Kind::cpu)
    tinyvision::fail_usage("kernels", "the vendor kernels run on a CUDA device, not on ", common.device,
                           ": add --device cuda");
#if TINYVISION_WITH_VENDOR
  if (chosen)
    tinyvision::cuda::start_vendor({tinyvision::precision() == tinyvision::Precision::tf32, common.tune, common.plans});
#endif
}

}  // namespace

void apply_common_options(CommonOptions& common) {
  tinyvision::kernels() = tinyvision::parse_kernels(common.kernels);
  tinyvision::compute_device() = tinyvision::parse_device(common.device);
  tinyvision::precision() = tinyvision::parse_precision(common.precision);
  const bool on_cuda = tinyvision::compute_device().kind == tinyvision::Device::Kind::cuda;
  if (tinyvision::precision() == tinyvision::Precision::bf16 && !on_cuda)
    tinyvision::fail_usage("precision", "bf16 needs a CUDA device (--device cuda)");
  if (tinyvision::precision() == tinyvision::Precision::tf32 &&
      !(on_cuda && tinyvision::kernels() == tinyvision::Kernels::vendor))
    tinyvision::fail_usage("precision", "tf32 is for the vendor's kernels (--device cuda --kernels vendor)");
  if (on_cuda) {
    if (tinyvision::use_reference())
      tinyvision::fail_usage("kernels", "the reference kernels run on the CPU, not on ", common.device);
    tinyvision::device_memory(tinyvision::compute_device());  // what is wrong with it shows now, not after an hour
  }
  apply_vendor_options(common);
  if (common.threads > 0) tinyvision::set_num_threads(common.threads);
  common.threads = tinyvision::num_threads();
  if (!common.out.empty()) tinyvision::ensure_writable_folder(common.out);
}

}  // namespace tv_app
