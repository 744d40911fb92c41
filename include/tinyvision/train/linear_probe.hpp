// The paper's linear probe: multinomial logistic regression on fixed features (Kornblith, Shlens and Le, "Do better
// ImageNet models transfer better?", CVPR 2019, section 3 and appendix A.4).
//
// "trained ... using L-BFGS, with an L2 regularization parameter applied to the sum of the per-example losses, selected
// from a range of 45 logarithmically spaced values from 1e-6 to 1e5 on the validation set", with warm starts along the
// path. Features are taken as they are: the paper rescales neither them nor lambda. After the choice, the classifier is
// fitted again on training and validation examples together at the chosen lambda, starting from the training fit.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tinyvision/optim/logistic_regression.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN

/// What is compared on the validation set: the share of correct examples, or the mean over classes of that share.
enum class ProbeMetric { top1, mean_per_class };

constexpr const char* to_string(ProbeMetric metric) { return metric == ProbeMetric::top1 ? "top1" : "mean_per_class"; }

/// A linear classifier of features: logits = x W + b.
struct LinearClassifier {
  Tensor weights;    ///< [d, classes] f32
  Tensor intercept;  ///< [classes] f32

  /// Logits [n, classes] f32 of features [n, d] f32. Throws Error on other shapes.
  Tensor logits(const Tensor& features) const {
    check(weights.defined() && features.defined() && features.shape().rank() == 2 &&
              features.dim(1) == weights.dim(0) && features.dtype() == DType::f32,
          "linear_classifier", "features ", features.text(), " for weights ", weights.text());
    const Index n = features.dim(0), d = weights.dim(0), classes = weights.dim(1);
    const Tensor out = Tensor::empty({n, classes});
    for (Index i = 0; i < n; ++i) std::copy_n(intercept.data<float>(), classes, out.data<float>() + i * classes);
    linalg::gemm(false, false, n, classes, d, 1.0f, features.data<float>(), features.pitch(), weights.data<float>(),
                 weights.pitch(), 1.0f, out.data<float>(), classes);
    return out;
  }

  /// softmax of the logits, [n, classes] f32; summed in f64.
  Tensor probabilities(const Tensor& features) const {
    const Tensor out = logits(features);
    const Index classes = out.dim(1);
    for (Index i = 0; i < out.dim(0); ++i) {
      float* row = out.data<float>() + i * classes;
      const float most = *std::max_element(row, row + classes);
      double sum = 0;
      for (Index c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(row[c] - most));
      for (Index c = 0; c < classes; ++c)
        row[c] = static_cast<float>(std::exp(static_cast<double>(row[c] - most)) / sum);
    }
    return out;
  }
};

/// One point of the path: the fit on the training examples and its accuracy on the validation examples.
struct ProbePoint {
  LogisticRegressionFit fit;
  double top1 = 0;
  double mean_per_class = 0;

  double value(ProbeMetric metric) const { return metric == ProbeMetric::top1 ? top1 : mean_per_class; }
};

struct LinearProbeOptions {
  std::vector<double> lambdas = paper_lambdas();  ///< fitted from the largest to the smallest, whatever the order here
  ProbeMetric metric = ProbeMetric::top1;
  LogisticRegressionOptions regression;
  /// Called after each point of the path.
  std::function<void(const ProbePoint&)> progress;
};

struct LinearProbeResult {
  std::vector<ProbePoint> path;       ///< largest lambda first
  std::size_t chosen = 0;             ///< index into `path`
  LogisticRegressionFit refit;        ///< on training + validation at the chosen lambda
  LinearClassifier classifier;        ///< of the refit
  LinearClassifier train_classifier;  ///< of the chosen point, fitted on the training examples alone
  Index absent_classes = 0;           ///< classes without a training example
  bool complete = false;              ///< false when `should_stop` ended it early; there is then no refit

  double lambda() const { return path.at(chosen).fit.lambda; }
  /// Whether every fit, the refit included, reached its tolerance.
  bool converged() const {
    for (const ProbePoint& p : path)
      if (!p.fit.converged) return false;
    return complete && refit.converged;
  }
};

/// Index of the best validation accuracy. Equal accuracies: the larger lambda, that is the stronger regularisation.
inline std::size_t choose_point(std::span<const ProbePoint> path, ProbeMetric metric) {
  check(!path.empty(), "linear_probe", "no point to choose from");
  std::size_t best = 0;
  for (std::size_t i = 1; i < path.size(); ++i) {
    const double a = path[i].value(metric), b = path[best].value(metric);
    if (a > b || (a == b && path[i].fit.lambda > path[best].fit.lambda)) best = i;
  }
  return best;
}

namespace detail {

inline LinearClassifier classifier_of(const LogisticRegression& regression) {
  return {regression.weights().to(DType::f32), regression.intercept().to(DType::f32)};
}

/// Rows of both, one after the other.
inline Tensor stack_rows(const Tensor& a, const Tensor& b) {
  const Tensor out = Tensor::empty({a.dim(0) + b.dim(0), a.dim(1)}, a.dtype());
  out.slice_batch(0, a.dim(0)).copy_from(a);
  out.slice_batch(a.dim(0), b.dim(0)).copy_from(b);
  return out;
}

}  // namespace detail

/// Fits the path on the training features [n, d] f32, chooses lambda on the validation features [m, d] f32 and refits
/// on both. Labels are in [0, classes). Throws UsageError on wrong shapes, labels out of range, values that are not
/// finite, an empty validation set or an empty or non-positive list of lambdas. Repeatable; see
/// logistic_regression.hpp.
inline LinearProbeResult fit_linear_probe(const Tensor& train_features, std::span<const Index> train_labels,
                                          const Tensor& validation_features, std::span<const Index> validation_labels,
                                          Index classes, const LinearProbeOptions& options = {}) {
  constexpr auto where = "linear_probe";
  std::vector<double> lambdas = options.lambdas;
  if (lambdas.empty()) fail_usage(where, "no lambdas");
  for (const double lambda : lambdas)
    if (!(lambda > 0) || !std::isfinite(lambda)) fail_usage(where, "lambda must be positive, got ", lambda);
  std::sort(lambdas.begin(), lambdas.end(), std::greater<>());
  const auto check_part = [&](const char* part, const Tensor& features, std::span<const Index> labels) {
    if (!features.defined() || features.shape().rank() != 2 || features.dtype() != DType::f32)
      fail_usage(where, part, " features must be [n, d] f32, got ", features.text());
    if (features.dim(0) < 1) fail_usage(where, "no ", part, " examples: ", features.text());
    if (static_cast<Index>(labels.size()) != features.dim(0))
      fail_usage(where, features.dim(0), " ", part, " examples but ", labels.size(), " labels");
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] < 0 || labels[i] >= classes)
        fail_usage(where, part, " label ", labels[i], " of row ", i, " is outside [0, ", classes, ")");
    for (Index i = 0; i < features.dim(0); ++i)
      for (Index j = 0; j < features.dim(1); ++j)
        if (!std::isfinite(features.data<float>()[i * features.pitch() + j]))
          fail_usage(where, part, " feature ", j, " of row ", i, " is ",
                     features.data<float>()[i * features.pitch() + j]);
  };
  check_part("training", train_features, train_labels);
  check_part("validation", validation_features, validation_labels);
  if (train_features.dim(1) != validation_features.dim(1))
    fail_usage(where, "training has ", train_features.dim(1), " features, validation ", validation_features.dim(1));

  LinearProbeResult result;
  Tensor weights, intercept;  // of the chosen point, f64
  {
    LogisticRegression regression(train_features, train_labels, classes, options.regression);
    result.absent_classes = regression.absent_classes();
    const auto fits = regression.path(lambdas, [&](const LogisticRegressionFit& fit) {
      const LinearClassifier classifier = detail::classifier_of(regression);
      const stats::ConfusionMatrix confusion(classifier.logits(validation_features), validation_labels);
      result.path.push_back({fit, confusion.overall().value(), stats::mean_per_class_accuracy(confusion).value});
      const std::size_t last = result.path.size() - 1;
      if (choose_point(result.path, options.metric) == last) {
        result.chosen = last;
        result.train_classifier = classifier;
        weights = regression.weights(), intercept = regression.intercept();
      }
      if (options.progress) options.progress(result.path.back());
    });
    if (result.path.size() < lambdas.size()) return result;
  }
  std::vector<Index> labels(train_labels.begin(), train_labels.end());
  labels.insert(labels.end(), validation_labels.begin(), validation_labels.end());
  LogisticRegression regression(detail::stack_rows(train_features, validation_features), labels, classes,
                                options.regression);
  regression.set_start(weights, intercept);
  result.refit = regression.fit(result.lambda());
  result.classifier = detail::classifier_of(regression);
  result.complete = result.refit.stop != StopReason::interrupted;
  return result;
}

TINYVISION_END
