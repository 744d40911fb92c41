// What a program left of a run: results.json, curve.csv and predictions.csv, held to each other.
#include "common/run_folder.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tinyvision/stats/table_file.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

constexpr const char* where = "run";

const std::vector<std::string>& programs() {
  static const std::vector<std::string> names{"tv_finetune", "tv_pretrain", "tv_linear_probe", "tv_predict"};
  return names;
}

std::string path_in(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

Json read_results(const std::string& path) {
  if (!std::filesystem::exists(path))
    fail_usage(where, path, ": there is none; ", join_names(programs()), " write it with --out");
  Json json;
  try {
    json = Json::parse(read_file(path));
  } catch (const Json::parse_error& error) {
    fail_usage(where, path, ": byte ", error.byte, ": no JSON from here on");
  }
  const Json* const app = find_value(json, {"app"});
  if (app == nullptr || !app->is_string() || find_value(json, {"config"}) == nullptr)
    fail_usage(where, path, ": not the results of a program (no `app`, no `config`)");
  const std::vector<std::string>& known = programs();
  if (std::find(known.begin(), known.end(), app->get<std::string>()) == known.end())
    fail_usage(where, path, ": results of ", app->get<std::string>(), "; pages are made of those of ",
               join_names(known));
  return json;
}

/// Refuses the cell in `row` (from 0) of `column`.
template <class... Words>
[[noreturn]] void refuse_cell(const stats::TableFile& table, std::size_t row, const char* column,
                              const Words&... what) {
  fail_usage(where, table.path, ": row ", row + 1, ", column ", column, ": ", what...);
}

/// A column of whole numbers in [low, high). `what` says what has these.
std::vector<Index> whole_numbers(const stats::TableFile& table, const char* column, Index low, Index high,
                                 const std::string& what) {
  std::vector<Index> out;
  const stats::NumberColumn numbers = stats::number_column(table, column);
  for (std::size_t row = 0; row < numbers.values.size(); ++row) {
    const double value = numbers.values[row];
    if (value != std::floor(value)) refuse_cell(table, row, column, value, " is no whole number");
    if (value < static_cast<double>(low) || value >= static_cast<double>(high))
      refuse_cell(table, row, column, value, " is outside ", low, " to ", high - 1, what);
    out.push_back(static_cast<Index>(value));
  }
  return out;
}

std::vector<CurveRow> read_curve(const std::string& path) {
  const stats::TableFile table = stats::parse_table(read_file(path), path);
  const std::vector<Index> steps = whole_numbers(table, "step", 0, Index{1} << 40, "");
  for (std::size_t row = 0; row < steps.size(); ++row)
    if (steps[row] != static_cast<Index>(row))
      refuse_cell(table, row, "step", steps[row], " where ", row, " comes next: a row is missing or came twice");
  std::vector<CurveRow> curve(steps.size());
  const auto fill = [&](const char* column, double CurveRow::*member) {
    const std::vector<double> values = stats::number_column(table, column).values;
    for (std::size_t row = 0; row < values.size(); ++row) curve[row].*member = values[row];
  };
  fill("loss", &CurveRow::loss);
  fill("cross_entropy", &CurveRow::cross_entropy);
  fill("accuracy", &CurveRow::accuracy);
  fill("learning_rate", &CurveRow::learning_rate);
  for (std::size_t row = 0; row < curve.size(); ++row)
    if (curve[row].accuracy < 0 || curve[row].accuracy > 1)
      refuse_cell(table, row, "accuracy", curve[row].accuracy, " is outside 0 to 1");
  return curve;
}

/// Fills `classes` where results.json does not: up to the largest number that comes up.
void read_predictions(const std::string& path, RunFolder& run) {
  const stats::TableFile table = stats::parse_table(read_file(path), path);
  const std::vector<std::string> paths = stats::row_names(table, "path");
  const auto classes = static_cast<Index>(run.classes.size());
  const Index most = run.named ? classes : 2000;  // unnamed: more than ImageNet has
  const std::string what = run.named ? ", the classes of results.json" : "";
  const std::vector<Index> labels = whole_numbers(table, "label", 0, most, what);
  const std::vector<Index> predicted = whole_numbers(table, "prediction", run.background ? -1 : 0, most, what);
  const std::vector<double> probabilities = stats::number_column(table, "probability").values;
  Index largest = 0;
  for (std::size_t row = 0; row < paths.size(); ++row) {
    if (probabilities[row] < 0 || probabilities[row] > 1)
      refuse_cell(table, row, "probability", probabilities[row], " is outside 0 to 1");
    run.predictions.push_back({paths[row], labels[row], predicted[row], probabilities[row]});
    largest = std::max({largest, labels[row], predicted[row]});
  }
  if (!run.named)
    for (Index c = 0; c <= largest; ++c) run.classes.push_back(concat_text("class ", c));
  if (run.background) {
    for (Prediction& row : run.predictions)
      if (row.prediction < 0) row.prediction = static_cast<Index>(run.classes.size());
    run.classes.emplace_back("background");
  }
}

/// The predictions must be those that results.json counted.
void check_counts(const RunFolder& run) {
  const Json* const test = find_value(run.results, {"metrics", "test"});
  const Json* const count = test == nullptr ? nullptr : find_value(*test, {"count"});
  const Json* const top1 = test == nullptr ? nullptr : find_value(*test, {"top1"});
  if (count == nullptr || top1 == nullptr || !count->is_number() || !top1->is_number()) return;
  const auto rows = static_cast<Index>(run.predictions.size());
  Index right = 0;
  for (const Prediction& row : run.predictions) right += row.label == row.prediction ? 1 : 0;
  const double n = count->get<double>(), counted = std::round(top1->get<double>() * n);
  if (static_cast<double>(rows) != n || static_cast<double>(right) != counted)
    fail_usage(where, path_in(run.folder, "predictions.csv"), ": ", right, " of ", rows,
               " predictions are right, but results.json counts ", counted, " of ", n, ": the two are not of one run");
}

}  // namespace

const Json* find_value(const Json& json, const std::vector<std::string>& keys) {
  const Json* at = &json;
  for (const std::string& key : keys) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
  }
  return at->is_null() ? nullptr : at;
}

std::string RunFolder::option(const std::string& key) const {
  const Json* const value = find_value(results, {"config", key});
  if (value == nullptr) return "";
  return value->is_string() ? value->get<std::string>() : value->dump();
}

RunFolder read_run_folder(const std::string& folder) {
  RunFolder run;
  run.folder = folder;
  if (!std::filesystem::is_directory(folder)) fail_usage(where, folder, ": no such folder");
  const std::string results = path_in(folder, "results.json"), curve = path_in(folder, "curve.csv"),
                    predictions = path_in(folder, "predictions.csv");
  run.results = read_results(results);
  run.app = run.results["app"].get<std::string>();
  run.digests.emplace_back("results.json", sha256_file(results));
  if (const Json* const names = find_value(run.results, {"classes"})) {
    run.named = names->is_array() && !names->empty();
    for (const Json& name : *names) {
      run.named = run.named && name.is_string();
      if (run.named) run.classes.push_back(name.get<std::string>());
    }
    if (!run.named) fail_usage(where, results, ": `classes` is no list of names");
  }
  if (const Json* const background = find_value(run.results, {"background_class"}))
    run.background = *background == true;
  if (std::filesystem::exists(curve)) {
    run.curve = read_curve(curve);
    run.digests.emplace_back("curve.csv", sha256_file(curve));
  }
  if (std::filesystem::exists(predictions)) {
    read_predictions(predictions, run);
    check_counts(run);
    run.digests.emplace_back("predictions.csv", sha256_file(predictions));
  }
  return run;
}

}  // namespace tv_app
