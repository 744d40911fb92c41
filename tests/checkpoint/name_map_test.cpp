// Name maps: patterns in either direction, layouts, and what does not fit. Every map of models/maps is read.
#include "tinyvision/checkpoint/name_map.hpp"

#include <filesystem>
#include <numeric>

#include "checkpoint/fixture.hpp"
#include "tinyvision/checkpoint/name_map_export.hpp"

namespace name_map_test {

using namespace tinyvision;
using checkpoint::apply_name_map;
using checkpoint::Captures;
using checkpoint::ExpectedTensor;
using checkpoint::NameMap;
using checkpoint::NamePattern;
using checkpoint::parse_name_map;

const std::map<std::string, checkpoint::NameChoice, std::less<>> choices{
    {"BN", {{"weight", "gamma"}, {"bias", "beta"}}}, {"AT", {{"1", "x"}, {"10", "y"}}}};

TEST(NamePatterns, MatchAndExpand) {
  const NamePattern peer("layer{b}.{u}.bn{c}.{BN}", false, choices);
  const NamePattern ours("block{b}/unit_{u+1}/conv{c}/{BN}", true, choices);
  Captures captures;
  ASSERT_TRUE(peer.match("layer3.10.bn2.bias", captures));
  EXPECT_EQ(ours.expand(captures), "block3/unit_11/conv2/beta");
  ASSERT_TRUE(ours.match("block3/unit_11/conv2/beta", captures));
  EXPECT_EQ(peer.expand(captures), "layer3.10.bn2.bias");
  for (const char* name : {"layer3.10.bn2.running_mean", "layer3.10.bn2", "layer.1.bn2.bias", "xlayer3.1.bn2.bias", "",
                           "layer-1.1.bn2.bias"})
    EXPECT_FALSE(peer.match(name, captures)) << name;
}

TEST(NamePatterns, ChoicesAndRepeats) {
  Captures captures;
  const NamePattern at("blocks.{AT}.w", false, choices);
  ASSERT_TRUE(at.match("blocks.10.w", captures)) << "a choice that is the begin of another";
  EXPECT_EQ(NamePattern("{AT}", true, choices).expand(captures), "y");
  const NamePattern twice("{n}/{n}", true, choices);
  EXPECT_TRUE(twice.match("4/4", captures));
  EXPECT_FALSE(twice.match("4/5", captures));
  EXPECT_TRUE(NamePattern("{*}.tracked", false, choices).match("a.b.tracked", captures));
  const NamePattern numbered("conv{#}/kernel", false, choices);
  ASSERT_TRUE(numbered.match("conv/kernel", captures));
  EXPECT_EQ(captures.at("#"), 0);
  ASSERT_TRUE(numbered.match("conv_12/kernel", captures));
  EXPECT_EQ(captures.at("#"), 12);
  EXPECT_FALSE(numbered.match("conv_x/kernel", captures));
  EXPECT_THROW(NamePattern("{NO}", false, choices), Error);
  EXPECT_THROW(NamePattern("{a", false, choices), Error);
  EXPECT_THROW(NamePattern("{a+x}", false, choices), Error);
  EXPECT_THROW(NamePattern("{b}", true, choices).expand({{"a", 1}}), Error);
}

const std::string text = R"(
network net scope=top/net   # ours
network other scope=x
peer somebody's net
classes 3
epsilon 1e-5
input RGB
differs padding
define BN weight=gamma|bias=beta
define FC weight=weights|bias=biases
pass {*}.tracked
conv conv{i}.weight {scope}/conv{i+1}/weights
depthwise dw.weight {scope}/dw/weights
same bn.{BN} {scope}/bn/{BN}
linear fc.{FC} {scope}/fc/{FC}
optional same aux.{BN} {scope}/aux/{BN}
sequence same seq{#}/w {scope}/seq/{*}
fill ones {scope}/bn/gamma
)";

Tensor counted(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  std::iota(values.begin(), values.end(), 0.0f);
  return Tensor::from_vector(shape, values);
}
std::vector<ExpectedTensor> expected() {
  return {{"top/net/conv1/weights", {2, 3, 4, 5}},
          {"top/net/dw/weights", {2, 3, 4, 2}},
          {"top/net/bn/gamma", {5}},
          {"top/net/bn/beta", {5}},
          {"top/net/fc/weights", {1, 1, 5, 3}},
          {"top/net/fc/biases", {3}},
          {"top/net/seq/first", {1}},
          {"top/net/seq/second", {1}}};
}
WeightFile peer_file() {
  WeightFile file;
  file.path = "w.pth";
  file.tensors = {{"conv0.weight", counted({5, 4, 2, 3})},
                  {"dw.weight", counted({8, 1, 2, 3})},
                  {"bn.bias", counted({5})},
                  {"bn.tracked", counted({})},
                  {"fc.weight", counted({3, 5})},
                  {"fc.bias", counted({3})},
                  {"aux.bias", counted({3})},
                  {"seq_10/w", Tensor::full({1}, 10)},
                  {"seq_9/w", Tensor::full({1}, 9)}};
  return file;
}

TEST(NameMaps, NamesAndLayouts) {
  const NameMap map = parse_name_map(text, "net", "m.map");
  EXPECT_EQ(map.peer, "somebody's net");
  EXPECT_EQ(map.classes, 3);
  EXPECT_EQ(map.epsilon, 1e-5);
  EXPECT_EQ(map.differs, std::vector<std::string>{"padding"});
  EXPECT_EQ(parse_name_map(text, "other", "m.map").peer, "");
  EXPECT_EQ(checkpoint::networks_of_map(text), (std::vector<std::string>{"net", "other"}));
  const WeightFile ours = apply_name_map(map, peer_file(), expected());
  const checkpoint::MatchedWeights matched = checkpoint::match_weights(ours, expected());
  const auto at = [](const Tensor& t, Index a, Index b, Index c, Index d) {
    const Shape& s = t.shape();
    return t.data<float>()[((a * s[1] + b) * s[2] + c) * s[3] + d];
  };
  // Elements of the peers' tensors are their flat positions.
  EXPECT_EQ(at(matched.tensors[0], 1, 2, 3, 4), ((4 * 4 + 3) * 2 + 1) * 3 + 2) << "OIHW to HWIO";
  EXPECT_EQ(at(matched.tensors[0], 0, 1, 2, 0), ((0 * 4 + 2) * 2 + 0) * 3 + 1);
  EXPECT_EQ(at(matched.tensors[1], 1, 2, 3, 1), ((3 * 2 + 1) * 2 + 1) * 3 + 2) << "channel c*M+m";
  EXPECT_EQ(matched.tensors[2].to_vector<float>(), std::vector<float>(5, 1)) << "filled";
  EXPECT_EQ(at(matched.tensors[4], 0, 0, 4, 1), 1 * 5 + 4) << "[O,I] to [1,1,I,O]";
  EXPECT_EQ(matched.tensors[6].to_vector<float>(), std::vector<float>{9}) << "in the order of the numbers";
  EXPECT_EQ(matched.tensors[7].to_vector<float>(), std::vector<float>{10});
  EXPECT_EQ(ours.passed_over.size(), 2u);
  EXPECT_EQ(ours.metadata.at("peer"), "somebody's net");
}

// The same map read backwards gives the peer's file again.
TEST(NameMaps, Export) {
  std::string named = text;  // numbers alone cannot be written
  named.replace(named.find("sequence same seq{#}/w {scope}/seq/{*}"), 38, "same seq_{n}/w {scope}/seq/{n}");
  named.replace(named.find("fill ones {scope}/bn/gamma"), 26, "fill ones {scope}/extra");
  std::vector<ExpectedTensor> wanted = expected();
  wanted[6].name = "top/net/seq/9", wanted[7].name = "top/net/seq/10";
  WeightFile peer = peer_file();
  peer.tensors.emplace_back("bn.weight", counted({5}));
  const NameMap map = parse_name_map(named, "net", "m.map");
  WeightFile ours = apply_name_map(map, peer, wanted);
  ours.tensors.emplace_back("top/net/extra", Tensor::full({2}, 1));
  std::map<std::string, Tensor> again;
  for (const auto& [name, tensor] : export_with_name_map(map, ours.tensors)) again.emplace(name, tensor);
  EXPECT_EQ(again.size(), 8u);
  for (const auto& [name, tensor] : peer.tensors) {
    if (name == "bn.tracked" || name == "aux.bias") continue;
    ASSERT_TRUE(again.contains(name)) << name;
    EXPECT_EQ(again.at(name).shape(), tensor.shape()) << name;
    EXPECT_EQ(again.at(name).to_vector<float>(), tensor.to_vector<float>()) << name;
  }
  const auto refusal = [](const NameMap& by, const checkpoint::NamedTensors& tensors) {
    return refusal_of([&] { export_with_name_map(by, tensors); });
  };
  EXPECT_NE(refusal(map, {{"top/net/extra", Tensor::full({2}, 3)}}).find("'top/net/extra' is not 1 everywhere"),
            std::string::npos);
  EXPECT_NE(refusal(map, {{"strange", counted({1})}}).find("[name map] m.map: 'strange' fits no rule"),
            std::string::npos);
  EXPECT_NE(refusal(map, {{"top/net/conv1/weights", counted({2, 2})}}).find("does not fit"), std::string::npos);
  EXPECT_NE(refusal(parse_name_map(text, "net", "m.map"), {}).find("have numbers instead of names"), std::string::npos);
}

void expect_refused(WeightFile file, const std::string& message) {
  const std::string error = refusal_of([&] { apply_name_map(parse_name_map(text, "net", "m.map"), file, expected()); });
  EXPECT_EQ(error.rfind("[name map] w.pth: ", 0), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

TEST(NameMaps, WhatDoesNotFit) {
  const auto with = [](const std::string& name, const Tensor& tensor) {
    WeightFile file = peer_file();
    for (auto& [key, value] : file.tensors)
      if (key == name) {
        value = tensor;
        return file;
      }
    file.tensors.emplace_back(name, tensor);
    return file;
  };
  expect_refused(with("strange", counted({1})), "names that fit no rule, 1: 'strange'");
  expect_refused(with("conv1.weight", counted({5, 4, 2, 3})),
                 "'conv1.weight' is 'top/net/conv2/weights', which net does");
  expect_refused(with("conv0.weight", counted({4, 5, 2, 3})), "'conv0.weight' has shape [4,5,2,3], which as");
  expect_refused(with("conv0.weight", counted({2, 3, 4, 5})), "does not fit [2,3,4,5]");
  expect_refused(with("dw.weight", counted({4, 2, 2, 3})), "'dw.weight' has shape [4,2,2,3]");
  expect_refused(with("fc.weight", counted({5, 3})), "'fc.weight' has shape [5,3]");
  expect_refused(with("seq_11/w", counted({1})), "3 variables seq{#}/w, net has 2");
  WeightFile twice = with("bn.bias", counted({5}));
  twice.tensors.emplace_back("bn.bias", counted({5}));
  expect_refused(twice, "'bn.bias' and 'bn.bias' are both 'top/net/bn/beta'");
}

TEST(NameMaps, TextsThatAreRefused) {
  const auto refusal = [](const std::string& more, const std::string& network = "net") {
    return refusal_of([&] { parse_name_map(text + more, network, "m.map"); });
  };
  EXPECT_EQ(refusal(""), "read");
  EXPECT_NE(refusal("", "third").find("[name map] m.map: serves net, other, not 'third'"), std::string::npos);
  for (const auto& [line, message] :
       std::vector<std::pair<std::string, std::string>>{{"frobnicate a b", "unknown statement 'frobnicate'"},
                                                        {"same a", "'same' takes 2 words"},
                                                        {"same a b c", "'same' takes 2 words"},
                                                        {"same a {NO}", "names the unknown choice 'NO'"},
                                                        {"fill twos a", "fill takes ones or zeros, not 'twos'"},
                                                        {"classes x", "classes must be a positive number"},
                                                        {"epsilon -1", "epsilon must be a positive number"},
                                                        {"optional", "'optional' of nothing"}}) {
    const std::string error = refusal(line + "\n");
    EXPECT_NE(error.find("[name map] m.map: line 19: "), std::string::npos) << error;
    EXPECT_NE(error.find(message), std::string::npos) << error;
  }
}

TEST(NameMaps, TheCommittedOnesAreRead) {
  int maps = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TINYVISION_SOURCE_DIR) + "/models/maps")) {
    const std::string map_text = read_file(entry.path().string());
    const std::vector<std::string> networks = checkpoint::networks_of_map(map_text);
    EXPECT_FALSE(networks.empty()) << entry.path();
    for (const std::string& network : networks) {
      const NameMap map = parse_name_map(map_text, network, entry.path().string());
      EXPECT_FALSE(map.peer.empty() || map.input.empty() || map.rules.empty()) << entry.path() << " " << network;
      EXPECT_GT(map.epsilon, 0) << entry.path();
      EXPECT_EQ(map.classes, 1000) << entry.path();
      ++maps;
    }
  }
  EXPECT_GE(maps, 20);
}

}  // namespace name_map_test
