// tv_linear_probe: multinomial logistic regression on a network's penultimate features, as in the paper.
#include "common/app.hpp"
#include "common/features.hpp"
#include "common/predictions.hpp"
#include "tinyvision/stats/top_k.hpp"
#include "tinyvision/train/fine_tune.hpp"
#include "tinyvision/train/linear_probe.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::NetworkChoice network;
  tv_app::DataChoice data;
  std::string cache;
  double crop = 1, tolerance = 1e-6;
  Index batch = 32, lambdas = 45;
};

Json fit_json(const LogisticRegressionFit& fit) {
  return {{"lambda", fit.lambda},
          {"C", fit.c},
          {"objective", fit.objective},
          {"gradient_norm", fit.gradient_norm},
          {"iterations", fit.iterations},
          {"evaluations", fit.evaluations},
          {"exact_evaluations", fit.exact_evaluations},
          {"hessian_products", fit.hessian_products},
          {"certificate", fit.certificate},
          {"relative_certificate", fit.relative_certificate},
          {"converged", fit.converged},
          {"stop", to_string(fit.stop)}};
}

void report(const ProbePoint& p, const char* part) {
  std::printf(
      "%-6s lambda %.3e  C %.3e  objective %.9e  |g| %.1e  %4lld iterations  bound %.1e  %-10s  validation %.4f / "
      "%.4f\n",
      part, p.fit.lambda, p.fit.c, p.fit.objective, p.fit.gradient_norm, static_cast<long long>(p.fit.iterations),
      p.fit.relative_certificate, to_string(p.fit.stop), p.top1, p.mean_per_class);
}

void probe(const Options& options, const Json& config) {
  tv_app::Results results("tv_linear_probe", config);
  const auto network = tv_app::build_network(options.network, tv_app::classes_in_weights(options.network));
  const std::string weights_digest = tv_app::load_network(*network, options.network);
  network->to(compute_device());
  const auto preprocessing = tv_app::preprocessing_of(options.network, *network, options.crop);
  auto data = tv_app::read_data(options.data, options.network.decoder, options.out, options.quiet);
  const auto table =
      tv_app::compute_features(*network, weights_digest, data, preprocessing, options.batch, options.data.skip_bad,
                               options.cache.empty() ? options.out : options.cache, options.quiet);
  tv_app::leave_out(data, table.skipped());
  results.lap("features");

  const auto [train, train_labels] = table.select(data.split.train);
  const auto [validation, validation_labels] = table.select(data.split.validation);
  LinearProbeOptions probe_options;
  probe_options.lambdas = options.lambdas == 45 ? paper_lambdas() : log_spaced(5, -6, options.lambdas);
  probe_options.metric =
      data.dataset->metric() == data::Metric::mean_per_class ? ProbeMetric::mean_per_class : ProbeMetric::top1;
  probe_options.regression.tolerance = options.tolerance;
  probe_options.regression.device = compute_device();
  probe_options.regression.should_stop = tv_app::interrupted;
  probe_options.progress = [&](const ProbePoint& p) { report(p, "train"); };
  const LinearProbeResult result =
      fit_linear_probe(train, train_labels, validation, validation_labels, data.dataset->classes(), probe_options);
  if (!result.complete) throw tv_app::Resumable("the features are kept, the fits are not");
  results.lap("fits");
  const ProbePoint& chosen = result.path[result.chosen];
  report({result.refit, chosen.top1, chosen.mean_per_class}, "refit");

  results["digests"] = {
      {"weights", weights_digest}, {"preprocessing", sha256_hex(preprocessing.text())}, {"features", table.key}};
  tv_app::record_data(results, data);
  results["network"] = network->options().text();
  for (const ProbePoint& p : result.path) {
    Json fit = fit_json(p.fit);
    fit["validation_top1"] = p.top1;
    fit["validation_mean_per_class"] = p.mean_per_class;
    results["fits"].push_back(fit);
  }
  results["refit"] = fit_json(result.refit);
  results["all_converged"] = result.converged();
  if (!result.converged())
    std::printf("NOT all fits reached the tolerance %g: see `fits` in results.json\n", options.tolerance);
  results["features_from_cache"] = table.cached;
  const Tensor validation_truth =
      Tensor::from_vector<std::int64_t>({static_cast<Index>(validation_labels.size())}, validation_labels);
  const SplitMetrics on_validation = measure(result.train_classifier.logits(validation), validation_truth);
  Json& metrics = results["metrics"];
  const auto add = [&](const char* part, const SplitMetrics& m) {
    Json& split = metrics[part] = Json::object();
    tv_app::add_metric(split, "top1", m.top1);
    tv_app::add_metric(split, "top5", m.top5);
    tv_app::add_metric(split, m.mean_per_class);
  };
  add("validation", on_validation);
  const auto [test, test_labels] = table.select(data.split.test);
  if (!test_labels.empty()) {
    const Tensor scores = result.classifier.logits(test);
    const SplitMetrics on_test = measure(scores, Tensor::from_vector<std::int64_t>({test.dim(0)}, test_labels));
    add("test", on_test);
    std::vector<tv_app::Prediction> rows;
    Index at = 0;
    for (const Index example : data.split.test) {
      if (table.row[static_cast<std::size_t>(example)] < 0) continue;
      const auto best = stats::top_k(scores, at++, 1).front();
      rows.push_back({data.dataset->path(example), data.dataset->label(example), best.index, best.probability});
    }
    tv_app::write_predictions(options.out, rows);
    std::printf("test: top-1 %.4f, mean per class %.4f of %lld images at lambda %.3e\n", on_test.top1.value(),
                on_test.mean_per_class.value, static_cast<long long>(on_test.top1.total), result.lambda());
    tv_app::report_coverage(data);
  }
  if (!options.out.empty())
    checkpoint::save_safetensors((std::filesystem::path(options.out) / "classifier.safetensors").string(),
                                 {{"weights", result.classifier.weights}, {"intercept", result.classifier.intercept}});
  results.lap("evaluation");
  results.write(options.out);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "tv_linear_probe: L2-regularised logistic regression on penultimate features; lambda chosen among 45 values on "
      "validation images, refitted on training + validation, evaluated once on the test images");
  tv_app::add_network_options(app, options.network, true);
  tv_app::add_data_options(app, options.data);
  app.add_option("--crop", options.crop, "central fraction of each side; 1 = the whole image, as in the paper")
      ->capture_default_str();
  app.add_option("--lambdas", options.lambdas, "number of penalties from 1e5 down to 1e-6")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--tolerance", options.tolerance, "wanted bound on (F - min F)/min F of every fit")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--cache", options.cache, "folder of cached features; --out when empty");
  app.add_option("--batch", options.batch, "images per batch")->capture_default_str()->check(CLI::PositiveNumber);
  tv_app::add_common_options(app, options, "folder for features, classifier, predictions, split and results");
  return tv_app::run_app(app, "tv_linear_probe", options, argc, argv,
                         [&](const Json& config) { probe(options, config); });
}
