// Exponential moving average of weights and batch-norm statistics.
//
//   shadow <- d shadow + (1 - d) value      after every step, shadow starting at the initial values.
// `d` is constant (the paper: 0.9999), or TF-Slim's min(d, (1 + t) / (10 + t)) with t the number of steps before.
#pragma once

#include <algorithm>
#include <vector>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/thread_pool.hpp"

TINYVISION_BEGIN

class Ema {
 public:
  Ema() = default;
  Ema(std::vector<Variable> variables, double decay, bool ramp_up)
      : variables_(std::move(variables)), decay_(decay), ramp_up_(ramp_up) {
    check(decay >= 0 && decay < 1, "ema", "decay must be in [0, 1), got ", decay);
    for (const Variable& v : variables_) shadows_.push_back(v.value().clone());
  }

  /// Decay used after step t = 0, 1, ...
  double decay_at(Index t) const {
    return ramp_up_ ? std::min(decay_, static_cast<double>(1 + t) / static_cast<double>(10 + t)) : decay_;
  }

  /// On the CPU; optim/update.hpp serves every device.
  void update(Index t) const {
    for (std::size_t i = 0; i < variables_.size(); ++i) {
      visit_float("ema", shadows_[i].dtype(), [&]<class T>(T) {
        const T d = static_cast<T>(decay_at(t)), take = static_cast<T>(1 - decay_at(t));
        T* shadow = shadows_[i].data<T>();
        const T* value = variables_[i].value().data<T>();
        parallel_ranges(shadows_[i].count(), 32768, [=](Index begin, Index end) {
          for (Index k = begin; k < end; ++k) shadow[k] = d * shadow[k] + take * value[k];
        });
      });
    }
  }

  /// Exchanges values and shadows in place; calling it twice restores both.
  void swap() const {
    for (std::size_t i = 0; i < variables_.size(); ++i) {
      const Tensor value = variables_[i].value().clone();
      variables_[i].value().copy_from(shadows_[i]);
      shadows_[i].copy_from(value);
      variables_[i].mark_changed();
    }
  }

  const std::vector<Variable>& variables() const { return variables_; }
  const std::vector<Tensor>& shadows() const { return shadows_; }

 private:
  std::vector<Variable> variables_;
  std::vector<Tensor> shadows_;
  double decay_ = 0.9999;
  bool ramp_up_ = false;
};

TINYVISION_END
