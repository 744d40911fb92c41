// Birdsnap (Berg et al., "Birdsnap: Large-scale Fine-grained Visual Categorization of Birds", CVPR 2014).
//
// The archive has lists alone: birdsnap/{species,images,test_images}.txt (tables behind a header line, which species.txt may
// lack). The first folder of an image's path is that of its species in species.txt. The images come one by one from
// photo-sharing sites, and many are gone: what a dead address answers is a page or a placeholder, so each file is
// held to the MD5 of images.txt (tv_data verify). Images lie in images/<path> beside the lists or in download/images/<path>.
// Classes are numbered by species id, 1 first. Test images are those of test_images.txt, training images all others. Some
// photos are there twice under two names: `duplicates` finds them by the MD5.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile birdsnap_files[] = {{"http://thomasberg.org/datasets/birdsnap/1.1/birdsnap.tgz",
                                                   "birdsnap.tgz", 0, "1788158175f6ae794aebf27bcd7a3f5d", ""}};
inline constexpr DatasetInfo birdsnap_info{
    .name = "birdsnap",
    .title = "Birdsnap",
    .citation = "Berg et al., Birdsnap: Large-scale Fine-grained Visual Categorization of Birds, CVPR 2014",
    .classes = 500,
    .counts = {47386, 0, 2443},
    .metric = Metric::top1,
    .files = birdsnap_files,
    .note =
        "The archive holds lists; the images have to be fetched one by one (its get_birdsnap.py), and many are gone."};

/// Image files with the MD5 that images.txt states.
class BirdsnapDataset : public FileDataset {
 public:
  BirdsnapDataset(std::vector<std::string> md5s, std::shared_ptr<const FileSource> source,
                  std::vector<Example> examples, std::vector<std::string> class_names, Decoder decoder,
                  std::string prefix)
      : FileDataset("birdsnap", std::move(source), std::move(examples), std::move(class_names), Metric::top1, decoder,
                    std::move(prefix)),
        md5s_(std::move(md5s)) {}
  std::string md5(Index i) const override {
    check_index(i);
    return md5s_[static_cast<std::size_t>(i)];
  }
  /// Examples that have the stated MD5 of an earlier one, each with that one: {later, earlier}.
  std::vector<std::pair<Index, Index>> duplicates() const {
    std::unordered_map<std::string_view, Index> first;
    std::vector<std::pair<Index, Index>> found;
    for (Index i = 0; i < size(); ++i) {
      const auto [at, added] = first.emplace(md5s_[static_cast<std::size_t>(i)], i);
      if (!added) found.emplace_back(i, at->second);
    }
    return found;
  }

 private:
  std::vector<std::string> md5s_;
};

/// Reads `birdsnap` or the folder that holds it.
inline OfficialData read_birdsnap(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string root = find_prefix(*source, {"", "birdsnap/"}, "images.txt", birdsnap_info.name);
  const TextList species(*source, root + "species.txt"), images(*source, root + "images.txt"),
      tests(*source, root + "test_images.txt");
  std::vector<std::string> names;
  for (const ListLine& line : species.lines) {
    const auto fields = split_fields(line.text, '\t');
    if (&line == &species.lines.front() && fields.front() == "id") continue;
    if (fields.size() != 4) line.refuse(species.where, "id, common name, scientific name and folder expected");
    const Index next = static_cast<Index>(names.size()) + 1;
    if (parse_number(fields[0], line, species.where, 1, 100000) != next)
      line.refuse(species.where, "species ", fields[0], " where ", next, " belongs");
    names.emplace_back(fields[3]);
  }
  const ClassIndex index(std::move(names), species.where);
  if (tests.lines.empty() || tests.lines[0].text.find('/') != std::string_view::npos)
    ListLine{{}, 1}.refuse(tests.where, "a header line was expected, not a path: it would be taken for one");
  std::unordered_set<std::string_view> test_paths;
  for (std::size_t i = 1; i < tests.lines.size(); ++i)
    if (!test_paths.insert(tests.lines[i].text).second)
      tests.lines[i].refuse(tests.where, "'", tests.lines[i].text, "' is listed twice");

  const std::string folder =
      root + (source->names_below(root + "images").empty() && !source->names_below(root + "download/images").empty()
                  ? "download/images/"
                  : "images/");
  ExampleCollector collector(birdsnap_info, source, folder, options);
  std::vector<std::string> md5s;
  std::size_t found_tests = 0;
  if (images.lines.empty() || !images.lines[0].text.starts_with("url\tmd5\tpath\tspecies_id"))
    ListLine{{}, 1}.refuse(images.where, "a header line 'url, md5, path, species_id, ...' was expected");
  for (std::size_t i = 1; i < images.lines.size(); ++i) {
    const ListLine& line = images.lines[i];
    const auto fields = split_fields(line.text, '\t');
    if (fields.size() < 4) line.refuse(images.where, "url, md5, path and species expected");
    const Index id = parse_number(fields[3], line, images.where, 1, static_cast<Index>(index.names().size()));
    const std::string_view image_folder = fields[2].substr(0, fields[2].find('/'));
    if (const std::string& expected = index.names()[static_cast<std::size_t>(id - 1)]; image_folder != expected)
      line.refuse(images.where, "species ", id, " for an image in ", image_folder, ", its folder is ", expected, " in ",
                  species.where, ": are the labels shifted?");
    const bool test = test_paths.contains(fields[2]);
    found_tests += test ? 1 : 0;
    if (collector.add(test ? collector.split.test : collector.split.train, std::string(fields[2]), id - 1, line,
                      images.where) >= 0)
      md5s.emplace_back(fields[1]);
  }
  if (found_tests != test_paths.size())
    fail_usage(birdsnap_info.name, tests.where, ": ", test_paths.size() - found_tests, " test images are not in ",
               images.where);
  return collector.finish_with(std::make_shared<BirdsnapDataset>(std::move(md5s), source, collector.take_examples(),
                                                                 index.names(), options.decoder, folder));
}

}  // namespace data
TINYVISION_END
