// Folders of data sets in memory, for tests of their readers.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/test_images.hpp"
#include "tinyvision/data/formats/mat_writer.hpp"
#include "tinyvision/data/official.hpp"

namespace layouts {

using namespace tinyvision;
using namespace tinyvision::data;

/// Files by name, held in memory.
class MapSource : public FileSource {
 public:
  explicit MapSource(std::map<std::string, std::string> files) : files_(std::move(files)) {
    for (const auto& [name, bytes] : files_) names_.push_back(name);
  }
  const std::vector<std::string>& names() const override { return names_; }
  bool contains(const std::string& name) const override { return files_.count(name) > 0; }
  std::string read(const std::string& name) const override {
    const auto found = files_.find(name);
    if (found == files_.end()) fail_usage("files", describe(name), ": there is no such file");
    return found->second;
  }
  std::string describe(const std::string& name) const override { return "mem/" + name; }
  Index size(const std::string& name) const override { return static_cast<Index>(read(name).size()); }

 private:
  std::map<std::string, std::string> files_;
  std::vector<std::string> names_;
};

using Reader = OfficialData (*)(std::shared_ptr<const FileSource>, const ReadOptions&);

/// A folder that a test fills and spoils.
struct Layout {
  Reader reader;
  std::map<std::string, std::string> files{};

  std::string& operator[](const std::string& name) { return files[name]; }
  std::shared_ptr<const FileSource> source() const { return std::make_shared<MapSource>(files); }
  OfficialData read(ReadOptions options = {.allow_partial = true}) const { return reader(source(), options); }
  std::string refusal(ReadOptions options = {.allow_partial = true}) const {
    return test_images::message_of<UsageError>([&] { read(options); });
  }
  /// The same with one file changed.
  Layout with(const std::string& name, std::string bytes) const {
    Layout other = *this;
    other.files[name] = std::move(bytes);
    return other;
  }
  Layout without(const std::string& name) const {
    Layout other = *this;
    EXPECT_EQ(other.files.erase(name), 1u) << name;
    return other;
  }
  /// The same with the first `old` of a file replaced.
  Layout replaced(const std::string& name, const std::string& old, const std::string& by) const {
    Layout other = *this;
    std::string& bytes = other.files[name];
    const std::size_t at = bytes.find(old);
    EXPECT_NE(at, std::string::npos) << name << ": " << old;
    if (at != std::string::npos) bytes.replace(at, old.size(), by);
    return other;
  }
  /// The same below a folder ("food-101/"), or with this first folder taken off.
  Layout below(const std::string& folder) const {
    Layout other{reader};
    for (const auto& [name, bytes] : files) other.files[folder + name] = bytes;
    return other;
  }
  Layout inside(const std::string& folder) const {
    Layout other{reader};
    for (const auto& [name, bytes] : files) {
      EXPECT_TRUE(name.starts_with(folder)) << name;
      other.files[name.substr(folder.size())] = bytes;
    }
    return other;
  }
};

inline void expect_says(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "'" << message << "'\n  lacks: " << part;
}

/// What identifies the examples, their labels and parts.
inline std::string text_of(const OfficialData& data) { return split_text(data.split, *data.dataset); }

inline std::vector<std::string> paths(const OfficialData& data, const std::vector<Index>& part) {
  std::vector<std::string> all;
  for (const Index i : part) all.push_back(data.dataset->path(i));
  return all;
}
inline std::vector<std::int64_t> labels(const OfficialData& data, const std::vector<Index>& part) {
  std::vector<std::int64_t> all;
  for (const Index i : part) all.push_back(data.dataset->label(i));
  return all;
}
/// Examples of each class in a part.
inline std::vector<Index> balance(const OfficialData& data, const std::vector<Index>& part) {
  std::vector<Index> counts(static_cast<std::size_t>(data.dataset->classes()));
  for (const Index i : part) ++counts[static_cast<std::size_t>(data.dataset->label(i))];
  return counts;
}

inline std::string photo(Index height = 4, Index width = 4, std::uint64_t seed = 1) {
  const test_images::ByteVector bytes = test_images::jpeg(test_images::noise(height, width, seed));
  return {bytes.begin(), bytes.end()};
}
inline std::string digits(Index number, int width) {
  std::string text = std::to_string(number);
  return std::string(static_cast<std::size_t>(std::max<int>(0, width - static_cast<int>(text.size()))), '0') + text;
}

inline MatValue mat_text(const std::string& text) {
  MatValue value;
  value.kind = MatValue::Kind::text;
  value.dims = {text.empty() ? 0 : 1, static_cast<Index>(text.size())};
  value.text = text;
  return value;
}
inline MatValue mat_cells(std::vector<MatValue> cells) {
  MatValue value;
  value.kind = MatValue::Kind::cell;
  value.dims = {1, static_cast<Index>(cells.size())};
  value.cells = std::move(cells);
  return value;
}
inline MatValue mat_structures(std::vector<std::pair<std::string, std::vector<MatValue>>> fields) {
  MatValue value;
  value.kind = MatValue::Kind::structure;
  value.dims = {1, static_cast<Index>(fields.front().second.size())};
  value.fields = std::move(fields);
  return value;
}

}  // namespace layouts
