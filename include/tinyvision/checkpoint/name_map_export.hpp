// Our weights under the names of another program's model: a name map, read backwards.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "tinyvision/checkpoint/name_map.hpp"

TINYVISION_BEGIN
namespace checkpoint {

namespace detail {

/// Our tensor in the peer's layout; undefined when its shape does not suit the layout.
inline Tensor to_peer(NameLayout layout, const Tensor& ours) {
  const int rank = ours.shape().rank();
  if (rank < 2) return ours;
  switch (layout) {
    case NameLayout::conv: return rank == 4 ? permute_axes(ours, {3, 2, 0, 1}) : Tensor();
    case NameLayout::depthwise:
      return rank == 4
                 ? permute_axes(ours, {2, 3, 0, 1}).reshape({ours.dim(2) * ours.dim(3), 1, ours.dim(0), ours.dim(1)})
                 : Tensor();
    case NameLayout::linear:
    case NameLayout::dense: {
      if (rank != 2 && (rank != 4 || ours.dim(0) * ours.dim(1) != 1)) return {};
      const Tensor matrix = ours.packed().reshape({ours.shape()[-2], ours.shape()[-1]});
      return layout == NameLayout::linear ? permute_axes(matrix, {1, 0}) : matrix;
    }
    default: return ours;
  }
}

inline bool all_values_are(const Tensor& tensor, double value) {
  for (const double v : tensor.to_vector<double>())
    if (v != value) return false;
  return true;
}

}  // namespace detail

/// `ours`, the variables of the map's network, under the peer's names and in its layout. Variables that the peer does not
/// have (`fill`) are left out; they must hold the map's value. Throws UsageError naming the map when one does not, when a
/// name fits no rule or the shape does not suit it, or when the peer only numbers its layers (`sequence`).
inline NamedTensors export_with_name_map(const NameMap& map, const NamedTensors& ours) {
  const auto refuse = [&](const auto&... why) { fail_usage("name map", map.path, ": ", why...); };
  if (!map.sequences.empty())
    refuse("the layers of ", map.peer, " have numbers instead of names; weights can be read, not written");
  NamedTensors out;
  std::set<std::string> taken;
  Captures captures;
  for (const auto& [name, tensor] : ours) {
    const NameMap::Rule* rule = nullptr;
    for (std::size_t i = 0; rule == nullptr && i < map.rules.size(); ++i)
      if (map.rules[i].ours.match(name, captures)) rule = &map.rules[i];
    if (rule != nullptr) {
      std::string peer = rule->peer.expand(captures);
      const Tensor converted = detail::to_peer(rule->layout, tensor);
      if (!converted.defined())
        refuse("'", name, "' has shape ", tensor.shape(), ", which as '", peer, "' does not fit");
      if (!taken.insert(peer).second) refuse("two variables are '", peer, "', one of them '", name, "'");
      out.emplace_back(std::move(peer), converted);
      continue;
    }
    const NameMap::Fill* fill = nullptr;
    for (std::size_t i = 0; fill == nullptr && i < map.fills.size(); ++i)
      if (map.fills[i].ours.match(name, captures)) fill = &map.fills[i];
    if (fill == nullptr) refuse("'", name, "' fits no rule");
    if (!detail::all_values_are(tensor, fill->value))
      refuse("'", name, "' is not ", fill->value, " everywhere, and ", map.peer, " has no such variable");
  }
  return out;
}

}  // namespace checkpoint
TINYVISION_END
