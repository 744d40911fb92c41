// Options that name a network, its weights and how photos become its input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "tinyvision/data/preprocess.hpp"
#include "tinyvision/nn/network.hpp"

namespace tv_app {

struct NetworkChoice {
  std::string network = "mobilenet_v1";
  std::string weights;
  std::vector<std::string> allow_missing;  ///< kinds of variables that the weights may lack: logits, gamma, aux
  double width = 1;
  tinyvision::Index image_size = 0;
  std::string resizer = "tf1_bilinear";
  std::string normalisation = "inception";
  std::string decoder = "turbo";
  std::string layout = "paper", preset = "paper", bn_scale = "preset";
  bool trains = false;  ///< regularisers follow the preset where no option says otherwise
  std::optional<double> dropout_keep, drop_path_keep;
  std::optional<bool> auxiliary_head;
};

void add_network_options(CLI::App& app, NetworkChoice& choice, bool needs_weights);

/// Regularisers that act in training alone.
void add_regulariser_options(CLI::App& app, NetworkChoice& choice);

std::shared_ptr<tinyvision::Network> build_network(const NetworkChoice& choice, tinyvision::Index classes,
                                                   tinyvision::DType dtype = tinyvision::DType::f32);

/// Label smoothing of --preset.
double label_smoothing_of(const NetworkChoice& choice);

tinyvision::data::Preprocessing preprocessing_of(const NetworkChoice& choice, const tinyvision::Network& network,
                                                 double crop);

}  // namespace tv_app
