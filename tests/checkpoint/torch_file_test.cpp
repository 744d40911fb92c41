// Files of torch.save: both formats against what PyTorch stored, and what must be refused.
#include "tinyvision/checkpoint/torch_file.hpp"

#include "checkpoint/fixture.hpp"

namespace torch_file_test {

using namespace tinyvision;
using checkpoint::parse_torch;

std::string error_of(const std::string& file) {
  return refusal_of([&] { parse_torch(file, "w.file"); });
}
void expect_refused(const std::string& file, const std::string& message) {
  const std::string error = error_of(file);
  EXPECT_EQ(error.rfind("[torch file] w.file: byte ", 0), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
  return out;
}

// Parts of pickles.
std::string text(const std::string& value) { return "X" + little_endian(value.size(), 4) + value; }
std::string number(std::int64_t value) { return "\x8a\x08" + little_endian(static_cast<std::uint64_t>(value), 8); }
std::string storage(const std::string& type = "FloatStorage", std::int64_t elements = 4, const std::string& key = "0") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") + number(elements) + "tQ";
}
std::string tuple(const std::vector<std::int64_t>& values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += number(value);
  return out + "t";
}
std::string tensor(const std::string& from, std::int64_t offset, const std::vector<std::int64_t>& size,
                   const std::vector<std::int64_t>& stride) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + from + number(offset) + tuple(size) + tuple(stride) + "\x89}tR";
}
std::string dict(const std::string& value) { return "\x80\x02}" + text("w") + value + "s."; }

/// The legacy format around an object's pickle, with one storage "0" of four floats 0, 1, 2, 3.
std::string legacy(const std::string& object, const std::string& keys = "\x80\x02](" + text("0") + "e.",
                   const std::string& after = "") {
  std::string elements;
  for (const float value : {0.0f, 1.0f, 2.0f, 3.0f}) elements += std::string(reinterpret_cast<const char*>(&value), 4);
  return std::string(checkpoint::detail::torch_legacy_magic) + "\x80\x02M\xe9\x03." + "\x80\x02}" +
         text("little_endian") + "\x88s." + object + keys + little_endian(4, 8) + elements + after;
}

struct Entry {
  std::string name, bytes;
  int method = 0;
};
/// A zip archive of stored entries.
std::string zip(const std::vector<Entry>& entries) {
  std::string file, directory;
  for (const Entry& e : entries) {
    const std::string sizes = little_endian(e.bytes.size(), 4) + little_endian(e.bytes.size(), 4);
    directory += "PK\1\2" + little_endian(0, 6) + little_endian(static_cast<std::uint64_t>(e.method), 2) +
                 little_endian(0, 8) + sizes + little_endian(e.name.size(), 2) + little_endian(0, 12) +
                 little_endian(file.size(), 4) + e.name;
    file += "PK\3\4" + little_endian(0, 4) + little_endian(static_cast<std::uint64_t>(e.method), 2) +
            little_endian(0, 8) + sizes + little_endian(e.name.size(), 2) + little_endian(0, 2) + e.name + e.bytes;
  }
  return file + directory + "PK\5\6" + little_endian(0, 4) + little_endian(entries.size(), 2) +
         little_endian(entries.size(), 2) + little_endian(directory.size(), 4) + little_endian(file.size(), 4) +
         little_endian(0, 2);
}
std::string zipped(const std::string& object, const std::string& storage_bytes = std::string(16, '\0')) {
  return zip({{"a/data.pkl", object}, {"a/byteorder", "little"}, {"a/data/0", storage_bytes}});
}

const std::string good = dict(tensor(storage(), 0, {2, 2}, {2, 1}));

TEST(TorchFile, ReadsWhatPyTorchWrote) {
  for (const char* name : {"torch_zip.pth", "torch_legacy.pth", "torch_checkpoint.pth"}) {
    const WeightFile file = load_torch(fixture(name));
    expect_fixture(file, name);
    EXPECT_EQ(file.sha256, sha256_file(fixture(name)));
  }
  EXPECT_EQ(load_torch(fixture("torch_zip.pth")).format, "PyTorch (zip)");
  EXPECT_EQ(load_torch(fixture("torch_legacy.pth")).format, "PyTorch (legacy)");
}

TEST(TorchFile, WhatStandsBesideTheWeights) {
  const WeightFile file = load_torch(fixture("torch_checkpoint.pth"));
  EXPECT_EQ(file.metadata, (checkpoint::Metadata{{"epoch", "7"}, {"arch", "tiny"}, {"best", "0.5"}}));
  ASSERT_EQ(file.passed_over.size(), 1u);
  EXPECT_EQ(file.passed_over[0].name, "optimizer");
  EXPECT_NE(file.find("0.weight"), nullptr) << "the prefix of DataParallel is taken off";
}

TEST(TorchFile, StridedViews) {
  const auto values = [](std::int64_t offset, const std::vector<std::int64_t>& size,
                         const std::vector<std::int64_t>& stride) {
    return parse_torch(legacy(dict(tensor(storage(), offset, size, stride))), "w.file").tensor("w").to_vector<float>();
  };
  EXPECT_EQ(values(0, {2, 2}, {2, 1}), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(values(0, {2, 2}, {1, 2}), (std::vector<float>{0, 2, 1, 3}));
  EXPECT_EQ(values(1, {2}, {2}), (std::vector<float>{1, 3}));
  EXPECT_EQ(values(3, {}, {}), (std::vector<float>{3}));
  EXPECT_EQ(values(0, {2, 1, 2}, {2, 17, 1}), (std::vector<float>{0, 1, 2, 3})) << "the stride of an extent 1 is free";
}

TEST(TorchFile, FilesOfPyTorchThatAreRefused) {
  const auto refusal = [](const char* name) { return refusal_of([&] { load_torch(fixture(name)); }); };
  const auto expect = [&](const char* name, const char* message) {
    EXPECT_NE(refusal(name).find(message), std::string::npos) << refusal(name);
    EXPECT_NE(refusal(name).find(std::string(name) + ": byte "), std::string::npos) << refusal(name);
  };
  expect("bad_callable.pth", "names the callable 'posix.system', which is not among those that weights need");
  expect("bad_callable_legacy.pth", "names the callable 'posix.system'");
  expect("bad_module.pth", "names the callable '");
  expect("bad_compressed.pth", "is compressed (method 8); only stored entries are read");
  expect("bad_cycle.pth", "the value contains itself");
  expect("bad_bool.pth", "storages of dtype BOOL are not supported");
  expect("bad_rank.pth", "tensor 'a' has 5 dimensions; at most 4");
}

TEST(TorchFile, TensorsMustLieWithinTheirStorage) {
  EXPECT_EQ(error_of(legacy(good)), "read");
  EXPECT_EQ(error_of(zipped(good)), "read");
  const auto refused = [](std::int64_t offset, const std::vector<std::int64_t>& size,
                          const std::vector<std::int64_t>& stride, const std::string& message) {
    expect_refused(legacy(dict(tensor(storage(), offset, size, stride))), message);
    expect_refused(zipped(dict(tensor(storage(), offset, size, stride))), message);
  };
  refused(0, {5}, {1}, "tensor 'w' has 5 elements, its storage 4");
  refused(1, {4}, {1}, "tensor 'w' reaches element 4 of a storage of 4");
  refused(0, {2, 2}, {3, 1}, "reaches element 4");
  refused(0, {1 << 20, 1 << 20}, {0, 0}, "elements, its storage 4");
  refused(0, {INT64_MAX, 4}, {1, 1}, "overflows 64 bits");
  refused(3, {2, 2}, {INT64_MAX, INT64_MAX}, "overflows 64 bits");
  refused(-1, {2}, {1}, "offset is negative: -1");
  refused(0, {-2}, {1}, "a size is negative: -2");
  refused(0, {2}, {-1}, "a stride is negative: -1");
  refused(0, {2}, {1, 1}, "1 sizes and 2 strides");
  expect_refused(legacy(dict(tensor(storage("FloatStorage", 5), 0, {2}, {1}))),
                 "storage '0' of 5 elements F32 has 16 bytes");
  expect_refused(legacy(dict(tensor(storage("FloatStorage", -1), 0, {2}, {1}))), "of -1 elements");
  expect_refused(zipped(dict(tensor(storage("FloatStorage", 4, "1"), 0, {2}, {1}))), "no storage '1'");
  // A storage shared so often that the tensors outgrow the file.
  std::string many = "\x80\x02}";
  for (int i = 0; i < 2000; ++i) {
    const std::string shared = i == 0 ? tensor(storage("ByteStorage", 100000), 0, {100000}, {1}) + "q\1" : "h\1";
    many += text("w" + std::to_string(i)) + shared + "s";
  }
  expect_refused(zipped(many + ".", std::string(100000, 'x')), "tensors share storages too often");
}

TEST(TorchFile, Pickles) {
  const auto refused = [](const std::string& object, const std::string& message) {
    expect_refused(zipped(object), message);
  };
  refused(dict("cbuiltins\neval\n"), "names the callable 'builtins.eval'");
  refused(dict(text("os") + text("system") + "\x93"), "names the callable 'os.system'");
  refused(dict("ctorch._utils\n_rebuild_tensor_v3\n"), "names the callable 'torch._utils._rebuild_tensor_v3'");
  refused(dict("ctorch\nFloatStorage"), "");
  refused(dict("ctorch\nFloatStorage\n)R"), "is made by 'torch FloatStorage'");
  refused(dict(text("eval") + ")R"), "calls a str");
  refused(dict("K\1K\2R"), "");
  refused(dict("i"), "opcode 105 is not among those that weights need");
  refused(dict("]\x81"), "opcode 129");
  refused(dict("N}b"), "sets attributes of None to a dict");
  refused("\x80\x09}.", "protocol 9 is not known");
  refused(
      "\x80\x02]q\1h\1"
      "a.",
      "the value contains itself");
  refused("\x80\x02}q\1(" + text("w") + "h\1u.", "the value contains itself");
  refused("\x80\x02h\7.", "memo entry 7 does not exist");
  refused("\x80\x02.", "the stack is empty");
  refused("\x80\x02u.", "no mark on the stack");
  refused("\x80\x02}(Nu.", "a key without a value");
  refused("\x80\x02]Na" + text("w") + "Ns.", "adds to a list where a dict belongs");
  refused("\x80\x02K\1.", "holds an int, not a dict");
  refused("\x80\x02}.", "holds no tensors by name");
  refused("\x80\x02}K\1" + tensor(storage(), 0, {2}, {1}) + "s.", "a name must be a str, not an int");
  refused("\x80\x02}" + text("w") + tensor(storage(), 0, {2}, {1}) + "s" + text("w") + tensor(storage(), 0, {2}, {1}) +
              "s.",
          "the name 'w' occurs twice");
  refused("\x80\x02" + std::string("X\xff\xff\xff\x7f"), "a string of 2147483647 bytes; at most 65536");
  refused("\x80\x02" + std::string(100, ']') + std::string(99, 'a') + ".", "values nested more than 32 deep");
  refused(dict(tensor("N", 0, {2}, {1})), "a tensor's storage must be a persistent id, not None");
  refused(dict(tensor("(" + text("module") + "tQ", 0, {2}, {1})), "");
  refused(dict("ctorch._utils\n_rebuild_parameter\n)R"), "a parameter's tensor is missing");
  refused(dict("ctorch._utils\n_rebuild_tensor_v2\n(NtR"), "must be a persistent id");
  refused("\x80\x02" + std::string(2'000'001, 'N') + ".", "more than 2000000 values");
  std::string puts = "\x80\x02N";
  for (int i = 0; i <= 1'000'000; ++i) puts += "\x94";
  refused(puts + ".", "more than 1000000 memo entries");
  // Dicts made of one list again and again.
  std::string dicts = "\x80\x02](";
  for (int i = 0; i < 200; ++i) dicts += "K\1K\2\x86";
  dicts +=
      "eq\1"
      "0";
  for (int i = 0; i < 200; ++i) dicts += "ccollections\nOrderedDict\nh\1\x85R0";
  refused(dicts + "}.", "dicts are made of the same lists too often");
}

TEST(TorchFile, ZipArchives) {
  const std::string bytes(16, '\0');
  expect_refused(zip({{"a/data/0", bytes}}), "no entry NAME/data.pkl");
  expect_refused(zip({{"a/data.pkl", good}, {"b/data.pkl", good}}), "a second entry 'data.pkl'");
  expect_refused(zip({{"a/data.pkl", good}, {"a/byteorder", "big"}, {"a/data/0", bytes}}), "the byte order is 'big'");
  expect_refused(zip({{"a/data.pkl", good}, {"a/constants.pkl", good}}), "TorchScript");
  expect_refused(zip({{"a/data.pkl", good, 8}}), "is compressed (method 8)");
  expect_refused(zip({{"a/data.pkl", good}, {"a/data.pkl", good}}), "occurs twice");
  expect_refused("PK\3\4", "truncated");
  std::string moved = zipped(good);
  const std::size_t second = moved.rfind("PK\1\2", moved.rfind("PK\1\2") - 1);
  moved.replace(second + 42, 4, little_endian(0, 4));  // the directory's second entry points to the first
  expect_refused(moved, "the local header's name is not 'a/byteorder'");
  std::string longer = zipped(good);
  const std::size_t first = longer.find("PK\1\2");
  longer.replace(first + 20, 8, little_endian(good.size() + 40, 4) + little_endian(good.size() + 40, 4));
  expect_refused(longer, "they overlap");
  longer.replace(first + 20, 8, little_endian(1 << 30, 4) + little_endian(1 << 30, 4));
  expect_refused(longer, "takes 1073741824 bytes");
}

TEST(TorchFile, LegacyFrame) {
  expect_refused(legacy(good, "\x80\x02](" + text("0") + text("1") + "e."), "storage '1' belongs to no tensor");
  expect_refused(legacy(good, "\x80\x02N."), "the storages' keys are None");
  expect_refused(legacy(good, "\x80\x02]."), "bytes after the last storage");
  expect_refused(legacy(good, "\x80\x02](" + text("0") + "e.", "x"), "1 bytes after the last storage");
  expect_refused("something else", "neither a zip archive nor PyTorch's magic number");
  std::string big = legacy(good);
  big[big.find("little_endian") + 13] = '\x89';
  expect_refused(big, "big-endian");
}

TEST(TorchFile, DamageIsSurvived) {
  const auto parse = [](const std::string& file) { parse_torch(file, "w.file"); };
  expect_damage_is_survived(legacy(good), parse);
  expect_damage_is_survived(zipped(good), parse);
  expect_damage_is_survived(read_file(fixture("torch_zip.pth")), parse, 7);
  expect_damage_is_survived(read_file(fixture("torch_legacy.pth")), parse, 7);
}

}  // namespace torch_file_test
