// The log of a training run, for TensorBoard and for tables.
#include "common/training_log.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>

namespace tv_app {

using namespace tinyvision;

void add_log_options(CLI::App& app, LogChoice& choice) {
  app.add_option("--log", choice.formats,
                 "what the training's log is written as, in the folder log of --out: tensorboard (event files), csv, "
                 "jsonl (JSON lines), or none (docs/logs.md)")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::IsMember({"tensorboard", "csv", "jsonl", "none"}));
  app.add_option("--log-every", choice.every, "steps between rows of the log")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--log-images", choice.images,
                 "images of the first batch in TensorBoard's log, as the network sees them")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--log-histograms", choice.histograms,
                 "steps between histograms of all weights in TensorBoard's log; 0: none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

const std::vector<std::string>& log_option_names() {
  static const std::vector<std::string> names{"log", "log_every", "log_images", "log_histograms"};
  return names;
}

double TrainingLog::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TrainingLog::TrainingLog(LogChoice choice, std::string folder, Index steps, std::shared_ptr<const Network> network,
                         data::Normalisation normalisation, Clock seconds, report::WallClock wall)
    : choice_(std::move(choice)),
      folder_(std::move(folder)),
      steps_(steps),
      network_(std::move(network)),
      normalisation_(normalisation),
      seconds_(std::move(seconds)),
      wall_(std::move(wall)) {
  std::vector<std::string>& formats = choice_.formats;
  std::sort(formats.begin(), formats.end());
  formats.erase(std::unique(formats.begin(), formats.end()), formats.end());
  const bool none = std::find(formats.begin(), formats.end(), "none") != formats.end();
  if (none && formats.size() > 1) fail_usage("log", "--log none stands alone, not beside ", formats.front());
  if (none) formats.clear();
  const bool tensorboard = std::find(formats.begin(), formats.end(), "tensorboard") != formats.end();
  if (choice_.histograms > 0 && !tensorboard)
    fail_usage("log", "--log-histograms needs TensorBoard's format: add tensorboard to --log");
}

void TrainingLog::begin(Index step) {
  if (begun_ || !on()) return;
  begun_ = true;
  ensure_folder(folder_);
  const auto path = [&](const char* name) { return (std::filesystem::path(folder_) / name).string(); };
  for (const std::string& format : choice_.formats) {
    if (format == "tensorboard") {
      auto file = std::make_unique<report::EventFile>(path("events.out.tfevents"), wall_);
      events_ = file.get();
      logs_.add(std::move(file));
    } else {
      logs_.add(report::open_scalar_log(path(format == "csv" ? "scalars.csv" : "scalars.jsonl"), wall_));
    }
  }
  logs_.restart(step);
  last_row_ = seconds_();
}

void TrainingLog::before_step(Index step, const data::Batch& batch) {
  if (!on()) return;
  begin(step);
  if (events_ != nullptr && step == 0) add_images(batch);
  if (choice_.histograms > 0 && step % choice_.histograms == 0) add_histograms(step);
}

void TrainingLog::after_step(Index done, const StepResult& result) {
  if (!on()) return;
  const Index step = done - 1;
  examples_ += result.examples;
  if (step % choice_.every != 0 && done != steps_) return;
  const double now = seconds_();
  logs_.scalar("train/loss", step, result.loss);
  logs_.scalar("train/cross_entropy", step, result.cross_entropy);
  logs_.scalar("train/accuracy", step, static_cast<double>(result.correct) / static_cast<double>(result.examples));
  logs_.scalar("train/learning_rate", step, result.learning_rate);
  if (now > last_row_)
    logs_.scalar("train/images_per_second", step, static_cast<double>(examples_) / (now - last_row_));
  last_row_ = now;
  examples_ = 0;
}

void TrainingLog::metrics(const std::string& part, const SplitMetrics& metrics) {
  begin(steps_);
  if (metrics.examples() == 0) return;
  if (metrics.multi_label) {
    logs_.scalar(part + "/voc_ap11", steps_, metrics.multi_label->precision.value);
    return;
  }
  logs_.scalar(part + "/top1", steps_, metrics.top1.value());
  logs_.scalar(part + "/top5", steps_, metrics.top5.value());
  logs_.scalar(part + "/mean_per_class", steps_, metrics.mean_per_class.value);
}

void TrainingLog::finish() {
  begin(steps_);
  if (on() && choice_.histograms > 0) add_histograms(steps_);
  flush();
}

void TrainingLog::flush() { logs_.flush(); }

void TrainingLog::add_images(const data::Batch& batch) {
  const std::vector<Index> labels = batch.labels.to_vector<Index>();
  for (Index i = 0; i < std::min(choice_.images, batch.size()); ++i)
    events_->image(concat_text("input/", i, ", class ", labels[static_cast<std::size_t>(i)]), 0,
                   shown_image(batch.images, i, normalisation_));
}

void TrainingLog::add_histograms(Index step) {
  for (const Parameter& p : network_->parameters())
    events_->histogram("weights/" + p.name, step, p.variable.value().to_vector<float>());
}

Tensor shown_image(const Tensor& images, Index number, data::Normalisation normalisation) {
  std::vector<float> values = images.slice_batch(number, 1).to_vector<float>();
  const data::ChannelAffine affine = data::channel_affine(normalisation);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = (values[i] - affine.shift[i % 3]) / affine.scale[i % 3];
  const Tensor out = Tensor::empty({images.dim(1), images.dim(2), 3}, DType::u8);
  data::round_to_bytes(values.data(), out.count(), 1 / data::byte_scale(normalisation), out.data<std::uint8_t>());
  return out;
}

}  // namespace tv_app
