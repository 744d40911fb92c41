// Times one network's inference or training step on the CPU, for bench/peers/cpu_bench.py, which interleaves it with its
// peers.
//
//   tv_bench_cpu [--threads N] --serve        reads lines "run network mode batch", answers one line: seconds of one step
//   tv_bench_cpu [--threads N] --memory network mode batch  prints the peak resident size minus that before the work, in MB
// mode is "inference" or "train"; images are of the network's own size, f32.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/trainer.hpp"

namespace {

using namespace tinyvision;

/// One network ready to run one kind of step.
struct Job {
  std::shared_ptr<Network> network;
  std::unique_ptr<Trainer> trainer;
  Tensor images, labels;

  Job(const std::string& name, bool training, Index batch) {
    network = make_network(name, NetworkOptions::paper(1000));
    initialise(network->parameters(), 1);
    const Random random(2, Stream::test);
    images = Tensor::empty({batch, network->image_size(), network->image_size(), 3});
    for (Index i = 0; i < images.count(); ++i)
      images.data<float>()[i] = static_cast<float>(random.uniform(static_cast<std::uint64_t>(i), -1, 1));
    labels = Tensor::empty({batch}, DType::i64);
    for (Index i = 0; i < batch; ++i) labels.data<std::int64_t>()[i] = i % 1000;
    if (training) {
      TrainerOptions trainer_options;
      trainer_options.schedule.kind = Schedule::Kind::constant;
      trainer_options.schedule.base = 1e-3;
      trainer_options.weight_decay = 4e-5;
      trainer = std::make_unique<Trainer>(network, trainer_options);
    }
  }

  void run() {
    if (trainer) {
      trainer->step(images, labels);
    } else {
      const NoGradient guard;
      network->forward(Variable(images), Context::scores_only());
    }
  }
};

double seconds_of(Job& job) {
  const auto start = std::chrono::steady_clock::now();
  job.run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

bool is_training(const std::string& mode) {
  if (mode != "inference" && mode != "train") fail_usage("bench", "mode must be inference or train, got '", mode, "'");
  return mode == "train";
}

int serve() {
  std::map<std::string, Job> jobs;  // one at a time: memory of an earlier configuration must not disturb the next
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, name, mode;
    Index batch = 0;
    if (!(words >> verb >> name >> mode >> batch) || verb != "run")
      fail_usage("bench", "expected 'run network mode batch', got '", line, "'");
    auto found = jobs.find(line);
    if (found == jobs.end()) {
      jobs.clear();
      Arena::cpu().release_cached();
      found = jobs.try_emplace(line, name, is_training(mode), batch).first;
      found->second.run();  // first touch of all memory
    }
    std::printf("%.6f\n", seconds_of(found->second));
    std::fflush(stdout);
  }
  return 0;
}

int run(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "--threads") == 0) set_num_threads(std::atoi(argv[2]));
  const int first = argc > 2 && std::strcmp(argv[1], "--threads") == 0 ? 3 : 1;
  if (argc > first && std::strcmp(argv[first], "--serve") == 0) return serve();
  if (argc > first + 3 && std::strcmp(argv[first], "--memory") == 0) {
    const double before = peak_megabytes();
    Job job(argv[first + 1], is_training(argv[first + 2]), std::atoll(argv[first + 3]));
    for (int i = 0; i < 2; ++i) job.run();
    std::printf("%.1f\n", peak_megabytes() - before);
    return 0;
  }
  fail_usage("bench", "usage: tv_bench_cpu [--threads N] --serve | --memory network mode batch");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "tv_bench_cpu: error: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tv_bench_cpu: error: %s\n", error.what());
    return 1;
  }
}
