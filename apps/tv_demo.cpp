// tv_demo: the paper in miniature on Fashion-MNIST. Pretrain MobileNet v1 (width 0.25, 32 px) on classes 0-4, then
// learn classes 5-9 from a few labels by linear probe, by fine-tuning, and from scratch.
#include <cstdio>
#include <map>

#include "common/demo_study.hpp"
#include "common/run_figures.hpp"
#include "tinyvision/stats/top_k.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

std::vector<double> losses(const std::vector<CurveRow>& curve) {
  std::vector<double> values;
  for (const CurveRow& row : curve) values.push_back(row.loss);
  return values;
}

/// The `count` most confident mistakes of a method.
report::GalleryFigure mistakes(const tv_app::DemoMethod& method, const data::Dataset& dataset, std::size_t count) {
  std::vector<tv_app::Prediction> rows;
  std::map<std::string, Index> examples;
  for (std::size_t i = 0; i < method.test.size(); ++i) {
    const auto best = stats::top_k(method.scores, static_cast<Index>(i), 1).front();
    const std::string path = dataset.path(method.test[i]);
    rows.push_back({path, dataset.label(method.test[i]), best.index, best.probability});
    examples.emplace(path, method.test[i]);
  }
  report::GalleryFigure figure{"Most confident mistakes, " + method.name, "", {}, {}};
  for (const tv_app::Prediction& row : tv_app::confident_mistakes(rows, count))
    figure.tiles.push_back(tv_app::tile_of(row, dataset.class_names(), dataset.image(examples.at(row.path))));
  return figure;
}

void run(const tv_app::DemoSettings& settings, const tv_app::CommonOptions& common, const Json& config) {
  tv_app::Results results("tv_demo", config);
  const tv_app::DemoResult study = tv_app::DemoStudy(settings, common).run();
  results.lap("study");

  report::RunReport page;
  page.title = "Transfer in miniature: Fashion-MNIST";
  page.subtitle = concat_text("MobileNet v1 (width ", settings.width,
                              ", 32 px) pretrained on classes 0-4, transferred to classes 5-9 with ",
                              settings.labels_per_class, " labels a class");
  page.summary = {concat_text("Pretraining: ", settings.pretrain_steps, " steps of ", settings.batch,
                              "; top-1 on the test images of classes 0-4: ",
                              format_shortest(std::round(study.source.top1.value() * 1e4) / 1e4), ".")};
  page.curves.push_back(tv_app::step_curves("Pretraining", "training loss",
                                            {{"classes 0-4", losses(study.pretraining)}}, "Total loss of each step."));
  std::vector<std::vector<std::uint8_t>> hits;
  std::vector<std::pair<std::string, std::vector<double>>> curves;
  std::printf("\n%-14s %9s   95 %% interval      %s\n", "method", "top-1", "chosen on validation");
  for (const tv_app::DemoMethod& method : study.methods) {
    std::vector<Index> truth;
    for (const Index example : method.test) truth.push_back(study.target->label(example));
    hits.push_back(stats::top_k_hits(method.scores, truth, 1));
    const stats::Accuracy accuracy = stats::top_k_accuracy(method.scores, truth, 1);
    const stats::Interval interval = stats::wilson_interval(accuracy);
    report::AccuracyRow row = report::accuracy_row(method.name, accuracy);
    row.note = method.chosen;
    page.accuracy.push_back(row);
    if (!method.curve.empty()) curves.emplace_back(method.name, losses(method.curve));
    std::printf("%-14s %8.2f%%   %.2f%% to %.2f%%   %s\n", method.name.c_str(), 100 * accuracy.value(),
                100 * interval.low, 100 * interval.high, method.chosen.c_str());
    Json& entry = results["metrics"]["test"][method.name] = Json::object();
    tv_app::add_metric(entry, "top1", accuracy);
    entry["interval95"] = {interval.low, interval.high};
  }
  page.curves.push_back(tv_app::step_curves("Learning classes 5-9", "training loss", curves,
                                            "Total loss of each step on all labelled images."));
  std::printf("\nexact McNemar tests\n");
  for (std::size_t a = 0; a < hits.size(); ++a)
    for (std::size_t b = a + 1; b < hits.size(); ++b) {
      const stats::McNemar test = stats::mcnemar(hits[a], hits[b]);
      page.comparisons.push_back({study.methods[a].name, study.methods[b].name, test});
      std::printf("%-14s %-14s right only here: %lld, only there: %lld, p = %.3g\n", study.methods[a].name.c_str(),
                  study.methods[b].name.c_str(), static_cast<long long>(test.only_first),
                  static_cast<long long>(test.only_second), test.exact);
      results["comparisons"].push_back({{"first", study.methods[a].name},
                                        {"second", study.methods[b].name},
                                        {"only_first", test.only_first},
                                        {"only_second", test.only_second},
                                        {"p_exact", test.exact}});
    }
  for (const tv_app::DemoMethod& method : study.methods) page.galleries.push_back(mistakes(method, *study.target, 12));
  page.configuration = tv_app::name_values(config);
  results["digests"] = {{"split", study.split_digest}};
  page.digests = {{"split", study.split_digest}};
  page.environment = tv_app::name_values(results["environment"]);
  results["all_fits_converged"] = study.all_fits_converged;
  results.write(common.out);
  const std::string path = common.out + "/report.html";
  report::write_run_report(path, page);
  std::printf("\nreport: %s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  tv_app::CommonOptions common;
  common.out = "demo";
  tv_app::DemoSettings settings;
  CLI::App app(
      "tv_demo: pretrain on five classes of Fashion-MNIST, transfer to the other five with few labels, compare three "
      "ways");
  app.add_option("--data", settings.data, "folder of Fashion-MNIST's four files")->capture_default_str();
  app.add_option("--width", settings.width, "width multiplier of MobileNet v1")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--labels", settings.labels_per_class, "labelled images per class")
      ->capture_default_str()
      ->check(CLI::Range(4, 5000));
  app.add_option("--pretrain-steps", settings.pretrain_steps, "steps of pretraining")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--target-steps", settings.target_steps, "steps of fine-tuning and of training from scratch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", settings.batch, "images per pretraining step")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  tv_app::add_log_options(app, settings.log);
  tv_app::add_common_options(app, common, "folder for report.html, results.json and the trainings' logs");
  return tv_app::run_app(app, "tv_demo", common, argc, argv,
                         [&](const Json& config) { run(settings, common, config); });
}
