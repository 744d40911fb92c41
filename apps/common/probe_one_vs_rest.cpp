// --classifier one_vs_rest: a binary logistic regression for each class, where images show several (VOC 2007).
#include <cstdio>

#include "common/interrupt.hpp"
#include "common/probe.hpp"
#include "common/probe_fits.hpp"
#include "common/progress.hpp"
#include "tinyvision/train/one_vs_rest.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

/// Examples that show a class, do not, and show it only in objects marked difficult.
Json counts_of(const ProbePart& part, Index classes, Index c) {
  Index shown[3] = {};
  for (std::size_t i = static_cast<std::size_t>(c); i < part.presence.size(); i += static_cast<std::size_t>(classes))
    ++shown[part.presence[i] + 1];
  return {{"present", shown[2]}, {"absent", shown[0]}, {"difficult", shown[1]}};
}

class OneVsRestProbe : public ProbeClassifier {
 public:
  std::string name() const override { return "one_vs_rest"; }
  std::vector<std::string> options() const override {
    return {"--lambdas", "--tolerance", "--difficult-training", "--difficult-ranking"};
  }
  void check_choice(const ProbeChoice& choice) const override {
    if (!choice.several_classes())
      fail_usage("options", "--classifier one_vs_rest cannot be used with ", choice.data.dataset,
                 ": its images show one class each, and the penalty would be chosen by rankings of the classes; "
                 "--classifier logistic fits one multinomial regression");
  }

  void run(const ProbeTask& task) override {
    const ProbePart train = task.part(task.data.split.train), validation = task.part(task.data.split.validation);
    OneVsRestOptions options;
    options.lambdas = penalties(task.choice.lambdas);
    options.training = stats::parse_difficult(task.choice.difficult_training);
    options.ranking = stats::parse_difficult(task.choice.difficult_ranking);
    options.regression.tolerance = task.choice.tolerance;
    options.regression.should_stop = interrupted;
    options.class_names = task.data.dataset->class_names();
    Progress progress("penalties", task.choice.lambdas, task.common.quiet, 0);
    Index done = 0;
    options.progress = [&](std::span<const ClassPoint> points) {
      report(points);
      progress.update(++done);
    };
    const OneVsRestResult result = fit_one_vs_rest(train.features, train.presence, validation.features,
                                                   validation.presence, task.classes(), options);
    if (!result.complete) throw Resumable("the features are kept, the fits are not");
    progress.finish();
    task.results.lap("fits");
    record(task, result, train, validation);
    record_convergence(task, result.converged());

    record_scores(task, "validation", validation, result.train_classifier.logits(validation.features), "");
    const ProbePart test = task.part(task.data.split.test);
    if (!test.examples.empty())
      record_scores(task, "test", test, result.classifier.logits(test.features), "at a lambda for each class");
    save_classifier(task, result.classifier);
    task.results.lap("evaluation");
  }

 private:
  /// A line for each penalty: the mean over the classes that can be ranked, and the worst certificate.
  static void report(std::span<const ClassPoint> points) {
    double sum = 0, worst = 0;
    Index ranked = 0, converged = 0;
    for (const ClassPoint& p : points) {
      if (p.average_precision == p.average_precision) sum += p.average_precision, ++ranked;
      worst = std::max(worst, p.fit.relative_certificate);
      converged += p.fit.converged ? 1 : 0;
    }
    std::printf("lambda %.3e  C %.3e  bound %.1e  %lld of %lld converged  validation: mean average precision %.4f\n",
                points[0].fit.lambda, points[0].fit.c, worst, static_cast<long long>(converged),
                static_cast<long long>(points.size()), sum / static_cast<double>(ranked));
  }

  static void record(const ProbeTask& task, const OneVsRestResult& result, const ProbePart& train,
                     const ProbePart& validation) {
    const std::vector<std::string>& names = task.data.dataset->class_names();
    for (std::size_t c = 0; c < result.classes.size(); ++c) {
      const ClassFits& of = result.classes[c];
      Json path = Json::array();
      for (const ClassPoint& p : of.path) {
        Json fit = fit_json(p.fit);
        fit["validation_average_precision"] = p.average_precision;
        path.push_back(fit);
      }
      const auto number = static_cast<Index>(c);
      task.results["classes_fitted"].push_back({{"class", names[c]},
                                                {"lambda", of.lambda()},
                                                {"validation_average_precision", of.path[of.chosen].average_precision},
                                                {"training_examples", counts_of(train, task.classes(), number)},
                                                {"validation_examples", counts_of(validation, task.classes(), number)},
                                                {"positives", of.positives},
                                                {"negatives", of.negatives},
                                                {"refit", fit_json(of.refit)},
                                                {"path", path}});
      std::printf("%-12s lambda %.3e  C %.3e  bound %.1e  %-10s  %5lld of %lld  validation AP %.4f\n", names[c].c_str(),
                  of.refit.lambda, of.refit.c, of.refit.relative_certificate, to_string(of.refit.stop),
                  static_cast<long long>(of.positives), static_cast<long long>(of.positives + of.negatives),
                  of.path[of.chosen].average_precision);
    }
  }
};

}  // namespace

std::unique_ptr<ProbeClassifier> make_one_vs_rest_probe() { return std::make_unique<OneVsRestProbe>(); }

}  // namespace tv_app
