// Small sets of those data sets that have label files of their own: CIFAR, Stanford Cars, Flowers, VOC 2007, ImageNet.
#pragma once

#include "tinyvision/data/datasets/cifar.hpp"
#include "tinyvision/data/datasets/imagenet.hpp"
#include "tinyvision/data/datasets/oxford_flowers.hpp"
#include "tinyvision/data/datasets/stanford_cars.hpp"
#include "tinyvision/data/datasets/voc2007.hpp"
#include "tinyvision/data/formats/mat_writer.hpp"
#include "tinyvision/data/tiny/tiny_lists.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

/// A record: label bytes, then the upper left 32 x 32 pixels, plane by plane.
inline void append_cifar_record(std::string& out, const std::string& labels, const Image& image) {
  out += labels;
  for (std::size_t c = 0; c < 3; ++c)
    for (Index y = 0; y < CifarDataset::side; ++y)
      for (Index x = 0; x < CifarDataset::side; ++x) out += static_cast<char>(image.at(y, x)[c]);
}

inline std::vector<TinyPart> tiny_cifar10(const TinyOptions& options) {
  static constexpr const char* names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};
  TinyPart part{std::string(cifar10_files[0].name)};
  const std::string root = "cifar-10-batches-bin/";
  std::string batches[6];
  for (Index k = 0; k < 10 * options.per_class; ++k)  // classes in turn, so every batch has some
    append_cifar_record(batches[k % 5], std::string(1, static_cast<char>(k * 3 % 10)),
                        draw_tiny_image(options.seed, k * 3 % 10, k));
  for (Index k = 0; k < 10 * options.per_class; ++k)
    append_cifar_record(batches[5], std::string(1, static_cast<char>(k % 10)),
                        draw_tiny_image(options.seed, k % 10, 10000 + k));
  for (int b = 0; b < 5; ++b) part.files[root + "data_batch_" + std::to_string(b + 1) + ".bin"] = batches[b];
  part.files[root + "test_batch.bin"] = batches[5];
  std::string meta;
  for (const char* name : names) meta += std::string(name) + "\n";
  part.files[root + "batches.meta.txt"] = meta + "\n";
  return {part};
}

inline std::vector<TinyPart> tiny_cifar100(const TinyOptions& options) {
  TinyPart part{std::string(cifar100_files[0].name)};
  const std::string root = "cifar-100-binary/";
  std::string train, test, fine, coarse;
  for (Index k = 0; k < 2 * 100 * options.per_class; ++k) {
    const Index c = k * 7 % 100;
    append_cifar_record(k < 100 * options.per_class ? train : test, {static_cast<char>(c / 5), static_cast<char>(c)},
                        draw_tiny_image(options.seed, c, k));
  }
  for (Index c = 0; c < 100; ++c) fine += numbered("fine_", c) + "\n";
  for (Index c = 0; c < 20; ++c) coarse += numbered("coarse_", c) + "\n";
  part.files[root + "train.bin"] = train;
  part.files[root + "test.bin"] = test;
  part.files[root + "fine_label_names.txt"] = fine;
  part.files[root + "coarse_label_names.txt"] = coarse;
  return {part};
}

/// `annotations` of the devkit: boxes, class from 1 (unless left out), file name.
inline MatVariables car_annotations(const std::vector<std::pair<std::string, Index>>& images, bool with_class) {
  MatValue annotations;
  annotations.kind = MatValue::Kind::structure;
  annotations.dims = {1, static_cast<Index>(images.size())};
  for (const char* field : {"bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"})
    annotations.fields.emplace_back(
        field, std::vector<MatValue>(images.size(), MatValue::row({field[6] == '1' ? 1.0 : 39.0})));
  std::vector<MatValue> classes, names;
  for (const auto& [name, label] : images) {
    classes.push_back(MatValue::row({static_cast<double>(label)}));
    names.push_back(MatValue::characters(name));
  }
  if (with_class) annotations.fields.emplace_back("class", std::move(classes));
  annotations.fields.emplace_back("fname", std::move(names));
  return {{"annotations", std::move(annotations)}};
}

inline std::vector<TinyPart> tiny_stanford_cars(const TinyOptions& options) {
  TinyPart parts[4];
  for (int p = 0; p < 4; ++p)
    if (stanford_cars_files[p].name.ends_with(".tgz")) parts[p].archive = stanford_cars_files[p].name;
  std::vector<std::pair<std::string, Index>> lists[2];
  for (Index k = 0; k < 2 * stanford_cars_info.classes * options.per_class; ++k) {
    const int test = k >= stanford_cars_info.classes * options.per_class ? 1 : 0;
    const Index c = k * 11 % stanford_cars_info.classes;
    const std::string name = numbered("", static_cast<Index>(lists[test].size()) + 1, 5) + ".jpg";
    parts[test].files[(test != 0 ? "cars_test/" : "cars_train/") + name] = tiny_jpeg(options, c, k);
    lists[test].emplace_back(name, c + 1);
  }
  MatValue class_names;
  class_names.kind = MatValue::Kind::cell;
  class_names.dims = {1, stanford_cars_info.classes};
  for (Index c = 0; c < stanford_cars_info.classes; ++c)
    class_names.cells.push_back(
        MatValue::characters(c == 173 ? "Ram C/V Cargo Van Minivan 2012" : numbered("Make Model ", c)));
  parts[2].files["cars_test_annos_withlabels.mat"] = write_mat(car_annotations(lists[1], true), true);
  parts[3].files["devkit/cars_train_annos.mat"] = write_mat(car_annotations(lists[0], true), true);
  parts[3].files["devkit/cars_test_annos.mat"] = write_mat(car_annotations(lists[1], false), true);
  parts[3].files["devkit/cars_meta.mat"] = write_mat({{"class_names", class_names}}, true);
  return {std::begin(parts), std::end(parts)};
}

inline std::vector<TinyPart> tiny_oxford_flowers(const TinyOptions& options) {
  TinyPart images{std::string(oxford_flowers_files[2].name)}, lists;
  const Index classes = oxford_flowers_info.classes, each = classes * options.per_class, all = 3 * each;
  std::vector<double> labels(static_cast<std::size_t>(all)), sets[3];
  for (Index k = 0; k < all; ++k) {
    const Index id = k * 1009 % all;  // image numbers in no order; 1,009 is prime
    labels[static_cast<std::size_t>(id)] = static_cast<double>(k % classes + 1);
    sets[k / each].push_back(static_cast<double>(id + 1));
    images.files["jpg/" + numbered("image_", id + 1, 5) + ".jpg"] = tiny_jpeg(options, k % classes, k / classes);
  }
  lists.files["imagelabels.mat"] = write_mat({{"labels", MatValue::row(labels)}}, true);
  lists.files["setid.mat"] = write_mat(
      {{"trnid", MatValue::row(sets[0])}, {"valid", MatValue::row(sets[1])}, {"tstid", MatValue::row(sets[2])}}, true);
  return {lists, images};
}

/// An annotation of the development kit.
inline std::string voc_annotation(const std::string& id, const Image& image,
                                  const std::vector<std::pair<Index, bool>>& objects) {
  std::string xml = "<annotation>\n\t<folder>VOC2007</folder>\n\t<filename>" + id +
                    ".jpg</filename>\n\t<size>\n\t\t<width>" + std::to_string(image.width) + "</width>\n\t\t<height>" +
                    std::to_string(image.height) +
                    "</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n";
  for (const auto& [c, difficult] : objects)
    xml += "\t<object>\n\t\t<name>" + std::string(voc2007_classes[static_cast<std::size_t>(c)]) +
           "</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n\t\t<difficult>" +
           (difficult ? "1" : "0") +
           "</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>2</xmin>\n\t\t\t<ymin>3</ymin>\n\t\t\t<xmax>30</"
           "xmax>\n\t\t\t<ymax>31</ymax>\n"
           "\t\t</bndbox>\n\t</object>\n";
  return xml + "</annotation>\n";
}

inline std::vector<TinyPart> tiny_voc2007(const TinyOptions& options) {
  static constexpr const char* sets[] = {"train", "val", "test"};
  const std::string root = "VOCdevkit/VOC2007/", lists = root + "ImageSets/Main/";
  TinyPart parts[2] = {{std::string(voc2007_files[0].name)}, {std::string(voc2007_files[1].name)}};
  const Index classes = voc2007_info.classes, each = classes * options.per_class;
  for (Index k = 0; k < 3 * each; ++k) {
    const Index c = k % classes;
    const std::string id = numbered("", k + 1, 6);
    // Its own class, every second image one more, every third one more that is difficult.
    std::vector<std::pair<Index, bool>> objects{{c, false}};
    if (k % 2 == 0) objects.emplace_back((c + 3) % classes, false);
    if (k % 3 == 0) objects.emplace_back((c + 5) % classes, true);
    TinyPart& part = parts[k / each == 2 ? 1 : 0];
    part.files[root + "JPEGImages/" + id + ".jpg"] = tiny_jpeg(options, c, k);
    part.files[root + "Annotations/" + id + ".xml"] = voc_annotation(id, draw_tiny_image(options.seed, c, k), objects);
    for (Index other = 0; other < classes; ++other) {
      int shown = -1;
      for (const auto& [which, difficult] : objects)
        if (which == other) shown = std::max(shown, difficult ? 0 : 1);
      const std::string line = id + (shown < 0 ? " " : "  ") + std::to_string(shown) + "\n";
      const std::string name = lists + std::string(voc2007_classes[static_cast<std::size_t>(other)]) + "_";
      part.files[name + sets[k / each] + ".txt"] += line;
      if (k / each < 2) part.files[name + "trainval.txt"] += line;
    }
    part.files[lists + sets[k / each] + ".txt"] += id + "\n";
    if (k / each < 2) part.files[lists + "trainval.txt"] += id + "\n";
  }
  return {parts[0], parts[1]};
}

inline std::vector<TinyPart> tiny_imagenet(const TinyOptions& options) {
  TinyPart part;
  const Index classes = imagenet_info.classes;
  // ILSVRC2012_ID counts in another order than the WordNet ids do.
  const auto id_of = [&](Index c) { return c * 7 % classes + 1; };
  MatValue synsets;
  synsets.kind = MatValue::Kind::structure;
  synsets.dims = {classes + 1, 1};
  std::vector<MatValue> ids, wnids, words;
  std::string truth;
  for (Index c = 0; c < classes; ++c) {
    const std::string wnid = numbered("n", 1400000 + 13 * c, 8);
    ids.push_back(MatValue::row({static_cast<double>(id_of(c))}));
    wnids.push_back(MatValue::characters(wnid));
    words.push_back(MatValue::characters(numbered("thing ", c) + ", other name"));
    for (Index i = 0; i < options.per_class; ++i) {
      std::string bytes = tiny_jpeg(options, c, i);
      if (c == 1 && i == 0) bytes = encode_jpeg(draw_tiny_image(options.seed, c, i), JpegColours::cmyk);
      if (c == 2 && i == 0) bytes = gzip(bytes);
      if (c == 4 && i == 0) bytes = encode_tiny_png(draw_tiny_image(options.seed, c, i));
      part.files["train/" + wnid + "/" + wnid + "_" + std::to_string(i + 1) + ".JPEG"] = bytes;
    }
    const Index shown = c * 3 % classes;
    part.files["val/ILSVRC2012_val_" + numbered("", c + 1, 8) + ".JPEG"] = tiny_jpeg(options, shown, 1000);
    truth += std::to_string(id_of(shown)) + "\n";
  }
  ids.push_back(MatValue::row({static_cast<double>(classes + 1)}));  // an inner node of the hierarchy
  wnids.push_back(MatValue::characters("n00001740"));
  words.push_back(MatValue::characters("entity"));
  synsets.fields = {{"ILSVRC2012_ID", std::move(ids)}, {"WNID", std::move(wnids)}, {"words", std::move(words)}};
  part.files["ILSVRC2012_devkit_t12/data/meta.mat"] = write_mat({{"synsets", synsets}}, true);
  part.files["ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"] = truth;
  return {part};
}

}  // namespace detail
}  // namespace data
TINYVISION_END
