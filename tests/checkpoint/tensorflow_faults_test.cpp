// TensorFlow checkpoints made by hand: sound ones are read, every fault is refused with path and byte.
#include <gtest/gtest.h>

#include "checkpoint/tensorflow_builder.hpp"
#include "tinyvision/checkpoint/tensorflow_v1.hpp"
#include "tinyvision/checkpoint/tensorflow_v2.hpp"

namespace tensorflow_faults_test {

using namespace tinyvision;
using namespace tf_files;
using checkpoint::Checksums;
using checkpoint::ReadOptions;
using Entries = std::vector<std::pair<std::string, std::string>>;

constexpr std::uint64_t f32 = 1, f64 = 2, u8 = 4, i8 = 6, text = 7, complex64 = 8, boolean = 10, bf16 = 14, f16 = 19;

/// "name=[values] ..." of what was read, or the error.
template <class Read>
std::string outcome(Read read) {
  std::string out;
  try {
    for (const auto& [name, tensor] : read().tensors) {
      out += (out.empty() ? "" : " ") + name + "=" + tensor.shape().text();
      for (const double value : tensor.template to_vector<double>()) out += " " + format_shortest(value);
    }
  } catch (const UsageError& error) {
    return error.what();
  }
  return out;
}
void expect_refused(const std::string& error, const std::string& path, const std::string& message) {
  EXPECT_EQ(error.find("[tensorflow] " + path + ": byte "), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

// --- V1 ---------------------------------------------------------------------------------------------------------------

std::string described(const std::string& name, const std::vector<std::int64_t>& extents, std::uint64_t type,
                      const std::vector<std::string>& slices) {
  std::string out = bytes(1, name) + bytes(2, shape(extents)) + number(3, type);
  for (const std::string& s : slices) out += bytes(4, s);
  return bytes(1, out);
}
std::string saved(const std::string& name, const std::string& where, const std::string& elements) {
  return bytes(2, bytes(1, name) + bytes(2, where) + bytes(3, elements));
}
std::string v1(const Entries& entries) {
  const std::string file = table_of(entries);
  return outcome([&] { return checkpoint::parse_tensorflow_v1(file, "v1.ckpt"); });
}
std::string v1(const std::string& meta, const std::vector<std::string>& slices) {
  Entries entries{{"", bytes(1, meta)}};
  for (const std::string& s : slices) entries.emplace_back(std::string(1, static_cast<char>('a' + entries.size())), s);
  return v1(entries);
}
const std::string all1 = slice({{0, -1}}), all2 = slice({{0, -1}, {0, -1}});

TEST(TensorFlowV1, SoundFilesAreRead) {
  EXPECT_EQ(v1(described("w", {2, 2}, f32, {all2}), {saved("w", all2, bytes(5, floats({1, 2, 3, 4})))}),
            "w=[2,2] 1 2 3 4");
  EXPECT_EQ(v1(described("s", {}, f32, {""}), {saved("s", "", varint(8 * 5 + 5) + floats({7}))}), "s=[] 7");
  const std::string left = slice({{0, -1}, {0, 1}}), right = slice({{0, 2}, {1, 2}});
  EXPECT_EQ(v1(described("p", {2, 3}, f32, {left, right}),
               {saved("p", right, bytes(5, floats({2, 3, 5, 6}))), saved("p", left, bytes(5, floats({1, 4})))}),
            "p=[2,3] 1 2 3 4 5 6");
  EXPECT_EQ(v1(described("h", {2}, f16, {all1}), {saved("h", all1, bytes(13, varint(0x3c00) + varint(0xc000)))}),
            "h=[2] 1 -2");
  EXPECT_EQ(v1(described("n", {2}, i8, {all1}), {saved("n", all1, number(7, ~std::uint64_t{0}) + number(7, 5))}),
            "n=[2] -1 5");
  EXPECT_EQ(v1(described("", {0}, f32, {all1}), {saved("", all1, "")}), "=[0]");
}

TEST(TensorFlowV1, DescriptionsThatAreWrong) {
  const auto refused = [](const std::string& meta, const std::string& message) {
    expect_refused(v1(meta, {}), "v1.ckpt", message);
  };
  refused(described("w", {1}, 99, {}), "tensor 'w': unknown dtype 99");
  refused(described("w", {1}, 0, {}), "tensor 'w': unknown dtype 0");
  refused(described("w", {1}, 101, {}), "tensor 'w': unknown dtype 101");
  refused(described("w", {1}, complex64, {}), "dtype complex64 is not supported (F16");
  refused(described("w", {1}, boolean, {}), "dtype bool is not supported");
  refused(described("w", {1}, bf16, {all1}), "0 of 1 slices");
  expect_refused(v1(described("w", {1}, bf16, {all1}), {saved("w", all1, bytes(13, varint(1)))}), "v1.ckpt",
                 "bfloat16 has no place in a V1 checkpoint");
  refused(described("w", {1}, f32, {}) + described("w", {1}, f32, {}), "the name 'w' occurs twice");
  refused(described("w", {std::int64_t{1} << 32, std::int64_t{1} << 32}, f32, {}), "overflows 64 bits");
  refused(described("w", {std::int64_t{1} << 61}, f32, {}), "overflows 64 bits");
  refused(described("w", {-1}, f32, {}), "the shape has the extent -1");
  refused(bytes(1, bytes(1, "w") + bytes(2, number(3, 1)) + number(3, 1)), "the shape's rank is unknown");
  refused(described("w", {1, 1, 1, 1, 1}, f32, {}), "has 5 dimensions; at most 4 are supported");
  refused(described("w", {4}, f32, {slice({{2, 3}})}),
          "begins at 2 and has length 3 on axis 0, where the tensor has 4");
  refused(described("w", {4}, f32, {slice({{-1, 3}})}), "begins at -1");
  refused(described("w", {4}, f32, {slice({{1, -2}})}), "has length -2");
  refused(described("w", {4}, f32, {all2}), "more axes than the tensor, which has 1");
  refused(described("w", {4, 4}, f32, {all1}), "the slice has 1 axes, the tensor 2");
  refused(bytes(2, number(1, 9) + number(2, 2)), "needs a reader of checkpoint version 2, this one knows 1");
  EXPECT_EQ(v1(bytes(2, number(1, 9) + number(2, 1)), {}), "");
  expect_refused(v1({{"", bytes(1, "") + bytes(1, "")}}), "v1.ckpt", "described twice");
  expect_refused(v1(Entries{}), "v1.ckpt", "no description of variables");
  expect_refused(v1({{"", bytes(3, "")}}), "v1.ckpt", "belongs to no V1 checkpoint");
  expect_refused(v1({{"a", bytes(1, "")}}), "v1.ckpt", "belongs to no V1 checkpoint");
}

TEST(TensorFlowV1, SlicesThatAreWrong) {
  const auto refused = [](const std::string& meta, const std::vector<std::string>& slices, const std::string& message) {
    expect_refused(v1(meta, slices), "v1.ckpt", message);
  };
  const std::string one = described("w", {4}, f32, {all1});
  refused(one, {}, "the file has 0 of 1 slices with 0 of 4 elements");
  refused(one, {saved("w", all1, bytes(5, floats({1, 2, 3})))}, "a slice [4] of float32 has 3 values");
  refused(one, {saved("w", all1, bytes(5, floats({1, 2, 3, 4, 5})))}, "has 5 values");
  refused(one, {saved("w", all1, bytes(6, std::string(32, '\0')))}, "has 0 values");  // doubles
  refused(one, {saved("w", all1, bytes(4, floats({1, 2, 3, 4})))}, "has 0 values");   // tensor_content
  refused(one, {saved("v", all1, "")}, "a slice of 'v', which the file does not describe");
  refused(one, {saved("w", slice({{0, 5}}), "")}, "where the tensor has 4");
  refused(one, {bytes(2, bytes(1, "w"))}, "the slice has 0 axes, the tensor 1");
  refused(described("w", {std::int64_t{1} << 40}, f32, {all1}), {saved("w", all1, "")}, "has 0 values");
  const std::string a = slice({{0, 2}}), b = slice({{2, 2}}), ab = slice({{1, 2}});
  const std::string two = bytes(5, floats({1, 2}));
  const std::string parts = described("w", {4}, f32, {a, b});
  EXPECT_EQ(v1(parts, {saved("w", b, two), saved("w", a, two)}), "w=[4] 1 2 1 2");
  refused(parts, {saved("w", a, two)}, "the file has 1 of 2 slices with 2 of 4 elements");
  refused(parts, {saved("w", a, two), saved("w", ab, two)}, "two of its slices overlap");
  refused(parts, {saved("w", a, two), saved("w", a, two)}, "two of its slices overlap");
  refused(parts, {saved("w", a, two), saved("w", b, two), saved("w", b, two)}, "3 of 2 slices");
  refused(described("n", {1}, i8, {all1}), {saved("n", all1, number(7, 128))}, "128 is no int8");
  refused(described("n", {1}, u8, {all1}), {saved("n", all1, number(7, ~std::uint64_t{0}))}, "-1 is no uint8");
  refused(described("n", {1}, f16, {all1}), {saved("n", all1, number(13, 65536))}, "65536 is no float16");
}

// --- V2 ---------------------------------------------------------------------------------------------------------------

const std::string data = floats({1, 2, 3, 4, 5, 6});
const std::string header = number(1, 1) + bytes(3, number(1, 1));

/// A BundleEntryProto; its checksum is right as long as the place is.
std::string placed(const std::vector<std::int64_t>& extents, std::uint64_t type, std::uint64_t begin,
                   std::uint64_t size, std::uint64_t shard = 0, std::uint32_t damage = 0) {
  std::uint32_t checksum = damage;
  if (begin <= data.size()) checksum += masked_crc32c(crc32c(std::string_view(data).substr(begin, size)));
  return number(1, type) + bytes(2, shape(extents)) + (shard != 0 ? number(3, shard) : "") + number(4, begin) +
         number(5, size) + varint(8 * 6 + 5) + fixed32(checksum);
}
std::string partitioned(const std::vector<std::int64_t>& extents, const std::vector<std::string>& slices) {
  std::string out = number(1, f32) + bytes(2, shape(extents));
  for (const std::string& s : slices) out += bytes(7, s);
  return out;
}
std::string v2(Entries entries, const std::string& head = header, const ReadOptions& options = {}) {
  entries.insert(entries.begin(), {"", head});
  const std::string file = table_of(entries);
  return outcome([&] {
    return checkpoint::parse_tensorflow_v2(
        file, "v2.index",
        [](std::uint64_t count) {
          return std::vector<checkpoint::tensorflow::Shard>(count, {"v2.data", data});
        },
        options);
  });
}
/// Under TensorFlow's key for a slice of one axis: 0 name 0 1, one axis, begin, length.
std::string key_of(const std::string& name, char begin, char length) {
  return std::string(1, '\0') + name + std::string("\0\1\1\1", 4) + static_cast<char>(0x80 + begin) +
         static_cast<char>(0x80 + length);
}

TEST(TensorFlowV2, SoundFilesAreRead) {
  EXPECT_EQ(v2({{"a", placed({2}, f32, 0, 8)}, {"b", placed({2, 1}, f32, 16, 8)}}), "a=[2] 1 2 b=[2,1] 5 6");
  EXPECT_EQ(v2({{"e", placed({0, 5}, f32, 24, 0)}, {"s", placed({}, f32, 4, 4)}}), "e=[0,5] s=[] 2");
  EXPECT_EQ(v2({{key_of("p", 0, 2), placed({2}, f32, 16, 8)},
                {key_of("p", 2, 1), placed({1}, f32, 0, 4)},
                {"p", partitioned({3}, {slice({{2, 1}}), slice({{0, 2}})})}}),
            "p=[3] 5 6 1");
  EXPECT_EQ(v2({}), "");
}

TEST(TensorFlowV2, HeadersThatAreWrong) {
  const auto refused = [](const std::string& head, const std::string& message) {
    expect_refused(v2({}, head), "v2.index", message);
  };
  refused("", "the checkpoint has 0 data files");
  refused(number(1, 0), "the checkpoint has 0 data files");
  refused(number(1, 100000), "the checkpoint has 100000 data files");
  refused(number(1, ~std::uint64_t{0}), "the checkpoint has -1 data files");
  refused(number(1, 1) + number(2, 1), "big endian, which is not supported");
  refused(number(1, 1) + bytes(3, number(2, 2)), "needs a reader of checkpoint version 2");
  const std::string empty = table({block("")}), headless = table_of({{"a", placed({2}, f32, 0, 8)}});
  const auto read = [](const std::string& file) {
    return outcome([&] {
      return checkpoint::parse_tensorflow_v2(file, "v2.index",
                                             [](auto) { return std::vector<checkpoint::tensorflow::Shard>(); });
    });
  };
  expect_refused(read(empty), "v2.index", "its index is empty");
  expect_refused(read(headless), "v2.index", "its index has no header");
}

TEST(TensorFlowV2, EntriesThatAreWrong) {
  const auto refused = [](const std::string& entry, const std::string& message, const std::string& path = "v2.index") {
    expect_refused(v2({{"a", entry}}), path, message);
  };
  refused(placed({2}, 99, 0, 8), "tensor 'a': unknown dtype 99");
  refused(placed({1}, complex64, 0, 8), "dtype complex64 is not supported");
  refused(placed({2}, f32, 0, 8, 1), "in data file 1 of 1");
  refused(placed({2}, f32, 0, 8, ~std::uint64_t{0}), "in data file -1 of 1");
  refused(placed({2}, f32, ~std::uint64_t{0}, 8), "8 bytes at offset -1");
  refused(placed({2}, f32, 0, ~std::uint64_t{0}), "-1 bytes at offset 0");
  refused(placed({2}, f32, 17, 8), "8 bytes at offset 17 of v2.data, which has 24");
  refused(placed({2}, f32, 25, 0), "0 bytes at offset 25 of v2.data");
  refused(placed({std::int64_t{1} << 40}, f32, 0, std::uint64_t{1} << 42), "of v2.data, which has 24");
  refused(placed({3}, f32, 0, 8), "float32 [3] needs 12 bytes, the index says 8");
  refused(placed({2}, f64, 0, 8), "float64 [2] needs 16 bytes, the index says 8");
  refused(placed({std::int64_t{1} << 32, std::int64_t{1} << 32}, f32, 0, 0), "overflows 64 bits");
  refused(placed({1, 1, 1, 1, 2}, f32, 0, 8), "has 5 dimensions");
  refused(placed({2}, f32, 8, 8, 0, 1), "byte 8: tensor 'a': the checksum is ", "v2.data");
  expect_refused(v2({{"a", placed({2}, f32, 0, 8)}, {"b", placed({2}, f32, 4, 8)}}), "v2.index",
                 "tensor 'b' begins at byte 4 of v2.data, where tensor 'a' lies: tensors overlap");
  expect_refused(v2({{"a", placed({2}, f32, 0, 8)}, {"b", placed({2}, f32, 0, 8)}}), "v2.index", "tensors overlap");
  EXPECT_EQ(v2({{"a", placed({1}, text, 8, 8, 0, 1)}}), "");  // passed over, so its checksum does not matter,
  refused(placed({1}, text, 20, 8), "which has 24");          // but its place does
  EXPECT_EQ(v2({{"a", placed({2}, f32, 0, 8)}, {"b", placed({2}, f32, 0, 8, 1)}}, number(1, 2)), "a=[2] 1 2 b=[2] 1 2");
}

TEST(TensorFlowV2, SlicesThatAreWrong) {
  const std::string a = slice({{0, 2}}), b = slice({{2, 1}}), across = slice({{1, 2}});
  const auto refused = [&](const std::vector<std::string>& slices, const Entries& saved, const std::string& message) {
    Entries entries = saved;
    entries.emplace_back("p", partitioned({3}, slices));
    expect_refused(v2(entries), "v2.index", message);
  };
  const std::pair<std::string, std::string> first{key_of("p", 0, 2), placed({2}, f32, 16, 8)},
      second{key_of("p", 2, 1), placed({1}, f32, 0, 4)};
  refused({a, b}, {first}, "its slice [1] at [2] is missing");
  refused({a}, {first, second}, "its slices have 2 of 3 elements");
  refused({a, a}, {first, second}, "its slice [2] at [0] is named twice");
  refused({slice({{0, 1}}), across}, {first, second}, "is missing");
  refused({b, across}, {{key_of("p", 1, 2), placed({2}, f32, 16, 8)}, second}, "two of its slices overlap");
  refused({a, b}, {{first.first, placed({3}, f32, 8, 12)}, second}, "its slice [2] at [0] is float32 [3]");
  refused({a, b}, {{first.first, placed({2}, f64, 8, 16)}, second}, "its slice [2] at [0] is float64 [2]");
  refused({a, b}, {{first.first, placed({2}, f32, 8, 4)}, second}, "its slice [2] at [0] takes 4 bytes");
  refused({slice({{2, 2}})}, {}, "where the tensor has 3");
}

TEST(TensorFlowNames, TwoVariablesOfOneName) {
  expect_refused(v2({{"a", placed({2}, f32, 0, 8)}, {"a/.ATTRIBUTES/VARIABLE_VALUE", placed({2}, f32, 8, 8)}}),
                 "v2.index", "'a' and 'a/.ATTRIBUTES/VARIABLE_VALUE' are both the tensor 'a'");
}

TEST(TensorFlowNames, AveragesAndSlots) {
  const std::string average = "/ExponentialMovingAverage";
  const Entries entries{{"a", placed({1}, f32, 0, 4)},
                        {"a" + average, placed({1}, f32, 4, 4)},
                        {"a/Momentum", placed({1}, f32, 8, 4)},
                        {"a/other", placed({1, 1}, f32, 12, 4)},  // of another shape: no slot
                        {"b" + average, placed({1}, f32, 16, 4)},
                        {"c/step", placed({}, f32, 20, 4)}};
  EXPECT_EQ(v2(entries), "a=[1] 2 a/other=[1,1] 4 b=[1] 5 c/step=[] 6");
  EXPECT_EQ(v2(entries, header, {.prefer_averages = false}), "a=[1] 1 a/other=[1,1] 4 c/step=[] 6");
  expect_refused(v2({{"a", placed({1}, f32, 0, 4)}, {"a" + average, placed({2}, f32, 4, 8)}}), "v2.index",
                 "'a/ExponentialMovingAverage' is float32 [2], its variable float32 [1]");
}

}  // namespace tensorflow_faults_test
