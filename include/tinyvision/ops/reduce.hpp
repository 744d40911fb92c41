// Reductions to host values, on whichever device the tensors are: they record nothing.
#pragma once

#include <vector>

#include "tinyvision/cpu/reduce.hpp"
#include "tinyvision/ops/support.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/reduce.hpp"
#endif

TINYVISION_BEGIN

/// Sum of the squares of all elements of contiguous tensors of one device, f32 or f64; added in double.
inline double sum_of_squares(const std::vector<Tensor>& tensors) {
#if TINYVISION_WITH_CUDA
  if (!tensors.empty() && !tensors[0].on_cpu()) {
    const cuda::SumOfSquares sum;  // the host waits for the device once
    for (const Tensor& t : tensors)
      visit_float("sum_of_squares", t.dtype(), [&]<class T>(T) { sum.add(t.count(), t.data<T>()); });
    return sum.value();
  }
#endif
  double sum = 0;
  for (const Tensor& t : tensors)
    visit_float("sum_of_squares", t.dtype(), [&]<class T>(T) { sum += cpu::sum_of_squares(t.count(), t.data<T>()); });
  return sum;
}

/// True when no element of `tensor` is infinite or NaN.
inline bool all_finite(const Tensor& tensor) {
  const Tensor t = tensor.packed();
  bool finite = false;
  visit_elements("all_finite", t, [&]<class T>(T) {
#if TINYVISION_WITH_CUDA
    if (!t.on_cpu()) {
      finite = cuda::all_finite(t.count(), t.data<T>());
      return;
    }
#endif
    if constexpr (!std::is_same_v<T, bfloat16>) finite = cpu::all_finite(t.count(), t.data<T>());
  });
  return finite;
}

/// How many rows of `scores` [N,K] have their largest element, the first of equals, where `labels` [N] say. A row with a
/// NaN is not counted as right unless the NaN stands there.
inline Index count_correct(const Tensor& scores, const Tensor& labels) {
  const Tensor truth = labels.to(Device::cpu());
  const std::int64_t* const label = truth.data<std::int64_t>();
  Index correct = 0;
  visit_float("count_correct", scores.dtype(), [&]<class T>(T) {
    const Index rows = scores.rows(), classes = scores.shape().back();
#if TINYVISION_WITH_CUDA
    if (!scores.on_cpu()) {
      const std::vector<std::int64_t> found = cuda::argmax(rows, classes, scores.data<T>(), scores.pitch());
      for (Index i = 0; i < rows; ++i) correct += found[static_cast<std::size_t>(i)] == label[i];
      return;
    }
#endif
    for (Index i = 0; i < rows; ++i)
      correct += cpu::argmax_row(classes, scores.data<T>() + i * scores.pitch()) == label[i];
  });
  return correct;
}

TINYVISION_END
