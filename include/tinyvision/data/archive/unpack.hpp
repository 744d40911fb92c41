// Compressed tar archives, unpacked once.
//
// A first pass through the archive finds out what is in it: number of files, bytes. It is announced and compared with what
// the disk has free; only then is anything written. The files go to a folder with a temporary name, which gets its own name
// when all is there, so that a folder of that name is always whole. A file in it says which archive it came from (size
// and time of change); another archive of the same name is unpacked anew.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>

#include "tinyvision/core/files.hpp"
#include "tinyvision/data/file_source.hpp"

TINYVISION_BEGIN
namespace data {

/// How archives are unpacked.
struct UnpackOptions {
  std::string folder{};                                     ///< where to; empty: beside the archive
  std::function<void(const std::string&)> announce{};       ///< is told the plan before anything is written
  std::function<void(Index done, Index total)> progress{};  ///< bytes of the archive's content
  std::function<bool()> should_stop{};
};

/// Thrown when should_stop said so. What was written has been removed.
class UnpackStopped : public Error {
 public:
  using Error::Error;
};

/// What an archive holds.
struct UnpackPlan {
  Index files = 0, bytes = 0;
};

namespace detail {

/// libarchive's reader of tar archives behind any of its filters.
class ArchiveReader {
 public:
  explicit ArchiveReader(const std::string& path) : path_(path), archive_(archive_read_new(), &archive_read_free) {
    check(archive_ != nullptr, "unpack", "libarchive cannot start");
    archive_read_support_filter_all(archive_.get());
    archive_read_support_format_tar(archive_.get());
    if (archive_read_open_filename(archive_.get(), path.c_str(), 1 << 18) != ARCHIVE_OK) refuse();
  }

  /// The next regular file, or nullptr at the end. Folders are passed over; links and devices are refused by name.
  archive_entry* next() {
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(archive_.get(), &entry);
      if (code == ARCHIVE_EOF) return nullptr;
      if (code != ARCHIVE_OK && code != ARCHIVE_WARN) refuse();
      const auto type = archive_entry_filetype(entry);
      if (archive_entry_hardlink(entry) != nullptr || type == AE_IFLNK)
        fail_usage("unpack", path_, ": '", name_of(entry), "' is a link");
      if (type == AE_IFDIR) continue;
      if (type != AE_IFREG) fail_usage("unpack", path_, ": '", name_of(entry), "' is no regular file");
      return entry;
    }
  }
  /// Its name, checked: relative, within the folder.
  std::string name(archive_entry* entry) const {
    std::string name = name_of(entry);
    while (name.starts_with("./")) name.erase(0, 2);
    check_member_name(name, path_);
    return name;
  }
  /// The next bytes of the current file; 0 at its end.
  std::size_t read(void* to, std::size_t most) {
    const la_ssize_t count = archive_read_data(archive_.get(), to, most);
    if (count < 0) refuse();
    return static_cast<std::size_t>(count);
  }

 private:
  static std::string name_of(archive_entry* entry) {
    const char* const name = archive_entry_pathname(entry);
    return name == nullptr ? "" : name;
  }
  [[noreturn]] void refuse() const {
    const char* const reason = archive_error_string(archive_.get());
    fail_usage("unpack", path_, ": ", reason != nullptr ? reason : "cannot be read");
  }

  std::string path_;
  std::unique_ptr<struct archive, int (*)(struct archive*)> archive_;
};

inline void stop_if_asked(const UnpackOptions& options, const std::string& path) {
  if (options.should_stop && options.should_stop())
    throw UnpackStopped(concat_text("[unpack] ", path, " was not unpacked; nothing was written"));
}

/// Which archive a folder came from.
inline std::string archive_identity(const std::string& path) {
  const auto time = std::filesystem::last_write_time(path).time_since_epoch().count();
  return concat_text("unpacked from an archive of ", std::filesystem::file_size(path), " bytes, changed at ", time,
                     "\n");
}

/// Removes a folder unless it is kept.
class TemporaryUnpackFolder {
 public:
  explicit TemporaryUnpackFolder(std::string path) : path_(std::move(path)) {
    std::filesystem::remove_all(path_);
    ensure_folder(path_);
  }
  ~TemporaryUnpackFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryUnpackFolder(const TemporaryUnpackFolder&) = delete;
  TemporaryUnpackFolder& operator=(const TemporaryUnpackFolder&) = delete;
  const std::string& path() const { return path_; }
  void rename_to(const std::string& name) {
    std::filesystem::remove_all(name);
    std::filesystem::rename(path_, name);
    path_.clear();
  }

 private:
  std::string path_;
};

}  // namespace detail

/// The folder into which `path` is unpacked: ".<name>.unpacked" beside it or below `options.folder`. Hidden, so that it is
/// not taken for a part of the data set.
inline std::string unpack_folder(const std::string& path, const UnpackOptions& options = {}) {
  const std::filesystem::path archive(path);
  const std::filesystem::path parent =
      options.folder.empty() ? archive.parent_path() : std::filesystem::path(options.folder);
  return (parent / ("." + archive.filename().string() + ".unpacked")).string();
}

/// Bytes that an unpacked archive takes of a disk: every file also takes part of a block, and its place in a folder.
inline Index unpacked_bytes(const UnpackPlan& plan) { return plan.bytes + plan.files * 4096; }

/// Reads an archive from begin to end without writing. As soon as it is clear that it takes more than `most` bytes it is
/// refused, so that a small file that claims to be terabytes is not read to its end. Throws UsageError naming archive and
/// member for what unpack() refuses.
inline UnpackPlan plan_unpacking(const std::string& path, const UnpackOptions& options = {},
                                 Index most = std::numeric_limits<Index>::max()) {
  detail::ArchiveReader reader(path);
  UnpackPlan plan;
  const auto compare = [&] {
    if (unpacked_bytes(plan) > most)
      fail_usage("unpack", path, ": unpacking it takes more than the ", most, " bytes that are free where ",
                 unpack_folder(path, options), " would be");
  };
  std::string buffer(1 << 18, '\0');
  while (archive_entry* const entry = reader.next()) {
    reader.name(entry);
    detail::stop_if_asked(options, path);
    ++plan.files;
    compare();
    while (const std::size_t count = reader.read(buffer.data(), buffer.size())) {
      plan.bytes += static_cast<Index>(count);
      compare();
      detail::stop_if_asked(options, path);
    }
  }
  return plan;
}

/// Unpacks a compressed tar archive, unless that was done before, and returns the folder. Throws UsageError for links,
/// devices, names that leave the folder, a full disk and damaged archives; UnpackStopped. Nothing half-written stays.
inline std::string unpack(const std::string& path, const UnpackOptions& options = {}) {
  const std::string folder = unpack_folder(path, options), marker = "/.tinyvision-unpacked";
  const std::string identity = detail::archive_identity(path);
  if (std::filesystem::exists(folder + marker) && read_file(folder + marker) == identity) return folder;

  const std::string parent = std::filesystem::path(folder).parent_path().string();
  if (!parent.empty()) ensure_folder(parent);
  const auto space = std::filesystem::space(parent.empty() ? "." : parent);
  const UnpackPlan plan = plan_unpacking(path, options, static_cast<Index>(space.available));
  if (options.announce)
    options.announce(
        concat_text("unpacking ", path, " to ", folder, ": ", plan.files, " files, ", plan.bytes, " bytes"));

  detail::TemporaryUnpackFolder temporary(concat_text(folder, ".", ::getpid()));
  detail::ArchiveReader reader(path);
  std::string buffer(1 << 18, '\0');
  Index done = 0;
  while (archive_entry* const entry = reader.next()) {
    const std::string target = temporary.path() + "/" + reader.name(entry);
    detail::stop_if_asked(options, path);
    ensure_folder(std::filesystem::path(target).parent_path().string());
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(target.c_str(), "wb"),
                                                               [](std::FILE* f) { return f ? std::fclose(f) : 0; });
    const auto failed = [&] { fail_usage("unpack", target, ": cannot be written: ", std::strerror(errno)); };
    if (!file) failed();
    while (const std::size_t count = reader.read(buffer.data(), buffer.size())) {
      done += static_cast<Index>(count);
      if (done > plan.bytes) fail_usage("unpack", path, ": it changed while it was read");
      if (std::fwrite(buffer.data(), 1, count, file.get()) != count) failed();
    }
    if (std::fflush(file.get()) != 0) failed();
    if (options.progress) options.progress(done, plan.bytes);
  }
  if (done != plan.bytes) fail_usage("unpack", path, ": it changed while it was read");
  write_file_atomically(temporary.path() + marker, identity);
  temporary.rename_to(folder);
  return folder;
}

}  // namespace data
TINYVISION_END
