// Logistic regression on the device: whatever touches all examples runs there, the vectors of the solver stay on the host.
#pragma once

#include <vector>

#include "tinyvision/cuda/memory.hpp"

TINYVISION_BEGIN
namespace cuda {

/// A copy of `rows` x `columns` host elements, `pitch` apart, packed, in device memory.
template <class T>
class DeviceCopy {
 public:
  DeviceCopy(Index rows, Index columns) : rows_(rows), columns_(columns), memory_(rows * columns) {}
  DeviceCopy(Index rows, Index columns, const T* host, Index pitch) : DeviceCopy(rows, columns) { send(host, pitch); }

  void send(const T* host, Index pitch) const {
    copy(memory_.data(), columns_, host, pitch, kernels::CopyKind::to_device);
  }
  /// Waits for the device.
  void receive(T* host, Index pitch) const {
    copy(host, pitch, memory_.data(), columns_, kernels::CopyKind::from_device);
  }
  T* data() const { return memory_.data(); }

 private:
  void copy(T* to, Index to_pitch, const T* from, Index from_pitch, kernels::CopyKind kind) const {
    const auto bytes = [](Index elements) { return static_cast<std::size_t>(elements) * sizeof(T); };
    kernels::copy_rows(to, bytes(to_pitch), from, bytes(from_pitch), bytes(columns_), static_cast<std::size_t>(rows_),
                       kind, stream());
  }

  Index rows_, columns_;
  Workspace<T> memory_;
};

/// The f32 evaluations of logistic::Solver, on rotated features z [n, rank], `pitch` apart on the host.
class LogisticRows {
 public:
  LogisticRows(Index n, Index rank, Index k, const float* z, Index pitch, const std::vector<std::int32_t>& labels)
      : n_(n),
        rank_(rank),
        k_(k),
        z_(n, rank, z, pitch),
        labels_(n, 1, labels.data(), 1),
        likeliest_(n, 1),
        probabilities_(n, k),
        x_(rank + 1, k),
        out_(rank + 1, k),
        objective_(1, 1),
        scores_(kernels::logistic_regression_scores(n, rank, k)),
        workspace_(kernels::logistic_regression_workspace(n, rank, k)) {}

  /// F at x = (U, b) and its gradient.
  double evaluate(double lambda, const float* x, float* gradient) const {
    x_.send(x, k_);
    kernels::logistic_regression(n_, rank_, k_, z_.data(), rank_, labels_.data(), lambda, x_.data(), objective_.data(),
                                 out_.data(), scores_.data(), workspace_.data(), stream());
    out_.receive(gradient, k_);
    double objective = 0;
    objective_.receive(&objective, 1);
    return objective;
  }

  /// `probabilities` [n, k], `pitch` apart, and the likeliest class of each row: the point of `hessian_product`.
  void set_probabilities(const float* probabilities, Index pitch, const std::int32_t* likeliest) const {
    probabilities_.send(probabilities, pitch);
    likeliest_.send(likeliest, 1);
  }
  /// product = H v.
  void hessian_product(double lambda, const float* v, float* product) const {
    x_.send(v, k_);
    kernels::logistic_regression_hessian_product(n_, rank_, k_, z_.data(), rank_, probabilities_.data(),
                                                 likeliest_.data(), lambda, x_.data(), out_.data(), scores_.data(),
                                                 workspace_.data(), stream());
    out_.receive(product, k_);
  }

 private:
  Index n_, rank_, k_;
  DeviceCopy<float> z_;
  DeviceCopy<std::int32_t> labels_, likeliest_;
  DeviceCopy<float> probabilities_, x_, out_;
  DeviceCopy<double> objective_;
  Workspace<float> scores_;
  Workspace<double> workspace_;
};

/// The f64 products of logistic::ExactObjective, on centred features x [n, d], packed on the host.
class ExactProducts {
 public:
  ExactProducts(Index n, Index d, Index k) : n_(n), d_(d), k_(k), x_(n, d), narrow_(d, k), tall_(n, k) {}

  /// Rows [first, first + rows) of x.
  void set_rows(Index first, Index rows, const double* x) const {
    const std::size_t bytes = static_cast<std::size_t>(rows * d_) * sizeof(double);
    kernels::copy_rows(x_.data() + first * d_, bytes, x, bytes, bytes, 1, kernels::CopyKind::to_device, stream());
  }
  /// scores [n, k], `pitch` apart = x w.
  void multiply(const double* w, double* scores, Index pitch) const {
    narrow_.send(w, k_);
    kernels::gemm(false, false, n_, k_, d_, 1.0, x_.data(), d_, narrow_.data(), k_, 0.0, tall_.data(), k_, stream());
    tall_.receive(scores, pitch);
  }
  /// product [d, k] = x^T residual, rows of the residual `pitch` apart.
  void multiply_transposed(const double* residual, Index pitch, double* product) const {
    tall_.send(residual, pitch);
    kernels::gemm(true, false, d_, k_, n_, 1.0, x_.data(), d_, tall_.data(), k_, 0.0, narrow_.data(), k_, stream());
    narrow_.receive(product, k_);
  }

 private:
  Index n_, d_, k_;
  DeviceCopy<double> x_, narrow_, tall_;
};

}  // namespace cuda
TINYVISION_END
