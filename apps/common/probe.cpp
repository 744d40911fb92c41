// tv_linear_probe: what its classifiers share.
#include "common/probe.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <tuple>

#include "common/label_scores.hpp"
#include "common/predictions.hpp"
#include "tinyvision/data/datasets/registry.hpp"
#include "tinyvision/stats/top_k.hpp"
#include "tinyvision/train/split_metrics.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

const std::vector<std::string> difficult_rules{"ignored", "negative", "positive"};

bool was_given(CLI::App& app, const std::string& option) { return app.get_option(option)->count() > 0; }

ProbeClassifier& chosen_classifier(CLI::App& app, const ProbeChoice& choice,
                                   const std::vector<std::unique_ptr<ProbeClassifier>>& classifiers) {
  const std::string name = choice.classifier != "auto" ? choice.classifier
                           : choice.several_classes()  ? "one_vs_rest"
                                                       : "logistic";
  const auto chosen =
      std::find_if(classifiers.begin(), classifiers.end(), [&](const auto& c) { return c->name() == name; });
  check(chosen != classifiers.end(), "probe", "no classifier ", name);
  const std::vector<std::string> own = (*chosen)->options();
  for (const auto& other : classifiers)
    for (const std::string& option : other->options())
      if (was_given(app, option) && std::find(own.begin(), own.end(), option) == own.end())
        fail_usage("options", option, " has no meaning with --classifier ", name);
  for (const char* option : {"--difficult-training", "--difficult-ranking"})
    if (!choice.several_classes() && was_given(app, option))
      fail_usage("options", option, " has no meaning for ", choice.data.dataset,
                 ": only data sets whose images show several classes mark objects as difficult");
  (*chosen)->check_choice(choice);
  return **chosen;
}

void record_rankings(const ProbeTask& task, const std::string& name, const ProbePart& part, const Tensor& scores,
                     const std::string& chosen) {
  const stats::MeanAveragePrecision measured =
      stats::mean_average_precision(scores, part.presence, stats::parse_difficult(task.choice.difficult_ranking));
  const std::vector<std::string>& classes = task.data.dataset->class_names();
  Json of_class = Json::object();
  for (std::size_t c = 0; c < classes.size(); ++c) of_class[classes[c]] = measured.of_class[c];
  const auto counted = task.classes() - static_cast<Index>(measured.without_positives.size());
  task.results["metrics"][name] = {{"value", measured.value},
                                   {"voc_ap11", measured.value},
                                   {"classes", counted},
                                   {"count", scores.dim(0)},
                                   {"of_class", of_class}};
  if (name != "test") return;
  write_label_scores(task.common.out, *task.data.dataset, part.examples, scores);
  std::printf("test: mean average precision %.4f (11 points) of %lld classes, %lld images %s\n", measured.value,
              static_cast<long long>(counted), static_cast<long long>(scores.dim(0)), chosen.c_str());
}

void record_accuracies(const ProbeTask& task, const std::string& name, const ProbePart& part, const Tensor& scores,
                       const std::string& chosen) {
  const SplitMetrics measured = measure(scores, Tensor::from_vector<std::int64_t>({scores.dim(0)}, part.labels));
  Json& split = task.results["metrics"][name] = Json::object();
  split["value"] = measured.value(task.data.dataset->metric());
  add_metric(split, "top1", measured.top1);
  add_metric(split, "top5", measured.top5);
  add_metric(split, measured.mean_per_class);
  if (name != "test") return;
  std::vector<Prediction> rows;
  for (std::size_t i = 0; i < part.examples.size(); ++i) {
    const auto best = stats::top_k(scores, static_cast<Index>(i), 1).front();
    rows.push_back({task.data.dataset->path(part.examples[i]), part.labels[i], best.index, best.probability});
  }
  write_predictions(task.common.out, rows);
  std::printf("test: top-1 %.4f, mean per class %.4f of %lld images %s\n", measured.top1.value(),
              measured.mean_per_class.value, static_cast<long long>(measured.top1.total), chosen.c_str());
}

}  // namespace

bool ProbeChoice::several_classes() const {
  const tinyvision::data::DatasetEntry* const entry = tinyvision::data::find_dataset(data.dataset);
  return entry != nullptr && entry->info->metric == tinyvision::data::Metric::voc_ap11;
}

ProbePart ProbeTask::part(const std::vector<Index>& all) const {
  ProbePart part;
  for (const Index example : all) {
    if (table.row[static_cast<std::size_t>(example)] < 0) continue;
    part.examples.push_back(example);
    const std::span<const std::int8_t> shown = data.dataset->presence(example);
    part.presence.insert(part.presence.end(), shown.begin(), shown.end());
  }
  std::tie(part.features, part.labels) = table.select(all);
  return part;
}

std::vector<std::unique_ptr<ProbeClassifier>> probe_classifiers() {
  std::vector<std::unique_ptr<ProbeClassifier>> all;
  all.push_back(make_logistic_probe());
  all.push_back(make_one_vs_rest_probe());
  all.push_back(make_svm_probe());
  all.push_back(make_augmented_probe());
  return all;
}

void add_probe_options(CLI::App& app, ProbeChoice& choice,
                       const std::vector<std::unique_ptr<ProbeClassifier>>& classifiers) {
  std::vector<std::string> names{"auto"};
  for (const auto& classifier : classifiers) names.push_back(classifier->name());
  add_network_options(app, choice.network, true);
  add_data_options(app, choice.data);
  app.add_option("--classifier", choice.classifier,
                 "what is fitted; auto: one_vs_rest where images show several classes (voc2007), else logistic")
      ->capture_default_str()
      ->check(CLI::IsMember(names));
  app.add_option("--crop", choice.crop, "central fraction of each side; 1 = the whole image, as in the paper")
      ->capture_default_str();
  app.add_option("--lambdas", choice.lambdas, "number of penalties from 1e5 down to 1e-6")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--tolerance", choice.tolerance, "wanted bound on (F - min F)/min F of every fit")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--difficult-training", choice.difficult_training,
                 "voc2007: images that show a class only in objects marked difficult are, for this class, left out of "
                 "training (ignored), negative or positive")
      ->capture_default_str()
      ->check(CLI::IsMember(difficult_rules));
  app.add_option("--difficult-ranking", choice.difficult_ranking,
                 "voc2007: the same for the average precision; the development kit ignores them")
      ->capture_default_str()
      ->check(CLI::IsMember(difficult_rules));
  for (const auto& classifier : classifiers) classifier->add_options(app);
  app.add_option("--cache", choice.cache, "folder of cached features; --out when empty");
  app.add_option("--batch", choice.batch, "images per batch of the network")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

void run_probe(CLI::App& app, const ProbeChoice& choice, const CommonOptions& common,
               const std::vector<std::unique_ptr<ProbeClassifier>>& classifiers, const Json& config) {
  ProbeClassifier& classifier = chosen_classifier(app, choice, classifiers);
  Results results("tv_linear_probe", config);
  results["classifier"] = classifier.name();
  const auto network = build_network(choice.network, classes_in_weights(choice.network));
  const std::string weights_digest = load_network(*network, choice.network);
  network->to(compute_device());
  const std::string before = network_digest(*network);
  const auto preprocessing = preprocessing_of(choice.network, *network, choice.crop);
  DataChoice data_choice = choice.data;
  data_choice.multi_label = choice.several_classes();
  LabelledData data = read_data(data_choice, choice.network.decoder, common.out, common.quiet);
  const FeatureTable table =
      compute_features(*network, weights_digest, data, preprocessing, choice.batch, choice.data.skip_bad,
                       choice.cache.empty() ? common.out : choice.cache, common.quiet);
  check_frozen(before, network_digest(*network));
  leave_out(data, table.skipped());
  results.lap("features");
  results["digests"] = {
      {"weights", weights_digest}, {"preprocessing", sha256_hex(preprocessing.text())}, {"features", table.key}};
  record_data(results, data);
  results["network"] = network->options().text();
  results["features_from_cache"] = table.cached;
  results["metric"] = data::to_string(data.dataset->metric());

  classifier.run({common, choice, *network, preprocessing, data, table, results});

  const std::string after = network_digest(*network);
  check_frozen(before, after);
  results["frozen_network"] = {{"before", before}, {"after", after}};
  report_coverage(data);
  results.write(common.out);
}

void record_scores(const ProbeTask& task, const std::string& part, const ProbePart& examples, const Tensor& scores,
                   const std::string& chosen) {
  (examples.presence.empty() ? record_accuracies : record_rankings)(task, part, examples, scores, chosen);
}

std::string network_digest(const Network& network) {
  Sha256 digest;
  for (const Parameter& p : network.parameters()) {
    const Tensor value = p.variable.value().to(Device::cpu()).packed();
    digest.update(concat_text(p.name, " ", value.text(), "\n"));
    digest.update(value.raw(), value.bytes());
  }
  return digest.hex();
}

void check_frozen(const std::string& before, const std::string& after) {
  check(before == after, "frozen_network",
        "weights or moving statistics changed while the network should only have been evaluated: their digest was ",
        before, " and is ", after);
}

}  // namespace tv_app
