// The published tables of a transfer study, from tab-separated files: accuracies with the precision in which they were
// printed.
//
// docs/paper holds those of Kornblith, Shlens & Le, "Do Better ImageNet Models Transfer Better?" (CVPR 2019).
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/core/text.hpp"

TINYVISION_BEGIN
namespace report {

/// Rows of named cells.
struct TextTable {
  std::string path;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  /// Number of a column. Throws UsageError naming the file and what columns there are.
  std::size_t column(std::string_view name) const {
    for (std::size_t c = 0; c < columns.size(); ++c)
      if (columns[c] == name) return c;
    fail_usage("table", path, ": no column '", name, "'; there are ", join_names(columns, 20));
  }
  const std::string& cell(std::size_t row, std::string_view name) const { return rows[row][column(name)]; }
  /// For messages: "table.tsv: row 3 (ResNet-50 v1), column 'DTD'".
  std::string place(std::size_t row, std::string_view name) const {
    return concat_text(path, ": row ", row + 1, " (", rows[row].empty() ? "" : rows[row].front(), "), column '", name,
                       "'");
  }
};

/// Reads a tab-separated file with a header. Throws UsageError naming file and line when a row has another number of cells,
/// a column comes twice, or there is no row.
inline TextTable read_table(const std::string& path) {
  TextTable table{path, {}, {}};
  const std::string text = read_file(path);
  Index line_number = 0;
  for (std::size_t at = 0; at < text.size(); ++line_number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> cells;
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t tab = std::min(line.find('\t', begin), line.size());
      cells.push_back(line.substr(begin, tab - begin));
      begin = tab + 1;
    }
    if (table.columns.empty()) {
      for (const std::string& name : cells)
        if (std::count(cells.begin(), cells.end(), name) > 1)
          fail_usage("table", path, ": column '", name, "' comes twice");
      table.columns = std::move(cells);
    } else if (cells.size() != table.columns.size()) {
      fail_usage("table", path, ":", line_number + 1, ": ", cells.size(), " cells, the header has ",
                 table.columns.size());
    } else {
      table.rows.push_back(std::move(cells));
    }
  }
  if (table.rows.empty()) fail_usage("table", path, ": no rows");
  return table;
}

/// A number as it was printed, and half a unit of its last digit: what it was before rounding lies within.
struct PrintedNumber {
  double value = 0, half_unit = 0;
  double low() const { return value - half_unit; }
  double high() const { return value + half_unit; }
};

/// "76.9" is 76.9 +- 0.05. Throws UsageError beginning with `place` for what is no plain decimal number.
inline PrintedNumber parse_printed(const std::string& text, std::string_view place) {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::size_t point = text.find('.');
  if (text.empty() || text == "." || digits != std::string::npos ||
      (point != std::string::npos && text.find('.', point + 1) != std::string::npos))
    fail_usage("table", place, ": '", text, "' is no number", text.empty() ? " (a missing cell?)" : "");
  const auto places = static_cast<double>(point == std::string::npos ? 0 : text.size() - point - 1);
  return {std::stod(text), 0.5 * std::pow(10.0, -places)};
}

}  // namespace report
TINYVISION_END
