// Options of an application: one table of name, default, rule and help, bound to variables. Values come from the command
// line, else from the file of `--config` (TOML, keys are option names), else they keep their default. Unknown names are
// errors. What was resolved is printed first and saved with the results.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/app.hpp"
#include "common/toml_values.hpp"
#include "tinyvision/core/text.hpp"

TINYVISION_BEGIN
namespace apps {

/// What a value must satisfy, e.g. `Rule().required().at_least(1)`.
class Rule {
 public:
  Rule& required() { return required_ = true, *this; }
  Rule& at_least(double bound) { return minimum_ = bound, *this; }
  Rule& above(double bound) { return above_ = bound, *this; }
  Rule& at_most(double bound) { return maximum_ = bound, *this; }
  Rule& positive() { return above(0); }
  Rule& one_of(std::vector<std::string> choices) { return choices_ = std::move(choices), *this; }

  bool is_required() const { return required_; }
  const std::vector<std::string>& choices() const { return choices_; }

  void check_number(const std::string& name, double value) const {
    const std::string got = ", got " + format_shortest(value);
    if (!std::isfinite(value)) fail_usage("options", name, " must be finite", got);
    if (!(value >= minimum_)) fail_usage("options", name, " must be at least ", format_shortest(minimum_), got);
    if (!(value > above_)) fail_usage("options", name, " must be above ", format_shortest(above_), got);
    if (!(value <= maximum_)) fail_usage("options", name, " must be at most ", format_shortest(maximum_), got);
  }
  void check_text(const std::string& name, const std::string& value) const {
    if (choices_.empty() || std::find(choices_.begin(), choices_.end(), value) != choices_.end()) return;
    fail_usage("options", name, " cannot be '", value, "'", suggestion(value, choices_, 1), ": choose ",
               join_names(choices_, choices_.size()));
  }

 private:
  bool required_ = false;
  double minimum_ = -std::numeric_limits<double>::infinity(), maximum_ = std::numeric_limits<double>::infinity();
  double above_ = -std::numeric_limits<double>::infinity();
  std::vector<std::string> choices_;
};

/// The table. Variables bound to it must outlive `parse`.
class Options {
 public:
  using Json = nlohmann::ordered_json;

  Options(std::string app, const std::string& description) : app_(std::move(app)), parser_(description, app_) {
    parser_.allow_extras();  // checked by us, with suggestions
    parser_.set_version_flag("--version", app_ + " " TINYVISION_VERSION "\n");
    parser_.add_option("--config", config_, "TOML file with values of the options below; the command line wins");
    parser_.get_formatter()->column_width(34);
  }

  /// An option with a value: `--name VALUE`. T: integers, double, std::string, bool (on|off), std::optional of these, or
  /// a vector of them (`--name a b c`). The variable's value is the default.
  template <class T>
  Options& add(const std::string& name, T& value, const std::string& help, const Rule& rule = {}) {
    CLI::Option* option = nullptr;
    if constexpr (std::is_same_v<T, bool>) {
      option = parser_.add_option_function<std::string>(
          name, [&value, name](const std::string& text) { value = parse_switch(name, text); }, describe(help, rule));
      option->type_name("on|off")->default_str(value ? "on" : "off");
    } else {
      option = parser_.add_option(name, value, describe(help, rule));
      if (const std::string text = text_of(json_of(value)); !text.empty()) option->default_str(text);
      if constexpr (std::is_unsigned_v<T>)  // the conversion would wrap a negative number around
        option->check([](const std::string& text) { return text.starts_with('-') ? text + " is negative" : ""; });
    }
    return remember(name, value, rule, option);
  }
  /// A switch: `--name` makes it true.
  Options& flag(const std::string& name, bool& value, const std::string& help) {
    return remember(name, value, Rule(), parser_.add_flag(name, value, help));
  }
  /// A value without a name in front, such as a file. `name` serves help, messages and results.
  template <class T>
  Options& positional(const std::string& name, T& value, const std::string& help, const Rule& rule = {}) {
    return remember(name, value, rule, parser_.add_option(name, value, describe(help, rule)));
  }
  /// Text at the end of `--help`.
  Options& footer(const std::string& text) { return parser_.footer(text), *this; }

  /// Fills the variables. Throws HelpRequested for --help and --version, UsageError for everything that is wrong with the
  /// command line or the configuration file.
  void parse(int argc, const char* const* argv) {
    try {
      parser_.parse(argc, argv);
      check_extras();
      apply_config();
    } catch (const CLI::CallForHelp&) {
      throw HelpRequested(parser_.help());
    } catch (const CLI::CallForVersion& version) {
      throw HelpRequested(version.what());
    } catch (const CLI::ParseError& error) {
      fail_usage("options", error.what());
    }
    for (const Entry& entry : entries_) {
      if (entry.rule.is_required() && entry.option->count() == 0)
        fail_usage("options", entry.name, " is required (see ", app_, " --help)");
      if (entry.option->count() > 0) check_rule(entry, entry.value());
    }
  }

  /// All values, in the order of the table; names without dashes in front, `_` between words.
  Json resolved() const {
    Json out = Json::object();
    for (const Entry& entry : entries_) out[entry.key] = entry.value();
    return out;
  }

  /// The values as a table under the application's name and version.
  void print(std::ostream& out = std::cout) const {
    std::size_t width = 0;
    for (const Entry& entry : entries_) width = std::max(width, entry.name.size());
    out << app_ << " " << TINYVISION_VERSION << '\n';
    for (const Entry& entry : entries_)
      out << "  " << entry.name << std::string(width - entry.name.size() + 2, ' ') << text_of(entry.value()) << '\n';
    out << std::flush;
  }

  const std::string& app() const { return app_; }

 private:
  struct Entry {
    std::string name, key;
    Rule rule;
    CLI::Option* option;
    std::function<Json()> value;
  };

  template <class T>
  static Json json_of(const T& value) {
    if constexpr (requires { value.has_value(); }) {
      return value.has_value() ? Json(*value) : Json(nullptr);
    } else {
      return Json(value);
    }
  }
  static std::string text_of(const Json& value) {
    if (value.is_null()) return "";
    if (value.is_string()) return value.get<std::string>();
    if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
    if (!value.is_array()) return value.dump();
    std::string out;
    for (const Json& item : value) out += (out.empty() ? "" : " ") + text_of(item);
    return out;
  }
  static bool parse_switch(const std::string& name, const std::string& text) {
    if (text == "on" || text == "true") return true;
    if (text == "off" || text == "false") return false;
    fail_usage("options", name, " must be on or off, got '", text, "'");
  }
  static std::string describe(const std::string& help, const Rule& rule) {
    if (rule.choices().empty()) return help;
    return help + " (" + join_names(rule.choices(), rule.choices().size()) + ")";
  }
  static void check_rule(const Entry& entry, const Json& value) {
    if (value.is_number()) entry.rule.check_number(entry.name, value.get<double>());
    if (value.is_string()) entry.rule.check_text(entry.name, value.get<std::string>());
    if (value.is_array())
      for (const Json& item : value) check_rule(entry, item);
  }

  template <class T>
  Options& remember(const std::string& name, const T& value, const Rule& rule, CLI::Option* option) {
    std::string key = name.substr(std::min(name.size(), name.find_first_not_of('-')));
    std::replace(key.begin(), key.end(), '-', '_');
    entries_.push_back({name, key, rule, option, [&value] { return json_of(value); }});
    return *this;
  }

  void check_extras() const {
    std::vector<std::string> names{"--help", "--version", "--config"};
    for (const Entry& entry : entries_) names.push_back(entry.name);
    const std::vector<std::string> extras = parser_.remaining();
    for (const std::string& extra : extras)
      if (extra.size() > 1 && extra.front() == '-') {
        const std::string name = extra.substr(0, extra.find('='));
        fail_usage("options", "unknown option ", name, suggestion(name, names));
      }
    if (!extras.empty()) fail_usage("options", "unexpected argument '", extras.front(), "'");
  }

  void apply_config() {
    if (config_.empty()) return;
    std::vector<std::string> keys;
    for (const Entry& entry : entries_) keys.push_back(entry.key);
    for (const TomlValue& item : read_toml_values(config_)) {
      std::string key = item.key;
      std::replace(key.begin(), key.end(), '-', '_');
      const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
      if (entry == entries_.end())
        fail_usage("options", config_, ": line ", item.line, ": unknown name '", item.key, "'", suggestion(key, keys));
      if (entry->option->count() > 0) continue;
      for (const std::string& text : item.texts) entry->option->add_result(text);
      try {
        entry->option->run_callback();
      } catch (const CLI::ParseError& error) {
        fail_usage("options", config_, ": line ", item.line, ": ", error.what());
      }
    }
  }

  std::string app_, config_;
  CLI::App parser_;
  std::vector<Entry> entries_;
};

/// Takes the sub-command out of the command line: argv[1] must be one of `commands`. Throws UsageError, or HelpRequested
/// with `help` for --help.
inline std::string take_command(int& argc, char**& argv, const std::vector<std::string>& commands, const std::string& help) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "--help" || command == "-h") throw HelpRequested(help);
  if (std::find(commands.begin(), commands.end(), command) == commands.end())
    fail_usage("options", command.empty() ? "a command is missing" : "unknown command '" + command + "'",
               suggestion(command, commands, 1), ": choose ", join_names(commands, commands.size()));
  --argc, ++argv;
  return command;
}

}  // namespace apps
TINYVISION_END
