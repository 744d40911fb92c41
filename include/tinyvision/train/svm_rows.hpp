// Examples as liblinear reads them, and which of them one machine sees (train/binary_svm.hpp).
#pragma once

#include <linear.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/stats/feature_matrix.hpp"

TINYVISION_BEGIN

enum class SvmLoss { squared_hinge, hinge };

constexpr const char* to_string(SvmLoss loss) { return loss == SvmLoss::hinge ? "hinge" : "squared_hinge"; }

/// "squared_hinge" or "hinge". Throws UsageError for anything else.
inline SvmLoss parse_svm_loss(std::string_view text) {
  if (text == "squared_hinge") return SvmLoss::squared_hinge;
  if (text == "hinge") return SvmLoss::hinge;
  fail_usage("svm", "unknown loss '", text, "': choose squared_hinge or hinge");
}

struct SvmOptions {
  SvmLoss loss = SvmLoss::squared_hinge;
  double tolerance = 1e-6;       ///< wanted bound on (P - min P) / min P
  double intercept_scaling = 1;  ///< the constant behind the features
};

/// Examples as the library reads them: one node of 16 bytes (index and value) for each feature that is not zero, the
/// constant, for the hinge the example's own feature, and an end mark. Built once; every class and every C reads it.
class SvmRows {
 public:
  /// `features` [n, d] f32, kept. Throws UsageError on another shape or type, on values that are not finite, and where there are
  /// more columns than the library can count.
  SvmRows(const Tensor& features, const SvmOptions& options) : features_(features), options_(options) {
    // What the library has to say on standard output says the bound better.
    static const bool silent = (set_print_string_function(+[](const char*) {}), true);
    static_cast<void>(silent);
    constexpr auto where = "svm";
    if (!features.defined() || features.shape().rank() != 2 || features.dtype() != DType::f32 || features.dim(1) < 1)
      fail_usage(where, "features must be [n, d] f32, got ", features.text());
    if (!(options.tolerance > 0)) fail_usage(where, "tolerance must be positive, got ", options.tolerance);
    if (!(options.intercept_scaling > 0) || !std::isfinite(options.intercept_scaling))
      fail_usage(where, "the constant behind the features must be positive, got ", options.intercept_scaling);
    if (columns() > std::numeric_limits<int>::max())
      fail_usage(where, n(), " examples of ", d(), " features are more columns than liblinear can count");
    std::size_t nodes = 0;
    for (Index i = 0; i < n(); ++i) {
      for (Index j = 0; j < d(); ++j) {
        if (!std::isfinite(row(i)[j])) fail_usage(where, "feature ", j, " of row ", i, " is ", row(i)[j]);
        nodes += row(i)[j] != 0;
      }
      nodes += has_duals() ? 3 : 2;
    }
    nodes_.reserve(nodes);
    for (Index i = 0; i < n(); ++i) {
      first_.push_back(nodes_.size());
      for (Index j = 0; j < d(); ++j)
        if (row(i)[j] != 0) nodes_.push_back({static_cast<int>(j + 1), static_cast<double>(row(i)[j])});
      nodes_.push_back({static_cast<int>(d() + 1), options.intercept_scaling});
      if (has_duals()) nodes_.push_back({static_cast<int>(d() + 2 + i), own_feature});
      nodes_.push_back({-1, 0});
    }
  }

  /// Bytes of the library's copy of n examples of d features when none of them is zero.
  static double bytes(Index n, Index d) {
    return static_cast<double>(n) * static_cast<double>(d + 3) * sizeof(feature_node);
  }

  Index n() const { return features_.dim(0); }
  Index d() const { return features_.dim(1); }
  const SvmOptions& options() const { return options_; }
  const float* row(Index i) const { return features_.data<float>() + i * features_.pitch(); }
  feature_node* nodes(Index i) { return nodes_.data() + first_[static_cast<std::size_t>(i)]; }

  /// Weights in the library's problem: those of SvmSolution and, for the hinge, one of each example.
  Index columns() const { return d() + 1 + (has_duals() ? n() : 0); }
  bool has_duals() const { return options_.loss == SvmLoss::hinge; }
  static constexpr double own_feature = 0x1p-27;

  /// w.x_i, summed in f64 in an order fixed by d.
  double product(const std::vector<double>& w, Index i) const {
    const float* const x = row(i);
    return stats::detail::interleaved_sum(
               d(), [&](Index j) { return w[static_cast<std::size_t>(j)] * static_cast<double>(x[j]); }) +
           w[static_cast<std::size_t>(d())] * options_.intercept_scaling;
  }
  /// |x_i|^2
  double squared_length(Index i) const {
    return stats::detail::dot(row(i), row(i), d()) + options_.intercept_scaling * options_.intercept_scaling;
  }
  /// sum += a x_i
  void add(double a, Index i, std::vector<double>& sum) const {
    const float* const x = row(i);
    for (Index j = 0; j < d(); ++j) sum[static_cast<std::size_t>(j)] += a * static_cast<double>(x[j]);
    sum[static_cast<std::size_t>(d())] += a * options_.intercept_scaling;
  }

 private:
  Tensor features_;
  SvmOptions options_;
  std::vector<feature_node> nodes_;
  std::vector<std::size_t> first_;
};

/// Which rows an SVM of two classes is fitted to, and their signs +1 and -1.
struct SvmExamples {
  std::vector<Index> rows;
  std::vector<std::int8_t> signs;
};

TINYVISION_END
