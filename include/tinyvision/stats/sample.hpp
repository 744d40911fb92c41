// What the tests and fits take: a column of numbers, or a table of them, with the names that error messages use.
//
// Missing values are never dropped silently: a value that is not finite is refused, and the sentence names its row and
// its column.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace stats {

/// A view of a column of numbers; it owns nothing. `name` and `rows` (empty, or one name a value) appear in messages.
struct Sample {
  std::span<const double> values;
  std::string_view name;
  std::span<const std::string> rows;

  Sample(std::span<const double> values_, std::string_view name_ = {}, std::span<const std::string> rows_ = {})
      : values(values_), name(name_), rows(rows_) {}
  Sample(const std::vector<double>& values_, std::string_view name_ = {}, std::span<const std::string> rows_ = {})
      : values(values_), name(name_), rows(rows_) {}

  Index size() const { return static_cast<Index>(values.size()); }
  double operator[](std::size_t i) const { return values[i]; }
};

/// rows x columns numbers, row-major: models down, data sets across in the paper's tables.
struct ScoreTable {
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  std::vector<double> values;

  double operator()(std::size_t row, std::size_t column) const { return values[row * columns.size() + column]; }
};

namespace detail {

/// "column 'Food-101'", or "the sample" where it has no name.
inline std::string sample_text(const Sample& sample) {
  return sample.name.empty() ? std::string("the sample") : concat_text("column '", sample.name, "'");
}

/// "row 3 ('ResNet-50') of column 'Food-101'"; rows count from 1.
inline std::string value_text(const Sample& sample, std::size_t i) {
  const std::string row = i < sample.rows.size() ? concat_text(" ('", sample.rows[i], "')") : std::string();
  return concat_text("row ", i + 1, row, " of ", sample_text(sample));
}

/// Throws UsageError unless the sample has at least `least` values, names for all or none, and
/// all are finite and at most 1e150 in magnitude.
inline void check_sample(std::string_view where, const Sample& sample, Index least) {
  if (!sample.rows.empty() && sample.rows.size() != sample.values.size())
    fail_usage(where, sample_text(sample), " has ", sample.values.size(), " values but ", sample.rows.size(),
               " row names");
  for (std::size_t i = 0; i < sample.values.size(); ++i) {
    if (std::isnan(sample[i])) fail_usage(where, value_text(sample, i), " is not a number (a missing cell?)");
    if (std::isinf(sample[i])) fail_usage(where, value_text(sample, i), " is infinite");
    if (std::fabs(sample[i]) > 1e150)  // whose square is still a number
      fail_usage(where, value_text(sample, i), " is ", sample[i], ": magnitudes above 1e150 are not supported");
  }
  if (sample.size() < least)
    fail_usage(where, sample_text(sample), " has ", sample.size(), sample.size() == 1 ? " value" : " values",
               " and needs at least ", least);
}

/// As `check_sample` for both; throws UsageError too when their lengths differ.
inline void check_pair(std::string_view where, const Sample& x, const Sample& y, Index least) {
  if (x.size() != y.size())
    fail_usage(where, "the samples must be paired, but ", sample_text(x), " has ", x.size(), " values and ",
               y.name.empty() ? "the other sample" : sample_text(y), " has ", y.size());
  check_sample(where, x, least);
  check_sample(where, y, least);
}

/// Throws UsageError when a name occurs twice.
inline void check_unique(std::string_view where, std::string_view what, std::span<const std::string> names) {
  std::map<std::string_view, std::size_t> first;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto [at, added] = first.emplace(names[i], i);
    if (!added) fail_usage(where, what, "s ", at->second + 1, " and ", i + 1, " are both named '", names[i], "'");
  }
}

/// Throws UsageError on missing or surplus cells, cells that are not finite, duplicate names and too small a table.
inline void check_table(std::string_view where, const ScoreTable& table, Index least_rows, Index least_columns) {
  const std::size_t columns = table.columns.size();
  if (table.values.size() != table.rows.size() * columns)
    fail_usage(where, "a table of ", table.rows.size(), " rows and ", columns, " columns needs ",
               table.rows.size() * columns, " cells, got ", table.values.size());
  check_unique(where, "row", table.rows);
  check_unique(where, "column", table.columns);
  for (std::size_t i = 0; i < table.values.size(); ++i)
    if (!std::isfinite(table.values[i]))
      fail_usage(where, "row ", i / columns + 1, " ('", table.rows[i / columns], "') of column '",
                 table.columns[i % columns], "' is ",
                 std::isnan(table.values[i]) ? "not a number (a missing cell?)" : "infinite");
  if (static_cast<Index>(table.rows.size()) < least_rows || static_cast<Index>(columns) < least_columns)
    fail_usage(where, "the table has ", table.rows.size(), " x ", columns,
               " cells (rows x columns) and needs at least ", least_rows, " x ", least_columns);
}

inline void check_confidence(std::string_view where, double confidence) {
  if (!(confidence > 0 && confidence < 1)) fail_usage(where, "confidence must be inside (0, 1), got ", confidence);
}

inline double mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

/// Sum of (v - m)^2; `m` is the mean.
inline double squared_deviations(std::span<const double> values, double m) {
  double sum = 0;
  for (const double v : values) sum += (v - m) * (v - m);
  return sum;
}

/// True when all values are equal, or differ by no more than rounding: their deviations' norm is at most 1e-13 |mean|.
inline bool constant(std::span<const double> values, double m, double squares) {
  bool equal = true;
  for (const double v : values) equal = equal && v == values[0];
  return equal || std::sqrt(squares) <= 1e-13 * std::fabs(m);
}

}  // namespace detail
}  // namespace stats
TINYVISION_END
