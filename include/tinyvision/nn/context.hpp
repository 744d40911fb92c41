// What a forward pass needs to know besides its input, and what it can tell besides its output.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/random.hpp"
#include "tinyvision/ops/batch_norm.hpp"

TINYVISION_BEGIN

/// Results of single operations, numbered as the rows of the network's specification: the input is 0, and every
/// operation that the specification lists advances the number, whether or not a fused kernel kept its result.
class Trace {
 public:
  struct Row {
    int id;
    std::string name;
    Tensor value;
  };

  void record(const std::string& name, const Variable& result) { rows_.push_back({next_++, name, result.value()}); }
  /// Passes over operations whose results never existed on their own.
  void skip(int operations) { next_ += operations; }
  const std::vector<Row>& rows() const { return rows_; }

 private:
  int next_ = 0;
  std::vector<Row> rows_;
};

/// One forward pass.
struct Context {
  bool training = false;           ///< batch statistics and dropout
  bool fused = true;               ///< composite ops (conv + BN + activation) instead of their plain spelling
  std::optional<double> bn_decay;  ///< replaces the network's own decay of moving averages
  std::uint64_t seed = 0;          ///< of dropout and drop path
  std::uint64_t step = 0;          ///< of random numbers: every forward pass of a training has its own
  std::uint64_t update = 0;        ///< training steps done: schedules of regularisers follow it
  /// Whether Outputs carries end points. In training they cost nothing, because the tape holds them anyway; in an
  /// evaluation they are most of its memory.
  bool end_points = true;
  Trace* trace = nullptr;
  /// Called with every batch norm's state and input; needs the plain spelling (`fused` off).
  std::function<void(const BatchNormState&, const Tensor&)> observe_norm_input;

  /// An evaluation of which only scores and feature are wanted.
  static Context scores_only() {
    Context context;
    context.end_points = false;
    return context;
  }

  void record(const std::string& name, const Variable& result) const {
    if (trace) trace->record(name, result);
  }
  void skip(int operations) const {
    if (trace) trace->skip(operations);
  }
};

/// What a network returns: class scores before softmax [N,K], the penultimate feature [N,D] (the global average pool of
/// the last map, the input of the paper's logistic regression), the scores of the auxiliary head [N,K] (undefined without
/// one, and in an evaluation that nobody traces), and named end points in execution order.
struct Outputs {
  Variable logits;
  Variable feature;
  Variable aux_logits;  ///< of the auxiliary head [N,K]; undefined without one and in evaluation
  std::vector<std::pair<std::string, Variable>> end_points;  ///< empty where the context wants none

  void keep(const Context& context, const std::string& name, const Variable& value) {
    if (context.end_points) end_points.emplace_back(name, value);
  }
};

TINYVISION_END
