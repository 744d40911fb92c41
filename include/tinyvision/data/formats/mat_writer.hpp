// Writes MATLAB files of level 5, little endian: what mat_file.hpp reads. Numbers are stored as doubles.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "tinyvision/data/formats/mat_value.hpp"

TINYVISION_BEGIN
namespace data {

namespace detail {

inline void append_mat_u32(std::string& out, std::uint32_t value) {
  for (int byte = 0; byte < 4; ++byte) out += static_cast<char>((value >> (8 * byte)) & 0xffu);
}

/// A tag, the data, and padding to a multiple of 8.
inline void append_mat_element(std::string& out, std::uint32_t type, std::string_view data) {
  append_mat_u32(out, type);
  append_mat_u32(out, static_cast<std::uint32_t>(data.size()));
  out += data;
  out.append((8 - data.size() % 8) % 8, '\0');
}

inline std::string mat_matrix(std::string_view name, const MatValue& value) {
  static constexpr std::uint32_t classes[] = {6, 4, 2, 1};  // double, char, struct, cell
  std::string body, flags, dims;
  append_mat_u32(flags, classes[static_cast<int>(value.kind)]);
  append_mat_u32(flags, 0);
  append_mat_element(body, 6, flags);
  for (const Index d : value.dims) append_mat_u32(dims, static_cast<std::uint32_t>(d));
  append_mat_element(body, 5, dims);
  append_mat_element(body, 1, name);
  if (value.kind == MatValue::Kind::numeric) {
    std::string numbers(value.numbers.size() * sizeof(double), '\0');
    if (!numbers.empty()) std::memcpy(numbers.data(), value.numbers.data(), numbers.size());
    append_mat_element(body, 9, numbers);
  } else if (value.kind == MatValue::Kind::text) {
    std::string codes;
    for (const char c : value.text) codes += c, codes += '\0';
    append_mat_element(body, 4, codes);
  } else if (value.kind == MatValue::Kind::cell) {
    for (const MatValue& cell : value.cells) body += mat_matrix("", cell);
  } else {
    constexpr std::size_t longest = 32;
    std::string names;
    for (const auto& [field, values] : value.fields) {
      check(field.size() < longest, "write_mat", "field name '", field, "' is longer than ", longest - 1, " bytes");
      names += field;
      names.append(longest - field.size(), '\0');
    }
    append_mat_u32(body, 5 | 4u << 16);  // a small element
    append_mat_u32(body, longest);
    append_mat_element(body, 1, names);
    for (Index i = 0; i < value.elements(); ++i)
      for (const auto& [field, values] : value.fields) body += mat_matrix("", values.at(static_cast<std::size_t>(i)));
  }
  std::string out;
  append_mat_element(out, 14, body);
  return out;
}

}  // namespace detail

/// The bytes of a MAT file. `compressed`: each variable behind zlib, as MATLAB 7 writes. The same variables give the same
/// bytes. Throws Error on field names above 31 bytes and on text, cells or numbers that do not fit the dimensions.
inline std::string write_mat(const MatVariables& variables, bool compressed) {
  std::string out = "MATLAB 5.0 MAT-file";
  out.resize(124, ' ');
  out += std::string("\x00\x01IM", 4);
  for (const auto& [name, value] : variables) {
    const std::string element = detail::mat_matrix(name, value);
    if (!compressed) {
      out += element;
      continue;
    }
    uLongf size = ::compressBound(static_cast<uLong>(element.size()));
    std::string packed(size, '\0');
    const int code = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                                 reinterpret_cast<const Bytef*>(element.data()), static_cast<uLong>(element.size()), 6);
    check(code == Z_OK, "write_mat", "zlib could not compress ", element.size(), " bytes");
    detail::append_mat_u32(out, 15);
    detail::append_mat_u32(out, static_cast<std::uint32_t>(size));
    out.append(packed, 0, size);
  }
  return out;
}

}  // namespace data
TINYVISION_END
