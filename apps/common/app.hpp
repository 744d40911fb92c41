// The outside of every application: exit codes, error messages, help, Ctrl-C.
#pragma once

#include <exception>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/interrupt.hpp"
#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace apps {

enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2 };

/// `--help` or `--version` was given: `what()` is to be printed, and that is all.
class HelpRequested : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `text` as one word of a POSIX shell.
inline std::string shell_quoted(std::string_view text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

/// The command line as it can be given to a shell again.
inline std::string command_line(int argc, const char* const* argv) {
  std::string out;
  for (int i = 0; i < argc; ++i) out += (i > 0 ? " " : "") + shell_quoted(argv[i]);
  return out;
}

/// Runs `body(argc, argv)` (returning nothing or an exit code) and turns its end into an exit code: 0 done or help
/// printed, 1 failed, 2 bad usage or input (UsageError), 128 + signal (130 for Ctrl-C) when it stopped on request.
/// Messages go to stderr as `<name>: error: ...`.
template <class Body>
int run_app(int argc, char** argv, const std::string& name, Body&& body) {
  install_interrupt_handler();
  try {
    int code = exit_done;
    if constexpr (std::is_void_v<decltype(body(argc, argv))>) {
      body(argc, argv);
    } else {
      code = body(argc, argv);
    }
    if (!std::cout.flush()) fail("stdout", "could not be written");
    return code;
  } catch (const HelpRequested& help) {
    std::cout << help.what() << std::flush;
    return exit_done;
  } catch (const Interrupted& stop) {
    std::cerr << name << ": stopped on request: " << stop.what() << std::endl;
    return interrupt_requested() ? 128 + interrupt_signal() : 130;
  } catch (const UsageError& error) {
    std::cerr << name << ": error: " << error.what() << std::endl;
    return exit_usage;
  } catch (const std::bad_alloc&) {
    std::cerr << name << ": error: out of memory" << std::endl;
    return exit_failed;
  } catch (const std::exception& error) {
    std::cerr << name << ": error: " << error.what() << std::endl;
    return exit_failed;
  }
}

}  // namespace apps
TINYVISION_END
