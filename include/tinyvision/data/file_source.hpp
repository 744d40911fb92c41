// Named files, wherever they lie: in a folder, or in an archive that is read in place (archive_source.hpp).
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace data {

/// A tree of regular files. Names are relative, with '/' between folders, and never contain "." or ".." as a part. All
/// functions are safe to call from several threads.
class FileSource {
 public:
  virtual ~FileSource() = default;

  /// Names of all files, in byte order. Takes time where they lie in a folder: it is walked at the first call.
  virtual const std::vector<std::string>& names() const = 0;
  virtual bool contains(const std::string& name) const = 0;
  /// All bytes of a file. Throws UsageError with describe(name) when it is not there or cannot be read.
  virtual std::string read(const std::string& name) const = 0;
  /// For messages: where the file lies ("root/a/b.jpg", "images.tar: a/b.jpg").
  virtual std::string describe(const std::string& name) const = 0;
  /// Size of a file in bytes. Throws as read() does.
  virtual Index size(const std::string& name) const = 0;
  /// Text that changes when the file is written anew, without reading it: see file_stamp(). Of a member of an archive that of
  /// the archive. Empty where nothing tells.
  virtual std::string stamp(const std::string&) const { return ""; }

  /// The names below `folder` ("a/b", or "" for all), in byte order.
  std::vector<std::string> names_below(const std::string& folder) const {
    if (folder.empty()) return names();
    const std::string begin = folder + '/', end = folder + static_cast<char>('/' + 1);
    const std::vector<std::string>& all = names();
    return {std::lower_bound(all.begin(), all.end(), begin), std::lower_bound(all.begin(), all.end(), end)};
  }
};

/// Size, inode and times of change of a file on disk. The time of change cannot be set back, as the time of writing can.
/// Empty when there is no such file, or when it changed less than two seconds ago: clocks of file systems are coarse, and
/// another change might leave the same text.
inline std::string file_stamp(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || std::time(nullptr) - status.st_ctim.tv_sec < 2) return "";
  return concat_text(status.st_size, " ", status.st_ino, " ", status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec, " ",
                     status.st_ctim.tv_sec, ".", status.st_ctim.tv_nsec);
}

/// What a name in a folder stands for, links followed. Throws UsageError where links go in a circle or the system refuses.
inline std::filesystem::file_type entry_type(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_type type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::none) fail_usage("files", path.string(), ": ", error.message());
  return type;
}

/// Throws UsageError unless `name` is a relative path without empty, "." and ".." parts, NUL bytes and backslashes.
/// `where` begins the message.
inline void check_member_name(std::string_view name, std::string_view where) {
  bool good = !name.empty() && name.find_first_of(std::string_view("\0\\", 2)) == std::string_view::npos;
  for (std::size_t at = 0; good && at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    good = !part.empty() && part != "." && part != "..";
    at = end + 1;
  }
  if (!good) fail_usage("files", where, ": the name '", name, "' is not a path within it");
}

/// The files below a folder on disk. Hidden entries (names that begin with '.') are not listed, but can be read. Links are
/// followed; names() throws UsageError for one that leads in a circle.
class FolderSource : public FileSource {
 public:
  /// An empty root is the working directory. Throws UsageError when it is no folder.
  explicit FolderSource(std::string root) : root_(std::move(root)) {
    std::error_code error;
    if (!root_.empty() && !std::filesystem::is_directory(root_, error)) fail_usage("files", root_, " is not a folder");
  }

  const std::vector<std::string>& names() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!walked_) {
      std::vector<std::filesystem::path> above;
      walk(root_.empty() ? "." : root_, "", above);
      std::sort(names_.begin(), names_.end());
      walked_ = true;
    }
    return names_;
  }
  bool contains(const std::string& name) const override {
    std::error_code error;
    return std::filesystem::is_regular_file(path(name), error);
  }
  std::string read(const std::string& name) const override {
    check_member_name(name, root_);
    return read_file(path(name));
  }
  std::string describe(const std::string& name) const override { return path(name); }
  Index size(const std::string& name) const override {
    check_member_name(name, root_);
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path(name), error);
    if (error) fail_usage("files", path(name), ": ", error.message());
    return static_cast<Index>(bytes);
  }
  std::string stamp(const std::string& name) const override { return file_stamp(path(name)); }
  const std::string& root() const { return root_; }

 private:
  std::string path(const std::string& name) const { return root_.empty() ? name : root_ + "/" + name; }

  /// Links are followed, to folders too. `above`: the folders on the way here, by which a circle is found.
  void walk(const std::string& folder, const std::string& prefix, std::vector<std::filesystem::path>& above) const {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(folder, error);
    if (std::find(above.begin(), above.end(), real) != above.end())
      fail_usage("files", folder, ": a link that leads back to ", real.string(), ", in which it lies");
    above.push_back(real);
    std::filesystem::directory_iterator at(folder, error), end;
    for (; !error && at != end; at.increment(error)) {
      const std::string name = at->path().filename().string();
      if (name.starts_with('.')) continue;
      const std::filesystem::file_type type = entry_type(at->path());
      if (type == std::filesystem::file_type::directory) {
        walk(at->path().string(), prefix + name + "/", above);
      } else if (type == std::filesystem::file_type::regular) {
        names_.push_back(prefix + name);
      }
    }
    if (error) fail_usage("files", "cannot read folder ", folder, ": ", error.message());
    above.pop_back();
  }

  std::string root_;
  mutable std::mutex mutex_;
  mutable bool walked_ = false;
  mutable std::vector<std::string> names_;
};

/// Several sources as one, as if all were unpacked into one folder. Where two have a name, the first one counts.
class UnionSource : public FileSource {
 public:
  explicit UnionSource(std::vector<std::shared_ptr<const FileSource>> parts) : parts_(std::move(parts)) {
    check(!parts_.empty(), "files", "a union of no sources");
  }

  const std::vector<std::string>& names() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!merged_) {
      for (const auto& part : parts_) names_.insert(names_.end(), part->names().begin(), part->names().end());
      std::sort(names_.begin(), names_.end());
      names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
      merged_ = true;
    }
    return names_;
  }
  bool contains(const std::string& name) const override { return find(name) != nullptr; }
  std::string read(const std::string& name) const override { return holder(name).read(name); }
  std::string describe(const std::string& name) const override { return holder(name).describe(name); }
  Index size(const std::string& name) const override { return holder(name).size(name); }
  std::string stamp(const std::string& name) const override { return holder(name).stamp(name); }

 private:
  const FileSource* find(const std::string& name) const {
    for (const auto& part : parts_)
      if (part->contains(name)) return part.get();
    return nullptr;
  }
  /// The part that has it, or the first one, which then says that it is missing.
  const FileSource& holder(const std::string& name) const {
    const FileSource* found = find(name);
    return found != nullptr ? *found : *parts_.front();
  }

  std::vector<std::shared_ptr<const FileSource>> parts_;
  mutable std::mutex mutex_;
  mutable bool merged_ = false;
  mutable std::vector<std::string> names_;
};

}  // namespace data
TINYVISION_END
