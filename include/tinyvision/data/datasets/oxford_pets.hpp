// Oxford-IIIT Pets (Parkhi et al., "Cats and Dogs", CVPR 2012).
//
// images/<Breed>_<n>.jpg, annotations/{trainval,test}.txt: lines "name CLASS-ID SPECIES BREED-ID". The class is CLASS-ID, 1
// first: not the order of names, in which cats (capital letters) stand before dogs. The archive has more files than the
// lists name, and some files called .jpg are PNG or GIF. Table 1 of Kornblith et al. prints 3,369 test images; their table H.1
// and the official list have 3,669.
#pragma once

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile oxford_pets_files[] = {
    {"https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "images.tar.gz", 791918971,
     "5c4f3ee8e5d25df40f4fd59a7f44e54c", "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d"},
    {"https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "annotations.tar.gz", 19173078,
     "95a8c909bbe2e81eed6a22bccdf3f68f", "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91"}};
inline constexpr DatasetInfo oxford_pets_info{
    .name = "oxford_pets",
    .title = "Oxford-IIIT Pets",
    .citation = "Parkhi, Vedaldi, Zisserman & Jawahar, Cats and Dogs, CVPR 2012",
    .classes = 37,
    .counts = {3680, 0, 3669},
    .metric = Metric::mean_per_class,
    .files = oxford_pets_files,
    .note = "Classes are numbered by CLASS-ID of the lists. Some files called .jpg are PNG or GIF."};

/// Reads the folder that holds `images` and `annotations`.
inline OfficialData read_oxford_pets(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string root =
      find_prefix(*source, {"", "oxford-iiit-pet/"}, "annotations/trainval.txt", oxford_pets_info.name);
  std::vector<std::string> names(static_cast<std::size_t>(oxford_pets_info.classes));
  ExampleCollector collector(oxford_pets_info, source, root + "images/", options);
  const auto read = [&](const char* name, std::vector<Index>& part) {
    const TextList list(*source, root + name);
    for (const ListLine& line : list.lines) {
      if (line.text.starts_with('#')) continue;
      const auto fields = split_fields(line.text, ' ');
      if (fields.size() != 4) line.refuse(list.where, "name, class, species and breed expected, not '", line.text, "'");
      const Index id = parse_number(fields[1], line, list.where, 1, oxford_pets_info.classes);
      const std::size_t underscore = fields[0].rfind('_');
      const std::string_view breed = fields[0].substr(0, underscore);
      std::string& known = names[static_cast<std::size_t>(id - 1)];
      if (known.empty()) known = breed;
      if (underscore == std::string_view::npos || known != breed)
        line.refuse(list.where, "class ", id, " is ", known, ", not '", breed, "': are the labels shifted?");
      collector.add(part, std::string(fields[0]) + ".jpg", id - 1, line, list.where);
    }
  };
  read("annotations/trainval.txt", collector.split.train);
  read("annotations/test.txt", collector.split.test);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i].empty()) names[i] = concat_text("class ", i + 1);  // a class that no list names
  return collector.finish(std::move(names));
}

}  // namespace data
TINYVISION_END
