// What is known of a published data set (its files, counts and metric), and what reading one gives.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/data/dataset.hpp"
#include "tinyvision/data/file_source.hpp"
#include "tinyvision/data/split.hpp"

TINYVISION_BEGIN
namespace data {

/// A file as its publisher offers it. Empty digests and size 0: not stated anywhere; no address: offered to registered users.
struct OfficialFile {
  std::string_view url, name;  ///< `name`: what the file is called on disk
  Index size = 0;              ///< bytes
  std::string_view md5, sha256;
  /// Of a tar: the folder into which it is unpacked ("val"; empty: where it lies). A tar within it then goes to a folder of
  /// its own name below that.
  std::string_view below{};
};

/// Examples of a data set by part. `validation` is 0 where no official validation part exists.
struct PartCounts {
  Index train = 0, validation = 0, test = 0;
  Index all() const { return train + validation + test; }
  friend bool operator==(const PartCounts&, const PartCounts&) = default;
};

/// The facts of one data set. All text lives as long as the program.
struct DatasetInfo {
  std::string_view name;      ///< as in `--dataset`
  std::string_view title;     ///< as in the paper's Table 1
  std::string_view citation;  ///< who published it, where and when
  Index classes = 0;
  PartCounts counts{};
  Metric metric = Metric::top1;
  std::span<const OfficialFile> files{};
  std::string_view note{};  ///< what a user has to know beforehand, one sentence
  /// Files within `files` of which digests are known too; `name` is the file as it is called when all is unpacked.
  std::span<const OfficialFile> inner{};
};

/// How a data set is to be read.
struct ReadOptions {
  bool allow_partial = false;  ///< accept other counts than the official ones; `OfficialData::coverage` says which
  Decoder decoder = Decoder::turbo;
  int part = 1;              ///< which official partition, where there are several: SUN397, DTD (1..10)
  bool crop_banner = false;  ///< FGVC Aircraft: cut off the copyright banner, the lowest 20 rows
};

/// A data set with its official parts.
struct OfficialData {
  std::shared_ptr<const Dataset> dataset;
  Split split;              ///< official; where none exists (Caltech-101) all examples are in `train`
  PartCounts found;         ///< examples that are there
  Index classes_found = 0;  ///< classes with at least one example
  const DatasetInfo* info = nullptr;
  std::vector<std::string> absent{};  ///< listed examples whose image is not there (--allow-partial)

  bool complete() const { return info != nullptr && found == info->counts && classes_found == info->classes; }
  /// "1,855 of 2,443 test images..." for printing beside every accuracy; empty when complete.
  std::string coverage() const {
    if (info == nullptr || complete()) return "";
    const auto part = [](const char* name, Index have, Index official) {
      return concat_text(", ", name, " ", have, " of ", official);
    };
    return concat_text("partial data: classes ", classes_found, " of ", info->classes,
                       part("train", found.train, info->counts.train),
                       info->counts.validation > 0 ? part("validation", found.validation, info->counts.validation) : "",
                       part("test", found.test, info->counts.test));
  }
};

/// Checks what was read against the official counts and puts the result together. Throws UsageError naming `where`, with
/// found and official counts, when they differ, unless `options.allow_partial`.
inline OfficialData official_data(const DatasetInfo& info, std::shared_ptr<const Dataset> dataset, Split split,
                                  const ReadOptions& options, std::string_view where) {
  OfficialData result;
  result.found = {static_cast<Index>(split.train.size()), static_cast<Index>(split.validation.size()),
                  static_cast<Index>(split.test.size())};
  std::vector<bool> seen(static_cast<std::size_t>(dataset->classes()));
  for (Index i = 0; i < dataset->size(); ++i)
    for (const Index c : dataset->classes_of(i)) seen[static_cast<std::size_t>(c)] = true;
  result.classes_found = static_cast<Index>(std::count(seen.begin(), seen.end(), true));
  result.dataset = std::move(dataset);
  result.split = std::move(split);
  result.info = &info;
  if (!options.allow_partial && !result.complete())
    fail_usage(info.name, where, ": ", result.coverage(), "; --allow-partial accepts it");
  return result;
}

}  // namespace data
TINYVISION_END
