// The members of a plain tar archive, read in place.
//
//   member   a header of 512 bytes (name, size in octal or base 256, checksum, type), its bytes, padding to 512
//   end      two blocks of zeros (one is enough for us), or the end of the file
//
// Names: ustar's prefix, GNU's long names (type L), pax's `path` and `size` (types x and g). Regular files alone are
// members. Folders are passed over; links and devices are refused by name, as in compressed archives (archive/unpack.hpp): a
// file that the unpacked set has would be missing here. Where a name occurs twice the last one counts, as when tar unpacks
// it. A leading "./" is no part of a name. Names that would leave the folder, headers with a wrong checksum and archives that
// end early are refused.
//
// Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/byte_view.hpp"
#include "tinyvision/core/mapped_file.hpp"
#include "tinyvision/data/file_source.hpp"

TINYVISION_BEGIN
namespace data {

/// Where a member's bytes stand in its archive.
struct TarMember {
  std::uint64_t begin = 0, size = 0;
};

namespace detail {

/// The fixed fields of a member's header.
class TarHeader {
 public:
  static constexpr std::uint64_t block = 512;

  TarHeader(const ByteView& file, std::uint64_t at) : view_(file.slice(at, block, "a member's header")) {}

  bool is_zero() const { return view_.all().find_first_not_of('\0') == std::string_view::npos; }
  char type() const { return view_.all()[156]; }
  bool is_regular() const { return type() == '0' || type() == '\0' || type() == '7'; }
  std::uint64_t size() const { return number(124, 12, "size"); }
  std::string name() const {
    const std::string_view all = view_.all();
    const std::string own(text(0, 100));
    const bool posix = all.substr(257, 6) == std::string_view("ustar\0", 6);
    const std::string prefix(posix ? text(345, 155) : "");
    return prefix.empty() ? own : prefix + "/" + own;
  }
  /// The sum of all bytes, its own field taken as spaces. Old programs summed signed characters.
  void check_sum() const {
    const std::uint64_t stated = number(148, 8, "checksum");
    std::int64_t plain = 0, with_sign = 0;
    for (std::size_t i = 0; i < block; ++i) {
      const char c = i >= 148 && i < 156 ? ' ' : view_.all()[i];
      plain += static_cast<unsigned char>(c);
      with_sign += static_cast<signed char>(c);
    }
    if (static_cast<std::int64_t>(stated) != plain && static_cast<std::int64_t>(stated) != with_sign)
      view_.refuse(148, "the header's checksum is ", stated, ", its bytes sum to ", plain,
                   ": damaged, or no tar archive");
  }

 private:
  std::string_view text(std::size_t at, std::size_t length) const {
    const std::string_view field = view_.all().substr(at, length);
    return field.substr(0, field.find('\0'));
  }
  /// Octal digits, or with the first bit set a big-endian number.
  std::uint64_t number(std::size_t at, std::size_t length, std::string_view what) const {
    const std::string_view field = view_.all().substr(at, length);
    std::uint64_t value = 0;
    if ((static_cast<unsigned char>(field[0]) & 0x80u) != 0) {
      for (std::size_t i = 0; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(i == 0 ? field[0] & 0x7f : field[i]);
        if (value >> 55 != 0) view_.refuse(at, "a ", what, " above 2^63");
        value = value << 8 | byte;
      }
      return value;
    }
    bool any = false;
    for (const char c : field) {
      if (c == ' ' && !any) continue;
      if (c == ' ' || c == '\0') break;
      if (c < '0' || c > '7') view_.refuse(at, "a ", what, " that is no octal number");
      value = value << 3 | static_cast<std::uint64_t>(c - '0');
      any = true;
    }
    return value;
  }

  ByteView view_;
};

/// What pax records "<length> <key>=<value>\n" and GNU's long names say of the next member.
struct TarOverrides {
  std::string path;
  bool has_size = false;
  std::uint64_t size = 0;

  void read_pax(const ByteView& records) {
    for (std::uint64_t at = 0; at < records.size();) {
      const std::string_view rest = records.all().substr(at);
      std::uint64_t length = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
      const auto digits = static_cast<std::uint64_t>(end - rest.data());
      if (error != std::errc() || length > rest.size() || length < digits + 4 || *end != ' ' ||
          rest[length - 1] != '\n')
        records.refuse(at, "a malformed pax record");
      const std::string_view record = rest.substr(digits + 1, length - digits - 2);
      const std::size_t equals = record.find('=');
      if (equals == std::string_view::npos) records.refuse(at, "a pax record without '='");
      const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
      if (key == "path") path = value;
      if (key == "size") {
        const auto [last, wrong] = std::from_chars(value.data(), value.data() + value.size(), size);
        if (wrong != std::errc() || last != value.data() + value.size()) records.refuse(at, "a malformed pax size");
        has_size = true;
      }
      at += length;
    }
  }
};

}  // namespace detail

/// The regular files of an archive by name. `bytes` is the whole archive, `where` its path. Throws UsageError
/// `[tar] path: byte n: ...` for damage, and naming the member for what is refused.
inline std::map<std::string, TarMember> index_tar(std::string_view bytes, std::string_view where) {
  constexpr std::uint64_t block = detail::TarHeader::block, longest_text = 1 << 20;
  const ByteView file("tar", where, bytes);
  if (bytes.empty()) file.refuse(0, "an empty file is no tar archive");
  std::map<std::string, TarMember> members;
  detail::TarOverrides next;
  for (std::uint64_t at = 0; at < file.size();) {
    const detail::TarHeader header(file, at);
    if (header.is_zero()) return members;
    header.check_sum();
    std::uint64_t size = header.size();
    const char type = header.type();
    const std::uint64_t begin = at + block;
    if (type == 'L' || type == 'x' || type == 'g' || type == 'K') {
      if (size > longest_text) file.refuse(at, "a name of ", size, " bytes");
      const ByteView text = file.slice(begin, size, "a member's name");
      if (type == 'x') next.read_pax(text);
      if (type == 'L') next.path = std::string(text.all().substr(0, text.all().find('\0')));
    } else {
      if (next.has_size) size = next.size;
      std::string name = next.path.empty() ? header.name() : next.path;
      next = {};
      while (name.starts_with("./")) name.erase(0, 2);
      file.bytes(begin, header.is_regular() ? size : 0, concat_text("member '", name, "'"));
      if (header.is_regular()) {
        check_member_name(name, where);
        members[name] = {begin, size};
      } else {
        if (type == '1' || type == '2') fail_usage("tar", where, ": '", name, "' is a link");
        if (type == '3' || type == '4' || type == '6') fail_usage("tar", where, ": '", name, "' is no regular file");
        size = 0;  // what folders and labels state there is not the size of anything
      }
    }
    at = begin + (size + block - 1) / block * block;
  }
  return members;
}

/// index_tar() where members that are tar archives themselves (by their suffix) count as folders: "a.tar" with "b" in it is
/// "a/b". One level deep. All names begin with `below` and '/', unless that is empty.
inline std::map<std::string, TarMember> index_tar_of_tars(std::string_view bytes, std::string_view where,
                                                          std::string_view below) {
  const std::string prefix = below.empty() ? "" : std::string(below) + "/";
  std::map<std::string, TarMember> members;
  for (const auto& [name, member] : index_tar(bytes, where)) {
    if (!name.ends_with(".tar")) {
      members[prefix + name] = member;
      continue;
    }
    const std::string folder = prefix + name.substr(0, name.size() - 4) + "/";
    for (const auto& [inner, place] :
         index_tar(bytes.substr(member.begin, member.size), concat_text(where, ": ", name)))
      members[folder + inner] = {member.begin + place.begin, place.size};
  }
  return members;
}

/// A plain tar archive as a source of files.
class TarSource : public FileSource {
 public:
  /// Walks the headers once. With `below` tar archives within it are opened too (index_tar_of_tars). Throws UsageError naming
  /// the path.
  explicit TarSource(const std::string& path, std::string_view below = {})
      : stamp_(file_stamp(path)),
        file_(path),
        members_(below.empty() ? index_tar(file_.bytes(), path) : index_tar_of_tars(file_.bytes(), path, below)) {
    for (const auto& [name, member] : members_) names_.push_back(name);
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string& name) const override { return members_.contains(name); }
  std::string read(const std::string& name) const override {
    const TarMember& member = find(name);
    return std::string(file_.bytes().substr(member.begin, member.size));
  }
  std::string describe(const std::string& name) const override { return file_.path() + ": " + name; }
  std::string stamp(const std::string&) const override { return stamp_; }
  Index size(const std::string& name) const override { return static_cast<Index>(find(name).size); }

 private:
  const TarMember& find(const std::string& name) const {
    const auto found = members_.find(name);
    if (found == members_.end()) fail_usage("tar", describe(name), ": there is no such member");
    return found->second;
  }

  std::string stamp_;
  MappedFile file_;
  std::map<std::string, TarMember> members_;
  std::vector<std::string> names_;
};

}  // namespace data
TINYVISION_END
