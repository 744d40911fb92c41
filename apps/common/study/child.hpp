// A program run as a child: its output in a file, no longer than its parent, stopped by a signal.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/core/files.hpp"

namespace tv_app {

/// A file that one process at a time holds; a child that inherits it holds it too. So a folder is never written by two jobs,
/// not even where a worker is killed and its program lives a moment longer.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder) {
    const std::string path = folder + "/.lock";
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);  // without O_CLOEXEC: children keep it
    if (file_ < 0) tinyvision::fail_usage("file", path, ": cannot be written: ", std::strerror(errno));
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { ::close(file_); }

  /// False while another process has it.
  bool take() { return ::flock(file_, LOCK_EX | LOCK_NB) == 0; }

 private:
  int file_;
};

/// A running child.
class Child {
 public:
  struct Options {
    std::string output;  ///< file of both output streams; empty: those of this process
    std::string folder;  ///< where it runs; empty: here
    int when_orphaned = SIGTERM;
  };

  /// Starts `arguments[0]`. The child is in a process group of its own, so that Ctrl-C of a terminal reaches this process
  /// alone, which then decides; when this process is gone, the child gets `when_orphaned`.
  Child(const std::vector<std::string>& arguments, const Options& options) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    int out = -1;
    if (!options.output.empty()) {
      out = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
      if (out < 0) tinyvision::fail_usage("file", options.output, ": cannot be written: ", std::strerror(errno));
    }
    const pid_t parent = ::getpid();
    process_ = ::fork();
    if (process_ == 0) {
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, options.when_orphaned);
      if (::getppid() != parent) ::_exit(127);  // it was gone before the line above
      if (out >= 0) {
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
      }
      if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    const int error = errno;
    if (out >= 0) ::close(out);
    if (process_ < 0) tinyvision::fail("process", arguments[0], ": ", std::strerror(error));
    wake_ = static_cast<int>(::syscall(SYS_pidfd_open, process_, 0));
  }
  Child(Child&& other) noexcept
      : process_(std::exchange(other.process_, -1)), wake_(std::exchange(other.wake_, -1)), status_(other.status_) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(process_, other.process_);
    std::swap(wake_, other.wake_);
    std::swap(status_, other.status_);
    return *this;
  }
  ~Child() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, &status_, 0);
    }
    if (wake_ >= 0) ::close(wake_);
  }

  pid_t process() const { return process_; }
  void send(int signal) const {
    if (process_ > 0) ::kill(process_, signal);
  }

  /// Waits for the end, at most so long and no longer than until a signal comes. True when it has ended.
  bool wait(int milliseconds) {
    pollfd descriptor{wake_, POLLIN, 0};
    if (wake_ >= 0)
      ::poll(&descriptor, 1, milliseconds);
    else
      ::usleep(static_cast<useconds_t>(std::min(milliseconds, 50)) * 1000);
    if (process_ < 0) return true;
    if (::waitpid(process_, &status_, WNOHANG) != process_) return false;
    process_ = -1;
    return true;
  }

  /// After the end: the exit code, -1 when a signal ended it.
  int exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }
  /// The signal that ended it, or 0.
  int signal() const { return WIFSIGNALED(status_) ? WTERMSIG(status_) : 0; }

 private:
  pid_t process_ = -1;
  int wake_ = -1;
  int status_ = 0;
};

}  // namespace tv_app
