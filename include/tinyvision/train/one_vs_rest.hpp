// One-vs-rest binary logistic regressions on fixed features, for images that show several classes (PASCAL VOC 2007).
//
// The protocol is the paper's (Kornblith, Shlens and Le, CVPR 2019, appendix A.4) for each class by itself: a path of 45
// penalties on the training examples, the penalty of the best 11-point average precision on the validation examples, and a
// fit on both together at that penalty, started from the training fit. An example that shows a class only in objects marked
// difficult is left out of that class's fits and of its average precision, as the development kit of VOC 2007 leaves it out
// of the ranking; OneVsRestOptions has the other conventions.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tinyvision/optim/binary_logistic_regressions.hpp"
#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/train/linear_probe.hpp"

TINYVISION_BEGIN

/// One point of a class's path: the fit on the training examples and its 11-point average precision on the validation
/// examples, NaN where these show the class nowhere.
struct ClassPoint {
  LogisticRegressionFit fit;
  double average_precision = 0;
};

struct OneVsRestOptions {
  std::vector<double> lambdas = paper_lambdas();  ///< fitted from the largest to the smallest, whatever the order here
  stats::Difficult training = stats::Difficult::ignored;  ///< what a 0 is to a fit
  stats::Difficult ranking = stats::Difficult::ignored;   ///< and to an average precision
  LogisticRegressionOptions regression;                   ///< see BinaryLogisticRegressions; the device is not used
  std::vector<std::string> class_names;                   ///< for messages; numbers where empty
  /// Called after each penalty with the new point of every class.
  std::function<void(std::span<const ClassPoint>)> progress;
};

/// One class's result.
struct ClassFits {
  std::vector<ClassPoint> path;  ///< largest lambda first
  std::size_t chosen = 0;        ///< index into `path`
  LogisticRegressionFit refit;   ///< on training + validation at the chosen lambda
  Index positives = 0;           ///< among the training examples that take part
  Index negatives = 0;

  double lambda() const { return path.at(chosen).fit.lambda; }
};

struct OneVsRestResult {
  std::vector<ClassFits> classes;
  LinearClassifier classifier;        ///< of the refits: a logit for each class
  LinearClassifier train_classifier;  ///< of the chosen points, fitted on the training examples alone
  bool complete = false;              ///< false when `should_stop` ended it early

  /// Whether every fit, the refits included, reached its tolerance.
  bool converged() const {
    for (const ClassFits& c : classes) {
      for (const ClassPoint& p : c.path)
        if (!p.fit.converged) return false;
      if (!c.refit.converged) return false;
    }
    return complete;
  }
};

/// Index of the best average precision. Of equal ones, and where it is not a number, the larger lambda.
inline std::size_t choose_point(std::span<const ClassPoint> path) {
  check(!path.empty(), "one_vs_rest", "no point to choose from");
  const auto better = [](const ClassPoint& a, const ClassPoint& b) {
    const bool a_counts = a.average_precision == a.average_precision,
               b_counts = b.average_precision == b.average_precision;
    if (a_counts != b_counts) return a_counts;
    if (a_counts && a.average_precision != b.average_precision) return a.average_precision > b.average_precision;
    return a.fit.lambda > b.fit.lambda;
  };
  return static_cast<std::size_t>(std::min_element(path.begin(), path.end(), better) - path.begin());
}

namespace detail {

/// Targets of the fits: presence, with the zeros as `rule` says.
inline std::vector<std::int8_t> binary_targets(std::span<const std::int8_t> presence, stats::Difficult rule) {
  std::vector<std::int8_t> targets(presence.begin(), presence.end());
  for (std::int8_t& t : targets)
    if (t == 0) t = rule == stats::Difficult::ignored ? 0 : rule == stats::Difficult::positive ? 1 : -1;
  return targets;
}

/// The 11-point average precision of each class.
inline std::vector<double> average_precisions(const Tensor& scores, std::span<const std::int8_t> presence,
                                              stats::Difficult rule) {
  const Index classes = scores.dim(1);
  std::vector<double> values;
  for (Index c = 0; c < classes; ++c) {
    std::vector<double> column;
    std::vector<std::int8_t> truth;
    for (Index i = 0; i < scores.dim(0); ++i) {
      column.push_back(static_cast<double>(scores.data<float>()[i * scores.pitch() + c]));
      truth.push_back(presence[static_cast<std::size_t>(i * classes + c)]);
    }
    values.push_back(stats::average_precision_11_points(column, truth, rule).value);
  }
  return values;
}

}  // namespace detail

/// Fits, chooses and refits each class on its own. Features are [n, d] and [m, d] f32; presence is [n, classes] and
/// [m, classes] row by row: 1 (present), -1 (absent), 0 (difficult). Throws UsageError on wrong shapes, other presences,
/// values that are not finite, an empty part, an empty or non-positive list of lambdas, and a class (by its name) that the
/// training examples show nowhere or everywhere. Repeatable; see binary_logistic_regressions.hpp.
inline OneVsRestResult fit_one_vs_rest(const Tensor& train_features, std::span<const std::int8_t> train_presence,
                                       const Tensor& validation_features,
                                       std::span<const std::int8_t> validation_presence, Index classes,
                                       const OneVsRestOptions& options = {}) {
  constexpr auto where = "one_vs_rest";
  std::vector<double> lambdas = options.lambdas;
  if (lambdas.empty()) fail_usage(where, "no lambdas");
  for (const double lambda : lambdas)
    if (!(lambda > 0) || !std::isfinite(lambda)) fail_usage(where, "lambda must be positive, got ", lambda);
  std::sort(lambdas.begin(), lambdas.end(), std::greater<>());
  if (classes < 1) fail_usage(where, "no classes");
  if (!options.class_names.empty() && static_cast<Index>(options.class_names.size()) != classes)
    fail_usage(where, options.class_names.size(), " names for ", classes, " classes");
  const auto name = [&](Index c) {
    return options.class_names.empty() ? concat_text(c) : options.class_names[static_cast<std::size_t>(c)];
  };
  const auto check_part = [&](const char* part, const Tensor& features, std::span<const std::int8_t> presence) {
    if (!features.defined() || features.shape().rank() != 2 || features.dtype() != DType::f32)
      fail_usage(where, part, " features must be [n, d] f32, got ", features.text());
    if (features.dim(0) < 1) fail_usage(where, "no ", part, " examples: ", features.text());
    if (static_cast<Index>(presence.size()) != features.dim(0) * classes)
      fail_usage(where, features.dim(0), " ", part, " examples of ", classes, " classes but ", presence.size(),
                 " presences");
    for (std::size_t i = 0; i < presence.size(); ++i)
      if (presence[i] < -1 || presence[i] > 1)
        fail_usage(where, part, " presence of row ", static_cast<Index>(i) / classes, ", class ",
                   name(static_cast<Index>(i) % classes), " is ", int{presence[i]}, "; it must be 1, -1 or 0");
    for (Index i = 0; i < features.dim(0); ++i)
      for (Index j = 0; j < features.dim(1); ++j)
        if (const float x = features.data<float>()[i * features.pitch() + j]; !std::isfinite(x))
          fail_usage(where, part, " feature ", j, " of row ", i, " is ", x);
  };
  check_part("training", train_features, train_presence);
  check_part("validation", validation_features, validation_presence);
  if (train_features.dim(1) != validation_features.dim(1))
    fail_usage(where, "training has ", train_features.dim(1), " features, validation ", validation_features.dim(1));

  OneVsRestResult result;
  result.classes.resize(static_cast<std::size_t>(classes));
  const std::vector<std::int8_t> targets = detail::binary_targets(train_presence, options.training);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    ClassFits& of = result.classes[i % static_cast<std::size_t>(classes)];
    of.positives += targets[i] > 0 ? 1 : 0;
    of.negatives += targets[i] < 0 ? 1 : 0;
  }
  for (Index c = 0; c < classes; ++c) {
    const ClassFits& of = result.classes[static_cast<std::size_t>(c)];
    if (of.positives == 0)
      fail_usage(where, "class ", name(c), " has no positive training example among ", train_features.dim(0),
                 ": there is nothing to fit");
    if (of.negatives == 0)
      fail_usage(where, "class ", name(c), " is in all ", of.positives, " training examples: there is no rest");
  }

  const Tensor start_weights = Tensor::zeros({train_features.dim(1), classes}, DType::f64);
  const Tensor start_intercepts = Tensor::zeros({classes}, DType::f64);
  {
    BinaryLogisticRegressions regressions(train_features, targets, classes, options.regression);
    std::vector<ClassPoint> points(static_cast<std::size_t>(classes));
    result.complete = regressions.path(lambdas, [&](const std::vector<LogisticRegressionFit>& fits) {
      const Tensor weights = regressions.weights(), intercepts = regressions.intercepts();
      const LinearClassifier classifier{weights.to(DType::f32), intercepts.to(DType::f32)};
      const std::vector<double> precisions =
          detail::average_precisions(classifier.logits(validation_features), validation_presence, options.ranking);
      for (Index c = 0; c < classes; ++c) {
        ClassFits& of = result.classes[static_cast<std::size_t>(c)];
        points[static_cast<std::size_t>(c)] = {fits[static_cast<std::size_t>(c)],
                                               precisions[static_cast<std::size_t>(c)]};
        of.path.push_back(points[static_cast<std::size_t>(c)]);
        if (choose_point(of.path) != of.path.size() - 1) continue;
        of.chosen = of.path.size() - 1;
        for (Index j = 0; j < weights.dim(0); ++j)
          start_weights.data<double>()[j * classes + c] = weights.data<double>()[j * classes + c];
        start_intercepts.data<double>()[c] = intercepts.data<double>()[c];
      }
      if (options.progress) options.progress(points);
    });
  }
  if (!result.complete) return result;
  result.train_classifier = {start_weights.to(DType::f32), start_intercepts.to(DType::f32)};

  std::vector<std::int8_t> all = targets;
  const std::vector<std::int8_t> more = detail::binary_targets(validation_presence, options.training);
  all.insert(all.end(), more.begin(), more.end());
  BinaryLogisticRegressions regressions(detail::stack_rows(train_features, validation_features), all, classes,
                                        options.regression);
  regressions.set_start(start_weights, start_intercepts);
  std::vector<double> chosen;
  for (const ClassFits& of : result.classes) chosen.push_back(of.lambda());
  const std::vector<LogisticRegressionFit> refits = regressions.fit(chosen);
  for (std::size_t c = 0; c < refits.size(); ++c) {
    result.classes[c].refit = refits[c];
    result.complete = result.complete && refits[c].stop != StopReason::interrupted;
  }
  result.classifier = {regressions.weights().to(DType::f32), regressions.intercepts().to(DType::f32)};
  return result;
}

TINYVISION_END
