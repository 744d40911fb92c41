// Small sets of those data sets that consist of image files and text lists: Food-101, SUN397, DTD, Pets, Aircraft, Birdsnap,
// Caltech-101.
#pragma once

#include <functional>

#include "tinyvision/core/md5.hpp"
#include "tinyvision/data/datasets/birdsnap.hpp"
#include "tinyvision/data/datasets/caltech101.hpp"
#include "tinyvision/data/datasets/dtd.hpp"
#include "tinyvision/data/datasets/fgvc_aircraft.hpp"
#include "tinyvision/data/datasets/food101.hpp"
#include "tinyvision/data/datasets/oxford_pets.hpp"
#include "tinyvision/data/datasets/sun397.hpp"
#include "tinyvision/data/tiny/tiny_files.hpp"
#include "tinyvision/data/tiny/tiny_images.hpp"

TINYVISION_BEGIN
namespace data {

struct TinyOptions {
  std::uint64_t seed = 0;
  Index per_class = 2;    ///< images of each class in each part
  bool archives = false;  ///< packed as the publisher packs them
};

namespace detail {

/// "class_017" or with another word and width.
inline std::string numbered(const char* word, Index number, int width = 3) {
  char text[64];
  std::snprintf(text, sizeof text, "%s%0*lld", word, width, static_cast<long long>(number));
  return text;
}

/// The drawn image of a class as a JPEG file; every seventh class is grey.
inline std::string tiny_jpeg(const TinyOptions& options, std::int64_t label, Index number) {
  return encode_jpeg(draw_tiny_image(options.seed, label, number),
                     label % 7 == 3 && number == 0 ? JpegColours::grey : JpegColours::rgb);
}

/// The files of one image as PNG, BMP or GIF by turns, which the real sets hold under names that end in .jpg.
inline std::string tiny_mislabelled(const TinyOptions& options, std::int64_t label, Index number) {
  const Image image = draw_tiny_image(options.seed, label, number);
  return number % 3 == 0 ? encode_tiny_png(image) : number % 3 == 1 ? encode_bmp(image) : encode_gif(image);
}

inline std::vector<TinyPart> tiny_food101(const TinyOptions& options) {
  TinyPart part{std::string(food101_files[0].name)};
  std::string classes, labels, train, test;
  for (Index c = 0; c < food101_info.classes; ++c) {
    const std::string name = numbered("dish_", c);
    classes += name + "\n";
    labels += numbered("Dish ", c) + "\n";
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      const std::string id = name + "/" + std::to_string(1000 * (c + 1) + i);
      part.files["food-101/images/" + id + ".jpg"] = tiny_jpeg(options, c, i);
      (i < options.per_class ? train : test) += id + "\n";
    }
  }
  part.files["food-101/meta/classes.txt"] = classes;
  part.files["food-101/meta/labels.txt"] = labels;
  part.files["food-101/meta/train.txt"] = train;
  part.files["food-101/meta/test.txt"] = test;
  return {part};
}

/// Class paths with one and two levels, in byte order.
inline std::vector<std::string> tiny_sun_classes() {
  std::vector<std::string> names;
  for (Index c = 0; c < sun397_info.classes; ++c) {
    const char letter = static_cast<char>('a' + c * 26 / sun397_info.classes);
    names.push_back(std::string(1, letter) + "/" + numbered("scene_", c / 2 * 2) +
                    (c % 2 == 0 ? "/indoor" : "/outdoor"));
  }
  names[0] = "a/abbey";
  std::sort(names.begin(), names.end());
  return names;
}

inline std::vector<TinyPart> tiny_sun397(const TinyOptions& options) {
  TinyPart images{std::string(sun397_files[0].name)}, lists{std::string(sun397_files[1].name)};
  const std::vector<std::string> names = tiny_sun_classes();
  std::string classes, train[10], test[10];
  for (std::size_t c = 0; c < names.size(); ++c) {
    classes += "/" + names[c] + "\n";
    const auto label = static_cast<std::int64_t>(c);
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      const std::string path = names[c] + "/sun_" + numbered("", label * 1000 + i, 8) + ".jpg";
      images.files["SUN397/" + path] = c % 40 == 7 ? tiny_mislabelled(options, label, i) : tiny_jpeg(options, label, i);
      for (Index p = 0; p < 10; ++p)  // every partition cuts the images otherwise
        ((i + p) % (2 * options.per_class) < options.per_class ? train : test)[p] += "/" + path + "\n";
    }
  }
  lists.files["ClassName.txt"] = classes;
  for (Index p = 0; p < 10; ++p) {
    lists.files["Training_" + numbered("", p + 1, 2) + ".txt"] = train[p];
    lists.files["Testing_" + numbered("", p + 1, 2) + ".txt"] = test[p];
  }
  return {images, lists};
}

inline std::vector<TinyPart> tiny_dtd(const TinyOptions& options) {
  TinyPart part{std::string(dtd_files[0].name)};
  for (Index p = 1; p <= 10; ++p) {
    std::string lists[3];
    for (Index c = 0; c < dtd_info.classes; ++c)
      for (Index i = 0; i < 3 * options.per_class; ++i)
        lists[(i / options.per_class + p - 1) % 3] +=
            numbered("texture_", c) + "/" + numbered("texture_", c) + "_" + numbered("", i + 1, 4) + ".jpg\n";
    for (int k = 0; k < 3; ++k) {
      static constexpr const char* names[] = {"train", "val", "test"};
      part.files["dtd/labels/" + std::string(names[k]) + std::to_string(p) + ".txt"] = lists[k];
    }
  }
  std::string joint;
  for (Index c = 0; c < dtd_info.classes; ++c)
    for (Index i = 0; i < 3 * options.per_class; ++i) {
      const std::string path =
          numbered("texture_", c) + "/" + numbered("texture_", c) + "_" + numbered("", i + 1, 4) + ".jpg";
      part.files["dtd/images/" + path] = tiny_jpeg(options, c, i);
      joint += path + " " + numbered("texture_", c) + " " + numbered("texture_", (c + 1) % dtd_info.classes) + "\n";
    }
  part.files["dtd/labels/labels_joint_anno.txt"] = joint;
  return {part};
}

/// Cats have a capital letter and dogs have none, so byte order is not the order of CLASS-ID.
inline std::vector<TinyPart> tiny_oxford_pets(const TinyOptions& options) {
  TinyPart images{std::string(oxford_pets_files[0].name)}, lists{std::string(oxford_pets_files[1].name)};
  std::string train, test, cats, dogs;
  for (Index c = 0; c < oxford_pets_info.classes; ++c) {
    const bool cat = c % 3 == 0;
    const std::string breed = numbered(cat ? "Breed_" : "breed_", c, 2);
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      const std::string name = breed + "_" + std::to_string(i + 1);
      images.files["images/" + name + ".jpg"] =
          c % 9 == 0 && i == 0 ? tiny_mislabelled(options, c, c / 9) : tiny_jpeg(options, c, i);
      (i < options.per_class ? train : test) += name + " " + std::to_string(c + 1) + (cat ? " 1 " : " 2 ") +
                                                std::to_string(cat ? c / 3 + 1 : c - c / 3) + "\n";
    }
  }
  // What lies beside the listed images.
  images.files["images/Breed_00_100.mat"] = "no image";
  images.files["images/Breed_00_101.jpg"] = tiny_jpeg(options, 0, 101);
  lists.files["annotations/list.txt"] = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n" + train + test;
  lists.files["annotations/trainval.txt"] = train;
  lists.files["annotations/test.txt"] = test;
  return {images, lists};
}

inline std::vector<TinyPart> tiny_fgvc_aircraft(const TinyOptions& options) {
  TinyPart part{std::string(fgvc_aircraft_files[0].name)};
  const std::string root = "fgvc-aircraft-2013b/data/";
  std::string variants, lists[3], boxes;
  for (Index c = 0; c < fgvc_aircraft_info.classes; ++c) {
    const std::string variant = c % 5 == 0   ? numbered("F/A-", c)
                                : c % 5 == 1 ? numbered("Model ", c) + " Mark 2"
                                             : numbered("Type-", c);
    variants += variant + "\n";
    for (Index i = 0; i < 3 * options.per_class; ++i) {
      const std::string id = numbered("", 100000 + 1000 * c + i, 7);
      const Image drawn = draw_tiny_image(options.seed, c, i);
      Image image(drawn.height + 20, drawn.width);  // the copyright line, in white
      std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
      std::copy(drawn.pixels.begin(), drawn.pixels.end(), image.pixels.begin());
      part.files[root + "images/" + id + ".jpg"] = encode_jpeg(image);
      lists[i / options.per_class] += id + " " + variant + "\n";
      boxes += id + " 1 1 " + std::to_string(image.width) + " " + std::to_string(drawn.height) + "\n";
    }
  }
  part.files[root + "variants.txt"] = variants;
  part.files[root + "images_box.txt"] = boxes;
  part.files[root + "images_variant_train.txt"] = lists[0];
  part.files[root + "images_variant_val.txt"] = lists[1];
  part.files[root + "images_variant_trainval.txt"] = lists[0] + lists[1];
  part.files[root + "images_variant_test.txt"] = lists[2];
  return {part};
}

/// Lists in the archive, images beside it: some gone, one a page that says so, one twice under two names.
inline std::vector<TinyPart> tiny_birdsnap(const TinyOptions& options) {
  TinyPart lists{std::string(birdsnap_files[0].name)}, images;
  std::string species = "id\tcommon\tscientific\tdir\n",
              table = "url\tmd5\tpath\tspecies_id\tbb_x1\tbb_y1\tbb_x2\tbb_y2", tests = "path\n";
  for (int part = 1; part <= 17; ++part) table += concat_text("\tpart", part, "_x\tpart", part, "_y");
  table += "\n";
  for (Index c = 0; c < birdsnap_info.classes; ++c) {
    const std::string folder = numbered("Species_", c);
    species +=
        std::to_string(c + 1) + "\t" + numbered("Species ", c) + "\t" + numbered("Avis ", c) + "\t" + folder + "\n";
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      const std::string path = folder + "/" + std::to_string(1000 * (c + 1) + i) + ".jpg";
      std::string bytes = tiny_jpeg(options, c == 11 ? 10 : c, i);  // species 11 has the images of species 10
      table += "http://example.org/" + path + "\t" + md5_hex(bytes) + "\t" + path + "\t" + std::to_string(c + 1) +
               "\t1\t1\t39\t39";
      for (int part = 0; part < 34; ++part) table += "\tnull";
      table += "\n";
      if (i >= options.per_class) tests += path + "\n";
      if (c % 50 == 20 && i == 0) continue;
      if (c == 30 && i == 0) bytes = "<!DOCTYPE html><html><body>This photo is no longer available</body></html>";
      images.files["birdsnap/images/" + path] = bytes;
    }
  }
  lists.files["birdsnap/species.txt"] = species;
  lists.files["birdsnap/images.txt"] = table;
  lists.files["birdsnap/test_images.txt"] = tests;
  return {lists, images};
}

inline std::vector<TinyPart> tiny_caltech101(const TinyOptions& options) {
  TinyPart part{std::string(caltech101_files[0].name)};
  part.inside = "caltech-101/101_ObjectCategories.tar.gz";
  const std::string root = "101_ObjectCategories/";
  for (Index c = 0; c < caltech101_info.classes; ++c) {
    const std::string name = c == 0 ? "BACKGROUND_Google" : c < 5 ? numbered("Object_", c) : numbered("object_", c);
    for (Index i = 0; i < 2 * options.per_class; ++i)
      part.files[root + name + "/" + numbered("image_", i + 1, 4) + ".jpg"] = tiny_jpeg(options, c, i);
  }
  part.files[root + "BACKGROUND_Google/tmp"] = tiny_jpeg(options, 0, 1000);
  return {part};
}

}  // namespace detail
}  // namespace data
TINYVISION_END
