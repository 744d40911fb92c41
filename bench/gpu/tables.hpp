// The results of gpu-check as Markdown.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace gpu_check {

using Json = nlohmann::ordered_json;

/// A number in `format` times `scale`, or a dash where the row has none.
inline std::string cell(const Json& row, const char* key, const char* format, double scale = 1) {
  if (!row.contains(key) || !row[key].is_number()) return "-";
  char text[64];
  std::snprintf(text, sizeof text, format, row[key].get<double>() * scale);
  return text;
}
inline std::string words(const Json& row, const char* key) { return row[key].get<std::string>(); }

inline std::string markdown(const Json& results) {
  std::string out = "# gpu-check\n\n";
  const auto line = [&](std::initializer_list<std::string> cells) {
    for (const std::string& c : cells) out += "| " + c + " ";
    out += "|\n";
  };
  if (results["environment"]["gpu"].is_string()) out += words(results["environment"], "gpu") + ", ";
  out += "copy rate " + cell(results, "copy_bytes_per_second", "%.0f", 1e-9) + " GB/s (read and written).\n";
  if (results.contains("operations")) {
    out += "\n| operation | dtype | shape | path | error | tolerance | repeatable | us | GB/s | of copy | TFLOP/s |\n";
    out += "|---|---|---|---|---|---|---|---|---|---|---|\n";
    for (const Json& r : results["operations"])
      line({words(r, "operation"), words(r, "dtype"), words(r, "shape"), words(r, "path"), cell(r, "error", "%.1e"),
            cell(r, "tolerance", "%.0e"), r["repeatable"].get<bool>() ? "yes" : "NO", cell(r, "seconds", "%.1f", 1e6),
            cell(r, "bytes_per_second", "%.0f", 1e-9), cell(r, "of_copy_rate", "%.2f"),
            cell(r, "flops_per_second", "%.2f", 1e-12)});
  }
  if (results.contains("parity")) {
    out += "\nAgainst the CPU from the same state, largest relative differences:\n\n";
    out += "| network | steps | loss | weights | tolerance |\n|---|---|---|---|---|\n";
    for (const Json& r : results["parity"])
      line({words(r, "network"), cell(r, "steps", "%.0f"), cell(r, "loss", "%.1e"), cell(r, "weights", "%.1e"),
            cell(r, "tolerance", "%.0e")});
  }
  if (results.contains("networks")) {
    if (results["peer"].is_string()) out += "\nBeside " + words(results, "peer") + ":\n";
    out +=
        "\n| network | mode | precision | path | batch | images/s | peak GB | torch eager | ratio | torch.compile | "
        "ratio |\n";
    out += "|---|---|---|---|---|---|---|---|---|---|---|\n";
    for (const Json& r : results["networks"])
      line({words(r, "network"), words(r, "mode"), words(r, "precision"), words(r, "path"), cell(r, "batch", "%.0f"),
            cell(r, "images_per_second", "%.0f"), cell(r, "peak_bytes", "%.1f", 1e-9), cell(r, "torch_eager", "%.0f"),
            cell(r, "over_eager", "%.2f"), cell(r, "torch_compile", "%.0f"), cell(r, "over_compile", "%.2f")});
  }
  return out;
}

}  // namespace gpu_check
