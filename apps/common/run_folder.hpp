// What a program left of a run: results.json, curve.csv and predictions.csv, held to each other.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/predictions.hpp"
#include "common/results.hpp"
#include "tinyvision/train/training_run.hpp"

namespace tv_app {

struct RunFolder {
  std::string folder, app;
  Json results;
  std::vector<std::string> classes;  ///< names; "class 0"... where results.json has none (before version 0.1)
  bool named = false;                ///< results.json names the classes
  /// A network with a background class may predict it: the row then says -1, and here it is the class behind the last.
  bool background = false;
  std::vector<tinyvision::CurveRow> curve;                   ///< empty: there is no curve.csv
  std::vector<Prediction> predictions;                       ///< empty: there is no predictions.csv
  std::vector<std::pair<std::string, std::string>> digests;  ///< SHA-256 of each file that was read, by name

  /// config.<key> of results.json as text; empty when there is none.
  std::string option(const std::string& key) const;
};

/// Reads the folder of a run of tv_finetune, tv_pretrain, tv_linear_probe or tv_predict. Throws UsageError naming file, row
/// and column when results.json is missing or not of those programs, when a cell is no number or lies outside its range,
/// when a path comes twice, and when the predictions are not those that results.json counted.
RunFolder read_run_folder(const std::string& folder);

/// The value at a path of keys ({"metrics", "test"}); null when there is none.
const Json* find_value(const Json& json, const std::vector<std::string>& keys);

}  // namespace tv_app
