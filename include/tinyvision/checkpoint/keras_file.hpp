// Weights saved by Keras, in both of its HDF5 layouts.
//
//   legacy (.h5)    [model_weights/]LAYER/... with attributes: layer_names (of the root or model_weights), weight_names (of
//                   each layer); either may be split into name0, name1, ...
//   .weights.h5     layers/CLASS[_N]/vars/0, 1, ...; vars has the attribute name, the layer's name (Keras 3)
//
// In both a tensor is called LAYER/WEIGHT: the name Keras gives the weight ("conv1/kernel", without a closing ":0"), and
// in the second layout the layer's name and what the class calls its variables: kernel and bias; gamma, beta, moving_mean,
// moving_variance (the first is missing where there are three); depthwise_kernel and pointwise_kernel. Variables of other
// classes keep their path. Optimiser states and seeds are passed over and listed.
//
// Source: keras/src/legacy/saving and keras/src/saving of Keras 3 (the layouts), and files that it wrote.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/checkpoint/hdf5_file.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"
#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace checkpoint {

namespace detail {

class KerasReader {
 public:
  KerasReader(std::string_view file, WeightFile& out) : out_(out), hdf5_(out.path, file) {}

  void read() {
    const Hdf5Object root = hdf5_.root();
    if (root.links.contains("model_weights")) {
      for (const auto& [name, address] : root.links)
        if (name != "model_weights") out_.passed_over.push_back({name, "stands beside model_weights"});
      return read_legacy(hdf5_.child(root, "model_weights"));
    }
    if (has_names(root, "layer_names")) return read_legacy(root);
    if (!root.links.contains("layers"))
      fail_usage(hdf5_where, out_.path, ": byte ", root.address,
                 ": neither layout of Keras: no 'model_weights', no attribute 'layer_names', no 'layers'");
    out_.format = "Keras 3 (.weights.h5)";
    for (const auto& [name, address] : root.links)
      if (name != "layers") out_.passed_over.push_back({name, "stands beside layers"});
    read_group(hdf5_.child(root, "layers"), "layers", "", 0);
  }

 private:
  static constexpr int max_depth = 32;

  static bool has_names(const Hdf5Object& object, const std::string& name) {
    return Hdf5File::has_attribute(object, name) || Hdf5File::has_attribute(object, name + "0");
  }
  /// The strings of `name`, or of name0, name1, ...
  std::vector<std::string> names(const Hdf5Object& object, const std::string& name) {
    std::vector<std::string> all = hdf5_.texts(object, name);
    for (int part = 0; Hdf5File::has_attribute(object, name + std::to_string(part)); ++part)
      for (const std::string& text : hdf5_.texts(object, name + std::to_string(part))) all.push_back(text);
    return all;
  }

  void read_legacy(const Hdf5Object& weights) {
    out_.format = "Keras (.h5)";
    for (const char* name : {"keras_version", "backend"})
      if (Hdf5File::has_attribute(weights, name))
        if (const std::vector<std::string> text = hdf5_.texts(weights, name); text.size() == 1)
          out_.metadata[name] = text.front();
    for (const std::string& layer : names(weights, "layer_names")) {
      const Hdf5Object group = hdf5_.child(weights, layer);
      for (const std::string& weight : names(group, "weight_names")) {
        Hdf5Object at = group;
        for (std::size_t begin = 0; begin < weight.size();) {
          const std::size_t end = std::min(weight.find('/', begin), weight.size());
          at = hdf5_.child(at, weight.substr(begin, end - begin));
          begin = end + 1;
        }
        add(tensor_name(layer, weight), at);
      }
    }
  }

  /// The weight's name from the layer's on, without what stands before it (a Sequential's name) and the ":0".
  static std::string tensor_name(const std::string& layer, const std::string& weight) {
    const std::size_t inner = ("/" + weight).find("/" + layer + "/");
    const std::string name = inner == std::string::npos ? weight : weight.substr(inner);
    return name.ends_with(":0") ? name.substr(0, name.size() - 2) : name;
  }

  void read_group(const Hdf5Object& group, const std::string& path, const std::string& class_name, int depth) {
    if (depth > max_depth)
      fail_usage(hdf5_where, out_.path, ": byte ", group.address, ": groups nested more than ", max_depth, " deep");
    for (const auto& [name, address] : group.links) {
      const Hdf5Object object = hdf5_.object(address);
      if (object.is_dataset()) {
        add(path + "/" + name, object);
      } else if (name == "vars") {
        read_variables(object, path, class_name);
      } else {
        read_group(object, path + "/" + name, name, depth + 1);
      }
    }
  }
  /// What a layer class calls its variables, in order.
  static std::vector<std::string> variable_names(std::string class_name, std::size_t count) {
    const std::size_t end = class_name.find_last_not_of("0123456789");
    if (end != class_name.npos && class_name[end] == '_') class_name.resize(end);
    if (class_name == "conv2d" || class_name == "dense" || class_name == "depthwise_conv2d") {
      if (count == 1) return {"kernel"};
      if (count == 2) return {"kernel", "bias"};
    } else if (class_name == "separable_conv2d") {
      if (count == 2) return {"depthwise_kernel", "pointwise_kernel"};
      if (count == 3) return {"depthwise_kernel", "pointwise_kernel", "bias"};
    } else if (class_name == "batch_normalization") {
      if (count == 3) return {"beta", "moving_mean", "moving_variance"};
      if (count == 4) return {"gamma", "beta", "moving_mean", "moving_variance"};
    }
    return {};
  }
  void read_variables(const Hdf5Object& vars, const std::string& path, const std::string& class_name) {
    const std::vector<std::string> layer = hdf5_.texts(vars, "name");
    const std::vector<std::string> known = variable_names(class_name, vars.links.size());
    for (std::size_t i = 0; i < vars.links.size(); ++i) {
      const std::string number = std::to_string(i);
      const Hdf5Object variable = hdf5_.child(vars, number);
      const bool named = layer.size() == 1 && !known.empty();
      add(named ? layer.front() + "/" + known[i] : path + "/vars/" + number, variable);
    }
  }

  void add(const std::string& name, const Hdf5Object& object) {
    if (!object.is_dataset())
      fail_usage(hdf5_where, out_.path, ": byte ", object.address, ": '", name, "' is no dataset");
    if (name.find("seed_generator") != name.npos) {
      out_.passed_over.push_back({name, "is the state of a random number generator"});
      return;
    }
    if (!names_.insert(name).second)
      fail_usage(hdf5_where, out_.path, ": byte ", object.address, ": the name '", name, "' occurs twice");
    out_.tensors.emplace_back(name, hdf5_.read(object, name));
  }

  WeightFile& out_;
  Hdf5File hdf5_;
  std::set<std::string> names_;
};

}  // namespace detail

/// Whether a file that begins so is HDF5.
inline bool looks_like_hdf5(std::string_view head) { return head.starts_with(hdf5_signature); }

/// The weights of a file of Keras given as bytes; `path` serves messages. Throws UsageError naming path and byte. `sha256`
/// stays empty.
inline WeightFile parse_keras(std::string_view file, const std::string& path) {
  WeightFile out;
  out.path = path;
  detail::KerasReader(file, out).read();
  return out;
}

/// Reads a whole file. F16 becomes f32 and narrow integers i64, both exact; other types stay.
inline WeightFile load_keras(const std::string& path, const ReadOptions& = {}) {
  const std::string file = read_file(path);
  WeightFile out = parse_keras(file, path);
  out.sha256 = sha256_hex(file);
  return out;
}

}  // namespace checkpoint

using checkpoint::load_keras;

TINYVISION_END
