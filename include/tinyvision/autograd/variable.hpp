// Variable: a tensor and its history; the tape; `backward`.
//
// Every op computes at once and, while recording, attaches a Node {name, inputs, backward} to its result. Nodes are
// numbered in the order of creation, which is a topological order of the graph, so `backward` needs no sort: it always
// takes the reachable node with the highest number. A node is freed as soon as it has run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tinyvision/core/tensor.hpp"

TINYVISION_BEGIN

class Variable;

/// Where a backward pass writes a gradient: `tensor` has the variable's shape; with `accumulate` the contribution is
/// added to what is there, without it the tensor is uninitialised and every element must be written.
struct GradientSink {
  Tensor tensor;
  bool accumulate = false;
};

/// One recorded operation. `backward(dy)` receives the gradient of its output, exclusively owned, and *adds* the
/// contributions into the gradients of `inputs`.
struct Node {
  std::string name;
  std::vector<Variable> inputs;
  std::function<void(Tensor dy)> backward;
  std::uint64_t number = 0;

  ~Node();
};

/// True while operations on variables that require gradients are recorded (the default).
inline bool& recording_flag() {
  thread_local bool flag = true;
  return flag;
}
inline bool is_recording() { return recording_flag(); }

/// Switches recording off for its lifetime: evaluation records nothing.
class NoGradient {
 public:
  NoGradient() : before_(std::exchange(recording_flag(), false)) {}
  NoGradient(const NoGradient&) = delete;
  NoGradient& operator=(const NoGradient&) = delete;
  ~NoGradient() { recording_flag() = before_; }

 private:
  bool before_;
};

/// A handle to a tensor, its gradient and the node that produced it. Copies share all three.
class Variable {
 public:
  Variable() = default;
  /// A leaf. `requires_gradient` asks `backward` to fill `gradient()`.
  explicit Variable(Tensor value, bool requires_gradient = false) : state_(std::make_shared<State>()) {
    state_->value = std::move(value);
    state_->requires_gradient = requires_gradient;
  }

  bool defined() const { return state_ != nullptr; }
  const Tensor& value() const { return state().value; }
  const Shape& shape() const { return value().shape(); }
  DType dtype() const { return value().dtype(); }
  Device device() const { return value().device(); }
  bool requires_gradient() const { return state_ && state_->requires_gradient; }

  /// The accumulated gradient; undefined before the first contribution.
  const Tensor& gradient() const { return state().gradient; }
  void clear_gradient() const { state().gradient = Tensor(); }

  /// Where to write a contribution to this variable's gradient.
  GradientSink gradient_sink() const {
    State& s = state();
    if (s.gradient.defined()) return {s.gradient, true};
    s.gradient = Tensor::empty(s.value.shape(), s.value.dtype(), s.value.device());
    return {s.gradient, false};
  }
  /// Takes `contribution`, which nobody else may write to later, as the gradient when there is none yet. Returns false
  /// when there is one already; then the caller adds through `gradient_sink()`.
  bool adopt_gradient(const Tensor& contribution) const {
    State& s = state();
    check(contribution.shape() == s.value.shape() && contribution.dtype() == s.value.dtype(), "gradient",
          "variable is ", s.value.text(), ", its gradient ", contribution.text());
    if (s.gradient.defined()) return false;
    s.gradient = contribution;
    return true;
  }
  /// Removes and returns the gradient.
  Tensor take_gradient() const { return std::exchange(state().gradient, Tensor()); }

  /// Replaces the value of a leaf (same shape and dtype) and marks every form derived from it as stale.
  void set_value(const Tensor& value) const {
    check(value.shape() == shape() && value.dtype() == dtype(), "set_value", "variable is ", state().value.text(),
          ", new value ", value.text());
    state().value = value;
    mark_changed();
  }
  /// Must follow every in-place change of the value: packed or converted copies are keyed by this version.
  void mark_changed() const { ++state().version; }
  std::uint64_t version() const { return state().version; }

  /// A form derived from the value (packed weights, say), built at most once per version. One cache per variable.
  template <class Derived, class Build>
  std::shared_ptr<const Derived> derived(Build&& build) const {
    if (auto present = derived_now<Derived>()) return present;
    State& s = state();
    s.derived = std::make_shared<const Derived>(build());
    s.derived_version = s.version;
    s.derived_kind = derived_kind<Derived>();
    return std::static_pointer_cast<const Derived>(s.derived);
  }

  /// The derived form if it is there and belongs to the present value, else null.
  template <class Derived>
  std::shared_ptr<const Derived> derived_now() const {
    const State& s = state();
    if (!s.derived || s.derived_version != s.version || s.derived_kind != derived_kind<Derived>()) return nullptr;
    return std::static_pointer_cast<const Derived>(s.derived);
  }
  /// Instead of `mark_changed` where the change was made in the derived form too.
  void mark_changed_with_derived() const {
    State& s = state();
    check(s.derived && s.derived_version == s.version, "variable", "no derived form of the present value");
    s.derived_version = ++s.version;
  }

  const std::shared_ptr<Node>& node() const { return state().node; }
  /// True when both handles mean the same variable.
  bool same(const Variable& other) const { return state_ == other.state_; }
  /// Equal for handles of the same variable, and for no others while one of them lives.
  const void* identity() const { return state_.get(); }

  /// The result of an op: records a node when recording is on and some input requires a gradient.
  static Variable result(std::string name, Tensor value, std::vector<Variable> inputs,
                         std::function<void(Tensor)> backward) {
    Variable out(std::move(value));
    out.state_->requires_gradient = true;
    out.state_->node = std::make_shared<Node>();
    Node& node = *out.state_->node;
    node.name = std::move(name);
    node.inputs = std::move(inputs);
    node.backward = std::move(backward);
    node.number = next_number();
    return out;
  }

 private:
  friend struct Node;
  friend void backward(const Variable&, Tensor);

  struct State {
    Tensor value;
    Tensor gradient;
    std::shared_ptr<Node> node;
    bool requires_gradient = false;
    bool walked = false;  ///< a backward pass has consumed the node
    std::uint64_t version = 0;
    std::shared_ptr<const void> derived;
    std::uint64_t derived_version = 0;
    const void* derived_kind = nullptr;
  };

  State& state() const {
    check(state_ != nullptr, "variable", "undefined variable");
    return *state_;
  }
  static std::uint64_t next_number() {
    thread_local std::uint64_t number = 0;
    return ++number;
  }
  template <class Derived>
  static const void* derived_kind() {
    static const char tag = 0;
    return &tag;
  }

  std::shared_ptr<State> state_;
};

/// True when an op on these inputs must record a node.
template <class... Variables>
bool needs_record(const Variables&... inputs) {
  return is_recording() && (inputs.requires_gradient() || ...);
}

/// Frees a chain of nodes without recursion: a thousand-layer network must not use a thousand stack frames.
inline Node::~Node() {
  std::vector<std::shared_ptr<Node>> orphans;
  const auto detach = [&orphans](Node& node) {
    node.backward = nullptr;  // first: it holds further handles to the inputs
    for (Variable& input : node.inputs)
      if (input.state_ && input.state_.use_count() == 1 && input.state_->node && input.state_->node.use_count() == 1)
        orphans.push_back(std::move(input.state_->node));
    node.inputs.clear();
  };
  detach(*this);
  while (!orphans.empty()) {
    const std::shared_ptr<Node> node = std::move(orphans.back());
    orphans.pop_back();
    detach(*node);
  }
}

/// Adds d(root)/d(v) into `gradient()` of every variable v that requires a gradient and was not produced by an op.
/// `seed` is the gradient of the root itself and is copied; without it the root must hold one element and the seed is 1.
/// Gradients of intermediate results and the nodes are freed on the way, so a graph can be walked once: walking any part
/// of it again throws Error.
inline void backward(const Variable& root, Tensor seed = Tensor()) {
  check(root.requires_gradient(), "backward", "the root does not depend on any variable that requires a gradient");
  const auto check_not_walked = [](const Variable& v) {
    check(!v.state_->walked, "backward", "the graph below a result ", v.shape(),
          " was walked and freed before; add the losses first and walk once");
  };
  check_not_walked(root);
  if (!seed.defined()) {
    check(root.value().count() == 1, "backward", "root ", root.shape(),
          " is not a single value; give the gradient of it");
    seed = Tensor::full(root.shape(), 1.0, root.dtype(), root.device());
  } else {
    seed = seed.clone();  // nodes write over the gradient they receive, and leaves keep it
  }
  check(root.adopt_gradient(seed), "backward", "the root has a gradient already");
  if (!root.node()) return;
  const auto lower = [](const Variable& a, const Variable& b) { return a.node()->number < b.node()->number; };
  std::vector<Variable> heap{root};
  std::unordered_set<const void*> queued{root.state_.get()};
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), lower);
    const Variable output = std::move(heap.back());
    heap.pop_back();
    const std::shared_ptr<Node> node = std::move(output.state_->node);
    output.state_->walked = true;
    Tensor dy = output.take_gradient();
    if (dy.defined()) node->backward(std::move(dy));
    node->backward = nullptr;
    for (const Variable& input : node->inputs) {
      if (!input.requires_gradient()) continue;
      check_not_walked(input);
      if (!input.node() || !queued.insert(input.state_.get()).second) continue;
      heap.push_back(input);
      std::push_heap(heap.begin(), heap.end(), lower);
    }
    node->inputs.clear();
  }
}

TINYVISION_END
