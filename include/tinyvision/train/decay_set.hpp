// Which variables weight decay acts on. The paper does not say; the choice is an option and part of every result.
#pragma once

#include <string>
#include <vector>

#include "tinyvision/nn/parameter.hpp"

TINYVISION_BEGIN

/// conv_fc: weights of convolutions (depthwise included) and fully connected layers, not biases, gamma or beta.
/// slim: the variables TF-Slim's arg scopes decay (no depthwise filters in the MobileNets).
/// all: every trainable variable.
enum class DecaySet { conv_fc, slim, all };

constexpr const char* to_string(DecaySet set) {
  return set == DecaySet::conv_fc ? "conv_fc" : set == DecaySet::slim ? "slim" : "all";
}

/// Throws UsageError for an unknown name.
inline DecaySet parse_decay_set(const std::string& text) {
  if (text == "conv_fc") return DecaySet::conv_fc;
  if (text == "slim") return DecaySet::slim;
  if (text == "all") return DecaySet::all;
  fail_usage("decay_set", "unknown decay set '", text, "': choose conv_fc, slim or all");
}

inline bool decays(const Parameter& p, DecaySet set) {
  if (!p.trainable()) return false;
  if (set == DecaySet::all) return true;
  return set == DecaySet::slim ? p.l2_slim > 0 : p.is_weight();
}

TINYVISION_END
