// gnuplot: text made safe for its scripts, and running one.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/report/text.hpp"

extern char** environ;

TINYVISION_BEGIN
namespace report {

/// `text` as a string of a gnuplot script. Between single quotes gnuplot knows one special character, the quote itself, which
/// is doubled; in double quotes it would run what stands between backquotes. Line ends and other control characters become
/// spaces, bytes that are not UTF-8 become U+FFFD.
inline std::string gnuplot_string(std::string_view text) {
  std::string out = "'";
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (c < 0x20 || c == 0x7f) {
      out += ' ';
    } else {
      if (c == '\'') out += '\'';
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out + "'";
}

namespace detail {

/// What posix_spawn needs besides words, released at the end.
class SpawnActions {
 public:
  SpawnActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace detail

/// Runs `gnuplot -d script` in `folder` (`-d`: no settings of the user's) and waits. The script is a file there, and so is
/// what it writes. No shell is between. Throws Error when gnuplot is not installed, naming the package, and with gnuplot's own
/// words when it fails.
inline void run_gnuplot(const std::string& folder, const std::string& script) {
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) fail("gnuplot", "pipe: ", std::strerror(errno));
  std::vector<std::string> words{"gnuplot", "-d", script};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  detail::SpawnActions actions;
  ::posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(actions.get(), pipe_ends[1], 1);
  ::posix_spawn_file_actions_adddup2(actions.get(), pipe_ends[1], 2);
  ::posix_spawn_file_actions_addchdir_np(actions.get(), folder.c_str());
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", actions.get(), nullptr, arguments.data(), environ);
  ::close(pipe_ends[1]);
  std::string words_of_gnuplot;
  char buffer[4096];
  for (ssize_t count = 0; error == 0 && (count = ::read(pipe_ends[0], buffer, sizeof buffer)) != 0;) {
    if (count < 0 && errno != EINTR) break;
    if (count > 0) words_of_gnuplot.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(pipe_ends[0]);
  if (error == ENOENT)
    fail(
        "gnuplot",
        "the program gnuplot, which draws the figures, is not installed: install the Debian package gnuplot-nox, or go "
        "without figures (--no-figures)");
  if (error != 0) fail("gnuplot", "could not be started: ", std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail("gnuplot", "waiting: ", std::strerror(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail("gnuplot", (std::filesystem::path(folder) / script).string(), ": ",
         words_of_gnuplot.empty() ? "failed" : words_of_gnuplot.substr(0, 2000));
}

/// Writes `name`.gp into `folder` and runs it; it writes `name`.svg and `name`.png beside itself. Returns the SVG file's text.
/// Throws as `run_gnuplot`, when a file cannot be written, and when a picture is missing afterwards.
inline std::string render_figure(const std::string& folder, const std::string& name, const std::string& script) {
  const std::filesystem::path base = std::filesystem::path(folder) / name;
  for (const char* ending : {".svg", ".png"}) std::filesystem::remove(base.string() + ending);
  write_file_atomically(base.string() + ".gp", script);
  run_gnuplot(folder, name + ".gp");
  for (const char* ending : {".svg", ".png"}) {
    std::error_code code;
    const auto size = std::filesystem::file_size(base.string() + ending, code);
    if (code || size == 0) fail("gnuplot", base.string(), ending, ": was not written");
  }
  return read_file(base.string() + ".svg");
}

}  // namespace report
TINYVISION_END
