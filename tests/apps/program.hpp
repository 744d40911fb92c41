// The built applications, run as a user runs them.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace apps_test {

using Arguments = std::vector<std::string>;

/// How a program ended: its exit code, 1000 + the signal that ended it, and what it wrote.
struct Outcome {
  int code = 0;
  std::string out, err;
};

/// `arguments` (options with one value each, then anything else) with the values of `changes` in the place of theirs.
inline Arguments with(Arguments arguments, const Arguments& changes) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto at = std::find(arguments.begin(), arguments.end(), changes[i]);
    if (at != arguments.end() && i + 1 < changes.size()) {
      *std::next(at) = changes[++i];
    } else {
      arguments.push_back(changes[i]);
    }
  }
  return arguments;
}

inline std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A signal to send after some time, and a limit to the size of files that stands for a full disk.
struct Trouble {
  int signal = 0;
  std::chrono::milliseconds after{0};
  rlim_t file_bytes = RLIM_INFINITY;
};

/// Runs the application `name` with its standard streams in files of `folder`.
inline Outcome run(const std::string& folder, const std::string& name, Arguments arguments,
                   const Trouble& trouble = {}) {
  const std::string program = TINYVISION_BINARY_DIR "/apps/" + name, out = folder + "/stdout", err = folder + "/stderr";
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (!std::freopen(out.c_str(), "w", stdout) || !std::freopen(err.c_str(), "w", stderr)) ::_exit(99);
    if (trouble.file_bytes != RLIM_INFINITY) {
      const rlimit limit{trouble.file_bytes, trouble.file_bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ::execv(program.c_str(), argv.data());
    ::_exit(98);
  }
  if (trouble.signal != 0) {
    std::this_thread::sleep_for(trouble.after);
    ::kill(child, trouble.signal);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), text_of(out), text_of(err)};
}

}  // namespace apps_test
