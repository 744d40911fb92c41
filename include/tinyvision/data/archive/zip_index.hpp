// The members of a zip archive, read in place.
//
// Stored and deflated members are read; a member's stated size is the most that is decompressed, and its checksum is
// compared. Folders and what macOS adds (__MACOSX/) are passed over. Names that would leave the folder, links and devices
// (by the Unix mode that the directory states) are refused by name.
#pragma once

#include <sys/stat.h>
#include <zlib.h>

#include <map>
#include <string>
#include <vector>

#include "tinyvision/core/mapped_file.hpp"
#include "tinyvision/core/zip_directory.hpp"
#include "tinyvision/data/file_source.hpp"
#include "tinyvision/data/formats/inflate.hpp"

TINYVISION_BEGIN
namespace data {

/// No member may be larger than this, whatever the archive says: 1 GiB.
inline constexpr std::uint64_t largest_zip_member = std::uint64_t{1} << 30;

/// CRC-32 as zip archives have it.
inline std::uint32_t zip_checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size())));
}

/// The bytes of a member. `where` is the archive's path. Throws UsageError naming archive and member.
inline std::string read_zip_member(const ZipDirectory& directory, std::string_view name, const ZipEntry& entry,
                                   std::string_view where) {
  const std::string what = concat_text(where, ": ", name);
  if (entry.method != 0 && entry.method != 8)
    fail_usage("zip", what, ": compressed by method ", entry.method, "; stored and deflated members are read");
  if (entry.original_size > largest_zip_member)
    fail_usage("zip", what, ": a member of ", entry.original_size, " bytes, at most ", largest_zip_member,
               " are accepted");
  const std::string_view stored = directory.stored_bytes(entry).all();
  std::string bytes = entry.method == 0
                          ? std::string(stored)
                          : inflate(stored, Deflated::raw, static_cast<std::size_t>(entry.original_size), what);
  if (bytes.size() != entry.original_size)
    fail_usage("zip", what, ": holds ", bytes.size(), " bytes, the directory says ", entry.original_size);
  const std::uint32_t sum = zip_checksum(bytes);
  if (sum != entry.crc32)
    fail_usage("zip", what, ": damaged: its CRC-32 is ", sum, ", the directory says ", entry.crc32);
  return bytes;
}

/// A zip archive as a source of files.
class ZipSource : public FileSource {
 public:
  /// Reads the directory. Throws UsageError naming the path.
  explicit ZipSource(const std::string& path)
      : stamp_(file_stamp(path)), file_(path), directory_("zip", file_.path(), file_.bytes()) {
    for (const auto& [name, entry] : directory_.entries()) {
      if (name.ends_with('/') || name.starts_with("__MACOSX/")) continue;
      check_member_name(name, file_.path());
      // Some programs state permissions without a file type; such members are files.
      const mode_t type = entry.unix_mode & S_IFMT;
      if (type == S_IFLNK) fail_usage("zip", file_.path(), ": '", name, "' is a link");
      if (type != 0 && type != S_IFREG && type != S_IFDIR)
        fail_usage("zip", file_.path(), ": '", name, "' is no regular file");
      names_.emplace_back(name);
    }
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string& name) const override {
    return std::binary_search(names_.begin(), names_.end(), name);
  }
  std::string read(const std::string& name) const override {
    return read_zip_member(directory_, name, find(name), file_.path());
  }
  std::string describe(const std::string& name) const override { return file_.path() + ": " + name; }
  std::string stamp(const std::string&) const override { return stamp_; }
  Index size(const std::string& name) const override { return static_cast<Index>(find(name).original_size); }
  /// The CRC-32 that the directory states.
  std::uint32_t checksum(const std::string& name) const { return find(name).crc32; }

 private:
  const ZipEntry& find(const std::string& name) const {
    const ZipEntry* const entry = contains(name) ? directory_.find(name) : nullptr;
    if (entry == nullptr) fail_usage("zip", describe(name), ": there is no such member");
    return *entry;
  }

  std::string stamp_;
  MappedFile file_;
  ZipDirectory directory_;
  std::vector<std::string> names_;
};

}  // namespace data
TINYVISION_END
