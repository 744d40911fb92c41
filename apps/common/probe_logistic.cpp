// --classifier logistic: multinomial logistic regression, 45 penalties, as in the paper's main text.
#include <cstdio>

#include "common/interrupt.hpp"
#include "common/probe.hpp"
#include "common/probe_fits.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

void report(const ProbePoint& p, const char* part) {
  std::printf(
      "%-6s lambda %.3e  C %.3e  objective %.9e  |g| %.1e  %4lld iterations  bound %.1e  %-10s  validation %.4f / "
      "%.4f\n",
      part, p.fit.lambda, p.fit.c, p.fit.objective, p.fit.gradient_norm, static_cast<long long>(p.fit.iterations),
      p.fit.relative_certificate, to_string(p.fit.stop), p.top1, p.mean_per_class);
}

class LogisticProbe : public ProbeClassifier {
 public:
  std::string name() const override { return "logistic"; }
  std::vector<std::string> options() const override { return {"--lambdas", "--tolerance"}; }
  void check_choice(const ProbeChoice& choice) const override {
    if (choice.several_classes())
      fail_usage("options", "--classifier logistic cannot be used with ", choice.data.dataset,
                 ": its images show several classes each, and multinomial logistic regression knows one; --classifier "
                 "one_vs_rest fits one regression per class");
  }

  void run(const ProbeTask& task) override {
    const ProbePart train = task.part(task.data.split.train), validation = task.part(task.data.split.validation);
    LinearProbeOptions options;
    options.lambdas = penalties(task.choice.lambdas);
    options.metric =
        task.data.dataset->metric() == data::Metric::mean_per_class ? ProbeMetric::mean_per_class : ProbeMetric::top1;
    options.regression.tolerance = task.choice.tolerance;
    options.regression.device = compute_device();
    options.regression.should_stop = interrupted;
    options.progress = [&](const ProbePoint& p) { report(p, "train"); };
    const LinearProbeResult result =
        fit_linear_probe(train.features, train.labels, validation.features, validation.labels, task.classes(), options);
    if (!result.complete) throw Resumable("the features are kept, the fits are not");
    task.results.lap("fits");
    const ProbePoint& chosen = result.path[result.chosen];
    report({result.refit, chosen.top1, chosen.mean_per_class}, "refit");
    for (const ProbePoint& p : result.path) {
      Json fit = fit_json(p.fit);
      fit["validation_top1"] = p.top1;
      fit["validation_mean_per_class"] = p.mean_per_class;
      task.results["fits"].push_back(fit);
    }
    task.results["refit"] = fit_json(result.refit);
    record_convergence(task, result.converged());

    record_scores(task, "validation", validation, result.train_classifier.logits(validation.features), "");
    const ProbePart test = task.part(task.data.split.test);
    if (!test.examples.empty())
      record_scores(task, "test", test, result.classifier.logits(test.features), at_lambda(result.lambda()));
    save_classifier(task, result.classifier);
    task.results.lap("evaluation");
  }
};

}  // namespace

std::unique_ptr<ProbeClassifier> make_logistic_probe() { return std::make_unique<LogisticProbe>(); }

}  // namespace tv_app
