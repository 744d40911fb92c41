// Times permutation tests, t-SNE and the tests that have a twin in SciPy.
//
//   tv_bench_stats permutation FILE [--threads T] [--permutations B]     FILE: first, second (u8), labels (i64), all [n]
//   tv_bench_stats tsne FILE [--threads T] [--theta A] [--iterations I]  FILE: features [n, d]
//                  [--perplexity P] [--embedding OUT]
//   tv_bench_stats tests FILE [--threads T]          FILE: x, y, p (f64 [n]), small_x, small_y (f64, some dozen values)
// FILE is what bench/peers/stats_bench.py writes; that script runs this program and its peers in turn. Prints one line
// `name value` per measurement.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/stats/linear_fit.hpp"
#include "tinyvision/stats/multiple_testing.hpp"
#include "tinyvision/stats/paired_tests.hpp"
#include "tinyvision/stats/permutation_test.hpp"
#include "tinyvision/stats/tsne.hpp"

namespace {

using namespace tinyvision;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void permutation(const Safetensors& file, stats::PermutationOptions options) {
  const auto first = file.tensor("first").to_vector<std::uint8_t>();
  const auto second = file.tensor("second").to_vector<std::uint8_t>();
  const auto labels = file.tensor("labels").to_vector<Index>();
  const Index classes = 1 + *std::max_element(labels.begin(), labels.end());
  options.enumerate_up_to = 0;
  const auto report = [&](const char* name, auto&& test) {
    const double start = now();
    const stats::PermutationTest result = test();
    std::printf("%s_seconds %.4f\n%s_difference %.17g\n%s_p %.6g\n%s_exchangeable %lld\n", name, now() - start, name,
                result.difference, name, result.p_plus_one, name, static_cast<long long>(result.exchangeable));
  };
  report("top1", [&] { return stats::permutation_test_top1(first, second, options); });
  report("mean_per_class",
         [&] { return stats::permutation_test_mean_per_class(first, second, labels, classes, options); });
}

void embed(const Safetensors& file, const stats::TsneOptions& options, const std::string& out) {
  const Tensor x = file.tensor("features");
  double start = now();
  const double whole = start;
  const stats::TsneAffinities p =
      stats::tsne_affinities(x, options.perplexity, static_cast<Index>(3 * options.perplexity + 1));
  std::printf("affinities_seconds %.3f\n", now() - start);
  start = now();
  (void)stats::tsne_start(x, options);
  std::printf("start_seconds %.3f\n", now() - start);
  start = now();
  const stats::Tsne result = stats::tsne(x, options);
  const double seconds = now() - start;
  std::printf("tsne_seconds %.3f\ntsne_kl %.6f\ntsne_exact_kl %.6f\ntsne_iterations %lld\n", seconds,
              result.kl_divergence, stats::tsne_divergence(p, result.embedding),
              static_cast<long long>(result.iterations));
  std::printf("trustworthiness %.6f\nwhole_seconds %.3f\n", stats::trustworthiness(x, result.embedding, 12),
              now() - whole);
  if (out.empty()) return;
  std::FILE* csv = std::fopen(out.c_str(), "w");
  if (csv == nullptr) fail_usage("tv_bench_stats", out, ": cannot be written");
  const double* y = result.embedding.data<double>();
  for (Index i = 0; i < x.dim(0); ++i)
    for (Index a = 0; a < options.components; ++a)
      std::fprintf(csv, "%.9g%c", y[i * options.components + a], a + 1 < options.components ? ',' : '\n');
  std::fclose(csv);
}

/// Seconds of one call, median of five runs of at least 50 ms, and the number that it gives.
template <class Call>
void report_call(const char* name, Call&& call) {
  std::vector<double> seconds;
  double result = 0;
  for (int round = 0; round < 6; ++round) {  // the first warms up
    Index calls = 0;
    const double start = now();
    double passed = 0;
    do {
      result = call();
      ++calls;
      passed = now() - start;
    } while (passed < 0.05);
    if (round > 0) seconds.push_back(passed / static_cast<double>(calls));
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%s_seconds %.9f\n%s_result %.17g\n", name, seconds[2], name, result);
}

void tests(const Safetensors& file) {
  const auto column = [&](const char* name) { return file.tensor(name).to_vector<double>(); };
  const std::vector<double> x = column("x"), y = column("y"), p = column("p"), small_x = column("small_x"),
                            small_y = column("small_y");
  stats::SignedRankOptions exact, normal;
  exact.method = stats::SignedRankMethod::exact;
  normal.method = stats::SignedRankMethod::normal;
  report_call("pearson", [&] { return stats::pearson(x, y).r; });
  report_call("spearman", [&] { return stats::spearman(x, y).r; });
  report_call("t_test", [&] { return stats::paired_t_test(x, y).t; });
  report_call("wilcoxon_normal", [&] { return stats::wilcoxon_signed_rank(x, y, normal).p_value; });
  report_call("wilcoxon_exact", [&] { return stats::wilcoxon_signed_rank(small_x, small_y, exact).p_value; });
  report_call("benjamini_hochberg", [&] {
    double sum = 0;
    for (const double adjusted : stats::benjamini_hochberg(p)) sum += adjusted;
    return sum;
  });
  const std::vector<double> grid{-2, -1, 0, 1, 2};
  report_call("bootstrap_band", [&] { return stats::bootstrap_band(small_x, small_y, grid)[2].low; });
}

int run(int argc, char** argv) {
  if (argc < 3) fail_usage("tv_bench_stats", "needs permutation, tsne or tests, and a file");
  const std::string what = argv[1];
  const Safetensors file = load_safetensors(argv[2]);
  stats::PermutationOptions test;
  stats::TsneOptions tsne;
  std::string out;
  for (int i = 3; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 == argc) fail_usage("tv_bench_stats", name, " needs a value");
    const std::string value = argv[++i];
    if (name == "--threads")
      set_num_threads(std::stoi(value));
    else if (name == "--permutations")
      test.permutations = std::stoll(value);
    else if (name == "--theta")
      tsne.theta = std::stod(value);
    else if (name == "--iterations")
      tsne.iterations = std::stoll(value);
    else if (name == "--perplexity")
      tsne.perplexity = std::stod(value);
    else if (name == "--embedding")
      out = value;
    else
      fail_usage("tv_bench_stats", "unknown option ", name);
  }
  std::printf("threads %d\n", num_threads());
  if (what == "permutation")
    permutation(file, test);
  else if (what == "tsne")
    embed(file, tsne, out);
  else if (what == "tests")
    tests(file);
  else
    fail_usage("tv_bench_stats", "unknown measurement ", what);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const UsageError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
