// A flat TOML file as texts: what a configuration file may hold.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/core/text.hpp"

namespace tv_app {

using tinyvision::Index;

/// One `key = value`; an array has several texts.
struct TomlValue {
  std::string key;
  std::vector<std::string> texts;
  Index line = 0;
};

namespace detail {

inline std::string toml_text(const toml::node& node, const std::string& path, const std::string& key) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return tinyvision::format_shortest(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  tinyvision::fail_usage("options", path, ": line ", node.source().begin.line, ": '", key,
                         "' must be a text, a number, true, false or a list of these");
}

}  // namespace detail

/// The file's values in the order of their lines. Throws UsageError naming the path and the line.
inline std::vector<TomlValue> read_toml_values(const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(tinyvision::read_file(path), path);
  } catch (const toml::parse_error& error) {
    tinyvision::fail_usage("options", path, ": line ", error.source().begin.line, ": ", error.description());
  }
  std::vector<TomlValue> values;
  for (const auto& [key, node] : table) {
    TomlValue value{std::string(key.str()), {}, static_cast<Index>(node.source().begin.line)};
    if (const toml::array* list = node.as_array()) {
      for (const toml::node& item : *list) value.texts.push_back(detail::toml_text(item, path, value.key));
    } else {
      value.texts.push_back(detail::toml_text(node, path, value.key));
    }
    values.push_back(std::move(value));
  }
  std::stable_sort(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  return values;
}

}  // namespace tv_app
