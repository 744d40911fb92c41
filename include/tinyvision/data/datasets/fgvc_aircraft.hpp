// FGVC Aircraft (Maji et al., "Fine-Grained Visual Classification of Aircraft", arXiv 1306.5151, 2013), release 2013b.
//
// fgvc-aircraft-2013b/data/images/<7 digits>.jpg, data/images_variant_{train,val,test}.txt: lines "id label", where the label
// may hold spaces and slashes, so a line is cut at its first space alone. 100 variants, numbered by the lines of
// variants.txt. The lowest 20 rows of every image are a copyright line, which the data set's README asks to cut off before
// use; torchvision and TensorFlow Datasets keep it and the paper does not say: `ReadOptions::crop_banner`.
#pragma once

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile fgvc_aircraft_files[] = {
    {"https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
     "fgvc-aircraft-2013b.tar.gz", 2770575360, "d4acdd33327262359767eeaa97a4f732",
     "d5f68b1b81d6d7831eb9d5c5517074176b5dfbce6bcb43dc14ed1c66a87b8d75"}};
inline constexpr DatasetInfo fgvc_aircraft_info{
    .name = "fgvc_aircraft",
    .title = "FGVC Aircraft",
    .citation =
        "Maji, Rahtu, Kannala, Blaschko & Vedaldi, Fine-Grained Visual Classification of Aircraft, arXiv 1306.5151, "
        "2013",
    .classes = 100,
    .counts = {3334, 3333, 3333},
    .metric = Metric::mean_per_class,
    .files = fgvc_aircraft_files,
    .note = "The lowest 20 rows of every image are a copyright line: --crop-banner cuts them off."};

/// Images of another data set without their lowest rows. It holds that data set and is none of files, so that nothing can
/// reach the rows by reading a file past it.
class AircraftDataset : public Dataset {
 public:
  static constexpr Index banner = 20;  ///< rows

  explicit AircraftDataset(std::shared_ptr<const Dataset> whole)
      : Dataset(whole->name(), whole->class_names(), whole->metric()), whole_(std::move(whole)) {}

  Index size() const override { return whole_->size(); }
  std::int64_t label(Index i) const override { return whole_->label(i); }
  std::string path(Index i) const override { return whole_->path(i); }
  /// Throws UsageError naming an image that has no more rows than the banner.
  Image image(Index i) const override {
    Image image = whole_->image(i);
    if (image.height <= banner)
      fail_usage(name(), path(i), ": ", image.height, " rows, and the lowest ", banner, " are to be cut off");
    image.height -= banner;
    image.pixels.resize(static_cast<std::size_t>(image.height * image.width * 3));
    return image;
  }
  std::pair<Index, Index> image_size(Index i) const override {
    const auto [height, width] = whole_->image_size(i);
    return {std::max<Index>(1, height - banner), width};
  }
  std::string content(Index i) const override { return whole_->content(i); }
  std::string stamp(Index i) const override { return whole_->stamp(i); }
  std::string decoder() const override { return whole_->decoder() + ", lowest 20 rows cut off"; }

 private:
  std::shared_ptr<const Dataset> whole_;
};

/// Reads `fgvc-aircraft-2013b`, its folder `data`, or the folder that holds it.
inline OfficialData read_fgvc_aircraft(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  const std::string root =
      find_prefix(*source, {"", "data/", "fgvc-aircraft-2013b/data/"}, "variants.txt", fgvc_aircraft_info.name);
  const TextList variants(*source, root + "variants.txt");
  const ClassIndex index(names_of_lines(variants.lines), variants.where);
  ExampleCollector collector(fgvc_aircraft_info, source, root + "images/", options);
  const auto read = [&](const char* name, std::vector<Index>& part) {
    const TextList list(*source, root + name);
    for (const ListLine& line : list.lines) {
      const std::size_t space = line.text.find(' ');
      if (space == std::string_view::npos) line.refuse(list.where, "'id label' expected, not '", line.text, "'");
      collector.add(part, std::string(line.text.substr(0, space)) + ".jpg",
                    index.at(line.text.substr(space + 1), line, list.where), line, list.where);
    }
  };
  read("images_variant_train.txt", collector.split.train);
  read("images_variant_val.txt", collector.split.validation);
  read("images_variant_test.txt", collector.split.test);
  OfficialData data = collector.finish(index.names());
  if (options.crop_banner) data.dataset = std::make_shared<AircraftDataset>(std::move(data.dataset));
  return data;
}

}  // namespace data
TINYVISION_END
