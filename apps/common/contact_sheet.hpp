// What the network sees, as one picture per class.
#pragma once

#include <string>

#include "common/options.hpp"
#include "tinyvision/data/augment.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

struct SheetChoice {
  Index per_class = 8;  ///< images of each class: the first ones of the chosen part
  Index views = 3;      ///< augmented views of each image
  std::string part = "train";
  std::vector<std::string> classes;  ///< names; empty: all
  std::uint64_t seed = 0;
  bool quiet = false;
  tinyvision::data::Preprocessing preprocessing;
  tinyvision::data::AugmentOptions augmentation;
};

/// Writes `folder`/<number>_<class>.png for every class: a row of each image, first the whole image, then as it is for
/// evaluation, then `views` augmented ones (epochs 0, 1, ...). Returns the files with their SHA-256. Throws UsageError for
/// unknown classes and parts and for images that cannot be read, Interrupted on Ctrl-C.
Json write_contact_sheets(const tinyvision::data::OfficialData& data, const SheetChoice& choice,
                          const std::string& folder);

}  // namespace tv_app
