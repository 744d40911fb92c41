// What both formats of TensorFlow's checkpoints share: element types, shapes, slices of partitioned variables.
//
// Source: types.proto, tensor_shape.proto, tensor_slice.proto and versions.proto of tensorflow/core/framework; the keys
// of slices: tensorflow/core/util/saved_tensor_slice_util.h and tensorflow/core/lib/strings/ordered_code.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/protobuf.hpp"
#include "tinyvision/checkpoint/stored_type.hpp"

TINYVISION_BEGIN
namespace checkpoint {
namespace tensorflow {

inline constexpr std::string_view where = "tensorflow";

/// The checkpoint version that these readers know; files that demand more of their readers are refused.
inline constexpr std::int64_t known_version = 1;

/// A value of the enum DataType. `stored` is the type under which StoredType lists it, null where a Tensor has no place
/// for it.
struct ElementType {
  std::uint64_t number = 0;
  const char* name = "";
  const char* stored = nullptr;
  bool text = false;  ///< strings: graphs of objects and the like, never weights
};

/// The type of that number, or nullptr.
inline const ElementType* find_element_type(std::uint64_t number) {
  static constexpr ElementType types[] = {{1, "float32", "F32"},
                                          {2, "float64", "F64"},
                                          {3, "int32", "I32"},
                                          {4, "uint8", "U8"},
                                          {5, "int16", "I16"},
                                          {6, "int8", "I8"},
                                          {7, "string", nullptr, true},
                                          {8, "complex64"},
                                          {9, "int64", "I64"},
                                          {10, "bool"},
                                          {11, "qint8"},
                                          {12, "quint8"},
                                          {13, "qint32"},
                                          {14, "bfloat16", "BF16"},
                                          {15, "qint16"},
                                          {16, "quint16"},
                                          {17, "uint16", "U16"},
                                          {18, "complex128"},
                                          {19, "float16", "F16"},
                                          {20, "resource"},
                                          {21, "variant"},
                                          {22, "uint32", "U32"},
                                          {23, "uint64"},
                                          {24, "float8_e5m2"},
                                          {25, "float8_e4m3fn"}};
  for (const ElementType& type : types)
    if (type.number == number) return &type;
  return nullptr;
}

/// Throws UsageError unless `message`, a VersionDef, can be read by readers of `known_version`.
inline void check_version(ProtobufMessage message) {
  while (message.next())
    if (message.field() == 2 && message.int64() > known_version)
      message.refuse("the file needs a reader of checkpoint version ", message.int64(), ", this one knows ",
                     known_version);
}

/// The extents of a TensorShapeProto. Throws UsageError for shapes that are not fully known and for negative extents.
inline std::vector<std::uint64_t> read_extents(ProtobufMessage shape) {
  std::vector<std::uint64_t> extents;
  while (shape.next()) {
    if (shape.field() == 3 && shape.boolean()) shape.refuse("the shape's rank is unknown");
    if (shape.field() != 2) continue;
    std::int64_t extent = 0;
    for (ProtobufMessage dimension = shape.message(); dimension.next();)
      if (dimension.field() == 1) extent = dimension.int64();
    if (extent < 0) shape.refuse("the shape has the extent ", extent);
    extents.push_back(static_cast<std::uint64_t>(extent));
  }
  return extents;
}

/// The product of extents whose product is known to fit.
inline std::uint64_t product_of(const std::vector<std::uint64_t>& extents) {
  std::uint64_t product = 1;
  for (const std::uint64_t extent : extents) product *= extent;
  return product;
}

/// A box of a tensor: begin and length along every axis.
struct Slice {
  std::vector<std::uint64_t> begin{}, length{};
  std::vector<bool> whole{};  ///< axes that the file gives as "all of it"

  std::uint64_t count() const { return product_of(length); }
};

/// A TensorSliceProto of a tensor with these extents. An axis without a length is taken whole. Throws UsageError when
/// the slice has another rank or leaves the tensor.
inline Slice read_slice(ProtobufMessage message, const std::vector<std::uint64_t>& extents) {
  Slice slice;
  while (message.next()) {
    if (message.field() != 1) continue;
    std::int64_t begin = 0, length = 0;
    bool whole = true;
    for (ProtobufMessage extent = message.message(); extent.next();) {
      if (extent.field() == 1) begin = extent.int64();
      if (extent.field() == 2) length = extent.int64(), whole = false;
    }
    const std::size_t axis = slice.begin.size();
    if (axis == extents.size()) message.refuse("the slice has more axes than the tensor, which has ", extents.size());
    if (whole) length = static_cast<std::int64_t>(extents[axis]);
    if (begin < 0 || length < 0 || static_cast<std::uint64_t>(length) > extents[axis] ||
        static_cast<std::uint64_t>(begin) > extents[axis] - static_cast<std::uint64_t>(length))
      message.refuse("the slice begins at ", begin, " and has length ", length, " on axis ", axis,
                     ", where the tensor has ", extents[axis]);
    slice.begin.push_back(static_cast<std::uint64_t>(begin));
    slice.length.push_back(static_cast<std::uint64_t>(length));
    slice.whole.push_back(whole);
  }
  if (slice.begin.size() != extents.size())
    message.refuse("the slice has ", slice.begin.size(), " axes, the tensor ", extents.size());
  return slice;
}

namespace detail {

/// TensorFlow's OrderedCode, in which the order of bytes is the order of values. A natural number: how many bytes, then
/// the bytes, highest first.
inline void append_natural(std::string& key, std::uint64_t number) {
  const int bytes = (static_cast<int>(std::bit_width(number)) + 7) / 8;
  key += static_cast<char>(bytes);
  for (int i = bytes - 1; i >= 0; --i) key += static_cast<char>(number >> (8 * i));
}

/// A text: 0 becomes 0 255 and 255 becomes 255 0; 0 1 ends it.
inline void append_text(std::string& key, std::string_view text) {
  for (const char c : text) {
    key += c;
    if (c == '\0') key += '\xff';
    if (c == '\xff') key += '\0';
  }
  key.append("\0\1", 2);
}

/// A whole number in two's complement, highest byte first, in the n bytes that leave n bits beside it and its sign; the
/// first n bits are inverted.
inline void append_integer(std::string& key, std::int64_t number) {
  const auto magnitude = static_cast<std::uint64_t>(number < 0 ? ~number : number);
  const int bytes = static_cast<int>(std::bit_width(magnitude)) / 7 + 1;
  unsigned char buffer[10];
  for (int i = 0; i < bytes; ++i) {
    const int shift = 8 * (bytes - 1 - i);
    buffer[i] = static_cast<unsigned char>(shift > 63 ? number >> 63 : number >> shift);
  }
  for (int bit = 0; bit < bytes; ++bit) buffer[bit / 8] ^= static_cast<unsigned char>(0x80u >> (bit % 8));
  key.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(bytes));
}

}  // namespace detail

/// The key under which a table holds one slice of the variable `name`.
inline std::string slice_key(std::string_view name, const Slice& slice) {
  std::string key;
  detail::append_natural(key, 0);
  detail::append_text(key, name);
  detail::append_natural(key, slice.begin.size());
  for (std::size_t axis = 0; axis < slice.begin.size(); ++axis) {
    detail::append_integer(key, static_cast<std::int64_t>(slice.begin[axis]));
    detail::append_integer(key, slice.whole[axis] ? -1 : static_cast<std::int64_t>(slice.length[axis]));
  }
  return key;
}

/// [2,3], for messages.
inline std::string extents_text(const std::vector<std::uint64_t>& extents) {
  std::string text = "[";
  for (std::size_t i = 0; i < extents.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(extents[i]);
  return text + "]";
}

/// A variable as its checkpoint describes it.
struct Variable {
  std::string name{};
  const ElementType* type = nullptr;
  std::vector<std::uint64_t> extents{};
  std::uint64_t offset = 0;  ///< where the file describes it

  std::uint64_t count() const { return product_of(extents); }
};

/// Throws UsageError when the variable can be no Tensor: its type, its rank, or a size beyond 63 bits.
inline const StoredType& check_readable(const Variable& variable, std::string_view path) {
  const auto refuse = [&](const auto&... why) {
    fail_usage(where, path, ": byte ", variable.offset, ": tensor '", variable.name, "': ", why...);
  };
  if (variable.type->stored == nullptr)
    refuse("dtype ", variable.type->name, " is not supported (", readable_types, " are)");
  const StoredType& stored = *find_stored_type(variable.type->stored);
  std::uint64_t bytes = 0;
  if (!stored_bytes(variable.extents, stored.size, bytes)) refuse("the number of its bytes overflows 64 bits");
  if (variable.extents.size() > static_cast<std::size_t>(Shape::max_rank))
    refuse("has ", variable.extents.size(), " dimensions; at most ", Shape::max_rank, " are supported");
  return stored;
}

inline Shape shape_of(const std::vector<std::uint64_t>& extents) {
  Shape shape;
  for (const std::uint64_t extent : extents) shape.push_back(static_cast<Index>(extent));
  return shape;
}

/// Puts slices together, and knows when they overlap. The caller has made sure that the slices' elements are in the
/// file and are as many as the tensor's: without overlaps they then cover it.
class Assembly {
 public:
  Assembly(const Shape& shape, DType dtype)
      : whole_(Tensor::empty(shape, dtype)), taken_(static_cast<std::size_t>(whole_.count())) {}

  /// Copies `part`, whose place is `slice`; false when it overlaps an earlier one.
  bool add(const Slice& slice, const Tensor& part) {
    const std::size_t size = size_of(whole_.dtype());
    const auto rank = slice.begin.size();
    if (part.count() == 0) return true;
    const std::size_t run = rank == 0 ? 1 : slice.length[rank - 1];  // neighbours in both tensors
    const char* source = static_cast<const char*>(part.raw());
    std::vector<std::uint64_t> position(rank, 0);
    for (;;) {
      std::size_t at = 0;
      for (std::size_t axis = 0; axis < rank; ++axis)
        at = at * static_cast<std::size_t>(whole_.dim(static_cast<int>(axis))) + slice.begin[axis] + position[axis];
      for (std::size_t i = at; i < at + run; ++i) {
        if (taken_[i]) return false;
        taken_[i] = true;
      }
      std::memcpy(static_cast<char*>(whole_.raw()) + at * size, source, run * size);
      source += run * size;
      std::size_t axis = rank < 2 ? 0 : rank - 1;
      while (axis > 0 && ++position[axis - 1] == slice.length[axis - 1]) position[--axis] = 0;
      if (axis == 0) return true;
    }
  }
  const Tensor& tensor() const { return whole_; }

 private:
  Tensor whole_;
  std::vector<bool> taken_;
};

}  // namespace tensorflow
}  // namespace checkpoint
TINYVISION_END
