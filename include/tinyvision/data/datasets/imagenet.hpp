// ImageNet, ILSVRC 2012 classification (Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 115,
// 2015).
//
// train/<wnid>/*.JPEG, val/ILSVRC2012_val_NNNNNNNN.JPEG, and the development kit: ILSVRC2012_devkit_t12/data/meta.mat
// (structure `synsets`: ILSVRC2012_ID, WNID, words) and ILSVRC2012_validation_ground_truth.txt (an ILSVRC2012_ID a line).
// Class index is the place of the WordNet id in byte order, which is another numbering than ILSVRC2012_ID: the ground truth
// goes through the metadata, never by position. The validation images are the test part. Checkpoints trained with TensorFlow
// often have a class 0 (background) before these 1,000.
#pragma once

#include <map>

#include "tinyvision/data/datasets/example_lists.hpp"
#include "tinyvision/data/formats/mat_file.hpp"

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

/// The WordNet ids of the 1,000 classes by ILSVRC2012_ID, and the first word of each by WordNet id.
struct ImagenetSynsets {
  std::vector<std::string> by_id;
  std::map<std::string, std::string> words;
};

inline ImagenetSynsets read_imagenet_synsets(std::string_view bytes, std::string_view where) {
  const MatVariables variables = read_mat(bytes, where);
  const MatValue& synsets = find_variable(variables, "synsets", where);
  ImagenetSynsets result;
  result.by_id.resize(static_cast<std::size_t>(imagenet_info.classes));
  for (Index i = 0; i < synsets.elements(); ++i) {
    const double id = synsets.field("ILSVRC2012_ID", i, where).number(where);
    // Above 1,000 are inner nodes of the hierarchy.
    if (!(id >= 1)) fail_usage(imagenet_info.name, where, ": synset ", i, " has the ILSVRC2012_ID ", id);
    if (id > static_cast<double>(imagenet_info.classes)) continue;
    std::string& wnid = result.by_id[static_cast<std::size_t>(id) - 1];
    if (!wnid.empty()) fail_usage(imagenet_info.name, where, ": ILSVRC2012_ID ", id, " occurs twice");
    wnid = synsets.field("WNID", i, where).string(where);
    const std::string& words = synsets.field("words", i, where).string(where);
    if (!result.words.emplace(wnid, words.substr(0, words.find(','))).second)
      fail_usage(imagenet_info.name, where, ": '", wnid, "' occurs twice");
  }
  for (std::size_t id = 0; id < result.by_id.size(); ++id)
    if (result.by_id[id].empty()) fail_usage(imagenet_info.name, where, ": no synset has the ILSVRC2012_ID ", id + 1);
  return result;
}

}  // namespace detail

/// Reads what holds `train`, `val` and the development kit, each unpacked or not. Class names are WordNet ids.
inline OfficialData read_imagenet(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string kit =
      find_prefix(*source, {"ILSVRC2012_devkit_t12/data/", "devkit/data/", "data/"}, "meta.mat", imagenet_info.name);
  const detail::ImagenetSynsets synsets =
      detail::read_imagenet_synsets(source->read(kit + "meta.mat"), source->describe(kit + "meta.mat"));
  std::vector<std::string> names;
  for (const auto& [wnid, words] : synsets.words) names.push_back(wnid);
  const ClassIndex index(std::move(names), source->describe(kit + "meta.mat"));

  ExampleCollector collector(imagenet_info, source, "", options);
  for (const std::string& name : source->names_below("train")) {
    const std::size_t end = name.find('/', 6);
    if (end == std::string::npos || !name.ends_with(".JPEG")) continue;
    const ListLine line{name, 0};
    collector.add(collector.split.train, name, index.at(name.substr(6, end - 6), line, source->describe("train")), line,
                  source->describe("train"));
  }
  const TextList truth(*source, kit + "ILSVRC2012_validation_ground_truth.txt");
  for (std::size_t i = 0; i < truth.lines.size(); ++i) {
    const ListLine& line = truth.lines[i];
    const Index id = parse_number(line.text, line, truth.where, 1, imagenet_info.classes);
    char file[48];
    std::snprintf(file, sizeof file, "val/ILSVRC2012_val_%08zu.JPEG", i + 1);
    collector.add(collector.split.test, file,
                  index.at(synsets.by_id[static_cast<std::size_t>(id - 1)], line, truth.where), line, truth.where);
  }
  return collector.finish(index.names());
}

}  // namespace data
TINYVISION_END
