// What every part of a study file is read with.
#include "common/study/study_toml.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tinyvision/optim/log_spaced.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + text;
  return out;
}

}  // namespace

std::string option_of_key(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

std::string key_of_option(std::string name) {
  name.erase(0, name.find_first_not_of('-'));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

StudyToml::StudyToml(const std::string& path) : folder_(fs::absolute(path).parent_path().string()) {
  study.path = path;
  study.name = fs::path(path).stem().string();
  study.text = read_file(path);
}

void StudyToml::unknown(At at, const std::string& key, const std::set<std::string>& names) {
  wrong(at, "unknown key '", key, "'", suggestion(key, {names.begin(), names.end()}, 1));
}

std::string StudyToml::expanded(const std::string& text, At at) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t open; (open = text.find("${", begin)) != std::string::npos;) {
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) break;
    std::string name = text.substr(open + 2, close - open - 2), otherwise;
    const std::size_t dash = name.find(":-");
    if (dash != std::string::npos) otherwise = name.substr(dash + 2), name.resize(dash);
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr && dash == std::string::npos && undefined_.insert(name).second)
      missing(at, "the environment has no ", name, ", which the file asks for");
    out += text.substr(begin, open - begin);
    out += value != nullptr ? value : dash != std::string::npos ? otherwise : "${" + name + "}";
    begin = close + 1;
  }
  return out + text.substr(begin);
}

std::string StudyToml::path_of(const std::string& text) const {
  return text.empty() || text.starts_with("${") ? text : (fs::path(folder_) / text).lexically_normal().string();
}

std::vector<std::string> StudyToml::texts(const toml::node& node, const std::string& key) {
  std::vector<std::string> all;
  try {
    if (const toml::array* list = node.as_array()) {
      for (const toml::node& item : *list) all.push_back(detail::toml_text(item, study.path, key));
    } else {
      all.push_back(detail::toml_text(node, study.path, key));
    }
  } catch (const UsageError&) {
    wrong(line(node), "'", key, "' must be a text, a number, true, false or a list of these");
    return {};
  }
  for (std::string& text : all) text = expanded(text, line(node));
  return all;
}

std::vector<TomlValue> StudyToml::values(const toml::table& table, const std::set<std::string>& apart) {
  std::vector<TomlValue> all;
  for (const auto& [key, node] : table)
    if (!apart.contains(std::string(key.str()))) {
      TomlValue value{std::string(key.str()), texts(node, std::string(key.str())), line(node)};
      if (!value.texts.empty()) all.push_back(std::move(value));
    }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  return all;
}

std::string StudyToml::text(const toml::table& table, const std::string& key, const std::string& otherwise) {
  const toml::node* const node = table.get(key);
  if (node == nullptr) return otherwise;
  const std::vector<std::string> all = texts(*node, key);
  if (all.size() > 1) wrong(line(*node), "'", key, "' has one value, not ", all.size());
  return all.empty() ? otherwise : all[0];
}

std::vector<std::pair<const toml::table*, Index>> StudyToml::tables(const toml::table& file, const std::string& key) {
  std::vector<std::pair<const toml::table*, At>> all;
  const toml::node* const node = file.get(key);
  const toml::array* const list = node != nullptr ? node->as_array() : nullptr;
  if (list != nullptr)
    for (const toml::node& item : *list)
      if (item.is_table()) all.emplace_back(item.as_table(), line(item));
  if (all.empty()) wrong(node != nullptr ? line(*node) : 1, "there is no [[", key, "]]");
  return all;
}

std::vector<double> StudyToml::numbers(const toml::table& table, const std::string& key,
                                       std::vector<double> otherwise) {
  const toml::node* const node = table.get(key);
  if (node == nullptr) return otherwise;
  std::vector<double> all;
  if (const toml::table* span = node->as_table()) {
    const double from = (*span)["from"].value_or(0.0), to = (*span)["to"].value_or(0.0);
    const Index count = (*span)["count"].value_or(Index{0});
    for (const auto& [name, inner] : *span)
      if (const std::string n(name.str()); n != "from" && n != "to" && n != "count" && n != "zero")
        unknown(line(inner), n, {"from", "to", "count", "zero"});
    if (from <= 0 || to <= 0 || count < 1)
      wrong(line(*node), "'", key, "' needs a positive from, to and count");
    else
      all = log_spaced(std::log10(from), std::log10(to), count);
    if ((*span)["zero"].value_or(false)) all.insert(all.begin(), 0.0);
  } else if (const toml::array* list = node->as_array()) {
    for (const toml::node& item : *list) all.push_back(item.value_or(std::nan("")));
  } else {
    all.push_back(node->value_or(std::nan("")));
  }
  const bool good = std::all_of(all.begin(), all.end(), [](double v) { return std::isfinite(v) && v >= 0; });
  if (all.empty() || !good) wrong(line(*node), "'", key, "' must be a list of numbers from 0 up");
  return good ? all : std::vector<double>{};
}

std::optional<StudyOption> StudyToml::set(CLI::App& app, const TomlValue& value,
                                          const std::set<std::string>& reserved) {
  const std::string name = option_of_key(value.key);
  CLI::Option* const option = app.get_option_no_throw(name);
  if (option == nullptr || reserved.contains(value.key) || value.key == "help") {
    std::set<std::string> names;
    for (const CLI::Option* o : app.get_options())
      if (const std::string key = key_of_option(o->get_name()); key != "help" && !reserved.contains(key))
        names.insert(key);
    unknown(value.line, value.key, names);
    return std::nullopt;
  }
  const std::string type = option->get_type_name();
  for (const std::string& t : value.texts)
    if ((type.starts_with("UINT") && t.starts_with('-')) ||
        (type.starts_with("FLOAT") && !std::isfinite(std::strtod(t.c_str(), nullptr)))) {
      wrong(value.line, "'", value.key, "' cannot be ", t);
      return std::nullopt;
    }
  try {
    for (const std::string& t : value.texts) option->add_result(t);
    option->run_callback();
  } catch (const CLI::ParseError& error) {
    wrong(value.line, "'", value.key, "': ", error.what());
    return std::nullopt;
  }
  return StudyOption{name, joined(value.texts)};
}

}  // namespace tv_app
