// scores.csv and truth.csv: scores of images that can show several classes, as tv_stats reads them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/predictions.hpp"
#include "tinyvision/data/presence.hpp"

namespace tv_app {

/// Writes `folder`/scores.csv (scores [n, classes]) and `folder`/truth.csv (1 present, -1 absent, 0 difficult), a row an
/// example, a column a class; nothing when `folder` is empty.
inline void write_label_scores(const std::string& folder, const tinyvision::data::Dataset& dataset,
                               const std::vector<Index>& examples, const tinyvision::Tensor& scores) {
  if (folder.empty()) return;
  std::string header = "path", score_rows, truth_rows;
  for (const std::string& name : dataset.class_names()) header += "," + csv_field(name);
  const std::vector<double> values = scores.to_vector<double>();
  const std::vector<std::int8_t> presence = tinyvision::data::presence_rows(dataset, examples);
  std::size_t at = 0;
  for (const Index example : examples) {
    const std::string path = csv_field(dataset.path(example));
    score_rows += path, truth_rows += path;
    for (Index c = 0; c < dataset.classes(); ++c, ++at) {
      score_rows += "," + tinyvision::format_shortest(values[at]);
      truth_rows += "," + std::to_string(int{presence[at]});
    }
    score_rows += "\n", truth_rows += "\n";
  }
  const std::filesystem::path there(folder);
  tinyvision::write_file_atomically((there / "scores.csv").string(), header + "\n" + score_rows);
  tinyvision::write_file_atomically((there / "truth.csv").string(), header + "\n" + truth_rows);
}

}  // namespace tv_app
