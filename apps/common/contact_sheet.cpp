// What the network sees, as one picture per class.
#include "common/contact_sheet.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/report/png.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

constexpr Index gap = 4;  // pixels between tiles

/// Tiles of one size on white.
class Sheet {
 public:
  Sheet(Index rows, Index columns, Index side)
      : side_(side), pixels_(Tensor::empty({rows * (side + gap) + gap, columns * (side + gap) + gap, 3}, DType::u8)) {
    std::fill_n(pixels_.data<std::uint8_t>(), pixels_.shape().count(), std::uint8_t{255});
  }
  /// `values`: side x side RGB in 0..255.
  void put(Index row, Index column, const float* values) {
    const Index width = pixels_.dim(1);
    for (Index y = 0; y < side_; ++y) {
      std::uint8_t* out =
          pixels_.data<std::uint8_t>() + 3 * ((row * (side_ + gap) + gap + y) * width + column * (side_ + gap) + gap);
      for (Index k = 0; k < 3 * side_; ++k)
        out[k] = static_cast<std::uint8_t>(std::clamp(values[3 * side_ * y + k], 0.0f, 255.0f) + 0.5f);
    }
  }
  const Tensor& pixels() const { return pixels_; }

 private:
  Index side_;
  Tensor pixels_;
};

/// Takes the network's input back to bytes.
void denormalise(data::Normalisation normalisation, Index pixels, float* x) {
  const data::ChannelAffine a = data::channel_affine(normalisation);
  const float scale = data::byte_scale(normalisation);
  for (Index i = 0; i < pixels; ++i)
    for (Index c = 0; c < 3; ++c) x[3 * i + c] = (x[3 * i + c] - a.shift[c]) / a.scale[c] / scale;
}

const std::vector<Index>& part_of(const data::Split& split, const std::string& name) {
  if (name == "train") return split.train;
  return name == "validation" ? split.validation : split.test;
}

std::string file_name(std::size_t number, const std::string& class_name) {
  char text[24];
  std::snprintf(text, sizeof text, "%04zu_", number);
  std::string name = text + class_name;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '_';
  return name + ".png";
}

Tensor draw_sheet(const data::Dataset& set, const std::vector<Index>& examples, const SheetChoice& choice) {
  const data::Preprocessing& p = choice.preprocessing;
  Sheet sheet(static_cast<Index>(examples.size()), 2 + choice.views, p.image_size);
  std::vector<float> tile(static_cast<std::size_t>(p.floats()));
  const Index pixels = p.image_size * p.image_size;
  for (std::size_t row = 0; row < examples.size(); ++row) {
    const data::Image image = set.image(examples[row]);
    const Index at = static_cast<Index>(row);
    data::resize_crop(image, data::whole(image), p.image_size, p.image_size, data::Resizer::antialias_bilinear,
                      tile.data());
    sheet.put(at, 0, tile.data());
    data::preprocess(image, p, tile.data());
    denormalise(p.normalisation, pixels, tile.data());
    sheet.put(at, 1, tile.data());
    for (Index view = 0; view < choice.views; ++view) {
      const data::AugmentPlan plan = data::plan_augmentation(image.height, image.width, p.crop, choice.augmentation,
                                                             choice.seed, view, examples[row]);
      data::augment(image, p, plan, tile.data());
      denormalise(p.normalisation, pixels, tile.data());
      sheet.put(at, 2 + view, tile.data());
    }
  }
  return sheet.pixels();
}

}  // namespace

Json write_contact_sheets(const data::OfficialData& data, const SheetChoice& choice, const std::string& folder) {
  const data::Dataset& set = *data.dataset;
  for (const std::string& name : choice.classes)
    if (std::find(set.class_names().begin(), set.class_names().end(), name) == set.class_names().end())
      fail_usage("sheet", set.name(), " has no class '", name, "'", suggestion(name, set.class_names(), 3));
  std::vector<std::vector<Index>> chosen(static_cast<std::size_t>(set.classes()));
  for (const Index i : part_of(data.split, choice.part))
    for (const Index c : set.classes_of(i))
      if (auto& members = chosen[static_cast<std::size_t>(c)]; static_cast<Index>(members.size()) < choice.per_class)
        members.push_back(i);
  ensure_writable_folder(folder);
  Json written = Json::array();
  Progress progress("sheets", set.classes(), choice.quiet);
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    const std::string& name = set.class_names()[c];
    if (interrupted()) throw Interrupted(concat_text(written.size(), " sheets are in ", folder));
    const bool wanted =
        choice.classes.empty() || std::find(choice.classes.begin(), choice.classes.end(), name) != choice.classes.end();
    if (!wanted || chosen[c].empty()) continue;
    const std::string path = folder + "/" + file_name(c, name),
                      png = report::encode_png(draw_sheet(set, chosen[c], choice));
    write_file_atomically(path, png);
    written.push_back({{"file", path}, {"class", name}, {"images", chosen[c].size()}, {"sha256", sha256_hex(png)}});
    progress.update(static_cast<Index>(c) + 1);
  }
  if (written.empty())
    fail_usage("sheet", set.name(), ": no image of the classes asked for in its ", choice.part, " part");
  progress.finish();
  return written;
}

}  // namespace tv_app
