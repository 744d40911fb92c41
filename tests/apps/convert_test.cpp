// tv_convert on checkpoints that TensorFlow wrote, and a network that runs from a checkpoint as from safetensors.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "apps/small_data.hpp"
#include "checkpoint/bundle_writer.hpp"
#include "tinyvision/checkpoint/weight_file.hpp"

namespace convert_test {

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

TEST(Convert, NetworksRunFromCheckpointsDirectly) {
  Desk desk;
  const checkpoint::NamedTensors values = apps_test::named_values(*apps_test::narrow_mobilenet());
  checkpoint::NamedTensors others;
  save_safetensors(desk.folder / "w.safetensors", values);
  // In the checkpoint the variables are others, and the moving averages are the weights.
  for (const auto& [name, value] : values) {
    others.emplace_back(name + "/ExponentialMovingAverage", value);
    others.emplace_back(name, Tensor::full(value.shape(), 0.5));
    others.emplace_back(name + "/Momentum", Tensor::full(value.shape(), 0.25));
  }
  tf_files::write_bundle(desk.folder / "model.ckpt", others);
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

/// Values of apps_test::narrow_mobilenet; those whose names contain `without` are left out.
checkpoint::NamedTensors small_mobilenet(const std::string& without = "\n") {
  checkpoint::NamedTensors values = apps_test::named_values(*apps_test::narrow_mobilenet());
  std::erase_if(values, [&](const auto& value) { return value.first.find(without) != std::string::npos; });
  return values;
}

TEST(Convert, WhatMayBeMissing) {
  Desk desk;
  const auto convert = [&](const std::string& name, Arguments more) {
    Arguments all{"convert",          "--network", "mobilenet_v1",
                  "--width",          "0.25",      "--weights",
                  desk.folder / name, "--output",  desk.folder / "out.safetensors"};
    all.insert(all.end(), more.begin(), more.end());
    return desk.convert(all);
  };
  save_safetensors(desk.folder / "whole.safetensors", small_mobilenet());
  save_safetensors(desk.folder / "no_gamma.safetensors", small_mobilenet("/gamma"));
  save_safetensors(desk.folder / "no_logits.safetensors", small_mobilenet("/Logits/"));
  Outcome outcome = convert("no_gamma.safetensors", {});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("missing tensors, 27: 'MobilenetV1/Conv2d_0/BatchNorm/gamma'"), std::string::npos)
      << outcome.err;
  ASSERT_EQ(convert("no_gamma.safetensors", {"--allow-missing", "gamma"}).code, 0);
  EXPECT_EQ(desk.convert({"verify", desk.folder / "whole.safetensors", desk.folder / "out.safetensors"}).code, 0);
  EXPECT_EQ(convert("no_logits.safetensors", {"--allow-missing", "gamma,aux"}).code, 2);
  EXPECT_EQ(convert("no_logits.safetensors", {"--allow-missing", "logits"}).code, 0);
  EXPECT_EQ(convert("whole.safetensors", {"--allow-missing", "beta"}).code, 2);
}

TEST(Convert, AnAuxiliaryHeadThatNobodyReadsIsPassedOver) {
  Desk desk;
  NetworkOptions options = tf_slim_options("inception_v3");
  options.classes = 3;
  const auto network = make_network("inception_v3", options);
  const checkpoint::NamedTensors values = apps_test::named_values(*network);
  save_safetensors(desk.folder / "w.safetensors", values);
  const auto convert = [&](const Arguments& more) {
    Arguments all{"convert",
                  "--network",
                  "inception_v3",
                  "--bn-scale",
                  "off",
                  "--weights",
                  desk.folder / "w.safetensors",
                  "--output",
                  desk.folder / "out.safetensors"};
    all.insert(all.end(), more.begin(), more.end());
    return desk.convert(all);
  };
  const Outcome without = convert({});
  ASSERT_EQ(without.code, 0) << without.err;
  EXPECT_NE(without.err.find("auxiliary head"), std::string::npos) << without.err;
  EXPECT_EQ(load_weight_file(desk.folder / "out.safetensors").find("InceptionV3/AuxLogits/Conv2d_1b_1x1/weights"),
            nullptr);
  ASSERT_EQ(convert({"--auxiliary-head"}).code, 0);
  EXPECT_EQ(desk.convert({"verify", desk.folder / "w.safetensors", desk.folder / "out.safetensors"}).code, 0);
}

TEST(Convert, WritesPeersNamesAndOnnxModels) {
  Desk desk;
  NetworkOptions options = NetworkOptions::paper(1000);
  const auto network = make_network("mobilenet_v2", options);
  initialise(network->parameters(), 3);
  const checkpoint::NamedTensors values = apps_test::named_values(*network);
  save_safetensors(desk.folder / "w.safetensors", values);
  const std::string map = TINYVISION_SOURCE_DIR "/models/maps/timm_mobilenetv2.map";
  const Arguments network_and_weights{"convert", "--network", "mobilenet_v2", "--weights"};
  const auto with_files = [&](const std::string& in, const std::string& out, const Arguments& more) {
    Arguments all = network_and_weights;
    all.insert(all.end(), {desk.folder / in, "--output", desk.folder / out});
    all.insert(all.end(), more.begin(), more.end());
    return desk.convert(all);
  };
  Outcome outcome = with_files("w.safetensors", "timm.safetensors", {"--output-map", map});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const WeightFile timm = load_weight_file(desk.folder / "timm.safetensors");
  ASSERT_NE(timm.find("conv_stem.weight"), nullptr);
  EXPECT_EQ(timm.find("conv_stem.weight")->shape(), (Shape{32, 3, 3, 3}));
  EXPECT_EQ(timm.metadata.at("names"), "timm mobilenetv2_100");
  ASSERT_EQ(with_files("timm.safetensors", "back.safetensors", {"--map", map}).code, 0);
  EXPECT_EQ(desk.convert({"verify", desk.folder / "w.safetensors", desk.folder / "back.safetensors"}).code, 0);

  outcome = with_files("w.safetensors", "w.onnx", {"--image-size", "65"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const WeightFile model = load_weight_file(desk.folder / "w.onnx");
  EXPECT_EQ(model.format, "ONNX");
  EXPECT_NE(model.find("MobilenetV2/Conv/weights"), nullptr);
  for (const Arguments& more :
       {Arguments{"--output", desk.folder / "x.onnx"}, Arguments{"--output", desk.folder / "x", "--output-map", map}}) {
    Arguments all{"convert", "--weights", desk.folder / "w.safetensors"};
    all.insert(all.end(), more.begin(), more.end());
    outcome = desk.convert(all);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.err.find("needs --network"), std::string::npos) << outcome.err;
  }
}

}  // namespace convert_test
