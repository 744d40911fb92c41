// Logarithmically spaced values, as grids of hyper-parameters have them.
#pragma once

#include <cmath>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// 10^x for `count` equally spaced x from `first` to `last`, in that order; 10^first alone when `count` is 1. Throws Error
/// when it is below 1.
inline std::vector<double> log_spaced(double first, double last, Index count) {
  check(count >= 1, "log_spaced", "count must be at least 1, got ", count);
  std::vector<double> values;
  for (Index i = 0; i < count; ++i)
    values.push_back(std::pow(
        10.0, count == 1 ? first : first + (last - first) * static_cast<double>(i) / static_cast<double>(count - 1)));
  return values;
}

TINYVISION_END
