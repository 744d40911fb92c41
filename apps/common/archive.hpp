// Checkpoints in .tar.gz archives, as TF-Slim publishes them.
#pragma once

#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "tinyvision/core/error.hpp"
#include "tinyvision/core/text.hpp"

extern char** environ;

namespace tv_app {

/// Unpacks a compressed tar archive into `folder`, which is emptied first. The system's tar does it: it refuses paths that
/// lead out of the folder. Throws UsageError naming the archive when it cannot be unpacked.
inline void unpack_archive(const std::string& path, const std::string& folder) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::vector<std::string> words{"tar",    "--extract", "--gzip",      "--no-same-owner",
                                 "--file", path,        "--directory", folder};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (const int error = ::posix_spawnp(&child, "tar", nullptr, nullptr, arguments.data(), environ); error != 0)
    tinyvision::fail("archive", "tar could not be started: ", std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) tinyvision::fail("archive", "tar: ", std::strerror(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    tinyvision::fail_usage("archive", path, ": tar could not unpack it");
}

/// The one TensorFlow checkpoint below `folder`: the prefix of an .index file, or a single .ckpt file. Throws UsageError
/// naming the folder and what is there otherwise.
inline std::string checkpoint_below(const std::string& folder) {
  std::vector<std::string> bundles, files, all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    all.push_back(path.substr(folder.size() + 1));
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
