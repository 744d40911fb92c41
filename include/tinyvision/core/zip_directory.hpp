// The directory of a zip archive, and the entries that are stored as they are.
//
//   entries    each: local header "PK\3\4" (30 bytes, name, extra field), then the bytes
//   directory  per entry "PK\1\2" (46 bytes, name, extra field, comment): method, sizes, place of the local header
//   end        [zip64 end "PK\6\6", its locator "PK\6\7",] "PK\5\6" with the directory's place and a comment up to the
//              end of the file
//
// Sizes and places that do not fit 32 bits stand in the extra field 1 (zip64). Limits: one disk, no encryption; names
// occur once; entries lie between the begin of the file and the directory and do not overlap; entries that are compressed
// are listed and refused when they are asked for. Checksums are not compared: PyTorch can write files without them.
//
// Source: PKWARE, .ZIP File Format Specification (APPNOTE.TXT), version 6.3.10, section 4.3.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/byte_view.hpp"

TINYVISION_BEGIN

/// One entry of a zip archive.
struct ZipEntry {
  std::uint16_t method = 0;         ///< 0: stored, 8: deflated
  std::uint64_t header = 0;         ///< byte of the file at which the local header begins
  std::uint64_t begin = 0;          ///< byte of the file at which its bytes begin
  std::uint64_t stored_size = 0;    ///< bytes in the archive
  std::uint64_t original_size = 0;  ///< bytes when it is decompressed
  std::uint32_t crc32 = 0;          ///< of the decompressed bytes; PyTorch can leave it out
  std::uint16_t unix_mode = 0;      ///< file type and permissions (st_mode); 0 where the archive was not made on Unix
};

/// The entries of an archive by name; bytes are views into the file.
class ZipDirectory {
 public:
  /// Reads the directory. Throws UsageError `[where] path: byte n: ...` for anything malformed.
  ZipDirectory(std::string_view where, std::string_view path, std::string_view file) : file_(where, path, file) {
    std::uint64_t at = find_end();
    const std::uint64_t end_record = at;
    std::uint64_t count = file_.u16(at + 10, "the end record"), size = file_.u32(at + 12, "the end record");
    std::uint64_t begin = file_.u32(at + 16, "the end record");
    if (file_.u16(at + 4, "the end record") != 0 || file_.u16(at + 8, "the end record") != count)
      file_.refuse(at, "the archive has several parts");
    std::uint64_t directory_end = end_record;
    if (count == 0xffff || size == 0xffffffff || begin == 0xffffffff) {
      at = find_zip64_end(end_record);
      directory_end = at;
      count = file_.u64(at + 32, "the zip64 end record");
      size = file_.u64(at + 40, "the zip64 end record");
      begin = file_.u64(at + 48, "the zip64 end record");
    }
    if (begin > directory_end || size > directory_end - begin)
      file_.refuse(at, "the directory takes ", size, " bytes from byte ", begin, ", it must end before byte ",
                   directory_end);
    read_entries(file_.slice(begin, size, "the directory"), count);
    check_overlaps(begin);
  }

  const std::map<std::string_view, ZipEntry>& entries() const { return entries_; }
  /// The entry of that name, or nullptr.
  const ZipEntry* find(std::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
  }
  /// The bytes of a stored entry. Throws UsageError when there is none of that name, or it is compressed.
  ByteView read(std::string_view name) const {
    const ZipEntry* entry = find(name);
    if (entry == nullptr) file_.refuse(0, "the archive has no entry '", name, "'");
    if (entry->method != 0)
      file_.refuse(entry->header, "entry '", name, "' is compressed (method ", entry->method,
                   "); only stored entries are read");
    return stored_bytes(*entry);
  }
  /// The bytes of an entry as they stand in the archive, compressed or not.
  ByteView stored_bytes(const ZipEntry& entry) const {
    return file_.slice(entry.begin, entry.stored_size, "the entry");
  }

 private:
  /// The end record: 22 bytes and a comment that reaches to the end of the file.
  std::uint64_t find_end() const {
    constexpr std::uint64_t fixed = 22, longest_comment = 0xffff;
    if (file_.size() < fixed)
      file_.refuse(0, "truncated: ", file_.size(), " bytes, a zip archive has at least ", fixed);
    for (std::uint64_t comment = 0; comment <= std::min(longest_comment, file_.size() - fixed); ++comment) {
      const std::uint64_t at = file_.size() - fixed - comment;
      if (file_.u32(at, "the end record") == 0x06054b50 && file_.u16(at + 20, "the end record") == comment) return at;
    }
    file_.refuse(file_.size(), "truncated: no end record of a zip archive");
  }

  std::uint64_t find_zip64_end(std::uint64_t end_record) const {
    constexpr std::uint64_t locator_size = 20, record_size = 56;
    if (end_record < locator_size) file_.refuse(end_record, "no zip64 locator before the end record");
    const std::uint64_t locator = end_record - locator_size;
    if (file_.u32(locator, "the zip64 locator") != 0x07064b50)
      file_.refuse(locator, "no zip64 locator before the end record");
    const std::uint64_t at = file_.u64(locator + 8, "the zip64 locator");
    if (at > locator || locator - at < record_size || file_.u32(at, "the zip64 end record") != 0x06064b50)
      file_.refuse(locator, "no zip64 end record at byte ", at);
    return at;
  }

  void read_entries(const ByteView& directory, std::uint64_t count) {
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (directory.u32(at, "a directory entry") != 0x02014b50)
        directory.refuse(at, "no directory entry where number ", i, " of ", count, " belongs");
      const std::uint16_t flags = directory.u16(at + 8, "a directory entry");
      ZipEntry entry;
      entry.method = directory.u16(at + 10, "a directory entry");
      std::uint64_t stored = directory.u32(at + 20, "a directory entry");
      std::uint64_t original = directory.u32(at + 24, "a directory entry");
      const std::uint64_t name_size = directory.u16(at + 28, "a directory entry");
      const std::uint64_t extra_size = directory.u16(at + 30, "a directory entry");
      const std::uint64_t comment_size = directory.u16(at + 32, "a directory entry");
      std::uint64_t header = directory.u32(at + 42, "a directory entry");
      const std::string_view name = directory.bytes(at + 46, name_size, "an entry's name");
      read_zip64(directory.slice(at + 46 + name_size, extra_size, "an extra field"), original, stored, header);
      directory.bytes(at + 46, name_size + extra_size + comment_size, "a directory entry");
      if (flags & 1) directory.refuse(at, "entry '", name, "' is encrypted");
      if (entry.method == 0 && stored != original)
        directory.refuse(at, "entry '", name, "' is stored, but in ", stored, " bytes instead of ", original);
      entry.header = header;
      entry.stored_size = stored;
      entry.original_size = original;
      entry.crc32 = directory.u32(at + 16, "a directory entry");
      constexpr std::uint8_t made_on_unix = 3;
      if (directory.u16(at + 4, "a directory entry") >> 8 == made_on_unix)
        entry.unix_mode = directory.u16(at + 40, "a directory entry");
      entry.begin = data_begin(name, entry, directory, at);
      if (!entries_.emplace(name, entry).second) directory.refuse(at, "entry '", name, "' occurs twice");
      at += 46 + name_size + extra_size + comment_size;
    }
    if (at != directory.size())
      directory.refuse(at, directory.size() - at, " bytes after the last of ", count, " directory entries");
  }

  /// The numbers that are all ones in the entry stand in the extra field 1, in this order.
  static void read_zip64(const ByteView& extra, std::uint64_t& original, std::uint64_t& stored, std::uint64_t& header) {
    for (std::uint64_t at = 0; at < extra.size();) {
      const std::uint16_t id = extra.u16(at, "an extra field");
      const ByteView field = extra.slice(at + 4, extra.u16(at + 2, "an extra field"), "an extra field");
      at += 4 + field.size();
      if (id != 1) continue;
      std::uint64_t next = 0;
      for (std::uint64_t* number : {&original, &stored, &header}) {
        if (*number != 0xffffffff) continue;
        *number = field.u64(next, "the zip64 field");
        next += 8;
      }
    }
  }

  std::uint64_t data_begin(std::string_view name, const ZipEntry& entry, const ByteView& directory,
                           std::uint64_t at) const {
    if (entry.header > file_.size() || file_.size() - entry.header < 30 ||
        file_.u32(entry.header, "a local header") != 0x04034b50)
      directory.refuse(at, "entry '", name, "' has no local header at byte ", entry.header);
    const std::uint64_t name_size = file_.u16(entry.header + 26, "a local header");
    const std::uint64_t extra_size = file_.u16(entry.header + 28, "a local header");
    if (file_.bytes(entry.header + 30, name_size, "an entry's name") != name)
      file_.refuse(entry.header, "the local header's name is not '", name, "'");
    const std::uint64_t begin = entry.header + 30 + name_size + extra_size;
    file_.bytes(begin, entry.stored_size, "an entry");
    return begin;
  }

  void check_overlaps(std::uint64_t directory_begin) const {
    std::vector<const ZipEntry*> ordered;
    for (const auto& [name, entry] : entries_) ordered.push_back(&entry);
    std::sort(ordered.begin(), ordered.end(),
              [](const ZipEntry* a, const ZipEntry* b) { return a->header < b->header; });
    for (std::size_t i = 0; i < ordered.size(); ++i) {
      const std::uint64_t limit = i + 1 < ordered.size() ? ordered[i + 1]->header : directory_begin;
      if (ordered[i]->begin + ordered[i]->stored_size > limit)
        file_.refuse(ordered[i]->header, "the entry ends at byte ", ordered[i]->begin + ordered[i]->stored_size,
                     ", beyond byte ", limit, ", where what follows it begins: they overlap");
    }
  }

  ByteView file_;
  std::map<std::string_view, ZipEntry> entries_;
};

TINYVISION_END
