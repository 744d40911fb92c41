// Forward and backward passes of every network on small images: fused against plain, own against reference kernels,
// sizes and widths.
#include <gtest/gtest.h>

#include "models/varied_network.hpp"
#include "tinyvision/ops/loss.hpp"

namespace forward_test {

using namespace tinyvision;
using model_test::make_varied;
using op_test::expect_close;
using op_test::random_tensor;

NetworkOptions small(DType dtype, double width = 1, bool public_layout = false) {
  NetworkOptions options = NetworkOptions::paper(6);
  options.dtype = dtype;
  options.width = width;
  options.public_layout = public_layout;
  return options;
}

struct Layout {
  const char* network;
  double width = 1;
  bool public_layout = false;
  Index height = 41, image_width = 33;

  /// With all that the network has.
  NetworkOptions options(DType dtype) const {
    NetworkOptions o = small(dtype, width, public_layout);
    o.auxiliary_head = network_entry(network).has_auxiliary_head;
    o.image_size = height;
    return o;
  }
};

std::vector<Layout> layouts() {
  return {{"inception_v1"},
          {"bn_inception"},
          {"inception_v3", 1, false, 123, 123},
          {"inception_v4", 1, false, 123, 123},
          {"inception_resnet_v2", 1, false, 123, 123},
          {"mobilenet_v1"},
          {"mobilenet_v1", 0.25},
          {"mobilenet_v2"},
          {"mobilenet_v2", 0.35},
          {"mobilenet_v2_140"},
          {"resnet50_v1"},
          {"resnet50_v1", 1, true},
          {"densenet121", 1, false, 97, 97},
          {"nasnet_a_mobile", 1, false, 97, 97}};
}

Trace::Row find_row(const Trace& trace, int id) {
  for (const Trace::Row& row : trace.rows())
    if (row.id == id) return row;
  ADD_FAILURE() << "no row " << id;
  return {};
}

// A fused pass keeps fewer results. Those it keeps have the id, the name and the value of the plain pass.
TEST(Forward, FusedKeepsRowsOfThePlainPass) {
  for (const Layout& layout : layouts())
    for (const bool training : {true, false}) {
      SCOPED_TRACE(concat_text(layout.network, " width ", layout.width, " public ", layout.public_layout, " training ",
                               training));
      const Variable images(random_tensor({2, layout.height, layout.image_width, 3}, DType::f64, 1));
      Trace plain, fused;
      Outputs outputs[2];
      for (const bool is_fused : {false, true}) {
        // Training moves the statistics, so each pass has a network of its own.
        const auto network = make_varied(layout.network, layout.options(DType::f64));
        const NoGradient guard;
        Context context;
        context.training = training;
        context.fused = is_fused;
        context.trace = is_fused ? &fused : &plain;
        outputs[is_fused] = network->forward(images, context);
      }
      ASSERT_GT(fused.rows().size(), 10u);
      EXPECT_EQ(fused.rows().back().id, plain.rows().back().id);
      for (const Trace::Row& row : fused.rows()) {
        const Trace::Row expected = find_row(plain, row.id);
        EXPECT_EQ(row.name, expected.name);
        expect_close(row.value, expected.value, 1e-10, concat_text("row ", row.id, " ", row.name));
      }
      expect_close(outputs[1].feature.value(), outputs[0].feature.value(), 1e-10, "feature");
      ASSERT_EQ(outputs[0].aux_logits.defined(), network_entry(layout.network).has_auxiliary_head);
      ASSERT_EQ(outputs[1].aux_logits.defined(), outputs[0].aux_logits.defined());
      if (outputs[0].aux_logits.defined())
        expect_close(outputs[1].aux_logits.value(), outputs[0].aux_logits.value(), 1e-10, "auxiliary logits");
      ASSERT_EQ(outputs[1].end_points.size(), outputs[0].end_points.size());
      for (std::size_t i = 0; i < outputs[1].end_points.size(); ++i) {
        EXPECT_EQ(outputs[1].end_points[i].first, outputs[0].end_points[i].first);
        expect_close(outputs[1].end_points[i].second.value(), outputs[0].end_points[i].second.value(), 1e-10,
                     outputs[1].end_points[i].first);
      }
    }
}

TEST(Forward, FeatureSizesAndOddImages) {
  for (const std::string& name : network_names())
    for (const bool public_layout : {false, true}) {
      if (public_layout && name.rfind("resnet", 0) != 0) continue;
      const auto network = make_network(name, small(DType::f32, 1, public_layout));
      initialise(network->parameters(), 1);
      const Index features = network->feature_size();
      const NoGradient guard;
      // Five halvings, each rounded up: 97 -> 49 -> 25 -> 13 -> 7 -> 4 and 65 -> 33 -> 17 -> 9 -> 5 -> 3. Networks that do
      // not pad: 155 -> 77 -> 75 -> 37 -> 35 -> 17 -> 8 -> 3 and 107 -> 53 -> 51 -> 25 -> 23 -> 11 -> 5 -> 2.
      // DenseNets' means over whole windows round down, from 25 and 17 on; NASNets' stem has no padding: 48 -> 24 ... 3 and
      // 32 -> 16 ... 2.
      const bool unpadded = network->image_size() == 299;
      const bool smaller = unpadded || name.rfind("densenet", 0) == 0 || name.rfind("nasnet", 0) == 0;
      const Shape images = unpadded ? Shape{2, 155, 107, 3} : Shape{2, 97, 65, 3};
      const Outputs out = network->forward(Variable(random_tensor(images, DType::f32, 2)), Context{});
      EXPECT_EQ(out.logits.shape(), (Shape{2, 6})) << name;
      EXPECT_EQ(out.feature.shape(), (Shape{2, features})) << name;
      EXPECT_FALSE(out.aux_logits.defined()) << name;
      const Shape last = out.end_points.back().second.shape();
      EXPECT_EQ(last, smaller ? (Shape{2, 3, 2, features}) : (Shape{2, 4, 3, features})) << name;
      // The feature is the mean of the last map.
      const std::vector<double> map = out.end_points.back().second.value().to_vector<double>();
      const std::vector<double> feature = out.feature.value().to_vector<double>();
      const Index pixels = last[1] * last[2];
      for (const Index c : {Index{0}, features / 2}) {
        double sum = 0;
        for (Index pixel = 0; pixel < pixels; ++pixel) sum += map[static_cast<std::size_t>(pixel * features + c)];
        EXPECT_NEAR(feature[static_cast<std::size_t>(c)], sum / static_cast<double>(pixels),
                    1e-5 * std::max(1.0, std::fabs(sum)))
            << name;
      }
    }
}

TEST(Forward, WidthsOfMobilenetV1) {
  // Howard et al., Table 6: 4.2, 2.6, 1.3 and 0.5 million parameters with 1000 classes, without moving statistics.
  for (const auto& [width, millions] :
       std::vector<std::pair<double, double>>{{1, 4.2}, {0.75, 2.6}, {0.5, 1.3}, {0.25, 0.5}}) {
    NetworkOptions options;
    options.classes = 1000;
    options.width = width;
    Index count = 0;
    const auto network = make_network("mobilenet_v1", options);
    for (const Parameter& p : network->parameters())
      if (p.trainable()) count += p.variable.shape().count();
    EXPECT_NEAR(static_cast<double>(count) / 1e6, millions, 0.05) << width;
  }
  NetworkOptions narrow;
  narrow.width = 0.01;  // never below 8 channels
  const auto narrow_network = make_network("mobilenet_v1", narrow);
  for (const Parameter& p : narrow_network->parameters())
    if (p.kind == ParameterKind::bn_beta) {
      EXPECT_GE(p.variable.shape()[0], 8) << p.name;
    }
}

// Evaluation is continuous in its input, so own and reference kernels agree in f32 too.
TEST(Forward, EvaluationOfOwnEqualsReferenceInF32) {
  for (const Layout& layout : {Layout{"mobilenet_v1"}, Layout{"mobilenet_v2"}, Layout{"resnet50_v1"},
                               Layout{"bn_inception"}, Layout{"inception_resnet_v2", 1, false, 91, 91}})
    for (const bool fused : {true, false}) {
      SCOPED_TRACE(concat_text(layout.network, " fused ", fused));
      const auto network = make_varied(layout.network, small(DType::f32));
      const Variable images(random_tensor({2, layout.height, layout.image_width, 3}, DType::f32, 5));
      const NoGradient guard;
      Trace own, reference;
      Context context;
      context.fused = fused;
      context.trace = &own;
      network->forward(images, context);
      const KernelScope scope(Kernels::reference);
      context.trace = &reference;
      network->forward(images, context);
      ASSERT_EQ(own.rows().size(), reference.rows().size());
      for (std::size_t i = 0; i < own.rows().size(); ++i)
        expect_close(own.rows()[i].value, reference.rows()[i].value, 1e-5, own.rows()[i].name);
    }
}

// Without end points the maps of an evaluation are freed as soon as nothing reads them.
TEST(Forward, AnEvaluationWithoutEndPointsNeedsLessMemory) {
  const auto network = make_varied("resnet50_v1", small(DType::f32));
  const Variable images(random_tensor({4, 97, 97, 3}, DType::f32, 5));
  const NoGradient guard;
  const auto peak_beyond = [&](bool end_points, Tensor& logits) {
    const std::size_t before = Arena::cpu().statistics().in_use;
    Arena::cpu().reset_peak();
    const Outputs out = network->forward(images, end_points ? Context{} : Context::scores_only());
    EXPECT_EQ(out.end_points.empty(), !end_points);
    logits = out.logits.value();
    return Arena::cpu().statistics().peak - before;
  };
  Tensor with, without;
  peak_beyond(true, with);  // packs the weights
  const std::size_t all = peak_beyond(true, with);
  EXPECT_LT(2 * peak_beyond(false, without), all);
  EXPECT_EQ(with.to_vector<float>(), without.to_vector<float>());
}

// Weights of an evaluation are packed once and kept; they must follow every change and fit every image size.
TEST(Forward, PackedWeightsFollowTheWeights) {
  const auto network = make_varied("mobilenet_v2", small(DType::f32));
  const NoGradient guard;
  const auto forward = [&](Kernels choice, Index size) {
    const KernelScope scope(choice);
    return network->forward(Variable(random_tensor({2, size, size, 3}, DType::f32, 5)), Context{}).logits.value();
  };
  const Tensor first = forward(Kernels::own, 40).clone();
  initialise(network->parameters(), 18);
  const Tensor second = forward(Kernels::own, 40).clone();
  EXPECT_NE(first.to_vector<double>(), second.to_vector<double>());
  expect_close(second, forward(Kernels::reference, 40), 1e-5, "after a change");
  expect_close(forward(Kernels::own, 57), forward(Kernels::reference, 57), 1e-5, "at another size");
}

TEST(Forward, RefusesWhatIsNoImage) {
  const auto network = make_network("mobilenet_v1", small(DType::f32));
  const auto message = [&](const Tensor& images) -> std::string {
    try {
      network->forward(Variable(images), Context{});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message(Tensor::zeros({1, 8, 8, 4})).find("[1,8,8,4]"), std::string::npos);
  EXPECT_NE(message(Tensor::zeros({8, 8, 3})).find("[8,8,3]"), std::string::npos);
  EXPECT_NE(message(Tensor::zeros({1, 8, 8, 3}, DType::f64)).find("f64"), std::string::npos);
  EXPECT_NE(message(Tensor::zeros({1, 0, 8, 3})), "");
  NetworkOptions options;
  options.classes = 0;
  EXPECT_THROW(make_network("mobilenet_v1", options), Error);
  options.classes = 5;
  options.width = -1;
  EXPECT_THROW(make_network("mobilenet_v2", options), Error);
}

}  // namespace forward_test
