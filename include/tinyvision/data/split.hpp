// Train / validation / test splits: drawn without replacement from a recorded seed, written to a file with its digest.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/random.hpp"
#include "tinyvision/data/dataset.hpp"

TINYVISION_BEGIN
namespace data {

/// Example numbers of a data set, each list in ascending order, no number in two lists.
struct Split {
  std::vector<Index> train, validation, test;
  friend bool operator==(const Split&, const Split&) = default;
};

namespace detail {

/// Separates draws that are made from one seed for different ends.
enum class SplitPurpose : std::uint64_t { train_test = 0, validation = 1, subset = 2 };

inline std::map<std::int64_t, std::vector<Index>> by_class(const std::vector<Index>& examples,
                                                           const std::vector<std::int64_t>& labels) {
  std::map<std::int64_t, std::vector<Index>> groups;
  for (const Index i : examples) {
    check(i >= 0 && i < static_cast<Index>(labels.size()), "split", "example ", i, " of ", labels.size());
    groups[labels[static_cast<std::size_t>(i)]].push_back(i);
  }
  return groups;
}

/// Draws count(class, size) examples of each class; returns {drawn, rest}, both ascending. Class c uses the permutation
/// Random(seed, Stream::split, purpose << 32 | c), so that a class's draw does not depend on the other classes.
template <class Count>
std::pair<std::vector<Index>, std::vector<Index>> draw_per_class(const std::vector<Index>& examples,
                                                                 const std::vector<std::int64_t>& labels,
                                                                 std::uint64_t seed, SplitPurpose purpose,
                                                                 Count&& count) {
  std::pair<std::vector<Index>, std::vector<Index>> result;
  for (auto& [label, members] : by_class(examples, labels)) {
    std::sort(members.begin(), members.end());
    const Index size = static_cast<Index>(members.size()), take = count(label, size);
    const Random random(seed, Stream::split,
                        static_cast<std::uint64_t>(purpose) << 32 | static_cast<std::uint64_t>(label));
    const std::vector<Index> order = random.permutation(size);
    for (Index k = 0; k < size; ++k)
      (k < take ? result.first : result.second)
          .push_back(members[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])]);
  }
  std::sort(result.first.begin(), result.first.end());
  std::sort(result.second.begin(), result.second.end());
  return result;
}

inline std::vector<Index> all_examples(std::size_t n) {
  std::vector<Index> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<Index>(i);
  return all;
}

}  // namespace detail

/// `per_class` examples of each class without replacement for training, all others for test (Caltech-101: 30 and the
/// rest). A function of labels and seed alone. Throws UsageError naming a class that has too few examples.
inline Split split_per_class(const std::vector<std::int64_t>& labels, Index per_class, std::uint64_t seed) {
  if (per_class < 1) fail_usage("split", per_class, " training examples a class; at least 1 is needed");
  Split split;
  std::tie(split.train, split.test) =
      detail::draw_per_class(detail::all_examples(labels.size()), labels, seed, detail::SplitPurpose::train_test,
                             [per_class](std::int64_t label, Index size) {
                               if (size < per_class)
                                 fail_usage("split", "class ", label, " has ", size, " examples, ", per_class,
                                            " training examples a class asked for");
                               return per_class;
                             });
  return split;
}

/// `per_class` examples of each class among `examples` (few-label experiments), ascending. Throws UsageError naming a
/// class that has fewer.
inline std::vector<Index> take_per_class(const std::vector<Index>& examples, const std::vector<std::int64_t>& labels,
                                         Index per_class, std::uint64_t seed) {
  if (per_class < 1) fail_usage("split", per_class, " examples a class; at least 1 is needed");
  return detail::draw_per_class(examples, labels, seed, detail::SplitPurpose::subset,
                                [per_class](std::int64_t label, Index size) {
                                  if (size < per_class)
                                    fail_usage("split", "class ", label, " has ", size, " examples, ", per_class,
                                               " asked for");
                                  return per_class;
                                })
      .first;
}

/// Moves about `fraction` of the training examples of each class to `validation`: round(fraction * n), at least 1 and
/// at most n - 1. Throws UsageError when a class has fewer than 2 training examples or a validation list exists.
inline Split carve_validation(Split split, const std::vector<std::int64_t>& labels, double fraction,
                              std::uint64_t seed) {
  if (!(fraction > 0 && fraction < 1)) fail_usage("split", "validation fraction ", fraction, " is not in (0, 1)");
  if (!split.validation.empty())
    fail_usage("split", "there are ", split.validation.size(), " validation examples already");
  std::tie(split.validation, split.train) = detail::draw_per_class(
      split.train, labels, seed, detail::SplitPurpose::validation, [fraction](std::int64_t label, Index size) -> Index {
        if (size < 2)
          fail_usage("split", "class ", label, " has ", size, " training example: none can be spared for validation");
        const auto wanted = static_cast<Index>(std::lround(fraction * static_cast<double>(size)));
        return std::clamp<Index>(wanted, 1, size - 1);
      });
  return split;
}

/// Moves `per_class` training examples of each class to `validation`. Throws UsageError when a class would keep none.
inline Split carve_validation_per_class(Split split, const std::vector<std::int64_t>& labels, Index per_class,
                                        std::uint64_t seed) {
  if (per_class < 1) fail_usage("split", per_class, " validation examples a class; at least 1 is needed");
  if (!split.validation.empty())
    fail_usage("split", "there are ", split.validation.size(), " validation examples already");
  std::tie(split.validation, split.train) = detail::draw_per_class(
      split.train, labels, seed, detail::SplitPurpose::validation, [per_class](std::int64_t label, Index size) {
        if (size <= per_class)
          fail_usage("split", "class ", label, " has ", size, " training examples: ", per_class,
                     " cannot be spared for validation");
        return per_class;
      });
  return split;
}

/// The split as tab-separated text: a header, then a line `split path label` per example; train, validation, test, each
/// in ascending order of example number. Its SHA-256 is the split's identity in results.
inline std::string split_text(const Split& split, const Dataset& dataset) {
  std::string text = "split\tpath\tlabel\n";
  const auto add = [&](const char* part, const std::vector<Index>& examples) {
    for (const Index i : examples) {
      const std::string path = dataset.path(i);
      if (path.find_first_of("\t\n\r") != std::string::npos)
        fail_usage("split", "path with a tab or line break cannot be written: ", path);
      text += std::string(part) + '\t' + path + '\t' + std::to_string(dataset.label(i)) + '\n';
    }
  };
  add("train", split.train);
  add("validation", split.validation);
  add("test", split.test);
  return text;
}

/// SHA-256 of split_text.
inline std::string split_digest(const Split& split, const Dataset& dataset) {
  return sha256_hex(split_text(split, dataset));
}

/// Writes the split file atomically and returns its SHA-256.
inline std::string write_split(const std::string& file, const Split& split, const Dataset& dataset) {
  const std::string text = split_text(split, dataset);
  write_file_atomically(file, text);
  return sha256_hex(text);
}

/// Reads a split file for `dataset`. Examples the file does not name stay unused. Throws UsageError with file, line and
/// byte offset for a malformed line, an unknown or repeated path, or a label that contradicts the data set.
inline Split read_split(const std::string& file, const Dataset& dataset) {
  const std::string text = read_file(file);
  std::unordered_map<std::string, Index> position;
  for (Index i = 0; i < dataset.size(); ++i) position.emplace(dataset.path(i), i);
  std::vector<bool> seen(static_cast<std::size_t>(dataset.size()));
  Split split;
  Index line_number = 0;
  for (std::size_t at = 0; at < text.size(); ++line_number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    const auto refuse = [&](const auto&... what) {
      fail_usage("split", file, ":", line_number + 1, " (byte ", at, "): ", what...);
    };
    if (line_number == 0) {
      if (line != "split\tpath\tlabel") refuse("the header is not 'split<tab>path<tab>label'");
    } else {
      const std::size_t first = line.find('\t'), second = line.rfind('\t');
      if (first == std::string::npos || first == second) refuse("three tab-separated fields expected");
      const std::string part = line.substr(0, first), path = line.substr(first + 1, second - first - 1);
      std::vector<Index>* list = part == "train"        ? &split.train
                                 : part == "validation" ? &split.validation
                                 : part == "test"       ? &split.test
                                                        : nullptr;
      if (list == nullptr) refuse("unknown part '", part, "'");
      const auto found = position.find(path);
      if (found == position.end()) refuse("no example '", path, "' in ", dataset.name());
      if (line.substr(second + 1) != std::to_string(dataset.label(found->second)))
        refuse("label '", line.substr(second + 1), "' of ", path, ", the data set has ", dataset.label(found->second));
      if (seen[static_cast<std::size_t>(found->second)]) refuse("'", path, "' occurs twice");
      seen[static_cast<std::size_t>(found->second)] = true;
      list->push_back(found->second);
    }
    at = end + 1;
  }
  if (line_number == 0) fail_usage("split", file, ": empty file");
  for (std::vector<Index>* list : {&split.train, &split.validation, &split.test}) std::sort(list->begin(), list->end());
  return split;
}

}  // namespace data
TINYVISION_END
