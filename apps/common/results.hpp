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

TINYVISION_BEGIN
namespace apps {

using Json = nlohmann::ordered_json;

/// Seconds since construction.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// Parts of results.json, in the order of the file. Fractions, not percent; seconds; digests as hexadecimal SHA-256.
/// Numbers are written so that they read back as the same double; NaN and infinity become null.
struct Results {
  std::string app;
  Json config;                          ///< Options::resolved()
  Json digests = Json::object();        ///< weights, split, preprocessing
  Json environment = Json::object();    ///< apps::environment(decoder)
  Json metrics = Json::object();        ///< validation, test
  Json fits = Json::array();            ///< of probes; left out when empty
  Json timing = Json::object();
  Json extra = Json::object();          ///< whatever else an application has to say; its keys join the top level

  Json json() const {
    Json out{{"app", app},         {"version", TINYVISION_VERSION}, {"config", config},
             {"digests", digests}, {"environment", environment},    {"metrics", metrics}};
    if (!fits.empty()) out["fits"] = fits;
    out["timing"] = timing;
    for (const auto& [key, value] : extra.items()) {
      check(!out.contains(key), "results", "the name '", key, "' is taken");
      out[key] = value;
    }
    return out;
  }

  /// Writes `folder`/results.json, all or nothing; nothing when `folder` is empty. Bytes that are no UTF-8 (file names)
  /// become U+FFFD.
  void write(const std::string& folder) const {
    if (folder.empty()) return;
    const std::string text = json().dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    write_file_atomically((std::filesystem::path(folder) / "results.json").string(), text);
  }
};

/// Adds `name` (top1, top5) as a fraction, `<name>_correct` and `examples`.
inline void add_metric(Json& split, const std::string& name, const stats::Accuracy& accuracy) {
  split[name] = accuracy.value();
  split[name + "_correct"] = accuracy.correct;
  split["examples"] = accuracy.total;
}

/// Adds `mean_per_class` as a fraction and the number of classes it is the mean of.
inline void add_metric(Json& split, const stats::MeanPerClass& mean) {
  split["mean_per_class"] = mean.value;
  split["classes"] = mean.classes;
}

}  // namespace apps
TINYVISION_END
