// tv_convert on checkpoints that TensorFlow wrote, and a network that runs from a checkpoint as from safetensors.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "checkpoint/tensorflow_builder.hpp"
#include "data/test_images.hpp"
#include "tinyvision/checkpoint/weight_file.hpp"
#include "tinyvision/models/registry.hpp"

namespace {

using namespace tinyvision;
using apps_test::Arguments;
using apps_test::Outcome;

std::string golden(const std::string& name) { return TINYVISION_SOURCE_DIR "/tests/golden/tensorflow/" + name; }

struct Desk {
  test_images::TemporaryFolder folder;
  Outcome convert(const Arguments& arguments) { return apps_test::run(folder.path(), "tv_convert", arguments); }
};

TEST(Convert, InspectsACheckpoint) {
  Desk desk;
  const Outcome shown = desk.convert({"inspect", golden("v1.ckpt"), "--out", desk.folder / "out"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const WeightFile file = load_weight_file(golden("v1.ckpt"));
  for (const std::string& name : file.names()) EXPECT_NE(shown.out.find("\n" + name + " "), std::string::npos) << name;
  EXPECT_NE(shown.out.find("passed over: global_step (step counter)\n"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("18 of them moving averages"), std::string::npos) << shown.out;
  const auto results = nlohmann::json::parse(apps_test::text_of(desk.folder / "out/results.json"));
  EXPECT_EQ(results["tensors"].size(), file.tensors.size());
  EXPECT_EQ(results["digests"]["weights"], sha256_file(golden("v1.ckpt")));
}

TEST(Convert, WhatItWritesVerifies) {
  Desk desk;
  const std::string output = desk.folder / "w.safetensors";
  const Outcome written = desk.convert({"convert", "--weights", golden("v2_sharded.ckpt"), "--output", output});
  ASSERT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(load_safetensors(output).metadata.at("source_format"), "TensorFlow V2 checkpoint");
  EXPECT_EQ(load_safetensors(output).metadata.at("moving_averages"), "18 of 31 tensors");
  const Outcome same = desk.convert({"verify", golden("v2.ckpt"), output});
  EXPECT_EQ(same.code, 0) << same.out << same.err;
  EXPECT_NE(same.out.find("\nequal\n"), std::string::npos) << same.out;
  const Outcome other = desk.convert({"verify", golden("v2.ckpt"), output, "--no-averages"});
  EXPECT_EQ(other.code, 1) << other.err;
  EXPECT_NE(other.out.find("18 tensors differ"), std::string::npos) << other.out;
  EXPECT_NE(other.out.find("only/shadow: only in " + output), std::string::npos) << other.out;
  EXPECT_EQ(desk.convert({"verify", golden("v2.ckpt"), golden("v1.ckpt")}).code, 1);  // two types fewer
}

TEST(Convert, RefusesBadFiles) {
  Desk desk;
  const std::string bad = desk.folder / "bad.ckpt";
  std::string bytes = apps_test::text_of(golden("v1.ckpt"));
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  test_images::write_file(bad, bytes);
  for (const Arguments& arguments : {Arguments{"inspect", bad}, Arguments{"verify", golden("v1.ckpt"), bad},
                                     Arguments{"convert", "--weights", bad, "--output", desk.folder / "x"}}) {
    const Outcome refused = desk.convert(arguments);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_NE(refused.err.find("tv_convert: error: [tensorflow] " + bad + ": byte 0: the block's checksum"),
              std::string::npos)
        << refused.err;
  }
  EXPECT_FALSE(std::filesystem::exists(desk.folder / "x"));
  EXPECT_EQ(desk.convert({"convert", "--weights", golden("v1.ckpt"), "--output", desk.folder / "x", "--restore-bn",
                          desk.folder / "photos"})
                .code,
            2);
  EXPECT_EQ(desk.convert({}).code, 2);
}

/// The values as a V2 checkpoint.
void write_bundle(const std::string& prefix, const checkpoint::NamedTensors& values) {
  std::string data;
  std::map<std::string, std::string> entries{{"", tf_files::number(1, 1)}};
  for (const auto& [name, tensor] : values) {
    const std::string bytes(static_cast<const char*>(tensor.raw()), tensor.bytes());
    std::vector<std::int64_t> extents;
    for (int axis = 0; axis < tensor.shape().rank(); ++axis) extents.push_back(tensor.dim(axis));
    entries[name] = tf_files::number(1, 1) + tf_files::bytes(2, tf_files::shape(extents)) +
                    tf_files::number(4, data.size()) + tf_files::number(5, bytes.size()) + tf_files::varint(8 * 6 + 5) +
                    tf_files::fixed32(masked_crc32c(crc32c(bytes)));
    data += bytes;
  }
  write_file_atomically(prefix + ".index", tf_files::table_of({entries.begin(), entries.end()}));
  write_file_atomically(prefix + ".data-00000-of-00001", data);
}

TEST(Convert, NetworksRunFromCheckpointsDirectly) {
  Desk desk;
  NetworkOptions options;
  options.classes = 11;
  options.width = 0.25;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 3);
  checkpoint::NamedTensors values, others;
  for (const Parameter& p : network->parameters()) values.emplace_back(p.name, p.variable.value());
  save_safetensors(desk.folder / "w.safetensors", values);
  // In the checkpoint the variables are others, and the moving averages are the weights.
  for (const auto& [name, value] : values) {
    others.emplace_back(name + "/ExponentialMovingAverage", value);
    others.emplace_back(name, Tensor::full(value.shape(), 0.5));
    others.emplace_back(name + "/Momentum", Tensor::full(value.shape(), 0.25));
  }
  write_bundle(desk.folder / "model.ckpt", others);
  test_images::write_file(desk.folder / "photos/p.jpg", test_images::jpeg(test_images::gradient(40, 50, 40)));
  const auto predict = [&](const std::string& weights) {
    return apps_test::run(desk.folder.path(), "tv_predict",
                          {"--network", "mobilenet_v1", "--width", "0.25", "--image-size", "32", "--weights", weights,
                           "--photos", desk.folder / "photos", "--json", "-", "--quiet"});
  };
  const Outcome expected = predict(desk.folder / "w.safetensors"), outcome = predict(desk.folder / "model.ckpt");
  ASSERT_EQ(expected.code, 0) << expected.err;
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["photos"], nlohmann::json::parse(expected.out)["photos"]);
  EXPECT_NE(outcome.err.find("137 of them moving averages; passed over: 137 optimiser slot"), std::string::npos)
      << outcome.err;

  const Outcome converted = desk.convert({"convert", "--network", "mobilenet_v1", "--width", "0.25", "--weights",
                                          desk.folder / "model.ckpt", "--output", desk.folder / "c.safetensors"});
  ASSERT_EQ(converted.code, 0) << converted.err;
  EXPECT_EQ(desk.convert({"verify", desk.folder / "w.safetensors", desk.folder / "c.safetensors"}).code, 0);
}

}  // namespace
