// The files of a synthetic data set, written to folders or packed as their publisher packs them.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/data/archive/unpack.hpp"
#include "tinyvision/data/file_source.hpp"

TINYVISION_BEGIN
namespace data {

struct TinyOptions {
  std::uint64_t seed = 0;
  Index per_class = 2;    ///< images of each class in each part
  bool archives = false;  ///< packed as the publisher packs them
};

using TinyFiles = std::map<std::string, std::string>;  ///< bytes by name

/// Files that belong together: those of one archive, or (archive empty) loose ones.
struct TinyPart {
  std::string archive{};     ///< official name; the suffix says how it is packed
  TinyFiles files{};         ///< by the names they have when unpacked
  std::string below{};       ///< "val/": begins all names, and the archive leaves it out
  bool tar_of_tars = false;  ///< a folder is an archive <folder>.tar within the archive
  std::string inside{};      ///< "caltech-101/x.tar.gz": the files are packed so, and that stands in the archive
  TinyFiles beside{};        ///< what else stands in the archive then
  bool unpacked_only = false;
};

namespace detail {

/// A tar (plain or gzip) or zip of these files and their folders; no times and no owners, so equal files give equal bytes.
inline std::string pack(const TinyFiles& files, std::string_view name) {
  std::string out;
  const std::unique_ptr<struct archive, int (*)(struct archive*)> writer(archive_write_new(), &archive_write_free);
  const auto good = [&](int code) {
    check(code == ARCHIVE_OK, "pack", name, ": ", archive_error_string(writer.get()));
  };
  if (name.ends_with(".zip")) {
    good(archive_write_set_format_zip(writer.get()));
  } else {
    good(archive_write_set_format_ustar(writer.get()));
    if (!name.ends_with(".tar")) {
      good(archive_write_add_filter_gzip(writer.get()));
      good(archive_write_set_filter_option(writer.get(), "gzip", "timestamp", nullptr));
    }
  }
  good(archive_write_set_bytes_in_last_block(writer.get(), 1));
  const auto append = [](struct archive*, void* to, const void* bytes, std::size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  good(archive_write_open(writer.get(), &out, nullptr, append, nullptr));
  const auto write_header = [&](const std::string& path, unsigned type, unsigned permissions, std::size_t size) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), permissions);
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    good(archive_write_header(writer.get(), entry.get()));
  };
  std::set<std::string> folders;
  for (const auto& [path, bytes] : files) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      if (folders.insert(path.substr(0, slash + 1)).second) write_header(path.substr(0, slash + 1), AE_IFDIR, 0755, 0);
    write_header(path, AE_IFREG, 0644, bytes.size());
    check(archive_write_data(writer.get(), bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size()), "pack",
          name, ": ", path, " could not be written");
  }
  good(archive_write_close(writer.get()));
  return out;
}

/// The archive of a part.
inline std::string pack(const TinyPart& part) {
  if (!part.inside.empty()) {
    TinyFiles outer = part.beside;
    outer[part.inside] = pack(part.files, part.inside);
    return pack(outer, part.archive);
  }
  TinyFiles files;
  for (const auto& [name, bytes] : part.files) files[name.substr(part.below.size())] = bytes;
  if (!part.tar_of_tars) return pack(files, part.archive);
  std::map<std::string, TinyFiles> folders;
  for (const auto& [name, bytes] : files) {
    const std::size_t slash = name.find('/');
    folders[name.substr(0, slash)][name.substr(slash + 1)] = bytes;
  }
  TinyFiles tars;
  for (const auto& [name, members] : folders) tars[name + ".tar"] = pack(members, name + ".tar");
  return pack(tars, part.archive);
}

}  // namespace detail

/// Writes all parts below `folder`, which is new or empty: unpacked, or as archives. They are made in a hidden folder within it
/// and moved up when all are there, so that after a failure the folder is as it was. Throws UsageError naming the folder that
/// is not empty or the file that cannot be written.
inline void write_tiny_parts(const std::vector<TinyPart>& parts, const std::string& folder, bool archives) {
  namespace fs = std::filesystem;
  const bool new_folder = !fs::exists(folder);
  ensure_folder(folder);
  if (!fs::is_empty(folder)) fail_usage("make_tiny", folder, ": is not empty");
  try {
    const detail::TemporaryUnpackFolder making(concat_text(folder, "/.making.", ::getpid()));
    std::string made;
    const auto write = [&](const std::string& name, const std::string& bytes) {
      check_member_name(name, folder);
      const std::string path = making.path() + "/" + name, parent = path.substr(0, path.rfind('/'));
      if (parent != made) ensure_folder(parent);
      made = parent;
      const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                                 [](std::FILE* f) { return f ? std::fclose(f) : 0; });
      if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() ||
          std::fflush(file.get()) != 0)
        fail_usage("make_tiny", folder, "/", name, ": cannot be written: ", std::strerror(errno));
    };
    for (const TinyPart& part : parts) {
      if (archives && part.unpacked_only) continue;
      if (archives && !part.archive.empty()) {
        write(part.archive, detail::pack(part));
      } else {
        for (const auto& [name, bytes] : part.files) write(name, bytes);
      }
    }
    const std::vector<fs::directory_entry> entries{fs::directory_iterator(making.path()), fs::directory_iterator()};
    for (const fs::directory_entry& entry : entries)
      fs::rename(entry.path(), fs::path(folder) / entry.path().filename());
  } catch (...) {
    std::error_code ignored;
    if (new_folder) fs::remove(folder, ignored);
    throw;
  }
}

}  // namespace data
TINYVISION_END
