// Named files, wherever they lie: in a folder, or in an archive that is read in place (archive_source.hpp).
#pragma once

#include <algorithm>
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

  /// The names below `folder` ("a/b", or "" for all), in byte order.
  std::vector<std::string> names_below(const std::string& folder) const {
    if (folder.empty()) return names();
    const std::string begin = folder + '/', end = folder + static_cast<char>('/' + 1);
    const std::vector<std::string>& all = names();
    return {std::lower_bound(all.begin(), all.end(), begin), std::lower_bound(all.begin(), all.end(), end)};
  }
};

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

/// The files below a folder on disk. Hidden entries (names that begin with '.') are not listed, but can be read.
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
      walk(root_.empty() ? "." : root_, "");
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
  const std::string& root() const { return root_; }

 private:
  std::string path(const std::string& name) const { return root_.empty() ? name : root_ + "/" + name; }

  void walk(const std::string& folder, const std::string& prefix) const {
    std::error_code error;
    std::filesystem::directory_iterator at(folder, error), end;
    for (; !error && at != end; at.increment(error)) {
      const std::string name = at->path().filename().string();
      if (name.starts_with('.')) continue;
      if (at->is_directory()) {
        walk(at->path().string(), prefix + name + "/");
      } else if (at->is_regular_file()) {
        names_.push_back(prefix + name);
      }
    }
    if (error) fail_usage("files", "cannot read folder ", folder, ": ", error.message());
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
