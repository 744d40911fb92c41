// tv_stats: the statistics of the paper, and more, on tables of anybody: CSV, TSV, JSON, safetensors.
//
//   tv_stats pearson accuracies.csv --x ImageNet --y Food-101
//
// apps/common/stats_*.cpp have the commands; docs/statistics.md describes each.
#include <algorithm>
#include <iostream>

#include "common/app.hpp"
#include "common/stats_command.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  std::string json;
};

Json found_by(const tv_app::StatsCommand& command, tv_app::StatsRun& run) {
  try {
    return command.run(run);
  } catch (const OutOfMemory&) {
    throw;
  } catch (const UsageError& error) {
    throw UsageError(run.located(error.what()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "tv_stats: tests, intervals, fits, metrics and embeddings of tables; docs/statistics.md has an example of each");
  app.require_subcommand(1);
  const std::vector<tv_app::StatsCommand> commands = tv_app::stats_commands();
  for (const tv_app::StatsCommand& command : commands) {
    CLI::App* const c = app.add_subcommand(command.name, command.does);
    command.options(*c);
    c->add_option("--json", options.json, "write the results as JSON to FILE, or - for standard output");
    tv_app::add_common_options(*c, options, "folder for results.json and what else is written");
  }
  return tv_app::run_app(app, "tv_stats", options, argc, argv, [&](const Json& config) {
    tv_app::Results results("tv_stats", config);
    tv_app::StatsRun run(options, results);
    const std::string name = app.get_subcommands().front()->get_name();
    const auto command = std::find_if(commands.begin(), commands.end(), [&](const auto& c) { return c.name == name; });
    results["command"] = name;
    const Json found = found_by(*command, run);
    results["result"] = found;
    results.lap(name);
    results.write(options.out);
    const std::string text = results.json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    if (!options.json.empty() && options.json != "-") write_file_atomically(options.json, text);
    if (options.json == "-")
      std::cout << text;
    else
      tv_app::print_result(std::cout, found);
  });
}
