// The commands of tv_stats: each adds its options to a subcommand and gives back what it found as JSON, which is printed
// as a table and written with the results.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "common/common_options.hpp"
#include "common/results.hpp"
#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/intervals.hpp"

namespace tv_app {

/// One run of a command: what it may ask of its surroundings.
class StatsRun {
 public:
  StatsRun(const CommonOptions& common, Results& results) : common_(common), results_(results) {}

  std::uint64_t seed() const { return common_.seed; }
  /// The bytes of an input file, whose digest goes into the results.
  std::string read(const std::string& path);
  /// Records that `path` is read, without its bytes.
  void record(const std::string& path, const std::string& digest);
  /// Writes `text` to `name` in the folder of --out; nothing without it.
  void write(const std::string& name, const std::string& text) const;
  /// Shows progress of long work under `label`, and ends the run where the user asked for it.
  std::function<void(Index done, Index total)> progress(const std::string& label) const;
  /// `message` with the files it is about, where it names none, and the option that would help.
  std::string located(const std::string& message) const;

 private:
  const CommonOptions& common_;
  Results& results_;
  std::vector<std::string> paths_{};
};

struct StatsCommand {
  std::string name, does;
  std::function<void(CLI::App&)> options;
  std::function<Json(StatsRun&)> run;
};

std::vector<StatsCommand> accuracy_commands();     ///< logit, morey, interval
std::vector<StatsCommand> correlation_commands();  ///< pearson, spearman, fit, compare-correlations, size-regression
std::vector<StatsCommand> paired_commands();       ///< t-test, wilcoxon, binomial, speedup, adjust
std::vector<StatsCommand> prediction_commands();   ///< mcnemar, permutation, metrics
std::vector<StatsCommand> feature_commands();      ///< tsne, near-duplicates

/// All of them, in the order of the help.
std::vector<StatsCommand> stats_commands();

/// What was found, to read: names with their values, lists of records as tables. Numbers have six digits; the JSON has all.
void print_result(std::ostream& out, const Json& result);

inline Json interval_json(const tinyvision::stats::Interval& interval) { return {interval.low, interval.high}; }

/// --alternative of a test whose statistic grows with the first.
void add_alternative(CLI::App& command, std::string& alternative);
tinyvision::stats::Alternative parse_alternative(const std::string& name);

/// --confidence.
void add_confidence(CLI::App& command, double& confidence);

}  // namespace tv_app
