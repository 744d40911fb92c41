// Training traces in f64 against the fingerprints of an independent PyTorch interpreter (tests/oracle/fingerprint.py
// describes them, tests/golden/README.md how they were made).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tinyvision/audit/trace.hpp"
#include "tinyvision/models/registry.hpp"

namespace fingerprint_test {

using namespace tinyvision;
using nlohmann::json;

std::uint64_t splitmix64(std::uint64_t x) {
  std::uint64_t z = x + 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

double uniform(std::uint64_t t, Index i) {
  return static_cast<double>(splitmix64((t << 40) + static_cast<std::uint64_t>(i)) >> 11) * 0x1p-53;
}

/// The inputs' formulas of tests/oracle/make_inputs.py.
void fill_parameters(const Network& network) {
  for (std::size_t t = 0; t < network.parameters().size(); ++t) {
    const Parameter& p = network.parameters()[t];
    const Shape& shape = p.variable.shape();
    double* x = p.variable.value().data<double>();
    for (Index i = 0; i < shape.count(); ++i) {
      const double u = uniform(t, i);
      if (p.is_weight()) {
        const Index fan_in =
            p.kind == ParameterKind::depthwise_weight ? shape[0] * shape[1] : shape.count() / shape.back();
        x[i] = (2 * u - 1) * std::sqrt(6.0 / static_cast<double>(fan_in));
      } else if (p.kind == ParameterKind::bn_gamma || p.kind == ParameterKind::bn_moving_variance) {
        x[i] = 0.5 + u;
      } else {
        x[i] = (2 * u - 1) * 0.1;
      }
    }
    p.variable.mark_changed();
  }
}

/// norm, maximum, projections and entries of a tensor.
std::vector<double> fingerprint(const Tensor& tensor, std::size_t numbers) {
  const std::vector<double> x = tensor.to_vector<double>();
  const std::size_t projections = numbers == 4 ? 2 : 4;
  std::vector<double> out(2 + projections, 0.0);
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    squares += x[i] * x[i];
    out[1] = std::max(out[1], std::fabs(x[i]));
    for (std::size_t j = 0; j < projections; ++j) out[2 + j] += splitmix64(4 * i + j) >> 63 ? x[i] : -x[i];
  }
  out[0] = std::sqrt(squares);
  if (numbers > 4)
    for (std::size_t k = 0; k < 4; ++k) out.push_back(x[k * x.size() / 4 + x.size() / 8]);
  return out;
}

std::string kind_of(const std::string& name) { return name.substr(0, name.find('/')); }

/// Every number within 1e-9 of its tensor's scale; `all` also demands that no stored tensor is missing from the trace.
void compare_step(const audit::StepTrace& trace, const json& stored, bool all) {
  std::map<std::string, double> largest;  // per kind
  for (const auto& [name, numbers] : stored.items())
    largest[kind_of(name)] = std::max(largest[kind_of(name)], numbers[1].get<double>());
  std::size_t compared = 0;
  for (const auto& [name, tensor] : trace.tensors) {
    if (!stored.contains(name)) continue;
    ++compared;
    const json& numbers = stored[name];
    const std::vector<double> ours = fingerprint(tensor, numbers.size());
    const double scale = std::max(numbers[1].get<double>(), 1e-3 * largest[kind_of(name)]);
    const double spread = std::sqrt(static_cast<double>(tensor.count()));
    for (std::size_t k = 0; k < numbers.size(); ++k) {
      const bool sum = k == 0 || (k >= 2 && k < (numbers.size() == 4 ? 4u : 6u));
      EXPECT_LE(std::fabs(ours[k] - numbers[k].get<double>()), 1e-9 * scale * (sum ? spread : 1))
          << name << " number " << k;
    }
  }
  if (all) {
    EXPECT_EQ(compared, stored.size());
  }
  EXPECT_GT(compared, stored.size() / 2);
}

void check_golden(const std::string& file, Kernels choice, bool fused) {
  const KernelScope scope(choice);
  std::ifstream in(std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/trace/" + file);
  ASSERT_TRUE(in) << file;
  const json golden = json::parse(in);
  const json& s = golden["settings"];
  NetworkOptions options = NetworkOptions::paper(s["classes"]);
  options.auxiliary_head = s.value("auxiliary_head", false);
  options.bn_scale = s.value("bn_scale", "on") == "on";
  options.dropout_keep = s.value("dropout_keep", 1.0);
  options.drop_path_keep = s.value("drop_path_keep", 1.0);
  options.image_size = s.value("image_size", 0);
  options.width = s["width"];
  options.public_layout = s["layout"] == "public";
  options.dtype = DType::f64;
  const auto network = make_network(s["network"], options);
  fill_parameters(*network);
  const Index batch = s["batch_size"];
  const Tensor images = Tensor::empty({batch, s["height"], s["image_width"], 3}, DType::f64);
  for (Index i = 0; i < images.count(); ++i) images.data<double>()[i] = 2 * uniform(100000, i) - 1;
  const Tensor labels = Tensor::empty({batch}, DType::i64);
  for (Index i = 0; i < batch; ++i)
    labels.data<std::int64_t>()[i] = static_cast<std::int64_t>(uniform(100001, i) * s["classes"].get<double>());

  TrainerOptions t;
  t.schedule.kind = Schedule::Kind::constant;
  t.schedule.base = s["lr"];
  t.momentum = s["momentum"];
  t.weight_decay = s["weight_decay"];
  t.decay_set = parse_decay_set(s["decay_set"]);
  t.bn_decay = s["bn_decay"].get<double>();
  t.ema_decay = s["ema"];
  t.label_smoothing = s["label_smoothing"];
  t.fused = fused;
  Trainer trainer(network, t);
  trainer.set_steps_done(s.value("first_step", 0));
  const Index steps = s["steps"];
  for (Index step = 0; step < steps; ++step) {
    const audit::StepTrace trace = s["mode"] == "train" ? audit::trace_step(trainer, images, labels)
                                                        : audit::trace_evaluation(trainer, images, labels);
    const double expected = golden["losses"][static_cast<std::size_t>(step)];
    EXPECT_NEAR(trace.loss, expected, 1e-9 * std::fabs(expected)) << file << " step " << step;
    const std::string key = std::to_string(step);
    if (golden["steps"].contains(key)) compare_step(trace, golden["steps"][key], !fused);
  }
}

TEST(Fingerprint, MobilenetV1FiveTrainingSteps) { check_golden("mobilenet_v1.json", Kernels::own, false); }
TEST(Fingerprint, MobilenetV1FiveTrainingStepsFused) { check_golden("mobilenet_v1.json", Kernels::own, true); }
TEST(Fingerprint, MobilenetV2FiveTrainingSteps) { check_golden("mobilenet_v2.json", Kernels::own, false); }
TEST(Fingerprint, MobilenetV2FiveTrainingStepsFused) { check_golden("mobilenet_v2.json", Kernels::own, true); }
TEST(Fingerprint, Resnet50FiveTrainingStepsFused) { check_golden("resnet50_v1.json", Kernels::own, true); }
TEST(Fingerprint, InceptionTrainingSteps) {
  for (const char* file : {"inception_v1.json", "bn_inception.json"}) check_golden(file, Kernels::own, false);
}
// Dropout, drop path and batch norms without gamma, with the masks that tests/oracle/masks.py draws for itself.
TEST(Fingerprint, RegularisedTrainingSteps) {
  for (const char* file : {"inception_v3_025.inception.json", "nasnet_a_mobile.drop_path.json"})
    for (const bool fused : {false, true}) check_golden(file, Kernels::own, fused);
}
TEST(Fingerprint, InceptionTrainingStepsFused) {
  for (const char* file :
       {"inception_v1.json", "bn_inception.json", "inception_v3.json", "inception_v4.json", "inception_resnet_v2.json"})
    check_golden(file, Kernels::own, true);
}
TEST(Fingerprint, EvaluationOwn) {
  for (const char* file : {"mobilenet_v1_025.eval.json", "mobilenet_v2_140.eval.json", "resnet50_v1.public.eval.json",
                           "resnet101_v1.eval.json", "resnet152_v1.eval.json"})
    check_golden(file, Kernels::own, false);
}
TEST(Fingerprint, EvaluationFolded) {
  for (const char* file : {"mobilenet_v1_025.eval.json", "mobilenet_v2_140.eval.json", "resnet50_v1.public.eval.json"})
    check_golden(file, Kernels::own, true);
}
TEST(Fingerprint, Densenet121ThreeTrainingSteps) { check_golden("densenet121.json", Kernels::own, false); }
TEST(Fingerprint, Densenet121ThreeTrainingStepsFused) { check_golden("densenet121.json", Kernels::own, true); }
TEST(Fingerprint, EvaluationOfCellsAndDenseBlocks) {
  for (const char* file : {"densenet121.eval.json", "densenet169.eval.json", "densenet201.eval.json",
                           "nasnet_a_mobile.eval.json", "nasnet_a_large.eval.json"})
    for (const bool fused : {false, true}) check_golden(file, Kernels::own, fused);
}
TEST(Fingerprint, EvaluationOfInceptions) {
  for (const char* file : {"inception_v1.eval.json", "bn_inception.eval.json", "inception_v3.eval.json",
                           "inception_v4.eval.json", "inception_resnet_v2.eval.json"})
    for (const bool fused : {false, true}) check_golden(file, Kernels::own, fused);
}
TEST(Fingerprint, EvaluationOfNarrowInceptions) {
  for (const char* file : {"bn_inception_025.eval.json", "inception_v3_025.eval.json"})
    for (const bool fused : {false, true}) check_golden(file, Kernels::own, fused);
}
TEST(Fingerprint, DensenetsThreeTrainingStepsFused) {
  for (const char* file : {"densenet169.json", "densenet201.json"}) check_golden(file, Kernels::own, true);
}
TEST(Fingerprint, NasnetAMobileThreeTrainingStepsFused) { check_golden("nasnet_a_mobile.json", Kernels::own, true); }
TEST(Fingerprint, NasnetALargeThreeTrainingStepsFused) { check_golden("nasnet_a_large.json", Kernels::own, true); }
TEST(Fingerprint, Resnet101And152ThreeTrainingStepsFused) {
  for (const char* file : {"resnet101_v1.json", "resnet152_v1.json"}) check_golden(file, Kernels::own, true);
}
TEST(Fingerprint, MobilenetV2WideThreeTrainingStepsFused) { check_golden("mobilenet_v2_140.json", Kernels::own, true); }
TEST(Fingerprint, EvaluationReference) { check_golden("mobilenet_v1_025.eval.json", Kernels::reference, false); }

}  // namespace fingerprint_test
