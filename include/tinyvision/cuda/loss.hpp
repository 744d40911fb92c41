// Losses on the device; arguments as in cuda/kernels.h. T is float or double.
#pragma once

#include "tinyvision/cuda/memory.hpp"

TINYVISION_BEGIN
namespace cuda {

template <class T>
void softmax_cross_entropy_forward(Index rows, Index classes, const T* logits, Index lp, const std::int64_t* labels,
                                   T label_smoothing, T* losses, T* probabilities) {
  kernels::softmax_cross_entropy_forward(rows, classes, logits, lp, labels, label_smoothing, losses, probabilities,
                                         stream());
}

template <class T>
void softmax_cross_entropy_backward(Index rows, Index classes, const T* probabilities, const std::int64_t* labels,
                                    T label_smoothing, const T* dloss, T* dlogits, Index dlp, bool accumulate) {
  kernels::softmax_cross_entropy_backward(rows, classes, probabilities, labels, label_smoothing, dloss, dlogits, dlp,
                                          accumulate, stream());
}

template <class T>
void sigmoid_cross_entropy_forward(Index rows, Index classes, const T* logits, Index lp, const T* targets,
                                   const T* weights, T* losses) {
  kernels::sigmoid_cross_entropy_forward(rows, classes, logits, lp, targets, weights, losses, stream());
}

template <class T>
void sigmoid_cross_entropy_backward(Index rows, Index classes, const T* logits, Index lp, const T* targets,
                                    const T* weights, const T* dloss, T* dlogits, Index dlp, bool accumulate) {
  kernels::sigmoid_cross_entropy_backward(rows, classes, logits, lp, targets, weights, dloss, dlogits, dlp, accumulate,
                                          stream());
}

template <class T>
void mean_loss(Index rows, const T* losses, T* mean) {
  kernels::mean_loss(rows, losses, mean, stream());
}

}  // namespace cuda
TINYVISION_END
