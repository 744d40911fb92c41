// Synthetic data sets in the exact layout of the published ones, with their traps: for tests and for teaching.
#pragma once

#include "tinyvision/data/datasets/registry.hpp"
#include "tinyvision/data/tiny/tiny_annotated.hpp"
#include "tinyvision/data/tiny/tiny_records.hpp"

TINYVISION_BEGIN
namespace data {

/// The examples of a set that make_tiny makes. Throws UsageError for unknown names.
inline PartCounts tiny_counts(std::string_view name, const TinyOptions& options = {}) {
  const DatasetEntry* const entry = find_dataset(name);
  if (entry == nullptr) fail_usage("make_tiny", "no data set '", name, "'");
  const Index n = options.per_class * entry->info->classes;
  if (name == "caltech101") return {2 * n, 0, 0};  // one part
  if (name == "oxford_flowers") return {n, n, 2 * n};
  if (name == "imagenet") return {n, 0, entry->info->classes};
  if (name == "birdsnap") return {n - 10, 0, n};  // ten are absent
  return {n, entry->info->counts.validation > 0 ? n : 0, n};
}

/// What make_tiny writes.
inline std::vector<TinyPart> tiny_parts(std::string_view name, const TinyOptions& options = {}) {
  struct Maker {
    std::string_view name;
    std::vector<TinyPart> (*make)(const TinyOptions&);
  };
  static constexpr Maker makers[] = {{"food101", &detail::tiny_food101},
                                     {"cifar10", &detail::tiny_cifar10},
                                     {"cifar100", &detail::tiny_cifar100},
                                     {"birdsnap", &detail::tiny_birdsnap},
                                     {"sun397", &detail::tiny_sun397},
                                     {"stanford_cars", &detail::tiny_stanford_cars},
                                     {"fgvc_aircraft", &detail::tiny_fgvc_aircraft},
                                     {"voc2007", &detail::tiny_voc2007},
                                     {"dtd", &detail::tiny_dtd},
                                     {"oxford_pets", &detail::tiny_oxford_pets},
                                     {"caltech101", &detail::tiny_caltech101},
                                     {"oxford_flowers", &detail::tiny_oxford_flowers},
                                     {"imagenet", &detail::tiny_imagenet}};
  if (options.per_class < 1 || options.per_class > 100)
    fail_usage("make_tiny", options.per_class, " images a class; 1 to 100 are made");
  for (const Maker& maker : makers)
    if (maker.name == name) return maker.make(options);
  fail_usage("make_tiny", "no data set '", name, "'");
}

/// Writes a small set of the published data set `name` to `folder`, which is new or empty: all of its classes, `per_class`
/// drawn images of each in each part (twice as many in the only part of Caltech-101 and the test part of Flowers; one of each
/// in that of ImageNet; an image of VOC 2007 shows others besides its own), the official names of files and lists, and the
/// traps of the published set. With `archives` the files are packed as the publisher packs them. The same options give the
/// same bytes. Throws UsageError for unknown names and for what cannot be written.
inline void make_tiny(std::string_view name, const std::string& folder, const TinyOptions& options = {}) {
  write_tiny_parts(tiny_parts(name, options), folder, options.archives);
}

}  // namespace data
TINYVISION_END
