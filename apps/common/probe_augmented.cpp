// --classifier logistic_augmented: logistic regression on augmented images, 10 penalties, as in the paper's appendix G.2.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <deque>

#include "common/interrupt.hpp"
#include "common/probe.hpp"
#include "common/probe_fits.hpp"
#include "common/progress.hpp"
#include "tinyvision/train/augmented_probe.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

/// What a resume must not change: every option but those that cannot change a result of the training, and those that choose
/// the arithmetic, which the state records by itself.
std::string fingerprint_of(const ProbeTask& task, const std::string& stage) {
  Json config = task.results.json().at("config");
  for (const char* harmless : {"threads", "out", "quiet", "checkpoint_every", "config", "cache", "batch", "device",
                               "precision", "kernels", "plans", "tune"})
    config.erase(harmless);
  return sha256_hex(stage + "\n" + config.dump() + "\n" +
                    task.results.json().at("digests").at("weights").get<std::string>() + "\n" + task.data.split_digest +
                    "\n" + task.data.data_digest);
}

class AugmentedProbe : public ProbeClassifier {
 public:
  std::string name() const override { return "logistic_augmented"; }
  void add_options(CLI::App& app) override {
    app.add_option("--steps", steps_, "logistic_augmented: training steps of the search, and again of the refit")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--train-batch", batch_, "logistic_augmented: images per step")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--lr", lr_, "logistic_augmented: initial learning rate; it falls to 0 along a cosine")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--augmented-lambdas", lambdas_,
                   "logistic_augmented: number of penalties on the mean loss from 1e-1 down to 1e-10")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option("--augment", augment_, "logistic_augmented: augmentation of training images")
        ->capture_default_str()
        ->check(CLI::IsMember({"none", "flip", "shift_flip", "inception", "random_resized_crop"}));
    app.add_flag("--full-augmentation", full_, "logistic_augmented: hue and contrast too, in TF-Slim's four orders");
    app.add_option("--crops", crops_,
                   "logistic_augmented: central fractions to choose from, with the penalty, on the validation images")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--checkpoint-every", checkpoint_every_, "logistic_augmented: steps between checkpoints")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
  }
  std::vector<std::string> options() const override {
    return {"--steps",
            "--train-batch",
            "--lr",
            "--augmented-lambdas",
            "--augment",
            "--full-augmentation",
            "--crops",
            "--checkpoint-every",
            "--difficult-training",
            "--difficult-ranking"};
  }
  void check_choice(const ProbeChoice&) const override {
    for (const double crop : crops_)
      if (!(crop > 0 && crop <= 1)) fail_usage("options", "--crops: ", crop, " is not within (0, 1]");
  }

  void run(const ProbeTask& task) override {
    const std::vector<Index> train = task.part(task.data.split.train).examples;
    if (task.data.split.validation.empty()) fail_usage("probe", "no validation images to choose the penalty by");
    const auto images = std::make_shared<data::ImageCache>(std::size_t{2} << 30);
    std::vector<double> lambdas = lambdas_ == 10 ? paper_augmented_lambdas() : log_spaced(-1, -10, lambdas_);
    const SideBySideClassifiers search = train_on(task, "search", train, lambdas, images);
    task.results.lap("search");

    // Features of each candidate crop; the first place of a tie wins: the larger penalty, then the earlier crop.
    std::deque<FeatureTable> tables;
    std::vector<ProbeTask> seen;
    for (const double crop : crops_) {
      const auto preprocessing = preprocessing_of(task.choice.network, task.network, crop);
      tables.push_back(crop == task.choice.crop ? task.table : features(task, preprocessing));
      seen.push_back(
          {task.common, task.choice, task.network, task.preprocessing, task.data, tables.back(), task.results});
    }
    Index chosen = 0;
    std::size_t chosen_crop = 0;
    double best = std::nan("");
    for (Index i = 0; i < search.count(); ++i) {
      Json fit = {{"lambda", search.lambda(i)}};
      for (std::size_t k = 0; k < crops_.size(); ++k) {
        const ProbePart part = seen[k].part(task.data.split.validation);
        const double value = value_of(task, part, search.classifier(i).logits(part.features));
        fit["validation"].push_back({{"crop", crops_[k]}, {"value", value}});
        std::printf("search lambda %.3e  crop %g  validation %.4f\n", search.lambda(i), crops_[k], value);
        if (std::isnan(best) || value > best) best = value, chosen = i, chosen_crop = k;
      }
      task.results["fits"].push_back(fit);
    }
    const double lambda = search.lambda(chosen), crop = crops_[chosen_crop];
    const ProbeTask& view = seen[chosen_crop];

    const std::vector<Index> both = view.part(task.data.train_and_validation()).examples;
    const LinearClassifier refit = train_on(task, "refit", both, {lambda}, images).classifier(0);
    task.results.lap("refit");
    task.results["chosen"] = {{"lambda", lambda}, {"crop", crop}, {"validation", best}};

    const ProbePart validation = view.part(task.data.split.validation), test = view.part(task.data.split.test);
    record_scores(task, "validation", validation, search.classifier(chosen).logits(validation.features), "");
    if (!test.examples.empty())
      record_scores(task, "test", test, refit.logits(test.features),
                    at_lambda(lambda) + concat_text(" and crop ", crop));
    save_classifier(task, refit);
    task.results.lap("evaluation");
  }

 private:
  /// Of all images, at another crop than the task's.
  static FeatureTable features(const ProbeTask& task, const data::Preprocessing& preprocessing) {
    const ProbeChoice& choice = task.choice;
    try {
      return compute_features(task.network, task.results.json().at("digests").at("weights").get<std::string>(),
                              task.data, preprocessing, choice.batch, choice.data.skip_bad,
                              choice.cache.empty() ? task.common.out : choice.cache, task.common.quiet);
    } catch (const Interrupted& stop) {
      if (task.common.out.empty()) throw;
      throw Resumable(concat_text(stop.what(), "; the search is kept in ", task.common.out));
    }
  }

  /// In the data set's metric.
  static double value_of(const ProbeTask& task, const ProbePart& part, const Tensor& scores) {
    if (!part.presence.empty())
      return stats::mean_average_precision(scores, part.presence, stats::parse_difficult(task.choice.difficult_ranking))
          .value;
    const stats::ConfusionMatrix confusion(scores, part.labels);
    return task.data.dataset->metric() == data::Metric::mean_per_class ? stats::mean_per_class_accuracy(confusion).value
                                                                       : confusion.overall().value();
  }

  SideBySideClassifiers train_on(const ProbeTask& task, const std::string& stage, const std::vector<Index>& examples,
                                 const std::vector<double>& lambdas,
                                 const std::shared_ptr<data::ImageCache>& images) const {
    AugmentedOptions how;
    how.lambdas = lambdas;
    how.schedule.base = lr_;
    how.schedule.steps = steps_;
    data::LoaderOptions loading;
    loading.batch_size = batch_;
    loading.seed = task.common.seed;
    loading.skip_bad = task.choice.data.skip_bad;
    loading.cache = images;
    loading.preprocessing = task.preprocessing;
    loading.augmentation.mode = data::parse_augmentation(augment_);
    loading.augmentation.fast_mode = !full_;
    data::Loader loader(task.data.dataset, examples, loading_for(task.network.device(), loading));
    SideBySideClassifiers all(task.network.feature_size(), task.classes(), how, task.network.options().dtype,
                              task.network.device());
    AugmentedRunOptions run;
    const std::string& out = task.common.out;
    if (!out.empty()) run.folder = (std::filesystem::path(out) / "checkpoint" / stage).string();
    run.steps = steps_;
    run.checkpoint_every = checkpoint_every_;
    run.fingerprint = fingerprint_of(task, stage + (stage == "refit" ? concat_text(" ", lambdas.front()) : ""));
    run.arithmetic = arithmetic_mode();
    run.difficult = stats::parse_difficult(task.choice.difficult_training);
    run.should_stop = interrupted;
    Progress progress(stage, steps_, task.common.quiet);
    run.on_step = [&](Index done, const std::vector<double>& losses) {
      progress.update(done, concat_text("loss ", format_shortest(std::round(losses.back() * 1e4) / 1e4)));
    };
    const AugmentedRunResult result = train_augmented(all, task.network, loader, run);
    if (!result.notice.empty()) std::fprintf(stderr, "%s\n", result.notice.c_str());
    if (!result.finished) {
      if (out.empty()) throw Interrupted("without --out nothing was written");
      throw Resumable("the training state is in " + run.folder);
    }
    progress.update(steps_);
    progress.finish();
    record(task, stage, lambdas, how, loading, result);
    return all;
  }

  void record(const ProbeTask& task, const std::string& stage, const std::vector<double>& lambdas,
              const AugmentedOptions& how, const data::LoaderOptions& loading, const AugmentedRunResult& result) const {
    const std::size_t columns = lambdas.size();
    Json& json = task.results["training"][stage] = {{"steps", steps_},
                                                    {"batch", batch_},
                                                    {"learning_rate", lr_},
                                                    {"schedule", "cosine"},
                                                    {"nesterov_momentum", how.momentum},
                                                    {"augmentation", loading.augmentation.text()},
                                                    {"resumed_from", result.resumed_from},
                                                    {"lambdas", lambdas}};
    json["final_losses"] =
        std::vector<double>(result.losses.end() - static_cast<std::ptrdiff_t>(columns), result.losses.end());
    for (const ArithmeticSpan& span : result.arithmetic)
      json["arithmetic"].push_back({{"from_step", span.from_step}, {"mode", span.arithmetic}});
    if (task.common.out.empty()) return;
    std::string text = "step,learning_rate";
    for (const double lambda : lambdas) text += "," + format_shortest(lambda);
    for (std::size_t i = 0; i < result.losses.size(); ++i) {
      const auto step = static_cast<Index>(i / columns);
      if (i % columns == 0) text += concat_text("\n", step, ",") + format_shortest(how.schedule(step));
      text += "," + format_shortest(result.losses[i]);
    }
    write_file_atomically((std::filesystem::path(task.common.out) / (stage + "_losses.csv")).string(), text + "\n");
  }

  Index steps_ = 40000, batch_ = 256, lambdas_ = 10, checkpoint_every_ = 1000;
  double lr_ = 0.1;
  std::string augment_ = "inception";
  bool full_ = false;
  std::vector<double> crops_{0.875, 1};
};

}  // namespace

std::unique_ptr<ProbeClassifier> make_augmented_probe() { return std::make_unique<AugmentedProbe>(); }

}  // namespace tv_app
