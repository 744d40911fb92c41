// ImageNet, ILSVRC 2012 classification (Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 115,
// 2015).
//
// train/<wnid>/*.JPEG, val/ILSVRC2012_val_NNNNNNNN.JPEG, and the development kit: ILSVRC2012_devkit_t12/data/meta.mat
// (structure `synsets`: ILSVRC2012_ID, WNID, words) and ILSVRC2012_validation_ground_truth.txt (an ILSVRC2012_ID a line). In
// place of meta.mat there may be map_clsloc.txt of later kits: lines "wnid ILSVRC2012_ID name".
// Class index is the place of the WordNet id in byte order, which is another numbering than ILSVRC2012_ID: the ground truth
// goes through the metadata, never by position. The validation images are the test part. Checkpoints trained with TensorFlow
// often have a class 0 (background) before these 1,000.
#pragma once

#include <cstdio>
#include <set>

#include "tinyvision/data/datasets/example_lists.hpp"
#include "tinyvision/data/datasets/label_arrays.hpp"

TINYVISION_BEGIN
namespace data {

/// MD5 as in torchvision/datasets/imagenet.py.
inline constexpr OfficialFile imagenet_files[] = {
    {"", "ILSVRC2012_img_train.tar", 147897477120, "1d675b47d978889d74fa0da5fadfb00e", "", "train"},
    {"", "ILSVRC2012_img_val.tar", 6744924160, "29b22e2961454d5413ddabcf34fc5622", "", "val"},
    {"", "ILSVRC2012_devkit_t12.tar.gz", 0, "fa75699e90414af021442c21a62c3abf", ""}};
inline constexpr DatasetInfo imagenet_info{
    .name = "imagenet",
    .title = "ImageNet (ILSVRC 2012)",
    .citation = "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 115, 2015",
    .classes = 1000,
    .counts = {1281167, 0, 50000},
    .metric = Metric::top1,
    .files = imagenet_files,
    .note =
        "Offered to registered users. The archives of images are read in place, or unpacked to train/<wnid> and val."};

namespace detail {

/// The WordNet ids of the 1,000 classes by ILSVRC2012_ID, which counts from 1.
class ImagenetSynsets {
 public:
  /// Throws UsageError when an id or a WordNet id occurs twice, or not all of 1 to 1,000 do.
  static ImagenetSynsets read(const FileSource& source, const std::string& kit) {
    ImagenetSynsets result;
    if (source.contains(kit + "meta.mat")) {
      result.read_meta(source, kit + "meta.mat");
    } else {
      result.read_list(source, kit + "map_clsloc.txt");
    }
    for (std::size_t id = 0; id < result.by_id_.size(); ++id)
      if (result.by_id_[id].empty())
        fail_usage(imagenet_info.name, result.where_, ": no synset has the ILSVRC2012_ID ", id + 1);
    return result;
  }
  const std::string& wnid(Index id) const { return by_id_[static_cast<std::size_t>(id - 1)]; }
  /// In byte order: the class order.
  std::vector<std::string> sorted() const { return {wnids_.begin(), wnids_.end()}; }
  const std::string& where() const { return where_; }

 private:
  void add(Index id, const std::string& wnid) {
    std::string& place = by_id_[static_cast<std::size_t>(id - 1)];
    if (!place.empty()) fail_usage(imagenet_info.name, where_, ": ILSVRC2012_ID ", id, " occurs twice");
    place = wnid;
    if (wnid.size() != 9 || wnid[0] != 'n')
      fail_usage(imagenet_info.name, where_, ": '", wnid, "' is no WordNet id (n and eight digits)");
    if (!wnids_.insert(wnid).second) fail_usage(imagenet_info.name, where_, ": '", wnid, "' occurs twice");
  }
  void read_meta(const FileSource& source, const std::string& name) {
    const LabelFile file(source.read(name), source.describe(name));
    where_ = file.where();
    const MatValue& synsets = file.structures("synsets", {"ILSVRC2012_ID", "WNID"});
    for (Index i = 0; i < synsets.elements(); ++i) {
      const Index id =
          file.counted(synsets.field("ILSVRC2012_ID", i, where_).number(where_), 1000000, "ILSVRC2012_ID", i + 1);
      // Above 1,000 are inner nodes of the hierarchy.
      if (id <= imagenet_info.classes) add(id, synsets.field("WNID", i, where_).string(where_));
    }
  }
  void read_list(const FileSource& source, const std::string& name) {
    const TextList list(source, name);
    where_ = list.where;
    for (const ListLine& line : list.lines) {
      const auto fields = split_fields(line.text, ' ');
      if (fields.size() < 2) line.refuse(where_, "'wnid ILSVRC2012_ID name' expected, not '", line.text, "'");
      add(parse_number(fields[1], line, where_, 1, imagenet_info.classes), std::string(fields[0]));
    }
  }

  std::string where_;
  std::vector<std::string> by_id_ = std::vector<std::string>(static_cast<std::size_t>(imagenet_info.classes));
  std::set<std::string> wnids_;
};

}  // namespace detail

/// Reads what holds `train`, `val` and the development kit, each unpacked or not. Class names are WordNet ids.
inline OfficialData read_imagenet(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string kit = find_prefix(*source, {"ILSVRC2012_devkit_t12/data/", "devkit/data/", "data/"},
                                      "ILSVRC2012_validation_ground_truth.txt", imagenet_info.name);
  const detail::ImagenetSynsets synsets = detail::ImagenetSynsets::read(*source, kit);
  const ClassIndex index(synsets.sorted(), synsets.where());

  ExampleCollector collector(imagenet_info, source, "", options);
  for (const std::string& name : source->names_below("train")) {
    const std::size_t end = name.find('/', 6);
    if (end == std::string::npos || !name.ends_with(".JPEG")) continue;
    const std::string wnid = name.substr(6, end - 6);
    if (!index.contains(wnid))
      fail_usage(imagenet_info.name, source->describe(name), ": unknown class '", wnid, "', it is not in ",
                 synsets.where());
    collector.add_present(collector.split.train, name, index.at(wnid));
  }
  const TextList truth(*source, kit + "ILSVRC2012_validation_ground_truth.txt");
  for (std::size_t i = 0; i < truth.lines.size(); ++i) {
    const ListLine& line = truth.lines[i];
    const Index id = parse_number(line.text, line, truth.where, 1, imagenet_info.classes);
    char file[48];
    std::snprintf(file, sizeof file, "val/ILSVRC2012_val_%08zu.JPEG", i + 1);
    collector.add(collector.split.test, file, index.at(synsets.wnid(id)), line, truth.where);
  }
  return collector.finish(index.names());
}

}  // namespace data
TINYVISION_END
