// Tables from files of text: rows of named cells, and numbers with the precision in which they were printed.
//
// docs/paper holds those of Kornblith, Shlens & Le, "Do Better ImageNet Models Transfer Better?" (CVPR 2019).
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "tinyvision/core/files.hpp"
#include "tinyvision/stats/table_file.hpp"

TINYVISION_BEGIN
namespace report {

/// A table whose cells are asked for by row and name.
struct TextTable : stats::TableFile {
  TextTable() = default;
  explicit TextTable(stats::TableFile table) : stats::TableFile(std::move(table)) {}

  const std::string& cell(std::size_t row, std::string_view name) const { return rows[row][column(name)]; }
  /// For messages: "table.tsv: row 3 (ResNet-50 v1), column 'DTD'".
  std::string place(std::size_t row, std::string_view name) const {
    return concat_text(path, ": row ", row + 1, " (", rows[row].empty() ? "" : rows[row].front(), "), column '", name,
                       "'");
  }
};

/// Reads a comma- or tab-separated file. Throws UsageError as stats::parse_table.
inline TextTable read_table(const std::string& path) { return TextTable(stats::parse_table(read_file(path), path)); }

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
  double value = 0;
  if (text.size() > 300 || !stats::detail::read_number(text, value))
    fail_usage("table", place, ": '", text.substr(0, 40), "...' is no number");
  const auto places = static_cast<double>(point == std::string::npos ? 0 : text.size() - point - 1);
  return {value, 0.5 * std::pow(10.0, -places)};
}

}  // namespace report
TINYVISION_END
