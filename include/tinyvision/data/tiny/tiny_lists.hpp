// Small sets of those data sets that consist of image files and text lists: Food-101, SUN397, DTD, Pets, Aircraft, Birdsnap.
#pragma once

#include "tinyvision/core/md5.hpp"
#include "tinyvision/data/datasets/birdsnap.hpp"
#include "tinyvision/data/datasets/dtd.hpp"
#include "tinyvision/data/datasets/fgvc_aircraft.hpp"
#include "tinyvision/data/datasets/food101.hpp"
#include "tinyvision/data/datasets/oxford_pets.hpp"
#include "tinyvision/data/datasets/sun397.hpp"
#include "tinyvision/data/tiny/tiny_encoders.hpp"
#include "tinyvision/data/tiny/tiny_files.hpp"
#include "tinyvision/data/tiny/tiny_images.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

/// "class_017" or with another word and width.
inline std::string numbered(const char* word, Index number, int width = 3) {
  char text[64];
  std::snprintf(text, sizeof text, "%s%0*lld", word, width, static_cast<long long>(number));
  return text;
}

/// The drawn image of a class as a JPEG file; the first one of every seventh class is grey.
inline std::string tiny_jpeg(const TinyOptions& options, std::int64_t label, Index number) {
  return encode_jpeg(draw_tiny_image(options.seed, label, number),
                     label % 7 == 3 && number == 0 ? JpegColours::grey : JpegColours::rgb);
}

/// What real sets hold under names that end in .jpg.
enum class Mislabelled { png, bmp, gif, grey_png, interlaced_rgba_png };

inline std::string tiny_mislabelled(const TinyOptions& options, std::int64_t label, Index number, Mislabelled kind) {
  const Image image = draw_tiny_image(options.seed, label, number);
  switch (kind) {
    case Mislabelled::png: return encode_tiny_png(image);
    case Mislabelled::bmp: return encode_bmp(image);
    case Mislabelled::gif: return encode_gif(image);
    case Mislabelled::grey_png: return encode_tiny_png(image, PngColours::grey);
    default: return encode_tiny_png(image, PngColours::rgba, true);
  }
}

inline std::vector<TinyPart> tiny_food101(const TinyOptions& options) {
  TinyPart part{std::string(food101_files[0].name)};
  std::string classes, labels, lists[2], objects[2] = {"{", "{"};
  for (Index c = 0; c < food101_info.classes; ++c) {
    const std::string name = numbered("dish_", c);
    classes += name + "\n";
    labels += numbered("Dish ", c) + "\n";
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      const std::string id = name + "/" + std::to_string(1000 * (c + 1) + i);
      part.files["food-101/images/" + id + ".jpg"] = tiny_jpeg(options, c, i);
      const Index p = i / options.per_class;
      lists[p] += id + "\n";
      objects[p] += i % options.per_class > 0 ? ", " : (c > 0 ? "], \"" : "\"") + name + "\": [";
      objects[p] += "\"" + id + "\"";
    }
  }
  part.files["food-101/meta/classes.txt"] = classes;
  part.files["food-101/meta/labels.txt"] = labels;
  for (const int p : {0, 1}) {
    const std::string name = p == 0 ? "food-101/meta/train" : "food-101/meta/test";
    part.files[name + ".txt"] = lists[p];
    part.files[name + ".json"] = objects[p] + "]}";
  }
  return {part};
}

/// Class paths with one and two levels, in byte order.
inline std::vector<std::string> tiny_sun_classes() {
  std::vector<std::string> names;
  for (Index c = 0; c < sun397_info.classes; ++c) {
    const std::string letter(1, static_cast<char>('a' + c * 26 / sun397_info.classes));
    names.push_back(letter + "/" +
                    (c % 5 == 1   ? numbered("scene_", c) + "/indoor"
                     : c % 5 == 2 ? numbered("scene_", c - 1) + "/outdoor"
                                  : numbered("scene_", c)));
  }
  names[0] = "a/abbey";
  std::sort(names.begin(), names.end());
  return names;
}

/// Some classes have images of other kinds under names of JPEGs, and some images that no partition names.
inline std::vector<TinyPart> tiny_sun397(const TinyOptions& options) {
  TinyPart images{std::string(sun397_files[0].name)}, lists{std::string(sun397_files[1].name)};
  const std::vector<std::string> names = tiny_sun_classes();
  std::string classes, train[10], test[10];
  for (std::size_t c = 0; c < names.size(); ++c) {
    classes += "/" + names[c] + "\n";
    const auto label = static_cast<std::int64_t>(c);
    for (Index i = 0; i < 2 * options.per_class + (c % 10 == 0 ? 1 : 0); ++i) {
      const std::string path = names[c] + "/sun_" + numbered("", label * 1000 + i, 8) + ".jpg";
      images.files["SUN397/" + path] =
          c % 40 == 7 && i < 5 ? tiny_mislabelled(options, label, i, static_cast<Mislabelled>((label / 40 + i) % 5))
                               : tiny_jpeg(options, label, i);
      if (i == 2 * options.per_class) continue;
      for (Index p = 0; p < 10; ++p)  // every partition cuts the images otherwise
        ((i + p) % (2 * options.per_class) < options.per_class ? train : test)[p] += "/" + path + "\n";
    }
  }
  images.files["SUN397/ClassName.txt"] = classes;
  lists.files["ClassName.txt"] = classes;
  for (Index p = 0; p < 10; ++p) {
    lists.files["Training_" + numbered("", p + 1, 2) + ".txt"] = train[p];
    lists.files["Testing_" + numbered("", p + 1, 2) + ".txt"] = test[p];
  }
  return {images, lists};
}

inline std::vector<TinyPart> tiny_dtd(const TinyOptions& options) {
  static constexpr const char* sets[] = {"train", "val", "test"};
  TinyPart part{std::string(dtd_files[0].name)};
  std::string joint;
  for (Index c = 0; c < dtd_info.classes; ++c) {
    const std::string name = numbered("texture_", c);
    for (Index i = 0; i < 3 * options.per_class; ++i) {
      const std::string path = name + "/" + name + "_" + numbered("", i + 1, 4) + ".jpg";
      part.files["dtd/images/" + path] = tiny_jpeg(options, c, i);
      joint += path + " " + name + " " + numbered("texture_", (c + 1) % dtd_info.classes) + "\n";
      for (Index p = 0; p < 10; ++p)
        part.files["dtd/labels/" + std::string(sets[(i / options.per_class + p) % 3]) + std::to_string(p + 1) +
                   ".txt"] += path + "\n";
    }
  }
  part.files["dtd/labels/labels_joint_anno.txt"] = joint;
  return {part};
}

/// `jpeg` with bytes that belong to nothing before its end marker, as beagle_116.jpg of the real set.
inline std::string with_extraneous_bytes(std::string jpeg) {
  check(jpeg.ends_with("\xFF\xD9"), "make_tiny", "a JPEG without an end marker");
  return jpeg.insert(jpeg.size() - 2, std::string(240, '\x55'));
}

/// Cats have a capital letter and dogs have none, so byte order is not the order of CLASS-ID.
inline std::vector<TinyPart> tiny_oxford_pets(const TinyOptions& options) {
  TinyPart images{std::string(oxford_pets_files[0].name)}, lists{std::string(oxford_pets_files[1].name)};
  std::string train, test;
  for (Index c = 0; c < oxford_pets_info.classes; ++c) {
    const bool cat = c % 3 == 0 && c < 36;  // twelve cats and 25 dogs
    const std::string breed = numbered(cat ? "Breed_" : "breed_", c, 2);
    for (Index i = 0; i < 2 * options.per_class; ++i) {
      const std::string name = breed + "_" + std::to_string(i + 1);
      std::string bytes = tiny_jpeg(options, c, i);
      if (c == 0 && i == 0) bytes = tiny_mislabelled(options, c, i, Mislabelled::png);
      if (c == 9 && i == 0) bytes = tiny_mislabelled(options, c, i, Mislabelled::gif);
      if (c == 18 && i == 1) bytes = tiny_mislabelled(options, c, i, Mislabelled::interlaced_rgba_png);
      if (c == 36 && i == 1) bytes = with_extraneous_bytes(bytes);
      images.files["images/" + name + ".jpg"] = bytes;
      lists.files["annotations/trimaps/" + name + ".png"] =
          encode_tiny_png(draw_tiny_image(options.seed, c, i), PngColours::grey);
      (i < options.per_class ? train : test) += name + " " + std::to_string(c + 1) + (cat ? " 1 " : " 2 ") +
                                                std::to_string(cat ? c / 3 + 1 : c - std::min<Index>(c / 3, 11)) + "\n";
    }
  }
  // What lies beside the listed images.
  images.files["images/Breed_00_100.mat"] = "no image";
  images.files["images/Breed_00_1001.jpg"] = tiny_jpeg(options, 0, 1001);
  lists.files["annotations/trimaps/._Breed_00_1.png"] = "no image either";
  lists.files["annotations/README"] = "A synthetic set in the layout of the Oxford-IIIT Pet data set.\n";
  lists.files["annotations/list.txt"] =
      "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n#SPECIES: 1:Cat 2:Dog\n" + train + test;
  lists.files["annotations/trainval.txt"] = train;
  lists.files["annotations/test.txt"] = test;
  return {images, lists};
}

/// A picture above the line that says whose it is: 20 rows, white with dark signs.
inline Image with_banner(const Image& drawn) {
  Image image(drawn.height + AircraftDataset::banner, drawn.width);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  std::copy(drawn.pixels.begin(), drawn.pixels.end(), image.pixels.begin());
  for (Index y = drawn.height + 6; y < drawn.height + 14; ++y)
    for (Index x = 4; x < drawn.width - 4; ++x)
      if (x % 4 != 0) std::fill_n(image.at(y, x), 3, std::uint8_t{30});
  return image;
}

inline std::vector<TinyPart> tiny_fgvc_aircraft(const TinyOptions& options) {
  static constexpr const char* sets[] = {"train", "val", "test"};
  TinyPart part{std::string(fgvc_aircraft_files[0].name)};
  const std::string root = "fgvc-aircraft-2013b/data/";
  TinyFiles& files = part.files;
  for (Index c = 0; c < fgvc_aircraft_info.classes; ++c) {
    const std::string variant = c == 0       ? "F-16A/B"
                                : c % 5 == 0 ? numbered("F/A-", c)
                                : c % 5 == 1 ? numbered("Model ", c) + " Mark 2"
                                             : numbered("Type-", c);
    const std::string family = numbered("Family ", c % 70, 2), maker = numbered("Maker ", c % 30, 2);
    files[root + "variants.txt"] += variant + "\n";
    if (c < 70) files[root + "families.txt"] += family + "\n";
    if (c < 30) files[root + "manufacturers.txt"] += maker + "\n";
    for (Index i = 0; i < 3 * options.per_class; ++i) {
      const std::string id = numbered("", 100000 + 1000 * c + i, 7);
      const Image image = with_banner(draw_tiny_image(options.seed, c, i));
      files[root + "images/" + id + ".jpg"] = encode_jpeg(image);
      files[root + "images_box.txt"] +=
          concat_text(id, " 1 1 ", image.width, " ", image.height - AircraftDataset::banner, "\n");
      for (const auto& [kind, label] : {std::pair<std::string, std::string>{"images_variant_", variant},
                                        {"images_family_", family},
                                        {"images_manufacturer_", maker}}) {
        const Index p = i / options.per_class;
        files[root + kind + sets[p] + ".txt"] += id + " " + label + "\n";
        if (p < 2) files[root + kind + "trainval.txt"] += id + " " + label + "\n";
      }
    }
  }
  return {part};
}

/// Training images of this set that are not there, although the lists name them: one in 50 classes.
inline bool is_absent_bird(Index c, Index i) { return c % 50 == 20 && i == 0; }

/// Lists in the archive, images where its program puts them: some gone, in one's place a page and in another's a placeholder
/// that say so, one twice under two names.
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
      std::string bytes = tiny_jpeg(options, c, c == 10 && i == 1 ? 0 : i);  // twice under two names
      table += "http://example.org/" + path + "\t" + md5_hex(bytes) + "\t" + path + "\t" + std::to_string(c + 1) +
               "\t1\t1\t39\t39";
      for (int part = 0; part < 34; ++part) table += "\tnull";
      table += "\n";
      if (i >= options.per_class) tests += path + "\n";
      if (is_absent_bird(c, i)) {
        images.files["birdsnap/fail.txt"] += path + "\n";
        continue;
      }
      images.files["birdsnap/success.txt"] += path + "\n";
      if (c == 30 && i == 0) bytes = "<!DOCTYPE html><html><body>This photo is no longer available</body></html>";
      if (c == 31 && i == 0) bytes = encode_gif(Image(40, 40));
      images.files["birdsnap/download/images/" + path] = bytes;
    }
  }
  lists.files["birdsnap/species.txt"] = species;
  lists.files["birdsnap/images.txt"] = table;
  lists.files["birdsnap/test_images.txt"] = tests;
  return {lists, images};
}

}  // namespace detail
}  // namespace data
TINYVISION_END
