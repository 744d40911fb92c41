// SUN397 (Xiao et al., "SUN Database: Large-scale Scene Recognition from Abbey to Zoo", CVPR 2010).
//
// SUN397/<letter>/<class>[/<subclass>]/sun_*.jpg. The partitions are a zip of their own: ClassName.txt (397 lines such as
// "/a/abbey"; a class is the whole path), Training_01.txt .. Training_10.txt and Testing_01.txt .. Testing_10.txt, 50 images
// of each class in each. The paper uses partition 1. Of the 108,754 images 39,700 take part. Some files called .jpg are BMP,
// PNG or GIF; two are known to decode badly or not repeatably: c/church/outdoor/sun_bhenjvsvrtumjuri.jpg and
// t/track/outdoor/sun_aophkoiosslinihb.jpg.
#pragma once

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile sun397_files[] = {
    {"https://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz", "SUN397.tar.gz", 39077296924,
     "8ca2778205c41d23104230ba66911c7a", "f404130965a7ad77bed5ececc71e720ab50f3cc1e1bb257257610d38f3b928ec"},
    {"https://vision.princeton.edu/projects/2010/SUN/download/Partitions.zip", "Partitions.zip", 18293705,
     "29a205c0a0129d21f36cbecfefe81881", "e3311ea5f812d4cc6faef194688343d1111f6cd6f70f2c62f393c2b8d6ba1ec9"}};
inline constexpr DatasetInfo sun397_info{.name = "sun397",
                                         .title = "SUN397",
                                         .citation =
                                             "Xiao, Hays, Ehinger, Oliva & Torralba, SUN Database: Large-scale Scene "
                                             "Recognition from Abbey to Zoo, CVPR 2010",
                                         .classes = 397,
                                         .counts = {19850, 0, 19850},
                                         .metric = Metric::top1,
                                         .files = sun397_files,
                                         .note =
                                             "Needs Partitions.zip besides; partition 1 is the paper's. The archive of "
                                             "images has been seen with another digest."};

/// Reads the images and the partition `options.part`, wherever each of them lies below the source.
inline OfficialData read_sun397(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  if (options.part < 1 || options.part > 10)
    fail_usage("sun397", "there is no partition ", options.part, ", but 1..10");
  const std::string lists =
      find_prefix(*source, {"", "Partitions/", "SUN397/", "SUN397/Partitions/"}, "ClassName.txt", sun397_info.name);
  const std::string number = concat_text(options.part < 10 ? "0" : "", options.part, ".txt");
  const TextList classes(*source, lists + "ClassName.txt");
  std::vector<std::string> names;
  for (const ListLine& line : classes.lines) {
    if (!line.text.starts_with('/')) line.refuse(classes.where, "'", line.text, "' does not begin with '/'");
    names.emplace_back(line.text.substr(1));
  }
  const ClassIndex index(std::move(names), classes.where);
  const TextList train(*source, lists + "Training_" + number), test(*source, lists + "Testing_" + number);
  // Where the images lie is seen from the first one that is there.
  std::string root = "SUN397/";
  const auto lies_here = [&](const ListLine& line) {
    return line.text.size() > 1 && source->contains(std::string(line.text.substr(1)));
  };
  for (const TextList* list : {&train, &test})
    if (std::any_of(list->lines.begin(), list->lines.end(), lies_here)) root = "";
  ExampleCollector collector(sun397_info, source, root, options);
  const auto read = [&](const TextList& list, std::vector<Index>& part) {
    for (const ListLine& line : list.lines) {
      const std::size_t slash = line.text.rfind('/');
      if (!line.text.starts_with('/') || slash == 0)
        line.refuse(list.where, "'/class/image' expected, not '", line.text, "'");
      collector.add(part, std::string(line.text.substr(1)), index.at(line.text.substr(1, slash - 1), line, list.where),
                    line, list.where);
    }
  };
  read(train, collector.split.train);
  read(test, collector.split.test);
  return collector.finish(index.names());
}

}  // namespace data
TINYVISION_END
