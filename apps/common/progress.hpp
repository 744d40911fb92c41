// A progress line for long work: how much is done, how fast, and when it ends.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <utility>

#include "tinyvision/core/text.hpp"

namespace tv_app {

using tinyvision::Index;

/// "features  320/5000 (6 %)  41.2/s  7 s, ETA 1 min 54 s  note". The rate counts what was done since `start`.
inline std::string progress_line(const std::string& label, Index start, Index done, Index total, double elapsed,
                                 const std::string& note) {
  std::string out = label + "  " + std::to_string(done) + "/" + std::to_string(total);
  if (total > 0) out += " (" + std::to_string(100 * done / total) + " %)";
  start = std::max<Index>(0, start);
  if (done > start && elapsed > 0) {
    const double rate = static_cast<double>(done - start) / elapsed;
    char text[64];
    std::snprintf(text, sizeof text, rate < 1 ? "  %.2g/s  " : "  %.1f/s  ", rate);
    out += text + tinyvision::format_duration(elapsed);
    if (done < total) out += ", ETA " + tinyvision::format_duration(static_cast<double>(total - done) / rate);
  }
  return note.empty() ? out : out + "  " + note;
}

struct ProgressOptions {
  bool quiet = false;
  Index start = -1;  ///< work that was done at construction; -1: rate and time count from the first update on
  std::ostream* stream = &std::cerr;
  bool terminal = ::isatty(STDERR_FILENO) == 1;
  std::function<double()> seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
};

/// On a terminal one line that is rewritten at most five times a second; elsewhere a new line at most every 10 seconds.
class Progress {
 public:
  Progress(std::string label, Index total, bool quiet = false, Index start = -1)
      : Progress(std::move(label), total, ProgressOptions{.quiet = quiet, .start = start}) {}
  Progress(std::string label, Index total, ProgressOptions options)
      : label_(std::move(label)),
        total_(total),
        done_(std::max<Index>(0, options.start)),
        options_(std::move(options)),
        began_(options_.seconds()) {
    shown_ = options_.terminal ? -std::numeric_limits<double>::infinity() : began_;
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { end_line(); }

  /// `done` of the total is done; `note` (a loss, say) follows on the line.
  void update(Index done, const std::string& note = "") {
    done_ = done;
    const double now = options_.seconds();
    if (options_.start < 0) options_.start = done, began_ = now;
    if (options_.quiet || now - shown_ < (options_.terminal ? 0.2 : 10)) return;
    shown_ = now;
    show(now, note);
  }
  /// Shows the last state whatever the time.
  void finish(const std::string& note = "") {
    if (!options_.quiet) show(options_.seconds(), note);
    end_line();
  }

 private:
  void show(double now, const std::string& note) {
    const std::string line = progress_line(label_, options_.start, done_, total_, now - began_, note);
    if (options_.terminal) {
      *options_.stream << '\r' << line << "\x1b[K" << std::flush;  // clears what a longer line left
      open_ = true;
    } else {
      *options_.stream << line << std::endl;
    }
  }
  void end_line() {
    if (std::exchange(open_, false)) *options_.stream << std::endl;
  }

  std::string label_;
  Index total_, done_;
  ProgressOptions options_;
  double began_, shown_ = 0;
  bool open_ = false;
};

}  // namespace tv_app
