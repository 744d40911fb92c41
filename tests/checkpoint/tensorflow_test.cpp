// Checkpoints written by TensorFlow (tests/golden/tensorflow): every tensor, byte for byte, and the rules of names.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "checkpoint/folder.hpp"
#include "tinyvision/checkpoint/weight_file.hpp"

namespace tensorflow_test {

using namespace tinyvision;
using checkpoint::load_weight_file;
using checkpoint::ReadOptions;

std::string golden(const std::string& name) { return TINYVISION_SOURCE_DIR "/tests/golden/tensorflow/" + name; }

/// "3,5 f32 <sha256>" of a tensor, as expected.tsv has it.
std::string summary(const Tensor& tensor) {
  std::string shape = tensor.shape().text();
  shape = shape.substr(1, shape.size() - 2);
  return shape + " " + to_string(tensor.dtype()) + " " +
         sha256_hex({static_cast<const char*>(tensor.raw()), tensor.bytes()});
}

/// expected.tsv: (file, averages) -> name -> summary.
std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> expected_tensors() {
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> table;
  std::ifstream in(golden("expected.tsv"));
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    table[{cells.at(0), cells.at(1)}][cells.at(2)] = cells.at(3) + " " + cells.at(4) + " " + cells.at(5);
  }
  return table;
}

TEST(TensorFlowFiles, EveryValueIsTheOneThatWasSaved) {
  const auto table = expected_tensors();
  ASSERT_EQ(table.size(), 8u);
  for (const auto& [key, expected] : table) {
    const auto& [file, averages] = key;
    ReadOptions options;
    options.prefer_averages = averages == "on";
    const WeightFile weights = load_weight_file(golden(file), options);
    EXPECT_EQ(weights.tensors.size(), expected.size()) << file;
    for (const auto& [name, tensor] : weights.tensors) {
      ASSERT_TRUE(expected.contains(name)) << file << ": " << name;
      EXPECT_EQ(summary(tensor), expected.at(name)) << file << ", averages " << averages << ": " << name;
    }
  }
}

TEST(TensorFlowFiles, WhatWasUsedAndWhatNotIsReported) {
  const WeightFile file = load_weight_file(golden("v1.ckpt"));
  EXPECT_EQ(file.format, "TensorFlow V1 checkpoint");
  EXPECT_EQ(file.sha256, sha256_file(golden("v1.ckpt")));
  EXPECT_EQ(file.averaged.size(), 18u);  // 17 weights and only/shadow
  std::map<std::string, std::string> reasons;
  for (const auto& [name, reason] : file.passed_over) reasons[name] = reason;
  EXPECT_EQ(reasons.size(), 2u + 2 * 11);
  EXPECT_EQ(reasons["global_step"], "step counter");
  EXPECT_EQ(reasons["beta1_power"], "optimiser's state");
  EXPECT_EQ(reasons["MobilenetV1/Conv2d_0/weights/RMSProp_1"], "optimiser slot");
  const WeightFile plain = load_weight_file(golden("v1.ckpt"), {.prefer_averages = false});
  EXPECT_TRUE(plain.averaged.empty());
  EXPECT_EQ(plain.passed_over.size(), reasons.size() + 18);
  EXPECT_EQ(plain.find("only/shadow"), nullptr);

  const WeightFile objects = load_weight_file(golden("object.ckpt-1"));
  reasons.clear();
  for (const auto& [name, reason] : objects.passed_over) reasons[name] = reason;
  EXPECT_EQ(reasons["_CHECKPOINTABLE_OBJECT_GRAPH"], "text");
  EXPECT_EQ(reasons["save_counter/.ATTRIBUTES/VARIABLE_VALUE"], "step counter");
  EXPECT_EQ(reasons["global_step/.ATTRIBUTES/VARIABLE_VALUE"], "step counter");
  EXPECT_EQ(reasons["model/first/bias/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE"], "optimiser slot");
  EXPECT_EQ(reasons["optimizer/beta1_power/.ATTRIBUTES/VARIABLE_VALUE"], "optimiser's state");
}

TEST(TensorFlowFiles, ABundleIsNamedByItsPrefixOrItsIndex) {
  const WeightFile file = load_weight_file(golden("v2_sharded.ckpt"));
  EXPECT_EQ(file.format, "TensorFlow V2 checkpoint");
  EXPECT_EQ(file.path, golden("v2_sharded.ckpt.index"));
  EXPECT_EQ(file.further_files.size(), 3u);
  std::string bytes = read_file(file.path);
  for (const std::string& shard : file.further_files) bytes += read_file(shard);
  EXPECT_EQ(file.sha256, sha256_hex(bytes));
  EXPECT_EQ(load_weight_file(golden("v2_sharded.ckpt.index")).sha256, file.sha256);
}

TEST(TensorFlowFiles, WhatTheyHoldIsWrittenAndReadAgain) {
  const TestFolder folder;
  const WeightFile file = load_weight_file(golden("v2.ckpt"));
  save_safetensors(folder.path("w"), file.tensors);
  const WeightFile copy = load_weight_file(folder.path("w"));
  EXPECT_EQ(copy.format, "safetensors");
  ASSERT_EQ(copy.tensors.size(), file.tensors.size());
  for (std::size_t i = 0; i < copy.tensors.size(); ++i) {
    EXPECT_EQ(copy.tensors[i].first, file.tensors[i].first);
    EXPECT_EQ(summary(copy.tensors[i].second), summary(file.tensors[i].second)) << copy.tensors[i].first;
  }
}

/// "name summary ..." of what is read, or "refused" when the error names `path`.
template <class Read>
std::string contents(Read read, const std::string& path) {
  std::string out;
  try {
    for (const auto& [name, tensor] : read().tensors) out += name + " " + summary(tensor) + "\n";
  } catch (const UsageError& error) {
    return std::string(error.what()).find(path) != std::string::npos ? "refused" : error.what();
  }
  return out;
}

TEST(TensorFlowFiles, NoChangedBitGoesUnnoticed) {
  const std::string good = read_file(TINYVISION_SOURCE_DIR "/tests/fuzz/seeds/tf_v1/seed_0");
  const auto read = [](const std::string& file) {
    return contents([&] { return checkpoint::parse_tensorflow_v1(file, "v1"); }, "v1");
  };
  const std::string expected = read(good);
  ASSERT_NE(expected.find("a/w 2,3 f32"), std::string::npos) << expected;
  for (std::size_t at = 0; at < good.size(); ++at) {
    EXPECT_EQ(read(good.substr(0, at)), "refused") << at;
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = good;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      const std::string outcome = read(changed);
      // Only zeros that fill the footer up do not matter.
      if (outcome != "refused") {
        EXPECT_EQ(outcome, expected) << "bit " << bit << " of byte " << at;
        EXPECT_TRUE(at >= good.size() - 48 && good[at] == '\0') << "bit " << bit << " of byte " << at;
      }
    }
  }
}

TEST(TensorFlowFiles, NoChangedBitOfABundleGoesUnnoticed) {
  const std::string seed = read_file(TINYVISION_SOURCE_DIR "/tests/fuzz/seeds/tf_v2/seed_0");
  const std::size_t split = static_cast<unsigned char>(seed[0]) + 256u * static_cast<unsigned char>(seed[1]);
  const std::string index = seed.substr(4, split), data = seed.substr(4 + split);
  const auto read = [](const std::string& index_bytes, const std::string& data_bytes) {
    const auto open = [&](std::uint64_t count) {
      return std::vector<checkpoint::tensorflow::Shard>(count, {"v2", data_bytes});
    };
    return contents([&] { return checkpoint::parse_tensorflow_v2(index_bytes, "v2", open); }, "v2");
  };
  const std::string expected = read(index, data);
  ASSERT_NE(expected.find("a/w 2,3 f32"), std::string::npos) << expected;
  int unnoticed = 0;
  for (std::size_t at = 0; at < data.size(); ++at) {
    EXPECT_EQ(read(index, data.substr(0, at)), "refused") << at;
    std::string changed = data;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    unnoticed += read(index, changed) == expected;
  }
  EXPECT_EQ(unnoticed, 6 * 4 + 8);  // the variable that has a moving average, and global_step
  for (std::size_t at = 0; at < index.size(); ++at) {
    EXPECT_EQ(read(index.substr(0, at), data), "refused") << at;
    std::string changed = index;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    if (at < index.size() - 48 || index[at] != '\0') {
      EXPECT_EQ(read(changed, data), "refused") << at;
    }
  }
}

TEST(WeightFiles, OfNoKnownFormat) {
  const TestFolder folder;
  const auto error_of = [&](const std::string& name) -> std::string {
    try {
      load_weight_file(folder.path(name));
    } catch (const UsageError& error) {
      return error.what();
    }
    return "loaded";
  };
  write_file_atomically(folder.path("text"), "hello, world");
  write_file_atomically(folder.path("empty"), "");
  write_file_atomically(folder.path("w.index"), read_file(golden("v2.ckpt.index")));
  write_file_atomically(folder.path("w.data-00000-of-00001"), std::string(100, 'x'));
  EXPECT_EQ(error_of("text").find("[weights] " + folder.path("text") + ": byte 0: of no known format (TensorFlow V2"),
            0u)
      << error_of("text");
  EXPECT_NE(error_of("text").find("it begins with 68 65 6c 6c 6f 2c 20 77"), std::string::npos) << error_of("text");
  EXPECT_NE(error_of("empty").find("it is empty"), std::string::npos) << error_of("empty");
  EXPECT_NE(error_of("missing").find("missing: No such file"), std::string::npos) << error_of("missing");
  EXPECT_NE(error_of(".").find("is a folder"), std::string::npos) << error_of(".");
  EXPECT_NE(error_of("w.data-00000-of-00001").find("name the whole by " + folder.path("w")), std::string::npos)
      << error_of("w.data-00000-of-00001");
  std::filesystem::remove(folder.path("w.data-00000-of-00001"));
  EXPECT_NE(error_of("w").find("w.data-00000-of-00001: No such file"), std::string::npos) << error_of("w");
  // A bundle's index under another name leads nowhere.
  write_file_atomically(folder.path("w.idx"), read_file(golden("v2.ckpt.index")));
  EXPECT_NE(error_of("w.idx").find("must be called PREFIX.index"), std::string::npos) << error_of("w.idx");
}

}  // namespace tensorflow_test
