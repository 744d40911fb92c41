// Whole files in and out. Writing is atomic: a reader sees the old file or the new one, never a part.
//
// What the operating system refuses (a missing file, a full disk, an unwritable folder) is a UsageError: the path is
// the user's to choose.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/digest.hpp"

TINYVISION_BEGIN

/// All bytes of a file. Throws UsageError naming the path and the system's reason.
inline std::string read_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_usage("file", path, ": ", std::strerror(errno));
  struct Closer {
    int descriptor;
    ~Closer() { ::close(descriptor); }
  } const closer{file};
  struct stat status {};
  if (::fstat(file, &status) != 0) fail_usage("file", path, ": ", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail_usage("file", path, ": is a folder");
  // One byte more than the size says, so that the read that meets the end needs no second buffer. Pipes have size 0.
  std::string bytes(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(std::max<std::size_t>(1 << 16, 2 * bytes.size()));
    const ssize_t count = ::read(file, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_usage("file", path, ": reading byte ", used, ": ", std::strerror(errno));
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  bytes.resize(used);
  return bytes;
}

/// Makes renames within the folder of `path` durable. File systems that cannot are left alone: the rename has happened.
inline void flush_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int directory = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

/// A file in the making: bytes go to a temporary file beside `path`; `commit` puts it in place. Without a commit the
/// destructor removes the temporary file and an earlier `path` stays as it was. The temporary file's name holds the
/// process number, so two processes may write the same path: the last one to commit wins with a whole file.
class AtomicFile {
 public:
  /// Throws UsageError when the file cannot be created.
  explicit AtomicFile(std::string path)
      : path_(std::move(path)), temporary_(path_ + "." + std::to_string(::getpid()) + ".tmp") {
    std::error_code code;
    if (std::filesystem::is_directory(path_, code)) fail_usage("file", path_, ": is a folder");
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file_ < 0) fail_usage("file", path_, ": cannot be written: ", std::strerror(errno));
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() { discard(); }

  /// Appends. Throws UsageError (a full disk, say).
  void write(std::string_view bytes) {
    check(file_ >= 0, "file", path_, ": already complete");
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) give_up("writing", errno);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void write(const void* data, std::size_t bytes) { write({static_cast<const char*>(data), bytes}); }

  /// Writes over bytes that were written before, from byte `at` on; what is appended later stays at the end.
  void rewrite(std::uint64_t at, std::string_view bytes) {
    check(file_ >= 0, "file", path_, ": already complete");
    if (::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(bytes.size()))
      give_up("writing", errno);
  }

  /// Brings all bytes to the disk. `commit` does it too; on its own it serves steps that must come in between.
  void flush() {
    if (file_ < 0) return;
    if (::fsync(file_) != 0 && errno != EINVAL) give_up("flushing", errno);  // EINVAL: not a file that can be flushed
    if (::close(std::exchange(file_, -1)) != 0) give_up("closing", errno);
  }

  /// Puts the file in its place.
  void commit() {
    flush();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("renaming", errno);
    temporary_.clear();
    flush_folder_of(path_);
  }

 private:
  [[noreturn]] void give_up(const char* doing, int error) {
    discard();
    fail_usage("file", path_, ": ", doing, ": ", std::strerror(error));
  }
  void discard() noexcept {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
  }

  std::string path_, temporary_;
  int file_ = -1;
};

/// Writes `parts` one after another to `path`, all or nothing (see AtomicFile). Throws UsageError naming the path and
/// the system's reason.
inline void write_file_atomically(const std::string& path, const std::vector<std::string_view>& parts) {
  AtomicFile file(path);
  for (const std::string_view part : parts) file.write(part);
  file.commit();
}
inline void write_file_atomically(const std::string& path, std::string_view bytes) {
  write_file_atomically(path, std::vector<std::string_view>{bytes});
}

/// Creates `folder` when it is missing. Throws UsageError when that fails.
inline void ensure_folder(const std::string& folder) {
  if (folder.empty()) fail_usage("folder", "the name is empty");
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) fail_usage("folder", folder, ": ", code.message());
}

/// Creates `folder` when it is missing and tries to write in it. Throws UsageError when that fails.
inline void ensure_writable_folder(const std::string& folder) {
  ensure_folder(folder);
  const std::string probe =
      (std::filesystem::path(folder) / (".write_probe." + std::to_string(::getpid()) + ".tmp")).string();
  const int file = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail_usage("folder", folder, ": cannot write there: ", std::strerror(errno));
  const bool written = ::write(file, "x", 1) == 1;
  const int error = errno;
  ::close(file);
  ::unlink(probe.c_str());
  if (!written) fail_usage("folder", folder, ": cannot write there: ", std::strerror(error));
}

TINYVISION_END
