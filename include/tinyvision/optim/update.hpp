// The update that ends a training step, wherever the parameters are: SGD and the moving average of weights.
#pragma once

#include <memory>
#include <unordered_map>

#include "tinyvision/ops/conv2d.hpp"
#include "tinyvision/optim/ema.hpp"
#include "tinyvision/optim/sgd.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/optimizer.hpp"
#endif

TINYVISION_BEGIN

/// Applies the gradients of `sgd`'s variables with a learning rate, then moves `ema`'s averages. On the CPU tensor by
/// tensor, on a device all in one launch; the bits are the same.
class Update {
 public:
  /// `step` counts the updates before this one. `with_decay`: the gradients do not contain the weight decay yet. `ema` may
  /// be null.
  void run(const Sgd& sgd, const Ema* ema, double learning_rate, Index step, bool with_decay) {
    if (sgd.entries().empty()) return;
#if TINYVISION_WITH_CUDA
    if (sgd.entries()[0].variable.device().kind == Device::Kind::cuda)
      return run_on_device(sgd, ema, learning_rate, step, with_decay);
#endif
    if (with_decay) sgd.add_weight_decay();
    sgd.step(learning_rate);
    if (ema) ema->update(step);
  }

 private:
#if TINYVISION_WITH_CUDA
  void run_on_device(const Sgd& sgd, const Ema* ema, double learning_rate, Index step, bool with_decay) {
    cuda::kernels::OptimizerSettings settings{};
    settings.learning_rate = learning_rate;
    settings.momentum = sgd.momentum();
    settings.weight_decay = with_decay ? sgd.weight_decay() : 0;
    settings.average_decay = ema ? ema->decay_at(step) : 0;
    settings.step = step;
    visit_float("update", sgd.entries()[0].variable.dtype(), [&]<class T>(T) {
      std::unordered_map<const void*, T*> averages;
      if (ema)
        for (std::size_t i = 0; i < ema->variables().size(); ++i)
          averages[ema->variables()[i].value().raw()] = ema->shadows()[i].data<T>();
      std::vector<cuda::kernels::OptimizerEntry<T>> entries;
      for (const SgdEntry& e : sgd.entries()) {
        T* const weight = e.variable.value().data<T>();
        const bool has_gradient = e.variable.gradient().defined();
        const auto average = averages.extract(weight);
        const auto copy = e.variable.derived_now<Bf16Copy>();
        entries.push_back({weight, has_gradient ? e.variable.gradient().data<T>() : nullptr, e.velocity.data<T>(),
                           average.empty() ? nullptr : average.mapped(),
                           copy ? cuda::as_kernel(copy->value.data<bfloat16>()) : nullptr, e.velocity.count(),
                           e.decays});
        if (has_gradient) copy ? e.variable.mark_changed_with_derived() : e.variable.mark_changed();
      }
      if (ema)  // what is averaged without being trained: the moving statistics
        for (std::size_t i = 0; i < ema->variables().size(); ++i) {
          const Tensor& value = ema->variables()[i].value();
          if (averages.count(value.raw()) != 0)
            entries.push_back(
                {value.data<T>(), nullptr, nullptr, ema->shadows()[i].data<T>(), nullptr, value.count(), false});
        }
      update_of<T>().run(entries, settings);
    });
  }

  template <class T>
  cuda::MultiTensorUpdate<T>& update_of() {
    if constexpr (sizeof(T) == 4) {
      return in_f32_;
    } else {
      return in_f64_;
    }
  }
  cuda::MultiTensorUpdate<float> in_f32_;
  cuda::MultiTensorUpdate<double> in_f64_;
#endif
};

TINYVISION_END
