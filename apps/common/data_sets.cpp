// Data sets by name, wherever their files lie.
#include "common/data_sets.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/text.hpp"
#include "tinyvision/data/archive_source.hpp"
#include "tinyvision/data/datasets/fashion_mnist.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"

namespace tv_app {

using namespace tinyvision;

std::vector<std::string> data_set_names() {
  std::vector<std::string> names;
  for (const data::DatasetEntry& entry : data::dataset_registry()) names.emplace_back(entry.info->name);
  for (const auto& [name, what] : unlisted_data_sets()) names.push_back(name);
  return names;
}

const std::map<std::string, std::string>& unlisted_data_sets() {
  static const std::map<std::string, std::string> sets{
      {"fashion_mnist", "read from the files of Debian's package dataset-fashion-mnist"},
      {"image_folder", "any folder with one folder of images per class"}};
  return sets;
}

bool is_unlisted_data_set(const std::string& name) { return unlisted_data_sets().contains(name); }

const data::DatasetEntry& published_data_set(const std::string& name) {
  const data::DatasetEntry* const entry = data::find_dataset(name);
  if (is_unlisted_data_set(name))
    fail_usage("data", name, " has no official files that tv_data knows (it is ", unlisted_data_sets().at(name),
               "); verify, split, subset and sheet take it");
  if (entry == nullptr)
    fail_usage("data", "no published data set '", name, "'", suggestion(name, data_set_names(), 3),
               "; tv_data list names them");
  return *entry;
}

std::shared_ptr<const data::FileSource> open_data_set(const data::DatasetInfo& info, const std::string& path,
                                                      bool quiet) {
  std::optional<Progress> progress;
  data::UnpackOptions options;
  options.announce = [&](const std::string& plan) { std::fprintf(stderr, "%s\n", plan.c_str()); };
  options.progress = [&](Index done, Index total) {
    if (!progress) progress.emplace("unpacking (MiB)", total >> 20, quiet, 0);
    progress->update(done >> 20);
    if (done >= total) progress.reset();
  };
  options.should_stop = interrupted;
  try {
    std::vector<data::OfficialFile> files(info.files.begin(), info.files.end());
    for (data::OfficialFile inner : info.inner) {  // an archive that was taken out of the published one
      inner.name.remove_prefix(inner.name.rfind('/') + 1);
      files.push_back(inner);
    }
    return data::open_source(path, files, options);
  } catch (const data::UnpackStopped& stop) {
    throw Resumable(stop.what());
  }
}

data::OfficialData read_data_set(const std::string& name, const std::string& path, const data::ReadOptions& options,
                                 bool quiet, const std::vector<std::int64_t>& only_classes) {
  if (!only_classes.empty() && name != "fashion_mnist")
    fail_usage("data", "--only-classes is for fashion_mnist, not for ", name);
  if (path.empty() && name != "fashion_mnist") fail_usage("data", "--data is required for ", name);
  data::OfficialData result;
  if (name == "fashion_mnist") {
    std::unique_ptr<data::FashionMnist> set =
        data::FashionMnist::read(path.empty() ? data::fashion_mnist_folder : path, {.classes = only_classes});
    result.split = set->split();
    result.dataset = std::move(set);
  } else if (name == "image_folder") {
    result.dataset = data::read_image_folder(path, data::Metric::top1, options.decoder);
    for (Index i = 0; i < result.dataset->size(); ++i) result.split.train.push_back(i);
  } else {
    const data::DatasetEntry& entry = published_data_set(name);
    return entry.read(open_data_set(*entry.info, path, quiet), options);
  }
  result.found = {static_cast<Index>(result.split.train.size()), 0, static_cast<Index>(result.split.test.size())};
  result.classes_found = result.dataset->classes();
  return result;
}

bool has_official_parts(const data::OfficialData& data) { return !data.split.test.empty(); }

}  // namespace tv_app
