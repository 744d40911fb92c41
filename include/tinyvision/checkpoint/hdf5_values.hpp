// HDF5: types of elements, shapes, and attributes that hold texts.
//
// Of HDF5's types: little-endian integers of 1 to 8 bytes, IEEE floats of 2, 4 and 8 bytes, strings of fixed length, and
// strings of variable length (4 bytes length, 8 bytes address and 4 bytes index of an object in a global heap "GCOL").
//
// Source: HDF5 File Format Specification 3.0, sections III.E, IV.A.2.b, IV.A.2.d and IV.A.2.m.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/checkpoint/hdf5_object.hpp"
#include "tinyvision/checkpoint/stored_type.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// The type of a dataset's or an attribute's elements.
struct Hdf5Type {
  enum class Kind { number, fixed_text, variable_text, other };
  Kind kind = Kind::other;
  std::uint64_t size = 0;              ///< bytes of an element
  const StoredType* number = nullptr;  ///< of a number
  std::string text{};                  ///< for messages
};

namespace detail {

/// A number's type by its class (0 integer, 1 float), bits and bytes; nullptr for those that weights do not have.
inline const StoredType* hdf5_number(const ByteView& bytes, int kind, std::uint32_t bits, std::uint64_t size) {
  if (bits & 1 || (kind == 1 && bits & 0x40)) return nullptr;  // big endian, or VAX
  const std::uint64_t precision = bytes.u16(10, "a datatype");
  if (bytes.u16(8, "a datatype") != 0 || precision != 8 * size) return nullptr;
  if (kind == 0) {
    const bool is_signed = (bits & 8) != 0;
    switch (size) {
      case 1: return find_stored_type(is_signed ? "I8" : "U8");
      case 2: return find_stored_type(is_signed ? "I16" : "U16");
      case 4: return find_stored_type(is_signed ? "I32" : "U32");
      case 8: return find_stored_type(is_signed ? "I64" : "U64");
      default: return nullptr;
    }
  }
  const int exponent = bytes.u8(13, "a datatype"), fraction = bytes.u8(15, "a datatype");
  const std::uint32_t bias = bytes.u32(16, "a datatype");
  if (size == 2 && exponent == 5 && fraction == 10 && bias == 15) return find_stored_type("F16");
  if (size == 2 && exponent == 8 && fraction == 7 && bias == 127) return find_stored_type("BF16");
  if (size == 4 && exponent == 8 && fraction == 23 && bias == 127) return find_stored_type("F32");
  if (size == 8 && exponent == 11 && fraction == 52 && bias == 1023) return find_stored_type("F64");
  return nullptr;
}

inline Hdf5Type hdf5_type(const ByteView& bytes) {
  const int kind = bytes.u8(0, "a datatype") & 15;
  const std::uint32_t bits = bytes.u32(0, "a datatype") >> 8;
  Hdf5Type type;
  type.size = bytes.u32(4, "a datatype");
  type.text = concat_text("class ", kind, " of ", type.size, " bytes");
  if (kind == 0 || kind == 1) {
    type.number = hdf5_number(bytes, kind, bits, type.size);
    if (type.number != nullptr) type.kind = Hdf5Type::Kind::number;
  } else if (kind == 3 && type.size > 0) {
    type.kind = Hdf5Type::Kind::fixed_text;
  } else if (kind == 9 && (bits & 15) == 1 && type.size == 16) {
    type.kind = Hdf5Type::Kind::variable_text;
  }
  return type;
}

/// The extents of a dataspace; a scalar has none.
inline std::vector<std::uint64_t> hdf5_extents(const ByteView& bytes) {
  const int version = bytes.u8(0, "a dataspace"), rank = bytes.u8(1, "a dataspace");
  if (version != 1 && version != 2) bytes.refuse(0, "dataspace version ", version, " is not known (1 and 2 are)");
  if (version == 2 && bytes.u8(3, "a dataspace") == 2) return {0};  // no elements at all
  std::vector<std::uint64_t> extents;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(rank); ++i)
    extents.push_back(bytes.u64((version == 1 ? 8 : 4) + 8 * i, "a dataspace"));
  return extents;
}

/// A string of a global heap.
inline std::string hdf5_heap_text(Hdf5Bytes& file, const ByteView& reference) {
  const std::uint64_t length = reference.u32(0, "a string"), address = reference.u64(4, "a string");
  const std::uint32_t index = reference.u32(12, "a string");
  if (length == 0) return "";
  const ByteView heap = file.signed_part(address, "GCOL", "a global heap");
  const ByteView collection = heap.slice(0, heap.u64(8, "a global heap"), "a global heap");
  for (std::uint64_t at = 16; at + 16 <= collection.size();) {
    file.follow(collection.position(at));
    const std::uint32_t number = collection.u16(at, "a heap's object");
    const std::uint64_t size = collection.u64(at + 8, "a heap's object");
    if (number == 0) break;  // the free space
    const ByteView object = collection.slice(at + 16, size, "a heap's object");
    if (number == index) return std::string(object.bytes(0, length, "a string"));
    at += 16 + (size + 7) / 8 * 8;
  }
  collection.refuse(0, "the global heap has no object ", index);
}

}  // namespace detail

/// An attribute of an object.
struct Hdf5Attribute {
  std::string name{};
  Hdf5Type type{};
  std::vector<std::uint64_t> extents{};
  ByteView data;
};

namespace detail {

inline Hdf5Attribute hdf5_attribute(const ByteView& bytes) {
  const int version = bytes.u8(0, "an attribute");
  if (version < 1 || version > 3) bytes.refuse(0, "attribute version ", version, " is not known (1 to 3 are)");
  if (version > 1 && bytes.u8(1, "an attribute") != 0)
    bytes.refuse(1, "an attribute whose type stands elsewhere is not supported");
  const std::uint64_t padding = version == 1 ? 8 : 1;
  const auto padded = [&](std::uint64_t size) { return (size + padding - 1) / padding * padding; };
  const std::uint64_t name_size = bytes.u16(2, "an attribute"), type_size = bytes.u16(4, "an attribute");
  const std::uint64_t space_size = bytes.u16(6, "an attribute"), name_at = version == 3 ? 9 : 8;
  const std::uint64_t type_at = name_at + padded(name_size), space_at = type_at + padded(type_size);
  const std::uint64_t data_at = space_at + padded(space_size);
  const std::string_view name = bytes.bytes(name_at, name_size, "an attribute's name");
  return {std::string(name.substr(0, name.find('\0'))), hdf5_type(bytes.slice(type_at, type_size, "a datatype")),
          hdf5_extents(bytes.slice(space_at, space_size, "a dataspace")),
          bytes.slice(data_at, data_at > bytes.size() ? 0 : bytes.size() - data_at, "an attribute's data")};
}

/// Texts of an attribute, one per element. Throws UsageError when it holds something else.
inline std::vector<std::string> hdf5_texts(Hdf5Bytes& file, const Hdf5Attribute& attribute) {
  std::uint64_t bytes = 0;
  if (!stored_bytes(attribute.extents, static_cast<std::size_t>(attribute.type.size), bytes))
    attribute.data.refuse(0, "attribute '", attribute.name, "': the number of its bytes overflows 64 bits");
  if (bytes == 0) return {};  // h5py gives an empty list the type of numbers
  if (attribute.type.kind != Hdf5Type::Kind::fixed_text && attribute.type.kind != Hdf5Type::Kind::variable_text)
    attribute.data.refuse(0, "attribute '", attribute.name, "' holds no strings but ", attribute.type.text);
  const ByteView all = attribute.data.slice(0, bytes, "an attribute's data");
  std::vector<std::string> texts;
  for (std::uint64_t at = 0; at < bytes; at += attribute.type.size) {
    const ByteView element = all.slice(at, attribute.type.size, "a string");
    if (attribute.type.kind == Hdf5Type::Kind::variable_text) {
      texts.push_back(hdf5_heap_text(file, element));
    } else {
      texts.emplace_back(element.all().substr(0, element.all().find('\0')));
    }
  }
  return texts;
}

}  // namespace detail
}  // namespace checkpoint
TINYVISION_END
