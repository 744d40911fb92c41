// The outside of every application: options, exit codes, error messages, Ctrl-C.
#pragma once

#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <type_traits>

#include "common/common_options.hpp"
#include "common/interrupt.hpp"
#include "common/options.hpp"
#include "common/results.hpp"

namespace tv_app {

enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2 };

/// Runs `work()` (returning nothing or an exit code) and turns its end into an exit code: 0 done or help printed, 1
/// failed, 2 bad usage or input (UsageError), 128 + signal (130 for Ctrl-C) when it stopped on request. Messages go to
/// stderr as `<name>: error: ...`; `command` is the command line, for the hint how to resume.
template <class Work>
int run_guarded(const std::string& name, const std::string& command, Work&& work) {
  const auto report = [&](const std::string& text, int code) {
    std::cerr << name << ": " << text << std::endl;
    return code;
  };
  const auto stopped = [] { return interrupted() ? 128 + static_cast<int>(interrupt_signal()) : 130; };
  try {
    int code = exit_done;
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
    } else {
      code = work();
    }
    if (!std::cout.flush()) tinyvision::fail("stdout", "could not be written");
    return code;
  } catch (const HelpRequested& help) {
    std::cout << help.what() << std::flush;
    return exit_done;
  } catch (const Resumable& stop) {
    return report("stopped on request: " + std::string(stop.what()) + "\nresume with: " + command, stopped());
  } catch (const Interrupted& stop) {
    return report("stopped on request: " + std::string(stop.what()), stopped());
  } catch (const tinyvision::UsageError& error) {
    return report("error: " + std::string(error.what()), exit_usage);
  } catch (const std::bad_alloc&) {
    return report("error: out of memory", exit_failed);
  } catch (const std::exception& error) {
    return report("error: " + std::string(error.what()), exit_failed);
  }
}

/// A whole application: parses the command line, puts the common options into effect (a folder that cannot be written
/// is found here, before the work), prints the resolved configuration to stderr and calls `body(configuration)`. The
/// exit code is that of `run_guarded`. With subcommands the options of the one that was given count as well.
template <class Body>
int run_app(CLI::App& app, const std::string& name, CommonOptions& common, int argc, char** argv, Body&& body) {
  install_interrupt_handler();
  return run_guarded(name, command_line(argc, argv), [&] {
    parse_options(app, name, argc, argv);
    apply_common_options(common);
    Json configuration = resolved_configuration(app);
    if (configuration.contains("threads")) configuration["threads"] = common.threads;
    print_configuration(std::cerr, name, configuration);
    return body(static_cast<const Json&>(configuration));
  });
}

}  // namespace tv_app
