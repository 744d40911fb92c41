// HDF5, lower half: the superblock and the headers of objects, as lists of messages.
//
//   superblock  "\x89HDF\r\n\x1a\n", version 0 to 3, widths of addresses and lengths, address of the root group's header
//   header      version 1: 1 . count(2) references(4) size(4) ....      then messages type(2) size(2) flags(1) ...
//               version 2: "OHDR" 2 flags ... size ... checksum(4)      then messages type(1) size(2) flags(1) [order(2)]
//               a message of type 16 names a further block of messages
//
// Read are files whose addresses and lengths have 8 bytes and whose superblock stands at byte 0: what the library writes
// unless told otherwise. Messages that stand elsewhere ("shared", committed types) are refused when they are needed.
// Every part that is followed takes from a budget that the file's size sets, so that parts which refer to each other in
// circles or many times over end in an error. Checksums of version 2 are not compared; all they protect is checked.
//
// Source: HDF5 File Format Specification 3.0, sections II and IV.A.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/byte_view.hpp"

TINYVISION_BEGIN
namespace checkpoint {

inline constexpr std::string_view hdf5_where = "HDF5 file";
inline constexpr std::string_view hdf5_signature{"\x89HDF\r\n\x1a\n", 8};
inline constexpr std::uint64_t hdf5_undefined = ~std::uint64_t{0};  ///< an address that says "nowhere"

enum class Hdf5MessageType : std::uint16_t {
  dataspace = 0x1,
  link_info = 0x2,
  datatype = 0x3,
  link = 0x6,
  external_files = 0x7,
  layout = 0x8,
  filters = 0xb,
  attribute = 0xc,
  continuation = 0x10,
  symbol_table = 0x11,
  attribute_info = 0x15
};

/// A message of an object's header.
struct Hdf5Message {
  Hdf5MessageType type{};
  bool shared = false;
  ByteView bytes;
};

/// A file's bytes, its root, and how much of it may still be followed.
class Hdf5Bytes {
 public:
  /// Throws UsageError when the superblock is not one of version 0 to 3 that can be read, or the file is shorter than it
  /// says.
  Hdf5Bytes(std::string_view path, std::string_view file)
      : file_(hdf5_where, path, file), budget_(file.size() / 4 + 64) {
    if (!file.starts_with(hdf5_signature)) file_.refuse(0, "no HDF5 file: it does not begin with its signature");
    const int version = file_.u8(8, "the superblock");
    if (version > 3) file_.refuse(8, "superblock version ", version, " is not known (0 to 3 are)");
    const bool old = version < 2;
    const int offsets = file_.u8(old ? 13 : 9, "the superblock"), lengths = file_.u8(old ? 14 : 10, "the superblock");
    if (offsets != 8 || lengths != 8)
      file_.refuse(8, "addresses of ", offsets, " and lengths of ", lengths, " bytes are not supported (8 are)");
    const std::uint64_t base = old ? (version == 0 ? 24 : 28) : 12;
    if (file_.u64(base, "the superblock") != 0) file_.refuse(base, "the base address is not 0");
    const std::uint64_t end = file_.u64(base + 16, "the superblock");
    if (end > file.size()) file_.refuse(base + 16, "truncated: the file has ", file.size(), " bytes of ", end);
    root_ = file_.u64(old ? base + 40 : base + 24, "the superblock");
  }

  const ByteView& all() const { return file_; }
  std::uint64_t root() const { return root_; }

  /// Accounts for one part that is followed.
  void follow(std::uint64_t address) {
    if (budget_ == 0) file_.refuse(address, "the file's parts refer to each other too often");
    --budget_;
  }
  /// `length` bytes at an address of the file.
  ByteView at(std::uint64_t address, std::uint64_t length, std::string_view what) const {
    return file_.slice(address, length, what);
  }
  /// Everything from an address on, which begins with `signature`.
  ByteView signed_part(std::uint64_t address, std::string_view signature, std::string_view what) {
    follow(std::min(address, file_.size()));
    if (file_.bytes(address, signature.size(), what) != signature)
      file_.refuse(address, what, " does not begin with '", signature, "'");
    return file_.slice(address, file_.size() - address, what);
  }

  /// The messages of the object whose header is at `address`.
  std::vector<Hdf5Message> header(std::uint64_t address) {
    follow(std::min(address, file_.size()));
    std::vector<Hdf5Message> messages;
    std::vector<ByteView> blocks;
    const ByteView head =
        file_.slice(address, address > file_.size() ? 0 : file_.size() - address, "an object's header");
    const bool second = head.bytes(0, 4, "an object's header") == "OHDR";
    if (second) {
      if (head.u8(4, "an object's header") != 2) head.refuse(4, "the header's version is not 2");
      const int flags = head.u8(5, "an object's header");
      const std::uint64_t at = 6 + (flags & 0x20 ? 16u : 0u) + (flags & 0x10 ? 4u : 0u), width = 1u << (flags & 3);
      std::uint64_t size = 0;
      for (std::uint64_t i = 0; i < width; ++i) size |= std::uint64_t{head.u8(at + i, "the header's size")} << (8 * i);
      blocks.push_back(head.slice(at + width, size, "the header's messages"));
      for (std::size_t b = 0; b < blocks.size(); ++b) read_block_2(blocks[b], flags & 4 ? 6 : 4, messages, blocks);
    } else {
      if (const int version = head.u8(0, "an object's header"); version != 1)
        head.refuse(0, "no object's header: version ", version, " is neither 1 nor 2");
      blocks.push_back(head.slice(16, head.u32(8, "the header's size"), "the header's messages"));
      for (std::size_t b = 0; b < blocks.size(); ++b) read_block_1(blocks[b], messages, blocks);
    }
    return messages;
  }

 private:
  void read_block_1(ByteView block, std::vector<Hdf5Message>& messages, std::vector<ByteView>& blocks) {
    for (std::uint64_t at = 0; at + 8 <= block.size();) {
      const std::uint64_t size = block.u16(at + 2, "a message");
      take(block.u16(at, "a message"), block.u8(at + 4, "a message"), block.slice(at + 8, size, "a message"), false,
           messages, blocks);
      at += 8 + (size + 7) / 8 * 8;
    }
  }
  void read_block_2(ByteView block, std::uint64_t head, std::vector<Hdf5Message>& messages,
                    std::vector<ByteView>& blocks) {
    for (std::uint64_t at = 0; at + head <= block.size();) {  // a rest shorter than a message's head is a gap
      const std::uint64_t size = block.u16(at + 1, "a message");
      take(block.u8(at, "a message"), block.u8(at + 3, "a message"), block.slice(at + head, size, "a message"), true,
           messages, blocks);
      at += head + size;
    }
  }
  void take(std::uint16_t type, int flags, const ByteView& bytes, bool second, std::vector<Hdf5Message>& messages,
            std::vector<ByteView>& blocks) {
    follow(bytes.position());
    if (type != static_cast<std::uint16_t>(Hdf5MessageType::continuation)) {
      if (type != 0) messages.push_back({static_cast<Hdf5MessageType>(type), (flags & 2) != 0, bytes});
      return;
    }
    const std::uint64_t address = bytes.u64(0, "a continuation"), length = bytes.u64(8, "a continuation");
    if (!second) return blocks.push_back(at(address, length, "a continuation block"));
    const ByteView block = at(address, length, "a continuation block");
    if (length < 8 || block.bytes(0, 4, "a continuation block") != "OCHK")
      block.refuse(0, "a continuation block does not begin with 'OCHK'");
    blocks.push_back(block.slice(4, length - 8, "a continuation block"));
  }

  ByteView file_;
  std::uint64_t budget_;
  std::uint64_t root_ = 0;
};

}  // namespace checkpoint
TINYVISION_END
