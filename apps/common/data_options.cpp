// Options that name a labelled data set and its split; and their reading.
#include "common/data_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>

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

/// Digests of the files of `dataset`, kept beside what the run keeps anyway.
std::shared_ptr<data::ContentDigests> digests_of(const DataChoice& choice,
                                                 const std::shared_ptr<const data::Dataset>& dataset,
                                                 const std::string& out, bool quiet) {
  data::ContentDigestOptions options;
  const std::filesystem::path folder(choice.image_cache.empty() ? out : choice.image_cache);
  if (!choice.image_cache.empty()) ensure_writable_folder(choice.image_cache);
  if (!folder.empty()) options.kept = (folder / "data_digests.tsv").string();
  options.skip_bad = choice.skip_bad;
  const auto progress = std::make_shared<std::optional<Progress>>();
  options.progress = [progress, quiet](Index done, Index total) {
    if (!*progress) progress->emplace("digest of the data (files)", total, quiet, 0);
    (*progress)->update(done);
    if (done == total) progress->reset();
  };
  options.should_stop = interrupted;
  return std::make_shared<data::ContentDigests>(dataset, std::move(options));
}

std::shared_ptr<const data::Dataset> cached(const DataChoice& choice, std::shared_ptr<const data::Dataset> dataset,
                                            data::ContentDigests& contents, bool quiet) {
  if (choice.image_cache.empty()) return dataset;
  std::optional<Progress> progress;
  data::PixelCacheOptions options;
  options.content = contents.of_all();
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
  const data::DatasetEntry* const entry = data::find_dataset(choice.dataset);
  if (!choice.multi_label && entry != nullptr && entry->info->metric == data::Metric::voc_ap11)
    fail_usage("data", choice.dataset,
               ": its images show several classes each, and this program is for images of one class");
  LabelledData result;
  result.official = read_data_set(choice.dataset, choice.folder,
                                  {.allow_partial = choice.allow_partial,
                                   .decoder = data::parse_decoder(decoder),
                                   .part = choice.part,
                                   .crop_banner = choice.crop_banner},
                                  quiet, choice.classes);
  const std::shared_ptr<const data::Dataset> dataset = result.official.dataset;
  result.coverage = result.official.coverage();
  if (!result.coverage.empty()) std::fprintf(stderr, "%s: %s\n", choice.dataset.c_str(), result.coverage.c_str());
  result.split = choose_split(choice, result.official);
  if (result.split.validation.empty()) {
    const auto examples = static_cast<Index>(result.split.train.size());
    if (choice.hold_out >= examples)
      fail_usage("data", choice.dataset, ": ", choice.hold_out, " of ", examples,
                 " training images cannot be held out");
    const double fraction =
        choice.hold_out > 0 ? static_cast<double>(choice.hold_out) / static_cast<double>(examples) : choice.validation;
    result.split = data::carve_validation(result.split, dataset->labels(), fraction, choice.split_seed);
  }
  result.split_digest =
      out.empty() ? data::split_digest(result.split, *dataset)
                  : data::write_split((std::filesystem::path(out) / "split.tsv").string(), result.split, *dataset);
  result.contents = digests_of(choice, dataset, out, quiet);
  try {
    std::vector<Index> used = result.train_and_validation();
    used.insert(used.end(), result.split.test.begin(), result.split.test.end());
    result.data_digest = result.contents->of(std::move(used));
    result.dataset = cached(choice, dataset, *result.contents, quiet);
  } catch (const data::ContentDigestStopped& stop) {
    throw Interrupted(stop.what());
  }
  return result;
}

void leave_out(LabelledData& data, const std::vector<Index>& unreadable) {
  const std::set<Index> out(unreadable.begin(), unreadable.end());
  data.skipped = static_cast<Index>(out.size());
  if (out.empty()) return;
  data::OfficialData left = data.official;
  const auto remove = [&](std::vector<Index>& part, Index& found) {
    found -= static_cast<Index>(std::erase_if(part, [&](Index i) { return out.contains(i); }));
  };
  remove(left.split.train, left.found.train);
  remove(left.split.validation, left.found.validation);
  remove(left.split.test, left.found.test);
  std::set<Index> classes;
  for (Index i = 0; i < left.dataset->size(); ++i)
    if (!out.contains(i))
      for (const Index c : left.dataset->classes_of(i)) classes.insert(c);
  left.classes_found = static_cast<Index>(classes.size());
  const std::string what = left.coverage();
  data.coverage = what + (what.empty() ? "" : "; ") + concat_text("unreadable images left out: ", out.size());
}

void record_data(Results& results, const LabelledData& data) {
  results["digests"]["split"] = data.split_digest;
  results["digests"]["data"] = data.data_digest;
  results["environment"]["decoder"] = data.dataset->decoder();
  results["classes"] = data.dataset->class_names();
  results["skipped"] = data.skipped;
  if (!data.coverage.empty()) results["coverage"] = data.coverage;
}

void report_coverage(const LabelledData& data) {
  if (!data.coverage.empty()) std::printf("%s\n", data.coverage.c_str());
}

}  // namespace tv_app
