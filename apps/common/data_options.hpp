// Options that name a labelled data set and its split; and their reading.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "tinyvision/data/split.hpp"

namespace tv_app {

struct DataChoice {
  std::string dataset = "image_folder";
  std::string folder;
  tinyvision::Index train_per_class = 30;
  double validation = 0.2;
  std::string split;
  std::vector<std::int64_t> classes;
  std::uint64_t split_seed = 0;
  bool allow_partial = false;
  bool skip_bad = false;
};

void add_data_options(CLI::App& app, DataChoice& choice);

/// A data set with its split.
struct LabelledData {
  std::shared_ptr<const tinyvision::data::Dataset> dataset;
  tinyvision::data::Split split;
  std::string split_digest;

  /// Training and validation examples together, in the data set's order.
  std::vector<tinyvision::Index> train_and_validation() const {
    std::vector<tinyvision::Index> all = split.train;
    all.insert(all.end(), split.validation.begin(), split.validation.end());
    std::sort(all.begin(), all.end());
    return all;
  }
};

/// Reads the data set, draws or reads its split, and writes it to `out`/split.tsv.
LabelledData read_data(const DataChoice& choice, const std::string& decoder, const std::string& out);

}  // namespace tv_app
