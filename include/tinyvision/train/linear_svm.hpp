// The paper's support vector machines on fixed features (Kornblith, Shlens and Le, CVPR 2019, appendix G.1): "we L2-normalized
// the input to the model along the feature dimension. We used the SVM implementation from scikit-learn, selecting the value
// of the hyperparameter C from 26 logarithmically spaced values between 0.001 and 100."
//
// One machine for each class against the rest (train/binary_svm.hpp, which says what is minimised, by what, and how the
// intercept is treated). Where an image shows one class, the highest decision value w.x + b wins and one C serves all
// machines. With two classes one machine serves both, its weights with opposite signs. Where images show several classes (VOC
// 2007) the machines have nothing to do with each other, and each has the C of its own highest average precision. A class
// without examples gets w = 0 and b = -1e30, so that it never wins.
//
// C is chosen on the validation examples and the machines are fitted again on training and validation examples together.
// The path runs from the smallest C, the strongest regularisation, up, and each fit starts from the one before where the
// solver can. The library's copy of all examples is made once and takes up to 16 bytes a feature (SvmRows::bytes).
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/train/binary_svm.hpp"
#include "tinyvision/train/linear_probe.hpp"

TINYVISION_BEGIN

/// The paper's 26 values of C, smallest first.
inline std::vector<double> paper_svm_costs() { return log_spaced(-3, 2, 26); }

/// Rows of features [n, d] (f32) divided by their length (taken in f64, rounded to f32). Rows of zeros stay zero. Throws
/// UsageError naming row and column of a value that is not finite.
inline Tensor unit_rows(const Tensor& features) {
  const std::vector<float> values = stats::detail::feature_rows<float>("svm", "features", features);
  const Index n = features.dim(0), d = features.dim(1);
  const Tensor out = Tensor::empty({n, d});
  for (Index i = 0; i < n; ++i) {
    const float* const from = values.data() + i * d;
    float* const to = out.data<float>() + i * d;
    const double length = std::sqrt(stats::detail::dot(from, from, d));
    for (Index j = 0; j < d; ++j) to[j] = length > 0 ? static_cast<float>(static_cast<double>(from[j]) / length) : 0;
  }
  return out;
}

/// Examples of one part of a split. `labels` [n] in [0, classes), or `presence` [n, classes], row by row, of 1 (shown), -1 (not
/// shown) and 0 (only difficult instances), where images show several classes.
struct SvmPart {
  Tensor features;  ///< [n, d] f32, as the network gives them
  std::vector<Index> labels;
  std::vector<std::int8_t> presence{};
};

/// All machines together at one C.
struct LinearSvmFit {
  double c = 0;                     ///< 0 where the machines have different ones
  double objective = 0;             ///< sum over the machines, f64
  double certificate = 0;           ///< it is at most this above its minimum
  double relative_certificate = 0;  ///< the largest of a machine
  Index machines = 0;
  Index unconverged = 0;              ///< machines that missed the tolerance
  Index solves = 0;                   ///< calls of the library
  Index rounds = 0;                   ///< hinge: improvements after the library had stopped
  SvmStop stop = SvmStop::converged;  ///< of the first machine that missed the tolerance
  bool interrupted = false;           ///< ended by should_stop: not all machines were fitted

  bool converged() const { return !interrupted && unconverged == 0; }
};

/// One-vs-rest machines over a common set of rows.
class LinearSvm {
 public:
  /// Fits to the rows [0, signs.size() / classes) of `rows`. `signs` [n, classes]: 1, -1, or 0 for what the class's machine does
  /// not see. `exclusive`: every row has one 1. Throws UsageError when no class can be told from the rest.
  LinearSvm(std::shared_ptr<SvmRows> rows, std::vector<std::int8_t> signs, Index classes, bool exclusive)
      : rows_(std::move(rows)), signs_(std::move(signs)), classes_(classes) {
    check(static_cast<Index>(signs_.size()) <= rows_->n() * classes, "svm", signs_.size(), " signs for ", rows_->n(),
          " rows of ", classes, " classes");
    std::vector<Index> present;
    for (Index c = 0; c < classes; ++c) {
      const SvmExamples own = examples(c);
      if (std::find(own.signs.begin(), own.signs.end(), 1) != own.signs.end()) present.push_back(c);
    }
    if (present.size() < (exclusive ? 2 : 1))
      fail_usage("svm", "only ", present.size(), " of ", classes, " classes has training examples");
    absent_ = classes - static_cast<Index>(present.size());
    mirrored_ = exclusive && present.size() == 2;
    if (mirrored_) mirror_ = present[0], present.erase(present.begin());
    for (const Index c : present) machines_.push_back({c, {}});
  }

  Index absent_classes() const { return absent_; }

  /// Fits every machine at C = c[class], each from its last solution where the solver can. `should_stop` is asked before each
  /// machine, from several threads. Machines are fitted side by side.
  LinearSvmFit fit(const std::vector<double>& c, const std::function<bool()>& should_stop = {}) {
    std::atomic<bool> stopped{false};
    const auto one = [&](Index m) {
      if (stopped || (should_stop && should_stop())) {
        stopped = true;
        return;
      }
      Machine& machine = machines_[static_cast<std::size_t>(m)];
      const bool warm = !rows_->has_duals() && !machine.solution.weights.empty();
      const std::vector<double> start = warm ? machine.solution.weights : std::vector<double>();
      machine.solution = solve_svm(*rows_, examples(machine.label), c.at(static_cast<std::size_t>(machine.label)),
                                   warm ? &start : nullptr);
    };
    const Index count = static_cast<Index>(machines_.size());
    parallel_for(count, one);
    LinearSvmFit fit;
    if (std::adjacent_find(c.begin(), c.end(), std::not_equal_to<>()) == c.end()) fit.c = c.front();
    fit.machines = count;
    fit.interrupted = stopped;
    for (const Machine& machine : machines_) {
      const SvmSolution& s = machine.solution;
      fit.objective += s.objective;
      fit.certificate += s.certificate;
      fit.relative_certificate = std::max(fit.relative_certificate, s.relative_certificate);
      fit.solves += s.solves;
      fit.rounds += s.rounds;
      if (s.converged()) continue;
      if (fit.unconverged++ == 0) fit.stop = s.stop;
    }
    return fit;
  }
  LinearSvmFit fit(double c, const std::function<bool()>& should_stop = {}) {
    return fit(std::vector<double>(static_cast<std::size_t>(classes_), c), should_stop);
  }

  /// What the machine of class c was fitted to last; null where it has none of its own.
  const SvmSolution* solution(Index c) const {
    for (const Machine& machine : machines_)
      if (machine.label == c) return &machine.solution;
    return nullptr;
  }
  /// Takes another's solution for class c, if it has one: the next fit starts from it.
  void take_solution(const LinearSvm& other, Index c) {
    const SvmSolution* const theirs = other.solution(c);
    for (Machine& machine : machines_)
      if (machine.label == c && theirs != nullptr) machine.solution = *theirs;
  }

  /// Decision values of features of unit length are its logits.
  LinearClassifier classifier() const {
    const Index d = rows_->d();
    LinearClassifier out{Tensor::zeros({d, classes_}), Tensor::full({classes_}, LogisticRegression::absent_intercept)};
    const auto put = [&](Index c, const std::vector<double>& w, double sign) {
      for (Index j = 0; j < d; ++j)
        out.weights.data<float>()[j * classes_ + c] = static_cast<float>(sign * w[static_cast<std::size_t>(j)]);
      out.intercept.data<float>()[c] =
          static_cast<float>(sign * w[static_cast<std::size_t>(d)] * rows_->options().intercept_scaling);
    };
    for (const Machine& machine : machines_) put(machine.label, machine.solution.weights, 1);
    if (mirrored_) put(mirror_, machines_.front().solution.weights, -1);
    return out;
  }

 private:
  struct Machine {
    Index label;
    SvmSolution solution;
  };
  SvmExamples examples(Index c) const {
    SvmExamples own;
    const Index n = static_cast<Index>(signs_.size()) / classes_;
    for (Index i = 0; i < n; ++i) {
      const std::int8_t sign = signs_[static_cast<std::size_t>(i * classes_ + c)];
      if (sign == 0) continue;
      own.rows.push_back(i);
      own.signs.push_back(sign);
    }
    return own;
  }

  std::shared_ptr<SvmRows> rows_;
  std::vector<std::int8_t> signs_;
  Index classes_, absent_ = 0, mirror_ = 0;
  bool mirrored_ = false;
  std::vector<Machine> machines_;
};

/// One C of the path and what it is worth on the validation examples.
struct SvmPoint {
  LinearSvmFit fit;
  double top1 = 0;  ///< these two where images show one class
  double mean_per_class = 0;
  std::vector<double>
      average_precision{};  ///< of each class, 11 points, where they show several; NaN without positives
};

struct SvmProbeOptions {
  std::vector<double> costs = paper_svm_costs();  ///< fitted from the smallest to the largest, whatever the order here
  ProbeMetric metric = ProbeMetric::top1;         ///< where images show one class
  stats::Difficult difficult_training = stats::Difficult::ignored, difficult_ranking = stats::Difficult::ignored;
  SvmOptions svm;
  /// Called after each C of the path.
  std::function<void(const SvmPoint&)> progress;
  /// Asked before each machine, from several threads; true ends the fits.
  std::function<bool()> should_stop;
};

struct SvmProbeResult {
  std::vector<SvmPoint> path;         ///< smallest C first
  std::vector<std::size_t> chosen;    ///< for each class an index into `path`; the same for all where images show one
  LinearSvmFit refit;                 ///< on training + validation at the chosen C
  LinearClassifier classifier;        ///< of the refit; takes rows of unit length
  LinearClassifier train_classifier;  ///< of the chosen points
  Index absent_classes = 0;           ///< classes without a training example
  bool complete = false;              ///< false when `should_stop` ended it early; there is then no refit

  double c(Index label) const { return path.at(chosen.at(static_cast<std::size_t>(label))).fit.c; }
  /// Whether every fit, the refit included, reached its tolerance.
  bool converged() const {
    for (const SvmPoint& p : path)
      if (!p.fit.converged()) return false;
    return complete && refit.converged();
  }
};

namespace detail {

/// What the machines see of a part: signs [n, classes].
inline std::vector<std::int8_t> svm_signs(const SvmPart& part, Index classes, stats::Difficult difficult) {
  std::vector<std::int8_t> signs = part.presence;
  if (signs.empty()) {
    signs.assign(part.labels.size() * static_cast<std::size_t>(classes), -1);
    for (std::size_t i = 0; i < part.labels.size(); ++i)
      signs[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(part.labels[i])] = 1;
  }
  if (difficult != stats::Difficult::ignored)
    std::replace(signs.begin(), signs.end(), std::int8_t{0},
                 static_cast<std::int8_t>(difficult == stats::Difficult::positive ? 1 : -1));
  return signs;
}

inline void check_svm_part(const char* name, const SvmPart& part, Index classes, bool several) {
  constexpr auto where = "svm";
  const Tensor& x = part.features;
  if (!x.defined() || x.shape().rank() != 2 || x.dtype() != DType::f32)
    fail_usage(where, name, " features must be [n, d] f32, got ", x.text());
  if (x.dim(0) < 1) fail_usage(where, "no ", name, " examples: ", x.text());
  if (several) {
    if (static_cast<Index>(part.presence.size()) != x.dim(0) * classes)
      fail_usage(where, x.dim(0), " ", name, " examples of ", classes, " classes but presence of ",
                 part.presence.size());
    return;
  }
  if (static_cast<Index>(part.labels.size()) != x.dim(0))
    fail_usage(where, x.dim(0), " ", name, " examples but ", part.labels.size(), " labels");
  for (std::size_t i = 0; i < part.labels.size(); ++i)
    if (part.labels[i] < 0 || part.labels[i] >= classes)
      fail_usage(where, name, " label ", part.labels[i], " of row ", i, " is outside [0, ", classes, ")");
}

}  // namespace detail

/// Fits the path on the training examples, chooses C on the validation examples (equal values: the smaller C, that is the
/// stronger regularisation; a class that no validation image shows: the smallest) and refits on both. Rows are divided by
/// their lengths first. Throws UsageError on wrong shapes, labels out of range, values that are not finite, an empty part,
/// fewer than two classes and an empty or non-positive list of C. Repeatable as train/binary_svm.hpp says, whatever the
/// number of threads.
inline SvmProbeResult fit_svm_probe(const SvmPart& train_part, const SvmPart& validation_part, Index classes,
                                    const SvmProbeOptions& options = {}) {
  constexpr auto where = "svm";
  std::vector<double> costs = options.costs;
  if (costs.empty()) fail_usage(where, "no values of C");
  for (const double c : costs)
    if (!(c > 0) || !std::isfinite(c)) fail_usage(where, "C must be positive, got ", c);
  std::sort(costs.begin(), costs.end());
  const bool several = !train_part.presence.empty();
  detail::check_svm_part("training", train_part, classes, several);
  detail::check_svm_part("validation", validation_part, classes, several);
  if (train_part.features.dim(1) != validation_part.features.dim(1))
    fail_usage(where, "training has ", train_part.features.dim(1), " features, validation ",
               validation_part.features.dim(1));

  const Tensor validation = unit_rows(validation_part.features);
  const auto rows =
      std::make_shared<SvmRows>(detail::stack_rows(unit_rows(train_part.features), validation), options.svm);
  std::vector<std::int8_t> signs = detail::svm_signs(train_part, classes, options.difficult_training);
  SvmProbeResult result;
  result.chosen.assign(static_cast<std::size_t>(classes), 0);
  LinearSvm svm(rows, signs, classes, !several), best = svm;
  result.absent_classes = svm.absent_classes();
  std::vector<double> highest(static_cast<std::size_t>(classes));
  for (const double c : costs) {
    SvmPoint point{svm.fit(c, options.should_stop), 0, 0};
    if (point.fit.interrupted) return result;
    const Tensor scores = svm.classifier().logits(validation);
    std::vector<double> values;  // of each class
    if (several) {
      values = point.average_precision =
          stats::mean_average_precision(scores, validation_part.presence, options.difficult_ranking).of_class;
    } else {
      const stats::ConfusionMatrix confusion(scores, validation_part.labels);
      point.top1 = confusion.overall().value();
      point.mean_per_class = stats::mean_per_class_accuracy(confusion).value;
      values.assign(highest.size(), options.metric == ProbeMetric::top1 ? point.top1 : point.mean_per_class);
    }
    result.path.push_back(point);
    const std::size_t last = result.path.size() - 1;
    for (std::size_t k = 0; k < highest.size(); ++k) {
      if (last > 0 && !(values[k] > highest[k])) continue;
      highest[k] = values[k];
      result.chosen[k] = last;
      best.take_solution(svm, static_cast<Index>(k));
    }
    if (options.progress) options.progress(point);
  }
  result.train_classifier = best.classifier();

  const std::vector<std::int8_t> more = detail::svm_signs(validation_part, classes, options.difficult_training);
  signs.insert(signs.end(), more.begin(), more.end());
  LinearSvm both(rows, std::move(signs), classes, !several);
  std::vector<double> chosen;
  for (Index k = 0; k < classes; ++k) {
    both.take_solution(best, k);
    chosen.push_back(result.c(k));
  }
  result.refit = both.fit(chosen, options.should_stop);
  if (result.refit.interrupted) return result;
  result.classifier = both.classifier();
  result.complete = true;
  return result;
}

TINYVISION_END
