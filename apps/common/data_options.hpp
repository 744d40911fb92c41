// Options that name a labelled data set and its split; and their reading.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

struct DataChoice {
  std::string dataset = "image_folder";
  std::string folder;
  tinyvision::Index train_per_class = -1;  ///< -1: the official parts where there are some, else 30
  double validation = 0.2;
  std::string split;
  std::vector<std::int64_t> classes;
  std::uint64_t split_seed = 0;
  int part = 1;
  std::string image_cache;  ///< folder of decoded images; empty: none
  bool crop_banner = false;
  bool allow_partial = false;
  bool skip_bad = false;
};

void add_data_options(CLI::App& app, DataChoice& choice);

/// A data set with its split.
struct LabelledData {
  std::shared_ptr<const tinyvision::data::Dataset> dataset;
  tinyvision::data::Split split;
  std::string split_digest;
  std::string coverage;  ///< what of the official data set is there; empty when it is complete

  /// Training and validation examples together, in the data set's order.
  std::vector<tinyvision::Index> train_and_validation() const {
    std::vector<tinyvision::Index> all = split.train;
    all.insert(all.end(), split.validation.begin(), split.validation.end());
    std::sort(all.begin(), all.end());
    return all;
  }
};

/// Reads the data set, draws or reads its split, and writes it to `out`/split.tsv. Partial data (--allow-partial) are said
/// on stderr.
LabelledData read_data(const DataChoice& choice, const std::string& decoder, const std::string& out, bool quiet);

/// What is missing of the data set, after an accuracy: nothing, or a line of its own on stdout.
void report_coverage(const LabelledData& data);

}  // namespace tv_app
