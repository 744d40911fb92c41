// The table of a network: multiply-adds, parameters, receptive fields, inputs.
#include <gtest/gtest.h>

#include "models/specification.hpp"
#include "models/varied_network.hpp"
#include "tinyvision/nn/network_table.hpp"

namespace table_test {

using namespace tinyvision;

std::vector<LayerRow> table_of(const std::string& name, Index height, Index width) {
  return network_table(*make_network(name, tf_slim_options(name)), height, width);
}

TEST(NetworkTable, MultiplyAddsAndParametersOfEveryNetwork) {
  // Sums of the specification's column, at the native image size: backbone, logits, auxiliary head.
  const std::map<std::string, std::array<Index, 3>> macs{{"inception_v1", {1497352192, 1025024, 0}},
                                                         {"bn_inception", {1933833216, 1025024, 0}},
                                                         {"inception_v3", {5711168096, 2050048, 5683968}},
                                                         {"inception_v4", {12252438624, 1537536, 6503168}},
                                                         {"inception_resnet_v2", {13154258016, 1537536, 6707968}},
                                                         {"resnet50_v1", {4087136256, 2048000, 0}},
                                                         {"resnet101_v1", {7799357440, 2048000, 0}},
                                                         {"resnet152_v1", {11511578624, 2048000, 0}},
                                                         {"densenet121", {2833137664, 1024000, 0}},
                                                         {"densenet169", {3358179328, 1664000, 0}},
                                                         {"densenet201", {4289445888, 1920000, 0}},
                                                         {"mobilenet_v1", {567716352, 1025024, 0}},
                                                         {"mobilenet_v2", {299494272, 1281280, 0}},
                                                         {"mobilenet_v2_140", {580403824, 1793792, 0}},
                                                         {"nasnet_a_mobile", {562582816, 1057056, 3422976}},
                                                         {"nasnet_a_large", {23779382658, 4036032, 13597440}}};
  for (const std::string& name : network_names()) {
    const auto network = make_network(name, tf_slim_options(name));
    const Index side = network->image_size();
    Index counted = 0, parameters = 0, trainable = 0;
    std::vector<std::pair<std::string, Index>> specified, found;
    for (const auto& row : model_test::specified_operations(name))
      if (row.macs > 0) specified.emplace_back(row.name, row.macs);
    for (const LayerRow& row : network_table(*network, side, side)) {
      counted += row.macs;
      if (row.macs > 0) found.emplace_back(row.name, row.macs);
      parameters += row.parameters;
      for (const int input : row.inputs) EXPECT_GE(input, 0) << row.name;
    }
    for (const Parameter& p : network->parameters()) trainable += p.trainable() ? p.variable.shape().count() : 0;
    ASSERT_TRUE(macs.contains(name)) << name;
    const auto& [backbone, logits, aux] = macs.at(name);
    EXPECT_EQ(counted, backbone + logits + aux) << name;
    if (!specified.empty()) {
      EXPECT_EQ(found, specified) << name;
    }
    EXPECT_EQ(parameters, trainable) << name;
  }
}

TEST(NetworkTable, RowsOfMobilenetV2) {
  const std::vector<LayerRow> rows = table_of("mobilenet_v2", 224, 224);
  EXPECT_EQ(rows[0].name, "images");
  EXPECT_EQ(rows[1].name, "MobilenetV2/Conv");
  EXPECT_EQ(rows[1].kind, "conv2d 3x3/2, batch_norm, relu6");
  EXPECT_EQ(rows[1].output, (Shape{112, 112, 32}));
  EXPECT_EQ(rows[1].parameters, 3 * 3 * 3 * 32 + 2 * 32);
  EXPECT_EQ(rows[1].macs, 112 * 112 * 32 * 27);
  EXPECT_EQ(rows[1].receptive_field[0].size, 3);
  EXPECT_EQ(rows[1].receptive_field[0].step, 2);
  EXPECT_EQ(rows[1].receptive_field[0].start, 0);  // SAME pads a map of even extent at the end alone
  const auto sum = std::find_if(rows.begin(), rows.end(), [](const LayerRow& row) { return row.kind == "add"; });
  ASSERT_NE(sum, rows.end());
  EXPECT_EQ(sum->inputs.size(), 2u);
  EXPECT_EQ(rows.back().output, (Shape{1001}));
}

/// Rows (axis 0) or columns (axis 1) of the image that the last map's cell at `position` depends on: first and last.
std::pair<Index, Index> seen_by(const Network& network, Index height, Index width, int axis, Index position) {
  const Random random(8, Stream::test);
  const Tensor pixels = Tensor::empty({1, height, width, 3}, DType::f64);
  for (Index i = 0; i < pixels.count(); ++i)
    pixels.data<double>()[i] = random.uniform(static_cast<std::uint64_t>(i), -1, 1);
  const Variable images(pixels, true);
  const Outputs outputs = network.forward(images, Context{});
  const Variable& map = outputs.end_points.back().second;
  const Shape& shape = map.shape();
  const Tensor seed = Tensor::zeros(shape, DType::f64);
  for (Index h = 0; h < shape[1]; ++h)
    for (Index w = 0; w < shape[2]; ++w)
      for (Index c = 0; c < shape[3] && (axis == 0 ? h : w) == position; ++c)
        seed.data<double>()[(h * shape[2] + w) * shape[3] + c] = random.uniform(static_cast<std::uint64_t>(c), 0.5, 1);
  backward(map, seed);
  const double* dx = images.gradient().data<double>();
  std::pair<Index, Index> seen{-1, -1};
  for (Index at = 0; at < (axis == 0 ? height : width); ++at) {
    bool depends = false;
    for (Index i = 0; i < pixels.count(); ++i)
      if ((axis == 0 ? i / 3 / width : i / 3 % width) == at && dx[i] != 0) depends = true;
    if (!depends) continue;
    if (seen.first < 0) seen.first = at;
    seen.second = at;
  }
  return seen;
}

// The gradient of one row of the last map's cells, with respect to the image, is 0 outside the field and not at its ends.
TEST(NetworkTable, ReceptiveFieldsAreWhereGradientsAre) {
  // Windows without padding reach every pixel of this length; in maps that end within a window a field may end before it.
  const Index longer = 715, shorter = 75;
  for (const char* name : {"mobilenet_v2", "bn_inception", "inception_v3"}) {
    NetworkOptions options;
    options.classes = 2;
    options.dtype = DType::f64;
    const auto network = model_test::make_varied(name, options);
    for (const int axis : {0, 1}) {
      const Index height = axis == 0 ? longer : shorter, width = axis == 0 ? shorter : longer;
      const std::vector<LayerRow> rows = network_table(*network, height, width);
      const auto pool =
          std::find_if(rows.begin(), rows.end(), [](const LayerRow& row) { return row.kind == "global_average_pool"; });
      ASSERT_NE(pool, rows.end()) << name;
      const LayerRow& map = rows[static_cast<std::size_t>(pool->inputs[0])];
      const ReceptiveField& field = map.receptive_field[static_cast<std::size_t>(axis)];
      for (const Index position : {Index{0}, map.output[axis] - 1}) {
        const Index first = field.start + position * field.step, last = first + field.size - 1;
        const auto seen = seen_by(*network, height, width, axis, position);
        EXPECT_EQ(seen.first, std::max<Index>(first, 0)) << name << " axis " << axis << " position " << position;
        EXPECT_EQ(seen.second, std::min(last, longer - 1)) << name << " axis " << axis << " position " << position;
      }
    }
  }
}

TEST(NetworkTable, DotHasANodePerRowAndAnEdgePerInput) {
  const std::vector<LayerRow> rows = table_of("nasnet_a_mobile", 224, 224);
  const std::string dot = network_dot("nasnet_a_mobile", rows);
  std::size_t edges = 0, inputs = 0, nodes = 0;
  for (std::size_t at = dot.find(" -> "); at != std::string::npos; at = dot.find(" -> ", at + 1)) ++edges;
  for (std::size_t at = dot.find("[label="); at != std::string::npos; at = dot.find("[label=", at + 1)) ++nodes;
  for (const LayerRow& row : rows) inputs += row.inputs.size();
  EXPECT_EQ(nodes, rows.size());
  EXPECT_EQ(edges, inputs);
  EXPECT_EQ(dot.rfind("digraph \"nasnet_a_mobile\" {", 0), 0u);
  EXPECT_TRUE(dot.ends_with("}\n"));
}

}  // namespace table_test
