// A list of the operations that a forward pass applies, for those who write a network down (as an ONNX graph) instead of
// computing it. Operations outside a backward pass's reach alone are listed: evaluation under NoGradient.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/activation.hpp"
#include "tinyvision/core/geometry.hpp"

TINYVISION_BEGIN

/// One operation as it was applied. Which of the numbers mean something depends on the operation.
struct AppliedOp {
  std::string_view name;
  std::vector<Variable> inputs{};  ///< in the operation's own order; undefined where an optional one is absent
  WindowGeometry window{};         ///< convolutions and pools
  std::array<Index, 4> amounts{};  ///< zero_pad: top, bottom, left, right; crop: top, left, height, width
  double number = 0;               ///< batch norms: epsilon; scale: alpha
  Activation activation = Activation::none;
  Variable output{};
};

/// The list that operations of this thread are added to, or null.
inline std::vector<AppliedOp>*& op_log() {
  thread_local std::vector<AppliedOp>* log = nullptr;
  return log;
}

/// Lists operations while it lives. It keeps every result, so a pass needs as much memory as in training.
class OpLog {
 public:
  OpLog() : before_(std::exchange(op_log(), &ops_)) {}
  OpLog(const OpLog&) = delete;
  OpLog& operator=(const OpLog&) = delete;
  ~OpLog() { op_log() = before_; }

  const std::vector<AppliedOp>& ops() const { return ops_; }

 private:
  std::vector<AppliedOp> ops_;
  std::vector<AppliedOp>* before_;
};

/// The result of an operation that records no node. `describe()` returns its AppliedOp, without the output; it is called
/// only while a list is kept.
template <class Describe>
Variable applied(const Tensor& y, Describe&& describe) {
  Variable out(y);
  if (std::vector<AppliedOp>* log = op_log()) {
    log->push_back(describe());
    log->back().output = out;
  }
  return out;
}

TINYVISION_END
