// Scores, truths and features of examples as matrices.
#include "common/stats_matrices.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/core/digest.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

constexpr std::string_view where = "matrix";

std::string row_text(const StatsMatrix& m, Index row) {
  const auto r = static_cast<std::size_t>(row);
  return concat_text("row ", row + 1, r < m.names.size() ? " ('" + m.names[r] + "')" : "");
}

StatsMatrix read_tensor(StatsRun& run, const MatrixChoice& choice) {
  const checkpoint::Safetensors file = checkpoint::load_safetensors(choice.path);
  run.record(choice.path, sha256_file(choice.path));
  StatsMatrix out{choice.path, {}, {}, {}, {}};
  std::string found;
  for (const auto& [name, tensor] : file.tensors) {
    if (choice.tensor.empty() ? tensor.shape().rank() != 2 : name != choice.tensor) continue;
    if (!found.empty())
      fail_usage(where, choice.path, ": '", found, "' and '", name, "' could both be meant; say which with --tensor");
    found = name;
    out.values = tensor;
  }
  if (found.empty())
    fail_usage(where, choice.path,
               choice.tensor.empty() ? ": no tensor of rank 2" : ": no tensor '" + choice.tensor + "'");
  if (out.values.shape().rank() != 2 || (out.values.dtype() != DType::f32 && out.values.dtype() != DType::f64))
    fail_usage(where, choice.path, ": '", found, "' must be [examples, columns] in f32 or f64, got ",
               out.values.text());
  for (Index c = 0; c < out.values.dim(1); ++c) out.columns.push_back(std::to_string(c));
  for (const auto& [name, tensor] : file.tensors)
    if (name == "labels" && tensor.dtype() == DType::i64 && tensor.count() == out.values.dim(0))
      for (const std::int64_t label : tensor.to_vector<std::int64_t>()) out.labels.push_back(std::to_string(label));
  return out;
}

StatsMatrix read_numbers(StatsRun& run, const MatrixChoice& choice) {
  const NamedTable table = with_names(read_stats_table(run, choice.path), choice.names);
  StatsMatrix out{choice.path, {}, table.names, {}, {}};
  if (table.file.has(choice.label)) out.labels = stats::text_column(table.file, choice.label);
  for (const std::string& column : table.file.columns)
    if (column != table.names_column && column != choice.label) out.columns.push_back(column);
  if (out.columns.empty()) fail_usage(where, choice.path, ": no columns of numbers");
  const auto n = static_cast<Index>(table.file.rows.size()), d = static_cast<Index>(out.columns.size());
  out.values = Tensor::empty({n, d}, DType::f64);
  for (Index c = 0; c < d; ++c) {
    const stats::NumberColumn column = table.numbers(out.columns[static_cast<std::size_t>(c)]);
    for (Index r = 0; r < n; ++r) out.values.data<double>()[r * d + c] = column.values[static_cast<std::size_t>(r)];
  }
  return out;
}

/// Where each of `wanted` is in `there`.
std::vector<Index> places(const std::vector<std::string>& wanted, const std::vector<std::string>& there,
                          const std::string& what, const std::string& path, const std::string& other) {
  std::map<std::string_view, Index> at;
  for (std::size_t i = 0; i < there.size(); ++i) at.emplace(there[i], static_cast<Index>(i));
  std::vector<Index> out;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto found = at.find(wanted[i]);
    if (found == at.end())
      fail_usage(where, path, ": no ", what, " '", wanted[i], "', which is ", what, " ", i + 1, " of ", other);
    out.push_back(found->second);
  }
  return out;
}

}  // namespace

void add_matrix_options(CLI::App& command, MatrixChoice& choice, const std::string& option, const std::string& help) {
  command.add_option(option, choice.path, help)->required();
  command.add_option("--names", choice.names,
                     "column with the examples' names; the first one when it holds text; none");
  command.add_option("--label", choice.label, "column with the examples' labels, where there is one")
      ->capture_default_str();
  command.add_option("--tensor", choice.tensor, "name in a safetensors file; without it the only one of rank 2");
}

StatsMatrix read_matrix(StatsRun& run, const MatrixChoice& choice) {
  StatsMatrix out = choice.path.ends_with(".safetensors") ? read_tensor(run, choice) : read_numbers(run, choice);
  const std::vector<double> values = out.values.packed().to_vector<double>();
  const Index d = out.values.dim(1);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      fail_usage(where, out.path, ": ", row_text(out, static_cast<Index>(i) / d), " of column '",
                 out.columns[i % static_cast<std::size_t>(d)], "' is not a finite number");
  return out;
}

StatsMatrix matched(const StatsMatrix& matrix, const std::vector<std::string>& names,
                    const std::vector<std::string>& columns, const std::string& other) {
  const Index n = matrix.values.dim(0), d = matrix.values.dim(1);
  if (columns.size() != matrix.columns.size())
    fail_usage(where, other, " has ", columns.size(), " columns of numbers, ", matrix.path, " has ",
               matrix.columns.size());
  StatsMatrix out = matrix;
  std::vector<Index> row(static_cast<std::size_t>(n));
  std::iota(row.begin(), row.end(), Index{0});
  if (!names.empty() && !matrix.names.empty()) {
    if (names.size() != matrix.names.size())
      fail_usage(where, other, " has ", names.size(), " rows, ", matrix.path, " has ", n);
    row = places(names, matrix.names, "row", matrix.path, other);
    out.names = names;
  }
  const std::vector<Index> column = places(columns, matrix.columns, "column", matrix.path, other);
  out.columns = columns;
  const std::vector<double> values = matrix.values.packed().to_vector<double>();
  out.values = Tensor::empty({n, d}, DType::f64);
  for (Index r = 0; r < n; ++r) {
    if (!matrix.labels.empty())
      out.labels[static_cast<std::size_t>(r)] =
          matrix.labels[static_cast<std::size_t>(row[static_cast<std::size_t>(r)])];
    for (Index c = 0; c < d; ++c)
      out.values.data<double>()[r * d + c] =
          values[static_cast<std::size_t>(row[static_cast<std::size_t>(r)] * d + column[static_cast<std::size_t>(c)])];
  }
  return out;
}

std::vector<std::int8_t> truths(const StatsMatrix& matrix) {
  std::vector<std::int8_t> out;
  const Index d = matrix.values.dim(1);
  const std::vector<double> values = matrix.values.packed().to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 1 && values[i] != -1 && values[i] != 0)
      fail_usage(where, matrix.path, ": ", row_text(matrix, static_cast<Index>(i) / d), " of column '",
                 matrix.columns[i % static_cast<std::size_t>(d)], "' is ", values[i],
                 "; a truth is 1 (present), -1 (absent) or 0 (difficult, left out)");
    out.push_back(static_cast<std::int8_t>(values[i]));
  }
  if (std::count(out.begin(), out.end(), -1) == 0)
    fail_usage(where, matrix.path, ": no truth is -1: write -1 for absent, 0 is for difficult ones that are left out");
  return out;
}

}  // namespace tv_app
