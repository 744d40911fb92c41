// Stochastic gradient descent with Nesterov momentum and coupled weight decay.
//
//   g <- dL/dw + wd w            (for the variables of the decay set)
//   v <- m v + g
//   w <- w - lr (g + m v)
// (Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in the form that
// TensorFlow and PyTorch use.) The paper trains with m = 0.9. Each value is computed in the parameter's dtype, one
// rounding per operation; no reductions, so results do not depend on threads.
#pragma once

#include <string>
#include <vector>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/ops/reduce.hpp"

TINYVISION_BEGIN

/// One variable under optimisation.
struct SgdEntry {
  Variable variable;
  bool decays = false;
  Tensor velocity;
};

class Sgd {
 public:
  Sgd() = default;
  /// `decays[i]` says whether variable i is decayed. Velocities start at zero.
  Sgd(const std::vector<Variable>& variables, const std::vector<bool>& decays, double momentum, double weight_decay)
      : momentum_(momentum), weight_decay_(weight_decay) {
    check(variables.size() == decays.size(), "sgd", variables.size(), " variables, ", decays.size(), " decay flags");
    check(momentum >= 0 && momentum < 1, "sgd", "momentum must be in [0, 1), got ", momentum);
    check(weight_decay >= 0, "sgd", "weight decay must not be negative, got ", weight_decay);
    for (std::size_t i = 0; i < variables.size(); ++i)
      entries_.push_back(
          {variables[i], decays[i], Tensor::zeros(variables[i].shape(), variables[i].dtype(), variables[i].device())});
  }

  /// Adds the weight decay to the gradients, so that they are those of the total loss. Call once before `step`.
  void add_weight_decay() const {
    if (weight_decay_ == 0) return;
    for (const SgdEntry& e : entries_)
      if (e.decays && e.variable.gradient().defined())
        scale_into(e.variable.value(), weight_decay_, e.variable.gradient(), true);
  }

  /// One update with learning rate `lr` from the gradients as they stand; variables without a gradient stay. On the CPU;
  /// optim/update.hpp serves every device.
  void step(double lr) const {
    for (const SgdEntry& e : entries_) {
      if (!e.variable.gradient().defined()) continue;
      visit_float("sgd", e.variable.dtype(), [&]<class T>(T) {
        const T rate = static_cast<T>(lr), m = static_cast<T>(momentum_);
        T* w = e.variable.value().data<T>();
        T* v = e.velocity.data<T>();
        const T* g = e.variable.gradient().data<T>();
        parallel_ranges(e.velocity.count(), grain, [=](Index begin, Index end) {
          for (Index i = begin; i < end; ++i) {
            v[i] = m * v[i] + g[i];
            w[i] -= rate * (g[i] + m * v[i]);
          }
        });
      });
      e.variable.mark_changed();
    }
  }

  void clear_gradients() const {
    for (const SgdEntry& e : entries_) e.variable.clear_gradient();
  }

  /// wd/2 times the sum of squares over the decay set: the penalty that belongs to the total loss.
  double penalty() const { return penalty(sum_of_squares(decayed())); }
  double penalty(double sum_of_squares) const { return 0.5 * weight_decay_ * sum_of_squares; }
  /// Values of the decay set.
  std::vector<Tensor> decayed() const {
    std::vector<Tensor> values;
    for (const SgdEntry& e : entries_)
      if (e.decays) values.push_back(e.variable.value());
    return values;
  }

  const std::vector<SgdEntry>& entries() const { return entries_; }
  double momentum() const { return momentum_; }
  double weight_decay() const { return weight_decay_; }

 private:
  static constexpr Index grain = 32768;
  std::vector<SgdEntry> entries_;
  double momentum_ = 0.9;
  double weight_decay_ = 0;
};

TINYVISION_END
