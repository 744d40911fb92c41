// Weight files of other programs, and what they hold (tests/golden/weights).
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/core/files.hpp"

inline std::string fixture(const std::string& name) {
  return std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/weights/" + name;
}

/// The same names, types, shapes and bits; the order is the file's own.
inline void expect_same_tensors(const tinyvision::WeightFile& read, const tinyvision::WeightFile& expected) {
  EXPECT_EQ(read.tensors.size(), expected.tensors.size()) << read.path;
  for (const auto& [name, tensor] : expected.tensors) {
    const tinyvision::Tensor* found = read.find(name);
    ASSERT_NE(found, nullptr) << read.path << ": " << name;
    ASSERT_EQ(found->text(), tensor.text()) << read.path << ": " << name;
    const tinyvision::Tensor packed = found->packed();
    if (tensor.bytes() > 0) {
      EXPECT_EQ(std::memcmp(packed.raw(), tensor.raw(), tensor.bytes()), 0) << read.path << ": " << name;
    }
  }
}
inline void expect_fixture(const tinyvision::WeightFile& read, const std::string& name) {
  expect_same_tensors(read, tinyvision::load_safetensors(fixture(name + ".expected.safetensors")));
}

/// The refusal of `read()`, or "read".
template <class Read>
std::string refusal_of(Read&& read) {
  try {
    read();
  } catch (const tinyvision::OutOfMemory& error) {
    ADD_FAILURE() << "memory ran out: " << error.what();
    return "out of memory";
  } catch (const tinyvision::UsageError& error) {
    return error.what();
  }
  return "read";
}

/// Whatever the damage, reading returns or refuses with the file's name: every truncation, and changes of every `step`-th
/// byte. Truncations must be refused.
template <class Parse>
void expect_damage_is_survived(const std::string& file, Parse&& parse, std::size_t step = 1,
                               bool refuses_every_truncation = true) {
  for (std::size_t size = 0; size < file.size(); size += step) {
    const std::string error = refusal_of([&] { parse(file.substr(0, size)); });
    if (refuses_every_truncation || size < 16) {
      EXPECT_NE(error, "read") << "cut at byte " << size;
    }
  }
  for (std::size_t at = 0; at < file.size(); at += step)
    for (const int flip : {0x01, 0x04, 0x20, 0x80, 0xff}) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const std::string error = refusal_of([&] { parse(damaged); });
      EXPECT_TRUE(error == "read" || error.find("w.file") != std::string::npos) << error;
    }
}
