// Which variables of a TensorFlow checkpoint are weights, and under which names.
//
// A checkpoint of a training run holds more than weights. In this order,
//
//   name                                     taken as
//   strings of any name                      passed over: graphs of objects, configurations
//   .../.OPTIMIZER_SLOT/...                  passed over: optimiser slot (tf.train.Checkpoint)
//   optimizer/.../.ATTRIBUTES/...            passed over: optimiser's state (tf.train.Checkpoint, Keras)
//   NAME/.ATTRIBUTES/VARIABLE_VALUE          NAME from here on (tf.train.Checkpoint)
//   global_step, save_counter, local_step    passed over: step counter    } as the last part of a name
//   beta1_power, beta2_power                 passed over: optimiser's state }
//   mean_rgb                                 passed over: mean of images    } (beside TF-Slim's ResNets and VGGs)
//   NAME/ExponentialMovingAverage            the value of NAME, in the place of NAME's own if the file has it; or
//                                            passed over, as the caller wishes
//   NAME/PART, beside a NAME of the same     passed over: optimiser slot (Momentum, RMSProp, Adam_1 and whatever else
//   shape                                    an optimiser keeps beside each variable, by whatever name)
//   everything else                          itself
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/tensorflow_format.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"

TINYVISION_BEGIN
namespace checkpoint {
namespace tensorflow {

/// A tensor to read: variable `index` of the file, under the name `name`.
struct Choice {
  std::string name{};
  std::size_t index = 0;
  bool averaged = false;
};

struct Choices {
  std::vector<Choice> taken{};  ///< in the order of the file
  std::vector<PassedOver> passed_over{};
};

namespace detail {

inline std::string_view last_part(std::string_view name) { return name.substr(name.rfind('/') + 1); }

/// Why a variable of that name and type is no weight, whatever else the file holds; nullptr when it may be one.
inline const char* no_weight(const Variable& variable) {
  const std::string_view name = variable.name;
  if (variable.type->text) return "text";
  if (name.find("/.OPTIMIZER_SLOT/") != name.npos) return "optimiser slot";
  if (name.starts_with("optimizer/") && name.find("/.ATTRIBUTES/") != name.npos) return "optimiser's state";
  return nullptr;
}
inline const char* no_weight_by_last_part(std::string_view name) {
  const std::string_view part = last_part(name);
  if (part == "global_step" || part == "save_counter" || part == "local_step") return "step counter";
  if (part == "beta1_power" || part == "beta2_power") return "optimiser's state";
  if (part == "mean_rgb") return "mean of images";
  return nullptr;
}

}  // namespace detail

/// Applies the rules above. Throws UsageError when two variables claim one name, or a moving average has another shape
/// or type than its variable.
inline Choices choose_variables(const std::vector<Variable>& variables, const ReadOptions& options,
                                std::string_view path) {
  constexpr std::string_view value_suffix = "/.ATTRIBUTES/VARIABLE_VALUE", average_suffix = "/ExponentialMovingAverage";
  Choices out;
  std::vector<std::pair<std::size_t, std::string>> candidates;  // index and short name
  std::map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    std::string name = variables[i].name;
    const char* reason = detail::no_weight(variables[i]);
    if (name.ends_with(value_suffix)) name.resize(name.size() - value_suffix.size());
    if (reason == nullptr) reason = detail::no_weight_by_last_part(name);
    if (reason != nullptr) {
      out.passed_over.push_back({variables[i].name, reason});
    } else {
      candidates.emplace_back(i, std::move(name));
    }
  }
  for (const auto& [index, name] : candidates) {
    const auto [other, added] = by_name.emplace(name, index);
    if (!added)
      fail_usage(where, path, ": byte ", variables[index].offset, ": '", variables[other->second].name, "' and '",
                 variables[index].name, "' are both the tensor '", name, "'");
  }
  for (const auto& [index, name] : candidates) {
    const Variable& variable = variables[index];
    const std::string_view owner = std::string_view(name).substr(0, std::min(name.rfind('/'), name.size()));
    const auto beside = owner.size() < name.size() ? by_name.find(owner) : by_name.end();
    const Variable* own = beside == by_name.end() ? nullptr : &variables[beside->second];
    if (name.ends_with(average_suffix) && !owner.empty()) {
      if (!options.prefer_averages) {
        out.passed_over.push_back({variable.name, "moving average"});
        continue;
      }
      if (own != nullptr && (own->extents != variable.extents || own->type != variable.type))
        fail_usage(where, path, ": byte ", variable.offset, ": '", variable.name, "' is ", variable.type->name, " ",
                   extents_text(variable.extents), ", its variable ", own->type->name, " ", extents_text(own->extents));
      if (own == nullptr) out.taken.push_back({std::string(owner), index, true});
    } else if (own != nullptr && own->extents == variable.extents) {
      out.passed_over.push_back({variable.name, "optimiser slot"});
    } else {
      const auto average = options.prefer_averages ? by_name.find(name + std::string(average_suffix)) : by_name.end();
      const bool averaged = average != by_name.end();
      out.taken.push_back({name, averaged ? average->second : index, averaged});
    }
  }
  return out;
}

}  // namespace tensorflow
}  // namespace checkpoint
TINYVISION_END
