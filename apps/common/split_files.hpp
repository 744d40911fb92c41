// Splits drawn from a data set, written and checked.
#pragma once

#include <cstdint>
#include <string>

#include "common/options.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

struct SplitChoice {
  Index train_per_class = 0;       ///< 0: all of the official training part
  double validation = 0;           ///< fraction of each class's training images; 0: none is carved
  Index validation_per_class = 0;  ///< or so many of each class
  std::uint64_t seed = 0;
};

/// The split asked for: from the official parts or, where there are none, from all examples. Throws UsageError when a class
/// has too few.
tinyvision::data::Split make_split(const tinyvision::data::OfficialData& data, const SplitChoice& choice);

/// Prints counts and digest of a split, and writes `folder`/split.tsv unless `folder` is empty. Returns the digest.
std::string report_split(const tinyvision::data::OfficialData& data, const tinyvision::data::Split& split,
                         const std::string& folder);

/// Holds a split file to the data set: paths, labels, no example twice, and the order that split files have. Prints as
/// report_split does and returns its digest; throws UsageError for what is wrong.
std::string check_split_file(const tinyvision::data::OfficialData& data, const std::string& file);

}  // namespace tv_app
