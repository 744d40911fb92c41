// What goes silently wrong in Inception networks: padding at stride 2, pools at borders, BN-Inception's first layer, the
// scales of residuals, the auxiliary head. Each is compared with plain arithmetic on the rows of a trace.
#include <gtest/gtest.h>

#include "models/varied_network.hpp"

namespace inception_test {

using namespace tinyvision;
using model_test::parameter;
using op_test::expect_close;
using op_test::random_tensor;

/// One image's map, by position.
struct Map {
  Shape shape;
  std::vector<double> values;

  explicit Map(const Tensor& t) : shape(t.shape()), values(t.to_vector<double>()) {}
  double operator()(Index h, Index w, Index c) const {
    return values[static_cast<std::size_t>((h * shape[2] + w) * shape[3] + c)];
  }
};

/// A network with all it has, in f64, and the rows of an evaluation of one random image.
struct Traced {
  std::shared_ptr<Network> network;
  Trace trace;

  Traced(const std::string& name, Index size, bool training = false) {
    NetworkOptions options = NetworkOptions::paper(6);
    options.dtype = DType::f64;
    network = make_network(name, options);
    initialise(network->parameters(), 3);
    for (const Parameter& p : network->parameters())
      if (p.kind == ParameterKind::bias || p.kind == ParameterKind::bn_beta)
        p.variable.set_value(random_tensor(p.variable.shape(), DType::f64, 4));
    forward(size, training);
  }
  void forward(Index size, bool training) {
    const NoGradient guard;
    trace = {};
    Context context;
    context.fused = false;
    context.training = training;
    context.trace = &trace;
    network->forward(Variable(random_tensor({1, size, size, 3}, DType::f64, 9)), context);
  }
  /// The row with this id, whose name must end so.
  Map row(int id, const std::string& name) const {
    for (const Trace::Row& r : trace.rows())
      if (r.id == id) {
        EXPECT_TRUE(r.name.ends_with(name)) << r.name;
        return Map(r.value);
      }
    ADD_FAILURE() << "no row " << id;
    return Map(Tensor::zeros({1, 1, 1, 1}, DType::f64));
  }
  Tensor parameter(const std::string& name) const {
    for (const Parameter& p : network->parameters())
      if (p.name == name) return p.variable.value();
    ADD_FAILURE() << "no parameter " << name;
    return {};
  }
};

// At 16 px a 7x7 window with stride 2 needs 5 pixels of padding: 2 before, 3 after.
TEST(Inception, BnInceptionBeginsSeparablyWithBiasAndWithoutBatchNorm) {
  for (const bool training : {false, true}) {
    const Traced run("bn_inception", 32, training);
    const Map image = run.row(0, "input"), depthwise = run.row(1, "/depthwise"), pointwise = run.row(2, "/pointwise");
    const auto w = run.parameter("InceptionV2/Conv2d_1a_7x7/depthwise_weights").to_vector<double>();
    const auto p = run.parameter("InceptionV2/Conv2d_1a_7x7/pointwise_weights").to_vector<double>();
    const auto bias = run.parameter("InceptionV2/Conv2d_1a_7x7/biases").to_vector<double>();
    ASSERT_EQ(depthwise.shape, (Shape{1, 16, 16, 24}));
    ASSERT_EQ(pointwise.shape, (Shape{1, 16, 16, 64}));
    bool clipped = false;
    for (const Index at : {0, 7, 15}) {
      for (Index c = 0; c < 24; ++c) {
        double sum = 0;
        for (Index a = 0; a < 7; ++a)
          for (Index b = 0; b < 7; ++b) {
            const Index h = 2 * at - 2 + a, v = 2 * at - 2 + b;
            if (h < 0 || v < 0 || h >= 32 || v >= 32) continue;
            sum += image(h, v, c / 8) * w[static_cast<std::size_t>((a * 7 + b) * 24 + c)];
          }
        EXPECT_NEAR(depthwise(at, at, c), sum, 1e-12) << at << " channel " << c;
      }
      for (Index o = 0; o < 64; ++o) {
        double sum = bias[static_cast<std::size_t>(o)];
        for (Index c = 0; c < 24; ++c) sum += depthwise(at, at, c) * p[static_cast<std::size_t>(c * 64 + o)];
        clipped = clipped || sum < 0;
        EXPECT_NEAR(pointwise(at, at, o), std::max(sum, 0.0), 1e-11) << at << " channel " << o;
      }
    }
    EXPECT_TRUE(clipped);
  }
}

// SAME at stride 2 on even sizes: nothing before, one pixel after. A symmetric padding would look at -1, 0, 1.
TEST(Inception, PoolsAtStrideTwoPadAfterwards) {
  const auto expect_window = [](const Map& in, const Map& out, Index kernel) {
    const Index last = out.shape[1] - 1;
    for (const Index at : {Index{0}, last})
      for (Index c = 0; c < in.shape[3]; ++c) {
        double largest = -1e300;
        for (Index h = 2 * at; h < std::min(2 * at + kernel, in.shape[1]); ++h)
          for (Index w = 2 * at; w < std::min(2 * at + kernel, in.shape[2]); ++w)
            largest = std::max(largest, in(h, w, c));
        ASSERT_EQ(out(at, at, c), largest) << at << " channel " << c;
      }
  };
  const Traced v1("inception_v1", 64), bn("bn_inception", 64);
  expect_window(v1.row(1, "Conv2d_1a_7x7"), v1.row(2, "MaxPool_2a_3x3"), 3);
  expect_window(v1.row(62, "Mixed_4f"), v1.row(63, "MaxPool_5a_2x2"), 2);
  expect_window(bn.row(24, "Mixed_3c"), bn.row(30, "Mixed_4a/Branch_2/MaxPool_1a_3x3"), 3);
  expect_window(bn.row(67, "Mixed_4e"), bn.row(73, "Mixed_5a/Branch_2/MaxPool_1a_3x3"), 3);
}

// At a corner four of the nine pixels of a window exist, at an edge six.
TEST(Inception, AveragePoolsDivideByThePixelsThereAre) {
  struct Row {
    const char* network;
    Index size;
    int in, out;
  };
  for (const Row& r : {Row{"bn_inception", 64, 6, 13}, Row{"inception_v3", 91, 7, 14}, Row{"inception_v4", 91, 16, 23},
                       Row{"inception_resnet_v2", 91, 7, 14}}) {
    SCOPED_TRACE(r.network);
    const Traced run(r.network, r.size);
    const Map in = run.row(r.in, ""), out = run.row(r.out, "Branch_3/AvgPool_0a_3x3");
    ASSERT_EQ(in.shape, out.shape);
    const Index last = in.shape[1] - 1;
    for (const Index c : {Index{0}, in.shape[3] - 1}) {
      EXPECT_NEAR(out(0, 0, c), (in(0, 0, c) + in(0, 1, c) + in(1, 0, c) + in(1, 1, c)) / 4, 1e-12);
      EXPECT_NEAR(out(last, last, c),
                  (in(last, last, c) + in(last, last - 1, c) + in(last - 1, last, c) + in(last - 1, last - 1, c)) / 4,
                  1e-12);
      double edge = 0;
      for (const Index h : {0, 1})
        for (const Index w : {0, 1, 2}) edge += in(h, w, c);
      EXPECT_NEAR(out(0, 1, c), edge / 6, 1e-12);
    }
  }
}

TEST(Inception, LastModuleOfBnInceptionPoolsTheMaximum) {
  const Traced run("bn_inception", 96);
  const Map in = run.row(83, "Mixed_5b"), out = run.row(90, "Mixed_5c/Branch_3/MaxPool_0a_3x3");
  for (Index c = 0; c < in.shape[3]; ++c)
    ASSERT_EQ(out(0, 0, c), std::max({in(0, 0, c), in(0, 1, c), in(1, 0, c), in(1, 1, c)}));
}

// Rows of a block: ..., convolution with bias, scale, sum, ReLU; the last block has scale 1 and no ReLU.
TEST(Inception, ResidualScales) {
  const Traced run("inception_resnet_v2", 107);
  struct Block {
    int skip, joined, up, sum;
    double scale;
    std::string name;
  };
  const auto tensor = [&](int id) {
    for (const Trace::Row& r : run.trace.rows())
      if (r.id == id) return r.value;
    return Tensor();
  };
  const auto expect_block = [&](const Block& b) {
    SCOPED_TRACE(b.name);
    const std::string path = concat_text("InceptionResnetV2/", b.name);
    const Variable up = conv2d(Variable(tensor(b.joined)), Variable(run.parameter(path + "/Conv2d_1x1/weights")), {},
                               Variable(run.parameter(path + "/Conv2d_1x1/biases")));
    expect_close(tensor(b.up), up.value(), 1e-13, "convolution with bias");
    expect_close(tensor(b.sum), add(Variable(tensor(b.skip)), scale(up, b.scale)).value(), 1e-13, "sum");
  };
  for (int i = 0; i < 10; ++i)
    expect_block({16 + 11 * i, 23 + 11 * i, 24 + 11 * i, 26 + 11 * i, 0.17, concat_text("Repeat/block35_", i + 1)});
  for (int i = 0; i < 20; ++i)
    expect_block({132 + 9 * i, 137 + 9 * i, 138 + 9 * i, 140 + 9 * i, 0.10, concat_text("Repeat_1/block17_", i + 1)});
  for (int i = 0; i < 9; ++i)
    expect_block({321 + 9 * i, 326 + 9 * i, 327 + 9 * i, 329 + 9 * i, 0.20, concat_text("Repeat_2/block8_", i + 1)});
  expect_block({402, 407, 408, 410, 1.0, "Block8"});
  // Without a ReLU the last sum stays negative in places, and goes so into the last convolution.
  const std::vector<double> sum = tensor(410).to_vector<double>();
  EXPECT_LT(*std::min_element(sum.begin(), sum.end()), 0);
  const std::vector<double> before = tensor(402).to_vector<double>();
  EXPECT_EQ(*std::min_element(before.begin(), before.end()), 0);
}

TEST(Inception, AuxiliaryHeads) {
  // The counts of the specification's summary, with 1001 classes.
  for (const auto& [name, count] : std::vector<std::pair<std::string, Index>>{
           {"inception_v3", 3327465}, {"inception_v4", 3360233}, {"inception_resnet_v2", 3368425}}) {
    NetworkOptions options = NetworkOptions::paper();
    const auto without = make_network(name, options);
    for (const Parameter& p : without->parameters()) EXPECT_NE(p.group, ParameterGroup::aux) << p.name;
    options.auxiliary_head = true;
    Index sum = 0;
    const auto with = make_network(name, options);
    for (const Parameter& p : with->parameters())
      if (p.group == ParameterGroup::aux && p.trainable()) sum += p.variable.shape().count();
    EXPECT_EQ(sum, count) << name;
    EXPECT_EQ(count_backbone_parameters(with->parameters()), count_backbone_parameters(without->parameters()));
  }
}

TEST(Inception, AuxiliaryHeadFitsOneSize) {
  NetworkOptions options = NetworkOptions::paper(6);
  options.auxiliary_head = true;
  options.image_size = 155;  // Mixed_6e is 8x8, 2x2 after the pool
  const auto network = make_network("inception_v3", options);
  initialise(network->parameters(), 1);
  const auto message = [&](Index size, bool training) -> std::string {
    const NoGradient guard;
    Context context;
    context.training = training;
    try {
      const Outputs out = network->forward(Variable(random_tensor({2, size, size, 3}, DType::f32, 1)), context);
      EXPECT_EQ(out.aux_logits.defined(), training);
      if (training) {
        EXPECT_EQ(out.aux_logits.shape(), (Shape{2, 6}));
      }
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(155, true), "");
  EXPECT_EQ(message(123, false), "");  // an evaluation has no use for the head
  EXPECT_NE(message(123, true).find("2x2 pixels after its pool, these images make 1x1"), std::string::npos);
  EXPECT_NE(message(91, true).find("these images make 0x0"), std::string::npos);
  options.image_size = 91;
  EXPECT_THROW(make_network("inception_v3", options), UsageError);
}

TEST(NetworkOptions, PresetsAndText) {
  EXPECT_EQ(NetworkOptions::paper().text(),
            "classes 1001, image size own, width 1, BN scale on, auxiliary head off, dropout keep 1, drop path keep 1, "
            "f32");
  // What the public weights have, gamma aside: the columns of the specification's tables.
  const auto slim = make_network("inception_v3", tf_slim_options("inception_v3"));
  EXPECT_EQ(
      slim->options().text(),
      "classes 1001, image size 299, width 1, BN scale off, auxiliary head on, dropout keep 0.8, drop path keep 1, "
      "f32");
  const auto paper = make_network("inception_v3", NetworkOptions::paper());
  const auto gammas = [](const Network& network) {
    Index count = 0;
    for (const Parameter& p : network.parameters()) count += p.kind == ParameterKind::bn_gamma;
    return count;
  };
  EXPECT_EQ(gammas(*slim), 0);
  EXPECT_EQ(gammas(*paper), 94);
  EXPECT_EQ(paper->logits_parameters().size(), 2u);
  // Left to the network, it is TF-Slim's.
  for (const std::string& name : network_names()) {
    const auto own = make_network(name);
    EXPECT_EQ(own->options().bn_scale, tf_slim_options(name).bn_scale) << name;
    EXPECT_EQ(gammas(*own) > 0, *own->options().bn_scale) << name;
  }
}

TEST(NetworkOptions, RefusesWhatANetworkDoesNotHave) {
  const auto message = [](const std::string& name, const NetworkOptions& options) -> std::string {
    try {
      make_network(name, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message("bn_inception", {.auxiliary_head = true}).find("bn_inception has no auxiliary head"),
            std::string::npos);
  EXPECT_NE(message("resnet50_v1", {.dropout_keep = 0.8}).find("resnet50_v1 has no dropout"), std::string::npos);
  EXPECT_NE(message("inception_v4", {.drop_path_keep = 0.7}).find("drops no paths"), std::string::npos);
  EXPECT_NE(message("inception_v4", {.dropout_keep = 0}).find("dropout must keep"), std::string::npos);
  EXPECT_NE(message("inception_v4", {.image_size = -1}).find("image size"), std::string::npos);
  EXPECT_EQ(message("inception_v1", {.dropout_keep = 0.8}), "");
  EXPECT_EQ(message("inception_v1", {.width = 0.25}),
            "[network] inception_v1 has no width multiplier, so it cannot have 0.25 of its width");
  EXPECT_NE(message("mobilenet_v2_140", {.width = 0.5}).find("has no width multiplier"), std::string::npos);
  EXPECT_NE(message("inception_v1", {.public_layout = true}).find("inception_v1 has one layout"), std::string::npos);
  for (const std::string& name : network_names()) {
    const NetworkEntry& entry = network_entry(name);
    EXPECT_EQ(message(name, {.classes = 2, .width = 0.5}).empty(), entry.scales_width) << name;
    EXPECT_EQ(message(name, {.classes = 2, .public_layout = true}).empty(), name.starts_with("resnet")) << name;
    // What a network says of itself makes the same network again.
    const auto network = make_network(name, {.classes = 2});
    EXPECT_EQ(network->options().width, name == "mobilenet_v2_140" ? 1.4 : 1) << name;
    EXPECT_EQ(make_network(name, network->options())->parameters().size(), network->parameters().size()) << name;
  }
}

TEST(NetworkOptions, WidthOfInceptionIsTfSlims) {
  NetworkOptions options = NetworkOptions::paper(7);
  options.width = 0.25;
  const auto v2 = make_network("bn_inception", options);
  // 16 channels: min(16 / 3, 8) = 5 filters per colour; 8 channels of a branch would be fewer than 16.
  EXPECT_EQ(parameter(*v2, "InceptionV2/Conv2d_1a_7x7/depthwise_weights").shape(), (Shape{7, 7, 3, 5}));
  EXPECT_EQ(parameter(*v2, "InceptionV2/Conv2d_1a_7x7/pointwise_weights").shape(), (Shape{1, 1, 15, 16}));
  EXPECT_EQ(parameter(*v2, "InceptionV2/Mixed_3b/Branch_3/Conv2d_0b_1x1/weights").shape(), (Shape{1, 1, 48, 16}));
  EXPECT_EQ(parameter(*v2, "InceptionV2/Mixed_3c/Branch_0/Conv2d_0a_1x1/weights").shape(), (Shape{1, 1, 72, 16}));
  EXPECT_EQ(v2->feature_size(), 256);
  options.auxiliary_head = true;
  const auto v3 = make_network("inception_v3", options);
  EXPECT_EQ(parameter(*v3, "InceptionV3/Conv2d_3b_1x1/weights").shape(), (Shape{1, 1, 16, 20}));
  EXPECT_EQ(parameter(*v3, "InceptionV3/Mixed_7b/Branch_1/Conv2d_0b_1x3/weights").shape(), (Shape{1, 3, 96, 96}));
  EXPECT_EQ(parameter(*v3, "InceptionV3/AuxLogits/Conv2d_2a_5x5/weights").shape(), (Shape{5, 5, 32, 192}));
  EXPECT_EQ(parameter(*v3, "InceptionV3/AuxLogits/Conv2d_2b_1x1/weights").shape(), (Shape{1, 1, 192, 7}));
  EXPECT_EQ(v3->feature_size(), 512);
}

TEST(NetworkOptions, ImagesThatAreTooSmallAreNamed) {
  const std::map<std::string, Index> smallest{{"inception_v3", 75},   {"inception_v4", 75}, {"inception_resnet_v2", 75},
                                              {"densenet121", 29},    {"densenet169", 29},  {"densenet201", 29},
                                              {"nasnet_a_mobile", 3}, {"nasnet_a_large", 3}};
  for (const std::string& name : network_names()) {
    const Index side = smallest.contains(name) ? smallest.at(name) : 1;
    const auto network = make_network(name, {.classes = 2});
    EXPECT_EQ(network->smallest_image(), side) << name;
    const auto forward = [&](Index height, Index width) {
      const NoGradient guard;
      return network->forward(Variable(Tensor::zeros({1, height, width, 3})), Context::scores_only()).logits.shape();
    };
    EXPECT_EQ(forward(side, side), (Shape{1, 2})) << name;
    if (side == 1) continue;
    const std::string sentence = concat_text("[", name, "] images of ", side - 1, "x", side, " pixels are too small");
    try {
      forward(side - 1, side);
      ADD_FAILURE() << name;
    } catch (const UsageError& error) {
      EXPECT_EQ(std::string(error.what()).find(sentence), 0u) << error.what();
    }
    EXPECT_THROW(forward(side, side - 1), UsageError) << name;
    EXPECT_THROW(make_network(name, {.classes = 2, .image_size = side - 1}), UsageError) << name;
  }
}

TEST(NetworkOptions, DropoutActsInTrainingAlone) {
  for (const char* name : {"inception_v1", "bn_inception", "mobilenet_v2"}) {
    NetworkOptions options = NetworkOptions::paper(4);
    options.dropout_keep = 0.5;
    const auto network = make_network(name, options);
    initialise(network->parameters(), 2);
    const NoGradient guard;
    for (const bool training : {true, false}) {
      Trace trace;
      Context context;
      context.training = training;
      context.trace = &trace;
      const Outputs out = network->forward(Variable(random_tensor({2, 64, 64, 3}, DType::f32, 1)), context);
      const Tensor feature = out.feature.value();
      Index dropped = 0, doubled = 0;
      for (const Trace::Row& row : trace.rows())
        if (row.name.find("/Dropout") != std::string::npos) {
          const std::vector<float> before = feature.to_vector<float>(), after = row.value.to_vector<float>();
          for (std::size_t i = 0; i < before.size(); ++i) {
            dropped += before[i] != 0 && after[i] == 0;
            doubled += before[i] != 0 && after[i] == 2 * before[i];
          }
        }
      EXPECT_EQ(dropped > 0, training) << name;
      EXPECT_EQ(doubled > 0, training) << name;
    }
  }
}

}  // namespace inception_test
