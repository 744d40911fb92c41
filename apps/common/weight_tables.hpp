// Weight files for people: one line about what was read, a table of the tensors, and what two files differ in.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"
#include "tinyvision/core/digest.hpp"

namespace tv_app {

/// "w.ckpt: TensorFlow V1 checkpoint, 18 tensors, 17 of them moving averages; passed over: 1 step counter, 22 optimiser
/// slot".
inline std::string describe(const tinyvision::WeightFile& file) {
  std::string text = tinyvision::concat_text(file.path, ": ", file.format, ", ", file.tensors.size(), " tensors");
  if (!file.averaged.empty()) text += ", " + std::to_string(file.averaged.size()) + " of them moving averages";
  std::map<std::string, int> reasons;
  for (const tinyvision::checkpoint::PassedOver& variable : file.passed_over) ++reasons[variable.reason];
  std::string separator = "; passed over: ";
  for (const auto& [reason, count] : reasons) {
    text += separator + std::to_string(count) + " " + reason;
    separator = ", ";
  }
  return text;
}

/// What a table says of a tensor. Sums are taken in double, in order.
struct TensorRow {
  std::string name, shape, dtype;
  double mean = 0;  ///< NaN without elements
  double norm = 0;  ///< square root of the sum of squares
  std::string sha256;
};

inline TensorRow tensor_row(const std::string& name, const tinyvision::Tensor& tensor) {
  const tinyvision::Tensor packed = tensor.packed();
  TensorRow row{name, tensor.shape().text(), to_string(tensor.dtype()), 0, 0, {}};
  double sum = 0, squares = 0;
  for (const double value : packed.to_vector<double>()) sum += value, squares += value * value;
  row.mean = packed.count() > 0 ? sum / static_cast<double>(packed.count()) : std::nan("");
  row.norm = std::sqrt(squares);
  row.sha256 = tinyvision::sha256_hex({static_cast<const char*>(packed.raw()), packed.bytes()});
  return row;
}

/// Prints the rows in columns; of a digest the first 16 digits.
inline void print_tensor_rows(const std::vector<TensorRow>& rows) {
  std::size_t name = 4, shape = 5;
  for (const TensorRow& row : rows) name = std::max(name, row.name.size()), shape = std::max(shape, row.shape.size());
  const int n = static_cast<int>(name), s = static_cast<int>(shape);
  std::printf("%-*s  %-*s  dtype  %12s  %12s  sha256\n", n, "name", s, "shape", "mean", "norm");
  for (const TensorRow& row : rows)
    std::printf("%-*s  %-*s  %-5s  %12.5g  %12.5g  %.16s\n", n, row.name.c_str(), s, row.shape.c_str(),
                row.dtype.c_str(), row.mean, row.norm, row.sha256.c_str());
}

inline Json json_of(const TensorRow& row) {
  return {{"name", row.name}, {"shape", row.shape}, {"dtype", row.dtype},
          {"mean", row.mean}, {"norm", row.norm},   {"sha256", row.sha256}};
}

/// How `b` differs from `a`; empty when every bit agrees, or, with tolerance >= 0, no two values are further apart.
/// NaN agrees with NaN.
inline std::string tensor_difference(const tinyvision::Tensor& a, const tinyvision::Tensor& b, double tolerance) {
  if (a.shape() != b.shape()) return tinyvision::concat_text("shapes ", a.shape(), " and ", b.shape());
  if (a.dtype() != b.dtype() && tolerance < 0)
    return tinyvision::concat_text("dtypes ", to_string(a.dtype()), " and ", to_string(b.dtype()));
  const tinyvision::Tensor x = a.packed(), y = b.packed();
  if (a.dtype() == b.dtype() && (x.bytes() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0)) return "";
  const std::vector<double> left = x.to_vector<double>(), right = y.to_vector<double>();
  double largest = 0;
  std::size_t differing = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (std::memcmp(&left[i], &right[i], sizeof(double)) == 0 || (std::isnan(left[i]) && std::isnan(right[i])))
      continue;
    ++differing;
    const double apart = left[i] == right[i] ? 0 : std::abs(left[i] - right[i]);
    largest = std::isnan(apart) ? HUGE_VAL : std::max(largest, apart);
  }
  if (tolerance >= 0 && largest <= tolerance) return "";
  return tinyvision::concat_text(differing, " of ", left.size(), " values, by ", tinyvision::format_shortest(largest),
                                 " at most");
}

struct Difference {
  std::string name, what;
};

/// All names whose tensors differ, in the order of `a`, then those that only `b` has.
inline std::vector<Difference> compare_weights(const tinyvision::WeightFile& a, const tinyvision::WeightFile& b,
                                               double tolerance) {
  std::map<std::string_view, const tinyvision::Tensor*> others;
  for (const auto& [name, tensor] : b.tensors) others.emplace(name, &tensor);
  std::vector<Difference> differences;
  for (const auto& [name, tensor] : a.tensors) {
    const auto other = others.find(name);
    const std::string what =
        other == others.end() ? "only in " + a.path : tensor_difference(tensor, *other->second, tolerance);
    if (!what.empty()) differences.push_back({name, what});
    if (other != others.end()) others.erase(other);
  }
  for (const auto& [name, tensor] : b.tensors)
    if (others.contains(name)) differences.push_back({name, "only in " + b.path});
  return differences;
}

}  // namespace tv_app
