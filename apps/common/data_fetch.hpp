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
/// digests is kept as <name>.unverified: it is for the user to judge, and is not fetched again as long as it is there; the
/// other files are fetched all the same. Throws as download() does, when the publisher offers no file, and at the end when a
/// file was not the published one.
inline Json fetch_data_set(const tinyvision::data::DatasetInfo& info, const std::string& folder,
                           const std::string& mirror, bool quiet) {
  for (const tinyvision::data::OfficialFile& file : info.files)
    if (file.url.empty() && mirror.empty())
      tinyvision::fail_usage("data", info.name, ": its publisher offers ", file.name, " to registered users alone");
  tinyvision::ensure_writable_folder(folder);
  Json all = Json::array();
  std::string wrong;
  for (const tinyvision::data::OfficialFile& file : info.files) {
    const std::string name(file.name), path = folder + "/" + name, unverified = path + ".unverified";
    const bool here = std::filesystem::exists(path);
    if (!here && std::filesystem::exists(unverified)) {
      wrong += "\n  " + unverified + ": is there from an earlier fetch and has other digests than published; call it " +
               name + " to use it all the same, or remove it to fetch it again";
      continue;
    }
    if (!here) {
      DownloadOptions how;
      how.quiet = quiet;
      if (file.size > 0) how.size = file.size;
      how.sha256_prefix = file.sha256;
      how.md5 = file.md5;
      how.keep_mismatch = true;
      try {
        download(mirror.empty() ? std::string(file.url) : mirror + "/" + name, path, how);
      } catch (const tinyvision::UsageError& error) {
        const bool kept = std::filesystem::exists(unverified);
        if (!kept && wrong.empty()) throw;
        wrong += std::string("\n  ") + error.what();
        if (kept) continue;
        break;
      }
    }
    const FileDigests digests = digest_file(path, quiet);
    if (const std::string differences = compare_with_official(digests, file); !differences.empty()) {
      wrong += "\n  " + path + ": " + differences;
      continue;
    }
    std::printf("%s  %s  %s\n", digests.sha256.c_str(), path.c_str(), here ? "was here" : "fetched");
    all.push_back({{"name", name}, {"bytes", digests.bytes}, {"md5", digests.md5}, {"sha256", digests.sha256}});
  }
  if (!wrong.empty()) tinyvision::fail_usage("data", info.name, ": not as published:", wrong);
  return all;
}

}  // namespace tv_app
