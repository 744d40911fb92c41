// Weights that others have published for the networks of this project: where they lie and what is known of them.
#pragma once

#include <array>
#include <string_view>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN

/// A published file. `sha256` holds the digits that the publisher states (torchvision: the first eight, in the file's
/// name), and is empty where it states none (TF-Slim, Keras).
struct PublicWeights {
  std::string_view name;     ///< here: publisher/network
  std::string_view network;  ///< a name of models/registry.hpp
  std::string_view url;
  std::string_view format;  ///< "tensorflow v1 in tar.gz", "tensorflow v2 in tar.gz", "pytorch", "keras", "safetensors"
  int classes;
  std::string_view sha256 = "";
};

/// TF-Slim: tensorflow/models, research/slim (its README lists the addresses). Torchvision: the `url`s of its weight
/// enumerations, the V1 ones. Keras: keras/src/applications. timm: the repositories on the Hugging Face hub that its
/// registry names.
inline constexpr std::array public_weights{
#define TV_SLIM "http://download.tensorflow.org/models/"
#define TV_GOOGLE "https://storage.googleapis.com/"
#define TV_TORCH "https://download.pytorch.org/models/"
#define TV_KERAS "https://storage.googleapis.com/tensorflow/keras-applications/"
#define TV_HUB "https://huggingface.co/timm/"
    PublicWeights{"slim/inception_v1", "inception_v1", TV_SLIM "inception_v1_2016_08_28.tar.gz",
                  "tensorflow v1 in tar.gz", 1001},
    PublicWeights{"slim/bn_inception", "bn_inception", TV_SLIM "inception_v2_2016_08_28.tar.gz",
                  "tensorflow v1 in tar.gz", 1001},
    PublicWeights{"slim/inception_v3", "inception_v3", TV_SLIM "inception_v3_2016_08_28.tar.gz",
                  "tensorflow v1 in tar.gz", 1001},
    PublicWeights{"slim/inception_v4", "inception_v4", TV_SLIM "inception_v4_2016_09_09.tar.gz",
                  "tensorflow v1 in tar.gz", 1001},
    PublicWeights{"slim/inception_resnet_v2", "inception_resnet_v2", TV_SLIM "inception_resnet_v2_2016_08_30.tar.gz",
                  "tensorflow v1 in tar.gz", 1001},
    PublicWeights{"slim/resnet50_v1", "resnet50_v1", TV_SLIM "resnet_v1_50_2016_08_28.tar.gz",
                  "tensorflow v1 in tar.gz", 1000},
    PublicWeights{"slim/resnet101_v1", "resnet101_v1", TV_SLIM "resnet_v1_101_2016_08_28.tar.gz",
                  "tensorflow v1 in tar.gz", 1000},
    PublicWeights{"slim/resnet152_v1", "resnet152_v1", TV_SLIM "resnet_v1_152_2016_08_28.tar.gz",
                  "tensorflow v1 in tar.gz", 1000},
    PublicWeights{"slim/mobilenet_v1", "mobilenet_v1", TV_SLIM "mobilenet_v1_2018_02_22/mobilenet_v1_1.0_224.tgz",
                  "tensorflow v2 in tar.gz", 1001},
    PublicWeights{"slim/mobilenet_v2", "mobilenet_v2", TV_GOOGLE "mobilenet_v2/checkpoints/mobilenet_v2_1.0_224.tgz",
                  "tensorflow v2 in tar.gz", 1001},
    PublicWeights{"slim/mobilenet_v2_140", "mobilenet_v2_140",
                  TV_GOOGLE "mobilenet_v2/checkpoints/mobilenet_v2_1.4_224.tgz", "tensorflow v2 in tar.gz", 1001},
    PublicWeights{"slim/nasnet_a_mobile", "nasnet_a_mobile",
                  TV_GOOGLE "download.tensorflow.org/models/nasnet-a_mobile_04_10_2017.tar.gz",
                  "tensorflow v2 in tar.gz", 1001},
    PublicWeights{"slim/nasnet_a_large", "nasnet_a_large",
                  TV_GOOGLE "download.tensorflow.org/models/nasnet-a_large_04_10_2017.tar.gz",
                  "tensorflow v2 in tar.gz", 1001},
    PublicWeights{"torchvision/resnet50_v1", "resnet50_v1", TV_TORCH "resnet50-0676ba61.pth", "pytorch", 1000,
                  "0676ba61"},
    PublicWeights{"torchvision/resnet101_v1", "resnet101_v1", TV_TORCH "resnet101-63fe2227.pth", "pytorch", 1000,
                  "63fe2227"},
    PublicWeights{"torchvision/resnet152_v1", "resnet152_v1", TV_TORCH "resnet152-394f9c45.pth", "pytorch", 1000,
                  "394f9c45"},
    PublicWeights{"torchvision/densenet121", "densenet121", TV_TORCH "densenet121-a639ec97.pth", "pytorch", 1000,
                  "a639ec97"},
    PublicWeights{"torchvision/densenet169", "densenet169", TV_TORCH "densenet169-b2777c0a.pth", "pytorch", 1000,
                  "b2777c0a"},
    PublicWeights{"torchvision/densenet201", "densenet201", TV_TORCH "densenet201-c1103571.pth", "pytorch", 1000,
                  "c1103571"},
    PublicWeights{"torchvision/inception_v1", "inception_v1", TV_TORCH "googlenet-1378be20.pth", "pytorch", 1000,
                  "1378be20"},
    PublicWeights{"torchvision/inception_v3", "inception_v3", TV_TORCH "inception_v3_google-0cc3c7bd.pth", "pytorch",
                  1000, "0cc3c7bd"},
    PublicWeights{"torchvision/mobilenet_v2", "mobilenet_v2", TV_TORCH "mobilenet_v2-b0353104.pth", "pytorch", 1000,
                  "b0353104"},
    PublicWeights{"keras/densenet121", "densenet121",
                  TV_KERAS "densenet/densenet121_weights_tf_dim_ordering_tf_kernels.h5", "keras", 1000},
    PublicWeights{"keras/densenet169", "densenet169",
                  TV_KERAS "densenet/densenet169_weights_tf_dim_ordering_tf_kernels.h5", "keras", 1000},
    PublicWeights{"keras/densenet201", "densenet201",
                  TV_KERAS "densenet/densenet201_weights_tf_dim_ordering_tf_kernels.h5", "keras", 1000},
    PublicWeights{"keras/nasnet_a_mobile", "nasnet_a_mobile", TV_KERAS "nasnet/NASNet-mobile.h5", "keras", 1000},
    PublicWeights{"keras/nasnet_a_large", "nasnet_a_large", TV_KERAS "nasnet/NASNet-large.h5", "keras", 1000},
    PublicWeights{"timm/inception_v4", "inception_v4", TV_HUB "inception_v4.tf_in1k/resolve/main/model.safetensors",
                  "safetensors", 1000},
    PublicWeights{"timm/inception_resnet_v2", "inception_resnet_v2",
                  TV_HUB "inception_resnet_v2.tf_in1k/resolve/main/model.safetensors", "safetensors", 1000},
    PublicWeights{"timm/nasnet_a_large", "nasnet_a_large", TV_HUB "nasnetalarge.tf_in1k/resolve/main/model.safetensors",
                  "safetensors", 1000},
#undef TV_SLIM
#undef TV_GOOGLE
#undef TV_TORCH
#undef TV_KERAS
#undef TV_HUB
};

TINYVISION_END
