// The dual variables of a linear support vector machine with hinge loss, improved from where liblinear stopped:
//   maximise  D(a) = sum_i a_i - 1/2 |sum_i a_i y_i x_i|^2   over   0 <= a_i <= C
//
// One round is a few passes of the library's own method, coordinate ascent, in the order of the examples, which find out what
// is at a bound (Hsieh, Chang, Lin, Keerthi and Sundararajan, "A dual coordinate descent method for large-scale linear SVM",
// ICML 2008), and then one step in all variables that are not: conjugate gradients on them, and a search along the result
// with what leaves [0, C] put back (the two phases of More and Toraldo, "On the solution of large quadratic programming
// problems with bound constraints", SIAM J. Optimization 1, 1991). No part lets D fall, the passes alone converge, and once
// the bounds are found one step of the second kind is the optimum. In f64; repeatable.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "tinyvision/train/svm_rows.hpp"

TINYVISION_BEGIN

namespace detail {

inline double squared_norm(const std::vector<double>& v) {
  return stats::detail::interleaved_sum(static_cast<Index>(v.size()), [&](Index j) {
    return v[static_cast<std::size_t>(j)] * v[static_cast<std::size_t>(j)];
  });
}

}  // namespace detail

class HingeDuals {
 public:
  static constexpr Index most_rounds = 300;
  static constexpr int passes = 10;            ///< of coordinate ascent in a round
  static constexpr Index most_products = 500;  ///< of conjugate gradients in a round

  /// `solved`: the weights of the library's problem (SvmRows::columns), which hold the dual variables. `rows` and `examples` must
  /// outlive this.
  HingeDuals(const SvmRows& rows, const SvmExamples& examples, double c, const std::vector<double>& solved)
      : rows_(rows), examples_(examples), c_(c) {
    for (std::size_t k = 0; k < examples.rows.size(); ++k) {
      const double own = solved[static_cast<std::size_t>(rows.d() + 1 + examples.rows[k])];
      values_.push_back(std::clamp(own * examples.signs[k] / SvmRows::own_feature, 0.0, c));
      lengths_.push_back(rows.squared_length(examples.rows[k]));
    }
    sum();
  }

  const std::vector<double>& values() const { return values_; }
  /// sum_i a_i y_i x_i, the weights of the machine.
  const std::vector<double>& weights() const { return weights_; }

  void improve() {
    for (int pass = 0; pass < passes; ++pass)
      for (std::size_t k = 0; k < values_.size(); ++k) {
        const double before = values_[k];
        values_[k] = std::clamp(before - slope(k) / lengths_[k], 0.0, c_);
        if (values_[k] != before) add(values_[k] - before, k, weights_);
      }
    step_on_free();
    sum();  // what the changes have rounded away
  }

 private:
  double sign(std::size_t k) const { return examples_.signs[k]; }
  /// -dD/da_k
  double slope(std::size_t k) const { return sign(k) * rows_.product(weights_, examples_.rows[k]) - 1; }
  void add(double amount, std::size_t k, std::vector<double>& to) const {
    rows_.add(amount * sign(k), examples_.rows[k], to);
  }
  void sum() {
    weights_.assign(static_cast<std::size_t>(rows_.d() + 1), 0);
    for (std::size_t k = 0; k < values_.size(); ++k)
      if (values_[k] != 0) add(values_[k], k, weights_);
  }

  /// p with Q p = -slopes on the variables inside the bounds; where the slopes fall along a direction without curvature, that
  /// direction, long enough to reach a bound.
  std::vector<double> newton_step(const std::vector<std::size_t>& free) const {
    const std::size_t m = free.size();
    std::vector<double> step(m), residual(m), direction;
    for (std::size_t f = 0; f < m; ++f) residual[f] = -slope(free[f]);
    direction = residual;
    double square = detail::squared_norm(residual);
    const double enough = 1e-20 * square;
    const Index most = std::min<Index>(most_products, static_cast<Index>(2 * m));
    for (Index product = 0; product < most && square > enough; ++product) {
      std::vector<double> image(weights_.size());
      for (std::size_t f = 0; f < m; ++f) add(direction[f], free[f], image);
      const double curvature = detail::squared_norm(image), length = detail::squared_norm(direction);
      if (curvature <= 1e-14 * length) {
        const double reach = c_ / std::sqrt(length / static_cast<double>(m));
        for (std::size_t f = 0; f < m; ++f) step[f] += reach * direction[f];
        break;
      }
      const double rate = square / curvature;
      for (std::size_t f = 0; f < m; ++f) {
        step[f] += rate * direction[f];
        residual[f] -= rate * sign(free[f]) * rows_.product(image, examples_.rows[free[f]]);
      }
      const double next = detail::squared_norm(residual);
      for (std::size_t f = 0; f < m; ++f) direction[f] = residual[f] + next / square * direction[f];
      square = next;
    }
    return step;
  }

  /// The first of the step's halves that raises D, if one does.
  void step_on_free() {
    std::vector<std::size_t> free;
    for (std::size_t k = 0; k < values_.size(); ++k)
      if (values_[k] > 0 && values_[k] < c_) free.push_back(k);
    if (free.empty()) return;
    const std::vector<double> step = newton_step(free);
    for (double t = 1; t > 1e-4; t /= 2) {
      std::vector<double> change(free.size()), image(weights_.size());
      double rise = 0;
      for (std::size_t f = 0; f < free.size(); ++f) {
        change[f] = std::clamp(values_[free[f]] + t * step[f], 0.0, c_) - values_[free[f]];
        rise -= change[f] * slope(free[f]);
        if (change[f] != 0) add(change[f], free[f], image);
      }
      if (!(rise - 0.5 * detail::squared_norm(image) > 0)) continue;
      for (std::size_t f = 0; f < free.size(); ++f) values_[free[f]] += change[f];
      return;
    }
  }

  const SvmRows& rows_;
  const SvmExamples& examples_;
  double c_;
  std::vector<double> values_, lengths_, weights_;
};

TINYVISION_END
