// Options that name a network, its weights and how photos become its input.
#include "common/network_options.hpp"

#include <CLI/CLI.hpp>

#include "tinyvision/data/decode.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/regularisers.hpp"

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
  app.add_option("--width", choice.width, "width multiplier (MobileNets, BN-Inception, Inception v3)")
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
  app.add_option(
         "--preset", choice.preset,
         "network settings that no option names: paper (scale parameters on, no regularisers), tf_slim (those of "
         "the public weights), or one of the paper's steps from the Inception default to its own: inception, bn_scale, "
         "no_label_smoothing, no_dropout, paper (docs/experiments.md)")
      ->capture_default_str()
      ->check(CLI::IsMember({"paper", "tf_slim", "inception", "bn_scale", "no_label_smoothing", "no_dropout"}));
  app.add_option(
         "--bn-scale", choice.bn_scale,
         "scale parameters of batch norms: on, off as in the public weights of the Inception networks, or preset")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off", "preset"}));
}

void add_regulariser_options(CLI::App& app, NetworkChoice& choice) {
  choice.trains = true;
  app.add_option("--dropout-keep", choice.dropout_keep,
                 "probability of keeping a feature before the logits; 1 in the paper")
      ->default_str("preset")
      ->check(CLI::Range(0.01, 1.0));
  app.add_option("--drop-path-keep", choice.drop_path_keep,
                 "NASNet: probability of keeping a path that its schedule ends with in the last cell; 1 in the paper")
      ->default_str("preset")
      ->check(CLI::Range(0.01, 1.0));
  app.add_flag_function(
         "--auxiliary-head,!--no-auxiliary-head", [&choice](std::int64_t times) { choice.auxiliary_head = times > 0; },
         "train with the classifier in the middle of the network, at 0.4 of the loss (Inception v3, v4, ResNet v2, "
         "NASNet); none in the paper")
      ->default_str("preset");
}

namespace {

tinyvision::NetworkOptions preset_options(const NetworkChoice& choice) {
  const tinyvision::RegulariserSetting* const setting = tinyvision::find_regulariser_setting(choice.preset);
  if (choice.preset == "paper") return tinyvision::NetworkOptions::paper();
  return setting == nullptr ? tinyvision::tf_slim_options(choice.network)
                            : tinyvision::regularised_options(choice.network, *setting);
}

}  // namespace

double label_smoothing_of(const NetworkChoice& choice) {
  const tinyvision::RegulariserSetting* const setting = tinyvision::find_regulariser_setting(choice.preset);
  return setting != nullptr && setting->label_smoothing ? tinyvision::paper_label_smoothing : 0;
}

std::shared_ptr<tinyvision::Network> build_network(const NetworkChoice& choice, tinyvision::Index classes,
                                                   tinyvision::DType dtype) {
  const tinyvision::NetworkOptions preset = preset_options(choice);
  tinyvision::NetworkOptions options;
  options.classes = classes;
  options.width = choice.width;
  options.bn_scale = choice.bn_scale == "preset" ? preset.bn_scale : choice.bn_scale == "on";
  options.auxiliary_head = choice.auxiliary_head.value_or(choice.trains && preset.auxiliary_head);
  options.dropout_keep = choice.dropout_keep.value_or(choice.trains ? preset.dropout_keep : 1);
  options.drop_path_keep = choice.drop_path_keep.value_or(choice.trains ? preset.drop_path_keep : 1);
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
