// What the images of a batch show, where they can show several classes (PASCAL VOC).
#pragma once

#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/data/dataset.hpp"

TINYVISION_BEGIN
namespace data {

/// Dataset::presence of `examples`, row by row: 1 present, -1 absent, 0 only difficult instances. Empty where an image of
/// the data set shows one class.
inline std::vector<std::int8_t> presence_rows(const Dataset& dataset, const std::vector<Index>& examples) {
  std::vector<std::int8_t> rows;
  for (const Index i : examples) {
    const std::span<const std::int8_t> row = dataset.presence(i);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

/// The same as [n, classes] i64, beside labels [n] i64; undefined where an image of the data set shows one class.
inline Tensor presence_of(const Dataset& dataset, const std::vector<Index>& examples) {
  const std::vector<std::int8_t> rows = presence_rows(dataset, examples);
  if (rows.empty()) return Tensor();
  return Tensor::from_vector<std::int64_t>({static_cast<Index>(examples.size()), dataset.classes()},
                                           std::vector<std::int64_t>(rows.begin(), rows.end()));
}

}  // namespace data
TINYVISION_END
