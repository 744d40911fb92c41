// The networks against digests of the specification's tables, so that the comparison needs no file outside the tree.
// models_test.cpp compares with the tables themselves, row by row, where they are at hand.
#include "tinyvision/core/digest.hpp"

#include <gtest/gtest.h>

#include "tinyvision/models/registry.hpp"

namespace digest_test {

using namespace tinyvision;

std::shared_ptr<Network> with_public_classes(const std::string& name, bool public_layout = false) {
  NetworkOptions options = NetworkOptions::paper(public_classes(name));  // the tables list every gamma
  options.auxiliary_head = network_entry(name).has_auxiliary_head;
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

/// One line per operation at the network's own image size: id, name, values per image, channels.
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
           Row{"inception_v1", false, 287, "9ec8fc40e957b60149c5a221c6036eb6e5d4e122c5b41a0137fa948072c28f7e"},
           Row{"bn_inception", false, 345, "8a46bbe938c8f3659892f86025598ae329be7c271463d2bd3ad612f699fd391d"},
           Row{"inception_v3", false, 484, "a535858b6f7b341d7ab91106e6780f5cb08f3663a8ac319af83cfe8ee9a60f4d"},
           Row{"inception_v4", false, 759, "bbb44a3a8ded157d5cce533d154627048279029fd781728f00ea522278846d2d"},
           Row{"inception_resnet_v2", false, 1114, "233c98a5a3e9c7ca193b16a5b9071c95517274bca7317f7588f8485880a9742a"},
           Row{"mobilenet_v1", false, 137, "6887bc4144ab51de9d2217a8852584e9817726d016e446880581d160167e0171"},
           Row{"mobilenet_v2", false, 262, "fee026e597e4cc5e9d42ba3610a3d041ca7e56095c9b66b1d86431727df8dee6"},
           Row{"mobilenet_v2_140", false, 262, "1dcb671b7a2633497c7b9a1607dac65bae0b7443f1752f08f915f8e30f66ec9b"},
           Row{"resnet50_v1", false, 267, "4fb8c44f23e017c86ee2e3696709565796a7bc80c8ee02fdfc29829bbab9e057"},
           Row{"resnet50_v1", true, 267, "4fb8c44f23e017c86ee2e3696709565796a7bc80c8ee02fdfc29829bbab9e057"},
           Row{"resnet101_v1", false, 522, "a5fde94c5ad841ae6f5cfad31fbb7bd7acaa9177be4c238862fa1d59aa7ff86a"},
           Row{"resnet101_v1", true, 522, "a5fde94c5ad841ae6f5cfad31fbb7bd7acaa9177be4c238862fa1d59aa7ff86a"},
           Row{"resnet152_v1", false, 777, "be404526ca23211f2a6ce771be7f7425086b158372906dc45b7b8f1b1efad1af"},
           Row{"resnet152_v1", true, 777, "be404526ca23211f2a6ce771be7f7425086b158372906dc45b7b8f1b1efad1af"},
           Row{"densenet121", false, 606, "3c98146c0395ed6210cccb3ff2eb9627da2bead439b4cca9a9485cea03aaf515"},
           Row{"densenet169", false, 846, "7dbe1076444c77a48c4211350bb642f23fe5d6452be719976a2972d2277fd095"},
           Row{"densenet201", false, 1006, "32e274e8b5918cbd0140069276b6783798ebc44ad36740f499d3cdeb2748f119"},
           Row{"nasnet_a_mobile", false, 1138, "150a2538ac55db56d4c1827ab286820dc1f5a8da9163341036902c31e322ab57"},
           Row{"nasnet_a_large", false, 1558, "2038101d85e6ff160cfdd46ef82b3be7a5d12edbf14d25831a20909b31ba268c"},
       }) {
    const auto network = with_public_classes(row.network, row.public_layout);
    EXPECT_EQ(network->parameters().size(), row.count) << row.network;
    EXPECT_EQ(sha256_hex(variable_lines(*network)), row.digest) << row.network;
  }
}

TEST(SpecificationDigest, Operations) {
  for (const Row& row : {
           Row{"inception_v1", false, 84, "afb886bcddb0407a30ca3d6a6c79ca1eade0c27135b3bea00f3175063cdc3137"},
           Row{"bn_inception", false, 97, "f32d26f204705a21560f736d02d19691cbea82c3295dd546bd091aa5c42960a8"},
           Row{"inception_v3", false, 132, "9aee65009c04484a42c289a772f1a307bcfb44ebd6d4db2fc2d77c201570b28c"},
           Row{"inception_v4", false, 202, "5032145fe21988b12acd9d92a5b3fb8da0d9d5831b0e6042abd72befac39ebc8"},
           Row{"inception_resnet_v2", false, 421, "3a4f9d2aadf4027783fbf86a582eabfe1b60e24c59beb74847a27d2f00284925"},
           Row{"mobilenet_v1", false, 32, "b216e7b659696f2a0e5a089fa61c004c3f1bc21554c903a055809e15ce56b0d0"},
           Row{"mobilenet_v2", false, 67, "9bd3b694f21bcb3806901ff8ddf73831fbdb802c0be8e9f56555911e9c50d3cf"},
           Row{"mobilenet_v2_140", false, 67, "453ee2579e759f219db19d6f97709f97b9d9531b14f32e430002feb744de23ec"},
           Row{"resnet50_v1", false, 94, "f18c52b81068fb4a6cf42e552b33ed0e1a9ced5480826b0f431717e0317290c4"},
           Row{"resnet50_v1", true, 97, "620014bf640cc51763017b017f587c513d8d9b0542ae19ab4be82b48d98abfc7"},
           Row{"resnet101_v1", false, 179, "1edd3db3145e5fa8e7aa1b28f16726afb484786b749acc0c83e2aa8a1e4668a7"},
           Row{"resnet101_v1", true, 182, "3407f28beff47a72f2b6dc0edcaafe9c0db0f5191445e1631e33dfcf7195a6b0"},
           Row{"resnet152_v1", false, 264, "0984e7a651dc116af495eea3e211d79c9fee46c8327289865882e441a858e3a1"},
           Row{"resnet152_v1", true, 267, "8eb1195dfb372168c1fe8570264acd8ea74ac07a776dea1c3d26bf7e8c614e38"},
           Row{"densenet121", false, 429, "3047d882b54cf7ead362b0af801ba8680eaca1e4a72f5d9369e002322e081d23"},
           Row{"densenet169", false, 597, "634e26ad59c7df263f87a4616026ca61a5829f51f6556bea0eb3c1d14b5afddc"},
           Row{"densenet201", false, 709, "7409e0ed3226144b0513611857c4d19c252b98b24b82791c0176c4221c678ac0"},
           Row{"nasnet_a_mobile", false, 922, "998d84c40ec231d050b2dbf80da08a564af76e0a69976bf167db31a1f1cdb9fe"},
           Row{"nasnet_a_large", false, 1252, "0fce4441b480d8882b941789816c3bd3bbebbde00d6ea7bc9517f66789c4caa8"},
       }) {
    const auto network = with_public_classes(row.network, row.public_layout);
    const NoGradient guard;
    Trace trace;
    Context context;
    context.fused = false;
    context.trace = &trace;
    const Index size = network->image_size();
    network->forward(Variable(Tensor::zeros({1, size, size, 3})), context);
    EXPECT_EQ(trace.rows().size(), row.count) << row.network;
    EXPECT_EQ(sha256_hex(operation_lines(trace)), row.digest) << row.network << " public layout " << row.public_layout;
  }
}

}  // namespace digest_test
