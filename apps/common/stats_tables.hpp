// The tables that tv_stats reads: CSV, TSV or JSON, columns chosen by name, rows by a value, columns of a second file beside
// them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/stats_command.hpp"
#include "tinyvision/stats/table_file.hpp"

namespace tv_app {

/// A table in JSON: a list of records (a record's missing name is a missing cell), or an object of lists of equal length.
/// Throws UsageError naming `path` and the record or column that is at fault.
tinyvision::stats::TableFile parse_json_table(std::string_view text, const std::string& path);

/// A file by its ending: .json, else comma- or tab-separated text.
tinyvision::stats::TableFile read_stats_table(StatsRun& run, const std::string& path);

/// Which table, and which rows of it.
struct TableChoice {
  std::string path, names, where, join;
};

/// FILE, --names, --where, --join.
void add_table_options(CLI::App& command, TableChoice& choice, bool required = true);

/// A table and the names of its rows (none, or one each).
struct NamedTable {
  tinyvision::stats::TableFile file;
  std::string names_column;
  std::vector<std::string> names;

  tinyvision::stats::NumberColumn numbers(std::string_view column) const {
    return tinyvision::stats::number_column(file, column, names);
  }
  /// `chosen`, or without a choice every column of numbers that is not in `except`.
  std::vector<std::string> number_columns(const std::vector<std::string>& chosen,
                                          const std::vector<std::string>& except = {}) const;
};

/// The names of a table's rows are in the column `names`; without it in the first column, when that holds text; "none": rows
/// have no names.
NamedTable with_names(tinyvision::stats::TableFile file, const std::string& names);

NamedTable open_table(StatsRun& run, const TableChoice& choice);

/// How numbers are to be understood.
struct ScaleChoice {
  std::string scale;
  bool logit = false;
};

/// --scale fraction, percent or any, for a command that takes logits unless it is any.
void add_accuracy_scale(CLI::App& command, ScaleChoice& choice);

/// --scale auto, any, fraction or percent, and --logit, for a command that takes numbers as they are.
void add_number_scale(CLI::App& command, ScaleChoice& choice);

/// The column as the command is to see it: its logits, checked accuracies, or the numbers as they are.
tinyvision::stats::NumberColumn scaled(tinyvision::stats::NumberColumn column, const ScaleChoice& choice);

}  // namespace tv_app
