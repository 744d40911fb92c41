// Options that name a network, its weights and how photos become its input; and their loading.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "common/app.hpp"
#include "common/weight_tables.hpp"
#include "tinyvision/checkpoint/weights.hpp"
#include "tinyvision/data/decode.hpp"
#include "tinyvision/data/preprocess.hpp"
#include "tinyvision/models/registry.hpp"

namespace tv_app {

struct NetworkChoice {
  std::string network = "mobilenet_v1";
  std::string weights;
  double width = 1;
  tinyvision::Index image_size = 0;
  std::string resizer = "tf1_bilinear";
  std::string normalisation = "inception";
  std::string decoder = "turbo";
  std::string layout = "paper", bn_scale = "on";
  double dropout_keep = 1;
  bool auxiliary_head = false;
};

inline void add_network_options(CLI::App& app, NetworkChoice& choice, bool needs_weights) {
  app.add_option("--network", choice.network, tinyvision::network_list())->capture_default_str();
  auto* weights = app.add_option("--weights", choice.weights,
                                 "weight file with TF-Slim variable names (docs/checkpoints.md: formats)");
  if (needs_weights) weights->required();
  app.add_option("--width", choice.width, "width multiplier (MobileNets)")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--image-size", choice.image_size, "side of the network's input in pixels; 0 = the network's own")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--resizer", choice.resizer, "tf1_bilinear or antialias_bilinear")->capture_default_str();
  app.add_option("--normalisation", choice.normalisation,
                 "inception ((x-0.5)*2), rgb_mean (public ResNet v1) or imagenet_mean_std (DenseNet)")
      ->capture_default_str();
  app.add_option("--decoder", choice.decoder, "JPEG decoder: turbo or stb")->capture_default_str();
  app.add_option("--layout", choice.layout, "ResNets: paper, or public (strides of the converted public checkpoints)")
      ->capture_default_str()
      ->check(CLI::IsMember({"paper", "public"}));
  app.add_option("--bn-scale", choice.bn_scale,
                 "scale parameters of batch norms: on, or off as in the public weights of the Inception networks")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}));
}

/// Regularisers that act in training alone.
inline void add_regulariser_options(CLI::App& app, NetworkChoice& choice) {
  app.add_option("--dropout-keep", choice.dropout_keep, "probability of keeping a feature before the logits")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1.0));
  app.add_flag(
      "--auxiliary-head", choice.auxiliary_head,
      "train with the classifier in the middle of the network, at 0.4 of the loss (Inception v3, v4, ResNet v2)");
}

inline std::shared_ptr<tinyvision::Network> build_network(const NetworkChoice& choice, tinyvision::Index classes,
                                                          tinyvision::DType dtype = tinyvision::DType::f32) {
  tinyvision::NetworkOptions options = tinyvision::NetworkOptions::paper(classes);
  options.width = choice.width;
  options.bn_scale = choice.bn_scale == "on";
  options.auxiliary_head = choice.auxiliary_head;
  options.dropout_keep = choice.dropout_keep;
  options.image_size = choice.image_size;
  options.public_layout = choice.layout == "public";
  options.dtype = dtype;
  return tinyvision::make_network(choice.network, options);
}

inline tinyvision::data::Preprocessing preprocessing_of(const NetworkChoice& choice, const tinyvision::Network& network,
                                                        double crop) {
  tinyvision::data::Preprocessing p;
  p.image_size = network.image_size();
  p.crop = crop;
  p.resizer = tinyvision::data::parse_resizer(choice.resizer);
  p.normalisation = tinyvision::data::parse_normalisation(choice.normalisation);
  p.validate();
  return p;
}

/// All variables as (name, value); they share storage with the network.
inline tinyvision::checkpoint::NamedTensors named_values(const tinyvision::Network& network) {
  tinyvision::checkpoint::NamedTensors values;
  for (const tinyvision::Parameter& p : network.parameters()) values.emplace_back(p.name, p.variable.value());
  return values;
}

/// What the network needs of a weight file.
inline std::vector<tinyvision::checkpoint::ExpectedTensor> expected_tensors(const tinyvision::Network& network,
                                                                            bool replace_logits = false) {
  std::vector<tinyvision::checkpoint::ExpectedTensor> expected;
  for (const tinyvision::Parameter& p : network.parameters())
    expected.push_back({p.name, p.variable.shape(), p.variable.dtype(),
                        replace_logits && p.group == tinyvision::ParameterGroup::logits, true});
  return expected;
}

/// Fills the network and returns the SHA-256 of the file. With `replace_logits` a logits layer of another shape keeps its
/// initial values. What was chosen among a checkpoint's variables is said on standard error.
inline std::string load_network(const tinyvision::Network& network, const tinyvision::WeightFile& file,
                                bool replace_logits = false) {
  if (!file.averaged.empty() || !file.passed_over.empty()) std::fprintf(stderr, "%s\n", describe(file).c_str());
  const auto matched = tinyvision::checkpoint::match_weights(file, expected_tensors(network, replace_logits));
  for (std::size_t i = 0; i < matched.tensors.size(); ++i)
    if (matched.tensors[i].defined()) network.parameters()[i].variable.set_value(matched.tensors[i]);
  return matched.sha256;
}
inline std::string load_network(const tinyvision::Network& network, const std::string& path, bool replace_logits) {
  return load_network(network, tinyvision::load_weight_file(path), replace_logits);
}

/// The number of classes of a weight file: the size of its logits layer's bias.
inline tinyvision::Index classes_in_weights(const NetworkChoice& choice) {
  const auto file = tinyvision::checkpoint::load_weight_file(choice.weights);
  const auto network = build_network(choice, 2);
  for (const tinyvision::Parameter& p : network->parameters()) {
    if (p.kind != tinyvision::ParameterKind::bias || p.group != tinyvision::ParameterGroup::logits) continue;
    for (const auto& [name, bias] : file.tensors)
      if (name == p.name && bias.shape().rank() == 1) return bias.dim(0);
  }
  return tinyvision::public_classes(choice.network);
}

/// Refuses to train with batch statistics when the weights' batch norms were folded.
inline void refuse_folded(const tinyvision::Network& network, const std::string& path) {
  const auto folded = tinyvision::checkpoint::detect_folded_batch_norm(named_values(network));
  if (folded.detected()) tinyvision::fail_usage("weights", path, ": ", folded.text());
}

}  // namespace tv_app
