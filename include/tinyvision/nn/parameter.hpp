// Named parameters: what a network is made of, in the order in which it creates them.
//
// A parameter's name is its TF-Slim variable name, scope by scope, so public checkpoints load without a mapping. Saving,
// loading, counting, decay sets, EMA and initialisation all derive from one ParameterList.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/random.hpp"
#include "tinyvision/core/thread_pool.hpp"

TINYVISION_BEGIN

/// What a variable is to its layer.
enum class ParameterKind {
  conv_weight,
  depthwise_weight,
  pointwise_weight,
  fc_weight,
  bias,
  bn_gamma,
  bn_beta,
  bn_moving_mean,
  bn_moving_variance
};

/// Which part of the network it belongs to.
enum class ParameterGroup { backbone, logits, aux };

/// How a parameter starts.
///   zeros, ones
///   trunc_normal(s):                 N(0, s^2), conditioned on |x| <= 2s
///   variance_scaling_fan_in(f):      truncated normal of standard deviation sqrt(1.3 f / n), n = kh kw cin
///     (TF-Slim; the 1.3 corrects for the truncation)
///   variance_scaling_fan_out(f):     the same with n = kh kw cout; of a depthwise filter, n = kh kw multiplier
///   glorot_uniform:                  U(+-sqrt(6 / (fan_in + fan_out))), fans include kh kw (Glorot and Bengio, 2010)
struct Initialiser {
  enum class Kind { zeros, ones, trunc_normal, variance_scaling_fan_in, variance_scaling_fan_out, glorot_uniform };
  Kind kind = Kind::zeros;
  double value = 0;

  static Initialiser zeros() { return {}; }
  static Initialiser ones() { return {Kind::ones, 0}; }
  static Initialiser trunc_normal(double sigma) { return {Kind::trunc_normal, sigma}; }
  static Initialiser variance_scaling_fan_in(double factor) { return {Kind::variance_scaling_fan_in, factor}; }
  static Initialiser variance_scaling_fan_out(double factor) { return {Kind::variance_scaling_fan_out, factor}; }
  static Initialiser glorot_uniform() { return {Kind::glorot_uniform, 0}; }

  /// As the network specification prints it.
  std::string text() const {
    switch (kind) {
      case Kind::zeros: return "zeros";
      case Kind::ones: return "ones";
      case Kind::trunc_normal: return concat_text("trunc_normal(", value, ")");
      case Kind::variance_scaling_fan_in: return concat_text("variance_scaling(", value, ",fan_in)");
      case Kind::variance_scaling_fan_out: return concat_text("variance_scaling(", value, ",fan_out)");
      default: return "glorot_uniform";
    }
  }
};

constexpr const char* to_string(ParameterKind kind) {
  switch (kind) {
    case ParameterKind::conv_weight: return "conv_weight";
    case ParameterKind::depthwise_weight: return "depthwise_weight";
    case ParameterKind::pointwise_weight: return "pointwise_weight";
    case ParameterKind::fc_weight: return "fc_weight";
    case ParameterKind::bias: return "bias";
    case ParameterKind::bn_gamma: return "bn_gamma";
    case ParameterKind::bn_beta: return "bn_beta";
    case ParameterKind::bn_moving_mean: return "bn_moving_mean";
    default: return "bn_moving_variance";
  }
}
constexpr const char* to_string(ParameterGroup group) {
  return group == ParameterGroup::backbone ? "backbone" : group == ParameterGroup::logits ? "logits" : "aux";
}

/// A variable with its place in the network. `l2_slim` is the coefficient TF-Slim's arg scope decays it with (0: none).
struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::conv_weight;
  ParameterGroup group = ParameterGroup::backbone;
  Initialiser initialiser;
  double l2_slim = 0;
  Variable variable;

  bool trainable() const { return kind != ParameterKind::bn_moving_mean && kind != ParameterKind::bn_moving_variance; }
  bool is_weight() const {
    return kind == ParameterKind::conv_weight || kind == ParameterKind::depthwise_weight ||
           kind == ParameterKind::pointwise_weight || kind == ParameterKind::fc_weight;
  }
};

using ParameterList = std::vector<Parameter>;

/// A place in the tree of names, e.g. `scope / "block1" / "unit_1"`; creates parameters there.
class Scope {
 public:
  Scope(ParameterList& list, std::string path, DType dtype, ParameterGroup group = ParameterGroup::backbone)
      : list_(&list), path_(std::move(path)), dtype_(dtype), group_(group) {}

  Scope operator/(const std::string& name) const { return {*list_, path_ + "/" + name, dtype_, group_}; }
  Scope in_group(ParameterGroup group) const { return {*list_, path_, dtype_, group}; }
  const std::string& path() const { return path_; }

  Variable create(const std::string& name, ParameterKind kind, const Shape& shape, Initialiser initialiser,
                  double l2_slim = 0) const {
    Parameter p{path_ + "/" + name, kind, group_, initialiser, l2_slim, Variable()};
    p.variable = Variable(Tensor::zeros(shape, dtype_), p.trainable());
    list_->push_back(p);
    return p.variable;
  }

 private:
  ParameterList* list_;
  std::string path_;
  DType dtype_;
  ParameterGroup group_;
};

/// Draws the initial value of `parameter`, the `number`-th of its network: element i is a function of (seed, number, i)
/// alone. Drawn in f64, then rounded to the parameter's dtype.
inline void initialise(const Parameter& parameter, std::uint64_t seed, std::uint64_t number) {
  using Kind = Initialiser::Kind;
  const Tensor& value = parameter.variable.value();
  const Shape& shape = value.shape();
  const Random random(seed, Stream::initialiser);
  const double receptive = shape.rank() == 4 ? static_cast<double>(shape[0] * shape[1]) : 1;
  const double fan_in = shape.rank() >= 2 ? receptive * static_cast<double>(shape[-2]) : 1;
  const double fan_out = receptive * static_cast<double>(shape.back());
  const double fan = parameter.initialiser.kind == Kind::variance_scaling_fan_out ? fan_out : fan_in;
  const double deviation = parameter.initialiser.kind == Kind::trunc_normal
                               ? parameter.initialiser.value
                               : std::sqrt(1.3 * parameter.initialiser.value / fan);
  const double limit = std::sqrt(6.0 / (fan_in + fan_out));
  visit_float("initialise", value.dtype(), [&]<class T>(T) {
    T* x = value.data<T>();
    parallel_ranges(value.count(), 16384, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const std::uint64_t index = (number << 40) | static_cast<std::uint64_t>(i);
        switch (parameter.initialiser.kind) {
          case Kind::zeros: x[i] = T(0); break;
          case Kind::ones: x[i] = T(1); break;
          case Kind::glorot_uniform: x[i] = static_cast<T>(random.uniform(index, -limit, limit)); break;
          default: x[i] = static_cast<T>(deviation * random.truncated_normal(index));
        }
      }
    });
  });
  parameter.variable.mark_changed();
}

/// Draws all initial values of a network.
inline void initialise(const ParameterList& parameters, std::uint64_t seed) {
  for (std::size_t i = 0; i < parameters.size(); ++i) initialise(parameters[i], seed, i);
}

/// Trainable values outside logits and auxiliary heads: the parameter count of the paper's Table A.2.
inline Index count_backbone_parameters(const ParameterList& parameters) {
  Index count = 0;
  for (const Parameter& p : parameters)
    if (p.trainable() && p.group == ParameterGroup::backbone) count += p.variable.shape().count();
  return count;
}

TINYVISION_END
