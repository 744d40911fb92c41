// Caltech-101 (Fei-Fei, Fergus & Perona, "Learning Generative Visual Models from Few Training Examples", CVPR Workshop 2004).
//
// 101_ObjectCategories/<class>/image_NNNN.jpg, 102 folders with BACKGROUND_Google, 9,144 JPEGs, some of them grey. The
// background folder is a class: only so do the counts of Kornblith et al. (3,060 + 6,084) add up. Its stray file `tmp` (a JPEG
// without suffix) is left out. There is no official split; see split.hpp. The published zip holds the archive of images.
#pragma once

#include <algorithm>

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile caltech101_files[] = {
    {"https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip", "caltech-101.zip", 137414764,
     "3138e1922a9193bfa496528edbbc45d0", "331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91"}};
inline constexpr OfficialFile caltech101_inner[] = {
    {"", "caltech-101/101_ObjectCategories.tar.gz", 131740031, "b224c7392d521a49829488ab0f1120d9",
     "af6ece2f339791ca20f855943d8b55dd60892c0a25105fcd631ee3d6430f9926"},
    {"", "caltech-101/Annotations.tar", 0, "6f83eeb1f24d99cab4eb377263132c91", ""}};
inline constexpr DatasetInfo caltech101_info{
    .name = "caltech101",
    .title = "Caltech-101",
    .citation =
        "Fei-Fei, Fergus & Perona, Learning Generative Visual Models from Few Training Examples, CVPR Workshop 2004",
    .classes = 102,
    .counts = {9144, 0, 0},
    .metric = Metric::mean_per_class,
    .files = caltech101_files,
    .note =
        "BACKGROUND_Google is a class. No official parts: 30 training images a class, the rest for test, gives the "
        "paper's "
        "3,060 and 6,084.",
    .inner = caltech101_inner};

namespace detail {
/// image_NNNN.jpg
inline bool is_caltech_name(std::string_view name) {
  return name.size() == 14 && name.starts_with("image_") && name.ends_with(".jpg") &&
         std::all_of(name.begin() + 6, name.begin() + 10, [](char c) { return c >= '0' && c <= '9'; });
}
}  // namespace detail

/// Reads `101_ObjectCategories` or the folder that holds it. Classes are in byte order of their names (BACKGROUND_Google is
/// 0). All examples are in `split.train`. Throws UsageError naming a class folder without images.
inline OfficialData read_caltech101(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  std::string root;
  for (const std::string folder : {"101_ObjectCategories", "caltech-101/101_ObjectCategories"})
    if (!source->names_below(folder).empty()) root = folder + "/";
  ExampleCollector collector(caltech101_info, source, root, options);
  std::vector<std::string> classes;
  bool any = true;  // of the last class
  const auto check_last = [&] {
    if (!any)
      fail_usage(caltech101_info.name, "class folder ", source->describe(root + classes.back()),
                 " holds no image_NNNN.jpg");
  };
  for (const std::string& name : source->names_below(root.substr(0, root.size() - (root.empty() ? 0 : 1)))) {
    const std::string path = name.substr(root.size());
    const std::size_t slash = path.find('/');
    if (slash == std::string::npos || path.find('/', slash + 1) != std::string::npos) continue;
    const std::string folder = path.substr(0, slash);
    if (classes.empty() || classes.back() != folder) {
      check_last();
      classes.push_back(folder);
      any = false;
    }
    if (!detail::is_caltech_name(path.substr(slash + 1))) continue;
    any = true;
    collector.add_present(collector.split.train, path, static_cast<std::int64_t>(classes.size()) - 1);
  }
  check_last();
  if (classes.empty()) fail_usage(caltech101_info.name, source->describe(root), ": no class folders in it");
  return collector.finish(std::move(classes));
}

}  // namespace data
TINYVISION_END
