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
#include <string>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/data/file_source.hpp"

TINYVISION_BEGIN
namespace data {

/// Files that belong together: those of one archive, or (archive empty) loose ones.
struct TinyPart {
  std::string archive{};                       ///< official name; the suffix says how it is packed
  std::map<std::string, std::string> files{};  ///< bytes by name
  std::string inside{};  ///< "caltech-101/x.tar.gz": the files are packed so, and that stands in `archive`
};

namespace detail {

/// A tar (plain or gzip) or zip of these files; no times and no owners, so equal files give equal bytes.
inline std::string pack(const std::map<std::string, std::string>& files, std::string_view name) {
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
  for (const auto& [path, bytes] : files) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    good(archive_write_header(writer.get(), entry.get()));
    check(archive_write_data(writer.get(), bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size()), "pack",
          name, ": ", path, " could not be written");
  }
  good(archive_write_close(writer.get()));
  return out;
}

}  // namespace detail

/// Writes all parts below `folder`: unpacked, or as archives. Throws UsageError naming the file that cannot be written.
inline void write_tiny_parts(const std::vector<TinyPart>& parts, const std::string& folder, bool archives) {
  const auto write = [&](const std::string& name, const std::string& bytes) {
    check_member_name(name, folder);
    const std::string path = folder + "/" + name;
    ensure_folder(std::filesystem::path(path).parent_path().string());
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                               [](std::FILE* f) { return f ? std::fclose(f) : 0; });
    if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() || std::fflush(file.get()) != 0)
      fail_usage("make_tiny", path, ": cannot be written: ", std::strerror(errno));
  };
  for (const TinyPart& part : parts) {
    if (!archives || part.archive.empty()) {
      for (const auto& [name, bytes] : part.files) write(name, bytes);
    } else if (part.inside.empty()) {
      write(part.archive, detail::pack(part.files, part.archive));
    } else {
      write(part.archive, detail::pack({{part.inside, detail::pack(part.files, part.inside)},
                                        {"__MACOSX/caltech-101/._show_annotation.m", "not a part of the data set"}},
                                       part.archive));
    }
  }
}

}  // namespace data
TINYVISION_END
