// Small sets of those data sets that have label files of their own: Stanford Cars, Flowers, Caltech-101 (with its contours),
// VOC 2007, ImageNet.
#pragma once

#include "tinyvision/data/datasets/caltech101.hpp"
#include "tinyvision/data/datasets/imagenet.hpp"
#include "tinyvision/data/datasets/oxford_flowers.hpp"
#include "tinyvision/data/datasets/stanford_cars.hpp"
#include "tinyvision/data/datasets/voc2007.hpp"
#include "tinyvision/data/formats/mat_writer.hpp"
#include "tinyvision/data/tiny/tiny_lists.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

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
    parts[test].files[(test != 0 ? "cars_test/" : "cars_train/") + name] =
        tiny_jpeg(options, c, k / stanford_cars_info.classes);
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
  parts[3].files["devkit/README.txt"] = "A synthetic set in the layout of the Cars data set.\n";
  parts[3].files["devkit/cars_meta.mat"] = write_mat({{"class_names", class_names}}, true);
  return {std::begin(parts), std::end(parts)};
}

inline std::vector<TinyPart> tiny_oxford_flowers(const TinyOptions& options) {
  TinyPart images{std::string(oxford_flowers_files[2].name)}, lists;
  const Index classes = oxford_flowers_info.classes, each = classes * options.per_class, all = 4 * each;
  std::vector<double> labels(static_cast<std::size_t>(all)), sets[3];
  for (Index k = 0; k < all; ++k) {
    const Index id = k * 1009 % all;  // image numbers in no order; 1,009 is prime
    labels[static_cast<std::size_t>(id)] = static_cast<double>(k % classes + 1);
    sets[std::min<Index>(k / each, 2)].push_back(static_cast<double>(id + 1));  // the test part is the largest
    images.files["jpg/" + numbered("image_", id + 1, 5) + ".jpg"] = tiny_jpeg(options, k % classes, k / classes);
  }
  lists.files["imagelabels.mat"] = write_mat({{"labels", MatValue::row(labels)}}, true);
  lists.files["setid.mat"] = write_mat(
      {{"trnid", MatValue::row(sets[0])}, {"valid", MatValue::row(sets[1])}, {"tstid", MatValue::row(sets[2])}}, true);
  return {lists, images};
}

/// Folders in which annotations lie; those of three classes have other names than the images' folders.
inline std::string caltech_annotation_folder(const std::string& name) {
  if (name == "Faces") return "Faces_2";
  if (name == "Faces_easy") return "Faces_3";
  if (name == "Motorbikes") return "Motorbikes_16";
  return name == "airplanes" ? "Airplanes_Side_2" : name;
}

/// A zip that holds the archive of images, the archive of contours and what macOS adds.
inline std::vector<TinyPart> tiny_caltech101(const TinyOptions& options) {
  static constexpr const char* known[] = {"BACKGROUND_Google", "Faces",      "Faces_easy",
                                          "Leopards",          "Motorbikes", "airplanes"};
  TinyPart images{std::string(caltech101_files[0].name)}, contours;
  images.inside = "caltech-101/101_ObjectCategories.tar.gz";
  const std::string root = "101_ObjectCategories/";
  for (Index c = 0; c < caltech101_info.classes; ++c) {
    const std::string name = c < 6 ? known[c] : numbered("object_", c);
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      images.files[root + name + "/" + numbered("image_", i + 1, 4) + ".jpg"] = tiny_jpeg(options, c, i);
      if (c > 0)
        contours.files["Annotations/" + caltech_annotation_folder(name) + "/" + numbered("annotation_", i + 1, 4) +
                       ".mat"] = write_mat({{"box_coord", MatValue::row({2, 38, 3, 39})}}, true);
    }
  }
  images.files[root + "BACKGROUND_Google/tmp"] = tiny_jpeg(options, 0, 1000);  // stray, without a suffix
  images.beside["caltech-101/Annotations.tar"] = pack(contours.files, "Annotations.tar");
  images.beside["caltech-101/show_annotation.m"] = "% shows a contour\n";
  images.beside["__MACOSX/caltech-101/._show_annotation.m"] = "not a part of the data set";
  contours.unpacked_only = true;
  return {images, contours};
}

/// One object of an image.
struct TinyVocObject {
  Index label = 0;
  bool difficult = false;
  Box box{};
};

/// An annotation of the development kit.
inline std::string voc_annotation(const std::string& id, const Image& image,
                                  const std::vector<TinyVocObject>& objects) {
  std::string xml =
      concat_text("<annotation>\n\t<folder>VOC2007</folder>\n\t<filename>", id,
                  ".jpg</filename>\n\t<source>\n\t\t<database>synthetic</database>\n\t</source>\n\t<size>",
                  "\n\t\t<width>", image.width, "</width>\n\t\t<height>", image.height,
                  "</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n");
  for (const TinyVocObject& object : objects)
    xml += concat_text(
        "\t<object>\n\t\t<name>", voc2007_classes[static_cast<std::size_t>(object.label)],
        "</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>", object.label % 2, "</truncated>\n\t\t<difficult>",
        object.difficult ? 1 : 0, "</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>", object.box.left + 1,
        "</xmin>\n\t\t\t<ymin>", object.box.top + 1, "</ymin>\n\t\t\t<xmax>", object.box.left + object.box.width,
        "</xmax>\n\t\t\t<ymax>", object.box.top + object.box.height, "</ymax>\n\t\t</bndbox>\n\t</object>\n");
  return xml + "</annotation>\n";
}

/// What image k shows, in quarters of it: its own class, by turns one more, one more that is difficult, and its own once more,
/// difficult.
inline std::vector<TinyVocObject> tiny_voc_objects(Index k, const Image& image) {
  const Index classes = voc2007_info.classes, own = k % classes;
  std::vector<TinyVocObject> objects{{own}};
  if (k % 2 == 0) objects.push_back({(own + 3) % classes});
  if (k % 3 == 0) objects.push_back({(own + 5) % classes, true});
  if (k % 7 == 0) objects.push_back({own, true});
  const Index high = image.height / 2, wide = image.width / 2;
  for (std::size_t o = 0; o < objects.size(); ++o)
    objects[o].box = {o / 2 == 0 ? 1 : high + 1, o % 2 == 0 ? 1 : wide + 1, high - 2, wide - 2};
  return objects;
}

inline std::vector<TinyPart> tiny_voc2007(const TinyOptions& options) {
  static constexpr const char* sets[] = {"train", "val", "test"};
  const std::string root = "VOCdevkit/VOC2007/", lists = root + "ImageSets/Main/";
  TinyPart parts[2] = {{std::string(voc2007_files[0].name)}, {std::string(voc2007_files[1].name)}};
  const Index classes = voc2007_info.classes, each = classes * options.per_class, all = 3 * each;
  for (Index number = 0; number < all; ++number) {  // in the order of ids, which is none of parts and classes
    const Index k = number * 1009 % all, set = k / each;
    const std::string id = numbered("", number + 1, 6);
    Image image = draw_tiny_image(options.seed, classes, k);  // the ground is a pattern of no class
    const std::vector<TinyVocObject> objects = tiny_voc_objects(k, image);
    for (const TinyVocObject& object : objects) draw_tiny_pattern(image, object.box, options.seed, object.label, k);
    TinyFiles& files = parts[set == 2 ? 1 : 0].files;
    files[root + "JPEGImages/" + id + ".jpg"] = encode_jpeg(image);
    files[root + "Annotations/" + id + ".xml"] = voc_annotation(id, image, objects);
    for (Index c = 0; c < classes; ++c) {
      int shown = -1;
      for (const TinyVocObject& object : objects)
        if (object.label == c) shown = std::max(shown, object.difficult ? 0 : 1);
      const std::string line = id + (shown < 0 ? " " : "  ") + std::to_string(shown) + "\n";
      const std::string name = lists + std::string(voc2007_classes[static_cast<std::size_t>(c)]) + "_";
      files[name + sets[set] + ".txt"] += line;
      if (set < 2) files[name + "trainval.txt"] += line;
    }
    files[lists + sets[set] + ".txt"] += id + "\n";
    if (set < 2) files[lists + "trainval.txt"] += id + "\n";
  }
  return {parts[0], parts[1]};
}

/// The image that ImageNet's class c begins with: among JPEGs one of inks, one in gzip, one that is really a PNG.
inline std::string tiny_imagenet_image(const TinyOptions& options, Index c, Index i) {
  const Image image = draw_tiny_image(options.seed, c, i);
  if (c == 1 && i == 0) return encode_jpeg(image, JpegColours::cmyk);
  if (c == 2 && i == 0) return gzip(encode_jpeg(image));
  if (c == 4 && i == 0) return encode_tiny_png(image);
  return tiny_jpeg(options, c, i);
}

/// Training images of every class, one validation image of each, the development kit. The archive of training images holds an
/// archive for each class.
inline std::vector<TinyPart> tiny_imagenet(const TinyOptions& options) {
  TinyPart train{std::string(imagenet_files[0].name)}, val{std::string(imagenet_files[1].name)},
      kit{std::string(imagenet_files[2].name)};
  train.below = "train/", train.tar_of_tars = true;
  val.below = "val/";
  constexpr Index inner = 60;  // nodes of the hierarchy that are no classes
  const Index classes = imagenet_info.classes;
  // ILSVRC2012_ID counts in another order than the WordNet ids do.
  const auto id_of = [&](Index c) { return c * 7 % classes + 1; };
  MatValue synsets;
  synsets.kind = MatValue::Kind::structure;
  synsets.dims = {classes + inner, 1};
  std::vector<MatValue> ids, wnids, words, glosses, children, trained;
  const auto add_synset = [&](Index id, const std::string& wnid, const std::string& word, Index child, Index images) {
    ids.push_back(MatValue::row({static_cast<double>(id)}));
    wnids.push_back(MatValue::characters(wnid));
    words.push_back(MatValue::characters(word));
    glosses.push_back(MatValue::characters("what " + word + " is"));
    children.push_back(MatValue::row({static_cast<double>(child)}));
    trained.push_back(MatValue::row({static_cast<double>(images)}));
  };
  std::string truth;
  for (Index c = 0; c < classes; ++c) {
    const std::string wnid = numbered("n", 1400000 + 13 * c, 8);
    add_synset(id_of(c), wnid, numbered("thing ", c) + ", other name", 0, options.per_class);
    for (Index i = 0; i < options.per_class; ++i)
      train.files["train/" + wnid + "/" + wnid + "_" + std::to_string(i + 1) + ".JPEG"] =
          tiny_imagenet_image(options, c, i);
    const Index shown = c * 3 % classes;
    val.files["val/ILSVRC2012_val_" + numbered("", c + 1, 8) + ".JPEG"] = tiny_jpeg(options, shown, 1000);
    truth += std::to_string(id_of(shown)) + "\n";
  }
  for (Index k = 0; k < inner; ++k) add_synset(classes + 1 + k, numbered("n", 1740 + k, 8), numbered("kind ", k), 2, 0);
  synsets.fields = {{"ILSVRC2012_ID", std::move(ids)},     {"WNID", std::move(wnids)},
                    {"words", std::move(words)},           {"gloss", std::move(glosses)},
                    {"num_children", std::move(children)}, {"num_train_images", std::move(trained)}};
  kit.files["ILSVRC2012_devkit_t12/readme.txt"] = "A synthetic set in the layout of ILSVRC 2012.\n";
  kit.files["ILSVRC2012_devkit_t12/data/meta.mat"] = write_mat({{"synsets", synsets}}, true);
  kit.files["ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"] = truth;
  return {train, val, kit};
}

}  // namespace detail
}  // namespace data
TINYVISION_END
