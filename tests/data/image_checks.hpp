// What tests of decoding ask of a file.
#pragma once

#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/data/decode.hpp"

namespace test_images {

using namespace tinyvision;
using namespace tinyvision::data;

/// What decoding the file is refused with; "" when it is decoded. The message must hold the file's name.
inline std::string refusal(const ByteVector& file, Decoder decoder = Decoder::turbo) {
  const std::string message = message_of<UsageError>([&] { decode_image(file, "a/b.img", decoder); });
  EXPECT_TRUE(message.empty() || message.find("a/b.img") != std::string::npos) << message;
  return message;
}
inline bool says(const std::string& message, const std::string& text) {
  return message.find(text) != std::string::npos;
}
inline ByteVector pixels_of(const ByteVector& file) { return decode_image(file, "x").pixels; }
/// Appends a number, its lowest byte first.
inline void little(ByteVector& to, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}
inline void refuses_every_truncation(const ByteVector& file, std::size_t step = 1) {
  for (std::size_t size = 0; size < file.size(); size += step)
    EXPECT_NE(refusal(ByteVector(file.begin(), file.begin() + static_cast<long>(size))), "") << size;
  EXPECT_EQ(refusal(file), "");
}

}  // namespace test_images
