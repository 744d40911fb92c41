// Errors are exceptions of one form: `[where] what is wrong: the values involved`.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN

/// Any failure inside the library. Applications exit with code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller's input is at fault: an option, a file, a shape, a label. Applications exit with code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// There is no memory left for what was asked; less of it (a smaller batch) would do.
class OutOfMemory : public UsageError {
 public:
  using UsageError::UsageError;
};

/// Joins its arguments as `operator<<` prints them.
template <class... Args>
std::string concat_text(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// Throws `Error` with the text `[where] args...`.
template <class... Args>
[[noreturn]] void fail(std::string_view where, const Args&... args) {
  throw Error(concat_text("[", where, "] ", args...));
}

/// Throws `UsageError` with the text `[where] args...`.
template <class... Args>
[[noreturn]] void fail_usage(std::string_view where, const Args&... args) {
  throw UsageError(concat_text("[", where, "] ", args...));
}

/// Throws `Error` with the text `[where] args...` unless `condition` holds. Arguments are formatted only on failure.
template <class... Args>
void check(bool condition, std::string_view where, const Args&... args) {
  if (!condition) [[unlikely]]
    fail(where, args...);
}

TINYVISION_END
