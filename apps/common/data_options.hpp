// Options that name a labelled data set and its split; and their reading.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "common/results.hpp"
#include "tinyvision/data/content_digest.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

struct DataChoice {
  std::string dataset = "image_folder";
  std::string folder;
  tinyvision::Index train_per_class = -1;  ///< -1: the official parts where there are some, else 30
  double validation = 0.2;
  tinyvision::Index hold_out =
      0;  ///< about so many training images for validation instead of the fraction; 0: the fraction
  std::string split;
  std::vector<std::int64_t> classes;
  std::uint64_t split_seed = 0;
  int part = 1;
  std::string image_cache;  ///< folder of decoded images; empty: none
  bool crop_banner = false;
  bool allow_partial = false;
  bool skip_bad = false;
  bool multi_label = false;  ///< the program can use data sets whose images show several classes (VOC 2007)
};

void add_data_options(CLI::App& app, DataChoice& choice);

/// A data set with its split.
struct LabelledData {
  std::shared_ptr<const tinyvision::data::Dataset> dataset;
  tinyvision::data::Split split;
  std::string split_digest;
  std::string data_digest;  ///< which bytes the examples of the split have (data/content_digest.hpp)
  std::shared_ptr<tinyvision::data::ContentDigests> contents;  ///< for the digests of other examples
  tinyvision::data::OfficialData official;                     ///< as read, with the official parts
  std::string coverage;           ///< what of the official data set is used; empty when it is complete
  tinyvision::Index skipped = 0;  ///< unreadable examples that were left out (--skip-bad)

  /// Training and validation examples together, in the data set's order.
  std::vector<tinyvision::Index> train_and_validation() const {
    std::vector<tinyvision::Index> all = split.train;
    all.insert(all.end(), split.validation.begin(), split.validation.end());
    std::sort(all.begin(), all.end());
    return all;
  }
};

/// Reads the data set, draws or reads its split, and writes it to `out`/split.tsv. Reads all bytes of the split's examples once,
/// for their digest, unless `out` (or the folder of --image-cache) has it from before and no file changed. Partial data
/// (--allow-partial) are said on stderr. Throws UsageError for a data set that the program cannot use (see
/// DataChoice::multi_label), before anything is read.
LabelledData read_data(const DataChoice& choice, const std::string& decoder, const std::string& out, bool quiet);

/// Takes unreadable examples (numbers in the data set) out of what coverage says: of the official parts, and of the classes
/// that are there. Called once, when it is known which ones were skipped.
void leave_out(LabelledData& data, const std::vector<tinyvision::Index>& unreadable);

/// Writes to results which data were used: digests `split` and `data`, the decoder, class names, `skipped` (the number of
/// unreadable images left out) and, where the data are not complete, `coverage`.
void record_data(Results& results, const LabelledData& data);

/// What is missing of the data set, after an accuracy: nothing, or a line of its own on stdout.
void report_coverage(const LabelledData& data);

}  // namespace tv_app
