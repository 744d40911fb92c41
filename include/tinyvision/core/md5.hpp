// MD5 (R. Rivest, RFC 1321), because publishers of data sets state it. It finds accidents, not forgeries: where a SHA-256
// is known, that one decides.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// Incremental MD5.
class Md5 {
 public:
  /// Appends `bytes` bytes to the message.
  Md5& update(const void* data, std::size_t bytes) {
    const auto* p = static_cast<const std::uint8_t*>(data);
    length_ += bytes;
    while (bytes > 0) {
      const std::size_t take = std::min(bytes, block_.size() - used_);
      std::memcpy(block_.data() + used_, p, take);
      used_ += take, p += take, bytes -= take;
      if (used_ == block_.size()) compress(), used_ = 0;
    }
    return *this;
  }
  Md5& update(std::string_view text) { return update(text.data(), text.size()); }

  /// The digest of all bytes so far as 32 hexadecimal digits. The object cannot be updated afterwards.
  std::string hex() {
    const std::uint64_t bits = length_ * 8;
    const std::uint8_t one = 0x80, zero = 0;
    update(&one, 1);
    while (used_ != 56) update(&zero, 1);
    std::array<std::uint8_t, 8> tail{};
    for (std::size_t i = 0; i < 8; ++i) tail[i] = static_cast<std::uint8_t>(bits >> (8 * i));
    update(tail.data(), tail.size());
    std::string text;
    for (const std::uint32_t word : state_)
      for (int byte = 0; byte < 4; ++byte) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", (word >> (8 * byte)) & 0xffu);
        text += digits;
      }
    return text;
  }

 private:
  /// floor(2^32 |sin(i + 1)|), RFC 1321, section 3.4.
  static const std::array<std::uint32_t, 64>& sines() {
    static const std::array<std::uint32_t, 64> table = [] {
      std::array<std::uint32_t, 64> t{};
      for (std::size_t i = 0; i < 64; ++i)
        t[i] = static_cast<std::uint32_t>(std::floor(4294967296.0 * std::fabs(std::sin(static_cast<double>(i + 1)))));
      return t;
    }();
    return table;
  }

  void compress() {
    static constexpr std::array<int, 16> shifts{7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    const std::array<std::uint32_t, 64>& k = sines();
    std::array<std::uint32_t, 16> m{};
    for (std::size_t i = 0; i < 16; ++i)
      m[i] = std::uint32_t{block_[4 * i]} | (std::uint32_t{block_[4 * i + 1]} << 8) |
             (std::uint32_t{block_[4 * i + 2]} << 16) | (std::uint32_t{block_[4 * i + 3]} << 24);
    auto [a, b, c, d] = state_;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::size_t round = i / 16;
      const std::uint32_t f = round == 0   ? (b & c) | (~b & d)
                              : round == 1 ? (d & b) | (~d & c)
                              : round == 2 ? b ^ c ^ d
                                           : c ^ (b | ~d);
      const std::size_t word = round == 0   ? i
                               : round == 1 ? (5 * i + 1) % 16
                               : round == 2 ? (3 * i + 5) % 16
                                            : 7 * i % 16;
      const std::uint32_t next = b + std::rotl(a + f + k[i] + m[word], shifts[4 * round + i % 4]);
      a = d, d = c, c = b, b = next;
    }
    state_[0] += a, state_[1] += b, state_[2] += c, state_[3] += d;
  }

  std::array<std::uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  std::array<std::uint8_t, 64> block_{};
  std::size_t used_ = 0;
  std::uint64_t length_ = 0;
};

/// MD5 of `bytes` as 32 hexadecimal digits.
inline std::string md5_hex(std::string_view bytes) { return Md5().update(bytes).hex(); }

/// MD5 of a file's bytes, read in pieces. Throws UsageError naming the path and the system's reason.
inline std::string md5_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             [](std::FILE* f) { return f ? std::fclose(f) : 0; });
  if (!file) fail_usage("file", path, ": ", std::strerror(errno));
  Md5 digest;
  std::string piece(1 << 18, '\0');
  while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), file.get()))
    digest.update(piece.data(), count);
  if (std::ferror(file.get()) != 0) fail_usage("file", path, ": ", std::strerror(errno));
  return digest.hex();
}

TINYVISION_END
