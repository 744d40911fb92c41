// Options and results that tv_finetune and tv_pretrain share.
#include "common/train_options.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "common/interrupt.hpp"
#include "common/network_weights.hpp"
#include "common/predictions.hpp"
#include "common/progress.hpp"
#include "common/results.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/stats/top_k.hpp"
#include "tinyvision/train/fine_tune.hpp"

namespace tv_app {

void add_train_options(CLI::App& app, TrainChoice& t) {
  add_data_options(app, t.data);
  app.add_option("--steps", t.steps, "training steps")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--batch", t.batch, "images per step")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--accumulate", t.accumulate, "parts a batch is cut into; batch norm sees each part alone")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--lr", t.lr, "peak learning rate")->capture_default_str()->check(CLI::NonNegativeNumber);
  app.add_option("--wd", t.weight_decay, "weight decay: coefficient of |w|^2/2")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--decay-set", t.decay_set, "variables that are decayed")
      ->capture_default_str()
      ->check(CLI::IsMember({"conv_fc", "slim", "all"}));
  app.add_option("--momentum", t.momentum, "Nesterov momentum")->capture_default_str()->check(CLI::Range(0.0, 0.9999));
  app.add_option("--schedule", t.schedule, "learning-rate schedule")
      ->capture_default_str()
      ->check(CLI::IsMember({"constant", "cosine", "exponential"}));
  app.add_option("--warmup", t.warmup, "steps of linear warm-up")->capture_default_str()->check(CLI::NonNegativeNumber);
  app.add_option("--decay-rate", t.decay_rate, "factor per epoch of the exponential schedule")->capture_default_str();
  app.add_option("--bn-decay", t.bn_decay,
                 "decay of batch-norm statistics; 0: the paper's max(1 - 10/s, 0.9), s steps per epoch")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--ema", t.ema, "decay of the moving average of weights and statistics; 0: none")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.999999));
  app.add_flag("--ema-ramp-up", t.ema_ramp_up, "TF-Slim's min(d, (1+t)/(10+t))");
  app.add_option("--label-smoothing", t.label_smoothing, "s: targets (1-s) onehot + s/K")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.99));
  add_regulariser_options(app, t.network);
  app.add_option(
         "--logits-init", t.logits_init,
         "how the new logits layer on pretrained weights begins: zeros, which spares the features the gradients "
         "of random scores, or network (its own initialiser, as TF-Slim does)")
      ->capture_default_str()
      ->check(CLI::IsMember({"zeros", "network"}));
  app.add_option("--augment", t.augment, "augmentation of training images")
      ->capture_default_str()
      ->check(CLI::IsMember({"none", "flip", "shift_flip", "inception", "random_resized_crop"}));
  app.add_flag("--full-augmentation", t.full_augmentation, "hue and contrast too, in TF-Slim's four orders");
  app.add_option("--crop", t.crops, "central fractions to choose from on the validation images")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--checkpoint-every", t.checkpoint_every, "steps between checkpoints")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_log_options(app, t.log);
}

namespace {

/// What a resume must not change: every option but those that cannot change a result and those that choose the arithmetic,
/// which the training state records by itself.
std::string run_fingerprint(Json config, const std::string& weights_digest, const LabelledData& data) {
  for (const char* harmless : {"threads", "out", "quiet", "checkpoint_every", "config"}) config.erase(harmless);
  for (const std::string& log : log_option_names()) config.erase(log);
  for (const char* arithmetic : {"device", "precision", "kernels", "plans", "tune"}) config.erase(arithmetic);
  return tinyvision::sha256_hex(config.dump() + "\n" + weights_digest + "\n" + data.split_digest + "\n" +
                                data.data_digest);
}

tinyvision::FineTuneOptions fine_tune_options(const TrainChoice& t, const CommonOptions& common,
                                              const tinyvision::Network& network, tinyvision::Index examples) {
  using namespace tinyvision;
  FineTuneOptions o;
  const double steps_per_epoch = std::max(1.0, static_cast<double>(examples / t.batch));
  o.trainer.schedule = {parse_schedule(t.schedule), t.lr, t.steps, t.warmup, t.decay_rate, steps_per_epoch};
  o.trainer.momentum = t.momentum;
  o.trainer.weight_decay = t.weight_decay;
  o.trainer.decay_set = parse_decay_set(t.decay_set);
  o.trainer.bn_decay = t.bn_decay > 0 ? t.bn_decay : fine_tune_bn_decay(steps_per_epoch);
  o.trainer.ema_decay = t.ema;
  o.trainer.ema_ramp_up = t.ema_ramp_up;
  o.trainer.label_smoothing = t.label_smoothing;
  o.trainer.accumulate = t.accumulate;
  o.trainer.seed = common.seed;
  o.run.steps = t.steps;
  o.run.checkpoint_every = t.checkpoint_every;
  o.batch_size = t.batch;
  o.preprocessing = preprocessing_of(t.network, network, t.crops.at(0));
  o.augmentation.mode = data::parse_augmentation(t.augment);
  o.augmentation.fast_mode = !t.full_augmentation;
  o.crops = t.crops;
  o.skip_bad = t.data.skip_bad;
  return o;
}

Json metrics_json(const tinyvision::SplitMetrics& m) {
  Json out = Json::object();
  add_metric(out, "top1", m.top1);
  add_metric(out, "top5", m.top5);
  add_metric(out, m.mean_per_class);
  return out;
}

/// The curve as CSV.
void write_curve(const std::string& folder, const std::vector<tinyvision::CurveRow>& curve) {
  std::string text = "step,loss,cross_entropy,accuracy,learning_rate\n";
  for (std::size_t i = 0; i < curve.size(); ++i) {
    text += std::to_string(i);
    for (const double v : {curve[i].loss, curve[i].cross_entropy, curve[i].accuracy, curve[i].learning_rate})
      text += "," + tinyvision::format_shortest(v);
    text += "\n";
  }
  tinyvision::write_file_atomically((std::filesystem::path(folder) / "curve.csv").string(), text);
}

/// Rows of predictions.csv of an evaluation.
std::vector<Prediction> prediction_rows(const tinyvision::Tensor& scores,
                                        const std::vector<tinyvision::Index>& examples,
                                        const tinyvision::data::Dataset& dataset) {
  std::vector<Prediction> rows;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto best = tinyvision::stats::top_k(scores, static_cast<tinyvision::Index>(i), 1).front();
    rows.push_back({dataset.path(examples[i]), dataset.label(examples[i]), best.index, best.probability});
  }
  return rows;
}

}  // namespace

void train_and_report(const std::string& app, const TrainChoice& t, const CommonOptions& common,
                      const std::string& init, const Json& config) {
  using namespace tinyvision;
  if (common.out.empty()) fail_usage("options", "--out is required: checkpoints and results go there");
  Results results(app, config);
  LabelledData data = read_data(t.data, t.network.decoder, common.out, common.quiet);
  const auto network = build_network(t.network, data.dataset->classes());
  initialise(network->parameters(), common.seed);
  std::string weights_digest = "random";
  if (init == "weights") {
    if (t.network.weights.empty()) fail_usage("options", "--weights is required with --init weights");
    weights_digest = load_network(*network, t.network, {"logits"});
    refuse_folded(*network, t.network.weights);
    for (const Parameter& p : network->parameters())
      if (t.logits_init == "zeros" && p.group == ParameterGroup::logits)
        p.variable.set_value(Tensor::zeros(p.variable.shape()));
  }
  network->to(compute_device());
  FineTuneOptions o = fine_tune_options(t, common, *network, static_cast<Index>(data.split.train.size()));
  o.run.folder = (std::filesystem::path(common.out) / "checkpoint").string();
  o.run.fingerprint = run_fingerprint(config, weights_digest, data);
  o.run.arithmetic = arithmetic_mode();
  o.run.should_stop = interrupted;
  Progress progress("training", t.steps, common.quiet);
  TrainingLog log(t.log, (std::filesystem::path(common.out) / "log").string(), t.steps, network,
                  o.preprocessing.normalisation);
  o.run.on_batch = [&](Index step, const data::Batch& batch) { log.before_step(step, batch); };
  o.run.on_step = [&](Index done, const StepResult& step) {
    log.after_step(done, step);
    if (done % t.checkpoint_every == 0) log.flush();  // no checkpoint is newer than its log
    progress.update(done, concat_text("loss ", format_shortest(std::round(step.loss * 1e4) / 1e4)));
  };

  const FineTuneResult run =
      fine_tune(network, data.dataset, data.split.train, data.split.validation, data.split.test, o);
  if (!run.run.finished || interrupted()) throw Resumable("the training state is in " + o.run.folder);
  progress.finish();
  if (!run.run.notice.empty()) std::fprintf(stderr, "%s\n", run.run.notice.c_str());
  results.lap("training_and_evaluation");
  std::vector<Index> unreadable;
  for (const data::BadExample& bad : run.skipped) unreadable.push_back(bad.index);
  leave_out(data, unreadable);
  log.metrics("validation", run.validation);
  log.metrics("test", run.test_metrics);
  log.finish();

  checkpoint::save_safetensors((std::filesystem::path(common.out) / "weights.safetensors").string(),
                               named_values(*network),
                               {{"network", network->name()}, {"trained_by", app + " " TINYVISION_VERSION}});
  write_curve(common.out, run.run.curve);
  results["digests"] = {{"weights", weights_digest},
                        {"preprocessing", sha256_hex(o.preprocessing.text() + o.augmentation.text())}};
  record_data(results, data);
  results["metrics"]["validation"] = metrics_json(run.validation);
  results["training"] = {{"network", network->options().text()},
                         {"regularisers", o.trainer.text()},
                         {"steps", t.steps},
                         {"resumed_from", run.run.resumed_from},
                         {"bn_decay", *o.trainer.bn_decay},
                         {"final_loss", run.run.curve.back().loss},
                         {"crop", run.crop},
                         {"skipped", run.skipped.size()}};
  for (const ArithmeticSpan& span : run.run.arithmetic)
    results["training"]["arithmetic"].push_back({{"from_step", span.from_step}, {"mode", span.arithmetic}});
  for (const CropChoice& c : run.crops)
    results["training"]["crops"].push_back({{"crop", c.crop}, {"validation", metrics_json(c.validation)}});
  if (!data.split.test.empty()) {
    results["metrics"]["test"] = metrics_json(run.test_metrics);
    write_predictions(common.out, prediction_rows(run.test.logits, run.test.indices, *data.dataset));
    std::printf(
        "test: top-1 %.4f, mean per class %.4f of %lld images (crop %g, chosen on %lld validation images at %.4f)\n",
        run.test_metrics.top1.value(), run.test_metrics.mean_per_class.value,
        static_cast<long long>(run.test_metrics.top1.total), run.crop,
        static_cast<long long>(run.validation.top1.total), run.validation.value(data.dataset->metric()));
    report_coverage(data);
  }
  results.write(common.out);
}

}  // namespace tv_app
