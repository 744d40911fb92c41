// Values of MATLAB files, as far as label files use them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace data {

/// An array of numbers, characters, structs or cells. Elements are in column-major order.
struct MatValue {
  enum class Kind { numeric, text, structure, cell };

  Kind kind = Kind::numeric;
  std::vector<Index> dims{0, 0};
  std::vector<double> numbers{};  ///< numeric; integers above 2^53 lose their last bits
  std::string text{};             ///< characters, one byte each ("?" for those above 255); matrices column by column
  std::vector<MatValue> cells{};
  /// Structure: for each field its value in every element.
  std::vector<std::pair<std::string, std::vector<MatValue>>> fields{};

  /// Product of dims.
  Index elements() const {
    Index n = 1;
    for (const Index d : dims) n *= d;
    return n;
  }

  static MatValue row(std::vector<double> values) {
    MatValue v;
    v.dims = {1, static_cast<Index>(values.size())};
    v.numbers = std::move(values);
    return v;
  }
  static MatValue characters(std::string value) {
    MatValue v;
    v.kind = Kind::text;
    v.dims = {value.empty() ? 0 : 1, static_cast<Index>(value.size())};
    v.text = std::move(value);
    return v;
  }

  /// Field `name` of element i of a structure. Throws UsageError with `where` when there is none.
  const MatValue& field(std::string_view name, Index i, std::string_view where) const {
    for (const auto& [key, values] : fields)
      if (key == name && i >= 0 && i < static_cast<Index>(values.size())) return values[static_cast<std::size_t>(i)];
    fail_usage("mat", where, ": element ", i, " has no field '", name, "'");
  }
  bool has_field(std::string_view name) const {
    for (const auto& [key, values] : fields)
      if (key == name) return true;
    return false;
  }
  /// The only number of a 1 x 1 array.
  double number(std::string_view where) const {
    if (kind != Kind::numeric || numbers.size() != 1)
      fail_usage("mat", where, ": a single number expected, not ", describe());
    return numbers.front();
  }
  const std::string& string(std::string_view where) const {
    if (kind != Kind::text) fail_usage("mat", where, ": text expected, not ", describe());
    return text;
  }
  /// "5x1 numeric array"
  std::string describe() const {
    static constexpr const char* kinds[] = {"numeric array", "text", "structure", "cell array"};
    std::string out;
    for (const Index d : dims) out += (out.empty() ? "" : "x") + std::to_string(d);
    return out + " " + kinds[static_cast<int>(kind)];
  }
};

/// The variables of a file, in its order.
using MatVariables = std::vector<std::pair<std::string, MatValue>>;

/// The variable of that name. Throws UsageError naming `where` and what there is.
inline const MatValue& find_variable(const MatVariables& variables, std::string_view name, std::string_view where) {
  std::string there;
  for (const auto& [key, value] : variables) {
    if (key == name) return value;
    there += (there.empty() ? "" : ", ") + key;
  }
  fail_usage("mat", where, ": no variable '", name, "'; there is ", there.empty() ? "none" : there);
}

}  // namespace data
TINYVISION_END
