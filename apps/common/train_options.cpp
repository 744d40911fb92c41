// What tv_finetune and tv_pretrain share.
#include "common/train_options.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "common/interrupt.hpp"
#include "common/label_scores.hpp"
#include "common/network_weights.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/stats/top_k.hpp"
#include "tinyvision/train/fine_tune.hpp"

namespace tv_app {

void add_train_options(CLI::App& app, TrainChoice& t) {
  add_data_options(app, t.data);
  t.data.multi_label = true;
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
      ->check(CLI::IsMember({"constant", "cosine", "exponential", "continuous"}));
  app.add_option("--warmup", t.warmup, "steps of linear warm-up")->capture_default_str()->check(CLI::NonNegativeNumber);
  app.add_option("--decay-rate", t.decay_rate,
                 "factor per epoch of the exponential (at its end) and continuous (at each step) schedules")
      ->capture_default_str();
  app.add_option("--bn-decay", t.bn_decay,
                 "decay of batch-norm statistics; 0: the paper's max(1 - 10/s, 0.9), s steps per epoch")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--ema", t.ema, "decay of the moving average of weights and statistics; 0: none")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.999999));
  app.add_flag("--ema-ramp-up", t.ema_ramp_up, "TF-Slim's min(d, (1+t)/(10+t))");
  app.add_option("--label-smoothing", t.label_smoothing,
                 "s: targets (1-s) onehot + s/K; where images show several classes t (1-s) + s/2")
      ->default_str("preset")
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
  app.add_option("--train-on", t.train_on,
                 "train, or train+validation: then nothing is left to choose a crop on, and --crop has one value")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "train+validation"}));
  app.add_flag("--no-test", t.no_test, "leave the test images alone");
  app.add_flag("--diverged-is-result", t.diverged_is_result,
               "a loss that is not finite is the run's result (`finite` in results.json) and no failure");
  app.add_option("--checkpoint-every", t.checkpoint_every, "steps between checkpoints")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_log_options(app, t.log);
}

namespace {

/// What a resume must not change: every option but those that cannot change a result and those that choose the arithmetic,
/// which the training state records by itself.
Json settings_of_a_run(Json config) {
  for (const char* harmless : {"threads", "out", "quiet", "checkpoint_every", "config", "no_test", "diverged_is_result",
                               "grid_lr", "grid_decay", "decay_rule", "keep_every"})
    config.erase(harmless);
  for (const std::string& log : log_option_names()) config.erase(log);
  for (const char* arithmetic : {"device", "precision", "kernels", "plans", "tune"}) config.erase(arithmetic);
  return config;
}

tinyvision::FineTuneOptions fine_tune_options(const TrainChoice& t, const CommonOptions& common,
                                              const tinyvision::Network& network, tinyvision::Index examples) {
  using namespace tinyvision;
  FineTuneOptions o;
  const double epoch = steps_per_epoch(t, examples);
  o.trainer.schedule = {parse_schedule(t.schedule),
                        t.lr,
                        t.steps,
                        t.warmup,
                        t.decay_rate,
                        epoch,
                        t.decay_from < 0 ? -1 : t.decay_from * epoch};
  o.trainer.momentum = t.momentum;
  o.trainer.weight_decay = t.weight_decay;
  o.trainer.decay_set = parse_decay_set(t.decay_set);
  o.trainer.bn_decay = t.bn_decay > 0 ? t.bn_decay : fine_tune_bn_decay(epoch);
  o.trainer.ema_decay = t.ema;
  o.trainer.ema_ramp_up = t.ema_ramp_up;
  o.trainer.label_smoothing = t.label_smoothing.value_or(label_smoothing_of(t.network));
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

/// The value in words, for a line on stdout.
std::string value_text(const tinyvision::SplitMetrics& m) {
  char text[96];
  if (m.multi_label)
    std::snprintf(text, sizeof text, "mean average precision %.4f (11 points)", m.multi_label->precision.value);
  else
    std::snprintf(text, sizeof text, "top-1 %.4f, mean per class %.4f", m.top1.value(), m.mean_per_class.value);
  return text;
}

}  // namespace

double steps_per_epoch(const TrainChoice& t, tinyvision::Index examples) {
  return std::max(1.0, static_cast<double>(examples / t.batch));
}

TrainChoice in_steps(TrainChoice t, tinyvision::Index examples) {
  const double epoch = steps_per_epoch(t, examples);
  if (t.epochs > 0) t.steps = std::max<Index>(1, std::llround(t.epochs * epoch));
  if (t.warmup_epochs > 0) t.warmup = std::llround(t.warmup_epochs * epoch);
  return t;
}

Json metrics_json(const tinyvision::SplitMetrics& m, const tinyvision::data::Dataset& dataset) {
  Json out = Json::object();
  out["value"] = m.value(dataset.metric());
  if (m.multi_label) {
    const tinyvision::stats::MeanAveragePrecision& precision = m.multi_label->precision;
    out["voc_ap11"] = precision.value;
    out["classes"] = dataset.classes() - static_cast<Index>(precision.without_positives.size());
    out["count"] = m.multi_label->examples;
    for (std::size_t c = 0; c < precision.of_class.size(); ++c)
      out["of_class"][dataset.class_names()[c]] = precision.of_class[c];
    return out;
  }
  add_metric(out, "top1", m.top1);
  add_metric(out, "top5", m.top5);
  add_metric(out, m.mean_per_class);
  return out;
}

TrainingJob::TrainingJob(const std::string& app, const TrainChoice& t, const CommonOptions& common,
                         const std::string& init, const Json& config, bool several_runs)
    : results(app, config), app_(app), common_(common), config_(config) {
  using namespace tinyvision;
  if (common.out.empty()) fail_usage("options", "--out is required: checkpoints and results go there");
  if (init == "weights" && t.network.weights.empty())
    fail_usage("options", "--weights is required with --init weights");
  if (t.trains_on_validation() && t.crops.size() != 1)
    fail_usage("options", "--train-on train+validation leaves no images to choose a crop on, and --crop has ",
               t.crops.size(), " values: give one");
  data = read_data(t.data, t.network.decoder, common.out, common.quiet);
  network = build_network(t.network, data.dataset->classes());
  initialise(network->parameters(), common.seed);
  if (init == "weights") {
    weights_digest_ = load_network(*network, t.network, {"logits"});
    refuse_folded(*network, t.network.weights);
    for (const Parameter& p : network->parameters())
      if (t.logits_init == "zeros" && p.group == ParameterGroup::logits)
        p.variable.set_value(Tensor::zeros(p.variable.shape()));
  }
  network->to(compute_device());
  cache = std::make_shared<data::ImageCache>(FineTuneOptions{}.cache_bytes);
  if (several_runs)
    for (const Parameter& p : network->parameters()) start_.push_back(p.variable.value().clone());
}

std::string TrainingJob::fingerprint(const TrainChoice& t, const std::string& part) const {
  Json config = settings_of_a_run(config_);
  config["lr"] = t.lr;
  config["wd"] = t.weight_decay;
  config["steps"] = t.steps;
  config["warmup"] = t.warmup;
  config["train_on"] = part;
  return tinyvision::sha256_hex(config.dump() + "\n" + weights_digest_ + "\n" + data.split_digest + "\n" +
                                data.data_digest);
}

tinyvision::FineTuneResult TrainingJob::run(const TrainChoice& t, const RunPlan& plan) {
  using namespace tinyvision;
  for (std::size_t i = 0; i < start_.size(); ++i) {
    network->parameters()[i].variable.value().copy_from(start_[i]);
    network->parameters()[i].variable.mark_changed();
  }
  FineTuneOptions o = fine_tune_options(t, common_, *network, static_cast<Index>(plan.train.size()));
  const std::filesystem::path folder(plan.folder);
  trainer_ = o.trainer;
  preprocessing_ = o.preprocessing.text() + o.augmentation.text();
  o.cache = cache;
  o.run.folder = (folder / "checkpoint").string();
  o.run.fingerprint = fingerprint(t, plan.train.size() > data.split.train.size() ? "train+validation" : "train");
  o.run.arithmetic = arithmetic_mode();
  o.run.should_stop = interrupted;
  std::optional<Progress> own;
  Progress* const progress =
      plan.progress != nullptr ? plan.progress : &own.emplace(plan.label, t.steps, common_.quiet);
  const std::string prefix = plan.progress != nullptr ? plan.label + "  loss " : "loss ";
  TrainingLog log(t.log, (folder / "log").string(), t.steps, network, o.preprocessing.normalisation);
  o.run.on_batch = [&](Index step, const data::Batch& batch) { log.before_step(step, batch); };
  o.run.on_step = [&](Index done, const StepResult& step) {
    log.after_step(done, step);
    if (done % t.checkpoint_every == 0) log.flush();  // no checkpoint is newer than its log
    progress->update(plan.steps_before + done, prefix + format_shortest(std::round(step.loss * 1e4) / 1e4));
  };
  o.run.on_trained = plan.on_trained;
  if (static_cast<Index>(plan.train.size()) < t.batch)
    std::fprintf(stderr, "%zu training images fill no batch of %lld: they come several times in each\n",
                 plan.train.size(), static_cast<long long>(t.batch));
  FineTuneResult result = fine_tune(network, data.dataset, plan.train, plan.validation, plan.test, o);
  if (!result.run.finished || interrupted()) throw Resumable("the training state is in " + o.run.folder);
  if (own) own->finish();
  if (!result.run.notice.empty()) std::fprintf(stderr, "%s\n", result.run.notice.c_str());
  for (const data::BadExample& bad : result.skipped) unreadable_.insert(bad.index);
  log.metrics("validation", result.validation);
  log.metrics("test", result.test_metrics);
  log.finish();
  write_curve(plan.folder, result.run.curve);
  return result;
}

tinyvision::SplitMetrics TrainingJob::evaluate(const TrainChoice& t, const std::vector<Index>& examples, double crop) {
  using namespace tinyvision;
  const FineTuneOptions o = fine_tune_options(t, common_, *network, static_cast<Index>(examples.size()));
  std::vector<data::BadExample> skipped;
  const Evaluation e = score_examples(*network, data.dataset, examples, crop, o, cache, skipped);
  for (const data::BadExample& bad : skipped) unreadable_.insert(bad.index);
  return measure(e.logits, e.indices, *data.dataset);
}

void TrainingJob::save_weights(const std::string& folder, const std::string& name) const {
  tinyvision::ensure_folder(folder);
  tinyvision::checkpoint::save_safetensors(
      (std::filesystem::path(folder) / (name + ".safetensors")).string(), named_values(*network),
      {{"network", network->name()}, {"trained_by", app_ + " " TINYVISION_VERSION}});
}

void TrainingJob::record_settings(const TrainChoice& t) {
  results["digests"] = {{"weights", weights_digest_}, {"preprocessing", tinyvision::sha256_hex(preprocessing_)}};
  results["metric"] = tinyvision::data::to_string(data.dataset->metric());
  results["training"] = {{"network", network->options().text()},
                         {"regularisers", trainer_.text()},
                         {"bn_decay", *trainer_.bn_decay},
                         {"steps", t.steps},
                         {"batch_norm_batch", t.batch / t.accumulate}};
}

void TrainingJob::record(const TrainChoice& t, const tinyvision::FineTuneResult& run) {
  results.lap("training_and_evaluation");
  save_weights(common_.out, "weights");
  write_curve(common_.out, run.run.curve);
  record_settings(t);
  results["finite"] = true;
  Json& training = results["training"];
  training["resumed_from"] = run.run.resumed_from;
  training["final_loss"] = run.run.curve.back().loss;
  training["crop"] = run.crop;
  training["skipped"] = run.skipped.size();
  for (const tinyvision::ArithmeticSpan& span : run.run.arithmetic)
    training["arithmetic"].push_back({{"from_step", span.from_step}, {"mode", span.arithmetic}});
  if (run.validation.examples() > 0) {
    results["metrics"]["validation"] = metrics_json(run.validation, *data.dataset);
    for (const tinyvision::CropChoice& c : run.crops)
      training["crops"].push_back({{"crop", c.crop}, {"validation", metrics_json(c.validation, *data.dataset)}});
  }
  if (run.test_metrics.examples() > 0) record_test(run);
}

void TrainingJob::record_test(const tinyvision::FineTuneResult& run) {
  results["metrics"]["test"] = metrics_json(run.test_metrics, *data.dataset);
  if (run.test_metrics.multi_label)
    write_label_scores(common_.out, *data.dataset, run.test.indices, run.test.logits);
  else
    write_predictions(common_.out, prediction_rows(run.test.logits, run.test.indices, *data.dataset));
  std::printf("test: %s of %lld images (crop %g", value_text(run.test_metrics).c_str(),
              static_cast<long long>(run.test_metrics.examples()), run.crop);
  if (run.validation.examples() > 0)
    std::printf(", chosen on %lld validation images at %.4f", static_cast<long long>(run.validation.examples()),
                run.validation.value(data.dataset->metric()));
  std::printf(")\n");
}

void TrainingJob::record_divergence(const TrainChoice& t, const tinyvision::NonFiniteError& error) {
  results.lap("training_and_evaluation");
  record_settings(t);
  results["finite"] = false;
  results["training"]["diverged"] = {{"step", error.step()}, {"reason", error.what()}};
  std::printf("not finite after %lld steps: %s\n", static_cast<long long>(error.step()), error.what());
}

void TrainingJob::finish() {
  leave_out(data, {unreadable_.begin(), unreadable_.end()});
  record_data(results, data);
  report_coverage(data);
  results.write(common_.out);
}

void train_and_report(const std::string& app, const TrainChoice& t, const CommonOptions& common,
                      const std::string& init, const Json& config) {
  TrainingJob job(app, t, common, init, config, false);
  RunPlan plan{"training", common.out, job.data.split.train, job.data.split.validation, job.data.split.test};
  if (t.trains_on_validation()) plan.train = job.data.train_and_validation(), plan.validation.clear();
  if (t.no_test) plan.test.clear();
  try {
    job.record(t, job.run(t, plan));
  } catch (const tinyvision::NonFiniteError& error) {
    if (!t.diverged_is_result) throw;
    job.record_divergence(t, error);
  }
  job.finish();
}

}  // namespace tv_app
