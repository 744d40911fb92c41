// A network as a table: one row per layer with shapes, parameters, multiply-adds and receptive field, and as a graph.
//
// The rows come from the operations that one evaluation pass applies, so they are what the network does and no second
// description of it. An activation or batch norm that alone reads a result stands in the row that made the result.
//
// Receptive field of a result, per axis, before clipping at the borders of the image: result p sees the pixels
//   start + p * step ... start + p * step + size - 1.
// A window of extent k, stride s and p cells of padding before, on an input (start, size, step), gives
//   start - p * step, size + (k - 1) * step, step * s;
// what joins several inputs sees from their smallest start to their largest end.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

/// What one result sees of the image, along one axis, in pixels.
struct ReceptiveField {
  Index start = 0, size = 1, step = 1;
};

/// One layer. Shapes are those of one image, without the batch.
struct LayerRow {
  std::string name;                               ///< the specification's; the operation's where it has none there
  std::string kind;                               ///< "conv2d 3x3/2, batch_norm, relu6"
  std::vector<int> inputs;                        ///< rows that it reads; the images are row 0
  Shape output;                                   ///< [H,W,C] or [C]
  Index parameters = 0;                           ///< trainable numbers that it reads first
  Index macs = 0;                                 ///< multiply-adds of convolutions and matrix products for one image
  std::array<ReceptiveField, 2> receptive_field;  ///< vertical, horizontal
};

namespace detail {

/// Turns operations into rows.
class NetworkTable {
 public:
  NetworkTable(const Network& network, const Variable& images) {
    Trace trace;
    Context context;
    context.fused = false;
    context.trace = &trace;
    const OpLog log;
    network.forward(images, context);
    for (const Parameter& p : network.parameters())
      if (p.trainable()) unread_.emplace(p.variable.identity(), p.variable.value().count());
    // The trace knows tensors, not variables: their address and shape are the same.
    for (const Trace::Row& row : trace.rows()) names_.emplace(key(row.value), row.name);
    for (const AppliedOp& op : log.ops())
      for (const Variable& input : op.inputs)
        if (input.defined()) ++readers_[input.identity()];
    row_of_[images.identity()] = 0;
    rows_.push_back(row_for("images", images.shape()));
    rows_[0].kind = "input";
    for (const AppliedOp& op : log.ops()) add(op);
  }
  std::vector<LayerRow> rows() && { return std::move(rows_); }

 private:
  using Key = std::pair<const void*, std::string>;
  static Key key(const Tensor& value) { return {value.raw(), value.shape().text()}; }

  void add(const AppliedOp& op) {
    const Variable& x = op.inputs[0];
    const int from = row_of_.at(x.identity());
    const bool appended = (op.name == "activation" || op.name == "batch_norm") && from > 0 &&
                          from + 1 == static_cast<int>(rows_.size()) && last_ == x.identity() &&
                          readers_[x.identity()] == 1;
    const int number = appended ? from : static_cast<int>(rows_.size());
    if (!appended) {
      rows_.push_back(row_for(std::string(op.name), op.output.shape()));
      named_ = false;
      connect(op);
    }
    LayerRow& row = rows_[static_cast<std::size_t>(number)];
    row.kind += (appended ? ", " : "") + kind(op);
    row.macs += macs(op);
    for (const Variable& input : op.inputs) {
      if (!input.defined()) continue;
      if (const auto found = unread_.find(input.identity()); found != unread_.end())
        row.parameters += found->second, unread_.erase(found);
    }
    if (const auto name = names_.find(key(op.output.value())); name != names_.end() && !named_)
      row.name = name->second, named_ = true;
    row_of_[op.output.identity()] = number;
    last_ = op.output.identity();
  }

  static LayerRow row_for(const std::string& name, const Shape& with_batch) {
    LayerRow row;
    row.name = name;
    for (int axis = 1; axis < with_batch.rank(); ++axis) row.output.push_back(with_batch[axis]);
    return row;
  }

  static std::string kind(const AppliedOp& op) {
    if (op.name == "activation") return to_string(op.activation);
    std::string text(op.name);
    const WindowGeometry& g = op.window;
    if (g.kernel_h > 0) text += concat_text(" ", g.kernel_h, "x", g.kernel_w);
    if (g.kernel_h > 0 && std::max(g.stride_h, g.stride_w) > 1) text += concat_text("/", g.stride_h);
    if (op.activation != Activation::none) text += concat_text(", ", to_string(op.activation));
    return text;
  }

  static Index macs(const AppliedOp& op) {
    if (op.name == "linear") return op.inputs[1].value().count();
    if (!op.name.ends_with("conv2d")) return 0;
    const Shape& w = op.inputs[1].shape();
    const Index per_output = op.name == "conv2d" ? w[0] * w[1] * w[2] : w[0] * w[1];
    return op.window.out_h * op.window.out_w * op.window.out_c * per_output;
  }

  /// Inputs and receptive field of the row that was begun for `op`.
  void connect(const AppliedOp& op) {
    LayerRow& row = rows_.back();
    for (const Variable& input : op.inputs) {
      if (!input.defined()) continue;
      if (const auto found = row_of_.find(input.identity()); found != row_of_.end())
        row.inputs.push_back(found->second);
    }
    for (std::size_t axis = 0; axis < 2; ++axis) {
      ReceptiveField seen = rows_[static_cast<std::size_t>(row.inputs[0])].receptive_field[axis];
      Index end = seen.start + seen.size;
      for (const int input : row.inputs) {
        const ReceptiveField& other = rows_[static_cast<std::size_t>(input)].receptive_field[axis];
        seen.start = std::min(seen.start, other.start);
        end = std::max(end, other.start + other.size);
      }
      seen.size = end - seen.start;
      const WindowGeometry& g = op.window;
      if (g.kernel_h > 0) {
        seen = window(seen, axis == 0 ? g.kernel_h : g.kernel_w, axis == 0 ? g.stride_h : g.stride_w,
                      axis == 0 ? g.pad_top : g.pad_left);
      } else if (op.name == "global_average_pool") {
        const Index extent = op.inputs[0].shape()[static_cast<int>(axis) + 1];
        seen = window(seen, extent, extent, 0);
      } else if (op.name == "zero_pad") {
        seen.start -= seen.step * op.amounts[axis == 0 ? 0 : 2];
      } else if (op.name == "crop") {
        seen.start += seen.step * op.amounts[axis];
      }
      row.receptive_field[axis] = seen;
    }
  }
  static ReceptiveField window(const ReceptiveField& in, Index kernel, Index stride, Index padding) {
    return {in.start - padding * in.step, in.size + (kernel - 1) * in.step, in.step * stride};
  }

  std::vector<LayerRow> rows_;
  std::map<Key, std::string> names_;
  std::map<const void*, Index> unread_;
  std::map<const void*, int> row_of_, readers_;
  const void* last_ = nullptr;  ///< what the last row results in
  bool named_ = false;          ///< the last row has its name from the trace
};

}  // namespace detail

/// The layers of `network` in evaluation, in the order of execution, on images of height x width pixels; row 0 is the
/// images. An auxiliary head is listed if the network has one.
inline std::vector<LayerRow> network_table(const Network& network, Index height, Index width) {
  const NoGradient guard;
  return detail::NetworkTable(network, Variable(Tensor::zeros({1, height, width, 3}, network.options().dtype))).rows();
}

/// The table as a graph in Graphviz's language: a node per row, an edge per input.
inline std::string network_dot(const std::string& title, const std::vector<LayerRow>& rows) {
  std::string dot = concat_text("digraph \"", title, "\" {\n  node [shape=box, fontname=\"sans-serif\"];\n");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    dot += concat_text("  n", i, " [label=\"", rows[i].name, "\\n", rows[i].kind, "\\n", rows[i].output, "\"];\n");
    for (const int input : rows[i].inputs) dot += concat_text("  n", input, " -> n", i, ";\n");
  }
  return dot + "}\n";
}

TINYVISION_END
