// Scores, truths and features of examples as matrices: from tables, or from safetensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/stats_command.hpp"
#include "common/stats_tables.hpp"
#include "tinyvision/core/tensor.hpp"

namespace tv_app {

/// Examples down, classes or features across. Of a table: its rows' names (none, or one each), and the column of labels.
struct StatsMatrix {
  std::string path;
  tinyvision::Tensor values;  ///< [n, d] f32 or f64
  std::vector<std::string> names, columns, labels;
};

struct MatrixChoice {
  std::string path, names, tensor, label = "label";
};

/// FILE as `option` of `command`, --names, --tensor, --label; what is chosen beside the file holds for all files of a
/// command.
void add_matrix_options(CLI::App& command, MatrixChoice& choice, const std::string& option, const std::string& help);

/// Reads a table, all of whose columns of numbers but the label's are taken, or a safetensors file: its tensor --tensor (or
/// the only one of rank 2), and `labels`. Throws UsageError naming file, row and column.
StatsMatrix read_matrix(StatsRun& run, const MatrixChoice& choice);

/// `matrix` with the rows in the order of `names` and the columns in the order of `columns`. Names are matched where both
/// have them, else counts must agree. Throws UsageError naming what is missing; `other` is the file that `matrix` must fit.
StatsMatrix matched(const StatsMatrix& matrix, const std::vector<std::string>& names,
                    const std::vector<std::string>& columns, const std::string& other);

/// Truths of many labels, row by row: 1 present, -1 absent, 0 difficult. Throws UsageError naming row and column for other
/// numbers, and for a file without any -1, which was written with 0 for absent.
std::vector<std::int8_t> truths(const StatsMatrix& matrix);

}  // namespace tv_app
