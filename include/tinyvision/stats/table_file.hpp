// Tables as people keep them: comma- or tab-separated text with a header, whose columns are chosen by name.
//
// A missing cell is never skipped and text is never taken for a number: the column that has one is refused when it is
// asked for, by a sentence that names file, row and column. Rows count from 1 below the header.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/text.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

/// Cells as they are written, by rows; every row has one cell a column.
struct TableFile {
  std::string path;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  bool has(std::string_view name) const { return std::find(columns.begin(), columns.end(), name) != columns.end(); }

  /// Number of a column. Throws UsageError that names the file and its columns.
  std::size_t column(std::string_view name) const {
    const auto at = std::find(columns.begin(), columns.end(), name);
    if (at == columns.end())
      fail_usage("table", path, ": no column '", name, "'", suggestion(name, columns), "; there are ",
                 join_names(columns, 30));
    return static_cast<std::size_t>(at - columns.begin());
  }
};

/// A column of numbers with the names of its rows (none, or one each). `sample` is a view of it.
struct NumberColumn {
  std::string name;
  std::vector<double> values;
  std::vector<std::string> rows;

  Sample sample() const { return Sample(values, name, rows); }
};

namespace detail {

/// Reads records of cells (RFC 4180: a cell that begins with a quote ends with one, and "" inside it is one quote).
class RecordReader {
 public:
  RecordReader(std::string_view text, std::string_view path, char separator)
      : text_(text), path_(path), separator_(separator) {}

  /// False at the end. Empty lines are passed over. `line` is that of the record's first byte.
  bool next(std::vector<std::string>& cells, Index& line) {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n")) step_over_line_end();
    cells.clear();
    line = line_;
    if (at_ >= text_.size()) return false;
    for (;;) {
      cells.push_back(cell());
      if (at_ >= text_.size()) return true;
      if (text_[at_] != separator_) break;
      ++at_;
    }
    step_over_line_end();
    return true;
  }

 private:
  bool at_line_end() const { return text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n" || text_.substr(at_) == "\r"; }
  void step_over_line_end() {
    at_ = std::min(text_.size(), at_ + (text_[at_] == '\r' ? 2 : 1));
    ++line_;
  }
  std::string cell() {
    std::string out;
    if (at_ < text_.size() && text_[at_] == '"') {
      const Index began = line_;
      for (++at_;; ++at_) {
        if (at_ >= text_.size()) fail_usage("table", path_, ": line ", began, ": a quoted cell does not end");
        if (text_[at_] == '"' && text_.substr(at_, 2) != "\"\"") break;
        if (text_[at_] == '"') ++at_;
        line_ += text_[at_] == '\n' ? 1 : 0;
        out += text_[at_];
      }
      ++at_;
      if (at_ < text_.size() && text_[at_] != separator_ && !at_line_end())
        fail_usage("table", path_, ": line ", line_, ": text after the closing quote of a cell");
      return out;
    }
    while (at_ < text_.size() && text_[at_] != separator_ && !at_line_end()) out += text_[at_++];
    return out;
  }

  std::string_view text_, path_;
  char separator_;
  std::size_t at_ = 0;
  Index line_ = 1;
};

inline std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// What people write where there is no value.
inline bool missing_cell(std::string_view cell) {
  for (const char* word : {"", "-", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "None"})
    if (cell == word) return true;
  return false;
}

/// Whether `cell` is a whole decimal number; `value` is it, infinite when it is too large for a double.
inline bool read_number(std::string_view cell, double& value) {
  if (cell.starts_with('+') && cell.size() > 1 && cell[1] != '-') cell.remove_prefix(1);
  if (cell.find_first_not_of("0123456789+-.eE") != std::string_view::npos) return false;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (end != cell.data() + cell.size() || cell.empty()) return false;
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<double>::infinity();
  return error == std::errc() || error == std::errc::result_out_of_range;
}

/// "FILE: row 3 ('ResNet-50') of column 'Food-101'".
inline std::string cell_text(const TableFile& table, std::size_t row, std::size_t column,
                             const std::vector<std::string>& names) {
  const std::string name = row < names.size() ? concat_text(" ('", names[row], "')") : std::string();
  return concat_text(table.path, ": row ", row + 1, name, " of column '", table.columns[column], "'");
}

}  // namespace detail

/// Reads `text`: tab-separated when the header has a tab, else comma-separated; a cell may be quoted. A byte order mark,
/// lines that begin with # above the header and empty lines are passed over; lines end with LF or CR LF. Throws UsageError
/// naming `path` and line for rows with another number of cells than the header, columns without a name or of the same name,
/// quotes that do not close, semicolons for separators, and a table without rows.
inline TableFile parse_table(std::string_view text, const std::string& path) {
  constexpr std::string_view where = "table";
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Index above = 0;
  for (; text.starts_with('#'); ++above)
    text.remove_prefix(std::min(text.size(), text.find('\n')) + (text.find('\n') < text.size() ? 1 : 0));
  const std::string_view header =
      text.substr(0, text.find('\n', std::min(text.size(), text.find_first_not_of("\r\n"))));
  const char separator = header.find('\t') != std::string_view::npos ? '\t' : ',';
  if (separator == ',' && header.find(',') == std::string_view::npos && header.find(';') != std::string_view::npos)
    fail_usage(where, path, ": the header has semicolons but neither commas nor tabs: separate cells by one of those");
  detail::RecordReader reader(text, path, separator);
  TableFile table{path, {}, {}};
  std::vector<std::string> cells;
  Index line = 0;
  if (!reader.next(cells, line)) fail_usage(where, path, ": empty, a header line is needed");
  for (const std::string& name : cells) {
    table.columns.emplace_back(detail::trimmed(name));
    if (table.columns.back().empty())
      fail_usage(where, path, ": line ", above + line, ": column ", table.columns.size(), " has no name");
    if (std::count(table.columns.begin(), table.columns.end(), table.columns.back()) > 1)
      fail_usage(where, path, ": line ", above + line, ": two columns are named '", table.columns.back(), "'");
  }
  while (reader.next(cells, line)) {
    if (cells.size() != table.columns.size())
      fail_usage(where, path, ": row ", table.rows.size() + 1, " (line ", above + line, ") has ", cells.size(),
                 cells.size() == 1 ? " cell" : " cells", ", the header has ", table.columns.size());
    for (std::string& cell : cells) cell = std::string(detail::trimmed(cell));
    table.rows.push_back(cells);
  }
  if (table.rows.empty()) fail_usage(where, path, ": no rows below the header");
  return table;
}

/// The cells of a column of text. Throws UsageError that names the row of an empty one.
inline std::vector<std::string> text_column(const TableFile& table, std::string_view name) {
  const std::size_t column = table.column(name);
  std::vector<std::string> cells;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    cells.push_back(table.rows[r][column]);
    if (cells.back().empty())
      fail_usage("table", detail::cell_text(table, r, column, {}), " is empty (a missing cell?)");
  }
  return cells;
}

/// The names of rows in column `name`. Throws UsageError when one is empty, or two are equal.
inline std::vector<std::string> row_names(const TableFile& table, std::string_view name) {
  std::vector<std::string> names = text_column(table, name);
  std::map<std::string_view, std::size_t> first;
  for (std::size_t r = 0; r < names.size(); ++r)
    if (const auto [at, added] = first.emplace(names[r], r); !added)
      fail_usage("table", table.path, ": rows ", at->second + 1, " and ", r + 1, " of column '", name,
                 "' have the same name '", names[r], "'");
  return names;
}

/// True when every cell of the column that is not missing is a number, and one is.
inline bool holds_numbers(const TableFile& table, std::string_view name) {
  const std::size_t column = table.column(name);
  bool any = false;
  for (const auto& row : table.rows) {
    double value = 0;
    if (detail::missing_cell(row[column])) continue;
    if (!detail::read_number(row[column], value)) return false;
    any = true;
  }
  return any;
}

/// The numbers of column `name`; `names` (none, or one a row) are for messages and are kept. Throws UsageError that names
/// file, row and column for a missing cell and for what is no finite number.
inline NumberColumn number_column(const TableFile& table, std::string_view name,
                                  const std::vector<std::string>& names = {}) {
  const std::size_t column = table.column(name);
  NumberColumn out{std::string(name), {}, names};
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const std::string& cell = table.rows[r][column];
    const auto refuse = [&](const auto&... what) {
      fail_usage("table", detail::cell_text(table, r, column, names), " is ", what...);
    };
    double value = 0;
    if (detail::missing_cell(cell))
      cell.empty() ? refuse("empty (a missing cell?)") : refuse("'", cell, "', not a number (a missing cell?)");
    if (!detail::read_number(cell, value)) {
      const bool comma = cell.find(',') != std::string::npos && cell.find('.') == std::string::npos;
      refuse("'", cell, "', not a number",
             cell.ends_with('%') ? ": write percentages without the sign"
             : comma             ? " (a decimal comma? Write a point)"
                                 : "");
    }
    if (std::isinf(value)) refuse("'", cell, "', too large for a number");
    out.values.push_back(value);
  }
  return out;
}

/// The rows whose cell in `column` is `value`. Throws UsageError, with what there is instead, when none is.
inline TableFile rows_where(const TableFile& table, std::string_view column, std::string_view value) {
  const std::size_t at = table.column(column);
  TableFile out{table.path, table.columns, {}};
  std::vector<std::string> values;
  for (const auto& row : table.rows) {
    if (row[at] == value) out.rows.push_back(row);
    if (std::find(values.begin(), values.end(), row[at]) == values.end()) values.push_back(row[at]);
  }
  if (out.rows.empty())
    fail_usage("table", table.path, ": no row has '", value, "' in column '", column, "'; there are ",
               join_names(values, 10));
  return out;
}

/// `first` with the columns of `second` beside it, rows matched by the cells of column `name`, which both have; rows of
/// `second` that `first` lacks are left out. Throws UsageError naming row and file for names that come twice or are missing
/// in `second`, and for another column that both have.
inline TableFile join_tables(const TableFile& first, const TableFile& second, std::string_view name) {
  const std::vector<std::string> left = row_names(first, name), right = row_names(second, name);
  const std::size_t key = second.column(name);
  std::map<std::string_view, std::size_t> row_of;
  for (std::size_t r = 0; r < right.size(); ++r) row_of.emplace(right[r], r);
  TableFile out = first;
  for (std::size_t c = 0; c < second.columns.size(); ++c) {
    if (c == key) continue;
    if (first.has(second.columns[c]))
      fail_usage("table", "column '", second.columns[c], "' is in ", first.path, " and in ", second.path);
    out.columns.push_back(second.columns[c]);
  }
  for (std::size_t r = 0; r < left.size(); ++r) {
    const auto at = row_of.find(left[r]);
    if (at == row_of.end())
      fail_usage("table", second.path, ": no row '", left[r], "' in column '", name, "', which is row ", r + 1, " of ",
                 first.path);
    for (std::size_t c = 0; c < second.columns.size(); ++c)
      if (c != key) out.rows[r].push_back(second.rows[at->second][c]);
  }
  return out;
}

}  // namespace stats
TINYVISION_END
