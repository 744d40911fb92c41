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

/// Applies the gradients of `sgd`'s variables, then moves `ema`'s averages. On the CPU tensor by
/// tensor, on a device all in one launch; the bits are the same.
class Update {
 public:
  /// What an update goes by, besides the gradients.
  struct Settings {
    double learning_rate = 0;
    Index step = 0;          ///< updates before this one
    bool with_decay = true;  ///< the gradients do not contain the weight decay yet
    /// In device memory: where it is not null and *finite is 0, nothing is updated.
    const std::int32_t* finite = nullptr;
  };

  /// `ema` may be null.
  void run(const Sgd& sgd, const Ema* ema, const Settings& settings) {
    if (sgd.entries().empty()) return;
#if TINYVISION_WITH_CUDA
    if (sgd.entries()[0].variable.device().kind == Device::Kind::cuda) return run_on_device(sgd, ema, settings);
#endif
    if (settings.with_decay) sgd.add_weight_decay();
    sgd.step(settings.learning_rate);
    if (ema) ema->update(settings.step);
  }

#if TINYVISION_WITH_CUDA
  /// Settings of the next replay of a recorded `run`.
  void set(const Sgd& sgd, const Ema* ema, const Settings& settings) {
    if (sgd.entries().empty()) return;
    visit_float("update", sgd.entries()[0].variable.dtype(),
                [&]<class T>(T) { update_of<T>().set(kernel_settings(sgd, ema, settings)); });
  }
#endif

 private:
#if TINYVISION_WITH_CUDA
  static cuda::kernels::OptimizerSettings kernel_settings(const Sgd& sgd, const Ema* ema, const Settings& s) {
    cuda::kernels::OptimizerSettings settings{};
    settings.learning_rate = s.learning_rate;
    settings.momentum = sgd.momentum();
    settings.weight_decay = s.with_decay ? sgd.weight_decay() : 0;
    settings.average_decay = ema ? ema->decay_at(s.step) : 0;
    settings.step = s.step;
    settings.finite = s.finite;
    return settings;
  }

  void run_on_device(const Sgd& sgd, const Ema* ema, const Settings& settings) {
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
      update_of<T>().run(entries, kernel_settings(sgd, ema, settings));
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
