// The page of one run, made of the files that it left.
#include "common/report_run.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <unordered_map>

#include "common/data_sets.hpp"
#include "common/run_figures.hpp"
#include "common/run_folder.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/stats/metrics.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

std::string kind_of(const RunFolder& run) {
  if (run.app == "tv_linear_probe") return "linear probe";
  if (run.app == "tv_predict") return "predictions";
  if (run.app == "tv_pretrain") return "pretraining";
  return run.option("init") == "random" ? "training from random weights" : "fine-tuning";
}

std::vector<double> column(const std::vector<CurveRow>& curve, double CurveRow::*member) {
  std::vector<double> values;
  for (const CurveRow& row : curve) values.push_back(row.*member);
  return values;
}

void add_training_curves(const RunFolder& run, report::RunReport& page) {
  if (run.curve.empty()) return;
  page.curves.push_back(step_curves(
      "Loss", "loss",
      {{"loss", column(run.curve, &CurveRow::loss)}, {"cross-entropy", column(run.curve, &CurveRow::cross_entropy)}},
      "Of the training images of each step; the loss is the cross-entropy and the "
      "weight-decay penalty."));
  report::CurveFigure accuracy = step_curves("Accuracy", "accuracy", {{"", column(run.curve, &CurveRow::accuracy)}},
                                             "Top-1 on the augmented training images of each step, before its update.");
  accuracy.chart.y_kind = report::AxisKind::percent;
  page.curves.push_back(std::move(accuracy));
  page.curves.push_back(step_curves("Learning rate", "learning rate",
                                    {{"", column(run.curve, &CurveRow::learning_rate)}}, "The schedule."));
}

/// Of a linear probe: accuracy on the validation images over the penalty.
void add_penalty_curve(const RunFolder& run, report::RunReport& page) {
  const Json* const fits = find_value(run.results, {"fits"});
  if (fits == nullptr || !fits->is_array()) return;
  report::CurveFigure figure;
  figure.chart.title = "Choice of the penalty";
  figure.chart.x_label = "lambda";
  figure.chart.y_label = "validation accuracy";
  figure.chart.x_kind = report::AxisKind::log10;
  figure.chart.y_kind = report::AxisKind::percent;
  for (const auto& [name, key] :
       {std::pair{"top-1", "validation_top1"}, {"mean per class", "validation_mean_per_class"}}) {
    report::Series series;
    series.name = name;
    series.dashed = !figure.chart.series.empty();  // where both are equal both are seen
    for (const Json& fit : *fits) {
      const Json* const lambda = find_value(fit, {"lambda"});
      const Json* const accuracy = find_value(fit, {key});
      if (lambda == nullptr || accuracy == nullptr || !lambda->is_number() || !accuracy->is_number()) continue;
      if (lambda->get<double>() <= 0) continue;
      series.x.push_back(lambda->get<double>());
      series.y.push_back(accuracy->get<double>());
    }
    figure.chart.series.push_back(std::move(series));
  }
  figure.caption = "The penalty of best validation accuracy was refitted on training and validation images.";
  page.curves.push_back(std::move(figure));
}

/// `metrics.<part>` of results.json.
void add_metrics(const RunFolder& run, const char* part, const std::string& note, report::RunReport& page) {
  const Json* const metrics = find_value(run.results, {"metrics", part});
  if (metrics == nullptr) return;
  const auto number = [&](const std::string& key) { return find_value(*metrics, {key}); };
  const Json* const count = number("count");
  for (const auto& [metric, key] : {std::pair{"top-1", "top1"},
                                    {"top-5", "top5"},
                                    {"mean per class", "mean_per_class"},
                                    {"mean AP, 11 points", "voc_ap11"}}) {
    const Json* const value = number(key);
    if (value == nullptr || !value->is_number()) continue;
    if (std::string_view(key) == "top5" && run.named && run.classes.size() <= 5) continue;  // always right
    report::AccuracyRow row{part, metric, value->get<double>(), std::nullopt, std::nullopt, note};
    if (std::string_view(key).starts_with("top") && count != nullptr && count->is_number() && *count > 0) {
      const auto n = static_cast<Index>(count->get<double>());
      row =
          report::accuracy_row(part, {static_cast<Index>(std::llround(row.value * static_cast<double>(n))), n}, metric);
      row.note = note;
    }
    page.accuracy.push_back(std::move(row));
  }
}

void add_summary(const RunFolder& run, report::RunReport& page) {
  const auto text = [&](const std::vector<std::string>& keys) {
    const Json* const value = find_value(run.results, keys);
    return value == nullptr ? std::string() : value->is_string() ? value->get<std::string>() : value->dump();
  };
  if (const std::string coverage = text({"coverage"}); !coverage.empty())
    page.summary.push_back("The data set was not complete: " + coverage);
  std::string skipped = text({"training", "skipped"});
  if (skipped.empty()) skipped = text({"skipped"});
  if (!skipped.empty() && skipped != "0")
    page.summary.push_back("Unreadable images that were left out: " + skipped + ".");
  if (text({"all_converged"}) == "false")
    page.summary.push_back("Not all fits reached the tolerance that was asked for.");
  if (run.app != "tv_linear_probe" && run.app != "tv_predict" && run.curve.empty())
    page.summary.push_back("There is no curve.csv, so no curves are shown.");
  if (run.predictions.empty()) {
    page.summary.push_back("There is no predictions.csv, so no mistakes, confusions and classes are shown.");
    return;
  }
  std::vector<double> confidences;
  std::vector<std::uint8_t> hits;
  for (const Prediction& row : run.predictions) {
    confidences.push_back(row.probability);
    hits.push_back(row.label == row.prediction ? 1 : 0);
  }
  const stats::Calibration calibration = stats::calibration(confidences, hits);
  page.summary.push_back(concat_text("Expected calibration error of the test predictions, 15 bins: ",
                                     report::format_percent(calibration.expected_error, 2), "."));
}

void add_classes(const RunFolder& run, report::RunReport& page) {
  if (run.predictions.empty()) return;
  stats::ConfusionMatrix confusion(static_cast<Index>(run.classes.size()));
  for (const Prediction& row : run.predictions) confusion.add(row.label, row.prediction);
  page.per_class.methods = {"accuracy"};
  Index without = 0;
  for (Index c = 0; c < confusion.classes(); ++c) {
    const stats::Accuracy accuracy = confusion.of_class(c);
    if (accuracy.total == 0) {
      ++without;
      continue;
    }
    page.per_class.classes.push_back(run.classes[static_cast<std::size_t>(c)]);
    page.per_class.accuracy.push_back({accuracy});
  }
  page.per_class_note = "Wilson score intervals.";
  if (without > 0) page.per_class_note += concat_text(" Classes without test examples, not shown: ", without, ".");
  if (!run.named) page.per_class_note += " Names of the classes are not in results.json.";
  page.confusions.push_back({"Confusions", run.classes, std::move(confusion)});
}

/// The data set that the run evaluated, at `path` where that is not empty.
std::shared_ptr<const data::Dataset> read_images(const RunFolder& run, const std::string& path, bool quiet) {
  const std::string decoder = run.option("decoder");
  data::ReadOptions options;
  if (!decoder.empty()) options.decoder = data::parse_decoder(decoder);
  if (run.app == "tv_predict")
    return data::read_flat_folder(path.empty() ? run.option("photos") : path, options.decoder);
  options.allow_partial = true;  // only some images are looked at
  if (const Json* const part = find_value(run.results, {"config", "part"}); part != nullptr && part->is_number())
    options.part = part->get<int>();
  options.crop_banner = run.option("crop_banner") == "true";
  std::vector<std::int64_t> classes;
  if (const Json* const only = find_value(run.results, {"config", "only_classes"}); only != nullptr)
    for (const Json& c : *only)
      if (c.is_number()) classes.push_back(c.get<std::int64_t>());
  return read_data_set(run.option("dataset"), path.empty() ? run.option("data") : path, options, quiet, classes)
      .dataset;
}

report::Table mistakes_table(const RunFolder& run, const std::vector<Prediction>& wrong) {
  report::Table table{{{"image"}, {"class"}, {"predicted"}, {"probability", true}}, {}, ""};
  for (const Prediction& row : wrong)
    table.rows.push_back({row.path, run.classes[static_cast<std::size_t>(row.label)],
                          run.classes[static_cast<std::size_t>(row.prediction)],
                          report::format_percent(row.probability)});
  return table;
}

void add_mistakes(const RunFolder& run, const ReportRunChoice& choice, bool quiet, report::RunReport& page) {
  const std::vector<Prediction> wrong = confident_mistakes(run.predictions, static_cast<std::size_t>(choice.mistakes));
  if (wrong.empty()) return;
  report::GalleryFigure figure{"Most confident mistakes", "", {}, {}};
  std::shared_ptr<const data::Dataset> dataset;
  try {
    dataset = read_images(run, choice.data, quiet);
  } catch (const UsageError& error) {
    if (!choice.data.empty()) throw;
    figure.note = concat_text("The pictures are not shown, because the data set cannot be read where the run read it (",
                              error.what(), "). The option --data names another place.");
    figure.table = mistakes_table(run, wrong);
    page.galleries.push_back(std::move(figure));
    return;
  }
  std::unordered_map<std::string, Index> examples;
  for (Index i = 0; i < dataset->size(); ++i) examples.emplace(dataset->path(i), i);
  std::vector<Prediction> missing;
  std::string reason;
  for (const Prediction& row : wrong) {
    const auto at = examples.find(row.path);
    try {
      if (at == examples.end()) fail_usage("data", dataset->name(), ": has no ", row.path);
      if (run.app != "tv_predict" && dataset->label(at->second) != row.label)
        fail_usage("data", dataset->name(), ": ", row.path, " is of class ", dataset->label(at->second),
                   " there and of class ", row.label, " in predictions.csv");
      figure.tiles.push_back(tile_of(row, run.classes, dataset->image(at->second)));
    } catch (const UsageError& error) {
      if (missing.empty()) reason = error.what();
      missing.push_back(row);
    }
  }
  if (!missing.empty()) {
    figure.note = concat_text("Pictures that could not be read: ", missing.size(), " (", reason, ").");
    figure.table = mistakes_table(run, missing);
  }
  page.galleries.push_back(std::move(figure));
}

}  // namespace

void add_report_run_options(CLI::App& app, ReportRunChoice& choice) {
  app.add_option("run,--run", choice.folder,
                 "folder that tv_finetune, tv_pretrain, tv_linear_probe or tv_predict wrote with --out")
      ->required();
  app.add_option("--data", choice.data, "where the run's images are, when no longer where the run read them");
  app.add_option("--mistakes", choice.mistakes, "pictures of the most confident mistakes")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
}

report::RunReport run_page(const ReportRunChoice& choice, bool quiet) {
  const RunFolder run = read_run_folder(choice.folder);
  report::RunReport page;
  const std::string dataset = run.app == "tv_predict" ? "photos" : run.option("dataset");
  page.title = concat_text(run.option("network"), " on ", dataset, ": ", kind_of(run));
  const Json* const version = find_value(run.results, {"version"});
  page.subtitle =
      concat_text(run.app, version != nullptr && version->is_string() ? " " + version->get<std::string>() : "",
                  ", seed ", run.option("seed"));
  page.accuracy_of = "part";
  add_summary(run, page);
  add_metrics(run, "test", "", page);
  const Json* const crops = find_value(run.results, {"training", "crops"});
  add_metrics(run, "validation",
              run.app == "tv_linear_probe"            ? "the penalty was chosen on these"
              : crops != nullptr && crops->size() > 1 ? "the crop was chosen on these"
                                                      : "",
              page);
  add_training_curves(run, page);
  add_penalty_curve(run, page);
  add_mistakes(run, choice, quiet, page);
  add_classes(run, page);
  const auto section = [&](const char* key) {
    const Json* const object = find_value(run.results, {key});
    return object == nullptr ? std::vector<report::NameValue>() : name_values(*object);
  };
  page.training = section("training");
  page.configuration = section("config");
  page.environment = section("environment");
  if (const Json* const timing = find_value(run.results, {"timing"}))
    for (const auto& [name, seconds] : timing->items())
      if (seconds.is_number()) page.timing.push_back({name, format_duration(seconds.get<double>())});
  page.digests = section("digests");
  for (const auto& [name, digest] : run.digests) page.digests.push_back({name, digest});
  return page;
}

void report_run(const ReportRunChoice& choice, const CommonOptions& common, Results& results) {
  const report::RunReport page = run_page(choice, common.quiet);
  const std::filesystem::path folder = common.out.empty() ? choice.folder : common.out;
  const std::string path = (folder / "report.html").string();
  report::write_run_report(path, page);
  for (const report::AccuracyRow& row : page.accuracy) {
    std::printf("%s, %s: %s", row.method.c_str(), row.metric.c_str(), report::format_percent(row.value, 2).c_str());
    Json& entry = results["metrics"][row.method][row.metric];
    entry["accuracy"] = row.value;
    if (row.counts) entry["correct"] = row.counts->correct, entry["count"] = row.counts->total;
    if (row.interval) {
      std::printf(" (95 %% interval %s)", report::percent_interval(*row.interval, 2).c_str());
      entry["interval95"] = {row.interval->low, row.interval->high};
    }
    std::printf("\n");
  }
  for (const report::GalleryFigure& gallery : page.galleries)
    if (!gallery.note.empty()) std::fprintf(stderr, "%s\n", gallery.note.c_str());
  for (const report::NameValue& digest : page.digests) results["digests"][digest.name] = digest.value;
  write_file_atomically((folder / "report.json").string(),
                        results.json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  std::printf("report: %s\n", path.c_str());
}

}  // namespace tv_app
