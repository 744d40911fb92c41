// Caltech-101 (Fei-Fei, Fergus & Perona, CVPR Workshop 2004), official layout.
//
// 101_ObjectCategories/<class>/image_NNNN.jpg, 102 folders with BACKGROUND_Google, 9,144 JPEGs. The background folder
// is a class: only so do the counts of Kornblith et al. (3,060 + 6,084) add up. Its stray file `tmp` (a JPEG without
// suffix) is left out. There is no official split; see split.hpp. Accuracy is the mean over classes.
#pragma once

#include "tinyvision/data/datasets/image_folder.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr Index caltech101_classes = 102;
inline constexpr Index caltech101_images = 9144;

namespace detail {
/// image_NNNN.jpg
inline bool is_caltech_name(const std::string& name) {
  return name.size() == 14 && name.starts_with("image_") && name.ends_with(".jpg") &&
         std::all_of(name.begin() + 6, name.begin() + 10, [](char c) { return c >= '0' && c <= '9'; });
}
}  // namespace detail

/// Reads `root`, which is `101_ObjectCategories` or the folder that holds it. Classes in byte order of their names
/// (BACKGROUND_Google is 0). Throws UsageError when a class is empty, or when the counts are not the official ones
/// unless `allow_partial`.
inline std::unique_ptr<FileDataset> read_caltech101(const std::string& root, bool allow_partial = false,
                                                    Decoder decoder = Decoder::turbo) {
  namespace fs = std::filesystem;
  const fs::path inner = fs::path(root) / "101_ObjectCategories";
  const fs::path top = fs::is_directory(inner) ? inner : fs::path(root);
  std::vector<Example> examples;
  std::vector<std::string> classes;
  for (const fs::path& folder : detail::sorted_entries(top)) {
    if (!fs::is_directory(folder)) continue;
    const std::string name = folder.filename().string();
    const std::size_t before = examples.size();
    for (const fs::path& entry : detail::sorted_entries(folder)) {
      const std::string file = entry.filename().string();
      if (detail::is_caltech_name(file))
        examples.push_back({name + "/" + file, static_cast<std::int64_t>(classes.size())});
    }
    if (examples.size() == before)
      fail_usage("caltech101", "class folder ", folder.string(), " holds no image_NNNN.jpg");
    classes.push_back(name);
  }
  const Index images = static_cast<Index>(examples.size());
  const Index found = static_cast<Index>(classes.size());
  const bool background = std::find(classes.begin(), classes.end(), "BACKGROUND_Google") != classes.end();
  if (!allow_partial && (images != caltech101_images || found != caltech101_classes || !background))
    fail_usage("caltech101", top.string(), ": ", found, " classes and ", images, " images, the official set has ",
               caltech101_classes, " (with BACKGROUND_Google) and ", caltech101_images);
  return std::make_unique<FileDataset>("caltech101", top.string(), std::move(examples), std::move(classes),
                                       Metric::mean_per_class, decoder);
}

}  // namespace data
TINYVISION_END
