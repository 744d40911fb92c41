// Protocol buffers, LevelDB tables and checkpoints made by hand, sound but for the fault that a test puts in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/crc32c.hpp"

namespace tf_files {

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out + static_cast<char>(value);
}
inline std::string fixed32(std::uint32_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
/// A field with a number, and one with bytes (texts, messages, packed numbers).
inline std::string number(std::uint32_t field, std::uint64_t value) { return varint(8 * field) + varint(value); }
inline std::string bytes(std::uint32_t field, std::string_view value) {
  return varint(8 * field + 2) + varint(value.size()) + std::string(value);
}
inline std::string floats(std::vector<float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// A TensorShapeProto, and a TensorSliceProto of (begin, length); length -1: the whole axis.
inline std::string shape(const std::vector<std::int64_t>& extents) {
  std::string out;
  for (const std::int64_t extent : extents) out += bytes(2, number(1, static_cast<std::uint64_t>(extent)));
  return out;
}
inline std::string slice(const std::vector<std::pair<std::int64_t, std::int64_t>>& axes) {
  std::string out;
  for (const auto& [begin, length] : axes) {
    std::string extent = begin != 0 ? number(1, static_cast<std::uint64_t>(begin)) : "";
    if (length != -1) extent += number(2, static_cast<std::uint64_t>(length));
    out += bytes(1, extent);
  }
  return out;
}

/// An entry of a block as it is written: `shared` bytes of the key before are left out of `rest`.
inline std::string entry(std::uint64_t shared, std::string_view rest, std::string_view value) {
  return varint(shared) + varint(rest.size()) + varint(value.size()) + std::string(rest) + std::string(value);
}
/// A block with its restarts and trailer.
inline std::string block(const std::string& entries, char compression = 0, std::uint32_t restarts = 1) {
  std::string out = entries;
  for (std::uint32_t i = 0; i < (restarts < 9 ? restarts : 1); ++i) out += fixed32(0);
  out += fixed32(restarts);
  out += compression;
  return out + fixed32(tinyvision::masked_crc32c(tinyvision::crc32c(out)));
}
inline std::string place(std::uint64_t offset, std::size_t whole_block) {
  return varint(offset) + varint(whole_block - 5);
}

inline std::string footer(const std::string& filters, const std::string& index) {
  std::string out = filters + index;
  out.resize(40, '\0');
  return out + std::string("\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
}

/// A table of these blocks; the index says what `places` says or, without it, where they are.
inline std::string table(const std::vector<std::string>& blocks, std::vector<std::string> places = {}) {
  std::string out;
  const bool true_places = places.empty();
  for (const std::string& b : blocks) {
    if (true_places) places.push_back(place(out.size(), b.size()));
    out += b;
  }
  std::string entries;
  for (std::size_t i = 0; i < places.size(); ++i)
    entries += entry(0, std::string(1, static_cast<char>('a' + i)), places[i]);
  const std::string filters = block(""), index = block(entries);
  const std::string filters_place = place(out.size(), filters.size());
  const std::string index_place = place(out.size() + filters.size(), index.size());
  return out + filters + index + footer(filters_place, index_place);
}
/// A table of one block with these keys and values.
inline std::string table_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out;
  for (const auto& [key, value] : entries) out += entry(0, key, value);
  return table({block(out)});
}

}  // namespace tf_files
