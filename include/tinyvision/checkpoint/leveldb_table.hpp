// A LevelDB table: sorted keys with values, in checksummed blocks. TensorFlow keeps its checkpoints in such files.
//
//   blocks     of entries; then a block about filters (empty here); then the index, a block whose values say where the
//              others are
//   footer     the last 48 bytes: place of the filters' block, place of the index (each: offset and size as varints),
//              zeros up to byte 40, magic 0xdb4775248b80fb57
//   block      entries; the entries at which a key is stored whole, 4 bytes each; their number, 4 bytes;
//              then, beyond the size given for it: compression, 1 byte (0 = none); masked CRC-32C of all that, 4 bytes
//   entry      varints: bytes shared with the key before, further bytes of the key, bytes of the value; those bytes
//
// Everything is little endian. Source: doc/table_format.md of github.com/google/leveldb.
//
// Why not Debian's libleveldb: it opens folders of tables as a database, and its class for a single table looks at
// neither overlap nor order, and cannot say at which byte a file is wrong. Reading front to back, which is all that a
// checkpoint needs, is this header.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/protobuf.hpp"
#include "tinyvision/core/crc32c.hpp"

TINYVISION_BEGIN
namespace checkpoint {

inline constexpr std::size_t leveldb_footer_bytes = 48;

/// Whether a file ends like a table.
inline bool is_leveldb_table(std::string_view file) {
  constexpr std::string_view magic("\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
  return file.size() >= leveldb_footer_bytes && file.ends_with(magic);
}

/// `ignored` serves fuzzing alone: no random change would ever get past a checksum.
enum class Checksums { verified, ignored };

/// An entry of a table. The value is a view into the file, `offset` its place there.
struct TableEntry {
  std::string_view key;
  std::string_view value;
  std::uint64_t offset = 0;
};

/// Reads a table front to back.
class LevelDbTable {
 public:
  /// No key of a checkpoint comes near this. Prefix compression could otherwise make many long keys of a short file.
  static constexpr std::uint64_t max_key_bytes = 1 << 16;
  /// All keys together, per byte of the file.
  static constexpr std::uint64_t max_expansion = 16;

  /// The table in the bytes `file` of the file `path`; `where` begins every error text. The three must outlive the
  /// object and the values it hands out. Throws UsageError when the footer is wrong.
  LevelDbTable(std::string_view where, std::string_view path, std::string_view file,
               Checksums checksums = Checksums::verified)
      : where_(where), path_(path), file_(file), checksums_(checksums) {
    if (!is_leveldb_table(file))
      refuse(file.size(), "the file does not end with the ", leveldb_footer_bytes,
             " bytes of a LevelDB table's footer: truncated, or of another kind");
    const std::uint64_t footer = file.size() - leveldb_footer_bytes;
    std::string_view places = file.substr(footer, 40);
    filters_ = take_place(places, footer);
    index_ = take_place(places, footer);
  }

  /// Calls visit(const TableEntry&) for every entry in the order of the keys, as long as it returns true; the entry's
  /// key lives for the call. Throws UsageError with path and byte for whatever breaks the format: a block outside the
  /// file or over another one, a wrong checksum, compression, an entry that is not whole, a key that does not follow
  /// the one before it (so none is twice).
  template <class Visit>
  void for_each(Visit&& visit) const {
    open_block(filters_);
    std::uint64_t end = 0, key_bytes = 0;  // of the last block; of all keys
    bool first = true;
    std::string last_key;
    for_each_entry(index_, "the index", [&](const TableEntry& place_entry) {
      std::string_view rest = place_entry.value;
      const Place place = take_place(rest, place_entry.offset);
      if (place.offset < end)
        refuse(place_entry.offset, "a block begins at byte ", place.offset, ", the one before it ends at ", end,
               ": blocks overlap");
      end = place.offset + place.size + trailer_bytes;
      if (end > std::min(index_.offset, filters_.offset))
        refuse(place_entry.offset, "a block at [", place.offset, ", ", end, ") lies over the index");
      return for_each_entry(place, "the table", [&](const TableEntry& entry) {
        if (!first && entry.key <= last_key)
          refuse(entry.offset, "key '", printable(entry.key), "' does not follow '", printable(last_key), "'",
                 entry.key == last_key ? ": it occurs twice" : "");
        first = false;
        key_bytes += entry.key.size();
        if (key_bytes / max_expansion > file_.size())
          refuse(entry.offset, "the keys take over ", max_expansion, " times the file's size");
        last_key = entry.key;
        return visit(entry);
      });
    });
  }

  /// A key for messages: bytes that are no printable ASCII become '?', long ones are cut.
  static std::string printable(std::string_view key) {
    std::string text(key.substr(0, 200));
    for (char& c : text)
      if (c < ' ' || c > '~') c = '?';
    return text;
  }

 private:
  static constexpr std::uint64_t trailer_bytes = 5;

  struct Place {
    std::uint64_t offset = 0, size = 0;
  };

  template <class... Args>
  [[noreturn]] void refuse(std::uint64_t at, const Args&... args) const {
    fail_usage(where_, path_, ": byte ", at, ": ", args...);
  }

  /// Takes offset and size from the front of `bytes`, which stand near byte `at`; the block is then inside the file.
  Place take_place(std::string_view& bytes, std::uint64_t at) const {
    Place place;
    for (std::uint64_t* part : {&place.offset, &place.size}) {
      const std::string_view before = bytes;
      if (!take_varint(bytes, *part)) refuse(at, "the place of a block is cut off or longer than 64 bits");
      const std::size_t taken = before.size() - bytes.size();
      // No checksum covers the footer, and a last byte of zero adds nothing: no writer makes one.
      if (taken > 1 && before[taken - 1] == 0) refuse(at, "the place of a block has a number longer than it need be");
    }
    const std::uint64_t space = file_.size() - leveldb_footer_bytes;
    if (place.offset > space || space - place.offset < trailer_bytes ||
        place.size > space - place.offset - trailer_bytes)
      refuse(at, "a block of ", place.size, " bytes at byte ", place.offset, " exceeds the ", space,
             " bytes before the footer");
    return place;
  }

  std::uint32_t fixed32(std::uint64_t at) const {
    std::uint32_t number;
    std::memcpy(&number, file_.data() + at, 4);
    return number;
  }

  /// Checks a block's trailer and returns its entries' bytes.
  std::string_view open_block(const Place& place) const {
    const std::uint64_t trailer = place.offset + place.size;
    if (checksums_ == Checksums::verified) {
      const std::uint32_t stored = fixed32(trailer + 1);
      const std::uint32_t actual = masked_crc32c(crc32c(file_.substr(place.offset, place.size + 1)));
      if (stored != actual)
        refuse(place.offset, "the block's checksum is ", actual, ", the file says ", stored, ": the file is damaged");
    }
    const auto compression = static_cast<unsigned char>(file_[trailer]);
    if (compression != 0)
      refuse(trailer, "the block is compressed (", compression == 1 ? "Snappy" : concat_text("method ", +compression),
             "), which is not supported: save the checkpoint without compression");
    if (place.size < 4) refuse(place.offset, "a block of ", place.size, " bytes has no room for its restarts");
    const std::uint64_t restarts = fixed32(trailer - 4);
    if (restarts > (place.size - 4) / 4)
      refuse(trailer - 4, restarts, " restarts do not fit into a block of ", place.size, " bytes");
    return file_.substr(place.offset, place.size - 4 - 4 * restarts);
  }

  /// Calls visit(entry) for the entries of one block until it returns false, and returns what it returned; `what` names
  /// the block.
  template <class Visit>
  bool for_each_entry(const Place& place, const char* what, Visit&& visit) const {
    const std::string_view entries = open_block(place);
    std::string key;
    for (std::string_view rest = entries; !rest.empty();) {
      const std::uint64_t at = place.offset + (entries.size() - rest.size());
      std::uint64_t shared = 0, unshared = 0, value = 0;
      if (!take_varint(rest, shared) || !take_varint(rest, unshared) || !take_varint(rest, value))
        refuse(at, "an entry of ", what, " is cut off");
      if (unshared > rest.size() || value > rest.size() - unshared)
        refuse(at, "an entry of ", what, " has a key of ", unshared, " further bytes and a value of ", value,
               ", the block has ", rest.size(), " more");
      if (shared > key.size())
        refuse(at, "an entry of ", what, " shares ", shared, " bytes with a key of ", key.size());
      if (shared + unshared > max_key_bytes)
        refuse(at, "a key of ", shared + unshared, " bytes; at most ", max_key_bytes, " are read");
      key.resize(shared);
      key += rest.substr(0, unshared);
      const std::string_view bytes = rest.substr(unshared, value);
      rest.remove_prefix(unshared + value);
      if (!visit(TableEntry{key, bytes, place.offset + (entries.size() - rest.size()) - value})) return false;
    }
    return true;
  }

  std::string_view where_, path_, file_;
  Checksums checksums_;
  Place filters_, index_;
};

}  // namespace checkpoint
TINYVISION_END
