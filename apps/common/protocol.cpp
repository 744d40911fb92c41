// The paper's protocols.
#include "common/protocol.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "common/interrupt.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/train/grid_search.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

/// Gives an option another default than it was added with, and its variable that value, unless the option was given.
template <class T>
void default_to(CLI::App& app, const std::string& name, T& variable, const T& value) {
  CLI::Option* const option = app.get_option(name);
  if (option->count() > 0) return;
  variable = value;
  option->capture_default_str();
}

/// --protocol none|paper; `paper` sets defaults as soon as the option is read.
void add_protocol_option(CLI::App& app, std::string& protocol, const std::string& help,
                         const std::function<void()>& paper) {
  app.add_option_function<std::string>(
         "--protocol",
         [&protocol, paper](const std::string& name) {
           protocol = name;
           if (name == "paper") paper();
         },
         help)
      ->default_str("none")
      ->check(CLI::IsMember({"none", "paper"}));
}

void refuse_given(CLI::App& app, const std::vector<std::string>& options, const std::string& why) {
  for (const std::string& option : options)
    if (app.get_option(option)->count() > 0) fail_usage("options", option, " ", why);
}

/// A JSON file of ours. Throws UsageError naming it when it is something else.
Json read_json(const std::string& path) {
  Json json = Json::parse(read_file(path), nullptr, false);
  if (json.is_discarded() || !json.is_object()) fail_usage("resume", path, ": no JSON object; remove it to go on");
  return json;
}

void check_fingerprint(const Json& json, const std::string& path, const std::string& fingerprint) {
  if (json.value("fingerprint", std::string()) != fingerprint)
    fail_usage("resume", path, ": belongs to another configuration, weights or split; give another --out or remove it");
}

std::string text_of(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += (text.empty() ? "" : ", ") + format_shortest(v);
  return text;
}

// ---- The search ------------------------------------------------------------------------------------------------------

/// What became of a point, as it stands in its folder and in results.json: its numbers, `finite`, and then `value` on the
/// validation images, the crop they were best with, `crops` and `validation`; otherwise `diverged`.
class PointFile {
 public:
  PointFile(const std::string& out, const GridPoint& point, std::string fingerprint)
      : folder_(std::filesystem::path(out) / "points" / point.name()),
        path_((folder_ / "point.json").string()),
        fingerprint_(std::move(fingerprint)) {}

  std::string folder() const { return folder_.string(); }
  bool exists() const { return std::filesystem::exists(path_); }
  Json read() const {
    const Json json = read_json(path_);
    check_fingerprint(json, path_, fingerprint_);
    forget_training();
    if (!json.contains("point")) fail_usage("resume", path_, ": no outcome of a point; remove it to go on");
    return json["point"];
  }
  void write(const Json& point) const {
    ensure_folder(folder());
    write_file_atomically(path_, Json{{"fingerprint", fingerprint_}, {"point", point}}.dump(2) + "\n");
    forget_training();
  }

 private:
  /// A finished point needs its checkpoint no more, and 56 of them would fill a disk.
  void forget_training() const {
    std::error_code ignored;
    std::filesystem::remove_all(folder_ / "checkpoint", ignored);
  }

  std::filesystem::path folder_;
  std::string path_, fingerprint_;
};

TrainChoice at_point(TrainChoice t, const GridPoint& point) {
  t.lr = point.rate;
  t.weight_decay = point.weight_decay;
  return t;
}

Json run_point(TrainingJob& job, const TrainChoice& t, const GridPoint& point, RunPlan plan) {
  Json row{{"learning_rate", point.rate}, {"ratio", point.ratio}, {"weight_decay", point.weight_decay}};
  plan.train = job.data.split.train, plan.validation = job.data.split.validation;
  try {
    const FineTuneResult run = job.run(t, plan);
    row["finite"] = true;
    row["value"] = run.validation.value(job.data.dataset->metric());
    row["crop"] = run.crop;
    row["final_loss"] = run.run.curve.back().loss;
    row["validation"] = metrics_json(run.validation, *job.data.dataset);
    for (const CropChoice& c : run.crops)
      row["crops"].push_back({{"crop", c.crop}, {"validation", metrics_json(c.validation, *job.data.dataset)}});
  } catch (const NonFiniteError& error) {
    row["finite"] = false;
    row["diverged"] = {{"step", error.step()}, {"reason", error.what()}};
  }
  return row;
}

SearchGrid grid_of(const SearchChoice& search, const std::string& init) {
  SearchGrid grid = paper_grid(init == "random", parse_decay_rule(search.decay_rule));
  if (!search.rates.empty()) grid.rates = search.rates;
  if (!search.ratios.empty()) grid.ratios = search.ratios;
  return grid;
}

/// Runs what is left of the grid.
std::vector<Json> run_points(TrainingJob& job, const TrainChoice& t, const std::vector<GridPoint>& points,
                             const CommonOptions& common) {
  std::vector<PointFile> files;
  for (const GridPoint& p : points) files.emplace_back(common.out, p, job.fingerprint(at_point(t, p), "train"));
  const auto left = std::count_if(files.begin(), files.end(), [](const PointFile& f) { return !f.exists(); });
  Progress progress("search", static_cast<Index>(left) * t.steps, common.quiet);
  std::vector<Json> rows;
  Index run = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (files[i].exists()) {
      rows.push_back(files[i].read());
      continue;
    }
    const std::string label = concat_text("point ", i + 1, "/", points.size(), " ", points[i].name());
    RunPlan plan{label, files[i].folder(), {}, {}, {}, &progress, run++ * t.steps};
    rows.push_back(run_point(job, at_point(t, points[i]), points[i], plan));
    files[i].write(rows.back());
  }
  if (left > 0) progress.finish();
  return rows;
}

void search_and_report(const TrainChoice& t, const SearchChoice& search, const CommonOptions& common,
                       const std::string& init, const Json& config) {
  const SearchGrid grid = grid_of(search, init);
  const std::vector<GridPoint> points = grid_points(grid);
  std::fprintf(stderr,
               "search: %zu points of %lld steps\n  learning rates  %s\n  decay ratios    %s\n  decay           %s\n",
               points.size(), static_cast<long long>(t.steps), text_of(grid.rates).c_str(),
               text_of(grid.ratios).c_str(), to_string(grid.rule));
  TrainingJob job("tv_finetune", t, common, init, config, true);
  const std::vector<Json> rows = run_points(job, t, points, common);
  job.results.lap("search");
  std::vector<GridScore> scores;
  for (std::size_t i = 0; i < points.size(); ++i)
    scores.push_back({points[i], rows[i].value("finite", false), rows[i].value("value", 0.0)});
  const std::size_t chosen = choose_grid_point(scores);

  TrainChoice best = at_point(t, points[chosen]);
  best.crops = {rows[chosen].at("crop").get<double>()};
  best.train_on = "train+validation";
  std::printf("best of %zu points: learning rate %g, weight decay %g (ratio %g), crop %g, validation %.4f\n",
              points.size(), points[chosen].rate, points[chosen].weight_decay, points[chosen].ratio, best.crops[0],
              scores[chosen].value);
  // By its point's name: when the grid is extended another point can become the best.
  const std::filesystem::path folder = std::filesystem::path(common.out) / "refit" / points[chosen].name();
  ensure_folder(folder.string());
  try {
    job.record(best, job.run(best, {"refit",
                                    folder.string(),
                                    job.data.train_and_validation(),
                                    {},
                                    t.no_test ? std::vector<Index>() : job.data.split.test}));
  } catch (const NonFiniteError& error) {
    if (!t.diverged_is_result) throw;
    job.record_divergence(best, error);
  }
  job.results["metrics"]["validation"] = rows[chosen]["validation"];
  job.results["search"] = {{"rule", to_string(grid.rule)},
                           {"learning_rates", grid.rates},
                           {"ratios", grid.ratios},
                           {"points", rows},
                           {"chosen", chosen},
                           {"images_decoded", job.cache->decoded()}};
  job.finish();
}

// ---- Pretraining -----------------------------------------------------------------------------------------------------

/// Calls `look(trainer)` with the averaged weights in the network, where there are averages.
template <class Look>
void with_averages(const Trainer& trainer, Look&& look) {
  if (trainer.ema()) trainer.ema()->swap();
  look();
  if (trainer.ema()) trainer.ema()->swap();
}

Index steps_of(double epochs, double per_epoch) { return std::max<Index>(1, std::llround(epochs * per_epoch)); }

/// How the averaged weights did on the images held out, step by step, in a file that a resume goes on with.
class HeldOutCurve {
 public:
  struct Row {
    Index step;
    double epoch, value;
  };

  HeldOutCurve(std::string path, std::string fingerprint)
      : path_(std::move(path)), fingerprint_(std::move(fingerprint)) {
    if (!std::filesystem::exists(path_)) return;
    const Json json = read_json(path_);
    check_fingerprint(json, path_, fingerprint_);
    for (const Json& row : json.value("rows", Json::array()))
      rows_.push_back({row.value("step", Index{0}), row.value("epoch", 0.0), row.value("value", 0.0)});
  }

  /// Rows of this step and later ones are of a run that was killed before its checkpoint.
  void add(const Row& row) {
    std::erase_if(rows_, [&](const Row& r) { return r.step >= row.step; });
    rows_.push_back(row);
    write_file_atomically(path_, Json{{"fingerprint", fingerprint_}, {"rows", json()}}.dump(2) + "\n");
  }
  /// The highest value; of equal ones the earliest.
  const Row& best() const {
    check(!rows_.empty(), "pretraining", path_, ": no evaluation of the images held out");
    return *std::max_element(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.value < b.value; });
  }
  Json json() const {
    Json all = Json::array();
    for (const Row& r : rows_) all.push_back({{"step", r.step}, {"epoch", r.epoch}, {"value", r.value}});
    return all;
  }

 private:
  std::string path_, fingerprint_;
  std::vector<Row> rows_;
};

/// Trains without the images held out; returns the steps to train for, and records how they were found.
Index choose_steps(TrainingJob& job, const TrainChoice& choice, const PretrainingChoice& pretraining,
                   const CommonOptions& common) {
  const auto examples = static_cast<Index>(job.data.split.train.size());
  const TrainChoice t = in_steps(choice, examples);
  const double epoch = steps_per_epoch(t, examples);
  const Index every = steps_of(pretraining.evaluate_every, epoch);
  const std::string folder = (std::filesystem::path(common.out) / "held_out").string();
  ensure_folder(folder);
  HeldOutCurve curve((std::filesystem::path(folder) / "validation.json").string(), job.fingerprint(t, "train"));
  RunPlan plan{"training without the images held out", folder, job.data.split.train, {}, {}};
  plan.on_trained = [&](Index done, const Trainer& trainer) {
    if (done % every != 0 && done != t.steps) return;
    with_averages(trainer, [&] {
      const SplitMetrics metrics = job.evaluate(t, job.data.split.validation, t.crops[0]);
      curve.add({done, static_cast<double>(done) / epoch, metrics.value(job.data.dataset->metric())});
    });
  };
  job.run(t, plan);
  job.results.lap("held_out");
  const HeldOutCurve::Row& best = curve.best();
  std::printf("best of %lld steps without %zu images: %lld, %.4f on these\n", static_cast<long long>(t.steps),
              job.data.split.validation.size(), static_cast<long long>(best.step), best.value);
  job.results["held_out"] = {{"images", job.data.split.validation.size()},
                             {"steps_per_epoch", epoch},
                             {"curve", curve.json()},
                             {"best_step", best.step},
                             {"value", best.value}};
  return best.step;
}

}  // namespace

void add_search_options(CLI::App& app, TrainChoice& t, SearchChoice& search) {
  add_protocol_option(app, search.protocol,
                      "paper: search over learning rate and weight decay, refit on training and validation images, one "
                      "test evaluation; 20000 steps of 256 images unless other options say otherwise",
                      [&app, &t] {
                        default_to(app, "--steps", t.steps, Index{20000});
                        default_to(app, "--batch", t.batch, Index{256});
                      });
  app.add_option(
         "--grid-lr", search.rates,
         "learning rates of the search; none: the paper's 7 from 1e-4 to 0.1, with --init random from 1e-3 to 1")
      ->delimiter(',');
  app.add_option("--grid-decay", search.ratios,
                 "weight-decay ratios of the search, 0 for no decay; none: the paper's 0 and 7 from 1e-6 to 1e-3, with "
                 "--init random from 1e-5 to 1e-2")
      ->delimiter(',');
  app.add_option("--decay-rule", search.decay_rule,
                 "the decay of a ratio: ratio/lr, ratio*lr, or absolute (docs/experiments.md)")
      ->capture_default_str()
      ->check(CLI::IsMember({"ratio/lr", "ratio*lr", "absolute"}));
}

void finetune_and_report(CLI::App& app, const TrainChoice& t, const SearchChoice& search, const CommonOptions& common,
                         const std::string& init, const Json& config) {
  if (search.protocol == "paper") {
    refuse_given(app, {"--lr", "--wd"},
                 "is what --protocol paper searches for: --grid-lr and --grid-decay name the values");
    refuse_given(app, {"--train-on"},
                 "is for single runs: --protocol paper chooses on the validation images and refits");
    search_and_report(t, search, common, init, config);
  } else {
    refuse_given(app, {"--grid-lr", "--grid-decay", "--decay-rule"}, "needs --protocol paper");
    train_and_report("tv_finetune", t, common, init, config);
  }
}

void add_pretraining_options(CLI::App& app, TrainChoice& t, PretrainingChoice& pretraining) {
  add_protocol_option(
      app, pretraining.protocol,
      "paper: batches of 4096 in 64 parts, 300 epochs, 10 of warm-up to 1.6, then 0.975 per epoch, 50000 images held "
      "out "
      "first to choose the number of steps, weights kept every 12 epochs; unless other options say otherwise",
      [&app, &t, &pretraining] {
        default_to(app, "--batch", t.batch, Index{4096});
        default_to(app, "--accumulate", t.accumulate, Index{64});
        default_to(app, "--lr", t.lr, 1.6);
        default_to(app, "--schedule", t.schedule, std::string("continuous"));
        default_to(app, "--epochs", t.epochs, 300.0);
        default_to(app, "--warmup-epochs", t.warmup_epochs, 10.0);
        default_to(app, "--hold-out", pretraining.hold_out, Index{50000});
        default_to(app, "--keep-every", pretraining.keep_every, 12.0);
        default_to(app, "--crop", t.crops, std::vector<double>{0.875});
      });
  app.add_option("--epochs", t.epochs, "length in epochs; 0: --steps")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--warmup-epochs", t.warmup_epochs, "epochs of linear warm-up; 0: --warmup")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--decay-from", t.decay_from,
                 "epoch that the exponential decay counts from; -1: the end of the warm-up")
      ->capture_default_str()
      ->check(CLI::Range(-1.0, 100000.0));
  app.add_option(
         "--hold-out", pretraining.hold_out,
         "hold out about so many training images, train on the rest, and then on all for the number of steps that "
         "did best on those held out; 0: train once")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--evaluate-every", pretraining.evaluate_every, "epochs between evaluations of the images held out")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--keep-every", pretraining.keep_every,
                 "keep the averaged weights every so many epochs, in the folder kept; 0: only the last")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

void pretrain_and_report(CLI::App& app, const TrainChoice& given, const PretrainingChoice& pretraining,
                         const CommonOptions& common, const Json& config) {
  TrainChoice t = given;
  const bool two_stages = pretraining.hold_out > 0;
  if (t.epochs > 0) refuse_given(app, {"--steps"}, "contradicts --epochs: give one");
  if (two_stages) {
    refuse_given(app, {"--train-on"}, "is for single runs: with --hold-out the second stage trains on all images");
    if (t.crops.size() != 1)
      fail_usage("options", "--hold-out evaluates with one --crop, and there are ", t.crops.size());
    t.data.hold_out = pretraining.hold_out;
    t.train_on = "train+validation";
  }
  TrainingJob job("tv_pretrain", t, common, "random", config, two_stages);
  try {
    const Index best = two_stages ? choose_steps(job, t, pretraining, common) : 0;
    RunPlan plan{"training", common.out, job.data.split.train, job.data.split.validation, job.data.split.test};
    if (t.trains_on_validation()) plan.train = job.data.train_and_validation(), plan.validation.clear();
    if (t.no_test) plan.test.clear();
    const auto examples = static_cast<Index>(plan.train.size());
    t = in_steps(t, examples);
    if (two_stages) t.steps = best;
    const double epoch = steps_per_epoch(t, examples);
    const Index every = pretraining.keep_every > 0 ? steps_of(pretraining.keep_every, epoch) : t.steps + 1;
    plan.on_trained = [&](Index done, const Trainer& trainer) {
      if (done % every != 0) return;
      char name[64];
      std::snprintf(name, sizeof name, "step_%08lld", static_cast<long long>(done));
      with_averages(trainer, [&] { job.save_weights((std::filesystem::path(common.out) / "kept").string(), name); });
    };
    job.record(t, job.run(t, plan));
    job.results["training"]["steps_per_epoch"] = epoch;
  } catch (const NonFiniteError& error) {
    if (!t.diverged_is_result) throw;
    job.record_divergence(t, error);
  }
  job.finish();
}

}  // namespace tv_app
