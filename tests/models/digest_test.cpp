// The networks against digests of the specification's tables, so that the comparison needs no file outside the tree.
// models_test.cpp compares with the tables themselves, row by row, where they are at hand.
#include "tinyvision/core/digest.hpp"

#include <gtest/gtest.h>

#include "tinyvision/models/registry.hpp"

namespace {

using namespace tinyvision;

std::shared_ptr<Network> with_public_classes(const std::string& name, bool public_layout = false) {
  NetworkOptions options;
  options.classes = public_classes(name);
  options.public_layout = public_layout;
  return make_network(name, options);
}

/// One line per variable: name, kind, shape, group, initialiser, TF-Slim's L2 coefficient.
std::string variable_lines(const Network& network) {
  std::string lines;
  for (const Parameter& p : network.parameters()) {
    const std::string shape = p.variable.shape().text();
    lines += concat_text(p.name, " ", to_string(p.kind), " ", shape.substr(1, shape.size() - 2), " ",
                         to_string(p.group), " ", p.initialiser.text(), " ", p.l2_slim, "\n");
  }
  return lines;
}

/// One line per operation at 224 px: id, name, values per image, channels.
std::string operation_lines(const Trace& trace) {
  std::string lines;
  for (const Trace::Row& row : trace.rows())
    lines += concat_text(row.id, " ", row.name, " ", row.value.count(), " ", row.value.shape().back(), "\n");
  return lines;
}

struct Row {
  const char* network;
  bool public_layout;
  std::size_t count;
  const char* digest;
};

TEST(SpecificationDigest, Variables) {
  for (const Row& row : {
           Row{"mobilenet_v1", false, 137, "6887bc4144ab51de9d2217a8852584e9817726d016e446880581d160167e0171"},
           Row{"mobilenet_v2", false, 262, "fee026e597e4cc5e9d42ba3610a3d041ca7e56095c9b66b1d86431727df8dee6"},
           Row{"mobilenet_v2_140", false, 262, "1dcb671b7a2633497c7b9a1607dac65bae0b7443f1752f08f915f8e30f66ec9b"},
           Row{"resnet50_v1", false, 267, "4fb8c44f23e017c86ee2e3696709565796a7bc80c8ee02fdfc29829bbab9e057"},
           Row{"resnet50_v1", true, 267, "4fb8c44f23e017c86ee2e3696709565796a7bc80c8ee02fdfc29829bbab9e057"},
           Row{"resnet101_v1", false, 522, "a5fde94c5ad841ae6f5cfad31fbb7bd7acaa9177be4c238862fa1d59aa7ff86a"},
           Row{"resnet101_v1", true, 522, "a5fde94c5ad841ae6f5cfad31fbb7bd7acaa9177be4c238862fa1d59aa7ff86a"},
           Row{"resnet152_v1", false, 777, "be404526ca23211f2a6ce771be7f7425086b158372906dc45b7b8f1b1efad1af"},
           Row{"resnet152_v1", true, 777, "be404526ca23211f2a6ce771be7f7425086b158372906dc45b7b8f1b1efad1af"},
       }) {
    const auto network = with_public_classes(row.network, row.public_layout);
    EXPECT_EQ(network->parameters().size(), row.count) << row.network;
    EXPECT_EQ(sha256_hex(variable_lines(*network)), row.digest) << row.network;
  }
}

TEST(SpecificationDigest, Operations) {
  for (const Row& row : {
           Row{"mobilenet_v1", false, 32, "b216e7b659696f2a0e5a089fa61c004c3f1bc21554c903a055809e15ce56b0d0"},
           Row{"mobilenet_v2", false, 67, "9bd3b694f21bcb3806901ff8ddf73831fbdb802c0be8e9f56555911e9c50d3cf"},
           Row{"mobilenet_v2_140", false, 67, "453ee2579e759f219db19d6f97709f97b9d9531b14f32e430002feb744de23ec"},
           Row{"resnet50_v1", false, 94, "f18c52b81068fb4a6cf42e552b33ed0e1a9ced5480826b0f431717e0317290c4"},
           Row{"resnet50_v1", true, 97, "620014bf640cc51763017b017f587c513d8d9b0542ae19ab4be82b48d98abfc7"},
           Row{"resnet101_v1", false, 179, "1edd3db3145e5fa8e7aa1b28f16726afb484786b749acc0c83e2aa8a1e4668a7"},
           Row{"resnet101_v1", true, 182, "3407f28beff47a72f2b6dc0edcaafe9c0db0f5191445e1631e33dfcf7195a6b0"},
           Row{"resnet152_v1", false, 264, "0984e7a651dc116af495eea3e211d79c9fee46c8327289865882e441a858e3a1"},
           Row{"resnet152_v1", true, 267, "8eb1195dfb372168c1fe8570264acd8ea74ac07a776dea1c3d26bf7e8c614e38"},
       }) {
    const auto network = with_public_classes(row.network, row.public_layout);
    const NoGradient guard;
    Trace trace;
    Context context;
    context.fused = false;
    context.trace = &trace;
    network->forward(Variable(Tensor::zeros({1, 224, 224, 3})), context);
    EXPECT_EQ(trace.rows().size(), row.count) << row.network;
    EXPECT_EQ(sha256_hex(operation_lines(trace)), row.digest) << row.network << " public layout " << row.public_layout;
  }
}

}  // namespace
