// What every part of a study file is read with: problems are collected with their lines, texts expanded, options held to the
// rules of the programs that get them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/study/study_file.hpp"

namespace CLI {
class App;
}

namespace tv_app {

/// "--train-per-class" for "train_per_class".
std::string option_of_key(std::string key);
/// "train_per_class" for "--train-per-class".
std::string key_of_option(std::string name);

class StudyToml {
 public:
  using At = Index;  ///< a line

  explicit StudyToml(const std::string& path);

  Study study;

 protected:
  static At line(const toml::node& node) { return static_cast<At>(node.source().begin.line); }

  template <class... Words>
  void wrong(At at, const Words&... words) {
    study.problems.wrong.push_back(tinyvision::concat_text("line ", at, ": ", words...));
  }
  template <class... Words>
  void missing(At at, const Words&... words) {
    study.problems.missing.push_back(tinyvision::concat_text("line ", at, ": ", words...));
  }
  void unknown(At at, const std::string& key, const std::set<std::string>& names);

  /// Relative paths begin at the study file.
  std::string path_of(const std::string& text) const;
  /// The texts of a value, each ${NAME} and ${NAME:-default} replaced by the environment's; empty, with a problem, for what is no text, number,
  /// truth or list of these.
  std::vector<std::string> texts(const toml::node& node, const std::string& key);
  /// The values of a table in the order of their lines, without the keys in `apart`.
  std::vector<TomlValue> values(const toml::table& table, const std::set<std::string>& apart);
  std::string text(const toml::table& table, const std::string& key, const std::string& otherwise = "");
  /// The tables of [[key]]; a problem where there is none.
  std::vector<std::pair<const toml::table*, At>> tables(const toml::table& file, const std::string& key);
  /// Numbers from 0 up: a list, or {from, to, count} in equal steps of the logarithm, with `zero = true` behind a 0.
  std::vector<double> numbers(const toml::table& table, const std::string& key, std::vector<double> otherwise);
  /// Gives a program's option the value of the file, by the program's own rules. `reserved` keys are not the file's to set.
  std::optional<StudyOption> set(CLI::App& app, const TomlValue& value, const std::set<std::string>& reserved = {});

 private:
  std::string expanded(const std::string& text, At at);

  std::string folder_;
  std::set<std::string> undefined_;
};

}  // namespace tv_app
