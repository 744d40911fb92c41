// Element types a Tensor can hold, and the one switch from a run-time dtype to a C++ type.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tinyvision/core/config.hpp"
#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// bfloat16: the upper half of an IEEE-754 binary32. Conversion rounds to nearest, ties to even; NaN stays NaN.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  explicit bfloat16(float value) {
    const std::uint32_t u = std::bit_cast<std::uint32_t>(value);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<std::uint16_t>((u >> 16) | 0x40u);  // quiet, so that truncation cannot turn it into infinity
    } else {
      bits = static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

enum class DType : std::uint8_t { f32, f64, bf16, u8, i64 };

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::f64: return 8;
    case DType::bf16: return 2;
    case DType::u8: return 1;
    default: return 8;
  }
}

constexpr const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::f64: return "f64";
    case DType::bf16: return "bf16";
    case DType::u8: return "u8";
    default: return "i64";
  }
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

/// What parameters and statistics are kept in beside activations of type T: float for bfloat16, else T itself.
template <class T>
using Accumulator = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;
constexpr DType accumulator_dtype(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

/// Calls `body(T{})` with T = float or double. Throws Error for any other dtype.
template <class Body>
decltype(auto) visit_float(std::string_view where, DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32: return std::forward<Body>(body)(float{});
    case DType::f64: return std::forward<Body>(body)(double{});
    default: fail(where, "needs f32 or f64, got ", to_string(dtype));
  }
}

/// Calls `body(T{})` with T = float, double or bfloat16. Throws Error for any other dtype.
template <class Body>
decltype(auto) visit_activation(std::string_view where, DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32: return std::forward<Body>(body)(float{});
    case DType::f64: return std::forward<Body>(body)(double{});
    case DType::bf16: return std::forward<Body>(body)(bfloat16{});
    default: fail(where, "needs f32, f64 or bf16, got ", to_string(dtype));
  }
}

/// Calls `body(T{})` with the C++ type of `dtype`.
template <class Body>
decltype(auto) visit_any(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32: return std::forward<Body>(body)(float{});
    case DType::f64: return std::forward<Body>(body)(double{});
    case DType::bf16: return std::forward<Body>(body)(bfloat16{});
    case DType::u8: return std::forward<Body>(body)(std::uint8_t{});
    default: return std::forward<Body>(body)(std::int64_t{});
  }
}

TINYVISION_END
