// predictions.csv: one row per test example.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/core/text.hpp"

namespace tv_app {

using tinyvision::csv_field;
using tinyvision::Index;

/// Classes are 0-based; `probability` is that of the predicted class.
struct Prediction {
  std::string path;
  Index label = 0;
  Index prediction = 0;
  double probability = 0;
};

inline std::string predictions_csv(const std::vector<Prediction>& rows) {
  std::string out = "path,label,prediction,probability\n";
  for (const Prediction& row : rows) {
    out += csv_field(row.path) + "," + std::to_string(row.label) + "," + std::to_string(row.prediction) + "," +
           tinyvision::format_shortest(row.probability) + "\n";
  }
  return out;
}

/// Writes `folder`/predictions.csv, all or nothing; nothing when `folder` is empty.
inline void write_predictions(const std::string& folder, const std::vector<Prediction>& rows) {
  if (folder.empty()) return;
  tinyvision::write_file_atomically((std::filesystem::path(folder) / "predictions.csv").string(),
                                    predictions_csv(rows));
}

}  // namespace tv_app
