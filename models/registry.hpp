// Networks by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tinyvision/models/mobilenet_v1.hpp"
#include "tinyvision/models/mobilenet_v2.hpp"
#include "tinyvision/models/resnet_v1.hpp"

TINYVISION_BEGIN

inline const std::vector<std::string>& network_names() {
  static const std::vector<std::string> names{"mobilenet_v1", "mobilenet_v2", "mobilenet_v2_140",
                                              "resnet50_v1",  "resnet101_v1", "resnet152_v1"};
  return names;
}

/// A network by its name; parameters are zero until initialised or loaded. Throws UsageError for an unknown name.
inline std::shared_ptr<Network> make_network(const std::string& name, NetworkOptions options = {}) {
  if (name == "mobilenet_v1") return std::make_shared<MobilenetV1>(options);
  if (name == "mobilenet_v2") return std::make_shared<MobilenetV2>(options);
  if (name == "mobilenet_v2_140") {
    options.width = 1.4;
    return std::make_shared<MobilenetV2>(options);
  }
  if (name == "resnet50_v1") return std::make_shared<ResnetV1>(50, options);
  if (name == "resnet101_v1") return std::make_shared<ResnetV1>(101, options);
  if (name == "resnet152_v1") return std::make_shared<ResnetV1>(152, options);
  std::string known;
  for (const std::string& n : network_names()) known += (known.empty() ? "" : ", ") + n;
  fail_usage("network", "unknown network '", name, "': choose one of ", known);
}

/// The number of classes of the public weights.
inline Index public_classes(const std::string& name) { return name.rfind("resnet", 0) == 0 ? 1000 : 1001; }

TINYVISION_END
