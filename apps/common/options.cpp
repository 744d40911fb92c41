// Reading of the command line and of configuration files.
#include "common/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "common/toml_values.hpp"
#include "tinyvision/core/text.hpp"

namespace tv_app {

namespace {

/// The application and the subcommands that were given.
std::vector<CLI::App*> active_apps(CLI::App& app) {
  std::vector<CLI::App*> apps{&app};
  for (CLI::App* command : app.get_subcommands())
    for (CLI::App* inner : active_apps(*command)) apps.push_back(inner);
  return apps;
}

/// "learning_rate" for --learning-rate.
std::string option_key(const CLI::Option& option) {
  std::string key = option.get_lnames().empty() ? option.get_name(true) : option.get_lnames().front();
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}
std::string option_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_name(true) : "--" + option.get_lnames().front();
}
bool is_setting(const CLI::Option& option) {
  const std::string key = option_key(option);
  return key != "help" && key != "version" && key != "config";
}
std::vector<CLI::Option*> settings(CLI::App& app) {
  std::vector<CLI::Option*> all;
  for (CLI::App* active : active_apps(app))
    for (CLI::Option* option : active->get_options())
      if (is_setting(*option)) all.push_back(option);
  return all;
}
bool is_flag(const CLI::Option& option) { return option.get_expected_max() == 0; }

/// One value of `option` as JSON, typed by what CLI11 says of the variable behind it.
Json json_value(const CLI::Option& option, const std::string& text) {
  const std::string type = option.get_type_name();
  if (is_flag(option)) return text == "true" || text == "1";
  const bool whole = type.starts_with("INT") || type.starts_with("UINT");
  if (!whole && !type.starts_with("FLOAT")) return text;
  if (text.empty()) return nullptr;
  const auto read = [&text](auto& number) {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && at == end;
  };
  if (std::int64_t number = 0; whole && read(number)) return number;
  if (std::uint64_t number = 0; whole && read(number)) return number;
  if (double number = 0; read(number)) return number;
  return text;
}

/// Default of an option with many values: CLI11 writes it as "[a,b]".
Json default_values(const CLI::Option& option) {
  Json values = Json::array();
  std::string text = option.get_default_str();
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(json_value(option, text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

/// What CLI11 lets pass and no option of ours means.
void check_numbers(const CLI::Option& option) {
  for (const std::string& text : option.results()) {
    if (option.get_type_name().starts_with("UINT") && text.starts_with('-'))  // would wrap around
      tinyvision::fail_usage("options", option_name(option), " must not be negative, got ", text);
    if (option.get_type_name().starts_with("FLOAT") && !std::isfinite(std::strtod(text.c_str(), nullptr)))
      tinyvision::fail_usage("options", option_name(option), " must be a finite number, got ", text);
  }
}

void check_extras(CLI::App& app) {
  std::vector<std::string> names{"help", "version", "config"};
  for (const CLI::Option* option : settings(app))
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  std::vector<std::string> extras = app.remaining(true);
  std::erase(extras, "--");
  for (const std::string& extra : extras) {
    if (extra.size() < 2 || extra.front() != '-') continue;
    const std::string given = extra.substr(0, extra.find('='));
    const auto near =
        tinyvision::nearest_names(given.substr(std::min(given.size(), given.find_first_not_of('-'))), names, 1);
    tinyvision::fail_usage("options", "unknown option ", given,
                           near.empty() ? "" : " (did you mean --" + near[0] + "?)");
  }
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    commands.push_back(command->get_name());
  if (extras.empty()) return;
  if (commands.empty() || !app.get_subcommands().empty())
    tinyvision::fail_usage("options", "unexpected argument '", extras.front(), "'");
  tinyvision::fail_usage("options", "unknown command '", extras.front(), "'",
                         tinyvision::suggestion(extras.front(), commands), ": choose ",
                         tinyvision::join_names(commands, commands.size()));
}

/// CLI11's message; for its positive and non-negative numbers in words instead of with 300 digits.
std::string explain(CLI::App& app, const std::string& message) {
  const std::size_t value = message.find(": Value "), range = message.find(" not in range ");
  if (value == std::string::npos || range == std::string::npos) return message;
  for (const CLI::Option* option : settings(app)) {
    if (option_name(*option) != message.substr(0, value)) continue;
    const std::string type = option->get_type_name(), got = message.substr(value + 8, range - value - 8);
    if (type.find(":POSITIVE") != std::string::npos)
      return option_name(*option) + " must be a positive number, got " + got;
    if (type.find(":NONNEGATIVE") != std::string::npos) return option_name(*option) + " must be 0 or above, got " + got;
  }
  return message;
}

void apply_config(CLI::App& app, const std::string& path) {
  const std::vector<CLI::Option*> options = settings(app);
  std::vector<std::string> keys;
  for (const CLI::Option* option : options) keys.push_back(option_key(*option));
  for (const TomlValue& item : read_toml_values(path)) {
    std::string key = item.key;
    std::replace(key.begin(), key.end(), '-', '_');
    const auto at = std::find(keys.begin(), keys.end(), key);
    if (at == keys.end())
      tinyvision::fail_usage("options", path, ": line ", item.line, ": unknown name '", item.key, "'",
                             tinyvision::suggestion(key, keys));
    CLI::Option* option = options[static_cast<std::size_t>(at - keys.begin())];
    if (option->count() > 0) continue;  // the command line wins
    for (const std::string& text : item.texts) option->add_result(text);
    try {
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      tinyvision::fail_usage("options", path, ": line ", item.line, ": ", explain(app, error.what()));
    }
  }
}

/// Lifts `required` from all options, so that a misspelt name is reported before the one that is then missing.
class RequirementsLifted {
 public:
  explicit RequirementsLifted(CLI::App& app) { lift(app); }
  RequirementsLifted(const RequirementsLifted&) = delete;
  RequirementsLifted& operator=(const RequirementsLifted&) = delete;
  ~RequirementsLifted() {
    for (CLI::Option* option : options_) option->required();
  }

 private:
  void lift(CLI::App& app) {
    app.allow_extras();
    for (CLI::Option* option : app.get_options())
      if (option->get_required()) options_.push_back(option->required(false));
    for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) lift(*command);
  }
  std::vector<CLI::Option*> options_;
};

}  // namespace

std::string shell_quoted(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

std::string command_line(int argc, const char* const* argv) {
  std::string out;
  for (int i = 0; i < argc; ++i) out += (i > 0 ? " " : "") + shell_quoted(argv[i]);
  return out;
}

void parse_options(CLI::App& app, const std::string& name, int argc, const char* const* argv) {
  std::string config;
  app.name(name);
  app.set_version_flag("--version", name + " " TINYVISION_VERSION "\n");
  std::vector<CLI::App*> owners = app.get_subcommands([](CLI::App*) { return true; });
  if (owners.empty()) owners.push_back(&app);
  for (CLI::App* owner : owners) {
    owner->add_option("--config", config, "TOML file with values of these options; the command line wins");
    owner->get_formatter()->column_width(34);
  }
  try {
    const RequirementsLifted lifted(app);
    try {
      app.parse(argc, argv);
    } catch (const CLI::RequiredError&) {  // of a subcommand
      check_extras(app);
      throw;
    }
    check_extras(app);
    if (!config.empty()) apply_config(app, config);
  } catch (const CLI::CallForHelp&) {
    throw HelpRequested(app.help());
  } catch (const CLI::CallForVersion& version) {
    throw HelpRequested(version.what());
  } catch (const CLI::ParseError& error) {
    tinyvision::fail_usage("options", explain(app, error.what()));
  }
  for (const CLI::Option* option : settings(app)) {
    if (option->get_required() && option->count() == 0)
      tinyvision::fail_usage("options", option_name(*option), " is required (see ", name, " --help)");
    check_numbers(*option);
  }
}

Json resolved_configuration(CLI::App& app) {
  Json out = Json::object();
  for (const CLI::Option* option : settings(app)) {
    const bool many = option->get_expected_max() > 1;
    Json value = many ? Json::array() : Json();
    if (option->count() == 0) {
      const std::string text = option->get_default_str();
      if (is_flag(*option)) {
        value = text.empty() ? Json(false) : Json(text);  // a text where another option decides
      } else {
        value = many ? default_values(*option) : json_value(*option, text);
      }
    } else if (is_flag(*option)) {
      value = option->as<bool>();
    } else if (many) {
      for (const std::string& text : option->results()) value.push_back(json_value(*option, text));
    } else {
      value = json_value(*option, option->results().back());
    }
    out[option_key(*option)] = value;
  }
  return out;
}

void print_configuration(std::ostream& out, const std::string& name, const Json& configuration) {
  std::size_t width = 0;
  for (const auto& [key, value] : configuration.items()) width = std::max(width, key.size());
  out << name << " " << TINYVISION_VERSION << '\n';
  for (const auto& [key, value] : configuration.items())
    out << "  " << key << std::string(width - key.size() + 2, ' ')
        << (value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace))
        << '\n';
  out << std::flush;
}

}  // namespace tv_app
