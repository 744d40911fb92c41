// Labels and image numbers in MATLAB files: whole numbers within bounds.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/data/formats/mat_file.hpp"

TINYVISION_BEGIN
namespace data {

/// The variables of one MATLAB file, and its name for messages.
class LabelFile {
 public:
  LabelFile(std::string_view bytes, std::string where)
      : where_(std::move(where)), variables_(read_mat(bytes, where_)) {}

  const std::string& where() const { return where_; }
  /// Throws UsageError naming file and variable when there is none of that name and kind.
  const MatValue& array(std::string_view name, MatValue::Kind kind) const {
    for (const auto& [variable, value] : variables_) {
      if (variable != name) continue;
      if (value.kind != kind) fail_usage("labels", where_, ": the variable '", name, "' is of another kind");
      return value;
    }
    fail_usage("labels", where_, ": has no variable '", name, "'");
  }
  /// The structure array `name`, which has all of `fields`.
  const MatValue& structures(std::string_view name, std::initializer_list<std::string_view> fields) const {
    const MatValue& value = array(name, MatValue::Kind::structure);
    for (const std::string_view field : fields)
      if (!value.has_field(field)) fail_usage("labels", where_, ": '", name, "' has no field '", field, "'");
    return value;
  }
  /// `value` as a whole number in [1, high]; `what` and `element` (from 1) are for the message. Throws UsageError.
  Index counted(double value, Index high, std::string_view what, Index element) const {
    if (!(value >= 1 && value <= static_cast<double>(high)) || value != std::floor(value))
      fail_usage("labels", where_, ": ", what, " ", value, " of element ", element, " is not a whole number in 1..",
                 high);
    return static_cast<Index>(value);
  }

 private:
  std::string where_;
  MatVariables variables_;
};

}  // namespace data
TINYVISION_END
