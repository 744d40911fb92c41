// Networks by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tinyvision/models/network_entry.hpp"
#ifndef TINYVISION_COMPILED
#include "tinyvision/models/all_networks.hpp"
#endif

TINYVISION_BEGIN

/// All networks, in the order of the paper's Table A.2. The definitions of sixteen networks take a while to compile:
/// programs that link tinyvision::compiled find them there.
#ifdef TINYVISION_COMPILED
const std::vector<NetworkEntry>& network_entries();
#else
inline const std::vector<NetworkEntry>& network_entries() { return all_network_entries(); }
#endif

inline const std::vector<std::string>& network_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const NetworkEntry& entry : network_entries()) all.push_back(entry.name);
    return all;
  }();
  return names;
}

/// All names on one line.
inline std::string network_list() {
  std::string list;
  for (const std::string& name : network_names()) list += (list.empty() ? "" : ", ") + name;
  return list;
}

/// Throws UsageError for an unknown name.
inline const NetworkEntry& network_entry(const std::string& name) {
  for (const NetworkEntry& entry : network_entries())
    if (entry.name == name) return entry;
  fail_usage("network", "unknown network '", name, "': choose one of ", network_list());
}

/// A network by its name; parameters are zero until initialised or loaded. Throws UsageError for an unknown name and for a
/// regulariser, width or layout that the network does not have.
inline std::shared_ptr<Network> make_network(const std::string& name, const NetworkOptions& options = {}) {
  const NetworkEntry& entry = network_entry(name);
  if (options.auxiliary_head && !entry.has_auxiliary_head) fail_usage("network", name, " has no auxiliary head");
  if (options.dropout_keep != 1 && entry.slim_dropout_keep == 1)
    fail_usage("network", name, " has no dropout, so it cannot keep a share of ", options.dropout_keep);
  if (options.drop_path_keep != 1 && !entry.drops_paths)
    fail_usage("network", name, " drops no paths, so it cannot keep a share of ", options.drop_path_keep);
  if (options.width != 1 && options.width != entry.own_width && !entry.scales_width)
    fail_usage("network", name, " has no width multiplier, so it cannot have ", options.width, " of its width");
  if (options.public_layout && !entry.has_public_layout)
    fail_usage("network", name, " has one layout: the public one is that of the ResNets' checkpoints");
  return entry.make(options);
}

/// The number of classes of the public weights.
inline Index public_classes(const std::string& name) { return network_entry(name).public_classes; }

/// The settings of TF-Slim's own definition, which the public weights were trained with: classes, no gamma in the Inception
/// family, dropout, auxiliary heads, drop path. (Label smoothing is the trainer's; NetworkOptions::paper() is the paper's.)
inline NetworkOptions tf_slim_options(const std::string& name) {
  const NetworkEntry& entry = network_entry(name);
  NetworkOptions options;
  options.classes = entry.public_classes;
  options.bn_scale = entry.slim_bn_scale;
  options.auxiliary_head = entry.has_auxiliary_head;
  options.dropout_keep = entry.slim_dropout_keep;
  options.drop_path_keep = entry.slim_drop_path_keep;
  return options;
}

TINYVISION_END
