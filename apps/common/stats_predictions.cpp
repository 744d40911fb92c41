// Predictions as files.
#include "common/stats_predictions.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace tv_app {

using namespace tinyvision;

std::vector<std::uint8_t> PredictionTable::hits() const {
  std::vector<std::uint8_t> out;
  for (std::size_t r = 0; r < labels.size(); ++r) out.push_back(labels[r] == predictions[r] ? 1 : 0);
  return out;
}

PredictionTable read_predictions(StatsRun& run, const std::string& path) {
  const stats::TableFile table = read_stats_table(run, path);
  PredictionTable out{path, {}, {}, {}, {}};
  if (table.has("path")) out.names = stats::row_names(table, "path");
  out.labels = stats::text_column(table, "label");
  out.predictions = stats::text_column(table, "prediction");
  if (table.has("probability")) out.probabilities = stats::number_column(table, "probability", out.names).values;
  return out;
}

void match_predictions(const PredictionTable& first, PredictionTable& second) {
  constexpr std::string_view where = "predictions";
  const auto row_text = [](const PredictionTable& table, std::size_t r) {
    return concat_text("row ", r + 1, table.names.empty() ? "" : " ('" + table.names[r] + "')");
  };
  if (first.labels.size() != second.labels.size())
    fail_usage(where, first.path, " has ", first.labels.size(), " rows, ", second.path, " has ", second.labels.size(),
               ": both must be predictions of the same examples");
  if (!first.names.empty() && !second.names.empty()) {
    std::map<std::string_view, std::size_t> row_of;
    for (std::size_t r = 0; r < second.names.size(); ++r) row_of.emplace(second.names[r], r);
    PredictionTable sorted{second.path, first.names, {}, {}, {}};
    for (std::size_t r = 0; r < first.names.size(); ++r) {
      const auto at = row_of.find(first.names[r]);
      if (at == row_of.end())
        fail_usage(where, second.path, ": no row '", first.names[r], "' in column 'path', which is row ", r + 1, " of ",
                   first.path);
      sorted.labels.push_back(second.labels[at->second]);
      sorted.predictions.push_back(second.predictions[at->second]);
      if (!second.probabilities.empty()) sorted.probabilities.push_back(second.probabilities[at->second]);
    }
    second = std::move(sorted);
  }
  for (std::size_t r = 0; r < first.labels.size(); ++r)
    if (first.labels[r] != second.labels[r])
      fail_usage(where, row_text(first, r), " of column 'label' is '", first.labels[r], "' in ", first.path, " and '",
                 second.labels[r], "' in ", second.path, ": both must be predictions of the same examples");
}

std::vector<std::string> class_names(const std::vector<const std::vector<std::string>*>& columns) {
  std::set<std::tuple<bool, double, std::string>> seen;
  for (const auto* column : columns)
    for (const std::string& word : *column) {
      double number = 0;
      const bool is_number = stats::detail::read_number(word, number);
      seen.emplace(!is_number, is_number ? number : 0, word);
    }
  std::vector<std::string> names;
  for (const auto& [is_word, number, word] : seen) names.push_back(word);
  return names;
}

std::vector<Index> class_indices(const std::vector<std::string>& words, const std::vector<std::string>& classes) {
  std::map<std::string_view, Index> index_of;
  for (std::size_t c = 0; c < classes.size(); ++c) index_of.emplace(classes[c], static_cast<Index>(c));
  std::vector<Index> out;
  for (const std::string& word : words) out.push_back(index_of.at(word));
  return out;
}

}  // namespace tv_app
