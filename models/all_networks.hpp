// The table of all networks. Programs include models/registry.hpp.
#pragma once

#include <memory>
#include <vector>

#include "tinyvision/models/bn_inception.hpp"
#include "tinyvision/models/densenet.hpp"
#include "tinyvision/models/inception_resnet_v2.hpp"
#include "tinyvision/models/inception_v1.hpp"
#include "tinyvision/models/inception_v3.hpp"
#include "tinyvision/models/inception_v4.hpp"
#include "tinyvision/models/mobilenet_v1.hpp"
#include "tinyvision/models/mobilenet_v2.hpp"
#include "tinyvision/models/nasnet.hpp"
#include "tinyvision/models/network_entry.hpp"
#include "tinyvision/models/resnet_v1.hpp"

TINYVISION_BEGIN

namespace detail {

template <class Model>
std::shared_ptr<Network> make_model(NetworkOptions options) {
  return std::make_shared<Model>(options);
}
template <int layers>
std::shared_ptr<Network> make_resnet(NetworkOptions options) {
  return std::make_shared<ResnetV1>(layers, options);
}
template <int layers>
std::shared_ptr<Network> make_densenet(NetworkOptions options) {
  return std::make_shared<Densenet>(layers, options);
}
template <NasnetA::Size size>
std::shared_ptr<Network> make_nasnet(NetworkOptions options) {
  return std::make_shared<NasnetA>(size, options);
}
inline std::shared_ptr<Network> make_mobilenet_v2_140(NetworkOptions options) {
  options.width = 1.4;
  return std::make_shared<MobilenetV2>(options);
}

}  // namespace detail

/// All networks, in the order of the paper's Table A.2.
inline const std::vector<NetworkEntry>& all_network_entries() {
  using namespace detail;
  static const std::vector<NetworkEntry> entries{
      {.name = "inception_v1", .make = make_model<InceptionV1>, .slim_bn_scale = false, .slim_dropout_keep = 0.8},
      {.name = "bn_inception",
       .make = make_model<BnInception>,
       .slim_bn_scale = false,
       .slim_dropout_keep = 0.8,
       .scales_width = true},
      {.name = "inception_v3",
       .make = make_model<InceptionV3>,
       .slim_bn_scale = false,
       .slim_dropout_keep = 0.8,
       .has_auxiliary_head = true,
       .scales_width = true},
      {.name = "inception_v4",
       .make = make_model<InceptionV4>,
       .slim_bn_scale = false,
       .slim_dropout_keep = 0.8,
       .has_auxiliary_head = true},
      {.name = "inception_resnet_v2",
       .make = make_model<InceptionResnetV2>,
       .slim_bn_scale = false,
       .slim_dropout_keep = 0.8,
       .has_auxiliary_head = true},
      {.name = "resnet50_v1", .make = make_resnet<50>, .public_classes = 1000, .has_public_layout = true},
      {.name = "resnet101_v1", .make = make_resnet<101>, .public_classes = 1000, .has_public_layout = true},
      {.name = "resnet152_v1", .make = make_resnet<152>, .public_classes = 1000, .has_public_layout = true},
      {.name = "densenet121", .make = make_densenet<121>, .public_classes = 1000},
      {.name = "densenet169", .make = make_densenet<169>, .public_classes = 1000},
      {.name = "densenet201", .make = make_densenet<201>, .public_classes = 1000},
      {.name = "mobilenet_v1", .make = make_model<MobilenetV1>, .slim_dropout_keep = 0.999, .scales_width = true},
      {.name = "mobilenet_v2", .make = make_model<MobilenetV2>, .slim_dropout_keep = 0.8, .scales_width = true},
      {.name = "mobilenet_v2_140", .make = make_mobilenet_v2_140, .slim_dropout_keep = 0.8, .own_width = 1.4},
      {.name = "nasnet_a_mobile",
       .make = make_nasnet<NasnetA::Size::mobile>,
       .slim_dropout_keep = 0.5,
       .has_auxiliary_head = true,
       .drops_paths = true},
      {.name = "nasnet_a_large",
       .make = make_nasnet<NasnetA::Size::large>,
       .slim_dropout_keep = 0.5,
       .has_auxiliary_head = true,
       .drops_paths = true,
       .slim_drop_path_keep = 0.7},
  };
  return entries;
}

TINYVISION_END
