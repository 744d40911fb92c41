// Conjugate gradients for the Newton systems of one binary logistic regression, one system after another.
//
// With D = diag(p (1 - p)) and rows Z centred by their D-weighted mean, which eliminates the intercept, a system is
// (Z^T D Z + lambda I) x = -gradient. The preconditioner is C/n S^2 + lambda I, where C = sum_i p_i (1 - p_i) and S^2 is the
// features' spectrum, improved by the curvature that the system before this one met: pairs (s, Z^T D Z s), evenly spaced
// among its iterations, in the two-loop recursion of L-BFGS (Morales and Nocedal, "Automatic preconditioning by limited memory
// quasi-Newton updating", SIAM J. Optim. 10, 2000). From one penalty of a path to the next little but the scale of D changes;
// the pairs follow it. Vectors are f32, their scalar products f64.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tinyvision/optim/lbfgs.hpp"

TINYVISION_BEGIN
namespace logistic {

class NewtonDescent {
 public:
  /// Begins a system from x = 0. `gradient` [rank], `spectrum`: S^2 of n rows; `target`: the system counts as solved when the
  /// square of its residual is at most this, or `forcing` times the gradient's.
  void begin(const std::vector<double>& spectrum, Index n, const std::vector<float>& gradient, double lambda,
             double curvature, double target, double forcing) {
    const auto rank = static_cast<Index>(gradient.size());
    lambda_ = lambda;
    curvature_ = curvature;
    diagonal_.clear();
    for (const double s : spectrum)
      diagonal_.push_back(static_cast<float>(s * curvature / static_cast<double>(n) + lambda));
    residual_ = gradient;
    for (float& r : residual_) r = -r;
    x_.assign(gradient.size(), 0.0f);
    preconditioned_ = x_;
    centre_.assign(gradient.size() + 1, 0.0f);
    direction_ = product_ = centre_;
    direction_.back() = 1;  // the first product gives the weighted mean of the rows
    products_ = 0;
    target_ = std::max(target, forcing * vectors::dot(residual_.data(), residual_.data(), rank));
    done_ = centred_ = false;
    if (!met_.empty()) known_ = std::move(met_);
    met_.clear();
    spacing_ = 1;
    std::erase_if(known_, [&](Pair& pair) {
      pair.with_penalty = pair.product;
      vectors::combine(lambda, pair.s.data(), curvature / pair.curvature, pair.with_penalty.data(), rank);
      pair.inverse = 1 / vectors::dot(pair.s.data(), pair.with_penalty.data(), rank);
      return !(pair.inverse > 0) || !std::isfinite(pair.inverse);
    });
  }

  bool done() const { return done_; }
  /// Products with Z^T D Z that the system took, beside the one for the mean.
  Index products() const { return products_; }
  /// (u [rank], b): what has to be multiplied next; and where (Z^T D (Z u + b), sum of D (Z u + b)) has to go.
  const float* direction() const { return direction_.data(); }
  float* product() { return product_.data(); }

  /// Continues with the product of the direction.
  void advance() {
    const auto rank = static_cast<Index>(x_.size());
    if (!centred_) {
      centred_ = true;
      for (Index j = 0; j < rank; ++j)
        centre_[static_cast<std::size_t>(j)] =
            product_.back() > 0 ? product_[static_cast<std::size_t>(j)] / product_.back() : 0.0f;
      std::fill(direction_.begin(), direction_.end(), 0.0f);
    } else {
      remember();
      ++products_;
      vectors::combine(lambda_, direction_.data(), 1, product_.data(), rank);
      const double bend = vectors::dot(direction_.data(), product_.data(), rank);
      if (!(bend > 0) || !(fall_ > 0)) return void(done_ = true);
      vectors::combine(fall_ / bend, direction_.data(), 1, x_.data(), rank);
      vectors::combine(-fall_ / bend, product_.data(), 1, residual_.data(), rank);
      done_ = vectors::dot(residual_.data(), residual_.data(), rank) <= target_;
      if (done_) return;
    }
    precondition();
    const double next = vectors::dot(residual_.data(), preconditioned_.data(), rank);
    vectors::combine(1, preconditioned_.data(), products_ == 0 ? 0 : next / fall_, direction_.data(), rank);
    direction_.back() = static_cast<float>(mean_along(direction_));
    fall_ = next;
  }

  /// The step of u, and of b for rows that are not centred.
  const std::vector<float>& step() const { return x_; }
  double step_of_intercept() const { return mean_along(x_); }

 private:
  struct Pair {
    std::vector<float> s, product;  ///< product: Z^T D Z s
    double curvature = 0;           ///< C when it was computed
    std::vector<float> with_penalty{};
    double inverse = 0;  ///< 1 / (s . with_penalty)
  };
  static constexpr std::size_t most_pairs = 20;

  /// b that takes the weighted mean out of Z u + b.
  double mean_along(const std::vector<float>& u) const {
    return -vectors::dot(centre_.data(), u.data(), static_cast<Index>(x_.size()));
  }

  /// Keeps every `spacing_`-th direction; when there are too many, every second of those.
  void remember() {
    if (products_ % spacing_ != 0) return;
    if (met_.size() == most_pairs) {
      for (std::size_t i = 1; 2 * i < most_pairs; ++i) met_[i] = std::move(met_[2 * i]);
      met_.resize(most_pairs / 2);
      spacing_ *= 2;
      if (products_ % spacing_ != 0) return;
    }
    const auto rank = static_cast<std::ptrdiff_t>(x_.size());
    met_.push_back(
        {{direction_.begin(), direction_.begin() + rank}, {product_.begin(), product_.begin() + rank}, curvature_});
  }

  void precondition() {
    const auto rank = static_cast<Index>(x_.size());
    std::vector<float> v = residual_;
    std::vector<double> alpha(known_.size());
    for (std::size_t i = known_.size(); i-- > 0;) {
      alpha[i] = known_[i].inverse * vectors::dot(known_[i].s.data(), v.data(), rank);
      vectors::combine(-alpha[i], known_[i].with_penalty.data(), 1, v.data(), rank);
    }
    for (std::size_t j = 0; j < v.size(); ++j) preconditioned_[j] = v[j] / diagonal_[j];
    for (std::size_t i = 0; i < known_.size(); ++i) {
      const double beta = known_[i].inverse * vectors::dot(known_[i].with_penalty.data(), preconditioned_.data(), rank);
      vectors::combine(alpha[i] - beta, known_[i].s.data(), 1, preconditioned_.data(), rank);
    }
  }

  double lambda_ = 0, curvature_ = 0, target_ = 0, fall_ = 0;
  Index products_ = 0, spacing_ = 1;
  bool done_ = false, centred_ = false;
  std::vector<float> diagonal_, residual_, x_, preconditioned_;
  std::vector<float> direction_, product_, centre_;  ///< [rank + 1]
  std::vector<Pair> met_, known_;                    ///< of this system, and of the one before
};

}  // namespace logistic
TINYVISION_END
