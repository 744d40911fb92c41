// Losses, each the mean over the examples of a batch.
//
// softmax_cross_entropy:  p = softmax(logits),  target t = (1-s) onehot(label) + s/K,
//   loss = (1/N) sum_n -sum_k t[n,k] log p[n,k]           dlogits = (p - t) / N
// sigmoid_cross_entropy (multi-label):  loss = (1/N) sum_n sum_k w[n,k] (max(z,0) - z t + log(1 + exp(-|z|)))
//                                                          dlogits = w (sigmoid(z) - t) / N
// l2_penalty:  coefficient/2 sum_p |p|^2                   dp = coefficient p
// Numerics: log-sum-exp is shifted by the row's maximum; the mean over examples is accumulated in f64.
#pragma once

#include "tinyvision/cpu/loss.hpp"
#include "tinyvision/ops/reduce.hpp"
#include "tinyvision/reference/loss.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/loss.hpp"
#endif

TINYVISION_BEGIN

namespace detail {

/// Mean of the per-example losses, as a tensor of one element.
inline Tensor mean_loss(const Tensor& losses) {
  const Tensor loss = Tensor::empty({1}, losses.dtype(), losses.device());
  visit_float("loss", losses.dtype(), [&]<class T>(T) {
    const auto run = TINYVISION_CHANNEL_KERNEL(losses.device(), mean_loss<T>);
    run(losses.count(), losses.data<T>(), loss.data<T>());
  });
  return loss;
}

/// Throws Error naming the first label outside [0, classes). Labels that lie on a device were checked on their way there.
inline void check_labels(const Tensor& labels, Index classes) {
  if (!labels.on_cpu()) return;
  const std::int64_t* label = labels.data<std::int64_t>();
  for (Index i = 0; i < labels.count(); ++i)
    check(label[i] >= 0 && label[i] < classes, "softmax_cross_entropy", "label ", label[i], " of example ", i,
          " is not below the number of classes, ", classes);
}

}  // namespace detail

/// logits [N,K], labels [N] i64 in [0, K) -> [1]. `label_smoothing` s in [0, 1).
inline Variable softmax_cross_entropy(const Variable& logits, const Tensor& labels, double label_smoothing = 0) {
  check(logits.shape().rank() == 2, "softmax_cross_entropy", "logits must be [N,K], got ", logits.shape());
  const Index n = logits.shape()[0], k = logits.shape()[1];
  check(n > 0, "softmax_cross_entropy", "empty batch");
  check(labels.shape() == Shape{n} && labels.dtype() == DType::i64, "softmax_cross_entropy", "labels must be [", n,
        "] i64, got ", labels.text());
  check(label_smoothing >= 0 && label_smoothing < 1, "softmax_cross_entropy", "label smoothing must be in [0, 1), got ",
        label_smoothing);
  detail::check_labels(labels, k);
  const Tensor targets = labels.to(logits.device());
  const Tensor losses = Tensor::empty({n}, logits.dtype(), logits.device());
  const Tensor probabilities = Tensor::empty({n, k}, logits.dtype(), logits.device());
  visit_float("softmax_cross_entropy", logits.dtype(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(logits.device(), softmax_cross_entropy_forward<T>);
    run(n, k, logits.value().data<T>(), logits.value().pitch(), targets.data<std::int64_t>(),
        static_cast<T>(label_smoothing), losses.data<T>(), probabilities.data<T>());
  });
  const Tensor loss = detail::mean_loss(losses);
  if (!needs_record(logits)) return Variable(loss);
  return Variable::result("softmax_cross_entropy", loss, {logits}, [=](const Tensor& dloss) {
    const GradientSink dz = logits.gradient_sink();
    visit_float("softmax_cross_entropy", dloss.dtype(), [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(dloss.device(), softmax_cross_entropy_backward<T>);
      run(n, k, probabilities.data<T>(), targets.data<std::int64_t>(), static_cast<T>(label_smoothing), dloss.data<T>(),
          dz.tensor.data<T>(), dz.tensor.pitch(), dz.accumulate);
    });
  });
}

/// logits [N,K], targets [N,K] in [0,1] -> [1]. `weights` [N,K], optional: 0 leaves an entry out.
inline Variable sigmoid_cross_entropy(const Variable& logits, const Tensor& targets, const Tensor& weights = Tensor()) {
  check(logits.shape().rank() == 2, "sigmoid_cross_entropy", "logits must be [N,K], got ", logits.shape());
  for (const Tensor* t : {&targets, &weights}) {
    if (t == &weights && !t->defined()) continue;
    check(t->defined() && t->shape() == logits.shape() && t->dtype() == logits.dtype() && t->contiguous() &&
              t->device() == logits.device(),
          "sigmoid_cross_entropy", "logits are ", logits.value().text(), ", targets or weights ", t->text());
  }
  const Index n = logits.shape()[0], k = logits.shape()[1];
  check(n > 0, "sigmoid_cross_entropy", "empty batch");
  const Tensor losses = Tensor::empty({n}, logits.dtype(), logits.device());
  visit_float("sigmoid_cross_entropy", logits.dtype(), [&]<class T>(T) {
    const auto run = TINYVISION_KERNEL(logits.device(), sigmoid_cross_entropy_forward<T>);
    run(n, k, logits.value().data<T>(), logits.value().pitch(), targets.data<T>(),
        weights.defined() ? weights.data<T>() : nullptr, losses.data<T>());
  });
  const Tensor loss = detail::mean_loss(losses);
  if (!needs_record(logits)) return Variable(loss);
  return Variable::result("sigmoid_cross_entropy", loss, {logits}, [=](const Tensor& dloss) {
    const GradientSink dz = logits.gradient_sink();
    visit_float("sigmoid_cross_entropy", dloss.dtype(), [&]<class T>(T) {
      const auto run = TINYVISION_KERNEL(dloss.device(), sigmoid_cross_entropy_backward<T>);
      run(n, k, logits.value().data<T>(), logits.value().pitch(), targets.data<T>(),
          weights.defined() ? weights.data<T>() : nullptr, dloss.data<T>(), dz.tensor.data<T>(), dz.tensor.pitch(),
          dz.accumulate);
    });
  });
}

/// coefficient/2 times the sum of squares of all `parameters` -> [1].
inline Variable l2_penalty(const std::vector<Variable>& parameters, double coefficient) {
  check(!parameters.empty(), "l2_penalty", "no parameters");
  bool record = false;
  std::vector<Tensor> values;
  for (const Variable& p : parameters) {
    values.push_back(p.value());
    record = record || needs_record(p);
  }
  const Tensor loss =
      Tensor::full({1}, 0.5 * coefficient * sum_of_squares(values), parameters[0].dtype(), parameters[0].device());
  if (!record) return Variable(loss);
  return Variable::result("l2_penalty", loss, parameters, [=](const Tensor& dloss) {
    for (const Variable& p : parameters) {
      if (!p.requires_gradient()) continue;
      const GradientSink dp = p.gradient_sink();
      scale_into(p.value(), coefficient * dloss.item(), dp.tensor, dp.accumulate);
    }
  });
}

TINYVISION_END
