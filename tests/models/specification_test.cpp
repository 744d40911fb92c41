// The networks against their specification, row by row: variables, operations, wiring.
#include "models/specification.hpp"

#include <gtest/gtest.h>

#include <map>

#include "tinyvision/ops/op_log.hpp"

namespace specification_test {

using namespace tinyvision;
using namespace model_test;

std::string shape_text(const Shape& shape) {
  std::string text = shape.text();
  return text.substr(1, text.size() - 2);
}

TEST(Models, VariablesEqualTheSpecification) {
  for (const std::string& name : network_names()) {
    const auto rows = read_table(name + ".tsv");
    if (rows.empty()) GTEST_SKIP() << "no specification in " << spec_folder();
    const auto network = with_public_classes(name);
    ASSERT_EQ(network->parameters().size(), rows.size()) << name;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Parameter& p = network->parameters()[i];
      EXPECT_EQ(p.name, rows[i][0]);
      EXPECT_EQ(to_string(p.kind), rows[i][1]) << p.name;
      EXPECT_EQ(shape_text(p.variable.shape()), rows[i][2]) << p.name;
      EXPECT_EQ(to_string(p.group), rows[i][3]) << p.name;
      EXPECT_EQ(p.initialiser.text(), rows[i][4]) << p.name;
      EXPECT_EQ(p.l2_slim, std::stod(rows[i][5])) << p.name;
    }
  }
}

TEST(Models, VariablesOfTfSlimsSettingsAreThoseOfThePublicCheckpoints) {
  for (const std::string& name : network_names()) {
    const auto rows = read_table(name + ".tsv");
    if (rows.empty()) GTEST_SKIP() << "no specification in " << spec_folder();
    std::vector<std::string> published, ours;
    for (const auto& row : rows)
      if (row.at(6) == "1") published.push_back(row[0]);
    const auto network = make_network(name, tf_slim_options(name));
    for (const Parameter& p : network->parameters()) ours.push_back(p.name);
    EXPECT_EQ(ours, published) << name;
  }
}

/// One forward pass of single operations: which rows of the specification a result is, and what made it.
class Pass {
 public:
  Pass(const Network& network, Index height, Index width)
      : images_(Tensor::zeros({1, height, width, 3}, network.options().dtype)) {
    const NoGradient guard;
    Context context;
    context.fused = false;
    context.trace = &trace_;
    network.forward(images_, context);
    for (const AppliedOp& op : log_.ops()) made_by_[key(op.output.value())] = &op;
  }

  const std::vector<Trace::Row>& rows() const { return trace_.rows(); }

  /// Compares the rows, in their order, with `specification`; `native`: at the size that it lists.
  void compare(const std::vector<SpecifiedOperation>& specification, bool native) {
    for (const Trace::Row& row : trace_.rows()) {
      const SpecifiedOperation& expected = specification.at(static_cast<std::size_t>(row.id));
      SCOPED_TRACE("row " + expected.id + " " + expected.name);
      EXPECT_EQ(std::to_string(row.id), expected.id);
      EXPECT_EQ(row.name, expected.name);
      if (native) compare_shape(row.value.shape(), expected);
      if (expected.op == "input") {
        EXPECT_EQ(row.value.raw(), images_.value().raw());
        same_as_[row.id] = row_of_[key(row.value)] = row.id;
      } else {
        compare_operation(row, expected, native);
      }
    }
  }

 private:
  using Key = std::pair<const void*, std::string>;
  static Key key(const Tensor& value) { return {value.raw(), value.shape().text()}; }

  static void compare_shape(const Shape& shape, const SpecifiedOperation& expected) {
    const bool map = shape.rank() == 4;
    EXPECT_EQ(map ? shape[1] : 1, expected.output.at(0));
    EXPECT_EQ(map ? shape[2] : 1, expected.output.at(1));
    EXPECT_EQ(shape.back(), expected.output.at(2));
  }

  void compare_operation(const Trace::Row& row, const SpecifiedOperation& expected, bool native) {
    std::vector<int> inputs;
    for (const Index input : expected.inputs) inputs.push_back(same_as_.at(static_cast<int>(input)));
    if (const auto before = row_of_.find(key(row.value)); before != row_of_.end()) {
      // No operation of its own: the identity, or a ReLU that several rows read through.
      same_as_[row.id] = before->second;
      if (expected.op == "relu") {
        EXPECT_EQ(shared_.at(before->second), std::pair(expected.op, inputs));
      } else {
        EXPECT_TRUE(expected.op == "dropout" || expected.op == "flatten") << expected.op;
        EXPECT_EQ(inputs, std::vector{before->second});
      }
      return;
    }
    // Back along what made the result, up to results that are rows themselves.
    std::vector<const AppliedOp*> steps;
    std::vector<int> read;
    for (Key at = key(row.value); read.empty();) {
      ASSERT_TRUE(made_by_.contains(at)) << "nothing made it";
      const AppliedOp& op = *made_by_.at(at);
      steps.insert(steps.begin(), &op);
      const bool joins = op.name == "add" || op.name == "concat";
      for (std::size_t i = 0; i < (joins ? op.inputs.size() : 1); ++i) {
        const auto found = row_of_.find(key(op.inputs[i].value()));
        if (found != row_of_.end()) read.push_back(found->second);
        ASSERT_TRUE(found != row_of_.end() || !joins) << "it joins what is no row";
      }
      at = key(op.inputs[0].value());
    }
    same_as_[row.id] = row_of_[key(row.value)] = row.id;
    shared_[row.id] = {expected.op, inputs};
    if (expected.op == "add") std::sort(read.begin(), read.end()), std::sort(inputs.begin(), inputs.end());
    EXPECT_EQ(read, inputs) << "rows that it reads";
    std::erase_if(steps, [](const AppliedOp* op) { return op->name == "reshape"; });
    std::string names;
    for (const AppliedOp* op : steps) {
      names += (names.empty() ? "" : " ") + std::string(op->name);
      if (op->activation != Activation::none) names += concat_text(" ", to_string(op->activation));
    }
    EXPECT_EQ(names, operations_of(expected, names == "linear"));
    for (const AppliedOp* op : steps) compare_numbers(*op, expected, native);
  }

  /// Names of the operations that a row stands for. Convolutions of 1x1 maps may be products of a matrix.
  static std::string operations_of(const SpecifiedOperation& row, bool linear) {
    static const std::map<std::string, std::string> names{{"conv", "conv2d"},
                                                          {"dwconv", "depthwise_conv2d"},
                                                          {"bn", "batch_norm"},
                                                          {"relu", "activation relu"},
                                                          {"add", "add"},
                                                          {"concat", "concat"},
                                                          {"scale", "scale"},
                                                          {"zeropad", "zero_pad"},
                                                          {"crop", "crop"},
                                                          {"maxpool", "max_pool"},
                                                          {"avgpool", "average_pool"},
                                                          {"globalavgpool", "global_average_pool"},
                                                          {"fc", "linear"},
                                                          {"flatten", ""}};
    if (row.feature) return "global_average_pool";  // at every size, as the paper's features are
    const bool matrix = linear && row.op == "conv" && row.kernel == std::vector<Index>{1, 1} && row.bias &&
                        row.output[0] == 1 && row.output[1] == 1;
    std::string text = matrix ? "linear" : names.at(row.op);
    if (row.op != "bn" && !row.bn_eps.empty()) text += " batch_norm";
    if (!row.activation.empty()) text += " activation " + row.activation;
    return text;
  }

  static void compare_numbers(const AppliedOp& op, const SpecifiedOperation& expected, bool native) {
    const WindowGeometry& g = op.window;
    if (op.name == "batch_norm") {
      EXPECT_EQ(op.number, std::stod(expected.bn_eps));
    } else if (op.name == "scale") {
      EXPECT_EQ(op.number, std::stod(expected.arg));
    } else if (op.name == "zero_pad") {
      EXPECT_EQ(std::vector<Index>(op.amounts.begin(), op.amounts.end()), expected.pads);
    } else if (op.name == "crop") {
      EXPECT_EQ((std::vector<Index>{op.amounts[0], op.amounts[1]}), numbers_of(expected.arg));
    } else if (op.name.ends_with("conv2d") || op.name == "linear") {
      EXPECT_EQ(op.inputs.size() > 2 && op.inputs[2].defined(), expected.bias);
    }
    if (g.kernel_h == 0) return;
    EXPECT_EQ((std::vector<Index>{g.kernel_h, g.kernel_w}), expected.kernel);
    EXPECT_EQ((std::vector<Index>{g.stride_h, g.stride_w}), expected.stride);
    const auto [out_h, top, bottom] = extent(expected.padding, g.in_h, g.kernel_h, g.stride_h);
    const auto [out_w, left, right] = extent(expected.padding, g.in_w, g.kernel_w, g.stride_w);
    EXPECT_EQ((std::vector<Index>{g.out_h, g.out_w, g.pad_top, g.pad_left}),
              (std::vector<Index>{out_h, out_w, top, left}));
    if (native) {
      EXPECT_EQ((std::vector<Index>{top, bottom, left, right}), expected.pads);
    }
  }

  /// TensorFlow's rule: output extent, padding before and after.
  static std::array<Index, 3> extent(const std::string& padding, Index in, Index kernel, Index stride) {
    if (padding == "VALID") return {(in - kernel) / stride + 1, 0, 0};
    EXPECT_EQ(padding, "SAME");
    const Index out = (in + stride - 1) / stride, total = std::max<Index>((out - 1) * stride + kernel - in, 0);
    return {out, total / 2, total - total / 2};
  }

  Variable images_;
  Trace trace_;
  OpLog log_;
  std::map<Key, const AppliedOp*> made_by_;
  std::map<Key, int> row_of_;                                       ///< the first row that is this result
  std::map<int, int> same_as_;                                      ///< row -> the first row with its result
  std::map<int, std::pair<std::string, std::vector<int>>> shared_;  ///< row -> operation and inputs
};

TEST(Models, OperationsEqualTheSpecification) {
  for (const bool public_layout : {false, true})
    for (const std::string& name : network_names()) {
      if (public_layout && !network_entry(name).has_public_layout) continue;
      SCOPED_TRACE(name + (public_layout ? ", public layout" : ""));
      const auto rows = specified_operations(name, public_layout);
      if (rows.empty()) GTEST_SKIP() << "no specification in " << spec_folder();
      const auto network = with_public_classes(name, public_layout);
      {
        Pass pass(*network, network->image_size(), network->image_size());
        ASSERT_EQ(pass.rows().size(), rows.size());
        pass.compare(rows, true);
      }
      // SAME and VALID are the same at some sizes, and height and width in squares.
      Pass(*with_public_classes(name, public_layout, false), 79, 97).compare(rows, false);
    }
}

TEST(Models, FusedOperationsStandInTheirRowsOfTheSpecification) {
  for (const std::string& name : network_names()) {
    const auto rows = specified_operations(name);
    if (rows.empty()) GTEST_SKIP() << "no specification in " << spec_folder();
    const Index side = 139;
    const auto network = with_public_classes(name, false, true, side);
    const NoGradient guard;
    Trace trace;
    Context context;
    context.trace = &trace;
    network->forward(Variable(Tensor::zeros({1, side, side, 3})), context);
    for (const Trace::Row& row : trace.rows()) EXPECT_EQ(row.name, rows.at(static_cast<std::size_t>(row.id)).name);
    EXPECT_EQ(std::to_string(trace.rows().back().id), rows.back().id) << name;
  }
}

}  // namespace specification_test
