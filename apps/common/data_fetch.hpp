// Fetching the official files of a data set. Needs libcurl.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

#include "common/data_catalogue.hpp"
#include "common/download.hpp"

namespace tv_app {

/// Fetches the files of a data set to `folder`, those that are not there yet; all are compared with size and digests.
/// `mirror`: address of a folder that has files of the same names, in place of the publisher's. A whole file with other
/// digests is kept as <name>.unverified. Throws as download() does, and when the publisher offers no file.
inline Json fetch_data_set(const tinyvision::data::DatasetInfo& info, const std::string& folder,
                           const std::string& mirror, bool quiet) {
  for (const tinyvision::data::OfficialFile& file : info.files)
    if (file.url.empty() && mirror.empty())
      tinyvision::fail_usage("data", info.name, ": its publisher offers ", file.name, " to registered users alone");
  tinyvision::ensure_writable_folder(folder);
  Json all = Json::array();
  for (const tinyvision::data::OfficialFile& file : info.files) {
    const std::string name(file.name), path = folder + "/" + name;
    const bool here = std::filesystem::exists(path);
    if (!here) {
      DownloadOptions how;
      how.quiet = quiet;
      if (file.size > 0) how.size = file.size;
      how.sha256_prefix = file.sha256;
      how.md5 = file.md5;
      how.keep_mismatch = true;
      download(mirror.empty() ? std::string(file.url) : mirror + "/" + name, path, how);
    }
    const FileDigests digests = digest_file(path, quiet);
    if (const std::string differences = compare_with_official(digests, file); !differences.empty())
      tinyvision::fail_usage("data", path, ": ", differences);
    std::printf("%s  %s  %s\n", digests.sha256.c_str(), path.c_str(), here ? "was here" : "fetched");
    all.push_back({{"name", name}, {"bytes", digests.bytes}, {"md5", digests.md5}, {"sha256", digests.sha256}});
  }
  return all;
}

}  // namespace tv_app
