// Stanford Cars (Krause et al., "3D Object Representations for Fine-Grained Categorization", 3dRR-13, 2013).
//
// cars_train/*.jpg, cars_test/*.jpg, devkit/{cars_train_annos,cars_meta}.mat, and cars_test_annos_withlabels.mat: the devkit's
// own cars_test_annos.mat has no classes. A later layout (car_ims/, cars_annos.mat) numbers the images differently, so split
// files do not carry over, and is refused. The whole image is classified; the boxes are not used.
#pragma once

#include "tinyvision/data/datasets/example_lists.hpp"
#include "tinyvision/data/datasets/label_arrays.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile stanford_cars_files[] = {
    {"http://ai.stanford.edu/~jkrause/car196/cars_train.tgz", "cars_train.tgz", 979269282,
     "065e5b463ae28d29e77c1b4b166cfe61", "512b227b30e2f0a8aab9e09485786ab4479582073a144998da74d64b801fd288"},
    {"http://ai.stanford.edu/~jkrause/car196/cars_test.tgz", "cars_test.tgz", 977350468,
     "4ce7ebf6a94d07f1952d94dd34c4d501", "bffea656d6f425cba3c91c6d83336e4c5f86c6cffd8975b0f375d3a10da8e243"},
    {"http://ai.stanford.edu/~jkrause/car196/cars_test_annos_withlabels.mat", "cars_test_annos_withlabels.mat", 185758,
     "b0a2b23655a3edd16d84508592a98d10", "790f75be8ea34eeded134cc559332baf23e30e91367e9ddca97d26ed9b895f05"},
    {"https://ai.stanford.edu/~jkrause/cars/car_devkit.tgz", "car_devkit.tgz", 330960,
     "c3b158d763b6e2245038c8ad08e45376", "b97deb463af7d58b6bfaa18b2a4de9829f0f79e8ce663dfa9261bf7810e9accd"}};
inline constexpr DatasetInfo stanford_cars_info{
    .name = "stanford_cars",
    .title = "Stanford Cars",
    .citation =
        "Krause, Stark, Deng & Fei-Fei, 3D Object Representations for Fine-Grained Categorization, 3dRR-13, 2013",
    .classes = 196,
    .counts = {8144, 0, 8041},
    .metric = Metric::top1,
    .files = stanford_cars_files,
    .note = "The publisher's addresses are dead; copies can be told by the digests."};

namespace detail {

/// Takes the images of an annotation file (struct array `annotations` with `class`, 1 first, and `fname`) into `part`.
inline void read_car_annotations(const FileSource& source, const std::string& name, const std::string& folder,
                                 ExampleCollector& collector, std::vector<Index>& part) {
  const LabelFile file(source.read(name), source.describe(name));
  const std::string& where = file.where();
  const MatValue& annotations = file.structures("annotations", {"fname"});
  if (!annotations.has_field("class"))
    fail_usage(
        stanford_cars_info.name, where,
        ": 'annotations' has no field 'class'; cars_test_annos_withlabels.mat has the labels of the test images");
  for (Index i = 0; i < annotations.elements(); ++i) {
    const double label = annotations.field("class", i, where).number(where);
    collector.add(part, folder + annotations.field("fname", i, where).string(where),
                  file.counted(label, stanford_cars_info.classes, "class", i + 1) - 1, {"", i + 1}, where);
  }
}

}  // namespace detail

/// Reads the folder that holds `cars_train`, `cars_test`, `devkit` and cars_test_annos_withlabels.mat (which may also lie in
/// `devkit`).
inline OfficialData read_stanford_cars(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  for (const std::string later : {"cars_annos.mat", "stanford_cars/cars_annos.mat"})
    if (source->contains(later))
      fail_usage(
          stanford_cars_info.name, source->describe(later),
          ": this is the later layout with car_ims/, which numbers the images differently, so that neither labels "
          "nor split files carry over; cars_train, cars_test, devkit and cars_test_annos_withlabels.mat are read");
  const std::string root =
      find_prefix(*source, {"", "stanford_cars/"}, "devkit/cars_train_annos.mat", stanford_cars_info.name);
  const std::string meta = root + "devkit/cars_meta.mat";
  const LabelFile meta_file(source->read(meta), source->describe(meta));
  std::vector<std::string> names;
  for (const MatValue& cell : meta_file.array("class_names", MatValue::Kind::cell).cells)
    names.push_back(cell.string(meta_file.where()));
  if (static_cast<Index>(names.size()) != stanford_cars_info.classes)
    fail_usage(stanford_cars_info.name, meta_file.where(), ": ", names.size(), " class names, there are ",
               stanford_cars_info.classes);
  const ClassIndex index(std::move(names), meta_file.where());
  ExampleCollector collector(stanford_cars_info, source, root, options);
  detail::read_car_annotations(*source, root + "devkit/cars_train_annos.mat", "cars_train/", collector,
                               collector.split.train);
  std::string test = root + "cars_test_annos_withlabels.mat";
  for (const char* other : {"devkit/cars_test_annos_withlabels.mat", "devkit/cars_test_annos.mat"})
    if (!source->contains(test) && source->contains(root + other)) test = root + other;
  detail::read_car_annotations(*source, test, "cars_test/", collector, collector.split.test);
  return collector.finish(index.names());
}

}  // namespace data
TINYVISION_END
