// Options that name a network, its weights and how photos become its input.
#include "common/network_options.hpp"

#include <CLI/CLI.hpp>

#include "tinyvision/data/decode.hpp"
#include "tinyvision/models/registry.hpp"

namespace tv_app {

void add_network_options(CLI::App& app, NetworkChoice& choice, bool needs_weights) {
  app.add_option("--network", choice.network, tinyvision::network_list())->capture_default_str();
  auto* weights = app.add_option("--weights", choice.weights,
                                 "weight file with TF-Slim variable names (docs/checkpoints.md: formats)");
  if (needs_weights) weights->required();
  app.add_option("--allow-missing", choice.allow_missing,
                 "what the weights may lack: logits and aux (they keep their initial values), gamma (it is 1)")
      ->delimiter(',')
      ->check(CLI::IsMember({"logits", "gamma", "aux"}));
  app.add_option("--width", choice.width, "width multiplier (MobileNets)")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--image-size", choice.image_size, "side of the network's input in pixels; 0 = the network's own")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--resizer", choice.resizer, tinyvision::data::resizer_list() + " (docs/data.md)")
      ->capture_default_str();
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

void add_regulariser_options(CLI::App& app, NetworkChoice& choice) {
  app.add_option("--dropout-keep", choice.dropout_keep, "probability of keeping a feature before the logits")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1.0));
  app.add_flag(
      "--auxiliary-head", choice.auxiliary_head,
      "train with the classifier in the middle of the network, at 0.4 of the loss (Inception v3, v4, ResNet v2)");
}

std::shared_ptr<tinyvision::Network> build_network(const NetworkChoice& choice, tinyvision::Index classes,
                                                   tinyvision::DType dtype) {
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

tinyvision::data::Preprocessing preprocessing_of(const NetworkChoice& choice, const tinyvision::Network& network,
                                                 double crop) {
  tinyvision::data::Preprocessing p;
  p.image_size = network.image_size();
  p.crop = crop;
  p.resizer = tinyvision::data::parse_resizer(choice.resizer);
  p.normalisation = tinyvision::data::parse_normalisation(choice.normalisation);
  p.validate();
  return p;
}

}  // namespace tv_app
