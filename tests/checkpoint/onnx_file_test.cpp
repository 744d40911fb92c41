// ONNX models: initialisers against what onnx stored, external data, and what must be refused.
#include "tinyvision/checkpoint/onnx_file.hpp"

#include <filesystem>

#include "checkpoint/fixture.hpp"
#include "checkpoint/folder.hpp"

namespace onnx_file_test {

using namespace tinyvision;
using checkpoint::parse_onnx;

// Parts of messages: a field of bytes, a field of a number below 128.
std::string bytes(int field, const std::string& value) {
  EXPECT_LT(value.size(), 128u);
  return std::string{static_cast<char>(field * 8 + 2), static_cast<char>(value.size())} + value;
}
std::string number(int field, int value) { return {static_cast<char>(field * 8), static_cast<char>(value)}; }
std::string model(const std::string& tensor) { return number(1, 8) + bytes(7, bytes(5, tensor)); }
std::string tensor(int type, const std::vector<int>& dims, const std::string& data, const std::string& name = "w") {
  std::string out;
  for (const int dim : dims) out += number(1, dim);
  return out + number(2, type) + bytes(8, name) + data;
}
const std::string raw = bytes(9, std::string(8, '\0'));

void expect_refused(const std::string& file, const std::string& message) {
  const std::string error = refusal_of([&] { parse_onnx(file, "w.file"); });
  EXPECT_EQ(error.rfind("[ONNX file] w.file: byte ", 0), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

TEST(OnnxFile, ReadsWhatOnnxWrote) {
  for (const char* name : {"model.onnx", "external.onnx"}) {
    const WeightFile file = load_onnx(fixture(name));
    expect_fixture(file, name);
    EXPECT_EQ(file.sha256, sha256_file(fixture(name)));
  }
  EXPECT_EQ(load_onnx(fixture("external.onnx")).further_files.size(), 1u);
}

TEST(OnnxFile, ExternalDataStayInTheFolder) {
  const auto refusal = [](const std::string& path) { return refusal_of([&] { load_onnx(path); }); };
  EXPECT_NE(refusal(fixture("bad_external_above.onnx")).find("'../external.bin', which leaves the model's folder"),
            std::string::npos);
  EXPECT_NE(
      refusal(fixture("bad_external_length.onnx")).find("external data of 16 bytes from byte 16 of 'external.bin'"),
      std::string::npos);
  expect_refused(read_file(fixture("external.onnx")), "its data are in another file");
  const TestFolder folder;  // a link that leads out
  std::filesystem::create_directory(folder.path("model"));
  std::filesystem::copy_file(fixture("external.onnx"), folder.path("model/m.onnx"));
  std::filesystem::copy_file(fixture("external.bin"), folder.path("outside.bin"));
  std::filesystem::create_symlink("../outside.bin", folder.path("model/external.bin"));
  EXPECT_NE(refusal(folder.path("model/m.onnx")).find("leaves the model's folder by a link"), std::string::npos);
  std::filesystem::remove(folder.path("model/external.bin"));
  std::filesystem::copy_file(fixture("external.bin"), folder.path("model/external.bin"));
  EXPECT_EQ(refusal(folder.path("model/m.onnx")), "read");
}

TEST(OnnxFile, Tensors) {
  EXPECT_EQ(parse_onnx(model(tensor(1, {2}, raw)), "w.file").tensor("w").shape(), Shape({2}));
  expect_refused(model(tensor(1, {3}, raw)), "shape and type need 12 bytes, 8 are there");
  expect_refused(model(tensor(1, {2}, "")), "shape and type need 8 bytes, 0 are there");
  expect_refused(model(tensor(9, {8}, raw)), "data type 9 is not supported");
  expect_refused(model(tensor(99, {8}, raw)), "data type 99 is not supported");
  expect_refused(model(tensor(0, {2}, raw)), "data type 0 is not supported");
  expect_refused(model(tensor(1, {1, 1, 1, 1, 2}, raw)), "has 5 dimensions; at most 4");
  expect_refused(model(tensor(1, {2}, raw + bytes(4, std::string(8, '\0')))), "a tensor with data in two fields, 9");
  expect_refused(model(tensor(1, {1}, number(7, 1))), "data type 1 stands in field 7");
  expect_refused(model(tensor(3, {1}, std::string("\x28\x80\x04", 3))), "hold 512, which does not fit 1 bytes");
  const std::string huge = std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10);  // an extent of 2^63 - 1
  expect_refused(model(huge + huge + tensor(1, {}, raw)), "overflows 64 bits");
  expect_refused(model(std::string("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11) + tensor(1, {}, raw)),
                 "overflows");
}

TEST(OnnxFile, Frame) {
  const std::string two = bytes(5, tensor(1, {2}, raw));
  expect_refused(number(1, 8) + bytes(7, two + two), "the name 'w' occurs twice");
  expect_refused(number(1, 8) + bytes(7, two) + bytes(7, two), "a second graph");
  expect_refused(number(1, 8) + bytes(7, bytes(15, "")), "sparse initialisers are not supported");
  expect_refused(number(1, 8), "it has no graph");
  expect_refused("", "it has no graph");
  expect_refused(std::string("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10), "takes 9223372036854775807 bytes");
}

TEST(OnnxFile, DamageIsSurvived) {
  const auto parse = [](const std::string& file) { parse_onnx(file, "w.file"); };
  expect_damage_is_survived(model(tensor(1, {2}, raw)), parse, 1, false);
  expect_damage_is_survived(read_file(fixture("model.onnx")), parse, 1, false);
}

}  // namespace onnx_file_test
