// PASCAL VOC 2007, image classification (Everingham et al., "The PASCAL Visual Object Classes Challenge 2007 (VOC2007)
// Results"; IJCV 88, 2010).
//
// VOCdevkit/VOC2007/{JPEGImages,Annotations,ImageSets/Main}. For each class ImageSets/Main/<class>_{train,val,test}.txt: an
// image id and 1 (present), -1 (absent) or 0 (only instances marked difficult, which the devkit leaves out of that class's
// ranking). The class "train" has the list train_train.txt. Two archives: trainval and test. Classes are in alphabetical
// order, as in the development kit. Every image shows one or more classes: `Dataset::presence`. Annotations/<id>.xml has the
// objects with their boxes; reading the set does not need them, and `differences_from_annotation` holds the lists to them.
#pragma once

#include <array>

#include "tinyvision/data/datasets/example_lists.hpp"
#include "tinyvision/data/formats/voc_xml.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile voc2007_files[] = {
    {"http://host.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtrainval_06-Nov-2007.tar", "VOCtrainval_06-Nov-2007.tar",
     460032000, "c52e279531787c972589f7e41ab4ae64", "7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508"},
    {"http://host.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtest_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar", 451020800,
     "b6e924de25625d8de591ea690078ad9f", "6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892"}};
inline constexpr DatasetInfo voc2007_info{
    .name = "voc2007",
    .title = "PASCAL VOC 2007 Cls.",
    .citation =
        "Everingham, Van Gool, Williams, Winn & Zisserman, The PASCAL Visual Object Classes Challenge, IJCV 88, 2010",
    .classes = 20,
    .counts = {2501, 2510, 4952},
    .metric = Metric::voc_ap11,
    .files = voc2007_files,
    .note = "Multi-label. The publisher's host is often unreachable."};

inline constexpr std::array<std::string_view, 20> voc2007_classes{
    "aeroplane",   "bicycle", "bird",  "boat",      "bottle", "bus",         "car",   "cat",  "chair", "cow",
    "diningtable", "dog",     "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"};

/// Image files with what each of them shows.
class VocDataset : public FileDataset {
 public:
  VocDataset(std::vector<std::array<std::int8_t, 20>> presence, std::shared_ptr<const FileSource> source,
             std::vector<Example> examples, std::vector<std::string> class_names, Decoder decoder,
             const std::string& root)
      : FileDataset("voc2007", std::move(source), std::move(examples), std::move(class_names), Metric::voc_ap11,
                    decoder, root + "JPEGImages/"),
        presence_(std::move(presence)),
        annotations_(root + "Annotations") {}
  std::span<const std::int8_t> presence(Index i) const override {
    check_index(i);
    return presence_[static_cast<std::size_t>(i)];
  }
  /// The folder of annotations in source(), and what that of example i is called.
  const std::string& annotation_folder() const { return annotations_; }
  std::string annotation_name(Index i) const {
    const std::string image = path(i);
    return annotations_ + "/" + image.substr(0, image.rfind('.')) + ".xml";
  }

 private:
  std::vector<std::array<std::int8_t, 20>> presence_;
  std::string annotations_;
};

/// What an annotation says otherwise than the lists (`presence` of the image) and its pixels, a clause each: objects of
/// unknown classes, classes with an object that is not difficult (1 in the lists), with difficult ones alone (0) or without
/// any (-1), and the image's sides.
inline std::vector<std::string> differences_from_annotation(const VocAnnotation& annotation,
                                                            std::span<const std::int8_t> presence, Index height,
                                                            Index width) {
  std::vector<std::string> differences;
  std::array<std::int8_t, voc2007_classes.size()> shown;
  shown.fill(-1);
  for (const VocObject& object : annotation.objects) {
    const auto found = std::find(voc2007_classes.begin(), voc2007_classes.end(), object.name);
    if (found == voc2007_classes.end()) {
      differences.push_back("an object '" + object.name.substr(0, 40) + "' of no class");
      continue;
    }
    std::int8_t& best = shown[static_cast<std::size_t>(found - voc2007_classes.begin())];
    best = std::max(best, static_cast<std::int8_t>(object.difficult ? 0 : 1));
  }
  for (std::size_t c = 0; c < shown.size(); ++c)
    if (shown[c] != presence[c])
      differences.push_back(concat_text("by its objects ", voc2007_classes[c], " is ", int{shown[c]},
                                        ", the lists have ", int{presence[c]}));
  if (annotation.height != height || annotation.width != width)
    differences.push_back(concat_text("its size is ", annotation.width, " x ", annotation.height, ", the image's ",
                                      width, " x ", height));
  return differences;
}

/// Reads `VOC2007`, `VOCdevkit`, or the folder that holds it.
inline OfficialData read_voc2007(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  static constexpr std::string_view roots[] = {"", "VOC2007/", "VOCdevkit/VOC2007/"};
  // With --allow-partial one of the two archives is enough.
  const std::string test_list = "ImageSets/Main/aeroplane_test.txt";
  const bool tests_alone = options.allow_partial && std::any_of(std::begin(roots), std::end(roots), [&](auto root) {
                             return source->contains(std::string(root) + test_list);
                           });
  const std::string root =
      find_prefix(*source, roots, tests_alone ? test_list : "ImageSets/Main/aeroplane_train.txt", voc2007_info.name);
  ExampleCollector collector(voc2007_info, source, root + "JPEGImages/", options);
  std::vector<std::array<std::int8_t, 20>> presence;
  const auto read = [&](const char* suffix, std::vector<Index>& part) {
    std::vector<std::string> ids;
    std::vector<std::array<std::int8_t, 20>> shown;
    std::vector<Index> numbers;
    const std::string first = root + "ImageSets/Main/aeroplane" + suffix;
    if (options.allow_partial && !source->contains(first)) return;  // one of the two archives is not there
    for (std::size_t c = 0; c < voc2007_classes.size(); ++c) {
      const TextList list(*source, root + "ImageSets/Main/" + std::string(voc2007_classes[c]) + suffix);
      if (c == 0) shown.resize(list.lines.size());
      if (list.lines.size() != shown.size())
        fail_usage("voc2007", list.where, ": ", list.lines.size(), " images, the other classes' lists have ",
                   shown.size());
      for (std::size_t i = 0; i < shown.size(); ++i) {
        const ListLine& line = list.lines[i];
        const auto fields = split_fields(line.text, ' ');
        if (fields.size() != 2) line.refuse(list.where, "an image id and 1, -1 or 0 expected, not '", line.text, "'");
        if (c == 0) ids.emplace_back(fields[0]), numbers.push_back(line.number);
        if (fields[0] != ids[i])
          line.refuse(list.where, "image ", fields[0], ", the other classes' lists have ", ids[i]);
        shown[i][c] = static_cast<std::int8_t>(parse_number(fields[1], line, list.where, -1, 1));
      }
    }
    const std::string where = source->describe(first);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto best = std::max_element(shown[i].begin(), shown[i].end());
      const ListLine line{ids[i], numbers[i]};
      if (*best < 0) line.refuse(where, "image ", ids[i], " shows none of the classes");
      if (collector.add(part, ids[i] + ".jpg", best - shown[i].begin(), line, where) >= 0) presence.push_back(shown[i]);
    }
  };
  read("_train.txt", collector.split.train);
  read("_val.txt", collector.split.validation);
  read("_test.txt", collector.split.test);
  return collector.finish_with(std::make_shared<VocDataset>(
      std::move(presence), source, collector.take_examples(),
      std::vector<std::string>(voc2007_classes.begin(), voc2007_classes.end()), options.decoder, root));
}

}  // namespace data
TINYVISION_END
