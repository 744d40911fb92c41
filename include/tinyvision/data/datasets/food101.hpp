// Food-101 (Bossard, Guillaumin & Van Gool, "Food-101: Mining Discriminative Components with Random Forests", ECCV 2014).
//
// food-101/images/<class>/<id>.jpg, food-101/meta/{classes,train,test}.txt. 101 classes with 750 and 250 images. Classes are
// numbered by the lines of classes.txt (labels.txt has the same order in words). Training labels are noisy by design.
#pragma once

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile food101_files[] = {{"http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                                                  "food-101.tar.gz", 4996278331, "85eeb15f3717b99a5da872d97d918f87",
                                                  "d97d15e438b7f4498f96086a4f7e2fa42a32f2712e87d3295441b2b6314053a4"}};
inline constexpr DatasetInfo food101_info{
    .name = "food101",
    .title = "Food-101",
    .citation =
        "Bossard, Guillaumin & Van Gool, Food-101: Mining Discriminative Components with Random Forests, ECCV 2014",
    .classes = 101,
    .counts = {75750, 0, 25250},
    .metric = Metric::top1,
    .files = food101_files,
    .note = "Training labels are noisy by design, test labels are cleaned."};

/// Reads `food-101` or the folder that holds it.
inline OfficialData read_food101(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string root = find_prefix(*source, {"", "food-101/"}, "meta/classes.txt", food101_info.name);
  const TextList classes(*source, root + "meta/classes.txt");
  const ClassIndex index(names_of_lines(classes.lines), classes.where);
  ExampleCollector collector(food101_info, source, root + "images/", options);
  const auto read = [&](const char* name, std::vector<Index>& part) {
    const TextList list(*source, root + name);
    for (const ListLine& line : list.lines) {
      const std::size_t slash = line.text.find('/');
      if (slash == std::string_view::npos) line.refuse(list.where, "'class/id' expected, not '", line.text, "'");
      collector.add(part, std::string(line.text) + ".jpg", index.at(line.text.substr(0, slash), line, list.where), line,
                    list.where);
    }
  };
  read("meta/train.txt", collector.split.train);
  read("meta/test.txt", collector.split.test);
  return collector.finish(index.names());
}

}  // namespace data
TINYVISION_END
