// MATLAB files of level 5, as far as label files use them.
//
//   header     128 bytes: text, then version 0x0100 and the characters "MI" as a 16-bit number, which tell the byte order
//   elements   a tag (type and number of bytes, 32 bits each; or both in one 32-bit word, with up to four bytes of data in
//              the next), the data, padding to a multiple of 8
//   miMATRIX   flags (class), dimensions, name, and the data of the class; cells and structs hold further miMATRIX
//   miCOMPRESSED  one miMATRIX behind zlib
//
// Read are numeric arrays (in whatever type they are stored), characters, structs and cells. Complex, sparse, object and
// function arrays are refused by name, files of level 4 and 7.3 (HDF5) by theirs. Every number of the file is compared with
// what is there before memory is asked for; structs and cells nest at most 16 deep.
//
// Source: MathWorks, MAT-File Format (2023), chapter 1, "Level 5 MAT-File Format".
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "tinyvision/core/byte_view.hpp"
#include "tinyvision/data/formats/inflate.hpp"
#include "tinyvision/data/formats/mat_value.hpp"

TINYVISION_BEGIN
namespace data {

namespace detail {

/// Reads the elements of one piece of a file.
class MatReader {
 public:
  static constexpr int deepest = 16;
  static constexpr std::size_t largest_inflated = std::size_t{15} << 20;  ///< bytes of a compressed variable
  static constexpr std::size_t most_values = std::size_t{1} << 21;        ///< of all arrays together
  static constexpr std::size_t most_arrays = std::size_t{1} << 17;        ///< cells and fields, likewise

  /// What the arrays of a file hold so far.
  struct Budget {
    std::size_t values = 0, arrays = 0;
  };

  MatReader(ByteView view, bool swapped, Budget& budget) : view_(view), swapped_(swapped), budget_(&budget) {}

  bool done() const { return at_ >= view_.size(); }

  struct Element {
    std::uint32_t type = 0;
    ByteView data;
  };
  /// The next element; the position moves behind its padding.
  Element next() {
    const std::uint32_t word = u32(at_, "a tag");
    if ((word >> 16) != 0) {  // small: number of bytes and type in one word
      const std::uint32_t bytes = word >> 16;
      if (bytes > 4) view_.refuse(at_, "a small element of ", bytes, " bytes");
      Element element{word & 0xffff, view_.slice(at_ + 4, bytes, "a small element")};
      at_ += 8;
      return element;
    }
    const std::uint32_t bytes = u32(at_ + 4, "a tag");
    Element element{word, view_.slice(at_ + 8, bytes, "an element")};
    at_ += 8 + std::uint64_t{bytes};
    if (word != compressed) at_ = (at_ + 7) / 8 * 8;
    return element;
  }

  /// The miMATRIX whose content `view` is; its name goes to `name`.
  MatValue matrix(std::string& name, int depth) {
    if (depth > deepest) view_.refuse(0, "structs and cells nest more than ", deepest, " deep");
    const Element flags = next();
    if (flags.type != uint32 || flags.data.size() != 8) flags.data.refuse(0, "array flags expected");
    const std::uint32_t word = number<std::uint32_t>(flags.data, 0);
    const std::uint32_t type = word & 0xff;
    if ((word >> 8) & 0x08) flags.data.refuse(0, "the array is complex");
    MatValue value;
    value.dims = dimensions();
    const Element label = next();
    if (label.type != int8 && label.type != uint8) label.data.refuse(0, "an array's name expected");
    name = std::string(label.data.all());
    count(value.elements());
    if (type == 1) {
      read_cells(value, depth);
    } else if (type == 2) {
      read_struct(value, depth);
    } else if (type == 4) {
      read_text(value);
    } else if (type >= 6 && type <= 15) {
      value.numbers = numbers(next(), value.elements());
    } else {
      static constexpr const char* names[] = {"", "", "", "an object", "", "sparse"};
      flags.data.refuse(0, "array '", name, "' is ", type == 3 || type == 5 ? names[type] : "of an unknown class", " (",
                        type, "), which is not read");
    }
    return value;
  }

  static constexpr std::uint32_t int8 = 1, uint8 = 2, int16 = 3, uint16 = 4, int32 = 5, uint32 = 6, single = 7, dbl = 9,
                                 int64 = 12, uint64 = 13, matrix_type = 14, compressed = 15, utf8 = 16, utf16 = 17,
                                 utf32 = 18;

 private:
  template <class T>
  T number(const ByteView& data, std::uint64_t at) const {
    T value = data.number<T>(at, "a number");
    if (!swapped_) return value;
    auto bytes = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
    std::reverse(bytes.begin(), bytes.end());
    return std::bit_cast<T>(bytes);
  }
  std::uint32_t u32(std::uint64_t at, std::string_view what) const {
    view_.bytes(at, 4, what);
    return number<std::uint32_t>(view_, at);
  }

  void count(Index more) {
    if (static_cast<std::size_t>(more) > most_values - budget_->values)
      view_.refuse(0, "the arrays hold more than ", most_values, " values");
    budget_->values += static_cast<std::size_t>(more);
    if (++budget_->arrays > most_arrays) view_.refuse(0, "there are more than ", most_arrays, " arrays");
  }

  std::vector<Index> dimensions() {
    const Element element = next();
    if (element.type != int32 || element.data.size() < 8 || element.data.size() % 4 != 0 || element.data.size() > 128)
      element.data.refuse(0, "an array's dimensions expected");
    std::vector<Index> dims;
    Index product = 1;
    for (std::uint64_t at = 0; at < element.data.size(); at += 4) {
      const auto d = number<std::int32_t>(element.data, at);
      if (d < 0 || (d > 0 && product > static_cast<Index>(most_values) / d))
        element.data.refuse(at, "a dimension of ", d);
      product *= d;
      dims.push_back(d);
    }
    return dims;
  }

  std::vector<double> numbers(const Element& element, Index wanted) const {
    const auto read = [&]<class T>(T) {
      if (element.data.size() != static_cast<std::uint64_t>(wanted) * sizeof(T))
        element.data.refuse(0, wanted, " values of ", sizeof(T), " bytes expected, ", element.data.size(),
                            " bytes are there");
      std::vector<double> out(static_cast<std::size_t>(wanted));
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(number<T>(element.data, i * sizeof(T)));
      return out;
    };
    switch (element.type) {
      case int8: return read(std::int8_t{});
      case uint8: return read(std::uint8_t{});
      case int16: return read(std::int16_t{});
      case uint16: return read(std::uint16_t{});
      case int32: return read(std::int32_t{});
      case uint32: return read(std::uint32_t{});
      case single: return read(float{});
      case dbl: return read(double{});
      case int64: return read(std::int64_t{});
      case uint64: return read(std::uint64_t{});
      default: element.data.refuse(0, "numbers of the unknown type ", element.type);
    }
  }

  void read_text(MatValue& value) {
    value.kind = MatValue::Kind::text;
    const Element element = next();
    if (element.type == utf8) {
      value.text = std::string(element.data.all());
      return;
    }
    Element codes = element;
    if (codes.type == utf16) codes.type = uint16;
    if (codes.type == utf32) codes.type = uint32;
    for (const double code : numbers(codes, value.elements()))
      value.text += code >= 0 && code < 256 ? static_cast<char>(static_cast<unsigned char>(code)) : '?';
  }

  MatValue nested(int depth) {
    const Element element = next();
    if (element.type != matrix_type) element.data.refuse(0, "an array expected, not type ", element.type);
    if (element.data.size() == 0) return {};  // how an empty array may be written
    std::string ignored;
    return MatReader(element.data, swapped_, *budget_).matrix(ignored, depth + 1);
  }

  void read_cells(MatValue& value, int depth) {
    value.kind = MatValue::Kind::cell;
    for (Index i = 0; i < value.elements(); ++i) value.cells.push_back(nested(depth));
  }

  void read_struct(MatValue& value, int depth) {
    value.kind = MatValue::Kind::structure;
    const Element length = next();
    if (length.type != int32 || length.data.size() != 4) length.data.refuse(0, "the length of field names expected");
    const auto each = number<std::int32_t>(length.data, 0);
    const Element names = next();
    if (each < 1 || each > 1024 || names.data.size() % static_cast<std::uint64_t>(each) != 0)
      names.data.refuse(0, "field names of ", each, " bytes in ", names.data.size(), " bytes");
    for (std::uint64_t at = 0; at < names.data.size(); at += static_cast<std::uint64_t>(each)) {
      const std::string_view raw = names.data.bytes(at, static_cast<std::uint64_t>(each), "a field name");
      value.fields.emplace_back(std::string(raw.substr(0, raw.find('\0'))), std::vector<MatValue>{});
    }
    for (Index i = 0; i < value.elements(); ++i)
      for (auto& [name, values] : value.fields) values.push_back(nested(depth));
  }

  ByteView view_;
  bool swapped_;
  Budget* budget_;
  std::uint64_t at_ = 0;
};

}  // namespace detail

/// All variables of a MAT file of level 5. `where` (its path) begins messages, which name the byte; inside compressed
/// elements bytes count from the begin of the decompressed element. Throws UsageError.
inline MatVariables read_mat(std::string_view bytes, std::string_view where) {
  const ByteView file("mat", where, bytes);
  if (bytes.starts_with("\x89HDF") || (bytes.size() > 516 && bytes.substr(512).starts_with("\x89HDF")))
    file.refuse(0, "a MAT file of version 7.3 (HDF5); save it with -v7");
  const std::string_view order = file.bytes(124, 4, "the header").substr(2);
  if (order != "IM" && order != "MI") file.refuse(126, "not a MAT file of level 5: no byte order mark");
  const bool swapped = order == "MI";
  const std::uint16_t version = file.u16(124, "the header");
  if (version != (swapped ? 0x0001 : 0x0100)) file.refuse(124, "version ", version, " of the format is not known");
  detail::MatReader::Budget values;
  detail::MatReader reader(file.slice(128, file.size() - 128, "the elements"), swapped, values);
  MatVariables variables;
  const auto take = [&](const detail::MatReader::Element& element) {
    if (element.type != detail::MatReader::matrix_type)
      element.data.refuse(0, "an array expected, not type ", element.type);
    std::string name;
    MatValue value = detail::MatReader(element.data, swapped, values).matrix(name, 0);
    variables.emplace_back(std::move(name), std::move(value));
  };
  while (!reader.done()) {
    const detail::MatReader::Element element = reader.next();
    if (element.type == detail::MatReader::compressed) {
      const std::string inner = inflate(element.data.all(), Deflated::zlib, detail::MatReader::largest_inflated, where);
      take(detail::MatReader(ByteView("mat", where, inner), swapped, values).next());
    } else {
      take(element);
    }
  }
  return variables;
}

}  // namespace data
TINYVISION_END
