// Data sets by name, wherever their files lie: what the programs share in finding and opening them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tinyvision/data/datasets/registry.hpp"

namespace tv_app {

/// Names of all data sets: the published ones, then the unlisted ones.
std::vector<std::string> data_set_names();

/// Data sets that can be read, but are not held to official files and counts, with what they are: fashion_mnist and
/// image_folder.
const std::map<std::string, std::string>& unlisted_data_sets();
bool is_unlisted_data_set(const std::string& name);

/// The published data set of that name. Throws UsageError with the nearest names for others, and saying so for unlisted ones.
const tinyvision::data::DatasetEntry& published_data_set(const std::string& name);

/// The files of a published data set in `path` (a folder, or an archive). Compressed archives are unpacked once, which is
/// announced and shown on stderr. Throws UsageError when there is nothing, Resumable when interrupted.
std::shared_ptr<const tinyvision::data::FileSource> open_data_set(const tinyvision::data::DatasetInfo& info,
                                                                  const std::string& path, bool quiet);

/// Reads any data set by name. `fashion_mnist` has a default folder; image_folder has no official parts (all examples are
/// in `split.train`) and, as fashion_mnist, no `info`. `only_classes`: fashion_mnist alone.
tinyvision::data::OfficialData read_data_set(const std::string& name, const std::string& path,
                                             const tinyvision::data::ReadOptions& options, bool quiet,
                                             const std::vector<std::int64_t>& only_classes = {});

/// True when the data set comes with a test part of its own.
bool has_official_parts(const tinyvision::data::OfficialData& data);

}  // namespace tv_app
