// What the programs' results.json say, for reports over many of them.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>

#include "common/results.hpp"
#include "tinyvision/data/datasets/registry.hpp"
#include "tinyvision/stats/transforms.hpp"

namespace tv_app {

/// A member of `json`, which has to be of type T. Throws UsageError naming file and member.
template <class T>
T result_field(const Json& json, const std::string& path, std::initializer_list<const char*> keys) {
  const Json* at = &json;
  std::string name;
  for (const char* key : keys) {
    name += (name.empty() ? "" : ".") + std::string(key);
    if (!at->is_object() || !at->contains(key)) tinyvision::fail_usage("study", path, ": there is no ", name);
    at = &(*at)[key];
  }
  try {
    return at->get<T>();
  } catch (const Json::type_error&) {
    tinyvision::fail_usage("study", path, ": ", name, " is ", at->dump().substr(0, 60),
                           ", of another type than expected");
  }
}

/// The network with what makes it another one than the paper's.
inline std::string result_network(const Json& results, const std::string& path) {
  std::string name = result_field<std::string>(results, path, {"config", "network"});
  if (const auto width = result_field<double>(results, path, {"config", "width"}); width != 1)
    name += " width=" + tinyvision::format_shortest(width);
  if (const auto size = result_field<tinyvision::Index>(results, path, {"config", "image_size"}); size != 0)
    name += " image_size=" + std::to_string(size);
  return name;
}

/// linear_probe, fine_tuned or random_init; of another classifier on fixed features its name.
inline std::string result_setting(const Json& results, const std::string& path) {
  if (results["app"] != "tv_linear_probe")
    return result_field<std::string>(results, path, {"config", "init"}) == "random" ? "random_init" : "fine_tuned";
  const std::string classifier =
      results.contains("classifier") ? result_field<std::string>(results, path, {"classifier"}) : "logistic";
  return classifier == "logistic" || classifier == "one_vs_rest" ? "linear_probe" : classifier;
}

/// The data set's name; that of its folder for an image folder.
inline std::string result_dataset(const Json& results, const std::string& path) {
  const std::string name = result_field<std::string>(results, path, {"config", "dataset"});
  if (name != "image_folder") return name;
  const auto folder =
      std::filesystem::path(result_field<std::string>(results, path, {"config", "data"})).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

/// The accuracy on the test images, a fraction, in the data set's own metric. Throws UsageError for one without a finite logit.
inline double result_accuracy(const Json& results, const std::string& path) {
  using namespace tinyvision;
  const std::string dataset = result_field<std::string>(results, path, {"config", "dataset"});
  const data::DatasetEntry* published = data::find_dataset(dataset);
  const char* metric = data::to_string(published ? published->info->metric : data::Metric::top1);
  const auto accuracy = result_field<double>(results, path, {"metrics", "test", metric});
  if (const std::string fault = stats::detail::accuracy_fault(accuracy); !fault.empty())
    fail_usage("study", path, ": row '", result_network(results, path), "', column '", result_dataset(results, path),
               "': the accuracy (metrics.test.", metric, ") ", fault);
  return accuracy;
}

}  // namespace tv_app
