// ONNX models, written: nodes, initialisers, inputs and outputs as protocol buffers.
//
//   ModelProto      1 ir_version  2 producer_name  3 producer_version  7 graph  8 opset_import  14 metadata_props
//   GraphProto      1 node  2 name  5 initializer  11 input  12 output
//   NodeProto       1 input  2 output  3 name  4 op_type  5 attribute
//   AttributeProto  1 name  2 f  3 i  8 ints  20 type (1 FLOAT, 2 INT, 7 INTS)
//   TensorProto     1 dims  2 data_type (1 FLOAT, 7 INT64)  8 name  9 raw_data
//
// The same calls give the same bytes. A model of more than 2 GiB, which protocol buffers cannot hold, is refused.
//
// Source: onnx.proto3 of github.com/onnx/onnx, IR version 8 (which goes with operator set 17).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/weight_tensors.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// A message under construction.
class ProtobufBuilder {
 public:
  ProtobufBuilder& varint(std::uint32_t field, std::uint64_t value) {
    append_varint(std::uint64_t{field} << 3);
    append_varint(value);
    return *this;
  }
  ProtobufBuilder& bytes(std::uint32_t field, std::string_view value) {
    append_varint(std::uint64_t{field} << 3 | 2);
    append_varint(value.size());
    out_ += value;
    return *this;
  }
  ProtobufBuilder& message(std::uint32_t field, const ProtobufBuilder& inner) { return bytes(field, inner.out_); }
  ProtobufBuilder& float32(std::uint32_t field, float value) {
    append_varint(std::uint64_t{field} << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int i = 0; i < 4; ++i) out_ += static_cast<char>((bits >> (8 * i)) & 0xff);
    return *this;
  }
  const std::string& text() const { return out_; }

 private:
  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

/// An attribute of a node.
struct OnnxAttribute {
  enum class Kind { real, integer, integers };
  std::string name;
  Kind kind = Kind::integer;
  float real = 0;
  std::vector<std::int64_t> integers{};

  static OnnxAttribute of(std::string name, float value) { return {std::move(name), Kind::real, value, {}}; }
  static OnnxAttribute of(std::string name, std::int64_t value) { return {std::move(name), Kind::integer, 0, {value}}; }
  static OnnxAttribute of(std::string name, std::vector<std::int64_t> values) {
    return {std::move(name), Kind::integers, 0, std::move(values)};
  }
};

/// A graph under construction. Values are named by their producer; nodes are added in an order in which they can run.
class OnnxGraph {
 public:
  static constexpr int operator_set = 17, ir_version = 8;

  explicit OnnxGraph(std::string name) : name_(std::move(name)) {}

  /// A constant: f32 or i64. Throws Error when the name was used before.
  void add_initializer(const std::string& name, const Tensor& value) {
    check(value.dtype() == DType::f32 || value.dtype() == DType::i64, "onnx", "initialiser '", name, "' is ",
          to_string(value.dtype()), "; f32 and i64 are written");
    define(name);
    ProtobufBuilder tensor;
    for (int axis = 0; axis < value.shape().rank(); ++axis)
      tensor.varint(1, static_cast<std::uint64_t>(value.shape()[axis]));
    tensor.varint(2, value.dtype() == DType::f32 ? 1 : 7).bytes(8, name);
    const Tensor packed = value.packed();
    tensor.bytes(9, {static_cast<const char*>(packed.raw()), packed.bytes()});
    graph_.message(5, tensor);
  }
  /// A node with one output. Throws Error for an input that nothing defines or an output that is defined already.
  void add_node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output,
                const std::vector<OnnxAttribute>& attributes = {}) {
    ProtobufBuilder node;
    for (const std::string& input : inputs) {
      check(defined_.contains(input), "onnx", "node ", op, " reads '", input, "', which nothing defines");
      node.bytes(1, input);
    }
    define(output);
    node.bytes(2, output).bytes(3, output).bytes(4, op);
    for (const OnnxAttribute& a : attributes) {
      ProtobufBuilder attribute;
      attribute.bytes(1, a.name);
      if (a.kind == OnnxAttribute::Kind::real) {
        attribute.float32(2, a.real).varint(20, 1);
      } else if (a.kind == OnnxAttribute::Kind::integer) {
        attribute.varint(3, static_cast<std::uint64_t>(a.integers.at(0))).varint(20, 2);
      } else {
        for (const std::int64_t value : a.integers) attribute.varint(8, static_cast<std::uint64_t>(value));
        attribute.varint(20, 7);
      }
      node.message(5, attribute);
    }
    graph_.message(1, node);
    ++nodes_;
  }
  /// An f32 input of the model; -1 stands for the batch, which may have any size.
  void add_input(const std::string& name, const std::vector<Index>& shape) {
    define(name);
    graph_.message(11, value_info(name, shape));
  }
  void add_output(const std::string& name, const std::vector<Index>& shape) {
    check(defined_.contains(name), "onnx", "output '", name, "' is not defined");
    graph_.message(12, value_info(name, shape));
  }
  int nodes() const { return nodes_; }

  /// The model's bytes. `metadata` is kept with it.
  std::string model(const Metadata& metadata) const {
    ProtobufBuilder graph = graph_;
    graph.bytes(2, name_);
    ProtobufBuilder out;
    out.varint(1, ir_version).bytes(2, "tinyvision").bytes(3, TINYVISION_VERSION).message(7, graph);
    out.message(8, ProtobufBuilder().bytes(1, "").varint(2, operator_set));
    for (const auto& [key, value] : metadata) out.message(14, ProtobufBuilder().bytes(1, key).bytes(2, value));
    constexpr std::size_t limit = 0x7fffffff;
    check(out.text().size() <= limit, "onnx", "a model of ", out.text().size(), " bytes; at most ", limit,
          " can be written");
    return out.text();
  }

 private:
  void define(const std::string& name) {
    check(!name.empty() && defined_.insert(name).second, "onnx", "the name '", name, "' is defined twice");
  }
  /// ValueInfoProto: 1 name, 2 type (1 tensor_type: 1 elem_type, 2 shape: 1 dim: 1 dim_value or 2 dim_param)
  static ProtobufBuilder value_info(const std::string& name, const std::vector<Index>& shape) {
    ProtobufBuilder dims;
    for (const Index extent : shape) {
      ProtobufBuilder dim;
      if (extent < 0) {
        dim.bytes(2, "batch");
      } else {
        dim.varint(1, static_cast<std::uint64_t>(extent));
      }
      dims.message(1, dim);
    }
    const ProtobufBuilder tensor = ProtobufBuilder().varint(1, 1).message(2, dims);
    return ProtobufBuilder().bytes(1, name).message(2, ProtobufBuilder().message(1, tensor));
  }

  std::string name_;
  ProtobufBuilder graph_;
  std::set<std::string> defined_;
  int nodes_ = 0;
};

}  // namespace checkpoint
TINYVISION_END
