// Synthetic data sets in the exact layout of the published ones, with their traps: for tests and for teaching.
#pragma once

#include "tinyvision/data/datasets/registry.hpp"
#include "tinyvision/data/tiny/tiny_annotated.hpp"

TINYVISION_BEGIN
namespace data {

/// Writes a small set of the published data set `name` below `folder`: all of its classes, `per_class` drawn images of each
/// in each part (ImageNet: one of each for test), the official names of files and lists. With `archives` the files are
/// packed as the publisher packs them; ImageNet's archives of archives are not offered. The same options give the same bytes.
/// Throws UsageError for unknown names and for what cannot be written.
inline void make_tiny(std::string_view name, const std::string& folder, const TinyOptions& options = {}) {
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
  if (options.archives && name == "imagenet") fail_usage("make_tiny", "imagenet's archives hold archives: not made");
  for (const Maker& maker : makers)
    if (maker.name == name) return write_tiny_parts(maker.make(options), folder, options.archives);
  fail_usage("make_tiny", "no data set '", name, "'");
}

}  // namespace data
TINYVISION_END
