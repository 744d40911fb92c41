// Commands of tv_stats on predictions and scores of examples.
#include <algorithm>
#include <memory>

#include "common/stats_command.hpp"
#include "common/stats_matrices.hpp"
#include "common/stats_predictions.hpp"
#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/stats/mcnemar.hpp"
#include "tinyvision/stats/permutation_test.hpp"
#include "tinyvision/stats/transforms.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

stats::Accuracy accuracy_of(const std::vector<std::uint8_t>& hits) {
  stats::Accuracy a;
  for (const std::uint8_t hit : hits) a += {hit, 1};
  return a;
}

StatsCommand mcnemar_command() {
  struct Options {
    std::string first, second;
    Index only_first = -1, only_second = -1;
  };
  const auto o = std::make_shared<Options>();
  return {"mcnemar", "exact McNemar test, and its mid-p, of two networks' predictions",
          [o](CLI::App& c) {
            c.add_option("first", o->first, "predictions.csv of one (label, prediction; path names the examples)");
            c.add_option("second", o->second, "of the other, for the same examples");
            c.add_option("--only-first", o->only_first, "instead of files: examples that only the first has right");
            c.add_option("--only-second", o->only_second, "and those that only the second has right");
          },
          [o](StatsRun& run) -> Json {
            Json out = {{"test", "exact McNemar test"}};
            stats::McNemar test;
            if (o->first.empty() && (o->only_first >= 0 || o->only_second >= 0)) {
              test = stats::mcnemar(o->only_first, o->only_second);
            } else {
              if (o->second.empty()) fail_usage("options", "two files of predictions are required, or both counts");
              const PredictionTable first = read_predictions(run, o->first);
              PredictionTable second = read_predictions(run, o->second);
              match_predictions(first, second);
              test = stats::mcnemar(first.hits(), second.hits());
              out.update({{"examples", first.labels.size()},
                          {"accuracy_first", accuracy_of(first.hits()).value()},
                          {"accuracy_second", accuracy_of(second.hits()).value()}});
            }
            out.update({{"only_first_right", test.only_first},
                        {"only_second_right", test.only_second},
                        {"p_value", test.exact},
                        {"mid_p", test.mid_p}});
            return out;
          }};
}

StatsCommand permutation_command() {
  struct Options {
    MatrixChoice first;
    std::string second, truth, metric = "top1", exchange = "examples";
    stats::PermutationOptions test;
    double threshold = 0;
  };
  const auto o = std::make_shared<Options>();
  const auto on_predictions = [o](StatsRun& run, Json& out) {
    const PredictionTable first = read_predictions(run, o->first.path);
    PredictionTable second = read_predictions(run, o->second);
    match_predictions(first, second);
    const auto a = first.hits(), b = second.hits();
    out["examples"] = a.size();
    if (o->metric == "top1") {
      out.update({{"first_value", accuracy_of(a).value()}, {"second_value", accuracy_of(b).value()}});
      return stats::permutation_test_top1(a, b, o->test);
    }
    const std::vector<std::string> classes = class_names({&first.labels, &first.predictions, &second.predictions});
    const auto count = static_cast<Index>(classes.size());
    const std::vector<Index> labels = class_indices(first.labels, classes);
    const auto value = [&](const PredictionTable& t) {
      return stats::mean_per_class_accuracy(
                 stats::ConfusionMatrix(class_indices(t.predictions, classes), labels, count))
          .value;
    };
    out.update({{"first_value", value(first)}, {"second_value", value(second)}});
    return stats::permutation_test_mean_per_class(a, b, labels, count, o->test);
  };
  const auto on_scores = [o](StatsRun& run, Json& out) {
    if (o->truth.empty()) fail_usage("options", "--truth is required with --metric ", o->metric);
    const auto read = [&](const std::string& path) {
      MatrixChoice choice = o->first;
      choice.path = path;
      return read_matrix(run, choice);
    };
    const StatsMatrix first = read(o->first.path);
    const StatsMatrix second = matched(read(o->second), first.names, first.columns, first.path);
    const std::vector<std::int8_t> truth = truths(matched(read(o->truth), first.names, first.columns, first.path));
    for (const auto& [path, rows] : {std::pair(o->second, second.values.dim(0)),
                                     std::pair(o->truth, static_cast<Index>(truth.size()) / first.values.dim(1))})
      if (rows != first.values.dim(0))
        fail_usage("permutation", first.path, " has ", first.values.dim(0), " rows, ", path, " has ", rows);
    out.update({{"examples", first.values.dim(0)}, {"classes", first.values.dim(1)}});
    if (o->metric == "map") {
      out.update({{"first_value", stats::mean_average_precision(first.values, truth).value},
                  {"second_value", stats::mean_average_precision(second.values, truth).value}});
      return stats::permutation_test_mean_average_precision(first.values, second.values, truth, o->test);
    }
    out.update({{"exchanged", o->exchange}, {"threshold", o->threshold}});
    return stats::permutation_test_label_accuracy(
        first.values, second.values, truth, o->test,
        o->exchange == "cells" ? stats::LabelExchange::cells : stats::LabelExchange::examples, o->threshold);
  };
  return {"permutation", "permutation test of the difference between two networks' accuracies",
          [o](CLI::App& c) {
            add_matrix_options(c, o->first, "first", "predictions.csv of one network, or its scores with --truth");
            c.add_option("second", o->second, "of the other, for the same examples")->required();
            c.add_option(
                 "--metric", o->metric,
                 "top1; mean-per-class; label-accuracy (share of right answers over all examples and labels) or map "
                 "(mean average precision), of scores of many labels")
                ->capture_default_str()
                ->check(CLI::IsMember({"top1", "mean-per-class", "label-accuracy", "map"}));
            c.add_option("--truth", o->truth,
                         "file with 1 (present), -1 (absent) or 0 (difficult) for every example and label");
            c.add_option("--permutations", o->test.permutations, "random ones")->capture_default_str();
            c.add_option("--enumerate-up-to", o->test.enumerate_up_to,
                         "visit all arrangements instead, when there are no more than this")
                ->capture_default_str();
            c.add_option("--exchange", o->exchange,
                         "label-accuracy: exchange all labels of an example, or single cells")
                ->capture_default_str()
                ->check(CLI::IsMember({"examples", "cells"}));
            c.add_option("--threshold", o->threshold, "label-accuracy: a label is predicted above this score")
                ->capture_default_str();
          },
          [o, on_predictions, on_scores](StatsRun& run) -> Json {
            o->test.seed = run.seed();
            o->test.progress = run.progress("permutations");
            Json out = {{"test", "permutation test"}, {"metric", o->metric}};
            const bool labelled = o->metric == "top1" || o->metric == "mean-per-class";
            const stats::PermutationTest t = labelled ? on_predictions(run, out) : on_scores(run, out);
            out.update({{"difference", t.difference},
                        {"exchangeable", t.exchangeable},
                        {"permutations", t.permutations},
                        {"method", t.exact ? "every arrangement once" : "random permutations"},
                        {"as_extreme", t.as_extreme},
                        {"p_b_of_B", t.p_paper},
                        {"p_b_plus_1_of_B_plus_1", t.p_plus_one},
                        {"p_value", t.p_value}});
            return out;
          }};
}

/// Wilson's interval and log-odds beside an accuracy.
void add_accuracy(Json& out, const std::string& name, const stats::Accuracy& a) {
  out.update({{name, a.value()},
              {name + "_correct", a.correct},
              {name + "_wilson_95", interval_json(stats::wilson_interval(a))}});
}

void add_classes(Json& out, const stats::ConfusionMatrix& confusion, const std::vector<std::string>& classes) {
  const stats::MeanPerClass mean = stats::mean_per_class_accuracy(confusion);
  out.update(
      {{"mean_per_class", mean.value}, {"classes", mean.classes}, {"classes_without_examples", mean.without_examples}});
  Json per_class = Json::array(), matrix = Json::array();
  for (Index t = 0; t < confusion.classes(); ++t) {
    const stats::Accuracy a = confusion.of_class(t);
    per_class.push_back({{"class", classes[static_cast<std::size_t>(t)]},
                         {"examples", a.total},
                         {"correct", a.correct},
                         {"accuracy", a.total > 0 ? Json(a.value()) : Json()}});
    Json row = {{"label", classes[static_cast<std::size_t>(t)]}};
    for (Index p = 0; p < confusion.classes(); ++p) row[classes[static_cast<std::size_t>(p)]] = confusion.count(t, p);
    matrix.push_back(row);
  }
  out.update({{"per_class", per_class}, {"confusion", matrix}});
}

void add_calibration(Json& out, const stats::Calibration& calibration) {
  out.update({{"expected_calibration_error", calibration.expected_error},
              {"largest_calibration_error", calibration.largest_error}});
  Json bins = Json::array();
  for (const stats::CalibrationBin& bin : calibration.bins)
    if (bin.accuracy.total > 0)
      bins.push_back({{"above", bin.low},
                      {"to", bin.high},
                      {"examples", bin.accuracy.total},
                      {"accuracy", bin.accuracy.value()},
                      {"mean_confidence", bin.mean_confidence}});
  out["calibration"] = bins;
}

Json metrics_of_predictions(const PredictionTable& table, Index bins) {
  const std::vector<std::string> classes = class_names({&table.labels, &table.predictions});
  const std::vector<std::uint8_t> hits = table.hits();
  const stats::Accuracy top1 = accuracy_of(hits);
  Json out = {{"examples", top1.total}};
  add_accuracy(out, "top1", top1);
  out["log_odds_half_added"] = stats::log_odds(top1, 0.5);
  add_classes(out,
              stats::ConfusionMatrix(class_indices(table.predictions, classes), class_indices(table.labels, classes),
                                     static_cast<Index>(classes.size())),
              classes);
  if (!table.probabilities.empty()) {
    for (std::size_t r = 0; r < table.probabilities.size(); ++r)
      if (!(table.probabilities[r] >= 0 && table.probabilities[r] <= 1))
        fail_usage("metrics", table.path, ": row ", r + 1, " of column 'probability' is ", table.probabilities[r],
                   ", not inside [0, 1]", table.probabilities[r] > 1 ? " (a percentage? Divide by 100)" : "");
    add_calibration(out, stats::calibration(table.probabilities, hits, bins));
  }
  return out;
}

/// Labels of scores are numbers of columns from 0, or names of columns.
std::vector<Index> score_labels(const StatsMatrix& scores) {
  std::vector<Index> labels;
  for (std::size_t r = 0; r < scores.labels.size(); ++r) {
    const std::string& word = scores.labels[r];
    const auto at = std::find(scores.columns.begin(), scores.columns.end(), word);
    double number = 0;
    if (at != scores.columns.end())
      labels.push_back(at - scores.columns.begin());
    else if (stats::detail::read_number(word, number) && number >= 0 &&
             number < static_cast<double>(scores.columns.size()) && number == std::floor(number))
      labels.push_back(static_cast<Index>(number));
    else
      fail_usage("metrics", scores.path, ": row ", r + 1, ": the label '", word,
                 "' is neither a column of scores nor a number from 0 to ", scores.columns.size() - 1);
  }
  return labels;
}

Json metrics_of_scores(const StatsMatrix& scores, Index bins) {
  const std::vector<Index> labels = score_labels(scores);
  Json out = {{"examples", labels.size()}};
  const stats::Accuracy top1 = stats::top_k_accuracy(scores.values, labels, 1);
  add_accuracy(out, "top1", top1);
  add_accuracy(out, "top5", stats::top_k_accuracy(scores.values, labels, 5));
  out["log_odds_half_added"] = stats::log_odds(top1, 0.5);
  add_classes(out, stats::ConfusionMatrix(scores.values, labels), scores.columns);
  add_calibration(out, stats::calibration_of_logits(scores.values, labels, bins));
  return out;
}

Json metrics_of_many_labels(const StatsMatrix& scores, const StatsMatrix& truth_matrix, stats::Difficult difficult) {
  const std::vector<std::int8_t> truth = truths(truth_matrix);
  const stats::MeanAveragePrecision map = stats::mean_average_precision(scores.values, truth, difficult);
  const Index n = scores.values.dim(0), classes = scores.values.dim(1);
  const std::vector<double> values = scores.values.packed().to_vector<double>();
  Json rows = Json::array();
  for (Index c = 0; c < classes; ++c) {
    std::vector<double> column;
    std::vector<std::int8_t> wanted;
    for (Index i = 0; i < n; ++i) {
      column.push_back(values[static_cast<std::size_t>(i * classes + c)]);
      wanted.push_back(truth[static_cast<std::size_t>(i * classes + c)]);
    }
    const stats::AveragePrecision all = stats::average_precision_all_points(column, wanted, difficult);
    rows.push_back({{"class", scores.columns[static_cast<std::size_t>(c)]},
                    {"positives", all.positives},
                    {"average_precision_11_points", map.of_class[static_cast<std::size_t>(c)]},
                    {"average_precision_all_points", all.value}});
  }
  return {{"examples", n},
          {"mean_average_precision_11_points", map.value},
          {"classes", classes},
          {"classes_without_positives", map.without_positives.size()},
          {"average_precisions", rows}};
}

StatsCommand metrics_command() {
  struct Options {
    MatrixChoice scores;
    std::string truth, difficult = "ignored";
    Index bins = 15;
  };
  const auto o = std::make_shared<Options>();
  return {"metrics", "top-1, top-5, mean per class, log-odds, calibration, confusion, average precision",
          [o](CLI::App& c) {
            add_matrix_options(
                c, o->scores, "scores",
                "predictions.csv (label, prediction, probability), or logits: a column a class, and label");
            c.add_option("--truth", o->truth, "for scores of many labels: 1 (present), -1 (absent), 0 (difficult)");
            c.add_option("--difficult", o->difficult, "with --truth: what a 0 counts as")
                ->capture_default_str()
                ->check(CLI::IsMember({"ignored", "negative", "positive"}));
            c.add_option("--bins", o->bins, "of the calibration error")
                ->capture_default_str()
                ->check(CLI::Range(1, 100000));
          },
          [o](StatsRun& run) -> Json {
            const bool tensor = o->scores.path.ends_with(".safetensors");
            if (o->truth.empty() && !tensor && read_stats_table(run, o->scores.path).has("prediction"))
              return metrics_of_predictions(read_predictions(run, o->scores.path), o->bins);
            const StatsMatrix scores = read_matrix(run, o->scores);
            if (o->truth.empty()) {
              if (scores.labels.empty())
                fail_usage("metrics", scores.path, ": no labels: a column '", o->scores.label,
                           "' (--label), or --truth for many labels");
              return metrics_of_scores(scores, o->bins);
            }
            MatrixChoice choice = o->scores;
            choice.path = o->truth;
            const StatsMatrix truth = matched(read_matrix(run, choice), scores.names, scores.columns, scores.path);
            if (truth.values.dim(0) != scores.values.dim(0))
              fail_usage("metrics", scores.path, " has ", scores.values.dim(0), " rows, ", truth.path, " has ",
                         truth.values.dim(0));
            return metrics_of_many_labels(scores, truth, stats::parse_difficult(o->difficult));
          }};
}

}  // namespace

std::vector<StatsCommand> prediction_commands() {
  return {mcnemar_command(), permutation_command(), metrics_command()};
}

}  // namespace tv_app
