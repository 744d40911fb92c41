// CRC-32C, the checksum inside files that other programs write.
//
// The cyclic redundancy check with Castagnoli's polynomial 0x1EDC6F41, bits reversed, begun and ended with all ones:
// RFC 3720, appendix B.4, and its test vectors. Eight tables take eight bytes at a step (M. E. Kounavis and F. L.
// Berry, A Systematic Approach to Building High Performance Software-Based CRC Generators, ISCC 2005).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN
namespace detail {

/// table[0] is the usual one; table[k][b] is the effect of byte b with k zero bytes behind it.
inline constexpr auto crc32c_tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      table[k][byte] = (table[k - 1][byte] >> 8) ^ table[0][table[k - 1][byte] & 0xff];
  return table;
}();

}  // namespace detail

/// CRC-32C of `bytes`; with `crc`, of the bytes that gave `crc` and `bytes` after them.
inline std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0) {
  static_assert(std::endian::native == std::endian::little);
  const auto& table = detail::crc32c_tables;
  crc = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    word ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= table[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (const char byte : bytes) crc = (crc >> 8) ^ table[0][(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

/// A CRC as LevelDB and TensorFlow store it: rotated right by 15 bits, plus a constant, so that the checksum of bytes
/// that hold a checksum is no trivial number.
inline std::uint32_t masked_crc32c(std::uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

TINYVISION_END
