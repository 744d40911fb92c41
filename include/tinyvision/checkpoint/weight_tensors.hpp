// What every reader of weights returns: named tensors, and what there is to know about the file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/core/text.hpp"

TINYVISION_BEGIN
namespace checkpoint {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using Metadata = std::map<std::string, std::string>;

/// A variable of a file that is no weight, and why it was passed over.
struct PassedOver {
  std::string name{};
  std::string reason{};
};

/// The contents of a weight file of any format.
struct WeightFile {
  NamedTensors tensors{};  ///< in the order of the file
  Metadata metadata{};
  std::string sha256{};  ///< of the whole file; of several files: of their bytes one after another
  std::string path{};
  std::string format{};                      ///< "safetensors", "TensorFlow V1 checkpoint", ...
  std::vector<std::string> averaged{};       ///< names whose tensors are moving averages stored beside the weights
  std::vector<PassedOver> passed_over{};     ///< optimiser slots, step counters and the like
  std::vector<std::string> further_files{};  ///< files read beside `path`

  /// The tensor of that name, or nullptr.
  const Tensor* find(std::string_view name) const {
    for (const auto& [key, tensor] : tensors)
      if (key == name) return &tensor;
    return nullptr;
  }
  /// The tensor of that name. Throws UsageError with the nearest names when there is none.
  const Tensor& tensor(std::string_view name) const {
    if (const Tensor* found = find(name)) return *found;
    fail_usage("weights", path, ": no tensor '", name, "'", suggestion(name, names()));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [key, tensor] : tensors) all.push_back(key);
    return all;
  }
};

/// What a reader may do besides reading.
struct ReadOptions {
  /// TensorFlow checkpoints: a variable that has a moving average in the file takes its value.
  bool prefer_averages = true;
};

}  // namespace checkpoint

using checkpoint::WeightFile;

TINYVISION_END
