// Signals: the first Ctrl-C asks the work to stop at the next good moment, the second ends the program at once; a limit to
// the size of files is an error like a full disk.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tv_app {

/// The signal that asked for a stop, 0 when none did.
inline volatile std::sig_atomic_t& interrupt_signal() {
  static volatile std::sig_atomic_t value = 0;
  return value;
}
inline bool interrupted() { return interrupt_signal() != 0; }

/// From now on SIGINT and SIGTERM set the flag; a second one has its usual effect. SIGXFSZ (`ulimit -f`) is ignored: the
/// write fails with EFBIG instead, so that what is half-written is removed and the file is named.
inline void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = [](int number) {
    if (interrupted()) {
      std::signal(number, SIG_DFL);
      std::raise(number);
      return;
    }
    interrupt_signal() = number;
    constexpr std::string_view text = "\nstopping at the next safe point; once more ends at once\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  };
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
}

/// To be thrown by an application that stopped on request. `what()` says what became of the work.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// As Interrupted, after saving the work: the same command continues it, and the message will say so.
class Resumable : public Interrupted {
 public:
  using Interrupted::Interrupted;
};

}  // namespace tv_app
