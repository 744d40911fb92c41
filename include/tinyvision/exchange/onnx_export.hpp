// A network as an ONNX graph (operator set 17), written from the operations that one evaluation pass applies; so there is
// one exporter for all networks, and what it does not know it refuses by name.
//
// The model takes images [batch,H,W,3], normalised as the network wants them, and returns `logits` [batch,K] and `feature`
// [batch,D]. Maps are NHWC here and NCHW in ONNX: one Transpose stands at the input, and one at a reshape from a map that
// is wider than a pixel. Weights keep their names and are transposed: HWIO to OIHW, HWCM to [C*M,1,H,W]. SAME padding
// becomes the amounts it resolves to at this image size, so the model is for this size; the batch is free.
//
//   here                         ONNX
//   conv2d, depthwise_conv2d     Conv (pads; group = C for depthwise)
//   batch_norm                   BatchNormalization, then the activation; conv2d_batch_norm: Conv before it, Add after it
//   activation                   Relu, Clip(0, 6)
//   max_pool, average_pool       MaxPool, AveragePool (count_include_pad 0)
//   global_average_pool          GlobalAveragePool, Flatten
//   linear                       Gemm
//   concat, add, scale           Concat (axis 1), Add, Mul
//   zero_pad, crop, reshape      Pad, Slice, Reshape
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tinyvision/checkpoint/onnx_writer.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN
namespace exchange {

namespace detail {

/// `source` with axis i of the result being axis order[i] of it.
inline Tensor permute(const Tensor& source, const std::vector<int>& order) {
  const Tensor packed = source.to(DType::f32).packed();
  Shape shape;
  for (const int axis : order) shape.push_back(packed.shape()[axis]);
  const Tensor out = Tensor::empty(shape, DType::f32);
  std::vector<Index> stride(order.size(), 1), at(order.size(), 0);
  for (std::size_t i = 0; i < order.size(); ++i)
    for (int axis = order[i] + 1; axis < packed.shape().rank(); ++axis) stride[i] *= packed.shape()[axis];
  for (Index i = 0; i < out.count(); ++i) {
    Index from = 0;
    for (std::size_t axis = 0; axis < at.size(); ++axis) from += at[axis] * stride[axis];
    out.data<float>()[i] = packed.data<float>()[from];
    for (std::size_t axis = at.size(); axis-- > 0;) {
      if (++at[axis] < shape[static_cast<int>(axis)]) break;
      at[axis] = 0;
    }
  }
  return out;
}

/// Writes a list of operations down.
class OnnxWalker {
 public:
  OnnxWalker(checkpoint::OnnxGraph& graph, const Network& network) : graph_(graph) {
    for (const Parameter& p : network.parameters()) parameter_names_.emplace(p.variable.identity(), p.name);
  }

  void name(const Variable& value, const std::string& name) { names_.emplace(value.identity(), name); }
  /// Of a value that an operation made, or that was named. Throws Error for any other.
  std::string name_of(const Variable& value, std::string_view op) const {
    const auto found = names_.find(value.identity());
    check(found != names_.end(), "onnx", "operation ", op, " reads a value ", value.shape(),
          " that no listed operation made");
    return found->second;
  }

  void write(const AppliedOp& op) {
    const std::string_view n = op.name;
    if (n == "conv2d" || n == "depthwise_conv2d") {
      named(op, convolution(op, n == "depthwise_conv2d", op.inputs[2]));
    } else if (n == "conv2d_batch_norm" || n == "depthwise_conv2d_batch_norm") {
      std::string y = convolution(op, n == "depthwise_conv2d_batch_norm", Variable());
      y = batch_norm(op, y, 2);
      if (op.inputs[6].defined()) y = node("Add", {y, name_of(op.inputs[6], n)});
      named(op, activation(y, op.activation));
    } else if (n == "batch_norm") {
      named(op, activation(batch_norm(op, input(op, 0), 1), op.activation));
    } else if (n == "activation") {
      named(op, activation(input(op, 0), op.activation));
    } else if (n == "max_pool" || n == "average_pool") {
      named(op, pool(op));
    } else if (n == "global_average_pool") {
      named(op, node("Flatten", {node("GlobalAveragePool", {input(op, 0)})}, {attribute("axis", 1)}));
    } else if (n == "linear") {
      named(op, linear(op));
    } else if (n == "add") {
      named(op, node("Add", {input(op, 0), input(op, 1)}));
    } else if (n == "scale") {
      named(op, node("Mul", {input(op, 0), constant(Tensor::full({}, op.number))}));
    } else if (n == "concat") {
      std::vector<std::string> parts;
      for (std::size_t i = 0; i < op.inputs.size(); ++i) parts.push_back(input(op, i));
      named(op, node("Concat", parts, {attribute("axis", 1)}));
    } else if (n == "zero_pad") {
      const auto [top, bottom, left, right] = op.amounts;
      named(op, node("Pad", {input(op, 0), integers({0, 0, top, left, 0, 0, bottom, right})}));
    } else if (n == "crop") {
      const auto [top, left, height, width] = op.amounts;
      named(op, node("Slice",
                     {input(op, 0), integers({top, left}), integers({top + height, left + width}), integers({2, 3})}));
    } else if (n == "reshape") {
      named(op, reshape(op));
    } else {
      fail("onnx", "operation ", n, " has no counterpart in ONNX here");
    }
  }

 private:
  using Attribute = checkpoint::OnnxAttribute;
  static Attribute attribute(const char* name, Index value) { return Attribute::of(name, std::int64_t{value}); }
  static Attribute attribute(const char* name, std::vector<std::int64_t> values) {
    return Attribute::of(name, std::move(values));
  }

  std::string input(const AppliedOp& op, std::size_t index) const { return name_of(op.inputs[index], op.name); }
  void named(const AppliedOp& op, const std::string& result) { names_.emplace(op.output.identity(), result); }
  std::string node(const std::string& kind, const std::vector<std::string>& inputs,
                   const std::vector<Attribute>& attributes = {}) {
    const std::string output = concat_text(kind, "_", ++count_);
    graph_.add_node(kind, inputs, output, attributes);
    return output;
  }

  std::string constant(const Tensor& value) {
    const std::string name = concat_text("constant_", ++count_);
    graph_.add_initializer(name, value);
    return name;
  }
  std::string integers(const std::vector<std::int64_t>& values) {
    return constant(Tensor::from_vector({static_cast<Index>(values.size())}, values));
  }
  /// A parameter under its name, in ONNX's layout; written once, however often it is read.
  std::string parameter(const Variable& v, const Tensor& value, std::string_view op) {
    const auto found = parameter_names_.find(v.identity());
    check(found != parameter_names_.end(), "onnx", "operation ", op, " reads a weight ", v.shape(),
          " that is no parameter of the network");
    if (!written_.emplace(v.identity(), op).second) return found->second;
    graph_.add_initializer(found->second, value.to(DType::f32));
    return found->second;
  }

  /// Pads at the end so that the window's last position is reached; 0 where it ends within the map.
  static std::vector<std::int64_t> pads(const WindowGeometry& g) {
    const auto after = [](Index out, Index stride, Index kernel, Index in, Index before) {
      return std::max<Index>((out - 1) * stride + kernel - in - before, 0);
    };
    return {g.pad_top, g.pad_left, after(g.out_h, g.stride_h, g.kernel_h, g.in_h, g.pad_top),
            after(g.out_w, g.stride_w, g.kernel_w, g.in_w, g.pad_left)};
  }
  static std::vector<Attribute> window(const WindowGeometry& g) {
    return {attribute("kernel_shape", {g.kernel_h, g.kernel_w}), attribute("strides", {g.stride_h, g.stride_w}),
            attribute("pads", pads(g))};
  }

  std::string convolution(const AppliedOp& op, bool depthwise, const Variable& bias) {
    const Tensor& w = op.inputs[1].value();
    Tensor weight;
    if (depthwise) {
      weight = permute(w, {2, 3, 0, 1}).reshape({w.dim(2) * w.dim(3), 1, w.dim(0), w.dim(1)});
    } else {
      weight = permute(w, {3, 2, 0, 1});
    }
    std::vector<std::string> inputs{input(op, 0), parameter(op.inputs[1], weight, op.name)};
    if (bias.defined()) inputs.push_back(parameter(bias, bias.value(), op.name));
    std::vector<Attribute> attributes = window(op.window);
    attributes.push_back(attribute("group", depthwise ? w.dim(2) : Index{1}));
    return node("Conv", inputs, attributes);
  }
  /// `first` is the place of gamma among the inputs; beta, mean and variance follow.
  std::string batch_norm(const AppliedOp& op, const std::string& x, std::size_t first) {
    const Variable& beta = op.inputs[first + 1];
    std::vector<std::string> inputs{x};
    inputs.push_back(op.inputs[first].defined() ? parameter(op.inputs[first], op.inputs[first].value(), op.name)
                                                : constant(Tensor::full(beta.shape(), 1)));
    for (std::size_t i = 1; i < 4; ++i)
      inputs.push_back(parameter(op.inputs[first + i], op.inputs[first + i].value(), op.name));
    return node("BatchNormalization", inputs, {Attribute::of("epsilon", static_cast<float>(op.number))});
  }
  std::string activation(const std::string& x, Activation kind) {
    if (kind == Activation::none) return x;
    if (kind == Activation::relu) return node("Relu", {x});
    if (zero_.empty()) zero_ = constant(Tensor::full({}, 0)), six_ = constant(Tensor::full({}, 6));
    return node("Clip", {x, zero_, six_});
  }
  std::string pool(const AppliedOp& op) {
    const bool max = op.name == "max_pool";
    std::vector<Attribute> attributes = window(op.window);
    if (!max) attributes.push_back(attribute("count_include_pad", 0));
    return node(max ? "MaxPool" : "AveragePool", {input(op, 0)}, attributes);
  }
  std::string linear(const AppliedOp& op) {
    const Variable& w = op.inputs[1];
    const Shape matrix{w.shape()[-2], w.shape()[-1]};
    std::vector<std::string> inputs{input(op, 0), parameter(w, w.value().packed().reshape(matrix), op.name)};
    if (op.inputs[2].defined()) inputs.push_back(parameter(op.inputs[2], op.inputs[2].value(), op.name));
    return node("Gemm", inputs);
  }
  /// The order of elements is NHWC's on both sides; the batch stays.
  std::string reshape(const AppliedOp& op) {
    const Shape &from = op.inputs[0].shape(), &to = op.output.shape();
    check(from[0] == to[0], "onnx", "a reshape from ", from, " to ", to, " mixes images");
    std::string x = input(op, 0);
    if (from.rank() == 4 && from[1] * from[2] > 1) x = node("Transpose", {x}, {attribute("perm", {0, 2, 3, 1})});
    std::vector<std::int64_t> extents{0};  // as the input's
    for (int axis = 1; axis < to.rank(); ++axis) extents.push_back(to[axis]);
    x = node("Reshape", {x, integers(extents)});
    return to.rank() == 4 ? node("Transpose", {x}, {attribute("perm", {0, 3, 1, 2})}) : x;
  }

  checkpoint::OnnxGraph& graph_;
  std::map<const void*, std::string> names_, parameter_names_;
  std::map<const void*, std::string> written_;
  std::string zero_, six_;
  int count_ = 0;
};

}  // namespace detail

/// The network in evaluation as an ONNX model for images of `height` x `width` pixels. Throws Error naming an operation
/// that has no counterpart; f64 parameters are rounded to f32.
inline std::string onnx_model(const Network& network, Index height, Index width,
                              const checkpoint::Metadata& metadata = {}) {
  const NoGradient guard;
  checkpoint::OnnxGraph graph(network.name());
  detail::OnnxWalker walker(graph, network);
  const Variable images(Tensor::zeros({1, height, width, 3}, network.options().dtype));
  const OpLog log;
  Context context;
  context.fused = false;  // single operations
  const Outputs outputs = network.forward(images, context);
  graph.add_input("images", {-1, height, width, 3});
  graph.add_node("Transpose", {"images"}, "images_nchw", {checkpoint::OnnxAttribute::of("perm", {0, 3, 1, 2})});
  walker.name(images, "images_nchw");
  for (const AppliedOp& op : log.ops()) walker.write(op);
  graph.add_node("Identity", {walker.name_of(outputs.logits, "logits")}, "logits");
  graph.add_node("Identity", {walker.name_of(outputs.feature, "feature")}, "feature");
  graph.add_output("logits", {-1, outputs.logits.shape()[1]});
  graph.add_output("feature", {-1, outputs.feature.shape()[1]});
  return graph.model(metadata);
}

/// Writes the model to `path`, all or nothing.
inline void save_onnx(const std::string& path, const Network& network, Index height, Index width,
                      const checkpoint::Metadata& metadata = {}) {
  write_file_atomically(path, onnx_model(network, height, width, metadata));
}

}  // namespace exchange
TINYVISION_END
