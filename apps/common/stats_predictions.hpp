// Predictions as files: a row an example with its label and what was predicted, as predictions.csv of tv_finetune and
// tv_linear_probe (predictions.hpp). Labels are numbers or words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/stats_command.hpp"
#include "common/stats_tables.hpp"

namespace tv_app {

struct PredictionTable {
  std::string path;
  std::vector<std::string> names;  ///< of the examples; empty: known by their order
  std::vector<std::string> labels, predictions;
  std::vector<double> probabilities;  ///< of the predicted classes; may be empty

  /// 1 where the prediction is the label.
  std::vector<std::uint8_t> hits() const;
};

/// Reads columns label and prediction, the examples' names (column path) and probability where they are there. Throws
/// UsageError naming file, row and column for what is missing, and for two rows of one name.
PredictionTable read_predictions(StatsRun& run, const std::string& path);

/// Puts the rows of `second` in the order of `first`. Throws UsageError, naming files and rows, when they are not predictions
/// of the same examples with the same labels.
void match_predictions(const PredictionTable& first, PredictionTable& second);

/// Classes by name: numbers in their order, then words in theirs.
std::vector<std::string> class_names(const std::vector<const std::vector<std::string>*>& columns);

/// Where each of `words` stands in `classes`.
std::vector<tinyvision::Index> class_indices(const std::vector<std::string>& words,
                                             const std::vector<std::string>& classes);

}  // namespace tv_app
