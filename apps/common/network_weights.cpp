// Weight files and networks.
#include "common/network_weights.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include "common/weight_tables.hpp"
#include "tinyvision/checkpoint/weights.hpp"
#include "tinyvision/models/registry.hpp"

namespace tv_app {

tinyvision::WeightFile read_weights(const std::string& path, const tinyvision::checkpoint::ReadOptions& options) {
  return tinyvision::load_weight_file(path, options);
}

tinyvision::checkpoint::NamedTensors named_values(const tinyvision::Network& network) {
  tinyvision::checkpoint::NamedTensors values;
  for (const tinyvision::Parameter& p : network.parameters()) values.emplace_back(p.name, p.variable.value());
  return values;
}

std::vector<tinyvision::checkpoint::ExpectedTensor> expected_tensors(const tinyvision::Network& network,
                                                                     const std::vector<std::string>& may_lack) {
  using tinyvision::ParameterGroup;
  const auto lacks = [&](const char* kind) {
    return std::find(may_lack.begin(), may_lack.end(), kind) != may_lack.end();
  };
  std::vector<tinyvision::checkpoint::ExpectedTensor> expected;
  for (const tinyvision::Parameter& p : network.parameters()) {
    const bool gamma = p.kind == tinyvision::ParameterKind::bn_gamma, aux = p.group == ParameterGroup::aux;
    expected.push_back({.name = p.name,
                        .shape = p.variable.shape(),
                        .dtype = p.variable.dtype(),
                        .replaceable = (aux || p.group == ParameterGroup::logits) && lacks("logits"),
                        .required = !(gamma && lacks("gamma")) && !(aux && lacks("aux"))});
  }
  return expected;
}

tinyvision::WeightFile without_spare_head(const tinyvision::Network& network, tinyvision::WeightFile file) {
  using namespace tinyvision;
  if (!network_entry(network.name()).has_auxiliary_head || network.options().auxiliary_head) return file;
  NetworkOptions options = network.options();
  options.auxiliary_head = true;
  options.image_size = 0;  // names do not depend on it
  const auto whole = make_network(network.name(), options);
  std::set<std::string> head;
  for (const Parameter& p : whole->parameters())
    if (p.group == ParameterGroup::aux) head.insert(p.name);
  std::erase_if(file.tensors, [&](const auto& named) {
    if (!head.contains(named.first)) return false;
    file.passed_over.push_back({named.first, "auxiliary head"});
    return true;
  });
  return file;
}

std::string load_network(const tinyvision::Network& network, const tinyvision::WeightFile& whole,
                         const std::vector<std::string>& may_lack) {
  using namespace tinyvision;
  const WeightFile file = without_spare_head(network, whole);
  if (!file.averaged.empty() || !file.passed_over.empty()) std::fprintf(stderr, "%s\n", describe(file).c_str());
  const auto matched = checkpoint::match_weights(file, expected_tensors(network, may_lack));
  for (std::size_t i = 0; i < matched.tensors.size(); ++i) {
    const Parameter& p = network.parameters()[i];
    if (matched.tensors[i].defined()) {
      p.variable.set_value(matched.tensors[i]);
    } else if (p.kind == ParameterKind::bn_gamma) {
      p.variable.set_value(Tensor::full(p.variable.shape(), 1, p.variable.dtype()));
    }
  }
  return matched.sha256;
}

std::string load_network(const tinyvision::Network& network, const NetworkChoice& choice,
                         std::vector<std::string> may_lack) {
  may_lack.insert(may_lack.end(), choice.allow_missing.begin(), choice.allow_missing.end());
  return load_network(network, read_weights(choice.weights), may_lack);
}

tinyvision::Index classes_in_weights(const NetworkChoice& choice) {
  const auto file = read_weights(choice.weights);
  const auto network = build_network(choice, 2);
  for (const tinyvision::Parameter& p : network->parameters()) {
    if (p.kind != tinyvision::ParameterKind::bias || p.group != tinyvision::ParameterGroup::logits) continue;
    for (const auto& [name, bias] : file.tensors)
      if (name == p.name && bias.shape().rank() == 1) return bias.dim(0);
  }
  return tinyvision::public_classes(choice.network);
}

void refuse_folded(const tinyvision::Network& network, const std::string& path) {
  const auto folded = tinyvision::checkpoint::detect_folded_batch_norm(named_values(network));
  if (folded.detected()) tinyvision::fail_usage("weights", path, ": ", folded.text());
}

}  // namespace tv_app
