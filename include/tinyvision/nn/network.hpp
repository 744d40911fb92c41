// A network: named parameters and a forward pass.
#pragma once

#include <optional>
#include <string>

#include "tinyvision/nn/layers.hpp"

TINYVISION_BEGIN

/// Structure, precision and regularisers of a network. The regularisers are those that Kornblith et al. switch off one by
/// one (Figures 3, 5 and C): scale parameters of batch norm, dropout, the auxiliary head, drop path; label smoothing, which
/// is the loss's, is the trainer's (TrainerOptions).
struct NetworkOptions {
  Index classes = 1001;
  double width = 1;  ///< width multiplier: MobileNets, and TF-Slim's depth_multiplier of BN-Inception and Inception v3
  bool public_layout = false;                   ///< ResNets: stride placement of the converted public checkpoints
  std::optional<bool> bn_scale = std::nullopt;  ///< gamma of batch norms; what TF-Slim gives the network when absent
  bool auxiliary_head = false;                  ///< classifier in the middle, where the network has one
  double dropout_keep = 1;                      ///< of the feature, in training; 1: no dropout
  double drop_path_keep = 1;  ///< NASNet-A: what its schedule of dropped paths ends with in the last cell
  /// Side in pixels of the images it is made for, 0 for the network's own. Other sizes work too, save for an auxiliary
  /// head, whose last kernel spans its map.
  Index image_size = 0;
  DType dtype = DType::f32;  ///< f32, or f64 for audits

  /// The settings the paper trained with: scale parameters, and nothing else of the above.
  static NetworkOptions paper(Index classes = 1001) {
    NetworkOptions options;
    options.classes = classes;
    options.bn_scale = true;
    return options;
  }

  /// All settings on one line.
  std::string text() const {
    const auto on = [](bool value) { return value ? "on" : "off"; };
    return concat_text("classes ", classes, ", image size ", image_size > 0 ? concat_text(image_size) : "own",
                       ", width ", width, public_layout ? ", public layout" : "", ", BN scale ",
                       bn_scale ? on(*bn_scale) : "own", ", auxiliary head ", on(auxiliary_head), ", dropout keep ",
                       dropout_keep, ", drop path keep ", drop_path_keep, ", ", to_string(dtype));
  }
};

/// Base of all networks. Handles of parameters are shared: copying a network copies handles, not values.
class Network {
 public:
  virtual ~Network() = default;

  /// images [N,H,W,3], normalised as `description` says, of any size the layers allow -> logits, feature, end points.
  virtual Outputs forward(const Variable& images, const Context& context) const = 0;

  /// False where a step's work depends on more than its inputs and the step of random numbers, so that it cannot be
  /// written down once and replayed (train/recorded_step.hpp).
  virtual bool recordable() const { return true; }

  const std::string& name() const { return name_; }
  /// The options in use: what was left to the network is filled in.
  const NetworkOptions& options() const { return options_; }
  const ParameterList& parameters() const { return parameters_; }
  Index feature_size() const { return feature_size_; }
  /// Side in pixels of the images it is made for.
  Index image_size() const { return options_.image_size; }
  /// Height and width in pixels of the smallest images that its windows fit.
  Index smallest_image() const { return smallest_image_; }
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
  /// `image_size` and `smallest_image`: sides in pixels. UsageError where the options ask for a smaller image size.
  Network(std::string name, const NetworkOptions& options, Index image_size, Index smallest_image = 1)
      : name_(std::move(name)), options_(options), smallest_image_(smallest_image) {
    check(options.classes >= 1, name_, "number of classes must be positive, got ", options.classes);
    check(options.width > 0, name_, "width multiplier must be positive, got ", options.width);
    check(options.dropout_keep > 0 && options.dropout_keep <= 1, name_, "dropout must keep a share in (0, 1], got ",
          options.dropout_keep);
    check(options.drop_path_keep > 0 && options.drop_path_keep <= 1, name_,
          "drop path must keep a share in (0, 1], got ", options.drop_path_keep);
    check(options.image_size >= 0, name_, "image size must not be negative, got ", options.image_size);
    if (options.image_size == 0) options_.image_size = image_size;
    check_image_size(options_.image_size, options_.image_size);
    check(options.dtype == DType::f32 || options.dtype == DType::f64, name_, "parameters must be f32 or f64");
  }
  Scope scope(const std::string& root) { return {parameters_, root, options_.dtype}; }
  /// Whether batch norms have a gamma; `own` is what TF-Slim gives the network. For the constructor.
  bool bn_scale(bool own) {
    if (!options_.bn_scale) options_.bn_scale = own;
    return *options_.bn_scale;
  }
  /// The feature as the logits see it: with dropout in training, if the options ask for it.
  Variable dropped(const Variable& feature, const Context& context) const {
    return dropout(feature, context.training ? options_.dropout_keep : 1,
                   Random(context.seed, Stream::dropout, context.step));
  }
  /// The images as the first layer takes them: rounded to bf16 where that is the precision.
  Variable prepare(const Variable& images) const {
    check(images.shape().rank() == 4 && images.shape()[3] == 3, name_, "images must be [N,H,W,3], got ",
          images.shape());
    check_image_size(images.shape()[1], images.shape()[2]);
    check(images.dtype() == options_.dtype, name_, "images are ", to_string(images.dtype()), ", parameters ",
          to_string(options_.dtype));
    return precision() == Precision::bf16 && options_.dtype == DType::f32 ? cast(images, DType::bf16) : images;
  }

  std::string name_;
  NetworkOptions options_;
  ParameterList parameters_;
  Index feature_size_ = 0;
  double bn_epsilon_ = 1e-3;

 private:
  void check_image_size(Index height, Index width) const {
    if (height < smallest_image_ || width < smallest_image_)
      fail_usage(name_, "images of ", height, "x", width, " pixels are too small: its windows need ", smallest_image_,
                 "x", smallest_image_, " or more");
  }

  Index smallest_image_ = 1;
};

TINYVISION_END
