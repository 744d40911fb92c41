// The tables that tv_stats reads.
#include "common/stats_tables.hpp"

#include <algorithm>

#include "tinyvision/stats/transforms.hpp"

namespace tv_app {

using namespace tinyvision;
using stats::NumberColumn;
using stats::TableFile;

namespace {

std::string json_cell(const Json& value, const std::string& path, const std::string& column, std::size_t row) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return format_shortest(value.get<double>());
  if (value.is_number() || value.is_boolean()) return value.dump();
  fail_usage("table", path, ": row ", row + 1, " of column '", column, "' is a list or an object, not a value");
}

TableFile records_table(const Json& records, const std::string& path) {
  TableFile table{path, {}, {}};
  for (std::size_t r = 0; r < records.size(); ++r) {
    if (!records[r].is_object()) fail_usage("table", path, ": item ", r + 1, " of the list is no record {...}");
    for (const auto& [key, value] : records[r].items())
      if (!table.has(key)) table.columns.push_back(key);
  }
  for (std::size_t r = 0; r < records.size(); ++r) {
    table.rows.emplace_back();
    for (const std::string& column : table.columns) {
      const auto at = records[r].find(column);
      table.rows.back().push_back(at == records[r].end() ? "" : json_cell(*at, path, column, r));
    }
  }
  return table;
}

TableFile lists_table(const Json& lists, const std::string& path) {
  TableFile table{path, {}, {}};
  for (const auto& [key, list] : lists.items()) {
    if (!list.is_array()) fail_usage("table", path, ": '", key, "' is no list; an object of lists of values is needed");
    if (!table.columns.empty() && list.size() != table.rows.size())
      fail_usage("table", path, ": column '", table.columns.front(), "' has ", table.rows.size(), " rows, column '",
                 key, "' has ", list.size());
    table.rows.resize(list.size());
    table.columns.push_back(key);
    for (std::size_t r = 0; r < list.size(); ++r) table.rows[r].push_back(json_cell(list[r], path, key, r));
  }
  return table;
}

}  // namespace

TableFile parse_json_table(std::string_view text, const std::string& path) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    fail_usage("table", path, ": no JSON: ", error.what());
  }
  if (!json.is_array() && !json.is_object())
    fail_usage("table", path, ": needs a list of records or an object of lists");
  TableFile table = json.is_array() ? records_table(json, path) : lists_table(json, path);
  if (table.rows.empty()) fail_usage("table", path, ": no rows");
  return table;
}

TableFile read_stats_table(StatsRun& run, const std::string& path) {
  const std::string text = run.read(path);
  return path.ends_with(".json") ? parse_json_table(text, path) : stats::parse_table(text, path);
}

void add_table_options(CLI::App& command, TableChoice& choice, bool required) {
  command.add_option("table", choice.path, "the table: CSV, TSV, or JSON (records, or an object of lists)")
      ->required(required);
  command.add_option("--names", choice.names,
                     "column with the rows' names, for messages; the first one when it holds text; none: no names");
  command.add_option("--where", choice.where, "COLUMN=VALUE: only the rows that have it");
  command.add_option("--join", choice.join,
                     "a second table, whose columns go beside the first one's; matched by names");
}

std::vector<std::string> NamedTable::number_columns(const std::vector<std::string>& chosen,
                                                    const std::vector<std::string>& except) const {
  if (!chosen.empty()) return chosen;
  std::vector<std::string> columns;
  for (const std::string& column : file.columns)
    if (column != names_column && std::find(except.begin(), except.end(), column) == except.end() &&
        stats::holds_numbers(file, column))
      columns.push_back(column);
  if (columns.empty()) fail_usage("table", file.path, ": no other column of numbers");
  return columns;
}

NamedTable with_names(TableFile file, const std::string& names) {
  NamedTable out{std::move(file), names, {}};
  if (names.empty() && !stats::holds_numbers(out.file, out.file.columns.front()))
    out.names_column = out.file.columns.front();
  if (out.names_column == "none") out.names_column.clear();
  if (!out.names_column.empty()) out.names = stats::row_names(out.file, out.names_column);
  return out;
}

NamedTable open_table(StatsRun& run, const TableChoice& choice) {
  if (choice.path.empty()) fail_usage("options", "a table is required");
  TableFile file = read_stats_table(run, choice.path);
  if (!choice.where.empty()) {
    const std::size_t equals = choice.where.find('=');
    if (equals == std::string::npos) fail_usage("options", "--where needs COLUMN=VALUE, got '", choice.where, "'");
    file = stats::rows_where(file, choice.where.substr(0, equals), choice.where.substr(equals + 1));
  }
  NamedTable named = with_names(std::move(file), choice.names);
  if (choice.join.empty()) return named;
  if (named.names_column.empty()) fail_usage("options", "--join needs a column of names (--names) in both tables");
  named.file = stats::join_tables(named.file, read_stats_table(run, choice.join), named.names_column);
  return named;
}

void add_accuracy_scale(CLI::App& command, ScaleChoice& choice) {
  choice = {"fraction", true};
  command
      .add_option("--scale", choice.scale,
                  "accuracies are fractions or in percent; any: numbers, taken without the logit")
      ->capture_default_str()
      ->check(CLI::IsMember({"fraction", "percent", "any"}));
}

void add_number_scale(CLI::App& command, ScaleChoice& choice) {
  choice = {"auto", false};
  command
      .add_option(
          "--scale", choice.scale,
          "fraction or percent: accuracies, checked to be; any: any numbers; auto: any, but a column of fractions "
          "beside one of percentages is refused")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "any", "fraction", "percent"}));
  command.add_flag("--logit", choice.logit, "analyse the logits of the accuracies");
}

NumberColumn scaled(NumberColumn column, const ScaleChoice& choice) {
  const bool accuracies = choice.scale == "fraction" || choice.scale == "percent";
  if (!accuracies) {
    if (choice.logit && choice.scale == "auto")
      fail_usage("options", "--logit needs accuracies: say --scale fraction or --scale percent");
    return column;
  }
  const stats::Scale scale = choice.scale == "percent" ? stats::Scale::percent : stats::Scale::fraction;
  if (choice.logit)
    column.values = stats::logits(column.sample(), scale);
  else
    (void)stats::fractions(column.sample(), scale);
  return column;
}

}  // namespace tv_app
