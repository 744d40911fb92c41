// A network of one's own: three convolutions with batch norm, a mean over the map, a linear layer.
//
// A network declares its parameters once, by name, and lists its layers in `forward`. Saving, loading, initialisation,
// weight decay and counting follow from the names.
#include <cstdio>
#include <string>

#include "tinyvision/nn/network.hpp"
#include "tinyvision/ops/loss.hpp"

using namespace tinyvision;

class ThreeLayers : public Network {
 public:
  explicit ThreeLayers(const NetworkOptions& options) : Network("three_layers", options, 32) {
    const ConvDefaults defaults{};
    const Scope root = scope("ThreeLayers");
    stem_ = ConvBatchNorm::full(root / "stem", 3, 3, 16, defaults, {.stride = 2});
    spatial_ = ConvBatchNorm::depthwise(root / "spatial", 3, 16, defaults, {.stride = 2});
    mixing_ = ConvBatchNorm::full(root / "mixing", 1, 16, 32, defaults, {.activation = Activation::relu6});
    feature_size_ = 32;
    logits_ = Logits((root / "logits").in_group(ParameterGroup::logits), 32, options.classes, defaults);
  }

  Outputs forward(const Variable& images, const Context& context) const override {  // at 32 px:
    Outputs out;
    Variable x = stem_.forward(images, context);  // [N,16,16,16]
    x = spatial_.forward(x, context);             // [N,8,8,16]
    x = mixing_.forward(x, context);              // [N,8,8,32]
    out.keep(context, "mixing", x);
    out.feature = global_average_pool(x);                // [N,32]
    out.logits = logits_.forward(out.feature, context);  // [N,classes]
    return out;
  }

 private:
  ConvBatchNorm stem_, spatial_, mixing_;
  Logits logits_;
};

int main() {
  const ThreeLayers network({.classes = 4});
  initialise(network.parameters(), /*seed=*/1);
  for (const Parameter& p : network.parameters())
    std::printf("%-40s %s\n", p.name.c_str(), concat_text(p.variable.shape()).c_str());

  const Tensor images = Tensor::full({2, 32, 32, 3}, 0.5);
  Context context;
  context.training = true;
  const Outputs outputs = network.forward(Variable(images), context);
  const Variable loss = softmax_cross_entropy(outputs.logits, Tensor::from_vector<std::int64_t>({2}, {0, 3}));
  backward(loss);
  std::printf("loss %.4f, feature %s\n", loss.value().item(), concat_text(outputs.feature.shape()).c_str());

  for (const Parameter& p : network.parameters())
    if (p.trainable() && !p.variable.gradient().defined()) {
      std::printf("no gradient for %s\n", p.name.c_str());
      return 1;
    }
  return 0;
}
