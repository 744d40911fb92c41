// A network: named parameters and a forward pass.
#pragma once

#include <string>

#include "tinyvision/nn/layers.hpp"

TINYVISION_BEGIN

struct NetworkOptions {
  Index classes = 1001;
  double width = 1;            ///< width multiplier (MobileNets)
  bool public_layout = false;  ///< ResNets: stride placement of the converted public checkpoints
  DType dtype = DType::f32;    ///< f32, or f64 for audits
};

/// Base of all networks. Handles of parameters are shared: copying a network copies handles, not values.
class Network {
 public:
  virtual ~Network() = default;

  /// images [N,H,W,3], normalised as `description` says, of any size the layers allow -> logits, feature, end points.
  virtual Outputs forward(const Variable& images, const Context& context) const = 0;

  const std::string& name() const { return name_; }
  const NetworkOptions& options() const { return options_; }
  const ParameterList& parameters() const { return parameters_; }
  Index feature_size() const { return feature_size_; }
  Index image_size() const { return image_size_; }
  double bn_epsilon() const { return bn_epsilon_; }
  /// Class 0 of public weights with 1001 classes is background: ImageNet class i is output i + 1.
  bool has_background_class() const { return options_.classes == 1001; }

  /// Moves all parameters to `device`. To be called before a trainer or anything else keeps tensors of theirs.
  void to(Device device) const {
    for (const Parameter& p : parameters_) p.variable.set_value(p.variable.value().to(device));
  }
  /// Where the parameters are.
  Device device() const { return parameters_.empty() ? Device::cpu() : parameters_.begin()->variable.device(); }

  /// Names of the layer that another number of classes replaces.
  std::vector<std::string> logits_parameters() const {
    std::vector<std::string> names;
    for (const Parameter& p : parameters_)
      if (p.group == ParameterGroup::logits) names.push_back(p.name);
    return names;
  }

 protected:
  Network(std::string name, const NetworkOptions& options, Index image_size)
      : name_(std::move(name)), options_(options), image_size_(image_size) {
    check(options.classes >= 1, name_, "number of classes must be positive, got ", options.classes);
    check(options.width > 0, name_, "width multiplier must be positive, got ", options.width);
    check(options.dtype == DType::f32 || options.dtype == DType::f64, name_, "parameters must be f32 or f64");
  }
  Scope scope(const std::string& root) { return {parameters_, root, options_.dtype}; }
  /// The images as the first layer takes them: rounded to bf16 where that is the precision.
  Variable prepare(const Variable& images) const {
    check(images.shape().rank() == 4 && images.shape()[3] == 3, name_, "images must be [N,H,W,3], got ",
          images.shape());
    check(images.dtype() == options_.dtype, name_, "images are ", to_string(images.dtype()), ", parameters ",
          to_string(options_.dtype));
    return precision() == Precision::bf16 && options_.dtype == DType::f32 ? cast(images, DType::bf16) : images;
  }

  std::string name_;
  NetworkOptions options_;
  ParameterList parameters_;
  Index feature_size_ = 0;
  Index image_size_ = 224;
  double bn_epsilon_ = 1e-3;
};

TINYVISION_END
