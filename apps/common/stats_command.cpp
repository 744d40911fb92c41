// The commands of tv_stats: their surroundings, and how results are printed.
#include "common/stats_command.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"

namespace tv_app {

using namespace tinyvision;

std::string StatsRun::read(const std::string& path) {
  const std::string bytes = read_file(path);
  record(path, sha256_hex(bytes));
  return bytes;
}

void StatsRun::record(const std::string& path, const std::string& digest) {
  if (std::find(paths_.begin(), paths_.end(), path) == paths_.end()) paths_.push_back(path);
  results_["digests"]["inputs"][path] = digest;
}

void StatsRun::write(const std::string& name, const std::string& text) const {
  if (!common_.out.empty()) write_file_atomically((std::filesystem::path(common_.out) / name).string(), text);
}

std::function<void(Index, Index)> StatsRun::progress(const std::string& label) const {
  const auto line = std::make_shared<std::unique_ptr<Progress>>();
  return [label, line, quiet = common_.quiet](Index done, Index total) {
    if (!*line) *line = std::make_unique<Progress>(label, total, quiet, 0);
    (*line)->update(done);
    if (interrupted()) throw Interrupted("nothing was written");
  };
}

std::string StatsRun::located(const std::string& message) const {
  std::string text = message;
  if (text.find("a percentage where a fraction is expected") != std::string::npos) text += ", or say --scale percent";
  if (text.find("fractions where percentages are expected") != std::string::npos) text += ", or say --scale fraction";
  for (const std::string& path : paths_)
    if (message.find(path) != std::string::npos) return text;
  return paths_.empty() ? text : text + " (" + join_names(paths_) + ")";
}

std::vector<StatsCommand> stats_commands() {
  std::vector<StatsCommand> all;
  for (auto* group : {accuracy_commands, correlation_commands, paired_commands, prediction_commands, feature_commands})
    for (StatsCommand& command : group()) all.push_back(std::move(command));
  return all;
}

namespace {

std::string words(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    if (!std::isfinite(value.get<double>())) return "not defined";
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value.get<double>());
    return text;
  }
  if (!value.is_array()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out = "[";
  for (const Json& item : value) out += (out.size() > 1 ? ", " : "") + shown(item);
  return out + "]";
}

/// Characters, not bytes.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void print_table(std::ostream& out, const std::string& title, const Json& records) {
  constexpr std::size_t widest = 25;
  if (records.front().size() > widest) {
    out << '\n' << words(title) << "  " << records.size() << " x " << records.front().size() << ", in the JSON\n";
    return;
  }
  std::vector<std::vector<std::string>> lines(1);
  std::vector<bool> left;
  for (const auto& [key, value] : records.front().items()) {
    lines[0].push_back(words(key));
    left.push_back(value.is_string());
  }
  for (const Json& record : records) {
    lines.emplace_back();
    for (const auto& [key, value] : record.items()) lines.back().push_back(shown(value));
  }
  std::vector<std::size_t> widths(left.size(), 0);
  for (const auto& line : lines)
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], width_of(line[c]));
  out << '\n' << words(title) << '\n';
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t c = 0; c < line.size(); ++c) {
      const std::string space(widths[c] - width_of(line[c]), ' ');
      text += "  " + (left[c] ? line[c] + space : space + line[c]);
    }
    out << text.substr(0, text.find_last_not_of(' ') + 1) << '\n';
  }
}

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_object(); });
}

}  // namespace

void print_result(std::ostream& out, const Json& result) {
  std::size_t width = 0;
  for (const auto& [key, value] : result.items())
    if (!is_table(value)) width = std::max(width, key.size());
  for (const auto& [key, value] : result.items())
    if (!is_table(value)) out << words(key) << std::string(width - key.size() + 2, ' ') << shown(value) << '\n';
  for (const auto& [key, value] : result.items())
    if (is_table(value)) print_table(out, key, value);
  out << std::flush;
}

void add_alternative(CLI::App& command, std::string& alternative) {
  command.add_option("--alternative", alternative, "two-sided; greater or less: only that the first is so counts")
      ->capture_default_str()
      ->check(CLI::IsMember({"two-sided", "greater", "less"}));
}

stats::Alternative parse_alternative(const std::string& name) {
  return name == "two-sided" ? stats::Alternative::two_sided
         : name == "less"    ? stats::Alternative::less
                             : stats::Alternative::greater;
}

void add_confidence(CLI::App& command, double& confidence) {
  command.add_option("--confidence", confidence, "of the interval, as a fraction")->capture_default_str();
}

}  // namespace tv_app
