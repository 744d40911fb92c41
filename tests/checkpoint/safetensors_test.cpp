// safetensors: round trips, every rule of the format, damaged files.
#include "tinyvision/checkpoint/safetensors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "checkpoint/folder.hpp"

namespace safetensors_test {

using namespace tinyvision;
using checkpoint::NamedTensors;
using checkpoint::parse_safetensors;

/// A file with this header text and these data.
std::string file_of(const std::string& header, const std::string& data, std::size_t spaces = 0) {
  const std::string text = header + std::string(spaces, ' ');
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>((std::uint64_t{text.size()} >> (8 * i)) & 0xff);
  return out + text + data;
}
std::string error_of(const std::string& file) {
  try {
    parse_safetensors(file, "w.safetensors");
  } catch (const UsageError& error) {
    return error.what();
  }
  return "loaded";
}
void expect_refused(const std::string& header, const std::string& data, const std::string& message) {
  const std::string error = error_of(file_of(header, data));
  EXPECT_EQ(error.find("[safetensors] w.safetensors: "), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}
const std::string eight(8, '\1');

TEST(Safetensors, RoundTripOfEveryType) {
  const TestFolder folder;
  NamedTensors tensors;
  tensors.emplace_back("bytes", Tensor::from_vector({3}, std::vector<std::uint8_t>{0, 7, 255}));
  tensors.emplace_back("f32/a", Tensor::from_vector({2, 2}, std::vector<float>{1.5f, -0.0f, 1e-45f, 3e38f}));
  tensors.emplace_back("f64", Tensor::from_vector({1, 2, 1, 1}, std::vector<double>{0.1, -1e300}));
  tensors.emplace_back("i64", Tensor::from_vector({2}, std::vector<std::int64_t>{-1, std::int64_t{1} << 62}));
  tensors.emplace_back("bf16", Tensor::full({5}, 1.0 / 3, DType::bf16));
  tensors.emplace_back("scalar", Tensor::full({}, 4));
  tensors.emplace_back("empty", Tensor::zeros({0, 3}));
  tensors.emplace_back("quote\" and \xC3\xA9\n", Tensor::full({1}, 2));
  const checkpoint::Metadata metadata{{"network", "mobilenet_v1"}, {"note", "a \"b\" \\ \n"}};
  save_safetensors(folder.path("a"), tensors, metadata);
  const Safetensors file = load_safetensors(folder.path("a"));
  EXPECT_EQ(file.metadata, metadata);
  EXPECT_EQ(file.sha256, sha256_file(folder.path("a")));
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    EXPECT_EQ(file.tensors[i].first, name);
    const Tensor& read = file.tensors[i].second;
    EXPECT_EQ(read.shape(), tensor.shape()) << name;
    ASSERT_EQ(read.dtype(), tensor.dtype()) << name;
    EXPECT_EQ(std::memcmp(read.raw(), tensor.raw(), tensor.bytes()), 0) << name;
  }
  EXPECT_EQ(file.tensor("scalar").item(), 4);
  EXPECT_EQ(file.find("nothing"), nullptr);
  try {
    file.tensor("f32/b");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("no tensor 'f32/b' (did you mean f32/a"), std::string::npos)
        << error.what();
  }
}

TEST(Safetensors, BytesAreDeterministicAndAligned) {
  const TestFolder folder;
  NamedTensors tensors;
  tensors.emplace_back("u8", Tensor::full({3}, 1, DType::u8));
  tensors.emplace_back("f64", Tensor::full({2}, 2, DType::f64));
  tensors.emplace_back("f32", Tensor::full({1}, 3));
  save_safetensors(folder.path("a"), tensors);
  save_safetensors(folder.path("b"), tensors);
  const std::string bytes = read_file(folder.path("a"));
  EXPECT_EQ(bytes, read_file(folder.path("b")));
  const auto header = checkpoint::parse_safetensors_header(bytes, "a");
  EXPECT_EQ(header.data_begin % 8, 0u);
  for (const auto& t : header.tensors)
    EXPECT_EQ(t.begin % (t.dtype == "U8" ? 1 : t.dtype == "F32" ? 4 : 8), 0u) << t.name;
  EXPECT_EQ(bytes.substr(8, header.data_begin - 8),
            "{\"u8\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]},"
            "\"f64\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
            "\"f32\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]}}" +
                std::string(7, ' '));
}

TEST(Safetensors, SlicesAreStoredWithoutGaps) {
  const TestFolder folder;
  const Tensor wide = Tensor::from_vector({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5});
  save_safetensors(folder.path("a"), {{"slice", wide.slice_channels(1, 2)}});
  EXPECT_EQ(load_safetensors(folder.path("a")).tensor("slice").to_vector<float>(), (std::vector<float>{1, 2, 4, 5}));
}

TEST(Safetensors, WriterRefusesWhatCannotBeRead) {
  const TestFolder folder;
  const Tensor one = Tensor::full({1}, 1);
  EXPECT_THROW(save_safetensors(folder.path("a"), {{"x", one}, {"x", one}}), Error);
  EXPECT_THROW(save_safetensors(folder.path("a"), {{"__metadata__", one}}), Error);
  EXPECT_THROW(save_safetensors(folder.path("a"), {{"x", Tensor()}}), Error);
  EXPECT_THROW(save_safetensors(folder.path("a"), {{"\xff", one}}), Error);
  EXPECT_THROW(save_safetensors(folder.path("no/folder"), {{"x", one}}), UsageError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.root()));
}

TEST(Safetensors, EmptyFileOfTensors) {
  const TestFolder folder;
  save_safetensors(folder.path("a"), {});
  EXPECT_TRUE(load_safetensors(folder.path("a")).tensors.empty());
  EXPECT_EQ(error_of(file_of("{}", "")), "loaded");
  EXPECT_EQ(error_of(file_of("{\"__metadata__\":{}}", "", 5)), "loaded");
}

// Every half against the formula of IEEE 754.
TEST(Safetensors, HalfPrecisionIsExact) {
  std::string data(2 * 65536, '\0');
  for (std::uint32_t i = 0; i < 65536; ++i)
    data[2 * i] = static_cast<char>(i & 255), data[2 * i + 1] = static_cast<char>(i >> 8);
  const auto file = parse_safetensors(
      file_of("{\"h\":{\"dtype\":\"F16\",\"shape\":[65536],\"data_offsets\":[0,131072]}}", data), "h");
  const Tensor& t = file.tensor("h");
  ASSERT_EQ(t.dtype(), DType::f32);
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const float x = t.data<float>()[i];
    const int exponent = static_cast<int>(i >> 10) & 31, fraction = static_cast<int>(i & 1023);
    EXPECT_EQ(std::signbit(x), i >= 32768) << i;
    if (exponent == 31) {
      EXPECT_EQ(std::isinf(x), fraction == 0) << i;
      EXPECT_EQ(std::isnan(x), fraction != 0) << i;
    } else {
      const double expected = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(std::fabs(x), expected) << i;
    }
  }
}

TEST(Safetensors, NarrowIntegersWiden) {
  const auto read = [](const std::string& type, const std::string& bytes, int size) {
    const std::string n = std::to_string(bytes.size());
    const auto file = parse_safetensors(
        file_of("{\"t\":{\"dtype\":\"" + type + "\",\"shape\":[" +
                    std::to_string(static_cast<int>(bytes.size()) / size) + "],\"data_offsets\":[0," + n + "]}}",
                bytes, 1),  // not aligned
        "t");
    EXPECT_EQ(file.tensors[0].second.dtype(), DType::i64);
    return file.tensors[0].second.to_vector<std::int64_t>();
  };
  using Values = std::vector<std::int64_t>;
  EXPECT_EQ(read("I8", "\x80\x7f", 1), (Values{-128, 127}));
  EXPECT_EQ(read("I16", std::string("\x00\x80\xff\x7f", 4), 2), (Values{-32768, 32767}));
  EXPECT_EQ(read("U16", std::string("\x00\x80\xff\xff", 4), 2), (Values{32768, 65535}));
  EXPECT_EQ(read("I32", std::string("\x00\x00\x00\x80\x01\x00\x00\x00", 8), 4), (Values{-2147483648LL, 1}));
  EXPECT_EQ(read("U32", std::string("\x00\x00\x00\x80", 4), 4), (Values{2147483648LL}));
}

TEST(Safetensors, LengthAndFrame) {
  EXPECT_EQ(error_of(""),
            "[safetensors] w.safetensors: truncated: the file has 0 bytes, the header's length alone takes 8");
  EXPECT_NE(error_of("1234567").find("truncated"), std::string::npos);
  EXPECT_NE(error_of(std::string(8, '\0')).find("must begin with '{'"), std::string::npos);
  EXPECT_NE(error_of(file_of("{}", "").substr(0, 9)).find("the header ends at byte 10, the file at 9"),
            std::string::npos);
  EXPECT_NE(error_of(std::string(8, '\xff') + "{}").find("exceeds the limit of 100000000"), std::string::npos);
  std::string long_header(8, '\0');
  long_header[3] = 6;  // 100,663,296
  EXPECT_NE(error_of(long_header + "{}").find("exceeds the limit"), std::string::npos);
  expect_refused(" {}", "", "byte 8: the header must begin with '{'");
  expect_refused("[]", "", "must begin with '{'");
  expect_refused("{}\n", "", "must end with '}' and spaces");
  expect_refused(std::string("{}\0", 3), "", "must end with '}' and spaces");
  expect_refused("{} }", "", "not valid JSON");
  EXPECT_EQ(error_of(file_of("{}", "", 6)), "loaded");
}

TEST(Safetensors, Json) {
  const std::string good = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]";
  EXPECT_EQ(error_of(file_of("{\"a\":{" + good + "}}", eight)), "loaded");
  EXPECT_EQ(error_of(file_of("{ \"a\" : {\n" + good + "} }", eight)), "loaded");
  expect_refused("{\"a\":{" + good + "}", eight, "not valid JSON");
  expect_refused("{\"a\":{" + good + "},}", eight, "byte 63: the header is not valid JSON");
  expect_refused("{\"a\":{" + good + "},\"a\":{" + good + "}}", eight, "the name 'a' occurs twice");
  expect_refused("{\"__metadata__\":{},\"__metadata__\":{}}", "", "the name '__metadata__' occurs twice");
  expect_refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "", "__metadata__ has 'k' twice");
  expect_refused("{\"__metadata__\":{\"k\":1}}", "", "__metadata__ may hold texts only, but 'k' is a number");
  expect_refused("{\"__metadata__\":{\"k\":null}}", "", "may hold texts only");
  expect_refused("{\"__metadata__\":{\"k\":{}}}", "", "may hold texts only");
  expect_refused("{\"__metadata__\":[]}", "", "'__metadata__' must be an object, not an array");
  expect_refused("{\"a\":1}", "", "'a' must be an object, not a number");
  expect_refused("{\"a\":true}", "", "'a' must be an object, not a truth value");
  expect_refused("{\"a\":{" + good + ",\"more\":1}}", eight, "tensor 'a': unknown field 'more'");
  expect_refused("{\"a\":{" + good + ",\"shape\":[2]}}", eight, "tensor 'a': field 'shape' occurs twice");
  expect_refused("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", eight, "tensor 'a': no field 'dtype'");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", eight, "no field 'shape'");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", eight, "no field 'data_offsets'");
  expect_refused("{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}}", eight,
                 "field 'dtype' cannot be a number");
  expect_refused("{\"a\":{\"dtype\":[\"F32\"],\"shape\":[2],\"data_offsets\":[0,8]}}", eight,
                 "field 'dtype' cannot be an array");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", eight,
                 "field 'shape' cannot be a number");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]}}", eight,
                 "shape must hold integers, not an array");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[0,8]}}", eight,
                 "shape must hold integers, not an object");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", eight,
                 "shape must hold integers, not a text");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", eight,
                 "holds 2.0, which is no 64-bit integer");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", eight,
                 "shape holds a negative number: -2");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", eight,
                 "data_offsets must be two numbers, got 1");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", eight,
                 "must be two numbers, got more");
  expect_refused("{\"\xff\":{" + good + "}}", eight, "not valid JSON");
  expect_refused("{\"a\":" + std::string(100000, '['), "", "must end with '}'");
  expect_refused("{\"a\":" + std::string(100000, '[') + "}", "", "'a' must be an object, not an array");
}

TEST(Safetensors, TypesShapesAndOffsets) {
  const auto tensor = [](const std::string& name, const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets +
           "]}";
  };
  // The byte at which the tensor's description begins: 8 of the length, then the text up to its brace.
  expect_refused("{" + tensor("a", "F33", "2", "0,8") + "}", eight, "byte 13: tensor 'a': unknown dtype 'F33'");
  const std::string first = tensor("a", "F32", "2", "0,8");
  expect_refused("{" + first + ", \"b\" : " + tensor("b", "F32", "1", "0,8").substr(4) + "}", eight,
                 concat_text("byte ", 8 + 1 + first.size() + 8, ": tensor 'b': shape and dtype F32 need 4 bytes"));
  expect_refused("{" + tensor("a", "f32", "2", "0,8") + "}", eight, "unknown dtype 'f32'");
  expect_refused("{" + tensor("a", "BOOL", "8", "0,8") + "}", eight, "dtype BOOL is not supported");
  expect_refused("{" + tensor("a", "U64", "1", "0,8") + "}", eight, "dtype U64 is not supported");
  expect_refused("{" + tensor("a", "F32", "1,1,1,1,2", "0,8") + "}", eight, "tensor 'a': has 5 dimensions; at most 4");
  expect_refused("{" + tensor("a", "F32", "3", "0,8") + "}", eight, "need 12 bytes, data_offsets [0,8] hold 8");
  expect_refused("{" + tensor("a", "F32", "2", "8,0") + "}", eight, "end before they begin");
  expect_refused("{" + tensor("a", "F32", "3", "0,12") + "}", eight, "exceed the 8 bytes of data");
  expect_refused("{" + tensor("a", "F32", "2", "4,12") + "}", eight + "1234",
                 "begins at 4 of the data, where 0 is expected: a hole");
  expect_refused("{" + tensor("a", "F32", "1", "0,4") + "}", eight, "4 bytes after the last tensor");
  expect_refused("{}", eight, "8 bytes after the last tensor");
  expect_refused("{" + tensor("a", "F32", "2", "0,8") + "," + tensor("b", "F32", "1", "4,8") + "}", eight, "overlap");
  expect_refused("{" + tensor("a", "F32", "2", "0,8") + "," + tensor("b", "F32", "2", "0,8") + "}", eight, "overlap");
  expect_refused("{" + tensor("a", "U8", "3", "0,3") + "," + tensor("b", "U8", "4", "4,8") + "}", eight, "a hole");
  expect_refused("{" + tensor("a", "F32", "4611686018427387904,4", "0,0") + "}", "", "overflows");
  expect_refused("{" + tensor("a", "U8", "4294967296,4294967296", "0,0") + "}", "", "overflows");
  expect_refused("{" + tensor("a", "U8", "18446744073709551615,0", "0,0") + "}", "", "overflows");
  expect_refused("{" + tensor("a", "U8", "18446744073709551616", "0,0") + "}", "", "no 64-bit integer");
  expect_refused("{" + tensor("a", "U8", "1", "18446744073709551615,18446744073709551615") + "}", "", "exceed");
  // Order of names and of data are independent; empty tensors may lie at any boundary.
  EXPECT_EQ(error_of(file_of("{" + tensor("b", "F32", "1", "4,8") + "," + tensor("e", "F32", "0,7", "4,4") + "," +
                                 tensor("a", "F32", "1", "0,4") + "," + tensor("f", "U8", "0", "8,8") + "}",
                             eight)),
            "loaded");
}

std::string small_file() {
  const TestFolder folder;
  save_safetensors(
      folder.path("a"),
      {{"w", Tensor::from_vector({2, 2}, std::vector<float>{1, 2, 3, 4})}, {"n", Tensor::full({1}, 7, DType::i64)}},
      {{"k", "v"}});
  return read_file(folder.path("a"));
}

TEST(Safetensors, TruncationAtEveryByteIsRefused) {
  const std::string file = small_file();
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_NE(error_of(file.substr(0, size)), "loaded") << size;
  EXPECT_NE(error_of(file + '\0'), "loaded");
}

// Whatever one byte becomes, the file is refused or loads with sizes that fit; nothing else may happen.
TEST(Safetensors, ChangesOfSingleBytesNeverCrash) {
  const std::string file = small_file();
  int loaded = 0;
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (int value = 0; value < 256; value += at < 8 ? 1 : 5) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(value);
      loaded += error_of(damaged) == "loaded";
    }
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      loaded += error_of(damaged) == "loaded";
    }
  }
  EXPECT_GT(loaded, 24 * 8);  // changes of the elements themselves are no matter of the format
}

TEST(Safetensors, PublicWeights) {
  const std::string folder = shared_data("weights");
  if (folder.empty()) GTEST_SKIP() << "no shared data";
  for (const auto& [name, count] : {std::pair{"mobilenet_v1_025", 137}, {"mobilenet_v1", 137}, {"mobilenet_v2", 262}}) {
    const Safetensors file = load_safetensors(folder + "/" + name + ".safetensors");
    EXPECT_EQ(static_cast<int>(file.tensors.size()), count);
    EXPECT_EQ(file.metadata.at("classes"), "1001");
    for (const auto& [key, tensor] : file.tensors) EXPECT_EQ(tensor.dtype(), DType::f32) << key;
    // Writing and reading again keeps every bit.
    const TestFolder out;
    save_safetensors(out.path("copy"), file.tensors, file.metadata);
    const Safetensors copy = load_safetensors(out.path("copy"));
    for (std::size_t i = 0; i < file.tensors.size(); ++i) {
      EXPECT_EQ(copy.tensors[i].first, file.tensors[i].first);
      EXPECT_EQ(std::memcmp(copy.tensors[i].second.raw(), file.tensors[i].second.raw(), file.tensors[i].second.bytes()),
                0);
    }
  }
}

}  // namespace safetensors_test
