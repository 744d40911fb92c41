// Protocol buffers on the wire: one message read field by field, without a schema and without copies.
//
//   message  a sequence of fields: a key, then a value
//   key      varint: field number * 8 + wire type
//   value    wire type 0  varint: 7 bits a byte from the lowest up, the top bit says that more follow; at most 10 bytes
//                      1  8 bytes, little endian
//                      2  a varint with the length, then so many bytes: text, bytes, a message, or packed numbers
//                      5  4 bytes, little endian
//
// Wire types 3 and 4 (groups) belong to the first version of the format and occur in none of the files that are read
// here; they are refused, as are 6 and 7, which do not exist. Fields that a reader does not ask about are passed over, as
// the format demands. Nothing is allocated on the word of a length: a value is a view into the message.
//
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace checkpoint {

static_assert(std::endian::native == std::endian::little, "protocol buffers are little endian");

/// Takes a varint from the front of `bytes`. False when `bytes` ends within it, or it has more than 64 bits; `bytes` then
/// stays as it was.
inline bool take_varint(std::string_view& bytes, std::uint64_t& value) {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i == 9 && byte > 1) return false;  // beyond bit 63
    result |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      value = result;
      bytes.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One message, a field at a time:
///
///   while (message.next())
///     switch (message.field()) {
///       case 1: name = message.bytes(); break;
///       case 2: read_shape(message.message()); break;
///     }
///
/// Everything that is malformed throws UsageError `[where] path: byte n: what is wrong`, n counted from the begin of the
/// file. The message's bytes, `where` and `path` must outlive the object and the views it returns.
class ProtobufMessage {
 public:
  /// Messages within messages that are followed, as in the format's own libraries.
  static constexpr int max_depth = 100;

  /// The message `bytes`, which begins at byte `offset` of the file `path`; `where` begins every error text.
  ProtobufMessage(std::string_view where, std::string_view path, std::string_view bytes, std::uint64_t offset = 0)
      : where_(where), path_(path), all_(bytes), rest_(bytes), offset_(offset), field_begin_(offset) {}

  /// Goes to the next field; false at the end of the message. Throws UsageError when the field is not whole.
  bool next() {
    if (rest_.empty()) return false;
    field_begin_ = position();
    std::uint64_t key = 0;
    if (!take_varint(rest_, key)) refuse_here("a field's key is cut off or longer than 64 bits");
    if (key >> 3 == 0 || key >> 32 != 0) refuse_here("field number ", key >> 3, " does not exist");
    field_ = static_cast<std::uint32_t>(key >> 3);
    switch (key & 7) {
      case 0:
        type_ = WireType::varint;
        if (!take_varint(rest_, number_)) refuse("the varint is cut off or longer than 64 bits");
        break;
      case 1: type_ = WireType::fixed64, take_fixed<std::uint64_t>(); break;
      case 5: type_ = WireType::fixed32, take_fixed<std::uint32_t>(); break;
      case 2: {
        type_ = WireType::bytes;
        std::uint64_t length = 0;
        if (!take_varint(rest_, length)) refuse("the length is cut off or longer than 64 bits");
        if (length > rest_.size())
          refuse("takes ", length, " bytes from byte ", position(), ", the message ends at byte ",
                 offset_ + all_.size());
        value_begin_ = position();
        value_ = rest_.substr(0, length);
        rest_.remove_prefix(length);
        break;
      }
      default: refuse("wire type ", key & 7, " is not supported (0, 1, 2 and 5 are)");
    }
    return true;
  }

  /// The byte of the file at which the message begins.
  std::uint64_t offset() const { return offset_; }
  std::uint32_t field() const { return field_; }
  WireType type() const { return type_; }
  /// The byte of the file at which the present field's key stands.
  std::uint64_t field_offset() const { return field_begin_; }
  /// The byte of the file at which the present field's bytes begin (of wire type 2).
  std::uint64_t bytes_offset() const { return value_begin_; }

  /// The present field as one of the format's types. Throws UsageError when its wire type is another.
  std::uint64_t uint64() const { return need(WireType::varint), number_; }
  /// int32, int64 and enum: negative numbers take 64 bits.
  std::int64_t int64() const { return static_cast<std::int64_t>(uint64()); }
  bool boolean() const { return uint64() != 0; }
  std::uint32_t fixed32() const { return need(WireType::fixed32), static_cast<std::uint32_t>(number_); }
  std::uint64_t fixed64() const { return need(WireType::fixed64), number_; }
  std::string_view bytes() const { return need(WireType::bytes), value_; }
  /// Reads the present field as a message of its own.
  ProtobufMessage message() const {
    need(WireType::bytes);
    if (depth_ == max_depth) refuse("messages within messages, more than ", max_depth, " deep");
    ProtobufMessage inner(where_, path_, value_, value_begin_);
    inner.depth_ = depth_ + 1;
    return inner;
  }

  /// Appends the present field of a repeated integer type: one number, or many packed ones.
  void append_varints(std::vector<std::uint64_t>& out) const {
    if (type_ == WireType::varint) {
      out.push_back(number_);
      return;
    }
    need(WireType::bytes);
    for (std::string_view packed = value_; !packed.empty();) {
      std::uint64_t number = 0;
      if (!take_varint(packed, number))
        refuse("the packed varint at byte ", value_begin_ + (value_.size() - packed.size()),
               " is cut off or longer than 64 bits");
      out.push_back(number);
    }
  }
  /// The same for repeated float, double, fixed32, fixed64 and their signed forms: T has 4 or 8 bytes.
  template <class T>
  void append_fixed(std::vector<T>& out) const {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    if (type_ == (sizeof(T) == 4 ? WireType::fixed32 : WireType::fixed64)) {
      T value;
      std::memcpy(&value, &number_, sizeof(T));
      out.push_back(value);
      return;
    }
    need(WireType::bytes);
    if (value_.size() % sizeof(T) != 0) refuse("packs numbers of ", sizeof(T), " bytes into ", value_.size(), " bytes");
    const std::size_t before = out.size();
    out.resize(before + value_.size() / sizeof(T));
    if (!value_.empty()) std::memcpy(out.data() + before, value_.data(), value_.size());
  }

  /// Throws UsageError about the present field: `[where] path: byte n: field 3: args...`; before the first `next`, about
  /// the message: `[where] path: byte n: args...`.
  template <class... Args>
  [[noreturn]] void refuse(const Args&... args) const {
    if (field_ == 0) refuse_here(args...);
    refuse_here("field ", field_, ": ", args...);
  }

 private:
  std::uint64_t position() const { return offset_ + (all_.size() - rest_.size()); }

  template <class T>
  void take_fixed() {
    if (rest_.size() < sizeof(T))
      refuse("takes ", sizeof(T), " bytes from byte ", position(), ", the message ends at byte ",
             offset_ + all_.size());
    T number;
    std::memcpy(&number, rest_.data(), sizeof(T));
    number_ = number;
    rest_.remove_prefix(sizeof(T));
  }

  void need(WireType type) const {
    if (type_ != type) refuse("has wire type ", static_cast<int>(type_), " where ", static_cast<int>(type), " belongs");
  }

  template <class... Args>
  [[noreturn]] void refuse_here(const Args&... args) const {
    fail_usage(where_, path_, ": byte ", field_begin_, ": ", args...);
  }

  std::string_view where_, path_;
  std::string_view all_, rest_;  // the message, and what of it is not read yet
  std::uint64_t offset_ = 0;     // of the message in the file
  int depth_ = 0;

  std::uint32_t field_ = 0;
  WireType type_ = WireType::varint;
  std::uint64_t number_ = 0;
  std::string_view value_;
  std::uint64_t field_begin_ = 0, value_begin_ = 0;
};

}  // namespace checkpoint
TINYVISION_END
