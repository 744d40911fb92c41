// results.json: what ran, on what, with which outcome.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/environment.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/stats/metrics.hpp"

namespace tv_app {

using Json = nlohmann::ordered_json;

/// The contents of results.json: `app`, `version`, `config`, `digests`, `environment`, `metrics` and `timing` are there
/// from the start, everything else (`fits`, say) is added through operator[]. Fractions, not percent; seconds; digests
/// as hexadecimal SHA-256. Numbers are written so that they read back as the same double; NaN and infinity become null.
class Results {
 public:
  Results(const std::string& app, const Json& config)
      : json_{{"app", app},
              {"version", TINYVISION_VERSION},
              {"config", config},
              {"digests", Json::object()},
              {"environment", environment()},
              {"metrics", Json::object()},
              {"timing", Json::object()}} {}

  Json& operator[](const std::string& key) { return json_[key]; }
  const Json& json() const { return json_; }

  /// Puts the seconds since the last lap, or since construction, into `timing`; laps of equal name add up.
  void lap(const std::string& name) {
    const auto now = Clock::now();
    Json& entry = json_["timing"][name];
    entry = (entry.is_number() ? entry.get<double>() : 0) + seconds(std::exchange(lap_, now), now);
  }

  /// Writes `folder`/results.json, all or nothing, with the total time; nothing when `folder` is empty. Bytes that are
  /// no UTF-8 (in file names) become U+FFFD.
  void write(const std::string& folder) {
    json_["timing"]["total"] = seconds(began_, Clock::now());
    if (folder.empty()) return;
    const std::string text = json_.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    tinyvision::write_file_atomically((std::filesystem::path(folder) / "results.json").string(), text);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  }

  Json json_;
  Clock::time_point began_ = Clock::now(), lap_ = began_;
};

/// Adds `name` (top1, top5) as a fraction, `<name>_correct` and `count` to `metrics.test` or `metrics.validation`.
inline void add_metric(Json& split, const std::string& name, const tinyvision::stats::Accuracy& accuracy) {
  split[name] = accuracy.value();
  split[name + "_correct"] = accuracy.correct;
  split["count"] = accuracy.total;
}

/// Adds `mean_per_class` as a fraction and the number of classes it is the mean of.
inline void add_metric(Json& split, const tinyvision::stats::MeanPerClass& mean) {
  split["mean_per_class"] = mean.value;
  split["classes"] = mean.classes;
}

}  // namespace tv_app
