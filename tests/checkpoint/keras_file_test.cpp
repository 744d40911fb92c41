// Keras's HDF5 files: both layouts against what Keras stored, what h5py can write otherwise, and what must be refused.
#include "tinyvision/checkpoint/keras_file.hpp"

#include "checkpoint/fixture.hpp"

namespace keras_file_test {

using namespace tinyvision;
using checkpoint::parse_keras;

std::string error_of(const std::string& file) {
  return refusal_of([&] { parse_keras(file, "w.file"); });
}

TEST(KerasFile, ReadsWhatKerasWrote) {
  for (const char* name : {"keras.h5", "keras.weights.h5"}) {
    const WeightFile file = load_keras(fixture(name));
    expect_fixture(file, name);
    EXPECT_EQ(file.sha256, sha256_file(fixture(name)));
  }
  const WeightFile legacy = load_keras(fixture("keras.h5"));
  EXPECT_EQ(legacy.format, "Keras (.h5)");
  EXPECT_EQ(legacy.metadata.at("backend"), "torch");
  EXPECT_EQ(load_keras(fixture("keras.weights.h5")).format, "Keras 3 (.weights.h5)");
}

TEST(KerasFile, ReadsWhatH5pyWrote) {
  for (const char* name : {"h5py.h5", "h5py_latest.h5"}) expect_fixture(load_keras(fixture(name)), name);
}

TEST(KerasFile, FilesThatAreRefused) {
  const auto expect = [](const char* name, const char* message) {
    const std::string error = refusal_of([&] { load_keras(fixture(name)); });
    EXPECT_NE(error.find(message), std::string::npos) << error;
    EXPECT_NE(error.find(std::string(name) + ": byte "), std::string::npos) << error;
  };
  expect("bad_external_link.h5", "'a' is an external link, which is not followed");
  expect("bad_soft_link.h5", "'a' is a soft link, which is not followed");
  expect("bad_external_data.h5", "its data are in external files");
  expect("bad_deflate.h5", "is compressed or filtered: filter 1 (deflate)");
  expect("bad_big_endian.h5", "type class 1 of 4 bytes is not supported");
  expect("bad_bool.h5", "is not supported");
  expect("bad_rank.h5", "has 5 dimensions; at most 4");
  expect("bad_circle.h5", "groups nested more than 32 deep");
}

void expect_changed(const std::string& file, std::size_t at, const std::string& bytes, const std::string& message) {
  std::string changed = file;
  changed.replace(at, bytes.size(), bytes);
  const std::string error = error_of(changed);
  EXPECT_EQ(error.rfind("[HDF5 file] w.file: byte ", 0), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}
std::string eight(std::uint64_t value) { return std::string(reinterpret_cast<const char*>(&value), 8); }

TEST(KerasFile, Superblock) {
  const std::string file = read_file(fixture("h5py.h5"));
  EXPECT_EQ(error_of(file), "read");
  expect_changed(file, 1, "X", "does not begin with its signature");
  expect_changed(file, 8, "\x04", "superblock version 4 is not known");
  expect_changed(file, 13, "\x04", "addresses of 4 and lengths of 8 bytes");
  expect_changed(file, 24, eight(512), "the base address is not 0");
  expect_changed(file, 64, eight(file.size()), "takes 4 bytes, 0 are there");
  expect_changed(file, 64, eight(~std::uint64_t{0}), "");
  const std::string error = error_of(file.substr(0, file.size() - 1));
  EXPECT_NE(error.find("truncated: the file has"), std::string::npos) << error;
  EXPECT_NE(error_of("").find("does not begin with its signature"), std::string::npos);
}

// The bytes of a dataset are found by their contents; the layout message that points to them by the address.
TEST(KerasFile, DataMustLieWithinTheFileAndApart) {
  const std::string file = read_file(fixture("h5py_latest.h5"));
  const WeightFile expected = load_safetensors(fixture("h5py_latest.h5.expected.safetensors"));
  const auto layout_of = [&](const char* name) {
    const Tensor& tensor = expected.tensor(name);
    const std::size_t data = file.find(std::string(static_cast<const char*>(tensor.raw()), tensor.bytes()));
    EXPECT_NE(data, std::string::npos);
    const std::size_t layout = file.find(eight(data) + eight(tensor.bytes()));
    EXPECT_NE(layout, std::string::npos);
    return layout;
  };
  const std::size_t at = layout_of("contiguous");
  expect_changed(file, at, eight(file.size() - 8), "a dataset takes 48 bytes, 8 are there");
  expect_changed(file, at, eight(~std::uint64_t{0}), "was never written");
  expect_changed(file, at, eight(std::uint64_t{1} << 62), "a dataset takes 48 bytes, 0 are there");
  expect_changed(file, at + 8, eight(52), "shape and type need 48 bytes, 52 are stored");
  expect_changed(file, layout_of("double"), file.substr(at, 8), "two tensors share bytes");
}

TEST(KerasFile, ShapesThatClaimTooMuch) {
  const std::string file = read_file(fixture("h5py_latest.h5"));
  const std::size_t at = file.find(eight(3) + eight(4));  // the dataspace of "contiguous", 3 x 4
  ASSERT_NE(at, std::string::npos);
  expect_changed(file, at, eight(std::uint64_t{1} << 40), "bytes, 48 are stored");
  expect_changed(file, at, eight(~std::uint64_t{0}), "overflows 64 bits");
  expect_changed(file, at, eight(std::uint64_t{1} << 62), "overflows 64 bits");
}

TEST(KerasFile, DamageIsSurvived) {
  const auto parse = [](const std::string& file) { parse_keras(file, "w.file"); };
  expect_damage_is_survived(read_file(fixture("h5py_latest.h5")), parse, 2);
  expect_damage_is_survived(read_file(fixture("h5py.h5")), parse, 13);
  expect_damage_is_survived(read_file(fixture("keras.weights.h5")), parse, 251);
}

}  // namespace keras_file_test
