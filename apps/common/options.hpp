// Options of an application, on top of CLI11: values come from the command line, else from the file of `--config`
// (TOML, keys are option names), else they keep their default. Unknown names are errors. What was resolved is printed
// first and saved with the results.
#pragma once

#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tinyvision/core/config.hpp"

namespace CLI {
class App;
}

namespace tv_app {

using Json = nlohmann::ordered_json;
using tinyvision::Index;

/// `--help` or `--version` was given: `what()` is to be printed, and that is all.
class HelpRequested : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `text` as one word of a POSIX shell.
std::string shell_quoted(std::string_view text);

/// The command line as it can be given to a shell again.
std::string command_line(int argc, const char* const* argv);

/// Parses the command line, with `--version` and `--config FILE` added. Throws HelpRequested for --help and --version,
/// UsageError for everything that is wrong with the command line or the configuration file, with the nearest names.
void parse_options(CLI::App& app, const std::string& name, int argc, const char* const* argv);

/// All options with the values in effect, in the order they were added; names without dashes in front, `_` between
/// words. Options that were not given show the default text of CLI11 (capture_default_str), null or "" without one.
Json resolved_configuration(CLI::App& app);

/// The configuration as a table under the application's name and version.
void print_configuration(std::ostream& out, const std::string& name, const Json& configuration);

}  // namespace tv_app
