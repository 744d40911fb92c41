// Proof and speed on a real card: every operation against f64, bit by bit against itself, and against the card's copy rate;
// networks against the CPU and beside PyTorch. docs/gpu_check.md says how to read the tables.
#include <set>

#include "common/app.hpp"
#include "common/progress.hpp"
#include "common/results.hpp"
#include "gpu/networks.hpp"
#include "gpu/operations.hpp"
#include "gpu/peer.hpp"
#include "gpu/prediction.hpp"
#include "gpu/tables.hpp"

namespace {

using namespace gpu_check;
using tv_app::Json;

struct Options {
  tv_app::CommonOptions common;
  bool quick = false, predict = false;
  std::vector<std::string> only{"ops", "parity", "networks"};
  Index batch = 256, check_batch = 2;
  std::vector<Index> batches{32, 64, 256};
  int repeats = 15;
  std::string python, peer = "bench/peers/torch_gpu.py";
};

void stop_if_interrupted() {
  if (tv_app::interrupted()) throw tv_app::Interrupted("nothing was written");
}

/// The kernels to measure: our own, and the vendor's where this build has them, they can be loaded, and they know it.
std::vector<Kernels> paths_of(const std::string& operation, const std::string& dtype) {
  std::vector<Kernels> paths{Kernels::own};
#if TINYVISION_WITH_VENDOR
  const bool known = operation.rfind("gemm", 0) == 0 ||
                     (dtype != "f64" && (operation.rfind("conv2d", 0) == 0 || operation.rfind("depthwise", 0) == 0));
  if ((operation.empty() || known) && cuda::kernels::vendor::available()) paths.push_back(Kernels::vendor);
#else
  static_cast<void>(operation), static_cast<void>(dtype);
#endif
  return paths;
}

/// Writes what the operations would take at the rates of a card, and runs none.
int predict(const Options& options, const Json& config) {
  tv_app::Results results("tv_gpu_check", config);
  results["predictions"] = predictions(operations(options.quick), options.batch, Rates{});
  results.write(options.common.out);
  const std::string table = prediction_table(results["predictions"], options.batch, Rates{});
  if (!options.common.out.empty()) write_file_atomically(options.common.out + "/predicted.md", table);
  std::printf("%s", table.c_str());
  return 0;
}

class Check {
 public:
  Check(const Options& options, const Json& config) : options_(options), results_("tv_gpu_check", config) {}

  int run() {
    const std::set<std::string> only(options_.only.begin(), options_.only.end());
    const std::size_t bytes = options_.quick ? std::size_t{1} << 16 : std::size_t{1} << 30;
    results_["copy_bytes_per_second"] = copy_rate_ = copy_rate(bytes, options_.repeats);
    if (only.count("ops")) check_operations();
    if (only.count("parity")) check_parity();
    if (only.count("networks")) time_networks();
    results_["passed"] = failures_ == 0;
    results_.write(options_.common.out);
    const std::string table = markdown(results_.json());
    if (!options_.common.out.empty()) write_file_atomically(options_.common.out + "/gpu_check.md", table);
    std::printf("%s\n%s\n", table.c_str(), failures_ == 0 ? "all checks passed" : "some checks FAILED");
    return failures_ == 0 ? 0 : 1;
  }

 private:
  void check_operations() {
    Json& rows = results_["operations"] = Json::array();
    const auto all = operations(options_.quick);
    tv_app::Progress progress("operations", static_cast<Index>(all.size()), options_.common.quiet);
    const std::size_t flush = options_.quick ? 1024 : std::size_t{256} << 20;
    Index done = 0;
    for (const Operation& operation : all) {
      for (const Kernels path : paths_of(operation.name, operation.dtype)) {
        stop_if_interrupted();
        const KernelScope scope(path);
        rows.push_back(check(operation, flush));
        cuda::arena()->release_cached();
      }
      progress.update(++done, operation.name + " " + operation.dtype);
    }
    progress.finish();
    results_.lap("operations");
  }

  Json check(const Operation& operation, std::size_t flush) {
    const OperationResult r = check_operation(operation, options_.check_batch);
    failures_ += !r.passed();
    Json row{{"operation", operation.name},  {"dtype", operation.dtype}, {"shape", operation.shape},
             {"path", to_string(kernels())}, {"error", r.error},         {"tolerance", r.tolerance},
             {"repeatable", r.repeatable}};
    try {
      const Case c = operation.make(options_.quick ? options_.check_batch : options_.batch);
      const double seconds = time_on_device(c.run, options_.repeats, flush);
      row["seconds"] = seconds;
      row["bytes_per_second"] = c.bytes / seconds;
      row["of_copy_rate"] = c.bytes / seconds / copy_rate_;
      row["flops_per_second"] = c.flops / seconds;
    } catch (const OutOfMemory& error) {
      row["not_timed"] = error.what();
    }
    return row;
  }

  void check_parity() {
    Json& rows = results_["parity"] = Json::array();
    const int steps = options_.quick ? 1 : 5;
    const std::vector<std::string> names = options_.quick ? std::vector<std::string>{"mobilenet_v2"}
                                                          : std::vector<std::string>{"mobilenet_v2", "resnet50_v1"};
    for (const std::string& name : names) {
      stop_if_interrupted();
      const Parity p = compare_with_cpu(name, steps, options_.quick ? 32 : 96, 4);
      const double tolerance = 1e-3;  // f32 over some steps of a random network; f64 is held to 1e-9 by the tests
      failures_ += !(p.loss <= tolerance && p.weights <= tolerance);
      rows.push_back(
          {{"network", name}, {"steps", steps}, {"loss", p.loss}, {"weights", p.weights}, {"tolerance", tolerance}});
    }
    results_.lap("parity");
  }

  void time_networks() {
    Json& rows = results_["networks"] = Json::array();
    std::unique_ptr<Peer> peer;
    if (!options_.python.empty()) {
      peer = std::make_unique<Peer>(std::vector<std::string>{options_.python, options_.peer});
      if (!peer->alive()) peer.reset();
    }
    results_["peer"] = peer ? Json(peer->hello()) : Json(nullptr);
    const Index size = options_.quick ? 32 : 224;
    for (const char* name : {"mobilenet_v2", "resnet50_v1"})
      for (const bool training : {true, false})
        for (const Precision p : {Precision::bf16, Precision::f32})
          for (const Index batch : options_.quick ? std::vector<Index>{2} : options_.batches) {
            stop_if_interrupted();
            for (const Kernels path : paths_of("", "")) {
              const KernelScope scope(path);
              rows.push_back(time_network(name, training, p, batch, size, peer.get()));
            }
            if (options_.quick) return;
          }
    results_.lap("networks");
  }

  Json time_network(const std::string& name, bool training, Precision choice, Index batch, Index size, Peer* peer) {
    const std::string mode = training ? "train" : "inference";
    Json row{{"network", name},
             {"mode", mode},
             {"precision", to_string(choice)},
             {"batch", batch},
             {"path", to_string(kernels())}};
    precision() = choice;
    try {
      cuda::arena()->release_cached();
      cuda::arena()->reset_peak();
      Job job(name, training, batch, size, Device::cuda());
      for (int i = 0; i < 3; ++i) job.step();
      std::vector<double> ours, eager, compiled;
      const auto ask = [&](const char* how, std::vector<double>& seconds) {
        const std::string answer =
            peer->ask(concat_text("run ", name, " ", mode, " ", batch, " ", to_string(choice), " ", how));
        if (answer.empty() || answer.rfind("error", 0) == 0) {
          row[std::string("peer_") + how] = answer.empty() ? "it ended" : answer;
        } else {
          seconds.push_back(std::atof(answer.c_str()));
        }
      };
      // In blocks, because the peer builds a configuration anew when it changes.
      for (int i = 0; i < options_.repeats; ++i) {
        ours.push_back(seconds_of_step(job));
        if (peer) ask("eager", eager);
      }
      for (int i = 0; peer && i < options_.repeats; ++i) {
        ours.push_back(seconds_of_step(job));
        ask("compile", compiled);
      }
      const auto rate = [&](const std::vector<double>& s) { return static_cast<double>(batch) / median(s); };
      row["images_per_second"] = rate(ours);
      row["peak_bytes"] = cuda::arena()->statistics().peak;
      if (!eager.empty()) row["torch_eager"] = rate(eager), row["over_eager"] = rate(ours) / rate(eager);
      if (!compiled.empty()) row["torch_compile"] = rate(compiled), row["over_compile"] = rate(ours) / rate(compiled);
    } catch (const OutOfMemory& error) {
      row["not_run"] = error.what();
    }
    precision() = Precision::f32;
    return row;
  }

  const Options& options_;
  tv_app::Results results_;
  double copy_rate_ = 0;
  int failures_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.common.device = "cuda";
  CLI::App app{"Checks every operation and some networks on a CUDA device and measures their speed"};
  tv_app::add_common_options(app, options.common, "folder for results.json and gpu_check.md");
  app.add_flag("--quick", options.quick, "sizes of a few pixels: a check of this program, not of speed");
  app.add_flag(
      "--predict", options.predict,
      "the least time of each operation at the rates of an H100, from its bytes and arithmetic; nothing is run");
  app.add_option("--only", options.only, "parts to run: ops, parity, networks")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::IsMember({"ops", "parity", "networks"}));
  app.add_option("--batch", options.batch, "images for which operations are timed")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--check-batch", options.check_batch, "images for which results are compared with f64")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--batches", options.batches, "batches of networks")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--repeats", options.repeats, "runs of which the median counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--python", options.python, "a Python with PyTorch; empty: networks are not compared with it")
      ->capture_default_str();
  app.add_option("--peer", options.peer, "the script that it runs")->capture_default_str();
  return tv_app::run_app(app, "tv_gpu_check", options.common, argc, argv, [&](const Json& config) {
    if (compute_device().kind != Device::Kind::cuda)
      fail_usage("device", "gpu-check is for a CUDA device, not for ", options.common.device);
    return options.predict ? predict(options, config) : Check(options, config).run();
  });
}
