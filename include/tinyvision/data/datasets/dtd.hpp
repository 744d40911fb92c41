// Describable Textures (Cimpoi et al., "Describing Textures in the Wild", CVPR 2014), release 1.0.1.
//
// dtd/images/<class>/<class>_NNNN.jpg, dtd/labels/{train,val,test}{1..10}.txt. 47 classes with 120 images; 1,880 in each part
// of each of the ten partitions; the paper uses the first. labels_joint_anno.txt (several attributes an image) is not used.
// Classes are in byte order.
#pragma once

#include <set>

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile dtd_files[] = {{"https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
                                              "dtd-r1.0.1.tar.gz", 625239812, "fff73e5086ae6bdbea199a49dfb8a4c1",
                                              "e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205"}};
inline constexpr DatasetInfo dtd_info{
    .name = "dtd",
    .title = "Describable Textures (DTD)",
    .citation = "Cimpoi, Maji, Kokkinos, Mohamed & Vedaldi, Describing Textures in the Wild, CVPR 2014",
    .classes = 47,
    .counts = {1880, 1880, 1880},
    .metric = Metric::top1,
    .files = dtd_files,
    .note = "Ten partitions; partition 1 is the paper's."};

/// Reads partition `options.part` of `dtd` or of the folder that holds it.
inline OfficialData read_dtd(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  if (options.part < 1 || options.part > 10) fail_usage("dtd", "there is no partition ", options.part, ", but 1..10");
  const std::string number = std::to_string(options.part) + ".txt";
  const std::string root = find_prefix(*source, {"", "dtd/"}, "labels/train" + number, dtd_info.name);
  const TextList train(*source, root + "labels/train" + number), validation(*source, root + "labels/val" + number),
      test(*source, root + "labels/test" + number);
  const auto class_of = [](const TextList& list, const ListLine& line) {
    const std::size_t slash = line.text.find('/');
    if (slash == std::string_view::npos) line.refuse(list.where, "'class/image' expected, not '", line.text, "'");
    return line.text.substr(0, slash);
  };
  std::set<std::string> names;
  for (const TextList* list : {&train, &validation, &test})
    for (const ListLine& line : list->lines) names.emplace(class_of(*list, line));
  const ClassIndex index({names.begin(), names.end()}, train.where);
  if (static_cast<Index>(names.size()) > dtd_info.classes)
    fail_usage("dtd", train.where, ": the lists name ", names.size(), " classes, there are ", dtd_info.classes);
  ExampleCollector collector(dtd_info, source, root + "images/", options);
  const auto read = [&](const TextList& list, std::vector<Index>& part) {
    for (const ListLine& line : list.lines)
      collector.add(part, std::string(line.text), index.at(class_of(list, line), line, list.where), line, list.where);
  };
  read(train, collector.split.train);
  read(validation, collector.split.validation);
  read(test, collector.split.test);
  return collector.finish(index.names());
}

}  // namespace data
TINYVISION_END
