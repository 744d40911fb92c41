// Matching a file's tensors to a network's, and what makes weights unfit.
#include "tinyvision/checkpoint/weights.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "checkpoint/folder.hpp"

namespace weights_test {

using namespace tinyvision;
using checkpoint::detect_folded_batch_norm;
using checkpoint::ExpectedTensor;
using checkpoint::match_weights;
using checkpoint::NamedTensors;

Safetensors two_layers() {
  return {{{"net/conv/weights", Tensor::full({3, 3, 3, 8}, 1)},
           {"net/conv/beta", Tensor::full({8}, 2)},
           {"net/logits/weights", Tensor::full({8, 10}, 3)},
           {"net/logits/biases", Tensor::full({10}, 4)}},
          {{"network", "net"}},
          "digest",
          "w.safetensors"};
}
std::vector<ExpectedTensor> expected_layers(Index classes = 10, bool replaceable = false) {
  return {{"net/conv/weights", {3, 3, 3, 8}},
          {"net/conv/beta", {8}},
          {"net/logits/weights", {8, classes}, DType::f32, replaceable},
          {"net/logits/biases", {classes}, DType::f32, replaceable}};
}
std::string error_of(const Safetensors& file, const std::vector<ExpectedTensor>& expected) {
  try {
    match_weights(file, expected);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "matched";
}

TEST(Weights, MatchInTheExpectedOrder) {
  const Safetensors file = two_layers();
  auto expected = expected_layers();
  std::swap(expected[0], expected[3]);
  const auto weights = match_weights(file, expected);
  ASSERT_EQ(weights.tensors.size(), 4u);
  EXPECT_EQ(weights.tensors[0].to_vector<float>(), std::vector<float>(10, 4));
  EXPECT_EQ(weights.tensors[3].shape(), (Shape{3, 3, 3, 8}));
  EXPECT_TRUE(weights.replaced.empty());
  EXPECT_EQ(weights.sha256, "digest");
  EXPECT_EQ(weights.metadata.at("network"), "net");
  weights.tensors[0].fill(9);  // storage of its own
  EXPECT_EQ(file.tensor("net/logits/biases").to_vector<float>(), std::vector<float>(10, 4));
}

TEST(Weights, OfAnyFormatAreLoaded) {
  const std::string path = TINYVISION_SOURCE_DIR "/tests/golden/tensorflow/v1.ckpt";
  const auto weights =
      checkpoint::load_weights(path, {{"MobilenetV1/Conv2d_0/weights", {3, 3, 3, 4}}}, {.allow_unexpected = true});
  EXPECT_EQ(weights.sha256, sha256_file(path));
  EXPECT_EQ(weights.tensors.at(0).to_vector<float>(),
            load_weight_file(path).tensor("MobilenetV1/Conv2d_0/weights").to_vector<float>());
}

TEST(Weights, MissingAndUnexpectedNames) {
  Safetensors file = two_layers();
  file.tensors[1].first = "net/conv/betta";
  EXPECT_EQ(error_of(file, expected_layers()),
            "[weights] w.safetensors: missing tensors, 1: 'net/conv/beta' (did you mean net/conv/betta?)");
  file = two_layers();
  file.tensors.emplace_back("net/conv/gama", Tensor::full({8}, 1));
  const std::string error = error_of(file, expected_layers());
  EXPECT_EQ(error.find("[weights] w.safetensors: unexpected tensors, 1: 'net/conv/gama' (did you mean net/conv/beta"),
            0u)
      << error;
  checkpoint::WeightRules rules;
  rules.allow_unexpected = true;
  EXPECT_NO_THROW(match_weights(file, expected_layers(), rules));

  std::vector<ExpectedTensor> many = expected_layers();
  for (int i = 0; i < 7; ++i) many.push_back({"qqqqqqqqqqqqqqqqqqqqqqqqqq" + std::to_string(i), {1}});
  const std::string long_list = error_of(two_layers(), many);
  EXPECT_NE(long_list.find("missing tensors, 7: 'qqqq"), std::string::npos) << long_list;
  EXPECT_NE(long_list.find("q4', ..."), std::string::npos) << long_list;
  EXPECT_EQ(long_list.find("q5"), std::string::npos) << long_list;
}

TEST(Weights, ShapesAndTypes) {
  auto expected = expected_layers();
  expected[0].shape = {3, 3, 3, 16};
  EXPECT_EQ(error_of(two_layers(), expected),
            "[weights] w.safetensors: tensor 'net/conv/weights' has shape [3,3,3,8], the network needs [3,3,3,16]");
  expected = expected_layers();
  expected[0].dtype = DType::f64;
  EXPECT_EQ(match_weights(two_layers(), expected).tensors[0].dtype(), DType::f64);
  Safetensors file = two_layers();
  file.tensors[1].second = Tensor::full({8}, 1, DType::i64);
  EXPECT_EQ(error_of(file, expected_layers()),
            "[weights] w.safetensors: tensor 'net/conv/beta' is i64, the network needs f32");
}

TEST(Weights, ValuesMustBeFinite) {
  Safetensors file = two_layers();
  file.tensors[0].second.data<float>()[3 * 3 * 8 + 2 * 8 + 5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_of(file, expected_layers()),
            "[weights] w.safetensors: tensor 'net/conv/weights' is nan at [1,0,2,5] (1 of 216 values are not finite)");
  file = two_layers();
  file.tensors[3].second.data<float>()[9] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(error_of(file, expected_layers()),
            "[weights] w.safetensors: tensor 'net/logits/biases' is -inf at [9] (1 of 10 values are not finite)");
  EXPECT_EQ(error_of(file, expected_layers(5, true)), "matched");  // not used, so no matter
  file = two_layers();
  file.tensors[1].second = Tensor::full({8}, 1e300, DType::f64);  // finite, but not as f32
  EXPECT_NE(error_of(file, expected_layers()).find("is inf at [0]"), std::string::npos);
}

TEST(Weights, TheLogitsLayerIsReplacedAsAWhole) {
  const auto kept = match_weights(two_layers(), expected_layers(10, true));
  EXPECT_TRUE(kept.replaced.empty());
  EXPECT_TRUE(kept.tensors[2].defined());
  const auto replaced = match_weights(two_layers(), expected_layers(7, true));
  EXPECT_EQ(replaced.replaced, (std::vector<std::string>{"net/logits/weights", "net/logits/biases"}));
  EXPECT_TRUE(replaced.tensors[1].defined());
  EXPECT_FALSE(replaced.tensors[2].defined());
  EXPECT_FALSE(replaced.tensors[3].defined());
  Safetensors half = two_layers();
  half.tensors.pop_back();
  EXPECT_EQ(match_weights(half, expected_layers(10, true)).replaced.size(), 2u);
  EXPECT_NE(error_of(two_layers(), expected_layers(7)).find("has shape [8,10], the network needs [8,7]"),
            std::string::npos);
}

TEST(Weights, TensorsThatAreNotRequiredMayBeMissing) {
  auto expected = expected_layers();
  expected.push_back({"net/aux/weights", {1}, DType::f32, false, false});
  const auto weights = match_weights(two_layers(), expected);
  EXPECT_FALSE(weights.tensors[4].defined());
  EXPECT_TRUE(weights.replaced.empty());
}

NamedTensors batch_norm(const std::string& layer, std::vector<float> mean, std::vector<float> variance,
                        std::vector<float> beta) {
  const Index n = static_cast<Index>(mean.size());
  return {{layer + "/BatchNorm/moving_mean", Tensor::from_vector({n}, mean)},
          {layer + "/BatchNorm/moving_variance", Tensor::from_vector({n}, variance)},
          {layer + "/BatchNorm/beta", Tensor::from_vector({n}, beta)}};
}
NamedTensors operator+(NamedTensors a, const NamedTensors& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(FoldedBatchNorm, IsDetected) {
  const auto folded = batch_norm("a", {0, 0}, {0.999f, 0.999f}, {0.5f, -1});
  const auto also_folded = batch_norm("b", {0, 0}, {1, 1}, {0.5f, 0});
  const auto real = batch_norm("c", {0.1f, 0}, {1, 2}, {0.5f, 0});
  const auto report = detect_folded_batch_norm(folded + also_folded + real);
  EXPECT_TRUE(report.detected());
  EXPECT_EQ(report.layers, 3);
  EXPECT_EQ(report.folded, (std::vector<std::string>{"a/BatchNorm", "b/BatchNorm"}));
  EXPECT_EQ(report.text().find("2 of 3 batch norms (a/BatchNorm, b/BatchNorm) were folded"), 0u) << report.text();
  EXPECT_NE(report.text().find("tv_convert convert --restore-bn"), std::string::npos);
}

TEST(FoldedBatchNorm, OtherWeightsAreNot) {
  EXPECT_FALSE(detect_folded_batch_norm({}).detected());
  // Fresh weights: mean 0, variance 1, beta 0.
  EXPECT_FALSE(detect_folded_batch_norm(batch_norm("a", {0, 0}, {1, 1}, {0, 0})).detected());
  EXPECT_FALSE(detect_folded_batch_norm(batch_norm("a", {0, 0}, {1, 1.5f}, {1, 0})).detected());
  EXPECT_FALSE(detect_folded_batch_norm(batch_norm("a", {0, 1e-30f}, {1, 1}, {1, 0})).detected());
  // One odd layer among real ones is no folded network, a channel alone tells nothing.
  const auto odd = batch_norm("a", {0, 0}, {1, 1}, {1, 0});
  const auto real = batch_norm("b", {1, 0}, {1, 2}, {1, 0});
  EXPECT_FALSE(detect_folded_batch_norm(odd + real).detected());
  EXPECT_EQ(detect_folded_batch_norm(odd + real).text(), "");
  EXPECT_EQ(detect_folded_batch_norm(batch_norm("a", {0}, {1}, {1})).layers, 0);
  EXPECT_EQ(detect_folded_batch_norm({{"a/moving_mean", Tensor::zeros({2})}}).layers, 0);
}

TEST(FoldedBatchNorm, PublicWeightsAreRestored) {
  const std::string folder = shared_data("weights");
  if (folder.empty()) GTEST_SKIP() << "no shared data";
  for (const auto& [name, layers] : {std::pair{"mobilenet_v1_025", 27}, {"mobilenet_v1", 27}, {"mobilenet_v2", 52}}) {
    NamedTensors tensors = load_safetensors(folder + "/" + name + ".safetensors").tensors;
    EXPECT_EQ(detect_folded_batch_norm(tensors).layers, layers) << name;
    EXPECT_TRUE(detect_folded_batch_norm(tensors).folded.empty()) << name;
    for (auto& [key, tensor] : tensors) {
      if (key.ends_with("/moving_mean")) tensor.fill(0);
      if (key.ends_with("/moving_variance")) tensor.fill(1);
    }
    EXPECT_EQ(static_cast<int>(detect_folded_batch_norm(tensors).folded.size()), layers) << name;
  }
}

}  // namespace weights_test
