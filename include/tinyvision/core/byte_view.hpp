// A piece of a file that knows where it stands: every read is checked, every error names the path and the byte.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

static_assert(std::endian::native == std::endian::little, "numbers are read as they stand in little-endian files");

/// Bytes `offset` to `offset + size()` of the file `path`. Positions given to its functions count from the begin of the
/// piece, positions in messages from the begin of the file. The bytes, `where` and `path` must outlive the object.
class ByteView {
 public:
  ByteView(std::string_view where, std::string_view path, std::string_view bytes, std::uint64_t offset = 0)
      : where_(where), path_(path), bytes_(bytes), offset_(offset) {}

  std::uint64_t size() const { return bytes_.size(); }
  /// The place of `at` in the file.
  std::uint64_t position(std::uint64_t at = 0) const { return offset_ + at; }
  std::string_view all() const { return bytes_; }
  std::string_view path() const { return path_; }

  /// `length` bytes from `at`. Throws UsageError when the piece has fewer; `what` says in the message what was read.
  std::string_view bytes(std::uint64_t at, std::uint64_t length, std::string_view what) const {
    if (at > size() || length > size() - at)
      refuse(at, what, " takes ", length, " bytes, ", at > size() ? 0 : size() - at, " are there");
    return bytes_.substr(at, length);
  }
  ByteView slice(std::uint64_t at, std::uint64_t length, std::string_view what) const {
    return {where_, path_, bytes(at, length, what), offset_ + at};
  }

  /// An integer, stored little endian at any alignment.
  template <class T>
  T number(std::uint64_t at, std::string_view what) const {
    T value;
    std::memcpy(&value, bytes(at, sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::uint8_t u8(std::uint64_t at, std::string_view what) const { return number<std::uint8_t>(at, what); }
  std::uint16_t u16(std::uint64_t at, std::string_view what) const { return number<std::uint16_t>(at, what); }
  std::uint32_t u32(std::uint64_t at, std::string_view what) const { return number<std::uint32_t>(at, what); }
  std::uint64_t u64(std::uint64_t at, std::string_view what) const { return number<std::uint64_t>(at, what); }

  /// Throws UsageError `[where] path: byte n: args...`.
  template <class... Args>
  [[noreturn]] void refuse(std::uint64_t at, const Args&... args) const {
    fail_usage(where_, path_, ": byte ", position(at), ": ", args...);
  }

 private:
  std::string_view where_, path_, bytes_;
  std::uint64_t offset_ = 0;
};

TINYVISION_END
