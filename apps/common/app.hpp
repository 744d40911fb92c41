// The outside of every application: options, exit codes, error messages, Ctrl-C.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <type_traits>

#include "common/common_options.hpp"
#include "common/interrupt.hpp"
#include "common/options.hpp"
#include "common/results.hpp"

namespace tv_app {

enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2 };

namespace detail {

/// `work(arguments...)` where it returns an exit code, and 0 after it where it returns nothing.
template <class Work, class... Arguments>
int exit_code_of(Work& work, const Arguments&... arguments) {
  if constexpr (std::is_void_v<decltype(work(arguments...))>) {
    work(arguments...);
    return exit_done;
  } else {
    return work(arguments...);
  }
}

int run_guarded(const std::string& name, const std::string& command, const std::function<int()>& work);
int run_app(CLI::App& app, const std::string& name, CommonOptions& common, int argc, char** argv,
            const std::function<int(const Json&)>& body);

}  // namespace detail

/// Runs `work()` (returning nothing or an exit code) and turns its end into an exit code: 0 done or help printed, 1
/// failed, 2 bad usage or input (UsageError), 128 + signal (130 for Ctrl-C) when it stopped on request. Messages go to
/// stderr as `<name>: error: ...`; `command` is the command line, for the hint how to resume.
template <class Work>
int run_guarded(const std::string& name, const std::string& command, Work&& work) {
  return detail::run_guarded(name, command, [&] { return detail::exit_code_of(work); });
}

/// A whole application: parses the command line, puts the common options into effect (a folder that cannot be written
/// is found here, before the work), prints the resolved configuration to stderr and calls `body(configuration)`. The
/// exit code is that of `run_guarded`. With subcommands the options of the one that was given count as well.
template <class Body>
int run_app(CLI::App& app, const std::string& name, CommonOptions& common, int argc, char** argv, Body&& body) {
  return detail::run_app(app, name, common, argc, argv,
                         [&](const Json& configuration) { return detail::exit_code_of(body, configuration); });
}

}  // namespace tv_app
