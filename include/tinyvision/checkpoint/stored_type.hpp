// Elements as files store them, and as a Tensor holds them after reading.
//
// A Tensor has five types, files have more. What can be widened without loss is: half precision to f32, narrow integers
// to i64. The names are those of safetensors; readers of other formats translate theirs into them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "tinyvision/core/tensor.hpp"

TINYVISION_BEGIN
namespace checkpoint {

static_assert(std::endian::native == std::endian::little, "weight files are little endian");

/// A type that files have. `in_memory` is what a Tensor holds after reading; `readable` is false for types that a Tensor
/// cannot hold.
struct StoredType {
  std::string_view name;
  std::size_t size = 0;  ///< bytes
  bool readable = false;
  DType in_memory = DType::f32;
};

/// The stored type of that name, or nullptr.
inline const StoredType* find_stored_type(std::string_view name) {
  static constexpr std::array<StoredType, 15> types{{{"F32", 4, true, DType::f32},
                                                     {"F16", 2, true, DType::f32},
                                                     {"BF16", 2, true, DType::bf16},
                                                     {"F64", 8, true, DType::f64},
                                                     {"U8", 1, true, DType::u8},
                                                     {"I64", 8, true, DType::i64},
                                                     {"I8", 1, true, DType::i64},
                                                     {"I16", 2, true, DType::i64},
                                                     {"I32", 4, true, DType::i64},
                                                     {"U16", 2, true, DType::i64},
                                                     {"U32", 4, true, DType::i64},
                                                     {"U64", 8},
                                                     {"BOOL", 1},
                                                     {"F8_E4M3", 1},
                                                     {"F8_E5M2", 1}}};
  for (const StoredType& type : types)
    if (type.name == name) return &type;
  return nullptr;
}

/// The types that can be read, for messages.
inline constexpr const char* readable_types = "F16, BF16, F32, F64, U8, I64, I8 to U32";

/// a * b; false when it does not fit.
inline bool multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& product) {
  return !__builtin_mul_overflow(a, b, &product);
}

/// The bytes of a tensor, extents times `element_size`; false when they, or any one extent, do not fit 63 bits.
inline bool stored_bytes(std::span<const std::uint64_t> extents, std::size_t element_size, std::uint64_t& bytes) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
  bytes = element_size;
  for (const std::uint64_t extent : extents)
    if (extent > most || !multiply(bytes, extent, bytes) || bytes > most) return false;
  return true;
}

/// IEEE-754 binary16 to binary32, exact for every value; NaN keeps its payload.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero
  return sign != 0 ? -magnitude : magnitude;
}

namespace detail {

/// Elements stored as From, at any alignment, converted one by one.
template <class From, class To, class Convert>
void widen(const char* source, const Tensor& target, Convert convert) {
  To* out = target.data<To>();
  for (Index i = 0; i < target.count(); ++i) {
    From value;
    std::memcpy(&value, source + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    out[i] = convert(value);
  }
}

}  // namespace detail

/// A tensor of that shape from its elements as stored: row-major, little endian, without gaps, at any alignment. `source`
/// holds shape.count() * type.size bytes and the type is readable: the caller has checked both.
inline Tensor decode_elements(const StoredType& type, const Shape& shape, const char* source) {
  check(type.readable, "weights", "elements of type ", type.name, " cannot be decoded");
  const Tensor t = Tensor::empty(shape, type.in_memory);
  const auto integer = [](auto value) { return static_cast<std::int64_t>(value); };
  if (type.name == "F16") {
    detail::widen<std::uint16_t, float>(source, t, half_to_float);
  } else if (type.name == "I8") {
    detail::widen<std::int8_t, std::int64_t>(source, t, integer);
  } else if (type.name == "I16") {
    detail::widen<std::int16_t, std::int64_t>(source, t, integer);
  } else if (type.name == "I32") {
    detail::widen<std::int32_t, std::int64_t>(source, t, integer);
  } else if (type.name == "U16") {
    detail::widen<std::uint16_t, std::int64_t>(source, t, integer);
  } else if (type.name == "U32") {
    detail::widen<std::uint32_t, std::int64_t>(source, t, integer);
  } else if (t.bytes() > 0) {
    std::memcpy(t.raw(), source, t.bytes());
  }
  return t;
}

}  // namespace checkpoint
TINYVISION_END
