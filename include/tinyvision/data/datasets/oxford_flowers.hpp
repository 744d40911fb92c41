// Oxford 102 Flowers (Nilsback & Zisserman, "Automated Flower Classification over a Large Number of Classes", ICVGIP 2008).
//
// jpg/image_NNNNN.jpg from 1 to 8,189; imagelabels.mat: `labels`, 1..102; setid.mat: `trnid` (1,020), `valid` (1,020) and
// `tstid` (6,149) are image numbers. The test part is the largest, which is no mistake. The archive has no class names: a class
// is called by its number, and label 1 is index 0.
#pragma once

#include <cstdio>

#include "tinyvision/data/datasets/example_lists.hpp"
#include "tinyvision/data/datasets/label_arrays.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile oxford_flowers_files[] = {
    {"https://www.robots.ox.ac.uk/~vgg/data/flowers/102/imagelabels.mat", "imagelabels.mat", 502,
     "e0620be6f572b9609742df49c70aed4d", "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d"},
    {"https://www.robots.ox.ac.uk/~vgg/data/flowers/102/setid.mat", "setid.mat", 14989,
     "a5357ecc9cb78c4bef273ce3793fc85c", "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd"},
    {"https://www.robots.ox.ac.uk/~vgg/data/flowers/102/102flowers.tgz", "102flowers.tgz", 344862509,
     "52808999861908f626f3c1f4e79d11fa", "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246"}};
inline constexpr DatasetInfo oxford_flowers_info{
    .name = "oxford_flowers",
    .title = "Oxford 102 Flowers",
    .citation = "Nilsback & Zisserman, Automated Flower Classification over a Large Number of Classes, ICVGIP 2008",
    .classes = 102,
    .counts = {1020, 1020, 6149},
    .metric = Metric::mean_per_class,
    .files = oxford_flowers_files,
    .note = "The test part is the largest one, as published. Classes have numbers, no names."};

/// Reads the folder that holds `jpg`, imagelabels.mat and setid.mat.
inline OfficialData read_oxford_flowers(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string_view name = oxford_flowers_info.name;
  const std::string root = find_prefix(*source, {"", "flowers-102/"}, "setid.mat", name);
  const std::string label_name = root + "imagelabels.mat", set_name = root + "setid.mat";
  const LabelFile label_file(source->read(label_name), source->describe(label_name)),
      set_file(source->read(set_name), source->describe(set_name));
  const std::vector<double>& labels = label_file.array("labels", MatValue::Kind::numeric).numbers;
  const Index images = static_cast<Index>(labels.size());
  std::vector<std::string> class_names;
  for (Index c = 1; c <= oxford_flowers_info.classes; ++c) class_names.push_back(std::to_string(c));

  ExampleCollector collector(oxford_flowers_info, source, root + "jpg/", options);
  const auto read = [&](const char* variable, std::vector<Index>& part) {
    const std::vector<double>& ids = set_file.array(variable, MatValue::Kind::numeric).numbers;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const Index id = set_file.counted(ids[i], images, concat_text(variable, ": image"), static_cast<Index>(i) + 1);
      const Index label = label_file.counted(labels[static_cast<std::size_t>(id) - 1], oxford_flowers_info.classes,
                                             "label (they count from 1)", id);
      char file[32];
      std::snprintf(file, sizeof file, "image_%05lld.jpg", static_cast<long long>(id));
      collector.add(part, file, label - 1, {"", static_cast<Index>(i) + 1}, set_file.where() + ": " + variable);
    }
  };
  read("trnid", collector.split.train);
  read("valid", collector.split.validation);
  read("tstid", collector.split.test);
  return collector.finish(std::move(class_names));
}

}  // namespace data
TINYVISION_END
