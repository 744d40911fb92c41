// Scalars of a run, written as it goes: one interface, and its CSV and JSON-lines forms. TensorBoard's form is in
// event_file.hpp.
//
// A log may be opened again: new lines go behind the old ones. What a killed run left of a line is cut off first, so every
// line is whole. A resumed run repeats steps; `restart(step)` says from which on. CSV and JSON lines lose what they hold of
// these, so that they read as the log of a run that was never interrupted. Event files are only ever appended to, because
// TensorBoard reads them while they grow; it forgets by itself what a restart makes void.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/core/text.hpp"
#include "tinyvision/report/text.hpp"

TINYVISION_BEGIN
namespace report {

/// Seconds since 1970, as records carry them.
using WallClock = std::function<double()>;
inline double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Where scalars of a run go. Not for several threads at once.
class ScalarLog {
 public:
  virtual ~ScalarLog() = default;
  /// `value` of `tag` ("train/loss") at `step`. NaN and infinities are values like others: a diverging run is worth its
  /// record. Throws UsageError when the file cannot be written (a full disk), Error for an empty tag.
  virtual void scalar(std::string_view tag, Index step, double value) = 0;
  /// The run goes on from `step` again: what was written for this step and later ones no longer counts.
  virtual void restart(Index step) = 0;
  /// Brings everything to the disk.
  virtual void flush() = 0;
};

/// Several logs as one.
class ScalarLogs final : public ScalarLog {
 public:
  void add(std::unique_ptr<ScalarLog> log) { logs_.push_back(std::move(log)); }
  void scalar(std::string_view tag, Index step, double value) override {
    for (auto& log : logs_) log->scalar(tag, step, value);
  }
  void restart(Index step) override {
    for (auto& log : logs_) log->restart(step);
  }
  void flush() override {
    for (auto& log : logs_) log->flush();
  }

 private:
  std::vector<std::unique_ptr<ScalarLog>> logs_;
};

/// A file to which whole records are appended, each by one call of the system, so that a killed program leaves at most the
/// last one incomplete.
class RecordFile {
 public:
  /// Opens or creates `path`. `whole(bytes)` says how many of an existing file's bytes are whole records; the rest is cut
  /// off. Throws UsageError when the file cannot be opened, or by `whole`.
  template <class Whole>
  RecordFile(std::string path, Whole&& whole) : path_(std::move(path)) {
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) fail_usage("log", path_, ": cannot be written: ", std::strerror(errno));
    file_ = file;
    try {
      const std::string bytes = read_file(path_);
      const std::size_t keep = whole(std::string_view(bytes));
      if (keep < bytes.size() && ::ftruncate(file_, static_cast<off_t>(keep)) != 0) give_up("cutting off", errno);
      size_ = keep;
    } catch (...) {
      ::close(file_);
      throw;
    }
  }
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;
  ~RecordFile() { ::close(file_); }

  const std::string& path() const { return path_; }
  bool empty() const { return size_ == 0; }

  /// Puts `bytes` in the place of all that is there, whole or not at all. Throws UsageError.
  void replace(std::string_view bytes) {
    write_file_atomically(path_, bytes);
    const int file = ::open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
    if (file < 0) give_up("opening", errno);
    ::close(std::exchange(file_, file));
    size_ = bytes.size();
  }
  /// Appends `record`. On failure what was written of it is taken back. Throws UsageError.
  void append(std::string_view record) {
    for (std::size_t written = 0; written < record.size();) {
      const ssize_t count = ::write(file_, record.data() + written, record.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        const int error = errno;
        if (::ftruncate(file_, static_cast<off_t>(size_)) != 0) give_up("cutting off", errno);
        give_up("writing", error);
      }
      written += static_cast<std::size_t>(count);
    }
    size_ += record.size();
  }
  void flush() {
    if (::fsync(file_) != 0 && errno != EINVAL) give_up("flushing", errno);
  }

 private:
  [[noreturn]] void give_up(const char* doing, int error) const {
    fail_usage("log", path_, ": ", doing, ": ", std::strerror(error));
  }

  std::string path_;
  int file_ = -1;
  std::size_t size_ = 0;
};

namespace detail {

/// Where the record that begins at `at` ends: behind its line end, which in CSV (`quotes`) is one outside of quotes; npos when
/// it is cut off.
inline std::size_t record_end(std::string_view bytes, std::size_t at, bool quotes) {
  bool quoted = false;
  for (; at < bytes.size(); ++at) {
    if (bytes[at] == '\n' && !quoted) return at + 1;
    if (quotes && bytes[at] == '"') quoted = !quoted;
  }
  return std::string_view::npos;
}

/// Bytes of the whole records at the begin.
inline std::size_t whole_lines(std::string_view bytes, bool quotes) {
  std::size_t whole = 0;
  for (std::size_t end = 0; (end = record_end(bytes, whole, quotes)) != std::string_view::npos;) whole = end;
  return whole;
}

/// Removes the records whose step, `step_of(record)`, is `from` or later; nothing is written where there is none. The first
/// `header` bytes are kept. Throws UsageError naming the row (from 1 below the header), and leaves the file as it is, when
/// `step_of` finds no step.
template <class StepOf>
void drop_steps(RecordFile& file, Index from, std::size_t header, bool quotes, StepOf&& step_of) {
  const std::string bytes = read_file(file.path());
  std::string kept = bytes.substr(0, header);
  for (std::size_t at = header, row = 1; at < bytes.size(); ++row) {
    const std::size_t end = std::min(bytes.size(), record_end(bytes, at, quotes));
    const std::string_view record = std::string_view(bytes).substr(at, end - at), digits = step_of(record);
    Index step = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), step);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
      fail_usage("log", file.path(), ": row ", row, ", step: '", digits, "' is not a number");
    if (step < from) kept += record;
    at = end;
  }
  if (kept.size() < bytes.size()) file.replace(kept);
}

/// What stands behind the first `begin` and before the `end` that follows it; empty when either is missing.
inline std::string_view between(std::string_view text, std::string_view begin, char end) {
  const std::size_t at = text.find(begin);
  if (at == std::string_view::npos) return {};
  const std::size_t stop = text.find(end, at + begin.size());
  return stop == std::string_view::npos ? std::string_view() : text.substr(at + begin.size(), stop - at - begin.size());
}

/// A JSON string (RFC 8259), quotes included; bytes that are not UTF-8 become U+FFFD.
inline std::string json_string(std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text.front();
    } else if (c < 0x20) {
      out += "\\u00";
      out += digits[c >> 4];
      out += digits[c & 15];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out + '"';
}

}  // namespace detail

/// CSV: a header `wall_time,step,tag,value`, then a line for each scalar; numbers in the shortest form that reads back as
/// the same double, `nan`, `inf`, `-inf`.
class CsvLog final : public ScalarLog {
 public:
  static constexpr std::string_view header = "wall_time,step,tag,value\n";

  /// Opens `path` anew or again. Throws UsageError when an existing file has another header.
  explicit CsvLog(std::string path, WallClock clock = wall_time)
      : file_(path,
              [&](std::string_view bytes) {
                const std::size_t whole = detail::whole_lines(bytes, true);
                if (whole > 0 && !bytes.starts_with(header))
                  fail_usage("csv_log", path, ": exists and does not begin with the line ",
                             header.substr(0, header.size() - 1));
                if (whole == 0 && !header.starts_with(bytes)) fail_usage("csv_log", path, ": exists and is no log");
                return whole;
              }),
        clock_(std::move(clock)) {
    if (file_.empty()) file_.append(header);
  }

  void scalar(std::string_view tag, Index step, double value) override {
    check(!tag.empty(), "csv_log", "a scalar needs a tag");
    line(step, csv_field(tag), format_shortest(value));
  }
  void restart(Index step) override {
    detail::drop_steps(file_, step, header.size(), true,
                       [](std::string_view row) { return detail::between(row, ",", ','); });
  }
  void flush() override { file_.flush(); }

 private:
  void line(Index step, const std::string& tag, const std::string& value) {
    file_.append(format_shortest(clock_()) + ',' + std::to_string(step) + ',' + tag + ',' + value + '\n');
  }
  RecordFile file_;
  WallClock clock_;
};

/// JSON lines: {"wall_time": t, "step": s, "tag": "...", "value": v} on each line. JSON has no NaN and no infinities; they
/// are the strings "nan", "inf", "-inf".
class JsonLinesLog final : public ScalarLog {
 public:
  /// Opens `path` anew or again. Throws UsageError when an existing file does not begin as this log's do.
  explicit JsonLinesLog(std::string path, WallClock clock = wall_time)
      : file_(path,
              [&](std::string_view bytes) {
                const std::string_view begin = R"({"wall_time": )";
                if (!bytes.substr(0, begin.size()).starts_with(begin.substr(0, bytes.size())))
                  fail_usage("json_log", path, ": exists and is no log");
                return detail::whole_lines(bytes, false);
              }),
        clock_(std::move(clock)) {}

  void scalar(std::string_view tag, Index step, double value) override {
    check(!tag.empty(), "json_log", "a scalar needs a tag");
    const std::string number = format_shortest(value);
    line(step, "\"tag\": " + detail::json_string(tag) +
                   ", \"value\": " + (std::isfinite(value) ? number : detail::json_string(number)));
  }
  void restart(Index step) override {
    detail::drop_steps(file_, step, 0, false,
                       [](std::string_view row) { return detail::between(row, ", \"step\": ", ','); });
  }
  void flush() override { file_.flush(); }

 private:
  void line(Index step, const std::string& rest) {
    file_.append("{\"wall_time\": " + format_shortest(clock_()) + ", \"step\": " + std::to_string(step) + ", " + rest +
                 "}\n");
  }
  RecordFile file_;
  WallClock clock_;
};

}  // namespace report
TINYVISION_END
