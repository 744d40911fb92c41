// --classifier svm: linear support vector machines through liblinear, 26 values of C, as in the paper's appendix G.1.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/interrupt.hpp"
#include "common/probe.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/train/linear_svm.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

Json fit_json(const LinearSvmFit& fit) {
  Json json = {{"C", fit.c},
               {"objective", fit.objective},
               {"certificate", fit.certificate},
               {"relative_certificate", fit.relative_certificate},
               {"machines", fit.machines},
               {"unconverged", fit.unconverged},
               {"solves", fit.solves},
               {"rounds", fit.rounds},
               {"converged", fit.converged()},
               {"stop", to_string(fit.stop)}};
  if (fit.c == 0) json["C"] = nullptr;  // each machine has its own
  return json;
}

double mean_of_known(const std::vector<double>& values) {
  double sum = 0;
  Index count = 0;
  for (const double v : values)
    if (!std::isnan(v)) sum += v, ++count;
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

void report(const LinearSvmFit& fit, const char* part, const std::string& validation) {
  char c[32];
  std::snprintf(c, sizeof c, fit.c > 0 ? "%.3e" : "of each class", fit.c);
  std::printf("%-6s C %s  objective %.9e  bound %.1e  %lld of %lld machines %-15s  %s\n", part, c, fit.objective,
              fit.relative_certificate, static_cast<long long>(fit.machines - fit.unconverged),
              static_cast<long long>(fit.machines), fit.converged() ? "converged" : to_string(fit.stop),
              validation.c_str());
}

std::string text_of(const SvmPoint& p) {
  char text[64];
  if (p.average_precision.empty())
    std::snprintf(text, sizeof text, "validation %.4f / %.4f", p.top1, p.mean_per_class);
  else
    std::snprintf(text, sizeof text, "validation %.4f", mean_of_known(p.average_precision));
  return text;
}

class SvmProbe : public ProbeClassifier {
 public:
  std::string name() const override { return "svm"; }
  void add_options(CLI::App& app) override {
    app.add_option("--svm-loss", loss_,
                   "svm: the loss whose sum is multiplied by C: squared_hinge, scikit-learn's default, or hinge")
        ->capture_default_str()
        ->check(CLI::IsMember({"squared_hinge", "hinge"}));
    app.add_option("--svm-costs", costs_, "svm: number of values of C from 1e-3 up to 1e2")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option(
           "--svm-intercept-scaling", intercept_scaling_,
           "svm: the constant that stands behind the features; its weight, penalised like the others, gives the "
           "intercept")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
  }
  std::vector<std::string> options() const override {
    return {"--svm-loss",  "--svm-costs",          "--svm-intercept-scaling",
            "--tolerance", "--difficult-training", "--difficult-ranking"};
  }
  void check_choice(const ProbeChoice&) const override {}

  void run(const ProbeTask& task) override {
    const ProbePart train = task.part(task.data.split.train), validation = task.part(task.data.split.validation);
    SvmProbeOptions options;
    options.costs = costs_ == 26 ? paper_svm_costs() : log_spaced(-3, 2, costs_);
    options.metric =
        task.data.dataset->metric() == data::Metric::mean_per_class ? ProbeMetric::mean_per_class : ProbeMetric::top1;
    options.difficult_training = stats::parse_difficult(task.choice.difficult_training);
    options.difficult_ranking = stats::parse_difficult(task.choice.difficult_ranking);
    options.svm = {parse_svm_loss(loss_), task.choice.tolerance, intercept_scaling_};
    options.should_stop = interrupted;
    options.progress = [](const SvmPoint& p) { report(p.fit, "train", text_of(p)); };
    const double bytes = refuse_too_large(train.features.dim(0) + validation.features.dim(0), train.features.dim(1));
    const SvmProbeResult result =
        fit_svm_probe({train.features, train.labels, train.presence},
                      {validation.features, validation.labels, validation.presence}, task.classes(), options);
    if (!result.complete) throw Resumable("the features are kept, the fits are not");
    task.results.lap("fits");
    report(result.refit, "refit", "");
    record(task, result, bytes);

    const bool several = !train.presence.empty();
    record_scores(task, "validation", validation, result.train_classifier.logits(unit_rows(validation.features)), "");
    const ProbePart test = task.part(task.data.split.test);
    char chosen[48] = "at C of each class";
    if (!several) std::snprintf(chosen, sizeof chosen, "at C %.3e", result.c(0));
    if (!test.examples.empty())
      record_scores(task, "test", test, result.classifier.logits(unit_rows(test.features)), chosen);
    if (!task.common.out.empty())
      checkpoint::save_safetensors((std::filesystem::path(task.common.out) / "classifier.safetensors").string(),
                                   {{"weights", result.classifier.weights}, {"intercept", result.classifier.intercept}},
                                   {{"input", "features divided by their length"}});
    task.results.lap("evaluation");
  }

 private:
  /// Bytes of liblinear's copy of the features. Throws UsageError when the machine does not have them.
  static double refuse_too_large(Index examples, Index features) {
    const double bytes = SvmRows::bytes(examples, features);
    const double memory = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
    if (bytes > memory)
      fail_usage("svm", "liblinear's copy of ", examples, " x ", features, " features takes ", bytes / 0x1p30,
                 " GiB, and the machine has ", memory / 0x1p30);
    return bytes;
  }

  void record(const ProbeTask& task, const SvmProbeResult& result, double bytes) const {
    task.results["svm"] = {{"loss", loss_},
                           {"solver", loss_ == "hinge" ? "L2R_L1LOSS_SVC_DUAL" : "L2R_L2LOSS_SVC"},
                           {"liblinear", liblinear_version},
                           {"intercept_scaling", intercept_scaling_},
                           {"most_bytes_of_copy", bytes}};
    for (const SvmPoint& p : result.path) {
      Json fit = fit_json(p.fit);
      if (p.average_precision.empty()) {
        fit["validation_top1"] = p.top1;
        fit["validation_mean_per_class"] = p.mean_per_class;
      } else {
        fit["validation_voc_ap11"] = p.average_precision;
      }
      task.results["fits"].push_back(fit);
    }
    const bool several = !result.path.front().average_precision.empty();
    for (Index k = 0; several && k < task.classes(); ++k)
      task.results["chosen_C"][task.data.dataset->class_names()[static_cast<std::size_t>(k)]] = result.c(k);
    if (!several) task.results["chosen_C"] = result.c(0);
    task.results["refit"] = fit_json(result.refit);
    task.results["all_converged"] = result.converged();
    if (!result.converged())
      std::printf("NOT all machines reached the tolerance %g: see `fits` in results.json\n", task.choice.tolerance);
  }

  std::string loss_ = "squared_hinge";
  Index costs_ = 26;
  double intercept_scaling_ = 1;
};

}  // namespace

std::unique_ptr<ProbeClassifier> make_svm_probe() { return std::make_unique<SvmProbe>(); }

}  // namespace tv_app
