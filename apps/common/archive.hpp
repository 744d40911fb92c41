// Checkpoints in .tar.gz archives, as TF-Slim publishes them.
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "common/interrupt.hpp"
#include "tinyvision/core/text.hpp"
#include "tinyvision/data/archive/unpack.hpp"

namespace tv_app {

/// An archive unpacked beside itself for as long as this lives. What unpack() refuses (links, names that leave the folder,
/// more bytes than the disk has, damage) is a UsageError naming archive and member; nothing stays on any way out.
class UnpackedArchive {
 public:
  UnpackedArchive(const std::string& path, bool quiet) : folder_(tinyvision::data::unpack_folder(path)) {
    remove();  // what a killed program left may be half a checkpoint
    tinyvision::data::UnpackOptions options;
    options.announce = [&](const std::string& plan) {
      if (!quiet) std::fprintf(stderr, "%s\n", plan.c_str());
    };
    options.should_stop = interrupted;
    try {
      tinyvision::data::unpack(path, options);
    } catch (const tinyvision::data::UnpackStopped& stop) {
      throw Interrupted(stop.what());
    }
  }
  ~UnpackedArchive() { remove(); }
  UnpackedArchive(const UnpackedArchive&) = delete;
  UnpackedArchive& operator=(const UnpackedArchive&) = delete;

  const std::string& folder() const { return folder_; }

 private:
  void remove() const {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string folder_;
};

/// The one TensorFlow checkpoint below `folder`: the prefix of an .index file, or a single .ckpt file. Throws UsageError
/// naming the folder and what is there otherwise.
inline std::string checkpoint_below(const std::string& folder) {
  std::vector<std::string> bundles, files, all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    if (entry.path().filename().string().front() != '.') all.push_back(path.substr(folder.size() + 1));
    if (path.ends_with(".index")) bundles.push_back(path.substr(0, path.size() - std::string(".index").size()));
    if (path.ends_with(".ckpt")) files.push_back(path);
  }
  const std::vector<std::string>& found = bundles.empty() ? files : bundles;
  std::sort(all.begin(), all.end());
  if (found.size() != 1)
    tinyvision::fail_usage("archive", folder, ": holds ", found.size(),
                           " checkpoints, not one: ", tinyvision::join_names(all, 10));
  return found.front();
}

}  // namespace tv_app
