// tv_linear_probe: classifiers of fixed features. What they share is here; each --classifier is one file (probe_*.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/common_options.hpp"
#include "common/features.hpp"
#include "common/results.hpp"

namespace tv_app {

/// Options of tv_linear_probe. Those after `classifier` are for the classifiers that name them (ProbeClassifier::options).
struct ProbeChoice {
  NetworkChoice network;
  DataChoice data;
  std::string cache;  ///< folder of cached features; empty: that of --out
  double crop = 1;
  Index batch = 32;
  std::string classifier = "auto";  ///< auto: one_vs_rest where images show several classes, else logistic
  Index lambdas = 45;
  double tolerance = 1e-6;
  /// Images in which a class has only instances marked difficult: ignored, negative or positive.
  std::string difficult_training = "ignored", difficult_ranking = "ignored";

  /// Whether the data set's images show several classes each (VOC 2007). Known before anything is read.
  bool several_classes() const;
};

/// The readable examples of one part of the split.
struct ProbePart {
  std::vector<Index> examples;        ///< numbers in the data set
  tinyvision::Tensor features;        ///< [n, d] f32
  std::vector<Index> labels;          ///< [n]; the first class shown where images show several
  std::vector<std::int8_t> presence;  ///< [n, classes] of 1, -1, 0 where images show several; else empty
};

/// All that a classifier works with.
struct ProbeTask {
  const CommonOptions& common;
  const ProbeChoice& choice;
  const tinyvision::Network& network;  ///< frozen: its digest is taken before and after
  const tinyvision::data::Preprocessing& preprocessing;
  const LabelledData& data;
  const FeatureTable& table;  ///< features of all examples
  Results& results;

  ProbePart part(const std::vector<Index>& examples) const;
  Index classes() const { return data.dataset->classes(); }
};

/// One classifier of fixed features.
class ProbeClassifier {
 public:
  virtual ~ProbeClassifier() = default;

  /// Its name behind --classifier.
  virtual std::string name() const = 0;
  /// Adds the options that it alone has.
  virtual void add_options(CLI::App&) {}
  /// The options that it reads, with their dashes: its own, and those of ProbeChoice behind `classifier`. One of another
  /// classifier on the command line is refused.
  virtual std::vector<std::string> options() const = 0;
  /// Throws UsageError for data sets and options that it cannot use, before weights or images are read.
  virtual void check_choice(const ProbeChoice& choice) const = 0;
  /// Fits, chooses on the validation images, evaluates the test images once (record_scores) and records all of it in
  /// task.results; laps "fits" and "evaluation". Throws Interrupted when it was stopped.
  virtual void run(const ProbeTask& task) = 0;
};

/// All classifiers.
std::vector<std::unique_ptr<ProbeClassifier>> probe_classifiers();

void add_probe_options(CLI::App& app, ProbeChoice& choice,
                       const std::vector<std::unique_ptr<ProbeClassifier>>& classifiers);

/// The whole program behind its options. Throws Error when the network changed on the way.
void run_probe(CLI::App& app, const ProbeChoice& choice, const CommonOptions& common,
               const std::vector<std::unique_ptr<ProbeClassifier>>& classifiers, const Json& config);

/// Records what scores [n, classes] of a part ("validation", "test") are worth: metrics.<part> with `value` in the data set's
/// metric, top1, top5 and mean_per_class, or voc_ap11 with the average precision of each class. Of "test" also, in --out,
/// predictions.csv (its probabilities are the softmax of the scores), or scores.csv and truth.csv where images show several
/// classes; and a line on stdout that ends in `chosen` ("at lambda 1.000e-03").
void record_scores(const ProbeTask& task, const std::string& part, const ProbePart& examples,
                   const tinyvision::Tensor& scores, const std::string& chosen);

/// SHA-256 of the names, shapes and values of all variables of a network, moving statistics included.
std::string network_digest(const tinyvision::Network& network);

/// Throws Error naming both digests unless they are equal.
void check_frozen(const std::string& before, const std::string& after);

/// The classifiers. A new one is declared here and listed in `probe_classifiers`.
std::unique_ptr<ProbeClassifier> make_logistic_probe();
std::unique_ptr<ProbeClassifier> make_one_vs_rest_probe();
std::unique_ptr<ProbeClassifier> make_svm_probe();
std::unique_ptr<ProbeClassifier> make_augmented_probe();

}  // namespace tv_app
