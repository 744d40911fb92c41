// The five settings that the paper pretrains and fine-tunes with to see what regularisers do to features (Kornblith et al.,
// Figures 3, 5, C.1, C.3 and C.4).
//
// "The leftmost setting is the Inception default, and uses no batch normalization scale parameter, but includes label
// smoothing, dropout, and an auxiliary head. From left to right, we enable the batch normalization scale parameter; disable
// label smoothing; disable dropout; and disable the auxiliary head." The last one is what all other experiments train with.
// A network's own probability of dropout is TF-Slim's. NASNet-A's drop path goes with dropout: appendix A.3 switches both on
// together with the other two.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "tinyvision/models/registry.hpp"

TINYVISION_BEGIN

struct RegulariserSetting {
  std::string_view name;
  bool bn_scale, label_smoothing, dropout, auxiliary_head;
};

/// From left to right in the figures.
inline constexpr std::array<RegulariserSetting, 5> regulariser_ladder{{{"inception", false, true, true, true},
                                                                       {"bn_scale", true, true, true, true},
                                                                       {"no_label_smoothing", true, false, true, true},
                                                                       {"no_dropout", true, false, false, true},
                                                                       {"paper", true, false, false, false}}};

/// The share of a target that label smoothing spreads over all classes (Szegedy et al., "Rethinking the Inception
/// Architecture", CVPR 2016, section 7).
inline constexpr double paper_label_smoothing = 0.1;

/// The setting of this name, or nullptr.
inline const RegulariserSetting* find_regulariser_setting(std::string_view name) {
  for (const RegulariserSetting& setting : regulariser_ladder)
    if (setting.name == name) return &setting;
  return nullptr;
}

/// `setting` as the options of a network; label smoothing is the trainer's. make_network refuses an auxiliary head that the
/// network does not have.
inline NetworkOptions regularised_options(const std::string& network, const RegulariserSetting& setting) {
  NetworkOptions options = tf_slim_options(network);
  options.bn_scale = setting.bn_scale;
  options.auxiliary_head = setting.auxiliary_head;
  if (!setting.dropout) options.dropout_keep = options.drop_path_keep = 1;
  return options;
}

TINYVISION_END
