// How fast a machine works: what a plan's times are made of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tinyvision/core/config.hpp"

namespace tv_app {

using tinyvision::Index;

/// One row of a table of rates (presets/rates/*.tsv).
struct Rate {
  std::string work;      ///< train, infer (images/s of a network), decode (images/s), products (GFLOP/s of classifiers)
  std::string network;   ///< with its width, as in "mobilenet_v1 width=0.25"; "*" where it does not matter
  Index image_size = 0;  ///< pixels; 0 where it does not matter
  double per_second = 0;
  std::string basis;   ///< measured or predicted; of a row that another image size was made of: "measured, scaled"
  std::string source;  ///< which command or document says so
};

class Rates {
 public:
  Rates() = default;
  explicit Rates(std::vector<Rate> rows) : rows_(std::move(rows)) {}

  /// Rows that are preferred to those that are there.
  void prefer(const std::vector<Rate>& rows) { rows_.insert(rows_.begin(), rows.begin(), rows.end()); }

  /// Reads a table with the columns work, network, image_size, per_second, basis, source. Throws UsageError naming file, row
  /// and column.
  static Rates read(const std::string& path);

  /// The rate of a network at an image size. Another size of the same network is scaled by the number of pixels, the nearest
  /// one; nothing where the network has no row.
  std::optional<Rate> find(const std::string& work, const std::string& network, Index image_size) const;

 private:
  std::vector<Rate> rows_;
};

}  // namespace tv_app
