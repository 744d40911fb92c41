// Networks as ONNX graphs. That ONNX Runtime computes the same is checked by tests/oracle/check_onnx.py; here: every
// operation is written, parameters come back by the reader, and what cannot be written is refused.
#include "tinyvision/exchange/onnx_export.hpp"

#include <gtest/gtest.h>

#include "tinyvision/checkpoint/onnx_file.hpp"
#include "tinyvision/models/registry.hpp"

namespace onnx_export_test {

using namespace tinyvision;

/// Counts of the graph's nodes by kind.
std::map<std::string, int> node_kinds(const std::string& model) {
  std::map<std::string, int> kinds;
  checkpoint::ProtobufMessage message("test", "model", model);
  while (message.next()) {
    if (message.field() != 7) continue;
    checkpoint::ProtobufMessage graph = message.message();
    while (graph.next()) {
      if (graph.field() != 1) continue;
      checkpoint::ProtobufMessage node = graph.message();
      while (node.next())
        if (node.field() == 4) ++kinds[std::string(node.bytes())];
    }
  }
  return kinds;
}

TEST(OnnxExport, EveryParameterIsInTheModelOnce) {
  for (const char* name : {"mobilenet_v1", "mobilenet_v2", "resnet50_v1"}) {
    NetworkOptions options;
    options.classes = 7;
    const auto network = make_network(name, options);
    initialise(network->parameters(), 3);
    const std::string model = exchange::onnx_model(*network, 65, 79, {{"network", name}});
    const WeightFile file = checkpoint::parse_onnx(model, name);
    for (const Parameter& p : network->parameters()) {
      const Tensor* written = file.find(p.name);
      ASSERT_NE(written, nullptr) << p.name;
      ASSERT_EQ(written->count(), p.variable.value().count()) << p.name;
      // Transposed, so the same values in another order.
      std::vector<float> a = written->to_vector<float>(), b = p.variable.value().to_vector<float>();
      std::sort(a.begin(), a.end());
      std::sort(b.begin(), b.end());
      EXPECT_EQ(a, b) << p.name;
    }
  }
}

TEST(OnnxExport, NodesOfResnet) {
  NetworkOptions options;
  options.classes = 7;
  const auto network = make_network("resnet50_v1", options);
  const auto kinds = node_kinds(exchange::onnx_model(*network, 64, 64));
  EXPECT_EQ(kinds.at("Conv"), 53);
  EXPECT_EQ(kinds.at("BatchNormalization"), 53);
  EXPECT_EQ(kinds.at("Add"), 16);
  EXPECT_EQ(kinds.at("Relu"), 49);
  EXPECT_EQ(kinds.at("MaxPool"), 1);
  EXPECT_EQ(kinds.at("Gemm"), 1);
  EXPECT_EQ(kinds.at("Transpose"), 1);
  EXPECT_EQ(exchange::onnx_model(*network, 64, 64), exchange::onnx_model(*network, 64, 64)) << "the same bytes";
}

/// A network of every operation that is written.
class Everything : public Network {
 public:
  Everything() : Network("everything", {}, 12) {
    const Scope root = scope("E");
    const Initialiser random = Initialiser::trunc_normal(0.5);
    conv_ = root.create("conv/weights", ParameterKind::conv_weight, {3, 3, 3, 4}, random);
    bias_ = root.create("conv/biases", ParameterKind::bias, {4}, random);
    depthwise_ = root.create("dw/depthwise_weights", ParameterKind::depthwise_weight, {3, 3, 4, 2}, random);
    for (auto [norm, name] : {std::pair{&norm_, "norm"}, {&second_, "second"}}) {
      norm->beta = root.create(std::string(name) + "/beta", ParameterKind::bn_beta, {8}, random);
      norm->moving_mean = root.create(std::string(name) + "/moving_mean", ParameterKind::bn_moving_mean, {8}, random);
      norm->moving_variance = root.create(std::string(name) + "/moving_variance", ParameterKind::bn_moving_variance,
                                          {8}, Initialiser::ones());
    }
    second_.gamma = root.create("second/gamma", ParameterKind::bn_gamma, {8}, random);
    one_ = root.create("one/weights", ParameterKind::conv_weight, {1, 1, 8, 8}, random);
    logits_ = root.create("logits/weights", ParameterKind::fc_weight, {16, 5}, random);
    feature_size_ = 16;
  }
  Outputs forward(const Variable& images, const Context&) const override {
    Variable x = conv2d(images, conv_, {2, Padding::same()}, bias_);
    x = activation(depthwise_conv2d(x, depthwise_, {1, Padding::amounts(2, 0, 1, 1)}), Activation::relu6);
    BatchNormOptions options;
    options.activation = Activation::relu;
    const Variable y = batch_norm(x, norm_, options);
    x = conv2d_batch_norm(ConvKind::full, y, one_, second_, {}, options, scale(y, 0.25));
    const Variable a = average_pool(x, {3, 1, Padding::same()}), m = max_pool(x, {3, 2, Padding::valid()});
    const Variable padded = zero_pad(crop(a, 1, 0, 4, 5), 0, 1, 2, 0);
    Outputs out;
    out.feature = global_average_pool(concat({add(x, a), y}));
    out.feature = reshape(reshape(out.feature, {images.shape()[0], 1, 1, 16}), {images.shape()[0], 16});
    const Variable rest = concat({global_average_pool(m), global_average_pool(padded)});
    out.logits = add(linear(out.feature, logits_), linear(rest, logits_));
    return out;
  }

 private:
  Variable conv_, bias_, depthwise_, one_, logits_;
  BatchNormState norm_, second_;
};

TEST(OnnxExport, EveryOperationIsWritten) {
  const Everything network;
  initialise(network.parameters(), 5);
  const auto kinds = node_kinds(exchange::onnx_model(network, 12, 12));
  for (const char* kind : {"Conv", "BatchNormalization", "Relu", "Clip", "AveragePool", "MaxPool", "GlobalAveragePool",
                           "Flatten", "Concat", "Add", "Mul", "Pad", "Slice", "Reshape", "Gemm", "Transpose"})
    EXPECT_TRUE(kinds.contains(kind)) << kind;
}

TEST(OnnxExport, WhatCannotBeWrittenIsRefused) {
  checkpoint::OnnxGraph graph("g");
  const auto network = make_network("mobilenet_v1");
  exchange::detail::OnnxWalker walker(graph, *network);
  const auto refusal = [&](const AppliedOp& op) {
    try {
      walker.write(op);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("written");
  };
  const Variable x(Tensor::zeros({1, 4, 4, 3}));
  EXPECT_EQ(refusal({.name = "fold"}), "[onnx] operation fold has no counterpart in ONNX here");
  EXPECT_EQ(refusal({.name = "activation", .inputs = {x}}),
            "[onnx] operation activation reads a value [1,4,4,3] that no listed operation made");
  graph.add_input("x", {-1, 3, 4, 4});
  walker.name(x, "x");
  const Variable w(Tensor::zeros({1, 1, 3, 2}));
  EXPECT_EQ(refusal({.name = "conv2d", .inputs = {x, w, Variable()}}),
            "[onnx] operation conv2d reads a weight [1,1,3,2] that is no parameter of the network");
  EXPECT_THROW(graph.add_node("Relu", {"nothing"}, "y"), Error);
  EXPECT_THROW(graph.add_node("Relu", {"x"}, "x"), Error);
  EXPECT_THROW(graph.add_initializer("w", Tensor::zeros({1}, DType::f64)), Error);
}

}  // namespace onnx_export_test
