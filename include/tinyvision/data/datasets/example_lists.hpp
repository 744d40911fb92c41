// What the readers of published data sets share: finding where a layout begins, and turning lists into examples.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tinyvision/core/md5.hpp"
#include "tinyvision/data/formats/text_lists.hpp"
#include "tinyvision/data/official.hpp"

TINYVISION_BEGIN
namespace data {

/// The first of `prefixes` with which a file of that name exists ("" and "food-101/" for "meta/classes.txt": the folder
/// itself and its parent may be given). Throws UsageError that names the file when there is none.
inline std::string find_prefix(const FileSource& source, std::span<const std::string_view> prefixes,
                               std::string_view file, std::string_view data_set) {
  for (const std::string_view prefix : prefixes)
    if (source.contains(std::string(prefix) + std::string(file))) return std::string(prefix);
  const std::string first = std::string(prefixes.front()) + std::string(file);
  fail_usage(data_set, source.describe(first), ": there is no such file (nor below ",
             prefixes.size() > 1 ? prefixes.back() : prefixes.front(), ")");
}
inline std::string find_prefix(const FileSource& source, std::initializer_list<std::string_view> prefixes,
                               std::string_view file, std::string_view data_set) {
  return find_prefix(source, std::span<const std::string_view>(prefixes.begin(), prefixes.size()), file, data_set);
}

/// Class names and their index, in the order given. Throws UsageError on a name that occurs twice and when there is none.
class ClassIndex {
 public:
  ClassIndex(std::vector<std::string> names, std::string_view where) : names_(std::move(names)) {
    if (names_.empty()) fail_usage("classes", where, ": no classes");
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (!index_.emplace(names_[i], static_cast<std::int64_t>(i)).second)
        fail_usage("classes", where, ": class '", names_[i], "' occurs twice");
  }
  /// Index of a class. Throws UsageError naming file and line when it is unknown.
  std::int64_t at(std::string_view name, const ListLine& line, std::string_view where) const {
    const auto found = index_.find(std::string(name));
    if (found == index_.end()) line.refuse(where, "unknown class '", name, "'");
    return found->second;
  }
  bool contains(std::string_view name) const { return index_.contains(std::string(name)); }
  /// Index of a class that is known.
  std::int64_t at(std::string_view name) const {
    const auto found = index_.find(std::string(name));
    check(found != index_.end(), "classes", "no class '", name, "'");
    return found->second;
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int64_t> index_;
};

/// Lines of a list as class names.
inline std::vector<std::string> names_of_lines(const std::vector<ListLine>& lines) {
  std::vector<std::string> names;
  for (const ListLine& line : lines) names.emplace_back(line.text);
  return names;
}

/// Gathers the examples of a data set from its lists, in their order.
class ExampleCollector {
 public:
  /// Images are `prefix` + path in `source`.
  ExampleCollector(const DatasetInfo& info, std::shared_ptr<const FileSource> source, std::string prefix,
                   const ReadOptions& options)
      : info_(&info), source_(std::move(source)), prefix_(std::move(prefix)), options_(&options) {}

  /// Takes an example into `part`. Returns its number, or -1 when its image is not there. Throws UsageError naming list and
  /// line when it is listed twice or its name leaves the folder.
  Index add(std::vector<Index>& part, std::string path, std::int64_t label, const ListLine& line,
            std::string_view where) {
    check_member_name(path, concat_text(where, ":", line.number));
    const auto [found, added] = seen_.emplace(path, line.number);
    if (!added) line.refuse(where, "'", path, "' is listed twice, first in line ", found->second);
    if (!source_->contains(prefix_ + path)) {
      absent_.push_back(std::move(path));
      return -1;
    }
    return add_present(part, std::move(path), label);
  }
  /// Takes an example that the source itself named. Returns its number.
  Index add_present(std::vector<Index>& part, std::string path, std::int64_t label) {
    part.push_back(static_cast<Index>(examples_.size()));
    examples_.push_back({std::move(path), label});
    return part.back();
  }

  /// Hands over what was gathered, for a data set of an own kind.
  std::vector<Example> take_examples() { return std::move(examples_); }
  Split split{};

  /// A FileDataset of what was gathered. Throws UsageError naming the first images that are not there, unless partial data
  /// are allowed.
  OfficialData finish(std::vector<std::string> class_names) {
    return finish_with(std::make_shared<FileDataset>(std::string(info_->name), source_, take_examples(),
                                                     std::move(class_names), info_->metric, options_->decoder,
                                                     prefix_));
  }
  /// The same with a data set of an own kind.
  OfficialData finish_with(std::shared_ptr<const Dataset> dataset) {
    if (!absent_.empty() && !options_->allow_partial) {
      std::string first;
      for (std::size_t i = 0; i < std::min<std::size_t>(3, absent_.size()); ++i)
        first += (i > 0 ? ", " : "") + absent_[i];
      fail_usage(info_->name, absent_.size(), " listed images are not there: ", source_->describe(prefix_ + absent_[0]),
                 absent_.size() > 1 ? concat_text(" and others (", first, absent_.size() > 3 ? ", ..." : "", ")") : "",
                 "; --allow-partial accepts it");
    }
    if (dataset->classes() != info_->classes && !options_->allow_partial)
      fail_usage(info_->name, source_->describe(prefix_), ": the lists name ", dataset->classes(),
                 " classes, the official set has ", info_->classes, "; --allow-partial accepts it");
    OfficialData result =
        official_data(*info_, std::move(dataset), std::move(split), *options_, source_->describe(prefix_));
    result.absent = std::move(absent_);
    return result;
  }

 private:
  const DatasetInfo* info_;
  std::shared_ptr<const FileSource> source_;
  std::string prefix_;
  const ReadOptions* options_;
  std::vector<Example> examples_;
  std::vector<std::string> absent_;
  std::unordered_map<std::string, Index> seen_;
};

/// What is wrong with those of `info.inner` that are there: one line each, naming the file. They are searched for at their
/// own path and without the first folder of it, so that the folder itself may be the source. Reads all of their bytes.
inline std::vector<std::string> check_inner_files(const DatasetInfo& info, const FileSource& source) {
  std::vector<std::string> problems;
  for (const OfficialFile& file : info.inner) {
    std::string name(file.name);
    if (!source.contains(name)) name = name.substr(name.find('/') + 1);
    if (!source.contains(name)) continue;
    if (const Index size = source.size(name); file.size > 0 && size != file.size) {
      problems.push_back(concat_text(source.describe(name), ": ", size, " bytes, the official file has ", file.size));
      continue;
    }
    const std::string bytes = source.read(name), found = md5_hex(bytes);
    if (!file.md5.empty() && found != file.md5)
      problems.push_back(concat_text(source.describe(name), ": MD5 is ", found, ", the official one is ", file.md5));
    if (!file.sha256.empty() && sha256_hex(bytes) != file.sha256)
      problems.push_back(concat_text(source.describe(name), ": SHA-256 is not the official ", file.sha256));
  }
  return problems;
}

/// Reads a text list of a source: its lines stay valid as long as the object.
struct TextList {
  TextList(const FileSource& source, const std::string& name)
      : where(source.describe(name)), text(source.read(name)), lines(read_lines(text, where)) {}
  TextList(const TextList&) = delete;
  TextList& operator=(const TextList&) = delete;
  std::string where, text;
  std::vector<ListLine> lines;
};

}  // namespace data
TINYVISION_END
