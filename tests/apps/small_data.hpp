// What programs are tried on: photos of two classes and the weights of a small network.
#pragma once

#include <memory>
#include <string>

#include "data/test_images.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/models/registry.hpp"

namespace apps_test {

/// `count` photos of 40 x 44 pixels, all different, in turn of the classes cat and dog: FOLDER/cat/0.jpg, FOLDER/dog/1.jpg...
inline void write_two_classes(const std::string& folder, int count) {
  for (int i = 0; i < count; ++i)
    test_images::write_file(folder + (i % 2 == 0 ? "/cat/" : "/dog/") + std::to_string(i) + ".jpg",
                            test_images::jpeg(test_images::gradient(40, 44, 7 * i)));
}

/// A MobileNet v1 of a quarter of the width for 32 px and 11 classes, at its initial weights of seed 3.
inline std::shared_ptr<tinyvision::Network> narrow_mobilenet() {
  tinyvision::NetworkOptions options = tinyvision::NetworkOptions::paper(11);
  options.width = 0.25;
  options.image_size = 32;
  const auto network = tinyvision::make_network("mobilenet_v1", options);
  tinyvision::initialise(network->parameters(), 3);
  return network;
}

/// The values of all variables by their names.
inline tinyvision::checkpoint::NamedTensors named_values(const tinyvision::Network& network) {
  tinyvision::checkpoint::NamedTensors values;
  for (const tinyvision::Parameter& p : network.parameters()) values.emplace_back(p.name, p.variable.value());
  return values;
}

}  // namespace apps_test
