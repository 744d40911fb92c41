// tv_audit: writes down every number of a few training steps.
//
//   tv_audit trace --network resnet50_v1 --classes 10 --weights w.safetensors --batch b.safetensors --steps 3 --dump DIR
#include "common/app.hpp"
#include "common/network_weights.hpp"
#include "tinyvision/audit/trace.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::NetworkChoice network;
  Index classes = 1001, steps = 1, first_step = 0, batch_size = 0, dump_every = 1;
  std::string batch, mode = "train", dtype = "f32", fused = "on", decay_set = "conv_fc", dump;
  double lr = 0.1, momentum = 0.9, weight_decay = 0, bn_decay = 0, ema = 0;
  std::optional<double> label_smoothing;
};

const Tensor& named(const checkpoint::Safetensors& file, const std::string& path, const std::string& name) {
  for (const auto& [key, tensor] : file.tensors)
    if (key == name) return tensor;
  fail_usage("trace", path, ": no tensor '", name, "'");
}

void trace(const Options& options, const Json& config) {
  const DType dtype = options.dtype == "f64" ? DType::f64 : DType::f32;
  const auto network = tv_app::build_network(options.network, options.classes, dtype);
  if (options.network.weights == "random") {
    initialise(network->parameters(), options.seed);
  } else {
    tv_app::load_network(*network, options.network);
  }
  if (options.mode == "train" && options.network.weights != "random")
    tv_app::refuse_folded(*network, options.network.weights);
  network->to(compute_device());
  const auto batch = checkpoint::load_safetensors(options.batch);
  const Tensor images = named(batch, options.batch, "images").to(dtype), labels = named(batch, options.batch, "labels");
  if (images.shape().rank() != 4 || images.dim(3) != 3 || labels.shape() != Shape{images.dim(0)} ||
      labels.dtype() != DType::i64)
    fail_usage("trace", options.batch, ": needs images [N,H,W,3] and labels [N] i64, got ", images.text(), " and ",
               labels.text());
  TrainerOptions trainer_options;
  trainer_options.schedule.kind = Schedule::Kind::constant;
  trainer_options.schedule.base = options.lr;
  trainer_options.momentum = options.momentum;
  trainer_options.weight_decay = options.weight_decay;
  trainer_options.decay_set = parse_decay_set(options.decay_set);
  if (options.bn_decay > 0) trainer_options.bn_decay = options.bn_decay;
  trainer_options.ema_decay = options.ema;
  trainer_options.label_smoothing = options.label_smoothing.value_or(tv_app::label_smoothing_of(options.network));
  trainer_options.seed = options.seed;
  trainer_options.fused = options.fused == "on";
  Trainer trainer(network, trainer_options);
  trainer.set_steps_done(options.first_step);
  ensure_writable_folder(options.dump);
  if (options.network.weights == "random")
    checkpoint::save_safetensors(options.dump + "/weights.safetensors", tv_app::named_values(*network));
  tv_app::Results results("tv_audit", config);
  results["environment"]["arithmetic"] = options.dtype;
  const auto losses = audit::write_trace(
      trainer, images, labels, {options.steps, options.mode == "train", options.batch_size, options.dump_every},
      options.dump);
  for (std::size_t i = 0; i < losses.size(); ++i) std::printf("step %zu loss %.17g\n", i, losses[i]);
  results["losses"] = losses;
  results.lap("trace");
  results.write(options.dump);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("tv_audit: looks inside a computation");
  CLI::App* command =
      app.add_subcommand("trace", "dumps activations, gradients, weights and averages of training steps");
  app.require_subcommand(1);
  tv_app::add_network_options(*command, options.network, true);
  tv_app::add_regulariser_options(*command, options.network);
  command->get_option("--weights")->description("safetensors file, or random: the specification's initialisers");
  command->add_option("--classes", options.classes, "size of the logits layer")->capture_default_str();
  command->add_option("--batch", options.batch, "safetensors with images [N,H,W,3], preprocessed, and labels [N] i64")
      ->required();
  command->add_option("--mode", options.mode, "train or eval")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "eval"}));
  command->add_option("--steps", options.steps, "training steps")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--first-step", options.first_step, "number of the first step, for random numbers and schedules")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--batch-size", options.batch_size, "examples of a step, taken in turn; 0: all at each step")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--dump-every", options.dump_every, "steps between those that are written; the last one is")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--dtype", options.dtype, "f32 or f64")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "f64"}));
  command->add_option("--fused", options.fused, "on: composite ops; off: one op per row of the specification")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}));
  command->add_option("--lr", options.lr, "learning rate")->capture_default_str();
  command->add_option("--momentum", options.momentum, "Nesterov momentum")->capture_default_str();
  command->add_option("--weight-decay", options.weight_decay, "coefficient of |w|^2/2")->capture_default_str();
  command->add_option("--decay-set", options.decay_set, "conv_fc, slim or all")->capture_default_str();
  command->add_option("--bn-decay", options.bn_decay, "decay of moving statistics; 0 = the network's")
      ->capture_default_str();
  command->add_option("--ema", options.ema, "decay of the moving average of weights; 0 = none")->capture_default_str();
  command->add_option("--label-smoothing", options.label_smoothing, "s: targets (1-s) onehot + s/K")
      ->default_str("preset");
  command->add_option("--dump", options.dump, "folder for step_NNN.safetensors and trace.csv")->required();
  tv_app::add_common_options(*command, options, "");
  return tv_app::run_app(app, "tv_audit", options, argc, argv,
                         [&](const Json&) { trace(options, tv_app::resolved_configuration(*command)); });
}
