// What the registry knows of a network.
#pragma once

#include <memory>
#include <string>

#include "tinyvision/nn/network.hpp"

TINYVISION_BEGIN

/// What a network is called, what its public weights are like, and which regularisers it has at all.
struct NetworkEntry {
  std::string name;
  std::shared_ptr<Network> (*make)(NetworkOptions);
  Index public_classes = 1001;
  bool slim_bn_scale = true;     ///< gamma in TF-Slim's definition
  double slim_dropout_keep = 1;  ///< TF-Slim's; 1: the network has no dropout
  bool has_auxiliary_head = false;
  bool drops_paths = false;        ///< has drop path
  double slim_drop_path_keep = 1;  ///< TF-Slim's
  bool scales_width = false;       ///< has a width multiplier
  double own_width = 1;            ///< the width that the name stands for
  bool has_public_layout = false;  ///< is published with strides of its own (NetworkOptions::public_layout)
};

TINYVISION_END
