// What files were when they were first used, where their publisher states no digest.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/options.hpp"
#include "tinyvision/core/error.hpp"
#include "tinyvision/core/files.hpp"

namespace tv_app {

/// digests.json in a folder: {"slim/inception_v1": {"url", "bytes", "sha256"}}, written at the first use of each.
class FirstUseDigests {
 public:
  /// Throws UsageError when the file is there and is no JSON object.
  explicit FirstUseDigests(const std::string& folder) : path_(folder + "/digests.json") {
    if (!std::filesystem::exists(path_)) return;
    try {
      known_ = Json::parse(tinyvision::read_file(path_));
    } catch (const Json::parse_error& error) {
      tinyvision::fail_usage("weights", path_, ": ", error.what());
    }
    if (!known_.is_object()) tinyvision::fail_usage("weights", path_, ": not a JSON object");
  }
  /// Empty when nothing is known.
  std::string sha256(std::string_view name) const {
    const auto found = known_.find(std::string(name));
    if (found == known_.end()) return "";
    if (!found->is_object() || !found->contains("sha256") || !(*found)["sha256"].is_string())
      tinyvision::fail_usage("weights", path_, ": the entry of ", name, " has no sha256");
    return (*found)["sha256"];
  }
  void remember(std::string_view name, std::string_view url, tinyvision::Index bytes, const std::string& sha256) {
    known_[std::string(name)] = {{"url", url}, {"bytes", bytes}, {"sha256", sha256}};
    tinyvision::write_file_atomically(path_, known_.dump(2) + "\n");
  }

 private:
  std::string path_;
  Json known_ = Json::object();
};

}  // namespace tv_app
