// From a file's tensors to a network's parameters: every name, shape and value is checked before any is used.
#pragma once

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/weight_file.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// A tensor that a network needs. `replaceable` tensors (the layer of the logits) may be missing or have another shape;
/// they are then left for the caller to initialise. Tensors that are not `required` may be missing.
struct ExpectedTensor {
  std::string name{};
  Shape shape{};
  DType dtype = DType::f32;
  bool replaceable = false;
  bool required = true;
};

/// Tensors in the order they were expected, each with storage of its own; undefined where the file's is not used.
struct MatchedWeights {
  std::vector<Tensor> tensors{};
  std::vector<std::string> replaced{};  ///< replaceable names that were left undefined
  Metadata metadata{};
  std::string sha256{};
};

struct WeightRules {
  bool allow_unexpected = false;  ///< pass over names that nobody asked for
};

namespace detail {

inline bool is_number(DType dtype) { return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::bf16; }

/// [i,j,...] of the flat position `at`.
inline std::string position_text(const Shape& shape, Index at) {
  Shape position = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) position[axis] = at % shape[axis], at /= shape[axis];
  return position.text();
}

/// Throws UsageError when `tensor` holds NaN or infinity.
inline void check_finite(const Tensor& tensor, const std::string& name, const std::string& path) {
  if (!is_number(tensor.dtype())) return;
  const Tensor t = tensor.packed();
  visit_any(t.dtype(), [&]<class T>(T) {
    const T* x = t.data<T>();
    Index first = -1, count = 0;
    for (Index i = 0; i < t.count(); ++i) {
      if (std::isfinite(static_cast<double>(x[i]))) continue;
      if (count++ == 0) first = i;
    }
    if (count > 0)
      fail_usage("weights", path, ": tensor '", name, "' is ", static_cast<double>(x[first]), " at ",
                 position_text(t.shape(), first), " (", count, " of ", t.count(), " values are not finite)");
  });
}

/// "'a' (did you mean x?), 'b'..." for the first five names and the number of all.
inline std::string list_with_suggestions(const std::vector<std::string>& names,
                                         const std::vector<std::string>& candidates) {
  std::string out = std::to_string(names.size()) + ": ";
  for (std::size_t i = 0; i < names.size() && i < 5; ++i)
    out += (i > 0 ? ", '" : "'") + names[i] + "'" + suggestion(names[i], candidates, 2);
  if (names.size() > 5) out += ", ...";
  return out;
}

}  // namespace detail

/// Picks the expected tensors out of a file and converts them to the expected types (between floating types only).
/// Throws UsageError naming the file when names are missing or unexpected (the first five, their number, and the
/// nearest names on the other side), a shape differs (both are printed), or a value that would be used is not finite.
///
/// When any replaceable tensor does not fit, all of them are left undefined: half a layer is no layer.
inline MatchedWeights match_weights(const WeightFile& file, const std::vector<ExpectedTensor>& expected,
                                    const WeightRules& rules = {}) {
  std::map<std::string_view, const Tensor*> present;
  for (const auto& [name, tensor] : file.tensors) present.emplace(name, &tensor);
  std::set<std::string_view> wanted;
  std::vector<std::string> missing, unexpected, expected_names;
  bool replace = false;
  for (const ExpectedTensor& e : expected) {
    check(wanted.insert(e.name).second, "weights", "'", e.name, "' is expected twice");
    expected_names.push_back(e.name);
    const auto found = present.find(e.name);
    if (found == present.end()) {
      if (e.replaceable) replace = true;
      if (!e.replaceable && e.required) missing.push_back(e.name);
    } else if (e.replaceable && found->second->shape() != e.shape) {
      replace = true;
    }
  }
  for (const auto& [name, tensor] : file.tensors)
    if (!wanted.contains(name)) unexpected.push_back(name);
  if (!missing.empty())
    fail_usage("weights", file.path, ": missing tensors, ",
               detail::list_with_suggestions(missing, unexpected.empty() ? file.names() : unexpected));
  if (!unexpected.empty() && !rules.allow_unexpected)
    fail_usage("weights", file.path, ": unexpected tensors, ",
               detail::list_with_suggestions(unexpected, expected_names));

  MatchedWeights out{{}, {}, file.metadata, file.sha256};
  for (const ExpectedTensor& e : expected) {
    const auto found = present.find(e.name);
    if (found == present.end() || (e.replaceable && replace)) {
      if (e.replaceable) out.replaced.push_back(e.name);
      out.tensors.emplace_back();
      continue;
    }
    const Tensor& tensor = *found->second;
    if (tensor.shape() != e.shape)
      fail_usage("weights", file.path, ": tensor '", e.name, "' has shape ", tensor.shape(), ", the network needs ",
                 e.shape);
    if (tensor.dtype() != e.dtype && !(detail::is_number(tensor.dtype()) && detail::is_number(e.dtype)))
      fail_usage("weights", file.path, ": tensor '", e.name, "' is ", to_string(tensor.dtype()), ", the network needs ",
                 to_string(e.dtype));
    detail::check_finite(tensor, e.name, file.path);
    const Tensor converted = tensor.to(e.dtype);
    if (converted.dtype() != tensor.dtype()) detail::check_finite(converted, e.name, file.path);  // f64 beyond f32
    out.tensors.push_back(converted.same_storage(tensor) ? converted.clone() : converted);
  }
  return out;
}

/// Reads `path`, a file of any format that load_weight_file knows, and matches its tensors.
inline MatchedWeights load_weights(const std::string& path, const std::vector<ExpectedTensor>& expected,
                                   const WeightRules& rules = {}) {
  return match_weights(load_weight_file(path), expected, rules);
}

/// Whether weights come from a network whose batch norms were folded into its convolutions.
struct FoldedBatchNorm {
  Index layers = 0;                   ///< batch norms found
  std::vector<std::string> folded{};  ///< those that look folded
  bool detected() const { return 2 * static_cast<Index>(folded.size()) > layers; }
  /// Why training is refused and what to do; empty when nothing was detected.
  std::string text() const {
    if (!detected()) return "";
    return concat_text(
        folded.size(), " of ", layers, " batch norms (", join_names(folded, 2),
        ") were folded into their convolutions: the moving mean is 0 and the moving variance the same for "
        "all channels, beside a beta that is a bias. Evaluation is right, but training with batch "
        "statistics would change the function from the first step. tv_convert convert --restore-bn PHOTOS measures "
        "the statistics and restores the batch norms.");
  }
};

/// Looks at every `<layer>/moving_mean` (TF-Slim's names): a layer is folded when its moving mean is all 0, its moving
/// variance the same in all channels, and its beta not all 0 (as it is in fresh weights). A file counts as folded when
/// most of its layers do. A layer of a single channel tells nothing and is passed over.
inline FoldedBatchNorm detect_folded_batch_norm(const NamedTensors& tensors) {
  std::map<std::string_view, const Tensor*> by_name;
  for (const auto& [name, tensor] : tensors) by_name.emplace(name, &tensor);
  FoldedBatchNorm report;
  constexpr std::string_view suffix = "/moving_mean";
  for (const auto& [name, mean] : tensors) {
    if (!name.ends_with(suffix) || !detail::is_number(mean.dtype()) || mean.count() < 2) continue;
    const std::string layer = name.substr(0, name.size() - suffix.size());
    const auto variance = by_name.find(layer + "/moving_variance"), beta = by_name.find(layer + "/beta");
    if (variance == by_name.end() || beta == by_name.end()) continue;
    ++report.layers;
    const auto all_equal = [](const std::vector<double>& values, double value) {
      for (const double v : values)
        if (v != value) return false;
      return true;
    };
    const std::vector<double> variances = variance->second->to_vector<double>();
    if (all_equal(mean.to_vector<double>(), 0) && !variances.empty() && all_equal(variances, variances.front()) &&
        !all_equal(beta->second->to_vector<double>(), 0))
      report.folded.push_back(layer);
  }
  return report;
}

}  // namespace checkpoint
TINYVISION_END
