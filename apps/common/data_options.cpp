// Options that name a labelled data set and its split; and their reading.
#include "common/data_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "common/data_sets.hpp"
#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/data/pixel_cache.hpp"

namespace tv_app {

using namespace tinyvision;

void add_data_options(CLI::App& app, DataChoice& choice) {
  app.add_option("--dataset", choice.dataset, "the data set (docs/data.md)")
      ->capture_default_str()
      ->check(CLI::IsMember(data_set_names()));
  app.add_option("--data", choice.folder,
                 "its folder, unpacked or with the official archives in it, or one archive (fashion_mnist: that of "
                 "Debian's package by default)");
  app.add_option(
         "--train-per-class", choice.train_per_class,
         "training images per class, without replacement, drawn from the official training part or, where there "
         "are no parts, from all, with the rest for test; 0: the official parts; -1: these, or 30 where there "
         "are none")
      ->capture_default_str()
      ->check(CLI::Range(-1, 1000000));
  app.add_option("--validation", choice.validation,
                 "fraction of the training images held out to choose settings, where there is no official part for it")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 0.9));
  app.add_option("--split", choice.split, "read the split from this file instead of drawing one");
  app.add_option("--split-seed", choice.split_seed, "seed of the drawn split")->capture_default_str();
  app.add_option("--part", choice.part, "official partition of sun397 and dtd; the paper's is 1")
      ->capture_default_str()
      ->check(CLI::Range(1, 10));
  app.add_flag("--crop-banner", choice.crop_banner, "fgvc_aircraft: cut off the copyright line, the lowest 20 rows");
  app.add_option("--image-cache", choice.image_cache, "keep the decoded images in this folder, as bytes");
  app.add_option("--only-classes", choice.classes, "fashion_mnist: keep these classes, relabelled in this order")
      ->delimiter(',');
  app.add_flag("--allow-partial", choice.allow_partial,
               "accept a data set whose counts differ from the official ones; results say what is there");
  app.add_flag("--skip-bad", choice.skip_bad, "name, count and skip unreadable images instead of failing");
}

namespace {

/// The split that the options ask for, without a validation part where the data set has none.
data::Split choose_split(const DataChoice& choice, const data::OfficialData& data) {
  if (!choice.split.empty()) return data::read_split(choice.split, *data.dataset);
  const bool official = has_official_parts(data);
  const Index per_class = choice.train_per_class >= 0 ? choice.train_per_class : official ? 0 : 30;
  if (!official) {
    if (per_class == 0)
      fail_usage("data", choice.dataset, " has no official parts: --train-per-class must be positive");
    return data::split_per_class(data.dataset->labels(), per_class, choice.split_seed);
  }
  data::Split split = data.split;
  if (per_class > 0)
    split.train = data::take_per_class(split.train, data.dataset->labels(), per_class, choice.split_seed);
  return split;
}

std::shared_ptr<const data::Dataset> cached(const DataChoice& choice, std::shared_ptr<const data::Dataset> dataset,
                                            bool quiet) {
  if (choice.image_cache.empty()) return dataset;
  std::optional<Progress> progress;
  data::PixelCacheOptions options;
  options.announce = [](const std::string& plan) { std::fprintf(stderr, "%s\n", plan.c_str()); };
  options.progress = [&](Index done, Index total) {
    if (!progress) progress.emplace("image cache", total, quiet, 0);
    progress->update(done);
  };
  options.should_stop = interrupted;
  options.skip_bad = choice.skip_bad;
  try {
    return data::with_pixel_cache(std::move(dataset), choice.image_cache, options);
  } catch (const data::PixelCacheStopped& stop) {
    throw Interrupted(stop.what());
  }
}

}  // namespace

LabelledData read_data(const DataChoice& choice, const std::string& decoder, const std::string& out, bool quiet) {
  const data::OfficialData data = read_data_set(choice.dataset, choice.folder,
                                                {.allow_partial = choice.allow_partial,
                                                 .decoder = data::parse_decoder(decoder),
                                                 .part = choice.part,
                                                 .crop_banner = choice.crop_banner},
                                                quiet, choice.classes);
  LabelledData result;
  result.coverage = data.coverage();
  if (!result.coverage.empty()) std::fprintf(stderr, "%s: %s\n", choice.dataset.c_str(), result.coverage.c_str());
  result.split = choose_split(choice, data);
  if (result.split.validation.empty())
    result.split = data::carve_validation(result.split, data.dataset->labels(), choice.validation, choice.split_seed);
  result.split_digest =
      out.empty() ? data::split_digest(result.split, *data.dataset)
                  : data::write_split((std::filesystem::path(out) / "split.tsv").string(), result.split, *data.dataset);
  result.dataset = cached(choice, data.dataset, quiet);
  return result;
}

void report_coverage(const LabelledData& data) {
  if (!data.coverage.empty()) std::printf("%s\n", data.coverage.c_str());
}

}  // namespace tv_app
